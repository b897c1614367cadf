"""Further checks of the system: what weighs less, what is skipped, and what is no fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxdiag import survey
from mlxdiag.capture import Capture, Outcome
from mlxdiag.finding import FixKind, Severity, Status
from mlxdiag.inventory import Server
from mlxdiag.recording import Recording
from tests.checks.further import crashes, environment, rendezvous, resources, versions
from tests.checks.recorded import altered, expecting, of, printing, recording_of, saying
from tests.checks.surveyed import HOST, checked, clean
from tests.model import CASES
from tests.model import survey as said

JOB = f"{resources.RANK}\n".encode()


def with_job(made: Recording) -> Recording:
    out = made.hosts[HOST]["processes"].stdout + JOB
    return printing(made, HOST, "processes", out)


@pytest.mark.parametrize("id_", ["resources-domains", "resources-gpu", "resources-wired-memory"])
def test_what_a_job_holds_is_not_left_behind(id_: str) -> None:
    found = of(checked(with_job(resources.FAILING[id_]())), id_, HOST)
    assert found.status is Status.SKIP
    assert found.reason == "pid 812 (python), for 1 h 2 min may use it"


@pytest.mark.parametrize(("held", "severity"), [(10, Severity.WARNING), (11, Severity.ERROR)])
def test_domains_at_the_limit_of_a_device_are_an_error(held: int, severity: Severity) -> None:
    made = printing(clean(), HOST, "ioclasscount", said.ioclasscount(held, 0).stdout)
    devinfo = clean().hosts[HOST]["ibv_devinfo"].stdout
    assert b"max_pd:" in devinfo
    made = printing(made, HOST, "ibv_devinfo", _limited(devinfo))
    found = of(checked(made), "resources-domains", HOST)
    assert (found.status, found.severity) == (Status.FAIL, severity)
    assert found.evidence is not None
    assert "a device has 11" in found.evidence.observed


def _limited(devinfo: bytes) -> bytes:
    lines = devinfo.split(b"\n")
    return b"\n".join(b"\tmax_pd:\t\t\t\t11" if b"\tmax_pd:" in line else line for line in lines)


@pytest.mark.parametrize(
    ("id_", "command", "name"),
    [
        ("resources-gpu", "ioreg_accelerator", b"Device Utilization"),
        ("resources-wired-memory", "vm_stat", b"Pages wired down"),
        ("resources-swap", "sysctl_state", b"vm.swapusage"),
        ("resources-wired-limit", "sysctl_state", b"iogpu.wired_limit_mb"),
    ],
)
def test_a_name_that_is_missing_makes_it_unknown(id_: str, command: str, name: bytes) -> None:
    found = of(checked(altered(clean(), HOST, command, name, b"another.name")), id_, HOST)
    assert found.status is Status.UNKNOWN


def test_without_the_driver_there_are_no_domains() -> None:
    found = of(checked(printing(clean(), HOST, "ioclasscount", b"")), "resources-domains", HOST)
    assert (found.status, found.reason) == (
        Status.SKIP,
        "the kernel has no RDMA driver loaded",
    )


def test_what_only_root_may_list_is_said_with_the_line_to_run() -> None:
    denied = Capture(
        "diagnostic_reports",
        ("find",),
        Outcome.EXITED,
        1,
        stdout=f"{crashes.OWN}/python3.12-2026-01-30-101500.ips\n".encode(),
        stderr=b"find: /Library/Logs/DiagnosticReports: Permission denied\n",
    )
    report = checked(saying(clean(), HOST, "diagnostic_reports", denied))
    for id_ in ("crashes-panic", "crashes-memory"):
        found = of(report, id_, HOST)
        assert found.status is Status.SKIP
        assert found.reason == (
            "needs root: run `sudo ls -t /Library/Logs/DiagnosticReports` on macstudio2"
        )
    assert of(report, "crashes-ranks", HOST).status is Status.FAIL


def test_a_folder_of_ones_own_that_is_denied_is_not_an_empty_one() -> None:
    denied = Capture(
        "diagnostic_reports",
        ("find",),
        Outcome.EXITED,
        1,
        stderr=f"find: {crashes.OWN}: Operation not permitted\n".encode(),
    )
    report = checked(saying(clean(), HOST, "diagnostic_reports", denied))
    found = of(report, "crashes-ranks", HOST)
    assert found.status is Status.UNKNOWN
    assert found.evidence is not None
    assert found.evidence.observed == f"{crashes.OWN} may not be listed"
    assert of(report, "crashes-panic", HOST).status is Status.PASS


@pytest.mark.parametrize(("name", "status"), [("python3.12", Status.UNKNOWN), ("", Status.PASS)])
def test_without_the_time_of_the_boot_no_report_counts(name: str, status: Status) -> None:
    paths = [f"{crashes.OWN}/{name}-2025-12-24-101500.ips"] if name else []
    made = altered(crashes.left(*paths)(), HOST, "sysctl_state", b"kern.boottime", b"another.name")
    assert of(checked(made), "crashes-ranks", HOST).status is status


@pytest.mark.parametrize(
    ("program", "severity"),
    [("python3.12", Severity.INFO), ("mlx_lm.server", Severity.WARNING)],
)
def test_a_crash_weighs_by_whether_its_name_is_mlxs(program: str, severity: Severity) -> None:
    made = crashes.left(f"{crashes.OWN}/{program}-2026-01-30-101500.ips")()
    assert of(checked(made), "crashes-ranks", HOST).severity is severity
    assert of(checked(crashes.FAILING["crashes-memory"]()), "crashes-memory", HOST).severity is (
        Severity.INFO
    )


CRASHED = f"{crashes.OWN}/python3.12-2026-01-30-101500.ips"
PANICKED = f"{crashes.SYSTEM}/panic-full-2026-01-30-101500.0002.panic"


@pytest.mark.parametrize(
    ("id_", "path", "word", "kind"),
    [
        ("crashes-ranks", CRASHED, "tbt_post_recv", "replug"),
        ("crashes-ranks", CRASHED, "libmlx", "run"),
        ("crashes-panic", PANICKED, "completeMemory", "run"),
        ("crashes-panic", PANICKED, "AppleThunderboltRDMA", "upgrade"),
    ],
)
def test_what_a_report_says_is_named_weighs_and_has_its_own_fix(
    id_: str, path: str, word: str, kind: str
) -> None:
    behind = "Interface::" if word.startswith("Apple") else ""
    found = of(checked(crashes.left(path, f"{path}:{word}{behind}")()), id_, HOST)
    assert found.evidence is not None
    assert word in found.evidence.observed
    assert found.fix is not None
    assert (found.severity, found.fix.kind) == (Severity.WARNING, kind)


PYTHON = "  940     1 S       01:02:03 /opt/homebrew/bin/python3.12 notebook.py"


def test_memory_that_a_python_may_hold_is_not_known_to_be_free() -> None:
    made = resources.FAILING["resources-wired-memory"]()
    found = of(checked(made), "resources-wired-memory", HOST)
    assert (found.status, found.severity) == (Status.FAIL, Severity.WARNING)
    assert found.fix is not None
    assert (found.fix.kind, found.fix.command) == (FixKind.RUN, None)
    made = printing(made, HOST, "processes", said.ps(PYTHON).stdout)
    found = of(checked(made), "resources-wired-memory", HOST)
    assert found.status is Status.UNKNOWN


@pytest.mark.parametrize(
    "lines",
    [
        ("  700     1 S       01:02:03 /opt/bin/python /opt/bin/mlx.launch --hosts a x.py",),
        (
            resources.RANK.replace("  700 ", "    1 "),
            resources.RANK.replace("  812   700", "  813   812"),
        ),
    ],
)
def test_a_detached_launcher_is_no_rank_that_was_left_behind(lines: tuple[str, ...]) -> None:
    made = resources.running(*lines)()
    assert of(checked(made), "resources-ranks", HOST).status is Status.PASS


def test_a_report_from_before_the_boot_is_over() -> None:
    made = crashes.left(f"{crashes.OWN}/python3.12-2025-12-24-101500.ips")()
    assert of(checked(made), "crashes-ranks", HOST).status is Status.PASS


def test_many_reports_are_counted_and_the_last_are_named() -> None:
    paths = [f"{crashes.OWN}/python3.12-2026-01-30-10150{n}.ips" for n in range(5)]
    found = of(checked(crashes.left(*paths)()), "crashes-ranks", HOST)
    assert found.evidence is not None
    assert found.evidence.observed.startswith("python3.12 2026-01-30-101504, ")
    assert found.evidence.observed.endswith(" and 2 more")


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("JACCL_RANK", Severity.ERROR),
        ("MLX_JACCL_RING", Severity.ERROR),
        ("MLX_HOSTFILE", Severity.WARNING),
    ],
)
def test_what_goes_before_the_launch_is_an_error(name: str, severity: Severity) -> None:
    found = of(checked(environment.with_(**{name: "1"})()), "environment-leftovers", HOST)
    assert (found.status, found.severity) == (Status.FAIL, severity)


@pytest.mark.parametrize(
    "variables",
    [
        {"MLX_METAL_FAST_SYNCH": "0"},
        {"MLX_METAL_FAST_SYNCH": ""},
        {"XPC_SERVICE_NAME": "0"},
        {"XPC_SERVICE_NAME": "application.com.apple.Terminal.1"},
        {"SYSTEM_VERSION_COMPAT": "0"},
    ],
)
def test_what_changes_nothing_is_no_fault(variables: dict[str, str]) -> None:
    report = checked(environment.with_(**variables)())
    failed = [f.key for f in report.findings if f.status is Status.FAIL]
    assert failed == []


@pytest.mark.parametrize(
    ("program", "severity"),
    [
        ("ibv_devinfo -v", Severity.ERROR),
        ("/opt/mlx/bin/python -m mlx_lm.server", Severity.WARNING),
    ],
)
def test_a_job_that_waits_in_the_kernel_may_wait_for_a_disk(
    program: str, severity: Severity
) -> None:
    made = resources.running(f"  955   700 U          03:00 {program}")()
    found = of(checked(made), "resources-stuck", HOST)
    assert (found.status, found.severity) == (Status.FAIL, severity)


def test_a_port_that_a_running_job_holds_is_a_warning() -> None:
    made = rendezvous.FAILING["rendezvous-port-free"]()
    alone, beside = (
        of(checked(each), "rendezvous-port-free", HOST) for each in (made, with_job(made))
    )
    assert (alone.severity, beside.severity) == (Severity.ERROR, Severity.WARNING)
    assert alone.evidence is not None
    assert alone.evidence.observed == "a process that only root can name at *:32324"


def test_the_ports_are_those_of_the_inventorys_server() -> None:
    made = rendezvous.FAILING["rendezvous-port-free"]()
    elsewhere = replace(made, inventory=replace(made.inventory, server=Server(port=5000)))
    assert of(checked(elsewhere), "rendezvous-port-free", HOST).status is Status.PASS
    asked = {c.name: c.argv for c in survey.asked(elsewhere.inventory, quick=False)}
    assert asked["lsof"][2] == "-iTCP:5000-5031"
    assert "lsof" not in {c.name for c in survey.asked(elsewhere.inventory, quick=True)}


def test_of_what_hosts_say_only_what_matters_is_kept() -> None:
    made = with_job(rendezvous.FAILING["rendezvous-port-free"]())
    kept = survey.kept(made).hosts[HOST]
    assert kept["processes"].stdout.splitlines()[1:] == [JOB.rstrip(b"\n")]
    assert b"*.22 " not in kept["netstat"].stdout
    assert [f.key for f in checked(survey.kept(made)).findings if f.status is Status.FAIL] == [
        f.key for f in checked(made).findings if f.status is Status.FAIL
    ]


def test_the_machine_we_stand_on_has_no_login() -> None:
    hosts = tuple(replace(host, connection="local") for host in clean().inventory.hosts)
    made = replace(clean(), inventory=replace(clean().inventory, hosts=hosts))
    report = checked(made)
    for id_ in ("access-fast", "access-quiet", "access-shell"):
        assert of(report, id_, HOST).reason == "asked without ssh"


def test_clocks_are_read_at_their_own_time() -> None:
    late = replace(clean().hosts[HOST]["clock"], stdout=said.clock(-60).stdout, started_s=60.0)
    assert of(checked(saying(clean(), HOST, "clock", late)), "environment-clock").status is (
        Status.PASS
    )


def test_a_search_for_an_interpreter_is_no_slow_start() -> None:
    made = rendezvous.slow()
    hosts = tuple(replace(host, python=None) for host in made.inventory.hosts)
    unnamed = replace(made, inventory=replace(made.inventory, hosts=hosts))
    assert of(checked(unnamed), "rendezvous-start").status is Status.SKIP


@pytest.mark.parametrize(("mlx", "chips"), [("0.32.2", 1), ("0.32.4", 2)])
def test_one_chip_or_another_version_is_no_mixture(mlx: str, chips: int) -> None:
    made = versions.running(mlx)
    if chips == 2:
        made = altered(made, HOST, "sysctl", b"Apple M3 Ultra", b"Apple M5 Max")
    assert of(checked(made), "versions-mlx-mixed-chips").status is Status.PASS


def test_a_development_build_counts_as_its_release() -> None:
    found = of(checked(versions.running("0.32.1.dev20260801+abc")), "versions-mlx-messages", HOST)
    assert found.status is Status.PASS
    odd = of(checked(versions.running("main")), "versions-mlx-messages", HOST)
    assert (odd.status, odd.reason) == (Status.SKIP, "mlx main: not a number")


def test_thunderbolt_4_has_no_bugs_of_rdma() -> None:
    made = recording_of(replace(CASES["tb4-ring"](), surveyed=True))
    host = next(iter(made.hosts))
    old = altered(made, host, "mlx_runtime", b"0.32.4", b"0.30.5")
    found = of(checked(old), "versions-mlx-frames", host)
    assert found.status is Status.SKIP
    assert of(checked(old), "versions-mlx-messages", host).status is Status.FAIL


def test_where_ring_is_expected_what_only_rdma_needs_is_information() -> None:
    made = versions.running("0.30.5")
    ring = expecting(made, replace(made.inventory.expect, backend="ring"))
    assert of(checked(ring), "versions-mlx-frames", HOST).severity is Severity.INFO
    assert of(checked(ring), "versions-mlx-races", HOST).severity is Severity.INFO
    held = printing(ring, HOST, "ioclasscount", said.ioclasscount(20, 3).stdout)
    assert of(checked(held), "resources-domains", HOST).severity is Severity.INFO
