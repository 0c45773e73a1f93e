"""Sentences and hints that depend on time, or on ends that no test can make on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave import ServerOptions
from sockwave.engine import EngineOptions
from sockwave.records.sentences import USUAL, End, explain, hints_of
from sockwave.types import DisconnectReason


def an_end(reason: str, description: str = "", **more: Any) -> End:
    return End(
        reason=reason,
        description=description,
        options=EngineOptions(),
        server_options=ServerOptions(),
        **{"transport": "websocket", **more},
    )


def hints(end: End, *, backlog: int = 0, lag: float = 0.0) -> tuple[str, ...]:
    return hints_of(end, explain(end).by, (), backlog, lag)


@pytest.mark.parametrize("usual", USUAL)
def test_end_at_a_usual_time_hints_at_a_proxy(usual: int) -> None:
    for seconds, is_near in ((usual - 0.4, True), (usual + 0.4, True), (usual + 2, False)):
        end = an_end("transport close", "connection lost", seconds=seconds)
        assert bool(hints(end)) is is_near
        if is_near:
            assert f"It had lasted {usual} s" in hints(end)[0]


def test_client_that_says_goodbye_at_that_time_is_no_proxy() -> None:
    assert hints(an_end("transport close", "peer closed with 1001", seconds=60.0)) == ()


def test_ping_timeout_has_its_options_and_the_time_of_both() -> None:
    explanation = explain(an_end("ping timeout"))
    assert explanation.sentence == (
        "The client's network went away, or its program stands still: the server heard nothing for"
        " 45 s (ping_interval 25 s + ping_timeout 20 s)."
    )
    assert explanation.option == "ping_timeout=20"


def test_late_event_loop_is_a_hint() -> None:
    assert hints(an_end("ping timeout"), lag=0.9) == ()
    (hint,) = hints(an_end("ping timeout"), lag=30.0)
    assert "event loop was 30.0 s late" in hint


def test_client_that_had_stopped_reading_is_a_hint() -> None:
    (hint,) = hints(an_end("ping timeout"), backlog=5_000_000)
    assert "5_000_000 bytes waited" in hint


@pytest.mark.parametrize("reason", list(DisconnectReason))
@pytest.mark.parametrize("description", ["", "something new", "peer closed with 4999"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_every_end_has_a_sentence(reason: str, description: str, transport: str) -> None:
    explanation = explain(an_end(reason, description, transport=transport))
    assert explanation.by
    assert explanation.sentence[0].isupper()
    assert explanation.sentence.endswith((".", "?"))


@pytest.mark.parametrize(
    "cause", ["packet", "violation", "no namespace", "application", "recovery"]
)
def test_cause_that_was_noted_comes_before_the_reason(cause: str) -> None:
    end = an_end("server shutting down", cause=cause, detail="something: '/x'")
    assert explain(end) != explain(an_end("server shutting down"))
