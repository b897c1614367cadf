"""The host's own interpreter, asked which MLX it has and which backends that can start."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json, platform
from importlib import metadata

def version(name):
    try:
        return metadata.version(name)
    except Exception:
        return None

def tags(name):
    try:
        lines = (metadata.distribution(name).read_text("WHEEL") or "").splitlines()
    except Exception:
        return []
    return [line[4:].strip() for line in lines if line.startswith("Tag:")]

said = dict(mlxdiag=1, python=platform.python_version(), executable=sys.executable)
said.update(mlx=version("mlx"), mlx_metal=version("mlx-metal"), mlx_lm=version("mlx-lm"))
said.update(tags=tags("mlx-metal") or tags("mlx"), backends=[], error=None)
try:
    import mlx.core as mx
    said["mlx"] = said["mlx"] or mx.__version__
    for name in ("ring", "jaccl", "mpi"):
        if mx.distributed.is_available(name):
            said["backends"].append(name)
except BaseException as error:
    said["error"] = type(error).__name__ + ": " + str(error)
print(json.dumps(said), flush=True)
unfit = said["error"] or sys.version_info < (3, 10)
sys.exit(9 if unfit and sys.argv[1:] else 0)
"""
"""Runs on Python 3.8 and later. Without single quotes, backslashes, braces or exclamation marks,
so that no shell and no template on its way can change it. It sees what a launched rank would see,
a user's own site-packages too, but nothing from the folder it happens to start in. With a word
behind it (`transport.pythons`) it exits 9 where it cannot import mlx, or is too old for a rank."""

OLDEST = (3, 10)
"""The first Python that a rank runs on."""

COMMAND = Command("mlx_runtime", ("{python}", "-c", SOURCE), 30)

_MARK = '{"mlxdiag":'
_LOOKED = re.compile(r"mlxdiag-python: (mlx|no mlx|stub): ([^:]+): (.+)")
_HAS = {
    "mlx": "did not say whether it can import mlx",
    "stub": "Apple's stub; the developer tools are not installed",
}


@dataclass(frozen=True)
class Looked:
    """An interpreter that was seen: where (`~/` is the login folder), why there, what it has."""

    path: str
    why: str
    has: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.path}: {self.why}; {self.has}"


@dataclass(frozen=True)
class MlxRuntime:
    """What one interpreter can do.

    Versions are None for what is not installed. `tags` are the wheel tags of mlx-metal, or of mlx
    where that has its own library; they name the oldest macOS the build is for. `backends` are
    those that MLX says are available. `error` is why importing MLX failed, if it did. Where the
    inventory names no interpreter, `chosen` is this one and `looked` are others that were seen.
    """

    python: str
    executable: str
    mlx: str | None
    mlx_metal: str | None
    tags: tuple[str, ...]
    backends: tuple[str, ...]
    mlx_lm: str | None
    error: str | None
    chosen: Looked | None = None
    looked: tuple[Looked, ...] = ()

    @property
    def has_jaccl(self) -> bool:
        """Tell whether this build can use RDMA over Thunderbolt at all."""
        return "jaccl" in self.backends

    @property
    def too_old(self) -> bool:
        """Tell whether a rank needs a later Python than this."""
        return tuple(map(int, re.findall(r"\d+", self.python)[:2])) < OLDEST


def parse(out: bytes) -> MlxRuntime:
    """Find our lines among whatever libraries print around them, even without a line end.

    Of several that answered, it is the first that can import MLX and is not too old for a rank;
    failing that, the first that can import it; failing that, the first.
    """
    seen: dict[str, Looked] = {}
    answers: list[tuple[str, MlxRuntime]] = []
    path = ""
    for line in out.decode("utf-8", "replace").split("\n"):
        if place := _LOOKED.search(line):
            has, why, path = place.groups()
            seen[path] = Looked(path, why, _HAS.get(has, has))
        elif (at := line.find(_MARK)) >= 0:
            answers.append((path, _runtime(_document(line[at:]))))
    if not answers:
        raise ParseError(f"no answer of mlxdiag's program in {out[:80]!r}")
    for path, answer in answers:
        if path in seen:
            old = f", but is Python {answer.python}" if answer.too_old else ""
            seen[path] = replace(seen[path], has=answer.error or f"has mlx {answer.mlx}{old}")
    path, answer = min(answers, key=lambda each: (each[1].error is not None, each[1].too_old))
    chosen = seen.pop(path, None)
    return replace(answer, chosen=chosen, looked=tuple(seen.values()))


def _document(text: str) -> Mapping[str, object]:
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"the answer is cut off or mixed up: {error}") from error
    if not isinstance(document, dict) or document["mlxdiag"] != 1:
        raise ParseError(f"not an answer this version reads: {text[:80]!r}")
    return document


def _runtime(keys: Mapping[str, object]) -> MlxRuntime:
    python, executable = _text(keys, "python"), _text(keys, "executable")
    if not python or executable is None:
        raise ParseError("the answer names no interpreter")
    return MlxRuntime(
        python=python,
        executable=executable,
        mlx=_text(keys, "mlx"),
        mlx_metal=_text(keys, "mlx_metal"),
        tags=_texts(keys, "tags"),
        backends=_texts(keys, "backends"),
        mlx_lm=_text(keys, "mlx_lm"),
        error=_text(keys, "error"),
    )


def _text(keys: Mapping[str, object], key: str) -> str | None:
    """Give a text or None; lone surrogates, as in odd paths, would break every output."""
    value = keys.get(key)
    if value is not None and not isinstance(value, str):
        raise ParseError(f"{key} is not a text")
    return value if value is None else value.encode("utf-8", "replace").decode()


def _texts(keys: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = keys.get(key)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ParseError(f"{key} is not a list of texts")
    return tuple(each.encode("utf-8", "replace").decode() for each in value)
