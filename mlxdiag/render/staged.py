"""What a preflight says of its stages, for every format that shows them."""

from __future__ import annotations

from mlxdiag.preflight.stages import Stage

MARKS = {"ok": "good", "failed": "bad", "skipped": "none", "unknown": "unknown"}


def told(stage: Stage) -> str:
    """Say what came of a stage, and the first causes that it is blocked by."""
    said = [stage.text, *(f"blocked by {key}" for key in stage.blocked_by[:2])]
    if len(stage.blocked_by) > 2:
        said.append(f"and {len(stage.blocked_by) - 2} more")
    return "; ".join(filter(None, said))


def mark_of(stage: Stage) -> str:
    """Name the sign of a stage."""
    return MARKS[stage.status] if stage.counts else "bent"
