"""What is concluded from two looks at modelled Macs: each pattern by name, and no innocent rank."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlxdiag import report
from mlxdiag.checks.hang import CHECKS
from mlxdiag.finding import FixKind, Status
from mlxdiag.hang.judge import judge
from mlxdiag.hang.verdict import Hang
from mlxdiag.recording import Recording
from tests.hang import model
from tests.hang.model import Look, Rank, at, only, recorded

WAITS = Rank.still(at(model.mesh()))
WAITS_RING = Rank.still(at(model.ring()))
GATHERS = Rank.still(at(model.mesh("all_gather"), "gather (serve.py:77)"))
BUSY = Rank.still(only(model.BUSY, "tokenize (serve.py:412)", "active"))
MIXED = (((1000, model.EVAL),), ((400, model.mesh()), (600, model.RESTING)))
MOVES = Rank.still(replace(at(model.mesh()), threads=MIXED))
HTTP = ("select (selectors.py:566)", "serve_forever (socketserver.py:235)", "main (serve.py:90)")
SERVES = Rank.still(
    Look((((1000, model.SERVING),), ((1000, model.RESTING),)), (("MainThread", "idle", HTTP),))
)
CONTROL = Rank.still(only(model.READING, "next_message (serve.py:88)"))
FROZEN = Rank.still(replace(at(model.mesh()), stat="T", threads=None, lines=None))
IN_KERNEL = replace(at(model.mesh()), stat="U", threads=None, lines=None)
KERNEL = Rank(IN_KERNEL, IN_KERNEL)
ENDED = Rank(at(model.mesh()), Look(gone=True))
LOADS = Rank.still(only(model.LOADING, "load_model (utils.py:170)"))
IN_INIT = Rank.still(only(model.accepting(), "main (serve.py:20)"))
WEDGED = Rank.still(only(model.FENCE), MLX_METAL_FAST_SYNCH="1")
BESIDE_WEDGED = Rank.still(at(model.RESTING), MLX_METAL_FAST_SYNCH="1")


def kinds(hang: Hang) -> list[tuple[str, tuple[str, ...]]]:
    return [(verdict.kind, verdict.ranks) for verdict in hang.verdicts]


CASES: dict[str, tuple[list[Rank | None], str, tuple[str, ...], str]] = {
    "gone while others spin": (
        [WAITS, WAITS, None, WAITS],
        "rank-gone",
        ("rank 2",),
        "ranks 0, 1, 3 wait in all_sum (jaccl mesh); rank 2 does not run on any host that was"
        " asked; ranks 0, 1, 3 spin for it",
    ),
    "ended between the looks": (
        [WAITS, ENDED],
        "rank-gone",
        ("rank 1",),
        "rank 0 waits in all_sum (jaccl mesh); rank 1 (mac1, pid 801) has ended between the"
        " samples; rank 0 spins for it",
    ),
    "stopped": (
        [WAITS, FROZEN, WAITS],
        "rank-stopped",
        ("rank 1",),
        "ranks 0, 2 wait in all_sum (jaccl mesh); rank 1 (mac1, pid 801) is stopped (state T)",
    ),
    "in the kernel": (
        [WAITS, KERNEL],
        "kernel",
        ("rank 1",),
        "rank 0 waits in all_sum (jaccl mesh); rank 1 waits in the kernel, as a slow read of"
        " a disk may, too; look at rank 1 (mac1, pid 801)",
    ),
    "different collectives": (
        [WAITS, GATHERS, WAITS],
        "out-of-step",
        ("rank 1",),
        "ranks 0, 2 wait in all_sum (jaccl mesh); rank 1 waits in all_gather (jaccl mesh); they"
        " are out of step: rank 1 (mac1, pid 801) is the one to look at (rank 0 at serve.py:412,"
        " rank 1 at serve.py:77, rank 2 at serve.py:412)",
    ),
    "in mx.eval": (
        [WAITS, WAITS, Rank.still(only(model.EVAL)), WAITS],
        "behind",
        ("rank 2",),
        "ranks 0, 1, 3 wait in all_sum (jaccl mesh); rank 2 (mac2, pid 802) is not in a"
        " collective: it is in mx.eval at serve.py:412 since the first sample, 5 s before; rank 2"
        " is the one to look at",
    ),
    "busy in Python": (
        [WAITS_RING, BUSY, WAITS_RING],
        "behind",
        ("rank 1",),
        "ranks 0, 2 wait in all_sum (ring); rank 1 (mac1, pid 801) is not in a collective: it is"
        " busy in Python at serve.py:412 since the first sample, 5 s before; rank 1 is the one to"
        " look at",
    ),
    "loading": (
        [LOADS, WAITS],
        "loading",
        ("rank 0",),
        "rank 1 waits in all_sum (jaccl mesh); rank 0 (mac0, pid 800) is not in a collective: it"
        " is loading weights at utils.py:170 since the first sample, 5 s before; rank 0 is the"
        " one to look at",
    ),
    "a message": (
        [WAITS, CONTROL, WAITS],
        "control",
        ("rank 1",),
        "ranks 0, 2 wait in all_sum (jaccl mesh); rank 1 (mac1, pid 801) is not in a collective:"
        " it is waiting for a message that is no collective at serve.py:88 since the first sample,"
        " 5 s before; rank 1 is the one to look at",
    ),
    "a client waits and who serves does not generate": (
        [replace(SERVES, clients=1), WAITS],
        "control",
        ("rank 0",),
        "rank 1 waits in all_sum (jaccl mesh); rank 0 (mac0, pid 800) is not in a collective: it"
        " is waiting for a request at serve.py:90 since the first sample, 5 s before; rank 0 is"
        " the one to look at",
    ),
    "a second init": (
        [WAITS, IN_INIT, WAITS],
        "init-twice",
        ("rank 1",),
        "ranks 0, 2 wait in all_sum (jaccl mesh); rank 1 (mac1, pid 801) is inside init for a"
        " second time at serve.py:20: the ranks were joined already",
    ),
    "all in init": (
        [IN_INIT, IN_INIT],
        "init-waits",
        (),
        "ranks 0, 1 are inside init and wait for others",
    ),
    "a fence": (
        [BESIDE_WEDGED, WEDGED],
        "fast-synch",
        ("rank 1",),
        "rank 1 (mac1, pid 801) is wedged between GPU and CPU with MLX_METAL_FAST_SYNCH set",
    ),
    "all in the same": (
        [WAITS, WAITS, WAITS],
        "stalled",
        (),
        "all 3 ranks wait in the same place (ranks 0, 1, 2 wait in all_sum (jaccl mesh)) and"
        " nothing moves in 5 s: what one sent does not arrive",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_hang_is_named(name: str) -> None:
    ranks, kind, blamed, said = CASES[name]
    hang = judge(recorded(ranks))
    assert (hang.state, kinds(hang), hang.said) == ("hung", [(kind, blamed)], said)
    assert hang.verdicts[0].evidence
    assert hang.verdicts[0].todo
    assert report.build(recorded(ranks), "hang", "0").exit_code == 1


@pytest.mark.parametrize(
    "ranks",
    [
        [MOVES, MOVES],
        [MOVES, WAITS, WAITS],
        [Rank(at(model.mesh()), at(model.mesh("all_gather"))), WAITS],
        [Rank(at(model.mesh()), only(model.BUSY)), WAITS],
        [MOVES, BUSY],
        [MOVES, Rank(GATHERS.first, WAITS.second), WAITS],
        [Rank(WAITS.first, GATHERS.second), GATHERS, MOVES],
        [MOVES, Rank(at(model.mesh()), only(model.BUSY, state="active"))],
    ],
)
def test_a_slow_run_is_not_accused(ranks: list[Rank]) -> None:
    hang = judge(recorded(ranks))
    assert (hang.state, hang.verdicts) == ("moving", ())
    assert hang.said.startswith("the run is moving between the samples in 5 s, so it is slow")
    assert report.build(recorded(ranks), "hang", "0").exit_code == 0


def test_out_of_step_although_wrong_data_moves() -> None:
    left = Rank(WAITS.first, only(model.BUSY, "sleep (serve.py:90)"))
    for others in ([MOVES, WAITS], [left, MOVES], [left, left]):
        hang = judge(recorded([others[0], GATHERS, others[1]]))
        assert kinds(hang) == [("out-of-step", ("rank 1",))]


def test_who_moves_does_not_wait_even_beside_one_that_is_stopped() -> None:
    steps = Rank(at(model.ring()), replace(at(model.ring("all_gather")), cpu_s=105))
    hang = judge(recorded([steps, FROZEN]))
    assert kinds(hang) == [("rank-stopped", ("rank 1",))]
    assert hang.said == "rank 1 (mac1, pid 801) is stopped (state T)"


def test_one_that_moves_alone_is_named_as_slow() -> None:
    lines = (("MainThread", "active", ("tokenize (serve.py:413)",)),)
    moves = Rank(BUSY.first, replace(BUSY.second, lines=lines))
    hang = judge(recorded([WAITS, moves]))
    assert kinds(hang) == [("behind", ("rank 1",))]
    assert hang.said.endswith("; it moves between the samples, so it may come")


def test_a_rank_that_grows_while_it_loads_may_come() -> None:
    grows = Rank(LOADS.first, replace(LOADS.second, threads=None, rss_gb=120))
    hang = judge(recorded([replace(grows, first=replace(LOADS.first, threads=None)), WAITS]))
    assert kinds(hang) == [("loading", ("rank 0",))]
    assert "rank 0: holds 34 GB more" in hang.verdicts[0].evidence


def test_all_idle_is_no_hang() -> None:
    for others in ([CONTROL, CONTROL], [WAITS, WAITS]):
        ranks = [SERVES, *others]
        hang = judge(recorded(ranks))
        assert hang.state == "idle"
        assert hang.said.startswith("all ranks are idle: rank 0 waits for a request, and nobody")
        assert report.build(recorded(ranks), "hang", "0").exit_code == 0


def test_a_host_that_swaps_is_the_cause() -> None:
    hang = judge(recorded([WAITS, BUSY], swapped={1: 100_000}))
    assert [kind for kind, _ in kinds(hang)] == ["swap", "behind"]
    assert hang.said == "mac1 swaps 328 MB/s, which is where rank 1 spends its time"


def test_swapping_beside_a_run_that_moves_is_no_hang() -> None:
    assert judge(recorded([MOVES, MOVES], swapped={1: 100_000})).state == "moving"


def test_a_full_gpu_alone_is_no_wedge() -> None:
    fast = [Rank.still(r.first, MLX_METAL_FAST_SYNCH="1") for r in (MOVES, MOVES)]
    assert judge(recorded(fast, gpu={0: 100, 1: 100})).state == "moving"


def test_a_full_gpu_is_a_wedge_with_the_variable_and_a_fence_in_one_look() -> None:
    """A long prefill keeps the GPU full as well, in an eval."""
    for value, first, kind in (
        ("1", model.FENCE, "fast-synch"),
        ("0", model.FENCE, "behind"),
        ("1", model.EVAL, "behind"),
    ):
        stuck = Rank(only(first), only(model.EVAL), {"MLX_METAL_FAST_SYNCH": value})
        hang = judge(recorded([WAITS, stuck], gpu={1: 100}))
        assert kinds(hang) == [(kind, ("rank 1",))]


def test_what_our_own_sampling_stops_for_a_moment_is_not_stopped() -> None:
    caught = Rank(WAITS.first, replace(WAITS.second, stat="T"))
    assert kinds(judge(recorded([WAITS, caught]))) == [("stalled", ())]


def test_who_reads_a_disk_is_in_the_kernel_and_not_stuck_there() -> None:
    works = Rank(IN_KERNEL, replace(IN_KERNEL, cpu_s=103))
    assert kinds(judge(recorded([WAITS, works]))) == [("behind", ("rank 1",))]
    assert judge(recorded([MOVES, works])).state == "moving"


def test_a_slow_read_is_no_call_of_verbs() -> None:
    """Whatever grows reads; what does not may, unless its stacks show a call of verbs."""
    grows = Rank(IN_KERNEL, replace(IN_KERNEL, rss_gb=89))
    assert kinds(judge(recorded([WAITS, grows]))) == [("behind", ("rank 1",))]
    blind = report.build(recorded([WAITS, KERNEL]), "hang", "0").causes[0]
    assert blind.fix is not None
    assert blind.fix.kind is FixKind.WAIT
    assert blind.fix.text.startswith("look again with --interval 60s; where it is still there: ")
    opening = (*model.PYTHON_BASE, "ibv_open_device  (in librdma.dylib) + 24  [0x1]")
    verbs = replace(IN_KERNEL, threads=(((1000, opening),),))
    sure = report.build(recorded([WAITS, Rank(verbs, verbs)]), "hang", "0").causes[0]
    assert sure.fix is not None
    assert sure.fix.kind is FixKind.REBOOT
    assert sure.evidence is not None
    assert "waits in the kernel, in a call of verbs that no signal ends" in sure.evidence.observed


def test_a_run_that_moves_has_its_other_ranks_on_hosts_that_were_not_asked() -> None:
    hang = judge(recorded([MOVES, MOVES], size=4))
    assert (hang.state, hang.missing) == ("moving", (2, 3))
    assert hang.said.endswith("; on no host that was asked: rank 2, 3")


def _apart(made: Recording, state: str) -> Recording:
    """Give it with the sockets to ranks that nobody found in another state."""
    alone = re.compile(rb"(?m)^n(?=\S*(?:->10\.0\.0\.[34]:))(\S+)\nTST=ESTABLISHED$")
    hosts = {
        host: {
            name: replace(c, stdout=alone.sub(rb"n\1\nTST=" + state.encode(), c.stdout))
            for name, c in captures.items()
        }
        for host, captures in made.hosts.items()
    }
    return replace(made, hosts=hosts)


def test_what_still_moves_after_a_rank_has_gone_is_no_run_that_works() -> None:
    """Ranks that catch the error and go on move bytes; nobody is at the other end of the ring."""
    made = recorded([MOVES, MOVES], size=4)
    hang = judge(_apart(made, "CLOSE_WAIT"))
    assert kinds(hang) == [("rank-gone", ("rank 2", "rank 3"))]
    assert hang.said.startswith("ranks 2, 3 do not run on any host that was asked")
    assert judge(_apart(made, "ESTABLISHED")).state == "moving"
    blind = {
        host: {n: c for n, c in captures.items() if not n.endswith("_lsof")}
        for host, captures in made.hosts.items()
    }
    assert judge(replace(made, hosts=blind)).state == "moving"


def test_a_rank_of_another_run_stands_for_none_that_has_gone() -> None:
    made = recorded([MOVES, MOVES, MOVES])
    captures = dict(made.hosts["mac2"])
    listed = captures["find_ps"].stdout.replace(model.SERVER.encode(), b"/opt/python3 job.py")
    captures["find_ps"] = replace(captures["find_ps"], stdout=listed)
    made = replace(made, hosts={**made.hosts, "mac2": captures})
    assert judge(made).state == "moving"
    assert kinds(judge(_apart(made, "CLOSE_WAIT"))) == [("rank-gone", ("rank 2",))]


def test_idle_wants_to_know_who_is_connected() -> None:
    made = recorded([SERVES, WAITS])
    deaf = {
        host: {n: c for n, c in captures.items() if not n.endswith("_lsof")}
        for host, captures in made.hosts.items()
    }
    assert judge(made).state == "idle"
    assert judge(replace(made, hosts=deaf)).state != "idle"


def test_no_rank_is_not_known() -> None:
    made = recorded([None, None])
    assert judge(made).said == (
        "no rank was found on mac0, mac1: by the pattern, by MLX_RANK, and by the ports from 32323"
    )
    assert report.build(made, "hang", "0").exit_code == 3


def test_a_host_that_does_not_answer_may_have_the_rank() -> None:
    made = recorded([WAITS, None], lost=[1])
    hang = judge(made)
    assert (hang.state, hang.verdicts, hang.missing) == ("unknown", (), (1,))
    assert hang.said == ("not known: mac1 did not answer; rank 0 waits in all_sum (jaccl mesh)")
    assert report.build(made, "hang", "0").exit_code == 3


def test_moving_with_a_host_lost_is_not_0() -> None:
    assert report.build(recorded([MOVES, MOVES, None], lost=[2]), "hang", "0").exit_code == 3


def test_without_stacks_nothing_is_known() -> None:
    blind = Rank.still(Look())
    hang = judge(recorded([WAITS, blind]))
    assert (hang.state, hang.verdicts) == ("unknown", ())
    assert hang.said == "not known where rank 1 is: no sample, gdb or py-spy on its host told"


def test_two_runs_are_told_apart_by_the_user() -> None:
    made = recorded([WAITS, replace(WAITS, variables={"MLX_RANK": "0"})])
    hang = judge(made)
    assert hang.state == "unknown"
    assert hang.said.startswith("rank 0 is there 2 times (mac0 pid 800, mac1 pid 801)")


def test_ranks_are_found_by_their_variable_and_by_their_ports() -> None:
    for pattern in (None, "another-server"):
        assert len(judge(recorded([WAITS, BUSY], pattern=pattern)).ranks) == 2
    made = recorded([WAITS, BUSY], pattern=None)
    bare = {
        host: {n: c for n, c in captures.items() if n != "find_environment_ps"}
        | {"find_lsof": replace(captures["first_lsof"], command="find_lsof")}
        for host, captures in made.hosts.items()
    }
    found = judge(replace(made, hosts=bare)).ranks
    assert [(row.label, row.host) for row in found] == [("pid 800", "mac0"), ("pid 801", "mac1")]


def test_what_a_report_says_of_hosts() -> None:
    row = judge(recorded([WAITS, BUSY], gpu={1: 97})).hosts[1]
    assert row.gpu_percent == (97.0, 97.0)
    assert (row.rdma_up, row.rdma_down, row.domains, row.queue_pairs) == (("rdma_en3",), (), 1, 3)
    assert (row.wired_bytes, row.memory_bytes) == (5400000 * 16384, 549755813888)
    rank = judge(recorded([WAITS, BUSY])).ranks[0]
    assert (rank.cpu, rank.footprint_bytes) == (1.0, round(88.4 * 2**30))
    assert rank.python == ("MainThread: step (serve.py:412) < <module> (serve.py:500)",)
    assert "mlx::core::distributed::jaccl::MeshImpl::all_reduce" in rank.native[1]


def test_every_check_was_seen_to_pass_to_fail_or_not_to_be_known() -> None:
    made = [recorded(ranks) for ranks, *_ in CASES.values()]
    made += [recorded([MOVES, MOVES]), recorded([None]), recorded([WAITS, None], lost=[1])]
    made += [recorded([WAITS, BUSY], swapped={1: 100_000})]
    found = {(f.id, f.status) for one in made for f in report.build(one, "hang", "0").findings}
    unknown = {"hang-host-answers", "hang-ranks-found"}
    for check in CHECKS:
        bad = Status.UNKNOWN if check.id in unknown else Status.FAIL
        assert {(check.id, Status.PASS), (check.id, bad)} <= found
    assert ("hang-moving", Status.UNKNOWN) in found


def test_only_the_cause_is_listed() -> None:
    made = report.build(recorded([WAITS, BUSY], swapped={1: 100_000}), "hang", "0")
    assert [cause.id for cause in made.causes] == ["hang-behind", "hang-swap"]
    assert [f.id for f in made.consequences(made.causes[1])] == ["hang-moving"]
    order = [CHECKS.index(f.check) for f in made.findings]
    assert order == sorted(order)
