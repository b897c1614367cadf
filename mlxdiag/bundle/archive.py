"""Archive: the files of a bundle, with a summary in words at its top."""

from __future__ import annotations

from collections.abc import Mapping

from mlxdiag import report
from mlxdiag.recording import Files, loads
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style

HEAD = """# What this is

A bundle of mlxdiag {version}, from what the hosts of a cluster said at {when}. It is a recording:
`mlxdiag {people} --replay FILE` gives the report again, as every command that judges such a one.
{redacted}

| | |
| --- | --- |
| `recording.json`, `host*/` | what each command of each host printed, byte by byte |
| `reports/{machine}.json` | every check, by machine |
| `reports/{people}.txt` | the same for people, with hosts and cables where there are any |
| `host*/crash_reports.out`, `host*/rdma_log.out` | crashes of a week, the kernel on RDMA |
| `logs/` | what was added: logs and crash reports |

"""
REDACTED = (
    "Names of hosts, users, models and Wi-Fi networks, serial numbers, UUIDs, GUIDs, MAC and IP\n"
    "addresses are pseudonyms: equal ones are equal here, and addresses that shared a network\n"
    "still do. The table of what was replaced is not in it. What looks like a key is `***`;\n"
    "prompts and answers are `x`."
)
OPEN = "Nothing in it was replaced: it has names, serial numbers and addresses as they are."


def composed(files: Files, logs: Mapping[str, bytes], version: str, *, redacted: bool) -> Files:
    """Put summary, reports and logs beside the files of a recording."""
    made = loads(files, "bundle")
    machine, people = ("check", "ports") if made.inventory.hosts else ("server", "server")
    checked = report.build(made, machine, version)
    seen = report.build(made, people, version)
    head = HEAD.format(
        version=version,
        when=made.started_at,
        redacted=REDACTED if redacted else OPEN,
        machine=machine,
        people=people,
    )
    return {
        **files,
        "SUMMARY.md": (head + FORMATS["markdown"](checked, Style())).encode(),
        f"reports/{machine}.json": FORMATS["json"](checked, Style()).encode(),
        f"reports/{people}.txt": FORMATS["table"](seen, Style(width=110)).encode(),
        **{f"logs/{name}": raw for name, raw in logs.items()},
    }
