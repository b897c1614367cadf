"""Against OpenSSH's own daemon: what it does to processes, and what its users configure."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.fanout import gather
from mlxdiag.inventory import Host
from tests.simhosts import UNAVAILABLE, SimHosts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(bool(UNAVAILABLE), reason=UNAVAILABLE)

HELLO = Command("hello", ("hello",))
STUCK = Command("stuck", ("stuck",), deadline_s=20, lane="slow")
VERBS = Command("ibv_devices", ("ibv_devices",), deadline_s=0.5, lane="verbs", exclusive=True)
COMMANDS = (HELLO, STUCK, VERBS)


def folders(root: Path, count: int) -> dict[str, Path]:
    """Make hosts that all answer `hello` with their name."""
    made = {f"mac{n}": root / "hosts" / f"mac{n}" for n in range(count)}
    for name, folder in made.items():
        folder.mkdir(parents=True)
        (folder / "hello.out").write_text(f"{name}\n")
    return made


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimHosts]:
    made = folders(tmp_path, 2)
    (made["mac0"] / "stuck.hang").write_text("")
    with SimHosts(made, COMMANDS, folder=tmp_path / "sim") as sim:
        monkeypatch.setenv("HOME", str(sim.home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        yield sim
        assert sim.wait_gone() == []


def collect(
    *hosts: Host, commands: tuple[Command, ...] = (HELLO,)
) -> dict[str, dict[str, Capture]]:
    return asyncio.run(asyncio.wait_for(gather(hosts, commands), 30))


def outcomes(captures: dict[str, Capture]) -> dict[str, Outcome]:
    return {name: capture.outcome for name, capture in captures.items()}


def test_a_changed_and_an_unknown_host_key(two: SimHosts) -> None:
    other = Path(f"{two.new_key('other')}.pub").read_text().strip()
    two.set_known([two.known_line("mac0", other)])
    got = collect(*two.hosts())
    assert outcomes(got["mac0"]) == {ACCESS: Outcome.HOST_KEY_CHANGED}
    assert outcomes(got["mac1"]) == {ACCESS: Outcome.HOST_KEY_UNKNOWN}
    assert f"{two.ssh}/known_hosts" in got["mac0"][ACCESS].detail


def test_hashed_names_in_known_hosts(two: SimHosts) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-H", "-f", two.ssh / "known_hosts"], check=True, capture_output=True
    )
    assert collect(two.host("mac1"))["mac1"]["hello"].stdout == b"mac1\n"


def test_a_key_that_is_refused(two: SimHosts) -> None:
    got = collect(replace(two.host("mac0"), identity_file=str(two.new_key("mine"))))
    assert outcomes(got["mac0"]) == {ACCESS: Outcome.AUTH_REFUSED}
    assert got["mac0"][ACCESS].detail == "user root, offered 1 key file"


def test_a_daemon_that_freezes_ends_with_the_deadlines(two: SimHosts) -> None:
    hang = replace(STUCK, deadline_s=1.0)
    got = asyncio.run(freeze(two, hang))
    two.end_connections()
    assert got["hello"].outcome is Outcome.EXITED
    assert got["stuck"].outcome is Outcome.TIMEOUT
    assert got["stuck"].detail == "the host does not answer"


async def freeze(two: SimHosts, hang: Command) -> dict[str, Capture]:
    run = asyncio.ensure_future(gather([two.host("mac0")], (HELLO, hang)))
    await running(two)
    two.stop_connections()
    return (await asyncio.wait_for(run, 15))["mac0"]


async def running(sim: SimHosts) -> None:
    """Wait for the command that hangs: its shim has become a long sleep."""
    while not any("sleep 600" in p.words for p in sim.survivors()):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def test_a_connection_that_is_cut_keeps_what_came(two: SimHosts) -> None:
    async def run() -> dict[str, dict[str, Capture]]:
        task = asyncio.ensure_future(gather(two.hosts(), COMMANDS))
        await running(two)
        await asyncio.sleep(0.2)
        two.end_connections()
        return await asyncio.wait_for(task, 10)

    got = asyncio.run(run())
    assert outcomes(got["mac0"]) == {
        ACCESS: Outcome.EXITED,
        "hello": Outcome.EXITED,
        "stuck": Outcome.DISCONNECTED,
        "ibv_devices": Outcome.DISCONNECTED,
    }
    assert outcomes(got["mac1"])["stuck"] is Outcome.MISSING


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_an_interrupted_run_leaves_nothing(two: SimHosts, how: str) -> None:
    async def run() -> dict[str, dict[str, Capture]]:
        stop = asyncio.Event()
        task = asyncio.ensure_future(gather(two.hosts(), (HELLO, STUCK), stop=stop))
        await running(two)
        await asyncio.sleep(0.2)
        if how == "stop":
            stop.set()
        else:
            task.cancel()
        return await task

    got = asyncio.run(run())
    assert two.wait_gone(1.0) == []
    assert got["mac0"]["hello"].stdout == b"mac0\n"
    assert got["mac0"]["stuck"].outcome is Outcome.INTERRUPTED
    assert outcomes(got["mac1"])["stuck"] is Outcome.MISSING


CONTROLLER = """
import asyncio, json, sys
from mlxdiag.capture import Command
from mlxdiag.fanout import gather
from mlxdiag.inventory import Host
hosts = [Host(*words) for words in json.loads(sys.argv[1])]
asyncio.run(gather(hosts, [Command("stuck", ("stuck",), 60)]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_controller_that_is_killed_leaves_nothing(two: SimHosts, number: int) -> None:
    host = two.host("mac0")
    words = [[host.name, host.address, host.user, host.port, host.identity_file]]
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, json.dumps(words)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(asyncio.wait_for(running(two), 10))
    finally:
        controller.send_signal(number)
        controller.wait()
    assert two.wait_gone() == []


def test_a_verbs_call_that_hangs_is_left_alone_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = folders(tmp_path, 1)
    (made["mac0"] / "ibv_devices.hang").write_text("ignore")
    with SimHosts(made, COMMANDS, folder=tmp_path / "sim") as sim:
        monkeypatch.setenv("HOME", str(sim.home))
        got = collect(sim.host("mac0"), commands=(VERBS, HELLO))["mac0"]
        left = sim.wait_gone(0.5)
    assert got["hello"].stdout == b"mac0\n"
    assert got["ibv_devices"].outcome is Outcome.TIMEOUT
    assert [p.words.split()[0] for p in left] == ["sleep"]
    assert got["ibv_devices"].detail == f"still there as pid {left[0].pid} after SIGTERM"


def test_sixty_four_hosts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SimHosts(folders(tmp_path, 64), COMMANDS, folder=tmp_path / "sim") as sim:
        monkeypatch.setenv("HOME", str(sim.home))
        began = time.monotonic()
        got = collect(*sim.hosts(), commands=COMMANDS)
        took = time.monotonic() - began
        left = sim.wait_gone()
    assert list(got) == [f"mac{n}" for n in range(64)]
    assert [captures["hello"].stdout for captures in got.values()] == [
        f"mac{n}\n".encode() for n in range(64)
    ]
    assert left == []
    assert took < 20


def test_the_users_configuration_is_honoured(two: SimHosts) -> None:
    got = collect(Host("mac1", "mac1"))["mac1"]
    assert got["hello"].stdout == b"mac1\n"
    assert got[ACCESS].argv == ("ssh", f"root@{two.addresses['mac1']}:{two.port}")


def test_each_word_of_the_configuration_counts(two: SimHosts) -> None:
    (two.ssh / "known_hosts").rename(two.ssh / "others")
    (two.ssh / "id_ed25519").rename(two.ssh / "my key")
    (two.ssh / "config").write_text(
        f"Host there\n HostName {two.addresses['mac1']}\n Port {two.port}\n User root\n"
        f' IdentityFile "~/.ssh/my key"\n UserKnownHostsFile {two.ssh}/others\n'
    )
    assert collect(Host("x", "there"))["x"]["hello"].stdout == b"mac1\n"


def test_the_inventory_overrides_the_configuration(two: SimHosts) -> None:
    (two.ssh / "config").write_text("Host *\n Port 1\n User nobody\n IdentityFile /nope\n")
    assert collect(two.host("mac1"))["mac1"]["hello"].stdout == b"mac1\n"


def test_a_jump_host(two: SimHosts) -> None:
    config = two.ssh / "config"
    config.write_text(f"Host mac1\n ProxyJump mac0\n{config.read_text()}")
    got = collect(Host("mac1", "mac1"))["mac1"]
    assert got["hello"].stdout == b"mac1\n"
    config.write_text(f"Host mac1\n ProxyJump stranger@mac0\n{config.read_text()}")
    refused = collect(Host("mac1", "mac1"))["mac1"][ACCESS]
    assert refused.outcome is Outcome.AUTH_REFUSED
    assert refused.detail.startswith("by way of stranger@mac0: ")


def test_a_noisy_login_shell_is_not_output(two: SimHosts) -> None:
    (two.remote_home / ".bashrc").write_text("echo hello from rc; echo trouble >&2; printf half\n")
    got = collect(two.host("mac1"))["mac1"]["hello"]
    assert (got.stdout, got.stderr) == (b"mac1\n", b"")


def test_a_login_shell_that_ends_at_once(two: SimHosts) -> None:
    (two.remote_home / ".bashrc").write_text("echo no mlx here >&2; exit 5\n")
    got = collect(two.host("mac1"))["mac1"]["hello"]
    assert got.outcome is Outcome.DISCONNECTED
    assert got.detail == "the session ended with status 5 no mlx here"


def test_one_bad_host_neither_delays_nor_hides_others(two: SimHosts) -> None:
    dead = replace(two.host("mac0"), name="dead", port=1)
    lost = Host("lost", "no-such-mac.invalid")
    got = collect(dead, two.host("mac1"), lost)
    assert list(got) == ["dead", "mac1", "lost"]
    assert outcomes(got["dead"]) == {ACCESS: Outcome.REFUSED}
    assert got["mac1"]["hello"].stdout == b"mac1\n"
    assert outcomes(got["lost"]) == {ACCESS: Outcome.UNRESOLVED}
