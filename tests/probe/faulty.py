"""`mlxdiag` with one fault in its ranks: python -m tests.probe.faulty FAULT FOLDER ARGUMENTS...

FAULT is a name in FAULTS; FOLDER is where files of the fault may be. Deadlines are short.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from mlxdiag import cli
from mlxdiag.inventory import Host
from mlxdiag.probe import gang
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import Event, GangRun
from mlxdiag.transport.talk import Talker
from tests.probe.world import DEADLINES, OnEvent, at, hostfile, patched, send, with_python, wrapper

Changes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fault:
    """What is wrong: with the plan, with a rank at a moment, with the kernel's text.

    `python` are lines of shell before the interpreter of rank 1, `changes` lines of the kernel and
    what stands there instead; `ME` is the rank. `beside` is what runs meanwhile.
    """

    plan: Callable[[Plan], Plan] = lambda plan: plan
    on_event: Callable[[], OnEvent] = lambda: lambda _rank, _event: None
    changes: Changes = ()
    python: tuple[str, ...] = ()
    deadlines_s: Mapping[str, float] | None = None
    beside: Callable[[Plan], AbstractContextManager[None]] = lambda _plan: nullcontext()


def signalled(moment: str, number: int, rank: int = 1) -> Callable[[], OnEvent]:
    return lambda: at(rank, moment, send(number))


def to_supervisor(number: int) -> Callable[[], OnEvent]:
    def act(pid: int) -> None:
        os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), number)

    return lambda: at(1, "beat", act)


def listed(plan: Plan, change: Callable[[list[list[str]]], list[list[str]]], rank: int) -> Plan:
    """Give one rank another hostfile."""
    files = {"MLX_HOSTFILE": json.dumps(change(hostfile(plan)))}
    ranks = [replace(r, files=files) if r.rank == rank else r for r in plan.ranks]
    return replace(plan, ranks=tuple(ranks))


def numbered(plan: Plan, rank: int, number: int) -> Plan:
    """Let one rank take itself for another."""
    env = {"MLX_RANK": str(number)}
    ranks = [replace(r, env={**r.env, **env}) if r.rank == rank else r for r in plan.ranks]
    return replace(plan, ranks=tuple(ranks))


@contextmanager
def a_listener(plan: Plan) -> Iterator[None]:
    """Take the port of rank 1."""
    host, _, port = hostfile(plan)[1][0].rpartition(":")
    with socket.create_server((host, int(port)), reuse_port=False):
        yield


STALE = """
import mlx.core as mx
mx.set_default_device(mx.cpu)
group = mx.distributed.init(strict=True, backend="ring")
mx.eval(mx.distributed.all_gather(mx.array([1, 2, group.rank(), 3, 4]), group=group))
"""


@contextmanager
def stale_ranks(plan: Plan) -> Iterator[None]:
    """Let ranks 0 of another run wait on the port; Linux gives a connection to any of them."""
    stale = []
    for _ in range(5):
        again, fill = os.pipe()
        os.write(fill, plan.ranks[0].files["MLX_HOSTFILE"].encode())
        os.close(fill)
        one = subprocess.Popen(
            [sys.executable, "-c", STALE],
            env={
                **os.environ,
                "MLX_RANK": "0",
                "MLX_RING_VERBOSE": "1",
                "MLX_HOSTFILE": f"/dev/fd/{again}",
            },
            pass_fds=[again],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(again)
        assert one.stderr is not None
        assert "accepting" in one.stderr.readline()
        stale.append(one)
    try:
        yield
    finally:
        for one in stale:
            one.kill()
            one.communicate()


COUNT = '    dtype = getattr(mx, job["dtype"])\n    count = max(1, size // dtype.size)'
LOOP = "    for left in range(iterations, 0, -1):\n"
"""Where the kernel times."""
JOIN = "    start = time.perf_counter()\n    group"
IMPORT = '    rank.enter("import")\n'
CHECK = "def check_sum(rank: Rank, group: Any, count: int, iteration: int) -> None:\n"
FLIP = (
    f"{CHECK}    job, right = rank.job, globals()['plane']\n"
    "    def plane(who, count, iteration, start=0):\n"
    "        made = right(who, count, iteration, start)\n"
    "        if ME == who == 1 and count > 900 and start == 0 and not rank.__dict__.get('x'):\n"
    "            rank.x = True\n"
    "            made[777] = made[777] ^ (1 << 3)\n"
    "        return made\n"
)

TOTAL = '    alike(rank, "all_sum", total, mine)\n'
LAST = '    if job["check"]:\n        compare_last('


def result(change: str) -> Changes:
    """Let rank 1 get another result of a sum of 1 KiB than the others."""
    return ((TOTAL, f"    if rank.job['rank'] == 1 and count == 256:\n        {change}\n{TOTAL}"),)


def in_loop(does: str) -> Changes:
    """Let a rank do something before every collective that is timed."""
    return ((LOOP, f"{LOOP}        {does}\n"),)


def in_import(does: str) -> Changes:
    return ((IMPORT, f"{IMPORT}    job = rank.job\n    {does}\n"),)


WRITES = ("( while kill -0 $$; do printf %s x; done ) 2>/dev/null &",)
"""What a shell left running writes on. Between our lines it is noise; long ones it tears."""


FAULTS: Mapping[str, Fault] = {
    "none": Fault(),
    # A rank that does not come, or goes.
    "no interpreter": Fault(lambda plan: with_python(plan, 1, "/no/such/python")),
    "a shell that hangs": Fault(
        python=("while read -r line; do :; done; exit 0",), deadlines_s={"spawn": 2.0}
    ),
    "a shell that ends": Fault(python=("echo no room >&2; exit 0",)),
    "a kernel cut short": Fault(python=(f'head -c 5000 | {sys.executable} "$@"; exit 0',)),
    "too few open files": Fault(python=("ulimit -n 8",)),
    "no mlx": Fault(python=('export PYTHONPATH="$0.empty"',)),
    "killed before init": Fault(on_event=signalled("import", signal.SIGKILL)),
    "killed when ready": Fault(on_event=signalled("ready", signal.SIGKILL)),
    "killed in init": Fault(on_event=signalled("init", signal.SIGKILL)),
    "killed in a collective": Fault(on_event=signalled("beat", signal.SIGKILL)),
    "another's alarm": Fault(on_event=signalled("beat", signal.SIGALRM)),
    "supervisor killed": Fault(on_event=to_supervisor(signal.SIGKILL)),
    "segmentation fault in import": Fault(
        changes=in_import("ME == 1 and os.kill(os.getpid(), signal.SIGSEGV)")
    ),
    "leaves without a word": Fault(changes=in_loop('job["rank"] == 1 and os._exit(0)')),
    # A rank that is there and does nothing, or not what it should.
    "late in import": Fault(
        changes=in_import("time.sleep(4 * (ME == 1))"), deadlines_s={"init": 3.0}
    ),
    "never ready": Fault(
        changes=in_import("time.sleep(60 * (ME == 1))"), deadlines_s={"import": 2.0}
    ),
    "stopped when ready": Fault(
        on_event=signalled("ready", signal.SIGSTOP), deadlines_s={"ready": 2.0}
    ),
    "stopped in init": Fault(
        on_event=signalled("init", signal.SIGSTOP),
        changes=((JOIN, f"    time.sleep(ME)\n{JOIN}"),),
        deadlines_s={"init": 3.0},
    ),
    "stopped in a collective": Fault(on_event=signalled("beat", signal.SIGSTOP)),
    "slow": Fault(changes=in_loop('time.sleep(0.05 * (job["rank"] == 1))')),
    "too slow": Fault(
        changes=in_loop('time.sleep(0.6 * (job["rank"] == 1))'), deadlines_s={"measure": 7.0}
    ),
    "does not arrive": Fault(changes=in_loop('time.sleep(60 * (job["rank"] == 1))')),
    "skips a collective": Fault(
        changes=((LOOP, LOOP.replace("iterations", "iterations - (ME == 1)")),)
    ),
    "more data than planned": Fault(changes=((COUNT, f"{COUNT} * (1 + (ME == 1))"),)),
    # Wrong data.
    "one flipped element": Fault(changes=((CHECK, FLIP),)),
    "one element of a result": Fault(changes=result("total[77] = total[77] ^ 1")),
    "a result of another kind": Fault(changes=result("total = total.astype(mx.float32)")),
    "a result of another size": Fault(changes=result("total = total[:1]")),
    "a result that is no number": Fault(
        changes=(
            (
                '        check_total(rank, group.size(), 1027, name, total, "")\n',
                "        total = total * float('nan') if rank.job['rank'] == 1 else total\n"
                '        check_total(rank, group.size(), 1027, name, total, "")\n',
            ),
        )
    ),
    "one element of the last that is timed": Fault(
        changes=((LAST, f"    if ME == 1:\n        result[0] = 5\n{LAST}"),)
    ),
    # Another plan than that of the others.
    "a hostfile of another size": Fault(lambda plan: listed(plan, lambda all_: all_[:2], 1)),
    "a number that another has": Fault(lambda plan: numbered(plan, 1, 0)),
    # Somebody else on a port.
    "a port that is taken": Fault(beside=a_listener),
    "stale ranks on a port": Fault(beside=stale_ranks),
    # Output that is not ours.
    "a noisy shell": Fault(
        python=("echo Welcome home", "echo ouch >&2", "printf 'no end of line: '")
    ),
    "a shell that writes later": Fault(python=WRITES),
    "a shell that writes into a line": Fault(
        python=WRITES,
        changes=in_import("for _ in range(12): rank.tell('long', text='y' * 1_000_000)"),
    ),
    "another run's words": Fault(
        changes=in_loop(
            """job["rank"] == 1 and print('feedfeedfeedfeed {"ev": "done"}', flush=True)"""
        )
    ),
    "endless output": Fault(
        changes=in_import("ME == 1 and [os.write(2, b'x' * (1 << 20)) for _ in range(200)]")
    ),
    "endless lines, then an end": Fault(
        changes=in_import(
            "ME == 1 and [os.write(2, b'line' * 9 + bytes([10])) for _ in range(99999)]"
            " and os.write(2, b'because') and os._exit(7)"
        )
    ),
}  # fmt: skip


def main() -> None:
    """Change what is changed, and be mlxdiag."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    sys.argv[1:] = sys.argv[3:]
    fault = FAULTS[name]
    if fault.changes:
        gang.KERNEL = patched(folder, *fault.changes)
    real = gang.run

    async def run(
        plan: Plan,
        talker_for: Callable[[Host], Talker],
        *,
        stop: asyncio.Event | None = None,
        on_event: OnEvent = lambda _rank, _event: None,
    ) -> GangRun:
        act = fault.on_event()

        def both(rank: int, event: Event) -> None:
            on_event(rank, event)
            act(rank, event)

        deadlines_s = {**DEADLINES, **(fault.deadlines_s or {})}
        plan = replace(fault.plan(plan), deadlines_s=deadlines_s, lease_s=6.0)
        if fault.python:
            plan = with_python(plan, 1, wrapper(folder, *fault.python))
        with fault.beside(plan):
            return await real(plan, talker_for, stop=stop, on_event=both)

    gang.run = run
    cli.main()


if __name__ == "__main__":
    main()
