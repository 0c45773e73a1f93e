"""What the client emits is what it was at the call, whatever the caller does with it next."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync
from sockwave import EncodeError, MsgpackParser, connect
from tests.client.servers import native_server
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Parser

PARSERS: dict[str, Callable[[], Parser | None]] = {"json": lambda: None, "msgpack": MsgpackParser}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest) -> Parser | None:
    """Of both sides."""
    return PARSERS[request.param]()


class Changing:
    """Arguments that their owner uses again and again."""

    def __init__(self) -> None:
        self.buffer = bytearray(b"abc")
        self.list: list[Any] = [bytearray(b"xyz"), {"a": [1]}]

    def change(self) -> None:
        self.buffer[:] = bytes(3)
        self.list[1]["a"][0] = "changed"
        self.list.append("changed")


KEPT = (b"abc", [b"xyz", {"a": [1]}])


def in_thread_meanwhile(work: Callable[[], object]) -> None:
    """Run in a thread, while the loop, whose thread this is, does nothing."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_thread_may_change_what_it_has_emitted(parser: Parser | None) -> None:
    options: dict[str, Any] = {"parser": parser}
    async with (
        native_server(**options).listen() as listener,
        connect(listener.url, **options) as socket,
    ):
        stream, changing = socket.events("echo"), Changing()
        raised: list[EncodeError] = []

        def work() -> None:
            socket.emit("echo", changing.buffer, changing.list)
            socket.compress(False).emit("echo", changing.buffer, changing.list, ack=print)
            changing.change()
            for emit in (socket.emit, socket.timeout(1).emit, socket.emit_with_ack):
                with pytest.raises(EncodeError) as error:
                    emit("echo", UNSENDABLE)
                raised.append(error.value)

        in_thread_meanwhile(work)
        assert [await anext(stream) for _ in range(2)] == [KEPT, KEPT]
        assert len(raised) == 3


@pytest.mark.parametrize("retries", [0, 2])
async def test_event_that_waits_for_the_connection_does_not_change(
    parser: Parser | None, retries: int
) -> None:
    options: dict[str, Any] = {"parser": parser}
    async with native_server(**options).listen() as listener:
        socket = connect(
            listener.url, auto_connect=False, retries=retries, ack_timeout=5, **options
        )
        stream, changing, seen = socket.events("echo"), Changing(), list[Any]()
        socket.on_any_outgoing(lambda *event: seen.append(event))
        socket.connect()
        socket.emit("echo", changing.buffer, changing.list)
        socket.emit("echo", changing.buffer, changing.list, ack=lambda *answer: None)
        changing.change()
        async with socket:
            assert [await anext(stream) for _ in range(2)] == [KEPT, KEPT]
        assert seen == [("echo", *KEPT)] * 2


async def test_arguments_of_a_wait_are_those_of_the_call(parser: Parser | None) -> None:
    options: dict[str, Any] = {"parser": parser}
    async with (
        native_server(**options).listen() as listener,
        connect(listener.url, **options) as socket,
    ):
        changing = Changing()
        task = asyncio.create_task(socket.emit_with_ack("ack", changing.buffer, changing.list))
        operated = asyncio.create_task(socket.timeout(5).emit_with_ack("ack", changing.list))
        changing.change()
        assert await task == KEPT
        assert await operated == KEPT[1]


async def test_blocking_client_encodes_in_the_thread_that_calls() -> None:
    threads: list[int] = []

    class Noting(MsgpackParser):
        def encode(self, packet: Any) -> Any:
            threads.append(threading.get_ident())
            return super().encode(packet)

    async with native_server(parser=MsgpackParser()).listen() as listener:

        def work() -> None:
            with sockwave.sync.connect(listener.url, parser=Noting()) as socket:
                for call in (socket.emit, socket.emit_with_ack, socket.timeout(1).emit_with_ack):
                    with pytest.raises(EncodeError):
                        call("echo", UNSENDABLE)
                    assert threads[-1] == threading.get_ident()

        await asyncio.to_thread(work)
