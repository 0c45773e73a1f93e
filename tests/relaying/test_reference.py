"""The messages of `@socket.io/cluster-engine` 0.1, as they were captured: what we send is the same
byte by byte, and what we are sent does what it does there. No package of that name is on npm, so it
was not run beside ours."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sockwave import Server, Socket
from sockwave.adapters import Capabilities
from sockwave.engine import Engine
from sockwave.relaying.hub import RelayHub
from sockwave.relaying.node import RelayNode
from sockwave.relaying.polling import SharedPolling
from tests.support.raw import Closed, RawHttp, RawWebSocket, until, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Set as AbstractSet

    from sockwave.adapters import Receiver

SID: Final = "WgzM5a61_OTO6GB_AAAA"
RELAY: Final = "2e898d"
OWNER: Final = "540844"

WANTED: Final = bytes.fromhex(
    "85a972657175657374496401a873656e6465724964a6326538393864a47479706500a46461746183a3736964b457677a"
    "4d356136315f4f544f3647425f41414141ad7472616e73706f72744e616d65a7706f6c6c696e67a474797065a5777269"
    "7465a75f736f75726365a45f65696f"
)
"""A POST has come to 2e898d: who has its session?"""

GRANTED: Final = bytes.fromhex(
    "86a972657175657374496401a873656e6465724964a6353430383434ab726563697069656e744964a6326538393864a4"
    "7479706501a46461746181a773756363657373c3a75f736f75726365a45f65696f"
)
"""540844 has it."""


def to_owner(type_: int, **data: Any) -> bytes:
    """A message of the relay without a question."""
    return encoded(senderId=RELAY, recipientId=OWNER, type=type_, data=data, _source="_eio")


def to_relay(type_: int, **data: Any) -> bytes:
    """One of the owner."""
    return encoded(senderId=OWNER, recipientId=RELAY, type=type_, data=data, _source="_eio")


def encoded(**message: Any) -> bytes:
    """What `@msgpack/msgpack` makes of these keys in this order."""
    return msgspec.msgpack.encode(message)


def granted(request: int, *, success: bool = True) -> bytes:
    """An answer to a question for a lock."""
    return encoded(
        requestId=request,
        senderId=OWNER,
        recipientId=RELAY,
        type=1,
        data={"success": success},
        _source="_eio",
    )


PACKET: Final = to_owner(3, sid=SID, packet={"type": "message", "data": "hi"})
ECHO: Final = {"type": "message", "options": {"compress": True}, "data": "echo hi"}
DRAIN: Final = to_relay(2, sid=SID, packets=[ECHO])


class Wire:
    """A carrier whose other end is the test."""

    capabilities = Capabilities(echoes=True)

    def __init__(self) -> None:
        self.sent: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._receivers: dict[str, Receiver] = {}

    async def start(self) -> None:
        pass

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        self._receivers[channel] = receiver

    def unsubscribe(self, channel: str, address: str) -> None:
        self._receivers.pop(channel, None)

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        if msgspec.msgpack.decode(message)["type"] < 100:  # what is ours is for ours, or oneself
            self.sent.put_nowait((channel, message))

    async def count(self, channel: str) -> int | None:
        return None

    async def aclose(self) -> None:
        pass

    @property
    def channels(self) -> set[str]:
        """Those that are listened to."""
        return set(self._receivers)

    def deliver(self, channel: str, message: bytes) -> None:
        """Bring a message."""
        self._receivers[channel].message_received(message)

    async def next(self) -> tuple[str, bytes]:
        """What was sent next: channel and bytes."""
        sent: tuple[str, bytes] = await within(self.sent.get())
        return sent


@asynccontextmanager
async def member(served: Engine | Server, id_: str) -> AsyncIterator[tuple[Wire, int]]:
    """A server with an id as those of the reference have, and its port."""
    wire, engine = Wire(), served.engine
    engine.polling_kind = SharedPolling
    engine.driver.bind(asyncio.get_running_loop())
    node = RelayNode(wire, engine.driver, id_)
    engine.elsewhere = RelayHub(engine, node)
    node.start()
    async with served.listen(shutdown_timeout=0) as listener:
        assert wire.channels == {"engine.io#", f"engine.io#{id_}#"}
        yield wire, listener.port
    await node.aclose()
    assert not wire.channels


def target(served: Engine | Server, transport: str = "polling", sid: str | None = SID) -> str:
    more = "" if sid is None else f"&sid={sid}"
    return f"{served.engine.options.prefix}?EIO=4&transport={transport}{more}"


# --- the relay ------------------------------------------------------------------------------------


async def test_relay_asks_for_the_owner_of_a_post_and_passes_its_packets_on() -> None:
    engine = Engine()
    async with member(engine, RELAY) as (wire, port):
        http = await RawHttp.connect("127.0.0.1", port)
        http.send("POST", target(engine), None, b"4hi")
        assert await wire.next() == ("engine.io#", WANTED)
        wire.deliver("engine.io#2e898d#", GRANTED)
        assert await wire.next() == ("engine.io#540844#", PACKET)
        reply = await http.read()
        assert (reply.status, reply.body) == (200, b"ok")
        await http.close()


async def test_relay_answers_a_get_with_what_the_owner_drains() -> None:
    engine = Engine()
    async with member(engine, RELAY) as (wire, port):
        http = await RawHttp.connect("127.0.0.1", port)
        http.send("GET", target(engine))
        channel, wanted = await wire.next()
        question = {"sid": SID, "transportName": "polling", "type": "read"}
        assert channel == "engine.io#"
        assert wanted == encoded(requestId=1, senderId=RELAY, type=0, data=question, _source="_eio")
        wire.deliver("engine.io#2e898d#", granted(1))
        wire.deliver("engine.io#2e898d#", DRAIN)
        wire.deliver("engine.io#2e898d#", DRAIN)  # of nobody: a poll is answered once
        reply = await http.read()
        assert (reply.status, reply.body) == (200, b"4echo hi")
        await http.close()


async def test_relay_that_is_refused_a_lock_says_that_the_session_is_unknown() -> None:
    engine = Engine()
    async with member(engine, RELAY) as (wire, port):
        http = await RawHttp.connect("127.0.0.1", port)
        http.send("GET", target(engine))
        await wire.next()
        wire.deliver("engine.io#2e898d#", granted(1, success=False))
        reply = await http.read()
        assert reply.status == 400
        assert reply.json() == {"code": 1, "message": "Session ID unknown"}
        await http.close()


async def test_relay_tells_that_a_client_has_left_its_poll() -> None:
    engine = Engine()
    async with member(engine, RELAY) as (wire, port):
        http = await RawHttp.connect("127.0.0.1", port)
        http.send("GET", target(engine))
        await wire.next()
        wire.deliver("engine.io#2e898d#", granted(1))
        http.reset()
        closed = to_owner(6, sid=SID, reason="transport error")
        assert await wire.next() == ("engine.io#540844#", closed)


async def open_websocket(wire: Wire, served: Engine | Server, port: int) -> RawWebSocket:
    """Go to a WebSocket up to `5`, whose message is the next."""
    http = await RawHttp.connect("127.0.0.1", port)
    http.send("GET", target(served, "websocket"), RawWebSocket.request_headers())
    _, wanted = await wire.next()
    question = {"sid": SID, "transportName": "websocket", "type": "read"}
    assert wanted == encoded(requestId=1, senderId=RELAY, type=0, data=question, _source="_eio")
    wire.deliver("engine.io#2e898d#", granted(1))
    assert (await http.read()).status == 101
    websocket = RawWebSocket(http)
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    websocket.send("5")
    moved = encoded(
        requestId=2,
        senderId=RELAY,
        recipientId=OWNER,
        type=4,
        data={"sid": SID, "success": True},
        _source="_eio",
    )
    assert await wire.next() == ("engine.io#540844#", moved)
    return websocket


def moved_answer(*, take_over: bool, packets: list[Any]) -> bytes:
    return encoded(
        requestId=2,
        senderId=OWNER,
        recipientId=RELAY,
        type=5,
        data={"takeOver": take_over, "packets": packets},
        _source="_eio",
    )


async def test_relay_carries_a_websocket_both_ways() -> None:
    engine = Engine()
    async with member(engine, RELAY) as (wire, port):
        websocket = await open_websocket(wire, engine, port)
        wire.deliver("engine.io#2e898d#", moved_answer(take_over=False, packets=[]))
        websocket.send("4hi")
        assert await wire.next() == ("engine.io#540844#", PACKET)
        websocket.send(b"\x01\x02")
        binary = to_owner(3, sid=SID, packet={"type": "message", "data": b"\x01\x02"})
        assert await wire.next() == ("engine.io#540844#", binary)
        blob = {"type": "message", "options": {"wsPreEncodedFrame": b"x"}, "data": b"\x03"}
        ping = {"type": "ping", "options": {"compress": True}}
        wire.deliver("engine.io#2e898d#", to_relay(2, sid=SID, packets=[ECHO, blob, ping]))
        assert [await websocket.receive() for _ in range(3)] == ["4echo hi", b"\x03", "2"]
        websocket.send("3")
        pong = to_owner(3, sid=SID, packet={"type": "pong"})
        assert await wire.next() == ("engine.io#540844#", pong)
        websocket.frame(8, b"")
        closed = to_owner(6, sid=SID, reason="transport close")
        assert await wire.next() == ("engine.io#540844#", closed)
        await websocket.http.close()


async def test_relay_ends_a_websocket_that_the_owner_closes() -> None:
    engine = Engine()
    async with member(engine, RELAY) as (wire, port):
        websocket = await open_websocket(wire, engine, port)
        wire.deliver("engine.io#2e898d#", moved_answer(take_over=False, packets=[]))
        close = {"type": "close", "options": {"compress": True}}
        wire.deliver("engine.io#2e898d#", to_relay(2, sid=SID, packets=[ECHO, close]))
        assert await websocket.receive() == "4echo hi"
        assert isinstance(await websocket.receive(), Closed)
        await websocket.http.close()


async def test_relay_takes_a_session_over_that_the_owner_leaves_to_it() -> None:
    server, names = Server(), list[str]()

    @server.on("connection")
    def connection(socket: Socket) -> None:
        names.append(socket.handshake.query["transport"])
        socket.on("echo", lambda text: text)

    async with member(server, RELAY) as (wire, port):
        websocket = await open_websocket(wire, server, port)
        connect = {"type": "message", "data": "0"}
        wire.deliver("engine.io#2e898d#", moved_answer(take_over=True, packets=[connect]))
        assert str(await websocket.receive()).startswith('40{"sid":')
        websocket.send('420["echo","hi"]')
        assert await websocket.receive() == '430["hi"]'
        assert list(server.engine.sessions) == [SID]
        assert names == ["websocket"]
        await websocket.http.close()


# --- the owner ------------------------------------------------------------------------------------


def echoing() -> Engine:
    engine = Engine(generate_id=lambda request: SID)

    @engine.on("connection")
    def connection(session: Any) -> None:
        session.on("message", lambda data: session.send(f"echo {data}"))

    return engine


@asynccontextmanager
async def owner(engine: Engine) -> AsyncIterator[tuple[Wire, RawHttp]]:
    """A server that has the session, and the connection on which it was opened."""
    async with member(engine, OWNER) as (wire, port):
        http = await RawHttp.connect("127.0.0.1", port)
        reply = await http.get(target(engine, sid=None))
        assert reply.status == 200
        yield wire, http
        await http.close()


def wanted(request: int, transport: str, kind: str) -> bytes:
    data = {"sid": SID, "transportName": transport, "type": kind}
    return encoded(requestId=request, senderId=RELAY, type=0, data=data, _source="_eio")


async def test_owner_lets_a_post_in_and_drains_its_answer_to_a_poll() -> None:
    async with owner(echoing()) as (wire, _):
        wire.deliver("engine.io#", WANTED)
        assert await wire.next() == ("engine.io#2e898d#", GRANTED)
        wire.deliver("engine.io#540844#", PACKET)
        wire.deliver("engine.io#", wanted(2, "polling", "read"))
        assert await wire.next() == ("engine.io#2e898d#", granted(2))
        assert await wire.next() == ("engine.io#2e898d#", DRAIN)


async def test_owner_says_nothing_of_sessions_that_it_does_not_have() -> None:
    async with owner(echoing()) as (wire, _):
        data = {"sid": "nobody5a61_OTO6GB_AA", "transportName": "polling", "type": "read"}
        unknown = encoded(requestId=1, senderId=RELAY, type=0, data=data, _source="_eio")
        wire.deliver("engine.io#", unknown)
        wire.deliver("engine.io#", WANTED)
        assert await wire.next() == ("engine.io#2e898d#", GRANTED)


async def test_owner_lets_one_poll_wait_at_a_time() -> None:
    engine = echoing()
    async with owner(engine) as (wire, http):
        http.send("GET", target(engine))
        transport = engine.sessions[SID].transport
        await until(lambda: transport.is_writable)
        wire.deliver("engine.io#", wanted(3, "polling", "read"))
        assert await wire.next() == ("engine.io#2e898d#", granted(3, success=False))
        engine.sessions[SID].send("later")
        assert (await http.read()).body == b"4later"


async def test_owner_moves_a_session_to_a_websocket_at_another_server() -> None:
    engine = echoing()
    async with owner(engine) as (wire, _):
        session = engine.sessions[SID]
        wire.deliver("engine.io#", wanted(1, "polling", "read"))
        assert await wire.next() == ("engine.io#2e898d#", granted(1))
        wire.deliver("engine.io#", wanted(2, "websocket", "read"))
        assert await wire.next() == ("engine.io#2e898d#", granted(2))
        noop = {"type": "noop", "options": {"compress": True}}
        assert await wire.next() == ("engine.io#2e898d#", to_relay(2, sid=SID, packets=[noop]))
        wire.deliver("engine.io#", wanted(3, "websocket", "read"))  # another one meanwhile
        assert await wire.next() == ("engine.io#2e898d#", granted(3, success=False))
        moved = encoded(
            requestId=4,
            senderId=RELAY,
            recipientId=OWNER,
            type=4,
            data={"sid": SID, "success": True},
            _source="_eio",
        )
        wire.deliver("engine.io#540844#", moved)
        answer = encoded(
            requestId=4,
            senderId=OWNER,
            recipientId=RELAY,
            type=5,
            data={"takeOver": False, "packets": []},
            _source="_eio",
        )
        assert await wire.next() == ("engine.io#2e898d#", answer)
        assert session.transport.name == "websocket"
        wire.deliver("engine.io#540844#", PACKET)
        assert await wire.next() == ("engine.io#2e898d#", DRAIN)
        closed = to_owner(6, sid=SID, reason="transport close")
        wire.deliver("engine.io#540844#", closed)
        assert SID not in engine.sessions


async def test_owner_ends_a_session_whose_poll_at_another_server_is_left() -> None:
    engine = echoing()
    async with owner(engine) as (wire, _):
        wire.deliver("engine.io#", wanted(1, "polling", "read"))
        await wire.next()
        wire.deliver("engine.io#540844#", to_owner(6, sid=SID, reason="transport error"))
        assert SID not in engine.sessions
