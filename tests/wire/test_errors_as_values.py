"""What a handler raises and its caller may know: answers on the wire."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import EventError, MsgpackParser, Router, Server, Socket, connect

if TYPE_CHECKING:
    from tests.support.fronts import Front

FULL = '{"error":"sold_out","message":"none left","data":{"left":0}}'


class Failures(list[tuple[str, type[BaseException]]]):
    def __init__(self, io: Server) -> None:
        super().__init__()
        io.on_error(lambda error, failure: self.append((failure.event, type(error))))


def sold_out(*args: object) -> None:
    raise EventError("sold_out", "none left", {"left": 0})


async def sold_out_later(*args: object) -> None:
    await asyncio.sleep(0)
    sold_out()


async def test_error_of_an_event_is_its_answer_whatever_kind_of_handler_raises(
    front: Front, transport: str
) -> None:
    io = Server()
    failures = Failures(io)
    io.event("plain")(sold_out)
    io.event("async")(sold_out_later)
    io.event("thread", thread=True)(sold_out)
    io.event("ordered", order="socket")(sold_out)
    io.event("ordered async", order="socket")(sold_out_later)
    io.event("keyed", order=sold_out)(lambda socket: None)
    io.event("two")(lambda socket: None)
    io.event("two")(sold_out)
    events = ["plain", "async", "thread", "ordered", "ordered async", "keyed", "two"]

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("own", sold_out)
        socket.on("own async", sold_out_later)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        for event in [*events, "own", "own async"]:
            await peer.send(f'421["{event}"]')
            assert await peer.receive() == f"431[{FULL}]"
    assert failures == []


async def test_nothing_is_sent_where_no_answer_is_wanted(front: Front, transport: str) -> None:
    io = Server()
    failures = Failures(io)
    seen: list[str] = []
    io.event("fails")(sold_out)
    io.event("fails later")(sold_out_later)

    @io.event
    def forbidden(socket: Socket) -> None:
        raise PermissionError

    @io.exception_handler(PermissionError)
    def answer(error: PermissionError, socket: Socket) -> str:
        seen.append(socket.id)
        return "no"

    io.event("last")(lambda socket: "last")
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        for event in ("fails", "fails later", "forbidden"):
            await peer.send(f'42["{event}"]')
        await peer.send('427["last"]')
        assert await peer.receive() == '437["last"]'
    assert len(seen) == 1
    assert failures == []


async def test_data_and_message_may_be_missing(native: Front) -> None:
    io = Server()

    @io.event
    def find(socket: Socket) -> None:
        raise EventError("not_found")

    async with native.serve(io) as wire:
        peer = await wire.open("websocket")
        await peer.connect()
        await peer.send('420["find"]')
        assert await peer.receive() == '430[{"error":"not_found","message":""}]'


async def test_handlers_of_exceptions_answer_in_a_namespace_too(
    front: Front, transport: str
) -> None:
    io = Server()

    @io.exception_handler(LookupError)
    async def missing(error: LookupError) -> tuple[str, str]:
        await asyncio.sleep(0)
        return "missing", str(error.args[0])

    shop = Router("/shop")
    shop.event("find")(lambda socket, key: {}[key])
    shop.event("find in order", order="socket")(lambda socket, key: {}[key])
    io.include(shop)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40/shop,")
        assert (await peer.receive())[:10] == '40/shop,{"'
        for event in ("find", "find in order"):
            await peer.send(f'42/shop,3["{event}","x"]')
            assert await peer.receive() == '43/shop,3["missing","x"]'


@pytest.mark.logs_errors
async def test_handler_of_exceptions_that_fails_is_logged_once_and_nobody_waits(
    front: Front, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()
    failures = Failures(io)

    @io.exception_handler(KeyError)
    def broken(error: KeyError) -> None:
        raise ZeroDivisionError("a secret")

    @io.exception_handler(IndexError)
    async def broken_later(error: IndexError) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("a secret")

    @io.event
    async def key(socket: Socket) -> None:
        raise KeyError

    @io.event
    def index(socket: Socket) -> None:
        raise IndexError

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        for event in ("key", "index"):
            await peer.send(f'425["{event}"]')
            assert await peer.receive() == '435[{"error":"internal"}]'
    assert failures == [("key", ZeroDivisionError), ("index", ZeroDivisionError)]
    assert caplog.text.count("a handler of") == 2


@pytest.mark.logs_errors
async def test_data_that_cannot_be_sent_is_an_error_of_the_application(front: Front) -> None:
    io = Server()
    failures = Failures(io)

    @io.event
    def ask(socket: Socket) -> None:
        raise EventError("odd", data=object())

    async with front.serve(io) as wire:
        peer = await wire.open("websocket")
        await peer.connect()
        await peer.send('421["ask"]')
        assert await peer.receive() == '431[{"error":"internal"}]'
    assert [event for event, _ in failures] == ["ask"]


@pytest.mark.parametrize("parser", [None, MsgpackParser()])
async def test_errors_are_answers_on_both_sides_and_with_bytes(
    front: Front, transport: str, parser: Any
) -> None:
    io = Server(parser=parser)
    heard: list[object] = []

    def fail(*args: object) -> None:
        raise EventError("odd", "see data", b"\x00\xff")

    async def fail_later() -> None:
        fail()

    io.event("ask")(fail)
    expected = {"error": "odd", "message": "see data", "data": b"\x00\xff"}
    async with front.serve(io) as wire:
        options: Any = {"path": wire.path, "transports": [transport], "parser": parser}
        async with connect(f"http://{wire.host}:{wire.port}", **options) as client:
            client.manager.on_error(lambda error, *rest: heard.append(error))
            client.on("ask", fail)
            client.on("ask later", fail_later)
            assert await client.emit_with_ack("ask", timeout=40) == expected
            (socket,) = io.sockets.values()
            assert await socket.emit_with_ack("ask", timeout=40) == expected
            assert await socket.emit_with_ack("ask later", timeout=40) == expected
            assert await io.timeout(40).emit_with_ack("ask") == [expected]
    assert heard == []
