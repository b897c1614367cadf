"""IPv4 addresses under other numbers: what shared a network still does, and nothing else is kept.

A bit is flipped or not by what stands before it, so two addresses have as many leading bits in
common as before. The class of the address stays (loopback, 10/8, 172.16/12, 192.168/16, 169.254/16,
multicast), and so does the last octet: networks and broadcasts of a /24 or smaller keep their form.
Zeros and 255s at the end stay as well, for those of wider networks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

_KEPT = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")))
"""Addresses that mean the same everywhere, and netmasks."""

_CLASSES = tuple(
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"))
)
_PUBLIC = IPv4Network("203.0.0.0/8")
"""Where public addresses go: they keep nothing of their first octet."""


@dataclass(frozen=True)
class Ipv4Pseudonyms:
    """A mapping that `key` decides: without it no number can be led back by trying all of them."""

    key: bytes

    def of(self, text: str) -> str:
        """Give the pseudonym of a dotted address, or of its first octets (`192.168.86`)."""
        octets = text.split(".")
        address = IPv4Address(".".join([*octets, *["0"] * (4 - len(octets))]))
        return ".".join(str(self._mapped(address)).split(".")[: len(octets)])

    def _mapped(self, address: IPv4Address) -> IPv4Address:
        if any(address in net for net in _KEPT):
            return address
        fixed = next((net.prefixlen for net in _CLASSES if address in net), 0)
        bits = f"{int(address):032b}"
        stop = 24 if _tail(address) == 0 else 8 * (4 - _tail(address))
        made = bits[:fixed] if fixed else f"{int(_PUBLIC.network_address) >> 24:08b}"
        for at in range(len(made), 32):
            flip = at < stop and self._flips(bits[:at])
            made += str(int(bits[at]) ^ flip)
        return IPv4Address(int(made, 2))

    def _flips(self, before: str) -> bool:
        return bool(hashlib.blake2b(before.encode(), key=self.key, digest_size=1).digest()[0] & 1)


def _tail(address: IPv4Address) -> int:
    """Count the octets at the end that are all 0 or all 255, if they are two or more."""
    raw = address.packed
    for value in (0, 255):
        count = next((at for at, octet in enumerate(reversed(raw)) if octet != value), 4)
        if count >= 2:
            return count
    return 0
