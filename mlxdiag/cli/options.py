"""Words of the command line that several commands share: enums and options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EPILOG = (
    "Exit codes: 0 everything holds; 1 a check failed; 2 usage, inventory or recording error, or"
    " no place to write to; 3 nothing failed but something is not known; 4 mlxdiag itself broke;"
    " 124 --timeout was hit; 130 interrupted; 143 terminated. With --format nagios those of a"
    " plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, which is also what any error gives."
)


class Format(StrEnum):
    """Formats of a report; the choice is checked against render.FORMATS by a test."""

    table = "table"
    short = "short"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    github = "github"
    prometheus = "prometheus"
    nagios = "nagios"
    dot = "dot"
    html = "html"


class DiagnoseFormat(StrEnum):
    """Formats that a diagnosis has; those of it that a log has no answer for are left out."""

    table = "table"
    short = "short"
    json = "json"
    markdown = "markdown"


class ProbeBackend(StrEnum):
    """Backends that can be launched; the choice is checked against BACKENDS by a test."""

    ring = "ring"
    jaccl = "jaccl"
    jaccl_ring = "jaccl-ring"
    mpi = "mpi"
    all = "all"


class WriteBackend(StrEnum):
    """Backends that a hostfile can be written for; `auto` is the one that is recommended."""

    auto = "auto"
    ring = "ring"
    jaccl = "jaccl"
    jaccl_ring = "jaccl-ring"


class Dtype(StrEnum):
    """What the buffers hold."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    int32 = "int32"


class Level(StrEnum):
    """How much is measured."""

    quick = "quick"
    standard = "standard"
    full = "full"


class Require(StrEnum):
    """What a preflight can require; the choice is checked against the package by a test."""

    jaccl = "jaccl"
    jaccl_ring = "jaccl-ring"
    ring = "ring"
    any = "any"


class Op(StrEnum):
    """Collectives that can be timed; `send` is one shift around the ring."""

    all_sum = "all_sum"
    all_gather = "all_gather"
    send = "send"


class FailOn(StrEnum):
    """From which severity on a failed check fails the run."""

    error = "error"
    warning = "warning"


InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "-i",
        "--inventory",
        help="inventory.yaml, or an MLX hostfile (.json).  [default: ./inventory.yaml]",
        show_default=False,
    ),
]
HostsOption = Annotated[
    str | None, typer.Option("--hosts", help="Instead of an inventory: a,b,studio[1-4].")
]
LocalOption = Annotated[
    bool, typer.Option("--local", help="This machine, without inventory and ssh.")
]
PatternOption = Annotated[
    str | None,
    typer.Option(
        "--pattern",
        help="Regular expression for the command lines of the ranks.  [default: server.pattern]",
        show_default=False,
    ),
]
ReplayOption = Annotated[
    Path | None,
    typer.Option("--replay", help="A recording (folder or .tar.gz) instead of live hosts."),
]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Write the recording of this run (folder or .tar.gz).")
]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="Form of the report.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Report to this file; stdout keeps the verdict."),
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", help="Only this check id or area; repeatable.")
]
SkipOption = Annotated[
    list[str] | None, typer.Option("--skip", help="Not this check id or area; repeatable.")
]
FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="What fails the run.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", min=0.1, help="Seconds for the whole run.")
]
FanoutOption = Annotated[int, typer.Option("--fanout", min=1, help="Hosts asked at once.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Also every port.")]
NoColorOption = Annotated[bool, typer.Option("--no-color", help="Plain text; so does NO_COLOR.")]
