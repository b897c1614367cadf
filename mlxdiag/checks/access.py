"""Access: was the host reached, and did every command answer."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from mlxdiag.cluster import Cluster
from mlxdiag.facts import mlx_runtime, rdma_ctl
from mlxdiag.finding import Evidence, Fix, FixKind, check
from mlxdiag.readings import Gap, HostFacts

VERBS = ("ibv_devices", "ibv_devinfo")
_RUN, _SETTINGS, _WAIT = FixKind.RUN, FixKind.SETTINGS, FixKind.WAIT

FIXES = {
    Outcome.SSH_CONFIG: Fix(
        _RUN, "correct your ssh configuration: `ssh -G HOST` names the mistake"
    ),
    Outcome.UNRESOLVED: Fix(_RUN, "correct the host's address in the inventory, or use its IP"),
    Outcome.REFUSED: Fix(
        _SETTINGS, "turn on Remote Login (System Settings > General > Sharing) on the host"
    ),
    Outcome.NO_ROUTE: Fix(
        _SETTINGS,
        "bring the host's network up; if ping works, allow the terminal under Privacy & Security"
        " > Local Network",
    ),
    Outcome.CONNECT_TIMEOUT: Fix(
        _SETTINGS, "wake the host, then look for a firewall or VPN that drops ssh"
    ),
    Outcome.HOST_KEY_UNKNOWN: Fix(
        _RUN, "connect once by hand, compare the fingerprint with the host's and accept it"
    ),
    Outcome.HOST_KEY_CHANGED: Fix(
        _RUN,
        "if the host was re-installed, remove its old key and accept the new one; if not, do not"
        " connect: something else answers at this address",
    ),
    Outcome.AUTH_REFUSED: Fix(
        _RUN, "copy your public key to the host, for the user it is asked as"
    ),
    Outcome.DISCONNECTED: Fix(_WAIT, "the connection broke: run mlxdiag again"),
    Outcome.INTERRUPTED: Fix(_WAIT, "the run was interrupted: run mlxdiag again"),
    Outcome.NOT_RECORDED: Fix(_RUN, "the recording lacks this host: record it again with --save"),
}

COMMANDS = {
    Outcome.REFUSED: "sudo systemsetup -setremotelogin on",
    Outcome.HOST_KEY_UNKNOWN: "ssh {to} true",
    Outcome.HOST_KEY_CHANGED: "ssh-keygen -R {address}",
    Outcome.AUTH_REFUSED: "ssh-copy-id {to}",
}


@check(
    "access-reachable",
    title="the host answers over ssh with keys alone",
    per="host",
    fix=Fix(_RUN, "make `ssh HOST true` work without a question"),
)
def reachable(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """Everything else about a host is unknown until it can be asked."""
    del cluster
    if host.reached:
        return None
    outcome = host.access.outcome
    address = host.host.address
    to = f"{host.host.user}@{address}" if host.host.user else address
    fix = FIXES.get(outcome)
    command = COMMANDS.get(outcome)
    here = outcome is not Outcome.REFUSED
    return Evidence(
        "ssh",
        host.access.reason,
        "a session",
        Fix(fix.kind, fix.text, command and command.format(to=to, address=address), here=here)
        if fix
        else None,
        unknown=True,
    )


@check(
    "access-answers",
    title="every command answered and was understood",
    per="host",
    fix=Fix(_RUN, "run the command by hand on the host and see what it says"),
    needs=("access-reachable",),
)
def answers(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """A fact that is missing makes unknown what rests on it; this names the command to look at.

    Verbs commands that hang, a missing rdma_ctl and a missing Python have checks of their own.
    """
    del cluster
    gaps = [gap for gap in host.gaps if not _elsewhere(gap)]
    if not gaps:
        return None
    said = "; ".join(f"{gap.source}: {gap.reason}" for gap in gaps)
    again = all(gap.outcome is Outcome.INTERRUPTED for gap in gaps)
    fix = FIXES[Outcome.INTERRUPTED] if again else None
    return Evidence(gaps[0].source, said, "output in its known form", fix, unknown=True)


def _elsewhere(gap: Gap) -> bool:
    if gap.source in VERBS:
        return gap.outcome in (Outcome.TIMEOUT, Outcome.NOT_STARTED, Outcome.MISSING)
    if gap.source == rdma_ctl.COMMAND.name:
        return gap.outcome is Outcome.MISSING
    return gap.source == mlx_runtime.COMMAND.name and gap.outcome is not Outcome.NOT_RECORDED


CHECKS = (reachable, answers)
