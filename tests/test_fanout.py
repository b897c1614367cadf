"""Fan-out: limits, order, progress and interruption, with transports that only pretend."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.fanout import State, gather, transport_choice
from mlxdiag.inventory import Host
from mlxdiag.transport.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

COMMANDS = (Command("one", ("one",)), Command("two", ("{python}",)))
HOSTS = [Host(f"h{n}", f"h{n}.example", python="py") for n in range(4)]


@dataclass
class Pretend:
    """Reaches hosts that are not in `dead`; `slow` hosts answer one command and then hang."""

    dead: frozenset[str] = frozenset()
    slow: frozenset[str] = frozenset()
    now: int = 0
    most: int = 0
    closed: list[str] = field(default_factory=list)

    async def collect(
        self,
        host: Host,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.01 * (5 - int(host.name[1:])))
            outcome = Outcome.REFUSED if host.name in self.dead else Outcome.EXITED
            captures[ACCESS] = Capture(ACCESS, ("ssh",), outcome, started_s=clock())
            if outcome is Outcome.EXITED:
                await self._answer(host, reversed(list(commands)), captures)
        finally:
            self.now -= 1
            self.closed.append(host.name)

    async def _answer(
        self, host: Host, commands: Iterable[Command], captures: dict[str, Capture]
    ) -> None:
        for command in commands:
            captures[command.name] = Capture(command.name, command.argv, Outcome.EXITED, 0)
            if host.name in self.slow:
                await asyncio.sleep(60)


def run(transport: Pretend, fanout: int = 64) -> dict[str, dict[str, Capture]]:
    return asyncio.run(gather(HOSTS, COMMANDS, fanout=fanout, transport_for=lambda _: transport))


def test_results_are_in_inventory_order_and_commands_in_theirs() -> None:
    got = run(Pretend())
    assert list(got) == ["h0", "h1", "h2", "h3"]
    assert [list(captures) for captures in got.values()] == [[ACCESS, "one", "two"]] * 4


@pytest.mark.parametrize("fanout", [1, 3, 64])
def test_no_more_hosts_at_once_than_asked(fanout: int) -> None:
    transport = Pretend()
    run(transport, fanout=fanout)
    assert transport.most == min(fanout, 4)


def test_hosts_that_cannot_be_reached_have_no_commands() -> None:
    got = run(Pretend(dead=frozenset({"h1"})))
    assert list(got["h1"]) == [ACCESS]
    assert len(got["h2"]) == 3


def test_states_are_told() -> None:
    told: list[tuple[str, State]] = []
    transport = Pretend(dead=frozenset({"h1"}))
    asyncio.run(
        gather(
            HOSTS[:2],
            COMMANDS,
            transport_for=lambda _: transport,
            on_state=lambda name, state: told.append((name, state)),
        )
    )
    assert [s for n, s in told if n == "h0"] == [State.CONNECTING, State.COLLECTING, State.DONE]
    assert [s for n, s in told if n == "h1"] == [State.CONNECTING, State.FAILED]


def test_each_host_is_handed_over_while_others_are_still_asked() -> None:
    stop = asyncio.Event()
    done: dict[str, Mapping[str, Capture]] = {}

    def on_host(host: Host, captures: Mapping[str, Capture]) -> None:
        done[host.name] = captures
        if len(done) == 3:
            stop.set()

    transport = Pretend(slow=frozenset({"h1"}), dead=frozenset({"h2"}))
    got = asyncio.run(
        gather(HOSTS, COMMANDS, transport_for=lambda _: transport, on_host=on_host, stop=stop)
    )
    assert set(done) == {"h0", "h2", "h3"}
    assert all(captures is got[name] for name, captures in done.items())
    assert got["h1"]["one"].outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_an_interrupted_run_says_so_of_what_is_missing(how: str) -> None:
    transport = Pretend(slow=frozenset({"h1"}))

    async def interrupted() -> dict[str, dict[str, Capture]]:
        stop = asyncio.Event()
        task = asyncio.ensure_future(
            gather(HOSTS, COMMANDS, fanout=2, transport_for=lambda _: transport, stop=stop)
        )
        await asyncio.sleep(0.055)
        if how == "stop":
            stop.set()
        else:
            task.cancel()
        got = await task
        assert not task.cancelled()
        return got

    transport.slow = frozenset({"h1", "h0"})
    got = asyncio.run(interrupted())
    assert got["h1"]["two"].outcome is Outcome.EXITED
    assert got["h1"]["one"].outcome is Outcome.INTERRUPTED
    assert got["h3"][ACCESS].outcome is Outcome.INTERRUPTED
    assert list(got["h3"]) == [ACCESS]
    assert set(transport.closed) >= {"h0", "h1"}


def test_a_fault_of_our_own_is_not_hidden() -> None:
    class Broken:
        async def collect(self, *_: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(gather(HOSTS, COMMANDS, transport_for=lambda _: Broken()))


def test_local_hosts_need_no_asyncssh() -> None:
    text = (
        "import asyncio, sys; from mlxdiag.fanout import gather; from mlxdiag.capture import *;"
        "from mlxdiag.inventory import Host;"
        "got = asyncio.run(gather([Host('h', 'h', connection='local')], [Command('id', ('id',))]));"
        "assert got['h']['id'].stdout; assert 'asyncssh' not in sys.modules"
    )
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", text], check=True, cwd=root, timeout=20)


def test_one_transport_of_each_kind_serves_a_run() -> None:
    choose = transport_choice()
    here, there = Host("a", "a", connection="local"), Host("b", "b")
    assert isinstance(choose(here), LocalTransport)
    assert choose(there) is choose(Host("c", "c"))
