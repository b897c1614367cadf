"""Attempts: how often a fragile backend was launched on a host since its boot, kept on our side.

A file in the user's state folder, by host and its boot time as the host itself says it: no clock of
ours is asked. A file that cannot be read counts as none, one that cannot be written is a note.
Between reading and writing its folder is locked: two mlxdiag at once both count.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlxdiag.cluster import Cluster
from mlxdiag.inventory import Host
from mlxdiag.probe.plan import Plan
from mlxdiag.readings import Gap
from mlxdiag.statefolder import state_folder

SAME_BOOT_S = 60
"""macOS moves a boot time with its clock; no host is back within this time of one."""

LOCK_TRIES, LOCK_TRY_S = 100, 0.05
"""Five seconds in all: the lock is held for as long as a small file takes, unless its holder hangs.
"""

Counts = dict[str, dict[str, int | None]]
"""Host and address -> boot_s (seconds since 1970, or None) and attempts."""


def state_file() -> Path:
    """Say where it is."""
    return state_folder() / "attempts.json"


def boots(cluster: Cluster) -> dict[str, int | None]:
    """Read the boot times of the hosts, in seconds since 1970; None where a host did not say."""
    times = {f.host.name: f.sysctl for f in cluster.facts}
    return {n: None if isinstance(fact, Gap) else fact.boot_time_s for n, fact in times.items()}


def counted(boot_times: Mapping[str, int | None], plan: Plan) -> Plan:
    """Count this launch on every host of a fragile plan, and put the counts into the plan."""
    if not plan.fragile:
        return plan
    try:
        path = state_file()
    except RuntimeError as error:
        return replace(plan, notes=(*plan.notes, f"attempts are not counted: {error}"))
    with _alone(path.parent) as unlocked:
        before, trouble = _read(path)
        counts, after = _one_more(before, boot_times, plan)
        trouble += (*unlocked, *_write(path, after))
    notes = (*plan.notes, *_notes(counts, boot_times), *trouble)
    return replace(plan, attempts=counts, notes=notes)


def _one_more(
    before: Counts, boot_times: Mapping[str, int | None], plan: Plan
) -> tuple[dict[str, int], Counts]:
    """Count up: give the number of each host, and all that is to be kept."""
    counts, after = {}, dict(before)
    for host in {rank.host.name: rank.host for rank in plan.ranks}.values():
        boot = boot_times.get(host.name)
        counts[host.name] = 1 + _since(before.get(_key(host), {}), boot)
        after[_key(host)] = {"boot_s": boot, "attempts": counts[host.name]}
    return counts, after


@contextmanager
def _alone(folder: Path) -> Iterator[tuple[str, ...]]:
    """Lock the folder while the block runs; give notes of why it is not locked."""
    with suppress(OSError):  # whoever writes the file says why there is no folder
        folder.mkdir(parents=True, exist_ok=True)
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:
        yield ()
        return
    try:
        yield _locked(held, folder)
    finally:
        os.close(held)


def _locked(held: int, folder: Path) -> tuple[str, ...]:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_TRY_S)
        except OSError as error:
            return (f"{folder}: not locked, a launch beside may not count: {error.strerror}",)
        else:
            return ()
    return (f"{folder}: another mlxdiag holds its lock: a launch may not count",)


def _notes(counts: Mapping[str, int], boot_times: Mapping[str, int | None]) -> tuple[str, ...]:
    alike: dict[tuple[int, str], list[str]] = {}
    for host, number in counts.items():
        since = "since boot of" if boot_times.get(host) is not None else "known of on"
        alike.setdefault((number, since), []).append(host)
    return tuple(
        f"attempt {number} {since} {', '.join(hosts)}: each failed one leaks a protection domain"
        for (number, since), hosts in sorted(alike.items())
    )


def _key(host: Host) -> str:
    return f"{host.name} {host.address}"


def _since(entry: Mapping[str, int | None], boot: int | None) -> int:
    """Give the attempts since this boot; where a boot is not known, all that are known of."""
    was = entry.get("boot_s")
    if boot is not None and was is not None and abs(boot - was) > SAME_BOOT_S:
        return 0
    return entry.get("attempts") or 0


def _read(path: Path) -> tuple[Counts, tuple[str, ...]]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ()
    except (OSError, ValueError, RecursionError) as error:
        return {}, (f"{path}: earlier attempts are not known: {type(error).__name__}",)
    entries = said.items() if isinstance(said, dict) else ()
    known = {key: entry for key, entry in entries if _is_entry(entry)}
    whole = isinstance(said, dict) and len(known) == len(said)
    return known, () if whole else (f"{path}: not all earlier attempts are known: damaged",)


def _is_entry(entry: Any) -> bool:  # noqa: ANN401  # whatever the file holds
    if not isinstance(entry, dict) or set(entry) != {"boot_s", "attempts"}:
        return False
    boot, attempts = entry["boot_s"], entry["attempts"]
    right = (boot is None or type(boot) is int) and type(attempts) is int
    return right and attempts >= 0


def _write(path: Path, counts: Counts) -> tuple[str, ...]:
    """Replace the file in one step; say so where that is not possible."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(counts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):  # what could not be made cannot be removed either
            fresh.unlink()
        return (f"{path}: this attempt was not counted: {error.strerror}",)
    return ()
