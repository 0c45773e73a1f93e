"""Events that are declared: what is sent with them, and what our clients make of it."""

from __future__ import annotations

import copy
import enum
import pickle
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
import pytest

from sockwave import (
    AckEvent,
    AckTimeout,
    EncodeError,
    Event,
    EventError,
    Events,
    Server,
    Socket,
    connect,
)
from sockwave.contract.describing import describe
from sockwave.contract.events import declarations
from sockwave.testing import LinkedClient
from tests.support.documents import blocks


class Colour(enum.Enum):
    RED = "red"


@dataclass
class ChatMessage:
    name: str
    text: str


class Question(msgspec.Struct):
    text: str
    picture: bytes = b""


class ServerEvents(Events):
    """What the server says."""

    message: Event[ChatMessage]
    moved: Event[int, int]
    line: Event[str] = Event("chat line")
    painted: Event[Colour, list[Question]]
    closed: Event[()]
    ask: AckEvent[Question, Question]


class More(ServerEvents, namespace="more"):
    extra: Event[int]


class ClientEvents(Events):
    place: AckEvent[ChatMessage, int]


def test_event_is_its_name() -> None:
    name: Any = ServerEvents.line  # to type checkers it is no text
    assert name == "chat line"
    assert {name: 1}["chat line"] == 1
    assert isinstance(ServerEvents.ask, AckEvent)


def test_declarations_tell_all_of_a_class_and_of_its_bases() -> None:
    found = {each.name: each for each in declarations(More)}
    assert list(found) == ["message", "moved", "chat line", "painted", "closed", "ask", "extra"]
    assert found["moved"].arguments == (int, int)
    assert found["closed"].arguments == ()
    assert (found["ask"].arguments, found["ask"].answer) == ((Question,), Question)
    assert found["ask"].has_answer
    assert not found["moved"].has_answer
    assert found["message"].argument_names == ("chatMessage",)
    assert {each.namespace for each in found.values()} == {"/more"}


async def test_what_is_sent_is_converted_whoever_sends_it() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        socket = next(iter(io.sockets.values()))
        io.emit(ServerEvents.message, ChatMessage("ann", "hello"))
        io.to(str(client.sid)).emit(ServerEvents.moved, 3, 4)
        socket.emit(ServerEvents.line, "text")
        socket.compress(True).emit(ServerEvents.painted, Colour.RED, [Question("why", b"\x01")])
        socket.emit(ServerEvents.closed)
        for sockets in (await io.fetch_sockets(),):
            sockets[0].emit(ServerEvents.moved, 1, 2)
        assert [await client.received() for _ in range(6)] == [
            ("message", [{"name": "ann", "text": "hello"}]),
            ("moved", [3, 4]),
            ("chat line", ["text"]),
            ("painted", ["red", [{"text": "why", "picture": b"\x01"}]]),
            ("closed", []),
            ("moved", [1, 2]),
        ]


@pytest.mark.parametrize("development", [False, True])
async def test_arguments_are_counted_always_and_checked_in_development(
    development: bool,
) -> None:
    io = Server(development=development)
    async with LinkedClient(io) as client:
        socket = next(iter(io.sockets.values()))
        wrong: Any = "three"
        target: Any
        for target in (io, io.to(str(client.sid)), socket, socket.compress(False)):
            with pytest.raises(TypeError, match="'moved' of ServerEvents has 2 arguments, got 1"):
                target.emit(ServerEvents.moved, 1)
            if development:
                with pytest.raises(EncodeError, match="'moved', argument 1: Expected `int`"):
                    target.emit(ServerEvents.moved, 1, wrong)
            else:
                target.emit(ServerEvents.moved, 1, wrong)
        io.emit("end")
        expected = [] if development else [("moved", [1, "three"])] * 4
        got = []
        while (event := await client.received()) != ("end", []):
            got.append(event)
        assert got == expected


async def test_answer_has_its_type_and_a_failure_is_raised() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        socket = next(iter(io.sockets.values()))
        answers: list[Any] = [
            {"text": "so", "picture": b"\x02"},
            {"error": "asleep", "message": "not now"},
            {"text": 5},
        ]
        client.on("ask", lambda question: answers.pop(0))
        assert await socket.emit_with_ack(ServerEvents.ask, Question("why")) == Question(
            "so", b"\x02"
        )
        with pytest.raises(EventError, match="not now"):
            await socket.emit_with_ack(ServerEvents.ask, Question("why"))
        with pytest.raises(EventError, match=r"the answer to 'ask': Expected `str`.* at \$.text"):
            await socket.timeout(5).emit_with_ack(ServerEvents.ask, Question("why"))


async def test_answers_to_a_broadcast_have_their_type_and_failures_stand_among_them() -> None:
    io = Server()
    async with LinkedClient(io) as one, LinkedClient(io) as other, LinkedClient(io) as silent:
        one.on("ask", lambda question: {"text": "so", "picture": b"\x02"})
        other.on("ask", lambda question: {"error": "asleep", "message": "not now"})
        io.to(str(one.sid)).sockets_join("asked")
        io.to(str(other.sid)).sockets_join("asked")
        answers = await io.to("asked").emit_with_ack(ServerEvents.ask, Question("why"))
        good = answers.by_socket[io.sockets[str(one.sid)].id]
        assert good == Question("so", b"\x02") and good in answers
        bad = answers.by_socket[io.sockets[str(other.sid)].id]
        assert isinstance(bad, EventError) and (bad.code, len(answers)) == ("asleep", 2)
        with pytest.raises(AckTimeout) as caught:
            await io.emit_with_ack(ServerEvents.ask, Question("why"), timeout=0.05)
        assert sorted(type(each).__name__ for each in caught.value.responses) == [
            "EventError",
            "Question",
        ]
        assert caught.value.missing == (silent.sid,)
        plain = await io.to("asked").emit_with_ack("ask", {"text": "why", "picture": b""})
        assert sorted(type(each).__name__ for each in plain) == ["dict", "dict"]


async def test_linked_client_is_typed_by_the_same_classes() -> None:
    io = Server()

    @io.event
    def place(socket: Socket, message: ChatMessage) -> int:
        if message.text == "no":
            raise EventError("refused", "not that")
        socket.emit(ServerEvents.ask, Question("again?"))
        return len(message.text)

    async with LinkedClient(io) as client:
        heard: list[Question] = []
        client.on(ServerEvents.ask, heard.append)
        assert await client.emit_with_ack(ClientEvents.place, ChatMessage("ann", "five!")) == 5
        with pytest.raises(EventError, match="not that"):
            await client.emit_with_ack(ClientEvents.place, ChatMessage("ann", "no"))
        client.emit(ClientEvents.place, ChatMessage("ann", "more"))
        assert await client.emit_with_ack("place", {"name": "x", "text": "abc"}) == 3
        assert heard == [Question("again?")] * 3


async def test_client_is_typed_by_the_same_classes() -> None:
    io = Server()

    @io.event
    def place(socket: Socket, message: ChatMessage) -> int:
        socket.emit(ServerEvents.message, message)
        socket.emit("message", 5)  # of another type: no handler runs
        socket.emit("chat line", message.text)
        return len(message.text)

    async with io.listen() as bound, connect(f"http://127.0.0.1:{bound.port}") as client:
        heard: list[Any] = []

        @client.on(ServerEvents.message)
        def message(came: ChatMessage) -> None:
            heard.append(came)

        client.on(ServerEvents.line, heard.append)
        assert await client.emit_with_ack(ClientEvents.place, ChatMessage("ann", "hi")) == 2
        assert heard == [ChatMessage("ann", "hi"), "hi"]
        client.off(ServerEvents.message, message)
        assert client.listeners("message") == []


def test_events_of_a_server_are_in_its_contract() -> None:
    io = Server()
    io.declare(ServerEvents)
    io.of("/orders").declare(ClientEvents, More)
    contract = describe(io)
    outgoing = {each.name: [event.name for event in each.outgoing] for each in contract.namespaces}
    assert outgoing["/orders"] == ["place"]
    assert set(outgoing["/"]) == {"message", "moved", "chat line", "painted", "closed", "ask"}
    assert "extra" in outgoing["/more"]
    with pytest.raises(TypeError, match="declare takes classes of Events"):
        io.declare(Question)


def test_type_that_cannot_be_checked_is_refused_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.bad: what is sent with it cannot be checked"):

        class Wrong(Events):
            bad: Event[Server]


class Early(Events):
    later: Event[Later]


def test_names_that_are_there_later_are_found_when_they_are_needed() -> None:
    assert declarations(Early)[0].arguments == (Later,)


class Later(msgspec.Struct):
    number: int


def test_name_that_never_comes_is_named() -> None:
    class Lost(Events):
        event: Event[Nowhere]  # type: ignore[name-defined] # noqa: F821

    io = Server()
    with pytest.raises(TypeError, match=r"Lost\.event: name 'Nowhere' is not defined"):
        io.emit(Lost.event, 1)


async def test_first_block_of_the_page_runs() -> None:
    code, *_ = blocks("declared-events.md", "python")
    scope: dict[str, Any] = {"__name__": __name__}
    exec(compile(code, "declared-events.md", "exec"), scope)  # names of a module's own
    sent = scope["ServerEvents"]
    io = scope["io"]
    async with LinkedClient(io) as client:
        client.on("ask", lambda question: question == "ready?")
        socket = next(iter(io.sockets.values()))
        io.emit(sent.message, scope["ChatMessage"]("ann", "hello"))
        assert await client.received() == ("message", [{"name": "ann", "text": "hello"}])
        assert await socket.emit_with_ack(sent.ask, "ready?") is True


def declare(body: str) -> None:
    """A class of events, whose annotations are text in this module."""
    names: dict[str, Any] = {"Events": Events, "Event": Event, "AckEvent": AckEvent, "Any": Any}
    names |= {"ClassVar": ClassVar, "Final": Final, "__name__": __name__}
    lines = "\n    ".join(body.split("; "))
    exec(f"class E(Events):\n    {lines}", names)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("a: Event", "E.a: say the types of its arguments"),
        ("a: AckEvent", "E.a: say the types of its arguments"),
        ("a = Event('a')", "E.a: say the types of its arguments"),
        ("a: ClassVar[Event[int]]", "E.a: Event has to stand alone as a type"),
        ("a: Final[Event[int]]", "E.a: Event has to stand alone as a type"),
        ("a: Event[int] | None", "E.a: Event has to stand alone as a type"),
        ("a: 'AckEvent[int] | None'", "E.a: Event has to stand alone as a type"),
        ("a: int", "E.a: it is no event"),
        (
            "a: Event[int] = Event('x'); b: Event[str] = Event('x')",
            "E.b: a is an event 'x' already",
        ),
        ("a: Event[()] = Event('connect_error')", 'E.a: "connect_error" is a reserved event'),
        ("disconnect: Event[str]", 'E.disconnect: "disconnect" is a reserved event name'),
        ("a: Event[int, int] = Event(names=('x',))", "E.a: it has 2 arguments, and names of 1"),
        ("a: Event[int, int] = Event(names='xy')", "names takes one for each argument"),
    ],
)
def test_declaration_that_says_something_else_than_it_seems_is_refused(
    body: str, says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        declare(body)


def test_class_of_events_may_have_something_else_of_its_own() -> None:
    declare("a: Event[int]; count: ClassVar[int] = 3; _own: int = 5; later: 'ClassVar[str]'")


def test_event_goes_to_another_process_and_is_copied_with_its_types() -> None:
    event = pickle.loads(pickle.dumps(ServerEvents.moved))
    assert event is ServerEvents.moved
    assert pickle.loads(pickle.dumps(More.moved)) == "moved"
    assert copy.deepcopy([ServerEvents.moved])[0] is ServerEvents.moved
    assert pickle.loads(pickle.dumps(Event("alone"))) == "alone"


def test_event_that_is_declared_twice_with_different_types_is_refused() -> None:
    class Other(Events):
        moved: Event[str]

    class Same(Events):
        moved: Event[int, int]

    io = Server()
    io.declare(ServerEvents, Same)
    describe(io)
    io.declare(Other)
    with pytest.raises(TypeError, match="'moved' of / is declared twice with different types"):
        describe(io)
