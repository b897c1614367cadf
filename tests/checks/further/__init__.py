"""Per area of the further checks: recordings in which each fails, and in which each is not known.

An area's file has FAILING and UNKNOWN, from check id to what makes the recording. One that fails
blames macstudio2 unless the area's file says so in ABOUT, from check id to the subject's label.
"""

from __future__ import annotations

from types import ModuleType

from tests.checks.further import answers, power

AREAS: tuple[ModuleType, ...] = (answers, power)
