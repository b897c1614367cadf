"""Bundle: no secret is in it, it replays, and it says what the recording said."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag import report
from mlxdiag.bundle import evidence
from mlxdiag.bundle.pseudonyms import Pseudonyms, leaks, owners
from mlxdiag.bundle.redact import names_of, redacted
from mlxdiag.capture import ACCESS, Capture
from mlxdiag.errors import MlxdiagError
from mlxdiag.recording import Recording, load, loads, save
from tests.checks.further import network, rdma, sockets
from tests.checks.recorded import NAMES, printing, recorded, recording_of
from tests.checks.surveyed import clean
from tests.facts.test_captures import CAPTURES
from tests.model import CASES
from tests.test_cli import run

KEY = b"k" * 32

SECRETS = (
    "macstudio2",
    "macstudio2.local",
    "fritz.example.net",
    "wilhelmina",
    "C02XK0AAJGH6",
    "DA6775E2-C70A-41FA-BB8C-5AB38408B6D4",
    "5e:e9:1e:f:c3:64",
    "36:34:3b:e5:85:04",
    "192.168.86.77",
    "93.184.216.34",
    "2a02:8109:aa3f:1200:1c2d:3e4f:5a6b:7c8d",
    "fe80::1808:8e2f:cc60:b9aa",
)
PLANTED = (
    b"\nmlxdiag-test wilhelmina@macstudio2.local macstudio2 fritz.example.net /Users/wilhelmina/x"
    b'\n"serial_number" : "C02XK0AAJGH6" DA6775E2-C70A-41FA-BB8C-5AB38408B6D4 5e:e9:1e:f:c3:64'
    b" 36:34:3b:e5:85:04\n192.168.86.77 93.184.216.34 2a02:8109:aa3f:1200:1c2d:3e4f:5a6b:7c8d"
    b" fe80::1808:8e2f:cc60:b9aa%en0\n"
)


def bundled(made: Recording) -> tuple[Recording, Pseudonyms]:
    pseudonyms = Pseudonyms(KEY, names_of(made))
    return loads(redacted(made, pseudonyms), "bundle"), pseudonyms


def planted(made: Recording) -> Recording:
    """Put secrets on stdout and stderr of every command, and into the inventory."""

    def one(capture: Capture) -> Capture:
        out = capture.stdout if capture.command == ACCESS else capture.stdout + PLANTED
        return replace(capture, stdout=out, stderr=PLANTED, detail="macstudio2 of wilhelmina")

    hosts = {
        name: {key: one(capture) for key, capture in captures.items()}
        for name, captures in made.hosts.items()
    }
    listed = [
        replace(host, user="wilhelmina", address=_address(host.name), identity_file="~/.ssh/w")
        for host in made.inventory.hosts
    ]
    return replace(made, hosts=hosts, inventory=replace(made.inventory, hosts=tuple(listed)))


def _address(name: str) -> str:
    return "fritz.example.net" if name == "macstudio3" else f"{name}.local"


def test_no_secret_of_any_capture_is_in_the_archive(tmp_path: Path) -> None:
    save(planted(clean()), tmp_path / "recording")
    log = tmp_path / "wilhelmina.log"
    log.write_bytes(PLANTED)
    target = tmp_path / "bundle.tar.gz"
    ran = run(
        "bundle", "--replay", str(tmp_path / "recording"), "-o", str(target), "--log", str(log)
    )
    assert ran.returncode == 0, ran.stderr
    names, raw = _unpacked(target)
    assert any(name.startswith("logs/") for name in names)
    for command in (*NAMES, "pmset"):
        assert f"host2/{command}.out" in names
    low = raw.lower().decode("latin-1")
    for secret in SECRETS:
        assert secret.lower() not in low, secret
    assert low.count("mlxdiag-test") > 4 * len(NAMES)


def _unpacked(path: Path) -> tuple[list[str], bytes]:
    """Give names and everything that is in the archive, names of its members included."""
    whole = io.BytesIO()
    names = []
    with tarfile.open(path) as tar:
        for member in tar.getmembers():
            names.append(member.name.partition("/")[2])
            whole.write(member.name.encode() + b"\n")
            content = tar.extractfile(member)
            whole.write(content.read() if content else b"")
    return names, whole.getvalue()


def shape(made: report.Report) -> Counter[tuple[str, str, bool]]:
    return Counter((f.id, f.status.value, f.blocked_by is None) for f in made.findings)


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_bundle_says_what_the_recording_said(case: str) -> None:
    made = recording_of(replace(CASES[case](), surveyed=True))
    again, pseudonyms = bundled(made)
    for command in ("ports", "check"):
        before, after = (report.build(each, command, "0") for each in (made, again))
        assert shape(before) == shape(after)
        assert before.verdict == after.verdict
        assert before.recommendation.backend == after.recommendation.backend
        assert len(before.links) == len(after.links)
    assert pseudonyms.used


FAILING = {id_: made for area in (network, sockets, rdma) for id_, made in area.FAILING.items()}


@pytest.mark.parametrize("id_", sorted(FAILING))
def test_a_bundle_of_a_failure_has_the_failure(id_: str) -> None:
    made = FAILING[id_]()
    again, _ = bundled(made)
    before, after = (report.build(each, "check", "0") for each in (made, again))
    assert shape(before) == shape(after)


def test_what_a_host_calls_itself_is_replaced() -> None:
    made = printing(clean(), "macstudio2", "hostname", b"kern.hostname: Wilhelms-Mac.fritz.box\n")
    made = printing(made, "macstudio4", "hostname", b"kern.hostname: Mac\n")
    again, _ = bundled(made)
    told = b"".join(c.stdout for captures in again.hosts.values() for c in captures.values())
    assert b"wilhelm" not in told.lower()
    assert b"fritz" not in told.lower()
    assert b"name2.example" in told
    assert again.hosts["host4"]["hostname"].stdout == b"kern.hostname: Mac\n"
    assert b"Mac Studio" in again.hosts["host4"]["system_profiler_thunderbolt"].stdout


def test_it_replays_and_what_was_replaced_stays_here(tmp_path: Path) -> None:
    save(recorded("incident"), tmp_path / "recording")
    target = tmp_path / "night.tar.gz"
    ran = run("bundle", "--replay", str(tmp_path / "recording"), "-o", str(target))
    assert ran.returncode == 0, ran.stderr
    names = tmp_path / "night.names.tsv"
    assert stat.S_IMODE(names.stat().st_mode) == 0o600
    assert "name\tmacstudio1\thost1\n" in names.read_text(encoding="utf-8")
    assert "names.tsv" not in " ".join(_unpacked(target)[0])
    replayed, original = (
        run("ports", "--replay", str(path)) for path in (target, tmp_path / "recording")
    )
    assert replayed.returncode == original.returncode == 1
    assert "host1: all 3 cabled ports are PORT_DOWN" in replayed.stdout
    told = dict(
        zip(_unpacked(target)[0], tarfile.open(target).getmembers(), strict=True)  # noqa: SIM115
    )
    assert {"SUMMARY.md", "reports/check.json", "reports/ports.txt"} <= set(told)


def test_without_redaction_it_is_the_recording(tmp_path: Path) -> None:
    save(recorded("incident"), tmp_path / "recording")
    target = tmp_path / "open.tar.gz"
    words = ("bundle", "--replay", str(tmp_path / "recording"), "-o", str(target), "--no-redact")
    ran = run(*words)
    assert ran.returncode == 0
    assert load(target).hosts == load(tmp_path / "recording").hosts
    assert not (tmp_path / "open.names.tsv").exists()
    assert run(*words).returncode == 2  # never overwritten


def test_a_name_that_commands_print_too_is_noticed(tmp_path: Path) -> None:
    made = recorded("clean-pair")
    (one, other) = made.inventory.hosts
    named = replace(
        made,
        inventory=replace(made.inventory, hosts=(replace(one, user="inet"), other)),
    )
    with pytest.raises(MlxdiagError, match="would change what the recording says"):
        bundled(named)
    save(named, tmp_path / "recording")
    target = tmp_path / "b.tar.gz"
    ran = run("bundle", "--replay", str(tmp_path / "recording"), "-o", str(target))
    assert (ran.returncode, target.exists()) == (2, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "bundle.zip"), "a bundle is a .tar.gz"),
        (("-o", "b.tar.gz", "--log", "/no/such.log"), "/no/such.log: cannot be read"),
    ],
)
def test_refuses(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    save(recorded("clean-pair"), tmp_path / "recording")
    ran = run("bundle", "--replay", str(tmp_path / "recording"), *words)
    assert ran.returncode == 2
    assert said in " ".join(ran.stderr.split())


@pytest.mark.skipif(sys.platform != "linux", reason="find and grep as on Linux")
def test_crash_reports_of_mlx_and_panics_are_brought_whole(tmp_path: Path) -> None:
    folder = tmp_path / "Library" / "Logs" / "DiagnosticReports"
    folder.mkdir(parents=True)
    for name, text in (
        ("python3.12-1.ips", '{"app":"python"}\n{"image": "libmlx.dylib"}\n'),
        ("Safari.ips", "{}\n"),
        ("old.panic", "panic(cpu 0)\n"),
        ("notes.txt", "libmlx\n"),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    (crashes, _) = evidence.COMMANDS
    ran = subprocess.run(
        crashes.argv,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    heads = sorted(line for line in ran.stdout.splitlines() if line.startswith("== "))
    assert heads == [f"== {folder}/old.panic", f"== {folder}/python3.12-1.ips"]
    assert '{"image": "libmlx.dylib"}' in ran.stdout


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no transcripts beside this checkout")
def test_nothing_of_real_transcripts_is_left() -> None:
    paths = [path for path in sorted(CAPTURES.iterdir()) if path.suffix in (".txt", ".json")]
    pseudonyms = Pseudonyms(
        KEY,
        {name: f"user{at}" for at, name in enumerate(owners(path.read_bytes() for path in paths))},
    )
    clean_texts = [
        pseudonyms.raw(path.read_bytes(), routes=path.name.startswith(("netstat", "route")))
        for path in paths
    ]
    assert len(pseudonyms.used) > 100
    assert [leak for leak in leaks(clean_texts, pseudonyms.used) if "xxx" not in leak] == []
