"""What typed handlers get, and what clients are told whose events they do not admit."""

import datetime as dt
import functools
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
import pytest

from sockwave import HandlerFailure, InvalidEvent, Server, Socket
from sockwave.contract import handlers as contract_handlers
from sockwave.contract import plans
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import settle, socket_of
from tests.support.payloads import Cat, Color, Dog, Filter, Item, Point, Size, Upload

if TYPE_CHECKING:
    from sockwave.socketio.server.checking import Validate


class Order(msgspec.Struct):
    id: UUID
    items: list[Item]
    at: dt.datetime | None = None


class Even(msgspec.Struct):
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("odd")
        if self.number == 4:
            raise TypeError("secret of the application")


class User(pydantic.BaseModel):
    name: str
    ages: list[int]


ORDER = {
    "id": "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f",
    "items": [{"name": "tea", "price": "2.50"}],
    "at": "2026-01-02T03:04:05Z",
}


def one(kind: Any) -> Callable[..., Any]:
    """A handler of one argument of a type, which keeps what it gets."""

    def handler(value: kind) -> None:
        handler.got = value  # type: ignore[attr-defined] # for the test

    return handler


GOOD: list[tuple[Any, Any, Any]] = [
    (int, 5, 5),
    (float, 5, 5.0),
    (Decimal, "2.50", Decimal("2.50")),
    (UUID, ORDER["id"], UUID(str(ORDER["id"]))),
    (dt.datetime, "2026-01-02T03:04:05Z", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    (Point, {"x": 1, "y": 2.5}, Point(1.0, 2.5)),
    (Size, [3, 4], Size(3, 4)),
    (Filter, {"limit": 3}, {"limit": 3}),
    (Color, "red", Color.RED),
    (Literal["up", "down"], "up", "up"),
    (Cat | Dog, {"type": "dog", "tricks": ["sit"]}, Dog(["sit"])),
    (dict[int, str], {"1": "a"}, {1: "a"}),
    (Upload, {"name": "a", "parts": [b"\x00", b"\x01"]}, Upload("a", [b"\x00", b"\x01"])),
    (str | bytes, b"\x00", b"\x00"),
    (str | bytes, "text", "text"),
    (int | None, None, None),
    (Annotated[str, msgspec.Meta(max_length=3)], "abc", "abc"),
    (User, {"name": "Ada", "ages": [1]}, User(name="Ada", ages=[1])),
    (list[User], [{"name": "Ada", "ages": []}], [User(name="Ada", ages=[])]),
    (Any, {"a": [1]}, {"a": [1]}),
    (object, [1], [1]),
]

BAD: list[tuple[Any, Any, str, str]] = [
    (int, "5", "$", "Expected `int`, got `str`"),
    (int, True, "$", "Expected `int`, got `bool`"),
    (bytes, "aGk=", "$", "Expected `bytes`, got `str`"),
    (bytes, None, "$", "Expected `bytes`, got `null`"),
    (Order, {**ORDER, "id": 5}, "$.id", "Expected `uuid`, got `int`"),
    (
        Order,
        {**ORDER, "items": [*ORDER["items"], {"name": "tea", "price": "1", "count": 0}]},
        "$.items[1].count",
        "Expected `int` >= 1",
    ),
    (Order, {"items": []}, "$", "Object missing required field `id`"),
    (Point, {"x": 1, "y": "2"}, "$.y", "Expected `float`, got `str`"),
    (Size, [3], "$", "Expected `array` of length 2, got 1"),
    (Filter, {"limit": "3"}, "$.limit", "Expected `int`, got `str`"),
    (Color, "green", "$", "Invalid enum value 'green'"),
    (Cat | Dog, {"type": "cow"}, "$.type", "Invalid value 'cow'"),
    (Cat | Dog, {"type": "dog", "tricks": [1]}, "$.tricks[0]", "Expected `str`, got `int`"),
    (dict[str, int], {"a": "b"}, "$[...]", "Expected `int`, got `str`"),
    (Upload, {"name": "a", "parts": [b"", "x"]}, "$.parts[1]", "Expected `bytes`, got `str`"),
    (str | bytes, 5, "$", "Expected `str`, got `int`"),
    (Even, {"number": 3}, "$", "odd"),
    (Even, {"number": 4}, "$", "Invalid value"),
    (User, {"name": "Ada", "ages": ["x"]}, "$.ages[0]", "Input should be a valid integer"),
    (list[User], [{"name": "Ada", "ages": []}, {}], "$[1].name", "Field required"),
]


@pytest.mark.parametrize(("kind", "sent", "got"), GOOD)
async def test_handler_gets_a_value_of_its_type(kind: Any, sent: Any, got: Any) -> None:
    io = Server()
    handler = one(kind)
    async with LinkedClient(io) as client:
        socket_of(io, client).on("x", handler)
        assert await client.emit_with_ack("x", sent) is None
    assert handler.got == got  # type: ignore[attr-defined] # set by the call
    assert type(handler.got) is type(got)  # type: ignore[attr-defined] # set by the call


@pytest.mark.parametrize(("kind", "sent", "path", "reason"), BAD)
async def test_client_is_told_where_its_event_is_wrong(
    kind: Any, sent: Any, path: str, reason: str
) -> None:
    io = Server()
    handler = one(kind)
    told = {"error": "validation", "event": "x", "path": path}
    async with LinkedClient(io) as client:
        socket_of(io, client).on("x", handler)
        answer = await client.emit_with_ack("x", sent)
        assert {**answer, "reason": ""} == {**told, "reason": ""}
        assert answer["reason"].startswith(reason)
        client.emit("x", sent)
        assert await client.received() == ("error", [answer])
    assert not hasattr(handler, "got")
    assert io.invalid_events == 2


@pytest.mark.parametrize("how", [{}, {"order": "socket"}, {"order": lambda *_: 1}])
@pytest.mark.parametrize("kind", ["plain", "thread", "async"])
async def test_every_way_to_a_handler_is_checked(how: dict[str, Any], kind: str) -> None:
    io, calls = Server(), list[Any]()

    def plain(socket: Socket, number: int, text: str = "none") -> str:
        calls.append((number, text))
        return text

    async def later(socket: Socket, number: int, text: str = "none") -> str:
        return plain(socket, number, text)

    io.event("x", thread=kind == "thread", **how)(later if kind == "async" else plain)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("x", 1, "a") == "a"
        assert await client.emit_with_ack("x", 2) == "none"
        assert await client.emit_with_ack("x", 3, None) == "none"
        answer = await client.emit_with_ack("x", 4, 5)
        assert (answer["path"], answer["reason"]) == ("$[1]", "Expected `str`, got `int`")
        client.emit("x", "6")
        assert (await client.received())[1][0]["path"] == "$[0]"
        assert await client.emit_with_ack("x", 7, "b") == "b"
    assert calls == [(1, "a"), (2, "none"), (3, "none"), (7, "b")]


async def test_null_in_the_middle_stands_for_the_default() -> None:
    io = Server()
    io.event("x")(lambda socket: None)

    @io.event
    def move(socket: Socket, by: int, unit: str = "m", twice: bool = False) -> list[Any]:
        return [by, unit, twice]

    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("move", 1, None, True) == [1, "m", True]
        assert (await client.emit_with_ack("move", None))["path"] == "$[0]"


async def test_each_making_of_a_handler_has_its_own_defaults_and_types() -> None:
    io = Server()

    def make(kind: Any, default: Any) -> Callable[..., Any]:
        def handler(value: kind = default) -> Any:
            return value

        return handler

    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("number", make(int, 1))
        socket.on("two", make(int, 2))
        socket.on("text", make(str, "t"))
        assert await client.emit_with_ack("number", None) == 1
        assert await client.emit_with_ack("two", None) == 2
        assert await client.emit_with_ack("text", None) == "t"
        assert (await client.emit_with_ack("number", "x"))["reason"] == "Expected `int`, got `str`"
        assert (await client.emit_with_ack("text", 1))["reason"] == "Expected `str`, got `int`"


async def test_further_arguments_are_checked_one_by_one() -> None:
    io = Server()

    @io.event
    def add(socket: Socket, name: str, *numbers: int) -> int:
        return sum(numbers)

    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("add", "a", 1, 2) == 3
        assert await client.emit_with_ack("add", "a") == 0
        assert (await client.emit_with_ack("add", "a", 1, "2"))["path"] == "$[2]"


async def test_methods_partials_objects_and_decorated_functions_are_checked() -> None:
    class Counter:
        def add(self, number: int) -> int:
            return number

        def __call__(self, number: int) -> int:
            return number

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @decorated
    def passed_on(number: int) -> int:
        return number

    def two(first: str, number: int) -> int:
        return number

    io = Server()
    handlers: list[Callable[..., Any]] = [
        Counter().add,
        Counter(),
        passed_on,
        functools.partial(two, "a"),
    ]
    async with LinkedClient(io) as client:
        for handler in handlers:
            socket_of(io, client).on("x", handler)
            assert await client.emit_with_ack("x", 5) == 5
            assert (await client.emit_with_ack("x", "5"))["path"] == "$"
            socket_of(io, client).off("x", handler)
            assert not socket_of(io, client).handles("x")


async def test_methods_of_a_socket_can_be_handlers() -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("enter", socket.join)
        socket.on("go", socket.leave)
        socket.on("end", socket.disconnect)

    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        await client.emit_with_ack("enter", "lobby")
        assert socket.rooms == {socket.id, "lobby"}
        await client.emit_with_ack("go", "lobby")
        assert socket.rooms == {socket.id}
        client.emit("end")
        await client.disconnected()


async def test_handler_for_one_call_waits_for_arguments_that_it_admits() -> None:
    io, calls = Server(), list[int]()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)

        @socket.once("x")
        def handler(number: int) -> None:
            calls.append(number)

        assert socket.listeners("x") == [handler]
        client.emit("x", "1")
        client.emit("x", 2)
        client.emit("x", 3)
        await settle()
        assert not socket.handles("x")
    assert calls == [2]


async def test_handler_is_removed_by_what_was_registered() -> None:
    io = Server()

    @io.event(order="socket")
    def x(socket: Socket, number: int) -> None: ...

    assert io.listeners("x") == [x]
    io.off("x", x)
    assert io.listeners("x") == []


@pytest.mark.parametrize("is_awaited", [False, True])
async def test_what_a_handler_returns_is_converted(is_awaited: bool) -> None:
    io, order = Server(), msgspec.convert(ORDER, Order)

    def get(socket: Socket, number: int) -> Order | tuple[Order, Size]:
        return order if number else (order, Size(1, 2))

    async def get_later(socket: Socket, number: int) -> Order | tuple[Order, Size]:
        return get(socket, number)

    io.event("get")(get_later if is_awaited else get)

    @io.event
    def model(socket: Socket) -> User:
        return User(name="Ada", ages=[1])

    @io.event
    def upload(socket: Socket) -> Upload:
        return Upload("a", [b"\x00"])

    wire = {**ORDER, "items": [{"name": "tea", "price": "2.50", "count": 1}]}
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("get", 1) == wire
        assert await client.emit_with_ack("get", 0) == (wire, [1, 2])
        assert await client.emit_with_ack("model") == {"name": "Ada", "ages": [1]}
        plain = {"name": "a", "parts": [b"\x00"], "preview": None}
        assert await client.emit_with_ack("upload") == plain


async def test_what_a_handler_returns_is_checked_in_development(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[str] = []
    for development in (False, True):
        io = Server(development=development)
        io.on_error(lambda error, failure: failures.append(str(error)))

        @io.event
        async def get(socket: Socket) -> list[int]:
            wrong: Any = [1, "2"]
            return wrong  # type: ignore[no-any-return] # it is wrong

        @io.event
        def right(socket: Socket) -> tuple[int, str]:
            return 1, "2"

        async with LinkedClient(io) as client:
            assert await client.emit_with_ack("right") == (1, "2")
            client.emit("get")
            await settle()
    (failure,) = failures
    assert "test_handlers.py" in failure
    assert failure.endswith("Expected `int`, got `str` at $[1]")


async def test_hook_and_counter_and_log_see_what_was_not_admitted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sockwave.socketio")
    io, heard = Server(), list[Any]()

    @io.on_invalid
    def hook(error: InvalidEvent, failure: HandlerFailure) -> None:
        heard.append((failure.socket, failure.event, error.path, error.reason))

    @io.on_invalid
    async def hook_later(error: InvalidEvent, failure: HandlerFailure) -> None:
        heard.append(error.path)

    io.on_error(lambda *args: heard.append("an error"))

    @io.event
    def say(socket: Socket, text: str) -> None: ...

    async with LinkedClient(io) as client:
        for _ in range(3):
            client.emit("say", 5)
        await settle()
        socket = socket_of(io, client)
    assert heard.count((socket, "say", "$", "Expected `str`, got `int`")) == 3
    assert heard.count("$") == 3
    assert len(heard) == 6
    assert io.invalid_events == 3
    lines = [each.getMessage() for each in caplog.records if "not admitted" in each.getMessage()]
    assert len(lines) == 1
    assert "an event was not admitted: 'say': Expected `str`, got `int` at $" in lines[0]


async def test_hook_that_fails_does_not_keep_the_answer_back() -> None:
    io = Server()
    io.on_invalid(lambda error, failure: 1 / 0)
    io.event("say")(one_of_socket)
    async with LinkedClient(io) as client:
        assert (await client.emit_with_ack("say", 5))["error"] == "validation"


def one_of_socket(socket: Socket, text: str) -> None: ...


async def test_too_many_arguments_are_answered_and_told_as_before() -> None:
    io, errors = Server(), list[type[BaseException]]()
    io.on_error(lambda error, failure: errors.append(type(error)))
    io.event("say")(one_of_socket)
    async with LinkedClient(io) as client:
        answer = await client.emit_with_ack("say", "a", "b")
        assert (answer["path"], answer["reason"]) == ("$", "Expected 1 argument, got 2")
        assert (await client.emit_with_ack("say"))["reason"] == "Expected 1 argument, got 0"
    assert errors == [TypeError, TypeError]


async def test_options_decide_what_is_checked_and_told() -> None:
    def number(value: int) -> Any:
        return value

    io = Server(validation_event=None)
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("strict", number)
        socket.on("lax", number, validate="lax")
        socket.on("off", validate=False)(number)
        assert (await client.emit_with_ack("strict", "5"))["path"] == "$"
        assert await client.emit_with_ack("lax", "5") == 5
        assert await client.emit_with_ack("off", "5") == "5"
        client.emit("strict", "5")
        await settle()
        assert client.received_nowait() == []
    ways: list[tuple[Validate, Any]] = [("lax", 5), (False, "5")]
    for validate, answer in ways:
        io = Server(validate=validate, validation_event="invalid")
        async with LinkedClient(io) as client:
            socket_of(io, client).on("x", number)
            socket_of(io, client).on("strict", number, validate=True)
            assert await client.emit_with_ack("x", "5") == answer
            client.emit("strict", "5")
            assert (await client.received())[0] == "invalid"


@pytest.mark.parametrize("options", [{"validate": "no"}, {"validate": 1}, {"validate": None}])
def test_way_to_check_that_there_is_not_is_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="validate must be True, False or 'lax'"):
        Server(**options)


def test_reserved_name_is_refused_for_the_event() -> None:
    with pytest.raises(ValueError, match="reserved"):
        Server(validation_event="disconnect")


async def test_middlewares_and_listeners_of_any_see_what_came() -> None:
    io, seen = Server(), list[Any]()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on_any(lambda *event: seen.append(event))

        @socket.use
        def as_number(event: list[Any]) -> list[Any]:
            return [event[0], int(event[1])]

        @socket.on("x")
        def x(number: int) -> int:
            return number

        assert await client.emit_with_ack("x", "5") == 5
    assert seen == [("x", "5")]


async def test_children_of_a_dynamic_namespace_check_alike() -> None:
    io = Server()

    @io.of(lambda name, auth: True).event
    def x(socket: Socket, number: int) -> int:
        return number

    async with LinkedClient(io, "/a") as client:
        assert await client.emit_with_ack("x", 5) == 5
        assert (await client.emit_with_ack("x", "5"))["path"] == "$"


async def test_life_cycle_events_are_ours() -> None:
    io, gone = Server(), list[str]()

    @io.event
    def disconnect(socket: Socket, reason: int) -> None:
        gone.append(repr(reason))

    async with LinkedClient(io) as client:
        socket_of(io, client).on("error", ignore)
    assert len(gone) == 1


def ignore(error: Exception) -> None: ...


def test_handler_without_annotations_is_left_as_it_is() -> None:
    io = Server()

    def bare(socket, text):  # type: ignore[no-untyped-def] # that is the point
        return text

    def of_any(socket: Socket, text: Any) -> Any:
        return text

    for handler in (bare, of_any, bare):
        io.event("x")(handler)
    assert io.registered.event_handlers["x"] == (bare, of_any, bare)


def test_handler_that_is_registered_anew_is_compiled_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []
    real = plans.make_plan

    def counting(handler: Any, **how: Any) -> Any:
        made.append(handler)
        return real(handler, **how)

    monkeypatch.setattr(contract_handlers, "make_plan", counting)
    io = Server()
    for number in range(10):

        def handler(socket: Socket, order: Order, by: int = number) -> None: ...

        io.event("x")(handler)
        io.event("x")(functools.partial(handler))
    assert len(made) == 2


async def test_each_class_of_binary_may_stand_beside_null() -> None:
    io = Server()
    seen: list[Any] = []

    @io.event
    def array(socket: Socket, value: bytearray | None) -> None:
        seen.append(value)

    @io.event
    def view(socket: Socket, value: memoryview | str) -> None:
        seen.append(value)

    async with LinkedClient(io) as client:
        for event in ("array", "view"):
            assert await client.emit_with_ack(event, b"x") is None
    assert seen == [bytearray(b"x"), memoryview(b"x")]
    assert [type(each) for each in seen] == [bytearray, memoryview]
