"""Probes: findings about collectives that really ran. Asked of judged launches, not of facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlxdiag.checks import speed
from mlxdiag.finding import Check, Evidence, Finding, Fix, FixKind, Severity, Status, Subject
from mlxdiag.inventory import Expect
from mlxdiag.probe.judge import Probe
from mlxdiag.probe.matrix import Matrix, Way
from mlxdiag.probe.plan import Refusal

COLLECTIVE = Check(
    "probes-collective",
    "collectives of every rank end in time with the right results",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "look at the rank that is named, its host and its stderr"),
    (),
    "MLX raises nothing where the data is wrong, and waits for ever for a rank that is gone.",
)
LEFT = Check(
    "probes-nothing-left",
    "nothing that the probe started is left on any host",
    Severity.ERROR,
    "cluster",
    Fix(
        FixKind.REBOOT, "a process that SIGKILL does not end waits in the kernel: restart its host"
    ),
    (),
    "A rank that stays behind holds its port, its memory and, with jaccl, protection domains.",
)
ALLOWED = Check(
    "probes-allowed",
    "the hosts have what the backend takes, so that its launch is tried",
    Severity.ERROR,
    "cluster",
    Fix(FixKind.NONE, "repair what is named; `mlxdiag ports` says how"),
    (),
    "A launch that cannot work hangs, or leaks protection domains that only a restart gives back.",
)
BEHIND = Check(
    "probes-pair-behind",
    "the link is about as fast as the others",
    Severity.WARNING,
    "link",
    Fix(
        FixKind.REPLUG,
        "re-seat the cable at both ends, measure again, then swap it with one that is not behind",
    ),
    (),
    "A collective is as fast as its slowest link, and does not say which one that is.",
)
EXPECT = Expect()
CHECKS = (ALLOWED, COLLECTIVE, LEFT, BEHIND, *speed.CHECKS)


def findings(
    probes: Sequence[Probe],
    refusals: Iterable[Refusal],
    expect: Expect = EXPECT,
    pairs: Sequence[Matrix] = (),
) -> tuple[Finding, ...]:
    """Judge every launch: did the collectives work, is the place clean; what was refused; links.

    The numbers of all launches of a backend are held to what is expected of it.

    Where something was launched, a backend that the hosts cannot have is passed over.
    """
    refused = (_refused(refusal, others=bool(probes)) for refusal in refusals)
    ask = (_allowed, _collective, _left)
    found = (about(probe) for probe in probes for about in ask)
    links = (_behind(matrix, way) for matrix in pairs for way in matrix.ways)
    return (*refused, *found, *links, *speed.findings(probes, expect))


def _allowed(probe: Probe) -> Finding:
    return Finding(ALLOWED, _subject(probe), Status.PASS)


def _subject(probe: Probe) -> Subject:
    if probe.plan.part != "pair":
        return Subject("cluster", interface=probe.plan.backend)
    one, other = (rank.host.name for rank in probe.plan.ranks)
    return Subject("pair", one, far=Subject("host", other))


def _refused(refusal: Refusal, *, others: bool) -> Finding:
    subject = Subject("cluster", interface=refusal.backend)
    seen = f"{refusal.backend}: {refusal.reason}"
    if refusal.usable is None:
        evidence = Evidence("facts", seen, "facts that allow it")
        return Finding(ALLOWED, subject, Status.UNKNOWN, evidence)
    if others:
        return Finding(ALLOWED, subject, Status.SKIP, reason=seen)
    return Finding(ALLOWED, subject, Status.FAIL, Evidence("facts", seen, "facts that allow it"))


def _collective(probe: Probe) -> Finding:
    hosts = [rank.host.name for rank in probe.plan.ranks]
    subject = _subject(probe)
    if probe.blame is None:
        return Finding(COLLECTIVE, subject, Status.PASS)
    who = ", ".join(f"rank {rank} ({hosts[rank]})" for rank in probe.blame.ranks)
    pair = f" {_label(probe)}" if probe.plan.part == "pair" else ""
    seen = f"{probe.plan.backend}{pair}: {who} {probe.blame.text}".replace("  ", " ")
    evidence = Evidence("probe", seen, f"{len(hosts)} ranks, all of them done")
    interrupted = probe.run.end == "interrupted"
    return Finding(COLLECTIVE, subject, Status.UNKNOWN if interrupted else Status.FAIL, evidence)


def _label(probe: Probe) -> str:
    one, other = (rank.host.name for rank in probe.plan.ranks)
    return Way((one, other), probe.plan.wires, ()).label


def _left(probe: Probe) -> Finding:
    subject = _subject(probe)
    if not probe.run.left:
        return Finding(LEFT, subject, Status.PASS)
    unknown = all("not known" in text for text in probe.run.left)
    evidence = Evidence("ps", "; ".join(probe.run.left), "nothing")
    return Finding(LEFT, subject, Status.UNKNOWN if unknown else Status.FAIL, evidence)


def _behind(matrix: Matrix, way: Way) -> Finding:
    subject = Subject("pair", way.hosts[0], far=Subject("host", way.hosts[1]))
    if len(way.wires) == 1 and all(way.wires[0].receptacles):
        one, other = way.wires[0].receptacles
        far = Subject("port", way.hosts[1], receptacle=other)
        subject = Subject("link", way.hosts[0], receptacle=one, far=far)
    status = Status(way.standing)
    if status in (Status.PASS, Status.SKIP):
        return Finding(BEHIND, subject, status, reason=way.said)
    slow = [
        f"{matrix.links_of(h)} of {h} are behind: the host" for h in matrix.slow if h in way.hosts
    ]
    seen = "; ".join([f"{matrix.backend} {way.label}: {way.said}", *slow])
    wanted = f"within {matrix.behind:.0%} of the median"
    return Finding(BEHIND, subject, status, Evidence("probe", seen, wanted))
