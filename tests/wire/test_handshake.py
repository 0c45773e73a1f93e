"""The first exchange of a session (docs/protocol/handshake.md)."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Cookie, Request, Server
from tests.support.apps import echo_engine
from tests.support.fronts import FRONTS
from tests.support.raw import RawHttp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fronts import Front

KEYS = ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
SID = re.compile(r"[0-9A-Za-z_-]{20}")


async def test_open_packet_has_five_keys_in_order(every_front: Front, transport: str) -> None:
    async with every_front.serve(Server()) as wire:
        peer = await wire.open(transport)
        assert list(peer.handshake) == KEYS
        assert SID.fullmatch(peer.sid)
        assert peer.handshake["pingInterval"] == 25_000
        assert peer.handshake["pingTimeout"] == 20_000
        assert peer.handshake["maxPayload"] == 1_000_000


async def test_open_packet_has_no_spaces(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(wire.target("polling"))
        assert re.fullmatch(
            r'0\{"sid":"[^"]{20}","upgrades":\["websocket"\],'
            r'"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}',
            reply.text,
        )


async def test_handshake_response_of_polling_has_these_headers(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(wire.target("polling"))
        assert reply.status == 200
        assert reply.header("content-type") == "text/plain; charset=UTF-8"
        assert reply.header("cache-control") == "no-store"
        assert reply.header("content-length") == str(len(reply.body))
        assert reply.header("set-cookie") is None
        assert reply.header("access-control-allow-origin") is None


async def test_open_packet_tells_the_options(front: Front, transport: str) -> None:
    io = Server(ping_interval=1.5, ping_timeout=0.25, max_payload=1234)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        assert [peer.handshake[key] for key in KEYS[2:]] == [1500, 250, 1234]


async def test_session_on_websocket_has_nothing_to_upgrade_to(front: Front) -> None:
    async with front.serve(Server()) as wire:
        assert (await wire.open_polling()).handshake["upgrades"] == ["websocket"]
        assert (await wire.open_websocket()).handshake["upgrades"] == []


@pytest.mark.parametrize("options", [{"allow_upgrades": False}, {"transports": ["polling"]}])
async def test_no_upgrades_are_announced_when_there_are_none(
    front: Front, options: dict[str, Any]
) -> None:
    async with front.serve(Server(**options)) as wire:
        assert (await wire.open_polling()).handshake["upgrades"] == []


async def test_initial_packet_follows_the_open_packet(front: Front, transport: str) -> None:
    async with front.serve(Server(initial_packet="hello")) as wire:
        peer = await wire.open(transport)
        assert await peer.receive() == "4hello"


async def test_initial_packet_is_in_the_first_payload(front: Front) -> None:
    async with front.serve(Server(initial_packet="hello")) as wire:
        reply = await wire.get(wire.target("polling"))
        assert reply.text.split("\x1e")[1:] == ["4hello"]


async def test_empty_sid_asks_for_a_new_session(front: Front, transport: str) -> None:
    async with front.serve(Server()) as wire:
        assert (await wire.open(transport, sid="")).sid


async def test_query_of_the_application_does_not_disturb(front: Front, transport: str) -> None:
    io = Server()
    queries: list[dict[str, str]] = []
    io.on("connection", lambda socket: queries.append(dict(socket.handshake.query)))
    async with front.serve(io) as wire:
        peer = await wire.open(transport, room="a b&c", t="x1")
        await peer.connect()
    assert queries == [{"EIO": "4", "transport": transport, "room": "a b&c", "t": "x1"}]


async def test_path_goes_on_behind_the_prefix(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get("/socket.io/foo/bar?EIO=4&transport=polling")
        assert reply.status == 200 and reply.text.startswith("0{")


async def test_path_without_its_slash_is_not_ours(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get("/socket.io?EIO=4&transport=polling")
        assert not reply.text.startswith("0{")
        assert reply.status == (404 if front.is_alone else 200)


@pytest.mark.parametrize("path", ["/socket.io", "/socket.io?x=1", "/socket.io/x"])
async def test_without_trailing_slash_the_path_and_what_is_below_are_ours(
    front: Front, path: str
) -> None:
    async with front.serve(Server(add_trailing_slash=False)) as wire:
        mark = "&" if "?" in path else "?"
        reply = await wire.get(f"{path}{mark}EIO=4&transport=polling")
        assert reply.text.startswith("0{")


async def test_server_may_have_another_path(front: Front, transport: str) -> None:
    async with front.serve(Server(path="/live/")) as wire:
        assert wire.path == "/live/"
        assert (await wire.open(transport)).sid


async def test_application_may_make_the_ids(front: Front, transport: str) -> None:
    ids = iter(["first", "second"])

    async def later(request: Request) -> str:
        return next(ids)

    io = Server(generate_id=later)
    async with front.serve(io) as wire:
        prefix = io.engine.id_prefix  # where others share the port
        assert (await wire.open(transport)).sid == f"{prefix}first"
        assert (await wire.open(transport)).sid == f"{prefix}second"


@pytest.mark.parametrize(
    ("cookie", "attributes"),
    [
        (True, "; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(), "; Path=/; HttpOnly; SameSite=Lax"),
        ({"path": None}, "; HttpOnly; SameSite=Lax"),
        ({"path": "/custom"}, "; Path=/custom; HttpOnly; SameSite=Lax"),
        ({"http_only": False}, "; Path=/; SameSite=Lax"),
        ({"same_site": "strict"}, "; Path=/; HttpOnly; SameSite=Strict"),
        ({"same_site": None}, "; Path=/; HttpOnly"),
        (
            {"secure": True, "domain": "a.example", "max_age": 60, "same_site": "none"},
            "; Max-Age=60; Domain=a.example; Path=/; HttpOnly; Secure; SameSite=None",
        ),
        (
            {"partitioned": True, "priority": "high", "secure": True},
            "; Path=/; HttpOnly; Secure; Partitioned; Priority=High; SameSite=Lax",
        ),
    ],
)
async def test_cookie_is_set_with_these_attributes(
    native: Front, cookie: Any, attributes: str
) -> None:
    async with native.serve(Server(cookie=cookie)) as wire:
        reply = await wire.get(wire.target("polling"))
        sid = reply.text.split('"')[3]
        assert reply.header("set-cookie") == f"io={sid}{attributes}"


async def test_cookie_may_have_another_name(front: Front) -> None:
    async with front.serve(Server(cookie={"name": "session"})) as wire:
        reply = await wire.get(wire.target("polling"))
        assert (reply.header("set-cookie") or "").startswith("session=")


async def test_id_in_a_cookie_is_quoted(native: Front) -> None:
    io = Server(cookie=True, generate_id=lambda request: "a; b=ü!'()*~")
    async with native.serve(io) as wire:
        reply = await wire.get(wire.target("polling"))
        assert (reply.header("set-cookie") or "").startswith("io=a%3B%20b%3D%C3%BC!'()*~; Path=/;")


async def test_cookie_is_set_on_the_polling_handshake_only(front: Front) -> None:
    async with front.serve(Server(cookie=True)) as wire:
        assert (await wire.upgrade(wire.target("websocket"))).header("set-cookie") is None
        peer = await wire.open_polling()
        reply = await peer.post("40")
        assert reply.header("set-cookie") is None
        assert (await peer.poll()).header("set-cookie") is None


# --- other sockets than TCP on a port -----------------------------------------------------------


@pytest.mark.unix
async def test_server_listens_on_a_unix_socket(native: Front, tmp_path: Path) -> None:
    engine, _ = echo_engine()
    path = str(tmp_path / "socket")
    async with engine.listen(unix_path=path) as listener:
        assert (listener.host, listener.port) == (path, 0)
        http = RawHttp(*await asyncio.open_unix_connection(path))
        reply = await http.get("/engine.io/?EIO=4&transport=polling")
        assert reply.text.startswith("0{")
        (session,) = engine.sessions.values()
        assert session.request.client is None and session.remote_address == ""
        await http.close()


async def test_server_listens_on_a_socket_that_is_bound(native: Front) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        async with Server().listen(sock=bound) as listener:
            assert listener.port == bound.getsockname()[1]
            assert listener.url == f"http://127.0.0.1:{listener.port}"
            http = await RawHttp.connect("127.0.0.1", listener.port)
            assert (await http.get("/socket.io/?EIO=4&transport=polling")).status == 200
            await http.close()


async def test_port_in_use_is_an_error_of_the_caller(native: Front) -> None:
    async with Server().listen() as listener:
        with pytest.raises(OSError, match="in use"):
            async with Server().listen(port=listener.port):
                pass


async def test_server_may_listen_again(native: Front) -> None:
    io = Server()
    for _ in range(2):
        async with native.serve(io) as wire:
            assert (await (await wire.open_websocket()).connect()).startswith("40{")


def test_server_may_listen_again_in_another_loop() -> None:
    io = Server()

    async def main() -> None:
        async with FRONTS["native"].serve(io) as wire:
            peer = await wire.open_websocket()
            assert (await peer.connect()).startswith("40{")
            io.emit("hello")
            assert await peer.receive() == '42["hello"]'

    for _ in range(2):
        asyncio.run(main())
