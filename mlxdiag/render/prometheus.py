"""Prometheus: text format, for the textfile collector of a node_exporter. Base units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlxdiag.finding import Status
from mlxdiag.render.measured import measured
from mlxdiag.render.style import Style
from mlxdiag.report import Report

if TYPE_CHECKING:
    from mlxdiag.probe.judge import Probe

Labels = Mapping[str, str]
Sample = tuple[Labels, float]

STATUS = {Status.PASS: 0, Status.FAIL: 1, Status.UNKNOWN: 2, Status.SKIP: 3}
GRAVITY = (Status.SKIP, Status.PASS, Status.UNKNOWN, Status.FAIL)
"""Of several launches with one name, the worst counts."""

NOT_KNOWN = float("nan")
USABLE = {True: 1.0, False: 0.0, None: NOT_KNOWN}

HELP = {
    "mlxdiag_info": "Always 1; who made this report, with which command, of which cluster.",
    "mlxdiag_run_timestamp_seconds": "When the run began, seconds since 1970 UTC.",
    "mlxdiag_run_duration_seconds": "How long the run took.",
    "mlxdiag_run_complete": "1 if the run was not cut short.",
    "mlxdiag_verdict": "1 for the verdict of the run, 0 for the others.",
    "mlxdiag_checks": "Checks by what came of them; failed ones by severity.",
    "mlxdiag_check_status": "0 pass, 1 fail, 2 not known, 3 does not apply.",
    "mlxdiag_host_reachable": "1 if the host answered.",
    "mlxdiag_port_active": "1 if the RDMA port of a cable is PORT_ACTIVE; NaN: not known.",
    "mlxdiag_link_usable": "1 if the backend can use the cable, 0 if not; NaN: not known.",
    "mlxdiag_link_speed_bits_per_second": "What the slower end of the cable says.",
    "mlxdiag_backend_usable": "1 if the cluster can run the backend, 0 if not; NaN: not known.",
    "mlxdiag_backend_recommended": "1 for the backend to use.",
    "mlxdiag_probe_success": "1 if every rank ended in time with the right results.",
    "mlxdiag_probe_time_seconds": "Time of one collective on the slowest rank.",
    "mlxdiag_probe_algorithm_bandwidth_bytes_per_second": "Size by p50.",
    "mlxdiag_probe_bus_bandwidth_bytes_per_second": "As nccl-tests define it.",
    "mlxdiag_probe_wrong_elements": "Elements that arrived wrong; absent if not checked.",
    "mlxdiag_pair_latency_seconds": "p50 of two ranks alone, smallest size.",
    "mlxdiag_pair_bandwidth_bytes_per_second": "Bus bandwidth of two ranks alone, largest size.",
    "mlxdiag_server_request_success": "1 if the completion came to its end in time.",
    "mlxdiag_server_tokens_per_second": "After the first token, median of requests one by one.",
    "mlxdiag_server_first_token_seconds": "From the request to the first token, median.",
    "mlxdiag_server_token_gap_seconds": "Between pieces of text, quantiles over all requests.",
}


def render(report: Report, style: Style) -> str:
    """Write every family that has samples; families and labels keep their order."""
    samples = (*_run(report), *_wiring(report), *_probes(report), *_server(report))
    return families(samples, HELP, style)


def families(
    samples: Iterable[tuple[str, Labels, float]],
    told: Mapping[str, str],
    style: Style,
    kinds: Mapping[str, str] = {},
) -> str:
    """Write samples by family, in the order of `told`, which says what each is; else a gauge."""
    found: dict[str, list[Sample]] = {}
    for name, labels, value in samples:
        found.setdefault(name, []).append((labels, value))
    return "".join(
        _family(name, told[name], kinds.get(name, "gauge"), found[name], style)
        for name in told
        if name in found
    )


def _family(name: str, told: str, kind: str, samples: Iterable[Sample], style: Style) -> str:
    lines = [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{key}="{_label(said, style)}"' for key, said in labels.items())
        lines.append(f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}")
    return "\n".join(lines) + "\n"


def _label(said: str, style: Style) -> str:
    """Escape what the format escapes; control characters are gone before."""
    return style.text(said).replace("\\", r"\\").replace('"', r"\"")


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124  # only NaN is not itself
        return "NaN"
    return str(int(value)) if value == int(value) else repr(value)


Found = Iterator[tuple[str, Labels, float]]


def _run(report: Report) -> Found:
    told = {
        "version": report.tool_version,
        "command": report.command,
        "cluster": report.cluster.inventory.cluster,
    }
    yield "mlxdiag_info", told, 1
    if (began := _seconds(report.started_at)) is not None:
        yield "mlxdiag_run_timestamp_seconds", {}, began
    yield "mlxdiag_run_duration_seconds", {}, report.duration_s
    yield "mlxdiag_run_complete", {}, report.ended == "complete"
    for verdict in ("pass", "fail", "unknown"):
        yield "mlxdiag_verdict", {"verdict": verdict}, report.verdict == verdict
    for status, count in report.summary.items():
        yield "mlxdiag_checks", {"status": status}, count
    worst: dict[tuple[str, str, str, str], Status] = {}
    for finding in report.findings:
        name = (finding.id, finding.check.area, finding.severity.value, finding.subject.label)
        before = worst.get(name, Status.SKIP)
        worst[name] = max(before, finding.status, key=GRAVITY.index)
    for (id_, area, severity, subject), status_ in worst.items():
        labels = {"id": id_, "area": area, "severity": severity, "subject": subject}
        yield "mlxdiag_check_status", labels, STATUS[status_]


def _seconds(started_at: str) -> float | None:
    """Read a time with its zone; a recording may say anything else, and then there is none."""
    try:
        began = datetime.fromisoformat(started_at)
    except ValueError:
        return None
    return began.timestamp() if began.tzinfo else None


def _wiring(report: Report) -> Found:
    for facts in report.cluster.facts:
        yield "mlxdiag_host_reachable", {"host": facts.host.name}, facts.reached
    for ports in report.cluster.topology.ports.values():
        for port in ports:
            if isinstance(port.device, str) and report.cluster.topology.link_of(port):
                labels = {"host": port.host, "port": port.name, "device": port.device}
                value = NOT_KNOWN if port.state is None else port.state == "PORT_ACTIVE"
                yield "mlxdiag_port_active", labels, value
    for state in report.links:
        a, b = state.link.ends
        ends = {"a": a.host, "a_port": a.name, "b": b.host, "b_port": b.name}
        for kind, usable in (("rdma", state.jaccl), ("tcp", state.ring)):
            yield "mlxdiag_link_usable", {**ends, "over": kind}, USABLE[usable.usable]
        if state.link.speed_gbps is not None:
            yield "mlxdiag_link_speed_bits_per_second", ends, state.link.speed_gbps * 1e9
    for choice in report.recommendation.choices:
        backend = {"backend": choice.backend}
        yield "mlxdiag_backend_usable", backend, USABLE[choice.usable]
        recommended = choice.backend == report.recommendation.backend
        yield "mlxdiag_backend_recommended", backend, recommended


def _probes(report: Report) -> Found:
    for number, probe in enumerate(report.probes, 1):
        yield from _probe(number, probe)
    for one in measured(report):
        for (a, b), pair in one.pairs.items():
            labels = {"backend": one.backend, "a": a, "b": b}
            small, large = ({**labels, "size_bytes": str(size)} for size in one.sizes)
            yield "mlxdiag_pair_latency_seconds", small, pair.latency_us / 1e6
            yield "mlxdiag_pair_bandwidth_bytes_per_second", large, pair.gb_per_s * 1e9


def _probe(number: int, probe: Probe) -> Found:
    chosen = probe.plan.settings
    launch = {
        "launch": str(number),
        "backend": probe.plan.backend,
        "op": chosen.op,
        "dtype": chosen.dtype,
        "ranks": str(len(probe.plan.ranks)),
    }
    yield "mlxdiag_probe_success", launch, probe.passed
    for row in probe.rows:
        labels = {**launch, "size_bytes": str(row.size)}
        times = {"min": row.min_us, "p50": row.p50_us, "p90": row.p90_us, "p99": row.p99_us}
        for name, value in (times | {"max": row.max_us}).items():
            yield "mlxdiag_probe_time_seconds", {**labels, "stat": name}, value / 1e6
        algbw, busbw = row.algbw_gb_per_s * 1e9, row.busbw_gb_per_s * 1e9
        yield "mlxdiag_probe_algorithm_bandwidth_bytes_per_second", labels, algbw
        yield "mlxdiag_probe_bus_bandwidth_bytes_per_second", labels, busbw
        if row.wrong is not None:
            yield "mlxdiag_probe_wrong_elements", labels, row.wrong


def _server(report: Report) -> Found:
    served = report.server
    if served is None:
        return
    for each in (*served.alone, *served.together):
        labels = {"request": each.exchange.name}
        yield "mlxdiag_server_request_success", labels, not each.fault
    labels = {"model": served.model or ""}
    if served.tokens_per_s is not None:
        yield "mlxdiag_server_tokens_per_second", labels, served.tokens_per_s
    if served.first_token_s is not None:
        yield "mlxdiag_server_first_token_seconds", labels, served.first_token_s
    for share in (0.5, 0.95):
        gap = served.gap_s(share)
        if gap is not None:
            quantile = {**labels, "quantile": str(share)}
            yield "mlxdiag_server_token_gap_seconds", quantile, gap
