"""The path of a message takes no more steps than it did: each call on it costs all users time."""

from __future__ import annotations

import pytest

from benchmarks.steps import MESSAGES, count

MOST_CALLS = {"echo": 12, "ack": 12, "pipe": 105, "big": 25, "churn": 209}
"""Of functions of the package, for one message; 16 of them for `pipe`, a client for `churn`."""


@pytest.mark.parametrize("kind", MOST_CALLS)
def test_message_takes_no_more_calls_than_its_budget(kind: str) -> None:
    calls = count(kind).calls
    # What a timer calls now and then, on a slow machine, is no part of a message.
    often = [(name, times) for name, times in calls.most_common() if times * 20 >= MESSAGES]
    each = {name: times / MESSAGES for name, times in often}
    assert sum(each.values()) <= MOST_CALLS[kind], each


def test_steps_are_those_of_the_way_of_a_message() -> None:
    steps = count("echo", 20)
    assert steps.calls["socketio/server/socket.py: Socket.emit"] == 20
    assert steps.instructions["socketio/server/socket.py: Socket.emit"] > 20 * 30
