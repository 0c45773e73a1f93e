"""Handshakes as servers tell each other of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.engine.core.request import Request
from sockwave.socketio.core.handshake import Handshake, describe_handshake, read_handshake

OF_NODE = {
    "headers": {"host": "localhost:3000", "User-Agent": "node", "origin": "http://a.com"},
    "time": "Tue Nov 24 2026 12:37:31 GMT+0000 (Coordinated Universal Time)",
    "address": "::ffff:127.0.0.1",
    "xdomain": True,
    "secure": False,
    "issued": 1795523851361,
    "url": "/socket.io/?EIO=4&transport=websocket&name=Ann%20%26%20Bob",
    "query": {"EIO": "4", "transport": "websocket", "name": "Ann & Bob"},
    "auth": {"token": "x", "n": [1, None]},
}
"""As a server in JavaScript tells it."""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def test_handshake_of_a_server_in_javascript_is_read() -> None:
    handshake = read_handshake(OF_NODE)
    assert handshake.headers["user-agent"] == handshake.headers["User-Agent"] == "node"
    assert handshake.query == OF_NODE["query"]
    assert handshake.auth == OF_NODE["auth"]
    assert handshake.url == OF_NODE["url"]
    assert handshake.address == "::ffff:127.0.0.1"
    assert (handshake.xdomain, handshake.secure) == (True, False)
    assert handshake.issued == 1795523851361
    assert handshake.time == "2026-11-24T12:37:31.361+00:00"
    assert handshake.request.path == "/socket.io/"


def test_handshake_comes_back_as_it_was_told() -> None:
    told = describe_handshake(read_handshake(OF_NODE))
    assert describe_handshake(read_handshake(told)) == told
    assert told.keys() == OF_NODE.keys()


def test_query_counts_where_the_url_has_none() -> None:
    handshake = read_handshake({"url": "/socket.io/", "query": {"name": "Ann & Bob"}})
    assert handshake.query == {"name": "Ann & Bob"}
    assert handshake.request.path == "/socket.io/"


@pytest.mark.parametrize("told", [{}, dict.fromkeys(OF_NODE, 5), dict.fromkeys(OF_NODE)])
def test_what_is_missing_or_wrong_is_left_out(told: dict[str, Any]) -> None:
    handshake = read_handshake(told)
    assert (dict(handshake.headers), handshake.query, handshake.auth) == ({}, {}, {})
    assert (handshake.url, handshake.address, handshake.secure) == ("", "", False)
    assert handshake.time.startswith("1970-01-01T00:00:00")


@pytest.mark.parametrize("issued", [-1, 10**18, 10**400, float("nan"), float("inf"), "x", None])
def test_time_that_is_none_is_that_of_the_epoch(issued: Any) -> None:
    assert read_handshake({"issued": issued}).issued == 0


def test_auth_that_cannot_be_kept_is_left_out() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for auth in ({"n": 2**70}, {"deep": deep}, {"x": object()}):
        assert read_handshake({"auth": auth}).auth == {}
    while deep:  # taken apart by hand: the interpreter would do it in one breath
        deep = deep.pop()


def test_headers_that_nobody_finds_are_left_out() -> None:
    assert dict(read_handshake({"headers": {"\x80": "x", "a": "b"}}).headers) == {"a": "b"}
    request = Request("GET", "/", {b"\x80": b"x", b"a": b"\xe9"}, None)
    told = describe_handshake(Handshake(request, None, 0))
    assert told["headers"] == {"a": "\xe9"}


@given(st.dictionaries(st.sampled_from(sorted(OF_NODE)), ANYTHING))
def test_anything_can_be_read_and_told_on(told: dict[str, Any]) -> None:
    handshake = read_handshake(told)
    again = read_handshake(describe_handshake(handshake))
    assert describe_handshake(again) == describe_handshake(handshake)
