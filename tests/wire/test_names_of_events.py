"""What is no name of an event is refused at the call, in words that say what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync
from sockwave import Engine, Manager, Server, connect
from sockwave.testing import LinkedClient

if TYPE_CHECKING:
    from collections.abc import Callable

NO_NAMES = pytest.mark.parametrize(
    ("name", "kind"), [({"n": 1}, "dict"), ([1], "list"), (7, "int"), (None, "NoneType")]
)


def words(kind: str) -> str:
    return f"^the name of an event must be text, not {kind}$"


@NO_NAMES
def test_server_and_namespaces_emit_only_under_a_name(name: Any, kind: str) -> None:
    io = Server()
    emits: list[Callable[[Any], Any]] = [
        io.emit,
        io.of("/chat").emit,
        io.to("room").emit,
        io.volatile.emit,
        io.emit_with_ack,
        io.server_side_emit,
        io.server_side_emit_with_ack,
    ]
    for emit in emits:
        with pytest.raises(TypeError, match=words(kind)):
            emit(name)


@NO_NAMES
async def test_sockets_of_a_server_emit_only_under_a_name(name: Any, kind: str) -> None:
    io = Server()
    async with LinkedClient(io):
        (socket,) = io.sockets.values()
        operators: list[Any] = [socket, socket.volatile, socket.broadcast, socket.to("room")]
        emits = [*(each.emit for each in operators), socket.emit_with_ack]
        for emit in emits:
            with pytest.raises(TypeError, match=words(kind)):
                emit(name)


@NO_NAMES
async def test_client_emits_only_under_a_name(name: Any, kind: str) -> None:
    socket = connect("http://localhost:9", auto_connect=False)
    for emit in (socket.emit, socket.emit_with_ack, socket.volatile.emit):
        with pytest.raises(TypeError, match=words(kind)):
            emit(name)
    await socket.aclose()


@NO_NAMES
def test_blocking_client_emits_only_under_a_name(name: Any, kind: str) -> None:
    socket = sockwave.sync.connect("http://localhost:9", auto_connect=False)
    for emit in (socket.emit, socket.emit_with_ack, socket.volatile.emit):
        with pytest.raises(TypeError, match=words(kind)):
            emit(name)
    socket.close()


def handler(*args: object) -> None:
    """Handles nothing."""


MISSING = "^the name of the event is missing, as in "


def test_decorator_of_a_server_without_a_name_shows_the_right_form() -> None:
    io = Server()
    right = rf'{MISSING}@io\.event .* or @io\.on\("connection"\)'
    for on in (io.on, io.of("/chat").on):
        with pytest.raises(TypeError, match=right):
            on(handler)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=rf'{MISSING}@socket\.once\("message"\)$'):
        io.once(handler)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=rf'{MISSING}@socket\.on\("message"\)$'):
        Engine().on(handler)  # type: ignore[call-overload]


async def test_decorator_of_a_socket_without_a_name_shows_the_right_form() -> None:
    io = Server()
    async with LinkedClient(io):
        (socket,) = io.sockets.values()
        with pytest.raises(TypeError, match=rf'{MISSING}@socket\.on\("message"\)$'):
            socket.on(handler)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=rf'{MISSING}@socket\.once\("message"\)$'):
            socket.once(handler)  # type: ignore[call-overload]


async def test_decorator_of_a_client_without_a_name_shows_the_right_form() -> None:
    socket = connect("http://localhost:9", auto_connect=False)
    with pytest.raises(TypeError, match=rf'{MISSING}@socket\.on\("message"\)$'):
        socket.on(handler)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=rf'{MISSING}@socket\.on\("message"\)$'):
        Manager("http://localhost:9", auto_connect=False).on(handler)  # type: ignore[call-overload]
    await socket.aclose()


def test_decorator_of_a_blocking_client_without_a_name_shows_the_right_form() -> None:
    socket = sockwave.sync.connect("http://localhost:9", auto_connect=False)
    with pytest.raises(TypeError, match=rf'{MISSING}@socket\.on\("message"\)$'):
        socket.on(handler)  # type: ignore[call-overload]
    socket.close()


def test_middlewares_and_events_need_no_parentheses() -> None:
    io = Server()
    assert io.use(handler) is io.use()(handler) is io.event(handler) is io.event()(handler)
