"""Verdicts of links in a word: what pictures colour, and say without colour as well."""

from __future__ import annotations

from typing import Literal

from mlxdiag.ladder import LinkState
from mlxdiag.ports import Port
from mlxdiag.render.cells import Mark, end

LinkMark = Literal["good", "bent", "bad", "tcp", "unknown"]

WORDS: dict[LinkMark, str] = {
    "good": "RDMA usable",
    "bent": "usable, with a warning",
    "bad": "not usable for RDMA",
    "tcp": "TCP only (Thunderbolt 4)",
    "unknown": "not known",
}


def of_link(state: LinkState) -> LinkMark:
    """Judge a cable as a whole: by its worse end."""
    marks: set[Mark] = {end(state, port).mark for port in state.link.ends}
    if marks & {"bad", "far"}:
        return "bad"
    order: tuple[LinkMark, ...] = ("unknown", "tcp", "bent", "good")
    return next(mark for mark in order if mark in marks)


def said(state: LinkState) -> str:
    """Say in one line which cable it is, whether RDMA can use it, and what stands against it."""
    a, b = state.link.ends
    against = f": {', '.join(state.jaccl.blockers)}" if state.jaccl.blockers else ""
    warned = {f.id: None for port in (a, b) for f in state.bent(port)}
    bent = f": {', '.join(warned)}" if warned and not against else ""
    speed = f", {state.link.speed_gbps:g} Gb/s" if state.link.speed_gbps else ""
    via = f", via {', '.join(state.link.via)}" if state.link.via else ""
    return f"{named(a)} - {named(b)}{speed}{via}: {WORDS[of_link(state)]}{against or bent}"


def named(port: Port) -> str:
    """Name a port with its host."""
    return f"{port.host} {port.name}"
