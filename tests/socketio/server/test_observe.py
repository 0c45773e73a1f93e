"""What observers of a server are told, by a client in the same process."""

import asyncio
import logging
import re
import threading
from contextvars import ContextVar
from functools import partial
from typing import Any

import msgspec
import pytest

from sockwave import (
    AckTimeout,
    ConnectError,
    Disconnected,
    InMemoryAdapter,
    RateLimits,
    Server,
    Socket,
    TransportError,
)
from sockwave.adapters.adapter import ClusterAdapter
from sockwave.adapters.memory import MemoryBroker
from sockwave.observe import (
    AckReceived,
    AckTimedOut,
    Broadcast,
    ClusterMessageReceived,
    ClusterMessageSent,
    EventReceived,
    EventRefused,
    EventSent,
    HandlerEnded,
    HandlerFailed,
    HandlerStarted,
    LoopLag,
    NodeJoined,
    NodeLeft,
    RateLimited,
    RequestRefused,
    Seen,
    SessionClosed,
    SessionOpened,
    SessionUpgraded,
    SocketConnected,
    SocketDisconnected,
    SocketRefused,
    UpgradeFailed,
)
from sockwave.observe.kinds import KINDS
from sockwave.testing import LinkedClient
from tests.support.documents import DOCS


class Observer:
    """Keeps what it was told."""

    def __init__(self, io: Server, *kinds: type[Seen]) -> None:
        self.seen: list[Any] = []
        io.observe(*(kinds or (Seen,)))(self.told)

    def told(self, seen: Seen) -> None:
        self.seen.append(seen)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.seen if type(each) is kind]

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.seen]


def server(**options: Any) -> Server:
    """One with handlers of all sorts."""
    io = Server(**options)

    @io.event
    def add(socket: Socket, one: int, other: int) -> int:
        return one + other

    @io.event
    async def later(socket: Socket, text: str) -> str:
        await asyncio.sleep(0)
        return text

    @io.event
    def fails(socket: Socket) -> None:
        raise RuntimeError("on purpose")

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("echo")
        def echo(*args: Any) -> None:
            socket.emit("echo", *args)

    return io


async def test_life_of_a_client_is_told_in_order() -> None:
    io = server()
    observer = Observer(io)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("add", 1, 2) == 3
        sid = client.sid
    await asyncio.sleep(0)
    assert observer.kinds() == [
        "SessionOpened",
        "SocketConnected",
        "HandlerStarted",
        "HandlerEnded",
        "EventReceived",
        "HandlerStarted",
        "HandlerEnded",
        "AckSent",
        "SessionClosed",
        "SocketDisconnected",
    ]
    opened, connected = observer.seen[:2]
    assert (opened.transport, opened.protocol, opened.address) == ("websocket", 4, "127.0.0.1")
    assert connected == SocketConnected("/", str(sid), opened.session, recovered=False)
    assert observer.of(SocketDisconnected)[0].reason == observer.of(SessionClosed)[0].reason
    assert [each.event for each in observer.of(HandlerStarted)] == ["connection", "add"]


@pytest.mark.parametrize("carrier", ["websocket", "polling"])
async def test_sizes_are_those_of_the_packets(carrier: Any) -> None:
    io = server()
    observer = Observer(io, EventReceived, EventSent)
    async with LinkedClient(io, transport=carrier) as client:
        client.emit("echo", "x")
        await client.received()
        client.emit("echo", b"abc", [b"defg"])
        await client.received()
    text = len(b'42["echo","x"]')
    placed = b'{"_placeholder":true,"num":%d}'
    binary = len(b'452-["echo",%b,[%b]]' % (placed % 0, placed % 1)) + 7
    assert [each.size for each in observer.of(EventReceived)] == [text, binary]
    sent = [each.size for each in observer.of(EventSent)]
    assert sent[0] == text
    # What is sent has the attachments in the same way; the text may be written otherwise.
    assert sent[1] == binary


async def test_handlers_that_end_later_fail_or_wait_in_a_thread() -> None:
    io = server()

    @io.event(thread=True)
    def threaded(socket: Socket) -> bool:
        return threading.current_thread() is not threading.main_thread()

    observer = Observer(io, HandlerStarted, HandlerEnded, HandlerFailed)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("later", "x") == "x"
        assert await client.emit_with_ack("threaded") is True
        client.emit("fails")
        assert await client.emit_with_ack("add", 1, 1) == 2
    told = [
        (type(each).__name__, each.event) for each in observer.seen if each.event != "connection"
    ]
    assert told == [
        ("HandlerStarted", "later"),
        ("HandlerEnded", "later"),
        ("HandlerStarted", "threaded"),
        ("HandlerEnded", "threaded"),
        ("HandlerStarted", "fails"),
        ("HandlerFailed", "fails"),
        ("HandlerStarted", "add"),
        ("HandlerEnded", "add"),
    ]
    (failed,) = observer.of(HandlerFailed)
    assert str(failed.error) == "on purpose"
    assert all(each.seconds >= 0 for each in observer.of(HandlerEnded))


SPAN: ContextVar[str] = ContextVar("SPAN", default="none")


@pytest.mark.parametrize("order", [None, "socket"])
async def test_what_is_set_at_the_begin_is_seen_by_the_handler_alone(order: Any) -> None:
    io = Server(order=order)
    found: list[str] = []
    at_end: list[str] = []

    @io.observe(HandlerStarted)
    def started(seen: HandlerStarted) -> None:
        assert SPAN.get() == "none"
        SPAN.set(seen.event)

    @io.observe(HandlerEnded)
    def ended(seen: HandlerEnded) -> None:
        at_end.append(SPAN.get())

    @io.event
    async def slow(socket: Socket) -> str:
        found.append(SPAN.get())
        await asyncio.sleep(0)
        found.append(SPAN.get())
        return await asyncio.create_task(_span())

    @io.event
    def quick(socket: Socket) -> str:
        return SPAN.get()

    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("slow") == "slow"
        assert await client.emit_with_ack("quick") == "quick"
        assert await client.emit_with_ack("slow") == "slow"
    assert found == ["slow"] * 4
    assert at_end == ["slow", "quick", "slow"]
    assert SPAN.get() == "none"


async def _span() -> str:
    return SPAN.get()


async def test_answers_of_a_client() -> None:
    io = server()
    observer = Observer(io, EventSent, AckReceived, AckTimedOut)
    async with LinkedClient(io) as client:
        socket = io.sockets[str(client.sid)]

        client.on("ask", lambda: 7)
        assert await socket.emit_with_ack("ask") == 7
        with pytest.raises(AckTimeout):
            await socket.emit_with_ack("nobody", timeout=0)
        waiting = asyncio.ensure_future(socket.emit_with_ack("gone"))
        await asyncio.sleep(0)
    with pytest.raises(Disconnected):
        await waiting
    assert [each.event for each in observer.of(EventSent)] == ["ask", "nobody", "gone"]
    assert all(each.wants_ack for each in observer.of(EventSent))
    assert [each.event for each in observer.of(AckReceived)] == ["ask"]
    timed_out = [(each.event, each.has_left) for each in observer.of(AckTimedOut)]
    assert timed_out == [("nobody", False), ("gone", True)]


@pytest.mark.parametrize("recovery", [False, True])
async def test_broadcasts_and_events_for_one_socket_are_told_apart(recovery: Any) -> None:
    io = server(connection_state_recovery=recovery)
    observer = Observer(io, Broadcast, EventSent)
    async with LinkedClient(io) as one, LinkedClient(io) as other:
        await io.of("/").fetch_sockets()
        io.emit("all", 1)
        io.to(str(one.sid)).emit("one", 1)
        io.sockets[str(other.sid)].broadcast.emit("others", 1)
        io.sockets[sid := str(other.sid)].emit("own", 1)
    told = [(each.event, each.receivers) for each in observer.of(Broadcast)]
    assert told == [("all", 2), ("one", 1), ("others", 1)]
    assert [(each.event, each.socket) for each in observer.of(EventSent)] == [("own", sid)]
    assert observer.of(EventSent)[0].size >= len(b'42["own",1]')


async def test_a_broadcast_in_a_cluster_is_told_where_its_receivers_are() -> None:
    broker = MemoryBroker()
    servers = [Server(adapter=partial(ClusterAdapter, driver=broker.driver())) for _ in range(2)]
    observers = [Observer(io) for io in servers]
    async with LinkedClient(servers[0]), LinkedClient(servers[1]):
        while await servers[0].server_count() < 2 or await servers[1].server_count() < 2:
            await asyncio.sleep(0)
        servers[0].emit("all", 1)
        while not observers[1].of(Broadcast):
            await asyncio.sleep(0)
        assert [each.receivers for each in observers[0].of(Broadcast)] == [1]
        assert [each.receivers for each in observers[1].of(Broadcast)] == [1]
        assert observers[0].of(NodeJoined)
        sent = {each.kind for each in observers[0].of(ClusterMessageSent)}
        came = {each.kind for each in observers[1].of(ClusterMessageReceived)}
        assert "broadcast" in sent & came
    await servers[1].close()
    while not observers[0].of(NodeLeft):
        await asyncio.sleep(0)
    await servers[0].close()


async def test_who_is_refused() -> None:
    io = server(rate_limits=RateLimits(address_sessions=1))

    @io.of("/closed").use
    def closed(socket: Socket) -> None:
        raise ConnectError("members only")

    observer = Observer(io, SocketRefused, RequestRefused, RateLimited)
    with pytest.raises(ConnectError):
        async with LinkedClient(io, "/closed"):
            pass
    with pytest.raises(ConnectError):
        async with LinkedClient(io, "/nowhere"):
            pass
    assert [(each.namespace, each.message) for each in observer.of(SocketRefused)] == [
        ("/closed", "members only"),
        ("/nowhere", "Invalid namespace"),
    ]
    async with LinkedClient(io):
        with pytest.raises(TransportError):
            async with LinkedClient(io):
                pass
    assert [each.code for each in observer.of(RequestRefused)] == [429]
    assert [each.limit for each in observer.of(RateLimited)] == ["address_sessions"]


class Order(msgspec.Struct):
    item: str


async def test_arguments_that_are_not_admitted() -> None:
    io = Server()
    observer = Observer(io, EventReceived, EventRefused)

    @io.event
    def place(socket: Socket, order: Order) -> None: ...

    async with LinkedClient(io) as client:
        answer = await client.emit_with_ack("place", {"item": 5})
        assert answer["error"] == "validation"
    assert [type(each) for each in observer.seen] == [EventReceived, EventRefused]
    (refused,) = observer.of(EventRefused)
    assert (refused.event, refused.path) == ("place", "$.item")


async def test_sockets_that_are_there_tell_from_then_on_and_no_longer_than_wanted() -> None:
    io = server()
    async with LinkedClient(io) as client:
        kind = type(io.sockets[str(client.sid)])
        observer = Observer(io, EventReceived, EventSent)
        client.emit("echo", "x")
        await client.received()
        assert observer.kinds() == ["EventReceived", "EventSent"]
        assert observer.seen[0].size == len(b'42["echo","x"]')
        io.stop_observing(observer.told)
        assert type(io.sockets[str(client.sid)]) is kind is Socket
        client.emit("echo", "x")
        await client.received()
        assert len(observer.seen) == 2


async def test_with_no_observer_sockets_are_plain_ones() -> None:
    io = server()
    io.stop_observing(print)
    observer = Observer(io, SessionOpened, SocketConnected)  # none of events
    async with LinkedClient(io) as client:
        assert type(io.sockets[str(client.sid)]) is Socket
    assert observer.kinds() == ["SessionOpened", "SocketConnected"]


async def test_an_observer_that_fails_is_logged_once_and_taken_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = server()

    @io.observe(EventReceived, SocketConnected)
    def broken(seen: Seen) -> None:
        raise ZeroDivisionError

    observer = Observer(io, EventReceived)
    async with LinkedClient(io) as client:
        for _ in range(3):
            assert await client.emit_with_ack("add", 1, 1) == 2
    (record,) = [each for each in caplog.records if each.name == "sockwave.observe"]
    assert record.levelno == logging.ERROR
    assert "broken" in record.getMessage() and "SocketConnected" in record.getMessage()
    assert len(observer.seen) == 3


def test_what_can_be_observed_and_by_whom() -> None:
    observe: Any = Server().observe

    async def later(seen: Seen) -> None: ...

    cases: list[tuple[tuple[Any, ...], Any, str]] = [
        ((EventReceived,), later, "async"),
        ((), print, "at least one kind"),
        ((int,), print, "none of the kinds"),
        ((EventReceived,), "text", "must be a function"),
    ]
    for kinds, observer, text in cases:
        with pytest.raises(TypeError, match=text):
            observe(*kinds)(observer)


def test_values_are_frozen_and_small() -> None:
    seen = EventReceived("/", "a", "echo", 5, wants_ack=False)
    with pytest.raises(AttributeError):
        seen.size = 6  # type: ignore[misc] # that is what is tested


async def test_how_late_the_loop_is() -> None:
    io = server()
    told: asyncio.Future[LoopLag] = asyncio.get_running_loop().create_future()

    @io.observe(LoopLag)
    def late(seen: LoopLag) -> None:
        if not told.done():
            told.set_result(seen)

    async with LinkedClient(io):
        assert (await told).seconds >= 0
    io.stop_observing(late)


def test_an_adapter_that_is_no_part_of_a_server_tells_nobody() -> None:
    assert not InMemoryAdapter.observers.broadcast
    assert {UpgradeFailed, SessionUpgraded} <= set(KINDS)


def test_the_page_lists_all_kinds_with_their_fields() -> None:
    page = (DOCS / "observing.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    assert [(name, fields.replace("`", "").split(", "), text) for name, fields, text in rows] == [
        (kind.__name__, list(kind.__struct_fields__), (kind.__doc__ or "").split(".\n")[0].strip())
        for kind in KINDS
    ]


# --- counting by the shorter way ------------------------------------------------------------------


class Cell:
    def __init__(self) -> None:
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self.seconds = 0.0
        self.buckets = [0, 0]
        self.failed = 0


class Meter:
    """Counts by cells where it can, and by what it is told elsewhere."""

    bounds: tuple[float, ...] = (60.0,)

    def __init__(self, io: Server) -> None:
        self.come: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        self.told: list[str] = []
        observe: Any = io.observe
        self.functions: frozenset[Any] = frozenset(
            observe(kind)(function)
            for kind, function in (
                (EventReceived, self.on_received),
                (EventSent, self.on_sent),
                (HandlerFailed, self.on_failed),
            )
        )
        io.observers.count_by(self)

    def coming(self, namespace: str, event: str, socket: str) -> Cell:
        cells: dict[str, Cell] = self.come.setdefault(namespace, {})
        return cells.setdefault(event, Cell())

    def going(self, namespace: str, event: str) -> Cell:
        cells: dict[str, Cell] = self.gone.setdefault(namespace, {})
        return cells.setdefault(event, Cell())

    def on_received(self, seen: EventReceived) -> None:
        self.told.append(seen.event)
        cell = self.coming(seen.namespace, seen.event, seen.socket)
        cell.received += 1
        cell.received_bytes += seen.size

    def on_sent(self, seen: EventSent) -> None:
        cell = self.going(seen.namespace, seen.event)
        cell.sent += 1
        cell.sent_bytes += seen.size

    def on_failed(self, seen: HandlerFailed) -> None:
        self.coming(seen.namespace, seen.event, seen.socket).failed += 1

    def numbers(self) -> dict[str, tuple[int, int, int]]:
        """Events received, their bytes, and failures, by name."""
        return {
            name: (cell.received + sum(cell.buckets), cell.received_bytes, cell.failed)
            for name, cell in self.come["/"].items()
        }


@pytest.mark.parametrize("is_observed", [False, True])
async def test_a_meter_counts_the_same_whether_it_is_told_or_not(is_observed: bool) -> None:
    io = server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("own", lambda *args: args or None)
        socket.on("own later", asyncio.sleep)
        socket.on("own fails", lambda: 1 / 0)

    meter = Meter(io)
    if is_observed:
        Observer(io, EventReceived, HandlerEnded, EventSent)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("own", 1) == 1
        client.emit("own", b"x")
        client.emit("own fails")
        await client.emit_with_ack("own later", 0)
        client.emit("nobody's")
        client.emit("echo", "x")
        assert await client.emit_with_ack("add", 1, 2) == 3
        socket = io.sockets[str(client.sid)]
        socket.emit("text", "é")
        socket.emit("binary", b"x")
        socket.emit("wants", "x", ack=print)
    assert meter.numbers() == {
        "own": (2, len('420["own",1]') + len('451-["own",{"_placeholder":true,"num":0}]') + 1, 0),
        "own fails": (1, len('42["own fails"]'), 1),
        "own later": (1, len('421["own later",0]'), 0),
        "nobody's": (1, len('42["nobody\'s"]'), 0),
        "echo": (1, len('42["echo","x"]'), 0),
        "add": (1, len('422["add",1,2]'), 0),
    }
    assert {name: cell.sent for name, cell in meter.gone["/"].items()} == {
        "echo": 1,
        "text": 1,
        "binary": 1,
        "wants": 1,
    }
    assert meter.gone["/"]["text"].sent_bytes == len('42["text","é"]'.encode())
    # By the shorter way it is told of what has no handler of the socket's own, and of attachments.
    assert ("own" in meter.told) is is_observed
    with pytest.raises(RuntimeError, match="counted already"):
        io.observers.count_by(meter)
