"""What a host runs for a probe: a supervisor, and the rank that it starts. Stdlib and mlx only.

The text of this file travels over stdin and is never a file on the host. The supervisor imports no
mlx: it relays the rank's lines, and ends the rank when its stdin closes or its lease runs out,
because a rank inside `init` holds the GIL and cannot look after itself. Every line to stdout is
`<nonce> <crc32> <JSON>`: a shell's leftovers may write to it too. The rank's events pass through
the supervisor, so its own lines are never torn.

Where mpirun starts the ranks there is a third part: on the first host the supervisor starts mpirun
instead of a rank, and mpirun starts supervisors on all hosts. Those find this text and the job in
their environment, and frame their lines (`Mouth`), because mpirun merges what they write.

Python 3.10 and later, Linux and macOS.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import faulthandler
import json
import os
import platform
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

Job = dict[str, Any]
Step = Callable[[], object]

LEASE_S = 15.0
GRACE_S = 2.0
BEAT_S = 1.0
ALARM_S = 5.0
"""The controller ends an overdue run; this much later the rank ends itself, whoever is left."""
MPI_GRACE_S = 1.0
"""Under mpirun, which allows a supervisor 3 s from SIGTERM to SIGKILL (backends/mpi.py says so)."""
MPI_END_S = 1.2
"""From END to GO, where no controller is there that says when every rank has ended."""
MPIRUN_GRACE_S = 3.5
GO_S = 1.5
END, GO = signal.SIGUSR1, signal.SIGUSR2
"""mpirun passes these on to all supervisors: end your rank and say how; then, leave.

SIGTERM is no use for that: mpirun hands nothing on any more once it has had one."""
ASK_S = 20.0
KERNEL, JOB = "MLXDIAG_KERNEL", "MLXDIAG_JOB"
"""Variables that bring this text and the job through mpirun; 128 KiB each at most on Linux."""
LIVE_BYTES, LAST_BYTES = 1 << 18, 1 << 16
"""Of what a rank prints, so much is handed on as it comes, and of what comes after it the end."""
SLICE = 1 << 20
PLANES = 3
"""Bits per rank in the check: values 1..7, so sums of up to ten ranks never carry (int32)."""
EXACT_BITS = {"int32": 30, "float32": 24, "float16": 11, "bfloat16": 8}
"""Of each dtype: so wide whole numbers are exact in it."""

SHORT_GAP_S = 0.5
LONG_GAP_S = 61.0
LONG_GAP_EVERY_S = 120.0
"""A soak's pauses: links were seen to fail after an idle minute (mlx issue 4319)."""
BURST = 32
BURST_BYTES = 64 << 20
"""A soak's collectives back to back: so many, of so many bytes, before their results are read."""

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
    """The supervisor's stdout. A controller that has gone, or reads no more, must not stop it.

    `framed` lines are `<nonce>:<rank>:<number>:<crc32>:<JSON>`, without a blank and without `<`:
    mpirun tears lines and puts tags between, and what arrives has to prove that it is whole.
    """

    def __init__(self, job: Job, *, framed: bool = False) -> None:
        """Keep what every line begins with."""
        self.prefix = (job["nonce"] + " ").encode()
        self.nonce = job["nonce"]
        self.framed, self.said = framed, 0
        self.rank = job["rank"]
        self.patience_s = float(job.get("lease_s", LEASE_S))
        self.unheard = False
        os.set_blocking(1, False)

    def tell(self, event: str, **more: object) -> None:
        """Say one event of the supervisor's own."""
        self.say(json.dumps(dict(more, ev=event, rank=self.rank)).encode())

    def say(self, line: bytes) -> None:
        """Write one line, or give up for good when nobody takes it for as long as a lease."""
        plain = b"%s%08x %s" % (self.prefix, zlib.crc32(line), line)
        data = (self.frame(line) if self.framed else plain) + b"\n"
        while data and not self.unheard:
            _, ready, _ = select.select([], [1], [], self.patience_s)
            try:
                data = data[os.write(1, data[: select.PIPE_BUF]) :]
            except BlockingIOError:
                self.unheard = not ready
            except OSError:
                self.unheard = True

    def frame(self, line: bytes) -> bytes:
        """Number a line and add its checksum; blanks and `<` only occur in its strings."""
        body = json.dumps(json.loads(line), separators=(",", ":")).encode()
        body = body.replace(b" ", b"\\u0020").replace(b"<", b"\\u003c")
        self.said += 1
        head = f"{self.nonce}:{self.rank}:{self.said}:{zlib.crc32(body):08x}:"
        return head.encode() + body


# --- supervisor ------------------------------------------------------------------------------


class Told:
    """The rank's own lines: events."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.rest = bytearray()

    def take(self, data: bytes, mouth: Mouth) -> None:
        """Hand on the lines that are whole; one with many samples comes in many pieces."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            mouth.say(bytes(self.rest) + line)
            self.rest.clear()
        self.rest += rest


class Printed:
    """What a rank prints, mlx and the interpreter's last words with it; not our own lines.

    A rank that prints without end must not fill the memory of anybody: of what goes beyond
    LIVE_BYTES the last LAST_BYTES are kept, because why it ended stands there.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.live_bytes, self.left_out = LIVE_BYTES, 0
        self.rest = b""

    def take(self, data: bytes, mouth: Mouth) -> None:
        """Hand whole lines on (mlx writes word by word), or keep their end."""
        self.rest += data
        if self.live_bytes <= 0:
            self.left_out += max(0, len(self.rest) - LAST_BYTES)
            self.rest = self.rest[-LAST_BYTES:]
            return
        whole, newline, rest = self.rest.rpartition(b"\n")
        if not newline and len(rest) > LAST_BYTES:
            whole, rest = rest, b""
        if whole or newline:
            self.rest = rest
            self.live_bytes -= len(whole)
            mouth.tell("stderr", text=(whole + newline).decode("utf-8", "replace"))

    def end(self, mouth: Mouth) -> None:
        """Hand on what is kept."""
        left = f"[mlxdiag: {self.left_out} bytes left out]\n" if self.left_out else ""
        if self.rest:
            mouth.tell("stderr", text=left + self.rest.decode("utf-8", "replace"))


Pipes = dict[int, "Told | Printed"]
"""What comes from a rank, by descriptor."""


class Life:
    """Why a supervisor goes on: its stdin, which carries the lease, or the mpirun above it.

    `stdin` is False for one that mpirun started and gave no stdin; `parent` is then the process
    that must not go. `go` is the descriptor by which the rank hears that it may begin `init`.
    """

    def __init__(self, patience_s: float, *, stdin: bool = True, parent: int = 0) -> None:
        """Begin the lease."""
        self.fds = [0] if stdin else []
        self.parent, self.patience_s = parent, patience_s
        self.go = -1
        self.renewed = time.monotonic()

    def left_s(self) -> float:
        """Seconds until the lease ends, if nothing comes."""
        if not self.fds:
            return self.patience_s
        return self.renewed + self.patience_s - time.monotonic()

    def over(self) -> str:
        """Say why this process is not wanted any more; empty while it is."""
        if self.parent and os.getppid() != self.parent:
            return "orphaned"
        return "lease" if self.left_s() <= 0 else ""

    def hear(self) -> str:
        """Read what stdin has; return why that is the end, if it is."""
        data = os.read(0, 1 << 16)
        if not data:
            return "stdin"
        self.renewed = time.monotonic()
        if b"q" in data:
            return "asked"
        if b"g" in data:
            with contextlib.suppress(OSError):  # it has ended: its exit says how
                os.write(self.go, b"g")
        return ""


def supervise(source: bytes) -> None:
    """Do what the job on stdin says: look after a rank, or after the mpirun of all ranks."""
    job = json.loads(read_line(0))
    wake = hear_signals()
    if "launcher" in job:
        launch(job, source, wake)
    else:
        attend(job, source, wake, Mouth(job), Life(job_lease(job)))


def supervise_under_mpirun(source: bytes) -> NoReturn:
    """Look after one rank of mpirun's; the number of the rank is the program's argument."""
    del os.environ[KERNEL]
    job = json.loads(os.environ.pop(JOB))
    job["rank"] = int(sys.argv[1])
    job["mpi_library"] = os.environ.get("MLX_MPI_LIBNAME", "")
    wake = hear_signals(END, GO)
    parent = os.getppid()
    life = Life(job_lease(job), stdin=job["rank"] == 0, parent=parent)
    why, well = attend(job, source, wake, Mouth(job, framed=True), life, parent)
    if why in ("asked", "exited") and not well:
        linger(life, wake)
    os._exit(0 if well else 1)


def linger(life: Life, wake: int) -> None:
    """Stay for a while: once this process has gone, mpirun ends the others, who may have to say."""
    until = time.monotonic() + life.patience_s
    while not life.over() and time.monotonic() < until:
        ready, _, _ = select.select([wake, *life.fds], [], [], 0.5)
        if wake in ready and set(os.read(wake, 1 << 10)) - {signal.SIGCHLD, END}:
            return
        if 0 in ready and life.hear() == "stdin":
            return


def job_lease(job: Job) -> float:
    """Seconds that a lease lasts."""
    return float(job.get("lease_s", LEASE_S))


def hear_signals(*more: int) -> int:
    """Turn signals into bytes; return the descriptor that they come from."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, *more):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    return wake


def attend(
    job: Job, source: bytes, wake: int, mouth: Mouth, life: Life, parent: int = 0
) -> tuple[str, bool]:
    """Start the rank, relay what it says, end it when nobody wants it; return why, and if well."""
    scrubbed = sorted(k for k in os.environ if k.startswith(("MLX_", "JACCL_")))
    child, events, errors, life.go = start_rank(job, source, alone=bool(parent))
    pipes: Pipes = {events: Told(), errors: (printed := Printed())}
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
            cores=os.cpu_count(),
            fast_synch=os.environ.get("MLX_METAL_FAST_SYNCH"),
            node=platform.node(),
            **({"parent": parent, "parent_began": began(parent)} if parent else {}),
        )
        why = relay(child, pipes, wake, mouth, life)
        if why != "exited":
            mouth.tell("state", stat=state(child.pid), cpu=ask_ps("time=", child.pid))
    finally:
        left = end(child, MPI_GRACE_S if parent else GRACE_S)
    for fd in pipes:
        os.set_blocking(fd, False)
        while hear(fd, pipes, mouth):
            pass
    printed.end(mouth)
    status = child.returncode
    mouth.tell(
        "exit",
        why=why,
        status=status if status is not None and status >= 0 else None,
        signal=-status if status is not None and status < 0 else None,
        left=left,
    )
    return why, why == "exited" and status == 0


def start_rank(
    job: Job, source: bytes, *, alone: bool = False
) -> tuple[subprocess.Popen[bytes], int, int, int]:
    """Start the rank in this process group: whatever ends the group ends the rank.

    Returns its process, where its events and its output come from, and where its go is written to.
    Under mpirun it is `alone`, in a group of its own: mpirun signals the group, with SIGCONT first,
    and nobody would see any more that the rank was stopped.
    """
    program, give = os.pipe()
    events_read, events_write = os.pipe()
    errors_read, errors_write = os.pipe()
    go_read, go_write = os.pipe()
    boot = (
        "import sys;sys.path[:]=[p for p in sys.path if p];"
        f"f=open({program},'rb');s=f.read();f.close();"
        "exec(compile(s,'mlxdiag-kernel','exec'),{'__name__':'rank'})"
    )
    env = scrub(os.environ)
    env.update(job["env"], PYTHONUNBUFFERED="1")
    keep = (program, events_write, go_read)
    child = subprocess.Popen(
        [sys.executable, "-c", boot],
        stdin=subprocess.DEVNULL,
        stdout=errors_write,
        stderr=errors_write,
        pass_fds=keep,
        env=env,
        restore_signals=True,
        start_new_session=alone,
    )
    for fd in (program, events_write, errors_write, go_read):
        os.close(fd)
    call = f"\nrank_main(json.loads({json.dumps(job)!r}), {events_write}, {go_read})\n"
    with contextlib.suppress(BrokenPipeError):  # it ended at once: status and stderr say why
        write_all(give, source + call.encode())
    os.close(give)
    return child, events_read, errors_read, go_write


def scrub(env: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would win over the plan."""
    return {k: v for k, v in env.items() if not k.startswith(("MLX_", "JACCL_"))}


def relay(
    child: subprocess.Popen[bytes],
    pipes: Pipes,
    wake: int,
    mouth: Mouth,
    life: Life,
) -> str:
    """Pass lines on until the rank ends or is to end; return why."""
    open_pipes = list(pipes)
    while True:
        if child.poll() is not None:
            return "exited"
        if mouth.unheard:
            return "unheard"
        if why := life.over():
            return why
        ready, _, _ = select.select(
            [*life.fds, wake, *open_pipes], [], [], max(0.0, min(life.left_s(), 1.0))
        )
        if 0 in ready and (why := life.hear()):
            return why
        if wake in ready and (why := called(wake, life)):
            return why
        for fd in pipes:
            if fd in ready and not hear(fd, pipes, mouth):
                open_pipes.remove(fd)


def called(wake: int, life: Life) -> str:
    """Say what a signal means; under mpirun it is mpirun that wants an end, whichever it sends."""
    if not set(os.read(wake, 1 << 10)) - {signal.SIGCHLD}:
        return ""
    return "asked" if life.parent else "signalled"


def hear(fd: int, pipes: Pipes, mouth: Mouth) -> bool:
    """Pass on what is there; False: nothing came."""
    try:
        data = os.read(fd, 1 << 16)
    except BlockingIOError:
        return False
    pipes[fd].take(data, mouth)
    return bool(data)


def end(child: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> bool:
    """TERM, then KILL. Returns True if even that did not end it (blocked in the kernel)."""
    for number, patience in ((signal.SIGTERM, grace_s), (signal.SIGKILL, min(grace_s, GRACE_S))):
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


# --- supervisor of mpirun --------------------------------------------------------------------


def launch(job: Job, source: bytes, wake: int) -> None:
    """Start mpirun, hand on what it prints, and end it when nobody wants it any more."""
    spec = job.pop("launcher")
    mouth = Mouth(dict(job, rank=None))
    program = find(spec["programs"])
    if not program:
        mouth.tell("fail", kind="launcher", text="mpirun is not there", phase="spawn")
        return
    version = ask_version(program)
    release = re.search(r"\(Open MPI\) (\d+)", version)
    words = spec["argv"].get(release[1]) if release else None
    mouth.tell("mpirun", path=program, version=version)
    if words is None:
        text = f"{program} is not Open MPI 4 or 5: {version or 'it says no version'}"
        mouth.tell("fail", kind="launcher", text=text, phase="spawn")
        return
    job["mpi_prefix"] = program.rpartition("/bin/")[0]
    given = {
        KERNEL: base64.b64encode(zlib.compress(source, 9)).decode(),
        JOB: json.dumps(job, separators=(",", ":")),
    }
    root = [spec["as_root"]] if os.geteuid() == 0 else []
    child = subprocess.Popen(
        [program, *root, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **given},
        restore_signals=True,
    )
    why, left = "", True
    try:
        mouth.tell(
            "spawn",
            pid=child.pid,
            supervisor=os.getpid(),
            began=began(child.pid),
            supervisor_began=began(os.getpid()),
            node=platform.node(),
        )
        why = hand_on(child, wake, mouth, Life(job_lease(job)))
    finally:
        told = why in ("stdin", "lease", "unheard")  # by END and GO: all but mpirun have gone
        left = end(child, MPI_GRACE_S if told else MPIRUN_GRACE_S)
        drain(child, mouth)
        if not left:
            tidy(child.pid)
    mouth.tell("exit", why=why, status=child.returncode, left=left)


def tidy(pid: int) -> None:
    """Remove the session folder of an mpirun that has gone: one that was killed cannot.

    It lies where TMPDIR says: ompi.HOST.UID/pid.PID of Open MPI 4, prte.HOST.PID.UID of 5, and
    prte.HOST.UID/dvm.PID of its first releases.
    """
    named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    base, uid = next(filter(None, named), "/tmp"), os.getuid()  # noqa: S108
    here = re.escape(platform.node().partition(".")[0])  # TMPDIR may be shared with other hosts
    with contextlib.suppress(OSError):
        for name in os.listdir(base):  # noqa: PTH208  # as below
            if re.fullmatch(rf"prte\.{here}(\..+)?\.{pid}\.{uid}", name):
                shutil.rmtree(f"{base}/{name}", ignore_errors=True)
            elif re.fullmatch(rf"(ompi|prte)\.{here}(\..+)?\.{uid}", name):
                theirs = os.listdir(f"{base}/{name}")  # noqa: PTH208
                for inner in {f"pid.{pid}", f"dvm.{pid}"} & set(theirs):
                    shutil.rmtree(f"{base}/{name}/{inner}", ignore_errors=True)
                    with contextlib.suppress(OSError):  # another mpirun's is in it
                        os.rmdir(f"{base}/{name}")  # noqa: PTH106  # no other path here


def find(programs: Sequence[str]) -> str:
    """Find mpirun: the one beside this interpreter fits its libraries; then PATH and the others."""
    beside = f"{sys.executable.rpartition('/')[0]}/{programs[0]}"
    found = (shutil.which(program) for program in (beside, *programs))
    return next(filter(None, found), "")


def ask_version(program: str) -> str:
    """Ask for the version; only its first line says whose mpirun it is."""
    try:
        ran = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=ASK_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return ran.stdout.decode("utf-8", "replace").strip().partition("\n")[0]


def hand_on(child: subprocess.Popen[bytes], wake: int, mouth: Mouth, life: Life) -> str:
    """Hand on mpirun's output and, to rank 0, the lease: that one ends when this process goes.

    When it is asked to end, it goes on until its stdin closes: so the ranks can say how they ended.
    Where nobody is there to ask, the supervisors of all hosts are told all the same: of SIGTERM
    alone mpirun makes something for seconds on the first host before it tells another.
    """
    streams = streams_of(child)
    stdin = child.stdin.fileno() if child.stdin else -1
    os.set_blocking(stdin, False)
    open_fds = list(streams)
    asked, go_at, until = "", float("inf"), float("inf")
    while (now := time.monotonic()) < until:
        if child.poll() is not None:
            return asked or "exited"
        if why := "unheard" if mouth.unheard and life.fds else life.over():
            if asked:
                return asked
            asked, life.fds, go_at = why, [], now + MPI_END_S
            child.send_signal(END)
        if now >= go_at:
            go_at, until = float("inf"), now + GO_S
            child.send_signal(GO)
        wait_s = max(0.0, min(life.left_s(), 1.0, min(until, go_at) - now))
        ready, _, _ = select.select([*life.fds, wake, *open_fds], [], [], wait_s)
        if 0 in ready:
            why = life.hear()
            if why == "asked":
                asked = why
                child.send_signal(END)
            elif why:
                life.fds, go_at = [], now if asked else now + MPI_END_S
                asked = asked or why
                child.send_signal(END)
            with contextlib.suppress(OSError):
                os.write(stdin, b"k\n")
        if wake in ready and set(os.read(wake, 1 << 10)) - {signal.SIGCHLD}:
            return "signalled"
        for fd in streams:
            if fd in ready and not hand_on_some(fd, streams[fd], mouth):
                open_fds.remove(fd)
    return asked


def streams_of(child: subprocess.Popen[bytes]) -> dict[int, str]:
    """Name mpirun's output by descriptor."""
    return {
        stream.fileno(): name
        for stream, name in ((child.stdout, "stdout"), (child.stderr, "stderr"))
        if stream
    }


def hand_on_some(fd: int, name: str, mouth: Mouth) -> bool:
    """Hand on what is there, byte for byte; the controller sorts it. False: nothing came."""
    try:
        data = os.read(fd, 1 << 16)
    except BlockingIOError:
        return False
    if data:
        mouth.tell("output", stream=name, text=data.decode("latin-1"))
    return bool(data)


def drain(child: subprocess.Popen[bytes], mouth: Mouth) -> None:
    """Hand on what mpirun said last; a rank that stayed behind may keep its pipes open."""
    for fd, name in streams_of(child).items():
        os.set_blocking(fd, False)
        while hand_on_some(fd, name, mouth):
            pass


# --- rank ------------------------------------------------------------------------------------


class Rank:
    """One rank: where it is, and the lines that say so.

    `begun` counts the collectives it came to, `seq` those that were checked or timed: while all
    wait for one rank, only `begun` tells them apart. `waited_ns` was spent inside timed ones: by
    far the least on the rank that the others wait for.
    """

    def __init__(self, job: Job, events: int) -> None:
        """Keep the job and the descriptor of the supervisor's pipe."""
        self.job, self.events = job, events
        self.phase = "import"
        self.begun = 0
        self.seq = 0
        self.waited_ns = 0
        self.writing = threading.Lock()

    def tell(self, event: str, **more: object) -> None:
        """Write one event as one line; a long one is not torn by a heartbeat."""
        line = json.dumps(dict(more, ev=event, rank=self.job["rank"])).encode() + b"\n"
        with self.writing:
            write_all(self.events, line)

    def deadline(self, phase: str) -> float:
        """Seconds that a phase may take; of a soak, that one collective may take."""
        return float(self.job["deadlines"].get(phase, self.job["deadlines"]["measure"]))

    def enter(self, phase: str, *, longer_s: float = 0.0, **more: object) -> None:
        """Announce a phase before it begins, and give it its deadline."""
        self.phase = phase
        seconds = self.deadline(phase) + longer_s
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
                waited_s=self.waited_ns / 1e9,
                cpu_s=time.process_time(),
            )

    def fail(self, kind: str, text: str, **more: object) -> NoReturn:
        """Say what is wrong and leave at once: after a failed collective the next one may hang."""
        self.tell(
            "fail", kind=kind, text=text, phase=self.phase, begun=self.begun, seq=self.seq, **more
        )
        faulthandler.cancel_dump_traceback_later()
        os._exit(3)


def rank_main(job: Job, events: int, go: int) -> None:
    """Go through the phases; every way out is an event and an exit status."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    end_with_supervisor()
    rank = Rank(job, events)
    try:
        in_import(rank)
        if job["gated"]:
            in_ready(rank, go)
        group = in_init(rank)
        threading.Thread(target=rank.beat, daemon=True).start()
        in_identity(rank, group)
        if job["check"]:
            in_check(rank, group)
        if job["soak_s"]:
            in_soak(rank, group)
        else:
            for size in job["sizes"]:
                in_measure(rank, group, size)
            for size in job["pair_sizes"]:
                in_pairs(rank, group, size)
        signal.setitimer(signal.ITIMER_REAL, 0)
        rank.phase = "done"
        rank.tell("done", begun=rank.begun, seq=rank.seq, max_rss=max_rss())
        if job["mlx_backend"] == "mpi":
            finalize()
    except BaseException as error:
        rank.fail("exception", f"{type(error).__name__}: {error}")
    os._exit(0)


def end_with_supervisor() -> None:
    """Linux ends this process with its supervisor; elsewhere its alarm does, or mpirun."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def find_mpi(job: Job) -> str:
    """Find the library that fits the mpirun that started us; mlx knows one name of it only.

    A run-time package has no `libmpi.so`, and Homebrew's folder is not searched by macOS.
    """
    own = "libmpi.dylib" if sys.platform == "darwin" else "libmpi.so"
    folder = job.get("mpi_prefix", "") + "/lib/"
    names: list[str] = [
        job.get("mpi_library", ""),
        folder + own,
        folder + "libmpi.so.40",
        own,
        "libmpi.so.40",
    ]
    for name in filter(None, names):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
            return name
    return ""


def finalize() -> None:
    """Leave MPI as it wants: without this, mpirun takes the end of the process for a failure."""
    signal.setitimer(signal.ITIMER_REAL, ALARM_S)
    ctypes.CDLL(os.environ["MLX_MPI_LIBNAME"]).MPI_Finalize()


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


def in_ready(rank: Rank, go: int) -> None:
    """Wait until the controller says that all are ready: `init` gives up some seconds after it.

    Somebody may still be at the start or importing, so this may last as long as both.
    """
    need(rank)
    agree(rank)
    rank.enter("ready", longer_s=rank.deadline("spawn") + rank.deadline("import"))
    if not os.read(go, 1):
        os._exit(3)  # the supervisor has gone


def need(rank: Rank) -> None:
    """Fail where this mlx has not the backend: its init would end the process, or the others'."""
    backend = rank.job["mlx_backend"]
    if not mx.distributed.is_available(backend):
        rank.fail("unavailable", f"this mlx has no {backend}")


def agree(rank: Rank) -> None:
    """Fail where what mlx will read is not the plan: it would wait in init, and all with it."""
    job = rank.job
    number = job["env"].get("MLX_RANK", str(job["rank"]))
    if number != str(job["rank"]):
        rank.fail("group", f"MLX_RANK is {number}, planned {job['rank']}")
    for name, text in job["files"].items():
        count = len(json.loads(text))
        if count != job["size"]:
            rank.fail("group", f"{name} is of {count} ranks, planned {job['size']}")


def in_init(rank: Rank) -> Any:
    """Join the group; anything but the planned size and rank is a failure."""
    job = rank.job
    rank.enter("init")
    for name, text in job["files"].items():
        os.environ[name] = pipe_path(text)
    backend = job["mlx_backend"]
    if backend == "mpi":
        if library := find_mpi(job):
            os.environ["MLX_MPI_LIBNAME"] = library
            rank.tell("library", name=library)
        need(rank)
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
            ours = f"rank {row[2]} of {row[3]}" if row[:2] == mine[:2] else "of another run"
            rank.fail(
                "identity", f"who answers as rank {place} is {ours}: it sent {row}", peer=place
            )
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
    for count in SHIFTS:
        checked += check_send(rank, group, count, "int32")
    checked += check_send(rank, group, SHIFTS[0], rank.job["dtype"])
    check_gather_of(rank, group, rank.job["dtype"])
    rank.tell("checked", elements=checked, wrong=0)


def check_sum(rank: Rank, group: Any, count: int, iteration: int) -> None:
    """Add planes that do not overlap: the sum holds each rank's part, to be read off again."""
    mine = plane(rank.job["rank"], count, iteration)
    rank.begun += 1
    total = mx.distributed.all_sum(mine, group=group)
    mx.eval(total)
    alike(rank, "all_sum", total, mine)
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


def alike(rank: Rank, op: str, got: Any, mine: Any, times: int = 1) -> None:
    """Fail where a result is not of the kind and size that was given: no other rank can do that."""
    if (got.dtype, got.size) == (mine.dtype, mine.size * times):
        return
    rank.fail(
        "wrong",
        f"{op}: the result is {got.size} of {got.dtype}, not {mine.size * times} of {mine.dtype}",
        op=op,
        wrong=got.size,
        offset=0,
        guilty=[rank.job["rank"]],
        own=True,
    )


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
    guilty = decoded(got[offset].item(), [part[offset].item() for part in parts])
    rank.fail(
        "wrong",
        f"{op}: {wrong} wrong elements, the first at {start + offset}",
        op=op,
        wrong=wrong,
        offset=start + offset,
        guilty=guilty,
        iteration=iteration,
    )


def decoded(value: float, parts: Sequence[float], bits: int = 30) -> list[int]:
    """Name the ranks whose bits of a sum are not what they gave; nobody where bits are shared.

    A value that is no whole number of these bits, such as NaN, says nothing of any rank; nor do the
    bits of two ranks in a float, of which one flipped bit of the exponent changes all.
    """
    whole = 0 <= value < 1 << (PLANES * len(parts)) and value == int(value)
    if len(parts) * PLANES > bits or not whole:
        return []
    masks = [7 << (PLANES * peer) for peer in range(len(parts))]
    named = [peer for peer, mask in enumerate(masks) if (int(value) ^ int(parts[peer])) & mask]
    return named if bits == EXACT_BITS["int32"] or len(named) == 1 else []


def check_gather(rank: Rank, group: Any, count: int, iteration: int) -> None:
    """Gather a count that is no multiple of 4 KiB; every block must be its rank's own."""
    mine = plane(rank.job["rank"], count, iteration)
    rank.begun += 1
    everything = mx.distributed.all_gather(mine, group=group)
    mx.eval(everything)
    alike(rank, "all_gather", everything, mine, group.size())
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
        mine = given(rank.job["rank"], group.size(), 1027, name)
        rank.begun += 1
        total = mx.distributed.all_sum(mine, group=group)
        mx.eval(total)
        check_total(rank, group.size(), 1027, name, total, "")
        rank.seq += 1


def given(peer: int, size: int, count: int, name: str, start: int = 0, iteration: int = 0) -> Any:
    """What a rank gives to a sum that is exact in a dtype; bits of its own where it has enough.

    Else the first has another period than the others: no number of ranks makes the sum a constant.
    """
    dtype = getattr(mx, name)
    if size * PLANES <= EXACT_BITS[name]:
        return plane(peer, count, iteration, start).astype(dtype)
    index = mx.arange(start, start + count, dtype=mx.int32) + 3 * iteration + peer
    return (index % (7 if peer else 5)).astype(dtype)


def check_total(
    rank: Rank, size: int, count: int, name: str, total: Any, which: str, iteration: int = 0
) -> None:
    """Compare a sum of what all ranks gave, every element of it; `which` one it was is said."""
    what = f"all_sum of {name}{which}"
    alike(rank, what, total, given(0, size, count, name))
    for start in range(0, count, SLICE):
        some = min(SLICE, count - start)
        parts = [given(peer, size, some, name, start, iteration) for peer in range(size)]
        wanted = parts[0]
        for part in parts[1:]:
            wanted = wanted + part
        got = total[start : start + some]
        unequal = got != wanted
        wrong = mx.sum(unequal).item()
        if wrong:
            at = mx.argmax(unequal).item()
            rank.fail(
                "wrong",
                f"{what}: {wrong} wrong elements, the first at {start + at}",
                op="all_sum",
                wrong=wrong,
                offset=start + at,
                guilty=decoded(
                    got[at].item(), [part[at].item() for part in parts], EXACT_BITS[name]
                ),
                dtype=name,
            )


SHIFTS = (1, 1027, (1 << 18) + 3)
"""Elements that go once around the ring: one, no multiple of a frame, more than a MiB."""


def check_send(rank: Rank, group: Any, count: int, name: str) -> int:
    """Shift a plane once around the ring; return how many elements were compared.

    Even ranks send first, so nobody waits for himself. A sum stands before each change of size:
    without it jaccl was reported to give wrong data (mlx issue 3149).
    """
    me, size = rank.job["rank"], rank.job["size"]
    before, after = (me - 1) % size, (me + 1) % size
    dtype = getattr(mx, name)
    mine = numbers(me, count, 1, dtype)
    like = mx.zeros(count, dtype=dtype)
    mx.eval(mine, like)
    rank.begun += 1
    mx.eval(mx.distributed.all_sum(mx.ones(1, dtype=mx.int32), group=group))
    rank.begun += 1
    got = exchange(group, mine, like, before, after, first=me % 2 == 0)
    check_shift(rank, before, name, mine, got, "")
    rank.seq += 2
    return count


def check_shift(
    rank: Rank, before: int, name: str, mine: Any, got: Any, which: str, iteration: int = 1
) -> None:
    """Compare what came from the left."""
    what = f"recv of {name} from rank {before}{which}"
    alike(rank, what, got, mine)
    unequal = got != numbers(before, mine.size, iteration, mine.dtype)
    wrong = mx.sum(unequal).item()
    if wrong:
        rank.fail(
            "wrong",
            f"{what}: {wrong} wrong elements",
            op="send",
            wrong=wrong,
            offset=mx.argmax(unequal).item(),
            guilty=[before],
            dtype=name,
        )


def numbers(rank: int, count: int, iteration: int, dtype: Any) -> Any:
    """A rank's plane; in floats, which have not its bits, whole numbers that are exact in all."""
    if dtype == mx.int32:
        return plane(rank, count, iteration)
    index = mx.arange(count, dtype=mx.int32)
    return ((index + 5 * iteration + 3 * rank) % 127 + 1).astype(dtype)


def check_gather_of(rank: Rank, group: Any, name: str) -> None:
    """Gather the dtype that is timed; every block must be its rank's own."""
    count, dtype = 1027, getattr(mx, name)
    rank.begun += 1
    mine = numbers(rank.job["rank"], count, 2, dtype)
    everything = mx.distributed.all_gather(mine, group=group)
    mx.eval(everything)
    check_blocks(rank, group.size(), name, mine, everything, 2, "")
    rank.seq += 1


def check_blocks(
    rank: Rank, size: int, name: str, mine: Any, everything: Any, iteration: int, which: str
) -> None:
    """Compare what was gathered: every block must be its rank's own."""
    what, count = f"all_gather of {name}{which}", mine.size
    alike(rank, what, everything, mine, size)
    for peer in range(size):
        wanted = numbers(peer, count, iteration, mine.dtype)
        unequal = everything[peer * count : (peer + 1) * count] != wanted
        wrong = mx.sum(unequal).item()
        if wrong:
            rank.fail(
                "wrong",
                f"{what}: {wrong} wrong elements of rank {peer}",
                op="all_gather",
                wrong=wrong,
                offset=mx.argmax(unequal).item(),
                guilty=[peer],
                dtype=name,
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
    """Time one collective per eval; raw nanoseconds of every iteration are the result.

    The last one is compared, when its time was taken, and has other data than those before it, so
    that what they left in a buffer is no result: results of the others are let go at once, as they
    would be in anybody's loop.
    """
    rank.enter("measure", size=size)
    job = rank.job
    iterations = job["iterations"][str(size)]
    dtype = getattr(mx, job["dtype"])
    count = max(1, size // dtype.size)
    step, last, compare_last = OPS[job["op"]](rank, group, count, dtype)
    one = mx.ones(1, dtype=mx.int32)
    for _ in range(job["warmup"]):
        rank.begun += 1
        step()
    rank.begun += 1
    barrier = mx.distributed.all_sum(one, group=group)
    mx.eval(barrier)
    clock, samples = time.perf_counter_ns, []
    result = None
    for left in range(iterations, 0, -1):
        rank.begun += 1
        if left > 1:
            start = clock()
            step()
            samples.append(clock() - start)
        else:
            start = clock()
            result = last()
            samples.append(clock() - start)
        rank.waited_ns += samples[-1]
        rank.seq += 1
    if job["check"]:
        compare_last(result, f", the last of {iterations} that were timed")
    rank.tell("samples", op=job["op"], size=count * dtype.size, count=count, ns=samples)


Timed = tuple[Step, Step, Callable[[Any, str], None]]
"""One collective, which returns its result; the last one, of other data; what compares that."""

TIMED, AT_LAST = 1, 2
"""Iterations of the data."""


def evaluated(collective: Callable[..., Any], group: Any, value: Any) -> Step:
    """Give what does one collective and waits for it; nothing is looked up while time is taken."""
    evaluate = mx.eval
    evaluate(value)

    def step() -> Any:
        result = collective(value, group=group)
        evaluate(result)
        return result

    return step


def all_sum_step(rank: Rank, group: Any, count: int, dtype: Any) -> Timed:
    """The input stays the same: what is timed includes MLX's copy of it, as inference pays it."""
    size, name = group.size(), rank.job["dtype"]
    me = rank.job["rank"]
    value, other = (given(me, size, count, name, 0, n).astype(dtype) for n in (TIMED, AT_LAST))
    return (
        evaluated(mx.distributed.all_sum, group, value),
        evaluated(mx.distributed.all_sum, group, other),
        lambda got, which: check_total(rank, size, count, name, got, which, AT_LAST),
    )


def all_gather_step(rank: Rank, group: Any, count: int, dtype: Any) -> Timed:
    """Every rank gives `count` elements and receives all."""
    size, name = group.size(), rank.job["dtype"]
    value, other = (numbers(rank.job["rank"], count, n, dtype) for n in (TIMED, AT_LAST))
    return (
        evaluated(mx.distributed.all_gather, group, value),
        evaluated(mx.distributed.all_gather, group, other),
        lambda got, which: check_blocks(rank, size, name, other, got, AT_LAST, which),
    )


def send_step(rank: Rank, group: Any, count: int, dtype: Any) -> Timed:
    """One shift around the ring: a send has no end of its own, an exchange has."""
    me, size, name = rank.job["rank"], rank.job["size"], rank.job["dtype"]
    before, after = (me - 1) % size, (me + 1) % size
    value, other = (numbers(me, count, n, dtype) for n in (TIMED, AT_LAST))
    like, first = mx.zeros(count, dtype=dtype), me % 2 == 0
    mx.eval(value, other, like)
    return (
        lambda: exchange(group, value, like, before, after, first=first),
        lambda: exchange(group, other, like, before, after, first=first),
        lambda got, which: check_shift(rank, before, name, other, got, which, AT_LAST),
    )


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


# --- soak ------------------------------------------------------------------------------------


class Pattern:
    """The planes of `plane` for many counts and iterations, cut out of two arrays made once."""

    def __init__(self, ranks: int, longest: int) -> None:
        """Make the ramp that every plane is a shift of, and the sum of all planes."""
        self.ranks = ranks
        self.ramp = mx.arange(longest + 7, dtype=mx.int32) % 7 + 1
        self.sum = mx.zeros(longest + 7, dtype=mx.int32)
        for rank in range(ranks):
            self.sum = self.sum + plane(rank, longest + 7, 0)
        mx.eval(self.ramp, self.sum)

    def of(self, rank: int, count: int, iteration: int) -> Any:
        """`plane(rank, count, iteration)`, as a buffer of its own."""
        start = (5 * iteration + 3 * rank) % 7
        return self.ramp[start : start + count] << (PLANES * (rank % 10))

    def total(self, count: int, iteration: int) -> Any:
        """The sum of all ranks' planes."""
        start = 5 * iteration % 7
        return self.sum[start : start + count]


class Soaking:
    """What this rank's soak has done so far; it says so now and then, and at the end."""

    def __init__(self, rank: Rank) -> None:
        """Begin to count. `sizes` holds by bytes how many collectives, and the longest in ns."""
        self.rank = rank
        self.wanted_s = float(rank.job["soak_s"])
        self.began = self.told = self.armed = self.rested = time.monotonic()
        self.ops = self.elements = self.wrong = self.gaps = 0
        self.longest_gap_s = 0.0
        self.sizes: dict[int, list[int]] = {}

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def arm(self) -> None:
        """Give the next collective its deadline; a tenth of it may be gone already."""
        now = time.monotonic()
        if now - self.armed > self.rank.deadline("soak") / 10:
            self.armed = now
            self.rank.enter("soak")

    def pause(self, seconds: float) -> None:
        """Leave the links idle."""
        self.rank.enter("soak", longer_s=seconds, idle_s=seconds)
        time.sleep(seconds)
        self.gaps += 1
        self.longest_gap_s = max(self.longest_gap_s, seconds)
        self.armed = time.monotonic()
        if seconds >= LONG_GAP_S:
            self.rested = self.armed
        self.rank.enter("soak")

    def count(self, size: int, ns: int) -> None:
        """Take note of one collective."""
        ops, worst = self.sizes.get(size, (0, 0))
        self.sizes[size] = [ops + 1, max(worst, ns)]

    def tell(self) -> None:
        """Say what there is."""
        self.told = time.monotonic()
        self.rank.tell(
            "soak",
            seconds=self.elapsed(),
            ops=self.ops,
            elements=self.elements,
            wrong=self.wrong,
            gaps=self.gaps,
            longest_gap_s=self.longest_gap_s,
            sizes=self.sizes,
        )


def in_soak(rank: Rank, group: Any) -> None:
    """Mix sizes, bursts and pauses until rank 0 says that it is over; compare every result.

    Ranks that look at their own clocks stop after different collectives, and hang in the next.
    """
    rank.enter("soak")
    counts = [max(1, size // 4) for size in rank.job["sizes"]]
    pattern = Pattern(group.size(), max(counts))
    done = Soaking(rank)
    for turn in range(1 << 30):
        done.arm()
        seconds = agreed(rank, group, done, turn)
        if seconds is None:
            break
        if seconds:
            done.pause(seconds)
        for burst in bursts(counts, turn):
            in_burst(rank, group, pattern, done, burst)
            if time.monotonic() - done.told > min(60.0, max(1.0, done.wanted_s / 100)):
                done.tell()
    done.tell()


def agreed(rank: Rank, group: Any, done: Soaking, turn: int) -> float | None:
    """Share what rank 0 decides: how long to pause before this turn, or None that it is over."""
    mine = [0, 0, 0]
    if rank.job["rank"] == 0:
        mine = [turn, int(done.elapsed() < done.wanted_s), int(1000 * gap(done, turn))]
    rank.begun += 1
    shared = mx.distributed.all_sum(mx.array(mine, dtype=mx.int32), group=group)
    mx.eval(shared)
    theirs, go, pause_ms = shared.tolist()
    if theirs != turn or go not in (0, 1) or not 0 <= pause_ms <= 1000 * LONG_GAP_S:
        rank.fail("wrong", f"turn {turn}: {[theirs, go, pause_ms]} of rank 0", op="soak", guilty=[])
    rank.seq += 1
    return pause_ms / 1000 if go else None


def gap(done: Soaking, turn: int) -> float:
    """Decide on a pause before a turn: now and then over a minute where the soak is long enough."""
    left = done.wanted_s - done.elapsed()
    if left >= 1.5 * LONG_GAP_S and time.monotonic() - done.rested >= LONG_GAP_EVERY_S:
        return LONG_GAP_S
    return SHORT_GAP_S if turn % 6 == 2 and done.gaps < 1 + done.elapsed() / 5 else 0.0


def bursts(counts: list[int], turn: int) -> list[list[int]]:
    """Give the counts of a turn; those of one list go back to back, then they are compared."""
    start = turn % len(counts)
    mixed = counts[start:] + counts[:start]
    if turn % 3 == 0:
        return [[count] for count in mixed]
    if turn % 3 == 1:
        one = counts[turn // 3 % len(counts)]
        return [[one] * max(1, min(BURST, BURST_BYTES // (4 * one)))]
    return [mixed[::-1]]


def in_burst(rank: Rank, group: Any, pattern: Pattern, done: Soaking, counts: list[int]) -> None:
    """Do collectives back to back, then compare all that came."""
    me, op = rank.job["rank"], SOAKS[rank.job["op"]]
    mine = [pattern.of(me, count, done.ops + at) for at, count in enumerate(counts)]
    mx.eval(mine)
    results = []
    for count, value in zip(counts, mine, strict=True):
        done.arm()
        rank.begun += 1
        start = time.perf_counter_ns()
        results.append(op(rank, group, value))
        done.count(4 * count, time.perf_counter_ns() - start)
    for count, result in zip(counts, results, strict=True):
        done.arm()
        compare(rank, pattern, done, count, result)
        done.ops += 1
        rank.seq += 1


def soak_sum(_rank: Rank, group: Any, mine: Any) -> Any:
    """One sum over all ranks."""
    total = mx.distributed.all_sum(mine, group=group)
    mx.eval(total)
    return total


def soak_gather(_rank: Rank, group: Any, mine: Any) -> Any:
    """One gather of all ranks' parts."""
    everything = mx.distributed.all_gather(mine, group=group)
    mx.eval(everything)
    return everything


def soak_send(rank: Rank, group: Any, mine: Any) -> Any:
    """One shift around the ring, with a sum before it, as in `check_send`."""
    me, size = rank.job["rank"], rank.job["size"]
    mx.eval(mx.distributed.all_sum(mx.ones(1, dtype=mx.int32), group=group))
    like = mx.zeros(mine.size, dtype=mx.int32)
    return exchange(group, mine, like, (me - 1) % size, (me + 1) % size, first=me % 2 == 0)


SOAKS = {"all_sum": soak_sum, "all_gather": soak_gather, "send": soak_send}


def compare(rank: Rank, pattern: Pattern, done: Soaking, count: int, result: Any) -> None:
    """Look at every element of a result; the first that is wrong ends the soak with its rank."""
    op, ranks = rank.job["op"], pattern.ranks
    sent = {"all_sum": [None], "all_gather": range(ranks), "send": [(rank.job["rank"] - 1) % ranks]}
    alike(rank, f"{op} of the soak", result, pattern.ramp[:count], len(sent[op]))
    for place, peer in enumerate(sent[op]):
        got = result[place * count : (place + 1) * count]
        wanted = (
            pattern.total(count, done.ops) if peer is None else pattern.of(peer, count, done.ops)
        )
        unequal = got != wanted
        wrong = mx.sum(unequal).item()
        done.elements += count
        if not wrong:
            continue
        offset = mx.argmax(unequal).item()
        parts = [pattern.of(r, count, done.ops)[offset].item() for r in range(ranks)]
        done.wrong += wrong
        done.tell()
        rank.fail(
            "wrong",
            f"{op} {done.ops + 1} of the soak: {wrong} of {count} elements wrong,"
            f" the first at {offset}",
            op=op,
            wrong=wrong,
            offset=offset,
            guilty=decoded(got[offset].item(), parts) if peer is None else [peer],
        )
