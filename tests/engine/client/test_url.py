"""URLs of requests."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.client.url import parse_url, request_url


def url(server: str, sid: str | None = None, **options: Any) -> str:
    made = ClientEngineOptions(timestamp_requests=False, **options)
    return request_url(parse_url(server), made, "websocket", sid)


@pytest.mark.parametrize(
    ("server", "start"),
    [
        ("http://localhost", "http://localhost/engine.io/?"),
        ("ws://localhost:80", "http://localhost/engine.io/?"),
        ("wss://h:443/ns", "https://h/engine.io/?"),
        ("https://h:8443", "https://h:8443/engine.io/?"),
        ("http://[::1]:3000", "http://[::1]:3000/engine.io/?"),
    ],
)
def test_default_port_is_left_out(server: str, start: str) -> None:
    assert url(server).startswith(start)


def test_trailing_slash_can_be_left_out() -> None:
    assert url("http://h", path="/x/", add_trailing_slash=False).startswith("http://h/x?")


def test_query_is_quoted_and_cannot_override_the_protocol() -> None:
    made = url("http://h?a=1&EIO=9", query={"a": "2", "&b": "&=?c", "transport": "x"})
    assert made == "http://h/engine.io/?a=2&EIO=4&%26b=%26%3D%3Fc&transport=websocket"


def test_session_id_is_quoted() -> None:
    assert url("http://h", "../a&b=c").endswith("&sid=..%2Fa%26b%3Dc")


def test_timestamps_differ() -> None:
    options = ClientEngineOptions()
    server = parse_url("http://h")
    made = {request_url(server, options, "polling", None) for _ in range(10)}
    assert len(made) == 10


@pytest.mark.parametrize(
    "wrong", ["localhost", "", "ftp://h", "http://", "http://h:x", "http://h:99999", "h" * 9_000]
)
def test_url_that_is_of_no_use_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="url"):
        parse_url(wrong)
