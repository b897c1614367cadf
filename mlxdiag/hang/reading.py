"""Reading: one capture of a look -> its fact, or the Gap where it should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mlxdiag.capture import ACCESS, Captures, Outcome
from mlxdiag.errors import ParseError
from mlxdiag.readings import Gap

T = TypeVar("T")


def reading(
    host: str,
    captures: Captures,
    name: str,
    parse: Callable[[bytes], T],
    parse_failure: Callable[[bytes, bytes], T] | None = None,
) -> T | Gap:
    """Read what one command said; nothing is raised."""
    capture = captures.get(name)
    if capture is None:
        return _absent(host, captures, name)
    if capture.outcome is Outcome.EXITED:
        try:
            if capture.exit_status == 0:
                return parse(capture.stdout)
            if parse_failure is not None:
                return parse_failure(capture.stdout, capture.stderr)
        except ParseError as error:
            return Gap(host, name, capture.outcome, f"not understood: {error}")
    return Gap(host, name, capture.outcome, capture.reason)


def _absent(host: str, captures: Captures, name: str) -> Gap:
    access = captures.get(ACCESS)
    if access is not None and access.outcome is not Outcome.EXITED:
        return Gap(host, name, access.outcome, access.reason)
    return Gap(host, name, Outcome.NOT_RECORDED, "not recorded")


def said(*facts: T | Gap) -> T | None:
    """Give the first that is known: each kind of system has some of the programs."""
    return next((fact for fact in facts if not isinstance(fact, Gap)), None)
