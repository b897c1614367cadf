"""History: what a chronicle knows, a timeline per link, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from mlxdiag.render.style import Style
from mlxdiag.watch.chronicle import Chronicle, Story

PORT_TOPICS = ("port", "bridge", "address")
LINK_TOPICS = ("link", "cable", "speed")
HOST_TOPICS = ("reachable", "boot", "verbs", "rdma switch", "macOS", "MLX", "memory")
SILENT = {
    "bridge": "no bridge",
    "memory": "as it should be",
    "cable": "there",
    "reachable": "up",
    "verbs": "returns",
}
"""Values that are not worth a line where nothing else was ever seen."""


def text(found: Sequence[Chronicle], style: Style) -> str:
    """Write every cluster: its links with their ports, the other ports, its hosts, its ranks."""
    lines = [line for chronicle in found for line in _cluster(chronicle)]
    return "".join(f"{style.text(line)}\n" for line in lines)


def document(found: Sequence[Chronicle]) -> str:
    """Write all of it as JSON."""
    said = {
        "schema": "mlxdiag/history",
        "schema_version": 1,
        "clusters": [_document(chronicle) for chronicle in found],
    }
    return json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _document(chronicle: Chronicle) -> dict[str, object]:
    return {
        "cluster": chronicle.cluster,
        "sessions": [
            {"source": s.source, "began": s.began, "seen": s.seen, "every_s": s.every_s}
            for s in chronicle.watched
        ],
        "topics": [
            {
                "what": story.what,
                "subject": story.subject,
                "value": story.now.value,
                "since": story.now.began,
                "changed": story.before is not None,
                "lost": story.lost,
                "stretches": [vars(stretch) for stretch in story.stretches],
            }
            for story in chronicle.stories
        ],
    }


def _cluster(chronicle: Chronicle) -> Iterator[str]:
    watched = chronicle.watched
    first, last = min(s.began for s in watched), max(s.seen for s in watched)
    kinds = [f"{sum(s.source == kind for s in watched)} {kind}" for kind in ("watch", "recording")]
    yield f"mlxdiag history  {chronicle.cluster}  {', '.join(kinds)}  {first} to {last}"
    shown: set[str] = set()
    for story in chronicle.of("link"):
        ends = story.subject.split(" - ")
        shown |= {story.subject, *ends}
        yield ""
        yield story.subject
        about = [*chronicle.about(story.subject), *(s for e in ends for s in chronicle.about(e))]
        yield from _part(about, (*LINK_TOPICS, *PORT_TOPICS))
    ports = [s for s in chronicle.stories if s.what in PORT_TOPICS and s.subject not in shown]
    changed = {story.subject for story in ports if story.before}
    yield from _headed("OTHER PORTS", [s for s in ports if s.subject in changed], PORT_TOPICS)
    hosts = [story for story in chronicle.stories if story.what in HOST_TOPICS]
    yield from _headed("HOSTS", hosts, HOST_TOPICS)
    yield from _ranks(chronicle.of("rank"))


def _headed(head: str, stories: Sequence[Story], order: Sequence[str]) -> Iterator[str]:
    if stories:
        yield ""
        yield head
        yield from _part(stories, order)


def _part(stories: Iterable[Story], order: Sequence[str]) -> Iterator[str]:
    """Say of each topic what it is and since when, then every change in the order of time."""
    told = sorted(
        (s for s in stories if s.what in order and (s.before or SILENT.get(s.what) != s.now.value)),
        key=lambda story: order.index(story.what),
    )
    for story in told:
        yield f"  {_name(story)}: {story.since}"
    changes = sorted(
        (after.began, _name(story), before.value, after.value)
        for story in told
        for before, after in zip(story.stretches, story.stretches[1:], strict=False)
    )
    for at, name, before_, after_ in changes:
        yield f"    {at}  {name}: {before_} -> {after_}"


def _name(story: Story) -> str:
    """Name a topic; a port goes by its name alone, a link by what of it is meant."""
    if story.what in ("port", "reachable"):
        return story.subject
    return story.what if " - " in story.subject else f"{story.subject} {story.what}"


def _ranks(stories: Iterable[Story]) -> Iterator[str]:
    """Say of each rank when it was seen."""
    lines = [f"  {s.now.began} to {s.now.seen}  {s.subject}: {s.now.value}" for s in stories]
    if lines:
        yield ""
        yield "RANKS"
        yield from sorted(lines)
