"""What handlers ask for beside the arguments of their events."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest
from typing_extensions import TypeAliasType

from sockwave import (
    Ack,
    AckTimeout,
    ConnectError,
    Depends,
    EventError,
    EventName,
    FromData,
    Handlers,
    Handshake,
    Namespace,
    Router,
    Server,
    Socket,
)
from sockwave.contract import describe
from sockwave.testing import LinkedClient
from tests.support.documents import blocks

T = TypeVar("T")


class Order(msgspec.Struct):
    item: str
    count: int = 1


@dataclass
class User:
    name: str


class Journal:
    """Says what was called, in which order; the dependencies of these tests write to it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def take(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


JOURNAL = Journal()


@pytest.fixture(autouse=True)
def _empty_journal() -> None:
    JOURNAL.take()


def user(socket: Socket) -> User:
    JOURNAL.lines.append("user")
    return User(socket.handshake.auth.get("name", "nobody"))


async def shop(who: Annotated[User, Depends(user)]) -> str:
    await asyncio.sleep(0)
    JOURNAL.lines.append("shop")
    return f"shop of {who.name}"


def ledger(who: Annotated[User, Depends(user)]) -> Iterator[list[str]]:
    JOURNAL.lines.append("open ledger")
    try:
        yield [who.name]
    except EventError as error:
        JOURNAL.lines.append(f"ledger sees {error.code}")
        raise
    finally:
        JOURNAL.lines.append("close ledger")


async def transaction() -> AsyncIterator[str]:
    JOURNAL.lines.append("begin")
    yield "transaction"
    await asyncio.sleep(0)
    JOURNAL.lines.append("end")


@asynccontextmanager
async def client_of(io: Server, namespace: str = "/") -> AsyncIterator[LinkedClient]:
    async with LinkedClient(io, namespace, auth={"name": "ann"}) as client:
        yield client


# --- by type --------------------------------------------------------------------------------------


async def test_parameters_are_recognised_by_their_types_wherever_they_stand() -> None:
    io = Server()

    @io.event
    def place(
        order: Order,
        io_: Server,
        note: str,
        here: Namespace,
        socket: Socket,
        head: Handshake,
        name: EventName,
        priority: int = 5,
    ) -> list[Any]:
        same = [io_ is io, here is io.of("/"), socket.id, head.auth["name"], name]
        return [order.item, order.count, note, priority, *same]

    async with client_of(io) as client:
        order = {"item": "tea", "count": 2}
        rest = [True, True, client.sid, "ann", "place"]
        assert await client.emit_with_ack("place", order, "now") == ["tea", 2, "now", 5, *rest]
        assert await client.emit_with_ack("place", order, "now", 7) == ["tea", 2, "now", 7, *rest]
        assert await client.emit_with_ack("place", order, "now", None) == [
            "tea",
            2,
            "now",
            5,
            *rest,
        ]
        refused = await client.emit_with_ack("place", {"item": 5}, "now")
        assert (refused["error"], refused["path"]) == ("validation", "$[0].item")


async def test_socket_comes_first_by_its_place_as_ever() -> None:
    io = Server()

    @io.event
    def plain(socket, text, who: Annotated[User, Depends(user)]):  # type: ignore[no-untyped-def]
        return [socket.id, text, who.name]

    @io.event
    def rest(socket: Socket, who: Annotated[User, Depends(user)], *words: str) -> list[str]:
        return [who.name, *words]

    @io.event
    def keyword(socket: Socket, count: int, *, who: Annotated[User, Depends(user)]) -> list[Any]:
        return [who.name, count]

    async with client_of(io) as client:
        assert await client.emit_with_ack("plain", "hi") == [client.sid, "hi", "ann"]
        assert await client.emit_with_ack("rest", "a", "b") == ["ann", "a", "b"]
        assert await client.emit_with_ack("rest") == ["ann"]
        assert await client.emit_with_ack("keyword", 3) == ["ann", 3]


async def test_handlers_of_one_socket_ask_in_the_same_way() -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("first")
        @socket.on("second")
        async def handler(
            text: str, me: Socket, name: EventName, place: Annotated[str, Depends(shop)]
        ) -> list[Any]:
            return [text, me is socket, name, place]

    async with client_of(io) as client, client_of(io) as other:
        for name in ("first", "second"):
            for each in (client, other):
                answer = await each.emit_with_ack(name, "x")
                assert answer == ["x", True, name, "shop of ann"]


async def test_classes_and_threads_ask_in_the_same_way() -> None:
    io = Server()

    class Shop(Handlers):
        def place(self, socket: Socket, order: Order, who: Annotated[User, Depends(user)]) -> str:
            return f"{who.name}: {order.item}"

    class Each(Handlers, per_socket=True):
        def mine(self, socket: Socket, text: str, who: Annotated[User, Depends(user)]) -> str:
            return f"{who.name}: {text}"

    io.include(Shop)
    io.include(Each)

    @io.event(thread=True)
    def slow(socket: Socket, count: int, place: Annotated[str, Depends(shop)]) -> list[Any]:
        return [count, place, threading.current_thread() is threading.main_thread()]

    async with client_of(io) as client:
        assert await client.emit_with_ack("place", {"item": "tea"}) == "ann: tea"
        assert await client.emit_with_ack("mine", "x") == "ann: x"
        assert await client.emit_with_ack("slow", 4) == [4, "shop of ann", False]


# --- dependencies ---------------------------------------------------------------------------------


async def test_each_dependency_is_called_once_for_an_event_and_ends_in_reverse() -> None:
    io = Server()

    @io.event
    async def place(
        socket: Socket,
        order: Order,
        place: Annotated[str, Depends(shop)],
        who: Annotated[User, Depends(user)],
        book: Annotated[list[str], Depends(ledger)],
        inside: Annotated[str, Depends(transaction)],
    ) -> list[Any]:
        JOURNAL.lines.append("handler")
        return [place, who.name, book, inside]

    async with client_of(io) as client:
        for _ in range(2):
            answer = await client.emit_with_ack("place", {"item": "tea"})
            assert answer == ["shop of ann", "ann", ["ann"], "transaction"]
            await asyncio.sleep(0.01)
            assert JOURNAL.take() == [
                *("user", "shop", "open ledger", "begin", "handler", "end", "close ledger")
            ]
        await client.emit_with_ack("place", {"item": 5})
        assert JOURNAL.take() == []  # of what is refused nothing is called


@pytest.mark.parametrize("is_async", [False, True])
async def test_plain_dependencies_end_with_their_handler_also_when_it_raises(
    is_async: bool,
) -> None:
    io = Server()

    def place(socket: Socket, fails: bool, book: Annotated[list[str], Depends(ledger)]) -> int:
        JOURNAL.lines.append("handler")
        if fails:
            raise EventError("sold_out")
        return len(book)

    async def place_later(
        socket: Socket, fails: bool, book: Annotated[list[str], Depends(ledger)]
    ) -> int:
        await asyncio.sleep(0)
        return place(socket, fails, book)

    handler: Callable[..., Any] = place_later if is_async else place
    io.event("place")(handler)
    async with client_of(io) as client:
        assert await client.emit_with_ack("place", False) == 1
        assert JOURNAL.take() == ["user", "open ledger", "handler", "close ledger"]
        assert (await client.emit_with_ack("place", True))["error"] == "sold_out"
        assert JOURNAL.take() == [
            *("user", "open ledger", "handler", "ledger sees sold_out", "close ledger")
        ]


async def test_dependency_that_raises_answers_and_ends_those_before_it() -> None:
    io = Server()

    def admin(
        who: Annotated[User, Depends(user)], book: Annotated[list[str], Depends(ledger)]
    ) -> None:
        raise EventError("forbidden", "admins only", {"you": who.name})

    @io.event
    def clear(socket: Socket, _: Annotated[None, Depends(admin)]) -> None:
        raise AssertionError("not for ann")

    async with client_of(io) as client:
        expected = {"error": "forbidden", "message": "admins only", "data": {"you": "ann"}}
        assert await client.emit_with_ack("clear") == expected
        assert JOURNAL.take() == ["user", "open ledger", "ledger sees forbidden", "close ledger"]


async def test_dependency_of_a_connection_is_made_once_and_ends_with_it() -> None:
    io = Server()
    ended = asyncio.Event()

    async def session(socket: Socket) -> AsyncIterator[list[str]]:
        JOURNAL.lines.append("begin session")
        await asyncio.sleep(0)
        yield []
        JOURNAL.lines.append("end session")
        ended.set()

    @io.event
    async def add(
        socket: Socket, text: str, kept: Annotated[list[str], Depends(session, "connection")]
    ) -> list[str]:
        kept.append(text)
        return list(kept)

    async with client_of(io) as other:
        async with client_of(io) as client:
            first, second = await asyncio.gather(
                client.emit_with_ack("add", "a"), client.emit_with_ack("add", "b")
            )
            assert (first, second) == (["a"], ["a", "b"])
            assert await other.emit_with_ack("add", "c") == ["c"]
            assert JOURNAL.take() == ["begin session"] * 2
        await ended.wait()
        assert JOURNAL.take() == ["end session"]
        assert await other.emit_with_ack("add", "d") == ["c", "d"]


async def test_connection_dependency_that_fails_is_tried_again() -> None:
    io = Server()
    fails = [True]

    async def session() -> str:
        if fails.pop() if fails else False:
            raise EventError("away")
        return "there"

    @io.event
    async def ask(socket: Socket, it: Annotated[str, Depends(session, "connection")]) -> str:
        return it

    async with client_of(io) as client:
        assert (await client.emit_with_ack("ask"))["error"] == "away"
        assert await client.emit_with_ack("ask") == "there"


async def test_tests_override_dependencies() -> None:
    io = Server()

    @io.event
    async def whoami(socket: Socket, place: Annotated[str, Depends(shop)]) -> str:
        return place

    async def somebody(name: EventName) -> User:
        return User(f"somebody else in {name}")

    async with client_of(io) as client:
        io.dependency_overrides[user] = somebody
        assert await client.emit_with_ack("whoami") == "shop of somebody else in whoami"
        io.dependency_overrides.clear()
        assert await client.emit_with_ack("whoami") == "shop of ann"


async def test_router_runs_its_dependencies_before_each_handler_that_it_includes() -> None:
    io = Server()

    def guard(who: Annotated[User, Depends(user)], name: EventName) -> None:
        JOURNAL.lines.append(f"guard {name}")
        if who.name != "ann":
            raise EventError("forbidden")

    def count() -> None:
        JOURNAL.lines.append("count")

    inner = Router(dependencies=[Depends(count)])
    outer = Router("/orders", prefix="o:", dependencies=[Depends(guard)])

    @inner.event
    def plain(socket, text):  # type: ignore[no-untyped-def]
        return text

    @outer.event
    def typed(socket: Socket, number: int) -> int:
        return number

    outer.include(inner)
    io.include(outer)
    async with client_of(io, "/orders") as client:
        assert await client.emit_with_ack("o:typed", 5) == 5
        assert JOURNAL.take() == ["user", "guard o:typed"]
        assert await client.emit_with_ack("o:plain", "x") == "x"
        assert JOURNAL.take() == ["user", "guard o:plain", "count"]
    async with LinkedClient(io, "/orders", auth={"name": "bob"}) as client:
        assert (await client.emit_with_ack("o:plain", "x"))["error"] == "forbidden"
    with pytest.raises(TypeError, match=r"dependencies of a router are Depends"):
        Router(dependencies=[count])


async def test_what_a_middleware_found_out_is_given() -> None:
    io = Server()

    @io.use
    def authenticate(socket: Socket) -> None:
        socket.data["user"] = User(socket.handshake.auth["name"])

    @io.event
    def whoami(socket: Socket, user: Annotated[User, FromData()]) -> str:
        return user.name

    @io.event
    def other(socket: Socket, who: Annotated[User | None, FromData("nobody")] = None) -> bool:
        return who is None

    @io.event
    def missing(socket: Socket, nobody: Annotated[User, FromData()]) -> None: ...

    errors: list[BaseException] = []
    io.on_error(lambda error, failure: errors.append(error))
    async with client_of(io) as client:
        assert await client.emit_with_ack("whoami") == "ann"
        assert await client.emit_with_ack("other") is True
        with pytest.raises(AckTimeout):
            await client.emit_with_ack("missing", timeout=0.05)
    assert "no 'nobody' in socket.data" in str(errors[0])


async def test_handlers_of_new_sockets_and_middlewares_ask_in_the_same_way() -> None:
    io = Server()
    org = Router("/org/{org_id}")

    def name_of(head: Handshake) -> str:
        return str(head.auth["name"])

    @io.use
    async def authenticate(socket: Socket, name: Annotated[str, Depends(name_of)]) -> None:
        await asyncio.sleep(0)
        if name != "ann":
            raise EventError("no")
        socket.data["user"] = User(name)

    @io.on("connection")
    def connection(server: Server, socket: Socket, user: Annotated[User, FromData()]) -> None:
        assert server is io
        socket.emit("welcome", user.name)

    @org.on("connection")
    async def entered(
        socket: Socket, who: Annotated[str, Depends(shop)], *, org_id: int, here: Namespace
    ) -> None:
        socket.emit("welcome", who, org_id, here.name)

    io.include(org)
    async with client_of(io) as client, client_of(io, "/org/5") as other:
        assert await client.received() == ("welcome", ["ann"])
        assert await other.received() == ("welcome", ["shop of ann", 5, "/org/5"])
    with pytest.raises(ConnectError):
        async with LinkedClient(io, auth={"name": "bob"}):
            raise AssertionError("it is not let in")


def test_what_has_no_event_asks_for_no_acknowledgement() -> None:
    io = Server()
    wrong = Router()

    @wrong.on("connection")
    def connection(socket: Socket, ack: Ack) -> None: ...

    with pytest.raises(TypeError, match="there is no event to acknowledge"):
        io.include(wrong)
    with pytest.raises(TypeError, match="gets the socket and why it has left by their places"):

        @io.event
        def disconnect(socket: Socket, reason: str, user: Annotated[User, FromData()]) -> None: ...

    @io.event("disconnect")
    def fine(socket: Socket, reason: str, description: str = "") -> None: ...


# --- acknowledging early --------------------------------------------------------------------------


async def test_ack_answers_at_once_and_the_handler_goes_on() -> None:
    io = Server()
    goes_on, done = asyncio.Event(), asyncio.Event()

    @io.event
    async def render(socket: Socket, job: str, ack: Ack) -> None:
        wanted = [ack.is_wanted]
        ack({"accepted": job}, 1)
        assert [*wanted, ack.is_wanted] == [True, False]
        with pytest.raises(RuntimeError, match="acknowledged already"):
            ack()
        await goes_on.wait()
        done.set()

    async with client_of(io) as client:
        assert await client.emit_with_ack("render", "film") == ({"accepted": "film"}, 1)
        assert not done.is_set()
        goes_on.set()
        await done.wait()


async def test_ack_of_an_event_that_wants_none_does_nothing_and_threads_may_call_it() -> None:
    io = Server()
    wanted: list[bool] = []

    @io.event(thread=True)
    def render(socket: Socket, ack: Ack) -> None:
        wanted.append(ack.is_wanted)
        ack("from a thread")

    async with client_of(io) as client:
        client.emit("render")
        assert await client.emit_with_ack("render") == "from a thread"
    assert wanted == [False, True]


async def test_what_is_returned_after_an_ack_is_an_error_of_the_handler() -> None:
    io = Server()
    errors: list[BaseException] = []
    io.on_error(lambda error, failure: errors.append(error))

    @io.event
    def render(socket: Socket, ack: Ack) -> str:
        ack(1)
        return "2"

    async with client_of(io) as client:
        assert await client.emit_with_ack("render") == 1
    assert "has acknowledged by its Ack" in str(errors[0])


# --- what is refused ------------------------------------------------------------------------------


def test_circle_is_refused_with_its_way() -> None:
    def first(x: int) -> int:
        return x

    def second(x: Annotated[int, Depends(first)]) -> int:
        return x

    first.__annotations__["x"] = Annotated[int, Depends(second)]
    io = Server()
    with pytest.raises(TypeError, match="go round in a circle: first -> second -> first"):

        @io.event
        def handler(socket: Socket, x: Annotated[int, Depends(first)]) -> None: ...


def wants_argument(order: Order) -> None: ...


def wants_nothing_typed(what) -> None: ...  # type: ignore[no-untyped-def]


def wants_ack(ack: Ack) -> None: ...


async def lives_longer(who: Annotated[User, Depends(user)]) -> None: ...


@pytest.mark.parametrize(
    ("depends", "says"),
    [
        (Depends(wants_argument), "nothing is known of its parameter 'order'"),
        (Depends(wants_nothing_typed), "nothing is known of its parameter 'what'"),
        (Depends(wants_ack), "only a handler acknowledges"),
        (Depends(lives_longer, "connection"), "kept for the connection, and 'who' for one event"),
    ],
)
def test_dependency_that_cannot_be_had_is_refused_where_it_is_registered(
    depends: Depends, says: str
) -> None:
    io = Server()

    def handler(socket: Socket, it: Any) -> None: ...

    handler.__annotations__["it"] = Annotated[Any, depends]
    with pytest.raises(TypeError, match=says) as refused:
        io.event(handler)
    assert "test_injection.py" in str(refused.value)
    assert "handler" not in io.of("/").registered.event_handlers


async def test_ack_is_refused_for_handlers_of_one_socket() -> None:
    io = Server()
    errors: list[BaseException] = []
    io.on_error(lambda error, failure: errors.append(error))

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("x")
        def handler(ack: Ack) -> None: ...

    with pytest.raises(ConnectError):
        async with client_of(io):
            raise AssertionError("it is not let in")
    assert "Ack is for handlers of all sockets" in str(errors[0])


def test_wrong_depends_is_refused() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="Depends takes a function"):
        Depends(wrong)
    with pytest.raises(ValueError, match="scope must be"):
        Depends(user, wrong)


# --- beside the rest ------------------------------------------------------------------------------


@pytest.mark.parametrize("validate", [True, False, "lax"])
async def test_injection_does_not_depend_on_checks(validate: Any) -> None:
    io = Server(validate=validate)

    @io.event
    def place(socket: Socket, count: int, who: Annotated[User, Depends(user)]) -> list[Any]:
        return [count, who.name]

    async with client_of(io) as client:
        assert await client.emit_with_ack("place", 5) == [5, "ann"]
        answer = await client.emit_with_ack("place", "5")
        expected = {False: ["5", "ann"], "lax": [5, "ann"]}.get(validate)
        assert answer == expected if expected else answer["error"] == "validation"


def test_contract_has_only_arguments_of_the_event() -> None:
    io = Server()

    @io.event
    def place(
        socket: Socket,
        order: Order,
        who: Annotated[User, Depends(user)],
        mine: Annotated[User, FromData()],
        ack: Ack,
        name: EventName,
        note: str = "",
    ) -> None: ...

    (event,) = describe(io).namespaces[0].incoming
    assert [each.name for each in event.arguments] == ["order", "note"]


def test_depends_as_a_default_is_refused_with_the_form_to_write() -> None:
    io = Server()
    with pytest.raises(TypeError, match=r"`who: Annotated\[T, Depends"):

        @io.event
        def place(socket: Socket, who: Any = Depends(user)) -> None: ...  # noqa: B008


async def test_first_block_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code, override, *_ = blocks("dependencies.md", "python")
    scope: dict[str, Any] = {"__name__": __name__}
    exec(code, scope)  # names of a module's own
    async with client_of(scope["io"]) as client:
        assert await client.emit_with_ack("rename", "new") == "new"
    assert capsys.readouterr().out == "['ann renames to new']\n"
    async with LinkedClient(scope["io"], auth={"name": "bob"}) as client:
        assert (await client.emit_with_ack("rename", "new"))["error"] == "forbidden"
        exec(override, scope)
        assert await client.emit_with_ack("rename", "new") == "new"


async def test_class_is_a_dependency_and_its_init_says_what_it_asks_for() -> None:
    class Store:
        def __init__(self, socket: Socket, who: Annotated[User, Depends(user)]) -> None:
            self.owner = (socket.id, who.name)

    @dataclass
    class Desk:
        here: Namespace
        store: Annotated[Store, Depends(Store)]

    io = Server()

    @io.event
    def owner(socket: Socket, desk: Annotated[Any, Depends(Desk)]) -> list[str]:
        return [*desk.store.owner, desk.here.name]

    async with client_of(io) as client:
        assert await client.emit_with_ack("owner") == [client.sid, "ann", "/"]


class Box(Generic[T]):
    def __init__(self, socket: Socket) -> None:
        self.owner = socket.id


async def test_class_with_types_in_brackets_is_a_dependency() -> None:
    io = Server()

    @io.event
    def owner(socket: Socket, box: Annotated[Box[int], Depends(Box[int])]) -> str:
        return box.owner

    async with client_of(io) as client:
        assert await client.emit_with_ack("owner") == client.sid


class Empty:
    pass


async def test_class_that_asks_for_nothing_is_a_dependency() -> None:
    io = Server()

    @io.event
    def kind(socket: Socket, it: Annotated[Empty, Depends(Empty)]) -> str:
        return type(it).__name__

    async with client_of(io) as client:
        assert await client.emit_with_ack("kind") == "Empty"


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (Annotated[User, Depends(user)] | None, "does nothing where it stands"),
        (list[Annotated[User, Depends(user)]], "does nothing where it stands"),
        (Annotated[User, FromData()] | None, "does nothing where it stands"),
        (Depends(user), "does nothing where it stands"),
        (Annotated[User, Depends], "Depends has to be called"),
        (Annotated[User, FromData], "FromData has to be called"),
        (Annotated[User, FromData(), Depends(user)], "depends on 2 things at once"),
        (Ack | None, "write `who: Ack`"),
        (Socket | None, "write `who: Socket`"),
    ],
)
def test_what_would_come_from_the_client_instead_is_refused(annotation: Any, says: str) -> None:
    def handler(socket: Socket, who: Any = None) -> None: ...

    def dependency(who: Any = None) -> None: ...

    def further(socket: Socket, *args: Any, **who: Any) -> None: ...

    def needs(socket: Socket, it: Any) -> None: ...

    handler.__annotations__["who"] = annotation
    dependency.__annotations__["who"] = annotation
    needs.__annotations__["it"] = Annotated[Any, Depends(dependency)]
    for each in (handler, needs):
        with pytest.raises(TypeError, match=says) as refused:
            Server().event(each)
        assert "test_injection.py" in str(refused.value)
    further.__annotations__["who"] = annotation
    with pytest.raises(TypeError, match="who"):
        Server().event(further)


def test_further_arguments_are_not_what_a_handler_depends_on() -> None:
    def handler(socket: Socket, *who: Annotated[User, Depends(user)]) -> None: ...

    with pytest.raises(TypeError, match="does nothing where it stands in the type of 'who'"):
        Server().event(handler)


@pytest.mark.parametrize("is_async", [False, True])
async def test_exception_that_a_dependency_catches_is_none_the_less_one_of_the_handler(
    is_async: bool,
) -> None:
    def outer() -> Iterator[None]:
        try:
            yield
        except EventError as error:
            JOURNAL.lines.append(f"rolled back: {error.code}")
            raise

    def catching(_: Annotated[None, Depends(outer)]) -> Iterator[None]:
        try:
            yield
        except EventError:
            JOURNAL.lines.append("caught")

    async def catching_too(_: Annotated[None, Depends(outer)]) -> AsyncIterator[None]:
        try:
            yield
        except EventError:
            JOURNAL.lines.append("caught")

    io = Server()

    def place(socket: Socket, it: Any) -> str:
        raise EventError("sold_out")

    async def place_later(socket: Socket, it: Any) -> str:
        raise EventError("sold_out")

    place.__annotations__["it"] = Annotated[None, Depends(catching_too if is_async else catching)]
    place_later.__annotations__["it"] = place.__annotations__["it"]
    io.event(place)
    io.event(place_later)
    async with client_of(io) as client:
        for name in ("place", "place_later"):
            answer = await client.emit_with_ack(name)
            assert answer["error"] == "sold_out"
            assert JOURNAL.take() == ["caught", "rolled back: sold_out"]


async def test_method_of_a_sockets_object_may_take_an_argument_first() -> None:
    class Cart(Handlers, namespace="/cart", per_socket=True):
        def __init__(self) -> None:
            self.items: list[str] = []

        async def add(self, order: Order, socket: Socket) -> list[str]:
            self.items.append(order.item)
            return [*self.items, socket.id]

        def show(self, count: int, ack: Ack) -> None:
            ack(self.items[:count])

        async def clear(self, socket: Socket, ack: Ack) -> None:
            ack(socket.id)

    io = Server()
    io.include(Cart)
    async with client_of(io, "/cart") as client:
        assert await client.emit_with_ack("add", {"item": "tea"}) == ["tea", client.sid]
        assert await client.emit_with_ack("show", 5) == ["tea"]
        assert await client.emit_with_ack("clear") == client.sid


@pytest.mark.parametrize("per_socket", [False, True])
async def test_parts_of_the_name_come_wherever_the_socket_stands(per_socket: bool) -> None:
    class Board(Handlers, namespace="/org/{org_id}", per_socket=per_socket):
        async def draw(self, order: Order, socket: Socket, *, org_id: int) -> list[Any]:
            return [order.item, socket.id, org_id]

        async def wipe(self, count: int, ack: Ack, *, org_id: int) -> None:
            ack([count, org_id])

        @Handlers.event(thread=True)
        def block(self, count: int, socket: Socket, *, org_id: int) -> list[Any]:
            return [count, socket.id, org_id]

    io = Server()
    io.include(Board)
    async with client_of(io, "/org/5") as client:
        assert await client.emit_with_ack("draw", {"item": "tea"}) == ["tea", client.sid, 5]
        assert await client.emit_with_ack("wipe", 1) == [1, 5]
        assert await client.emit_with_ack("block", 2) == [2, client.sid, 5]


async def test_only_parameter_of_a_middleware_is_what_its_type_says() -> None:
    io = Server()
    came: list[Any] = []

    @io.use
    def middleware(head: Handshake) -> None:
        came.append(head)

    @io.on("connection")
    def connection(server: Server) -> None:
        came.append(server)

    @io.on("connection")
    def named(socket: "Socket") -> None:
        came.append(socket)

    async with client_of(io) as client:
        (socket,) = io.of("/").sockets.values()
        assert socket.id == client.sid
        assert came == [socket.handshake, io, socket]


@pytest.mark.parametrize("other", [wants_argument, 5])
async def test_override_that_cannot_be_one_is_an_error_of_the_server(other: Any) -> None:
    io = Server()
    errors: list[BaseException] = []
    io.on_error(lambda error, failure: errors.append(error))
    io.dependency_overrides[user] = other

    @io.event
    def who(socket: Socket, name: Annotated[User, Depends(user)]) -> None: ...

    async with client_of(io) as client:
        with pytest.raises(AckTimeout):
            await client.emit_with_ack("who", timeout=0.05)
    assert isinstance(errors[0], RuntimeError)
    assert str(errors[0]).startswith("dependency_overrides: handler ")


async def test_overrides_leave_handlers_of_one_socket_as_they_are() -> None:
    io = Server()
    io.dependency_overrides[user] = lambda: User("somebody")

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("say")
        def say(text, who: Annotated[User, Depends(user)]):  # type: ignore[no-untyped-def]
            return [text, who.name]

    async with client_of(io) as client:
        assert await client.emit_with_ack("say", "hello", timeout=1.0) == ["hello", "somebody"]


Named = TypeAliasType("Named", Annotated[User, Depends(user)])
Count = TypeAliasType("Count", int)


async def test_types_that_have_a_name_of_their_own_are_seen_through() -> None:
    io = Server()

    @io.event
    def place(socket: Socket, count: Count, who: Named) -> list[Any]:
        return [count, who.name]

    def optional(socket: Socket, who: Named | None = None) -> None: ...

    async with client_of(io) as client:
        assert await client.emit_with_ack("place", 2) == [2, "ann"]
        assert (await client.emit_with_ack("place", "2"))["error"] == "validation"
    assert [each.name for each in describe(io).namespaces[0].incoming[0].arguments] == ["count"]
    with pytest.raises(TypeError, match="does nothing where it stands"):
        io.event(optional)
