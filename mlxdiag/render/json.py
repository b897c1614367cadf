"""JSON: the contract (schema_version 1, mlxdiag/report.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlxdiag.finding import Evidence, Finding, Fix, Subject
from mlxdiag.ladder import LinkState, Usable
from mlxdiag.ports import Port
from mlxdiag.readings import HostFacts, known
from mlxdiag.recommend import Choice
from mlxdiag.render.style import Style
from mlxdiag.report import HeldFile, Report
from mlxdiag.topology import Cell

if TYPE_CHECKING:
    from mlxdiag.advice import Present
    from mlxdiag.diagnose.judged import Judged
    from mlxdiag.hang.verdict import Hang
    from mlxdiag.measured import Measured
    from mlxdiag.probe.judge import Probe
    from mlxdiag.probe.matrix import Matrix, Way
    from mlxdiag.repair.step import Plan, Step
    from mlxdiag.server.judge import Served
    from mlxdiag.unlock import Unlock

SCHEMA_VERSION = 1
Object = dict[str, Any]


def render(report: Report, style: Style) -> str:
    """One document, sorted keys, an element a line; the style changes nothing.

    Only the two outer levels are broken into lines: that is readable, diffable, and a tenth of the
    time that `indent` takes, which the C encoder does not know. Half of a surrogate pair, which no
    file can hold, is escaped.
    """
    del style
    keys = sorted(document(report).items())
    text = "{\n" + ",\n".join(f"  {_line(key)}: {_spread(value)}" for key, value in keys) + "\n}\n"
    return text.encode(errors="backslashreplace").decode()


def _spread(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n    " + ",\n    ".join(map(_line, value)) + "\n  ]"
    return _line(value)


_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def document(report: Report) -> Object:
    """Build the document of the contract."""
    hosts = report.cluster.topology.hosts
    wiring = report.cluster.topology.matrix(report.cluster.topology.links)
    return {
        "schema": "mlxdiag/report",
        "schema_version": SCHEMA_VERSION,
        "tool_version": report.tool_version,
        "command": report.command,
        "cluster": report.cluster.inventory.cluster,
        "started_at": report.started_at,
        "duration_s": report.duration_s,
        "ended": report.ended,
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "hosts": [_host(report, facts) for facts in report.cluster.facts],
        "links": [_link(state) for state in report.links],
        "matrix": {"hosts": list(hosts), "devices": [_row(row) for row in wiring]},
        "checks": [_finding(report, finding) for finding in report.findings],
        "explanations": _explanations(report),
        "probes": [_probe(probe) for probe in report.probes],
        "pairs": [_pairs(matrix) for matrix in report.pairs],
        "preflight": _preflight(report),
        "recommendation": _recommendation(report),
        "summary": report.summary,
        **({"hostfile": _file(report.file)} if report.file else {}),
        **({"hang": _hang(report.hang)} if report.hang else {}),
        **({"diagnosis": _diagnosis(report.diagnosed)} if report.diagnosed else {}),
        **({"server": _server(report.server)} if report.server else {}),
        **({"plan": _plan(report.plan)} if report.plan else {}),
    }


def _file(file: HeldFile) -> Object:
    return {
        "path": file.path,
        "backend": file.backend,
        "ranks": list(file.ranks),
        "diff": file.diff,
        "reason": file.why or None,
    }


def _hang(hang: Hang) -> Object:
    """Write all of it as it is; tuples become lists."""
    return asdict(hang)


def _diagnosis(judged: Judged) -> Object:
    from mlxdiag.render.diagnosis import document as diagnosis  # noqa: PLC0415  # `ports` does not

    return diagnosis(judged)


def _plan(plan: Plan) -> Object:
    stages = [
        {"name": stage.name, "steps": [_planned(step) for step in stage.steps]}
        for stage in plan.stages
    ]
    return {"stages": stages, "unknown": list(plan.unknown)}


def _planned(step: Step) -> Object:
    return {
        "host": step.host,
        "kind": step.kind.value,
        "subjects": list(step.subjects),
        "text": step.text,
        "command": step.command,
        "interrupts": step.interrupts,
        "over_ssh": step.ssh.value,
        "survives_reboot": step.survives_reboot,
        "undo": step.undo,
        "confirms": list(step.confirms),
    }


def _server(served: Served) -> Object:
    asked = served.asked
    every = (*served.alone, *served.together)
    return {
        "url": asked.url,
        "model": served.model,
        "models": None if served.listed is None else list(served.listed),
        "requests": asked.requests,
        "parallel": asked.parallel,
        "max_tokens": asked.max_tokens,
        "deadline_s": asked.deadline_s,
        "tokens_per_s": served.tokens_per_s,
        "counted": served.counted,
        "first_token_s": served.first_token_s,
        "gap_p50_s": served.gap_s(0.5),
        "gap_p95_s": served.gap_s(0.95),
        "streamed": served.streamed if served.good else None,
        "parallel_tokens_per_s": served.together_per_s,
        "paths": [
            {"path": e.path, "status": e.status, "end": e.end, "seconds": e.seconds}
            for e in served.paths
        ],
        "answers": [
            {
                "name": each.exchange.name,
                "fault": each.fault or None,
                "said": each.said or None,
                "status": each.exchange.status,
                "seconds": each.exchange.seconds,
                "first_token_s": each.first_token_s,
                "tokens": each.tokens,
                "counted": each.counted,
                "tokens_per_s": each.tokens_per_s,
                "gap_p50_s": each.gap_s(0.5),
                "gap_p95_s": each.gap_s(0.95),
                "text": each.text,
            }
            for each in every
        ],
        "unsent": served.unsent or None,
        "unsent_parallel": served.unsent_together or None,
        "hang": {"conclusion": served.hang.conclusion, "lines": list(served.hang.lines)}
        if served.hang
        else None,
        "baseline": asked.before.started_at if asked.before else None,
        "changes": list(served.changes),
    }


def _row(row: Iterable[Cell]) -> list[object]:
    return [list(cell) if isinstance(cell, tuple) else cell for cell in row]


def _host(report: Report, facts: HostFacts) -> Object:
    macos, system, runtime = known(facts.sw_vers), known(facts.sysctl), known(facts.mlx_runtime)
    return {
        "name": facts.host.name,
        "address": facts.host.address,
        "reachable": facts.reached,
        "access": facts.access.outcome.value,
        "model": system.model if system else None,
        "chip": system.chip if system else None,
        "macos": macos.version if macos else None,
        "macos_build": macos.build if macos else None,
        "mlx": runtime.mlx if runtime else None,
        "python": runtime.python if runtime else None,
        "python_path": runtime.executable if runtime else None,
        "python_why": runtime.chosen.why if runtime and runtime.chosen else None,
        "python_looked": [str(each) for each in runtime.looked] if runtime else [],
        "rdma": _rdma(facts),
        "ports": [_port(report, port) for port in report.cluster.topology.ports[facts.host.name]],
    }


def _rdma(facts: HostFacts) -> str:
    switch = known(facts.rdma_ctl)
    if switch is not None:
        return "enabled" if switch.enabled else "disabled"
    capture = facts.captures.get("rdma_ctl")
    return "absent" if capture is not None and capture.outcome.value == "missing" else "unknown"


def _end(port: Port) -> Object:
    return {
        "host": port.host,
        "receptacle": port.receptacle,
        "interface": port.interface if isinstance(port.interface, str) else None,
        "device": port.device if isinstance(port.device, str) else None,
        "port_state": port.state,
    }


def _port(report: Report, port: Port) -> Object:
    end = _end(port)
    del end["host"]
    return {
        **end,
        "speed_gbps": port.speed_gbps if port.connected else None,
        "max_speed_gbps": port.max_speed_gbps,
        "ipv4": list(port.ipv4),
        "bridge": port.bridge if isinstance(port.bridge, str) else None,
        "gid_ipv4_index": port.gid_ipv4_index,
        "position": port.position,
        "far_rdma_service": any(m.item.offers_rdma for m in port.macs) if port.macs else None,
        "peer": _peer(report, port),
    }


def _peer(report: Report, port: Port) -> Object | None:
    peer = report.cluster.topology.peer(port)
    if peer is None:
        return None
    if peer.port is None:
        return {"host": None, "kind": peer.kind, "name": peer.name}
    end = _end(peer.port)
    return {key: end[key] for key in ("host", "receptacle", "interface")}


def _link(state: LinkState) -> Object:
    return {
        "a": _end(state.link.a),
        "b": _end(state.link.b),
        "speed_gbps": state.link.speed_gbps,
        "direct": state.link.direct,
        "jaccl": _usable(state.jaccl),
        "ring": _usable(state.ring),
    }


def _usable(usable: Usable) -> Object:
    return {"usable": usable.usable, "blockers": list(usable.blockers)}


def _subject(subject: Subject) -> Object:
    own: Object = {
        "kind": subject.kind,
        "host": subject.host,
        "interface": subject.interface,
        "receptacle": subject.receptacle,
    }
    shown = {key: value for key, value in own.items() if value is not None}
    if subject.far is not None:
        shown["far"] = _subject(subject.far)
    return shown


def _finding(report: Report, finding: Finding) -> Object:
    cause = report.blocker(finding)
    return {
        "id": finding.id,
        "area": finding.check.area,
        "title": finding.check.title,
        "subject": _subject(finding.subject),
        "status": finding.status.value,
        "severity": finding.severity.value,
        "confidence": finding.check.confidence.value,
        "evidence": _evidence(finding.evidence),
        "reason": finding.reason or None,
        "fix": _fix(finding.fix),
        "docs": finding.check.docs,
        "blocked_by": cause.key if cause else None,
    }


def _explanations(report: Report) -> Object:
    """Give what is said at length of each check that is a cause, by its id."""
    ids = sorted({cause.id for cause in report.causes})
    if not ids:
        return {}
    from mlxdiag.explained.words import said  # noqa: PLC0415  # a report in which all passes does without

    return {id_: said(id_) for id_ in ids}


def _evidence(evidence: Evidence | None) -> Object | None:
    if evidence is None:
        return None
    said: Object = {
        "source": evidence.source,
        "observed": evidence.observed,
        "expected": evidence.expected,
    }
    if evidence.limit is not None:
        numbers = ("measured", "limit", "unit", "provisional")
        said |= {name: getattr(evidence, name) for name in numbers}
    return said


def _fix(fix: Fix | None) -> Object | None:
    return {"kind": fix.kind.value, "text": fix.text, "command": fix.command} if fix else None


def _probe(probe: Probe) -> Object:
    plan, chosen = probe.plan, probe.plan.settings
    samples = [
        {"rank": log.rank, "size_bytes": event["size"], "ns": event["ns"]}
        for log in probe.run.logs
        for event in log.events
        if event["ev"] == "samples"
    ]
    return {
        "backend": plan.backend,
        "op": chosen.op,
        "dtype": chosen.dtype,
        "ranks": [rank.host.name for rank in plan.ranks],
        "connections": chosen.connections,
        "notes": list(probe.notes),
        "hosts": [asdict(host) | {"scrubbed": list(host.scrubbed)} for host in probe.hosts],
        "part": plan.part,
        "end": probe.run.end,
        "passed": probe.passed,
        "blame": {
            "ranks": list(probe.blame.ranks),
            "text": probe.blame.text,
            "evidence": probe.blame.evidence,
        }
        if probe.blame
        else None,
        "left": list(probe.run.left),
        "rows": [asdict(row) for row in probe.rows],
        "soak": asdict(probe.soak) if probe.soak else None,
        "samples": samples,
    }


def _preflight(report: Report) -> Object | None:
    found = report.preflight
    if found is None:
        return None
    return {
        "level": found.asked.level,
        "require": found.asked.require,
        "port": found.asked.port,
        "backend": found.chosen.backend if found.chosen else None,
        "candidates": [
            {"backend": c.backend, "holds": c.holds, "reason": c.reason or None}
            for c in found.candidates
        ],
        "given_up": [c.backend for c in found.given_up],
        "stages": [asdict(each) | {"blocked_by": list(each.blocked_by)} for each in found.stages],
        "baseline": found.asked.baseline["started_at"] if found.asked.baseline else None,
        "changes": list(changes(report)),
    }


def changes(report: Report) -> tuple[str, ...]:
    """Say what is different from the baseline of a preflight, which is a document of ours too."""
    baseline = report.preflight.asked.baseline if report.preflight else None
    if baseline is None:
        return ()
    from mlxdiag.preflight import baseline as baselines  # noqa: PLC0415

    now = {
        "started_at": report.started_at,
        "hosts": [_host(report, facts) for facts in report.cluster.facts],
        "links": [_link(state) for state in report.links],
        "probes": [_probe(probe) for probe in report.probes],
    }
    return baselines.changes(baseline, now)


def _pairs(matrix: Matrix) -> Object:
    small, large = matrix.sizes
    return {
        "backend": matrix.backend,
        "how": matrix.how,
        "latency_bytes": small,
        "bandwidth_bytes": large,
        "behind": matrix.behind,
        "hosts": list(matrix.hosts),
        "slow_hosts": list(matrix.slow),
        "medians": [
            {
                "kind": kind,
                "links": median.count,
                "latency_us": median.latency_us,
                "latency_min_us": median.least_us,
                "gb_per_s": median.gb_per_s,
            }
            for kind, median in matrix.medians.items()
        ],
        "links": [_way(matrix, way) for way in matrix.ways],
    }


def _way(matrix: Matrix, way: Way) -> Object:
    latency, bandwidth = matrix.shares(way)
    return {
        "hosts": list(way.hosts),
        "kind": way.kind,
        "wires": [{"ports": list(w.ports), "speed_gbps": w.speed_gbps} for w in way.wires],
        "latency_us": [figure and figure.latency_us for figure in way.figures],
        "latency_min_us": [figure and figure.least_us for figure in way.figures],
        "gb_per_s": [figure and figure.gb_per_s for figure in way.figures],
        "latency_above": latency if way.best else None,
        "bandwidth_below": bandwidth if way.best else None,
        "standing": way.standing,
        "behind_in": list(way.behind_in),
        "said": way.said,
    }


def _recommendation(report: Report) -> Object:
    found, advice = report.recommendation, report.advice
    first = found.first_fix
    return {
        "backend": found.backend,
        "basis": found.basis,
        "confidence": found.confidence,
        "reason": found.reason,
        "alternatives": [_choice(c) for c in found.choices if c.backend != found.backend],
        "rank_order": list(found.rank_order),
        "first_fix": {"check": first.key, **(_fix(first.fix) or {})} if first else None,
        "measured": _measured(found.measured) if found.measured else None,
        "present": _present(advice.present) if advice.present else None,
        "unlocks": [_unlock(unlock) for unlock in advice.unlocks],
        "runnable": [
            {"backend": r.backend, "hosts": list(r.hosts), "complete": r.complete}
            for r in advice.runnable
        ],
    }


def _measured(measured: Measured) -> Object:
    return {
        "launches": measured.launches,
        "margins": [
            {
                "kind": margin.kind,
                "unit": margin.unit,
                "op": margin.op,
                "dtype": margin.dtype,
                "size_bytes": margin.size,
                "better": margin.better,
                "ratio": margin.ratio,
                "text": margin.text,
                "figures": [
                    {"backend": f.backend, "source": f.source, "values": list(f.values)}
                    for f in margin.figures
                ],
            }
            for duel in measured.duels
            for margin in duel.margins
        ],
        "missing": [{"backend": name, "reason": why} for name, why in measured.missing],
        "notes": list(measured.notes),
    }


def _present(present: Present) -> Object:
    costs = None if present.costs is None else list(present.costs)
    return {"backend": present.backend, "source": present.source, "costs": costs}


def _unlock(unlock: Unlock) -> Object:
    return {
        "backend": unlock.backend,
        "steps": [
            {
                "kind": step.kind.value,
                "subject": step.subject or None,
                "text": step.text,
                "command": step.command,
                "host": step.host,
                "check": step.check or None,
            }
            for step in unlock.steps
        ],
        "new_cables": unlock.new_cables,
        "blocked": list(unlock.blocked),
        "complete": unlock.complete,
        "gave_up": unlock.gave_up,
        "notes": list(unlock.notes),
    }


def _choice(choice: Choice) -> Object:
    return {
        "backend": choice.backend,
        "usable": choice.usable,
        "blockers": [{"id": b.id, "subjects": list(b.subjects)} for b in choice.blockers],
    }
