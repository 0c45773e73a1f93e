"""The page about capacity has the tables of the figures that are kept, and the picture is theirs,
and a small measurement brings figures of all kinds."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree

import pytest

from benchmarks.capacity import FIGURES, PAGE
from benchmarks.carriers.measuring import Size, measure
from benchmarks.carriers.model import CARRIERS
from benchmarks.carriers.report import TABLES, picture, written
from benchmarks.carriers.samples import load
from benchmarks.revisions import ROOT
from scripts.draw_capacity import COLOURS, TARGET, Line, Panel, draw

RUN_AGAIN: Final = "run: python -m benchmarks.capacity --kept"

TINY: Final = Size(
    nodes=(2, 3), many=4, seconds=0.1, rest=0.1, interval=0.2, audience=8, crowd=2, is_whole=False
)


def test_tables_of_the_page_are_those_of_the_figures() -> None:
    assert PAGE.read_text() == written(PAGE.read_text(), load(FIGURES)), RUN_AGAIN


def test_picture_is_that_of_the_figures() -> None:
    assert (ROOT / TARGET).read_text() == picture(load(FIGURES)), RUN_AGAIN


def test_figures_are_of_all_carriers_and_of_a_node() -> None:
    kept = load(FIGURES)
    assert kept.carriers.keys() == CARRIERS.keys()
    assert all(figure > 0 for figure in kept.node.values())
    for found in kept.carriers.values():
        assert {2, 4, 8} <= {sample.nodes for sample in found.samples}
        assert {2, 4, 8} <= {mixed.nodes for mixed in found.mixed}


def test_page_without_a_place_for_a_table_is_refused() -> None:
    name = next(iter(TABLES))
    page = PAGE.read_text().replace(f"<!-- {name} -->", "")
    with pytest.raises(ValueError, match=name):
        written(page, load(FIGURES))


# --- the picture ----------------------------------------------------------------------------------


def lines_of(svg: str) -> list[list[tuple[float, float]]]:
    """Points of each line."""
    found = re.findall(r'<polyline [^>]*points="([^"]+)"', svg)
    pairs = [[pair.split(",") for pair in points.split()] for points in found]
    return [[(float(x), float(y)) for x, y in points] for points in pairs]


def test_more_nodes_are_to_the_right_and_more_messages_above() -> None:
    rising = Line("one", [(2.0, 10.0), (20.0, 1_000.0)], ends=False)
    ((first, last),) = lines_of(draw("heading", [Panel("panel", [rising])]))
    assert first[0] < last[0]
    assert first[1] > last[1]


def test_line_that_ends_has_a_cross_and_says_so() -> None:
    ends, goes_on = (
        draw("heading", [Panel("panel", [Line("one", [(2.0, 10.0), (9.0, 20.0)], ends=ends)])])
        for ends in (True, False)
    )
    assert "one ends" in ends
    assert "<path" in ends
    assert "one ends" not in goes_on
    assert "<path" not in goes_on


def test_carrier_without_a_point_has_no_line() -> None:
    lines = [Line("one", [(2.0, 10.0), (9.0, 20.0)], ends=False), Line("none", [], ends=True)]
    assert len(lines_of(draw("heading", [Panel("panel", lines)]))) == 1


def test_labels_do_not_cover_each_other_and_the_picture_is_well_formed() -> None:
    lines = [Line(f"line {number}", [(2.0, 10.0), (9.0, 10.0)], ends=False) for number in range(5)]
    svg = draw("heading", [Panel("panel", lines)])
    root = ElementTree.fromstring(svg)
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    at = [
        float(text.attrib["y"])
        for text in texts
        if (text.text or "").startswith("line") and text.get("class") == "v"
    ]
    assert len(at) == 5
    assert all(below - above >= 13 for above, below in pairwise(at))


def test_each_carrier_has_a_colour_of_its_own() -> None:
    assert len(set(COLOURS)) >= len(CARRIERS)


# --- measuring ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.unix
def test_workers_are_measured_with_each_number_of_nodes() -> None:
    said: list[str] = []
    found = measure(["workers"], TINY, said.append).carriers["workers"]
    assert said == ["workers"]
    assert {sample.nodes for sample in found.samples} == {2, 3, 4}
    assert [mixed.nodes for mixed in found.mixed] == [2, 3, 4]
    assert [rest.nodes for rest in found.rests] == [2, 3, 4]
    for sample in found.samples:
        assert sample.hearing > 0
        assert sample.heard_bytes > 32
        assert sample.engine == 0
    (speeds,) = found.speeds
    assert min(speeds.fanout, speeds.nobody) > 0
