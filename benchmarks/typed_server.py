"""The server of `benchmarks/typed.py`: the same work by handlers with annotations and without."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec

import sockwave
from sockwave import Server, Socket

__all__ = ["make_typed_server"]


class Message(msgspec.Struct):
    """What clients send."""

    text: str
    number: int
    tags: list[str]


def make_typed_server(*, is_typed: bool) -> Server:
    """Make a server that is asked for the same thing in several ways.

    Args:
        is_typed: Whether the five handlers that each socket has are checked.
    """
    io = Server()
    io.event(plain)
    io.event(struct)
    io.event(plain_text)
    io.event(struct_text)
    if hasattr(sockwave, "Depends"):
        io.event(_with_dependencies(sockwave.Depends))
    io.on("connection", _typed if is_typed else _untyped)
    return io


def plain(socket, data):  # type: ignore[no-untyped-def] # this is measured
    """Give back what came."""
    return data


def struct(socket: Socket, data: Message) -> Message:
    """The same, checked, and made into an object and back."""
    return data


def plain_text(socket, data):  # type: ignore[no-untyped-def] # this is measured
    """Give back a part of what came."""
    return data["text"]


def struct_text(socket: Socket, data: Message) -> str:
    """The same of an object."""
    return data.text


def _with_dependencies(depends: Any) -> Any:
    """A handler with two dependencies, of which one has the other; both are kept for an event."""

    def settings() -> int:
        return 1

    def user(settings: Annotated[int, depends(settings)]) -> str:
        return "ada"

    def with_dependencies(
        socket: Socket,
        data: Any,
        user: Annotated[str, depends(user)],
        settings: Annotated[int, depends(settings)],
    ) -> Any:
        return data

    # Their names stand in this function, where nobody would look for them.
    user.__annotations__ = {"settings": Annotated[int, depends(settings)], "return": str}
    with_dependencies.__annotations__ = {
        "socket": Socket,
        "data": Any,
        "user": Annotated[str, depends(user)],
        "settings": Annotated[int, depends(settings)],
        "return": Any,
    }
    return with_dependencies


def _untyped(socket: Socket) -> None:
    socket.on("cpu", lambda: time.process_time())

    @socket.on("say")
    def say(message): ...  # type: ignore[no-untyped-def] # this is measured

    @socket.on("move")
    def move(x, y): ...  # type: ignore[no-untyped-def] # this is measured

    @socket.on("rename")
    def rename(name): ...  # type: ignore[no-untyped-def] # this is measured

    @socket.on("tag")
    def tag(tags): ...  # type: ignore[no-untyped-def] # this is measured

    @socket.on("ask")
    def ask(number): ...  # type: ignore[no-untyped-def] # this is measured


def _typed(socket: Socket) -> None:
    socket.on("cpu", lambda: time.process_time())

    @socket.on("say")
    def say(message: Message) -> None: ...

    @socket.on("move")
    def move(x: float, y: float) -> None: ...

    @socket.on("rename")
    def rename(name: str) -> None: ...

    @socket.on("tag")
    def tag(tags: list[str]) -> None: ...

    @socket.on("ask")
    def ask(number: int) -> None: ...
