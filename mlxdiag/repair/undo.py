"""Undo: the line that takes a proposed command back, from what the host had before."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface

from mlxdiag.checks.subject import End
from mlxdiag.facts import socketfilterfw

_SERVICE = re.compile(r"-setmanual (?P<service>'[^']*'|\"[^\"]*\"|\S+) ")
_MADE = re.compile(r"-createnetworkservice (?P<service>'[^']*'|\"[^\"]*\"|\S+) ")
_ROUTE = re.compile(r"route -n add -host (?P<far>\S+) ")
_MEMBER = re.compile(r"ifconfig (?P<bridge>bridge\d+) deletem (?P<port>\w+)")

_FIREWALL = f"sudo {socketfilterfw.TOOL} --setblockall"
_EXO = "sudo launchctl {} system{}io.exo.networksetup{}"
_FORMS = (
    (_MEMBER, "sudo ifconfig {bridge} addm {port}"),
    (_MADE, "sudo networksetup -removenetworkservice {service}"),
    (_ROUTE, "sudo route -n delete -host {far}"),
)
_PAIRS = {
    f"{_FIREWALL} off": f"{_FIREWALL} on",
    _EXO.format("bootout", "/", ""): _EXO.format("bootstrap", " /Library/LaunchDaemons/", ".plist"),
}
"""Lines that are taken back by a line of their own."""


def of(command: str | None, end: End | None) -> str | None:
    """Give what takes the command back; None where there is nothing or nobody knows what."""
    if command is None:
        return None
    if command in _PAIRS:
        return _PAIRS[command]
    for form, back in _FORMS:
        if found := form.search(command):
            return back.format(**found.groupdict())
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
