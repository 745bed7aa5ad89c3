"""Layers by time: against a model that knows only what the documentation says, and what a year of them costs."""

from __future__ import annotations

import math
from collections.abc import Set
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.lists import segments
from tutela.lists.segments import Layer, plan
from tutela.wire.submission import ListClass

AGREED, ATTESTED = ListClass.AGREED, ListClass.ATTESTED
KEY = "0" * 16
Model = list[tuple[int, set[int]]]


def name(item: int) -> str:
    return f"{item:064x}"


def next_layers(
    before: tuple[Layer, ...],
    listed: Set[int],
    epoch: int,
    *,
    factor: int = 4,
    key: str = KEY,
    attested: Set[int] = frozenset(),
) -> tuple[Layer, ...]:
    wanted = {AGREED: {name(i) for i in listed}, ATTESTED: {name(i) for i in attested}}
    return plan(before, wanted, epoch=epoch, key=key, merge_factor=factor)


def model_step(layers: Model, listed: Set[int], epoch: int, factor: int, smallest: int) -> Model:
    """The documented steps, one after the other, on lists of (epoch built, items)."""
    most = smallest
    while len(listed) > 8 * most:
        most = 2 * most
    after: Model = [(since if items <= listed else epoch, items & listed) for since, items in layers]
    arrived = set(listed).difference(*(items for _, items in layers))
    after = [(since, items) for since, items in [*after, (epoch, arrived)] if items]
    place = 0
    while place + 1 < len(after):
        size, following = len(after[place][1]), len(after[place + 1][1])
        if 2 * size < most and size < factor * following:
            after[place : place + 2] = [(epoch, after[place][1] | after[place + 1][1])]
            place = max(0, place - 1)
        else:
            place += 1
    cut: Model = []
    for since, items in after:
        parts = math.ceil(len(items) / most) if since == epoch else 1
        ordered = sorted(items)
        bounds = [len(items) * part // parts for part in range(parts + 1)]
        cut += [(since, set(ordered[a:b])) for a, b in pairwise(bounds)]
    return cut


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sets(st.integers(0, 90)), max_size=12),
    st.integers(2, 6),
    st.sampled_from([2, 4, 8, 4096]),
)
def test_layers_are_as_the_model_has_them(
    monkeypatch: pytest.MonkeyPatch, history: list[set[int]], factor: int, smallest: int
) -> None:
    monkeypatch.setattr(segments, "SMALLEST_CUT", smallest)
    layers: tuple[Layer, ...] = ()
    model: Model = []
    for epoch, listed in enumerate(history, start=1):
        before = layers
        layers = next_layers(layers, listed, epoch, factor=factor)
        model = model_step(model, listed, epoch, factor, smallest)
        assert [(one.since_epoch, set(one.items)) for one in layers] == [
            (since, {name(i) for i in items}) for since, items in model
        ]
        assert sorted(item for one in layers for item in one.items) == sorted(map(name, listed))
        assert all(one.items == tuple(sorted(one.items)) for one in layers)
        assert all(one in before or one.since_epoch == epoch for one in layers)
        most = segments.most_items(len(listed))
        sizes = [len(one.items) for one in layers]
        assert all(one >= min(most // 2, factor * after) for one, after in pairwise(sizes))
        assert sum(2 * size >= most for size in sizes) <= 16
        assert all(len(one.items) <= most for one in layers if one.since_epoch == epoch)
        assert next_layers(layers, listed, epoch + 1, factor=factor) == layers


def test_new_items_make_a_new_layer() -> None:
    first = next_layers((), set(range(100)), 1)
    second = next_layers(first, set(range(110)), 2)
    assert second[0] == first[0]
    assert second[1] == Layer(AGREED, 2, KEY, tuple(name(i) for i in range(100, 110)))


def test_a_layer_is_merged_while_the_one_before_is_smaller_than_four_of_it() -> None:
    layers = next_layers((), set(range(100)), 1)
    layers = next_layers(layers, set(range(120)), 2)
    assert [len(one.items) for one in layers] == [100, 20]
    kept = next_layers(layers, set(range(125)), 3)
    assert [len(one.items) for one in kept] == [100, 20, 5]
    merged = next_layers(layers, set(range(126)), 3)
    assert [len(one.items) for one in merged] == [126], "26 in the last makes four of them more than 100"


def test_a_withdrawal_rebuilds_only_its_layer() -> None:
    layers = next_layers((), set(range(400)), 1)
    layers = next_layers(layers, set(range(440)), 2)
    after = next_layers(layers, set(range(440)) - {410}, 3)
    assert after[0] is layers[0]
    assert (after[1].since_epoch, len(after[1].items)) == (3, 39)


def test_an_emptied_layer_disappears() -> None:
    layers = next_layers((), set(range(400)), 1)
    layers = next_layers(layers, set(range(440)), 2)
    assert next_layers(layers, set(range(400)), 3) == layers[:1]
    assert next_layers(layers, set(), 3) == ()


def test_nothing_new_changes_nothing() -> None:
    layers = next_layers((), set(range(40)), 1)
    assert next_layers(layers, set(range(40)), 2) == layers


def test_a_new_key_makes_one_layer_of_everything() -> None:
    layers = next_layers((), set(range(400)), 1, attested={1000})
    layers = next_layers(layers, set(range(440)), 2, attested={1000})
    rotated = next_layers(layers, set(range(440)), 3, key="1" * 16, attested={1000})
    assert [(one.list_class, one.since_epoch, len(one.items)) for one in rotated] == [
        (AGREED, 3, 440),
        (ATTESTED, 3, 1),
    ]


def test_classes_are_layered_apart_and_an_item_may_change_class() -> None:
    layers = next_layers((), {1, 2}, 1, attested={3, 4})
    after = next_layers(layers, {1, 2, 3}, 2, attested={4})
    assert [(one.list_class, len(one.items)) for one in after] == [(AGREED, 3), (ATTESTED, 1)]


def weekly_download(start: int, weekly: int, withdrawn: int, weeks: int = 52) -> tuple[int, int, int]:
    """Items that a device downloads over a year of weekly epochs: with layers, whole lists, and the most layers."""
    listed = set(range(start))
    layers = next_layers((), listed, 1)
    delta = whole = most = 0
    for week in range(weeks):
        epoch = week + 2
        gone = {(week * 7919 + i * 104729) % start for i in range(withdrawn)}
        listed = (listed | set(range(start + week * weekly, start + (week + 1) * weekly))) - gone
        layers = next_layers(layers, listed, epoch)
        delta += sum(len(one.items) for one in layers if one.since_epoch == epoch)
        whole += len(listed)
        most = max(most, len(layers))
    return delta, whole, most


@pytest.mark.parametrize(
    ("start", "weekly", "most_of_whole"), [(40_000, 200, 0.04), (40_000, 40, 0.015), (2_000, 40, 0.10)]
)
def test_a_year_of_weekly_epochs_costs_a_small_part_of_whole_downloads(
    start: int, weekly: int, most_of_whole: float
) -> None:
    delta, whole, most = weekly_download(start, weekly, withdrawn=0)
    assert delta < most_of_whole * whole
    assert most <= 24


def test_a_withdrawal_every_week_from_the_oldest_items_costs_about_an_eighth() -> None:
    """Said openly: a withdrawal rebuilds its layer, and the oldest ones are large."""
    delta, whole, _ = weekly_download(40_000, 200, withdrawn=1)
    assert delta < 0.2 * whole


def test_a_large_list_is_cut_so_that_a_withdrawal_touches_one_part() -> None:
    layers = next_layers((), set(range(40_000)), 1)
    assert {len(one.items) for one in layers} == {8_000}
    after = next_layers(layers, set(range(40_000)) - {100}, 2)
    assert [one.since_epoch for one in after] == [2, 1, 1, 1, 1]


def test_a_list_that_doubles_has_no_more_layers() -> None:
    layers = next_layers((), set(range(40_000)), 1)
    for epoch, size in enumerate(range(45_000, 140_000, 5_000), start=2):
        layers = next_layers(layers, set(range(size)), epoch)
        assert len(layers) <= 24
