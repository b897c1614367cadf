"""Login: what ssh gives a launcher on each host: soon, silently, and in a shell that it can use."""

from __future__ import annotations

from mlxdiag.cluster import Cluster
from mlxdiag.errors import MissingFact
from mlxdiag.finding import (
    Confidence,
    Evidence,
    Fix,
    FixKind,
    Severity,
    SkipCheck,
    check,
)
from mlxdiag.readings import HostFacts, need

SLOW_S = 3.0
"""A login that takes longer waits for something: a refused method, a name, many keys."""

SHELLS = frozenset({"bash", "sh", "zsh"})
"""Those that read the script of mlx.launch: it has `[[ ]]` and arrays (launch.py)."""

_SHOWN = 80


@check(
    "access-fast",
    title="the login takes less than three seconds",
    per="host",
    severity=Severity.WARNING,
    confidence=Confidence.SINGLE,
    fix=Fix(
        FixKind.RUN,
        "say `GSSAPIAuthentication no` and `IdentitiesOnly yes` for the host in ~/.ssh/config",
    ),
    needs=("access-reachable",),
)
def fast(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """mlx.launch logs in to every host for each job: ranks then begin too far apart to meet."""
    del cluster
    _over_ssh(host)
    took = host.access.seconds
    if took <= SLOW_S:
        return None
    return Evidence(
        "ssh",
        f"{took:.1f} s until the session was open",
        f"{SLOW_S:.0f} s at most",
        measured=round(took, 3),
        limit=SLOW_S,
        unit="s",
        provisional=True,
    )


@check(
    "access-quiet",
    title="the login shell prints nothing by itself",
    per="host",
    severity=Severity.WARNING,
    fix=Fix(
        FixKind.RUN,
        "print only where `[[ -o interactive ]]` holds, in ~/.zshenv and whatever it reads",
    ),
    needs=("access-reachable",),
)
def quiet(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """mlx.launch takes the first line it hears for the file to stop the rank by: it is left."""
    del cluster
    _over_ssh(host)
    said = host.access.stderr.decode("utf-8", "replace").strip()
    if not said:
        return None
    return Evidence("ssh", f"it printed {said[:_SHOWN]!r}", "nothing before the command's own")


@check(
    "access-shell",
    title="the login shell is zsh, bash or sh",
    per="host",
    fix=Fix(
        FixKind.RUN,
        "give the account a shell that mlx.launch can use, or take another account",
        "chsh -s /bin/zsh",
    ),
    needs=("access-reachable",),
)
def shell(cluster: Cluster, host: HostFacts) -> Evidence | None:
    """What mlx.launch sends is a script of bash and zsh: in fish or tcsh the rank ends at once."""
    _over_ssh(host)
    path = need(cluster.survey(host.host.name).environment).by_name.get("SHELL")
    if path is None:
        raise MissingFact("login_environment", "it has no SHELL", host.host.name)
    if path.rpartition("/")[2] in SHELLS:
        return None
    return Evidence("login_environment", f"SHELL={path}", "zsh, bash or sh")


def _over_ssh(host: HostFacts) -> None:
    """Skip the machine that we stand on: mlx.launch does not log in to 127.0.0.1 either."""
    if host.host.connection == "local":
        raise SkipCheck("asked without ssh")
    if not host.reached:
        raise MissingFact("ssh", host.access.reason, host.host.name)


CHECKS = (fast, quiet, shell)
