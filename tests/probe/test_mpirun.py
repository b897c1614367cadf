"""mpirun without one: the words it is given, what it prints, and what that says of ranks."""

from __future__ import annotations

import json
import shlex
import zlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxdiag import report
from mlxdiag.backends import mpi
from mlxdiag.backends.backend import Site
from mlxdiag.inventory import Host
from mlxdiag.ladder import climb
from mlxdiag.probe import choose, gang, spelt
from mlxdiag.probe.gang import KERNEL
from mlxdiag.probe.judge import judge
from mlxdiag.probe.plan import Plan, RankPlan, Refusal, Settings
from mlxdiag.probe.said import LAUNCHER, Event, GangRun, RankLog
from mlxdiag.probe.untangle import Untangler, frame
from mlxdiag.recording import Recording
from tests.checks.recorded import altered, recorded
from tests.probe.logs import ended, healthy, log, spawned

# The words.


def ranks(*hosts: Host) -> tuple[RankPlan, ...]:
    return tuple(RankPlan(rank, host, {}, {}) for rank, host in enumerate(hosts))


def context(name: str, python: str, rank: str) -> list[str]:
    """Give the words of one rank."""
    return [
        *("-x", "MLXDIAG_KERNEL", "-x", "MLXDIAG_JOB", "-n", "1", "-host", name),
        *("/bin/sh", "-c", f'exec {python} -c "$@"', "mlxdiag", mpi.BOOT, rank),
    ]


TWO = ranks(Host("a", "a.local"), Host("b", "b.local", "kim", 2222, "~/.ssh/k", "~/venv/bin/py"))
SSH = "-o BatchMode=yes -o ConnectTimeout=10 -l kim -p 2222 -i ~/.ssh/k"
TIMES = {
    "odls_base_sigkill_timeout": "3",
    "oob_tcp_keepalive_time": "5",
    "oob_tcp_keepalive_intvl": "3",
    "oob_tcp_keepalive_probes": "3",
}


def test_words_for_two_hosts() -> None:
    said = mpi.words(TWO, [mpi.HERE, "b.local"])
    pair = [
        *context("localhost", "python3", "0"),
        *(":", *context("b.local", '"$HOME"/venv/bin/py', "1")),
    ]
    assert list(said["4"]) == [
        *("--tag-output", "--mca", "orte_keep_fqdn_hostnames", "1"),
        *(word for name, value in TIMES.items() for word in ("--mca", name, value)),
        *("--mca", "plm_rsh_args", SSH, *pair),
    ]
    assert list(said["5"]) == [
        *("--output", "tag"),
        *(word for name, value in TIMES.items() for word in ("--prtemca", name, value)),
        *("--prtemca", "plm_ssh_args", SSH, *pair),
    ]


def test_words_for_one_machine() -> None:
    here = Host("localhost", "127.0.0.1", python="/opt/py", connection="local")
    made = mpi.local(3, here, 0, 1)
    for major, many in (("4", "--oversubscribe"), ("5", ":OVERSUBSCRIBE")):
        said = list(made.launcher[major])
        assert many in said
        assert not [word for word in said if "plm_" in word]
        assert said.count("localhost") == 3
        assert "--allow-run-as-root" not in said  # the first host knows whether it is root


def test_the_kernel_and_each_word_fit_into_one_argument() -> None:
    """Linux takes 128 KiB at most of one argument or variable."""
    packed = len(zlib.compress(KERNEL.read_bytes(), 9)) * 4 // 3
    assert packed < 64 << 10
    made = mpi.local(16, Host("localhost", "127.0.0.1"), 0, 1)
    assert max(map(len, made.launcher["4"])) < 4096


# What the hosts have to have.


def site(made: Recording) -> Site:
    built = report.build(made, "ports", "0")
    states = climb(built.cluster.topology, built.findings)
    return Site(built.cluster, states, built.recommendation)


def mesh(*without: str) -> Recording:
    """Give four Macs with Open MPI, but for some."""
    made = recorded("clean-mesh-4")
    for host in made.hosts:
        if host not in without:
            made = altered(made, host, "mlx_runtime", b'"backends": ["ring"', b'"backends": ["mpi"')
    return made


def planned(made: Recording) -> Plan | Refusal:
    seen = site(made)
    order = choose.order_of(mpi.BACKEND, seen)
    return choose.over_site(mpi.BACKEND, seen, order, 20000, "n", Settings())


def hosts_as(made: Recording, **changes: object) -> Recording:
    """Change what the inventory says of the second host."""
    first, second, *others = made.inventory.hosts
    hosts = (first, replace(second, **changes), *others)  # type: ignore[arg-type]
    return replace(made, inventory=replace(made.inventory, hosts=hosts))


def called(plan: Plan | Refusal) -> list[str]:
    assert isinstance(plan, Plan)
    words = plan.launcher["4"]
    return [words[at + 1] for at, word in enumerate(words) if word == "-host"]


def test_hosts_are_called_as_ssh_calls_them() -> None:
    made = mesh()
    names = called(planned(made))
    assert names[0] == "localhost"
    assert names[1:] == [host.ip or host.address for host in made.inventory.hosts[1:]]
    assert called(planned(hosts_as(made, ip="192.0.2.7")))[1] == "192.0.2.7"


def test_a_loopback_address_is_no_way_to_another_host() -> None:
    """The first host would find itself there; what is known of the LAN stands in."""
    for address in ("127.0.0.1", "localhost"):
        name = called(planned(hosts_as(mesh(), address=address, ip=None)))[1]
        assert not name.startswith(("127.", "localhost"))


def test_a_host_without_open_mpi_is_named() -> None:
    refused = planned(mesh("macstudio3"))
    assert isinstance(refused, Refusal)
    assert refused.usable is False
    assert refused.reason.startswith("macstudio3: mlx 0.32.4 has no mpi")
    assert "install Open MPI" in refused.reason


def test_a_dry_run_shows_what_mpirun_is_told() -> None:
    plan = planned(mesh())
    assert isinstance(plan, Plan)
    text = spelt.spelt(plan, gang.line_of)
    assert text.count("  command: ") == 1
    for words in plan.launcher.values():
        assert f"\n  {shlex.join(['mpirun', *words])}\n" in text
    assert "kernel and job through mpirun's environment" in text


def test_one_ssh_for_all_hosts() -> None:
    refused = planned(hosts_as(mesh(), port=2222))
    assert isinstance(refused, Refusal)
    assert refused.reason.startswith("mpirun's ssh takes one user, port and key for all hosts")
    assert refused.reason.endswith("~/.ssh/config on macstudio1")


# What mpirun prints.

Pieces = list[tuple[int, bytes]]
NONCE = "0123456789abcdef"


def framed(rank: int, number: int, said: object) -> bytes:
    """Write a line as the kernel does."""
    body = json.dumps(said, separators=(",", ":")).encode()
    body = body.replace(b" ", b"\\u0020").replace(b"<", b"\\u003c")
    return f"{NONCE}:{rank}:{number}:{zlib.crc32(body):08x}:".encode() + body + b"\n"


texts = st.text(max_size=40) | st.sampled_from(
    ["[1,0]<stdout>:", "[prterun-vm-7@1,1]<stderr>: ", " [1,", "<", "a\nb", "[[[1,2]<std"]
)
longest = st.integers(300, 900).map(lambda count: [10**6 + 7**9 * n for n in range(count)])
events = st.recursive(texts | st.integers(), lambda inner: st.lists(inner, max_size=5)) | longest
streams = st.dictionaries(st.integers(0, 11), st.lists(events, max_size=4), max_size=4)


def tagged(rank: int, major: int) -> bytes:
    return b"[1,%d]<stdout>:" % rank if major == 4 else b"[prterun-vm-77@1,%d]<stdout>: " % rank


@settings(deadline=None)
@given(streams, st.sampled_from([4, 5]), st.integers(0))
def test_lines_come_back_whole_however_they_are_torn(
    said: dict[int, list[object]], major: int, seed: int
) -> None:
    """Open MPI 4 tears lines where it likes and tags every piece; 5 prints lines."""
    torn = Random(seed)  # noqa: S311  # tears lines
    most, fed = (torn.choice((8, 4096)) for _ in range(2))
    left: dict[int, bytes] = {}
    for rank, spoken in said.items():
        frames = b"".join(framed(rank, n, text) for n, text in enumerate(spoken, 1))
        left[rank] = b"Welcome\n" + frames
    printed = b""
    while left:
        rank = torn.choice(sorted(left))
        whole = left[rank].partition(b"\n")
        some = len(whole[0]) + 1
        if major == 4:
            some = torn.randint(1, min(most, len(left[rank])))
        piece, left[rank] = left[rank][:some], left[rank][some:]
        lines = piece.split(b"\n")
        ended = lines.pop() if piece.endswith(b"\n") else None
        printed += b"\n".join(tagged(rank, major) + line for line in lines)
        printed += b"" if ended is None else b"\n"
        if not left[rank]:
            del left[rank]
        if piece.endswith(b"\n") and torn.random() < 0.5:
            printed += b"mpirun: Forwarding signal 10 to job\n"

    untangler, found = Untangler(), []
    while printed:
        some = torn.randint(1, min(fed, len(printed)))
        found += untangler.feed(printed[:some])
        printed = printed[some:]
    found += untangler.end()

    heard: dict[int, list[object]] = {rank: [] for rank in said}
    for owner, line in found:
        noise, one, damaged = frame(line, NONCE)
        assert not damaged
        if one is None:
            assert noise in {b"Welcome", b"mpirun: Forwarding signal 10 to job"}
            assert (owner is None) == noise.startswith(b"mpirun")
        else:
            assert (noise, one.rank, one.number) == (b"", owner, len(heard[one.rank]) + 1)
            heard[one.rank].append(json.loads(one.text))
    assert heard == said


def test_a_whole_line_waits_for_nothing() -> None:
    untangler = Untangler()
    assert untangler.feed(b"[1,0]<stdout>:a [1,\n") == [(0, b"a [1,")]
    assert untangler.feed(b"[1,1") == []
    assert untangler.feed(b"]<stdout>:b\n") == [(1, b"b")]


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-2], lambda t: t.replace(b"[7,", b"[8,"), lambda t: t[:20]]
)
def test_a_damaged_frame_is_noticed(spoil: object) -> None:
    line = framed(1, 1, {"ns": [7, 8, 9]}).rstrip(b"\n")
    assert frame(line, NONCE)[1:] != (None, True)
    _, found, damaged = frame(spoil(line), NONCE)  # type: ignore[operator]
    assert (found, damaged) == (None, True)


# What it says of ranks. The texts are those of Open MPI 4.1.4 and 5.0.11, and of ssh.

KILLED_4 = "mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).\n"
KILLED_5 = (
    "prterun noticed that process rank 1 with PID 8461 on node vm exited on\nsignal 9 (Killed).\n"
)
STATUS_4 = """mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[24433,1],1]
  Exit code:    127
"""
STATUS_5 = """prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-vm-13238@1,1]
   Exit code:    127
"""
LOST_4 = """ORTE has lost communication with a remote daemon.

  HNP daemon   : [[59254,0],0] on node mac0
  Remote daemon: [[59254,0],1] on node mac1
"""
RELIABLY = "ORTE was unable to reliably start one or more daemons.\nThis usually is caused by:\n"
SLOTS = """There are not enough slots available in the system to satisfy the 3
slots that were requested by the application:
"""
ROOT = "mpirun has detected an attempt to run as root.\n"
FILLED = "All nodes which are allocated for this job are already filled.\n"
OPTION = "mpirun: Error: unknown option \"--output\"\nType 'mpirun --help' for usage.\n"


def run_of(text: str, *logs: RankLog, status: int = 1, end: Event | None = None) -> GangRun:
    said: list[Event] = [{"ev": "spawn", "at": 0.2, "pid": 1, "supervisor": 2}]
    said += [{"ev": "stderr", "text": line, "at": 1.0} for line in text.splitlines(keepends=True)]
    said.append(end or {"ev": "exit", "why": "exited", "status": status, "at": 2.0})
    return GangRun(logs, "failed", 3.0, launcher=RankLog(LAUNCHER, "mac0", said))


def plan() -> Plan:
    hosts = [Host(f"mac{n}", f"mac{n}.local") for n in range(3)]
    return Plan("mpi", "mpi", ranks(*hosts), "abc", launcher={"4": ("x",)})


ABSENT = tuple(RankLog(rank, f"mac{rank}") for rank in range(3))
THERE = tuple(log(rank) for rank in range(3))


@pytest.mark.parametrize(
    ("text", "logs", "guilty", "said"),
    [
        (KILLED_4, THERE, (1,), "its supervisor was ended by signal 9"),
        (KILLED_5, THERE, (1,), "its supervisor was ended by signal 9"),
        (STATUS_4, ABSENT, (1,), "did not start: ended with status 127"),
        (STATUS_5, ABSENT, (1,), "did not start: ended with status 127"),
        (LOST_4, THERE, (1,), "its daemon of mpirun was lost"),
        (RELIABLY, ABSENT, (), "mpirun could not start its daemon on another host"),
        (RELIABLY, THERE, (0,), "its mpirun ended with status 1"),
        (LOST_4.replace("ORTE", "PRTE"), THERE, (1,), "its daemon of mpirun was lost"),
        (
            f"root@mac2.local: Permission denied (publickey).\n{RELIABLY}",
            ABSENT,
            (2,),
            "did not start: mpirun's ssh from the first host is not let in: it needs a key"
            " without a passphrase",
        ),
        (
            f"ssh: connect to host mac1.local port 22: Connection refused\n{RELIABLY}",
            ABSENT,
            (1,),
            "did not start: mpirun's ssh from the first host does not reach it",
        ),
        (
            f"ssh: Could not resolve hostname mac1.local: nodename not known\n{RELIABLY}",
            ABSENT,
            (1,),
            "did not start: mpirun's ssh from the first host does not know its name",
        ),
        (
            f"Host key verification failed.\n{RELIABLY}",
            ABSENT,
            (),
            "mpirun's ssh does not know a host key: connect once by hand from the first host",
        ),
        (
            f"bash: line 1: /usr/bin/orted: No such file or directory\n{RELIABLY}",
            ABSENT,
            (),
            "another host has no Open MPI where the first one has it",
        ),
        (SLOTS, ABSENT, (), "mpirun has too few slots for the ranks"),
        (ROOT, ABSENT, (), "mpirun does not run as root"),
        (FILLED, ABSENT, (), "mpirun takes two of the hosts for one"),
        (OPTION, ABSENT, (), "this mpirun does not take an option that its version should have"),
        ("nobody knows\n", ABSENT, (0,), "its mpirun ended with status 1"),
    ],
)
def test_a_message_of_mpirun(
    text: str, logs: tuple[RankLog, ...], guilty: tuple[int, ...], said: str
) -> None:
    blame = judge(plan(), run_of(text, *logs)).blame
    assert blame is not None
    assert (blame.ranks, blame.text) == (guilty, said)


def test_what_a_rank_says_itself_goes_before_mpirun() -> None:
    own = log(2, ended(signal=9))
    blame = judge(plan(), run_of(STATUS_4, log(0), log(1), own)).blame
    assert blame is not None
    assert (blame.ranks, blame.text) == ((2,), "was ended by signal 9 in measure")


def test_what_a_daemon_says_when_mpirun_is_killed_is_an_echo() -> None:
    killed = {"ev": "exit", "why": "exited", "status": -9, "at": 2.0}
    blame = judge(plan(), run_of(RELIABLY, *THERE, end=killed)).blame
    assert blame is not None
    assert (blame.ranks, blame.text) == ((0,), "its mpirun was ended by signal 9")
    blame = judge(plan(), run_of(RELIABLY, *ABSENT, end=killed)).blame
    assert blame is not None
    assert (blame.ranks, blame.text) == ((), "mpirun could not start its daemon on another host")


def test_what_mpirun_complains_of_when_it_is_ended_is_nobodys_fault() -> None:
    run = run_of("", *THERE, end={"ev": "exit", "why": "asked", "status": 1, "at": 2.0})
    assert run.launcher is not None
    run.launcher.events.append({"ev": "late", "text": STATUS_4, "at": 2.0})
    run = replace(run, end="deadline", overdue=(0, 1, 2), phase="measure")
    blame = judge(plan(), run).blame
    assert blame is not None
    assert blame.text == "all ranks wait in collective 0: no data passes"


def test_a_rank_that_mpirun_put_on_another_host_spoils_the_run() -> None:
    logs = [healthy(rank) for rank in range(3)]
    for one, parent in zip(logs, (7, 7, 8), strict=True):
        one.events[0].update(spawned(one.rank), node="vm", parent=parent, parent_began="Mon")
    run = replace(run_of("", *logs, status=0), end="done")
    probe = judge(plan(), run)
    assert probe.blame is not None
    assert (probe.blame.ranks, probe.rows) == ((1,), ())
    assert probe.blame.text == "ran on mac0: mpirun took its name for that host"
