"""Undo: the line that takes a proposed command back, from what the host had before."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface

from mlxdiag.checks.subject import End
from mlxdiag.cluster import Cluster
from mlxdiag.facts import exo_daemon, socketfilterfw
from mlxdiag.facts.system_profiler_network import MANUAL
from mlxdiag.readings import known

_METHODS = {"DHCP": "-setdhcp", "BOOTP": "-setbootp"}
"""How networksetup sets a service to what system_profiler says of it."""

_PLIST = exo_daemon.FILE


@dataclass(frozen=True)
class Before:
    """What the commands of a step change: the cluster, the host, and the end of a cable or none."""

    cluster: Cluster
    host: str
    end: End | None = None


def of(command: str | None, before: Before) -> str | None:
    """Give what takes the command back; None where there is nothing or nobody knows what."""
    if command is None:
        return None
    done = [_words(part) for part in command.split(" && ")]
    lines = [line for words in reversed(_lasting(done)) for line in _back(words, before)]
    lines.sort(key=lambda line: line.startswith("launchctl bootstrap"))
    return " && ".join(f"sudo {line}" for line in lines) or None


def _lasting(done: list[list[str]]) -> list[list[str]]:
    """Leave out what needs no way back: a service that is off or gone again has no address.

    What is switched off and on again is as it was.
    """
    first = done[0][1:2]
    if first == ["-createnetworkservice"]:
        return done[:1]
    if first == ["-setnetworkserviceenabled"]:
        return done[:1] if done[0][-1] == "on" else done[2:]
    return done


def _words(part: str) -> list[str]:
    words = shlex.split(part)
    return words[1:] if words[:1] == ["sudo"] else words


def _back(words: Sequence[str], before: Before) -> Iterator[str]:
    """Give the line, without sudo, that takes one command back."""
    match words:
        case ["networksetup", "-setmanual", service, ip, mask]:
            yield from _address(service, f"{ip} {mask}", before)
        case ["networksetup", "-createnetworkservice", service, _]:
            yield f"networksetup -removenetworkservice {shlex.quote(service)}"
        case ["networksetup", "-setnetworkserviceenabled", service, "on"]:
            yield f"networksetup -setnetworkserviceenabled {shlex.quote(service)} off"
        case ["ifconfig", bridge, "deletem", port]:
            yield f"ifconfig {bridge} addm {port}"
        case ["ifconfig", port, "inet", ip, *_]:
            yield f"ifconfig {port} inet {ip} -alias"
        case ["ifconfig", port, "up"]:
            yield f"ifconfig {port} down"
        case ["route", "-n", "add", "-host", far, *_]:
            yield f"route -n delete -host {far}"
        case _:
            yield from _elsewhere(words, before)


def _elsewhere(words: Sequence[str], before: Before) -> Iterator[str]:
    """Give it for what is set beside interfaces and services."""
    match words:
        case [socketfilterfw.TOOL, "--setblockall", "off"]:
            yield f"{socketfilterfw.TOOL} --setblockall on"
        case ["launchctl", "bootout", _]:
            yield f"launchctl bootstrap system {_PLIST}"
        case ["launchctl", "disable", service]:
            yield f"launchctl enable {service}"
        case ["mv", one, other]:
            yield f"mv {other} {one}"
        case ["pmset", "-a", *names]:
            yield from _power(names[::2], before)
        case ["sysctl", setting]:
            yield from _limit(setting.partition("=")[0], before)


def _address(service: str, new: str, before: Before) -> Iterator[str]:
    """Give the address back that the port had, or the way in which it got one."""
    name = shlex.quote(service)
    held = [IPv4Interface(text) for text in before.end.port.ipv4] if before.end else []
    fixed = [each for each in held if not each.ip.is_link_local]
    method = _method(service, before)
    if method in _METHODS:
        yield f"networksetup {_METHODS[method]} {name}"
    elif fixed and method in (MANUAL, ""):
        old = f"{fixed[0].ip} {fixed[0].netmask}"
        if old != new:
            yield f"networksetup -setmanual {name} {old}"
    elif method == "":
        yield f"networksetup -setdhcp {name}"


def _method(service: str, before: Before) -> str:
    """Say how the service got its address; empty where the host did not say."""
    said = known(before.cluster.survey(before.host).services)
    methods = [each.method for each in said.services if each.name == service] if said else []
    return next(filter(None, methods), "")


def _power(names: Sequence[str], before: Before) -> Iterator[str]:
    said = known(before.cluster.survey(before.host).pmset)
    old = [(name, getattr(said, name)) for name in names] if said else []
    pairs = " ".join(f"{name} {value}" for name, value in old if value is not None)
    if pairs:
        yield f"pmset -a {pairs}"


def _limit(name: str, before: Before) -> Iterator[str]:
    said = known(before.cluster.survey(before.host).sysctl_state)
    if name == "iogpu.wired_limit_mb" and said and said.wired_limit_mb is not None:
        yield f"sysctl {name}={said.wired_limit_mb}"
