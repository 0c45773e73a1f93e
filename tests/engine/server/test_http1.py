"""Requests from bytes: what the reader tells, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sockwave.engine.core.options import Limits
from sockwave.engine.server.fronts.known_heads import KnownHeadsReader
from sockwave.engine.server.invalid_request import InvalidRequest

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request

HEAD = b"GET /socket.io/ HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Told:
    """Keeps the targets of requests that came whole."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._target = ""

    def head_received(self, request: Request, length: int | None) -> None:
        self._target = request.target

    def body_received(self, data: bytes) -> None: ...

    def request_completed(self) -> None:
        self.targets.append(self._target)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def reader(told: Told) -> KnownHeadsReader:
    return KnownHeadsReader(told, Limits())


def test_headers_that_were_read_before_are_known_again(
    reader: KnownHeadsReader, told: Told
) -> None:
    for target in (b"/a", b"/b?x=1", b"/c"):
        reader.feed(HEAD.replace(b"/socket.io/", target))
    assert told.targets == ["/a", "/b?x=1", "/c"]


@pytest.mark.parametrize(
    "last",
    [
        b"GET /last HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close",
    ],
)
def test_nothing_follows_a_request_that_ends_its_connection(
    reader: KnownHeadsReader, told: Told, last: bytes
) -> None:
    reader.feed(HEAD)
    reader.feed(last.removesuffix(b"\r\n\r\n") + b"\r\n\r\n")
    with pytest.raises(InvalidRequest):
        reader.feed(HEAD)  # its header lines are known
    assert told.targets == ["/socket.io/", "/last"]
