"""One host's collection in flight: what arrives goes in, captures and orders to it come out.

It knows the program of `shell` and nothing of how its bytes travel. A command's time counts from
the end of the one before it in its lane, as seen from here. A lane whose bytes wait behind another
lane is not held to a deadline before that lane is through: its commands may be unable to write.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.transport import shell, stream
from mlxdiag.transport.shell import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlxdiag.capture import Command

STDOUT_CAP_BYTES = 4 << 20
"""How much of a command's stdout is kept; one that prints more is told to end."""

DRAIN_S = 5.0
"""How long to wait for bytes of commands that have ended, since the last byte."""

RELEASED_S = 1.0
"""What an overdue lane gets when the lane before it is through."""

ANSWER_S = 1.0
"""How long a host may take to say what is left of a command that was given up."""


LAST_WORDS_S = 0.5
"""What an interrupted collection gets, to bring in the output of commands that have ended."""


class _Step(Enum):
    RUNNING = auto()
    TERMINATED = auto()
    KILLED = auto()
    LEFT = auto()


@dataclass
class _Lane:
    number: int
    commands: tuple[Command, ...]
    at: int = 0
    framed: int = 0
    pid: int | None = None
    step: _Step = _Step.RUNNING
    said: str = ""
    overdue: bool = False
    through: bool = False
    timer: asyncio.TimerHandle | None = None

    @property
    def command(self) -> Command:
        """Give the command at hand on the host."""
        return self.commands[self.at]

    def stop_timer(self) -> None:
        """Forget the time that was running."""
        if self.timer:
            self.timer.cancel()


class Collection:
    """Reads the two streams of one session; `send` writes to its stdin."""

    def __init__(
        self,
        program: shell.Program,
        python: str | None,
        captures: dict[str, Capture],
        clock: Callable[[], float],
        send: Callable[[bytes], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._output = stream.Output(program.nonce)
        self._control = stream.Control(program.nonce)
        self._python, self._captures, self._clock, self._send = python, captures, clock, send
        self._lanes = [_Lane(number, lane) for number, lane in enumerate(program.lanes)]
        self._lane_of = {c.name: lane for lane in self._lanes for c in lane.commands}
        self._front: _Lane | None = None
        self._stdout = bytearray()
        self._capped = False
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._terminated: dict[str, float] = {}
        self._drain: asyncio.TimerHandle | None = None
        self._stopping = False
        for lane in self._lanes:
            self._await_command(lane)
        self._finish_if_complete()

    async def finished(self) -> None:
        """Return when every command has its capture."""
        try:
            await self._done
        finally:
            self._stop_timers()
            self._keep_chatter()

    def stdout(self, data: bytes) -> None:
        """Take bytes of the session's stdout."""
        for event in self._output.feed(data):
            match event:
                case stream.Bytes():
                    self._add(event.data)
                case stream.Frame():
                    self._frame(event)
                case stream.LaneBegins():
                    self._begin(self._lanes[event.lane])
        self._finish_if_complete()

    def stderr(self, data: bytes) -> None:
        """Take bytes of the session's stderr."""
        for told in self._control.feed(data):
            lane = self._lanes[told.lane]
            match told.what:
                case "lane":
                    lane.pid = told.pids[0]
                case "left":
                    self._left(lane, told.pids)
                case "next" if not lane.through:
                    self._advance(lane, lane.at + 1)
                case "end" if not lane.through:
                    self._advance(lane, len(lane.commands))
                case _:
                    pass

    async def wind_up(self) -> None:
        """End what runs and take what comes of it for a moment: results may wait behind it."""
        self._stopping = True
        self._stop_timers()
        for lane in self._lanes:
            if lane.pid is not None and not lane.through:
                self._send(f"TERM {lane.pid} {lane.number}\n".encode())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._done), LAST_WORDS_S)

    def lost(self, why: str) -> None:
        """Close the books: the session is gone, and no more will arrive."""
        reason = " ".join(filter(None, (why, self._control.chatter)))
        self._give_up(Outcome.DISCONNECTED, reason)

    def _keep_chatter(self) -> None:
        """Put what the login printed by itself into the capture of the access."""
        said = self._output.before + self._control.before
        if said and ACCESS in self._captures:
            self._captures.update({ACCESS: replace(self._captures[ACCESS], stderr=said)})

    def _begin(self, lane: _Lane) -> None:
        self._front = lane
        self._forget_bytes()

    def _forget_bytes(self) -> None:
        self._stdout, self._capped = bytearray(), False

    def _add(self, data: bytes) -> None:
        room = STDOUT_CAP_BYTES - len(self._stdout)
        self._stdout += data[:room]
        if len(data) > room and not self._capped:
            self._capped = True
            self._end_flood()

    def _end_flood(self) -> None:
        lane = self._front
        if lane and not lane.through and lane.at == lane.framed and lane.step is _Step.RUNNING:
            self._terminate(lane)

    def _advance(self, lane: _Lane, index: int) -> None:
        """Move on to the command of that index: those before it have ended."""
        for command in lane.commands[lane.at : index]:
            self._ended.setdefault(command.name, self._clock())
        lane.at, lane.step, lane.overdue = index, _Step.RUNNING, False
        if index < len(lane.commands):
            self._await_command(lane)
        else:
            self._through(lane)

    def _await_command(self, lane: _Lane) -> None:
        self._began[lane.command.name] = self._clock()
        self._arm(lane, lane.command.deadline_s)

    def _arm(self, lane: _Lane, seconds: float) -> None:
        lane.stop_timer()
        if self._stopping:
            return
        lane.timer = self._loop.call_later(seconds, self._late, lane)

    def _late(self, lane: _Lane) -> None:
        """Take the next step: SIGTERM, then SIGKILL (never for verbs), then leave it be."""
        match lane.step:
            case _Step.RUNNING if self._is_held(lane):
                lane.overdue = True
            case _Step.RUNNING:
                self._terminated[lane.command.name] = self._clock()
                self._terminate(lane)
            case _Step.TERMINATED if not lane.command.exclusive:
                self._order(lane, "KILL", _Step.KILLED, GRACE_S)
            case _Step.TERMINATED | _Step.KILLED:
                lane.said = "SIGTERM" if lane.step is _Step.TERMINATED else "SIGKILL"
                self._order(lane, "LEAVE", _Step.LEFT, ANSWER_S)
            case _Step.LEFT:
                self._leave(lane, "the host does not answer")

    def _is_held(self, lane: _Lane) -> bool:
        return not all(other.through for other in self._lanes[: lane.number])

    def _terminate(self, lane: _Lane) -> None:
        self._order(lane, "TERM", _Step.TERMINATED, GRACE_S)

    def _order(self, lane: _Lane, what: str, step: _Step, patience_s: float) -> None:
        if lane.pid is not None:
            self._send(f"{what} {lane.pid} {lane.number}\n".encode())
        lane.step = step
        self._arm(lane, patience_s)

    def _left(self, lane: _Lane, pids: tuple[int, ...]) -> None:
        if lane.step is _Step.LEFT and not lane.through:
            there = f"still there as pid {', '.join(map(str, pids))} after {lane.said}"
            self._leave(lane, there if pids else "it ended, but a child of it holds its output")

    def _leave(self, lane: _Lane, detail: str) -> None:
        """Give the lane up: its command is late, the rest will not run, other lanes go on."""
        first, *rest = lane.commands[lane.at :]
        self._ended[first.name] = self._terminated.get(first.name, self._clock())
        self._keep(first, Outcome.TIMEOUT, stdout=self._partial(first), detail=detail)
        for command in rest:
            self._keep(command, Outcome.NOT_STARTED, detail=f"behind {first.name}: {detail}")
        self._through(lane)

    def _through(self, lane: _Lane) -> None:
        lane.through = True
        lane.stop_timer()
        for other in self._lanes:
            if other.overdue and not other.through and not self._is_held(other):
                other.overdue = False
                self._arm(other, RELEASED_S)
        self._finish_if_complete()

    def _frame(self, frame: stream.Frame) -> None:
        lane = self._lane_of[frame.command]
        index = [c.name for c in lane.commands].index(frame.command)
        self._ended.setdefault(frame.command, self._clock())
        self._keep_frame(lane.commands[index], frame)
        self._forget_bytes()
        lane.framed = index + 1
        if not lane.through and index >= lane.at:
            self._advance(lane, index + 1)

    def _keep_frame(self, command: Command, frame: stream.Frame) -> None:
        if refusal := _refusal(frame):
            self._keep(command, *refusal)
            return
        status = int(frame.status)
        outcome = self._outcome(command, status)
        self._keep(
            command,
            outcome,
            "ignored SIGTERM" if outcome is Outcome.TIMEOUT and status == 128 + 9 else "",
            exit_status=status if outcome is Outcome.EXITED else None,
            signal=status - 128 if outcome is Outcome.SIGNALLED else None,
            stdout=bytes(self._stdout),
            stderr=frame.stderr,
        )

    def _outcome(self, command: Command, status: int) -> Outcome:
        if self._capped:
            return Outcome.TRUNCATED
        if command.name in self._terminated:
            return Outcome.TIMEOUT
        return Outcome.SIGNALLED if status > 128 else Outcome.EXITED

    def _keep(
        self,
        command: Command,
        outcome: Outcome,
        detail: str = "",
        *,
        exit_status: int | None = None,
        signal: int | None = None,
        stdout: bytes = b"",
        stderr: bytes = b"",
    ) -> None:
        """Make the capture, unless the command was given up before."""
        name, now = command.name, self._clock()
        if self._stopping and outcome is not Outcome.EXITED:
            outcome, detail, exit_status, signal = Outcome.INTERRUPTED, "", None, None
        ended = self._terminated.get(name) or self._ended.get(name, now)
        began = self._began.get(name, ended)
        argv = shell.argv(command, self._python)
        capture = Capture(
            name, argv, outcome, exit_status, signal, stdout, stderr, detail, began, ended - began
        )
        self._captures.setdefault(name, capture)

    def _partial(self, command: Command) -> bytes:
        """Give the stdout that has come of a command that has not ended."""
        front = self._front
        mine = front is not None and command in front.commands[front.framed : front.framed + 1]
        return bytes(self._stdout) if mine else b""

    def _finish_if_complete(self) -> None:
        if all(name in self._captures for name in self._lane_of):
            self._finish()
        elif all(lane.through for lane in self._lanes):
            self._expect_bytes()

    def _expect_bytes(self) -> None:
        if self._drain:
            self._drain.cancel()
        why = "it ended, but its output did not arrive"
        self._drain = self._loop.call_later(DRAIN_S, self._give_up, Outcome.DISCONNECTED, why)

    def _give_up(self, outcome: Outcome, detail: str) -> None:
        for lane in self._lanes:
            for command in lane.commands:
                if command.name not in self._captures:
                    self._keep(command, outcome, detail, stdout=self._partial(command))
        self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _stop_timers(self) -> None:
        for lane in self._lanes:
            lane.stop_timer()
        if self._drain:
            self._drain.cancel()


def _refusal(frame: stream.Frame) -> tuple[Outcome, str] | None:
    """Say why the host did not run the command, if it did not."""
    said = frame.stderr.decode("utf-8", "replace")
    match frame.status:
        case "missing":
            return Outcome.MISSING, ""
        case "stub":
            return (
                Outcome.MISSING,
                "/usr/bin/python3 is Apple's stub; the developer tools are not installed",
            )
        case "busy":
            return Outcome.NOT_STARTED, _running(said.split())
        case "behind":
            return Outcome.NOT_STARTED, f"behind {said}, which had to be ended"
    return None


def _running(pids: list[str]) -> str:
    if not pids:
        return "pgrep could not say whether one is running already"
    return f"already running: pid {', '.join(pids)}"
