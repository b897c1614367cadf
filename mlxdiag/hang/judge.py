"""Judge: a recording of two looks -> what a person would conclude from it. Pure."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from mlxdiag.facts.ps import Process
from mlxdiag.hang.frames import told
from mlxdiag.hang.moved import held
from mlxdiag.hang.patterns import recognised, swap_rate
from mlxdiag.hang.rounds import kind_of
from mlxdiag.hang.seen import Look, Memory, Seen, SeenHost, see
from mlxdiag.hang.standing import Run, Standing, stand
from mlxdiag.hang.stuck import clients, idle
from mlxdiag.hang.verdict import Hang, HostRow, RankRow, State, Verdict
from mlxdiag.hang.words import names, waiting
from mlxdiag.hostlist import fold
from mlxdiag.readings import Gap
from mlxdiag.recording import Recording

LINES = 12
"""Frames of a stack that a report shows."""


def judge(recording: Recording) -> Hang:
    """Read the looks, recognise what is known, say the rest."""
    seen = see(recording)
    run = stand(seen)
    verdicts = () if not run.standings or run.twice else recognised(run)
    state, said = _conclusion(run, verdicts)
    return Hang(
        state=state,
        said=said,
        seconds=run.seconds,
        ranks=tuple(_rank_row(each) for each in run.standings),
        hosts=tuple(_host_row(run, host) for host in seen.hosts),
        verdicts=verdicts,
        missing=run.missing,
    )


def _conclusion(run: Run, verdicts: tuple[Verdict, ...]) -> tuple[State, str]:
    if not run.standings or run.twice:
        return "unknown", _several(run) if run.twice else _nobody(run.seen)
    if any(verdict.kind != "swap" for verdict in verdicts):
        return "hung", verdicts[0].text
    steps = [s for s in run.standings if s.moved.steps]
    if steps or all(s.moved.own for s in run.standings):
        return "moving", _moves(run, steps)
    if idle(run):
        return "idle", _idle(run)
    return "unknown", _unclear(run)


def _nobody(seen: Seen) -> str:
    asked = [h.host for h in seen.hosts if h.lost is None]
    lost = [h.host for h in seen.lost]
    where = f"no rank was found on {fold(asked)}" if asked else "no host said what runs on it"
    more = f"; {fold(lost)} did not answer" if asked and lost else ""
    return f"{where}{more}: by the pattern, by MLX_RANK, and by the ports from {seen.ports[0]}"


def _several(run: Run) -> str:
    of = [s for s in run.standings if s.rank.found.number == run.twice[0]]
    who = ", ".join(f"{s.rank.found.host} pid {s.rank.found.pid}" for s in of)
    return (
        f"rank {run.twice[0]} is there {len(of)} times ({who}): several runs, or what an earlier"
        " one left behind; say which with --pattern"
    )


def _moves(run: Run, steps: list[Standing]) -> str:
    chosen = steps or list(run.standings)
    seconds = f" in {run.seconds:.0f} s" if run.seconds else ""
    what = chosen[0].moved.said[0]
    rest = f"; on no host that was asked: rank {', '.join(map(str, run.missing))}"
    return (
        f"the run is moving between the samples{seconds}, so it is slow, not hung:"
        f" {names(chosen)}, for one {chosen[0].label}: {what}{rest if run.missing else ''}"
    )


def _idle(run: Run) -> str:
    serving = [s for s in run.standings if s.both("request")]
    rest = f"; {waiting(run)} for what it sends" if waiting(run) else ""
    return (
        f"all ranks are idle: {names(serving)} waits for a request, and nobody is connected{rest}"
    )


def _unclear(run: Run) -> str:
    blind = [s for s in run.standings if s.now.kind == "unknown"]
    if run.seen.lost:
        lost = fold(host.host for host in run.seen.lost)
        return f"not known: {lost} did not answer; {waiting(run) or 'nobody waits in a collective'}"
    quiet = [f"{host.host}, {host.gaps[0]}" for host in run.seen.hosts if host.gaps]
    if quiet:
        return f"not known: not every look was answered: {'; '.join(quiet)}"
    if run.unmet:
        return f"not known: {_unmet(run)}"
    if blind:
        return f"not known where {names(blind)} is: {_why(blind[0])}"
    served = [f"{s.label} has {c} connected" for s in run.standings for c in clients(run, s)]
    said = [waiting(run), *served[:1]] if waiting(run) else served[:1]
    places = "; ".join(f"{s.label} is {s.now.text}" for s in run.standings)
    return f"not known: {'; '.join(filter(None, said)) or places}; nothing is recognised"


def _unmet(run: Run) -> str:
    who = ", ".join(f"rank {f.number} ({f.host}, pid {f.pid})" for f in run.unmet)
    many = len(run.unmet) > 1
    verb = "run and are" if many else "runs and is"
    return f"{who} {verb} not met by the pattern, so nobody looked at {'them' if many else 'it'}"


def _why(each: Standing) -> str:
    for look in reversed(each.rank.looks):
        if isinstance(look, Gap):
            return look.reason
        for fact in (look.native, look.python):
            if isinstance(fact, Gap) and fact.outcome not in (Outcome.MISSING, _UNASKED):
                return f"{kind_of(fact.source)}: {fact.reason}"
    return "no sample, gdb or py-spy on its host told"


_UNASKED = Outcome.NOT_RECORDED


def _rank_row(each: Standing) -> RankRow:
    found, last = each.rank.found, _last(each)
    process = (last.process if last else None) or found.process
    return RankRow(
        label=each.label,
        rank=found.number,
        host=found.host,
        pid=found.pid,
        state="gone" if each.now.kind == "gone" else _state(process, found.process),
        age_s=found.process.age_s,
        command=found.process.arguments[:200],
        cpu=each.cpu,
        rss_bytes=process.rss_bytes,
        footprint_bytes=last.footprint_bytes if last else None,
        holds_bytes=held(last) if last else None,
        where=(each.places[0].text, each.places[1].text),
        moved=each.moved.said,
        sockets=_sockets(last),
        python=_python(last),
        native=_native(last),
        fast_synch=found.variables.get("MLX_METAL_FAST_SYNCH"),
    )


def _state(process: Process, before: Process) -> str:
    """Give STAT; `t` is the stop that our own debugger makes."""
    return before.stat if process.stat.startswith("t") else process.stat


def _last(each: Standing) -> Look | None:
    """Give the last look that has something of the rank."""
    looks = [look for look in each.rank.looks if not isinstance(look, Gap)]
    return next((look for look in reversed(looks) if look.process), None)


def _sockets(look: Look | None) -> tuple[str, ...]:
    held = look.sockets if look else ()
    return tuple(
        f"{s.local} {'listens' if not s.remote else f'to {s.remote} {s.state.lower()}'}"
        + (f", {s.unread_bytes} B unread" if s.unread_bytes else "")
        + (f", {s.unsent_bytes} B unsent" if s.unsent_bytes else "")
        for s in held[:32]
    )


def _python(look: Look | None) -> tuple[str, ...]:
    if look is None:
        return ()
    if isinstance(look.python, Gap):
        return (f"none: {look.python.reason}",)
    return tuple(
        f"{thread.name}: {' < '.join(map(str, thread.lines[:LINES]))}"
        for thread in look.python.threads
    )


def _native(look: Look | None) -> tuple[str, ...]:
    """Show of each thread where it was most often: the innermost frame, and those of MLX."""
    if look is None:
        return ()
    if isinstance(look.native, Gap):
        return (f"none: {look.native.reason}",)
    said = ((thread.name, told(thread.paths[0].frames)) for thread in look.native if thread.paths)
    return tuple(f"{name}: {' < '.join(frames)}" for name, frames in said if frames)


def _host_row(run: Run, host: SeenHost) -> HostRow:
    ports = None if isinstance(host.ports, Gap) else host.ports
    classes = None if isinstance(host.classes, Gap) else host.classes
    memory = host.memory[1] or host.memory[0] or Memory(0.0, None, None, None, None)
    lost = (host.lost.reason,) if host.lost else ()
    return HostRow(
        host=host.host,
        ranks=sum(s.rank.found.host == host.host for s in run.standings),
        gpu_percent=host.gpu,
        wired_bytes=memory.wired,
        memory_bytes=memory.total,
        swap_used_bytes=memory.swap_used,
        swap_bytes_per_s=swap_rate(host.memory),
        rdma_up=None if ports is None else tuple(p.device for p in ports if p.up),
        rdma_down=None if ports is None else tuple(p.device for p in ports if p.up is False),
        stuck=None if ports is None else sum(p.stuck for p in ports),
        domains=classes.domains if classes else None,
        queue_pairs=classes.pairs if classes else None,
        unkillable=tuple(f"pid {p.pid}: {p.arguments[:100]}" for p in host.unkillable),
        gaps=(*lost, *host.gaps),
    )
