"""Drawing: where hosts, ports and cables go in the picture of the topology. Numbers are pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import atan2, cos, degrees, pi, radians, sin
from typing import Any

from mlxdiag.ports import Port
from mlxdiag.readings import HostFacts
from mlxdiag.render.cells import Cell, Mark, end
from mlxdiag.render.rows import of_host
from mlxdiag.render.verdicts import LinkMark, named, of_link, said
from mlxdiag.report import Report

BOXED = 4
"""Up to this many hosts are drawn as the machines that they are, with a back and a front."""

DETAILED = 12
"""Up to this many are arcs with their ports; more are dots with their names."""

STEP = 46.0
"""From one port to the next."""

HEIGHT = 118.0
LETTER = 8.6
SMALL = 6.8
"""Widths of a letter of a host's name: beside ports, and beside a dot."""

LONGEST = 26
"""Letters of a name in the picture; the whole of it is in the table of hosts."""

MARGIN = 16.0
PULL = 0.42
"""How far towards the middle a cable between two arcs bends: 0 is through it."""
BACK = ("back-left", "back-left-middle", "back-right-middle", "back-right")
FRONT = ("front-left", "front-right")
"""Positions of receptacles, from left to right for somebody before the machine."""


@dataclass(frozen=True)
class Spot:
    """A port: its middle, where its name is written, the mark of its end of the cable.

    `away` is the direction in which a cable leaves, down or up.
    """

    x: float
    y: float
    name_x: float
    name_y: float
    receptacle: int
    name: str
    mark: Mark
    title: str
    away: int = 0


@dataclass(frozen=True)
class Box:
    """A host: where its name is written, what else is said of it, its ports.

    One that is drawn as a machine has a size around that place, an arc has a path, a dot has its
    name beside it. `anchor` and `turn` (degrees) are of the name.
    """

    x: float
    y: float
    name: str
    note: str
    title: str
    reached: bool
    spots: tuple[Spot, ...] = ()
    width: float = 0.0
    height: float = 0.0
    arc: str = ""
    anchor: str = "middle"
    turn: float = 0.0


@dataclass(frozen=True)
class Wire:
    """A cable: its path as SVG spells it, and its middle, for a sign."""

    path: str
    x: float
    y: float
    mark: LinkMark
    title: str


@dataclass(frozen=True)
class Drawing:
    """The whole picture; `placed` says whether some ports are where they are on the machine."""

    left: float
    top: float
    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    placed: bool

    @property
    def detailed(self) -> bool:
        """Whether ports are shown."""
        return len(self.boxes) <= DETAILED


def draw(report: Report) -> Drawing:
    """Place all hosts, then their ports, then the cables between these."""
    count = len(report.cluster.facts)
    place = _boxes if count <= BOXED else _arcs if count <= DETAILED else _dots
    boxes = place(report)
    wires = tuple(_wires(report, boxes))
    edges = [_extent(box) for box in boxes.values()]
    edges += [(wire.x - 24, wire.y - 24, wire.x + 24, wire.y + 24) for wire in wires]
    left, top = (min(edge[n] for edge in edges) - MARGIN for n in (0, 1))
    right, bottom = (max(edge[n] for edge in edges) + MARGIN for n in (2, 3))
    everything = (p for ports in report.cluster.topology.ports.values() for p in ports)
    return Drawing(
        left=_round(left),
        top=_round(top),
        width=_round(right - left),
        height=_round(bottom - top),
        boxes=tuple(boxes.values()),
        wires=wires,
        placed=count <= BOXED and any(port.position for port in everything),
    )


def _round(value: float) -> float:
    """Round to a tenth; no minus before a zero."""
    return round(value, 1) + 0.0


def _extent(box: Box) -> tuple[float, float, float, float]:
    if box.width:
        w, h = box.width / 2, box.height / 2
        return box.x - w, box.y - h - 10, box.x + w, box.y + h + 10
    if box.arc:
        wide = max(len(box.name) * LETTER, len(box.note) * SMALL)
        left = {"start": 0.0, "middle": wide / 2, "end": wide}[box.anchor]
        return box.x - left, box.y - 16, box.x - left + wide, box.y + 20
    reach = len(box.name) * SMALL + 16
    angle = radians(box.turn)
    dx, dy = (reach if box.anchor == "start" else -reach) * cos(angle), reach * abs(sin(angle))
    return box.x + min(dx, -12), box.y - dy - 12, box.x + max(dx, 12), box.y + dy + 12


# Up to four hosts: machines with their backs turned to the middle.


def _boxes(report: Report) -> dict[str, Box]:
    cells = {(p.host, p.receptacle): end(s, p) for s in report.links for p in s.link.ends}
    around = _places(report)
    return {
        facts.host.name: _box(report, facts, at, cells)
        for facts, at in zip(report.cluster.facts, around, strict=True)
    }


def _places(report: Report) -> list[tuple[float, float]]:
    """Spread hosts clockwise in their order; two and three stand in a row or a triangle."""
    widest = max(_width(ports) for ports in report.cluster.topology.ports.values())
    count = len(report.cluster.facts)
    if count == 1:
        return [(0.0, 0.0)]
    if count <= 3:
        gap = widest + 90
        return [(-gap / 2, 0.0), (gap / 2, 0.0), (0.0, HEIGHT + 150)][:count]
    x, y = widest / 2 + 60, HEIGHT / 2 + 95
    return [(-x, -y), (x, -y), (x, y), (-x, y)]


def _width(ports: Sequence[Port]) -> float:
    longest = LETTER * min(LONGEST, max((len(p.host) for p in ports), default=10))
    return max(150.0, longest + 24, *(len(row) * STEP + 24 for row in _sides(ports)))


def _sides(ports: Sequence[Port]) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Sort ports onto the back and the front; those whose place is not known are at the back."""
    front = [p for p in ports if p.position in FRONT]
    back = [p for p in ports if p.position not in FRONT]
    if any(p.position is None for p in back):
        return tuple(back), tuple(front)
    place = {name: n for n, name in enumerate((*BACK, *FRONT))}
    order = lambda p: (place.get(p.position or "", len(place)), p.receptacle)  # noqa: E731
    return tuple(sorted(back, key=order)), tuple(sorted(front, key=order))


def _box(
    report: Report,
    facts: HostFacts,
    at: tuple[float, float],
    cells: Mapping[tuple[str, int], Cell],
) -> Box:
    x, y = at
    ports = report.cluster.topology.ports[facts.host.name]
    below = y <= 0  # the back is turned to the middle: the machine stands the other way round
    spots: list[Spot] = []
    for side, on_front in zip(_sides(ports), (False, True), strict=True):
        lower = below is not on_front
        turned = side[::-1] if below else side
        for n, port in enumerate(turned):
            spot_x = x + (n - (len(side) - 1) / 2) * STEP
            spot_y = y + (HEIGHT / 2 if lower else -HEIGHT / 2)
            name_at = (spot_x, spot_y - 15 if lower else spot_y + 23)
            away = 1 if lower else -1
            spots.append(_spot(port, (spot_x, spot_y), name_at, cells, away))
    return Box(
        x=_round(x),
        y=_round(y),
        **_said(report, facts),
        spots=tuple(spots),
        width=_round(_width(ports)),
        height=HEIGHT,
    )


def _said(report: Report, facts: HostFacts) -> dict[str, Any]:
    """Give what is written at a host, and what is said when it is pointed at."""
    name, chip, macos, mlx, *_ = of_host(report, facts)
    note = f"{chip}, MLX {mlx}" if facts.reached else chip
    return {
        "name": name if len(name) <= LONGEST else f"{name[:12]}…{name[-(LONGEST - 13) :]}",
        "note": note if len(note) <= LONGEST + 4 else f"{note[: LONGEST + 3]}…",
        "title": f"{name}: {chip}, macOS {macos}, MLX {mlx}",
        "reached": facts.reached,
    }


def _spot(
    port: Port,
    at: tuple[float, float],
    name_at: tuple[float, float],
    cells: Mapping[tuple[str, int], Cell],
    away: int = 0,
) -> Spot:
    cell = cells.get((port.host, port.receptacle), Cell("none"))
    where = f", {port.position}" if port.position else ""
    state = f": {port.state}" if port.state else ""
    name = port.interface if isinstance(port.interface, str) else f"#{port.receptacle}"
    return Spot(
        x=_round(at[0]),
        y=_round(at[1]),
        name_x=_round(name_at[0]),
        name_y=_round(name_at[1]),
        receptacle=port.receptacle,
        name=name if len(name) <= 6 else f"{name[:5]}…",
        mark=cell.mark,
        title=f"{named(port)}, receptacle {port.receptacle}{where}{state}",
        away=away,
    )


# Up to a dozen: arcs of a circle, their ports inside, so that no cable runs behind a host.


def _arcs(report: Report) -> dict[str, Box]:
    cells = {(p.host, p.receptacle): end(s, p) for s in report.links for p in s.link.ends}
    ports = report.cluster.topology.ports
    lengths = [max(1, len(ports[facts.host.name])) * 34.0 + 44 for facts in report.cluster.facts]
    radius = max(230.0, sum(lengths) / (2 * pi))
    boxes, begun = {}, -pi / 2 - lengths[0] / sum(lengths) * pi
    for facts, length in zip(report.cluster.facts, lengths, strict=True):
        share = length / sum(lengths) * 2 * pi
        boxes[facts.host.name] = _arc(report, facts, (radius, begun, begun + share), cells)
        begun += share
    return boxes


def _arc(
    report: Report,
    facts: HostFacts,
    around: tuple[float, float, float],
    cells: Mapping[tuple[str, int], Cell],
) -> Box:
    """Draw a host from one angle to another, its ports in the order of where they lead to."""
    radius, first, last = around
    middle, room = (first + last) / 2, 34.0 / radius
    ports = sorted(
        report.cluster.topology.ports[facts.host.name], key=_onwards(report), reverse=True
    )
    spots = []
    for n, port in enumerate(ports):
        angle = middle + (n - (len(ports) - 1) / 2) * room
        name_at = _polar(radius + 22, angle)
        spots.append(_spot(port, _polar(radius, angle), (name_at[0], name_at[1] + 4), cells))
    half = (max(1, len(ports)) / 2) * room
    (ax, ay), (bx, by) = (_polar(radius + 12, middle + side * half) for side in (-1, 1))
    x, y = _polar(radius + 52, middle)
    anchor = "middle" if abs(cos(middle)) < 0.3 else "start" if cos(middle) > 0 else "end"
    return Box(
        x=_round(x),
        y=_round(y),
        **_said(report, facts),
        spots=tuple(spots),
        arc=f"M{_round(ax):g} {_round(ay):g}A{radius + 12:.1f} {radius + 12:.1f} 0 0 1"
        f" {_round(bx):g} {_round(by):g}",
        anchor=anchor,
    )


def _polar(radius: float, angle: float) -> tuple[float, float]:
    return radius * cos(angle), radius * sin(angle)


def _onwards(report: Report) -> Callable[[Port], tuple[int, int]]:
    """Order ports by how many hosts further their cable ends; those without one first."""
    index = {host: n for n, host in enumerate(report.cluster.topology.hosts)}

    def further(port: Port) -> tuple[int, int]:
        link = report.cluster.topology.link_of(port)
        if link is None:
            return 0, port.receptacle
        steps = (index[link.other(port).host] - index[port.host]) % len(index)
        return steps, port.receptacle if index[port.host] < index[link.other(port).host] else -(
            link.other(port).receptacle
        )

    return further


# More: dots, placed by igraph so that cables are short.


def _dots(report: Report) -> dict[str, Box]:
    import igraph  # noqa: PLC0415  # only a large cluster needs a layout to be found

    hosts = report.cluster.topology.hosts
    index = {host: n for n, host in enumerate(hosts)}
    edges = sorted({(index[s.link.a.host], index[s.link.b.host]) for s in report.links})
    graph = igraph.Graph(n=len(hosts), edges=edges)
    circle = max(graph.degree(), default=0) <= 2 or not edges
    found = graph.layout_circle() if circle else graph.layout_kamada_kawai()
    if circle and graph.is_connected():
        order = graph.dfs(0)[0]
        found = [found[order.index(n)] for n in range(len(hosts))]
    size = 26.0 * len(hosts) / pi
    reach = max((max(abs(x), abs(y)) for x, y in found), default=1) or 1
    placed = [(x / reach * size / 2, y / reach * size / 2) for x, y in found]
    return {
        facts.host.name: _dot(report, facts, x, y)
        for facts, (x, y) in zip(report.cluster.facts, placed, strict=True)
    }


def _dot(report: Report, facts: HostFacts, x: float, y: float) -> Box:
    """Write the name outwards, never upside down."""
    angle = degrees(atan2(y, x))
    left = abs(angle) > 90
    return Box(
        x=_round(x),
        y=_round(y),
        **_said(report, facts),
        anchor="end" if left else "start",
        turn=_round(angle + 180 if left else angle),
    )


# Cables.


def _wires(report: Report, boxes: Mapping[str, Box]) -> Iterable[Wire]:
    spots = {(h, s.receptacle): s for h, box in boxes.items() for s in box.spots}
    for state in report.links:
        a, b = state.link.ends
        if spots:
            found = [spots[port.host, port.receptacle] for port in (a, b)]
            path, x, y = _curve(found[0], found[1])
        else:
            twins = report.between(a.host, b.host)
            path, x, y = _line(boxes[a.host], boxes[b.host], twins.index(state), len(twins))
        yield Wire(path, x, y, of_link(state), said(state))


def _curve(one: Spot, other: Spot) -> tuple[str, float, float]:
    """Leave each port straight away from its host, and give the middle of the way."""
    distance = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5
    pull = max(36.0, min(110.0, distance * 0.32))
    bends = [
        (s.x, s.y + s.away * pull) if s.away else (s.x * PULL, s.y * PULL) for s in (one, other)
    ]
    (ax, ay), (bx, by) = bends
    x = (one.x + 3 * ax + 3 * bx + other.x) / 8
    y = (one.y + 3 * ay + 3 * by + other.y) / 8
    spelt = " ".join(f"{_round(v):g}" for v in (ax, ay, bx, by, other.x, other.y))
    return f"M{one.x:g} {one.y:g}C{spelt}", _round(x), _round(y)


def _line(one: Box, other: Box, number: int, count: int) -> tuple[str, float, float]:
    """Draw a line, beside its twins where a pair has several cables."""
    dx, dy = other.x - one.x, other.y - one.y
    length = (dx * dx + dy * dy) ** 0.5 or 1
    aside = (number - (count - 1) / 2) * 14
    x = _round((one.x + other.x) / 2 - dy / length * aside)
    y = _round((one.y + other.y) / 2 + dx / length * aside)
    return f"M{one.x:g} {one.y:g}Q{x:g} {y:g} {other.x:g} {other.y:g}", x, y
