"""Whose a request on a shared port is, by its first line."""

from __future__ import annotations

import pytest

from sockwave.engine.core.options import Limits
from sockwave.engine.server.fronts.targets import Owner, owner_of
from sockwave.engine.server.invalid_request import InvalidRequest

LIMITS = Limits(target_bytes=200, head_bytes=400)


def owner(data: bytes) -> Owner:
    return owner_of(data, LIMITS, lambda path: path.startswith("/socket.io/"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET /socket.io/?EIO=4 HTTP/1.1\r\n", Owner.ENGINE),
        (b"GET http://a.example/socket.io/ HTTP/1.1\r\n", Owner.ENGINE),
        (b"GET /%73ocket.io/ HTTP/1.1\r\n", Owner.ENGINE),
        (b"no request line\r\n", Owner.ENGINE),
        (b"GET /socket.io", Owner.UNKNOWN),
        (b"GET /other HTTP/1.1\r\nHost: a\r\n", Owner.UNKNOWN),
        (b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n", Owner.HOST),
        (b"GET /other HTTP/1.1\nHost: a\n\nbody", Owner.HOST),
    ],
)
def test_first_line_tells_whose_a_request_is(data: bytes, expected: Owner) -> None:
    assert owner(data) is expected


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"x" * 300, 414),
        (b"GET /other HTTP/1.1\r\nA: " + b"x" * 500, 431),
        (b"GET /other HTTP/1.1\r\nA: " + b"x" * 500 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_not_told_within_the_limits_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        owner(data)
    assert refused.value.status == status
