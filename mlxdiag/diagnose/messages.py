"""Messages: every error that MLX distributed and what is around it print, an entry each. Data.

Of one line the first entry that fits counts, so the narrower of two stands first. Nothing of this
was seen on a Mac by us: texts are those of MLX's sources (commit 846d17622, 2026-08-22, and the
wheel of 0.32.4), meanings those of the sources and public reports that each entry names. An id
never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlxdiag.diagnose.entry import About, Confidence, Entry, Likely, Role
from mlxdiag.finding import Fix, FixKind

MLX = "https://github.com/ml-explore/mlx"
_CORE = f"{MLX}/blob/846d17622/mlx/distributed"
_PYTHON = f"{MLX}/blob/846d17622/python/mlx/_distributed_utils"
_DOCS = "https://ml-explore.github.io/mlx/build/html/usage/distributed.html"
_TN3205 = (
    "https://developer.apple.com/documentation/technotes/"
    "tn3205-low-latency-communication-with-rdma-over-thunderbolt"
)
_EXO = "https://github.com/exo-explore/exo"
_LM = "https://github.com/ml-explore/mlx-lm"
_OMLX = "https://github.com/jundot/omlx"

_TCP = (f"{_CORE}/utils.cpp", f"{_CORE}/jaccl/lib/jaccl/tcp.cpp")
_RING = (f"{_CORE}/ring/ring.cpp",)
_JACCL = (f"{_CORE}/jaccl/lib/jaccl/jaccl.cpp",)
_RDMA = (f"{_CORE}/jaccl/lib/jaccl/rdma.cpp",)
_MPI = (f"{_CORE}/mpi/mpi.cpp",)
_ANY = (f"{_CORE}/distributed.cpp",)
_LAUNCH = (f"{_PYTHON}/launch.py",)
_CONFIG = (f"{_PYTHON}/config.py",)
_COMMON = (f"{_PYTHON}/common.py",)

_NOTHING = Fix(FixKind.NONE, "look for the first error of the rank that failed")


def _entry(
    id: str,  # noqa: A002
    by: str,
    says: str,
    pattern: str,
    means: str,
    sources: tuple[str, ...],
    fix: tuple[FixKind, str] | tuple[FixKind, str, str] | None = None,
    *causes: tuple[str, ...],
    errnos: Mapping[str, str] = {},
    role: Role = Role.CAUSE,
    about: About = "",
    versions: str = "",
    confidence: Confidence = "source",
    no_retry: bool = False,
) -> Entry:
    """Make an entry; a cause is its text and the ids of the checks that test it."""
    return Entry(
        id=id,
        by=by,
        says=says,
        pattern=pattern,
        means=means,
        fix=Fix(*fix) if fix else _NOTHING,
        sources=sources,
        causes=tuple(Likely(text, tuple(checks)) for text, *checks in causes),
        errnos=errnos,
        role=role,
        about=about,
        versions=versions,
        confidence=confidence,
        no_retry=no_retry,
    )


_ADDRESS_GONE = (
    "the address is not on the host now: lost at a restart, on bridge0, or of another host",
    "hostfile-ips",
    "network-ipv4",
    "network-bridge",
    "network-link-local",
    "network-address-persistent",
    "network-exo",
)
_STALE = (
    "a rank of an earlier run, or another server, is still there",
    "rendezvous-port-free",
    "resources-ranks",
)
_LATE = ("rank 0 ended before, or started too late", "rendezvous-start")
_LEFT_OVER = (
    "a variable is left over in a shell profile",
    "environment-leftovers",
    "hostfile-envs",
)
_TOO_LARGE = ("its part does not fit into its memory", "crashes-memory", "resources-swap")
_STILL_HELD = (
    "memory of a killed rank is still held: only a restart gives it back",
    "resources-wired-memory",
)
_WIRED_LIMIT = (
    "`sysctl iogpu.wired_limit_mb` leaves less than a quarter of the memory",
    "resources-wired-limit",
)
_ROUTE = (
    "a wrong route, or ends in different subnets",
    "hostfile-reach",
    "network-subnet",
    "network-link-local",
    "network-bridge",
    "network-route",
    "network-coordinator-route",
)
_CABLE = ("the interface of the cable is not active", "network-interface-active")
_PRIVACY = (
    "macOS' Local Network privacy denies the process that started the rank; ping and ssh still"
    " work then",
)
_FIREWALL = (
    "a firewall or a VPN drops the packets",
    "network-firewall",
    "network-vpn-default",
    "network-vpn-overlap",
)
_PORT_DOWN = (
    "a port is PORT_DOWN: no cable, the far Mac is off or has RDMA switched off, or the matrix"
    " names another port",
    "rdma-port-active",
    "rdma-host-ports",
    "rdma-far-service",
    "hostfile-wiring",
)
_NOT_TB5 = (
    "the link is no Thunderbolt 5 link",
    "hardware-thunderbolt5",
    "cabling-speed",
    "cabling-direct",
)
_NO_GID = (
    "the port has no IPv4-mapped GID: no address, or it is a bridge's member",
    "gid-ipv4-mapped",
    "network-ipv4",
    "network-bridge",
)
_GID_MOVED = (
    "the IPv4-mapped GID is not at index 1, which MLX always uses, or is that of an old address",
    "gid-index-1",
    "gid-current-address",
)
_LEAKED = (
    "protection domains are leaked by failed starts and killed ranks: a device has about 11",
    "resources-domains",
    "resources-ranks",
)
_SLEPT = ("a Mac slept, which drops its links", "power-sleep")
_WEDGED = ("the driver does not answer", "rdma-stack-wedged")
_WRONG_CABLE = (
    "the device is that of another cable",
    "hostfile-wiring",
    "hostfile-pairs",
    "cabling-both-ends",
)
_OTHER_USER = ("another process uses the same RDMA device", "resources-rdma-users")
_MIXED = ("the ranks run different versions", "versions-mlx-match", "versions-macos-match")
_NO_RDMA = (
    "RDMA is off, or the Mac has no Thunderbolt 5",
    "rdma-enabled",
    "hardware-thunderbolt5",
    "rdma-devices-listed",
    "rdma-stored-switch",
)
_OLD_MACOS = ("macOS is older than 26.2", "versions-macos-rdma")
_MATRIX = (
    "the matrix misses a pair, or its rows are wrong",
    "hostfile-rows",
    "hostfile-device",
    "hostfile-pairs",
    "hostfile-size",
)
_SINGLETON = (
    "init was not strict and formed a group of one: no variables, or a matrix that is neither"
    " mesh nor ring",
    "hostfile-rows",
    "hostfile-pairs",
    "versions-mlx-jaccl",
)

_SOCKETS = (
    "the host gives no socket: its limit of open files is reached (`ulimit -n`)",
    (FixKind.SETTINGS, "close what holds files open, or raise `ulimit -n` where the rank starts"),
)

RING = (
    _entry(
        "ring-bind", "mlx ring", "[ring] Couldn't bind socket (error: 49)",
        r"\[ring\] Couldn't bind socket \(error: (?P<errno>\d+)",
        "the rank cannot listen at the address that the hostfile gives it", _TCP,
        (FixKind.RUN, "write the hostfile anew from the addresses that are there",
         "mlxdiag hostfile write --backend ring"),
        _ADDRESS_GONE, _STALE,
        errnos={
            "EADDRNOTAVAIL": "the host does not hold the address that the hostfile gives this rank",
            "EADDRINUSE": "somebody listens at this rank's port already",
            "EACCES": "the port is below 1024, which needs root",
            "EINVAL": "the address is IPv6, which MLX cannot use",
            "EAFNOSUPPORT": "the address is IPv6, which MLX cannot use",
        },
        about="coordinator", confidence="several",
    ),
    _entry(
        "ring-connect", "mlx ring", "[ring] Couldn't connect (error: 61)",
        r"\[ring\] Couldn't connect \(error: (?P<errno>\d+)",
        "the next rank's address does not answer: five attempts, at 0, 1, 3, 7 and 15 s",
        (*_TCP, *_RING, f"{MLX}/issues/3755"),
        (FixKind.NONE, "see whether the next rank failed first; start all ranks within 10 s"),
        ("the next rank ended before, or started too late", "rendezvous-start"), _ROUTE, _CABLE,
        _PRIVACY, _FIREWALL,
        errnos={
            "ECONNREFUSED": "the next rank's host answers, and nobody listens there: that rank"
            " ended before, or started too late",
            "ETIMEDOUT": "no answer from the next rank's address: a firewall, a VPN or a wrong"
            " route. The number never says which machine is wrong",
            "EHOSTUNREACH": "no route to the next rank; where ping works, macOS' Local Network"
            " privacy denies it",
            "ENETUNREACH": "no route to the network of the next rank's address",
            "ENETDOWN": "the interface to the next rank is down",
        },
        role=Role.SYMPTOM, about="coordinator", confidence="several",
    ),
    _entry(
        "ring-socket", "mlx ring", "[ring] Couldn't create socket (error: 24)",
        r"\[ring\] (?:Couldn't create socket(?: to connect)?|Couldn't enable reuse(?:addr|port)"
        r"|Couldn't listen|Accept failed) \(error: (?P<errno>\d+)",
        _SOCKETS[0], _TCP, _SOCKETS[1],
    ),
    _entry(
        "ring-environment", "mlx ring",
        "[ring] You need to provide via environment variables both a rank (MLX_RANK) and a"
        ' hostfile (MLX_HOSTFILE) but provided MLX_RANK="" and MLX_HOSTFILE=""',
        r"\[ring\] You need to provide via environment variables",
        "MLX_RANK or MLX_HOSTFILE is missing: the script was not started by mlx.launch", _RING,
        (FixKind.RUN, "start it with mlx.launch, on every rank"),
    ),
    _entry(
        "ring-rank", "mlx ring", "[ring] Rank cannot be larger than the size of the group",
        r"\[ring\] Rank cannot be larger than the size of the group",
        "MLX_RANK is not below the number of hosts in MLX_HOSTFILE: ranks have different files"
        " or a variable is left over", _RING,
        (FixKind.SETTINGS, "unset MLX_RANK and MLX_HOSTFILE in shell profiles; one hostfile for"
         " all"),
        ("the hostfile is not that of these hosts", "hostfile-all-hosts"),
        _LEFT_OVER,
    ),
    _entry(
        "ring-no-sockets", "mlx ring", "[ring] Rank 1 has no sockets to the right.",
        r"\[ring\] Rank (?P<rank>\d+) has no sockets to the (?:right|left)",
        "a host of the hostfile has no address", _RING,
        (FixKind.RUN, "give every host an IPv4 address in `ips`",
         "mlxdiag hostfile write --backend ring"),
        ("`ips` of a host is empty", "hostfile-ips", "hostfile-size"),
    ),
    _entry(
        "ring-uneven", "mlx ring",
        "[ring] It is required to have as many connections to the left as to the right but rank 1"
        " has 2 connections to the right and 1 to the left.",
        r"\[ring\] It is required to have as many connections to the left as to the right but rank"
        r" (?P<rank>\d+)",
        "hosts have different numbers of addresses in the hostfile", _RING,
        (FixKind.RUN, "give every host as many addresses as the others",
         "mlxdiag hostfile write --backend ring"),
        ("`ips` differ in length", "hostfile-size"),
    ),
    _entry(
        "ring-phase", "mlx ring", "[ring] Rank 1 accepting",
        r"\[ring\] Rank (?P<rank>\d+) (?:accepting|connecting to)",
        "progress of init (MLX_RING_VERBOSE): where it is a rank's last word, it waits there;"
        " accept has no timeout", _RING, None,
        ("the rank before it never started, or waits itself",), _ROUTE,
        role=Role.NOTICE,
    ),
    _entry(
        "ring-attempt", "mlx ring", "[ring] Attempt 0 waiting 1000 ms (error: 61 )",
        r"\[ring\] Attempt \d+ waiting \d+ ms \(error: (?P<errno>\d+)",
        "the next rank does not listen yet; it is tried five times", _RING, None,
        role=Role.NOTICE,
    ),
    _entry(
        "ring-link", "mlx ring", "[ring] Receiving from socket 5 failed with errno 60",
        r"\[ring\] (?:Receiving from|Sending to) socket \d+ failed with errno"
        r" (?P<errno>50|51|60|65)\b",
        "the neighbour's host does not answer any more", (*_RING, f"{MLX}/pull/4060"),
        (FixKind.REPLUG, "see the cable, and whether the neighbour's Mac runs"),
        _CABLE, ("the cable was pulled, or the Mac at its other end went down or slept",
                 "cabling-both-ends", "access-reachable"), _ROUTE, _SLEPT,
        errnos={
            "ETIMEDOUT": "the neighbour's host does not answer any more: its link or the Mac"
            " itself has gone",
            "ENETDOWN": "the interface to the neighbour went down",
            "ENETUNREACH": "the route to the neighbour went away",
            "EHOSTUNREACH": "the route to the neighbour went away",
        },
        role=Role.SYMPTOM, about="host", confidence="inferred",
    ),
    _entry(
        "ring-receive", "mlx ring", "[ring] Receiving from socket 5 failed with errno 54",
        r"\[ring\] (?:Receiving from|Sending to) socket \d+ (?:failed with errno (?P<errno>\d+)"
        r"|made no progress)",
        "data of a neighbour does not pass", (*_RING, f"{MLX}/pull/4060"), None,
        ("the neighbour's process ended",), _CABLE, _ROUTE,
        errnos={
            "ECONNRESET": "the neighbour's process ended",
            "EPIPE": "the neighbour's process ended",
            "EINVAL": "before MLX 0.32.1: more than 2 GiB in one send",
        },
        role=Role.ECHO, confidence="confirmed",
    ),
    _entry(
        "ring-lost", "mlx ring", "[ring] connection to a peer was lost",
        r"connection to a peer was lost",
        "a neighbour's process or host has gone", (*_RING, f"{MLX}/pull/4060"), None,
        ("the neighbour's rank failed first",), _CABLE,
        role=Role.ECHO, versions="0.32.1 and later", confidence="confirmed",
    ),
    _entry(
        "ring-gave-up", "mlx ring", "[ring] Too many send/recv errors. Failing pending tasks...",
        r"Too many send/recv errors|Socket \d+ was closed by the peer",
        "a neighbour closed its connection", (*_RING, f"{MLX}/pull/4060"), None,
        ("the neighbour's rank failed first",), _CABLE,
        role=Role.ECHO, versions="`Aborting...` up to 0.32.0", confidence="confirmed",
    ),
    _entry(
        "ring-neighbours", "mlx ring",
        "[ring] Send only supported to direct neighbors but tried to send to 2 from 0",
        r"\[ring\] (?:Send only supported to|Recv only supported from) direct neighbors",
        "ring passes messages between neighbours only", _RING,
        (FixKind.SETTINGS, "send to rank + 1 or rank - 1, or use jaccl or mpi"),
    ),
    _entry(
        "ring-too-small", "mlx ring",
        "Can't perform the ring all reduce of 2 elements with a ring of size 4",
        r"Can't perform the ring all reduce of \d+ elements with a ring of size \d+",
        "the array has fewer elements than the group has ranks, and each is too large for the"
        " small path", _RING,
        (FixKind.SETTINGS, "pad the array to as many elements as there are ranks"),
    ),
    _entry(
        "ring-unsupported", "mlx ring", "[ring] Group split not supported.",
        r"\[ring\] (?:Group split not supported|sum_scatter not supported)",
        "ring has no such operation", _RING, (FixKind.SETTINGS, "use a backend that has it"),
    ),
    _entry(
        "ring-no-build", "mlx ring", "Cannot initialize ring distributed backend.",
        r"Cannot initialize ring distributed backend", "this build of MLX has no ring",
        (f"{_CORE}/ring/no_ring.cpp",), (FixKind.UPGRADE, "install MLX's own wheel"),
        ("the installed MLX is another one than meant", "versions-mlx-present"),
    ),
)  # fmt: skip

JACCL = (
    _entry(
        "jaccl-side-channel", "mlx", "[jaccl] Recv failed with errno=2",
        r"(?:Recv|Send) failed with errno=?\s?(?P<errno>-?\d+)",
        "the side channel to another rank closed: that rank failed first",
        (*_TCP, f"{MLX}/pull/4530", f"{_EXO}/issues/1847"), None,
        ("another rank has an error of its own, and it came before",),
        ("something else connected to the rendezvous port: rank 0 takes it for a rank",),
        _SLEPT,
        errnos={
            "ETIMEDOUT": "the side channel to another rank timed out: that rank or its network"
            " hangs, or the Macs slept",
        },
        role=Role.ECHO, confidence="confirmed",
    ),
    _entry(
        "jaccl-peer-gone", "mlx jaccl",
        "[jaccl] peer is gone: side channel to rank 1 closed while waiting in all_reduce (a rank"
        " died or exited; UC RDMA never reports this by itself)",
        r"peer is gone: side channel to rank (?P<rank>\d+) closed",
        "another rank has ended while this one waited for its data",
        (f"{MLX}/pull/4530",), None, ("the rank that is named failed first",),
        role=Role.ECHO, versions="a pull request (#4530), in no release known to us",
    ),
    _entry(
        "jaccl-no-progress", "mlx jaccl",
        "[jaccl] no progress in all_reduce for 30 s (JACCL_PROGRESS_TIMEOUT_S=30): lost frame or"
        " wedged peer",
        r"no progress in \S+ for [\d.]+ ?m?s\b|all_reduce made no progress for \d+ ?ms",
        "data of another rank does not come", (f"{MLX}/pull/4530", f"{MLX}/issues/4403"), None,
        ("another rank hangs or has gone",), _MIXED,
        ("MLX 0.32.2 on different chips", "versions-mlx-mixed-chips"),
        role=Role.ECHO, versions="a pull request (#4530), in no release known to us",
    ),
    _entry(
        "jaccl-no-build", "mlx jaccl", "Cannot initialize jaccl distributed backend.",
        r"Cannot initialize jaccl",
        "the installed mlx is a build without jaccl, or macOS has no librdma",
        (f"{_CORE}/jaccl/no_jaccl.cpp",),
        (FixKind.UPGRADE, "install the wheel of mlx-metal for macOS 26 on every host",
         "pip install --force-reinstall mlx mlx-metal"),
        ("pip took the wheel of an older macOS", "versions-mlx-jaccl", "versions-mlx-metal",
         "environment-version-compat"),
        _OLD_MACOS,
        about="host", confidence="inferred",
    ),
    _entry(
        "backend-name", "mlx",
        "[distributed] The only valid values for backend are 'any', 'mpi', 'nccl', 'jaccl' and"
        " 'ring' but 'jaccl-ring' was provided.",
        r"valid values for backend are",
        "this mlx is older than jaccl (0.30.1)", (*_ANY, f"{_EXO}/issues/997"),
        (FixKind.UPGRADE, "update MLX; where the name is 'jaccl-ring': init takes 'jaccl', and"
         " MLX_JACCL_RING=1 makes the ring"),
        ("MLX is older than 0.30.1", "versions-mlx-match", "versions-mlx-expected"),
        ("the name is one of mlx.launch only, such as jaccl-ring",),
        about="host",
    ),
    _entry(
        "jaccl-symbol", "mlx jaccl", "[jaccl] dlsym(0x7fe0, ibv_open_device): symbol not found",
        r"\[jaccl\] dlsym\(|\[jaccl\].*symbol not found|dlsym\(.*ibv_",
        "librdma of this macOS is too old", _RDMA,
        (FixKind.UPGRADE, "update macOS to 26.3 or later"), _OLD_MACOS, about="host",
    ),
    _entry(
        "jaccl-not-array", "mlx jaccl", "[jaccl] The device file should start with an array",
        r"The device file should start with an array", "the matrix is no JSON list", _JACCL,
        (FixKind.RUN, "MLX_IBV_DEVICES takes the matrix alone, not mlx.launch's hostfile"),
    ),
    _entry(
        "jaccl-not-rows", "mlx jaccl",
        "[jaccl] The device file should have an array of arrays",
        r"should have an array of arrays", "a row of the matrix is no list", _JACCL,
        (FixKind.RUN, "MLX_IBV_DEVICES takes the matrix alone, not mlx.launch's hostfile"),
    ),
    _entry(
        "jaccl-not-square", "mlx jaccl",
        "[jaccl] The device file should contain the connectivity of each rank to all other ranks"
        " but rank 1 contains only 2 entries.",
        r"should contain the connectivity of each rank|full connectivity matrix should be provided",
        "the matrix is not square", _JACCL,
        (FixKind.RUN, "write the hostfile anew", "mlxdiag hostfile write --backend jaccl"),
        ("a row has another length than there are ranks", "hostfile-rows"),
    ),
    _entry(
        "jaccl-bad-cell", "mlx jaccl",
        "[jaccl] Device names should be null, a string or array of strings.",
        r"Device names should be null, a string or array of strings",
        "a cell of the matrix is neither null nor device names", _JACCL,
        (FixKind.RUN, "write the hostfile anew", "mlxdiag hostfile write --backend jaccl"),
        ("a cell is a number or an object", "hostfile-rows", "hostfile-device"),
    ),
    _entry(
        "jaccl-malformed", "mlx jaccl", "[jaccl] Malformed device file",
        r"Malformed device file", "the matrix cannot be read (mlx 0.30)", _JACCL,
        (FixKind.RUN, "write the hostfile anew", "mlxdiag hostfile write --backend jaccl"),
        _MATRIX, versions="0.30.1 to 0.31.1",
    ),
    _entry(
        "json-parse", "mlx",
        "[json.exception.parse_error.101] parse error at line 1, column 1: attempting to parse an"
        " empty input",
        r"json\.exception\.",
        "the matrix did not arrive, or is no JSON", (*_JACCL, *_RING),
        (FixKind.RUN, "see that MLX_IBV_DEVICES or MLX_HOSTFILE names a file with the matrix or"
         " the addresses; ring with one host has an empty one"),
        ("the file is missing or empty: MLX does not check that it opens",),
        ("mlx.launch was given one host: its MLX_HOSTFILE is empty",),
        _LEFT_OVER,
    ),
    _entry(
        "jaccl-environment", "mlx jaccl",
        "[jaccl] You need to provide via environment variables a rank (JACCL_RANK/MLX_RANK), a"
        " device file (JACCL_IBV_DEVICES/MLX_IBV_DEVICES) and a coordinator ip/port"
        " (JACCL_COORDINATOR/MLX_JACCL_COORDINATOR).",
        r"You need to provide via environment variables",
        "a variable is missing, the rank is out of range, or the matrix is neither mesh nor ring",
        _JACCL, (FixKind.RUN, "start it with mlx.launch, and hold its hostfile against the cables",
                 "mlxdiag hostfile check FILE"),
        _MATRIX, _LEFT_OVER,
    ),
    _entry(
        "jaccl-not-mesh", "mlx jaccl", "[jaccl] The devices do not form a valid mesh.",
        r"do not form a valid (?:mesh|ring)|should define a valid mesh or a valid ring",
        "a pair or a neighbour has no device in the matrix, or counts differ",
        (*_JACCL, f"{MLX}/issues/4283"),
        (FixKind.RECABLE, "cable every pair (mesh), or use jaccl-ring with ranks in cable order"),
        ("a pair has no cable", "cabling-expected", "cabling-both-ends"), _MATRIX,
        confidence="confirmed",
    ),
    _entry(
        "jaccl-rank", "mlx jaccl", "[jaccl] Invalid rank 7. It should be between 0 and 4",
        r"Invalid rank (?P<rank>\d+)", "the rank is out of range (mlx 0.30)", _JACCL,
        (FixKind.SETTINGS, "unset MLX_RANK in shell profiles; one hostfile for all"),
        ("the hostfile is not that of these hosts", "hostfile-all-hosts"),
        _LEFT_OVER,
        versions="0.30.1 to 0.31.1",
    ),
    _entry(
        "jaccl-mesh-size", "mlx jaccl",
        "[jaccl] The JACCL mesh supports up to 8 peers but 9 were provided.",
        r"mesh supports up to \d+ peers|maximum number of supported peers",
        "a mesh has at most 8 ranks: jaccl-ring has no limit",
        (f"{_CORE}/jaccl/lib/jaccl/mesh.cpp",),
        (FixKind.SETTINGS, "use jaccl-ring, or fewer hosts"),
        ("the hostfile has more than 8 ranks", "hostfile-size"),
    ),
    _entry(
        "jaccl-ring-wires", "mlx jaccl",
        "[jaccl] Up to 4 per direction supported but 5 were provided.",
        r"Up to \d+ per direction supported", "a ring has at most 4 wires to a neighbour",
        (f"{_CORE}/jaccl/lib/jaccl/ring.cpp",), (FixKind.RUN, "list at most 4 devices in a cell"),
        ("a cell lists more than 4 devices", "hostfile-size"),
    ),
    _entry(
        "jaccl-bind", "mlx jaccl", "[jaccl] Couldn't bind socket (error: 49)",
        r"Couldn't bind socket(?: \(error: (?P<errno>\d+))?",
        "rank 0 cannot listen at the coordinator's address", _TCP,
        (FixKind.RUN, "put an address first in rank 0's `ips` that it holds and all others reach",
         "mlxdiag hostfile write --backend jaccl"),
        _ADDRESS_GONE, _STALE,
        errnos={
            "EADDRNOTAVAIL": "rank 0 does not hold the coordinator's address",
            "EADDRINUSE": "somebody else listens at the coordinator's port",
            "EACCES": "the port is below 1024, which needs root",
            "EINVAL": "the address is IPv6, which MLX cannot use",
            "EAFNOSUPPORT": "the address is IPv6, which MLX cannot use",
        },
        about="coordinator", confidence="several",
    ),
    _entry(
        "jaccl-connect", "mlx jaccl", "[jaccl] Couldn't connect (error: 60)",
        r"Couldn't connect(?: \(error: (?P<errno>\d+))?",
        "the coordinator's address does not answer: a firewall, a VPN or a wrong route",
        (*_TCP, f"{MLX}/issues/3755"),
        (FixKind.NONE, "see whether rank 0 failed first; start all ranks within 10 s of it"),
        _LATE, _ADDRESS_GONE, _ROUTE, _CABLE, _PRIVACY,
        _FIREWALL, _SLEPT,
        errnos={
            "ECONNREFUSED": "rank 0 did not listen in time: it tries at 0, 1, 3 and 7 s",
            "ETIMEDOUT": "no answer from rank 0's address: a firewall, a VPN or a wrong route; or"
            " rank 0 never came to its accept. The number never says which machine is wrong",
            "EHOSTUNREACH": "no route to rank 0; where ping works, macOS' Local Network privacy"
            " denies it",
            "ENETUNREACH": "no route to the network of the coordinator's address",
            "ENETDOWN": "the interface to rank 0 is down",
        },
        role=Role.SYMPTOM, about="coordinator", confidence="several", no_retry=True,
    ),
    _entry(
        "jaccl-attempt", "mlx jaccl", "[jaccl] Connection attempt 0 waiting 1000 ms",
        r"\[jaccl\] Connection attempt \d+ waiting \d+ ms",
        "rank 0 does not listen yet; it is tried four times, then an error says so", _RDMA, None,
        ("rank 0 starts later, or has ended", "rendezvous-start"), _ROUTE, role=Role.NOTICE,
    ),
    _entry(
        "address-parse", "mlx", "Can't parse address studio1.local:32323",
        r"Can't parse address", "the coordinator's address is no IPv4 address and port", _TCP,
        (FixKind.RUN, "numeric IPv4 in `ips`; names only in `ssh`"),
        ("it is a name, or IPv6, which MLX cuts at the first colon", "hostfile-ips"),
    ),
    _entry(
        "jaccl-socket", "mlx jaccl", "[jaccl] Couldn't create socket (error: 24)",
        r"Couldn't create socket|Couldn't enable reuse|Couldn't listen|\] Accept failed \(error",
        "the host gives no socket for the side channel", _TCP, _SOCKETS[1],
    ),
    _entry(
        "jaccl-all-gather", "mlx jaccl", "Custom all-gather returned 3 bytes but expected 4",
        r"Custom all-gather returned", "the side channel gave another length than asked for",
        _JACCL, (FixKind.SETTINGS, "repair the function given as all_gather_factory"),
        versions="0.32.1 and later",
    ),
    _entry(
        "jaccl-no-device", "mlx jaccl", "[jaccl] Could not find device rdma_en5 (0 available)",
        r"Could not find device (?P<device>\S{1,128}) \(0 available\)",
        "the host has no RDMA device: RDMA is off, or it has no Thunderbolt 5",
        (*_RDMA, f"{MLX}/pull/4180"),
        (FixKind.RECOVERY, "switch RDMA on in Recovery: `rdma_ctl enable`; on Thunderbolt 4 use"
         " ring"),
        _NO_RDMA, _OLD_MACOS,
        about="device", versions="0.32.1 and later; before, a crash", confidence="confirmed",
        no_retry=True,
    ),
    _entry(
        "jaccl-wrong-device", "mlx jaccl", "[jaccl] Could not find device rdma_en9 (3 available)",
        r"Could not find device(?: (?P<device>\S{1,128}))?",
        "the host has no device of this name: the matrix is not that of this moment",
        (*_RDMA, f"{MLX}/pull/4180", f"{MLX}/issues/3207"),
        (FixKind.RUN, "write the hostfile anew from the devices that are there",
         "mlxdiag hostfile write --backend jaccl"),
        ("names changed at a restart, or the ranks are in another order", "hostfile-device",
         "hostfile-wiring", "rdma-device", "rdma-device-interface"),
        about="device", versions="0.32.1 and later; before, a crash", confidence="confirmed",
    ),
    _entry(
        "jaccl-open-device", "mlx jaccl", "[jaccl] Could not open device rdma_en5",
        r"Could not open device(?: (?P<device>\S{1,128}))?",
        "the driver does not open it: ibv_devinfo of this device says more", _RDMA,
        (FixKind.REPLUG, "unplug and replug its cable; else restart the host"), _WEDGED,
        about="device", no_retry=True,
    ),
    _entry(
        "jaccl-protection-domain", "mlx jaccl", "[jaccl] Couldn't allocate protection domain",
        r"Couldn't allocate protection domain(?: on (?P<device>\S{1,128}))?",
        "the port is down or slower than Thunderbolt 5, or all domains are leaked, which only a"
        " restart gives back",
        (*_RDMA, f"{MLX}/pull/4530", f"{MLX}/issues/3207", f"{_EXO}/issues/2111", _TN3205),
        (FixKind.REPLUG, "repair the port that is down; where none is, restart the host"),
        _PORT_DOWN, _NOT_TB5, _LEAKED, _WEDGED,
        about="device", confidence="several", no_retry=True,
    ),
    _entry(
        "jaccl-completion-queue", "mlx jaccl", "[jaccl] Couldn't create completion queue",
        r"Couldn't create completion queue",
        "the device has no completion queue left: something else uses RDMA here", _RDMA,
        (FixKind.RUN, "end the other process with SIGTERM; where none is, restart the host"),
        _OTHER_USER, _LEAKED, about="device", no_retry=True,
    ),
    _entry(
        "jaccl-queue-pair", "mlx jaccl",
        "[jaccl] Creating the queue pair failed with 'Resource busy (16)'.",
        r"Creating the queue pair failed(?: with '.*?\((?P<errno>\d+))?"
        r"|Couldn't create queue pair",
        "the device gives no queue pair (about 10 each)",
        (*_RDMA, f"{MLX}/pull/4209", f"{MLX}/issues/3162"),
        (FixKind.RUN, "end the other process with SIGTERM; where none is, restart the host"),
        _OTHER_USER, _LEAKED,
        errnos={
            "EBUSY": "all queue pairs of the device (about 10) are taken; trying again does not"
            " help",
            "EOPNOTSUPP": "a reliable connection was asked for; Apple's driver has unreliable ones"
            " only",
        },
        about="device", versions="`Couldn't create queue pair` before 0.32.1",
        confidence="confirmed", no_retry=True,
    ),
    _entry(
        "jaccl-memory-region", "mlx jaccl", "[jaccl] Register memory region failed",
        r"Register memory region failed",
        "all memory regions of the device (100) are taken: a second jaccl process, or leaked ones",
        (*_RDMA, f"{MLX}/issues/3162"),
        (FixKind.RUN, "one jaccl process per device: end the other with SIGTERM"),
        _OTHER_USER, _LEAKED, about="device", confidence="several", no_retry=True,
    ),
    _entry(
        "jaccl-registered-twice", "mlx jaccl",
        "[jaccl] Buffer can be registered once per protection domain",
        r"Buffer can be registered once", "a bug inside mlx", _RDMA,
        (FixKind.UPGRADE, "update MLX, and report it with the version"), about="device",
    ),
    _entry(
        "jaccl-init-state", "mlx jaccl", "[jaccl] Changing queue pair to INIT failed with errno 22",
        r"Changing queue pair to INIT failed(?: with errno (?P<errno>\d+))?",
        "the port takes no queue pair: its state in ibv_devinfo says more", _RDMA,
        (FixKind.REPLUG, "repair the port that is down; where none is, restart the host"),
        _PORT_DOWN, _WEDGED, about="device", no_retry=True,
    ),
    _entry(
        "jaccl-no-gid", "mlx jaccl",
        "[jaccl] No IPv4-mapped GID for this device. Thunderbolt RDMA ports only publish one once"
        " the interface has an IPv4 address; assign a link-local address to it, for example:"
        " ifconfig <interface> inet 169.254.0.1 netmask 255.255.0.0 alias",
        r"No IPv4-mapped GID", "the port's interface has no IPv4 address: give it one",
        (*_RDMA, f"{MLX}/pull/4191", f"{MLX}/issues/3467"),
        (FixKind.RUN, "give each cabled Thunderbolt interface a fixed IPv4 address",
         'networksetup -setmanual "Thunderbolt N" 10.0.0.1 255.255.255.252'),
        _NO_GID, about="device", versions="0.32.1 and later", confidence="confirmed",
        no_retry=True,
    ),
    _entry(
        "jaccl-rtr", "mlx jaccl", "[jaccl] Changing queue pair to RTR failed with errno 22",
        r"to RTR failed(?: with errno (?P<errno>\d+)(?: on (?P<device>\S{1,128}))?)?",
        "the port cannot reach the far end's GID",
        (*_RDMA, f"{MLX}/issues/3467", f"{MLX}/pull/4191", f"{MLX}/issues/3207",
         f"{MLX}/pull/3389", f"{_EXO}/issues/1973"),
        (FixKind.RUN, "give the port a fixed IPv4 address outside every bridge, so that its"
         " IPv4-mapped GID is at index 1"),
        _NO_GID, _GID_MOVED, _WRONG_CABLE,
        ("the ends are in different subnets", "network-subnet"), _LEAKED, _MIXED,
        _SLEPT,
        errnos={
            "EINVAL": "no IPv4 GID at index 1 of this port: no address, a bridge, or an address"
            " given twice",
            "ENODATA": "nothing at GID index 1: the port is a bridge's member, or all domains are"
            " leaked",
            "ETIMEDOUT": "the far end's GID does not answer on this link: the wrong cable, or its"
            " address is gone",
            "EBUSY": "RDMA resources of a process that has gone are still held: restart, do not"
            " try again",
        },
        about="device", confidence="confirmed", no_retry=True,
    ),
    _entry(
        "jaccl-rts", "mlx jaccl", "[jaccl] Changing queue pair to RTS failed with errno 22",
        r"to RTS failed(?: with errno (?P<errno>\d+))?",
        "the queue pair does not become ready to send", _RDMA,
        (FixKind.REBOOT, "restart the host"), _PORT_DOWN, _WEDGED, about="device", no_retry=True,
    ),
    _entry(
        "jaccl-post", "mlx jaccl", "[jaccl] Recv failed with error code -12",
        r"(?:Recv|Send) failed with error code -?(?P<errno>\d+)",
        "the device takes no more requests: ranks are out of step",
        (f"{_CORE}/jaccl/lib/jaccl/rdma.h", f"{_LM}/issues/1737"),
        (FixKind.SETTINGS, "let every rank do the same operations; serve one request at a time"),
        ("two requests at once to a distributed mlx_lm.server",),
        ("ranks run different scripts, models or versions", "versions-mlx-match",
         "versions-mlx-lm-match"),
        about="device", confidence="single",
    ),
    _entry(
        "jaccl-ring-neighbours", "mlx jaccl",
        "[jaccl] In ring mode send is only supported to direct neighbors but tried to send to 2"
        " from 0",
        r"In ring mode (?:send|recv) is only supported",
        "in a ring only neighbours reach each other", (f"{_CORE}/jaccl/lib/jaccl/ring.cpp",),
        (FixKind.SETTINGS, "send to rank + 1 or rank - 1, or use a mesh"),
    ),
    _entry(
        "jaccl-dtype", "mlx jaccl", "[jaccl] Unsupported dtype for JACCL operation",
        r"Unsupported dtype", "jaccl has no such type of data", (f"{_CORE}/jaccl/jaccl.cpp",),
        (FixKind.SETTINGS, "use a type that it has, such as float32"),
    ),
    _entry(
        "jaccl-unsupported", "mlx jaccl", "[jaccl] Group split not supported.",
        r"Group split not supported|sum_scatter not supported", "jaccl has no such operation",
        (f"{_CORE}/jaccl/jaccl.cpp",), (FixKind.UPGRADE, "update MLX, or use another backend"),
        versions="sum_scatter up to 0.32.0",
    ),
    _entry(
        "group-of-one", "mlx", "Cannot send to a singleton group",
        r"not implemented in an empty distributed group|(?:to|from) a singleton group",
        "init gave one rank", (f"{_CORE}/ops.cpp", *_ANY, f"{MLX}/issues/3442",
                               f"{MLX}/issues/4283"),
        (FixKind.SETTINGS, 'call `mx.distributed.init(strict=True, backend="...")`: it then says'
         " why"),
        _SINGLETON, _LEFT_OVER,
        confidence="confirmed",
    ),
    _entry(
        "thread-pool", "mlx", "[ThreadPool::enqueue] Not allowed on stopped ThreadPool",
        r"Not allowed on stopped ThreadPool", "mlx was already shutting down",
        (f"{_CORE}/jaccl/lib/jaccl/threadpool.h",), None,
        ("another error ended the process before",), role=Role.ECHO,
    ),
)  # fmt: skip

MPI = (
    _entry(
        "mpi-init", "mlx mpi", "Cannot initialize MPI", r"Cannot initialize MPI",
        "no library of Open MPI can be loaded: install it on every host",
        (*_MPI, f"{_CORE}/mpi/no_mpi.cpp"),
        (FixKind.SETTINGS, "pass the library's name and folder",
         "mlx.launch --backend mpi --env MLX_MPI_LIBNAME=libmpi.40.dylib"
         " --env DYLD_LIBRARY_PATH=/opt/homebrew/lib ..."),
        ("mlx.launch of 0.32.1 and before does not set the library's name (a NameError that it"
         " swallows)",),
        ("Open MPI is not at the same place on every host",),
        about="host",
    ),
    _entry(
        "mpi-single-process", "mlx mpi",
        "[mpi] The world has a single process. Launch with mpirun to initialize the mpi backend.",
        r"world has a single process",
        "the library is not that of the mpirun that started the rank",
        (*_MPI, f"{MLX}/pull/4210"), (FixKind.RUN, "start it with `mlx.launch --backend mpi`"),
        ("the script was started without mpirun",), versions="0.32.1 and later",
        confidence="confirmed",
    ),
    _entry(
        "mpi-not-open-mpi", "mlx mpi",
        "[mpi] MPI found but it does not appear to be Open MPI.MLX requires Open MPI but this is"
        " MPICH Version: 4.2",
        r"does not appear to be Open MPI", "mlx takes Open MPI only", _MPI,
        (FixKind.UPGRADE, "install Open MPI, or name its library in MLX_MPI_LIBNAME"),
        about="host",
    ),
    _entry(
        "mpi-type", "mlx mpi", "Invalid type", r"(?:^|(?<=Error: ))Invalid type$",
        "mpi has no such type of data", _MPI,
        (FixKind.SETTINGS, "use a type that it has, such as float32"),
    ),
    _entry(
        "mpi-split", "mlx mpi", "MPI could not split this group",
        r"MPI could not split this group", "MPI_Comm_split failed", _MPI,
        (FixKind.NONE, "read what mpirun printed before it"),
    ),
    _entry(
        "mpi-sum-scatter", "mlx mpi", "[mpi] sum_scatter not yet implemented.",
        r"\[mpi\] sum_scatter not yet implemented", "mpi has no such operation", _MPI,
        (FixKind.SETTINGS, "use all_sum, or another backend"),
    ),
)  # fmt: skip

GENERIC = (
    _entry(
        "no-backend", "mlx", "[distributed] Couldn't initialize any backend",
        r"\[distributed\] Couldn't initialize any backend",
        "init was strict, and no backend came up", _ANY,
        (FixKind.SETTINGS, 'name the backend, `init(strict=True, backend="jaccl")`: it then says'
         " why"),
        ("the script was not started by mlx.launch",),
        ("this MLX has no jaccl", "versions-mlx-jaccl"), _MATRIX,
    ),
    _entry(
        "factory-backend", "mlx",
        "[distributed] An all gather factory is only supported with the 'jaccl' backend but"
        " 'ring' was provided.",
        r"all gather factory is only supported|all_gather_factory is only supported with backend",
        "all_gather_factory belongs to jaccl", _ANY,
        (FixKind.SETTINGS, 'leave it out, or pass backend="jaccl"'), versions="0.32.1 and later",
    ),
    _entry(
        "factory-callable", "mlx", "all_gather_factory must return a callable",
        r"all_gather_factory must return a callable",
        "the function given as all_gather_factory returns no function", _ANY,
        (FixKind.SETTINGS, "return a function of it"), versions="0.32.1 and later",
    ),
    _entry(
        "group-split", "mlx", "Cannot split the distributed group further.",
        r"Cannot split the distributed group further", "the group has one rank already", _ANY,
        (FixKind.SETTINGS, "see why init gave one rank, or do not split again"), _SINGLETON,
    ),
    _entry(
        "reduce-operation", "mlx", "Only all reduce sum, max and min are supported for now",
        r"Only all reduce sum, m(?:ax and min|in and max) are supported",
        "no other reduction is there", (f"{_CORE}/ops.cpp",),
        (FixKind.SETTINGS, "use all_sum, all_max or all_min"),
    ),
    _entry(
        "metal-gpu-timeout", "mlx",
        "[METAL] Command buffer execution failed: Caused GPU Timeout Error"
        " (00000002:kIOGPUCommandBufferCallbackErrorTimeout).",
        r"Caused GPU Timeout Error|kIOGPUCommandBufferCallbackErrorTimeout",
        "the GPU waited more than some seconds for data of another rank, or one step took so long",
        (f"{MLX}/issues/3207", f"{MLX}/issues/1849", f"{MLX}/issues/3830", f"{MLX}/issues/1804",
         f"{_EXO}/pull/1620"),
        (FixKind.SETTINGS, "communicate on the CPU stream, evaluate it on its own, and make the"
         " prefill steps smaller"),
        ("another rank is slower, swaps or failed first", "resources-swap"),
        ("a link is slow", "cabling-speed"), _MIXED,
        role=Role.SYMPTOM, about="host", confidence="several",
    ),
    _entry(
        "metal-out-of-memory", "mlx",
        "[METAL] Command buffer execution failed: Insufficient Memory"
        " (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory).",
        r"Insufficient Memory \(0|kIOGPUCommandBufferCallbackErrorOutOfMemory",
        "this rank's part does not fit into the memory that its GPU may use",
        (f"{MLX}/issues/1804", _LM),
        (FixKind.RUN, "raise the limit on this host and leave a quarter to macOS; it does not"
         " survive a restart", "sudo sysctl iogpu.wired_limit_mb=N"),
        ("the GPU's limit is the default one: `sysctl iogpu.wired_limit_mb` says 0",
         "resources-wired-limit-match"),
        _STILL_HELD, ("hosts have different memory", "resources-memory-match"),
        about="host", confidence="several",
    ),
    _entry(
        "metal-resource-limit", "mlx", "[metal::malloc] Resource limit (499000) exceeded.",
        r"\[metal::malloc\] Resource limit \(\d+\) exceeded",
        "the process holds too many buffers at once", (f"{_LM}/issues/831", f"{_LM}/issues/1672"),
        (FixKind.UPGRADE, "update mlx-lm and MLX, and limit the prompt cache"),
        about="host", confidence="several",
    ),
    _entry(
        "metal-command-buffer", "mlx",
        "[METAL] Command buffer execution failed: Internal Error (0000000e:Internal Error).",
        r"\[METAL\] Command buffer execution failed",
        "the GPU gave a command buffer back with an error",
        (f"{MLX}/blob/846d17622/mlx/backend/metal/eval.cpp",),
        (FixKind.REBOOT, "restart the host if it comes again"),
        ("another rank failed first",), role=Role.SYMPTOM, about="host",
    ),
    _entry(
        "metal-wired-limit", "mlx",
        "[metal::set_wired_limit] Setting a wired limit larger than the maximum working set size"
        " is not allowed.",
        r"Setting a wired limit larger than the maximum working set size",
        "the script asks for more wired memory than the GPU may use on this host",
        (f"{MLX}/blob/846d17622/mlx/backend/metal/allocator.cpp", f"{_LM}/issues/883"),
        (FixKind.RUN, "raise the limit on this host, and leave a quarter to macOS",
         "sudo sysctl iogpu.wired_limit_mb=N"),
        ("hosts have different memory or limits", "resources-memory-match",
         "resources-wired-limit-match"),
        about="host",
    ),
)  # fmt: skip

LAUNCHER = (
    _entry(
        "launch-no-ips", "mlx.launch",
        "mlx.launch: error: The ring backend requires IPs to be provided instead of hostnames",
        r"The ring backend requires IPs to be provided instead of hostnames",
        "a host of the hostfile has no address in `ips`", _LAUNCH,
        (FixKind.RUN, "write the hostfile anew", "mlxdiag hostfile write --backend ring"),
        ("`ips` of a host is empty", "hostfile-ips"),
    ),
    _entry(
        "launch-rank-0-ip", "mlx.launch",
        "mlx.launch: error: Rank 0 should have an IP reachable from all other ranks",
        r"Rank 0 should have an IP reachable from all other ranks",
        "the first host of the hostfile has no address in `ips`", _LAUNCH,
        (FixKind.RUN, "write the hostfile anew", "mlxdiag hostfile write --backend jaccl"),
        ("`ips` of the first host is empty", "hostfile-ips"),
    ),
    _entry(
        "launch-malformed", "mlx.launch",
        "mlx.launch: error: Malformed hostfile for jaccl backend",
        r"Malformed hostfile for jaccl backend|The hostfile is malformed: ",
        "a row of the matrix is too short, names a device for its own host, or none for another",
        (*_LAUNCH, f"{MLX}/pull/4284"),
        (FixKind.RUN, "write the hostfile anew", "mlxdiag hostfile write --backend jaccl"),
        _MATRIX, confidence="confirmed",
        versions="`The hostfile is malformed: ...` after 0.32.1",
    ),
    _entry(
        "launch-no-script", "mlx.launch", "mlx.launch: error: No script is provided",
        r"No script is provided", "mlx.launch was given nothing to run", _LAUNCH,
        (FixKind.RUN, "give the command behind the options, after `--`"),
    ),
    _entry(
        "launch-backend", "mlx.launch",
        "mlx.launch: error: The backend should be one of {'ring', 'mpi', 'nccl', 'jaccl',"
        " 'jaccl-ring'}",
        r"The backend should be one of \{", "mlx.launch does not know the backend's name", _LAUNCH,
        (FixKind.RUN, "spell --backend, or `backend` of the hostfile, as listed"),
        ("`backend` of the hostfile is misspelt", "hostfile-backend"),
    ),
    _entry(
        "launch-environment", "mlx.launch",
        "[WARN] 'MY-VAR=1' is an invalid environment variable so it is ignored",
        r"is an invalid environment variable so it is ignored",
        "a name of `envs` or --env has characters other than letters, digits and _", _LAUNCH,
        (FixKind.SETTINGS, "rename the variable"), ("`envs` of the hostfile", "hostfile-envs"),
        role=Role.NOTICE,
    ),
    _entry(
        "launch-folder", "mlx.launch", "Failed to change directory to /Users/alex/model",
        r"Failed to change directory to", "a host does not have the folder of --cwd", _LAUNCH,
        (FixKind.RUN, "make the folder at the same place on every host"), about="host",
    ),
    _entry(
        "launch-killed", "mlx.launch", "[WARN] Node with rank 1 was killed",
        r"Node with rank (?P<rank>\d+) was killed",
        "mlx.launch ended this rank because another one had failed, or because it was stopped",
        _LAUNCH, None, role=Role.ECHO,
    ),
    _entry(
        "launch-exit-255", "mlx.launch", "[WARN] Node with rank 1 exited with code 255",
        r"Node with rank (?P<rank>\d+) exited with code 255\b",
        "ssh itself failed, whose words mlx.launch hides (LogLevel=QUIET); or a signal ended the"
        " rank, which ssh also tells as 255",
        (*_LAUNCH, f"{MLX}/issues/4319", f"{_OMLX}/issues/2763"),
        (FixKind.RUN, "see what ssh says, and look for crash reports of this rank's host",
         "ssh -o BatchMode=yes HOST true"),
        ("ssh does not work without a question", "access-reachable"),
        ("`localhost` or the own name in `ssh`: only 127.0.0.1 is started without ssh",
         "hostfile-hosts"),
        ("the rank crashed: ~/Library/Logs/DiagnosticReports on its host", "crashes-ranks"),
        role=Role.SYMPTOM, about="host", confidence="several",
    ),
    _entry(
        "launch-exit-127", "mlx.launch", "[WARN] Node with rank 1 exited with code 127",
        r"Node with rank (?P<rank>\d+) exited with code 12[67]\b",
        "the command was not found on that host, or cannot be run (126)",
        (*_LAUNCH, _DOCS, f"{MLX}/pull/3536", f"{MLX}/pull/4002"),
        (FixKind.RUN, "give an absolute path that is the same on every host; since 0.32.0 name"
         " python itself", "mlx.launch ... -- /path/to/python script.py"),
        ("the interpreter is not at the same place on every host", "versions-mlx-present"),
        ("a shell without a terminal does not read .zprofile: no Homebrew, uv or conda in PATH",),
        role=Role.SYMPTOM, about="host", confidence="confirmed",
    ),
    _entry(
        "launch-exit-killed", "mlx.launch", "[WARN] Node with rank 1 exited with code 137",
        r"Node with rank (?P<rank>\d+) exited with code (?:-9|137)\b",
        "SIGKILL ended this rank: macOS for want of memory, or somebody by hand",
        (*_LAUNCH, f"{_OMLX}/issues/2184", f"{MLX}/issues/3910"),
        (FixKind.REBOOT, "see that its wired memory came back; if not, only a restart frees it"),
        _TOO_LARGE, _STILL_HELD,
        role=Role.SYMPTOM, about="host", confidence="several",
    ),
    _entry(
        "launch-exit-signal", "mlx.launch", "[WARN] Node with rank 1 exited with code -11",
        r"Node with rank (?P<rank>\d+) exited with code"
        r" (?:-11|139|-10|138|-6|134|-4|132|-5|133)\b",
        "the rank crashed",
        (*_LAUNCH, f"{MLX}/issues/4192", f"{MLX}/issues/4319"),
        (FixKind.NONE, "diagnose its crash report",
         "mlxdiag diagnose ~/Library/Logs/DiagnosticReports/*.ips"),
        ("a cable was pulled, or the link broke", "cabling-both-ends", "rdma-port-active"),
        ("before 0.32.1: the matrix names a device that is not there", "hostfile-device"),
        role=Role.SYMPTOM, about="host", confidence="several",
    ),
    _entry(
        "launch-exit-ended", "mlx.launch", "[WARN] Node with rank 1 exited with code -15",
        r"Node with rank (?P<rank>\d+) exited with code (?:-15|143|-2|130|-1|129)\b",
        "the rank was ended: by mlx.launch because another one had failed, or by hand", _LAUNCH,
        None, role=Role.ECHO,
    ),
    _entry(
        "launch-exit", "mlx.launch", "[WARN] Node with rank 1 exited with code 1",
        r"Node with rank (?P<rank>\d+) exited with code -?\d+",
        "the rank ended with an error; mlx.launch itself still exits 0",
        (*_LAUNCH, f"{MLX}/issues/4319"), None, role=Role.NOTICE, confidence="confirmed",
    ),
    _entry(
        "launch-completed", "mlx.launch", "[INFO] Node with rank 1 completed",
        r"Node with rank (?P<rank>\d+) completed", "this rank ended well", _LAUNCH, None,
        role=Role.NOTICE,
    ),
    _entry(
        "launch-pidfile", "mlx.launch",
        "subprocess.CalledProcessError: Command 'ssh studio2 'pid=$(cat Welcome to studio2); if ps"
        " -p $pid >/dev/null",
        r"CalledProcessError.*pid=\$\(cat ",
        "mlx.launch could not end a rank: the first line that the host printed was no pidfile, and"
        " the rank may be running still",
        _LAUNCH,
        (FixKind.SETTINGS, "let nothing print in a shell without a terminal: ~/.zshenv, a banner"),
        ("`ssh HOST true` prints something", "access-quiet"), _STALE, about="host",
    ),
    _entry(
        "config-no-ssh", "mlx.distributed_config",
        "[ERROR] Could not ssh to the following hosts:",
        r"Could not ssh to the following hosts|Maybe they are not set-up for password-less ssh",
        "ssh does not work without a question to the hosts that are listed",
        (*_CONFIG, f"{_OMLX}/issues/2763"),
        (FixKind.RUN, "give each host your key", "ssh-copy-id USER@HOST"),
        ("no key, another user, or a changed host key", "access-reachable"),
        about="host", confidence="several",
    ),
    _entry(
        "config-no-ip", "mlx.distributed_config", "[WARN] Could not extract ip for studio2",
        r"Could not extract ip for(?: (?P<host>\S{1,128}))?",
        "neither en0 nor en1 of the host has an address: no other interface is looked at", _CONFIG,
        (FixKind.RUN, "put the address into `ips` by hand",
         "mlxdiag hostfile write --backend ring"),
        role=Role.NOTICE,
    ),
    _entry(
        "config-no-rdma", "mlx.distributed_config",
        "[ERROR] studio2 does not seem to have RDMA enabled",
        r"(?:(?<!\S)(?P<host>\S{1,128}) does not seem to have RDMA enabled"
        r"|Some of the hosts don't have RDMA enabled)",
        "ibv_devices lists nothing there: RDMA is off, or the Mac has no Thunderbolt 5",
        (*_CONFIG, _DOCS, f"{_OMLX}/issues/3037"),
        (FixKind.RECOVERY, "switch RDMA on in Recovery: `rdma_ctl enable`; on Thunderbolt 4 use"
         " ring"),
        _NO_RDMA, _OLD_MACOS, about="host", confidence="confirmed",
    ),
    _entry(
        "config-no-sudo", "mlx.distributed_config",
        "[WARN] Automatic setup requested but the following hosts do not have passwordless sudo",
        r"following hosts do not have passwordless sudo|sudo: a (?:terminal|password) is required",
        "--auto-setup cannot run ifconfig and route on the hosts that are listed", _CONFIG,
        (FixKind.RUN, "run the printed commands by hand, or allow them in sudoers"),
        about="host",
    ),
    _entry(
        "config-incomplete-mesh", "mlx.distributed_config",
        "[ERROR] Incomplete mesh, studio1 is not connected to studio3",
        r"Incomplete mesh, (?P<host>\S{1,128}) is not connected to (?P<far>\S{1,128})",
        "the cable between the two is missing, or not seen at both ends", (*_CONFIG, _DOCS),
        (FixKind.RECABLE, "cable every pair, or use jaccl-ring"),
        ("no cable, or one that an end does not see", "cabling-expected", "cabling-both-ends"),
        ("a dock or display lies between, behind which it does not look", "cabling-direct"),
        confidence="confirmed",
    ),
    _entry(
        "config-no-ring", "mlx.distributed_config", "[ERROR] Could not find a full ring.",
        r"Could not find a full ring|Neither thunderbolt mesh nor ring found"
        r"|RDMA is not available and ring is not found",
        "the cables make no cycle through all hosts", _CONFIG,
        (FixKind.RECABLE, "cable the hosts in a circle; `mlxdiag recommend` names the fewest"
         " cables"),
        ("a cable is missing, or not seen at both ends", "cabling-expected", "cabling-both-ends"),
        ("a dock or display lies between", "cabling-direct"), _NO_RDMA,
    ),
    _entry(
        "config-hints", "mlx.distributed_config",
        "[ERROR] Try passing --dot to visualize the connectivity",
        r"Try passing --dot to visualize|Perhaps run with --dot|Rings found:",
        "a hint of mlx.distributed_config; the error stands before it", _CONFIG, None,
        role=Role.NOTICE,
    ),
    _entry(
        "config-out-of-ips", "mlx.distributed_config", "ValueError: Ran out of available local IPs",
        r"Ran out of available local IPs", "192.168.0.0/16 is used up by links", _CONFIG,
        (FixKind.RUN, "address the cables by hand"),
    ),
    _entry(
        "config-crash", "mlx.distributed_config", "NameError: name 'log_warning' is not defined",
        r"NameError: name 'log_warning' is not defined|KeyError: 'domain_uuid_key'"
        r"|KeyError: 'Thunderbolt \d+'",
        "a bug of mlx.distributed_config: a display or dock, or a port without a network port",
        (*_CONFIG, f"{MLX}/issues/2944", f"{MLX}/issues/2682", f"{MLX}/pull/2947"),
        (FixKind.UPGRADE, "update MLX; or `mlxdiag hostfile write`, which does without it"),
        ("something other than a Mac is on a Thunderbolt port", "cabling-direct"),
        confidence="confirmed", versions="log_warning: 0.30.1; domain_uuid_key: before 0.30",
    ),
    _entry(
        "hostfile-missing", "mlx.launch", "mlx.launch: error: Hostfile hosts.json doesn't exist",
        r"Hostfile .+ doesn't exist", "the file given with --hostfile is not there",
        (*_COMMON, f"{MLX}/pull/4040"),
        (FixKind.RUN, "write it", "mlxdiag hostfile write -o hosts.json"), confidence="confirmed",
    ),
    _entry(
        "hostfile-unreadable", "mlx.launch",
        "mlx.launch: error: Failed to parse hostfile hosts.json ('ssh')",
        r"Failed to parse hostfile ", "the hostfile is no JSON, or a host of it has no `ssh`",
        (*_COMMON, f"{MLX}/pull/4040"),
        (FixKind.RUN, "see what is wrong in it", "mlxdiag hostfile check hosts.json"),
        ("it is one of the other two shapes: MLX_HOSTFILE's or MLX_IBV_DEVICES'",),
        confidence="confirmed",
    ),
    _entry(
        "hostfile-no-name", "mlx.launch", "ValueError: Hostname cannot be empty",
        r"Hostname cannot be empty", "--hosts has an empty name", _COMMON,
        (FixKind.RUN, "see the commas of --hosts"),
    ),
    _entry(
        "launch-number", "mlx.launch",
        "argparse.ArgumentTypeError: Number should be positive", r"Number should be positive",
        "-n takes a number above 0", _COMMON, (FixKind.RUN, "see --repeat-hosts"),
    ),
)  # fmt: skip

SYSTEM = (
    _entry(
        "ssh-denied", "ssh", "alex@studio2: Permission denied (publickey,password).",
        r"(?<![\w.-])(?P<host>[\w.-]{1,128}): Permission denied"
        r" \((?:publickey|password|keyboard|gssapi)"
        r"|Permission denied \(publickey|Too many authentication failures",
        "the host does not take the key: none was offered, or for another user",
        (f"{_OMLX}/issues/2763", f"{_OMLX}/pull/2423"),
        (FixKind.RUN, "give it your key", "ssh-copy-id USER@HOST"),
        ("no key, or another user", "access-reachable"), about="host", confidence="several",
    ),
    _entry(
        "ssh-host-key", "ssh", "Host key verification failed.",
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No \S+ host key is"
        r" known for",
        "the host's key is not the known one, or not known yet", (f"{_OMLX}/issues/2763",),
        (FixKind.RUN, "make sure that the host is the right one, then forget its old key",
         "ssh-keygen -R HOST"),
        ("the host was set up anew, or its name leads to another one", "access-reachable"),
        about="host", confidence="several",
    ),
    _entry(
        "ssh-no-connection", "ssh",
        "ssh: connect to host studio2.local port 22: Operation timed out",
        r"ssh: connect to host (?P<host>\S{1,128}) port \d+:"
        r" (?:Operation timed out|Connection timed out|No route to host|Connection refused"
        r"|Host is down|Network is unreachable)",
        "the host does not answer ssh: it is off, sleeps, has Remote Login off, or another address",
        (f"{_OMLX}/pull/2423",),
        (FixKind.SETTINGS, "wake it; switch on Remote Login in System Settings > General >"
         " Sharing"),
        ("the host is off, asleep or not in this network", "access-reachable"),
        _SLEPT,
        about="host", confidence="several",
    ),
    _entry(
        "ssh-name", "ssh", "ssh: Could not resolve hostname studio2.local: nodename nor servname"
        " provided, or not known",
        r"Could not resolve hostname (?P<host>[^\s:]{1,128})", "nobody knows the host's name",
        (f"{_OMLX}/pull/2423",), (FixKind.SETTINGS, "use its address, or wake it for .local names"),
        ("a misspelt name, or the host is off", "access-reachable"),
        about="host", confidence="several",
    ),
    _entry(
        "ssh-closed", "ssh", "Connection to studio2.local closed by remote host.",
        r"Connection to (?P<host>\S{1,128}) closed by remote host|client_loop: send disconnect"
        r"|Timeout, server \S+ not responding|kex_exchange_identification: ",
        "the ssh connection to the host broke: its rank may be running still",
        _LAUNCH, (FixKind.RUN, "see that the host is up and that no rank is left",
                  "mlxdiag ports --only access"),
        ("the host restarted, slept or lost its network", "access-reachable"), _STALE, _SLEPT,
        about="host",
    ),
    _entry(
        "shell-unsupported", "shell", "fish: Unsupported use of '='.",
        r"fish: Unsupported use of|Missing name for redirect|cmd: Undefined variable"
        r"|Illegal variable name\.",
        "the account's login shell on that host cannot run mlx.launch's script: it takes zsh and"
        " bash", _LAUNCH, (FixKind.SETTINGS, "change it on that host", "chsh -s /bin/zsh"),
        ("the login shell is neither zsh nor bash", "access-shell"),
        about="host", confidence="inferred",
    ),
    _entry(
        "python-missing", "shell", "zsh:1: command not found: python",
        r"command not found: (?:\S{0,256}/)?python|python[\d.]*: (?:command )?not found"
        r"|exec: .*python\S{0,32}: not found|env: python\S{0,32}: No such file"
        r"|(?:^|[ /])python[\d.]*: No such file or directory",
        "the host has no such python in the PATH of a shell without a terminal",
        (*_LAUNCH, _DOCS, f"{MLX}/pull/3536"),
        (FixKind.RUN, "give python's absolute path, the same on every host",
         "mlx.launch ... -- /path/to/python script.py"),
        ("the interpreter is not at the same place on every host", "versions-mlx-present"),
        ("a shell without a terminal does not read .zprofile: no Homebrew, uv or conda in PATH",),
        about="host", confidence="confirmed",
    ),
    _entry(
        "process-crashed", "shell", "zsh: segmentation fault  python generate.py",
        r"[Ss]egmentation fault(?:: 11)?|[Bb]us error(?:: 10)?\b|Abort trap: 6"
        r"|zsh: (?:abort|trace)",
        "the process crashed", (f"{MLX}/issues/4192", f"{MLX}/pull/4180"),
        (FixKind.NONE, "diagnose its crash report",
         "mlxdiag diagnose ~/Library/Logs/DiagnosticReports/*.ips"),
        ("a cable was pulled, or the link broke", "cabling-both-ends", "rdma-port-active"),
        ("before 0.32.1: the matrix names a device that is not there", "hostfile-device"),
        role=Role.SYMPTOM, about="host", confidence="several",
    ),
    _entry(
        "process-killed", "shell", "zsh: killed     python generate.py",
        r"^Killed: 9|zsh: killed|: Killed: 9",
        "SIGKILL ended the process: macOS for want of memory, or somebody by hand",
        (f"{_OMLX}/issues/2184", f"{MLX}/issues/3910"),
        (FixKind.REBOOT, "see that its wired memory came back; if not, only a restart frees it"),
        _TOO_LARGE, _STILL_HELD, role=Role.SYMPTOM, about="host",
        confidence="several",
    ),
    _entry(
        "interrupted", "python", "KeyboardInterrupt", r"^(?:\S+ ){0,3}KeyboardInterrupt$",
        "the run was stopped by hand", _LAUNCH, None, role=Role.ECHO,
    ),
    _entry(
        "rdma-tools-missing", "shell", "zsh: command not found: ibv_devices",
        r"command not found: (?:ibv_\w+|rdma_ctl)|(?:ibv_\w+|rdma_ctl): (?:command )?not found",
        "macOS is older than 26.2, the first with RDMA over Thunderbolt", (_DOCS, _TN3205),
        (FixKind.UPGRADE, "update macOS to 26.3 or later"), _OLD_MACOS,
        about="host", confidence="confirmed",
    ),
    _entry(
        "mlx-missing", "python", "ModuleNotFoundError: No module named 'mlx'",
        r"No module named '?mlx(?:[._]\w+)*'?",
        "this host's interpreter has no mlx (or no mlx-lm)", (_DOCS,),
        (FixKind.RUN, "install it on every host at the same place, in the same version",
         "pip install mlx mlx-lm"),
        ("the interpreter is another one than meant", "versions-mlx-present",
         "versions-mlx-match"),
        about="host", confidence="confirmed",
    ),
    _entry(
        "script-missing", "python",
        "python: can't open file '/Users/alex/run.py': [Errno 2] No such file or directory",
        r"can't open file '.+': \[Errno 2\]", "the script is not on this host at that path",
        (_DOCS,), (FixKind.RUN, "copy it to the same path on every host, or use --cwd"),
        about="host", confidence="confirmed",
    ),
    _entry(
        "model-missing", "python",
        "FileNotFoundError: [Errno 2] No such file or directory:"
        " '/Users/alex/models/m/config.json'",
        r"No such file or directory: '.*(?:config\.json|\.safetensors(?:\.index\.json)?"
        r"|tokenizer\S*)'|No safetensors found in",
        "the model is not on this host at that path", (f"{_LM}/issues/955",),
        (FixKind.RUN, "copy the model to the same path on every host, and set HF_HUB_OFFLINE=1"),
        about="host", confidence="several",
    ),
    _entry(
        "model-offline", "huggingface_hub",
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot"
        " folder for the specified revision",
        r"LocalEntryNotFoundError|appropriate cached snapshot folder|OfflineModeIsEnabled",
        "the model is not in this host's cache, and the host may or can not download it",
        ("https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",),
        (FixKind.RUN, "download it on every host, or copy it to the same path"),
        about="host",
    ),
    _entry(
        "local-network", "python", "OSError: [Errno 65] No route to host",
        r"\[Errno 65\] No route to host|ping: sendto: No route to host",
        "no route; where ssh and Apple's own tools reach the host in the same moment, macOS' Local"
        " Network privacy denies the process that started the rank",
        (f"{MLX}/issues/3755", f"{_EXO}/issues/1035",
         "https://developer.apple.com/documentation/technotes/tn3179-understanding-local-network-privacy"),
        (FixKind.SETTINGS, "System Settings > Privacy & Security > Local Network: switch the"
         " terminal or Python off and on; start it over ssh or from Terminal"),
        _PRIVACY, _CABLE, _ROUTE, role=Role.SYMPTOM, about="host", confidence="several",
    ),
    _entry(
        "server-port", "python", "OSError: [Errno 48] Address already in use",
        r"\[Errno 48\]|error while attempting to bind on address .+ address already in use",
        "the server's own port is taken on this host",
        ("https://docs.python.org/3/library/errno.html",),
        (FixKind.RUN, "see who listens there", "lsof -nP -iTCP:8080 -sTCP:LISTEN"), _STALE,
        about="host",
    ),
    _entry(
        "open-files", "python", "OSError: [Errno 24] Too many open files",
        r"\[Errno 24\] Too many open files", _SOCKETS[0],
        ("https://docs.python.org/3/library/errno.html",), _SOCKETS[1], about="host",
    ),
    _entry(
        "disk-full", "python", "OSError: [Errno 28] No space left on device",
        r"No space left on device", "this host's disk is full",
        ("https://docs.python.org/3/library/errno.html",),
        (FixKind.RUN, "see what takes the room", "df -h /"),
        ("models and swap have filled it", "resources-disk"), about="host",
    ),
    _entry(
        "library-missing", "macOS",
        "dyld[812]: Library not loaded: @rpath/libmlx.dylib",
        r"dyld\[\d+\]: (?:Library|Symbol) not (?:loaded|found)|Library not loaded: ",
        "a library is not on this host, or this macOS is too old for it",
        ("https://github.com/apple-oss-distributions/dyld",),
        (FixKind.RUN, "install mlx anew on this host", "pip install --force-reinstall mlx"),
        _OLD_MACOS, ("the installed MLX is another one than meant", "versions-mlx-present"),
        about="host",
    ),
    _entry(
        "no-parallelism", "mlx-lm",
        "ValueError: Model type nemotron not supported for pipelining",
        r"(?:does not|doesn't) support (?:tensor parallelism|pipelining|sharding|pipeline)"
        r"|not supported for (?:pipelining|tensor parallel)|has no attribute '(?:shard|pipeline)'",
        "mlx-lm cannot split this model", (f"{MLX}/issues/2944",),
        (FixKind.UPGRADE, "use a model whose file in mlx_lm.models has `shard` or `pipeline`"),
        confidence="confirmed",
    ),
    _entry(
        "pickle", "mlx-lm", "_pickle.UnpicklingError: invalid load key, '\\x00'.",
        r"UnpicklingError: (?:invalid load key|unpickling stack underflow|pickle data)",
        "ranks read each other's messages out of step: two requests at once, or other versions",
        (f"{_LM}/issues/1737",),
        (FixKind.SETTINGS, "serve one request at a time; one version of mlx-lm everywhere"),
        ("ranks run different versions", "versions-mlx-match", "versions-mlx-lm-match",
         "versions-python-match"),
        ("two requests at once to a distributed mlx_lm.server",), confidence="single",
    ),
    _entry(
        "verbs-header", "build", "fatal error: 'infiniband/verbs.h' file not found",
        r"'infiniband/verbs\.h' file not found",
        "MLX is built without the SDK of macOS 26.2", (f"{MLX}/issues/2959",),
        (FixKind.UPGRADE, "install Xcode 26.2 or later, or use MLX's wheel"),
        about="host", confidence="confirmed",
    ),
    _entry(
        "verbs-no-devices", "libibverbs", "No IB devices found",
        r"No IB devices found|Failed to get IB devices list",
        "the host lists no RDMA device", (_TN3205, f"{_OMLX}/issues/3037"),
        (FixKind.RECOVERY, "switch RDMA on in Recovery: `rdma_ctl enable`; on Thunderbolt 4 use"
         " ring"),
        _NO_RDMA, _OLD_MACOS, about="host", confidence="several",
    ),
    _entry(
        "rdma-not-tb5", "kernel",
        "AppleThunderboltRDMA::isSupportedThunderboltSpeed(2) - Thunderbolt controller does not"
        " support Thunderbolt 5, RDMA not supported. Exiting..",
        r"Thunderbolt controller does not support Thunderbolt 5",
        "the Mac has no Thunderbolt 5: it cannot have RDMA, whatever rdma_ctl says",
        (f"{_OMLX}/issues/3037",), (FixKind.SETTINGS, "use ring"),
        ("the Mac has Thunderbolt 4", "hardware-thunderbolt5"), about="host",
        confidence="several",
    ),
    _entry(
        "rdma-receive-queue", "kernel",
        "receive-queue resource shortage in AppleThunderboltRDMAReceiveQueue::withTBController",
        r"receive-queue resource shortage|AppleThunderboltRDMAReceiveQueue::withTBController",
        "the driver has no receive queue left: resources of a process that crashed are still held",
        (f"{MLX}/issues/3207",), (FixKind.REBOOT, "restart the host; do not try again before"),
        _LEAKED, _OTHER_USER, about="device", confidence="several", no_retry=True,
    ),
    _entry(
        "recovery-only", "rdma_ctl",
        "rdma_ctl: This tool needs to be executed from Recovery OS.",
        r"This tool needs to be executed from Recovery OS",
        "RDMA is switched on in Recovery only, by somebody at the Mac; on macOS 27 also in System"
        " Settings > Privacy & Security > Developer Tools", (_DOCS, _TN3205),
        (FixKind.RECOVERY, "shut down, hold the power button, Options, Utilities > Terminal:"
         " rdma_ctl enable"),
        ("RDMA is off", "rdma-enabled"), about="host", confidence="confirmed",
    ),
)  # fmt: skip

CRASHES = (
    _entry(
        "crash-post-receive", "macOS",
        "3   libthunderboltrdma.dylib  0x1a2b tbt_post_recv + 512",
        r"\btbt_post_(?:recv|send)\b",
        "the rank crashed in Apple's driver while it posted a receive: the cable was pulled, or"
        " the link broke; also seen with none touched",
        (f"{MLX}/issues/4192", f"{MLX}/issues/4319"),
        (FixKind.REPLUG, "re-seat the cable and start again; there is no cure in software"),
        ("the link is down now", "rdma-port-active", "cabling-both-ends",
         "network-interface-active"),
        about="device", confidence="several", no_retry=True,
    ),
    _entry(
        "crash-register-memory", "macOS",
        "0   libibverbs.dylib  0x19a0 ibv_reg_mr_iova2 + 24",
        r"\bibv_reg_mr(?:_iova2)?\b|SharedBuffer::register_to_protection_domain",
        "the rank crashed because there was no protection domain: its device is missing or down",
        (f"{MLX}/issues/3777", f"{MLX}/pull/4180", f"{MLX}/issues/4485", f"{_EXO}/issues/2186"),
        (FixKind.UPGRADE, "update MLX to 0.32.1 or later, which says what is missing"),
        ("the matrix names a device that is not there", "hostfile-device", "rdma-device",
         "rdma-devices-listed"), _PORT_DOWN, _NOT_TB5,
        about="device", versions="before 0.32.1; #4485 also later", confidence="confirmed",
        no_retry=True,
    ),
    _entry(
        "crash-allocate-domain", "macOS",
        "panic: AppleThunderboltRDMAInterface::deallocPD",
        r"AppleThunderboltRDMAInterface::(?:de)?allocPD",
        "the kernel's RDMA driver failed at a protection domain: many starts and ends do that",
        (f"{_EXO}/issues/1972", f"{MLX}/issues/3186"),
        (FixKind.REBOOT, "restart the host, hold the power button if it does not shut down"),
        _LEAKED, about="host", confidence="several", no_retry=True,
    ),
    _entry(
        "panic-gpu-memory", "macOS",
        'panic(cpu 4 caller 0xfffffe00): "completeMemory() prepare count underflow"'
        " @IOGPUMemory.cpp:550",
        r"completeMemory\(\) prepare count underflow|unexpectedly not found in fPendingMemorySet",
        "a kernel panic of the GPU driver: probably the wired limit is too high",
        (f"{MLX}/issues/3186", f"{MLX}/issues/3346", f"{_LM}/issues/883", f"{_LM}/issues/1666"),
        (FixKind.RUN, "leave a quarter of the memory to macOS; do without mx.set_wired_limit",
         "sudo sysctl iogpu.wired_limit_mb=0"),
        _WIRED_LIMIT,
        about="host", confidence="several",
    ),
    _entry(
        "panic-watchdog", "macOS",
        "panic(cpu 0 caller 0xfffffe00): watchdog timeout: no checkins from watchdogd in 92"
        " seconds",
        r"watchdog timeout: no checkins from watchdogd",
        "the Mac stood still for a minute and a half: memory ran out, or a driver hung",
        (f"{_LM}/issues/883", f"{_EXO}/issues/1939"),
        (FixKind.RUN, "leave a quarter of the memory to macOS",
         "sudo sysctl iogpu.wired_limit_mb=0"),
        _WIRED_LIMIT, _WEDGED, about="host", confidence="several",
    ),
    _entry(
        "panic-rdma", "macOS",
        "com.apple.driver.AppleThunderboltRDMA(0.0.1)",
        r"com\.apple\.driver\.AppleThunderboltRDMA\(|IOThunderboltFamily \+ 0x",
        "a kernel panic with the RDMA driver in its backtrace",
        (f"{_EXO}/issues/1972", f"{MLX}/issues/3186"),
        (FixKind.UPGRADE, "update macOS; report the panic to Apple with the file"),
        ("versions of macOS differ", "versions-macos-match"), about="host", confidence="several",
        no_retry=True,
    ),
    _entry(
        "crash-jaccl", "macOS", "4   libjaccl.dylib  0x1f00 jaccl::MeshGroup::allocate_buffers()",
        r"\bjaccl::\w+",
        "the crash went through jaccl; where in it is in this line",
        (f"{MLX}/issues/4485", f"{MLX}/issues/4319"),
        (FixKind.UPGRADE, "update MLX; report it with the crash report"), _MIXED, _PORT_DOWN,
        role=Role.SYMPTOM, about="device", confidence="single", no_retry=True,
    ),
)  # fmt: skip

MESSAGES: tuple[Entry, ...] = (
    *RING,
    *MPI,
    *LAUNCHER,
    *SYSTEM,
    *CRASHES,
    *GENERIC,
    *JACCL,
)
"""All of them, in the order in which they are looked for."""

BY_ID: Mapping[str, Entry] = {entry.id: entry for entry in MESSAGES}
