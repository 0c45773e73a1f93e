"""A session as its user holds it: handlers, sending, and the request it began with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.engine.core.options import EngineOptions
from sockwave.engine.core.request import Request
from sockwave.engine.server.driver import Driver
from sockwave.engine.server.sessions.session import ServerSession
from sockwave.errors import TextEncodingError
from sockwave.types import SessionId
from tests.engine.core.fakes import FakeTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def run(
    main: Callable[[ServerSession, FakeTransport], Awaitable[None]],
    client: tuple[str, int] | None = ("192.0.2.1", 5_000),
) -> None:
    """Run with an open session in a loop of its own."""

    async def open_session() -> None:
        driver = Driver(EngineOptions(), ended=lambda *args: None, upgraded=lambda session: None)
        driver.bind(asyncio.get_running_loop())
        transport = FakeTransport()
        request = Request("GET", "/engine.io/?EIO=4", {}, client)
        session = ServerSession(SessionId("s"), transport, driver, request)
        transport.receiver = session
        await main(session, transport)

    asyncio.run(open_session())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_messages_go_to_their_handlers_in_order() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        messages: list[str | bytes] = []
        assert session.on("message", messages.append) == messages.append
        transport.receive("4a", b"\x01", "4", "4ü")
        assert messages == ["a", b"\x01", "", "ü"]

    run(main)


def test_message_that_is_not_utf_8_is_left_to_the_transport() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        with pytest.raises(TextEncodingError):
            session.text_received(b"4\xff")

    run(main)


def test_send_takes_text_and_bytes() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        session.send("ü")
        session.send("plain", compress=False)
        session.send(b"\x01")
        session.send(b"", compress=False)
        await settle()
        assert transport.sent == ["4ü", "4plain", "b01", "b"]

    run(main)


def test_messages_of_another_thread_keep_their_order() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        def work() -> None:
            for at in range(50):
                session.send(str(at))

        await asyncio.to_thread(work)
        await settle()
        assert transport.sent == [f"4{at}" for at in range(50)]

    run(main)


def test_handler_is_registered_by_decorator_and_removed() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        calls: list[str] = []

        @session.on("message")
        def first(data: str) -> None:
            calls.append(f"first {data}")

        @session.on("message")
        async def second(data: str) -> None:
            await asyncio.sleep(0)
            calls.append(f"second {data}")

        transport.receive("4a")
        await settle()
        session.off("message", first)
        transport.receive("4b")
        await settle()
        session.off("message")
        transport.receive("4c")
        assert calls == ["first a", "second a", "second b"]

    run(main)


def test_close_handlers_get_what_they_take_once() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        calls: list[Any] = []
        session.on("close", lambda: calls.append(()))
        session.on("close", calls.append)
        session.on("close", lambda reason, description: calls.append((reason, description)))
        transport.lose()
        session.close()
        assert calls == [(), "transport close", ("transport close", "connection lost")]

    run(main)


@pytest.mark.parametrize("is_async", [False, True])
def test_handler_that_fails_leaves_the_session_and_the_others(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        def fail(data: str) -> None:
            raise ValueError("oops")

        async def fail_later(data: str) -> None:
            fail(data)

        messages: list[str] = []
        session.on("message", fail_later if is_async else fail)
        session.on("message", messages.append)
        transport.receive("4a")
        await settle()
        assert (messages, session.is_open) == (["a"], True)

    run(main)
    assert "a handler of the session event 'message' failed" in caplog.text


def test_drain_is_told() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        drained: list[bool] = []
        session.on("drain", lambda: drained.append(True))
        transport.block()
        session.send("x")
        await settle()
        transport.unblock()
        assert drained == [True]

    run(main)


@pytest.mark.parametrize(("client", "address"), [(("192.0.2.1", 5), "192.0.2.1"), (None, "")])
def test_session_knows_where_its_client_is(client: tuple[str, int] | None, address: str) -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        assert session.remote_address == address
        assert session.request.query == {"EIO": "4"}

    run(main, client)


def test_what_cannot_be_a_handler_is_refused() -> None:
    async def main(session: ServerSession, transport: FakeTransport) -> None:
        with pytest.raises(TypeError, match="must be callable"):
            session.on("message", 5)  # type: ignore[call-overload] # the mistake under test
        session.off("message", print)

    run(main)
