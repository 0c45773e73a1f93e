"""An application on our port: its connections are within our limits, whoever serves them."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Limits, RateLimits, Server
from tests.support.certificate import write_certificate
from tests.support.fronts import HOSTED
from tests.support.raw import UNIT, RawHttp, RawWebSocket, check_switched, until

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave import Request
    from sockwave.engine import Response
    from sockwave.engine.server.fronts.asgi import Receive, Scope, Send
    from tests.support.fronts import Wire

HALF = b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: "
WHOLE = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
TOO_MUCH = [
    (b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 16_400 + b"\r\n\r\n", 431),
    (b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 101 + b"\r\n", 431),
    (b"GET /" + b"a" * 8_200 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET /" + b"a" * 16_400, 414),
]


async def served(http: RawHttp) -> None:
    """Ask the application for something."""
    assert (await http.get("/x")).text == "hello /x"


async def ended(http: RawHttp, status: int) -> None:
    """Read a refusal, and the end of the connection."""
    reply = await http.read()
    assert (reply.status, reply.header("connection")) == (status, "close"), reply
    assert reply.body
    assert await http.is_closed()


# --- heads ----------------------------------------------------------------------------------------


async def test_half_heads_for_the_application_count_and_end_by_themselves() -> None:
    io = Server(limits=Limits(connections=3, head_timeout=8 * UNIT))
    async with HOSTED.serve(io) as wire:
        slow = [await wire.http() for _ in range(3)]
        for http in slow:
            http.write(HALF)
        await until(lambda: io.engine.driver.open_connections == 3)
        assert (await (await wire.http()).read()).status == 503
        for http in slow:
            await ended(http, 408)
            await http.close()
        await until(lambda: io.engine.driver.open_connections == 0)
        await served(await wire.http())


async def test_half_heads_behind_an_answer_end_by_themselves() -> None:
    async with HOSTED.serve(Server(limits=Limits(head_timeout=4 * UNIT))) as wire:
        for half in (HALF, b"G", HALF[:10], b"\r\n"):
            http = await wire.http()
            await served(http)
            http.write(half)
            await ended(http, 408)


async def test_head_that_is_sent_byte_by_byte_has_one_time_for_all() -> None:
    async with HOSTED.serve(Server(limits=Limits(head_timeout=4 * UNIT))) as wire:
        for is_first in (True, False):
            http = await wire.http()
            if not is_first:
                await served(http)
            http.write(HALF)
            reading = asyncio.create_task(ended(http, 408))
            while not reading.done():
                http.write(b"a")
                await asyncio.sleep(UNIT / 10)
            await reading


@pytest.mark.parametrize(("request_", "status"), TOO_MUCH)
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("is_split", [True, False])
async def test_head_over_a_limit_never_reaches_the_application(
    request_: bytes, status: int, is_first: bool, is_split: bool
) -> None:
    async with HOSTED.serve(Server()) as wire:
        http = await wire.http()
        if not is_first:
            await served(http)
        if is_split:
            http.write(request_[:1_000])
            await asyncio.sleep(UNIT / 10)
            http.write(request_[1_000:])
        else:
            http.write(request_)
        await ended(http, status)


async def test_endless_head_is_refused_when_it_is_too_large() -> None:
    async with HOSTED.serve(Server()) as wire:
        http = await wire.http()
        await served(http)
        http.write(HALF)
        for _ in range(20):
            await asyncio.sleep(UNIT / 50)
            http.write(b"a" * 1_000)
        await ended(http, 431)


async def test_large_body_for_the_application_is_no_matter_of_the_head() -> None:
    async with HOSTED.serve(Server(), echo_body) as wire:
        http = await wire.http()
        for _ in range(2):
            assert (await http.post("/x", b"a" * 300_000)).text == "300000"


async def test_first_head_in_pieces_reaches_the_application_whole() -> None:
    async with HOSTED.serve(Server()) as wire:
        http = await wire.http()
        for at in range(len(WHOLE)):
            http.write(WHOLE[at : at + 1])
            await asyncio.sleep(0)
        assert (await http.read()).text == "hello /x"
        await served(http)


async def test_requests_glued_together_are_answered_in_their_order() -> None:
    io = Server(limits=Limits(pipelined_requests=4))
    async with HOSTED.serve(io) as wire:
        http = await wire.http()
        for number in range(200):
            http.send("GET", f"/{number}")
        for number in range(200):
            assert (await http.read()).text == f"hello /{number}"


async def test_upgrade_that_nobody_knows_is_ignored_for_the_application() -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": ""}
    async with HOSTED.serve(Server()) as wire:
        http = await wire.http()
        for _ in range(3):
            assert (await http.request("GET", "/x", headers)).text == "hello /x"


async def test_body_behind_an_upgrade_that_nobody_knows_reaches_the_application() -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "h2c"}
    async with HOSTED.serve(Server(), echo_body) as wire:
        http = await wire.http()
        for size in (5, 0, 100_000):
            reply = await http.request("POST", "/x", headers, b"a" * size)
            assert reply.text == str(size)


async def test_handshake_of_tls_has_the_time_of_a_head(tmp_path: Path) -> None:
    certificate = str(write_certificate(tmp_path / "certificate.pem"))
    io = Server(limits=Limits(head_timeout=4 * UNIT))
    async with HOSTED.serve(io, ssl_certfile=certificate, ssl_keyfile=certificate) as wire:
        http = await wire.http()
        http.write(b"\x16\x03\x01")
        assert await http.is_closed()


# --- connections ----------------------------------------------------------------------------------


async def test_connection_of_the_application_counts_until_it_is_lost() -> None:
    io = Server(limits=Limits(connections=3))
    async with HOSTED.serve(io) as wire:
        kept = [await wire.http() for _ in range(3)]
        for http in kept:
            await served(http)
        assert (await (await wire.http()).read()).status == 503
        await kept.pop().close()
        await until(lambda: io.engine.driver.open_connections < 3)
        await served(await wire.http())


async def test_websocket_of_the_application_counts_until_it_is_lost() -> None:
    io = Server(limits=Limits(connections=1), rate_limits=RateLimits(address_connections=1))
    async with HOSTED.serve(io, echo_websocket) as wire:
        websocket = await wire.websocket("/ws")
        websocket.send("a")
        assert await websocket.receive() == "a"
        assert (await (await wire.http()).read()).status == 503
        await websocket.close()
        await until(lambda: io.engine.driver.open_connections == 0)
        await wire.websocket("/ws")


async def test_address_has_its_connections_also_with_the_application() -> None:
    io = Server(rate_limits=RateLimits(address_connections=2))
    async with HOSTED.serve(io) as wire:
        kept = [await wire.http() for _ in range(2)]
        for http in kept:
            await served(http)
        assert (await (await wire.http()).read()).status == 429
        await kept.pop().close()
        await until(lambda: io.engine.driver.open_connections < 2)
        await served(await wire.http())


async def test_server_leaves_the_connections_of_the_application_to_it() -> None:
    io = Server()
    async with HOSTED.serve(io) as wire:
        http = await wire.http()
        await served(http)
        await io.close()
        await served(http)


# --- proxies and logs -----------------------------------------------------------------------------

CLIENT = "198.51.100.1"
FORWARDED = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"}


async def seen_on(wire: Wire, headers: dict[str, str]) -> Any:
    """Address and scheme as the application has them."""
    return json.loads((await wire.request("GET", "/x", headers)).text)


async def test_nobody_is_believed_where_no_proxy_is_trusted() -> None:
    io = Server()
    seen: list[Any] = []

    @io.engine.use
    def look(request: Request) -> Response | None:
        seen.append((request.client and request.client[0], request.is_secure))
        return None

    async with HOSTED.serve(io, tell_scope) as wire:
        assert await seen_on(wire, FORWARDED) == ["127.0.0.1", "http"]
        http = await wire.http()
        await http.request("GET", "/x", FORWARDED)
        assert (await http.request("GET", wire.target(), FORWARDED)).status == 200
    assert seen == [("127.0.0.1", False)]


async def test_trusted_proxies_count_for_the_application_too() -> None:
    io = Server(trusted_proxies=["127.0.0.1"])
    async with HOSTED.serve(io, tell_scope) as wire:
        assert await seen_on(wire, FORWARDED) == [CLIENT, "https"]
        assert await seen_on(wire, {"X-Forwarded-For": "<script>"}) == ["127.0.0.1", "http"]


@pytest.mark.parametrize("option", ["proxy_headers", "forwarded_allow_ips"])
async def test_option_of_uvicorn_that_says_the_same_is_refused(option: str) -> None:
    options: dict[str, Any] = {option: "*"}
    with pytest.raises(ValueError, match=f"{option} .*trusted_proxies"):
        await HOSTED.serve(Server(), **options).__aenter__()


async def test_logs_of_requests_have_no_queries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn")
    io = Server()
    async with HOSTED.serve(io, echo_websocket, access_log=True) as wire:
        http = await wire.http()
        await http.get("/x?token=secret")
        first = await http.get(wire.target())
        sid = json.loads(first.text.removeprefix("0"))["sid"]
        await http.post(wire.target(sid=sid), "40")
        request = RawWebSocket.request_headers()
        target = wire.target("websocket", sid=sid)
        check_switched(await http.request("GET", target, request), request)
        await wire.websocket("/ws?token=secret")
    text = "\n".join(caplog.messages)
    assert '"GET /x?... HTTP/1.1"' in text and '"POST /socket.io/?... HTTP/1.1"' in text
    assert '"WebSocket /ws?..."' in text
    assert "secret" not in text and sid not in text


async def test_address_that_is_none_is_not_taken_over(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    app = io.wrap(tell_scope)

    async def liar(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["client"] = ("\x1b[2J\n" + "x" * 1_000, 1)
        await app(scope, receive, send)

    async with HOSTED.serve(Server(path="/other"), liar) as wire:
        assert (await wire.get("/socket.io/?transport=x")).status == 400
    lines = [line for line in caplog.messages if "refused" in line]
    assert len(lines) == 1 and lines[0].startswith("unknown: refused")


# --- applications ---------------------------------------------------------------------------------


async def lifespan(receive: Receive, send: Send) -> None:
    """Begin and end."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Send, body: bytes) -> None:
    """200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def echo_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Send back what comes on a WebSocket."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await answer(send, b"")
    else:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


async def tell_scope(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with where a request comes from."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await answer(send, json.dumps([scope["client"][0], scope["scheme"]]).encode())


async def echo_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await answer(send, str(size).encode())
