"""Frames: what names of native functions and Python lines say of where a process is.

The names are those of MLX 0.31 and 0.32, as symbols of its libraries have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlxdiag.facts.py_spy import Dump, Line, PyThread
from mlxdiag.facts.sample import Thread

_OPS = "all_sum|all_max|all_min|all_reduce|all_gather|reduce_scatter|sum_scatter|send|recv"
COLLECTIVE = re.compile(
    r"\b(?:(?P<ns>ring|jaccl|mpi|nccl)::)?(?:\(anonymous namespace\)::)?"
    rf"(?P<of>RingGroup|MeshGroup|MeshImpl|RingImpl|MPIGroup\w*|NCCLGroup)::(?P<op>{_OPS})"
    r"(?:_impl)?\b"
)
_KIND_OF_SUM = re.compile(r"\b(Sum|Max|Min)Op\b")

INIT = re.compile(
    r"\bTCPSocket::(?:accept|connect)\b|\baccept_connections\b|\bmake_connections\b"
    r"|\bTCPAllGather\b|\bSideChannel\b|\b(?:RingGroup::RingGroup|MeshGroup::MeshGroup)\b"
    r"|\bdistributed::init\b|\bjaccl::init\b|\bMPI_Init\b"
)
_STEPS = (
    (re.compile(r"TCPSocket::accept\b|accept_connections"), "accept"),
    (re.compile(r"TCPSocket::connect\b|make_connections"), "connect"),
    (re.compile(r"TCPAllGather|SideChannel"), "side channel"),
)
FENCE = re.compile(r"\bFence::(?:wait|update)\b|\bfence_wait\b")
LOAD = re.compile(
    r"\bload_(?:safetensors|gguf|npy)\b|\bmlx::core::Load::eval|\bmlx::core::load\b"
    r"|\bParallelFileReader\b|\bmlx::core::io::"
)
EVAL = re.compile(
    r"\bmlx::core::(?:eval|async_eval|eval_impl|synchronize|Event::wait|array::(?:wait|eval|item))\b"
)
READS = re.compile(
    r"^(?:__)?(?:libc_)?(?:recv|recvfrom|recvmsg|read|readv|poll|select|pselect|kevent|kevent64"
    r"|epoll_wait|accept|accept4)(?:64)?(?:\$\w+|_nocancel|_nocancel\$\w+)?(?:\(.*)?$"
    r"|^sock_(?:recv|accept)\b"
)
SLEEPS = re.compile(
    r"^(?:__)?(?:GI_+)?(?:clock_)?nanosleep|^__semwait_signal|\btime_sleep\b|^pysleep"
)

SURE = 0.5
"""Share of the samples of a thread from which on it is said to be somewhere."""

_WAITS = frozenset(
    {
        "queue.py", "threading.py", "selectors.py", "socket.py", "ssl.py", "connection.py",
        "queues.py", "synchronize.py", "popen_fork.py", "subprocess.py", "process.py",
    }
)  # fmt: skip
"""Files of Python's own library in which a thread waits."""

_LIBRARY = _WAITS | {
    "socketserver.py", "server.py:http", "base_events.py", "runners.py", "events.py", "thread.py",
    "_base.py", "futures.py", "contextlib.py", "functools.py", "runpy.py",
}  # fmt: skip
_SERVES = frozenset(
    {"serve_forever", "run_forever", "_run_once", "run_until_complete", "handle_request"}
)
_LOADS = re.compile(r"^_?(?:sharded_)?load(?:_model|_weights|_shards?|_params|_safetensors)?$")


@dataclass(frozen=True)
class Collective:
    """One collective as a person calls it, and the backend that carries it."""

    op: str
    backend: str

    @property
    def family(self) -> str:
        """What ranks must agree on: a sum is not a gather, a send is met by a recv."""
        if self.op in ("send", "recv"):
            return "send and recv"
        return "all_reduce" if self.op.startswith(("all_sum", "all_m", "all_reduce")) else self.op


def collective(threads: Iterable[Thread]) -> tuple[Collective, float] | None:
    """Name the collective that some thread is in, and the share of its samples there."""
    best: tuple[Collective, float] | None = None
    for thread in threads:
        for path in thread.paths:
            found = next((m for f in path.frames if (m := COLLECTIVE.search(f))), None)
            if found is None:
                continue
            share = thread.share(COLLECTIVE)
            if best is None or share > best[1]:
                best = (Collective(_op(found["op"], path.frames), _backend(found)), share)
            break
    return best


def share(threads: Iterable[Thread], pattern: re.Pattern[str]) -> float:
    """Give the largest share of any thread."""
    return max((thread.share(pattern) for thread in threads), default=0.0)


def step(threads: Iterable[Thread]) -> str:
    """Name the step of init: accept, connect, side channel; empty if it is none of these."""
    named = [f for t in threads for p in t.paths for f in p.frames]
    return next((word for shape, word in _STEPS if any(map(shape.search, named))), "")


def top(threads: Iterable[Thread]) -> str:
    """Give the innermost frame of the first thread where it was most often: the main thread's."""
    first = next(iter(threads), None)
    return first.paths[0].frames[-1] if first and first.paths and first.paths[0].frames else ""


def told(frames: tuple[str, ...]) -> tuple[str, ...]:
    """Choose the frames that say something, the innermost first, without types of arguments."""
    inner, *outer = [plain(frame) for frame in reversed(frames)] or [""]
    chosen = [frame for frame in outer if _TELLING.search(frame)]
    return tuple(dict.fromkeys(filter(None, (inner, *chosen[:6])))) if chosen else ()


_TELLING = re.compile(r"\b(?:mlx|jaccl|ring)::|\bibv_|\bIOSurface|\bMTL|\bsock_|\btime_sleep\b")


def plain(frame: str) -> str:
    """Cut what C++ writes behind a name: `<float, SumOp>`, `(array const&)`, `[abi:cxx11]`."""
    text = frame.replace("(anonymous namespace)::", "")
    if text.startswith("std::"):
        text = next((m[0] for m in _OWN.finditer(text)), "")
    for _ in range(12):
        text, count = re.subn(r"<[^<>]*>|\([^()]*\)|\{[^{}]*\}", "", text)
        if not count:
            break
    return " ".join(text.split()[-1:]).removesuffix("::") if " " in text else text


_OWN = re.compile(r"\bmlx::core::[\w:]+")


def _op(op: str, frames: tuple[str, ...]) -> str:
    if op != "all_reduce":
        return op
    kind = next((m for f in frames if (m := _KIND_OF_SUM.search(f))), None)
    return f"all_{kind[1].lower()}" if kind else "all_sum or another reduction"


def _backend(found: re.Match[str]) -> str:
    kind = found["of"]
    if kind.startswith("Mesh"):
        return "jaccl mesh"
    if kind == "RingImpl" or (kind == "RingGroup" and found["ns"] == "jaccl"):
        return "jaccl ring"
    return {"RingGroup": "ring", "NCCLGroup": "nccl"}.get(kind, "mpi")


# Python


@dataclass(frozen=True)
class Doing:
    """What Python does: `request`, `message`, `waits` or `code`, and at which line."""

    kind: str
    line: Line | None
    active: bool
    loads: bool = False


def python(dump: Dump) -> Doing | None:
    """Choose the thread that matters: one in code before one that waits, the main one first."""
    doings = [_doing(thread) for thread in _main_first(dump.threads) if thread.lines]
    for kind in ("code", "request", "message", "waits"):
        found = next((each for each in doings if each.kind == kind), None)
        if found is not None:
            return found
    return None


def _main_first(threads: tuple[PyThread, ...]) -> list[PyThread]:
    return sorted(threads, key=lambda thread: thread.name != "MainThread")


def _doing(thread: PyThread) -> Doing:
    functions = {line.function for line in thread.lines}
    inner, user = thread.lines[0], _user(thread.lines)
    short = inner.file.rpartition("/")[2]
    loads = any(_LOADS.match(name.rpartition(".")[2]) for name in functions)
    if short in _WAITS or short in _LIBRARY:
        if functions & _SERVES or any(line.file.startswith("uvicorn") for line in thread.lines):
            return Doing("request", user or inner, thread.active, loads)
        pool = user is None
        return Doing("waits" if pool else "message", user or inner, thread.active, loads)
    return Doing("code", user or inner, thread.active, loads)


def _user(lines: tuple[Line, ...]) -> Line | None:
    """Give the innermost line that is not of Python's library."""
    return next((line for line in lines if not _of_library(line)), None)


def _of_library(line: Line) -> bool:
    short = line.file.rpartition("/")[2]
    served = line.file in ("http/server.py", "asyncio/runners.py") or line.file.startswith(
        "asyncio/"
    )
    return served or short in _LIBRARY or line.function.startswith("_bootstrap")
