"""`sample` (macOS): where every thread of a process was, a thousand times in a second."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

DEADLINE_S = 30.0
"""A second of samples, and the symbols of a process of a hundred gigabytes."""

_HEAD = re.compile(r"Analysis of sampling (.{1,200}) \(pid (\d{1,10})\) every .*")
_SIZE = re.compile(r"Physical footprint:\s+(\d{1,12}(?:\.\d{1,6})?)([KMGT]?)\s*", re.ASCII)
_NODE = re.compile(r"([ +!:|]*)(\d{1,9}) (\S.*?)\s*", re.ASCII)
_FRAME = re.compile(r"(.*?)\s+\(in ([^()]+)\)(?:\s.*)?")
_THREAD = re.compile(r"Thread_(\w+):?\s*(.*)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DEPTH = 200


@dataclass(frozen=True)
class Path:
    """A way from the bottom of a stack to its top, and how many samples were on it."""

    count: int
    frames: tuple[str, ...]


@dataclass(frozen=True)
class Thread:
    """One thread: its name, how often it was seen, and where, most often first."""

    name: str
    count: int
    paths: tuple[Path, ...]

    def share(self, pattern: re.Pattern[str]) -> float:
        """Give the share of samples, 0 to 1, in which some frame is met by the pattern."""
        if not self.count:
            return 0.0
        met = sum(p.count for p in self.paths if any(map(pattern.search, p.frames)))
        return min(1.0, met / self.count)


@dataclass(frozen=True)
class Sample:
    """What `sample` said of one process; no thread where the call graph is missing."""

    name: str
    pid: int
    footprint_bytes: int | None
    threads: tuple[Thread, ...]


def command(pid: int, name: str = "sample") -> Command:
    """Ask of one process. Without `-file` it leaves a copy in /tmp."""
    argv = ("sample", str(pid), "1", "-mayDie", "-file", "/dev/stdout")
    return Command(name, argv, deadline_s=DEADLINE_S)


def parse(out: bytes) -> Sample:
    """Read head and call graph; what `sample` says of its own work may stand before them."""
    lines = out.decode("utf-8", "replace").split("\n")
    head = next((found for line in lines if (found := _HEAD.fullmatch(line.strip()))), None)
    if head is None:
        raise ParseError(f"not the report of sample: {out[:80]!r}")
    sizes = (_SIZE.fullmatch(line) for line in lines)
    size = next((found for found in sizes if found), None)
    footprint = round(float(size[1]) * _UNITS[size[2]]) if size else None
    return Sample(head[1], int(head[2]), footprint, _threads(lines))


def _threads(lines: list[str]) -> tuple[Thread, ...]:
    begin = next((at for at, line in enumerate(lines) if line.strip() == "Call graph:"), None)
    if begin is None:
        return ()
    rows: list[tuple[int, int, str]] = []
    for line in lines[begin + 1 :]:
        found = _NODE.fullmatch(line)
        if found is None:
            if line.strip():
                break
            continue
        rows.append((len(found[1]), int(found[2]), found[3]))
    return tuple(_thread(group) for group in _groups(rows))


def _groups(rows: list[tuple[int, int, str]]) -> list[list[tuple[int, int, str]]]:
    groups: list[list[tuple[int, int, str]]] = []
    for row in rows:
        if _THREAD.fullmatch(row[2]):
            groups.append([row])
        elif groups:
            groups[-1].append(row)
        else:
            raise ParseError(f"a frame before any thread: {row[2][:80]!r}")
    return groups


def _thread(rows: list[tuple[int, int, str]]) -> Thread:
    """Make paths of the tree: what a node has and its children have not is a path of its own."""
    _, count, title = rows[0]
    stack: list[list[int]] = []
    names: list[str] = []
    paths: list[Path] = []

    def close(depth: int) -> None:
        while stack and stack[-1][0] >= depth:
            _, left = stack.pop()
            if left > 0:
                paths.append(Path(left, tuple(names)))
            names.pop()

    for depth, seen, text in rows[1:]:
        close(depth)
        if stack:
            stack[-1][1] -= seen
        if len(stack) < _DEPTH:
            stack.append([depth, seen])
            names.append(_frame(text))
    close(-1)
    found = _THREAD.fullmatch(title)
    name = " ".join((found[2] or found[1]).split()) if found else title
    return Thread(name, count, tuple(sorted(paths, key=lambda path: -path.count)))


def _frame(text: str) -> str:
    found = _FRAME.fullmatch(text)
    return found[1] if found else text.partition("  ")[0]
