"""The msgpack parser of the JavaScript implementation against ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from interop.node import PATIENCE
from sockwave import ConnectError, MsgpackParser, Server, Socket

if TYPE_CHECKING:
    from interop.stage import Stage

pytestmark = pytest.mark.interop

VALUES: list[list[Any]] = [
    [],
    ["text", "😀", 1, -1, 2**40, 1.5, None, True, [], {"a": {"b": [b"1"]}}],
    [b"\x00\xff", {"bytes": b"x" * 1_000}],
]


@pytest.fixture
def echo() -> Server:
    """A server that speaks msgpack, answers and sends back whatever comes."""
    io = Server(parser=MsgpackParser())

    @io.event
    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    return io


@pytest.mark.parametrize("values", VALUES, ids=["nothing", "values", "bytes"])
async def test_values_come_back_unchanged(stage: Stage, echo: Server, values: list[Any]) -> None:
    await stage.serve(echo)
    client = await stage.connect(msgpack=True)
    assert await client.ask("echo", *values) == values
    assert await client.received("echoed") == values


async def test_older_client_gets_values_back_unchanged(stage: Stage, echo: Server) -> None:
    await stage.serve(echo)
    client = await stage.connect(name="sio3", msgpack=True)
    for values in VALUES:
        assert await client.ask("echo", *values) == values
        assert await client.received("echoed") == values


async def test_rooms_and_acknowledgements_of_the_client(stage: Stage, echo: Server) -> None:
    await stage.serve(echo)
    clients = [await stage.connect(msgpack=True) for _ in range(2)]
    for socket in echo.sockets.values():
        socket.join("all")
    echo.to("all").emit("news", b"bytes", {"n": 1})
    for client in clients:
        assert await client.received("news") == [b"bytes", {"n": 1}]


async def test_refusal_has_message_and_data(stage: Stage) -> None:
    io = Server(parser=MsgpackParser())

    @io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("not you", {"code": 7})

    await stage.serve(io)
    (error,) = await stage.client(msgpack=True).next("connect_error")
    assert (error["message"], error["data"]) == ("not you", {"code": 7})


async def test_client_of_the_default_parser_is_sent_away(native_stage: Any, echo: Server) -> None:
    stage = native_stage("websocket")
    await stage.serve(echo)
    opened = asyncio.Event()
    echo.engine.driver.session_ended = _after(echo.engine.driver.session_ended, opened.set)
    stage.client()
    async with asyncio.timeout(PATIENCE):
        await opened.wait()
    assert not echo.sockets


def _after(first: Any, then: Any) -> Any:
    def both(*args: Any) -> None:
        first(*args)
        then()

    return both
