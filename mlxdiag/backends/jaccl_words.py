"""What jaccl says when it fails, step by step of its init, and what each message means.

Numbers of errors have their name behind them when they are looked up here: `errno 22 EINVAL`. Which
message follows from what was read in MLX's sources and in public reports; the driver's part was
never seen by us.
"""

from __future__ import annotations

import re

from mlxdiag.backends.backend import Word


def _word(
    pattern: str, means: str, *, echo: bool = False, device: bool = False, first: bool = False
) -> Word:
    return Word(re.compile(pattern), means, echo, device, first)


ECHOES = (
    _word(
        r"(Recv|Send) failed with errno",
        "the side channel to another rank closed: that rank failed first",
        echo=True,
    ),
    _word(
        r"peer is gone: side channel to rank \d+ closed",
        "another rank has ended while this one waited for its data",
        echo=True,
    ),
    _word(
        r"no progress in .+ for ",
        "data of another rank does not come",
        echo=True,
    ),
)
"""Said by the victims; recv's errno is a stale one, so its number says nothing."""

LIBRARY = (
    _word(
        r"Cannot initialize jaccl|this mlx has no jaccl",
        "the installed mlx is a build without jaccl, or macOS has no librdma",
    ),
    _word(
        r"valid values for backend are",
        "this mlx is older than jaccl (0.30.1)",
    ),
    _word(r"dlsym\(|symbol not found", "librdma of this macOS is too old"),
    _word(
        r"was ended by signal (6|10|11) in init",
        "without librdma, and before mlx 0.32.1 without the device, init ends so",
        device=True,
    ),
)

CONFIGURATION = (
    _word(r"The device file should start with an array", "the matrix is no JSON list"),
    _word(r"should have an array of arrays", "a row of the matrix is no list"),
    _word(
        r"should contain the connectivity of each rank|full connectivity matrix should be provided",
        "the matrix is not square",
    ),
    _word(
        r"Device names should be null, a string or array of strings",
        "a cell of the matrix is neither null nor device names",
    ),
    _word(r"Malformed device file", "the matrix cannot be read (mlx 0.30)"),
    _word(r"json\.exception\.", "the matrix did not arrive, or is no JSON"),
    _word(
        r"You need to provide via environment variables",
        "a variable is missing, the rank is out of range, or the matrix is neither mesh nor ring",
    ),
    _word(
        r"do not form a valid (mesh|ring)|should define a valid mesh or a valid ring",
        "a pair or a neighbour has no device in the matrix, or counts differ",
    ),
    _word(r"Invalid rank \d+", "the rank is out of range (mlx 0.30)"),
    _word(
        r"mesh supports up to 8 peers|maximum number of supported peers",
        "a mesh has at most 8 ranks: jaccl-ring has no limit",
    ),
    _word(r"Up to 4 per direction supported", "a ring has at most 4 wires to a neighbour"),
)

COORDINATOR = (
    _word(
        r"Couldn't bind socket \(error: \d+ EADDRNOTAVAIL",
        "rank 0 does not hold the coordinator's address",
    ),
    _word(
        r"Couldn't bind socket \(error: \d+ EADDRINUSE",
        "somebody else listens at the coordinator's port",
    ),
    _word(r"Couldn't bind socket", "rank 0 cannot listen at the coordinator's address"),
    _word(
        r"Couldn't connect \(error: \d+ ECONNREFUSED",
        "rank 0 did not listen in time: it tries at 0, 1, 3 and 7 s",
        first=True,
    ),
    _word(
        r"Couldn't connect \(error: \d+ EHOSTUNREACH",
        "no route to rank 0; where ping works, macOS' Local Network privacy denies it",
        first=True,
    ),
    _word(
        r"Couldn't connect",
        "the coordinator's address does not answer: a firewall, a VPN or a wrong route",
        first=True,
    ),
    _word(r"Can't parse address", "the coordinator's address is no IPv4 address and port"),
    _word(
        r"Couldn't create socket|Couldn't enable reuse|Couldn't listen|Accept failed",
        "the host gives no socket for the side channel",
    ),
    _word(
        r"Custom all-gather returned",
        "the side channel gave another length than asked for",
    ),
)

DEVICES = (
    _word(
        r"Could not find device \S+ \(0 available\)",
        "the host has no RDMA device: RDMA is off, or it has no Thunderbolt 5",
        device=True,
    ),
    _word(
        r"Could not find device",
        "the host has no device of this name: the matrix is not that of this moment",
        device=True,
    ),
    _word(
        r"Could not open device",
        "the driver does not open it: ibv_devinfo of this device says more",
        device=True,
    ),
    _word(
        r"Couldn't allocate protection domain",
        "the port is down or slower than Thunderbolt 5, or all domains are leaked, which only a"
        " restart gives back",
        device=True,
    ),
    _word(
        r"Couldn't create completion queue",
        "the device has no completion queue left: something else uses RDMA here",
        device=True,
    ),
    _word(
        r"Creating the queue pair failed with .+EBUSY",
        "all queue pairs of the device (about 10) are taken; trying again does not help",
        device=True,
    ),
    _word(
        r"Creating the queue pair failed|Couldn't create queue pair",
        "the device gives no queue pair (about 10 each)",
        device=True,
    ),
    _word(
        r"Register memory region failed",
        "all memory regions of the device (100) are taken: a second jaccl process, or leaked ones",
        device=True,
    ),
    _word(r"Buffer can be registered once", "a bug inside mlx", device=True),
    _word(
        r"Changing queue pair to INIT failed",
        "the port takes no queue pair: its state in ibv_devinfo says more",
        device=True,
    ),
    _word(
        r"No IPv4-mapped GID",
        "the port's interface has no IPv4 address: give it one",
        device=True,
    ),
    _word(
        r"to RTR failed with errno \d+ EINVAL",
        "no IPv4 GID at index 1 of this port: no address, a bridge, or an address given twice",
        device=True,
    ),
    _word(
        r"to RTR failed with errno \d+ ENODATA",
        "nothing at GID index 1: the port is a bridge's member, or all domains are leaked",
        device=True,
    ),
    _word(
        r"to RTR failed with errno \d+ ETIMEDOUT",
        "the far end's GID does not answer on this link: the wrong cable, or its address is gone",
        device=True,
    ),
    _word(
        r"to RTR failed with errno \d+ EBUSY",
        "RDMA resources of a process that has gone are still held: restart, do not try again",
        device=True,
    ),
    _word(
        r"to RTR failed",
        "the port cannot reach the far end's GID",
        device=True,
    ),
    _word(r"to RTS failed", "the queue pair does not become ready to send", device=True),
)

LATER = (
    _word(
        r"(Recv|Send) failed with error code",
        "the device takes no more requests: ranks are out of step",
        device=True,
    ),
    _word(
        r"In ring mode (send|recv) is only supported",
        "in a ring only neighbours reach each other",
    ),
    _word(
        r"was ended by signal (10|11) in",
        "a cable that is pulled ends its ranks so (mlx#4192); seen with none touched (mlx#4319)",
        device=True,
    ),
    _word(r"Unsupported dtype", "jaccl has no such type of data"),
    _word(r"Group split not supported|sum_scatter not supported", "jaccl has no such operation"),
    _word(r"not implemented in an empty distributed group|singleton group", "init gave one rank"),
    _word(r"Not allowed on stopped ThreadPool", "mlx was already shutting down"),
)

HANGS = (
    _word(
        r"^all ranks wait inside init",
        "one is held by the RDMA driver, or a stranger is connected to the coordinator's port;"
        " a host where ibv_devinfo does not return has to be replugged or restarted",
    ),
    _word(
        r"^only echoes of another's end, in init",
        "a stranger was connected to the coordinator's port, or the side channel was cut",
    ),
    _word(
        r"^computes inside init, for ever",
        "so does rank 0 when two ranks have one number",
    ),
    _word(
        r"^waits inside the kernel in init",
        "the RDMA driver does not return: replug its cables, else restart",
        device=True,
    ),
)
"""Texts of the judge, where nobody said anything."""

WORDS = (*ECHOES, *LIBRARY, *CONFIGURATION, *COORDINATOR, *DEVICES, *LATER, *HANGS)
"""The first that is found counts: of one message the narrower comes before the wider."""
