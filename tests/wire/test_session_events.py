"""Events of an engine's session: packets, flushes, heartbeat (docs/protocol/engine.md#sessions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave import MsgpackParser, Server, Socket
from sockwave.engine import Session, SessionPacket
from sockwave.engine.server.sessions.session import ServerSession
from tests.support.apps import echo_engine, the_session
from tests.support.raw import UNIT, until

if TYPE_CHECKING:
    from tests.support.fronts import Front


async def test_packets_of_both_directions_are_told(front: Front, transport: str) -> None:
    engine, _ = echo_engine()
    events: list[tuple[str, Any]] = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        for name in ("packet", "packet_create", "flush"):
            session.on(name, lambda what, name=name: events.append((name, what)))

    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.send("4hello", b"\x01")
        assert await peer.receive() == "4hello"
        assert await peer.receive() == b"\x01"
        the_session(engine).send("quiet", compress=False)
        assert await peer.receive() == "4quiet"
    hello, binary = SessionPacket("message", "hello"), SessionPacket("message", b"\x01")
    quiet = SessionPacket("message", "quiet", compress=False)
    assert [what for name, what in events if name == "packet"][:2] == [hello, binary]
    assert [what for name, what in events if name == "packet_create"] == [hello, binary, quiet]
    flushed = [packet for name, what in events if name == "flush" for packet in what]
    assert [packet for packet in flushed if packet.type == "message"] == [hello, binary, quiet]


async def test_session_below_a_socket_has_its_events_too(front: Front, transport: str) -> None:
    io = Server()
    events: list[tuple[Any, ...]] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.conn.on("message", lambda message: events.append(("message", message)))
        socket.conn.on("close", lambda reason, text: events.append(("close", reason)))
        socket.on("disconnect", lambda reason: events.append(("disconnect", reason)))

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('451-["a",{"_placeholder":true,"num":0}]', b"\x01")
        await peer.send("1")
        await until(lambda: events[-1:] == [("close", "transport close")])
    assert events == [
        ("message", '51-["a",{"_placeholder":true,"num":0}]'),
        ("message", b"\x01"),
        ("disconnect", "transport close"),
        ("close", "transport close"),
    ]


@pytest.mark.parametrize(
    ("over", "eio", "options"),
    [
        ("polling", "4", {}),
        ("websocket", "4", {}),
        ("websocket", "4", {"parser": MsgpackParser()}),
        ("websocket", "3", {"allow_eio3": True}),
    ],
    ids=["polling", "websocket", "msgpack", "revision 3"],
)
async def test_engine_below_a_server_tells_of_each_session(
    front: Front, over: str, eio: str, options: dict[str, Any]
) -> None:
    io = Server(**options)
    sessions: list[Session] = []
    ends: list[str] = []

    @io.engine.on("connection")
    def connection(session: Session) -> None:
        sessions.append(session)
        session.on("close", lambda reason, text: ends.append(reason))

    async with front.serve(io) as wire:
        peer = await wire.open(over, EIO=eio)
        (session,) = sessions
        assert io.engine.sessions == {session.id: session}
        await peer.send("1")
        await until(lambda: ends == ["transport close"])


@pytest.mark.parametrize("eio", ["4", "3"])
async def test_heartbeat_is_told(native: Front, eio: str) -> None:
    engine, _ = echo_engine(ping_interval=UNIT, ping_timeout=20 * UNIT, allow_eio3=True)
    beats: list[str] = []
    types: list[str] = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        session.on("packet", lambda packet: types.append(packet.type))
        session.on("heartbeat", lambda: beats.append("beat"))

    async with native.serve(engine) as wire:
        peer = await wire.open_websocket(eio=eio)
        if eio == "4":
            assert await peer.websocket.receive() == "2"
            peer.websocket.send("3")
        else:
            peer.websocket.send("2")
        await until(lambda: beats)
    assert types == ["pong" if eio == "4" else "ping"]
    assert beats == ["beat"]


async def test_upgrade_is_told_when_it_begins_and_when_it_is_done(front: Front) -> None:
    engine, _ = echo_engine()
    events: list[tuple[str, str]] = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        for name in ("upgrading", "upgrade"):
            session.on(name, lambda to, name=name: events.append((name, to.name)))

    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        assert events == [("upgrading", "websocket")]
        websocket.send("5")
        await until(lambda: the_session(engine).upgraded)
        assert events == [("upgrading", "websocket"), ("upgrade", "websocket")]


@pytest.mark.logs_errors
async def test_handler_that_fails_changes_nothing_for_the_packet(native: Front) -> None:
    engine, _ = echo_engine()

    @engine.on("connection")
    def connection(session: Session) -> None:
        session.on("packet", lambda packet: 1 / 0)

    async with native.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send("4hello")
        assert await peer.receive() == "4hello"


async def test_session_that_nobody_looks_at_keeps_the_short_way(native: Front) -> None:
    engine, _ = echo_engine()
    async with native.serve(engine) as wire:
        await wire.open_websocket()
        session = the_session(engine)
        assert type(session) is ServerSession
        session.on("close", print)
        assert type(session) is ServerSession
        session.on("packet", print)
        assert type(session) is not ServerSession


async def test_unknown_packet_is_an_error_packet(native: Front) -> None:
    engine, ends = echo_engine()
    types: list[str] = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        session.on("packet", lambda packet: types.append(packet.type))

    async with native.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send("9what")
        await until(lambda: ends)
    assert types == ["error"]
