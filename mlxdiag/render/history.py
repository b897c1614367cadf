"""History: what a chronicle knows, a timeline per link, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from mlxdiag.render.style import Style
from mlxdiag.watch.chronicle import Chronicle, Story
from mlxdiag.watch.topics import GONE

PORT_TOPICS = ("port", "bridge", "address")
LINK_TOPICS = ("link", "cable", "speed")
HOST_TOPICS = ("reachable", "verbs", "rdma switch", "macOS", "MLX", "memory")
HEALTHY = {"reachable": "up", "verbs": "returns", "memory": "as it should be"}


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
    watched, end = chronicle.watched, chronicle.end
    kinds = (("watch", "watches"), ("recording", "recordings"))
    counts = [(sum(s.source == one for s in watched), one, many) for one, many in kinds]
    what = ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counts if n)
    first = min(session.began for session in watched)
    yield f"mlxdiag history  {chronicle.cluster}  {what}  {first} to {end}"
    shown: set[str] = set()
    cables = list(chronicle.of("cable"))
    yield from ("", "LINKS") if cables else ()
    for cable in cables:
        ends = cable.subject.split(" - ")
        shown |= {cable.subject, *ends}
        yield from _link(chronicle, cable, ends)
    ports = [s for s in chronicle.stories if s.what in PORT_TOPICS and s.subject not in shown]
    yield from _headed("OTHER PORTS", [s for s in ports if s.before], end)
    hosts = [s for s in chronicle.stories if s.what in HOST_TOPICS and _worth(s)]
    yield from _headed("HOSTS", hosts, end)
    yield from _ranks(chronicle.of("rank"))


def _link(chronicle: Chronicle, cable: Story, ends: Sequence[str]) -> Iterator[str]:
    """Say how it stands with a link and since when; then what changed of it and of its ends."""
    about = [*chronicle.about(cable.subject), *(s for e in ends for s in chronicle.about(e))]
    link = next((s for s in about if s.what == "link"), None)
    gone = cable.now.value == GONE or link is None
    yield f"{cable.subject}: {(cable if gone or link is None else link).since(chronicle.end)}"
    order = (*LINK_TOPICS, *PORT_TOPICS)
    changed = [s for s in about if s.before and s.what in order]
    changed.sort(key=lambda story: order.index(story.what))
    shown = [s for s in changed if s.what != ("cable" if gone else "link")]
    yield from (f"  {_name(s)}: {s.since(chronicle.end)}" for s in shown)
    yield from _changes(changed)


def _headed(head: str, stories: Sequence[Story], end: str) -> Iterator[str]:
    yield from ("", head) if stories else ()
    yield from (f"{_name(story)}: {story.since(end)}" for story in stories)
    yield from _changes(stories)


def _worth(story: Story) -> bool:
    """Whether a host's story is told: something changed, or was never as it should be."""
    return story.before is not None or story.now.value != HEALTHY.get(story.what, story.now.value)


def _changes(stories: Iterable[Story]) -> Iterator[str]:
    """List every change in the order of time."""
    found = sorted(
        (after.began, _name(story), before.value, after.value)
        for story in stories
        for before, after in zip(story.stretches, story.stretches[1:], strict=False)
    )
    for at, name, was, now in found:
        yield f"    {at}  {name}: {was} -> {now}"


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
