"""`mlxdiag server` as a process: where it asks, how it ends, what it refuses, what it leaves."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlxdiag.capture import Capture, Outcome
from mlxdiag.finding import Status
from mlxdiag.inventory import Host, Server
from mlxdiag.recording import Recording, files_of
from mlxdiag.server.asked import Asked, about
from mlxdiag.server.command import Visit
from mlxdiag.server.record import Examined, Look
from mlxdiag.server.secret import Secret
from tests.server.conftest import KEY, ROOT, Endpoint
from tests.server.looked import NOBODY, bad, reported, visit
from tests.test_cli import environment, on_terminal, run

pytestmark = pytest.mark.xdist_group("ranks")

ENV = environment(PYTHONPATH=str(ROOT))
ANSWERS = "server-answers"


def test_baselines_are_saved_held_to_and_replayed(endpoint: Endpoint, tmp_path: Path) -> None:
    quick = ("server", "--url", endpoint.url("ok"), "--requests", "1")
    ran = run(*quick, "--save-baseline", "good.json", "-f", "short", cwd=tmp_path, env=ENV)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("PASS: 1 of 1 requests answered; ")
    good = json.loads((tmp_path / "good.json").read_text())
    good["server"] |= {"tokens_per_s": 1e6, "first_token_s": 1e3}
    (tmp_path / "good.json").write_text(json.dumps(good))
    held = run(
        *quick, "--baseline", "good.json", "--save", "night", "-f", "json", cwd=tmp_path, env=ENV
    )
    assert held.returncode == 1
    told = json.loads(held.stdout)
    assert [c["id"] for c in told["checks"] if c["status"] == "fail"] == ["server-speed"]
    assert told["server"]["baseline"] == good["started_at"]
    line = run("server", "--replay", "night", "-f", "short", cwd=tmp_path, env=ENV).stdout
    assert re.match(r"FAIL: 1 of 1 requests answered; .*; server-speed: [\d.]+ tokens/s, ", line)
    again = run("server", "--replay", "night", "-f", "json", cwd=tmp_path, env=ENV)
    assert (again.returncode, again.stdout) == (1, held.stdout)
    good["server"] |= {"tokens_per_s": 0.001, "first_token_s": None}
    (tmp_path / "low.json").write_text(json.dumps(good))
    low = run("server", "--replay", "night", "--baseline", "low.json", cwd=tmp_path, env=ENV)
    assert low.returncode == 0
    assert "faster" in low.stdout


def test_a_baseline_is_not_saved_where_something_failed(endpoint: Endpoint, tmp_path: Path) -> None:
    words = ("server", "--url", endpoint.url("broken"), "--requests", "1", "-f", "short")
    assert run(*words, "--save-baseline", "b.json", cwd=tmp_path, env=ENV).returncode == 1
    assert not (tmp_path / "b.json").exists()


def test_the_line_says_why_where_nothing_was_sent(tmp_path: Path) -> None:
    ran = run("server", "--url", "http://127.0.0.1:1", "-f", "short", cwd=tmp_path, env=ENV)
    assert ran.returncode == 1
    assert ran.stdout.startswith("FAIL: 0 of 3 requests answered; server-reachable: refused: ")


def test_the_inventory_says_where_with_which_key_and_how_fast(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    server = {"url": f"{endpoint.url('key')}/v1/", "key_env": "LAB_KEY", "tokens_per_s": 100000}
    (tmp_path / "inventory.yaml").write_text(yaml.safe_dump({"hosts": ["a"], "server": server}))
    words = ("server", "--requests", "1", "-f", "json")
    ran = run(*words, cwd=tmp_path, env={**ENV, "LAB_KEY": KEY})
    assert ran.returncode == 1
    told = json.loads(ran.stdout)
    assert [c["id"] for c in told["checks"] if c["status"] == "fail"] == ["server-speed"]
    ran = run(*words, cwd=tmp_path, env=ENV)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "LAB_KEY, which holds the key of the server, is not set" in ran.stderr
    ran = run(*words, "--url", endpoint.url(), cwd=tmp_path, env=ENV)
    assert ran.returncode == 0  # neither key nor floor of an inventory that is not of this server


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (Host("a", "a.local"), "http://a.local:8080"),
        (Host("a", "fe80::1%en0"), "http://[fe80::1%en0]:8080"),
    ],
)
def test_without_an_address_it_is_rank_0(host: Host, url: str) -> None:
    told = Asked("")
    assert about(Server(), (host, Host("b", "b")), None, told).url == url
    assert about(Server(url="http://c:1"), (host,), None, told).url == "http://c:1"
    assert about(Server(url="http://c:1"), (host,), "http://d:2/v1", told).url == "http://d:2"


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no inventory": ((), "inventory.yaml: cannot be read"),
    "no address": (("--url", "macstudio1"), "not an address like"),
    "a replay with an address": (("--replay", ".", "--url", "http://a"), "leave out --url"),
    "a replay with what was asked": (
        ("--replay", ".", "--requests", "3", "--parallel", "0", "--timeout", "9"),
        "leave out --requests, --parallel, --timeout",
    ),
    "a replay with more of it": (
        ("--replay", ".", "--deadline", "60", "--max-tokens", "64", "--key-env", "K"),
        "leave out --key-env, --max-tokens, --deadline",
    ),
    "words that are none": (("--url", "http://a", "--prompt", "\udcff"), "in UTF-8"),
    "no such check": (("--url", "http://a", "--only", "rdma"), "no check and no area"),
    "no baseline": (("--url", "http://a", "--baseline", "x.json"), "x.json"),
    "another report": (("--url", "http://a", "--baseline", "p.json"), "not a JSON report of"),
    "a place that is taken": (("--url", "http://a", "--save", "p.json"), "exists already"),
}


@pytest.mark.parametrize("asked", REFUSED)
def test_refused_before_anything_is_sent(asked: str, tmp_path: Path) -> None:
    words, why = REFUSED[asked]
    (tmp_path / "p.json").write_text('{"schema": "mlxdiag/report", "schema_version": 1}')
    ran = run("server", *words, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert why in ran.stderr
    assert "Traceback" not in ran.stderr


def test_at_once_is_warned_of(endpoint: Endpoint, tmp_path: Path) -> None:
    words = ("server", "--url", endpoint.url(), "--requests", "1", "--parallel", "2", "-f", "short")
    ran = run(*words, cwd=tmp_path, env=ENV)
    assert ran.returncode == 0
    assert "2 of 2 at once" in ran.stdout
    assert "two requests at once have brought down" in ran.stderr


@contextmanager
def mute(said: list[str], held: list[socket.socket]) -> Iterator[int]:
    """Have no path but that of completions, and say nothing there; note what is asked."""

    def serve(door: socket.socket) -> None:
        while True:
            try:
                connection, _ = door.accept()
            except OSError:
                return
            held.append(connection)
            line = connection.recv(65536).partition(b"\r\n")[0].decode()
            if line.startswith("GET"):
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            said.append(line)

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=serve, args=(door,), daemon=True).start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


@pytest.mark.parametrize(
    ("number", "code"), [(None, 124), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_what_ends_the_run_leaves_a_report(number: int | None, code: int, tmp_path: Path) -> None:
    said: list[str] = []
    more = ("--timeout", "6") if number is None else ()
    with mute(said, []) as port:
        argv = [sys.executable, "-m", "mlxdiag", "server", "--url", f"http://127.0.0.1:{port}"]
        with subprocess.Popen(
            [*argv, *more, "-f", "json", "--save", "cut"], cwd=tmp_path, env=ENV,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            end = time.monotonic() + 30
            while not any(line.startswith("POST") for line in said) and time.monotonic() < end:
                time.sleep(0.02)
            if number is not None:
                process.send_signal(number)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, "")
    told = json.loads(out)
    statuses = {
        c["subject"]["interface"]: c["status"] for c in told["checks"] if c["id"] == ANSWERS
    }
    assert statuses == {"request 1": "unknown"}
    assert told["server"]["answers"][0]["fault"] == "interrupted"
    assert told["server"]["hang"] is None
    assert run("server", "--replay", "cut", "-f", "json", cwd=tmp_path).stdout == out


def test_the_connection_is_open_until_the_ranks_were_looked_at() -> None:
    said: list[str] = []
    held: list[socket.socket] = []
    with mute(said, held) as port:

        def examine(*_: object) -> Examined:
            held[-1].settimeout(0.2)
            with suppress(TimeoutError):
                while held[-1].recv(65536):
                    pass  # the rest of the request
                pytest.fail("it was closed")
            return Examined("seen")

        asked = Asked(f"http://127.0.0.1:{port}", deadline_s=0.5)
        found = Visit(Look(asked), NOBODY, Secret(), None, examine).run()
        held[-1].settimeout(5)
        assert held[-1].recv(1) == b""
    assert found.server is not None
    assert found.server.hang == Examined("seen")


def test_what_hosts_said_while_a_request_hung_is_searched_for_the_key_as_well() -> None:
    key = "sk-4711-abcdef"
    line = f"812 1 python3 serve.py --api-key {key} --port 8080\n"
    said = Capture(
        "ps", ("ps",), Outcome.EXITED, 0, None, line.encode(), key.encode(), f"ps: {key}"
    )
    looked = Recording(NOBODY, {"studio": {"ps": said}}, "", 0.0, "0")
    with mute([], []) as port:
        asked = Asked(f"http://127.0.0.1:{port}", deadline_s=0.5)
        found = Visit(Look(asked), NOBODY, Secret(key), None, lambda *_: looked).run()
    kept = found.hosts["studio"]["ps"]
    stars = "*" * len(key)
    assert kept.stdout.decode() == line.replace(key, stars)
    assert (kept.stderr.decode(), kept.detail) == (stars, f"ps: {stars}")
    assert key not in "".join(map(str, files_of(found).values()))


def test_on_a_terminal_stdout_has_the_report_alone(endpoint: Endpoint) -> None:
    code, out = on_terminal("server", "--url", endpoint.url(), "--requests", "1", env=ENV)
    assert code == 0
    assert b"REQUESTS" in out
    assert b"\x1b[K" not in out


# TLS, with a certificate that nobody signed.


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate of 127.0.0.1 for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, chain = folder / "key.pem", folder / "cert.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return chain, pem


@contextmanager
def tls(folder: Path) -> Iterator[int]:
    """Accept one connection over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder))

    def serve(door: socket.socket) -> None:
        connection, _ = door.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=serve, args=(door,), daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join(5)


def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    with tls(tmp_path) as port:
        made = reported(visit(f"https://127.0.0.1:{port}"))
    assert bad(made) == [("server-reachable", Status.FAIL)]
    assert "tls: its certificate is not trusted: self-signed certificate" in str(
        made.causes[0].evidence
    )


def test_https_where_there_is_none(endpoint: Endpoint) -> None:
    made = reported(visit(endpoint.url().replace("http:", "https:")))
    assert bad(made) == [("server-reachable", Status.FAIL)]
    assert "tls: it does not speak TLS" in str(made.causes[0].evidence)
    assert "http or https" in str(made.causes[0].fix)
