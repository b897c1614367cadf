"""A text of YAML as a tree whose every value knows its line and its key path.

Scalars are taken as the text that was written: `macos: 26.10` is not the number 26.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from mlxdiag.hostfile import Place, quoted, step, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxdiag.errors import InventoryError

MAX_DEPTH = 16
"""Nesting past which a text is refused; the deepest inventory has five levels."""


@dataclass(frozen=True)
class Said:
    """A text the user wrote and where; the way every source gives its values to the rules."""

    text: str
    place: Place


@dataclass(frozen=True)
class Tree:
    """One node of the YAML tree that knows where it stands."""

    node: yaml.Node
    source: str
    key: str = ""

    @property
    def place(self) -> Place:
        """Where it stands, for what is to be refused."""
        return Place(self.source, self.node.start_mark.line + 1, self.key)

    @property
    def is_null(self) -> bool:
        """Whether nothing was said."""
        return self.node.tag == "tag:yaml.org,2002:null"

    @property
    def is_scalar(self) -> bool:
        """Whether it is one value."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it is keys with values."""
        return isinstance(self.node, yaml.MappingNode)

    def under(self, part: str, node: yaml.Node) -> Tree:
        """Give a part of it, named by what leads there."""
        return Tree(node, self.source, f"{self.key}{part}" if self.key else part.lstrip("."))

    def items(self, wanted: str = "a mapping") -> list[tuple[Said, Tree]]:
        """Give the keys and values of a mapping; a key may stand in it only once."""
        if self.is_null:
            return []
        if not isinstance(self.node, yaml.MappingNode):
            raise self.place.refuse(f"wants {wanted}, not {self.kind()}")
        lines: dict[str, int] = {}
        items = []
        for key_node, value_node in self.node.value:
            key = self.under("", key_node).said("a key")
            place = self.under(f".{step(key.text)}", key_node).place
            if key.text in lines:
                raise place.refuse(f"key given twice, first in line {lines[key.text]}")
            lines[key.text] = place.line or 0
            value = self.under(f".{step(key.text)}", value_node)
            items.append((Said(key.text, place), value))
        return items

    def fields(self, known: Sequence[str], shown: Sequence[str] = ()) -> dict[str, Tree]:
        """Give the values of a mapping whose keys are fixed; a null counts as not said.

        Where none is near to an unknown key, `shown` or else all that are known are listed.
        """
        items = self.items()
        for key, _ in items:
            if key.text not in known:
                close = suggestion(key.text, known) or f" (known here: {', '.join(shown or known)})"
                raise key.place.refuse(f"unknown key{close}")
        return {key.text: value for key, value in items}

    def rows(self, wanted: str) -> list[Tree]:
        """Give the values of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.place.refuse(f"wants {wanted}, not {self.kind()}")
        return [self.under(f"[{index}]", node) for index, node in enumerate(self.node.value)]

    def said(self, wanted: str = "one value") -> Said:
        """Give a scalar as the text that was written, whatever YAML would make of it."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.place.refuse(f"wants {wanted}, not {self.kind()}")
        if self.node.tag not in _TEXT_TAGS:
            hint = '; write it in quotes ("...") if it is meant as text'
            raise self.place.refuse(f"wants {wanted}, not {self.kind()}{hint}")
        return Said(self.node.value, self.place)

    def kind(self) -> str:
        """Say what YAML takes the value for."""
        if isinstance(self.node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        tag = self.node.tag.rpartition(":")[2]
        return f"{_KINDS.get(tag, f'a value tagged {quoted(tag)}')} ({quoted(self.node.value)})"


_KINDS = {
    "bool": "a boolean",
    "null": "null",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
}
_TEXT_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "timestamp"))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def compose(text: str, source: str) -> yaml.Node:
    """Parse into nodes, without making Python objects of them."""
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise Place(source, line).refuse(f"character U+{ord(bad.group()):04X} is not text")
    try:
        _refuse_bombs(text, source)
        root = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, source) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise Place(source).refuse(f"not usable as YAML: {error}") from error
    if root is None:
        raise Place(source, 1).refuse("the file is empty")
    return root


def _refuse_bombs(text: str, source: str) -> None:
    """Refuse what is small as text and huge or slow as a tree: `*name`, and very deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        place = Place(source, event.start_mark.line + 1 if event.start_mark else None)
        if isinstance(event, yaml.AliasEvent):
            raise place.refuse("YAML aliases (*name) are not supported; use defaults")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise place.refuse(f"nested more than {MAX_DEPTH} levels deep: not an inventory")


def _not_yaml(error: yaml.MarkedYAMLError, source: str) -> InventoryError:
    mark = error.problem_mark or error.context_mark
    what = f"not YAML: {error.problem or error.context}"
    if mark is None:
        return Place(source).refuse(what)
    return Place(source, mark.line + 1).refuse(f"column {mark.column + 1}: {what}")
