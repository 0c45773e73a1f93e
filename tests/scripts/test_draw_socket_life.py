"""The picture of a socket's life tells what the server's table of states says."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from scripts.draw_socket_life import ARROWS, DRAWING, STEPS, draw
from sockwave.socketio.server.states import TRANSITIONS, State


def test_drawing_is_up_to_date() -> None:
    assert DRAWING.read_text() == draw()


def test_each_arrow_is_a_way_that_there_is() -> None:
    for arrow in ARROWS:
        start, end = STEPS[arrow.start].state, STEPS[arrow.end].state
        if arrow.happened is not None:
            assert TRANSITIONS[start, arrow.happened] is end, arrow
        else:
            assert start is end or (arrow.is_return and end is State.CONNECTING), arrow


def test_each_state_that_users_see_is_drawn() -> None:
    assert {step.state for step in STEPS.values()} == {*State} - {State.UNREACHABLE}


def test_drawing_says_what_stands_in_its_boxes() -> None:
    texts = [
        element.text for element in ET.fromstring(draw()).iter() if element.tag.endswith("text")
    ]
    for step in STEPS.values():
        assert {step.title, *step.text} <= {*texts}
