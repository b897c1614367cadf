"""Unchecked: every failure that is known, with the checks that see it, or why none does.

The ids are those of the list of failures that the checks were made from; they are not ids of
checks. A test holds both tables against that list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Unchecked:
    """A failure that no check sees before a launch. `by_hand` is what a person can run instead."""

    id: str
    what: str
    because: str
    by_hand: str = ""


COVERS: Mapping[str, tuple[str, ...]] = {
    # ssh and launcher
    "ssh-not-passwordless": ("access-reachable",),
    "ssh-quiet-hides-cause": ("access-reachable",),
    "ssh-noisy-shell-init": ("access-quiet",),
    "ssh-login-shell-unsupported": ("access-shell",),
    "remote-python-missing": ("versions-mlx-present",),
    "version-mismatch": (
        "versions-mlx-match",
        "versions-mlx-metal",
        "versions-mlx-lm-match",
        "versions-python-match",
    ),
    "orphan-remote-ranks": ("resources-ranks", "resources-domains", "rendezvous-port-free"),
    "hostfile-malformed": (
        "hostfile-backend",
        "hostfile-hosts",
        "hostfile-rows",
        "hostfile-ips",
    ),
    "hostfile-rank-order": ("hostfile-wiring", "hostfile-pairs"),
    "hostfile-stale-after-reboot": (
        "hostfile-device",
        "hostfile-wiring",
        "hostfile-ips",
        "network-own-address",
        "network-address-persistent",
    ),
    "name-resolution-slow-or-link-local": ("hostfile-ips", "access-fast"),
    "gssapi-or-corporate-ssh-delay": ("access-fast",),
    "distributed-config-crashes": ("rdma-device-interface", "versions-mlx-messages"),
    "mpi-libname-lookup-broken": ("backend-expected",),
    # macOS
    "macos-too-old": ("versions-macos-rdma", "versions-macos-buffers", "versions-macos-frames"),
    "macos-version-mismatch": ("versions-macos-match", "versions-macos-frames"),
    "wheel-without-jaccl": ("versions-mlx-jaccl", "environment-version-compat"),
    "firewall-or-vpn-drops": (
        "network-firewall",
        "network-vpn-default",
        "network-vpn-overlap",
        "network-coordinator-route",
    ),
    "sleep-or-idle-degradation": ("power-sleep",),
    "rdma-not-enabled": ("rdma-enabled", "rdma-devices-listed", "rdma-stored-switch"),
    "tb4-hardware": ("hardware-thunderbolt5",),
    "kernel-panics": ("crashes-panic", "resources-wired-limit"),
    "wired-memory-leak": ("resources-wired-memory", "crashes-memory"),
    "wired-limit-default-or-mismatch": (
        "resources-wired-limit",
        "resources-wired-limit-match",
        "resources-swap",
    ),
    "launchd-background-gpu": ("environment-launchd",),
    # ports and cables
    "mac-studio-port-next-to-ethernet": ("hardware-port-beside-ethernet",),
    "link-not-80g": ("cabling-speed",),
    "port-down": ("rdma-port-active", "rdma-far-service"),
    "rdma-wedge-ibv-devinfo-hangs": ("rdma-stack-wedged", "resources-stuck"),
    "incomplete-mesh": ("cabling-expected", "hardware-ports-enough"),
    "multiple-cables-crossed": ("hostfile-wiring", "hostfile-pairs", "cabling-spare-cable"),
    "hub-or-display-in-path": ("cabling-direct", "cabling-both-ends"),
    "cable-unplugged-mid-run": ("crashes-ranks",),
    # addresses, bridges, routes
    "bridge-captures-port": ("network-bridge", "gid-ipv4-mapped", "network-bridge-stored"),
    "bridge-ip-on-bridge0-for-ring": ("network-bridge", "network-ipv4"),
    "no-ipv4-on-port": ("network-ipv4", "network-link-local", "gid-ipv4-mapped"),
    "coordinator-ip-not-on-rank0": (
        "hostfile-ips",
        "network-own-address",
        "network-address-unique",
    ),
    "bridge-loop-broadcast-storm": ("network-bridge-loop",),
    "bridge-resurrected": ("network-bridge-stored", "network-sharing"),
    "bridge-destroy-kills-usb-nic": ("network-usb-uplink",),
    "ip-not-persistent": ("network-address-persistent",),
    "subnet-collision": ("network-lan-overlap", "network-vpn-overlap", "network-autosetup-range"),
    "wrong-route-or-interface": (
        "network-route",
        "network-coordinator-route",
        "network-cables-apart",
    ),
    "exo-network-daemon-conflict": ("network-exo",),
    "internet-sharing-dhcp-on-port": ("network-sharing", "network-default-route"),
    "mtu-jumbo": ("network-mtu",),
    "port-in-use": ("rendezvous-port-free",),
    "ipv6-only-link": ("network-ipv4", "hostfile-ips"),
    # devices and GIDs
    "device-not-found": ("rdma-device", "hostfile-device"),
    "gid-not-at-index-1": ("gid-index-1", "gid-current-address"),
    "gid-table-empty": ("gid-ipv4-mapped", "gid-link-local"),
    "rtr-errno-22-uninitialised-gid": ("gid-ipv4-mapped", "versions-mlx-gid"),
    "rtr-errno-60": ("hostfile-wiring", "network-subnet", "gid-current-address"),
    "rtr-errno-16": ("resources-ranks", "resources-domains"),
    "pd-allocation-failed": ("rdma-port-active", "cabling-speed", "resources-domains"),
    "qp-limit": ("resources-rdma-users", "resources-domains"),
    "mr-limit": ("resources-rdma-users",),
    "null-pd-segfault": ("versions-mlx-messages", "rdma-device"),
    "librdma-symbol-missing": ("versions-macos-rdma", "versions-mlx-jaccl"),
    # starting
    "peer-not-listening-yet": ("rendezvous-start",),
    "any-backend-picks-wrong": ("environment-leftovers", "versions-mlx-messages"),
    "ring-heterogeneous-ips": ("hostfile-ips", "hostfile-size"),
    "ring-single-rank-empty-hostfile": ("hostfile-size",),
    "mesh-too-large": ("hostfile-size",),
    "jaccl-misuse": ("hostfile-rows", "hostfile-pairs", "environment-leftovers"),
    # collectives
    "ring-peer-lost": ("versions-mlx-messages",),
    "fast-synch-wedge": ("environment-fast-synch", "hostfile-envs", "resources-gpu"),
    "p2p-wrong-data-after-init": ("versions-mlx-first-send",),
    "jaccl-fixed-races": ("versions-mlx-races", "versions-mlx-messages"),
    "ring-specific": ("versions-mlx-messages",),
    "nax-moe-regression-0.32.2": ("versions-mlx-mixed-chips",),
    # speed
    "low-bandwidth": (
        "versions-macos-buffers",
        "versions-mlx-frames",
        "cabling-speed",
        "power-low",
        "probes-bandwidth",
    ),
    "ip-over-tb-slow-but-rdma-fine": ("cabling-direct", "probes-bandwidth"),
    # applications
    "heterogeneous-memory-oom": ("resources-memory-match",),
    "macmon-crash": ("resources-macmon",),
}
"""Failure -> checks that see it, or what makes it likely."""

_LOG = "it leaves no trace before a launch; `mlxdiag diagnose` knows it in the log of the run"
_RUN = "it is a state of a job that runs; then `mlxdiag hang` looks at its ranks"
_MODEL = "it depends on the model and on what is asked of it, and mlxdiag reads no models"

UNCHECKED: tuple[Unchecked, ...] = (
    Unchecked(
        "ssh-localhost-vs-127",
        "mlx.launch logs in to its own machine, because the hostfile calls it by a name",
        "whether a host can log in to itself is known only by a login from there, and mlxdiag makes"
        " none from host to host; as `ssh` of that rank give 127.0.0.1",
        "ssh -o BatchMode=yes localhost true",
    ),
    Unchecked(
        "launcher-exit-zero",
        "mlx.launch ends with 0 although a rank failed",
        "it is how mlx.launch is made; read its log for `Node with rank`",
    ),
    Unchecked(
        "sudo-missing-autosetup",
        "mlx.distributed_config --auto-setup stops, because sudo wants a password",
        "mlxdiag needs no sudo and asks for none: a refusal is noted in the host's log",
        "sudo -n true",
    ),
    Unchecked(
        "nohup-or-detached-daemon-cannot-connect",
        "a rank started by nohup, tmux or launchd cannot connect, one from Terminal can",
        "macOS decides by the program that started the rank, and mlxdiag is started by another",
    ),
    Unchecked(
        "local-network-privacy",
        "Local Network privacy keeps Python from its peers (errno 65) while nc connects",
        "macOS decides by the program that started the rank, and only a connection from there shows"
        " it; the list, com.apple.networkextension.plist, is root's and its form is not public",
        "PYTHON -c 'import socket; socket.create_connection((\"PEER\", 22), 3)'",
    ),
    Unchecked(
        "macos27-network-lockdown",
        "macOS 27 refuses changes by networksetup",
        "single reports, and only a change would show it; System Settings can still make it",
    ),
    Unchecked(
        "tcp-probe-poisons-rendezvous",
        "a connection to rank 0 by a monitor is taken for a rank",
        "who will connect is not to be seen; mlxdiag itself never connects to these ports",
    ),
    Unchecked("open-device-failed", "jaccl cannot open a device that is listed", _LOG),
    Unchecked("rank0-waits-forever", "rank 0 waits for a rank that never started", _RUN),
    Unchecked("side-channel-closed", "a rank reports that another one has gone", _LOG),
    Unchecked("peer-lost-hang", "ranks of jaccl wait for ever for one that has gone", _RUN),
    Unchecked("gpu-timeout", "the GPU waits too long for a collective and gives up", _LOG),
    Unchecked(
        "tp-output-corruption",
        "long prompts give nonsense under tensor parallelism",
        f"{_MODEL}; compare a long prompt with one host's answer at temperature 0",
    ),
    Unchecked("concurrent-requests-crash", "two requests at once end mlx_lm.server", _LOG),
    Unchecked(
        "fast-synch-off-slow",
        "without MLX_METAL_FAST_SYNCH inference over RDMA is slow",
        "a choice, not a fault: environment-fast-synch says what it costs to set it",
    ),
    Unchecked("tp-slower-than-single", "several hosts are slower than one", _MODEL),
    Unchecked("model-without-parallelism", "the model cannot be divided at all", _MODEL),
    Unchecked("not-all-ranks-in-generate", "one rank does not call what the others call", _RUN),
    Unchecked(
        "health-200-but-dead",
        "the server answers and its ranks do not",
        "it is a state of a server that runs; then `mlxdiag server` asks it for an answer",
    ),
    Unchecked("model-missing-or-downloading", "a host has no model, or another one", _MODEL),
    Unchecked("prefill-50k-freeze", "prompts of 50 000 tokens freeze two ranks", _MODEL),
    Unchecked("metal-resource-limit", "Metal runs out of buffers", _LOG),
)


def section() -> str:
    """Write the part of docs/checks.md about them."""
    return "\n".join(("## Not checked, because\n", _INTRO, *map(_row, UNCHECKED), ""))


_INTRO = """What is known to fail and is not seen before a launch. What a person can run on a host
stands beside it.

| failure | not checked, because | by hand |
| --- | --- | --- |"""


def _row(entry: Unchecked) -> str:
    by_hand = f"`{entry.by_hand}`" if entry.by_hand else ""
    return f"| {entry.what} | {entry.because} | {by_hand} |"


def failures() -> Iterator[str]:
    """Name every failure that is covered or explained away, in the order of the tables."""
    yield from COVERS
    yield from (entry.id for entry in UNCHECKED)
