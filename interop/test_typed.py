"""Typed handlers and the JavaScript client: the same on both parsers, admitted or refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import pytest

from sockwave import MsgpackParser, Server, Socket
from tests.support.payloads import Cat, Color, Dog, Filter, Item, Point, Size, Upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.stage import Stage

pytestmark = pytest.mark.interop


TYPES: dict[str, Any] = {
    "text": str,
    "int": int,
    "float": float,
    "bool": bool,
    "item": Item,
    "items": list[Item],
    "point": Point,
    "size": Size,
    "filter": Filter,
    "color": Color,
    "literal": Literal["a", 1],
    "pet": Cat | Dog,
    "uuid": UUID,
    "datetime": dt.datetime,
    "date": dt.date,
    "decimal": Decimal,
    "bytes": bytes,
    "upload": Upload,
    "bytes or text": bytes | str,
    "table": dict[str, int],
    "set": set[int],
    "maybe": int | None,
    "anything": Any,
}

ID = "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f"

ADMITTED: list[tuple[str, str, Any]] = [
    ("text", "'Grüße 😀'", "Grüße 😀"),
    ("text", "''", ""),
    ("int", "5", 5),
    ("int", "-0", 0),
    ("int", "5.0", 5),
    ("int", "Number.MAX_SAFE_INTEGER", 2**53 - 1),
    ("int", "-(2 ** 53)", -(2**53)),
    ("float", "1.5", 1.5),
    ("float", "2", 2.0),
    ("float", "1.5e-300", 1.5e-300),  # a whole number past 2 ** 64 the msgpack of clients breaks
    ("float", "-(2 ** 40)", -(2.0**40)),
    ("bool", "true", True),
    ("item", "{name: 'tea', price: '2.50'}", Item("tea", Decimal("2.50"))),
    ("item", "{name: 'tea', price: '1', count: 3, more: undefined}", Item("tea", Decimal(1), 3)),
    ("items", "[{name: 'a', price: '1'}]", [Item("a", Decimal(1))]),
    ("items", "[]", []),
    ("point", "{x: 1, y: 2.5}", Point(1.0, 2.5)),
    ("size", "[3, 4]", Size(3, 4)),
    ("filter", "{}", {}),
    ("filter", "{limit: 3}", {"limit": 3}),
    ("color", "'red'", Color.RED),
    ("literal", "1", 1),
    ("pet", "{type: 'dog', tricks: ['sit']}", Dog(["sit"])),
    ("uuid", f"'{ID}'", UUID(ID)),
    ("datetime", "new Date(0)", dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
    ("datetime", "'2026-01-02T03:04:05Z'", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ("date", "'2026-01-02'", dt.date(2026, 1, 2)),
    ("decimal", "'0.10'", Decimal("0.10")),
    ("bytes", "Buffer.from([0, 255])", b"\x00\xff"),
    ("bytes", "Uint8Array.of(1, 2).buffer", b"\x01\x02"),
    ("bytes", "Buffer.alloc(0)", b""),
    (
        "upload",
        "{name: 'a', parts: [Buffer.from('x'), Uint8Array.of(1)], preview: Buffer.from('y')}",
        Upload("a", [b"x", b"\x01"], b"y"),
    ),
    ("upload", "{name: 'a', parts: [], preview: null}", Upload("a", [])),
    ("bytes or text", "Buffer.from('x')", b"x"),
    ("bytes or text", "'x'", "x"),
    ("table", "{a: 1, 'ключ': 2}", {"a": 1, "ключ": 2}),
    ("set", "[1, 2, 1]", {1, 2}),
    ("maybe", "null", None),
    ("maybe", "undefined", None),
    ("anything", "{a: [Buffer.from('x'), null]}", {"a": [b"x", None]}),
]

REFUSED: list[tuple[str, str, str, str]] = [
    ("text", "5", "$", "Expected `str`, got `int`"),
    ("text", "null", "$", "Expected `str`, got `null`"),
    ("text", "undefined", "$", "Expected `str`, got `null`"),
    ("text", "Buffer.from('x')", "$", "Expected `str`, got `bytes`"),
    ("int", "'5'", "$", "Expected `int`, got `str`"),
    ("int", "1.5", "$", "Expected `int`, got `float`"),
    ("int", "true", "$", "Expected `int`, got `bool`"),
    ("float", "'1.5'", "$", "Expected `float`, got `str`"),
    ("bool", "1", "$", "Expected `bool`, got `int`"),
    ("item", "{name: 'tea'}", "$", "Object missing required field `price`"),
    ("item", "{name: 'tea', price: '1', count: 0}", "$.count", "Expected `int` >= 1"),
    ("items", "[{name: 'a', price: '1'}, {name: 1}]", "$[1].name", "Expected `str`, got `int`"),
    ("point", "[1, 2]", "$", "Expected `object`, got `array`"),
    ("size", "[3]", "$", "Expected `array` of length 2, got 1"),
    ("color", "'green'", "$", "Invalid enum value 'green'"),
    ("literal", "'b'", "$", "Invalid enum value 'b'"),
    ("pet", "{type: 'cow'}", "$.type", "Invalid value 'cow'"),
    ("uuid", "'x'", "$", "Invalid UUID"),
    ("datetime", "'yesterday'", "$", "Invalid RFC3339 encoded datetime"),
    ("bytes", "'AP8='", "$", "Expected `bytes`, got `str`"),
    ("bytes", "[0, 255]", "$", "Expected `bytes`, got `array`"),
    ("upload", "{name: 'a', parts: ['x']}", "$.parts[0]", "Expected `bytes`, got `str`"),
    ("table", "{a: 'x'}", "$[...]", "Expected `int`, got `str`"),
    ("maybe", "{}", "$", "Expected `int | null`, got `object`"),
]


def typed_server(parser: str, seen: list[Any]) -> Server:
    """A server with an event for each type."""
    io = Server(parser=MsgpackParser()) if parser == "msgpack" else Server()
    for name, annotation in TYPES.items():

        def handler(socket: Socket, value: Any) -> bool:
            seen.append(value)
            return True

        handler.__annotations__ = {"socket": Socket, "value": annotation, "return": bool}
        io.event(name)(handler)
    return io


@pytest.fixture(params=["json", "msgpack"])
def parser(request: pytest.FixtureRequest) -> str:
    """Both of them."""
    name: str = request.param
    return name


@pytest.fixture(params=["polling", "websocket"])
def typed_stage(request: pytest.FixtureRequest, native_stage: Callable[[str], Stage]) -> Stage:
    """The native front end with either transport."""
    return native_stage(request.param)


async def test_what_is_admitted_arrives_as_its_type(typed_stage: Stage, parser: str) -> None:
    seen: list[Any] = []
    await typed_stage.serve(typed_server(parser, seen))
    client = await typed_stage.connect(msgpack=parser == "msgpack")
    found = []
    for event, code, _ in ADMITTED:
        answer = await client.run(f"return await socket.emitWithAck({event!r}, {code})")
        found.append((event, code, seen.pop() if answer is True else answer))
        assert not seen
    assert found == ADMITTED
    for (_, _, value), (_, _, expected) in zip(found, ADMITTED, strict=True):
        assert type(value) is type(expected)


async def test_what_is_refused_is_answered_with_place_and_reason(
    typed_stage: Stage, parser: str
) -> None:
    seen: list[Any] = []
    await typed_stage.serve(typed_server(parser, seen))
    client = await typed_stage.connect(msgpack=parser == "msgpack")
    found = []
    for event, code, _, _ in REFUSED:
        answer = await client.run(f"return await socket.emitWithAck({event!r}, {code})")
        assert set(answer) == {"error", "event", "path", "reason"}
        assert (answer["error"], answer["event"]) == ("validation", event)
        found.append((event, code, answer["path"], answer["reason"]))
    assert found == REFUSED
    assert seen == []


async def test_what_is_left_out_or_undefined_stands_for_the_default(
    typed_stage: Stage, parser: str
) -> None:
    io = typed_server(parser, [])

    @io.event
    def say(socket: Socket, text: str, by: str = "nobody", times: int = 1) -> list[Any]:
        return [text, by, times]

    @io.event
    def each(socket: Socket, first: int, *rest: int) -> int:
        return first + sum(rest)

    await typed_stage.serve(io)
    client = await typed_stage.connect(msgpack=parser == "msgpack")
    for code, answer in (
        ("'a'", ["a", "nobody", 1]),
        ("'a', undefined, 2", ["a", "nobody", 2]),
        ("'a', null, null", ["a", "nobody", 1]),
        ("'a', 'ada', undefined", ["a", "ada", 1]),
    ):
        assert await client.run(f"return await socket.emitWithAck('say', {code})") == answer
    for code, path, reason in (
        ("", "$", "Expected 1 to 3 arguments, got 0"),
        ("undefined", "$[0]", "Expected `str`, got `null`"),
        ("'a', 5", "$[1]", "Expected `str`, got `int`"),
        ("'a', 'b', 1, 2", "$", "Expected 1 to 3 arguments, got 4"),
    ):
        args = f"'say', {code}" if code else "'say'"
        refused = await client.run(f"return await socket.emitWithAck({args})")
        assert (refused["path"], refused["reason"]) == (path, reason)
    assert await client.run("return await socket.emitWithAck('each', 1, 2, 3)") == 6
    refused = await client.run("return await socket.emitWithAck('each', 1, 2, undefined)")
    assert (refused["path"], refused["reason"]) == ("$[2]", "Expected `int`, got `null`")


async def test_what_json_does_not_have_is_null_there_and_a_float_in_msgpack(
    typed_stage: Stage, parser: str
) -> None:
    seen: list[Any] = []
    await typed_stage.serve(typed_server(parser, seen))
    client = await typed_stage.connect(msgpack=parser == "msgpack")
    answers = [
        await client.run(f"return await socket.emitWithAck('float', {code})")
        for code in ("NaN", "Infinity", "-Infinity")
    ]
    if parser == "json":
        assert [answer["reason"] for answer in answers] == ["Expected `float`, got `null`"] * 3
    else:
        assert answers == [True] * 3
        assert str(seen) == "[nan, inf, -inf]"


async def test_without_an_acknowledgement_an_event_error_comes(
    typed_stage: Stage, parser: str
) -> None:
    await typed_stage.serve(typed_server(parser, []))
    client = await typed_stage.connect(msgpack=parser == "msgpack")
    await client.emit("upload", {"name": "a", "parts": [b"x", "y"]})
    (error,) = await client.received("error")
    assert error == {
        "error": "validation",
        "event": "upload",
        "path": "$.parts[1]",
        "reason": "Expected `bytes`, got `str`",
    }


async def test_what_a_handler_returns_arrives_as_plain_values(
    typed_stage: Stage, parser: str
) -> None:
    io = Server(parser=MsgpackParser()) if parser == "msgpack" else Server()

    @io.event
    def order(socket: Socket) -> Item:
        return Item("tea", Decimal("2.50"), 2)

    @io.event
    def upload(socket: Socket) -> Upload:
        return Upload("a", [b"\x00", b"\xff"])

    @io.event
    def several(socket: Socket) -> tuple[UUID, dt.datetime, set[int], Color]:
        return UUID(ID), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), {5}, Color.RED

    await typed_stage.serve(io)
    client = await typed_stage.connect(msgpack=parser == "msgpack")
    assert await client.ask("order") == [{"name": "tea", "price": "2.50", "count": 2}]
    assert await client.ask("upload") == [
        {"name": "a", "parts": [b"\x00", b"\xff"], "preview": None}
    ]
    assert await client.ask("several") == [ID, "2026-01-02T00:00:00Z", [5], "red"]
