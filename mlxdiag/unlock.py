"""Unlock: the fewest single steps after which a better backend could be used. Pure, and bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

from mlxdiag.checks.subject import BESIDE_ETHERNET
from mlxdiag.cluster import Cluster
from mlxdiag.finding import Finding, FixKind, Severity, Status
from mlxdiag.ladder import RUNGS, LinkState
from mlxdiag.ports import TB5_GBPS, Port
from mlxdiag.recommend import MESH_MAX_RANKS, SILENT, SPOILERS, Choice, blind
from mlxdiag.wiring import End, Pair, Run, Steps, Wiring, cheapest_cycle, wire

HOST_CHECKS = frozenset({*RUNGS["RDMA"], "versions-mlx-jaccl"})
"""What keeps a whole host from RDMA, whatever its cables."""
CHOICES = 512
"""So many ways to repair pairs with several cables are tried; beyond, the cheapest of each pair."""
MOST_HOSTS = 64
BAD = (Status.FAIL, Status.UNKNOWN)
AGAIN = "some facts are missing: ask again after these steps"
NEW_CABLE = (
    "a new cable still has to come up with an IPv4 address at both ends; where one is plugged in"
    " already that neither end notices, re-seat it"
)


@dataclass(frozen=True)
class Step:
    """One thing to do; `new_cables` is 1 for a cable that has to be got.

    `check` is the finding that it repairs and `subject` its place in words; both are empty for a
    cable to run or move.
    """

    kind: FixKind
    text: str
    host: str | None = None
    command: str | None = None
    check: str = ""
    subject: str = ""
    new_cables: int = 0

    @property
    def effort(self) -> int:
        """Compare steps: by kind, and a cable to get is more than one to move."""
        return 2 * self.kind.cost + self.new_cables


@dataclass(frozen=True)
class Unlock:
    """The steps towards one backend, cheapest first; or `blocked`, why no step leads there.

    `complete` is false where facts are missing, so that more may be needed. `gave_up`: the search
    was not finished; steps, if any, are then not known to be the fewest.
    """

    backend: str
    steps: tuple[Step, ...] = ()
    blocked: tuple[str, ...] = ()
    complete: bool = True
    gave_up: bool = False
    notes: tuple[str, ...] = ()

    @property
    def new_cables(self) -> int:
        """How many cables have to be got."""
        return sum(step.new_cables for step in self.steps)

    @property
    def effort(self) -> tuple[bool, int, int]:
        """Rank unlocks: what can be done first, then the fewest steps, then the easiest."""
        return not self.steps, len(self.steps), sum(step.effort for step in self.steps)


def unlocks(
    cluster: Cluster,
    states: Sequence[LinkState],
    findings: Sequence[Finding],
    better: Sequence[Choice],
) -> tuple[Unlock, ...]:
    """Plan towards each of these backends, the least effort first."""
    planner = _Planner(cluster, states, findings)
    plans = {"jaccl": planner.mesh, "jaccl-ring": planner.ring}
    found = []
    for choice in better:
        made = plans[choice.backend]() if choice.backend in plans else planner.other(choice)
        if made.steps or made.blocked or made.gave_up:
            found.append(made)
    return tuple(sorted(found, key=lambda unlock: unlock.effort))


class _Planner:
    def __init__(
        self, cluster: Cluster, states: Sequence[LinkState], findings: Sequence[Finding]
    ) -> None:
        self.cluster, self.findings = cluster, findings
        self.topology = cluster.topology
        self.hosts = cluster.topology.hosts
        self.blind = blind(cluster)
        self.doubt = self.rough = False
        self.roots: dict[str, Finding] = {}
        self.states: dict[frozenset[str], list[LinkState]] = {}
        for state in states:
            self.states.setdefault(frozenset(state.link.hosts), []).append(state)

    def mesh(self) -> Unlock:
        """Give every pair a usable cable."""
        blocked = self._never()
        if len(self.hosts) > MESH_MAX_RANKS:
            blocked = (f"{len(self.hosts)} hosts: jaccl takes at most {MESH_MAX_RANKS}",)
        if blocked:
            return Unlock("jaccl", blocked=blocked)
        ways = {pair: self._ways(pair) for pair in combinations(self.hosts, 2)}
        missing = [pair for pair, found in ways.items() if found == []]
        laid = wire(missing, self._free, self._spares)
        if laid.short:
            return Unlock("jaccl", blocked=self._short(laid, len(self.hosts) - 1))
        fixes = self._cheapest([found for found in ways.values() if found])
        return self._unlock("jaccl", fixes | self._always, laid)

    def ring(self) -> Unlock:
        """Close a cycle of usable cables through all hosts."""
        backend, count = "jaccl-ring", len(self.hosts)
        if blocked := self._never():
            return Unlock(backend, blocked=blocked)
        if count == 2:
            made = self.mesh()
            return Unlock(backend, made.steps, made.blocked, made.complete, notes=made.notes)
        if self.blind:
            return self._unlock(backend, self._always, Wiring())
        if count > MOST_HOSTS:
            return Unlock(backend, gave_up=True)
        index = {host: i for i, host in enumerate(self.hosts)}
        ways = {
            (index[a], index[b]): [way - self._always for way in possible]
            for a, b in combinations(self.hosts, 2)
            if (possible := self._ways((a, b)))
        }
        price = {key: _fix(root).effort for key, root in self.roots.items()}
        ends = [end[0] for spare in self._spares for end in spare]
        room = [len(self._free[host]) + ends.count(host) for host in self.hosts]
        cable = Step(FixKind.RECABLE, "", new_cables=1).effort
        found = cheapest_cycle(count, ways, price, room, cable)
        if found.order is None:
            why = () if found.gave_up else self._unclosed(room)
            return Unlock(backend, blocked=why, gave_up=found.gave_up)
        fixes = frozenset(found.steps & price.keys())
        pairs = [tuple(map(int, name.split())) for name in found.steps - price.keys()]
        laid = wire(
            [(self.hosts[a], self.hosts[b]) for a, b in sorted(pairs)], self._free, self._spares
        )
        return self._unlock(backend, fixes | self._always, laid)

    def other(self, choice: Choice) -> Unlock:
        """Repair what stands against a backend that needs no RDMA."""
        ids = {blocker.id: set(blocker.subjects) for blocker in choice.blockers}
        about = [
            f
            for f in self.findings
            if f.status in BAD and {f.subject.label, f.subject.host} & ids.get(f.id, set())
        ]
        steps = self._named(about)
        done = {blocker.id for blocker in choice.blockers} <= {f.id for f in about}
        said = (f"{b.id}: {', '.join(b.subjects)}" for b in choice.blockers)
        return self._unlock(choice.backend, steps, Wiring(), blocked=() if done else tuple(said))

    def _never(self) -> tuple[str, ...]:
        """Name what no step changes."""
        if len(self.hosts) < 2:
            return ("one host",)
        old = [host for host in self.hosts if self.cluster.thunderbolt5(host) is False]
        return (f"no Thunderbolt 5, so no RDMA: {', '.join(old)}",) if old else ()

    @cached_property
    def _always(self) -> Steps:
        """What has to be repaired whatever the cables: MLX, macOS, hosts that did not answer."""
        hosts = [f for f in self.findings if f.status in BAD and f.subject.kind == "host"]
        asked = [f for f in hosts if f.id in HOST_CHECKS]
        asked += [f for f in self.findings if f.id in SPOILERS and f.status in BAD]
        asked += [
            f for f in hosts if f.id == "versions-mlx-present" and f.severity is Severity.ERROR
        ]
        asked += [f for f in hosts if f.id in SILENT and f.status is Status.UNKNOWN]
        return self._named(asked)

    def _ways(self, pair: Pair) -> list[Steps] | None:
        """List the repairs that make a cable of the pair usable; none: a cable is missing.

        None where a host did not say what is on its ports: there may be a cable.
        """
        found = []
        for state in self.states.get(frozenset(pair), ()):
            if state.jaccl.usable:
                return [frozenset()]
            against = [f for f in (*state.a, *state.b) if f.id in state.jaccl.blockers]
            bad = [f for f in against if f.status in BAD]
            if any(f.root.status is Status.FAIL and not _fixable(f.root) for f in bad):
                continue
            self.doubt = self.doubt or not all(_fixable(f.root) for f in bad) or not bad
            found.append(self._named(bad))
        return found or (None if set(pair) & self.blind else [])

    def _named(self, findings: Iterable[Finding]) -> Steps:
        roots = {f.root.key: f.root for f in findings if _fixable(f.root)}
        self.roots.update(roots)
        return frozenset(roots)

    def _cheapest(self, ways: Sequence[Sequence[Steps]]) -> Steps:
        """Choose one cable of each pair so that the fewest repairs are needed, then the easiest."""
        count = 1
        for found in ways:
            count *= len(found)
        if count > CHOICES:
            self.rough = True
            ways = [[min(found, key=self._price)] for found in ways]
        tries = (frozenset[str]().union(*chosen) for chosen in product(*ways))
        return min(tries, key=self._price)

    def _price(self, steps: Steps) -> tuple[int, int]:
        whole = steps | self._always
        return len(whole), sum(_fix(self.roots[key]).effort for key in whole)

    @cached_property
    def _free(self) -> dict[str, list[int]]:
        """List the receptacles of each host that a Thunderbolt 5 cable can go to, best first."""
        return {host: [p.receptacle for p in self._free_ports(host)] for host in self.hosts}

    def _free_ports(self, host: str) -> list[Port]:
        if self.cluster.thunderbolt5(host) is not True:
            return []
        free = [p for p in self.topology.ports[host] if p.connected is False and not p.attached]
        fast = [p for p in free if p.max_speed_gbps is None or p.max_speed_gbps >= TB5_GBPS]
        usual = [p for p in fast if self.topology.link_of(p) is None]
        return sorted(usual, key=_preference)

    @cached_property
    def _spares(self) -> list[tuple[End, ...]]:
        """List cables that nobody needs: second ones of a pair, those to unlisted Macs."""
        spares: list[tuple[End, ...]] = []
        for states in self.states.values():
            kept = min(states, key=self._trouble)
            for state in states:
                if state is not kept:
                    a, b = state.link.ends
                    spares.append(((a.host, a.receptacle), (b.host, b.receptacle)))
        loops: dict[str, list[int]] = {}
        for host in self.hosts:
            for port in self.topology.ports[host]:
                peer = self.topology.peer(port)
                if peer and peer.kind == "self":
                    loops.setdefault(host, []).append(port.receptacle)
                if peer and peer.kind == "unlisted-mac":
                    spares.append(((host, port.receptacle),))
        spares += [
            ((host, a), (host, b))
            for host, found in loops.items()
            if len(found) == 2
            for a, b in [found]
        ]
        return spares

    def _trouble(self, state: LinkState) -> tuple[int, int]:
        return 0 if state.jaccl.usable else 1, len(state.jaccl.blockers)

    def _short(self, laid: Wiring, wanted: int) -> tuple[str, ...]:
        """Say where ports are missing: for good, or because something else is plugged in."""
        few: dict[int, list[str]] = {}
        said = []
        for host, lacks in laid.short:
            ports = self.topology.ports[host]
            if len(ports) < wanted:
                few.setdefault(len(ports), []).append(host)
                continue
            held = [p for p in ports if p.connected and self.topology.link_of(p) is None]
            what = "".join(f"; {self._held(p)}" for p in held)
            said.append(f"{host} has no free port left, and needs {lacks} more{what}")
        said += [
            f"a mesh of {len(self.hosts)} hosts needs {wanted} ports on each,"
            f" {count} are on {', '.join(sorted(hosts, key=self.hosts.index))}"
            for count, hosts in few.items()
        ]
        return tuple(said)

    def _held(self, port: Port) -> str:
        peer = self.topology.peer(port)
        return f"receptacle {port.receptacle} holds {peer.name if peer else 'something'}"

    def _unclosed(self, room: Sequence[int]) -> tuple[str, ...]:
        full = [host for host, n in zip(self.hosts, room, strict=True) if not n]
        return (f"no cycle can be closed: no free port on {', '.join(full) or 'the hosts'}",)

    def _unlock(
        self,
        backend: str,
        fixes: Steps,
        laid: Wiring,
        *,
        blocked: tuple[str, ...] = (),
    ) -> Unlock:
        roots = [self.roots[key] for key in sorted(fixes)]
        steps = [_fix(root) for root in roots]
        steps += [self._cable(run) for run in laid.runs]
        steps += [
            Step(FixKind.RECABLE, f"unplug the cable {_places(ends)}, which nothing needs")
            for ends in laid.unplugged
        ]
        complete = not any(root.status is Status.UNKNOWN for root in roots)
        complete = complete and not self.blind and not self.doubt
        notes = (() if complete else (AGAIN,)) + self._of_cables(laid)
        ordered = tuple(sorted(steps, key=lambda step: step.effort))
        return Unlock(backend, ordered, blocked, complete, self.rough, notes)

    def _of_cables(self, laid: Wiring) -> tuple[str, ...]:
        """Say what a cable alone does not bring."""
        ends = {end for run in laid.runs for end in (run.a, run.b)}
        bridged: dict[tuple[int, ...], list[str]] = {}
        for host in self.hosts:
            inside = [p.receptacle for p in self.topology.ports[host] if isinstance(p.bridge, str)]
            if used := tuple(number for number in inside if (host, number) in ends):
                bridged.setdefault(used, []).append(host)
        said = [
            f"receptacle {', '.join(map(str, numbers))} of {', '.join(names)}"
            for numbers, names in bridged.items()
        ]
        first = (f"in a bridge, to be taken out of it: {'; '.join(said)}",) if said else ()
        return ((NEW_CABLE,) if laid.runs else ()) + first

    def _cable(self, run: Run) -> Step:
        ends = (run.a, run.b)
        free = [end[1] in self._free[end[0]] for end in ends]
        if not run.moved:
            state = "both free" if all(free) else "where the moved cables make room"
            text = f"needs 1 more cable: {_place(run.a)} to {_place(run.b)}, {state}"
            return Step(FixKind.RECABLE, text, new_cables=1)
        stays = next((end for end in ends if end in run.moved), None)
        if stays is None:
            new = f"{_place(run.a)} and {_place(run.b)}"
            text = f"move the spare cable {self._from(run.moved)}: to {new}"
            return Step(FixKind.RECABLE, text)
        goes = run.b if stays == run.a else run.a
        leaves = tuple(end for end in run.moved if end != stays)
        old = _place(leaves[0]) if leaves else self._far(stays)
        state = "free" if goes[1] in self._free[goes[0]] else "freed by another move"
        text = (
            f"move a spare cable: it stays in {_place(stays)}, its other end goes from {old}"
            f" to {_place(goes)}, {state}"
        )
        return Step(FixKind.RECABLE, text)

    def _from(self, ends: tuple[End, ...]) -> str:
        return _places(ends) if len(ends) == 2 else f"{_place(ends[0])} - {self._far(ends[0])}"

    def _far(self, end: End) -> str:
        peer = self.topology.peers.get(end)
        return f"{peer.name if peer else 'a Mac'}, which is not in the inventory"


def _preference(port: Port) -> tuple[bool, bool, int]:
    """Rather a port that has an interface, rather not the one beside Ethernet."""
    return not isinstance(port.interface, str), port.receptacle == BESIDE_ETHERNET, port.receptacle


def _fixable(root: Finding) -> bool:
    return root.fix is not None and root.fix.kind is not FixKind.NONE


def _fix(root: Finding) -> Step:
    """Turn the fix of a cause into a step."""
    fix = root.fix
    if fix is None:
        raise ValueError(f"{root.key}: nothing to repair")
    label = root.subject.label
    return Step(fix.kind, fix.text, root.subject.host, fix.command, root.key, label)


def _place(end: End) -> str:
    return f"{end[0]} receptacle {end[1]}"


def _places(ends: tuple[End, ...]) -> str:
    return " - ".join(map(_place, ends))
