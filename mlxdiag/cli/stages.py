"""What commands share: the stages from the words on the command line to the written report."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

import typer

from mlxdiag import __version__, files
from mlxdiag.cli.options import FailOn, Format
from mlxdiag.cli.streams import write
from mlxdiag.errors import MlxdiagError

if TYPE_CHECKING:
    from mlxdiag.capture import Captures, Command
    from mlxdiag.finding import Finding
    from mlxdiag.inventory import Host, Inventory
    from mlxdiag.measured import Launch
    from mlxdiag.readings import HostFacts
    from mlxdiag.recording import Recording
    from mlxdiag.render.style import Style
    from mlxdiag.report import Report

    Ask = Callable[
        [Inventory, Path | None, int, float | None, dict[str, HostFacts]],
        Recording,
    ]


DEFAULT_INVENTORY = Path("inventory.yaml")


def check_output(output: Path | None) -> None:
    """Refuse a place for the report before any host is asked."""
    if output is not None:
        files.check(output)


def inventory_of(path: Path | None, hosts: str | None) -> Inventory:
    """Read what names the hosts: the inventory, or the words of --hosts."""
    from mlxdiag import inventory  # noqa: PLC0415

    if path is not None and hosts is not None:
        raise typer.BadParameter("give --inventory or --hosts, not both")
    if hosts is not None:
        return inventory.from_hosts(hosts)
    found = inventory.load(path or DEFAULT_INVENTORY)
    for number, wish in enumerate(found.silence):
        _check_silence(f"{found.source}: silence[{number}].id", wish.id)
    return found


def _check_silence(where: str, id_: str) -> None:
    """Refuse to silence what is no check: nobody would notice that it is not silenced."""
    from mlxdiag.catalogue import ALL  # noqa: PLC0415

    ids = [check.id for check in ALL]
    if id_ not in ids:
        near = get_close_matches(id_, ids, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise MlxdiagError(f"{where}: no check is called {id_!r}{hint}")


def hosts_of(path: Path | None, hosts: str | None, *, local: bool) -> Inventory:
    """Do as `inventory_of`, or take this machine alone; an inventory beside it says what is run."""
    from mlxdiag import inventory  # noqa: PLC0415

    if not local:
        return inventory_of(path, hosts)
    if hosts is not None:
        raise typer.BadParameter("give --hosts or --local, not both")
    here = inventory.from_hosts("127.0.0.1")
    return replace(inventory.load(path), hosts=here.hosts) if path is not None else here


def replayed(
    replay: Path, inventory: Path | None, hosts: str | None, save: Path | None
) -> Recording:
    """Load a recording in place of asking hosts; --save copies it."""
    from mlxdiag import recording  # noqa: PLC0415

    if inventory is not None or hosts is not None:
        raise typer.BadParameter("a recording brings its own inventory: leave out -i and --hosts")
    found = recording.load(replay)
    if save is not None:
        recording.save(found, save)
    return found


def gathered(
    replay: Path | None,
    path: Path | None,
    hosts: str | None,
    save: Path | None,
    fanout: int,
    timeout: float | None,
    ask: Ask | None = None,
) -> tuple[Recording, dict[str, HostFacts]]:
    """Load a recording, or ask the hosts, by `live_run` unless said otherwise.

    What was read of the hosts that answered comes with it.
    """
    early: dict[str, HostFacts] = {}
    if replay is not None:
        return replayed(replay, path, hosts, save), early
    return (ask or live_run)(inventory_of(path, hosts), save, fanout, timeout, early), early


def live_run(
    inventory: Inventory,
    save: Path | None,
    fanout: int,
    timeout: float | None,
    early: dict[str, HostFacts],
    commands: Sequence[Command] | None = None,
    noted: Callable[[Recording], Recording] | None = None,
) -> Recording:
    """Ask the hosts; what one said is read into `early` while others are still answering.

    `commands` are those of `ports` unless said otherwise; `noted` adds to the recording, or takes
    from it, what `readings` does not read.
    """
    from mlxdiag import live, readings, recording  # noqa: PLC0415
    from mlxdiag.facts import COMMANDS  # noqa: PLC0415
    from mlxdiag.fanout import State  # noqa: PLC0415
    from mlxdiag.progress import progress  # noqa: PLC0415

    if save is not None:
        recording.check_target(save)
    loading = Thread(target=_load_reader)
    with progress([host.name for host in inventory.hosts]) as show:

        def on_state(host: str, state: State) -> None:
            show(host, state)
            if state is State.COLLECTING and loading.ident is None:
                loading.start()

        def on_host(host: Host, captures: Captures) -> None:
            with suppress(Exception):  # what cannot be read now cannot be read for the report
                early[host.name] = readings.read(host, captures)

        found = live.record(
            inventory,
            commands=COMMANDS if commands is None else commands,
            fanout=fanout,
            timeout_s=timeout,
            on_state=on_state,
            on_host=on_host,
        )
    if noted is not None:
        found = noted(found)
        for name, facts in early.items():
            early[name] = replace(facts, captures=found.hosts[name])
    if save is not None:
        recording.save(found, save)
    return found


def whole_run(
    inventory: Inventory,
    save: Path | None,
    fanout: int,
    timeout: float | None,
    early: dict[str, HostFacts],
    *,
    quick: bool = False,
    also: Sequence[Command] = (),
) -> Recording:
    """Ask the hosts all that `check` asks, and `also`; what is nobody's business is not kept."""
    from mlxdiag import survey  # noqa: PLC0415
    from mlxdiag.facts import COMMANDS  # noqa: PLC0415

    def noted(found: Recording) -> Recording:
        return survey.kept(survey.left_out(found) if quick else found)

    commands = (*COMMANDS, *survey.asked(inventory, quick=quick), *also)
    return live_run(inventory, save, fanout, timeout, early, commands, noted)


def launched(
    inventory: Inventory,
    save: Path | None,
    fanout: int,
    timeout: float | None,
    early: dict[str, HostFacts],
    *,
    repeat: int | None,
) -> Recording:
    """Ask the hosts, then launch whatever can be launched on them; all are asked at once."""
    del fanout, early
    from mlxdiag import recording  # noqa: PLC0415
    from mlxdiag.probe import command  # noqa: PLC0415

    if save is not None:
        recording.check_target(save)
    plans = command.over_cluster(inventory, command.comparison(repeat), timeout)
    found = command.launch(plans, timeout)
    if save is not None:
        recording.save(found, save)
    return found


def launches_of(path: Path) -> tuple[Launch, ...]:
    """Read the launches of another run: a JSON report, or a recording."""
    from mlxdiag import measured, recording, report  # noqa: PLC0415

    if path.suffix.lower() != ".json":
        return report.launches_of(recording.load(path), str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MlxdiagError(f"{path}: cannot be read: {error}") from error
    return measured.from_report(text, str(path))


def _load_reader() -> None:
    """Load what will read and show the answers, while the hosts are at work on them."""
    from mlxdiag import advice, report  # noqa: F401, PLC0415
    from mlxdiag.render import json, short  # noqa: F401, PLC0415


def reported(
    recording: Recording,
    command: str,
    wanted: Callable[[Finding], bool],
    fail_on: FailOn,
    early: Mapping[str, HostFacts] = {},
    launches: Sequence[Launch] = (),
) -> Report:
    """Take a recording to the report of a command."""
    from mlxdiag import report  # noqa: PLC0415
    from mlxdiag.finding import Severity  # noqa: PLC0415

    return report.build(
        recording,
        command,
        __version__,
        wanted=wanted,
        fail_on=Severity(fail_on.value),
        early=early,
        launches=launches,
    )


def check_names() -> set[str]:
    """Name the checks that `ports` asks, and their areas."""
    from mlxdiag.checks import AREAS, CHECKS  # noqa: PLC0415
    from mlxdiag.recommend import EXPECTED, USABLE  # noqa: PLC0415

    return {*AREAS, EXPECTED.area, EXPECTED.id, USABLE.id, *(check.id for check in CHECKS)}


def whole_names() -> set[str]:
    """Name the checks that `check` asks, and their areas."""
    from mlxdiag.checks import whole  # noqa: PLC0415

    return check_names() | {name for each in whole.CHECKS for name in (each.id, each.area)}


def wanted_by(
    only: list[str] | None, skip: list[str] | None, names: set[str] | None = None
) -> Callable[[Finding], bool]:
    """Build the filter of --only and --skip; refuse names that no check and no area has."""
    if not only and not skip:
        return lambda _finding: True
    known = check_names() if names is None else names
    for name in (*(only or ()), *(skip or ())):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise typer.BadParameter(f"{name!r} is no check and no area{hint}")

    def wanted(finding: Finding) -> bool:
        names = {finding.id, finding.check.area}
        return (not only or bool(names & set(only))) and not names & set(skip or ())

    return wanted


def finish(
    report: Report,
    format: Format,  # noqa: A002
    output: Path | None,
    *,
    verbose: bool,
    no_color: bool,
    exit_code: int | None = None,
) -> NoReturn:
    """Render, write and leave with the report's exit code."""
    from mlxdiag.render import EXIT_CODES, FORMATS, SUMMARIES  # noqa: PLC0415
    from mlxdiag.render.short import verdict_line  # noqa: PLC0415
    from mlxdiag.render.style import Style  # noqa: PLC0415

    here = terminal_style(verbose=verbose, no_color=no_color)
    if output is None:
        write(FORMATS[format.value](report, here))
    else:
        text = FORMATS[format.value](report, Style(width=100, verbose=verbose))
        files.put(output, text)
        write(verdict_line(report, here) + "\n")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and format.value in SUMMARIES:
        _append(FORMATS["markdown"](report, Style()), Path(summary))
    if exit_code is None:
        code_of = EXIT_CODES.get(format.value)
        exit_code = code_of(report) if code_of else report.exit_code
    raise typer.Exit(exit_code)


def _append(text: str, summary: Path) -> None:
    try:
        with summary.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise MlxdiagError(f"{summary}: cannot be written: {error.strerror}") from error


def as_json(report: Report) -> str:
    """Write the JSON report, for a file that is kept whatever the format of stdout is."""
    from mlxdiag.render import FORMATS  # noqa: PLC0415
    from mlxdiag.render.style import Style  # noqa: PLC0415

    return FORMATS["json"](report, Style())


def terminal_style(*, verbose: bool, no_color: bool) -> Style:
    """See what the terminal can show, and what the user wants of it."""
    from mlxdiag.render.style import Style  # noqa: PLC0415

    dumb = os.environ.get("TERM") == "dumb"
    plain = no_color or bool(os.environ.get("NO_COLOR")) or dumb or not sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    locale = os.environ.get("LC_ALL") or os.environ.get("LANG")  # LC_CTYPE: PEP 538 sets it
    return Style(
        width=max(40, shutil.get_terminal_size((100, 24)).columns),
        color=not plain,
        unicode=encoding.startswith("utf") and locale not in ("C", "POSIX"),
        verbose=verbose,
        curve=sys.stdout.isatty() and not dumb,
    )
