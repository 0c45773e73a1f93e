"""Functions of the application that misunderstand what is wanted of them are named in the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server, Socket
from sockwave.testing import LinkedClient

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.logs_errors


def plain(socket: Socket) -> bool:
    return False


async def waiting(socket: Socket) -> bool:
    return False


def admits(socket: Socket) -> bool:
    return True


def without_arguments() -> None:
    """Takes no socket."""


async def later_without_arguments() -> None:
    """Takes no socket."""


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.levelname in ("WARNING", "ERROR")
    ]


@pytest.mark.parametrize(
    "middlewares",
    [(plain,), (waiting,), (admits, plain), (waiting, plain), (plain, waiting)],
)
async def test_middleware_that_returns_false_is_told_once_to_raise(
    middlewares: tuple[Callable[..., Any], ...], caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()
    for middleware in middlewares:
        io.use(middleware)
    for _ in range(3):
        async with LinkedClient(io) as client:
            assert client.sid is not None
    assert lines(caplog) == [
        (
            "WARNING",
            (
                f"the middleware {__name__}.{middleware.__name__} returned False, which lets the "
                "client in: to refuse it, raise ConnectError"
            ),
        )
        for middleware in middlewares
        if middleware is not admits
    ]


@pytest.mark.parametrize("function", [without_arguments, later_without_arguments])
async def test_middleware_that_takes_no_socket_is_the_applications_fault(
    function: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()
    io.use(function)
    with pytest.raises(Exception, match="Internal server error"):
        await LinkedClient(io).connect()
    ((level, line),) = lines(caplog)
    assert level == "ERROR"
    assert line.startswith(
        f"a middleware of the application cannot be called: {function.__name__}() takes 0 "
    )


async def test_connection_handler_that_takes_no_socket_is_the_applications_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = Server()
    io.on("connection", without_arguments)
    with pytest.raises(Exception, match="Internal server error"):
        await LinkedClient(io).connect()
    ((level, line),) = lines(caplog)
    assert level == "ERROR"
    assert line.startswith(
        "a handler of 'connection' of the application cannot be called: without_arguments() takes 0"
    )


async def test_client_that_sends_too_many_arguments_is_at_fault_also_as_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = Server()
    async with LinkedClient(io) as client:
        (socket,) = io.sockets.values()
        socket.on("connection", without_arguments)
        client.emit("connection", 1)
        await asyncio.sleep(0.05)
    ((level, line),) = lines(caplog)
    assert level == "WARNING"
    assert "arguments of an event do not fit its handler: 'connection'" in line
