"""Wiring: which cables join pairs of hosts, and the cheapest cycle through all. Pure, bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

End = tuple[str, int]
"""A host's name and the number of a receptacle."""
Pair = tuple[str, str]

BRUTE = 12
"""Up to so many spare cables every choice of them is tried."""
WORK = 400_000
"""Bound of the search for a cycle: paths looked at, times hosts. Counted, so replays are alike."""


@dataclass(frozen=True)
class Run:
    """A cable to run from `a` to `b`: a new one, or a spare one that is moved there."""

    a: End
    b: End
    moved: tuple[End, ...] = ()


@dataclass(frozen=True)
class Wiring:
    """One cable for each pair; `unplugged` are spare cables that only have to make room.

    `short` names hosts that lack receptacles, and how many; then there are no runs.
    """

    runs: tuple[Run, ...] = ()
    unplugged: tuple[tuple[End, ...], ...] = ()
    short: tuple[tuple[str, int], ...] = ()


def wire(
    pairs: Sequence[Pair], free: Mapping[str, Sequence[int]], spares: Sequence[tuple[End, ...]]
) -> Wiring:
    """Join every pair with the fewest acts: a spare cable before a new one, where it can.

    `free` lists receptacles, the best first; a spare is the ends that a cable nobody needs has at
    these hosts: two, or one where the other end is elsewhere.
    """
    need = Counter(host for pair in pairs for host in pair)
    slack = Counter(end[0] for spare in spares for end in spare)
    lacking = {host: count - len(free.get(host, ())) for host, count in need.items()}
    short = [(host, n - slack[host]) for host, n in lacking.items() if n > slack[host]]
    if short:
        return Wiring(short=tuple(short))
    used = _room({host: n for host, n in lacking.items() if n > 0}, spares)
    useful = sorted(set(range(len(spares))) - set(used), key=lambda i: -_touch(spares[i], need))
    used += useful[: max(0, len(pairs) - len(used))]
    taken = _given(pairs, [spares[i] for i in used])
    pool = {host: list(numbers) for host, numbers in free.items()}
    kept = {pair: _stays(pair, spare) for pair, spare in taken.items()}
    for i in used:
        for end in spares[i]:
            if end not in kept.values():
                pool.setdefault(end[0], []).append(end[1])
    runs = tuple(
        Run(_end(a, kept.get((a, b)), pool), _end(b, kept.get((a, b)), pool), taken.get((a, b), ()))
        for a, b in pairs
    )
    moved = list(taken.values())
    return Wiring(runs, tuple(spares[i] for i in used if spares[i] not in moved))


def _room(lacking: Mapping[str, int], spares: Sequence[tuple[End, ...]]) -> list[int]:
    """Choose the fewest spare cables whose ends make up for what the hosts lack."""

    def enough(chosen: Iterable[int]) -> bool:
        ends = Counter(end[0] for i in chosen for end in spares[i])
        return all(ends[host] >= n for host, n in lacking.items())

    near = [i for i, spare in enumerate(spares) if any(end[0] in lacking for end in spare)]
    if len(near) <= BRUTE:
        tries = (c for size in range(len(near) + 1) for c in combinations(near, size))
        return list(next(filter(enough, tries)))
    chosen: list[int] = []
    while not enough(chosen):
        ends = Counter(end[0] for i in chosen for end in spares[i])
        open_ = {host: n - ends[host] for host, n in lacking.items() if n > ends[host]}
        rest = (i for i in near if i not in chosen)
        chosen.append(max(rest, key=lambda i: _touch(spares[i], open_)))
    return chosen


def _touch(spare: tuple[End, ...], hosts: Mapping[str, int]) -> int:
    return sum(hosts.get(host, 0) > 0 for host, _ in spare)


def _given(pairs: Sequence[Pair], spares: Sequence[tuple[End, ...]]) -> dict[Pair, tuple[End, ...]]:
    """Give each spare cable to a pair, first where one of its ends can stay."""
    given: dict[Pair, tuple[End, ...]] = {}
    left = list(spares)
    for stays in (True, False):
        for spare in list(left):
            fits = (p for p in pairs if p not in given and (not stays or _stays(p, spare)))
            pair = next(fits, None)
            if pair is not None:
                given[pair] = spare
                left.remove(spare)
    return given


def _stays(pair: Pair, spare: tuple[End, ...]) -> End | None:
    return next((end for end in spare if end[0] in pair), None)


def _end(host: str, kept: End | None, pool: dict[str, list[int]]) -> End:
    return kept if kept is not None and kept[0] == host else (host, pool[host].pop(0))


Steps = frozenset[str]
"""What has to be done, by name; nothing for what works already."""


@dataclass(frozen=True)
class Cycle:
    """A cycle with the fewest steps; None if there is none, or not known whether: `gave_up`."""

    order: tuple[int, ...] | None
    steps: Steps = frozenset()
    gave_up: bool = False


class _EndError(Exception):
    """Raised to leave the search: its bound is reached, or nothing can be cheaper."""


class _Search:
    """Depth first along one path, the fewest steps first; see `cheapest_cycle`."""

    def __init__(
        self,
        count: int,
        ways: Mapping[tuple[int, int], Sequence[Steps]],
        price: Mapping[str, int],
        room: Sequence[int],
        cable: int,
    ) -> None:
        self.count, self.ways, self.price, self.room, self.cable = count, ways, price, room, cable
        self.near: list[list[int]] = [[] for _ in range(count)]
        for a, b in ways:
            self.near[a].append(b)
            self.near[b].append(a)
        self.left = WORK // count
        self.plugs = [0] * count
        self.seen = [False] * count
        named = frozenset[str]().union(*(way for found in ways.values() for way in found))
        self.least = min([cable, *(price[name] for name in named)])
        self.allowed = 0
        self.best: tuple[int, tuple[int, ...], Steps] | None = None

    def run(self) -> Cycle:
        """Allow one step more at a time, until a cycle is found; of equals take the cheapest.

        So what is found has the fewest steps, even if the bound is reached among its equals.
        """
        start = min(range(self.count), key=lambda v: len(self.near[v]))
        self.seen[start] = True
        try:
            while self.best is None and self.allowed <= self.count + len(self.price):
                if self._cables_needed([start]) <= self.allowed:
                    self._extend([start], frozenset())
                self.allowed += 1
        except _EndError:
            pass
        if self.best is None:
            return Cycle(None, gave_up=self.left < 0)
        return Cycle(self.best[1], self.best[2])

    def _extend(self, path: list[int], steps: Steps) -> None:
        here = path[-1]
        if len(path) == self.count:
            for more in self._joins(here, path[0]):
                self._keep(path, steps | more)
            return
        for more, there in self._options(here, steps):
            now = steps | more
            if not self._worthwhile(now):
                continue
            wired = (here, there) if any(name not in self.price for name in more) else ()
            path.append(there)
            self.seen[there] = True
            for v in wired:
                self.plugs[v] += 1
            if len(now) + self._cables_needed(path) <= self.allowed:
                self._extend(path, now)
            for v in wired:
                self.plugs[v] -= 1
            self.seen[there] = False
            path.pop()

    def _options(self, here: int, steps: Steps) -> list[tuple[Steps, int]]:
        """List the next vertices and how to get there: the least effort first, then dead ends."""
        spent = len(steps) == self.allowed
        rest = self.near[here] if spent else range(self.count)
        found = [(more, v) for v in rest if not self.seen[v] for more in self._joins(here, v)]
        ranked = [
            (len(more - steps), self._cost(more - steps), self._exits(v), v, more)
            for more, v in found
            if len(steps | more) <= self.allowed
        ]
        return [(more, v) for *_, v, more in sorted(ranked, key=lambda r: r[:4])]

    def _joins(self, a: int, b: int) -> Sequence[Steps]:
        pair = (min(a, b), max(a, b))
        if pair in self.ways:
            return self.ways[pair]
        if all(self.room[v] > self.plugs[v] for v in pair):
            return (frozenset((f"{pair[0]} {pair[1]}",)),)
        return ()

    def _exits(self, vertex: int) -> int:
        return sum(not self.seen[v] for v in self.near[vertex])

    def _cost(self, steps: Steps) -> int:
        return sum(self.price.get(name, self.cable) for name in steps)

    def _worthwhile(self, steps: Steps) -> bool:
        return self.best is None or self._cost(steps) < self.best[0]

    def _keep(self, path: Sequence[int], steps: Steps) -> None:
        if len(steps) <= self.allowed and self._worthwhile(steps):
            self.best = (self._cost(steps), tuple(path), steps)
            if self.best[0] <= self.least * len(steps):
                raise _EndError

    def _cables_needed(self, path: Sequence[int]) -> int:
        """Bound from below: hosts that have too few neighbours left, and pieces that lie apart."""
        self.left -= 1
        if self.left < 0:
            raise _EndError
        ends = {path[0], path[-1]}
        todo = {v for v in range(self.count) if not self.seen[v]} | ends
        lacking = 0
        for v in todo:
            wants = 2 if len(ends) == 1 or v not in ends else 1
            lacking += max(0, wants - sum(w in todo for w in self.near[v]))
        return max(-(-lacking // 2), self._apart(todo, ends))

    def _apart(self, todo: set[int], ends: set[int]) -> int:
        """Count the cables between pieces: a path through all of them from one end to the other."""
        pieces, joined = 0, False
        while todo:
            queue = [todo.pop()]
            piece = set(queue)
            while queue:
                found = {w for w in self.near[queue.pop()] if w in todo}
                todo -= found
                piece |= found
                queue += found
            pieces += 1
            joined = joined or ends <= piece
        return pieces - 1 if pieces == 1 or not joined else pieces


def cheapest_cycle(
    count: int,
    ways: Mapping[tuple[int, int], Sequence[Steps]],
    price: Mapping[str, int],
    room: Sequence[int],
    cable: int,
) -> Cycle:
    """Find the cycle through all of `count` vertices with the fewest steps, of equals the cheapest.

    `ways` says what it takes to use a pair (i, j), i < j, in one way or another; `price` is the
    effort of each such step, `cable` that of a cable between two vertices that are in no `ways`,
    of which each vertex can take as many as it has `room`.
    """
    return _Search(count, ways, price, room, cable).run()
