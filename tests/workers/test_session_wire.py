"""What two workers say of a session: whole again, however it is cut."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.workers.session_wire import LONGEST, Kind, Pipe

if TYPE_CHECKING:
    from collections.abc import Sequence

Message = tuple[int, bytes]


class Line:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.has_ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def close(self) -> None:
        self.has_ended = "close"

    def abort(self) -> None:
        self.has_ended = "abort"


class Hearing:
    """Who hears; pieces of the stream are joined."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.told: list[str] = []

    def pipe_made(self) -> None:
        self.told.append("made")

    def message_received(self, kind: int, body: bytes) -> None:
        if kind == Kind.DATA and self.heard and self.heard[-1][0] == Kind.DATA:
            body = self.heard.pop()[1] + body
        self.heard.append((kind, body))

    def pipe_full(self, *, is_full: bool) -> None:
        self.told.append("full" if is_full else "empty")

    def pipe_lost(self) -> None:
        self.told.append("lost")


def pipe() -> tuple[Pipe, Hearing, Line]:
    hearing, line = Hearing(), Line()
    made: Any = Pipe(hearing)
    made.connection_made(line)
    return made, hearing, line


def encoded(messages: Sequence[Message]) -> bytes:
    speaking, _, line = pipe()
    for kind, body in messages:
        speaking.say(Kind(kind), body)
    return line.written


MESSAGES: list[Message] = [
    (Kind.DATA, b"first"),
    (Kind.PAUSE, b""),
    (Kind.RESUME, b""),
    (Kind.TAKEN, (70_000).to_bytes(8, "big")),
    (Kind.DATA, bytes(range(256))),
    (Kind.CLOSE, b"\0\0\0\1words"),
    (Kind.LOST, b"transport close\0"),
]


def test_every_cut_in_two() -> None:
    data = encoded(MESSAGES)
    for at in range(len(data) + 1):
        hearing_pipe, hearing, _ = pipe()
        hearing_pipe.data_received(data[:at])
        hearing_pipe.data_received(data[at:])
        assert hearing.heard == MESSAGES


@pytest.mark.parametrize("seed", range(5))
def test_any_pieces(seed: int) -> None:
    rng = random.Random(seed)
    messages: list[Message] = []
    for _ in range(60):
        kind = rng.choice(list(Kind))
        if messages and messages[-1][0] == kind == Kind.DATA:
            kind = Kind.PAUSE
        least = 1 if kind == Kind.DATA else 0
        messages.append((kind, rng.randbytes(rng.randrange(least, 3_000))))
    data, at = encoded(messages), 0
    hearing_pipe, hearing, _ = pipe()
    while at < len(data):
        size = rng.choice((1, 2, 5, 700, 10_000))
        hearing_pipe.data_received(data[at : at + size])
        at += size
    assert hearing.heard == messages


def test_only_the_stream_is_of_any_length() -> None:
    hearing_pipe, hearing, line = pipe()
    hearing_pipe.data_received(encoded([(Kind.DATA, bytes(2 * LONGEST))]))
    assert hearing.heard == [(Kind.DATA, bytes(2 * LONGEST))]
    hearing_pipe.data_received(encoded([(Kind.LOST, bytes(LONGEST + 1))])[:5])
    assert line.has_ended == "abort"


def test_states_are_told() -> None:
    hearing_pipe, hearing, line = pipe()
    hearing_pipe.pause_writing()
    hearing_pipe.resume_writing()
    hearing_pipe.say(Kind.PAUSE)
    assert hearing_pipe.waiting() == 5
    hearing_pipe.close()
    assert line.has_ended == "close"
    hearing_pipe.connection_lost(None)
    hearing_pipe.say(Kind.PAUSE)
    assert hearing_pipe.waiting() == 0
    assert hearing.told == ["made", "full", "empty", "lost"]
