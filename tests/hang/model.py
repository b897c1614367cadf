"""Modelled Macs with ranks on them: what each command prints, to the grammar of the captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlxdiag.capture import ACCESS, Capture, Captures, Command, Outcome
from mlxdiag.facts.ps import Process
from mlxdiag.hang.asked import Asked
from mlxdiag.hang.find import Found
from mlxdiag.hang.questions import find, look
from mlxdiag.hang.rounds import FIND, FIRST, SECOND, of
from mlxdiag.inventory import Host, Inventory
from mlxdiag.recording import Recording

SERVER = "/opt/homebrew/bin/python3.13 /Users/alex/serve.py --model Kimi"
PYTHON_BASE = ("start  (in dyld) + 6076  [0x18f9b6b98]", "Py_BytesMain  (in Python) + 40  [0x1]")

EVAL = (
    "_PyEval_EvalFrameDefault  (in Python) + 20404  [0x101b4]",
    "mlx_core_eval  (in core.cpython-313-darwin.so) + 120  [0x1]",
    "mlx::core::eval(std::__1::vector<mlx::core::array>)  (in libmlx.dylib) + 88  [0x1]",
    "mlx::core::Event::wait()  (in libmlx.dylib) + 64  [0x1]",
    "-[IOSurfaceSharedEvent waitUntilSignaledValue:timeoutMS:]  (in IOSurface) + 136",
    "__psynch_cvwait  (in libsystem_kernel.dylib) + 8  [0x1]",
)
"""The main thread of a rank in mx.eval: as in issue 3910, whatever the eval waits for."""

STREAM = (
    "thread_start  (in libsystem_pthread.dylib) + 8  [0x1]",
    "mlx::core::scheduler::StreamThread::thread_fn()  (in libmlx.dylib) + 500  [0x1]",
)
RESTING = (
    *STREAM,
    "std::__1::condition_variable::wait(std::__1::unique_lock<std::__1::mutex>&)"
    "  (in libc++.1.dylib) + 28  [0x1]",
    "__psynch_cvwait  (in libsystem_kernel.dylib)",
)
JACCL = "mlx::core::distributed::jaccl::"
RING = "mlx::core::distributed::ring::"


def mesh(op: str = "all_reduce", kind: str = "Sum") -> tuple[str, ...]:
    """Frames of the stream's thread in a collective of the jaccl mesh."""
    return (
        *STREAM,
        f"void {JACCL}MeshImpl::{op}<float, {JACCL}{kind}Op<float>>(float const*, float*, long)"
        "  (in libjaccl.dylib) + 1204  [0x1]",
        "ibv_poll_cq  (in librdma.dylib) + 24  [0x1]",
    )


def ring(op: str = "all_reduce", kind: str = "Sum") -> tuple[str, ...]:
    """The same of ring."""
    return (
        *STREAM,
        f"std::__1::__function::__func<{RING}RingGroup::{op}<float, mlx::core::distributed::"
        f"detail::{kind}Op<float>>(mlx::core::array const&)::'lambda'()>  (in libmlx.dylib) + 60",
        "std::__1::__assoc_sub_state::__sub_wait(std::__1::unique_lock<std::__1::mutex>&)"
        "  (in libc++.1.dylib) + 56  [0x1]",
    )


def accepting() -> tuple[str, ...]:
    return (
        *PYTHON_BASE,
        "mlx::core::distributed::init(bool, std::__1::string const&)  (in libmlx.dylib) + 300",
        f"{RING}(anonymous namespace)::accept_connections(std::__1::vector<int> const&)"
        "  (in libmlx.dylib) + 200  [0x1]",
        "mlx::core::distributed::detail::TCPSocket::accept(char const*)  (in libmlx.dylib)",
        "__accept  (in libsystem_kernel.dylib) + 8  [0x1]",
    )


LOADING = (
    *PYTHON_BASE,
    "mlx::core::eval(std::__1::vector<mlx::core::array>)  (in libmlx.dylib) + 88  [0x1]",
    "mlx::core::Load::eval_cpu(std::__1::vector<mlx::core::array> const&)  (in libmlx.dylib)",
    "pread  (in libsystem_kernel.dylib) + 8  [0x1]",
)
FENCE = (
    *PYTHON_BASE,
    "mlx::core::eval(std::__1::vector<mlx::core::array>)  (in libmlx.dylib) + 88  [0x1]",
    "mlx::core::Fence::wait(mlx::core::Stream, mlx::core::array const&)  (in libmlx.dylib) + 400",
    "swtch_pri  (in libsystem_kernel.dylib) + 8  [0x1]",
)
BUSY = (*PYTHON_BASE, "_PyEval_EvalFrameDefault  (in Python) + 20404  [0x1]")
READING = (
    *PYTHON_BASE,
    "sock_recv  (in _socket.so) + 90  [0x1]",
    "__recvfrom  (in libsystem_kernel.dylib)",
)
SERVING = (
    *PYTHON_BASE,
    "select_kqueue_control  (in select.so) + 90  [0x1]",
    "kevent  (in libsystem_kernel.dylib) + 8",
)


def sample(pid: int, *threads: Sequence[tuple[int, Sequence[str]]]) -> str:
    """Write a report of `sample`: per thread the paths and their counts."""
    lines = [
        f"Analysis of sampling python3.13 (pid {pid}) every 1 millisecond",
        f"Process:         python3.13 [{pid}]",
        "Physical footprint:         88.4G",
        "Physical footprint (peak):  97.5G",
        "----",
        "",
        "Call graph:",
    ]
    for number, paths in enumerate(threads):
        total = sum(count for count, _ in paths)
        queue = "   DispatchQueue_1: com.apple.main-thread  (serial)" if not number else ""
        lines.append(f"    {total} Thread_{7000 + number}{queue}")
        for count, frames in paths:
            marks = ("+ ", "! ", ": ", "| ")
            for depth, frame in enumerate(frames):
                lead = "".join(marks[d % 4] if d else "+ " for d in range(depth + 1))
                lines.append(f"    {lead}{count} {frame}")
    return "\n".join(
        [*lines, "", "Total number in stack (recursive counted multiple, when >=5):", ""]
    )


def py_spy(pid: int, *threads: tuple[str, str, Sequence[str]]) -> str:
    """Write a dump: per thread its name, its state, its lines from the inside."""
    lines = [f"Process {pid}: {SERVER}", "Python v3.13.1 (/opt/homebrew/bin/python3.13)"]
    for number, (name, state, frames) in enumerate(threads):
        lines += ["", f'Thread {number + 1} ({state}): "{name}"', *(f"    {f}" for f in frames)]
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Look:
    """What one rank shows in one look; None: the tool is not there."""

    threads: tuple[tuple[tuple[int, Sequence[str]], ...], ...] | None = None
    lines: tuple[tuple[str, str, tuple[str, ...]], ...] | None = None
    stat: str = "S"
    cpu_s: float = 100.0
    rss_gb: int = 88
    gone: bool = False


def at(
    stream: Sequence[str], line: str = "step (serve.py:412)", main: Sequence[str] = EVAL
) -> Look:
    """A rank whose main thread is in mx.eval, its stream's thread somewhere for a second."""
    lines = (("MainThread", "idle", (line, "<module> (serve.py:500)")),)
    return Look((((1000, main),), ((1000, stream),)), lines)


def only(main: Sequence[str], line: str = "step (serve.py:412)", state: str = "idle") -> Look:
    """A rank whose main thread is somewhere, its stream's thread at rest."""
    return Look((((1000, main),), ((1000, RESTING),)), (("MainThread", state, (line,)),))


@dataclass(frozen=True)
class Rank:
    first: Look
    second: Look
    variables: Mapping[str, str] = field(default_factory=dict)
    clients: int = 0

    @classmethod
    def still(cls, look: Look, **variables: str) -> Rank:
        """A rank that shows the same in both looks; what spins has spun on."""
        return cls(look, replace(look, cpu_s=look.cpu_s + 5), variables)


NOTHING = Capture("", (), Outcome.MISSING)


def recorded(
    ranks: Sequence[Rank | None],
    *,
    size: int | None = None,
    gpu: Mapping[int, int] = {},
    swapped: Mapping[int, int] = {},
    lost: Sequence[int] = (),
    pattern: str | None = r"serve\.py",
) -> Recording:
    """Record one Mac per rank; None: no rank on it. `swapped` in pages between the looks."""
    hosts = tuple(Host(f"mac{n}", f"mac{n}") for n in range(len(ranks)))
    size = len(ranks) if size is None else size
    said = {
        host.name: _lost(host.name)
        if n in lost
        else _host(n, rank, size, gpu.get(n, 40), swapped.get(n, 0))
        for n, (host, rank) in enumerate(zip(hosts, ranks, strict=True))
    }
    return Recording(
        Inventory("lab", hosts),
        said,
        "2026-01-30T21:14:05Z",
        9.5,
        "0.1.0",
        hang=Asked(pattern, interval_s=5.0),
    )


def _lost(host: str) -> Captures:
    return {ACCESS: Capture(ACCESS, ("ssh", host), Outcome.NO_ROUTE, detail="no route to host")}


def _host(number: int, rank: Rank | None, size: int, gpu: int, swapped: int) -> Captures:
    pid = 800 + number
    said: dict[str, str] = {of(FIND, "ps"): _ps(pid, rank, FIRST)}
    if rank is not None:
        told = {"MLX_RANK": str(number), "MLX_HOSTFILE": "/tmp/hosts.json", **rank.variables}
        said[of(FIND, "environment_ps")] = f"{pid} " + " ".join(f"{k}={v}" for k, v in told.items())
        places = ", ".join(f'["10.0.0.{n + 1}:{32323 + n}"]' for n in range(size))
        said[of(FIRST, "rank_file", pid)] = f"[{places}]"
    for which, pages in ((FIRST, 0), (SECOND, swapped)):
        said[of(which, "ps")] = _ps(pid, rank, which)
        said[of(which, "lsof")] = _lsof(pid, number, size, rank)
        said[of(which, "ioreg_accelerator")] = (
            "+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X, id 0x1>\n"
            f'    "PerformanceStatistics" = {{"Device Utilization %"={gpu},"Busy"=0}}\n'
        )
        said[of(which, "vm_stat")] = (
            "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
            "Pages free: 100.\nPages wired down:    5400000.\n"
            f"Swapins:   {pages}.\nSwapouts:  0.\n"
        )
        said[of(which, "swapusage")] = (
            "vm.swapusage: total = 2048.00M  used = 512.00M  free = 1536.00M  (encrypted)\n"
            "hw.memsize: 549755813888\n"
        )
        if rank is not None:
            said |= _stacks(pid, rank.first if which == FIRST else rank.second, which)
    said[of(FIRST, "ioreg_rdma")] = (
        "+-o rdma_en3  <class AppleThunderboltRDMAInterface, id 0x1, registered, active, busy 0>\n"
        '  | "IOPowerManagement" = {"DevicePowerState"=2,"CurrentPowerState"=2}\n'
    )
    said[of(FIRST, "ioclasscount")] = (
        "AppleThunderboltRDMAProtectionDomain = 1\nAppleThunderboltRDMAQueuePair = 3\n"
    )
    captures = {name: _captured(name, text) for name, text in said.items()}
    asked = {c.name for c in _asked(pid)} - set(captures)
    missing = {name: replace(NOTHING, command=name) for name in sorted(asked)}
    access = Capture(ACCESS, ("ssh", f"mac{number}"), Outcome.EXITED, 0)
    return {ACCESS: access, **captures, **missing}


def _asked(pid: int) -> list[Command]:
    process = Process(pid, 1, "alex", "S", 0.0, 0, "", 0.0, 0.0, SERVER)
    rank = Found("", process, 0, {})
    return [*find(), *look(FIRST, [rank]), *look(SECOND, [rank])]


def _captured(name: str, text: str) -> Capture:
    began = {FIND: 0.0, FIRST: 1.0, SECOND: 6.0}[name.partition("_")[0]]
    return Capture(
        name, (name,), Outcome.EXITED, 0, stdout=text.encode(), started_s=began, seconds=0.1
    )


def _ps(pid: int, rank: Rank | None, which: str) -> str:
    base = (
        "    1     0 root Ss 0.0 1000 Fri Jan 30 09:00:00 2026  12:14:05  0:09.01 /sbin/launchd\n"
    )
    if rank is None:
        return base
    at_look = rank.first if which == FIRST else rank.second
    if at_look.gone:
        return base
    minutes, seconds = divmod(at_look.cpu_s, 60)
    return (
        base + f"{pid:>5}     1 alex {at_look.stat} 99.7 {at_look.rss_gb << 20} "
        f"Fri Jan 30 20:14:05 2026     01:00:00 {int(minutes)}:{seconds:05.2f} {SERVER}\n"
    )


def _lsof(pid: int, number: int, size: int, rank: Rank | None) -> str:
    if rank is None or size < 2:
        return f"p{pid}\n"
    right, left = (number + 1) % size, (number - 1) % size
    ends = [
        f"10.0.0.{number + 1}:50001->10.0.0.{right + 1}:{32323 + right}",
        f"10.0.0.{number + 1}:{32323 + number}->10.0.0.{left + 1}:50001",
    ]
    text = "".join(f"f{n}\nn{end}\nTST=ESTABLISHED\nTQR=0\nTQS=0\n" for n, end in enumerate(ends))
    if number == 0:
        text += "f9\nn*:8080\nTST=LISTEN\n"
        text += "f10\nn10.0.0.1:8080->10.0.0.99:60000\nTST=ESTABLISHED\n" * rank.clients
    return f"p{pid}\n{text}"


def _stacks(pid: int, look: Look, which: str) -> dict[str, str]:
    said = {}
    if look.threads is not None:
        said[of(which, "sample", pid)] = sample(pid, *look.threads)
    if look.lines is not None:
        said[of(which, "py_spy", pid)] = py_spy(pid, *look.lines)
    return said
