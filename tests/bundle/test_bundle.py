"""Bundle: no secret is in it, it replays, and it says what the recording said."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mlxdiag import files, report
from mlxdiag.bundle import evidence
from mlxdiag.bundle.pseudonyms import Pseudonyms, leaks, owners
from mlxdiag.bundle.redact import names_of, redacted
from mlxdiag.bundle.served import Served
from mlxdiag.capture import ACCESS, Capture, Outcome
from mlxdiag.errors import MlxdiagError
from mlxdiag.hang.asked import Asked as AskedOfRanks
from mlxdiag.probe.plan import Plan, RankPlan, Refusal
from mlxdiag.probe.said import Event, GangRun, RankLog
from mlxdiag.recording import Recording, load, loads, save
from mlxdiag.server.asked import Asked as AskedOfServer
from mlxdiag.server.exchange import Chunk, Exchange
from mlxdiag.server.judge import judge
from mlxdiag.server.record import Examined, Look
from tests.checks.further import network, rdma, sockets
from tests.checks.recorded import NAMES, printing, recorded, recording_of
from tests.checks.surveyed import clean
from tests.facts.test_captures import CAPTURES
from tests.hang.model import recorded as hung
from tests.hang.test_judge import BUSY, WAITS
from tests.hang.test_judge import CASES as HANGS
from tests.model import CASES
from tests.server.looked import MODELS, chat, delta, event, steady
from tests.server.looked import recorded as looked
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
    "da6775e2c70a41fabb8c5ab38408b6d4",
    "5ee91e0fc364",
    "5e-e9-1e-0f-c3-64",
    "5ee9.1e0f.c364",
    "d02b3d59f72bac05",
    "05AC2BF7593D2BD0",
    "Wolke Sieben",
    "geheimplatte",
    "acme",
    "zeus",
    "geheim99",
    "hf_abcdefgh",
)
PLANTED = (
    b"\nmlxdiag-test wilhelmina@macstudio2.local macstudio2 fritz.example.net /Users/wilhelmina/x"
    b'\n"serial_number" : "C02XK0AAJGH6" DA6775E2-C70A-41FA-BB8C-5AB38408B6D4 5e:e9:1e:f:c3:64'
    b" 36:34:3b:e5:85:04\n192.168.86.77 93.184.216.34 2a02:8109:aa3f:1200:1c2d:3e4f:5a6b:7c8d"
    b" fe80::1808:8e2f:cc60:b9aa%en0\n"
    b"DA6775E2C70A41FABB8C5AB38408B6D4 da6775e2c70a41fabb8c5ab38408b6d4 5E:E9:1E:0F:C3:64"
    b" 5ee91e0fc364 5E-E9-1E-0F-C3-64 5ee9.1e0f.c364 0x05AC2BF7593D2BD0 d02b:3d59:f72b:ac05\n"
    b'SSID: Wolke Sieben\n"SSID_STR" : "Wolke Sieben"\nCurrent Wi-Fi Network: Wolke Sieben\n'
    b"--model /Volumes/Geheimplatte/models/acme-13b --adapter-path /Users/wilhelmina/models/zeus-7b"
    b"\nLoading model acme-corp/zeus-70b\n~/.cache/huggingface/hub/models--acme-corp--zeus-70b/x\n"
    b'{"model": "acme-corp/zeus-70b"} [error] zeus-70b of acme-corp: \\/models\\/zeus-70b\n'
    b'HF_TOKEN=hf_abcdefgh12345 --api-key geheim99 {"password": "geheim99"}\n'
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


def test_keys_and_mail_go_from_logs_and_crash_reports(tmp_path: Path) -> None:
    said = (
        b'{"api_key": "geheim1"} hf_geheim12345 bea@geheim.example.org'
        b" http://geheim:geheim@geheim.example.org/v1\n"
    )
    made = recorded("clean-pair")
    host = made.inventory.hosts[0].name
    crash = Capture("crash_reports", ("/bin/sh",), Outcome.EXITED, 0, stdout=said)
    hosts = {**made.hosts, host: {**made.hosts[host], "crash_reports": crash}}
    save(replace(made, hosts=hosts), tmp_path / "recording")
    log = tmp_path / "server.log"
    log.write_bytes(said)
    target = tmp_path / "bundle.tar.gz"
    ran = run(
        "bundle", "--replay", str(tmp_path / "recording"), "-o", str(target), "--log", str(log)
    )
    assert ran.returncode == 0, ran.stderr
    low = _unpacked(target)[1].lower()
    assert b"geheim" not in low
    assert low.count(b'{"api_key": "***"}') == 2


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
    made = printing(made, "macstudio3", "hostname", b"kern.hostname: Kurt\n")
    again, names = bundled(made)
    log = b"ranks of wilhelms-mac, of Wilhelms-Mac.local and of kurt at fritz.box"
    assert names.raw(log) == b"ranks of name2, of name2.local and of name3 at example"
    told = b"".join(c.stdout for captures in again.hosts.values() for c in captures.values())
    assert b"wilhelm" not in told.lower()
    assert b"fritz" not in told.lower()
    assert b"name2.example" in told
    assert again.hosts["host4"]["hostname"].stdout == b"kern.hostname: Mac\n"
    assert b"Mac Studio" in again.hosts["host4"]["system_profiler_thunderbolt"].stdout


def test_the_first_label_of_an_address_is_a_name_and_a_word_is_none() -> None:
    made = recorded("clean-pair")
    first, second = made.inventory.hosts
    hosts = (
        replace(first, address="kurts-studio.fritz.box"),
        replace(second, address="server.fritz.box"),
    )
    found = names_of(replace(made, inventory=replace(made.inventory, hosts=hosts)))
    assert found["kurts-studio"] == "host1"
    assert found["kurts-studio.fritz.box"] == "host1.address"
    assert "server" not in found


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


def asked_and_answered() -> Recording:
    """Give a recording with a launch, a look at a server, one at ranks and a preflight."""
    made = planted(recorded("clean-pair"))
    first, second = made.inventory.hosts
    hosts = (replace(first, address="Wilhelms-Studio.fritz.box"), second)
    rank = RankPlan(0, hosts[0], {"MLX_X": "192.168.86.77"}, {"MLX_HOSTFILE": PLANTED.decode()})
    plan = Plan("ring", "ring", (rank,), "abc", notes=(PLANTED.decode(),), attempts={first.name: 2})
    said: list[Event] = [
        {"ev": "env", "at": 0.5, "env": {"HOME": "/Users/wilhelmina", "deep": [PLANTED.decode()]}}
    ]
    log = RankLog(0, first.name, said, ["... macstu", "dio2.local hf_abcdefgh12345 ..."], "lost")
    text = "geheime Zutat"
    answer = event(delta(text)) + b'data: {"id": "chat-4711", "model": "/Users/wilhelmina/m", '
    cut = len(answer) - 5
    chat = Exchange(
        "request", 1, "/v1/chat/completions", 0.5, 0.5, "done", "closed by fritz.example.net",
        0.001, 0.01, 200, {"server": "wilhelmina", "location": "http://macstudio2/x"},
        (
            Chunk(0.1, answer[:cut]),
            Chunk(0.2, answer[cut:] + b'"choices": []}\n\ndata: macstudio2 geheime\n\n'),
            Chunk(0.3, b"data: [DONE]\n\n"),
        ),
    )  # fmt: skip
    listed = replace(MODELS, chunks=(Chunk(0.01, b'{"data": [{"id": "/Users/wilhelmina/m"}]}'),))
    asked = AskedOfServer(
        "http://fritz.example.net:8080",
        "/Users/wilhelmina/m",
        "geheime Frage",
        key_env="W_SCHLUESSEL",
    )
    inventory = replace(made.inventory, cluster="wilhelminas-lab", hosts=hosts)
    return replace(
        made,
        inventory=inventory,
        probes=((plan, GangRun((log,), "done", 1.0, left=("/Users/wilhelmina/x on macstudio2",))),),
        refusals=(Refusal("jaccl", "macstudio2 of wilhelmina has none"),),
        server=Look(asked, (listed, chat), Examined("macstudio2 waits", ("wilhelmina",), "x")),
        hang=AskedOfRanks(pattern="wilhelminas-server"),
    )


def test_no_secret_of_what_was_asked_and_answered_is_in_the_archive(tmp_path: Path) -> None:
    save(asked_and_answered(), tmp_path / "recording")
    target = tmp_path / "bundle.tar.gz"
    ran = run("bundle", "--replay", str(tmp_path / "recording"), "-o", str(target))
    assert ran.returncode == 0, ran.stderr
    low = _unpacked(target)[1].lower().decode("latin-1")
    more = ("geheime", "zutat", "wilhelm", "fritz", "4711", "schluessel", "hf_abc", "studio2")
    for secret in (*SECRETS, *more):
        assert secret.lower() not in low, secret
    again = load(target)
    assert again.inventory.cluster == "cluster"
    assert again.hang == AskedOfRanks(pattern=None)
    ((plan, ended),) = again.probes
    assert (plan.ranks[0].host.name, plan.attempts) == ("host1", {"host1": 2})
    assert ended.logs[0].host == "host1"


def test_answers_of_a_server_keep_their_times_and_counts() -> None:
    pieces = steady(0.4, 0.02, 20, usage=20)
    made = looked(MODELS, chat(pieces), model="qwen", prompt="geheim")
    again, _ = bundled(made)
    before, after = (judge(each.server) for each in (made, again) if each.server)
    assert after.first_token_s == before.first_token_s
    assert after.tokens_per_s == before.tokens_per_s
    assert (after.good[0].tokens, after.good[0].counted) == (20, "usage")
    assert after.listed == (after.asked.model,)
    assert "qwen" not in str(after)
    assert set(after.good[0].text) == {"x", " "}


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "Model wilhelm/m is not there", "code": 404}}',
        b"no such model: wilhelm/m",
        b'data: {"id": "wilhelm',
        b'{"id": "wilhelm", "choi',
        b"<html>\r\n<h1>wilhelm</h1>",
        b'{\n "model": "wilhelm",\n "choices": [{"text": "wil\\u0068elm\\n"}]\n}',
    ],
)
def test_a_body_keeps_its_length_and_its_form(body: bytes) -> None:
    made = Served(Pseudonyms(KEY, {})).body(body)
    assert len(made) == len(body)
    assert b"wil" not in made
    assert (b"odel" in made) == (b"odel" in body)
    assert [made[:1], made.count(b"\n")] == [
        body[:1] if body[:1] != b"n" else b"x",
        body.count(b"\n"),
    ]


@pytest.mark.parametrize("case", ["in mx.eval", "gone while others spin", "all in init"])
def test_a_bundle_of_a_hang_has_its_verdict(case: str) -> None:
    made = hung(HANGS[case][0])
    again, _ = bundled(made)
    before, after = (report.build(each, "hang", "0") for each in (made, again))
    assert shape(before) == shape(after)
    assert before.hang is not None
    assert after.hang is not None
    assert [v.kind for v in before.hang.verdicts] == [v.kind for v in after.hang.verdicts]


def test_owners_and_keys_of_ranks_go() -> None:
    made = hung([WAITS, BUSY])
    captures = dict(made.hosts["mac0"])
    for name in ("find_ps", "first_ps", "second_ps"):
        said = captures[name].stdout.replace(b" alex ", b" wilhelm ")
        said = said.replace(b"--model", b"--api-key geheim --model")
        captures[name] = replace(captures[name], stdout=said)
    variables = b"800 MLX_RANK=0 MLX_TOKEN=geheim MLX_WORLD_SIZE=2\n"
    captures["find_environment_ps"] = replace(captures["find_environment_ps"], stdout=variables)
    made = replace(made, hosts={**made.hosts, "mac0": captures})
    again, _ = bundled(made)
    told = b"".join(c.stdout for each in again.hosts.values() for c in each.values())
    assert b"geheim" not in told
    assert b"wilhelm" not in told
    assert b"MLX_TOKEN=*** MLX_WORLD_SIZE=2" in told


def test_without_redaction_it_is_the_recording(tmp_path: Path) -> None:
    save(recorded("incident"), tmp_path / "recording")
    target = tmp_path / "open.tar.gz"
    words = ("bundle", "--replay", str(tmp_path / "recording"), "-o", str(target), "--no-redact")
    ran = run(*words)
    assert ran.returncode == 0
    assert load(target).hosts == load(tmp_path / "recording").hosts
    assert not (tmp_path / "open.names.tsv").exists()
    assert run(*words).returncode == 2  # never overwritten


def test_each_bundle_has_its_own_table(tmp_path: Path) -> None:
    save(recorded("clean-pair"), tmp_path / "recording")
    words = ("bundle", "--replay", str(tmp_path / "recording"), "-o")
    for name in ("my.test-a.tar.gz", "my.test-b.tgz"):
        assert run(*words, str(tmp_path / name)).returncode == 0
    tables = sorted(path.name for path in tmp_path.glob("*.tsv"))
    assert tables == ["my.test-a.names.tsv", "my.test-b.names.tsv"]


def test_a_table_is_never_overwritten_and_no_host_is_asked_first(tmp_path: Path) -> None:
    table = tmp_path / "night.names.tsv"
    table.write_text("mine", encoding="utf-8")
    target = tmp_path / "night.tar.gz"
    ran = run("bundle", "--replay", str(tmp_path / "no-recording"), "-o", str(target))
    assert ran.returncode == 2
    assert "night.names.tsv: exists already" in " ".join(ran.stderr.split())
    assert (table.read_text(encoding="utf-8"), target.exists()) == ("mine", False)


def test_a_table_is_the_users_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.names.tsv"
    before = os.umask(0)
    try:
        files.put_secret(path, "kind")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(MlxdiagError, match="exists already"):
        files.put_secret(path, "other")
    assert path.read_text(encoding="utf-8") == "kind"


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
        ("panic-full-1.ips", '{"panicString": "panic(cpu 1)"}\n'),
        ("zed.ips", '{"symbol": "rust_panic"}\n'),
        ("tool.ips", '{"symbol": "runtime.gopanic"}\n'),
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
    brought = ("old.panic", "panic-full-1.ips", "python3.12-1.ips")
    assert heads == [f"== {folder}/{name}" for name in brought]
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
