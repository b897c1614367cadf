"""Logs as they are left behind: noise around messages, and short ways to read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlxdiag.diagnose.command import read_all
from mlxdiag.diagnose.order import Diagnosis, diagnose
from mlxdiag.diagnose.reading import Log, Reading

BAR = "".join(
    f"\rFetching 182 files: {n:3}%|####      | {n}/182 [00:0{n % 9}<00:00]" for n in range(9)
)
YELLOW, PLAIN = "\x1b[33m", "\x1b[0m"

HEAD = (
    f"{BAR}\n"
    "The repository name /Users/alex/models/Kimi does not seem to be local\n"
    "2026-01-30 22:10:01,311 - INFO - 182 shards, no error so far\n"
    "[transformers] `torch` was not found: models won't be available\n"
    "/opt/venv/lib/python3.12/site-packages/huggingface_hub/file_download.py:942: FutureWarning:"
    " `resume_download` is deprecated\n"
    f"\x1b]0;python\x07{YELLOW}12.8{PLAIN} tok/s, 0 failed, 3 peers \N{FULL BLOCK}\n"
)
"""What stands above an error and is none."""

TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/Users/alex/generate.py", line 12, in <module>\n'
    '    group = mx.distributed.init(strict=True, backend="jaccl")\n'
    "            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
)


def raised(text: str, prefix: str = "", kind: str = "RuntimeError") -> str:
    """Give a traceback that ends with this error, each line behind a prefix."""
    lines = f"{TRACEBACK}{kind}: {text}".splitlines()
    return "".join(f"{prefix}{line}\n" for line in lines)


def warned(text: str) -> str:
    """Give a line as mlx.launch warns."""
    return f"{YELLOW}[WARN] {text} {PLAIN}\n"


def ended(rank: int, code: int = 1) -> str:
    return warned(f"Node with rank {rank} exited with code {code}")


def killed(*ranks: int) -> str:
    return "".join(warned(f"Node with rank {rank} was killed") for rank in ranks)


def read(text: str | bytes, name: str = "launch.log", hosts: Sequence[str] = ()) -> Reading:
    raw = text.encode() if isinstance(text, str) else text
    return read_all([Log(name, [raw])], hosts)[0]


def read_in(chunks: Iterable[bytes], name: str = "launch.log") -> Reading:
    return read_all([Log(name, chunks)])[0]


def ids(reading: Reading) -> list[str]:
    return [said.entry.id for said in reading.sightings]


def diagnosed(*texts: str, **named: str) -> Diagnosis:
    """Diagnose logs; those given by name are files of that name (`rank0_err` -> rank0.err)."""
    logs = [read(text, f"log{n}.txt") for n, text in enumerate(texts, 1)]
    logs += [read(text, name.replace("_", ".")) for name, text in named.items()]
    return diagnose(logs)


def causes(diagnosis: Diagnosis) -> list[str]:
    return [said.entry.id for said in diagnosis.causes]
