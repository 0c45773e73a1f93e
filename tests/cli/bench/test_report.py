"""What is said of a benchmark."""

from __future__ import annotations

import json
import os
from xml.etree import ElementTree

import pytest

from sockwave.cli.bench.chart import MOST_POINTS, draw
from sockwave.cli.bench.report import as_value, lines, place, progress_line, warnings
from tests.cli.bench.plans import a_plan, an_outcome

SVG = "{http://www.w3.org/2000/svg}"


def test_report_has_counts_times_and_errors_by_kind() -> None:
    text = list(lines(a_plan(), an_outcome()))
    assert text[0] == "connections  100 of 100 in 2.0 s; at the end 100 websocket"
    assert text[1:3] == [
        "emitted      400 (100 a second)",
        "answered     400 (100 a second)",
    ]
    assert [line.split()[0] for line in text[4:7]] == ["milliseconds", "connecting", "round"]
    assert text[-1] == "       1  echo: <not> acknowledged in time"


def test_json_has_the_same_in_milliseconds_and_no_secret() -> None:
    value = json.loads(json.dumps(as_value(a_plan(), an_outcome())))
    assert value["url"] == "http://example.org:3000/chat"
    assert (value["connected"], value["answered"], value["lost"]) == (100, 400, 0)
    assert value["times"]["round_trip"]["count"] == 400
    assert value["times"]["round_trip"]["p50"] == pytest.approx(52, rel=0.03)
    assert value["times"]["delivery"] is None
    assert len(value["seconds"]) == 6
    assert value["seconds"][0] | {"connecting": None} == {
        "here": 50,
        "emitted": 0,
        "answered": 0,
        "heard": 0,
        "errors": 0,
        "connecting": None,
        "round_trip": None,
        "delivery": None,
    }
    assert value["warnings"] == []


def test_progress_tells_the_second_that_is_complete() -> None:
    outcome = an_outcome()
    assert progress_line(a_plan(), outcome) == (
        "6 s · 100 of 100 connected · 100 events/s · round trip p99 103 ms · errors: 1"
    )


def test_busy_generator_is_told_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    (warning,) = warnings(a_plan(), an_outcome(busy=0.97))
    assert "is the bottleneck: a process of it used 97% of a core" in warning
    assert "Try --processes." in warning
    (warning,) = warnings(a_plan(processes=4), an_outcome(busy=0.97))
    assert "Try another machine" in warning


def test_late_generator_is_told() -> None:
    (warning,) = warnings(a_plan(), an_outcome(late=0.05))
    assert "left 50.00 ms or more after its time" in warning


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_server_on_this_machine_is_told(host: str) -> None:
    (warning,) = warnings(a_plan(url=f"http://{host}:1"), an_outcome())
    assert "Server and generator share" in warning


def test_events_without_a_stamp_are_told() -> None:
    outcome = an_outcome()
    outcome.figures.unknown = 12
    (warning,) = warnings(a_plan(hear="said"), outcome)
    assert "12 events 'said' had no stamp" in warning


def test_place_says_what_was_asked_for() -> None:
    assert place(a_plan()) == "100 connections, echo every 1 s for 4 s, 1 process"
    assert place(a_plan(event=None, processes=2)) == "100 connections, held for 4 s, 2 processes"
    assert place(a_plan(every=0, senders=1)) == (
        "100 connections, echo from 1 of them as fast as it is answered for 4 s, 1 process"
    )


def test_chart_is_one_picture_with_a_panel_for_each_question() -> None:
    picture = draw(a_plan(), an_outcome())
    root = ElementTree.fromstring(picture)
    titles = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "b"]
    assert titles == [
        "Connections",
        "Events a second",
        "Errors a second",
        "Round trip, milliseconds",
        "Percentiles of all, milliseconds",
    ]
    assert "prefers-color-scheme:dark" in picture
    assert "echo: &lt;not&gt; acknowledged" in picture
    assert "s3cret" not in picture
    assert "http" not in picture.replace("http://www.w3.org/", "").replace("http://example", "")


def test_chart_of_hours_has_no_more_points_than_pixels() -> None:
    root = ElementTree.fromstring(draw(a_plan(), an_outcome(5_000)))
    most = max(len((line.get("points") or "").split()) for line in root.iter(f"{SVG}polyline"))
    assert MOST_POINTS - 20 < most <= MOST_POINTS


def test_chart_can_be_a_page() -> None:
    page = draw(a_plan(), an_outcome(), as_page=True)
    assert page.startswith("<!doctype html>")
    assert '<meta name="color-scheme" content="light dark">' in page
    assert page.count("<svg") == 1


def test_chart_of_nothing_can_be_drawn() -> None:
    outcome = an_outcome(2)
    assert "Round trip" not in draw(a_plan(), outcome)
    outcome.seconds.clear()
    ElementTree.fromstring(draw(a_plan(), outcome))
