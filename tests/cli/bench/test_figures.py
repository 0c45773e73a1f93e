"""Figures of a benchmark: percentiles, and what is added up."""

from __future__ import annotations

import json

import pytest

from sockwave.cli.bench.figures import MOST_KINDS, OTHERS, Figures, Histogram


def histogram(*seconds: float) -> Histogram:
    made = Histogram()
    for each in seconds:
        made.add(each)
    return made


@pytest.mark.parametrize(("part", "place"), [(0.5, 500), (0.9, 900), (0.99, 990), (0.001, 1)])
def test_percentile_is_true_to_about_one_per_cent(part: float, place: int) -> None:
    times = histogram(*(step / 1_000 for step in range(1, 1_001)))
    assert times.percentile(part) == pytest.approx(place / 1_000, rel=0.012)


def test_last_percentile_is_the_longest_time_itself() -> None:
    assert histogram(0.1, 0.25).percentile(1) == 0.25


def test_nothing_timed_has_no_percentile() -> None:
    assert histogram().percentile(0.5) is None


def test_time_of_nothing_counts() -> None:
    assert histogram(0.0, -1e-9).count == 2


def test_figures_of_two_processes_add_up_on_their_way_through_json() -> None:
    first, second = Figures(connected=2, emitted=5), Figures(connected=3, lost=1)
    first.round_trip.add(0.01)
    second.round_trip.add(0.04)
    first.failed("lost: transport close")
    second.failed("lost: transport close", 2)
    first.merge(Figures.decode(json.loads(json.dumps(second.encode()))))
    assert (first.connected, first.emitted, first.lost) == (5, 5, 1)
    assert (first.round_trip.count, first.round_trip.longest) == (2, 0.04)
    assert first.round_trip.percentile(0.5) == pytest.approx(0.01, rel=0.012)
    assert first.errors == {"lost: transport close": 3}


def test_kinds_of_errors_that_a_server_makes_up_have_a_bound() -> None:
    figures = Figures()
    for number in range(MOST_KINDS + 7):
        figures.failed(f"refused: {number}")
    figures.failed("refused: 3")
    assert len(figures.errors) == MOST_KINDS + 1
    assert figures.errors[OTHERS] == 7
    assert figures.errors["refused: 3"] == 2
