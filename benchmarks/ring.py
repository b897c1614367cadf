"""A simulated cluster: a ring of N Macs behind real sshd, and the files that its clients need."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlxdiag.facts import COMMANDS
from tests.model.cases import studios
from tests.model.cluster import Cable, ModelCluster
from tests.model.outputs import outputs
from tests.simhosts import SimHosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.model.machine import Mac
    from tests.model.printed import Printed

LAN = "10.86"
TIGHT = "-o BatchMode=yes -o StrictHostKeyChecking=yes"


@dataclass(frozen=True)
class Ring:
    """The hosts and the client's side of them; all files lie in `folder`."""

    sim: SimHosts
    folder: Path
    names: tuple[str, ...]
    nbytes: int

    @property
    def config(self) -> Path:
        """Give the ssh configuration of the client's home."""
        return self.sim.ssh / "config"

    @property
    def daemons(self) -> tuple[int, ...]:
        """List the pids of the sshd that listen: this process started them."""
        me = os.getpid()
        return tuple(
            pid
            for pid in map(int, Path(f"/proc/{me}/task/{me}/children").read_text().split())
            if b"sshd" in Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
        )

    def idle(self) -> None:
        """Wait until the daemons have ended the sessions of the measurement before."""
        left = self.sim.wait_gone(within_s=10)
        assert not left, f"left on the hosts: {left[:3]}"


def script() -> str:
    """Write the commands as one shell script, in the order of collection."""
    lines = (f"{shlex.join(map(_word, command.argv))} </dev/null" for command in COMMANDS)
    return "\n".join(("export LC_ALL=C", *lines))


def _word(word: str) -> str:
    return "python3" if word == "{python}" else word


@contextmanager
def simulated(count: int, delay: tuple[str, float] | None = None) -> Iterator[Ring]:
    """Start a ring of so many M3 Ultras; `delay` makes one command of every host slow."""
    folder = Path(tempfile.mkdtemp(prefix="mlxdiag-bench-"))
    try:
        names, nbytes = _write_answers(count, folder / "hosts")
        for name in names if delay else ():
            assert delay
            (folder / "hosts" / name / f"{delay[0]}.delay").write_text(f"{delay[1]}\n")
        with SimHosts({name: folder / "hosts" / name for name in names}) as sim:
            found = Ring(sim, folder, names, nbytes)
            _write_client(found)
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(count: int) -> Iterator[tuple[str, Mapping[str, Printed]]]:
    """Give what each host says: from a cluster of it and its two neighbours, which is all it sees.

    The model's own Ethernet has room for 244 Macs.
    """
    macs = studios(count)
    for number, mac in enumerate(macs):
        before, after = macs[number - 1], macs[(number + 1) % count]
        cables = (
            _cable(before, mac, (number - 1) % count),
            _cable(mac, after, number),
        )
        unlisted = tuple(replace(other, listed=False) for other in (before, after))
        said = outputs(ModelCluster("window", (mac, *unlisted), cables))[mac.name]
        yield mac.name, {**said, "ifconfig": _with_lan(said["ifconfig"], number)}


def _cable(a: Mac, b: Mac, number: int) -> Cable:
    return Cable((a.name, 3), (b.name, 2), addresses=((_tb(number, 1),), (_tb(number, 2),)))


def _tb(number: int, side: int) -> str:
    return f"10.219.{number // 64}.{number % 64 * 4 + side}/30"


def _lan(number: int) -> str:
    return f"{LAN}.{number // 250}.{number % 250 + 1}"


def _with_lan(printed: Printed, number: int) -> Printed:
    said = printed.stdout.replace(
        b"inet 192.168.86.11 netmask 0xffffff00 broadcast 192.168.86.255",
        f"inet {_lan(number)} netmask 0xffff0000 broadcast {LAN}.255.255".encode(),
    )
    assert said != printed.stdout
    return replace(printed, stdout=said)


def _write_answers(count: int, folder: Path) -> tuple[tuple[str, ...], int]:
    """Write what every host answers; only stdout, so that a stand-in is one `cat`."""
    names, nbytes = [], 0
    for host, printed in _answers(count):
        (folder / host).mkdir(parents=True)
        for command in COMMANDS:
            said = printed[command.name]
            assert not said.exit_status
            assert not said.stderr
            nbytes += (folder / host / f"{command.name}.out").write_bytes(said.stdout)
        names.append(host)
    return tuple(names), nbytes


def _write_client(found: Ring) -> None:
    sim, folder = found.sim, found.folder
    for number, name in enumerate(found.names):
        shim = sim.folder / "bin" / name / "ipconfig"  # mlx.distributed_config asks for it
        shim.write_text(f"#!/bin/sh\necho {_lan(number)}\n")
        shim.chmod(0o755)
    lines = "".join(f"  - name: {n}\n    ip: {_lan(i)}\n" for i, n in enumerate(found.names))
    (folder / "inventory.yaml").write_text(f"cluster: ring-{len(found.names)}\nhosts:\n{lines}")
    (folder / "floor.json").write_text(
        json.dumps(
            {
                "addresses": list(sim.addresses.values()),
                "port": sim.port,
                "user": sim.user,
                "known_hosts": str(sim.ssh / "known_hosts"),
                "identity_file": str(sim.ssh / "id_ed25519"),
                "script": script(),
            }
        )
    )
    (folder / "names").write_text("".join(f"{name}\n" for name in found.names))
    _write_sh(
        folder / "serial",
        f"while read -r host; do ssh -n -F {found.config} {TIGHT} $host {shlex.quote(script())}"
        f" || exit 1; done <{folder}/names",
    )
    # OpenSSH looks for its configuration where the user lives, not where HOME says
    (folder / "bin").mkdir()
    _write_sh(folder / "bin" / "ssh", f'exec {shutil.which("ssh")} -n -F {found.config} "$@"')


def _write_sh(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
