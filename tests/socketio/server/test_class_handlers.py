"""Classes whose methods are handlers."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Handlers, Router, Server, Socket, TransportError
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import settle

if TYPE_CHECKING:
    from collections.abc import Callable

log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


class Base(Handlers):
    async def place(self, socket: Socket, number: int) -> int:
        return number

    def inherited(self, socket: Socket) -> str:
        return "inherited"


class Mixin:
    def helper(self, socket: Socket) -> str:
        return "of no class of handlers"


class Orders(Mixin, Base, namespace="/orders"):
    title = "orders"

    def __init__(self) -> None:
        self.count = 0

    def connect(self, socket: Socket) -> None:
        log.append("connect")

    def disconnecting(self, socket: Socket) -> None:
        log.append(("disconnecting", socket.connected))

    def disconnect(self, socket: Socket, reason: str) -> None:
        log.append(("disconnect", reason))

    async def place(self, socket: Socket, number: int) -> int:
        self.count += number
        return self.count

    @Handlers.event("chat message", order="socket")
    async def message(self, socket: Socket, text: str) -> str:
        return self._shout(text)

    @Handlers.event(thread=True)
    def blocking(self, socket: Socket) -> bool:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return True

    @Handlers.event("on_sale")
    def sale(self, socket: Socket) -> str:
        return "sale"

    def _shout(self, text: str) -> str:
        return text.upper()

    @property
    def total(self) -> int:
        return self.count

    @staticmethod
    def helping() -> None: ...

    @classmethod
    def made(cls) -> None: ...


EVENTS = {
    "place",
    "inherited",
    "chat message",
    "blocking",
    "on_sale",
    "disconnecting",
    "disconnect",
}


async def test_public_methods_are_events_and_nothing_else_is() -> None:
    io = Server()
    io.include(Orders)
    assert set(io.of("/orders").event_handlers) == EVENTS
    async with LinkedClient(io, "/orders") as client:
        assert await client.emit_with_ack("chat message", "a") == "A"
        assert await client.emit_with_ack("blocking") is True
        assert await client.emit_with_ack("inherited") == "inherited"
        assert await client.emit_with_ack("on_sale") == "sale"
    assert log == [
        "connect",
        ("disconnecting", True),
        ("disconnect", "transport close"),
    ]


NO_EVENTS = [
    *("__init__", "__class__", "_shout", "title", "total", "count", "helping", "made", "helper"),
    *("event", "class_options", "connection", "namespace", "message", "_objects"),
]
"""Names of its attributes, and of what stands around it."""


async def test_other_attributes_of_an_object_are_no_events() -> None:
    """Row D31 of the page about security."""
    io, orders = Server(), Orders()
    io.include(orders)
    async with LinkedClient(io, "/orders") as client:
        asking = [asyncio.ensure_future(client.emit_with_ack(name)) for name in NO_EVENTS]
        await settle()
        assert await client.emit_with_ack("inherited") == "inherited"
        assert [name for name, task in zip(NO_EVENTS, asking, strict=True) if task.done()] == []
        for task in asking:
            task.cancel()
        assert log == ["connect"]
    assert vars(orders) == {"count": 0}


async def test_one_object_serves_all_sockets_of_an_inclusion() -> None:
    servers = [Server(), Server()]
    for io in servers:
        io.include(Orders)
        async with LinkedClient(io, "/orders") as one, LinkedClient(io, "/orders") as other:
            assert await one.emit_with_ack("place", 1) == 1
            assert await other.emit_with_ack("place", 1) == 2


async def test_object_that_was_made_before_keeps_its_state() -> None:
    io, orders = Server(), Orders()
    orders.count = 10
    io.include(orders)
    async with LinkedClient(io, "/orders") as client:
        assert await client.emit_with_ack("place", 1) == 11
    assert orders.count == 11


class Cart(Handlers, namespace="/cart", prefix="cart:", per_socket=True):
    alive = 0

    def __init__(self, socket: Socket) -> None:
        if socket.handshake.auth.get("bad"):
            raise ConnectError("no cart")
        self.socket = socket
        self.items: list[str] = []
        log.append("made")

    def connect(self, socket: Socket) -> None:
        log.append(("connect", socket is self.socket))

    async def add(self, socket: Socket, item: str) -> list[str]:
        assert socket is self.socket
        self.items.append(item)
        return self.items

    @Handlers.event(thread=True)
    def count(self, socket: Socket) -> int:
        return len(self.items)

    def disconnect(self, socket: Socket) -> None:
        log.append(("disconnect", list(self.items)))


async def test_each_socket_has_an_object_of_its_own_while_it_is_connected() -> None:
    io = Server()
    io.include(Cart)
    async with LinkedClient(io, "/cart") as one, LinkedClient(io, "/cart") as other:
        await one.emit_with_ack("cart:add", "tea")
        assert await one.emit_with_ack("cart:add", "milk") == ["tea", "milk"]
        assert await other.emit_with_ack("cart:add", "bread") == ["bread"]
        assert await one.emit_with_ack("cart:count") == 2
    assert log[:4] == ["made", ("connect", True), "made", ("connect", True)]
    assert sorted(log[4:]) == [("disconnect", ["bread"]), ("disconnect", ["tea", "milk"])]


async def test_object_that_cannot_be_made_lets_nobody_in() -> None:
    io = Server()
    io.include(Cart)
    with pytest.raises(ConnectError, match="no cart"):
        async with LinkedClient(io, "/cart", auth={"bad": True}):
            pass
    assert log == []


@pytest.mark.parametrize("how", ["leaves", "is_sent_away", "fails"])
async def test_no_object_stays_when_its_socket_has_gone(how: str) -> None:
    kept: list[weakref.ref[Any]] = []

    class Kept(Handlers, per_socket=True):
        def __init__(self) -> None:
            kept.append(weakref.ref(self))

        def connect(self, socket: Socket) -> None:
            if how == "fails":
                raise ConnectError("no")

        def disconnect(self, socket: Socket) -> None: ...

    io = Server()
    if how == "is_sent_away":
        io.on("connection", lambda socket: socket.disconnect())
    io.include(Kept)
    try:
        async with LinkedClient(io):
            await settle()
    except (ConnectError, TransportError):
        assert how != "leaves"
    await settle()
    gc.collect()
    assert kept
    assert [each() for each in kept if each() is not None] == []


async def test_class_can_be_included_in_a_router_and_has_its_handlers_of_exceptions() -> None:
    class Chat(Handlers):
        def say(self, socket: Socket, words: dict[str, str]) -> str:
            return words["text"]

    class Talk(Handlers, per_socket=True):
        async def talk(self, socket: Socket, words: dict[str, str]) -> str:
            return words["text"]

    router, io = Router("/chat"), Server()
    router.exception_handler(KeyError, lambda error, socket: [socket.namespace.name])
    router.include(Chat, prefix="a:")
    router.include(Talk, prefix="b:")
    io.include(router)
    async with LinkedClient(io, "/chat") as client:
        for event in ("a:say", "b:talk"):
            assert await client.emit_with_ack(event, {}) == ["/chat"]
            assert await client.emit_with_ack(event, {"text": "hello"}) == "hello"


def _counting() -> list[type[Handlers]]:
    """Without annotations, so that the call itself counts the arguments."""

    class One(Handlers, namespace="/one"):
        def add(self, socket, item):  # type: ignore[no-untyped-def]
            raise AssertionError("it does not run")

    class Each(One, namespace="/each", per_socket=True):
        pass

    return [One, Each]


async def test_arguments_that_do_not_fit_a_method_are_refused_before_it_runs() -> None:
    io, seen = Server(), []
    io.on_error(lambda error, failure: seen.append(type(error)))
    for kind in _counting():
        io.include(kind)
    async with LinkedClient(io, "/one") as one, LinkedClient(io, "/each") as each:
        one.emit("add")
        each.emit("add", 1, 2, 3)
        await settle()
    assert seen == [TypeError, TypeError]


@pytest.mark.parametrize("kind", [Orders, Cart])
async def test_methods_are_checked_by_their_annotations(kind: type[Handlers]) -> None:
    io = Server()
    io.include(kind)
    event = {Orders: "place", Cart: "cart:add"}[kind]
    async with LinkedClient(io, kind.class_options.namespace or "/") as client:
        answer = await client.emit_with_ack(event, [])
        assert (answer["error"], answer["event"]) == ("validation", event)


def test_options_of_a_class_are_inherited_one_by_one() -> None:
    class Quick(Cart, prefix="quick:"):
        pass

    assert Quick.class_options.namespace == "/cart"
    assert Quick.class_options.prefix == "quick:"
    assert Quick.class_options.per_socket is True


def test_subclass_may_take_an_event_out() -> None:
    class Quiet(Base):
        place = None  # type: ignore[assignment]

    io = Server()
    io.include(Quiet)
    assert set(io.of("/").event_handlers) == {"inherited"}


def _named_on() -> None:
    class Chat(Handlers):
        def on_say(self, socket: Socket) -> None: ...


def _reserved() -> None:
    class Chat(Handlers):
        def newListener(self, socket: Socket) -> None: ...


def _async_in_a_thread() -> None:
    class Chat(Handlers):
        @Handlers.event(thread=True)
        async def say(self, socket: Socket) -> None: ...


def _no_name() -> None:
    Handlers.event(print)  # type: ignore[arg-type]


def _twice() -> None:
    class Chat(Handlers):
        def say(self, socket: Socket) -> None: ...

        @Handlers.event("say")
        def again(self, socket: Socket) -> None: ...

    Server().include(Chat)


def _object_of_many() -> None:
    class Many(Handlers, per_socket=True):
        pass

    Server().include(Many())


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (_named_on, TypeError, "on_say: a method has the name of its event, 'say'"),
        (_reserved, ValueError, "reserved"),
        (_async_in_a_thread, TypeError, "is async"),
        (_no_name, TypeError, "name of the event is missing"),
        (_twice, ValueError, r"Chat\.say .* and .*Chat\.again"),
        (_object_of_many, TypeError, "include the class"),
    ],
)
def test_what_is_wrong_with_a_class_is_told(
    act: Callable[[], None], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        act()
