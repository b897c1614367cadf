"""Who is faster, by how much: ranges, margins, what was not measured, where numbers are from."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from mlxdiag.errors import RecordingError
from mlxdiag.measured import Launch, Measured, Timing, compare, from_report
from mlxdiag.render import FORMATS
from mlxdiag.render.style import Style
from tests.recommended import HOSTS, launched, with_launches

BOTH = ("jaccl", "ring")
FAST = ((4, 26.0, 0.1), (16 << 20, 5000.0, 6.1))
SLOW = ((4, 310.0, 0.01), (16 << 20, 25000.0, 1.2))


def launch(
    backend: str,
    rows: Sequence[tuple[int, float, float]],
    hosts: Sequence[str] = HOSTS,
    **more: object,
) -> Launch:
    timings = tuple(Timing(*row) for row in rows)
    return Launch(backend, "all_sum", "float32", tuple(hosts), timings, **more)  # type: ignore[arg-type]


def measured(*launches: Launch) -> Measured:
    return compare(launches, HOSTS, BOTH, {})


def texts(found: Measured) -> list[str]:
    return [margin.text for duel in found.duels for margin in duel.margins]


def test_the_margin_is_said_with_its_numbers() -> None:
    found = measured(launch("ring", SLOW), launch("jaccl", FAST))
    assert texts(found) == [
        "jaccl 26 us against ring 310 us per 4 B all_sum: 11.9 times",
        "jaccl 6.1 GB/s against ring 1.2 GB/s busbw at 16 MiB all_sum: 5.1 times",
    ]
    assert found.best(BOTH) == "jaccl"
    assert found.missing == ()


@pytest.mark.parametrize(("other", "better"), [(109.0, None), (111.0, "jaccl"), (90.0, "ring")])
def test_below_ten_percent_there_is_no_difference(other: float, better: str | None) -> None:
    found = measured(launch("jaccl", [(4, 100.0, 1.0)]), launch("ring", [(4, other, 1.0)]))
    (duel,) = found.duels
    assert duel.better == better
    assert ("no difference" in texts(found)[0]) == (better is None)


def test_launches_whose_ranges_overlap_are_no_difference() -> None:
    runs = [("jaccl", 20.0), ("jaccl", 60.0), ("ring", 50.0), ("ring", 90.0)]
    found = measured(*(launch(name, [(4, p50, 1.0)]) for name, p50 in runs))
    assert texts(found) == [
        "no difference: jaccl 40 us, ring 70 us per 4 B all_sum"
        " (launches overlap: 20 to 60 and 50 to 90)"
    ]
    apart = [("jaccl", 20.0), ("jaccl", 45.0), ("ring", 50.0), ("ring", 90.0)]
    found = measured(*(launch(name, [(4, p50, 1.0)]) for name, p50 in apart))
    assert found.best(BOTH) == "jaccl"
    assert found.duels[0].sure


def test_where_latency_and_bandwidth_disagree_the_larger_ratio_decides_and_nobody_is_sure() -> None:
    found = measured(
        launch("jaccl", [(4, 20.0, 0.1), (1 << 20, 300.0, 3.0)]),
        launch("ring", [(4, 40.0, 0.1), (1 << 20, 100.0, 9.0)]),
    )
    (duel,) = found.duels
    assert (duel.better, duel.split, duel.sure) == ("ring", True, False)
    assert duel.reason.endswith("3.0 times (latency and bandwidth disagree)")


def test_only_small_and_large_sizes_count_and_only_common_ones() -> None:
    middle = launch("jaccl", [(8192, 1.0, 1.0), (4096, 9.0, 1.0), (1 << 20, 1.0, 2.0)])
    other = launch("ring", [(8192, 9.0, 1.0), (4096, 3.0, 1.0), (2 << 20, 1.0, 9.0)])
    assert texts(measured(middle, other)) == [
        "ring 3 us against jaccl 9 us per 4 KiB all_sum: 3.0 times"
    ]
    found = measured(launch("jaccl", [(8192, 1.0, 1.0)]), launch("ring", [(8192, 9.0, 1.0)]))
    assert found.duels == ()
    assert dict(found.missing) == dict.fromkeys(BOTH, "no size in common with another")


def test_of_two_that_were_compared_it_says_what_could_not_be() -> None:
    small = measured(launch("jaccl", [(4, 20.0, 0.1)]), launch("ring", [(4, 40.0, 0.1)]))
    assert small.notes == (
        "could not measure the bandwidth of jaccl and ring: no size from 1 MiB on in common",
    )
    large = [(1 << 20, 300.0, 3.0)]
    found = measured(launch("jaccl", [(4, 20.0, 0.1), *large]), launch("ring", large))
    assert found.notes == (
        "could not measure the latency of jaccl and ring: no size up to 4 KiB in common",
    )
    both = [(4, 20.0, 0.1), *large]
    assert measured(launch("jaccl", both), launch("ring", both)).notes == ()


def test_a_file_that_is_no_report_is_refused_in_words() -> None:
    for text, why in (
        ("{", "Expecting property name"),
        ("[]", "it is no object"),
        ("[" * 100_000, ""),
        ('{"a": 1}', "it has no 'schema'"),
        ('{"schema": "mlxdiag/report", "schema_version": 1}', "it has no 'started_at'"),
    ):
        with pytest.raises(RecordingError) as caught:
            from_report(text, "x.json")
        assert str(caught.value).startswith(f"x.json: not a report of mlxdiag: {why}"), text
        assert "Error(" not in str(caught.value)


def test_one_launch_each_is_sure_only_of_a_large_margin() -> None:
    close = measured(launch("jaccl", [(4, 100.0, 1.0)]), launch("ring", [(4, 150.0, 1.0)]))
    clear = measured(launch("jaccl", [(4, 100.0, 1.0)]), launch("ring", [(4, 250.0, 1.0)]))
    assert [m.duels[0].sure for m in (close, clear)] == [False, True]


def test_why_a_backend_has_no_numbers_is_said() -> None:
    failed = launch("jaccl", (), failed="rank 1 (mac1) failed in init")
    found = compare(
        [failed, launch("ring", SLOW)], HOSTS, (*BOTH, "mpi"), {"jaccl-ring": "no device"}
    )
    assert dict(found.missing) == {
        "jaccl": "could not measure: rank 1 (mac1) failed in init",
        "ring": "no other to compare it with",
        "mpi": "not launched",
        "jaccl-ring": "could not measure: no device",
    }
    assert found.failed == {"jaccl": "rank 1 (mac1) failed in init"}
    stopped = compare([launch("jaccl", (), stopped=True)], HOSTS, ["jaccl"], {})
    assert dict(stopped.missing) == {"jaccl": "could not measure: its launch was interrupted"}
    assert (stopped.failed, stopped.ran) == ({}, {})


def test_launches_over_other_hosts_say_nothing() -> None:
    found = measured(launch("jaccl", FAST, HOSTS[:2]), launch("ring", SLOW))
    assert found.duels == ()
    assert found.notes == ("launches over other hosts are left out: 1",)


def test_this_run_goes_before_a_file_and_the_order_of_ranks_is_no_matter() -> None:
    old = launch("ring", [(4, 1.0, 1.0)], source="old.json of then")
    found = measured(
        launch("ring", SLOW, HOSTS[::-1]), old, launch("jaccl", FAST, source="old.json")
    )
    assert "ring 310 us" in texts(found)[0]
    sources = {f.backend: f.source for f in found.duels[0].margins[0].figures}
    assert sources == {"jaccl": "old.json", "ring": "this run"}


def test_a_saved_report_gives_the_numbers_of_its_recording() -> None:
    made = with_launches(launched("jaccl", (26_000, 27_000)), launched("ring", (310_000, 330_000)))
    found = from_report(FORMATS["json"](made, Style()), "saved.json")
    assert {x.source for x in found} == {f"saved.json of {made.started_at}"}
    assert [x.backend for x in found] == ["jaccl", "ring"]
    assert found[0].timings[0].p50_us == pytest.approx(26)
    assert measured(*found).best(BOTH) == "jaccl"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "7", '{"schema": "x"}', '{"schema": "mlxdiag/report", "probes": 3}']
)
def test_what_is_no_report_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(RecordingError, match=r"saved\.json: not a report"):
        from_report(text, "saved.json")


def test_a_report_of_another_schema_is_refused() -> None:
    told = json.loads(FORMATS["json"](with_launches(launched("ring", (1000,))), Style()))
    told["schema_version"] = 2
    with pytest.raises(RecordingError, match="schema 1"):
        from_report(json.dumps(told), "saved.json")
