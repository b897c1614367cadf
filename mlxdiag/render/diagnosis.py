"""The `diagnosis` of the JSON report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlxdiag.finding import Fix

if TYPE_CHECKING:
    from mlxdiag.diagnose.join import Case, Cell
    from mlxdiag.diagnose.judged import Judged
    from mlxdiag.diagnose.nearest import Near
    from mlxdiag.diagnose.order import Strange
    from mlxdiag.diagnose.reading import Sighting

Object = dict[str, Any]


def document(judged: Judged) -> Object:
    """Build it: the same keys, whatever was found."""
    found = judged.diagnosis
    return {
        "logs": [
            {"name": log.name, "lines": log.lines, "dropped": log.dropped} for log in found.logs
        ],
        "hostfile": judged.hostfile,
        "order": found.by,
        "no_retry": found.no_retry,
        "causes": [_case(case) for case in judged.cases],
        "later": [_said(said) for said in found.later],
        "echoes": [_said(said) for said in found.echoes],
        "notices": [_said(said) for said in found.notices],
        "unknown": [_strange(strange) for strange in found.strange],
        "nearest": [_near(near) for near in found.near],
    }


def _said(said: Sighting) -> Object:
    return {
        "id": said.entry.id,
        "by": said.entry.by,
        "role": said.entry.role.value,
        "text": said.text,
        "means": said.means,
        "source": said.speaker.source,
        "line": said.line or None,
        "time": said.when.text if said.when else None,
        "count": said.count,
        "rank": said.speaker.rank if said.about_rank is None else said.about_rank,
        "device": said.device,
        "errno": {"number": said.number, "name": said.errno} if said.number is not None else None,
    }


def _case(case: Case) -> Object:
    entry = case.said.entry
    return {
        **_said(case.said),
        "rank": case.suspect.rank,
        "rank_from": case.suspect.how or None,
        "rank_sure": case.suspect.sure,
        "host": case.host,
        "versions": entry.versions or None,
        "confidence": entry.confidence,
        "sources": list(entry.sources),
        "no_retry": entry.no_retry,
        "fix": _fix(entry.fix),
        "likely": [
            {"text": each.likely.text, "checks": list(each.likely.checks), "answer": each.answer}
            for each in case.tested
        ],
        "cells": [_cell(cell) for cell in case.cells],
        "findings": [finding.key for finding in case.findings],
    }


def _cell(cell: Cell) -> Object:
    return {
        "peer": cell.peer or None,
        "device": cell.device,
        "port": cell.port,
        "said": cell.said,
        "sound": cell.sound,
    }


def _fix(fix: Fix) -> Object:
    return {"kind": fix.kind.value, "text": fix.text, "command": fix.command}


def _strange(strange: Strange) -> Object:
    said = strange.said
    return {
        "text": said.text,
        "source": said.speaker.source,
        "line": said.line or None,
        "time": said.when.text if said.when else None,
        "count": said.count,
        "rank": said.speaker.rank,
        "grave": said.grave,
        "before_cause": strange.before,
        "nearest": [_near(near) for near in strange.near],
    }


def _near(near: Near) -> Object:
    return {"id": near.entry.id, "says": near.entry.says, "likeness": near.likeness}
