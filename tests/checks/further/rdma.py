"""RDMA and GID: the switch at the next start, GIDs beside addresses."""

from __future__ import annotations

from tests.checks.further.network import PORT, PORTS, otherwise, said, unanswered

FAILING = {
    "rdma-stored-switch": said("nvram_rdma", b"rdma-enable\t0\n"),
    "gid-link-local": otherwise(
        "ifconfig", b"%en3 prefixlen 64 secured", b"%en3 prefixlen 64 detached secured"
    ),
}
UNKNOWN = {
    "rdma-stored-switch": unanswered("nvram_rdma"),
    "gid-link-local": unanswered("ifconfig"),
}
ABOUT = {"gid-link-local": PORT}
NOT_KNOWN_OF = {"gid-link-local": PORTS}
