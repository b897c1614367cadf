"""Hosts that are network namespaces: real links between them, and a real sshd in each.

A `ModelCluster` says what there is. Every Mac is a namespace with an interface per cabled port,
named and addressed as the model says; a cable is a veth pair. All are on one LAN by `en0`, and so
is the namespace `controller`, in which mlxdiag runs where it goes over ssh. Names are this test's
own; nothing is made outside them, and all goes when the world is left.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from mlxdiag import checks, cluster, recording
from mlxdiag.backends.backend import Site
from mlxdiag.facts import COMMANDS
from mlxdiag.inventory import Host
from mlxdiag.ladder import climb
from mlxdiag.probe.plan import Plan
from mlxdiag.recommend import recommend
from mlxdiag.transport.local import LocalTransport
from mlxdiag.transport.shell import quote
from mlxdiag.transport.talk import Ears, Talk
from tests import simhosts
from tests.model import Cable, ModelCluster, write_recording, write_simhost
from tests.model.outputs import lan_address
from tests.probe.world import MARK

ROOT = Path(__file__).parents[2]
IP, TC = (shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in ("ip", "tc"))
CONTROLLER, SWITCH = "controller", "switch"
LAN = "en0"
CONTROLLER_ADDRESS = "192.168.86.250"


@cache
def unavailable() -> str:
    """Say why there can be no namespaces on this machine; empty if there can."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if not IP or not TC:
        return "iproute2 is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"mx{secrets.token_hex(3)}"
    tried = _run(IP, "netns", "add", name)
    if tried.returncode:
        return f"no network namespaces here: {tried.stderr.strip()}"
    try:
        pair = _run(IP, "-n", name, "link", "add", "va", "type", "veth", "peer", "name", "vb")
        shaped = pair if pair.returncode else _shape(name, "va", "10mbit")
    finally:
        _run(IP, "netns", "del", name)
    return f"no veth or tbf here: {shaped.stderr.strip()}" if shaped.returncode else ""


class Net:
    """The namespaces of one cluster; made on enter, gone on leave."""

    def __init__(self, model: ModelCluster, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.home = folder / "home"
        self.inventory = folder / "inventory.yaml"
        self._prefix = f"mx{secrets.token_hex(3)}"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.names = tuple(mac.name for mac in model.macs)

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()
        for name in (*self.names, CONTROLLER, SWITCH):
            self.halt(name)
            _run(IP, "netns", "del", self.ns(name))
        assert self._prefix not in _run(IP, "netns", "list").stdout

    def ns(self, name: str) -> str:
        """Give the namespace of a host, the controller or the switch."""
        return f"{self._prefix}-{name}"

    def argv(self, name: str, *argv: str) -> list[str]:
        """Make a command line run in a namespace; its process is that of the command."""
        return [str(IP), "netns", "exec", self.ns(name), *argv]

    def address(self, name: str) -> str:
        """Give the address on the LAN."""
        return lan_address(self.model, self.model.by_name[name])

    def end(self, name: str, other: str) -> str:
        """Name the interface of a host on its (first) cable to another."""
        for cable in self.model.cables:
            hosts = [host for host, _ in cable.ends]
            if sorted(hosts) == sorted((name, other)):
                receptacle = cable.ends[hosts.index(name)][1]
                return self.model.by_name[name].interfaces[receptacle]
        raise LookupError(f"no cable {name} - {other}")

    def halt(self, name: str) -> None:
        """End all that runs on a host, its sshd with it, as a restart does; its kernel says so."""
        for pid in _run(IP, "netns", "pids", self.ns(name)).stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def cut(self, name: str, interface: str) -> None:
        """Take an interface down: what is on its way is lost, and nobody is told."""
        _must(IP, "-n", self.ns(name), "link", "set", interface, "down")

    def shape(self, name: str, interface: str, rate: str) -> None:
        """Limit what a host sends there."""
        shaped = _shape(self.ns(name), interface, rate)
        assert shaped.returncode == 0, shaped.stderr

    def shape_cables(self, rate: str) -> None:
        """Limit both directions of every cable."""
        for cable in self.model.cables:
            self.shape_cable(cable, rate)

    def shape_cable(self, cable: Cable, rate: str) -> None:
        """Limit both directions of one cable."""
        for host, receptacle in cable.ends:
            self.shape(host, self.model.by_name[host].interfaces[receptacle], rate)

    def sent(self, name: str, interface: str) -> int:
        """Count the bytes that a host has sent there."""
        said = _must(IP, "-n", self.ns(name), "-s", "-j", "link", "show", "dev", interface)
        link: list[Mapping[str, Any]] = json.loads(said.stdout)
        return int(link[0]["stats64"]["tx"]["bytes"])

    # Without ssh: gangs over a transport that enters the namespace.

    async def talk(self, host: Host, line: str, ears: Ears) -> Talk:
        """Start a command line of sh on a host; see `mlxdiag.transport.talk.Talker`."""
        inside = " ".join(map(quote, self.argv(host.name, "/bin/sh", "-c", line)))
        return await LocalTransport().talk(host, f"exec {inside}", ears)

    def host(self, name: str) -> Host:
        """Give a host with the interpreter of this test."""
        address = self.address(name)
        return Host(name, address, python=sys.executable, ip=address, connection="local")

    def here(self, plan: Plan, **deadlines_s: float) -> Plan:
        """Move a plan made over the model's facts into the namespaces."""
        ranks = tuple(replace(rank, host=self.host(rank.host.name)) for rank in plan.ranks)
        return replace(plan, ranks=ranks, deadlines_s={**plan.deadlines_s, **deadlines_s})

    def site(self) -> Site:
        """Say what the model's facts say of it."""
        folder = self.folder / "recorded"
        if not folder.exists():
            write_recording(self.model, folder)
        made = recording.load(folder)
        seen = cluster.build(made.inventory, made.hosts)
        found = checks.run(seen)
        states = climb(seen.topology, found)
        return Site(seen, states, recommend(seen, states, found))

    # With ssh: an sshd in each namespace, whose commands answer as the model does.

    def serve(self, token: str) -> None:
        """Start an sshd in every host, and write home and inventory of the controller.

        What runs in a session has `token` in its environment.
        """
        ssh = self.home / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        simhosts._keygen(self.folder / "host_key").chmod(0o600)
        simhosts._keygen(ssh / "id_ed25519")
        shutil.copy(ssh / "id_ed25519.pub", self.folder / "authorized_keys")
        Path("/run/sshd").mkdir(exist_ok=True)
        write_simhost(self.model, self.folder / "said")
        key = (self.folder / "host_key.pub").read_text()
        hosts = ""
        with (ssh / "known_hosts").open("w") as known:
            for name in self.names:
                self._start_sshd(name, token)
                address = self.address(name)
                known.write(f"{address} {key}")
                hosts += f"  - {{name: {name}, address: {address}, ip: {address}}}\n"
        self.inventory.write_text(
            f"cluster: {self.model.name}\n"
            f"defaults: {{user: root, python: {sys.executable},"
            f" identity_file: {ssh}/id_ed25519}}\nhosts:\n{hosts}"
        )
        for name in self.names:
            self._wait_for(name)

    def start(self, *argv: str, module: str = "mlxdiag") -> subprocess.Popen[str]:
        """Start `mlxdiag ARGV` in the controller's namespace."""
        return subprocess.Popen(
            self.argv(CONTROLLER, sys.executable, "-m", module, *argv),
            cwd=ROOT,
            env={
                **_bare(),
                MARK: os.environ[MARK],
                "HOME": str(self.home),
                "PYTHONPATH": str(ROOT),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def probe(self, *argv: str, module: str = "mlxdiag") -> tuple[int, str, str]:
        """Run `mlxdiag probe` over the inventory; give its exit code, stdout and stderr."""
        running = self.start("probe", "-i", str(self.inventory), *argv, module=module)
        try:
            out, err = running.communicate(timeout=150)
        finally:
            running.kill()
        return running.returncode, out, err

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        everywhere = (*self.names, CONTROLLER, SWITCH)
        lines = [f"netns add {self.ns(name)}" for name in everywhere]
        lines += [f"-n {self.ns(name)} link set lo up" for name in everywhere]
        lines.append(f"-n {self.ns(SWITCH)} link add lan type bridge")
        lines.append(f"-n {self.ns(SWITCH)} link set lan up")
        for number, name in enumerate((*self.names, CONTROLLER)):
            address = CONTROLLER_ADDRESS if name == CONTROLLER else self.address(name)
            lines += self._pair((name, LAN, (f"{address}/24",)), (SWITCH, f"port{number}", ()))
            lines.append(f"-n {self.ns(SWITCH)} link set port{number} master lan")
        for cable in self.model.cables:
            one, other = (
                (host, self.model.by_name[host].interfaces[at], self.model.addresses((host, at)))
                for host, at in cable.ends
            )
            lines += self._pair(one, other)
        for line in lines:
            _must(IP, *line.split())

    def _pair(self, *ends: tuple[str, str, Sequence[str]]) -> list[str]:
        (a, one, _), (b, other, _) = ends
        made = f"link add {one} netns {self.ns(a)} type veth peer name {other} netns {self.ns(b)}"
        lines = [made]
        for name, interface, addresses in ends:
            at = f"-n {self.ns(name)}"
            lines += [f"{at} addr add {address} dev {interface}" for address in addresses]
            lines.append(f"{at} link set {interface} up")
        return lines

    def _start_sshd(self, name: str, token: str) -> None:
        said, bin_folder = self.folder / "said" / name, self.folder / "bin" / name
        for path in said.glob("mlx_runtime.*"):  # the ranks' own interpreter answers
            path.unlink()
        simhosts._write_shims(bin_folder, said, COMMANDS)
        remote = self.folder / "remote" / name
        remote.mkdir(parents=True)
        env = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(remote), MARK: token}
        config = self.folder / f"sshd_{name}"
        lines = (
            f"ListenAddress {self.address(name)}",
            f"HostKey {self.folder}/host_key",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UseDNS no",
            "SetEnv " + " ".join(f'"{key}={value}"' for key, value in env.items()),
        )
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / f"sshd_{name}.log").open("wb") as log:
            argv = self.argv(name, str(simhosts.SSHD), "-D", "-e", "-f", str(config))
            daemon = subprocess.Popen(argv, env=_bare(), stderr=log, stdin=subprocess.DEVNULL)
        self._daemons.append(daemon)

    def _wait_for(self, name: str) -> None:
        until = time.monotonic() + 10
        log = self.folder / f"sshd_{name}.log"
        while "Server listening" not in log.read_text():
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)


def _bare() -> dict[str, str]:
    """Give our environment without the mark: servers are not what is looked for afterwards."""
    return {key: value for key, value in os.environ.items() if key != MARK}


def _shape(namespace: str, interface: str, rate: str) -> subprocess.CompletedProcess[str]:
    """Use a bucket that is small beside a message, and a queue that never drops."""
    words = f"qdisc replace dev {interface} root tbf rate {rate} burst 32kb limit 64mb"
    return _run(TC, "-n", namespace, *words.split())


def _must(program: str | None, *argv: str) -> subprocess.CompletedProcess[str]:
    ran = _run(program, *argv)
    assert ran.returncode == 0, f"{' '.join(argv)}: {ran.stderr}"
    return ran


def _run(program: str | None, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program), *argv], capture_output=True, text=True, check=False)
