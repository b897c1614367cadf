"""What `mlxdiag server` does: requests one after the other, then at once, and a look at a hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mlxdiag import __version__
from mlxdiag.capture import Captures
from mlxdiag.ending import Noted, listening
from mlxdiag.inventory import Inventory
from mlxdiag.recording import Ended, Recording
from mlxdiag.server import course
from mlxdiag.server.answer import answer
from mlxdiag.server.client import Call, Client
from mlxdiag.server.exchange import Exchange, What
from mlxdiag.server.judge import obstacle_to_parallel
from mlxdiag.server.record import Examined, Look
from mlxdiag.server.secret import Secret

PATH_S = 10.0
"""Time for a path that costs the server nothing."""

Show = Callable[[str], None]
Examine = Callable[[Inventory, float | None, Show], Recording | Examined]
"""Looks at the ranks within the time that is left; or says why it does not."""


@dataclass
class Visit:
    """One look at one server; `timeout_s` is for all of it."""

    look: Look
    inventory: Inventory
    secret: Secret
    timeout_s: float | None
    examine: Examine
    show: Show = lambda _text: None
    path_s: float = PATH_S
    ended: Ended = "complete"
    _heard: list[Exchange] = field(default_factory=list)

    def run(self) -> Recording:
        """Ask; while a request hangs its connection stays open until the ranks were looked at."""
        started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found: Recording | Examined | None = None
        with Noted() as noted, asyncio.Runner() as runner:
            loop = runner.get_loop()
            began = loop.time()
            client = runner.run(self._asked(began))
            noted.arm()
            if self.ended == "complete" and self._hangs():
                self.show("a request hangs: looking at the ranks")
                left = self._left(loop.time() - began)
                found = self.examine(self.inventory, left, self.show)
                noted.arm()
            runner.run(client.close())
            seconds = loop.time() - began
        if self.ended == "complete":
            self.ended = noted.how
        self.show("")
        return self._recording(found, started_at, round(seconds, 3))

    def _recording(self, found: Recording | Examined | None, at: str, seconds: float) -> Recording:
        """Put what was heard beside what the hosts said of their ranks."""
        look = replace(self.look, exchanges=tuple(self._heard))
        if isinstance(found, Recording):
            ended = found.ended if self.ended == "complete" else self.ended
            hosts = {name: self._without_key(said) for name, said in found.hosts.items()}
            return replace(
                found, hosts=hosts, started_at=at, duration_s=seconds, ended=ended, server=look
            )
        return Recording(
            inventory=self.inventory,
            hosts={},
            started_at=at,
            duration_s=seconds,
            tool_version=__version__,
            ended=self.ended,
            server=replace(look, hang=found),
        )

    def _without_key(self, said: Captures) -> Captures:
        """Mask the key in what a host said: the server may have been started with it."""
        secret = self.secret
        return {
            name: replace(
                one,
                stdout=secret.out_of_raw(one.stdout),
                stderr=secret.out_of_raw(one.stderr),
                detail=secret.out_of(one.detail),
            )
            for name, one in said.items()
        }

    def _left(self, spent_s: float) -> float | None:
        return None if self.timeout_s is None else max(0.1, self.timeout_s - spent_s)

    def _hangs(self) -> bool:
        chats = [answer(each) for each in self._heard if each.is_chat]
        mute = any(e.what == "models" and _is_mute(e) for e in self._heard)
        return mute or any(each.fault == "hang" for each in chats)

    async def _asked(self, began: float) -> Client:
        """Send everything, in order; give the client with what is still open."""
        with listening(self.timeout_s) as ending:
            client = Client(self.look.asked.url, self.secret, ending.stop, began)
            await self._paths(client)
            asked = self.look.asked
            for number in range(1, asked.requests + 1):
                if ending.stop.is_set() or course.obstacle(asked, self._heard):
                    break
                await self._send(client, self._chat("request", number), asked.deadline_s)
            if not ending.stop.is_set() and not obstacle_to_parallel(asked, self._heard):
                calls = [self._chat("parallel", n) for n in range(1, asked.parallel + 1)]
                self.show(f"{len(calls)} requests at once")
                self._heard += await asyncio.gather(
                    *(client.send(call, asked.deadline_s) for call in calls)
                )
            self.ended = ending.how
        return client

    async def _paths(self, client: Client) -> None:
        for what, path in course.PATHS.items():
            if course.unreachable(self._heard) or client.stopped:
                return
            await self._send(client, Call(what, 1, path), self.path_s)

    async def _send(self, client: Client, call: Call, deadline_s: float) -> None:
        of = f" of {self.look.asked.requests}" if call.what == "request" else ""
        self.show(f"{call.what} {call.number}{of}" if call.body else call.path)
        self._heard.append(await client.send(call, deadline_s))

    def _chat(self, what: What, number: int) -> Call:
        return Call(what, number, course.CHAT, course.body(self.look.asked, self._heard))


def _is_mute(found: Exchange) -> bool:
    return found.end == "deadline" and found.connected_s is not None and found.headers_s is None
