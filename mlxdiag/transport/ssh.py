"""One connection and one session per host, by asyncssh; the only module that imports it.

The user's ssh configuration decides what the inventory does not say. Nothing is ever asked on the
terminal: keys come from files without passphrase and from the agent, and a host key that is not in
known_hosts is an outcome. asyncssh reads known_hosts and keys for each connection; `_Trust` reads
each file once.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncssh

from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.transport import shell
from mlxdiag.transport.collection import Collection
from mlxdiag.transport.talk import NoTalkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mlxdiag.capture import Command
    from mlxdiag.inventory import Host
    from mlxdiag.transport.talk import Ears, Talk

CONNECT_TIMEOUT_S = 10.0
"""From the first packet to the end of authentication."""

KEEPALIVE_S = 5.0
"""A host that leaves three of these unanswered is gone."""

CLOSE_S = 2.0

TALK_END_S = 8.0
"""How long a supervisor may take to end its rank: two graces and some."""

GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
DEFAULT_KEYS = ("id_ed25519_sk", "id_ecdsa_sk", "id_ed25519", "id_ecdsa", "id_rsa")

_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_BY_ERRNO = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ETIMEDOUT: Outcome.CONNECT_TIMEOUT,
    **dict.fromkeys(_NO_ROUTE, Outcome.NO_ROUTE),
}


@dataclass(frozen=True)
class _Key:
    private: asyncssh.SSHKey
    certificate: asyncssh.SSHCertificate | None


_LITERAL = re.compile(r"\s*host\s+([\w.:-]+(?:\s+[\w.:-]+)*)\s*", re.ASCII | re.IGNORECASE)
_INCLUDE = re.compile(r"\s*include\b", re.IGNORECASE)
_CONDITION = re.compile(r"\s*(?:host|match)\b", re.IGNORECASE)


class _Configuration:
    """The ssh configuration, cut at its conditions.

    asyncssh reads the whole file for every host: 25 ms where it names 1000 of them. A block whose
    `Host` line has plain names only says nothing about any other host, so those are left out.
    A file with an `Include` is left whole: its blocks may end inside another file.
    """

    def __init__(self, path: Path) -> None:
        self._blocks: list[tuple[frozenset[str] | None, str]] = []
        names: frozenset[str] | None = None
        lines: list[str] = []
        told = _lines(path)
        whole = any(_INCLUDE.match(line) for line in told)
        for line in told:
            if not whole and _CONDITION.match(line):
                self._blocks.append((names, "".join(lines)))
                literal = _LITERAL.fullmatch(line)
                names, lines = frozenset(literal[1].split()) if literal else None, []
            lines.append(f"{line}\n")
        self._blocks.append((names, "".join(lines)))

    def of(self, address: str) -> str:
        """Give the lines that may matter for a host."""
        return "".join(t for names, t in self._blocks if names is None or address in names)


class _Trust:
    """Keys and known_hosts of this run, each file read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], asyncssh.SSHKnownHosts] = {}
        self._keys: dict[str, _Key | str] = {}

    def known_hosts(self, files: Sequence[str]) -> asyncssh.SSHKnownHosts:
        """Load the files that exist, without the lines that nobody can read."""
        paths = tuple(files)
        if paths not in self._known:
            self._known[paths] = _read_known_hosts(paths)
        return self._known[paths]

    def key(self, path: str) -> _Key | str:
        """Load a private key and its certificate, or say why not."""
        if path not in self._keys:
            self._keys[path] = _read_key(path)
        return self._keys[path]


@dataclass(frozen=True)
class _Way:
    """How to reach one host, once the inventory and the ssh configuration have spoken."""

    options: asyncssh.SSHClientConnectionOptions
    known_files: tuple[str, ...]
    known: asyncssh.SSHKnownHosts
    keys: tuple[_Key, ...]
    unusable: tuple[str, ...]

    @cached_property
    def user(self) -> str:
        return str(self.options.username)

    @cached_property
    def name(self) -> str:
        """The name under which known_hosts has the host."""
        return str(self.options.host_key_alias or self.options.host)

    @cached_property
    def port(self) -> int:
        return int(self.options.port)

    @cached_property
    def jump(self) -> str:
        return self.options.tunnel if isinstance(self.options.tunnel, str) else ""

    @property
    def argv(self) -> tuple[str, ...]:
        return ("ssh", f"{self.user}@{self.options.host}:{self.port}")


class SshTransport:
    """Collects over ssh. `config` replaces ~/.ssh/config."""

    def __init__(
        self, *, connect_timeout_s: float = CONNECT_TIMEOUT_S, config: Path | None = None
    ) -> None:
        self._timeout_s = connect_timeout_s
        self._config: Any = [str(config)] if config else ()
        self._configuration = _Configuration(config or Path("~/.ssh/config").expanduser())
        self._trust = _Trust()
        self._expanded = cache(_expanded)

    async def collect(
        self,
        host: Host,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        """Fill `captures`; see `mlxdiag.transport.Transport`."""
        kept = await self.keep(host, captures, clock)
        if kept is None:
            return
        try:
            await kept.session(commands, captures, clock)
        finally:
            await kept.close()

    async def keep(
        self, host: Host, captures: dict[str, Capture], clock: Callable[[], float]
    ) -> _Kept | None:
        """Connect, and stay; see `mlxdiag.transport.kept.Keeper`."""
        began = clock()
        peer = _Peer()
        argv: tuple[str, ...] = ("ssh", host.address)

        def access(outcome: Outcome, detail: str = "", address: bytes = b"") -> None:
            captures[ACCESS] = Capture(
                ACCESS,
                argv,
                outcome,
                0 if outcome is Outcome.EXITED else None,
                stdout=address,
                detail=detail,
                started_s=began,
                seconds=clock() - began,
            )

        try:
            way = self._way(host)
            argv = way.argv
        except (asyncssh.Error, OSError, ValueError) as error:
            access(Outcome.SSH_CONFIG, f"ssh configuration: {error}")
            return None
        try:
            connection = await self._connect(host, way, peer)
        except (asyncssh.Error, OSError, ValueError) as error:
            access(*_verdict(error, way, peer, self._timeout_s))
            return None
        access(Outcome.EXITED, address=_address(connection, way))
        return _Kept(connection, host, peer)

    async def talk(self, host: Host, line: str, ears: Ears) -> Talk:
        """Start a command line in a session; see `mlxdiag.transport.talk.Talker`."""
        peer = _Peer()
        try:
            way = self._way(host)
        except (asyncssh.Error, OSError, ValueError) as error:
            raise NoTalkError(Outcome.NOT_STARTED, f"ssh configuration: {error}") from error
        try:
            connection = await self._connect(host, way, peer)
        except (asyncssh.Error, OSError, ValueError) as error:
            raise NoTalkError(*_verdict(error, way, peer, self._timeout_s)) from error
        try:
            channel, _ = await connection.create_session(
                lambda: _Listener(ears), line, encoding=None, request_pty=False
            )
        except (asyncssh.Error, OSError) as error:
            await _close(connection)
            raise NoTalkError(Outcome.DISCONNECTED, f"no session: {error}") from error
        return _SshTalk(connection, cast("asyncssh.SSHClientChannel[bytes]", channel))

    def _way(self, host: Host) -> _Way:
        options = self._options(host)
        files = tuple(map(self._expanded, _known_hosts_files(options)))
        wanted, strict = _key_files(host, options)
        loaded = {path: self._trust.key(path) for path in map(self._expanded, wanted)}
        unusable = tuple(why for why in loaded.values() if isinstance(why, str)) if strict else ()
        keys = tuple(key for key in loaded.values() if isinstance(key, _Key))
        return _Way(options, files, self._trust.known_hosts(files), keys, unusable)

    def _options(self, host: Host) -> asyncssh.SSHClientConnectionOptions:
        """Read what the configuration says of the host; in error, from the file the user knows."""
        with tempfile.NamedTemporaryFile("w", prefix="mlxdiag-", encoding="utf-8") as file:
            file.write(self._configuration.of(host.address))
            file.flush()
            with suppress(asyncssh.ConfigParseError):
                return _read_options(host, [file.name])
        return _read_options(host, self._config)

    async def _connect(self, host: Host, way: _Way, peer: _Peer) -> asyncssh.SSHClientConnection:
        """Connect. The configuration was read for `way`; only a jump host needs it again."""
        return await asyncssh.connect(
            host.address,
            options=way.options,
            config=self._config if way.jump else None,
            client_factory=lambda: peer,
            known_hosts=way.known,
            client_keys=_Keys(key.private for key in way.keys),
            client_certs=[key.certificate for key in way.keys if key.certificate],
            connect_timeout=self._timeout_s,
            login_timeout=self._timeout_s,
            **_said(host),
        )


def _address(connection: asyncssh.SSHClientConnection, way: _Way) -> bytes:
    """Give the address that was connected to; behind a jump host it is not the host's own."""
    peer = connection.get_extra_info("peername")
    return b"" if way.jump or not peer else f"{peer[0]}\n".encode()


def _read_options(host: Host, config: Any) -> asyncssh.SSHClientConnectionOptions:  # noqa: ANN401
    return asyncssh.SSHClientConnectionOptions(
        host=host.address, config=config, client_keys=None, **_said(host), **_QUIET
    )


class _Keys(list[asyncssh.SSHKey]):
    """Keys to offer. For an empty list asyncssh loads others, for None it forgets the agent."""

    def __bool__(self) -> bool:
        return True


_QUIET: dict[str, Any] = {
    "preferred_auth": "publickey",
    "agent_forwarding": False,
    "x11_forwarding": False,
    "gss_kex": False,
    "gss_auth": False,
    "keepalive_interval": KEEPALIVE_S,
    "keepalive_count_max": 3,
}


class _Peer(asyncssh.SSHClient):
    """Remembers whom we talked to, for the case that it goes wrong."""

    def __init__(self) -> None:
        self.address = ""
        self.lost = asyncio.Event()

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        name = conn.get_extra_info("peername")
        self.address = str(name[0]) if name else ""

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set()


@dataclass
class _Kept:
    """A connection that stays for several sessions, one after the other."""

    connection: asyncssh.SSHClientConnection
    host: Host
    peer: _Peer

    @property
    def lost(self) -> asyncio.Event:
        return self.peer.lost

    async def session(
        self,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> asyncssh.SSHClientChannel[bytes] | None:
        """Run one program; the channel stays open until the connection or `collect` ends it."""
        return await _session(self.connection, self.host, commands, captures, clock)

    async def collect(
        self,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        channel = await self.session(commands, captures, clock)
        if channel is not None and not self.lost.is_set():
            await _end(channel)

    async def close(self) -> None:
        await _close(self.connection)


class _Session(asyncssh.SSHClientSession[bytes]):
    """Passes on what the session brings."""

    def __init__(self) -> None:
        self.collection: Collection | None = None
        self._ended = "the connection was closed"

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.collection:
            (self.collection.stderr if datatype else self.collection.stdout)(data)

    def exit_status_received(self, status: int) -> None:
        self._ended = f"the session ended with status {status}"

    def exit_signal_received(self, signal: str, *_more: object) -> None:
        self._ended = f"the session was ended by SIG{signal}"

    def connection_lost(self, exc: Exception | None) -> None:
        if self.collection:
            self.collection.lost(f"{exc or self._ended}")


class _Listener(asyncssh.SSHClientSession[bytes]):
    """Passes on what a talk's process says."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._ended, self._known = "the connection was closed", False

    def data_received(self, data: bytes, datatype: int | None) -> None:
        (self._ears.stderr if datatype else self._ears.stdout)(data)

    def exit_status_received(self, status: int) -> None:
        self._ended, self._known = f"the session ended with status {status}", True

    def exit_signal_received(self, signal: str, *_more: object) -> None:
        self._ended, self._known = f"the session was ended by SIG{signal}", True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ears.ended(f"{exc or self._ended}", self._known)


@dataclass
class _SshTalk:
    """A talk over a connection of its own."""

    connection: asyncssh.SSHClientConnection
    channel: asyncssh.SSHClientChannel[bytes]

    def send(self, data: bytes) -> None:
        if not self.channel.is_closing():
            self.channel.write(data)

    async def close(self) -> None:
        if not self.channel.is_closing():
            with suppress(OSError):
                self.channel.write_eof()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.channel.wait_closed(), TALK_END_S)
        await _close(self.connection)


async def _session(
    connection: asyncssh.SSHClientConnection,
    host: Host,
    commands: Sequence[Command],
    captures: dict[str, Capture],
    clock: Callable[[], float],
) -> asyncssh.SSHClientChannel[bytes] | None:
    """Run the program; a refused session is a connection that was of no use."""
    program = shell.build(commands, host.python, shell.new_nonce())
    session = _Session()
    channel: asyncssh.SSHClientChannel[bytes] | None = None

    def send(order: bytes) -> None:
        if channel and not channel.is_closing():
            channel.write(order)

    collection = Collection(program, host.python, captures, clock, send)
    session.collection = collection
    finished = asyncio.ensure_future(collection.finished())
    opening = asyncio.ensure_future(_open(connection, session, program))
    try:
        await asyncio.wait((finished, opening), return_when=asyncio.FIRST_COMPLETED)
        if opening.done() and (refused := opening.exception()):
            collection.lost(f"no session: {refused}")
        elif opening.done():
            channel = opening.result()
        await asyncio.wait((finished,))
    except asyncio.CancelledError:
        await collection.wind_up()
        raise
    finally:
        session.collection = None
        await _drop(opening, finished)
    return channel


async def _open(
    connection: asyncssh.SSHClientConnection, session: _Session, program: shell.Program
) -> asyncssh.SSHClientChannel[bytes]:
    channel, _ = await connection.create_session(
        lambda: session, program.line, encoding=None, request_pty=False
    )
    return cast("asyncssh.SSHClientChannel[bytes]", channel)


async def _end(channel: asyncssh.SSHClientChannel[bytes]) -> None:
    """End a session whose connection stays: the program's stdin closes, and it ends itself."""
    with suppress(OSError):
        channel.write_eof()
    try:
        await asyncio.wait_for(channel.wait_closed(), CLOSE_S)
    except TimeoutError:
        channel.abort()


async def _drop(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    """Cut the connection: the program's stdin closes with it, without a word from the host."""
    connection.abort()
    with suppress(TimeoutError):
        await asyncio.wait_for(connection.wait_closed(), CLOSE_S)


def _said(host: Host) -> dict[str, Any]:
    """Give what the inventory says and the ssh configuration must not override."""
    said = {"username": host.user, "port": host.port}
    return {name: value for name, value in said.items() if value is not None}


def _known_hosts_files(options: asyncssh.SSHClientConnectionOptions) -> list[str]:
    """Name the files; `UserKnownHostsFile none` means that nobody is known, never no check."""
    user = options.config.get("UserKnownHostsFile")
    told = options.config.get("GlobalKnownHostsFile")
    files = ["~/.ssh/known_hosts"] if user is None else cast("list[str]", user)
    shared = [GLOBAL_KNOWN_HOSTS] if told is None else cast("list[str]", told)
    return [*files, *shared]


def _key_files(host: Host, options: asyncssh.SSHClientConnectionOptions) -> tuple[list[str], bool]:
    """Name the keys to offer, and say whether somebody asked for them by name."""
    if host.identity_file:
        return [host.identity_file], True
    if configured := cast("list[str] | None", options.config.get("IdentityFile")):
        return configured, True
    return [f"~/.ssh/{name}" for name in DEFAULT_KEYS], False


def _expanded(name: str) -> str:
    return str(Path(name).expanduser())


def _read_known_hosts(paths: Iterable[str]) -> asyncssh.SSHKnownHosts:
    known = asyncssh.SSHKnownHosts()
    for path in paths:
        for line in _lines(Path(path)):
            with suppress(ValueError):
                known.load(line)
    return known


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _read_key(path: str) -> _Key | str:
    try:
        private = asyncssh.read_private_key(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        return f"{path}: {error}"
    certificate = None
    with suppress(OSError, asyncssh.KeyImportError):
        certificate = asyncssh.read_certificate(f"{path}-cert.pub")
    return _Key(private, certificate)


def _verdict(error: Exception, way: _Way, peer: _Peer, timeout_s: float) -> tuple[Outcome, str]:
    """Sort what went wrong before there was a session."""
    outcome, detail = _sorted_out(error, way, peer, timeout_s)
    detail = " ".join(detail.split())
    return outcome, f"by way of {way.jump}: {detail}" if way.jump else detail


def _sorted_out(error: Exception, way: _Way, peer: _Peer, timeout_s: float) -> tuple[Outcome, str]:
    said = str(error)
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _host_key(error, way, peer)
        case asyncssh.KeyExchangeFailed() if "host key" in said and _is_known(way, peer):
            return Outcome.HOST_KEY_CHANGED, f"no key of a type known in {_files(way)}"
        case asyncssh.PermissionDenied():
            found = Outcome.AUTH_REFUSED, _who(way)
        case TimeoutError():
            found = Outcome.CONNECT_TIMEOUT, f"no login within {timeout_s:g} s"
        case socket.gaierror():
            found = Outcome.UNRESOLVED, f"{way.options.host}: {error.strerror or said}"
        case OSError():
            found = _by_errno(error), said
        case _:
            late = "Login timeout" in said
            found = Outcome.CONNECT_TIMEOUT if late else Outcome.DISCONNECTED, said
    return found


def _by_errno(error: OSError) -> Outcome:
    """Sort by errno, which asyncio hides in the text when a name has several addresses."""
    said = re.search(r"\[Errno (\d+)\]", str(error))
    number = error.errno or (int(said[1]) if said else 0)
    return _BY_ERRNO.get(number, Outcome.DISCONNECTED)


def _host_key(error: Exception, way: _Way, peer: _Peer) -> tuple[Outcome, str]:
    if _is_known(way, peer):
        return Outcome.HOST_KEY_CHANGED, f"{way.name} has another key in {_files(way)}"
    if "revoked" in str(error).lower():
        return Outcome.HOST_KEY_CHANGED, f"{way.name}'s key is marked as revoked in {_files(way)}"
    return Outcome.HOST_KEY_UNKNOWN, f"{way.name} port {way.port} is not in {_files(way)}"


def _is_known(way: _Way, peer: _Peer) -> bool:
    """Tell whether known_hosts has any key, or any authority, for the host."""
    port = None if way.port == 22 else way.port
    keys, authorities, *_ = way.known.match(way.name, peer.address, port)
    return bool(keys or authorities)


def _files(way: _Way) -> str:
    return way.known_files[0] if way.known_files else "known_hosts"


def _who(way: _Way) -> str:
    """Say as whom and with what we came."""
    offered = f"{len(way.keys)} key file{'s' * (len(way.keys) != 1)}"
    agent = " and the agent" if way.options.agent_path else ""
    return "; ".join((f"user {way.user}, offered {offered}{agent}", *way.unusable))
