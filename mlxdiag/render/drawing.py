"""Drawing: where hosts, ports and cables go in the picture of the topology. Numbers are pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import atan2, cos, degrees, pi, sin

from mlxdiag.ports import Port
from mlxdiag.readings import HostFacts
from mlxdiag.render.cells import Cell, Mark, end
from mlxdiag.render.rows import of_host
from mlxdiag.render.verdicts import LinkMark, named, of_link, said
from mlxdiag.report import Report

DETAILED = 12
"""Up to this many hosts are drawn as boxes with their ports; more are dots with their names."""

STEP = 46.0
"""From one port to the next."""

HEIGHT = 118.0
LETTER = 8.6
"""Width of a letter of a host's name."""

LONGEST = 26
"""Letters of a name in the picture; the whole of it is in the table of hosts."""

MARGIN = 16.0
DOT = 5.0
BACK = ("back-left", "back-left-middle", "back-right-middle", "back-right")
FRONT = ("front-left", "front-right")
"""Positions of receptacles, from left to right for somebody before the machine."""


@dataclass(frozen=True)
class Spot:
    """A port: its middle, the mark of its end of the cable, and whether it is on the lower edge."""

    x: float
    y: float
    receptacle: int
    name: str
    mark: Mark
    title: str
    below: bool


@dataclass(frozen=True)
class Box:
    """A host: its middle and size, what is written on it, its ports. A dot has no size.

    `anchor` and `turn` (degrees) are of a dot's name, which is written away from the others.
    """

    x: float
    y: float
    width: float
    name: str
    note: str
    title: str
    reached: bool
    spots: tuple[Spot, ...] = ()
    height: float = HEIGHT
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
        """Whether hosts are boxes with ports."""
        return len(self.boxes) <= DETAILED


def draw(report: Report) -> Drawing:
    """Place all hosts, then their ports, then the cables between these."""
    detailed = len(report.cluster.facts) <= DETAILED
    boxes = _boxes(report) if detailed else _dots(report)
    wires = tuple(_wires(report, boxes, detailed=detailed))
    edges = [_extent(box, detailed=detailed) for box in boxes.values()]
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
        placed=detailed and any(port.position for port in everything),
    )


def _round(value: float) -> float:
    """Round to a tenth; no minus before a zero."""
    return round(value, 1) + 0.0


def _extent(box: Box, *, detailed: bool) -> tuple[float, float, float, float]:
    if detailed:
        w, h = box.width / 2, box.height / 2
        return box.x - w, box.y - h, box.x + w, box.y + h
    reach = len(box.name) * LETTER + 16
    return box.x - reach, box.y - reach, box.x + reach, box.y + reach


# Up to a dozen hosts: boxes on an ellipse, their backs turned to the middle.


def _boxes(report: Report) -> dict[str, Box]:
    cells = {(p.host, p.receptacle): end(s, p) for s in report.links for p in s.link.ends}
    around = _ellipse(report)
    return {
        facts.host.name: _box(report, facts, at, cells)
        for facts, at in zip(report.cluster.facts, around, strict=True)
    }


def _ellipse(report: Report) -> list[tuple[float, float]]:
    """Spread hosts clockwise in their order; two and three stand in a row or a triangle."""
    widest = max(_width(ports) for ports in report.cluster.topology.ports.values())
    count = len(report.cluster.facts)
    if count == 1:
        return [(0.0, 0.0)]
    if count <= 3:
        gap = widest + 90
        return [(-gap / 2, 0.0), (gap / 2, 0.0), (0.0, HEIGHT + 150)][:count]
    if count == 4:
        x, y = widest / 2 + 60, HEIGHT / 2 + 95
        return [(-x, -y), (x, -y), (x, y), (-x, y)]
    wide, high = count * widest * 0.21, count * (HEIGHT + 30) * 0.21
    angles = [2 * pi * (n + 0.5) / count - pi / 2 - pi / count for n in range(count)]
    return [(wide * cos(angle), high * sin(angle)) for angle in angles]


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
    name, chip, macos, mlx, *_ = of_host(report, facts)
    ports = report.cluster.topology.ports[name]
    below = y <= 0  # the back is turned to the middle: the machine stands the other way round
    spots: list[Spot] = []
    for side, on_front in zip(_sides(ports), (False, True), strict=True):
        lower = below is not on_front
        turned = side[::-1] if below else side
        for n, port in enumerate(turned):
            spot_x = x + (n - (len(side) - 1) / 2) * STEP
            spot_y = y + (HEIGHT / 2 if lower else -HEIGHT / 2)
            spots.append(_spot(port, spot_x, spot_y, cells, below=lower))
    short = name if len(name) <= LONGEST else f"{name[:12]}…{name[-(LONGEST - 13) :]}"
    note = f"{chip}, MLX {mlx}" if facts.reached else chip
    return Box(
        x=_round(x),
        y=_round(y),
        width=_round(_width(ports)),
        name=short,
        note=note if len(note) <= LONGEST + 4 else f"{note[: LONGEST + 3]}…",
        title=f"{name}: {chip}, macOS {macos}, MLX {mlx}",
        reached=facts.reached,
        spots=tuple(spots),
    )


def _spot(
    port: Port, x: float, y: float, cells: Mapping[tuple[str, int], Cell], *, below: bool
) -> Spot:
    cell = cells.get((port.host, port.receptacle), Cell("none"))
    where = f", {port.position}" if port.position else ""
    state = f": {port.state}" if port.state else ""
    name = port.interface if isinstance(port.interface, str) else f"#{port.receptacle}"
    return Spot(
        x=_round(x),
        y=_round(y),
        receptacle=port.receptacle,
        name=name if len(name) <= 6 else f"{name[:5]}…",
        mark=cell.mark,
        title=f"{named(port)}, receptacle {port.receptacle}{where}{state}",
        below=below,
    )


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
    name, chip, macos, mlx, *_ = of_host(report, facts)
    angle = degrees(atan2(y, x))
    left = abs(angle) > 90
    return Box(
        x=_round(x),
        y=_round(y),
        width=0,
        name=name if len(name) <= LONGEST else f"{name[:12]}…{name[-(LONGEST - 13) :]}",
        note="",
        title=f"{name}: {chip}, macOS {macos}, MLX {mlx}",
        reached=facts.reached,
        height=0,
        anchor="end" if left else "start",
        turn=_round(angle + 180 if left else angle),
    )


# Cables.


def _wires(report: Report, boxes: Mapping[str, Box], *, detailed: bool) -> Iterable[Wire]:
    spots = {(h, s.receptacle): s for h, box in boxes.items() for s in box.spots}
    for state in report.links:
        a, b = state.link.ends
        if detailed:
            found = [spots[port.host, port.receptacle] for port in (a, b)]
            path, x, y = _curve(found[0], found[1])
        else:
            twins = report.between(a.host, b.host)
            path, x, y = _line(boxes[a.host], boxes[b.host], twins.index(state), len(twins))
        yield Wire(path, x, y, of_link(state), said(state))


def _curve(one: Spot, other: Spot) -> tuple[str, float, float]:
    """Leave each port straight away from its box, and give the middle of the way."""
    distance = ((one.x - other.x) ** 2 + (one.y - other.y) ** 2) ** 0.5
    pull = max(36.0, min(110.0, distance * 0.32))
    bends = [(s.x, s.y + (pull if s.below else -pull)) for s in (one, other)]
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
