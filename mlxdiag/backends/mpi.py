"""MPI: ranks that Open MPI's mpirun starts, over whatever networks Open MPI finds.

One mpirun on the first host starts a rank on each host, in the order of the ranks, with the host's
own interpreter; to the other hosts it goes over an ssh of its own. Which options it takes depends
on its major version, so the words of both are planned, and the first host chooses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from mlxdiag.backends.backend import Backend, Layout, Site, Word
from mlxdiag.backends.known import known
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan, RankPlan, Refusal
from mlxdiag.probe.said import GangRun, RankLog
from mlxdiag.readings import Gap
from mlxdiag.transport.shell import interpreter

HERE = "localhost"
"""What mpirun calls the host that it runs on; its other names may not resolve there."""

LOOPBACK = "one machine: correctness and hangs are tested, speed is that of its memory"
NETWORKS = "over the networks that Open MPI chooses (OMPI_MCA_btl_tcp_if_include names them)"

BOOT = (
    "import os,sys,zlib,base64;sys.path[:]=[p for p in sys.path if p];"
    's=zlib.decompress(base64.b64decode(os.environ["MLXDIAG_KERNEL"]));'
    'g=dict(__name__="supervisor");exec(compile(s,"mlxdiag-kernel","exec"),g);'
    'g["supervise_under_mpirun"](s)'
)
"""The kernel comes through the environment; mpirun hands stdin to rank 0 only."""

TERM_TO_KILL_S = 3
"""Seconds that mpirun's daemons leave a supervisor to end its rank: two graces of a second."""

KEEPALIVE = {
    "oob_tcp_keepalive_time": 5,
    "oob_tcp_keepalive_intvl": 3,
    "oob_tcp_keepalive_probes": 3,
}
"""A daemon whose first host is gone without a word ends after some 14 s, not 8 minutes."""

CONNECT_S = 10


def local(count: int, host: Host, port: int, connections: int) -> Layout:
    """Plan ranks of one machine; more of them than cores are allowed."""
    del port, connections
    ranks = _ranks([host] * count)
    return Layout(ranks, notes=(LOOPBACK,), launcher=words(ranks, [HERE] * count))


def lay(site: Site, order: Sequence[str], port: int, connections: int) -> Layout | Refusal:
    """Plan a rank per host; refuse where mpirun has no way to one."""
    del port, connections
    reached = [_reached_as(site, name) for name in order]
    called = [HERE, *reached[1:]]
    lost = [name for name, way in zip(order, called, strict=True) if not way]
    if same := [n for n, way in zip(order, reached, strict=True) if way and reached.count(way) > 1]:
        return Refusal("mpi", f"mpirun takes hosts of one address for one: {', '.join(same)}")
    if lost:
        return Refusal("mpi", f"no address by which {order[0]} reaches {', '.join(lost)}")
    hosts = [site.cluster.of(name).host for name in order]
    ways = {(host.user, host.port, host.identity_file) for host in hosts[1:]}
    if len(ways) > 1:
        reason = (
            "mpirun's ssh takes one user, port and key for all hosts: leave them out of the"
            f" inventory and say them in ~/.ssh/config on {order[0]}"
        )
        return Refusal("mpi", reason)
    ranks = _ranks(hosts)
    return Layout(ranks, notes=(NETWORKS,), launcher=words(ranks, called))


def words(ranks: Sequence[RankPlan], names: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Give mpirun's arguments by its major version; a context per rank, so rank r is where we say.

    `names` are the hosts as mpirun has to call them.
    """
    return {"4": _words("4", ranks, names), "5": _words("5", ranks, names)}


def _words(major: str, ranks: Sequence[RankPlan], names: Sequence[str]) -> tuple[str, ...]:
    mca = "--mca" if major == "4" else "--prtemca"
    said = ["--tag-output"] if major == "4" else ["--output", "tag"]
    if len(set(names)) < len(names):
        said += ["--oversubscribe"] if major == "4" else ["--map-by", ":OVERSUBSCRIBE"]
    said += [mca, "orte_keep_fqdn_hostnames", "1"] if major == "4" else []
    for name, value in {"odls_base_sigkill_timeout": TERM_TO_KILL_S, **KEEPALIVE}.items():
        said += [mca, name, str(value)]
    others = [rank.host for rank, name in zip(ranks, names, strict=True) if name != HERE]
    if others:
        said += [mca, "plm_rsh_args" if major == "4" else "plm_ssh_args", _ssh_args(others[0])]
    for rank, name in zip(ranks, names, strict=True):
        said += [":"] if rank.rank else []
        said += ["-x", "MLXDIAG_KERNEL", "-x", "MLXDIAG_JOB", "-n", "1", "-host", name]
        python = f'exec {interpreter(rank.host.python)} -c "$@"'
        said += ["/bin/sh", "-c", python, "mlxdiag", BOOT, str(rank.rank)]
    return tuple(said)


def _ssh_args(host: Host) -> str:
    """Give the arguments of mpirun's ssh; it must never ask."""
    said = f"-o BatchMode=yes -o ConnectTimeout={CONNECT_S}"
    said += f" -l {host.user}" if host.user else ""
    said += f" -p {host.port}" if host.port else ""
    return said + (f" -i {host.identity_file}" if host.identity_file else "")


def _ranks(hosts: Sequence[Host]) -> tuple[RankPlan, ...]:
    return tuple(RankPlan(rank, host, {}, {}) for rank, host in enumerate(hosts))


def _reached_as(site: Site, name: str) -> str:
    """Give the name by which the first host reaches another; loopback would be itself."""
    facts = site.cluster.of(name)
    host = facts.host
    if host.ip:
        return host.ip
    if host.connection == "ssh" and not host.address.startswith(("127.", "localhost", "::1")):
        return host.address
    if isinstance(facts.ifconfig, Gap):
        return ""
    found = (
        address.address
        for interface in facts.ifconfig.interfaces
        if interface.name.startswith("en")
        for address in interface.ipv4
    )
    return next((a for a in found if not IPv4Address(a).is_link_local), "")


WORDS = (
    *known("mpi-init", "mpi-single-process", "mpi-not-open-mpi"),
    Word(
        re.compile(r"this mlx has no mpi"),
        "no library of Open MPI can be loaded: install it on every host",
    ),
    Word(re.compile(r"HYDRA|MPICH|Intel\(R\) MPI"), "mlx takes Open MPI only"),
    Word(re.compile(r"mpirun is not there"), "install Open MPI on the first host"),
)


@dataclass(frozen=True)
class Charge:
    """A message of mpirun's: what it means; `rank` or `node` in the pattern say whom it is about.

    `status` is an exit code that it tells. What is said `at_start` holds until every rank is up:
    later it is an echo.
    """

    pattern: re.Pattern[str]
    means: str
    at_start: bool = False


CHARGES = (
    Charge(
        re.compile(
            r"process rank (?P<rank>\d+) with PID \d+ on\s+node (?P<node>\S+) exited on\s+"
            r"signal (?P<number>\d+)"
        ),
        "its supervisor was ended by signal {number}",
    ),
    Charge(
        re.compile(
            r"(?:ORTE|PRTE) has lost communication with a remote daemon"
            r".*?Remote daemon:.*?on node (?P<node>\S+)",
            re.DOTALL,
        ),
        "its daemon of mpirun was lost",
    ),
    Charge(
        re.compile(r"ssh: connect to host (?P<node>\S+) port \d+: .*"),
        "mpirun's ssh from the first host does not reach it",
    ),
    Charge(
        re.compile(r"ssh: Could not resolve hostname (?P<node>[^\s:]+): .*"),
        "mpirun's ssh from the first host does not know its name",
    ),
    Charge(
        re.compile(r"(?:\S+@)?(?P<node>[^\s@]+): Permission denied \(.*"),
        "mpirun's ssh from the first host is not let in: it needs a key without a passphrase",
    ),
    Charge(
        re.compile(r"No \S+ host key is known for \[?(?P<node>[^\s\]]+).*"),
        "mpirun's ssh does not know its host key: connect once by hand from the first host",
    ),
    Charge(
        re.compile(r"Host key verification failed"),
        "mpirun's ssh does not know a host key: connect once by hand from the first host",
    ),
    Charge(
        re.compile(r"(?:orted|prted): (?:command )?not found|(?:orted|prted): No such file.*"),
        "another host has no Open MPI where the first one has it",
    ),
    Charge(
        re.compile(r"Process name:\s+\[.*?,(?P<rank>\d+)\]\s+Exit code:\s+(?P<number>\d+)"),
        "ended with status {number}",
    ),
    Charge(
        re.compile(r"allocated for this job are\s+already filled"),
        "mpirun takes two of the hosts for one",
    ),
    Charge(re.compile(r"not enough slots available.*"), "mpirun has too few slots for the ranks"),
    Charge(
        re.compile(r"unknown option.*|[Uu]nrecognized option.*", re.DOTALL),
        "this mpirun does not take an option that its version should have",
    ),
    Charge(re.compile(r"attempt to run as\s+root.*"), "mpirun does not run as root"),
    Charge(
        re.compile(r"unable to reliably start one or more daemons"),
        "mpirun could not start its daemon on another host",
        at_start=True,
    ),
)
"""The first that fits holds: what names a rank or a host stands before what does not."""


def accuse(plan: Plan, run: GangRun) -> tuple[tuple[int, ...], str, str] | None:
    """Say what only mpirun knows: why ranks did not start, or went without a word of their own."""
    log = run.launcher
    if log is None:
        return None
    if (strayed := _strayed(plan, run)) is not None:
        return strayed
    if run.end == "done" or any(map(_said_why, run.logs)):
        return None
    if log.lost:
        return (0,), f"was lost: {log.lost}", "".join(log.noise)[-500:].strip()
    failed = log.last("fail")
    if failed is not None:
        word = BACKEND.word(failed["text"])
        return (0,), f"did not launch: {failed['text']}" + (f" ({word.means})" if word else ""), ""
    said = "".join(e["text"] for e in log.events if e["ev"] == "stderr")
    charge = None if _killed_while_all_ran(run, log) else _charged(plan, run, said)
    return charge or _ended(run, log, said)


def _killed_while_all_ran(run: GangRun, log: RankLog) -> bool:
    """Whether a signal ended mpirun when every rank was up: what daemons say then is an echo."""
    ended = log.last("exit")
    spawned = all(one.last("spawn") is not None for one in run.logs)
    return spawned and ended is not None and ended["why"] == "exited" and ended["status"] < 0


def _ended(run: GangRun, log: RankLog, said: str) -> tuple[tuple[int, ...], str, str] | None:
    """Say that mpirun ended without a word of why; it has one, and not always the time for it."""
    ended = log.last("exit")
    if ended is None or ended["why"] != "exited" or not ended["status"]:
        return None
    status = ended["status"]
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    silent = [one for one in run.logs if one.last("spawn") is None]
    noisy = [one for one in silent if one.noise]
    if noisy or 0 < len(silent) < len(run.logs):
        ranks = tuple(one.rank for one in noisy or silent)
        noise = "".join(noisy[0].noise) if noisy else said
        return ranks, f"did not start: mpirun {how}", noise.strip()[-500:]
    return (0,), f"its mpirun {how}", said.strip()[-500:]


def _said_why(log: RankLog) -> bool:
    """Whether a rank or its supervisor told itself how it failed."""
    ended = log.last("exit")
    return log.last("fail") is not None or (
        ended is not None and ended["why"] == "exited" and ended["status"] != 0
    )


def _strayed(plan: Plan, run: GangRun) -> tuple[tuple[int, ...], str, str] | None:
    """Find ranks of two hosts under one daemon: mpirun took a host's name for its own."""
    seen: dict[tuple[object, ...], str] = {}
    for rank, log in zip(plan.ranks, run.logs, strict=True):
        spawned = log.last("spawn") or {}
        daemon = tuple(spawned.get(key) for key in ("node", "parent", "parent_began"))
        if None in daemon:
            continue
        host = seen.setdefault(daemon, rank.host.name)
        if host != rank.host.name:
            return (rank.rank,), f"ran on {host}: mpirun took its name for that host", ""
    return None


def _charged(plan: Plan, run: GangRun, said: str) -> tuple[tuple[int, ...], str, str] | None:
    up = all(one.last("spawn") is not None for one in run.logs)
    for charge in CHARGES:
        found = charge.pattern.search(said)
        if found is None or (charge.at_start and up):
            continue
        told = found.groupdict()
        ranks = _of_rank(told, len(plan.ranks)) or _of_node(told.get("node"), plan, run)
        text = charge.means.format(**told)
        line = found[0].splitlines()[0]
        if len(ranks) == 1 and run.logs[ranks[0]].last("spawn") is None:
            noise = "".join(run.logs[ranks[0]].noise).strip()
            line = "\n".join(filter(None, (noise, line)))
            text = f"did not start: {text}"
        return ranks, text, line
    return None


def _of_rank(told: Mapping[str, str | None], count: int) -> tuple[int, ...]:
    rank = int(told.get("rank") or -1)
    return (rank,) if 0 <= rank < count else ()


def _of_node(node: str | None, plan: Plan, run: GangRun) -> tuple[int, ...]:
    """Name the ranks of a host, by any name it goes under; nobody where all have the same."""
    if node is None:
        return ()
    found = []
    for rank, log in zip(plan.ranks, run.logs, strict=True):
        known = (
            rank.host.name,
            rank.host.address,
            rank.host.ip,
            (log.last("spawn") or {}).get("node"),
        )
        if node in known:
            found.append(rank.rank)
    return tuple(found) if len(found) < len(plan.ranks) else ()


BACKEND = Backend(
    name="mpi",
    mlx_name="mpi",
    lay=lay,
    local=local,
    ops=("all_sum", "all_gather", "send"),
    words=WORDS,
    deadlines_s={"spawn": 40.0},
    accuse=accuse,
)
