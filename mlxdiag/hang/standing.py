"""Standing: a rank in both of its looks, and all ranks of a run beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mlxdiag.facts.ss import Socket
from mlxdiag.hang.find import Found
from mlxdiag.hang.moved import Moved, moved
from mlxdiag.hang.place import Kind, Place, place
from mlxdiag.hang.seen import Seen, SeenHost, SeenRank
from mlxdiag.readings import Gap


@dataclass(frozen=True)
class Standing:
    """One rank: where it was, where it is, what moved."""

    rank: SeenRank
    places: tuple[Place, Place]
    moved: Moved

    @property
    def label(self) -> str:
        """Name it: `rank 2`, or by its process where its number is not known."""
        number = self.rank.found.number
        return f"rank {number}" if number is not None else f"pid {self.rank.found.pid}"

    @property
    def who(self) -> str:
        """Name it with its host and process."""
        found = self.rank.found
        pid = f", pid {found.pid}" if found.number is not None else ""
        return f"{self.label} ({found.host}{pid})"

    @property
    def now(self) -> Place:
        """Where it is: at the second look, or at the first where the second failed."""
        return self.places[0] if self.places[1].kind == "unknown" else self.places[1]

    @property
    def seen_twice(self) -> bool:
        """Whether both looks say where it was: with one alone nobody knows whether it moved."""
        return all(p.kind != "unknown" for p in self.places)

    def both(self, *kinds: Kind) -> bool:
        """Whether both looks found it there."""
        return all(p.kind in kinds for p in self.places)

    @property
    def waits(self) -> bool:
        """Whether it stood in a collective, or in mx.eval where that may be inside one."""
        inside = self.now.kind == "collective" or (
            self.now.kind == "eval" and not self.now.seen_native
        )
        stays = self.seen_twice and self.places[0].kind == self.places[1].kind
        return inside and stays and self.moved.compared and not self.moved.steps

    @property
    def cpu(self) -> float | None:
        """Share of one core between the looks."""
        first, second = self.rank.looks
        if isinstance(first, Gap) or isinstance(second, Gap):
            return None
        if first.cpu_s is None or second.cpu_s is None or second.at_s <= first.at_s:
            return None
        return max(0.0, (second.cpu_s - first.cpu_s) / (second.at_s - first.at_s))


@dataclass(frozen=True)
class Run:
    """All ranks that were found, in order of their numbers."""

    seen: Seen
    standings: tuple[Standing, ...]

    @cached_property
    def size(self) -> int | None:
        """How many ranks there are by MLX's own file; None where no rank says so."""
        sizes = [s.rank.file.size for s in self.standings if s.rank.file is not None]
        return max(sizes) if sizes else None

    @cached_property
    def numbers(self) -> Counter[int]:
        """How often each rank was found."""
        return Counter(
            s.rank.found.number for s in self.standings if s.rank.found.number is not None
        )

    @cached_property
    def missing(self) -> tuple[int, ...]:
        """Ranks that must be there and are not; empty where the number of any is not known."""
        elsewhere = {found.number for found in self.unmet}
        return tuple(n for n in self._absent if n not in elsewhere)

    @cached_property
    def unmet(self) -> tuple[Found, ...]:
        """Processes that have the number of a rank which is not among those that were found.

        Where those are connected to nobody else, they are of another run.
        """
        if self.alone:
            return ()
        return tuple(found for found in self.seen.others if found.number in self._absent)

    @cached_property
    def alone(self) -> bool:
        """Whether the ranks that were found have no connection to another one that lives.

        Both ends of every connection between ranks are among their sockets then. False where no
        connection is seen: over jaccl ranks need none once they have met; and where one is in init:
        they have not met yet.
        """
        if any(each.both("init") for each in self.standings):
            return False
        ports = meeting(self.seen)
        ends = {
            (socket.port, socket.far_port)
            for each in self.standings
            if not isinstance(look := each.rank.looks[1], Gap)
            for socket in look.sockets
            if socket.state == "ESTABLISHED" and joins(socket, ports)
        }
        return bool(ends) and all((far, near) in ends for near, far in ends)

    @property
    def whole(self) -> bool:
        """Whether as many ranks were found as there must be, as far as that is known."""
        return not self._absent and len(self.standings) >= (self.size or 0)

    @cached_property
    def _absent(self) -> tuple[int, ...]:
        if any(s.rank.found.number is None for s in self.standings):
            return ()
        last = max(self.numbers, default=-1)
        return tuple(n for n in range(max(self.size or 0, last + 1)) if n not in self.numbers)

    @property
    def twice(self) -> tuple[int, ...]:
        """Ranks of which there are several."""
        return tuple(sorted(number for number, count in self.numbers.items() if count > 1))

    @property
    def seconds(self) -> float | None:
        """The least time between the looks of a rank."""
        known = [s.rank.seconds for s in self.standings if s.rank.seconds is not None]
        return min(known) if known else None

    def at(self, *kinds: Kind) -> tuple[Standing, ...]:
        """List the ranks that are in a place of these kinds now."""
        return tuple(s for s in self.standings if s.now.kind in kinds)

    def host(self, name: str) -> SeenHost:
        """Give what was seen of a host."""
        return next(host for host in self.seen.hosts if host.host == name)


def stand(seen: Seen) -> Run:
    """Compare the looks of every rank."""
    between = tuple(_between(seen))
    ordered = sorted(
        seen.ranks, key=lambda r: (r.found.number is None, r.found.number or 0, r.found.pid)
    )
    return Run(
        seen,
        tuple(
            Standing(r, (place(r.looks[0]), place(r.looks[1])), moved(r, between)) for r in ordered
        ),
    )


def joins(socket: Socket, ports: Sequence[int]) -> bool:
    """Whether a socket joins ranks: one of its ends is where a rank was met."""
    return bool(socket.remote) and (socket.port in ports or socket.far_port in ports)


def meeting(seen: Seen) -> Sequence[int]:
    """Give the ports that ranks meet at: of MLX's file, else those that it usually takes."""
    told = [
        int(port)
        for rank in seen.ranks
        for places in (rank.file.places if rank.file else ())
        for port in (place.rpartition(":")[2] for place in places)
        if port.isdecimal() and len(port) < 6
    ]
    return tuple(dict.fromkeys(told)) or seen.ports


def _between(seen: Seen) -> list[tuple[str, str]]:
    ports = meeting(seen)
    return [
        (socket.local, socket.remote)
        for rank in seen.ranks
        for look in rank.looks
        if not isinstance(look, Gap)
        for socket in look.sockets
        if joins(socket, ports)
    ]
