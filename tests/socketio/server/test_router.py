"""Routers: handlers that are declared without a server."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from sockwave import ConnectError, Handlers, Router, Server, Socket
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Log, settle


async def test_everything_that_a_namespace_takes_can_be_declared() -> None:
    router = Router("/orders")
    log: list[Any] = []

    @router.use
    def guard(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "right":
            raise ConnectError("no")

    @router.on("connection")
    def connection(socket: Socket) -> None:
        log.append(("connection", socket.namespace.name))

    @router.event
    def connect(socket: Socket) -> None:
        log.append("connect")

    @router.event
    async def place(socket: Socket, number: int) -> int:
        return number + 1

    @router.event("chat message")
    def message(socket: Socket, text: str) -> str:
        return text.upper()

    @router.event
    def disconnect(socket: Socket) -> None:
        log.append("disconnect")

    router.on("told", Log())
    io = Server()
    io.include(router)
    with pytest.raises(ConnectError):
        async with LinkedClient(io, "/orders"):
            pass
    async with LinkedClient(io, "/orders", auth={"token": "right"}) as client:
        assert await client.emit_with_ack("place", 1) == 2
        assert await client.emit_with_ack("chat message", "a") == "A"
    assert log == [("connection", "/orders"), "connect", "disconnect"]
    assert len(io.of("/orders").listeners("told")) == 1


async def test_one_router_serves_on_two_servers() -> None:
    router = Router()
    servers = [Server(), Server()]
    seen: list[Server] = []

    @router.event
    def who(socket: Socket) -> int:
        seen.append(socket.namespace.server)
        return len(seen)

    for io in servers:
        io.include(router)
        async with LinkedClient(io) as client:
            await client.emit_with_ack("who")
    assert seen == servers


async def test_prefixes_are_put_together_and_leave_the_events_of_the_server_alone() -> None:
    ends = Log()
    inner, outer, io = Router(prefix="c:"), Router(prefix="a:"), Server()
    inner.event("say")(lambda socket: "inner")
    inner.event("disconnect")(ends)
    outer.event("say")(lambda socket: "outer")
    outer.include(inner, prefix="b:")
    io.include(outer, prefix="x:")
    io.include(inner)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("x:a:say") == "outer"
        assert await client.emit_with_ack("x:a:b:c:say") == "inner"
        assert await client.emit_with_ack("c:say") == "inner"
    assert len(ends) == 2
    assert set(io.of("/").event_handlers) == {
        "x:a:say",
        "x:a:b:c:say",
        "c:say",
        "disconnect",
    }


async def test_nested_router_keeps_its_namespace_and_has_others_from_who_includes_it() -> None:
    own, open_, outer, io = Router("/own"), Router(), Router("outer"), Server()
    for router in (own, open_):
        router.event("where")(lambda socket: socket.namespace.name)
    outer.include(own)
    outer.include(open_)
    io.include(outer)
    async with LinkedClient(io, "/own") as first, LinkedClient(io, "/outer") as second:
        assert await first.emit_with_ack("where") == "/own"
        assert await second.emit_with_ack("where") == "/outer"


async def test_order_of_the_nearest_holds() -> None:
    inner, outer, io = Router(), Router(order="socket"), Server()
    going_on = asyncio.Event()
    done: list[str] = []

    async def waits(socket: Socket) -> None:
        await going_on.wait()
        done.append("waits")

    inner.event("waits")(waits)
    inner.event("next")(lambda socket: done.append("next"))
    outer.include(inner)
    io.include(outer)
    async with LinkedClient(io) as client:
        client.emit("waits")
        client.emit("next")
        await settle()
        assert done == []
        going_on.set()
        await settle()
    assert done == ["waits", "next"]


async def test_events_of_a_router_may_have_an_order_of_their_own_or_a_thread() -> None:
    router, io = Router(order="socket"), Server()
    seen: list[int] = []

    def key(socket: Socket, number: int) -> int:
        seen.append(number)
        return number

    @router.event(order=key)
    async def keyed(socket: Socket, number: int) -> int:
        return number

    @router.event("blocking", thread=True)
    def blocking(socket: Socket) -> bool:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return True

    io.include(router)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("keyed", 3) == 3
        assert await client.emit_with_ack("blocking") is True
    assert seen == [3]


async def test_name_with_parts_in_braces_is_for_all_that_fit() -> None:
    router, second, io = Router("/org/{org_id}/room.{room}"), Router(), Server()

    @router.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("hello", dict(socket.params))

    second.event("where")(lambda socket: socket.namespace.params["room"])
    again = Router("/org/{org_id}/room.{room}")
    again.include(second)
    io.include(router)
    io.include(again)
    async with LinkedClient(io, "/org/42/room.tea") as client:
        assert await client.received() == ("hello", [{"org_id": "42", "room": "tea"}])
        assert await client.emit_with_ack("where") == "tea"
    for name in ("/org/42/room-tea", "/org//room.tea", "/org/4/2/room.tea"):
        with pytest.raises(ConnectError, match="Invalid namespace"):
            async with LinkedClient(io, name):
                pass


async def test_params_are_the_named_groups_of_any_pattern_that_took_part() -> None:
    io = Server()
    io.of(re.compile(r"/board-(?P<board>\d+)(?:-(?P<page>\d+))?"))
    io.of(lambda name, auth: name == "/any")
    assert io.of("/").params == {}
    assert io.of("/board-7").params == {"board": "7"}
    assert io.of("/board-7-2").params == {"board": "7", "page": "2"}
    async with LinkedClient(io, "/any"):
        assert io.of("/any").params == {}


async def test_router_is_included_in_a_namespace_or_a_pattern() -> None:
    io = Server()
    for place in (io.of("/a"), io.of(re.compile(r"/b\d"))):
        router = Router()
        router.event("where")(lambda socket: socket.namespace.name)
        place.include(router)
    io.of("/a").include(Router("/a", prefix="a:"))
    for name in ("/a", "/b1"):
        async with LinkedClient(io, name) as client:
            assert await client.emit_with_ack("where") == name
    elsewhere = Router("/c")
    elsewhere.event("where")(first)
    with pytest.raises(ValueError, match="a router for /c cannot be included in /a"):
        io.of("/a").include(elsewhere)


def test_nothing_can_be_declared_once_a_router_is_included() -> None:
    inner, outer, io = Router(), Router(), Server()
    outer.include(inner)
    io.include(outer)
    for router in (inner, outer):
        with pytest.raises(RuntimeError, match="is included already"):
            router.event("late")(print)
        with pytest.raises(RuntimeError, match="is included already"):
            router.on("connection", print)
        with pytest.raises(RuntimeError, match="is included already"):
            router.use(print)
        with pytest.raises(RuntimeError, match="is included already"):
            router.exception_handler(KeyError, print)
        with pytest.raises(RuntimeError, match="is included already"):
            router.include(Router())


def first(socket: Socket) -> None: ...


def second(socket: Socket) -> None: ...


BOTH = (
    r"the event 'say' has two handlers: "
    rf"first \(.*test_router.py, line {first.__code__.co_firstlineno}\) and "
    rf"second \(.*test_router.py, line {second.__code__.co_firstlineno}\)"
)


def test_second_handler_of_an_event_is_refused_and_told_with_both_places() -> None:
    router = Router()
    router.event("say")(first)
    with pytest.raises(ValueError, match=BOTH):
        router.event("say")(second)


@pytest.mark.parametrize("kind", ["router", "server", "thread"])
def test_event_that_has_a_handler_elsewhere_is_refused_and_nothing_is_registered(
    kind: str,
) -> None:
    io, one, other = Server(), Router(), Router()
    other.event("fine")(first)
    other.event("say")(second)
    one.event("say", thread=kind == "thread")(first)
    if kind == "server":
        io.event("say")(first)
    else:
        io.include(one)
    with pytest.raises(ValueError, match=BOTH):
        io.include(other)
    assert set(io.of("/").event_handlers) == {"say"}


def test_router_cannot_be_included_twice_without_a_prefix() -> None:
    io, router = Server(), Router()
    router.event("say")(first)
    io.include(router)
    with pytest.raises(ValueError, match="the event 'say' has two handlers"):
        io.include(router)
    io.include(router, prefix="again:")


def test_circle_of_routers_is_refused() -> None:
    first, second, third = Router("/1"), Router("/2"), Router("/3")
    second.include(third)
    first.include(second)
    for router in (first, second, third):
        with pytest.raises(ValueError, match="would include itself"):
            third.include(router)


@pytest.mark.parametrize(
    ("declare", "error", "text"),
    [
        (lambda: Router("/a,b"), ValueError, "comma"),
        (lambda: Router("/{a}/{a}"), ValueError, "two parts of one name"),
        (lambda: Router(7), TypeError, "must be text"),  # type: ignore[arg-type]
        (lambda: Router(prefix=7), TypeError, "prefix must be text"),  # type: ignore[arg-type]
        (lambda: Router(order="room"), ValueError, "order must be"),  # type: ignore[arg-type]
        (lambda: Router().event("connect_error")(first), ValueError, "reserved"),
        (lambda: Router().event("connect", thread=True)(first), ValueError, "not for connection"),
        (lambda: Router().event(Log()), TypeError, "has no name"),
        (lambda: Router().event("x")(7), TypeError, "must be callable"),  # type: ignore[type-var]
        (lambda: Router().on(first), TypeError, "name of the event is missing"),  # type: ignore[call-overload]
        (lambda: Router().on("disconnect", first), ValueError, "use @router.event"),
        (lambda: Router().include(first), TypeError, "takes a Router"),  # type: ignore[arg-type]
        (lambda: Server().include(Server()), TypeError, "takes a Router"),  # type: ignore[arg-type]
        (lambda: Router().include(Handlers, prefix=None), TypeError, "prefix"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_declared_is_refused_there(
    declare: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        declare()


def test_async_function_in_a_thread_is_refused_where_it_is_declared() -> None:
    async def waits(socket: Socket) -> None: ...

    with pytest.raises(TypeError, match="is async"):
        Router().event("x", thread=True)(waits)


def test_prefix_that_makes_a_reserved_name_is_refused_before_anything_is_registered() -> None:
    io, router = Server(), Router()
    router.event("fine")(first)
    router.event("Listener")(second)
    with pytest.raises(ValueError, match="reserved"):
        io.include(router, prefix="new")
    assert io.of("/").event_handlers == {}


def test_repr_tells_where_it_is_for_and_its_events() -> None:
    router = Router("/orders")
    assert repr(router) == "<Router /orders: no events>"
    router.event("place")(first)
    router.event("cancel")(second)
    assert repr(router) == "<Router /orders: place, cancel>"


async def test_handler_of_a_router_is_removed_as_any_other() -> None:
    io, router = Server(), Router()
    router.event("say")(first)
    router.exception_handler(KeyError, lambda error: None)
    io.include(router)
    assert io.listeners("say") == [first]
    io.off("say", first)
    assert io.listeners("say") == []
