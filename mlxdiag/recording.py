"""Recording: everything one run gathered, on disk as a folder or a .tar.gz (docs/recording.md).

recording.json          format, version, tool, when, how the run ended
inventory.yaml          what was asked
HOST/COMMAND.out .err   raw bytes, as the host printed them
HOST/manifest.json      per command: argv, outcome, exit status, start, seconds
preflight.json          what a preflight was asked
server.json             what a server was asked, and what it answered
hang.json               what a look at ranks was asked
probes/NNN-BACKEND/     per launch: plan.json, and rank<k>.jsonl with what each rank said
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from mlxdiag import inventory as inventories
from mlxdiag.capture import Capture, Captures, Outcome
from mlxdiag.errors import InventoryError, MlxdiagError, RecordingError
from mlxdiag.files import put, put_folder
from mlxdiag.inventory import Inventory

if TYPE_CHECKING:
    from mlxdiag.hang.asked import Asked as AskedOfRanks
    from mlxdiag.preflight.asked import Asked
    from mlxdiag.probe.plan import Plan, Refusal
    from mlxdiag.probe.said import GangRun
    from mlxdiag.server.record import Look

FORMAT = "mlxdiag/recording"
HEAD = "recording.json"
FORMAT_VERSION = 1
ASKED = "preflight.json"
SERVER = "server.json"
ASKED_OF_RANKS = "hang.json"
MAX_BYTES = 1 << 30
"""A recording larger than this is refused: 64 hosts take about 4 MB."""

Ended = Literal["complete", "timeout", "interrupted", "terminated"]
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Recording:
    """What was asked of whom, and every answer. `started_at` is UTC, ISO 8601 with a Z."""

    inventory: Inventory
    hosts: Mapping[str, Captures]
    started_at: str
    duration_s: float
    tool_version: str
    ended: Ended = "complete"
    probes: tuple[tuple[Plan, GangRun], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    preflight: Asked | None = None
    server: Look | None = None
    hang: AskedOfRanks | None = None


def check_target(path: Path) -> None:
    """Refuse a place to save to before anything is gathered for it."""
    try:
        if path.is_dir() and not any(path.iterdir()):
            return
        if path.exists():
            raise RecordingError(f"{path}: exists already; a recording is never overwritten")
        if not path.absolute().parent.is_dir():
            raise RecordingError(f"{path}: its parent folder does not exist")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror}") from error


def save(recording: Recording, path: Path) -> None:
    """Write a folder, or one .tar.gz file if the path ends so, whole; raise RecordingError."""
    check_target(path)
    content = files_of(recording)
    if path.name.endswith((".tar.gz", ".tgz")):
        pack(content, path)
        return
    try:
        put_folder(path, content, HEAD)
    except MlxdiagError as error:
        raise RecordingError(str(error)) from error


def load(path: Path) -> Recording:
    """Read what `save` wrote; raise RecordingError naming the file that is wrong."""
    if path.is_dir() and not (path / HEAD).is_file():
        raise RecordingError(f"{path}: not a recording: it has no recording.json")
    try:
        files = _folder(path) if path.is_dir() else _untar(path)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from error
    return loads(files, str(path))


def loads(files: Files, source: str) -> Recording:
    """Build a recording from its files by relative name."""
    head = _object(files, HEAD, source)
    if head.get("format") != FORMAT or head.get("format_version") != FORMAT_VERSION:
        raise RecordingError(
            f"{source}/recording.json: not {FORMAT} version {FORMAT_VERSION}:"
            f" {head.get('format')!r} version {head.get('format_version')!r}"
        )
    try:
        text = files["inventory.yaml"].decode()
        bare = SERVER in files  # a server can be looked at without naming a host
        asked = inventories.loads(text, f"{source}/inventory.yaml", bare=bare)
    except (KeyError, UnicodeDecodeError, InventoryError) as error:
        raise RecordingError(f"{source}/inventory.yaml: missing or wrong: {error}") from error
    try:
        return Recording(
            inventory=asked,
            hosts={host.name: _captures(files, host.name, source) for host in asked.hosts},
            started_at=str(head["started_at"]),
            duration_s=float(head["duration_s"]),
            tool_version=str(head["tool_version"]),
            ended=head.get("ended", "complete"),
            probes=_probes(files, source),
            refusals=_refusals(head.get("refusals", ())),
            preflight=_asked(files, source),
            server=_looked(files, source),
            hang=_asked_of_ranks(files, source),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{source}/recording.json: missing or wrong: {error}") from error


def pack(content: Files, path: Path) -> None:
    """Write files of a recording, and what stands beside them, as one .tar.gz file, whole.

    It takes the place of one that is there. Raise RecordingError.
    """
    try:
        put(path, _tar(content, path.name.partition(".t")[0]))
    except MlxdiagError as error:
        raise RecordingError(str(error)) from error


def files_of(recording: Recording) -> dict[str, bytes]:
    """Give the files that a recording is written as, by relative name."""
    refused = [asdict(refusal) for refusal in recording.refusals]
    files = {
        HEAD: _json(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "tool_version": recording.tool_version,
                "started_at": recording.started_at,
                "duration_s": recording.duration_s,
                "cluster": recording.inventory.cluster,
                "ended": recording.ended,
            }
            | ({"refusals": refused} if refused else {})
        ),
        "inventory.yaml": inventories.dump(recording.inventory).encode(),
    }
    if recording.probes:
        files |= _launches(recording)
    if recording.preflight:
        from mlxdiag.preflight import asked  # noqa: PLC0415

        files[ASKED] = asked.dump(recording.preflight)
    if recording.server:
        from mlxdiag.server import record as looks  # noqa: PLC0415

        files[SERVER] = looks.dump(recording.server)
    if recording.hang:
        from mlxdiag.hang import asked as of_ranks  # noqa: PLC0415

        files[ASKED_OF_RANKS] = of_ranks.dump(recording.hang)
    for host, captures in recording.hosts.items():
        files[f"{host}/manifest.json"] = _json({n: _entry(c) for n, c in captures.items()})
        for name, capture in captures.items():
            if capture.stdout or capture.outcome is Outcome.EXITED:
                files[f"{host}/{name}.out"] = capture.stdout
            if capture.stderr:
                files[f"{host}/{name}.err"] = capture.stderr
    return files


def _asked(files: Files, source: str) -> Asked | None:
    if ASKED not in files:
        return None
    from mlxdiag.preflight import asked  # noqa: PLC0415  # most recordings are of no preflight

    return asked.load(files[ASKED], f"{source}/{ASKED}")


def _looked(files: Files, source: str) -> Look | None:
    if SERVER not in files:
        return None
    from mlxdiag.server import record as looks  # noqa: PLC0415  # most recordings are of no server

    return looks.load(files[SERVER], f"{source}/{SERVER}")


def _asked_of_ranks(files: Files, source: str) -> AskedOfRanks | None:
    if ASKED_OF_RANKS not in files:
        return None
    from mlxdiag.hang import asked  # noqa: PLC0415  # most recordings are of no such look

    return asked.load(files[ASKED_OF_RANKS], f"{source}/{ASKED_OF_RANKS}")


def _refusals(said: Sequence[Mapping[str, Any]]) -> tuple[Refusal, ...]:
    if not said:
        return ()
    from mlxdiag.probe.plan import Refusal  # noqa: PLC0415

    return tuple(Refusal(**refused) for refused in said)


def _launches(recording: Recording) -> dict[str, bytes]:
    from mlxdiag.probe import record  # noqa: PLC0415  # most recordings have no launches

    return {
        f"probes/{number:03d}-{plan.backend}/{name}": content
        for number, (plan, run) in enumerate(recording.probes, 1)
        for name, content in record.to_files(plan, run).items()
    }


def _probes(files: Files, source: str) -> tuple[tuple[Plan, GangRun], ...]:
    launches: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if len(parts) == 3 and parts[0] == "probes":
            launches.setdefault(parts[1], {})[parts[2]] = content
    if not launches:
        return ()
    from mlxdiag.probe import record  # noqa: PLC0415

    return tuple(
        record.from_files(launches[name], f"{source}/probes/{name}") for name in sorted(launches)
    )


def _entry(capture: Capture) -> dict[str, object]:
    return {
        "argv": list(capture.argv),
        "outcome": capture.outcome.value,
        "exit_status": capture.exit_status,
        "signal": capture.signal,
        "detail": capture.detail,
        "started_s": capture.started_s,
        "seconds": capture.seconds,
    }


def _captures(files: Files, host: str, source: str) -> dict[str, Capture]:
    if f"{host}/manifest.json" not in files:
        return {}
    entries = _object(files, f"{host}/manifest.json", source)
    return {name: _capture(files, host, name, entry, source) for name, entry in entries.items()}


def _capture(files: Files, host: str, name: str, entry: Any, source: str) -> Capture:  # noqa: ANN401
    try:
        return Capture(
            command=name,
            argv=tuple(map(str, entry["argv"])),
            outcome=Outcome(entry["outcome"]),
            exit_status=_whole(entry["exit_status"]),
            signal=_whole(entry.get("signal")),
            stdout=files.get(f"{host}/{name}.out", b""),
            stderr=files.get(f"{host}/{name}.err", b""),
            detail=str(entry.get("detail", "")),
            started_s=float(entry.get("started_s", 0)),
            seconds=float(entry.get("seconds", 0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        where = f"{source}/{host}/manifest.json"
        raise RecordingError(f"{where}: {name}: missing or wrong: {error}") from error


def _whole(value: object) -> int | None:
    if value is None or isinstance(value, int):
        return value
    raise ValueError(f"{value!r} is not a whole number")


def _object(files: Files, name: str, source: str) -> dict[str, Any]:
    try:
        value = json.loads(files[name])
    except KeyError as error:
        raise RecordingError(f"{source}: not a recording: it has no {name}") from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{source}/{name}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordingError(f"{source}/{name}: not a JSON object")
    return value


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _folder(path: Path) -> Files:
    found = [p for p in sorted(path.rglob("*")) if p.is_file()]
    if sum(p.stat().st_size for p in found) > MAX_BYTES:
        raise RecordingError(f"{path}: larger than {MAX_BYTES} bytes: not read")
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in found}


def _tar(files: Files, top: str) -> bytes:
    """Pack with fixed times and owners, so that equal recordings are equal files."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _untar(path: Path) -> Files:
    """Read regular files into memory; nothing is unpacked to disk, so no name can escape."""
    files: dict[str, bytes] = {}
    room = MAX_BYTES
    with tarfile.open(path, "r:*") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            room -= member.size
            if room < 0:
                raise RecordingError(f"{path}: unpacks to more than {MAX_BYTES} bytes: not read")
            files[PurePosixPath(member.name).as_posix().lstrip("/")] = content.read()
    return _without_top(files)


def _without_top(files: dict[str, bytes]) -> Files:
    """Drop the one folder that everything lies in, whatever it is called."""
    heads = [name for name in files if PurePosixPath(name).name == HEAD]
    if not heads:
        return files
    top = min(heads, key=lambda name: name.count("/")).removesuffix(HEAD)
    return {n.removeprefix(top): c for n, c in files.items() if n.startswith(top)}
