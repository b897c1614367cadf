"""The scenes of the comparison, and in which of them each known failure is shown.

A scene is a cluster behind a real sshd, with a hostfile on it where the failure is one of the file.
Where no state of a host shows it before a launch: the message that a failed run leaves, or the
ranks of the one that hangs.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlxdiag import hostfile
from mlxdiag.hostfile import Hostfile
from mlxdiag.inventory import Expect
from mlxdiag.recording import Recording
from tests.checks.further import AREAS
from tests.checks.recorded import expecting, recording_of
from tests.checks.surveyed import clean
from tests.hang.model import Rank
from tests.hang.test_judge import BUSY, IN_INIT, WAITS, WAITS_RING
from tests.hostfiles import Change, at, cell, ordered, told
from tests.model import CASES
from tests.model.cluster import DOWN, ModelCluster

FAILING: ChainMap[str, Callable[[], Recording]] = ChainMap(*(area.FAILING for area in AREAS))


@dataclass(frozen=True)
class Scene:
    """A cluster, and how reaching it goes.

    `file` gives the text of a hostfile that both tools are handed. With `unknown_key` and `noisy`
    the key of HOST is not in known_hosts, and its shell greets. With `auto_setup` MLX's tool is
    asked to use sudo, which wants a password on every host. `key_s` is how long each host takes to
    look a key up, `start_s` how long the Python of HOST takes to begin, in seconds.
    """

    made: Callable[[], Recording]
    file: Callable[[], str] | None = None
    unknown_key: bool = False
    noisy: bool = False
    auto_setup: bool = False
    key_s: float = 0.0
    start_s: float = 0.0


@dataclass(frozen=True)
class Log:
    """What a failed run printed, and the entry of `diagnose` that is meant; "" if there is none.

    `scene` is where MLX's tool is run beside it, if anything is to be seen there.
    """

    text: str
    entry: str
    scene: str = ""


@dataclass(frozen=True)
class Job:
    """The ranks of a job that runs, as `mlxdiag hang` recorded them, and the verdict meant."""

    ranks: Sequence[Rank | None]
    verdict: str


def modelled(name: str, expect: Expect | None = None) -> Callable[[], Recording]:
    """Give a case of the model that was asked everything."""

    def made() -> Recording:
        recording = surveyed(CASES[name]())
        return expecting(recording, expect) if expect else recording

    return made


def surveyed(cluster: ModelCluster) -> Recording:
    """Record a cluster that answers everything `check` asks."""
    return recording_of(replace(cluster, surveyed=True))


def beside_ethernet() -> Recording:
    """Cable the receptacle beside Ethernet, and let the port of macstudio1 there stay down."""
    cluster = CASES["two-cables"]()
    return surveyed(replace(cluster, port_states={("macstudio1", 1): DOWN}))


def spoilt(case: str, backend: str, *changes: Change) -> Callable[[], str]:
    """Write the hostfile that is right for a case, with something changed."""

    def text() -> str:
        right = told(case, backend)
        named = (replace(host, ssh=host.ssh.removesuffix(".local")) for host in right.hosts)
        made = replace(right, hosts=tuple(named))
        for change in changes:
            made = change(made)
        return hostfile.dumps(made)

    return text


def one_host(made: Hostfile) -> Hostfile:
    """Keep rank 0 alone."""
    return replace(made, hosts=made.hosts[:1])


def a_mesh(made: Hostfile) -> Hostfile:
    """Call a ring a mesh."""
    return replace(made, backend="jaccl")


_MESH = partial(spoilt, "clean-mesh-4", "jaccl")
_CROSSED = spoilt("two-cables", "jaccl", cell(0, 1, ("rdma_en4", "rdma_en2")))

SCENES: Mapping[str, Scene] = {
    "clean": Scene(clean),
    **{id_: Scene(made) for id_, made in FAILING.items()},
    **{name: Scene(modelled(name)) for name in CASES},
    "unknown key": Scene(clean, unknown_key=True),
    "noisy": Scene(clean, noisy=True),
    "no sudo": Scene(clean, auto_setup=True),
    "slow login": Scene(modelled("clean-pair"), key_s=2.0),
    "slow start": Scene(clean, start_s=12.0),
    "beside Ethernet": Scene(beside_ethernet),
    "mpi": Scene(modelled("clean-mesh-4", Expect(backend="mpi"))),
    "short row": Scene(clean, _MESH(at(1, rdma=("rdma_en3", None, "rdma_en4")))),
    "rank order": Scene(
        modelled("clean-ring-4"), spoilt("clean-ring-4", "jaccl-ring", ordered(0, 2, 1, 3))
    ),
    "no such device": Scene(clean, _MESH(cell(3, 0, "rdma_en9"))),
    "a name as address": Scene(clean, _MESH(at(0, ips=("macstudio1.local",)))),
    "old address": Scene(clean, _MESH(at(0, ips=("192.168.86.99",)))),
    "IPv6 address": Scene(clean, _MESH(at(0, ips=("fe80::1",)))),
    "crossed": Scene(modelled("two-cables"), _CROSSED),
    "uneven addresses": Scene(
        modelled("clean-ring-4", Expect(backend="ring", topology="ring")),
        spoilt("clean-ring-4", "ring", at(1, ips=("10.219.1.2", "192.168.86.12"))),
    ),
    "one rank": Scene(
        modelled("ethernet-only"),
        spoilt("ethernet-only", "ring", one_host),
    ),
    "nine ranks": Scene(
        modelled("mesh-9-hosts-ring"), spoilt("mesh-9-hosts-ring", "jaccl-ring", a_mesh)
    ),
}
"""Every scene by name; only those that a failure names are run."""

LOGS: Mapping[str, Log] = {
    "launcher-exit-zero": Log("[WARN] Node with rank 1 exited with code 255", "launch-exit-255"),
    "ssh-localhost-vs-127": Log("[WARN] Node with rank 0 exited with code 255", "launch-exit-255"),
    "sudo-missing-autosetup": Log(
        "[WARN] Automatic setup requested but the following hosts do not have passwordless sudo",
        "config-no-sudo",
        "no sudo",
    ),
    "nohup-or-detached-daemon-cannot-connect": Log(
        "[ring] Couldn't connect (error: 65)", "ring-connect"
    ),
    "local-network-privacy": Log("OSError: [Errno 65] No route to host", "local-network"),
    "tcp-probe-poisons-rendezvous": Log("[jaccl] Recv failed with errno=2", ""),
    "open-device-failed": Log("[jaccl] Could not open device rdma_en5", "jaccl-open-device"),
    "side-channel-closed": Log("[jaccl] Recv failed with errno=57", "jaccl-side-channel"),
    "gpu-timeout": Log(
        "[METAL] Command buffer execution failed: Caused GPU Timeout Error"
        " (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
        "metal-gpu-timeout",
    ),
    "concurrent-requests-crash": Log(
        "_pickle.UnpicklingError: invalid load key, '\\x00'.", "pickle"
    ),
    "model-without-parallelism": Log(
        "ValueError: Model type nemotron not supported for pipelining", "no-parallelism"
    ),
    "model-missing-or-downloading": Log(
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot"
        " folder for the specified revision",
        "model-offline",
    ),
    "metal-resource-limit": Log(
        "[metal::malloc] Resource limit (499000) exceeded.", "metal-resource-limit"
    ),
}
"""Failure -> what it leaves in a log, where no check sees it before a launch."""

JOBS: Mapping[str, Job] = {
    "rank0-waits-forever": Job((IN_INIT, None), "rank-gone"),
    "peer-lost-hang": Job((WAITS, WAITS, None, WAITS), "rank-gone"),
    "not-all-ranks-in-generate": Job((WAITS_RING, BUSY, WAITS_RING), "behind"),
}
"""Failure -> the ranks it leaves, where it is one of a job that runs."""

SHOWN: Mapping[str, str] = {
    "ssh-not-passwordless": "unknown key",
    "ssh-quiet-hides-cause": "unknown key",
    "ssh-noisy-shell-init": "noisy",
    "ssh-login-shell-unsupported": "access-shell",
    "remote-python-missing": "no-mlx",
    "version-mismatch": "mixed-mlx",
    "orphan-remote-ranks": "resources-ranks",
    "hostfile-malformed": "short row",
    "hostfile-rank-order": "rank order",
    "hostfile-stale-after-reboot": "no such device",
    "name-resolution-slow-or-link-local": "a name as address",
    "gssapi-or-corporate-ssh-delay": "slow login",
    "distributed-config-crashes": "device-without-interface",
    "mpi-libname-lookup-broken": "mpi",
    "macos-too-old": "macos-26.1",
    "macos-version-mismatch": "mixed-macos",
    "wheel-without-jaccl": "old-wheel",
    "firewall-or-vpn-drops": "network-vpn-default",
    "sleep-or-idle-degradation": "power-sleep",
    "rdma-not-enabled": "rdma-off-one-host",
    "tb4-hardware": "tb4-in-the-mix",
    "kernel-panics": "crashes-panic",
    "wired-memory-leak": "resources-wired-memory",
    "wired-limit-default-or-mismatch": "resources-wired-limit-match",
    "launchd-background-gpu": "environment-launchd",
    "mac-studio-port-next-to-ethernet": "beside Ethernet",
    "link-not-80g": "slow-cable",
    "port-down": "incident",
    "rdma-wedge-ibv-devinfo-hangs": "hung-ibv-devinfo",
    "incomplete-mesh": "broken-cable",
    "multiple-cables-crossed": "crossed",
    "hub-or-display-in-path": "peer-behind-dock",
    "cable-unplugged-mid-run": "crashes-ranks",
    "bridge-captures-port": "bridge0-port",
    "bridge-ip-on-bridge0-for-ring": "stock-bridge",
    "no-ipv4-on-port": "no-ipv4-gid",
    "coordinator-ip-not-on-rank0": "old address",
    "bridge-loop-broadcast-storm": "network-bridge-loop",
    "bridge-resurrected": "network-bridge-stored",
    "bridge-destroy-kills-usb-nic": "network-usb-uplink",
    "ip-not-persistent": "network-address-persistent",
    "subnet-collision": "network-lan-overlap",
    "wrong-route-or-interface": "network-route",
    "exo-network-daemon-conflict": "network-exo",
    "internet-sharing-dhcp-on-port": "network-sharing",
    "mtu-jumbo": "network-mtu",
    "port-in-use": "rendezvous-port-free",
    "ipv6-only-link": "IPv6 address",
    "device-not-found": "no such device",
    "gid-not-at-index-1": "gid-at-index-2",
    "gid-table-empty": "gid-link-local",
    "rtr-errno-22-uninitialised-gid": "no-ipv4-gid",
    "rtr-errno-60": "subnet-mismatch",
    "rtr-errno-16": "resources-domains",
    "pd-allocation-failed": "incident",
    "qp-limit": "resources-rdma-users",
    "mr-limit": "resources-rdma-users",
    "null-pd-segfault": "versions-mlx-messages",
    "librdma-symbol-missing": "macos-26.1",
    "peer-not-listening-yet": "slow start",
    "any-backend-picks-wrong": "environment-leftovers",
    "ring-heterogeneous-ips": "uneven addresses",
    "ring-single-rank-empty-hostfile": "one rank",
    "mesh-too-large": "nine ranks",
    "jaccl-misuse": "short row",
    "ring-peer-lost": "versions-mlx-messages",
    "fast-synch-wedge": "environment-fast-synch",
    "p2p-wrong-data-after-init": "versions-mlx-first-send",
    "jaccl-fixed-races": "versions-mlx-races",
    "ring-specific": "versions-mlx-messages",
    "nax-moe-regression-0.32.2": "versions-mlx-mixed-chips",
    "low-bandwidth": "slow-cable",
    "ip-over-tb-slow-but-rdma-fine": "peer-behind-dock",
    "heterogeneous-memory-oom": "resources-memory-match",
    "macmon-crash": "resources-macmon",
}
"""Failure -> the scene it is shown in, where a check sees it before a launch."""
