"""What a request is refused with, and what becomes of the session (docs/protocol/requests.md)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Engine, HandshakeFailure, Request, Server
from tests.support.apps import echo_engine, ends_of, the_session
from tests.support.raw import RawWebSocket, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fronts import Front, Wire

MESSAGES = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
]


def body_of(code: int) -> bytes:
    return b'{"code":%d,"message":"%b"}' % (code, MESSAGES[code].encode())


def failures_of(io: Server) -> list[HandshakeFailure]:
    failures: list[HandshakeFailure] = []
    io.engine.on("connection_error", failures.append)
    return failures


async def check_refusal(
    front: Front,
    request: Callable[[Wire], Any],
    code: int,
    context: dict[str, Any],
    status: int = 400,
    **options: Any,
) -> None:
    """A polling request gets this error, and the application hears of it."""
    io = Server(**options)
    failures = failures_of(io)
    async with front.serve(io) as wire:
        reply = await request(wire)
        assert reply.status == status
        assert reply.header("content-type") == "application/json"
        assert reply.body == body_of(code)
        (failure,) = failures
        assert (failure.code, failure.message) == (code, MESSAGES[code])
        assert dict(failure.context) == context
        assert failure.request.query.get("EIO") == "4" or code == 5


@pytest.mark.parametrize(
    "transport_name",
    ["constructor", "__proto__", "__class__", "webtransport", "tobi", "", "websocket\x00"],
)
async def test_unknown_transport_is_refused(every_front: Front, transport_name: str) -> None:
    await check_refusal(
        every_front,
        lambda wire: wire.get(wire.target(transport_name)),
        0,
        {"transport": transport_name},
    )


async def test_missing_transport_is_refused(front: Front) -> None:
    await check_refusal(front, lambda wire: wire.get(wire.target(None)), 0, {"transport": ""})


async def test_transport_that_is_off_is_refused(front: Front) -> None:
    await check_refusal(
        front,
        lambda wire: wire.get(wire.target("polling")),
        0,
        {"transport": "polling"},
        transports=["websocket"],
    )


async def test_of_a_repeated_parameter_the_last_one_counts(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(f"{wire.target('__proto__')}&transport=polling")
        assert reply.status == 200
        reply = await wire.get(f"{wire.target('polling')}&transport=__proto__")
        assert reply.body == body_of(0)


@pytest.mark.parametrize("sid", ["unknown", "__proto__", "constructor", "a b"])
async def test_unknown_sid_is_refused(every_front: Front, sid: str) -> None:
    await check_refusal(every_front, lambda wire: wire.get(wire.target(sid=sid)), 1, {"sid": sid})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_handshake_by_another_method_is_refused(front: Front, method: str) -> None:
    await check_refusal(
        front, lambda wire: wire.request(method, wire.target()), 2, {"method": method}
    )


async def test_handshake_by_head_is_refused_without_a_body(front: Front) -> None:
    io = Server()
    failures = failures_of(io)
    async with front.serve(io) as wire:
        reply = await wire.request("HEAD", wire.target())
        assert (reply.status, reply.body) == (400, b"")
        assert failures[0].context == {"method": "HEAD"}


async def test_websocket_handshake_without_an_upgrade_is_refused(front: Front) -> None:
    await check_refusal(
        front,
        lambda wire: wire.get(wire.target("websocket")),
        3,
        {"name": "TRANSPORT_HANDSHAKE_ERROR"},
    )


async def test_polling_request_for_a_session_on_websocket_is_refused(front: Front) -> None:
    io = Server()
    failures = failures_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        reply = await wire.get(wire.target("polling", sid=peer.sid))
        assert (reply.status, reply.body) == (400, body_of(3))
        assert failures[0].context == {
            "name": "TRANSPORT_MISMATCH",
            "transport": "polling",
            "previousTransport": "websocket",
        }
        assert (await peer.connect()).startswith("40{")  # the session goes on


async def test_plain_websocket_request_for_a_polling_session_is_refused(front: Front) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open_polling()
        reply = await wire.get(wire.target("websocket", sid=peer.sid))
        assert reply.body == body_of(3)
        assert (await peer.connect()).startswith("40{")


@pytest.mark.parametrize("eio", ["3", None, "", "5", "4 "])
async def test_session_keeps_to_its_revision(front: Front, eio: str | None) -> None:
    io = Server()
    failures = failures_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        reply = await wire.get(wire.target("polling", eio, sid=peer.sid))
        assert reply.body == body_of(3)
        assert failures[0].context == {
            "name": "PROTOCOL_MISMATCH",
            "protocol": 3,
            "previousProtocol": 4,
        }


@pytest.mark.parametrize("eio", ["3", None, "abc", "04"])
async def test_other_revision_is_refused(front: Front, eio: str | None) -> None:
    await check_refusal(
        front, lambda wire: wire.get(wire.target("polling", eio)), 5, {"protocol": 3}
    )


async def test_illegal_origin_is_refused(native_front: Front) -> None:
    # Other characters than control ones are legal; llhttp lets no control character pass.
    async with native_front.serve(Server(cors="*")) as wire:
        http = await wire.http()
        http.write(f"GET {wire.target()} HTTP/1.1\r\nHost: a\r\nOrigin: a\x01b\r\n\r\n".encode())
        assert (await http.read()).status == 400


# --- allow_request ------------------------------------------------------------------------------


def never(request: Request) -> bool:
    return False


async def never_later(request: Request) -> bool:
    await asyncio.sleep(0)
    return False


def failing(request: Request) -> bool:
    raise RuntimeError("secret")


async def failing_later(request: Request) -> bool:
    await asyncio.sleep(0)
    raise RuntimeError("secret")


@pytest.mark.parametrize("allow", [never, never_later])
async def test_application_refuses_a_session(front: Front, allow: Any) -> None:
    await check_refusal(
        front,
        lambda wire: wire.get(wire.target()),
        4,
        {"message": "Forbidden"},
        status=403,
        allow_request=allow,
    )


@pytest.mark.logs_errors
@pytest.mark.parametrize("allow", [failing, failing_later])
async def test_application_that_fails_refuses_a_session(front: Front, allow: Any) -> None:
    await check_refusal(
        front,
        lambda wire: wire.get(wire.target()),
        4,
        {"message": "Forbidden"},
        status=403,
        allow_request=allow,
    )


def refuse(request: Request) -> bool:
    raise ConnectError("not from there")


async def refuse_later(request: Request) -> bool:
    await asyncio.sleep(0)
    raise ConnectError("not from there")


@pytest.mark.parametrize("allow", [refuse, refuse_later])
async def test_application_says_why_it_refuses(front: Front, allow: Any) -> None:
    engine = Engine(allow_request=allow, generate_id=lambda request: pytest.fail("refused"))
    failures: list[HandshakeFailure] = []
    engine.on("connection_error", failures.append)
    async with front.serve(engine) as wire:
        reply = await wire.get(wire.target())
        assert reply.status == 403
        assert reply.json() == {"code": 4, "message": "not from there"}
        reply = await wire.upgrade(wire.target("websocket"))
        assert (reply.status, reply.body) == (403, b"not from there")
    assert [failure.message for failure in failures] == ["Forbidden", "Forbidden"]
    assert dict(failures[0].context) == {"message": "not from there"}


@pytest.mark.parametrize("allow", [never, never_later])
async def test_application_refuses_a_websocket(front: Front, allow: Any) -> None:
    async with front.serve(Server(allow_request=allow)) as wire:
        reply = await wire.upgrade(wire.target("websocket"))
        assert (reply.status, reply.body) == (403, b"Forbidden")


@pytest.mark.parametrize("answer", [True, None])
@pytest.mark.parametrize("later", [False, True])
async def test_application_allows_a_session(
    front: Front, transport: str, answer: bool | None, later: bool
) -> None:
    asked: list[Request] = []

    def now(request: Request) -> bool | None:
        asked.append(request)
        return answer

    async def soon(request: Request) -> bool | None:
        await asyncio.sleep(0)
        return now(request)

    async with front.serve(Server(allow_request=soon if later else now)) as wire:
        peer = await wire.open(transport, token="t1")
        await peer.connect()  # not asked again
        (request,) = asked
        assert request.query["token"] == "t1"
        assert request.headers["HOST"] == "test.example"
        assert request.client is not None and request.client[0] == "127.0.0.1"


async def test_peer_that_leaves_while_the_application_thinks_leaves_nothing(
    front: Front,
) -> None:
    thinking = asyncio.Event()
    decided = asyncio.Event()

    async def slow(request: Request) -> bool:
        thinking.set()
        await decided.wait()
        return True

    io = Server(allow_request=slow)
    async with front.serve(io) as wire:
        http = await wire.http()
        http.send("GET", wire.target())
        await thinking.wait()
        http.reset()
        await asyncio.sleep(0.02)
        decided.set()
        await until(lambda: not io.engine.sessions)


@pytest.mark.logs_errors
@pytest.mark.parametrize("later", [False, True])
async def test_failing_id_generator_refuses_the_session(front: Front, later: bool) -> None:
    def now(request: Request) -> str:
        raise RuntimeError("secret")

    async def soon(request: Request) -> str:
        raise RuntimeError("secret")

    await check_refusal(
        front,
        lambda wire: wire.get(wire.target()),
        3,
        {"name": "ID_GENERATION_ERROR"},
        generate_id=soon if later else now,
    )


@pytest.mark.logs_errors
@pytest.mark.parametrize("id_", ["", None, 5])
async def test_id_that_is_none_refuses_the_session(native: Front, id_: Any) -> None:
    await check_refusal(
        native,
        lambda wire: wire.get(wire.target()),
        3,
        {"name": "ID_GENERATION_ERROR"},
        generate_id=lambda request: id_,
    )


# --- the form for upgrades ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"transport": "tobi"}, 0),
        ({"transport": "websocket", "sid": "unknown"}, 1),
        ({"transport": "polling"}, 3),
        ({"transport": "websocket", "eio": "3"}, 5),
        ({"transport": "websocket", "eio": None}, 5),
    ],
)
async def test_upgrade_is_refused_before_it_is_answered(
    every_front: Front, query: dict[str, Any], code: int
) -> None:
    io = Server()
    failures = failures_of(io)
    async with every_front.serve(io) as wire:
        http = await wire.http()
        reply = await http.request("GET", wire.target(**query), RawWebSocket.request_headers())
        assert (reply.status, reply.text) == (400, MESSAGES[code])
        assert reply.header("content-type") == "text/html"
        assert reply.header("content-length") == str(len(MESSAGES[code]))
        assert reply.header("connection") == "close"
        assert await http.is_closed()
        assert failures[0].code == code


async def test_upgrade_without_websocket_among_the_transports_is_refused(front: Front) -> None:
    async with front.serve(Server(transports=["polling"])) as wire:
        reply = await wire.upgrade(wire.target("websocket"))
        assert (reply.status, reply.text) == (400, MESSAGES[0])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "*" * 22 + "=="}, 400),
        ({"Sec-WebSocket-Version": "12"}, 400),
    ],
)
async def test_broken_upgrade_is_no_matter_for_the_application(
    native_front: Front, changes: dict[str, str], status: int
) -> None:
    io = Server()
    failures = failures_of(io)
    async with native_front.serve(io) as wire:
        http = await wire.http()
        headers = {**RawWebSocket.request_headers(), **changes}
        reply = await http.request("GET", wire.target("websocket"), headers)
        assert reply.status == status
        assert failures == []


async def test_unknown_version_of_websocket_is_told_the_known_ones(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        reply = await wire.upgrade(wire.target("websocket"), Sec_WebSocket_Version="7")
        assert (reply.status, reply.header("sec-websocket-version")) == (400, "13, 8")


async def test_upgrade_by_post_is_refused(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        http = await wire.http()
        target = wire.target("websocket")
        reply = await http.request("POST", target, RawWebSocket.request_headers())
        assert reply.status == 405


# --- requests of a session ----------------------------------------------------------------------


async def test_overlapping_polls_close_the_session(front: Front) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        peer.gets.send("GET", peer.target)
        await asyncio.sleep(0.01)
        second = await wire.get(peer.target)
        assert second.status == 400
        first = await peer.gets.read()
        assert (first.status, first.body) == (200, b"1")
        assert ends == [("transport error", "overlap from client")]
        assert (await peer.poll()).body == body_of(1)


async def test_overlapping_posts_close_the_session(front: Front) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        peer.gets.send("GET", peer.target)
        peer.posts.send("POST", peer.target, {"Content-Length": "10"}, b"4")
        await asyncio.sleep(0.02)
        http = await wire.http()
        second = await http.post(peer.target, "4x")
        assert second.status == 400
        assert (await peer.gets.read()).body == b"1"
        assert ends == [("transport error", "data request overlap from client")]
        if front.is_native:
            assert await peer.posts.is_closed()
        else:
            assert (await peer.posts.read()).status == 400


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "Application/Octet-Stream; x=1"]
)
async def test_post_of_octets_closes_the_session(front: Front, content_type: str) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        peer.gets.send("GET", peer.target)
        assert (await peer.post(b"\x00\x01", Content_Type=content_type)).status == 400
        assert (await peer.gets.read()).body == b"1"
        assert ends == [("transport error", "invalid content")]


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "application/json", ""])
async def test_other_content_types_do_not_matter(front: Front, content_type: str) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open_polling()
        assert (await peer.post("40", Content_Type=content_type)).body == b"ok"
        assert str(await peer.receive()).startswith("40{")


@pytest.mark.parametrize("eio", ["4", "3"])
@pytest.mark.parametrize("how", ["whole", "announced", "in chunks"])
async def test_too_large_body_is_refused_and_the_session_ends(
    front: Front, how: str, eio: str
) -> None:
    engine, ends = echo_engine(max_payload=100, allow_eio3=True)
    async with front.serve(engine) as wire:
        first = (await wire.get(wire.target("polling", eio))).text
        sid = json.loads(first[first.index("{") :])["sid"]
        target = wire.target("polling", eio, sid=sid)
        gets, posts = await wire.http(), await wire.http()
        gets.send("GET", target)
        await until(lambda: the_session(engine).is_writable)
        if how == "in chunks":
            posts.send("POST", target, {"Transfer-Encoding": "chunked"})
            for _ in range(3):
                posts.write(b"32\r\n" + b"x" * 50 + b"\r\n")
        elif how == "announced":
            posts.send("POST", target, {"Content-Length": "101"})
        else:
            posts.send("POST", target, body=b"4" + b"x" * 100)
        assert (await posts.read()).status == 413
        assert (await gets.read()).text == ("1" if eio == "4" else "1:1")
        assert ends == [("transport error", "payload too large")]
        assert (await wire.get(target)).json() == {"code": 1, "message": "Session ID unknown"}


async def test_too_large_body_for_nobody_ends_nothing(front: Front) -> None:
    engine, ends = echo_engine(max_payload=100)
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        for sid in (peer.sid, "unknown"):
            body = b"4" + b"x" * 100
            reply = await wire.request("POST", wire.target("polling", sid=sid), body=body)
            assert reply.status in (400, 413)
        await peer.send("4a")
        assert await peer.receive() == "4a"
        assert ends == []


async def test_body_of_just_the_limit_is_accepted(front: Front) -> None:
    io = Server(max_payload=100)
    seen: list[str] = []
    io.event("e")(lambda socket, text: seen.append(text))
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        text = "x" * (100 - len('42["e",""]'))
        assert (await peer.post(f'42["e","{text}"]')).body == b"ok"
        peer.posts.send("POST", peer.target, {"Transfer-Encoding": "chunked"})
        peer.posts.write(b'64\r\n42["e","' + text.encode() + b'"]\r\n0\r\n\r\n')
        assert (await peer.posts.read()).body == b"ok"
        assert seen == [text, text]


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_announced_length_counts_before_a_byte_of_the_body(front: Front, method: str) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open_polling()
        peer.posts.send(method, peer.target, {"Content-Length": "100000000"})
        if method == "POST" and not front.is_native:
            peer.posts.write(b"4" * 1_000_001)
        assert (await peer.posts.read()).status in (413, 500)


@pytest.mark.parametrize("body", ["abc", "7", "\x1e", "42\x1e\x1e", ""])
async def test_undecodable_body_is_accepted_and_closes_the_session(front: Front, body: str) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open_polling()
        reply = await peer.post(body)
        assert (reply.status, reply.body) == (200, b"ok")
        assert (await peer.poll()).body == body_of(1)


async def test_packets_before_an_undecodable_one_are_delivered(front: Front) -> None:
    io = Server()
    ends = ends_of(io)
    seen: list[str] = []
    io.event("e")(lambda socket, text: seen.append(text))
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        await peer.post('42["e","a"]\x1e9\x1e42["e","b"]')
        assert seen == ["a"]
        assert ends == [("parse error", "parser error: '9' is no type of a packet")]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
async def test_other_methods_fail_and_the_session_goes_on(front: Front, method: str) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open_polling()
        assert (await wire.request(method, peer.target)).status == 500
        assert (await peer.connect()).startswith("40{")


async def test_post_with_an_unknown_sid_is_refused(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await (await wire.http()).post(wire.target(sid="nobody"), "4x")
        assert (reply.status, reply.body) == (400, body_of(1))


async def test_cors_headers_are_on_errors_too(front: Front) -> None:
    async with front.serve(Server(cors="https://a.example", max_payload=100)) as wire:
        origin = {"Origin": "https://a.example"}
        peer = await wire.open_polling()
        replies = [
            await wire.request("GET", wire.target("tobi"), origin),
            await wire.request("GET", wire.target(sid="x"), origin),
            await wire.request("PUT", peer.target, origin),
            await peer.post("4" + "x" * 100, Origin="https://a.example"),
        ]
        assert [reply.status for reply in replies] == [400, 400, 500, 413]
        for reply in replies:
            assert reply.header("access-control-allow-origin") == "https://a.example", reply


async def test_application_gets_what_is_not_ours(front: Front) -> None:
    async with front.serve(Server()) as wire:
        http = await wire.http()
        for path in ("/other?x=1", "/other/more"):
            reply = await http.get(path)
            if front.is_alone:
                assert reply.status == 404
            else:
                assert reply.text == f"hello {path.partition('?')[0]}"


async def test_one_connection_may_ask_both(front: Front) -> None:
    async with front.serve(Server()) as wire:
        http = await wire.http()
        for _ in range(2):
            assert (await http.get(wire.target())).text.startswith("0{")
            reply = await http.get("/other")
            assert reply.status == 404 if front.is_alone else reply.text == "hello /other"


async def test_request_in_single_bytes_is_the_same_request(front: Front) -> None:
    async with front.serve(Server()) as wire:
        http = await wire.http()
        for path in (wire.target(), "/other", wire.target()):
            for byte in f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode():
                http.write(bytes([byte]))
                await asyncio.sleep(0)
            reply = await http.read()
            assert reply.status == (404 if front.is_alone and path == "/other" else 200)
