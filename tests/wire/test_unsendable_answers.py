"""What a handler returns and cannot be sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import EncodeError, MsgpackParser, Server, Socket, connect

if TYPE_CHECKING:
    from tests.support.fronts import Front

pytestmark = pytest.mark.logs_errors

INTERNAL = {"error": "internal"}


class Failures(list[tuple[str, type[BaseException]]]):
    def __init__(self, io: Server) -> None:
        super().__init__()
        io.on_error(lambda error, failure: self.append((failure.event, type(error))))


@pytest.mark.parametrize("value", [Decimal(1), (1, Decimal(2)), {"a": [Decimal(1)]}, object()])
async def test_answer_that_cannot_be_sent_is_an_error_of_the_application(
    front: Front, transport: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()
    failures = Failures(io)

    @io.event
    async def waits(socket: Socket) -> Any:
        return value

    io.event("plain")(lambda socket: value)
    io.event("two")(lambda socket: None)
    io.event("two")(lambda socket: value)
    io.event("ordered", order="socket")(lambda socket: value)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        events = ["waits", "plain", "two", "ordered"]
        for number, event in enumerate(events):
            await peer.send(f'42{number}["{event}"]')
            assert await peer.receive() == f'43{number}[{{"error":"internal"}}]'
        await peer.send('42["plain"]')
    assert failures == [(event, EncodeError) for event in events]
    for event in events:
        assert f"a handler of {event!r} failed" in caplog.text
    assert "EncodeError" in caplog.text
    assert "do not fit" not in caplog.text


@pytest.mark.parametrize("parser", [None, MsgpackParser()])
async def test_wait_for_an_answer_that_cannot_be_sent_ends(
    front: Front, transport: str, parser: Any
) -> None:
    """On both sides."""
    io = Server(parser=parser)
    failures = Failures(io)
    io.event("ask")(lambda socket: object())
    heard: list[Any] = []
    async with front.serve(io) as wire:
        options: Any = {"path": wire.path, "transports": [transport], "parser": parser}
        async with connect(f"http://{wire.host}:{wire.port}", **options) as client:
            client.manager.on_error(lambda error, _, event: heard.append((event, type(error))))
            client.on("ask", object)
            assert await client.emit_with_ack("ask", timeout=40) == INTERNAL
            (socket,) = io.sockets.values()
            assert await socket.emit_with_ack("ask", timeout=40) == INTERNAL
    assert failures == heard == [("ask", EncodeError)]
