"""Who is to blame for a jaccl that does not start: every step of its init, as modelled outputs.

The ranks' words are MLX's; who fails and who only hears of it was seen with MLX's own code over
a stand-in of the verbs. Nothing of this is from RDMA hardware.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag.backends.jaccl_words import WORDS
from mlxdiag.probe.errnos import NAMES, named
from mlxdiag.probe.judge import Blame, judge
from mlxdiag.probe.plan import Plan
from mlxdiag.probe.said import Event, GangRun, RankLog
from tests.probe import logs
from tests.probe.jaccl import MACOS, three
from tests.probe.logs import ended, failed, log, ran

VICTIM = "RuntimeError: [jaccl] Recv failed with errno=2"
MLX: Event = {"ev": "mlx", "version": "0.32.4", "os": MACOS, "at": 1.5}

PLACES = {
    0: (
        "receptacle 2 (en3, rdma_en3), cable to macstudio2 receptacle 2 (en3, rdma_en3)",
        "receptacle 3 (en4, rdma_en4), cable to macstudio3 receptacle 2 (en3, rdma_en3)",
    ),
    1: (
        "receptacle 2 (en3, rdma_en3), cable to macstudio1 receptacle 2 (en3, rdma_en3)",
        "receptacle 3 (en4, rdma_en4), cable to macstudio3 receptacle 3 (en4, rdma_en4)",
    ),
}
"""Where the devices of rank 0 and 1 are, rdma_en3 first."""


def own(text: str, kind: str = "exception") -> tuple[Event, Event, Event]:
    """A rank fails in init with these words."""
    return MLX, failed(text, "init", kind), ended(status=3, at=8.1)


def victim(rank: int, text: str = VICTIM, at: float = 8.0) -> RankLog:
    last = {**failed(text, "init"), "at": at}
    return log(rank, MLX, last, ended(status=3, at=at + 0.1), up_to="init")


def blamed(*said: RankLog, end: str = "failed", phase: str = "", plan: Plan | None = None) -> Blame:
    run = ran(said, end, overdue=[each.rank for each in said] if phase else (), phase=phase)  # type: ignore[arg-type]
    probe = judge(plan or three(), run)
    assert probe.blame is not None
    assert not probe.passed
    return probe.blame


def among(culprit: int, text: str) -> Blame:
    """One of three ranks has words of its own, the others hear that it has gone."""
    said = [victim(n) if n != culprit else log(n, *own(text), up_to="init") for n in range(3)]
    return blamed(*said)


NOTHING, NAMED, ALL = "nothing", "named", "all"

GID = (
    "No IPv4-mapped GID for this device. Thunderbolt RDMA ports only publish one once the"
    " interface has an IPv4 address; assign a link-local address to it, for example: ifconfig"
    " <interface> inet 169.254.0.1 netmask 255.255.0.0 alias"
)
PR = " on rdma_en4 (port PORT_ACTIVE) towards peer 10.219.2.2 (invalid GID/attributes)"

LADDER = [
    # 1: the configuration
    ("The device file should start with an array", "", "the matrix is no JSON list", NOTHING),
    (
        "The device file should have an array of arrays",
        "",
        "a row of the matrix is no list",
        NOTHING,
    ),
    (
        "The device file should contain the connectivity of each rank to all other ranks but rank 1"
        " contains only 1 entries.",
        "",
        "the matrix is not square",
        NOTHING,
    ),
    (
        "Device names should be null, a string or array of strings.",
        "",
        "a cell of the matrix is neither null nor device names",
        NOTHING,
    ),
    (
        "You need to provide via environment variables a rank (JACCL_RANK/MLX_RANK), a device file"
        " (JACCL_IBV_DEVICES/MLX_IBV_DEVICES) and a coordinator ip/port"
        " (JACCL_COORDINATOR/MLX_JACCL_COORDINATOR).",
        "",
        "a variable is missing, the rank is out of range, or the matrix is neither mesh nor ring",
        NOTHING,
    ),
    (
        "The devices do not form a valid mesh.",
        "",
        "a pair or a neighbour has no device in the matrix, or counts differ",
        NOTHING,
    ),
    # 2: the coordinator, of rank 0 only in truth
    (
        "Couldn't bind socket (error: 49)",
        "(error: 49 EADDRNOTAVAIL)",
        "rank 0 does not hold the coordinator's address",
        NOTHING,
    ),
    (
        "Couldn't bind socket (error: 48)",
        "(error: 48 EADDRINUSE)",
        "somebody else listens at the coordinator's port",
        NOTHING,
    ),
    (
        "Couldn't bind socket (error: 13)",
        "(error: 13 EACCES)",
        "the port is below 1024, which needs root",
        NOTHING,
    ),
    # 3: devices
    (
        "Could not find device rdma_en4 (1 available)",
        "",
        "the host has no device of this name: the matrix is not that of this moment",
        NAMED,
    ),
    (
        "Could not find device rdma_en4 (0 available)",
        "",
        "the host has no RDMA device: RDMA is off, or it has no Thunderbolt 5",
        NAMED,
    ),
    (
        "Could not open device rdma_en4",
        "",
        "the driver does not open it: ibv_devinfo of this device says more",
        NAMED,
    ),
    # 4: limits
    (
        "The JACCL mesh supports up to 8 peers but 9 were provided.",
        "",
        "a mesh has at most 8 ranks: jaccl-ring has no limit",
        NOTHING,
    ),
    (
        "Up to 4 per direction supported but 5 were provided.",
        "",
        "a ring has at most 4 wires to a neighbour",
        NOTHING,
    ),
    # 5 to 8: what a device gives
    (
        "Couldn't allocate protection domain",
        "",
        "the port is down or slower than Thunderbolt 5, or all domains are leaked, which only a"
        " restart gives back",
        ALL,
    ),
    (
        "Couldn't create completion queue",
        "",
        "the device has no completion queue left: something else uses RDMA here",
        ALL,
    ),
    (
        "Creating the queue pair failed with 'Resource busy (16)'.",
        "'Resource busy (16 EBUSY)'",
        "all queue pairs of the device (about 10) are taken; trying again does not help",
        ALL,
    ),
    (
        "Creating the queue pair failed with 'Operation not supported on socket (102)'.",
        "(102 EOPNOTSUPP)",
        "a reliable connection was asked for; Apple's driver has unreliable ones only",
        ALL,
    ),
    (
        "Register memory region failed",
        "",
        "all memory regions of the device (100) are taken: a second jaccl process, or leaked ones",
        ALL,
    ),
    # 9 to 13: the queue pair's states
    (
        "Changing queue pair to INIT failed with errno 22",
        "errno 22 EINVAL",
        "the port takes no queue pair: its state in ibv_devinfo says more",
        ALL,
    ),
    (GID, "", "the port's interface has no IPv4 address: give it one", ALL),
    (
        "Changing queue pair to RTR failed with errno 22",
        "errno 22 EINVAL",
        "no IPv4 GID at index 1 of this port: no address, a bridge, or an address given twice",
        ALL,
    ),
    (
        f"Changing queue pair to RTR failed with errno 22{PR}",
        "errno 22 EINVAL",
        "no IPv4 GID at index 1 of this port: no address, a bridge, or an address given twice",
        NAMED,
    ),
    (
        "Changing queue pair to RTR failed with errno 60",
        "errno 60 ETIMEDOUT",
        "the far end's GID does not answer on this link: the wrong cable, or its address is gone",
        ALL,
    ),
    (
        "Changing queue pair to RTR failed with errno 96",
        "errno 96 ENODATA",
        "nothing at GID index 1: the port is a bridge's member, or all domains are leaked",
        ALL,
    ),
    (
        "Changing queue pair to RTR failed with errno 16",
        "errno 16 EBUSY",
        "RDMA resources of a process that has gone are still held: restart, do not try again",
        ALL,
    ),
    (
        "Changing queue pair to RTR failed with errno 5",
        "errno 5 EIO",
        "the port cannot reach the far end's GID",
        ALL,
    ),
    (
        "Changing queue pair to RTS failed with errno 22",
        "errno 22 EINVAL",
        "the queue pair does not become ready to send",
        ALL,
    ),
]
"""Message, how its number is named, what it means, which devices it is about."""


@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize(("message", "number", "means", "about"), LADDER)
def test_every_step(message: str, number: str, means: str, about: str, culprit: int) -> None:
    text = f"RuntimeError: [jaccl] {message}"
    blame = among(culprit, text)
    said = named(text, MACOS)
    assert number in said
    expected = f"failed in init: {said} ({means})"
    evidence = ""
    if about == NAMED:
        expected += f": {PLACES[culprit][1]}"
    if about == ALL:
        evidence = "\n".join(["at one of these:", *PLACES[culprit]])
    assert blame == Blame((culprit,), expected, evidence)


@pytest.mark.parametrize("culprit", [0, 1])
def test_step_0_a_build_without_jaccl(culprit: int) -> None:
    event = own("this mlx has no jaccl", kind="unavailable")
    said = [victim(n) if n != culprit else log(n, *event, up_to="init") for n in range(3)]
    assert blamed(*said) == Blame(
        (culprit,),
        "failed in init: this mlx has no jaccl (the installed mlx is a build without jaccl, or"
        " macOS has no librdma)",
    )


@pytest.mark.parametrize("culprit", [0, 1])
def test_step_0_without_librdma_init_ends_by_a_signal(culprit: int) -> None:
    said = [victim(n, at=7.0) for n in range(3)]
    said[culprit] = log(culprit, MLX, ended(signal=11, at=8.0), up_to="init")
    blame = blamed(*said)
    assert blame.ranks == (culprit,)
    assert blame.text == (
        "was ended by signal 11 in init (without librdma, and before mlx 0.32.1 without the"
        " device, init ends so)"
    )
    assert blame.evidence.splitlines() == ["at one of these:", *PLACES[culprit]]


def test_stderr_stands_under_the_places() -> None:
    stderr: Event = {"ev": "stderr", "text": "[jaccl] dlsym(0x7, ibv_open_device): no symbol\n"}
    first = log(
        0, stderr, *own("RuntimeError: [jaccl] Register memory region failed"), up_to="init"
    )
    blame = blamed(first, victim(1), victim(2))
    assert blame.evidence.splitlines()[-1] == "[jaccl] dlsym(0x7, ibv_open_device): no symbol"


def test_linux_numbers_are_not_those_of_macos() -> None:
    linux = {**MLX, "os": "Linux-6.1.0-x86_64-with-glibc2.36"}
    text = "RuntimeError: [jaccl] Changing queue pair to RTR failed with errno 61"
    first = log(0, linux, failed(text, "init"), ended(status=3), up_to="init")
    assert "errno 61 ENODATA (nothing at GID index 1" in blamed(first, victim(1), victim(2)).text


def test_of_an_unknown_system_no_number_is_named() -> None:
    first = log(0, failed("[jaccl] Changing queue pair to RTR failed with errno 22", "init"))
    assert blamed(first, victim(1), victim(2)).text == (
        "failed in init: [jaccl] Changing queue pair to RTR failed with errno 22"
        " (the port cannot reach the far end's GID)"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1 available)", "(1 available)"),
        ("error code -12", "error code -12 ENOMEM"),
        ("errno=57", "errno=57 ENOTCONN"),
        ("(error: 61)", "(error: 61 ECONNREFUSED)"),
        ("errno 9999", "errno 9999"),
    ],
)
def test_names_of_numbers(text: str, expected: str) -> None:
    assert named(text, MACOS) == named(text, "Darwin-25.3.0-arm64-arm-64bit") == expected


def test_numbers_are_those_of_the_system_we_are_on() -> None:
    here = NAMES["Linux" if sys.platform == "linux" else "macOS"]
    assert {number: getattr(errno, name) for number, name in here.items()} == {n: n for n in here}


# A jaccl-ring, and one cable only.


def test_with_one_cable_there_is_nothing_to_choose_from() -> None:
    plan = three()
    pair = replace(plan, ranks=plan.ranks[:2], wires=plan.wires[:1], backend="jaccl-ring")
    text = "RuntimeError: [jaccl] Couldn't allocate protection domain"
    blame = blamed(victim(0), log(1, *own(text), up_to="init"), plan=pair)
    assert blame.ranks == (1,)
    assert blame.text.endswith(f"): {PLACES[1][0]}")
    assert blame.evidence == ""


# The coordinator.


def unheard(rank: int, number: int = 61, *, entered: float = 2.0) -> RankLog:
    """A rank comes to init, tries for 15 s and gives up."""
    events = [logs.spawned(rank)]
    events += [{"ev": "phase", "phase": "init", "deadline_s": 30.0, "at": entered}, MLX]
    gave_up = {"at": entered + 15.0}
    events += [failed(f"RuntimeError: [jaccl] Couldn't connect (error: {number})", "init")]
    events[-1].update(gave_up)
    events += [ended(status=3, at=entered + 15.1)]
    return RankLog(rank, f"macstudio{rank + 1}", events)


WHERE = "coordinator: 192.168.86.11:20000 on macstudio1"


def test_a_coordinator_that_never_came_to_init() -> None:
    blame = blamed(log(0, up_to="import"), unheard(1), unheard(2))
    assert blame == Blame((0,), "was not there for the others: in import", WHERE)


def test_a_coordinator_that_never_started() -> None:
    blame = blamed(log(0, up_to="nothing", lost="no route"), unheard(1), unheard(2))
    assert blame == Blame((0,), "did not start", "no route")


def test_a_coordinator_that_came_too_late() -> None:
    zero = log(0, up_to="import")
    zero.events.append({"ev": "phase", "phase": "init", "deadline_s": 30.0, "at": 12.0})
    blame = blamed(zero, unheard(1), log(2, up_to="init"))
    assert blame == Blame((0,), "came to init 10 s after rank 1: too late for it", WHERE)


def test_a_coordinator_that_only_one_does_not_reach() -> None:
    blame = blamed(log(0, up_to="init"), unheard(1, 65), log(2, up_to="init"))
    assert blame == Blame(
        (1,),
        "failed in init: RuntimeError: [jaccl] Couldn't connect (error: 65 EHOSTUNREACH) (no route"
        " to rank 0; where ping works, macOS' Local Network privacy denies it)",
        WHERE,
    )


def test_a_coordinator_that_nobody_reaches() -> None:
    blame = blamed(log(0, up_to="init"), unheard(1, 60), unheard(2, 60))
    assert blame == Blame((0,), "listens, and no other rank reaches it", WHERE)


def test_an_error_of_rank_0_comes_before_those_who_did_not_find_it() -> None:
    zero = log(0, *own("RuntimeError: [jaccl] Couldn't bind socket (error: 49)"), up_to="init")
    zero.events[-2]["at"] = zero.events[-1]["at"] = 18.0
    blame = blamed(zero, unheard(1), unheard(2))
    assert blame.ranks == (0,)
    assert "does not hold the coordinator's address" in blame.text


def test_a_stranger_at_the_coordinators_port() -> None:
    """A port scan: rank 0 has taken it for a rank, and nobody in the plan is at fault."""
    zero = victim(0, "RuntimeError: [jaccl] Recv failed with errno=0")
    one = victim(1, "RuntimeError: [jaccl] Send failed with errno=32")
    blame = blamed(zero, one, log(2, ended(why="asked", signal=15), up_to="init"))
    assert blame == Blame(
        (),
        "only echoes of another's end, in init (a stranger was connected to the coordinator's port,"
        " or the side channel was cut)",
    )


# Nobody says anything.


def state(rank: int, stat: str) -> RankLog:
    said: Event = {"ev": "state", "stat": stat}
    return log(rank, said, ended(why="asked", signal=15), up_to="init")


def waits(*stats: str) -> Blame:
    return blamed(*(state(n, stat) for n, stat in enumerate(stats)), end="deadline", phase="init")


def test_all_wait_as_they_do_when_one_hangs_inside_modify_qp() -> None:
    blame = waits("S", "Ss", "S+")
    assert blame.ranks == ()
    assert blame.text == (
        "all ranks wait inside init (one is held by the RDMA driver, or a stranger is connected to"
        " the coordinator's port; a host where ibv_devinfo does not return has to be replugged or"
        " restarted)"
    )
    assert blame.evidence == "ps: rank 0 S, rank 1 Ss, rank 2 S+"


def test_the_one_that_the_driver_holds_where_ps_shows_it() -> None:
    blame = waits("S", "U", "S")
    assert blame.ranks == (1,)
    assert blame.text == (
        "waits inside the kernel in init (the RDMA driver does not return: replug its cables, else"
        " restart)"
    )
    assert blame.evidence.splitlines() == ["at one of these:", *PLACES[1]]


def spent(rank: int, cpu: str, at: float = 32.0) -> RankLog:
    """Come to init at 2 s; ps speaks of the rank 30 s later."""
    said: Event = {"ev": "state", "stat": "S", "cpu": cpu, "at": at}
    return log(rank, said, ended(why="asked", signal=15, at=at), up_to="init")


@pytest.mark.parametrize("cpu", ["0:28.31", "00:00:28", "00:00:10", "01:00:00", "1-00:00:00"])
def test_two_ranks_with_one_number_let_rank_0_spin(cpu: str) -> None:
    said = [spent(0, cpu), spent(1, "0:01.20"), spent(2, "00:00:05")]
    blame = blamed(*said, end="deadline", phase="init")
    assert (blame.ranks, blame.text) == (
        (0,),
        "computes inside init, for ever (so does rank 0 when two ranks have one number)",
    )


@pytest.mark.parametrize("cpu", ["", "-", "0:05.90", "00:00:05", "ps: what?"])
def test_who_has_not_computed_much_does_not_spin(cpu: str) -> None:
    said = [spent(0, cpu), spent(1, "0:01.20"), spent(2, "0:01.20")]
    assert blamed(*said, end="deadline", phase="init").ranks == ()


def test_two_that_compute_are_nobody_in_particular() -> None:
    said = [spent(0, "0:28.00"), spent(1, "0:28.00"), spent(2, "0:00.20")]
    assert blamed(*said, end="deadline", phase="init").ranks == ()


def test_ring_does_not_know_of_ranks_that_compute_inside_init() -> None:
    said = [spent(0, "0:28.00"), spent(1, "0:00.20")]
    run = ran(said, "deadline", overdue=(0, 1), phase="init")
    assert judge(logs.plan(2), run).blame == Blame(
        (), "all ranks wait inside init", "ps: rank 0 S, rank 1 S"
    )


def test_a_rank_that_never_starts() -> None:
    waiting = [log(n, up_to="init") for n in (0, 1)]
    blame = blamed(*waiting, log(2, up_to="nothing"), end="deadline", phase="spawn")
    assert (blame.ranks, blame.text) == ((2,), "did not start in time")


def test_a_rank_that_is_still_in_import() -> None:
    waiting = [log(n, up_to="init") for n in (0, 1)]
    blame = blamed(*waiting, log(2, up_to="import"), end="deadline", phase="init")
    assert (blame.ranks, blame.text) == ((2,), "still in import when the others had passed it")


# After init.


def test_a_cable_that_is_pulled_ends_a_rank_by_a_signal() -> None:
    said = [log(n, MLX, logs.beat(5, 6.0)) for n in range(3)]
    said[1] = log(1, MLX, ended(signal=11))
    blame = blamed(*said[:2], log(2, MLX, ended(why="asked", signal=9)))
    assert blame.ranks == (1,)
    assert blame.text.startswith("was ended by signal 11 in measure (a cable that is pulled")
    assert blame.evidence.splitlines()[1:] == list(PLACES[1])


# Whatever order things are heard in.

VICTIMS = st.sampled_from(
    [f"RuntimeError: [jaccl] Recv failed with errno={n}" for n in (0, 2, 54, 57)]
    + ["RuntimeError: [jaccl] Send failed with errno=32"]
)


@st.composite
def heard(draw: st.DrawFn) -> tuple[int, str, GangRun]:
    """Three ranks come to init; one fails, and the others say that late, early or not at all."""
    culprit = draw(st.integers(0, 2))
    message = draw(st.sampled_from([row[0] for row in LADDER]))
    times = draw(st.permutations([7.0, 7.0, 7.001, 7.2, 8.0, 8.5]))
    said = []
    for rank in range(3):
        first, second = sorted(times[2 * rank : 2 * rank + 2])
        text = f"RuntimeError: [jaccl] {message}" if rank == culprit else draw(VICTIMS)
        fail, end = {**failed(text, "init"), "at": first}, ended(status=3, at=second)
        silent = rank != culprit and draw(st.booleans())
        events: Sequence[Event] = (
            (MLX, ended(why="asked", signal=15, at=second)) if silent else (MLX, fail, end)
        )
        noise: Event = {"ev": "stderr", "text": "[jaccl] Connection attempt 0 waiting 1000 ms\n"}
        said.append(log(rank, *draw(st.permutations([*events, noise])), up_to="init"))
    return culprit, message, ran(said, "failed")


@given(heard())
def test_the_culprit_is_the_same_in_any_order(case: tuple[int, str, GangRun]) -> None:
    culprit, message, run = case
    blame = judge(three(), run).blame
    assert blame is not None
    assert blame.ranks == (culprit,)
    assert named(message, MACOS) in blame.text


# The words.


def test_every_word_means_something_and_echoes_are_never_about_devices() -> None:
    assert all(word.means for word in WORDS)
    assert not [word for word in WORDS if word.echo and (word.device or word.first)]


@pytest.mark.parametrize(
    "text",
    [
        "Cannot initialize jaccl distributed backend.",
        "[distributed] The only valid values for backend are 'any', 'mpi' and 'ring' but 'jaccl'",
        "[json.exception.parse_error.101] parse error at line 1",
        "[jaccl] The full connectivity matrix should be provided but we have 3 rows",
        "[jaccl] The configuration should define a valid mesh or a valid ring.",
        "[jaccl] Malformed device file",
        "[jaccl] The maximum number of supported peers is 8",
        "[jaccl] Invalid rank 7. It should be between 0 and 4",
        "Can't parse address ::1:5000",
        "[jaccl] Couldn't create socket (error: 24)",
        "[jaccl] Couldn't create socket to connect (error: 24)",
        "[jaccl] Couldn't enable reuseaddr (error: 22)",
        "[jaccl] Couldn't listen (error: 22)",
        "[jaccl] Accept failed (error: 24)",
        "Custom all-gather returned 3 bytes but expected 4",
        "[jaccl] Couldn't create queue pair",
        "[jaccl] Buffer can be registered once per protection domain",
        "[jaccl] Send failed with error code -12",
        "[jaccl] Recv failed with error code -12",
        "[jaccl] In ring mode send is only supported to direct neighbors but tried to send to 2",
        "[jaccl] Unsupported dtype for JACCL operation",
        "[jaccl] Group split not supported.",
        "[jaccl] sum_scatter not supported.",
        "Cannot send to a singleton group",
        "[ThreadPool::enqueue] Not allowed on stopped ThreadPool",
        "[jaccl] peer is gone: side channel to rank 1 closed while waiting in all_reduce",
        "[jaccl] no progress in all_reduce for 30 s (JACCL_PROGRESS_TIMEOUT_S=30): lost frame",
    ],
)
def test_every_other_message_of_jaccl_is_known(text: str) -> None:
    assert [word.pattern.pattern for word in WORDS if word.pattern.search(text)]


def test_error_codes_of_a_device_are_no_echo() -> None:
    text = "ValueError: [jaccl] Recv failed with error code -12"
    blame = blamed(log(0, MLX, failed(text)), log(1, failed(VICTIM)), log(2, failed(VICTIM)))
    assert blame.ranks == (0,)
    assert "error code -12 ENOMEM (the device takes no more requests" in blame.text
