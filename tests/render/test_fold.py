"""Folding of names into node sets, and of causes into groups."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag.hostlist import expand, fold
from mlxdiag.render.fold import groups, subjects
from tests.checks.recorded import reported


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["studio1"], "studio1"),
        (["studio"], "studio"),
        (["studio1", "studio2"], "studio1, studio2"),
        (["studio1", "studio2", "studio3"], "studio[1-3]"),
        (["studio3", "studio1", "studio2"], "studio[1-3]"),
        (["studio1", "studio3", "studio5"], "studio[1,3,5]"),
        (["studio1", "studio2", "studio4"], "studio[1,2,4]"),
        (["studio1", "studio2", "studio3", "studio7"], "studio[1-3,7]"),
        (["studio9", "studio10", "studio11"], "studio[9-11]"),
        (["studio1", "mini1", "studio2", "studio3"], "studio[1-3], mini1"),
        (["a1", "b", "a2", "a3"], "a[1-3], b"),
        (["n01", "n02", "n03"], "n[01-03]"),
        (["n1", "n01", "n2", "n3"], "n[1-3], n01"),
        (["1", "2", "3"], "[1-3]"),
        (["studio1", "studio1", "studio1"], "studio1"),
        (["s1.local", "s2.local", "s3.local"], "s1.local, s2.local, s3.local"),
    ],
)
def test_names_fold(names: list[str], said: str) -> None:
    assert fold(names) == said


@given(
    st.lists(
        st.builds("{}{}".format, st.sampled_from(["a", "b-", "m2-"]), st.integers(0, 130)),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
def test_what_is_folded_can_be_unfolded_by_the_option_hosts(names: list[str]) -> None:
    folded = fold(names)
    assert sorted(expand(folded.replace(", ", ","))) == sorted(names)


def test_causes_that_differ_in_their_subject_alone_are_one_group() -> None:
    folded = groups(reported("stock-bridge"))
    assert [group.first.id for group in folded] == ["network-bridge"]
    assert folded[0].subjects == "macstudio[1-4] en3, en4, en5"
    assert len(folded[0].causes) == 12
    assert len(folded[0].commands) == 12


def test_causes_that_say_something_else_are_groups_of_their_own() -> None:
    report = reported("incident")
    kinds = [(group.first.id, group.subjects) for group in groups(report)]
    assert sorted(kinds) == [
        ("rdma-host-ports", "macstudio1"),
        ("rdma-port-active", "macstudio3 en3, en5; macstudio4 en4"),
        ("versions-macos-buffers", "macstudio[1-4]"),
    ]
    assert kinds[-1][0] == "versions-macos-buffers"


def test_every_cause_is_in_one_group_and_every_consequence_under_one() -> None:
    for case in ("incident", "macos-26.1", "rdma-off-one-host", "duplicate-uuids"):
        report = reported(case)
        folded = groups(report)
        shown = [f.key for group in folded for f in group.causes]
        assert sorted(shown) == sorted(f.key for f in report.causes)
        below = [f.key for group in folded for f in group.consequences]
        assert len(below) == len(set(below))
        assert not set(below) & set(shown)


def test_subjects_are_named_as_people_name_them() -> None:
    report = reported("mesh-8")
    missing = [f for f in report.causes if f.id == "cabling-expected"]
    assert subjects(missing[:2]) == "macstudio1 - macstudio5; macstudio2 - macstudio6"
    assert subjects(reported("mixed-macos").causes) == "cluster"


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 finding not known"), (2, "2 findings not known")]
)
def test_what_follows_is_counted_in_words(count: int, said: str) -> None:
    group = next(g for g in groups(reported("unreachable-host")) if len(g.consequences) > 2)
    assert replace(group, consequences=group.consequences[:count]).followers == said
