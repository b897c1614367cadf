"""What a host runs for a probe: a supervisor, and the rank that it starts. Stdlib and mlx only.

The text of this file travels over stdin and is never a file on the host. The supervisor imports no
mlx: it relays the rank's lines, and ends the rank when its stdin closes or its lease runs out,
because a rank inside `init` holds the GIL and cannot look after itself. Every line to stdout is
`<nonce> <JSON>`; the rank's events pass through the supervisor, so lines are never torn.

Python 3.10 and later, Linux and macOS.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import platform
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

Job = dict[str, Any]
Step = Callable[[], object]

LEASE_S = 15.0
GRACE_S = 2.0
BEAT_S = 1.0
ALARM_S = 5.0
"""The controller ends an overdue run; this much later the rank ends itself, whoever is left."""
SLICE = 1 << 20
PLANES = 3
"""Bits per rank in the check: values 1..7, so sums of up to ten ranks never carry (int32)."""

mx: Any = None
"""mlx.core, once this process is a rank that has imported it."""


# --- both roles ------------------------------------------------------------------------------


def read_line(fd: int) -> bytes:
    """Read up to a newline without reading past it; stdin carries the lease behind it."""
    parts: list[bytes] = []
    while True:
        byte = os.read(fd, 1)
        if byte in (b"", b"\n"):
            return b"".join(parts)
        parts.append(byte)


def write_all(fd: int, data: bytes) -> None:
    """Write everything, whatever the pipe takes at a time."""
    while data:
        data = data[os.write(fd, data) :]


class Mouth:
    """The supervisor's stdout. A controller that has gone, or reads no more, must not stop it."""

    def __init__(self, job: Job) -> None:
        """Keep what every line begins with."""
        self.prefix = (job["nonce"] + " ").encode()
        self.rank = job["rank"]
        self.patience_s = float(job.get("lease_s", LEASE_S))
        self.unheard = False
        os.set_blocking(1, False)

    def tell(self, event: str, **more: object) -> None:
        """Say one event of the supervisor's own."""
        self.say(json.dumps(dict(more, ev=event, rank=self.rank)).encode())

    def say(self, line: bytes) -> None:
        """Write one line, or give up for good when nobody takes it for as long as a lease."""
        data = self.prefix + line + b"\n"
        while data and not self.unheard:
            _, ready, _ = select.select([], [1], [], self.patience_s)
            try:
                data = data[os.write(1, data[: select.PIPE_BUF]) :]
            except BlockingIOError:
                self.unheard = not ready
            except OSError:
                self.unheard = True


# --- supervisor ------------------------------------------------------------------------------


def supervise(source: bytes) -> None:
    """Start the rank, relay what it says, end it when nobody wants it any more."""
    job = json.loads(read_line(0))
    mouth = Mouth(job)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    scrubbed = sorted(k for k in os.environ if k.startswith(("MLX_", "JACCL_")))
    child, events, errors = start_rank(job, source)
    pipes = {events: b"", errors: b""}
    left = True
    try:
        mouth.tell(
            "spawn",
            pid=child.pid,
            supervisor=os.getpid(),
            began=began(child.pid),
            supervisor_began=began(os.getpid()),
            scrubbed=scrubbed,
            python=platform.python_version(),
            executable=sys.executable,
            load=os.getloadavg()[0],
            node=platform.node(),
        )
        why = relay(child, events, pipes, wake, mouth)
        if why != "exited":
            mouth.tell("state", stat=state(child.pid))
    finally:
        left = end(child)
    for fd in pipes:
        os.set_blocking(fd, False)
        while hear(fd, pipes, mouth, is_event=fd == events):
            pass
    if pipes[errors]:
        mouth.tell("stderr", text=pipes[errors].decode("utf-8", "replace"))
    status = child.returncode
    mouth.tell(
        "exit",
        why=why,
        status=status if status is not None and status >= 0 else None,
        signal=-status if status is not None and status < 0 else None,
        left=left,
    )


def start_rank(job: Job, source: bytes) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start the rank in this process group: whatever ends the group ends the rank."""
    program, give = os.pipe()
    events_read, events_write = os.pipe()
    errors_read, errors_write = os.pipe()
    boot = (
        "import sys;sys.path[:]=[p for p in sys.path if p];"
        f"f=open({program},'rb');s=f.read();f.close();"
        "exec(compile(s,'mlxdiag-kernel','exec'),{'__name__':'rank'})"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLX_", "JACCL_"))}
    env.update(job["env"], PYTHONUNBUFFERED="1")
    keep = (program, events_write)
    child = subprocess.Popen(
        [sys.executable, "-c", boot],
        stdin=subprocess.DEVNULL,
        stdout=errors_write,
        stderr=errors_write,
        pass_fds=keep,
        env=env,
        restore_signals=True,
    )
    for fd in (program, events_write, errors_write):
        os.close(fd)
    call = f"\nrank_main(json.loads({json.dumps(job)!r}), {events_write})\n"
    with contextlib.suppress(BrokenPipeError):  # it ended at once: status and stderr say why
        write_all(give, source + call.encode())
    os.close(give)
    return child, events_read, errors_read


def relay(
    child: subprocess.Popen[bytes], events: int, pipes: dict[int, bytes], wake: int, mouth: Mouth
) -> str:
    """Pass lines on until the rank ends or is to end; return why."""
    open_pipes = list(pipes)
    renewed = time.monotonic()
    while True:
        if child.poll() is not None:
            return "exited"
        if mouth.unheard:
            return "unheard"
        left = renewed + mouth.patience_s - time.monotonic()
        if left <= 0:
            return "lease"
        ready, _, _ = select.select([0, wake, *open_pipes], [], [], min(left, 1.0))
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                return "stdin"
            renewed = time.monotonic()
            if b"q" in data:
                return "asked"
        if wake in ready and set(os.read(wake, 1 << 10)) - {signal.SIGCHLD}:
            return "signalled"
        for fd in pipes:
            if fd in ready and not hear(fd, pipes, mouth, is_event=fd == events):
                open_pipes.remove(fd)


def hear(fd: int, pipes: dict[int, bytes], mouth: Mouth, *, is_event: bool) -> bool:
    """Pass whole lines on and keep the rest (mlx writes word by word); False: nothing came."""
    try:
        data = os.read(fd, 1 << 16)
    except BlockingIOError:
        return False
    whole, newline, pipes[fd] = (pipes[fd] + data).rpartition(b"\n")
    if newline and is_event:
        for line in whole.split(b"\n"):
            mouth.say(line)
    elif newline:
        mouth.tell("stderr", text=(whole + newline).decode("utf-8", "replace"))
    return bool(data)


def end(child: subprocess.Popen[bytes]) -> bool:
    """TERM, then KILL. Returns True if even that did not end it (blocked in the kernel)."""
    for number, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        if child.poll() is not None:
            return False
        try:
            child.send_signal(number)
            child.wait(patience)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue
    return child.poll() is None


def began(pid: int) -> str:
    """When a process began, as ps says it: a pid alone may be used again."""
    return ask_ps("lstart=", pid)


def state(pid: int) -> str:
    """What a process is doing: T is stopped, U (macOS) and D (Linux) wait in the kernel."""
    return ask_ps("stat=", pid)


def ask_ps(what: str, pid: int) -> str:
    """Ask ps for one column of one process; empty if it has gone, or there is no ps."""
    try:
        ran = subprocess.run(["ps", "-o", what, "-p", str(pid)], capture_output=True, check=False)
    except OSError:
        return ""
    return ran.stdout.decode("utf-8", "replace").strip()


# --- rank ------------------------------------------------------------------------------------


class Rank:
    """One rank: where it is, and the lines that say so.

    `begun` counts the collectives it came to, `seq` those that were checked or timed: while all
    wait for one rank, only `begun` tells them apart.
    """

    def __init__(self, job: Job, events: int) -> None:
        """Keep the job and the descriptor of the supervisor's pipe."""
        self.job, self.events = job, events
        self.phase = "import"
        self.begun = 0
        self.seq = 0

    def tell(self, event: str, **more: object) -> None:
        """Write one event as one line."""
        write_all(
            self.events, json.dumps(dict(more, ev=event, rank=self.job["rank"])).encode() + b"\n"
        )

    def enter(self, phase: str, **more: object) -> None:
        """Announce a phase before it begins, and give it its deadline."""
        self.phase = phase
        seconds = self.job["deadlines"].get(phase, self.job["deadlines"]["measure"])
        self.tell("phase", phase=phase, deadline_s=seconds, **more)
        faulthandler.cancel_dump_traceback_later()
        faulthandler.dump_traceback_later(max(0.5, seconds - 0.5))
        signal.setitimer(signal.ITIMER_REAL, seconds + ALARM_S)

    def beat(self) -> None:
        """Say every second where this rank is; silent inside `init`, which holds the GIL."""
        while True:
            time.sleep(BEAT_S)
            self.tell(
                "beat",
                phase=self.phase,
                begun=self.begun,
                seq=self.seq,
                cpu_s=time.process_time(),
            )

    def fail(self, kind: str, text: str, **more: object) -> NoReturn:
        """Say what is wrong and leave at once: after a failed collective the next one may hang."""
        self.tell(
            "fail", kind=kind, text=text, phase=self.phase, begun=self.begun, seq=self.seq, **more
        )
        faulthandler.cancel_dump_traceback_later()
        os._exit(3)


def rank_main(job: Job, events: int) -> None:
    """Go through the phases; every way out is an event and an exit status."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    rank = Rank(job, events)
    try:
        in_import(rank)
        group = in_init(rank)
        threading.Thread(target=rank.beat, daemon=True).start()
        in_identity(rank, group)
        if job["check"]:
            in_check(rank, group)
        for size in job["sizes"]:
            in_measure(rank, group, size)
        for size in job["pair_sizes"]:
            in_pairs(rank, group, size)
        signal.setitimer(signal.ITIMER_REAL, 0)
        rank.phase = "done"
        rank.tell("done", begun=rank.begun, seq=rank.seq, max_rss=max_rss())
    except BaseException as error:
        rank.fail("exception", f"{type(error).__name__}: {error}")
    os._exit(0)


def max_rss() -> int:
    """Peak resident memory as the system counts it (KiB on Linux, bytes on macOS)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_import(rank: Rank) -> None:
    """Import mlx on the CPU device: collectives run there, and GPU hand-over is another probe."""
    global mx  # noqa: PLW0603  # a rank imports mlx late: first it says that it begins
    rank.enter("import")
    import mlx.core  # noqa: PLC0415  # not in the supervisor

    mx = mlx.core
    mx.set_default_device(mx.cpu)
    rank.tell("mlx", version=mx.__version__, os=platform.platform())


def in_init(rank: Rank) -> Any:
    """Join the group; anything but the planned size and rank is a failure."""
    job = rank.job
    rank.enter("init")
    for name, text in job["files"].items():
        os.environ[name] = pipe_path(text)
    backend = job["mlx_backend"]
    if not mx.distributed.is_available(backend):
        rank.fail("unavailable", f"this mlx has no {backend}")
    start = time.perf_counter()
    group = mx.distributed.init(strict=True, backend=backend)
    rank.tell("joined", size=group.size(), seconds=time.perf_counter() - start)
    if (group.size(), group.rank()) != (job["size"], job["rank"]):
        rank.fail(
            "group",
            f"rank {group.rank()} of {group.size()}, planned {job['rank']} of {job['size']}",
        )
    return group


def pipe_path(text: str) -> str:
    """Hand a file's content to a library that wants a path, without making a file."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    write_all(writable, text.encode())
    os.close(writable)
    return f"/dev/fd/{readable}"


def in_identity(rank: Rank, group: Any) -> None:
    """Exchange who everybody is: stale peers and swapped ranks look healthy otherwise."""
    rank.enter("identity")
    job = rank.job
    nonce = int(job["nonce"][-12:], 16)
    mine = [nonce >> 24, nonce & 0xFFFFFF, job["rank"], job["size"], number(mx.__version__)]
    everyone = mx.distributed.all_gather(mx.array(mine, dtype=mx.int32), group=group)
    mx.eval(everyone)
    rows = everyone.reshape(group.size(), len(mine)).tolist()
    for place, row in enumerate(rows):
        if row[:4] != [*mine[:2], place, job["size"]]:
            rank.fail("identity", f"rank {place} is not of this run: it sent {row}", peer=place)
    rank.tell("identity", versions=[row[4] for row in rows])


def number(version: str) -> int:
    """Fold a version into an int32 that is equal where the versions are."""
    value = 0
    for letter in version.encode():
        value = (value * 131 + letter) % 0x7FFFFFFF
    return value


def plane(rank: int, count: int, iteration: int, start: int = 0) -> Any:
    """What one rank contributes from element `start` on: depends on rank, index and iteration."""
    index = mx.arange(start, start + count, dtype=mx.int32)
    return (((index + 5 * iteration + 3 * rank) % 7) + 1) << (PLANES * (rank % 10))


def in_check(rank: Rank, group: Any) -> None:
    """Sum and gather known values, look at every element, name the wrong rank and offset."""
    rank.enter("check")
    checked = 0
    for iteration, size in enumerate(rank.job["check_sizes"]):
        count = max(1, size // 4)
        check_sum(rank, group, count, iteration)
        check_gather(rank, group, min(count, SLICE) | 1, iteration)
        checked += count
        rank.seq += 2
    check_floats(rank, group)
    if rank.job["op"] == "send":
        check_send(rank, group)
    rank.tell("checked", elements=checked, wrong=0)


def check_sum(rank: Rank, group: Any, count: int, iteration: int) -> None:
    """Add planes that do not overlap: the sum holds each rank's part, to be read off again."""
    mine = plane(rank.job["rank"], count, iteration)
    rank.begun += 1
    total = mx.distributed.all_sum(mine, group=group)
    mx.eval(total)
    for start in range(0, count, SLICE):
        some = min(SLICE, count - start)
        parts = [plane(r, some, iteration, start) for r in range(group.size())]
        wanted = parts[0]
        for part in parts[1:]:
            wanted = wanted + part
        got = total[start : start + some]
        wrong = mx.sum(got != wanted).item()
        if wrong:
            offset = mx.argmax(got != wanted).item()
            blame(rank, "all_sum", got, parts, offset, start, wrong, iteration)


def blame(
    rank: Rank,
    op: str,
    got: Any,
    parts: list[Any],
    offset: int,
    start: int,
    wrong: int,
    iteration: int,
) -> NoReturn:
    """Compare the bits of each rank at the first wrong element, where ranks do not share bits."""
    value = got[offset].item()
    guilty = []
    if len(parts) <= 10:
        for peer, part in enumerate(parts):
            mask = 7 << (PLANES * peer)
            if (value & mask) != (part[offset].item() & mask):
                guilty.append(peer)
    rank.fail(
        "wrong",
        f"{op}: {wrong} wrong elements, the first at {start + offset}",
        op=op,
        wrong=wrong,
        offset=start + offset,
        guilty=guilty,
        iteration=iteration,
    )


def check_gather(rank: Rank, group: Any, count: int, iteration: int) -> None:
    """Gather a count that is no multiple of 4 KiB; every block must be its rank's own."""
    mine = plane(rank.job["rank"], count, iteration)
    rank.begun += 1
    everything = mx.distributed.all_gather(mine, group=group)
    mx.eval(everything)
    for peer in range(group.size()):
        got = everything[peer * count : (peer + 1) * count]
        unequal = got != plane(peer, count, iteration)
        wrong = mx.sum(unequal).item()
        if wrong:
            rank.fail(
                "wrong",
                f"all_gather: {wrong} wrong elements of rank {peer}",
                op="all_gather",
                wrong=wrong,
                offset=mx.argmax(unequal).item(),
                guilty=[peer],
                iteration=iteration,
            )


def check_floats(rank: Rank, group: Any) -> None:
    """Sum small whole numbers in the dtypes that models use; all of them are exact."""
    for name in ("float32", "float16", "bfloat16"):
        dtype = getattr(mx, name)
        index = mx.arange(1027, dtype=mx.int32)
        mine = ((index + rank.job["rank"]) % 8).astype(dtype)
        rank.begun += 1
        total = mx.distributed.all_sum(mine, group=group)
        mx.eval(total)
        wanted = mx.zeros(1027, dtype=mx.int32)
        for peer in range(group.size()):
            wanted = wanted + (index + peer) % 8
        unequal = total.astype(mx.int32) != wanted
        wrong = mx.sum(unequal).item()
        if wrong:
            rank.fail(
                "wrong",
                f"all_sum of {name}: {wrong} wrong elements",
                op="all_sum",
                wrong=wrong,
                offset=mx.argmax(unequal).item(),
                guilty=[],
                dtype=name,
            )
        rank.seq += 1


def check_send(rank: Rank, group: Any) -> None:
    """Shift a plane once around the ring: even ranks send first, so nobody waits for himself."""
    me, size = rank.job["rank"], rank.job["size"]
    before, after = (me - 1) % size, (me + 1) % size
    mine = plane(me, 1027, 1)
    like = mx.zeros(1027, dtype=mx.int32)
    rank.begun += 1
    got = exchange(group, mine, like, before, after, first=me % 2 == 0)
    unequal = got != plane(before, 1027, 1)
    wrong = mx.sum(unequal).item()
    if wrong:
        rank.fail(
            "wrong",
            f"recv from rank {before}: {wrong} wrong elements",
            op="send",
            wrong=wrong,
            offset=mx.argmax(unequal).item(),
            guilty=[before],
        )


def exchange(group: Any, mine: Any, like: Any, before: int, after: int, *, first: bool) -> Any:
    """Send to the right and receive from the left, in the order that cannot deadlock."""
    if first:
        mx.eval(mx.distributed.send(mine, after, group=group))
        got = mx.distributed.recv_like(like, before, group=group)
        mx.eval(got)
        return got
    got = mx.distributed.recv_like(like, before, group=group)
    mx.eval(got)
    mx.eval(mx.distributed.send(mine, after, group=group))
    return got


def in_measure(rank: Rank, group: Any, size: int) -> None:
    """Time one collective per eval; raw nanoseconds of every iteration are the result."""
    rank.enter("measure", size=size)
    job = rank.job
    iterations = job["iterations"][str(size)]
    dtype = getattr(mx, job["dtype"])
    count = max(1, size // dtype.size)
    step = OPS[job["op"]](rank, group, count, dtype)
    one = mx.ones(1, dtype=mx.int32)
    for _ in range(job["warmup"]):
        rank.begun += 1
        step()
    rank.begun += 1
    barrier = mx.distributed.all_sum(one, group=group)
    mx.eval(barrier)
    clock, samples = time.perf_counter_ns, []
    for _ in range(iterations):
        rank.begun += 1
        start = clock()
        step()
        samples.append(clock() - start)
        rank.seq += 1
    rank.tell("samples", op=job["op"], size=count * dtype.size, count=count, ns=samples)


def all_sum_step(_rank: Rank, group: Any, count: int, dtype: Any) -> Step:
    """The input stays the same: what is timed includes MLX's copy of it, as inference pays it."""
    value = mx.ones(count, dtype=dtype)
    mx.eval(value)
    all_sum, evaluate = mx.distributed.all_sum, mx.eval
    return lambda: evaluate(all_sum(value, group=group))


def all_gather_step(_rank: Rank, group: Any, count: int, dtype: Any) -> Step:
    """Every rank gives `count` elements and receives all."""
    value = mx.ones(count, dtype=dtype)
    mx.eval(value)
    all_gather, evaluate = mx.distributed.all_gather, mx.eval
    return lambda: evaluate(all_gather(value, group=group))


def send_step(rank: Rank, group: Any, count: int, dtype: Any) -> Step:
    """One shift around the ring: a send has no end of its own, an exchange has."""
    me, size = rank.job["rank"], rank.job["size"]
    before, after = (me - 1) % size, (me + 1) % size
    value, like = mx.ones(count, dtype=dtype), mx.zeros(count, dtype=dtype)
    mx.eval(value, like)
    return lambda: exchange(group, value, like, before, after, first=me % 2 == 0)


def in_pairs(rank: Rank, group: Any, size: int) -> None:
    """Ping-pong with one peer a round; the lower rank times round trips.

    All sum before each round: sizes must not follow each other without it (mlx #3149). `begun`
    counts these sums alone, so that of a round that hangs its pair is who did not arrive.
    """
    me, count = rank.job["rank"], max(1, size // 4)
    one, like = mx.ones(1, dtype=mx.int32), mx.zeros(count, dtype=mx.int32)
    value = plane(me, count, 1)
    mx.eval(one, like, value)
    for number, pairs in enumerate(rank.job["rounds"]):
        rank.enter("pairs", size=size, round=number)
        rank.begun += 1
        mx.eval(mx.distributed.all_sum(one, group=group))
        for lower, higher in pairs:
            if me == lower:
                serve(rank, group, higher, size, value, like)
            elif me == higher:
                answer(rank, group, lower, size, like)


def serve(rank: Rank, group: Any, peer: int, size: int, value: Any, like: Any) -> None:
    """Send, wait until it is back, time both; the last one is compared."""
    evaluate, send, recv = mx.eval, mx.distributed.send, mx.distributed.recv_like
    clock, samples, got = time.perf_counter_ns, [], like
    for _ in range(trips(rank, size)):
        start = clock()
        evaluate(send(value, peer, group=group))
        got = recv(like, peer, group=group)
        evaluate(got)
        samples.append(clock() - start)
    wrong = mx.sum(got != value).item() if rank.job["check"] else 0
    if wrong:
        rank.fail(
            "wrong",
            f"to rank {peer} and back: {wrong} wrong elements",
            op="send",
            wrong=wrong,
            offset=mx.argmax(got != value).item(),
            guilty=[rank.job["rank"], peer],
        )
    rank.tell("pair", peer=peer, size=size, ns=samples[rank.job["warmup"] :])


def answer(rank: Rank, group: Any, peer: int, size: int, like: Any) -> None:
    """Send back what came."""
    for _ in range(trips(rank, size)):
        got = mx.distributed.recv_like(like, peer, group=group)
        mx.eval(got)
        mx.eval(mx.distributed.send(got, peer, group=group))


def trips(rank: Rank, size: int) -> int:
    """Give how many round trips a pair makes, those of the warm-up with them."""
    return int(rank.job["warmup"] + rank.job["iterations"][str(size)])


OPS = {"all_sum": all_sum_step, "all_gather": all_gather_step, "send": send_step}
