"""Keep: of what a host said of all its processes, only what is about the ranks is recorded.

Keys in command lines are masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import replace

from mlxdiag.capture import Capture, Captures
from mlxdiag.errors import ParseError
from mlxdiag.facts import environment, lsof, proc_stat, ps, ss
from mlxdiag.hang.rounds import kind_of
from mlxdiag.keys import masked

SHOWN = 200
"""Bytes of an output that is not understood that are kept: its replay says so again."""

Wanted = Container[int]


def kept(captures: Captures, wanted: Wanted) -> Captures:
    """Leave out the processes, variables and sockets of all pids but those."""
    return {name: _kept(capture, wanted) for name, capture in captures.items()}


def hidden(captures: Captures) -> Captures:
    """Mask the keys in command lines, before anything is read from them."""
    return {name: _hidden(capture) for name, capture in captures.items()}


def _hidden(capture: Capture) -> Capture:
    match kind_of(capture.command):
        case ps.COMMAND.name:
            return replace(capture, stdout=ps.hidden(capture.stdout))
        case "py_spy":  # its first line has the command line, the others have names of functions
            head, line, rest = capture.stdout.partition(b"\n")
            return replace(capture, stdout=masked(head) + line + rest)
    return capture


def _kept(capture: Capture, wanted: Wanted) -> Capture:
    rule = _RULES.get(kind_of(capture.command))
    if rule is None or not capture.stdout:
        return capture
    parse, cut = rule
    try:
        parse(capture.stdout)
    except ParseError:
        return replace(capture, stdout=_odd(capture.stdout, parse))
    return replace(capture, stdout=cut(capture.stdout, wanted))


def _odd(out: bytes, parse: Callable[[bytes], object]) -> bytes:
    """Give the first line that is not understood, which its replay will not understand either."""
    for line in out.splitlines(keepends=True):
        try:
            parse(line)
        except ParseError:
            return line[:SHOWN]
    return out[:SHOWN]


def _by_first_word(out: bytes, wanted: Wanted) -> bytes:
    lines = out.splitlines(keepends=True)
    return b"".join(line for line in lines if _pid(line.split()[:1]) in wanted)


def _pid(words: list[bytes]) -> int:
    return int(words[0]) if words and words[0].isdigit() else -1


def _by_file(out: bytes, wanted: Wanted) -> bytes:
    entries = (entry for entry in out.split(b"\0") if entry)
    return b"".join(entry + b"\0" for entry in entries if _pid(entry.split(b"/")[2:3]) in wanted)


def _by_mention(out: bytes, wanted: Wanted) -> bytes:
    lines = out.splitlines(keepends=True)
    pids = (re.findall(rb"pid=(\d{1,10}),", line) for line in lines)
    return b"".join(
        line
        for line, named in zip(lines, pids, strict=True)
        if any(int(p) in wanted for p in named)
    )


def _by_process(out: bytes, wanted: Wanted) -> bytes:
    groups = re.split(rb"(?m)^(?=p\d)", out)
    return b"".join(g for g in groups if _pid([g[1:].partition(b"\n")[0]]) in wanted)


_RULES: dict[str, tuple[Callable[[bytes], object], Callable[[bytes, Wanted], bytes]]] = {
    ps.COMMAND.name: (ps.parse, _by_first_word),
    proc_stat.COMMAND.name: (proc_stat.parse, _by_first_word),
    environment.PS.name: (environment.parse_ps, _by_first_word),
    environment.PROC.name: (environment.parse_proc, _by_file),
    ss.COMMAND.name: (ss.parse, _by_mention),
    lsof.COMMAND.name: (lsof.parse, _by_process),
}
