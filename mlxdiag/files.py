"""Files: what is written is there whole or not at all.

A process that is killed while it writes may leave `.NAME.PID.tmp` beside NAME, and never a part of
it under its name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlxdiag.errors import MlxdiagError


def check(path: Path) -> None:
    """Refuse a place that no file can be put at; raise MlxdiagError."""
    try:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise MlxdiagError(f"{path}: not a file in a folder that exists")
        target = path.resolve()
        by_rename = target.is_file() or not target.exists()
    except OSError as error:
        raise MlxdiagError(f"{path}: cannot be written: {error.strerror}") from error
    if by_rename and not os.access(target.parent, os.W_OK):
        raise MlxdiagError(f"{path}: cannot be written: Permission denied")


def put(path: Path, said: str | bytes, *, over: bool = True) -> None:
    """Write a file by rename: whoever reads it meets the old text or the new one.

    What is no plain file (a pipe, /dev/stdout) is written to as it is. Unless `over`, a file that
    says something else is refused. Raise MlxdiagError where it cannot be written.
    """
    raw = said.encode() if isinstance(said, str) else said
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            path.write_bytes(raw)
            return
        mode = None
        if target.is_file():
            mode = target.stat().st_mode & 0o7777
            if not over:
                if target.read_bytes() == raw:
                    return
                raise MlxdiagError(f"{path}: exists already and says something else")
        beside = _beside(target)
        try:
            beside.write_bytes(raw)
            if mode is not None:
                beside.chmod(mode)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise MlxdiagError(f"{path}: cannot be written: {error.strerror}") from error


def put_folder(folder: Path, content: Mapping[str, bytes], last: str) -> None:
    """Make a folder of files by relative name; a new one takes its name when it is whole.

    In one that was there, and empty, `last` comes last: without it, it is not whole. Raise
    MlxdiagError where it cannot be written; then a new one is not there.
    """
    target = folder.resolve()
    place = target if target.is_dir() else _beside(target)
    try:
        for name in sorted(content, key=lambda name: name == last):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content[name])
        if place != target:
            place.replace(target)
    except OSError as error:
        raise MlxdiagError(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        if place != target and place.exists():
            _remove(place)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def put_secret(path: Path, text: str) -> None:
    """Create a file that only the user can read; raise MlxdiagError, also where it exists."""
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise MlxdiagError(f"{path}: exists already; it is never overwritten") from error
    except OSError as error:
        raise MlxdiagError(f"{path}: cannot be written: {error.strerror}") from error
