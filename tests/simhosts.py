"""Simulated hosts behind a real sshd: each is a loopback address whose commands answer from files.

A host is a folder with `<command>.out` and, if wanted, `<command>.err`, `.status` (exit status),
`.delay` (seconds) and `.hang` (never ends; the text `ignore` in it: not even on SIGTERM). A command
without `.out`, `.err`, `.status` and `.hang` does not exist on the host. `pgrep.out` holds what is
"already running".
"""

from __future__ import annotations

import os
import random
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mlxdiag.facts import COMMANDS
from mlxdiag.inventory import Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlxdiag.capture import Command

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
KEYGEN = shutil.which("ssh-keygen")

UNAVAILABLE = (
    "sshd is not installed"
    if not (SSHD and KEYGEN)
    else "sshd needs root here"
    if os.geteuid() != 0
    else ""
)
"""Why there can be no simulated hosts on this machine; empty if there can."""

LISTEN_SOCKETS = 16
"""One sshd listens on no more addresses than this (OpenSSH: MAX_LISTEN_SOCKS)."""

FOREVER_S = 600
PGREP = shutil.which("pgrep")


@dataclass(frozen=True)
class Process:
    """A process and when it began, in ticks: pids are used again."""

    pid: int
    began: int
    words: str


class SimHosts:
    """Starts sshd on enter and ends it, with all that it started, on leave.

    With `apart` every host has an sshd of its own, which can be stopped and started.
    `home` is a client's home folder: its .ssh knows every host by name and by address. The shells
    of all hosts start in `remote_home`, which is empty (bash reads .bashrc under sshd).
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        commands: Sequence[Command] = COMMANDS,
        *,
        folder: Path | None = None,
        sshd_lines: Sequence[str] = (),
        set_env: Mapping[str, str] | None = None,
        named: bool = True,
        apart: bool = False,
    ) -> None:
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="simhosts-"))
        self.home = self.folder / "home"
        self.ssh = self.home / ".ssh"
        self.remote_home = self.folder / "remote"
        self.user = "root"
        self.port, block = _free_place(len(folders))
        self.addresses = {
            name: f"{block}.{n // 250}.{n % 250 + 1}" for n, name in enumerate(folders)
        }
        self._folders, self._commands, self._named = dict(folders), commands, named
        self._lines, self._set_env = tuple(sshd_lines), dict(set_env or {})
        self._token = secrets.token_hex(8)
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._apart: dict[str, subprocess.Popen[bytes]] | None = {} if apart else None

    def __enter__(self) -> Self:
        self.ssh.mkdir(parents=True, mode=0o700)
        self.remote_home.mkdir()
        self._make_keys()
        for name, folder in self._folders.items():
            _write_shims(self.folder / "bin" / name, folder, self._commands)
        self._write_client_files()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()
        for process in self.survivors():
            _signal(process, signal.SIGKILL)
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def host(self, name: str) -> Host:
        """Give the host as an inventory would have it that says everything."""
        identity = str(self.ssh / "id_ed25519")
        return Host(name, self.addresses[name], self.user, self.port, identity)

    def hosts(self) -> tuple[Host, ...]:
        """Give all hosts, in the order they were named."""
        return tuple(map(self.host, self.addresses))

    def set_known(self, lines: Iterable[str]) -> None:
        """Replace the client's known_hosts."""
        (self.ssh / "known_hosts").write_text("".join(f"{line}\n" for line in lines))

    def known_line(self, name: str, key: str = "") -> str:
        """Write the line of known_hosts for a host, with its own key or another."""
        key = key or (self.folder / "host_key.pub").read_text().strip()
        return f"[{self.addresses[name]}]:{self.port} {key}"

    def new_key(self, name: str) -> Path:
        """Make a key pair that no host knows."""
        return _keygen(self.folder / name)

    def survivors(self) -> list[Process]:
        """List what runs on the hosts: processes that any session started and that still live."""
        mark = f"MLXDIAG_SIM={self._token}".encode()
        return [p for p in _processes() if mark in _environ(p.pid)]

    def wait_gone(self, within_s: float = 3.0) -> list[Process]:
        """Give what is left on the hosts, once nothing is or the time is over."""
        end = time.monotonic() + within_s
        while (left := self.survivors()) and time.monotonic() < end:
            time.sleep(0.02)
        return left

    def connections(self, of: int | None = None) -> list[Process]:
        """List the sshd processes that serve a connection, of all daemons or of one."""
        parents = {daemon.pid for daemon in self._daemons if of in (None, daemon.pid)}
        found: list[Process] = []
        while more := [p for p in _processes() if _parent(p.pid) in parents and p not in found]:
            found += [p for p in more if "sshd" in p.words]
            if not (parents := {p.pid for p in more if "sshd" in p.words}):
                break
        return found

    def stop_connections(self) -> None:
        """Freeze the sshd of every connection, as a host that hangs."""
        for process in self.connections():
            _signal(process, signal.SIGSTOP)

    def end_connections(self, number: int = signal.SIGKILL) -> None:
        """Signal the sshd of every connection; with the default, the hosts cut them."""
        for process in self.connections():
            _signal(process, number)

    def stop_host(self, name: str) -> None:
        """Take one host away, its connections too: nobody listens there. Wants `apart`."""
        assert self._apart is not None
        daemon = self._apart.pop(name)
        theirs = self.connections(daemon.pid)
        daemon.kill()
        daemon.wait()
        self._daemons.remove(daemon)
        for process in theirs:
            _signal(process, signal.SIGKILL)

    def start_host(self, name: str) -> None:
        """Bring it back."""
        assert self._apart is not None
        self._apart[name] = self._daemon(f"-{name}", [name])
        _wait_for(self.addresses[name], self.port)

    def cut(self, name: str) -> None:
        """Cut the connections of one host, which goes on to listen."""
        assert self._apart is not None
        for process in self.connections(self._apart[name].pid):
            _signal(process, signal.SIGKILL)

    def _make_keys(self) -> None:
        host, user = _keygen(self.folder / "host_key"), _keygen(self.ssh / "id_ed25519")
        host.chmod(0o600)
        (self.folder / "authorized_keys").write_text(Path(f"{user}.pub").read_text())

    def _write_client_files(self) -> None:
        self.set_known(map(self.known_line, self.addresses))
        common = (
            f"    Port {self.port}\n    User {self.user}\n    IdentityFile {self.ssh}/id_ed25519\n"
            f"    UserKnownHostsFile {self.ssh}/known_hosts\n"
        )
        names = "".join(
            f"Host {name}\n    HostName {address}\n" for name, address in self.addresses.items()
        )
        config = (names if self._named else "") + f"Host *\n{common}"
        (self.ssh / "config").write_text(config)

    def _start(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        names = list(self.addresses)
        if self._apart is not None:
            for name in names:
                self.start_host(name)
            return
        for start in range(0, len(names), LISTEN_SOCKETS):
            self._daemon(str(start), names[start : start + LISTEN_SOCKETS])
        for name in names:
            _wait_for(self.addresses[name], self.port)

    def _daemon(self, label: str, names: Sequence[str]) -> subprocess.Popen[bytes]:
        config = self.folder / f"sshd_config{label}"
        config.write_text(self._sshd_config(names))
        with (self.folder / f"sshd{label}.log").open("ab") as log:
            argv = [str(SSHD), "-D", "-e", "-f", str(config)]
            daemon = subprocess.Popen(argv, stderr=log, stdin=subprocess.DEVNULL)
        self._daemons.append(daemon)
        return daemon

    def _sshd_config(self, names: Sequence[str]) -> str:
        listen = [f"ListenAddress {self.addresses[name]}:{self.port}" for name in names]
        first = (
            *self._lines,
            f"HostKey {self.folder}/host_key",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PermitRootLogin prohibit-password",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "MaxStartups 2000:1:2000",
            "PrintMotd no",
            "UseDNS no",
        )
        return "\n".join([*listen, *first, *map(self._match, names)]) + "\n"

    def _match(self, name: str) -> str:
        path = f"{self.folder}/bin/{name}:/usr/bin:/bin"
        there = {"PATH": path, "HOME": str(self.remote_home), "MLXDIAG_SIM": self._token}
        env = {**there, **self._set_env}
        words = " ".join(f'"{key}={value}"' for key, value in env.items())
        return f"Match LocalAddress {self.addresses[name]}\n    SetEnv {words}"


def _write_shims(bin_folder: Path, folder: Path, commands: Sequence[Command]) -> None:
    bin_folder.mkdir(parents=True)
    by_program: dict[str, list[Command]] = {}
    for command in commands:
        program = "python3" if command.argv[0] == "{python}" else command.argv[0]
        by_program.setdefault(program, []).append(command)
    running = _answer(folder / "pgrep") or "exit 1\n"
    _write_script(bin_folder / "pgrep", f'case $1 in -P) exec {PGREP} "$@";; esac\n{running}')
    for program, theirs in by_program.items():
        answers = {c: text for c in theirs if (text := _answer(folder / c.name))}
        if answers:
            _write_script(bin_folder / program, _choice(answers))


def _choice(answers: Mapping[Command, str]) -> str:
    if len(answers) == 1:
        return next(iter(answers.values()))
    cases = (
        f"{shlex.quote(' '.join(command.argv[1:]))})\n{text};;\n"
        for command, text in answers.items()
    )
    return f'case "$*" in\n{"".join(cases)}esac\nexit 64\n'


def _answer(stem: Path) -> str:
    """Write the lines of sh that answer from the files beside `stem`: one exec where possible."""
    out, err, status, delay, hang = (
        stem.with_name(stem.name + end) for end in (".out", ".err", ".status", ".delay", ".hang")
    )
    if not any(path.exists() for path in (out, err, status, hang)):
        return ""
    lines = [f"sleep {delay.read_text().strip()}"] if delay.exists() else []
    if err.exists():
        lines.append(f"cat {shlex.quote(str(err))} >&2")
    if hang.exists():
        lines += ['trap "" TERM'] if "ignore" in hang.read_text() else []
        return "\n".join([*lines, f"exec sleep {FOREVER_S}", ""])
    show = f"cat {shlex.quote(str(out))}" if out.exists() else ":"
    if status.exists():
        lines += [show, f"exit {int(status.read_text())}"]
    else:
        lines.append(f"exec {show}" if out.exists() else "exit 0")
    return "\n".join([*lines, ""])


def _write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def _keygen(path: Path) -> Path:
    argv = [str(KEYGEN), "-q", "-t", "ed25519", "-N", "", "-C", "simhosts", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def _free_place(count: int) -> tuple[int, str]:
    """Find a port that is free on some block of loopback addresses."""
    while True:
        block, port = f"127.{random.randint(2, 250)}", random.randint(20000, 32000)  # noqa: S311
        probe = f"{block}.{(count - 1) // 250}.{(count - 1) % 250 + 1}" if count else "127.0.0.1"
        with socket.socket() as sock:
            try:
                sock.bind((probe, port))
            except OSError:
                continue
            return port, block


def _wait_for(address: str, port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection((address, port), timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _processes() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            words = _read(entry / "cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
            if fields[0] != "Z":
                yield Process(int(entry.name), int(fields[19]), words)


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat from the state on: 0 state, 1 parent, 19 begin."""
    return _read(Path(f"/proc/{pid}/stat")).decode("utf-8", "replace").rpartition(")")[2].split()


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _environ(pid: int) -> bytes:
    return _read(Path(f"/proc/{pid}/environ"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _signal(process: Process, number: int) -> None:
    fields = _stat(process.pid)
    if fields and int(fields[19]) == process.began:
        os.kill(process.pid, number)
