"""RDMA and GID: the switch at the next start, GIDs beside addresses."""

from __future__ import annotations

from mlxdiag.capture import Outcome
from tests.checks.further.network import PORT, PORTS, otherwise, said, unanswered
from tests.checks.recorded import ended
from tests.checks.surveyed import HOST, clean

FAILING = {
    "rdma-stored-switch": said("nvram_rdma", b"rdma-enable\t0\n"),
    "gid-link-local": otherwise(
        "ifconfig", b"%en3 prefixlen 64 secured", b"%en3 prefixlen 64 detached secured"
    ),
    "gid-current-address": otherwise("ibv_devinfo", b"::ffff:10.219.1.2\n", b"::ffff:10.219.9.2\n"),
}
UNKNOWN = {
    "rdma-stored-switch": unanswered("nvram_rdma"),
    "gid-link-local": unanswered("ifconfig"),
    "gid-current-address": lambda: ended(clean(), HOST, "ibv_devinfo", Outcome.SIGNALLED),
}
ABOUT = {"gid-link-local": PORT, "gid-current-address": PORT}
NOT_KNOWN_OF = {"gid-link-local": PORTS, "gid-current-address": PORTS}
