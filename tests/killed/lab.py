"""Hosts on which every command has something to do, and a controller that is killed at it.

Two modelled Macs behind a real sshd, whose ranks are real ones, for all that reads facts; two plain
hosts, with a run of somebody's own on them, for what looks at ranks. `local` makes the first host
of either the machine that we stand on.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from mlxdiag import facts, recording, survey
from mlxdiag.bundle import evidence
from mlxdiag.errors import MlxdiagError
from mlxdiag.watch.due import ASKED
from tests.hang.test_live import ring
from tests.model import ModelCluster, write_simhost
from tests.model.cases import mesh, studios
from tests.probe.test_mpi_ssh import AGENT
from tests.simhosts import Process, SimHosts
from tests.stop import served
from tests.test_cli import environment

ROOT = Path(__file__).parents[2]
A, B = "macstudio1", "macstudio2"
COMMANDS = tuple(dict.fromkeys((*facts.COMMANDS, *survey.COMMANDS, *evidence.COMMANDS, *ASKED)))

PATIENCE_S = 40.0
"""How long a controller may take to end, and what it left to go, before that is a finding."""

KEPT = {".ssh", "inventory.yaml", "mpi.yaml", "h.json", "run.log", "tmp", "state", "said"}
"""What of a controller's folder is not its output."""

FACTS: Mapping[str, tuple[str, ...]] = {
    "ports": ("ports", "-f", "json", "-o", "r.json", "--save", "night.tar.gz"),
    "check": ("check", "-f", "json", "-o", "r.json", "--save", "night"),
    "recommend": ("recommend", "-f", "json", "-o", "r.json"),
    "fix": ("fix", "--script", "scripts", "-f", "json", "-o", "r.json"),
    "bundle": ("bundle", "-o", "b.tar.gz", "--log", "run.log"),
    "diagnose": ("diagnose", "run.log", "-f", "json", "-o", "r.json", "--save", "night.tar.gz"),
    "hostfile write": ("hostfile", "write", "--backend", "jaccl", "-o", "w.json"),
    "hostfile check": ("hostfile", "check", "h.json", "-f", "json", "-o", "r.json"),
    "preflight quick": ("preflight", "--level", "quick", "--require", "ring", "-o", "r.txt"),
    "watch --once": ("watch", "--once", "--json-lines", "--save", "latest.tar.gz"),
    "watch": (
        *("watch", "--for", "4s", "--every", "1s", "--wiring-every", "1s", "--json-lines"),
        *("--save", "latest.tar.gz", "--prometheus-port", "0"),
    ),
}
RANKS: Mapping[str, tuple[str, ...]] = {
    "preflight standard": (
        *("preflight", "--require", "ring", "--report-out", "r.json", "--hostfile-out", "w.json"),
        *("--save", "night.tar.gz"),
    ),
    "recommend --measure": ("recommend", "--measure", "-f", "json", "-o", "r.json"),
    "probe ring": ("probe", "--level", "quick", "--save", "night", "-o", "r.txt"),
    "probe mpi": ("probe", "--backend", "mpi", "--level", "quick", "--save", "night.tar.gz"),
}
LOOKS: Mapping[str, tuple[str, ...]] = {
    "hang": ("hang", "--interval", "1s", "-f", "json", "-o", "r.json", "--save", "night.tar.gz"),
    "stop --dry-run": ("stop", "--pattern", "{victim}", "--dry-run"),
    "stop --yes": ("stop", "--pattern", "{victim}", "--yes", "--grace", "1s"),
    "server": (
        *("server", "--url", "{url}", "--model", "m", "--deadline", "1", "--requests", "1"),
        *("-f", "json", "-o", "r.json", "--save", "night.tar.gz"),
    ),
}
ALL = {**FACTS, **RANKS, **LOOKS}
"""Every command that asks hosts, by what the tables call it."""


@dataclass(frozen=True)
class Left:
    """What a controller left. `gone_s` is from its end until nothing of it ran on any host.

    `processes` are those that ran on still, `sessions` the connections of sshd, `on_hosts` files in
    a HOME or TMPDIR of the hosts, `half` outputs that are there and not whole, `strays` other files
    of ours on the controller's side, `beside` those that were to become outputs (.NAME.PID.tmp):
    who is killed while it writes leaves one, and nobody else does.
    """

    gone_s: float
    processes: tuple[str, ...] = ()
    sessions: int = 0
    on_hosts: tuple[str, ...] = ()
    half: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether it left nothing at all."""
        return not (self.processes or self.sessions or self.on_hosts or self.half or self.strays)


@dataclass
class Controller:
    """A run of one command in a folder of its own."""

    lab: Lab
    sim: SimHosts
    folder: Path
    process: subprocess.Popen[bytes]
    before: frozenset[str]
    began: float

    def running(self) -> list[Process]:
        """List what it has on the hosts now."""
        return [p for p in self.sim.survivors() if p.pid != self.process.pid]

    def ended(self, number: int = signal.SIGKILL) -> Left:
        """End the controller itself, and nothing else, and see what is left."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        return self.left()

    def left(self) -> Left:
        """Wait until nothing runs on any host, or patience is over, and look at the files."""
        began = time.monotonic()
        while (processes := self.sim.survivors()) or self.sim.connections():
            if time.monotonic() > began + PATIENCE_S:
                break
            time.sleep(0.05)
        sessions = self.sim.connections()
        gone_s = time.monotonic() - began
        return Left(
            gone_s,
            tuple(process.words for process in processes),
            len(sessions),
            tuple(sorted(self.lab.files_of_hosts(self.sim) - self.before)),
            tuple(half(self.folder)),
            tuple(strays(self.folder)),
            tuple(sorted(path.name for path in self.folder.glob(".*.tmp"))),
        )

    def said(self) -> str:
        """Give what it wrote to stdout and stderr."""
        return (self.folder / "said").read_text("utf-8", "replace")


@dataclass
class Lab:
    """The hosts, and what the words of commands stand for."""

    folder: Path
    macs: SimHosts
    plain: SimHosts
    told: Mapping[str, str]
    own: Sequence[subprocess.Popen[str]]
    started: int = 0

    @contextmanager
    def running(
        self, command: str, *, local: bool = False, beside: Sequence[Mapping[str, object]] = ()
    ) -> Iterator[Controller]:
        """Start a command; it is killed at the end, whatever became of it.

        `beside` are further hosts of its inventory.
        """
        self.started += 1
        folder = self.folder / f"run{self.started}"
        sim = self.plain if command in LOOKS else self.macs
        self._lay(folder, sim, beside, local=local, real=command not in FACTS)
        asked = "mpi.yaml" if command == "probe mpi" else "inventory.yaml"
        words = [word.format(**self.told) for word in (*ALL[command], "-i", asked)]
        before = self.files_of_hosts(sim)
        began = time.monotonic()
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlxdiag", *words],
                cwd=folder,
                env=self._environment(folder, sim, local=local),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Controller(self, sim, folder, process, before, began)
        finally:
            process.kill()
            process.wait()

    def files_of_hosts(self, sim: SimHosts) -> frozenset[str]:
        """List all in HOME and TMPDIR of the hosts, and in the HOME of who stands on one."""
        places = (sim.remote_home, self.folder / "tmp", sim.home)
        return frozenset(str(path) for place in places for path in place.rglob("*"))

    def _lay(
        self,
        folder: Path,
        sim: SimHosts,
        beside: Sequence[Mapping[str, object]],
        *,
        local: bool,
        real: bool,
    ) -> None:
        """Write what it reads; where ranks are launched the hosts' interpreter is a `real` one."""
        for name in (folder, folder / "tmp"):
            name.mkdir()
        python = {"python": sys.executable} if real else {}
        hosts: list[dict[str, object]] = [{"name": name, **python} for name in (A, B)]
        if local:
            hosts[0]["connection"] = "local"
        server = {"pattern": self.told["ranks"]}
        asked = [*hosts, *map(dict, beside)]
        said = {"hosts": asked, "server": server} if sim is self.plain else {"hosts": asked}
        (folder / "inventory.yaml").write_text(yaml.safe_dump(said))
        for host in hosts:  # mpirun's own ssh goes to addresses
            host["ip"] = sim.addresses[str(host["name"])]
        (folder / "mpi.yaml").write_text(yaml.safe_dump(said))
        (folder / "h.json").write_text('[{"ssh": "macstudio1"}, {"ssh": "macstudio2"}]\n')
        (folder / "run.log").write_text("[jaccl] Changing queue pair to RTR failed with errno 22\n")

    def _environment(self, folder: Path, sim: SimHosts, *, local: bool) -> dict[str, str]:
        path = f"{sim.folder}/bin/{A}:{os.environ['PATH']}" if local else os.environ["PATH"]
        state = str(folder / "state")
        env = environment(HOME=str(sim.home), TMPDIR=str(folder / "tmp"), PATH=path)
        env |= {"XDG_STATE_HOME": state, "PYTHONPATH": str(ROOT)}
        env |= {**_agents(sim.folder), "MLXDIAG_SIM": sim._token} if local else {}
        # saving at exit, coverage shows a signal that comes then as a traceback
        return {k: v for k, v in env.items() if k != "SSH_AUTH_SOCK" and k[:8] != "COVERAGE"}


def half(folder: Path) -> Iterator[str]:
    """Name the outputs that are there and cannot be read as what they are."""
    for path in sorted(folder.iterdir()):
        if path.name in KEPT or path.name.startswith("."):
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".gz" or path.name == "night":
                recording.load(path)
        except (ValueError, MlxdiagError) as error:
            yield f"{path.name}: {error}"


def strays(folder: Path) -> Iterator[str]:
    """Name what is no output, nor the state that is kept: temporary files of any kind.

    Not counted are those of Python's ctypes, and of the compiler that it asks for a library's name
    while asyncssh is imported on Linux.
    """
    for path in sorted((*folder.glob(".*"), *(folder / "tmp").rglob("*"))):
        theirs = re.fullmatch(r"tmp\w{8}|cc\w{6}\.\w+", path.name) and path.parent.name == "tmp"
        if not theirs and not (path.parent == folder and path.suffix == ".tmp"):
            yield str(path.relative_to(folder))


class Mute(BaseHTTPRequestHandler):
    """A server that lists a model and answers no request for as long as the client stays."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        body = b'{"object": "list", "data": [{"id": "m"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(OSError):
            self.connection.recv(1)


@contextmanager
def lab(
    folder: Path,
    *,
    delays: Mapping[tuple[str, str], float] | None = None,
    hangs: Sequence[tuple[str, str]] = (),
    hanging: Mapping[str, str] | None = None,
) -> Iterator[Lab]:
    """Set up the hosts. `delays` and `hangs` are of commands of the modelled Macs.

    `hanging` are programs of the plain hosts that never return, by host.
    """
    with ExitStack() as stack:
        macs = stack.enter_context(_macs(folder, delays or {}, hangs))
        plain = stack.enter_context(_plain(folder, hanging or {}))
        run = stack.enter_context(ring(folder, "slow", size=2))
        token = secrets.token_hex(6)
        own = stack.enter_context(_stubborn(token))
        http = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Mute))
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        stack.callback(http.shutdown)
        told = {
            "url": f"http://127.0.0.1:{http.server_address[1]}",
            "victim": f"served[.]py {token}",
            "ranks": run.pattern,
        }
        yield Lab(folder, macs, plain, told, (*run.ranks, own))


@contextmanager
def _macs(
    folder: Path, delays: Mapping[tuple[str, str], float], hangs: Sequence[tuple[str, str]]
) -> Iterator[SimHosts]:
    hosts, place, macs = folder / "hosts", folder / "macs", studios(2)
    block = f"127.{secrets.randbelow(100) + 120}"  # cables of loopback: the ring goes over them
    ends = ((f"{block}.1.1/30",), (f"{block}.1.2/30",))
    cables = tuple(replace(cable, addresses=ends) for cable in mesh(macs))
    write_simhost(ModelCluster("lab", macs, cables, surveyed=True), hosts)
    for host in (A, B):
        (hosts / host / "neighbours.out").write_text("1 /sbin/launchd\n")
    for (host, command), seconds in delays.items():
        (hosts / host / f"{command}.delay").write_text(f"{seconds}\n")
    for host, command in hangs:
        (hosts / host / f"{command}.hang").touch()
    place.mkdir()
    (folder / "tmp").mkdir()
    agent = place / "agent"
    agent.write_text(AGENT.format(folder=place, config=place / "home" / ".ssh" / "config"))
    agent.chmod(0o755)
    env = {**_agents(place), "TMPDIR": str(folder / "tmp")}
    with SimHosts({n: hosts / n for n in (A, B)}, COMMANDS, folder=place, set_env=env) as sim:
        for host in (A, B):  # what looks for ranks that stayed is no command of the model
            ps = place / "bin" / host / "ps"
            ps.write_text(ps.read_text().replace("exit 64\n", 'exec /usr/bin/ps "$@"\n'))
        yield sim


def _agents(place: Path) -> dict[str, str]:
    config = place / "home" / ".ssh" / "config"
    return {
        "OMPI_MCA_plm_rsh_agent": f"ssh -F {config}",
        "PRTE_MCA_plm_ssh_agent": str(place / "agent"),
    }


@contextmanager
def _plain(folder: Path, hanging: Mapping[str, str]) -> Iterator[SimHosts]:
    hosts, place = folder / "plain-hosts", folder / "plain"
    for path in (hosts / A, hosts / B, place):
        path.mkdir(parents=True)
    env = {"TMPDIR": str(folder / "tmp")}
    with SimHosts({n: hosts / n for n in (A, B)}, (), folder=place, set_env=env) as sim:
        for host, program in hanging.items():
            path = place / "bin" / host / program
            path.write_text("#!/bin/sh\nexec sleep 600\n")
            path.chmod(0o755)
        yield sim


@contextmanager
def _stubborn(token: str) -> Iterator[subprocess.Popen[str]]:
    """Somebody's server that ignores SIGTERM: `stop` goes all its way and does not end it."""
    words = [sys.executable, str(served.__file__), token, "stubborn"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()
