"""Handlers of routers and classes are checked like others; handlers of exceptions do not answer."""

from typing import Any

import pytest

from sockwave import EventError, Handlers, Router, Server, Socket
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Failures


class Nothing:
    """Nothing that JSON has."""


async def test_handler_of_exceptions_does_not_see_what_no_handler_has_seen() -> None:
    io, router, inner = Server(), Router(), Router()
    failures = Failures(io)
    for place in (io, router, inner):
        place.exception_handler(Exception)(lambda error: "taken")

    @io.event
    def plain(socket: Socket, number: int) -> int:
        raise KeyError(number)

    @inner.event
    async def routed(socket: Socket, number: int) -> list[int]:
        raise KeyError(number)

    @inner.event
    def value(socket: Socket, number: int) -> list[int]:
        raise EventError("no", data=number)

    router.include(inner)
    io.include(router)
    async with LinkedClient(io) as client:
        for event in ("plain", "routed"):
            assert await client.emit_with_ack(event, 1) == "taken"
            assert (await client.emit_with_ack(event, "1"))["path"] == "$"
            assert await client.emit_with_ack(event, 1, 2) == "taken"
        assert await client.emit_with_ack("value", 1) == {"error": "no", "message": "", "data": 1}
    assert io.invalid_events == 2
    told = [(event, type(error)) for event, error in failures.heard]
    assert told == [(name, kind) for name in ("plain", "routed") for kind in (KeyError, TypeError)]


async def test_methods_of_a_class_are_checked_with_an_object_per_socket_or_one() -> None:
    class Orders(Handlers, prefix="one:"):
        def place(self, socket: Socket, number: int, by: int = 2) -> int:
            return number * by

    class Own(Orders, prefix="own:", per_socket=True):
        pass

    io = Server()
    io.include(Orders)
    io.include(Own)
    async with LinkedClient(io) as client:
        for event in ("one:place", "own:place"):
            assert await client.emit_with_ack(event, 5) == 10
            assert await client.emit_with_ack(event, 5, None) == 10
            assert (await client.emit_with_ack(event, "5"))["path"] == "$[0]"


def test_router_with_an_annotation_that_cannot_be_checked_is_not_registered_at_all() -> None:
    io, router = Server(), Router()

    @router.event
    def good(socket: Socket, number: int) -> None: ...

    @router.event
    def bad(socket: Socket, value: Nothing) -> None: ...

    with pytest.raises(TypeError, match="nothing is known of how a Nothing"):
        io.include(router)
    assert not io.registered.event_handlers
    Server(validate=False).include(router)


async def test_handlers_of_routers_and_classes_say_how_they_are_checked() -> None:
    io, router = Server(validate=False), Router()

    @router.event(validate=True)
    def strict(socket: Socket, number: int) -> str:
        return repr(number)

    @router.event("lax numbers", validate="lax")
    def lax(socket: Socket, number: int) -> str:
        return repr(number)

    @router.event
    def plain(socket: Socket, number: int) -> str:
        return repr(number)

    class Methods(Handlers):
        @Handlers.event(validate=True)
        def own_strict(self, socket: Socket, number: int) -> str:
            return repr(number)

        @Handlers.event("own lax", validate="lax")
        def own_lax(self, socket: Socket, number: int) -> str:
            return repr(number)

        def own_plain(self, socket: Socket, number: int) -> str:
            return repr(number)

    class PerSocket(Methods, prefix="per socket:", per_socket=True):
        pass

    router.include(Methods)
    router.include(PerSocket)
    io.include(router)
    async with LinkedClient(io) as client:
        for event in ("strict", "own_strict", "per socket:own_strict"):
            assert await client.emit_with_ack(event, 5) == "5"
            assert (await client.emit_with_ack(event, "5"))["error"] == "validation"
        for event in ("lax numbers", "own lax", "per socket:own lax"):
            assert await client.emit_with_ack(event, "5") == "5"
            assert (await client.emit_with_ack(event, "five"))["error"] == "validation"
        for event in ("plain", "own_plain", "per socket:own_plain"):
            assert await client.emit_with_ack(event, "5") == "'5'"


def test_handler_of_a_router_that_is_not_checked_may_have_any_annotation() -> None:
    io, router = Server(), Router()

    @router.event(validate=False)
    def any_annotation(socket: Socket, value: Nothing) -> None: ...

    io.include(router)
    assert "any_annotation" in io.registered.event_handlers


def test_wrong_way_to_check_is_refused_where_it_is_written() -> None:
    wrong: Any = "strict"
    with pytest.raises(ValueError, match="validate must be True, False or 'lax'"):
        Router().event(validate=wrong)
    with pytest.raises(ValueError, match="validate must be True, False or 'lax'"):
        Handlers.event(validate=wrong)
