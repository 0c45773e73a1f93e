"""Handlers that ask for parts of the name of their namespace."""

import datetime as dt
import enum
import functools
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from sockwave import ConnectError, Handlers, Router, Server, Socket
from sockwave.testing import LinkedClient


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


async def is_there(io: Server, name: str) -> bool:
    try:
        async with LinkedClient(io, namespace=name):
            return True
    except ConnectError as error:
        if error.message != "Invalid namespace":
            raise
        return False


async def test_all_kinds_of_handlers_get_parts_as_what_they_ask_for() -> None:
    io, router = Server(), Router("/org/{org_id}/{board}")
    heard: list[object] = []

    @router.use
    def middleware(socket: Socket, *, org_id: int) -> None:
        heard.append(("use", org_id))

    @router.on("connection")
    async def connection(socket: Socket, *, board: Color, org_id: str) -> None:
        heard.append(("connection", org_id, board))

    @router.event
    def place(socket: Socket, number: int, *numbers: int, org_id: int, board: Color) -> list[Any]:
        return [number, *numbers, org_id, board.value]

    @router.event(thread=True)
    def in_a_thread(socket: Socket, text: str = "none", *, org_id: int) -> str:
        return f"{text} {org_id!r}"

    @router.event(order="socket")
    async def in_order(socket: Socket, *, org_id: int, more: str = "default") -> str:
        return f"{org_id!r} {more}"

    @router.event(validate=False)
    def as_it_comes(socket: Socket, value: int, *, org_id: int) -> str:
        return f"{value!r} {org_id!r}"

    @router.event
    def without_annotations(socket, *, org_id):  # type: ignore[no-untyped-def] # it is what is tested
        return org_id

    @router.event
    def disconnect(socket: Socket, reason: str, *, org_id: int) -> None:
        heard.append((reason, org_id))

    router.exception_handler(LookupError)(lambda error: "not there")
    io.include(router)
    async with LinkedClient(io, namespace="/org/5/red") as client:
        assert heard == [("use", 5), ("connection", "5", Color.RED)]
        assert await client.emit_with_ack("place", 1, 2, 3) == [1, 2, 3, 5, "red"]
        assert (await client.emit_with_ack("place", "1"))["path"] == "$[0]"
        assert await client.emit_with_ack("in_a_thread") == "none 5"
        assert await client.emit_with_ack("in_a_thread", "a") == "a 5"
        assert await client.emit_with_ack("in_order") == "5 default"
        assert await client.emit_with_ack("as_it_comes", "x") == "'x' 5"
        assert await client.emit_with_ack("without_annotations") == "5"
        assert (await client.emit_with_ack("in_order", 7))["error"] == "validation"
    assert heard[2:] == [("transport close", 5)]
    async with LinkedClient(io, namespace="/org/-12/blue") as client:
        assert await client.emit_with_ack("place", 1) == [1, -12, "blue"]


async def test_name_with_a_part_that_does_not_fit_is_unknown_before_anything_runs() -> None:
    io, router = Server(), Router("/org/{org_id}")
    heard: list[int] = []
    router.use(lambda socket: heard.append(1))
    router.on("connection", lambda socket: heard.append(2))

    @router.event
    def place(socket: Socket, *, org_id: Annotated[int, msgspec.Meta(ge=0)]) -> int:
        return org_id

    io.include(router)
    for name in ("five", "-1", "05", "+5", "5.0", "5 ", "1e3", "٥", "0x5", "1_0"):
        assert not await is_there(io, f"/org/{name}")
    assert heard == []
    assert await is_there(io, f"/org/{10**30}")
    assert heard == [1, 2]


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (str, {"x": "x", "05": "05"}, []),
        (bool, {"true": True, "false": False}, ["1", "True", "yes"]),
        (float, {"1.5": 1.5, "2": 2.0}, ["x"]),
        (
            UUID,
            {str(UUID(int=10)): UUID(int=10)},
            [str(UUID(int=10)).upper(), UUID(int=10).hex, "x"],
        ),
        (dt.date, {"2026-02-03": dt.date(2026, 2, 3)}, ["2026-02-30"]),
        (Literal["a", "b"], {"a": "a"}, ["c"]),
        (Color, {"red": Color.RED}, ["RED", "green"]),
        (int | None, {"5": 5}, ["x"]),
        (Any, {"5": "5"}, []),
    ],
)
async def test_part_of_each_type(annotation: Any, good: dict[str, Any], bad: list[str]) -> None:
    io = Server()
    parts: list[Any] = []

    def connection(socket: Socket, *, part: Any) -> None:
        parts.append(part)

    connection.__annotations__["part"] = annotation
    io.of(re.compile("/x/(?P<part>[^/]+)")).on("connection", connection)
    for text, value in good.items():
        assert await is_there(io, f"/x/{text}")
        (part,) = parts
        assert (part, type(part)) == (value, type(value))
        parts.clear()
    for text in bad:
        assert not await is_there(io, f"/x/{text}")


async def test_next_pattern_is_asked_where_a_part_does_not_fit() -> None:
    io = Server()
    numbers, names = Router("/org/{org_id}"), Router("/org/{name}")

    @numbers.event("who")
    def number(socket: Socket, *, org_id: int) -> str:
        return f"number {org_id}"

    @names.event("who")
    def text(socket: Socket, *, name: str) -> str:
        return f"name {name}"

    io.include(numbers)
    io.include(names)
    for name, expected in (("5", "number 5"), ("05", "name 05"), ("tea", "name tea")):
        async with LinkedClient(io, namespace=f"/org/{name}") as client:
            assert await client.emit_with_ack("who") == expected


async def test_methods_and_part_of_a_pattern_that_may_be_missing() -> None:
    class Board(Handlers):
        def connect(self, socket: Socket, *, number: int = -1) -> None:
            socket.data["number"] = number

        async def get(self, socket: Socket, *, number: int = -1) -> list[int]:
            return [socket.data["number"], number]

    class Own(Board, prefix="own:", per_socket=True):
        pass

    io = Server()
    parent = io.of(re.compile(r"/board(?:-(?P<number>\w+))?"))
    parent.include(Board)
    parent.include(Own)
    for name, number in (("/board-7", 7), ("/board", -1)):
        async with LinkedClient(io, namespace=name) as client:
            assert await client.emit_with_ack("get") == [number] * 2
            assert await client.emit_with_ack("own:get") == [number] * 2
    assert not await is_there(io, "/board-x")

    @parent.event
    def needs_it(socket: Socket, *, number: int) -> None: ...

    assert not await is_there(io, "/board")


async def test_handler_of_one_namespace_of_a_pattern() -> None:
    io = Server()
    io.of(re.compile("/org/(?P<org_id>[^/]+)"))

    def who(socket: Socket, *, org_id: int) -> int:
        return org_id

    io.of("/org/5").event(who)
    with pytest.raises(ValueError, match=r"cannot be one of /org/x: org_id: Expected `int`"):
        io.of("/org/x").event(who)
    assert not io.of("/org/x").listeners("who")
    async with LinkedClient(io, namespace="/org/5") as client:
        assert await client.emit_with_ack("who") == 5


async def test_handler_can_be_found_removed_and_decorated() -> None:
    io = Server()
    org = io.of(re.compile("/org/(?P<org_id>[^/]+)"))

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return [function(*args, **kwargs)]

        return wrapper

    @decorated
    def who(socket: Socket, number: int, *, org_id: int) -> int:
        return org_id + number

    @org.on("connection")
    def connection(socket: Socket, *, org_id: str) -> None: ...

    org.event("who")(who)
    assert org.listeners("who") == [who]
    assert org.listeners("connection") == [connection]
    async with LinkedClient(io, namespace="/org/5") as client:
        assert await client.emit_with_ack("who", 2) == [7]
        assert (await client.emit_with_ack("who", "2"))["path"] == "$"
    org.off("who", who)
    org.off("connection", connection)
    assert not org.listeners("who")
    assert not org.listeners("connection")


def no_such_part(socket: Socket, *, org: int) -> None: ...


def argument_of_the_name(socket: Socket, org_id: int) -> None: ...


def no_text(socket: Socket, *, org_id: list[int]) -> None: ...


def no_json(socket: Socket, *, org_id: re.Pattern[str]) -> None: ...


def not_resolved(socket: Socket, *, org_id: "Missing") -> None: ...  # type: ignore[name-defined] # noqa: F821


def without_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@without_keywords
def decorated(socket: Socket, *, org_id: int) -> None: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (no_such_part, r"nothing is known of 'org', .* these parts: org_id\. "),
        (argument_of_the_name, r"put it behind `\*`, as in `\(socket, \*, org_id: str\)`"),
        (no_text, r"cannot become its type: no text can be one\. Take str"),
        (no_json, r"cannot become its type: nothing is known of how a Pattern"),
        (not_resolved, r"the annotation .*Missing.* of 'org_id' cannot be resolved"),
        (decorated, r"let its decorator take `\*\*kwargs`"),
    ],
)
def test_handler_that_cannot_have_what_it_asks_for_is_refused(handler: Any, said: str) -> None:
    place = rf"{re.escape(__file__)}, line {handler.__code__.co_firstlineno}"
    if handler is decorated:
        place = rf"{re.escape(__file__)}, line "
    io, router = Server(), Router("/org/{org_id}")
    router.event("good")(lambda socket: None)
    router.event("x")(handler)
    with pytest.raises(TypeError, match=rf"{place}.*{said}"):
        io.include(router)
    parent = io.of(re.compile("/org/(?P<org_id>.+)"))
    for register in (parent.event("x"), parent.on("connection"), parent.use):
        with pytest.raises(TypeError, match=said):
            register(handler)
    assert not parent.listeners("x")
    assert not parent.listeners("connection")


def test_parameter_by_name_is_refused_where_a_name_has_no_parts() -> None:
    io = Server()
    for register in (io.event("x"), io.of("/chat").event("x"), io.on("connection"), io.use):
        with pytest.raises(TypeError, match=r"'org'.* these parts: none\. They come from braces"):
            register(no_such_part)

    @io.event
    def fine(socket: Socket, *, more: int = 5, other: "Missing" = 1) -> int:  # type: ignore[name-defined] # noqa: F821
        return more

    assert io.listeners("fine") == [fine]
