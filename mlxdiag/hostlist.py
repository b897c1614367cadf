"""`a,b,studio[1-4]`: the text of `--hosts` -> one destination per host; names -> such a text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from mlxdiag.errors import InventoryError

SOURCE = "--hosts"
LIMIT = 256
"""Hosts in one list. MLX's largest group is far smaller; a slip such as [1-1000000] is caught."""

_ITEM = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")
_SPAN = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
_NUMBERED = re.compile(r"(.*?)(\d+)", re.ASCII)


def expand(spec: str) -> tuple[str, ...]:
    """Expand brackets and split at commas: `alex@studio[01-02,5]` is three destinations, in order.

    Whether each one is a usable name is the inventory's question.
    """
    names: list[str] = []
    for item in _items(spec):
        names += _expand_item(item, LIMIT - len(names))
    return tuple(names)


def _items(spec: str) -> list[str]:
    """Split at the commas outside brackets."""
    items, at = [], 0
    while True:
        found = _ITEM.match(spec, at)
        items.append(found.group().strip() if found else "")
        at = found.end() if found else at
        if at < len(spec) and spec[at] != ",":
            raise _refusal(spec, f'bracket "{spec[at]}" at character {at + 1} has no partner')
        if not items[-1]:
            raise _refusal(spec, f"no host name before character {at + 1}")
        if at == len(spec):
            return items
        at += 1


def _expand_item(item: str, room: int) -> list[str]:
    """Expand every bracket of one item, the last one fastest, into at most `room` names."""
    literals = re.split(r"\[[^\]]*\]", item)
    choices = [_numbers(item, inner, room) for inner in re.findall(r"\[([^\]]*)\]", item)]
    names: list[str] = []
    for picked in itertools.product(*choices):
        if len(names) == room:
            raise _too_many(item)
        names.append("".join(itertools.chain(*zip(literals, (*picked, ""), strict=True))))
    return names


def _numbers(item: str, inner: str, room: int) -> list[str]:
    """Expand the inside of one bracket: `1-2,5`, `01-04`."""
    numbers: list[str] = []
    for span in inner.split(","):
        found = _SPAN.fullmatch(span.strip())
        if found is None:
            raise _refusal(item, f'[{inner}] is not a range like "[1-4]" or "[01-04,7]"')
        numbers += _span(item, found[1], found[2] or found[1], room - len(numbers))
    return numbers


def _span(item: str, first: str, last: str, room: int) -> list[str]:
    """Count from first to last; a first number written with leading zeros sets the width."""
    if last.startswith("0") and len(last) != len(first):
        raise _refusal(item, f"{first}-{last} mixes two widths of zero padding")
    if int(last) < int(first):
        raise _refusal(item, f"the range {first}-{last} runs backwards")
    if int(last) - int(first) >= room:
        raise _too_many(item)
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]


def _too_many(item: str) -> InventoryError:
    return _refusal(item, f"more than {LIMIT} hosts")


def _refusal(item: str, what: str) -> InventoryError:
    shown = item.strip() if item.isprintable() else ascii(item)[1:-1]
    return InventoryError(": ".join(part for part in (SOURCE, shown[:80], what) if part))


def fold(names: Iterable[str]) -> str:
    """Spell names as node sets: runs of three and more numbers become `prefix[first-last]`."""
    plain: list[str] = []
    numbered: dict[tuple[str, int], list[int]] = {}
    order: list[str | tuple[str, int]] = []
    for name in dict.fromkeys(names):
        match = _NUMBERED.fullmatch(name)
        if match is None:
            plain.append(name)
            order.append(name)
            continue
        width = len(match[2]) if match[2].startswith("0") else 0
        key = (match[1], width)
        if key not in numbered:
            order.append(key)
        numbered.setdefault(key, []).append(int(match[2]))
    spelt = (
        [one] if isinstance(one, str) else _spell(one[0], one[1], sorted(numbered[one]))
        for one in order
    )
    return ", ".join(text for texts in spelt for text in texts)


def _spell(prefix: str, width: int, numbers: Sequence[int]) -> list[str]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [
        [f"{run[0]:0{width}d}-{run[-1]:0{width}d}"]
        if len(run) > 2
        else [f"{n:0{width}d}" for n in run]
        for run in runs
    ]
    flat = [text for run in texts for text in run]
    if len(flat) == 1 and "-" not in flat[0]:
        return [prefix + flat[0]]
    if len(numbers) > 2:
        return [f"{prefix}[{','.join(flat)}]"]
    return [prefix + text for text in flat]
