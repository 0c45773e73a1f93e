"""A namespace that cannot join is a matter of its own: the others on the connection go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Manager, Socket, SockwaveError, TransportError
from tests.client.servers import native_server

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(outcome: Callable[[], Any]) -> Any:
    return outcome


def asynchronous(outcome: Callable[[], Any]) -> Any:
    async def auth() -> Any:
        await asyncio.sleep(0)
        return outcome()

    return auth


def raising(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize("kind", [plain, asynchronous])
@pytest.mark.parametrize(
    ("fails", "text"),
    [
        (lambda: raising(ValueError("no token")), "no token"),
        (lambda: raising(asyncio.CancelledError()), "CancelledError"),
        (lambda: 7, "not iterable"),
        (lambda: {"a": object()}, "object"),
    ],
    ids=["raises", "is cancelled", "no mapping", "not JSON"],
)
async def test_auth_that_fails_concerns_its_namespace_alone(
    options: dict[str, Any], kind: Callable[[Any], Any], fails: Callable[[], Any], text: str
) -> None:
    calls = 0

    def auth() -> Any:
        nonlocal calls
        calls += 1
        return fails() if calls < 3 else {"token": "s3cret"}

    async with (
        native_server().listen() as listener,
        Manager(listener.url, **options) as manager,
    ):
        main = manager.socket()
        lost: list[Any] = []
        main.on("disconnect", lost.append)
        await main.wait_connected(40)
        private = manager.socket("/private", auth=kind(auth))
        errors: list[SockwaveError] = []
        private.on("connect_error", errors.append)
        main.on("connect_error", lost.append)
        await private.wait_connected(40)
        assert await private.emit_with_ack("who", timeout=40) == {"token": "s3cret"}
        assert await main.emit_with_ack("ack", 1, timeout=40) == 1
        assert not lost
    assert [type(error) for error in errors] == [TransportError, TransportError]
    assert text in str(errors[0])


@pytest.mark.parametrize(
    ("options", "calls"),
    [({"reconnection": False}, 1), ({"reconnection_attempts": 2}, 3)],
    ids=["no reconnection", "two more attempts"],
)
async def test_auth_is_asked_as_often_as_a_connection_is_tried(
    options: dict[str, Any], calls: int
) -> None:
    asked: list[bool] = []

    def auth() -> dict[str, str]:
        asked.append(True)
        if len(asked) <= calls:
            raise ValueError("no token")
        return {"token": "s3cret"}

    async with (
        native_server().listen() as listener,
        Manager(listener.url, reconnection_delay=0.01, **options) as manager,
    ):
        private = manager.socket("/private", auth=auth)
        with pytest.raises(TransportError, match="no token"):
            await private.wait_connected(40)
        assert len(asked) == calls
        await private.wait_connected(40)  # which asks anew


async def test_socket_that_disconnects_is_not_asked_for_auth_any_more() -> None:
    asked: list[bool] = []

    def auth() -> dict[str, str]:
        asked.append(True)
        raise ValueError("no token")

    async with (
        native_server().listen() as listener,
        Manager(listener.url, reconnection_delay=0.01) as manager,
    ):
        main, private = manager.socket(), manager.socket("/private", auth=auth)
        private.on("connect_error", lambda: private.disconnect())
        await main.wait_connected(40)
        for _ in range(3):
            await main.emit_with_ack("ack", timeout=40)
        assert asked == [True]
        assert not private.active


async def test_refused_namespace_joins_on_the_same_connection_when_it_is_told_to() -> None:
    async with (
        native_server().listen() as listener,
        Manager(listener.url) as manager,
    ):
        main, private = manager.socket(), manager.socket("/private")
        await main.wait_connected(40)
        with pytest.raises(ConnectError):
            await private.wait_connected(40)
        before = manager.session_id
        private.auth = {"token": "s3cret"}
        await private.wait_connected(40)
        assert manager.session_id == before


async def test_namespace_that_was_given_up_is_used_as_any_other_when_it_joins_after_all() -> None:
    asked: list[bool] = []

    def auth() -> dict[str, str]:
        asked.append(True)
        if len(asked) <= 2:
            raise ValueError("no token")
        return {"token": "s3cret"}

    async with (
        native_server().listen() as listener,
        Manager(listener.url, reconnection_delay=0.01, reconnection_attempts=1) as manager,
    ):
        await manager.socket().wait_connected(40)
        private = manager.socket("/private", auth=auth)
        with pytest.raises(TransportError, match="no token"):
            await private.wait_connected(40)
        joined = asyncio.Event()
        private.on("connect", joined.set)
        manager.restart()
        await joined.wait()
        async with private.events("echo") as events:
            private.emit("echo", 7)
            await private.drain()
            assert await anext(events) == (7,)


@pytest.mark.parametrize("waits_for_answer", [True, False], ids=["answered", "not yet answered"])
@pytest.mark.parametrize("is_let_in", [True, False], ids=["let in", "refused"])
async def test_socket_that_left_before_the_answer_joins_again(
    options: dict[str, Any], waits_for_answer: bool, is_let_in: bool
) -> None:
    """Its first CONNECT is answered when nobody wants that any more."""
    io = native_server()
    room = io.of("/room")
    tokens: list[Any] = []
    may_answer = asyncio.Event()
    left: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @room.on("connection")
    def serve(socket: Socket) -> None:
        @socket.on("disconnect")
        def gone(reason: str) -> None:
            if not left.done():
                left.set_result(reason)

    @room.use
    async def ask(socket: Socket) -> None:
        tokens.append(socket.handshake.auth)
        await may_answer.wait()
        if len(tokens) == 1 and not is_let_in:
            raise ConnectError("not you")

    async with io.listen() as listener, Manager(listener.url, **options) as manager:
        main = manager.socket()
        await main.wait_connected()
        socket = manager.socket("/room", auth=lambda: {"number": len(tokens)})
        while not tokens:
            await asyncio.sleep(0)
        errors: list[Any] = []
        socket.on("connect_error", errors.append)
        socket.disconnect()
        if waits_for_answer:
            may_answer.set()
            if is_let_in:
                assert await left == "client namespace disconnect"
            for number in range(2):  # behind the answer
                assert await main.emit_with_ack("ack", number) == number
        socket.connect()
        may_answer.set()
        await socket.wait_connected()
        assert tokens == [{"number": 0}, {"number": 1}]
        assert list(room.sockets) == [socket.id]
        assert errors == []
        assert main.connected
