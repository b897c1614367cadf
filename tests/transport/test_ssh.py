"""Ways to fail before and during a session, against an SSH server inside this process."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncssh
import pytest

from mlxdiag.capture import ACCESS, Capture, Command, Outcome
from mlxdiag.inventory import Host
from mlxdiag.transport.ssh import SshTransport
from mlxdiag.transport.ssh import _by_errno as by_errno

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]

COMMANDS = (Command("one", ("echo", "1")), Command("two", ("sleep", "30"), deadline_s=0.3))


@dataclass
class Place:
    """A client's home, and a server's keys."""

    home: Path
    key: asyncssh.SSHKey
    host_key: asyncssh.SSHKey

    @property
    def known_hosts(self) -> Path:
        return self.home / ".ssh" / "known_hosts"

    def know(self, port: int, key: asyncssh.SSHKey | None = None, name: str = "127.0.0.1") -> None:
        public = (key or self.host_key).export_public_key().decode()
        self.known_hosts.write_text(f"# known\nbroken line\n[{name}]:{port} {public}")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key.write_private_key(tmp_path / ".ssh" / "id_ed25519")
    return Place(tmp_path, key, host_key)


class Server(asyncssh.SSHServer):
    def __init__(self, key: asyncssh.SSHKey) -> None:
        self._key = key.export_public_key()

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username != "stranger" and key.export_public_key() == self._key


@asynccontextmanager
async def serving(place: Place, handler: Handler | None) -> AsyncIterator[int]:
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Server(place.key),
        server_host_keys=[place.host_key],
        process_factory=handler,
        encoding=None,
    )
    try:
        yield server.get_port()
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*RELAYS, return_exceptions=True)
        RELAYS.clear()


RELAYS: set[asyncio.Task[None]] = set()


async def really(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Run what was asked, as sshd would: in a process group of its own."""
    await relayed(process, process.command or "")


async def relayed(process: asyncssh.SSHServerProcess[bytes], text: str) -> None:
    task = asyncio.ensure_future(relay(process, text))
    RELAYS.add(task)
    await asyncio.shield(task)


async def relay(process: asyncssh.SSHServerProcess[bytes], text: str) -> None:
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", text, stdin=-1, stdout=-1, stderr=-1, start_new_session=True
    )
    assert child.stdin
    assert child.stdout
    assert child.stderr
    with suppress(OSError, asyncssh.Error):
        await asyncio.gather(
            pump(process.stdin, child.stdin),
            pump(child.stdout, process.stdout),
            pump(child.stderr, process.stderr),
        )
    status = await child.wait()
    with suppress(OSError, asyncssh.Error):
        process.exit(max(status, 0))


async def pump(
    reader: asyncio.StreamReader | asyncssh.SSHReader[bytes],
    writer: asyncio.StreamWriter | asyncssh.SSHWriter[bytes],
) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        if isinstance(writer, asyncio.StreamWriter):
            writer.close()


async def ask(host: Host, timeout_s: float = 5.0) -> dict[str, Capture]:
    captures: dict[str, Capture] = {}
    transport = SshTransport(connect_timeout_s=timeout_s)
    await asyncio.wait_for(transport.collect(host, COMMANDS, captures, time.monotonic), 15)
    return captures


def at(port: int) -> Host:
    return Host("h", "127.0.0.1", user="me", port=port)


def against(
    place: Place, handler: Handler | None, change: Callable[[Host], Host] = lambda host: host
) -> dict[str, Capture]:
    """Collect from a server that is known and that runs `handler`."""

    async def run() -> dict[str, Capture]:
        async with serving(place, handler) as port:
            place.know(port)
            return await ask(change(at(port)))

    return asyncio.run(run())


def access(captures: dict[str, Capture]) -> tuple[Outcome, str]:
    assert list(captures) == [ACCESS]
    return captures[ACCESS].outcome, captures[ACCESS].detail


def test_a_host_that_answers(place: Place) -> None:
    got = against(place, really)
    assert (got[ACCESS].outcome, got[ACCESS].exit_status) == (Outcome.EXITED, 0)
    assert got[ACCESS].argv[0] == "ssh"
    assert got[ACCESS].argv[1].startswith("me@127.0.0.1:")
    assert got["one"].stdout == b"1\n"
    assert got["two"].outcome is Outcome.TIMEOUT


def test_a_name_that_nobody_has(place: Place) -> None:
    del place
    outcome, detail = access(asyncio.run(ask(Host("h", "no-such-mac.invalid"))))
    assert outcome is Outcome.UNRESOLVED
    assert "no-such-mac.invalid" in detail


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_a_port_that_nobody_listens_on(place: Place, address: str) -> None:
    del place
    got = asyncio.run(ask(replace(at(free_port()), address=address)))
    assert access(got)[0] is Outcome.REFUSED


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError(errno.EHOSTUNREACH, "x"), Outcome.NO_ROUTE),
        (OSError(errno.ETIMEDOUT, "x"), Outcome.CONNECT_TIMEOUT),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 113] b"), Outcome.REFUSED),
        (OSError("who knows"), Outcome.DISCONNECTED),
    ],
)
def test_errors_are_sorted_by_errno(error: OSError, outcome: Outcome) -> None:
    assert by_errno(error) is outcome


def test_a_socket_that_says_nothing(place: Place) -> None:
    del place
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        outcome, detail = access(asyncio.run(ask(at(sock.getsockname()[1]), 0.4)))
    assert (outcome, detail) == (Outcome.CONNECT_TIMEOUT, "no login within 0.4 s")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_hangs_up(place: Place, said: bytes) -> None:
    del place

    async def run() -> dict[str, Capture]:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(said)
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            return await ask(at(server.sockets[0].getsockname()[1]))

    assert access(asyncio.run(run()))[0] is Outcome.DISCONNECTED


def test_a_host_key_that_is_not_known(place: Place) -> None:
    async def run() -> dict[str, Capture]:
        async with serving(place, really) as port:
            place.know(port + 1)
            return await ask(at(port))

    outcome, detail = access(asyncio.run(run()))
    assert outcome is Outcome.HOST_KEY_UNKNOWN
    assert str(place.known_hosts) in detail


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_host_key_that_has_changed(place: Place, kind: str) -> None:
    async def run() -> dict[str, Capture]:
        async with serving(place, really) as port:
            place.know(port, asyncssh.generate_private_key(kind))
            return await ask(at(port))

    outcome, detail = access(asyncio.run(run()))
    assert outcome is Outcome.HOST_KEY_CHANGED
    assert str(place.known_hosts) in detail


def test_known_hosts_none_is_not_no_check(place: Place) -> None:
    (place.home / ".ssh" / "config").write_text("UserKnownHostsFile none\n")
    assert access(against(place, really))[0] is Outcome.HOST_KEY_UNKNOWN


def test_a_user_that_is_not_let_in(place: Place) -> None:
    outcome, detail = access(against(place, really, lambda h: replace(h, user="stranger")))
    assert (outcome, detail) == (Outcome.AUTH_REFUSED, "user stranger, offered 1 key file")


def test_an_identity_file_that_is_not_there(place: Place) -> None:
    change = lambda h: replace(h, identity_file="~/nope")  # noqa: E731
    outcome, detail = access(against(place, really, change))
    assert outcome is Outcome.AUTH_REFUSED
    assert f"{place.home}/nope: No such file" in detail


def test_a_key_with_a_passphrase_is_not_asked_for(place: Place) -> None:
    place.key.write_private_key(place.home / "locked", "pkcs8-pem", passphrase="secret")  # noqa: S106
    change = lambda h: replace(h, identity_file=str(place.home / "locked"))  # noqa: E731
    outcome, detail = access(against(place, really, change))
    assert outcome is Outcome.AUTH_REFUSED
    assert "locked" in detail


def test_a_configuration_that_cannot_be_read(place: Place) -> None:
    (place.home / ".ssh" / "config").write_text("Port many\n")
    outcome, detail = access(asyncio.run(ask(Host("h", "127.0.0.1"))))
    assert outcome is Outcome.SSH_CONFIG
    assert "ssh configuration" in detail


def test_a_session_that_is_refused(place: Place) -> None:
    got = against(place, None)
    assert got[ACCESS].outcome is Outcome.EXITED
    assert {got[c.name].outcome for c in COMMANDS} == {Outcome.DISCONNECTED}
    assert "no session" in got["one"].detail


async def no_account(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stderr.write(b"This account is currently not available.\n")
    process.exit(1)


def test_a_login_that_gives_up(place: Place) -> None:
    got = against(place, no_account)
    expected = "the session ended with status 1 This account is currently not available."
    assert {got[c.name].detail for c in COMMANDS} == {expected}


async def cut(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.get_extra_info("connection").abort()


async def cut_later(process: asyncssh.SSHServerProcess[bytes]) -> None:
    task = asyncio.ensure_future(really(process))
    await asyncio.sleep(0.25)
    process.get_extra_info("connection").abort()
    await asyncio.wait([task], timeout=5)


def test_a_connection_cut_before_anything_ran(place: Place) -> None:
    got = against(place, cut)
    assert {got[c.name].outcome for c in COMMANDS} == {Outcome.DISCONNECTED}


def test_a_connection_cut_in_the_middle(place: Place) -> None:
    got = against(place, cut_later)
    assert got["one"].outcome is Outcome.EXITED
    assert got["two"].outcome is Outcome.DISCONNECTED


async def silent(process: asyncssh.SSHServerProcess[bytes]) -> None:
    await process.wait_closed()


def test_a_session_that_hangs_ends_with_the_deadlines(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxdiag.transport.collection.GRACE_S", 0.1)
    monkeypatch.setattr("mlxdiag.transport.collection.ANSWER_S", 0.1)
    monkeypatch.setattr(f"{__name__}.COMMANDS", (COMMANDS[1], COMMANDS[0]))
    got = against(place, silent)
    assert got["two"].outcome is Outcome.TIMEOUT
    assert got["two"].detail == "the host does not answer"
    assert got["one"].outcome is Outcome.NOT_STARTED


async def noisy(process: asyncssh.SSHServerProcess[bytes]) -> None:
    text = f"echo hello; echo wat >&2; printf 'half a line'; {process.command}"
    await relayed(process, text)


def test_what_a_login_prints_is_not_output(place: Place) -> None:
    assert against(place, noisy)["one"].stdout == b"1\n"
