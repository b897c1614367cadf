"""JUnit XML: a suite is an area, a case a check on a subject. For the test report of a CI."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from mlxdiag.finding import Finding, Status
from mlxdiag.render.style import Style
from mlxdiag.report import LEVELS, Report


def render(report: Report, style: Style) -> str:
    """Fail is a failure, unknown an error, skip skipped; what does not fail the run is said only.

    A warning below `--fail-on` is a case that passes, with its text as output.
    """
    root = ET.Element("testsuites", name=style.text(f"mlxdiag {report.command}"))
    areas: dict[str, list[Finding]] = {}
    for finding in report.findings:
        areas.setdefault(finding.check.area, []).append(finding)
    for area, findings in areas.items():
        root.append(_suite(report, area, findings, style))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, 0)) for suite in root)))
    root.set("time", f"{report.duration_s:.3f}")
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    if not style.unicode:
        text = text.encode("ascii", "xmlcharrefreplace").decode()
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(report: Report, area: str, findings: list[Finding], style: Style) -> ET.Element:
    suite = ET.Element("testsuite", name=area, timestamp=report.started_at.removesuffix("Z"))
    told = {
        "cluster": report.cluster.inventory.cluster,
        "command": report.command,
        "verdict": report.verdict,
        "exit_code": str(report.exit_code),
        "ended": report.ended,
        "tool_version": report.tool_version,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in told.items():
        ET.SubElement(properties, "property", name=name, value=_safe(value, style))
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.key] += 1
        suite.append(_case(report, finding, seen[finding.key], style))
    suite.set("tests", str(len(findings)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(report: Report, finding: Finding, time: int, style: Style) -> ET.Element:
    again = f" ({time})" if time > 1 else ""
    case = ET.Element(
        "testcase",
        classname=f"mlxdiag.{finding.check.area}",
        name=_safe(f"{finding.id} [{finding.subject.label}]{again}", style),
    )
    said = finding.evidence.observed if finding.evidence else finding.reason
    if finding.status is Status.SKIP:
        ET.SubElement(case, "skipped", message=_safe(said, style))
    elif finding.status is Status.UNKNOWN:
        _add(case, "error", said, report, finding, style)
    elif finding.status is Status.FAIL and _counts(report, finding):
        _add(case, "failure", said, report, finding, style)
    elif finding.status is Status.FAIL:
        output = ET.SubElement(case, "system-out")
        output.text = f"{finding.severity.value}: {_details(report, finding, style)}"
    return case


def _counts(report: Report, finding: Finding) -> bool:
    """Whether its failure fails the run."""
    return LEVELS[finding.severity] >= LEVELS[report.fail_on]


def _add(
    case: ET.Element, tag: str, said: str, report: Report, finding: Finding, style: Style
) -> None:
    added = ET.SubElement(case, tag, type=finding.id, message=_safe(said, style))
    added.text = _details(report, finding, style)


def _details(report: Report, finding: Finding, style: Style) -> str:
    lines = [finding.check.title]
    if finding.evidence is not None:
        lines += [
            f"{finding.evidence.source}: {finding.evidence.observed}",
            f"expected: {finding.evidence.expected}",
        ]
    if (cause := report.blocker(finding)) is not None:
        lines.append(f"follows from: {cause.key}")
    if finding.fix is not None:
        lines.append(f"{finding.fix.kind.value}: {finding.fix.text}")
        if finding.fix.command:
            where = "here" if finding.fix.here else finding.subject.host or ""
            lines.append(f"{where}$ {finding.fix.command}")
    lines.append(finding.check.docs)
    return "\n".join(_safe(line, style) for line in lines)


def _safe(text: str, style: Style) -> str:
    """Make a text harmless and legal: XML knows no control character and no half of a pair.

    Escapes of XML itself are ElementTree's work; where the output is ASCII they are added later.
    """
    legal = "".join(c if c not in "\ufffe\uffff" else f"\\x{ord(c):02x}" for c in text)
    return Style(unicode=True, width=style.width).text(legal)
