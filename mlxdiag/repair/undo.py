"""Undo: the line that takes a proposed command back, from what the host had before."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface

from mlxdiag.checks.subject import End

_SERVICE = re.compile(r"-setmanual (?P<service>'[^']*'|\"[^\"]*\"|\S+) ")
_MADE = re.compile(r"-createnetworkservice (?P<service>'[^']*'|\"[^\"]*\"|\S+) ")
_MEMBER = re.compile(r"ifconfig (?P<bridge>bridge\d+) deletem (?P<port>\w+)")


def of(command: str | None, end: End | None) -> str | None:
    """Give what takes the command back; None where there is nothing or nobody knows what."""
    if command is None:
        return None
    if member := _MEMBER.search(command):
        return f"sudo ifconfig {member['bridge']} addm {member['port']}"
    if made := _MADE.search(command):
        return f"sudo networksetup -removenetworkservice {made['service']}"
    if service := _SERVICE.search(command):
        before = _address(service["service"], end)
        return None if command.endswith(before.removeprefix("sudo ")) else before
    return None


def _address(service: str, end: End | None) -> str:
    """Give the address back that the port had; one that macOS gave itself comes back by DHCP."""
    held = [IPv4Interface(text) for text in end.port.ipv4] if end else []
    fixed = [each for each in held if not each.ip.is_link_local]
    if not fixed:
        return f"sudo networksetup -setdhcp {service}"
    return f"sudo networksetup -setmanual {service} {fixed[0].ip} {fixed[0].netmask}"
