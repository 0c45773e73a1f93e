"""Requests put together from all that they are made of, right and wrong.

Row Z6 of docs/security.md.

Whatever is asked, no answer is an error of the server, and none is logged as one. The exception is
the reference's: 500 to a method that is neither GET nor POST, for a session that there is.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockwave import Cors, Server
from tests.support.raw import within

if TYPE_CHECKING:
    from tests.support.fronts import Front, Wire

EXAMPLES: Final = int(os.environ.get("SOCKWAVE_HTTP_REQUESTS", "100"))
"""Requests on each front end."""

METHODS: Final = ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
PATHS: Final = [
    "/socket.io/",
    "/socket.io/x",
    "/socket.io/socket.io.js",
    "/socket.io",
    "/other",
    "/",
]

POLLING, WEBSOCKET = "a session that polls", "a session on a WebSocket"
QUERY: Final[dict[str, list[str]]] = {
    "EIO": ["4", "4", "3", "5", "", "x"],
    "transport": ["polling", "polling", "websocket", "webtransport", "__proto__", ""],
    "sid": [POLLING, POLLING, WEBSOCKET, "unknown", "", "../x", "\0"],
    "j": ["0", "7", "-1", "x;alert(1)", ""],
    "b64": ["1", "0", ""],
    "t": ["abc", "\u20ac"],
}
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS: Final[dict[str, list[str]]] = {
    "Host": ["a.example", "", "a b", "[::1]:x"],
    "Origin": ["https://good.example", "https://evil.example", "null", "http://[", "\xff"],
    "Referer": ["https://good.example/x", "//", "\xff"],
    "Sec-Fetch-Site": ["same-origin", "cross-site", "x"],
    "Connection": ["Upgrade", "Upgrade", "keep-alive, Upgrade", "close", "x"],
    "Upgrade": ["websocket", "websocket", "h2c", "", "h2c, WebSocket"],
    "Sec-WebSocket-Version": ["13", "13", "8", "12", "x"],
    "Sec-WebSocket-Key": [KEY, KEY, "x", "", "\xff"],
    "Sec-WebSocket-Extensions": ["permessage-deflate", "permessage-deflate; x", ",", "\xff"],
    "Sec-WebSocket-Protocol": ["a", "a, b", "", "\xff"],
    "Content-Type": ["text/plain;charset=UTF-8", "application/octet-stream", "x", "\xff"],
    "Content-Encoding": ["identity", "gzip", "x"],
    "Accept-Encoding": ["gzip", "deflate;q=0.5, *", "x;q=y", "\xff"],
    "Cookie": ["io=x", "a=b; c", ";;;=", "\xff"],
    "Expect": ["100-continue", "x"],
    "If-None-Match": ['"x"', "*", "\xff"],
    "X-Forwarded-For": ["192.0.2.1", "x, y", ","],
    "X-Forwarded-Proto": ["https", "x"],
    "Access-Control-Request-Method": ["POST", "x"],
    "Access-Control-Request-Headers": ["x-a, x-b", "\xff"],
    "X-Anything": ["y", "", "x" * 2_000],
}
BODIES: Final = [
    *(
        "4hello",
        "40",
        '40\x1e42["a"]',
        "3",
        "2",
        "1",
        "5",
        "6",
        "x",
        "",
        "\x1e",
        "b*",
        "bAQID",
        "\xff",
    ),
    *("6:4hello", "1:x", "99999999999:x", "d=4hello", "4" * 5_000),
]


class Asked(NamedTuple):
    """A request; the values of `sid` stand for sessions."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: str | None


def chosen(table: dict[str, list[str]]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Some of the names, in any order, also repeated, each with one of its values."""
    pairs = [(name, value) for name, values in table.items() for value in values]
    return st.lists(st.sampled_from(pairs), max_size=6)


USUAL: Final = st.sampled_from(
    [
        [("EIO", "4"), ("transport", "polling")],
        [("EIO", "4"), ("transport", "polling"), ("sid", POLLING)],
        [("EIO", "4"), ("transport", "websocket"), ("sid", POLLING)],
        [("EIO", "3"), ("transport", "polling"), ("j", "0")],
        [],
    ]
)
UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


@st.composite
def requests(draw: st.DrawFn, *, is_native: bool) -> Asked:
    """A usual request with some of it changed.

    Args:
        is_native: Whether an upgrade may have a body: a host of ASGI waits for ever to make sense
            of that.
    """
    query = draw(USUAL) + draw(chosen(QUERY))
    headers = draw(st.sampled_from([{}, UPGRADE])) | dict(draw(chosen(HEADERS)))
    method = draw(st.sampled_from(["GET", "GET", "POST", *METHODS]))
    body = draw(st.sampled_from([None, *BODIES])) if method != "TRACE" else None
    if not is_native and "Upgrade" in headers:
        body = None
    if body is not None:
        headers |= draw(st.sampled_from([{}, {}, {"Transfer-Encoding": "chunked"}]))
    return Asked(method, draw(st.sampled_from(["/socket.io/", *PATHS])), query, headers, body)


# --- asking ---------------------------------------------------------------------------------------


def _body(asked: Asked) -> bytes | None:
    if asked.body is None:
        return None
    data = asked.body.encode("latin-1", "replace")
    if "Transfer-Encoding" in asked.headers:
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
    return data


async def ask(io: Server, wire: Wire, asked: Asked) -> None:
    """Send the request, and see that the answer is not the server's fault."""
    polling, websocket = await wire.open_polling(), await wire.open_websocket()
    # So that no poll has to wait.
    io.engine.sessions[polling.sid].send("something")
    ids = {POLLING: polling.sid, WEBSOCKET: websocket.sid}
    query = [(name, ids.get(value, value)) for name, value in asked.query]
    target = f"{asked.path}?{'&'.join(f'{name}={quote(value)}' for name, value in query)}"
    http = await wire.http()
    http.send(asked.method, target, asked.headers, _body(asked))
    reply = await http.read()
    while reply.status == 100:
        reply = await http.read()
    is_documented = reply.status == 500 and asked.method not in ("GET", "POST")
    assert reply.status < 500 or (is_documented and ("sid", POLLING) in asked.query), reply
    for client in (polling.gets, polling.posts, websocket.websocket.http, http):
        await client.close()
    for sid in ids.values():
        if sid in io.engine.sessions:
            io.engine.sessions[sid].discard()


@pytest.mark.logs_errors  # of the host of ASGI, about some of the requests
def test_no_request_is_an_error_of_the_server(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(
        allow_eio3=True,
        per_message_deflate=True,
        cookie=True,
        cors=Cors(origin=["https://good.example"], credentials=True),
        max_payload=4_000,
    )

    async def start() -> tuple[AsyncExitStack, Wire]:
        stack = AsyncExitStack()
        return stack, await stack.enter_async_context(front.serve(io))

    uncaught: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=front.loop_factory) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: uncaught.append(context))
        stack, wire = runner.run(start())

        @settings(max_examples=EXAMPLES)
        @given(requests(is_native=front.is_alone))
        def check(asked: Asked) -> None:
            runner.run(within(ask(io, wire, asked)))

        try:
            check()
        finally:
            runner.run(stack.aclose())
    assert not uncaught
    ours = [record for record in caplog.records if record.name.startswith("sockwave")]
    assert [record for record in ours if record.levelno > logging.INFO] == []
