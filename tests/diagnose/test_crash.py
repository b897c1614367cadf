"""Crash reports: modelled on the layout of public ones; none is from a Mac of ours."""

from __future__ import annotations

import json

import pytest

from mlxdiag.diagnose import crash
from tests.diagnose.logs import causes, diagnosed, ids, raised, read, read_in

IMAGES = ("libsystem_kernel.dylib", "libthunderboltrdma.dylib", "libibverbs.dylib", "libmlx.dylib")
HEADER = {
    "app_name": "Python",
    "timestamp": "2026-01-30 22:10:11.00 -0800",
    "app_version": "3.12.8",
    "bug_type": "309",
    "os_version": "macOS 26.3 (25D125)",
    "incident_id": "00000000-0000-0000-0000-000000000000",
    "name": "Python",
}


def frame(symbol: str, image: int = 1, at: int = 512) -> dict[str, object]:
    return {"imageOffset": 6789, "symbol": symbol, "symbolLocation": at, "imageIndex": image}


def report(*frames: dict[str, object], others: tuple[str, ...] = (), **more: object) -> str:
    body = {
        "procName": "Python",
        "captureTime": "2026-01-30 22:10:10.1234 -0800",
        "exception": {
            "type": "EXC_BAD_ACCESS",
            "signal": "SIGSEGV",
            "subtype": "KERN_INVALID_ADDRESS at 0x0000000000000000",
        },
        "termination": {"indicator": "Segmentation fault: 11", "namespace": "SIGNAL"},
        "faultingThread": 1,
        "threads": [
            {"id": 1, "frames": [frame(name, 0) for name in others]},
            {"id": 2, "triggered": True, "frames": list(frames)},
        ],
        "usedImages": [{"name": name, "base": 4294967296} for name in IMAGES],
        **more,
    }
    return f"{json.dumps(HEADER)}\n{json.dumps(body, indent=2)}\n"


POST = (frame("tbt_post_recv"), frame("jaccl::Connection::post_recv(SharedBuffer&)", 3, 40))


def test_a_crash_in_the_driver_is_known_by_its_frames() -> None:
    reading = read(report(*POST), "Python-2026-01-30-221011.ips")
    assert ids(reading) == ["crash-post-receive", "crash-jaccl"]
    first = reading.sightings[0]
    assert "libthunderboltrdma.dylib  tbt_post_recv + 512" in first.text
    assert first.place == "Python-2026-01-30-221011.ips"
    assert first.when is not None
    assert first.when.kind == "zoned"
    assert reading.unknown == ()


def test_a_crash_without_a_protection_domain_is_known_by_its_frames() -> None:
    frames = (frame("ibv_reg_mr_iova2", 2), frame("jaccl::SharedBuffer::register", 3))
    assert causes(diagnosed(report(*frames))) == ["crash-register-memory"]


def test_other_threads_of_the_report_say_nothing() -> None:
    found = diagnosed(report(frame("objc_msgSend", 3), others=("tbt_post_recv", "ibv_reg_mr")))
    assert causes(found) == []
    assert "crash report of Python: EXC_BAD_ACCESS (SIGSEGV)" in found.strange[0].said.text
    assert found.strange[0].said.grave


def test_without_a_mark_the_thread_is_the_one_by_number() -> None:
    threads = [{"frames": []}, {"frames": list(POST)}]
    assert causes(diagnosed(report(threads=threads))) == ["crash-post-receive"]
    assert causes(diagnosed(report(threads=threads, faultingThread=0))) == []
    assert causes(diagnosed(report(threads=threads, faultingThread=7))) == []


def test_a_report_beside_a_log_is_the_cause_and_the_exit_code_is_not() -> None:
    log = "\x1b[33m[WARN] Node with rank 1 exited with code -11 \x1b[0m\n"
    found = diagnosed(log + raised("[jaccl] Recv failed with errno=54"), report(*POST))
    assert causes(found) == ["crash-post-receive"]
    assert "launch-exit-signal" in [said.entry.id for said in found.later]


@pytest.mark.parametrize(
    ("panic", "id_"),
    [
        ('"completeMemory() prepare count underflow" @IOGPUMemory.cpp:550', "panic-gpu-memory"),
        ("watchdog timeout: no checkins from watchdogd in 92 seconds", "panic-watchdog"),
    ],
)
def test_a_panic_report_is_known_by_its_text(panic: str, id_: str) -> None:
    body = {"panicString": f"panic(cpu 4 caller 0xfffffe0012): {panic}\nDebugger message: panic\n"}
    head = {**HEADER, "bug_type": "210"}
    reading = read(f"{json.dumps(head)}\n{json.dumps(body)}", "panic-full.ips")
    assert ids(reading) == [id_]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        '{"threads": 7, "usedImages": {}, "exception": [], "faultingThread": "x"}',
        '{"threads": [7, {"triggered": true, "frames": [null, {"imageIndex": -1}]}]}',
        '{"threads": [{"triggered": true, "frames": [{"imageIndex": true, "symbol": null}]}]}',
        "[" * 100_000,
    ],
)
def test_a_broken_report_is_read_as_far_as_it_goes(body: str) -> None:
    reading = read(f"{json.dumps(HEADER)}\n{body}\n[jaccl] Register memory region failed\n")
    assert reading.sightings == () or ids(reading) == ["jaccl-memory-region"]


def test_json_that_is_no_report_is_a_log() -> None:
    text = '{"level": "error", "msg": "[jaccl] Couldn\'t allocate protection domain"}\n'
    (said,) = read(text).sightings
    assert (said.entry.id, said.line) == ("jaccl-protection-domain", 1)


def test_a_report_beyond_the_limit_is_read_as_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "LARGEST", 4096)
    text = report(*POST, notes=["x" * 100] * 100).encode()
    chunks = [text[at : at + 1000] for at in range(0, len(text), 1000)]
    (said, *_) = read_in(chunks, "Python.ips").sightings
    assert said.line > 1
