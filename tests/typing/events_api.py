"""Types of events that are declared, as users meet them; mypy and pyright are the test.

Lines with `type: ignore` must be errors: an ignore that is not needed is one itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_type

from sockwave import (
    AckEvent,
    BroadcastAnswers,
    ClientSocket,
    Event,
    EventError,
    Events,
    Server,
    Socket,
)

if TYPE_CHECKING:
    from sockwave.testing import LinkedClient


@dataclass
class Message:
    text: str


@dataclass
class Receipt:
    number: int


class ServerEvents(Events):
    message: Event[Message]
    moved: Event[int, int]
    line: Event[str] = Event("chat line")
    closed: Event[()]
    ask: AckEvent[Message, Receipt]


class ClientEvents(Events):
    place: AckEvent[Message, int, Receipt]


def server(io: Server, socket: Socket) -> None:
    for target in (io, io.to("room"), io.volatile, io.of("/x")):
        target.emit("any", 1, [b""])
    io.emit(ServerEvents.message, Message("hello"))
    io.to("room").emit(ServerEvents.moved, 1, 2)
    io.of("/x").emit(ServerEvents.closed)
    socket.emit(ServerEvents.line, "text")
    socket.broadcast.emit(ServerEvents.ask, Message("anybody?"))
    io.emit(ServerEvents.message, "hello")  # type: ignore[misc]
    io.emit(ServerEvents.message)  # type: ignore[call-arg, misc]
    io.to("room").emit(ServerEvents.moved, 1, "2")  # type: ignore[call-arg, misc]
    io.of("/x").emit(ServerEvents.closed, 1)  # type: ignore[misc]
    socket.emit(ServerEvents.line, b"text")  # type: ignore[misc]
    socket.volatile.emit(ServerEvents.moved, 1)  # type: ignore[misc]
    io.emit(ServerEvents.nothing)  # type: ignore[attr-defined, call-arg]


def untyped(io: Server, socket: Socket, names: list[str], table: dict[str, int]) -> None:
    assert_type(io.sockets["an id"], Socket)
    assert_type(io.of("/x").sockets.get("an id"), Socket | None)
    io.emit("any", names, table, (1, "2"), [names, [table]], b"", None, {"a": [b""]})
    io.to("room").emit("any", names, table)
    socket.emit("any", [1, 2.5, None])
    io.emit("any", object())  # type: ignore[call-overload]
    io.emit("any", {1, 2})  # type: ignore[call-overload]
    socket.emit("any", [object()])  # type: ignore[list-item]
    socket.emit("any", Message("hello"))  # type: ignore[call-overload]


def names(event: str) -> bool:
    return event == ServerEvents.message or event in {ServerEvents.moved, ServerEvents.closed}


async def answers(io: Server, socket: Socket, client: ClientSocket, linked: LinkedClient) -> None:
    assert_type(await socket.emit_with_ack(ServerEvents.ask, Message("why?")), Receipt)
    assert_type(await client.emit_with_ack(ClientEvents.place, Message("tea"), 2), Receipt)
    assert_type(await linked.emit_with_ack(ClientEvents.place, Message("tea"), 2), Receipt)
    everybody = await io.to("room").emit_with_ack(ServerEvents.ask, Message("why?"))
    assert_type(everybody, BroadcastAnswers[Receipt | EventError])
    assert_type(everybody[0], Receipt | EventError)
    untyped_answers: BroadcastAnswers = await io.emit_with_ack("any", 1)
    assert_type(untyped_answers[0], Any)
    await socket.emit_with_ack(ServerEvents.ask, "why?")  # type: ignore[misc]
    await client.emit_with_ack(ClientEvents.place, Message("tea"))  # type: ignore[misc]
    await socket.emit_with_ack(ServerEvents.moved, 1, 2)  # type: ignore[call-overload]


def handlers(client: ClientSocket, linked: LinkedClient) -> None:
    @client.on(ServerEvents.message)
    def message(came: Message) -> None:
        assert_type(came.text, str)

    @client.once(ServerEvents.ask)
    async def ask(question: Message) -> Receipt:
        return Receipt(len(question.text))

    def moved(left: int, right: int) -> None: ...

    client.on(ServerEvents.moved, moved)
    linked.on(ServerEvents.moved, moved)
    client.off(ServerEvents.moved, moved)
    client.on(ServerEvents.message, moved)  # type: ignore[arg-type]
    linked.on(ServerEvents.line, moved)  # type: ignore[arg-type]
