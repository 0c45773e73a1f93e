"""Namespaces that are made when a client asks for one."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from sockwave import (
    AckTimeout,
    ConnectError,
    Namespace,
    ParentNamespace,
    Recovery,
    Server,
    Socket,
    TransportError,
)
from sockwave.socketio.core.adapter import InMemoryAdapter
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Log, settle, socket_of
from tests.support.values import UNSENDABLE


@pytest.fixture
def io() -> Server:
    return Server()


# --- who is asked ---------------------------------------------------------------------------------


async def test_pattern_makes_a_namespace_for_a_name_that_fits(io: Server) -> None:
    parent = io.of(re.compile(r"/dynamic-\d+"))
    assert isinstance(parent, ParentNamespace)
    assert list(io.namespaces) == ["/"]
    async with LinkedClient(io, "/dynamic-101") as client:
        child = io.of("/dynamic-101")
        assert list(io.namespaces) == ["/", "/dynamic-101"]
        assert list(child.sockets) == [client.sid]
        assert (child.parent, parent.children) == (parent, [child])


@pytest.mark.parametrize("name", ["/dynamic-", "/dynamic-1x", "/x/dynamic-1", "/dynamic-1\n"])
async def test_pattern_must_match_the_whole_name(io: Server, name: str) -> None:
    io.of(re.compile(r"/dynamic-\d+"))
    with pytest.raises(ConnectError, match="Invalid namespace"):
        await LinkedClient(io, name).connect()


@pytest.mark.parametrize("match", [re.compile("/.*"), lambda name, auth: _true()])
async def test_name_that_the_adapter_cannot_carry_is_no_namespace(
    match: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def make_adapter(namespace: Any) -> InMemoryAdapter:
        if len(namespace.name) > 10:
            raise ValueError("the name of a namespace has at most 10 bytes")
        return InMemoryAdapter(namespace)

    io = Server(adapter=make_adapter)
    parent = io.of(match)
    with caplog.at_level(logging.WARNING, "sockwave"):
        for _ in range(3):
            with pytest.raises(ConnectError, match="Invalid namespace"):
                await LinkedClient(io, "/" + "x" * 10).connect()
    assert len([each for each in caplog.messages if "at most 10 bytes" in each]) == 2
    assert isinstance(parent, ParentNamespace)
    assert parent.children == []
    async with LinkedClient(io, "/short"):
        assert [child.name for child in parent.children] == ["/short"]


async def _true() -> bool:
    return True


async def test_d37_pattern_is_asked_about_255_bytes_at_most(io: Server) -> None:
    parent = io.of(re.compile(r"/[a-zß]*"))
    longest = "/" + "a" * 254
    async with LinkedClient(io, longest):
        assert [child.name for child in parent.children] == [longest]
    with pytest.raises(TransportError):
        await LinkedClient(io, longest + "a").connect()
    assert io.of("/" + "ß" * 128).parent is None
    assert io.of("/" + "ß" * 127).parent is parent


@pytest.mark.parametrize("is_async", [False, True])
async def test_function_is_asked_with_name_and_auth(io: Server, is_async: bool) -> None:
    asked = Log()

    def allow(name: str, auth: dict[str, Any]) -> bool:
        asked(name, auth)
        return auth.get("token") == "s3cret"

    async def allow_later(name: str, auth: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return allow(name, auth)

    io.of(allow_later if is_async else allow)
    async with LinkedClient(io, "/x", auth={"token": "s3cret"}) as client:
        with pytest.raises(ConnectError, match="Invalid namespace"):
            await client.of("/y").connect()
        assert asked == [("/x", {"token": "s3cret"}), ("/y", {})]
        assert list(io.namespaces) == ["/", "/x"]


async def test_parents_are_asked_in_order_until_one_fits(io: Server) -> None:
    asked: list[str] = []

    async def second(name: str, auth: dict[str, Any]) -> bool:
        asked.append("second")
        return False

    def third(name: str, auth: dict[str, Any]) -> bool:
        asked.append("third")
        raise ValueError("secret")

    def fourth(name: str, auth: dict[str, Any]) -> bool:
        asked.append("fourth")
        return True

    io.of(re.compile("/other"))
    io.of(second)
    io.of(third)
    parent = io.of(fourth)
    io.of(re.compile(".*"))
    async with LinkedClient(io, "/x"):
        assert asked == ["second", "third", "fourth"]
        assert io.of("/x").parent is parent


@pytest.mark.parametrize("is_async", [False, True])
async def test_function_that_fails_refuses_and_is_logged(
    io: Server, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str, auth: dict[str, Any]) -> bool:
        raise ValueError("secret")

    async def fail_later(name: str, auth: dict[str, Any]) -> bool:
        raise ValueError("secret")

    io.of(fail_later if is_async else fail)
    with pytest.raises(ConnectError, match="Invalid namespace") as caught:
        await LinkedClient(io, "/x").connect()
    assert "secret" not in str(caught.value)
    assert "secret" in caplog.text


async def test_namespace_that_exists_wins_over_parents(io: Server) -> None:
    asked: list[str] = []

    def agree(name: str, auth: dict[str, Any]) -> bool:
        asked.append(name)
        return True

    static = io.of("/x")
    io.of(agree)
    async with LinkedClient(io, "/x") as client:
        assert list(static.sockets) == [client.sid]
    assert asked == []


async def test_namespace_that_is_made_while_a_function_waits_wins(io: Server) -> None:
    go_on = asyncio.Event()

    async def wait(name: str, auth: dict[str, Any]) -> bool:
        await go_on.wait()
        return name == "/x"

    io.of(wait)
    clients = [LinkedClient(io, name) for name in ("/x", "/y")]
    connecting = asyncio.gather(*(client.connect() for client in clients))
    await settle()
    static = [io.of("/x"), io.of("/y")]
    go_on.set()
    await connecting
    assert [list(each.sockets) for each in static] == [[client.sid] for client in clients]
    for client in clients:
        await client.close()


async def test_requests_at_the_same_time_make_one_namespace(io: Server) -> None:
    made = Log()
    io.on("new_namespace", made)

    async def allow(name: str, auth: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return True

    io.of(allow)
    clients = [LinkedClient(io, "/x") for _ in range(5)]
    await asyncio.gather(*(client.connect() for client in clients))
    assert made == [(io.of("/x"),)]
    assert len(io.of("/x").sockets) == 5
    for client in clients:
        await client.close()


async def test_client_that_is_lost_while_a_function_waits_leaves_nothing(io: Server) -> None:
    io = Server(cleanup_empty_child_namespaces=True)
    go_on = asyncio.Event()

    async def wait(name: str, auth: dict[str, Any]) -> bool:
        await go_on.wait()
        return True

    parent = io.of(wait)
    client = LinkedClient(io, "/x")
    connecting = asyncio.create_task(client.connect())
    await settle()
    await client.close()
    go_on.set()
    with pytest.raises(TransportError):
        await connecting
    await settle()
    assert list(io.namespaces) == ["/"]
    assert parent.children == []


@pytest.mark.parametrize("by", ["function", "middleware"])
async def test_what_still_decides_when_the_client_goes_is_cancelled(io: Server, by: str) -> None:
    ended: list[str] = []

    async def wait(*args: Any) -> bool:
        try:
            return await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(by)
            raise

    if by == "function":
        io.of(wait)
    else:
        io.of("/x").use(wait)
    client = LinkedClient(io, "/x")
    connecting = asyncio.create_task(client.connect())
    await settle()
    await client.close()
    with pytest.raises(TransportError):
        await connecting
    await settle()
    assert ended == [by]


async def test_second_connect_while_a_function_waits_is_a_violation(io: Server) -> None:
    async def wait(name: str, auth: dict[str, Any]) -> bool:
        await asyncio.Event().wait()
        return True

    io.of("/main")
    io.of(wait)
    async with LinkedClient(io, "/main") as client:
        client.send_raw("40/x,", "40/x,")
        assert await client.disconnected() == "transport close"


async def test_d07_namespaces_of_one_connection_are_bounded() -> None:
    io = Server(cleanup_empty_child_namespaces=True, serve_client=False)
    io.of(re.compile(r"/dyn-\d+"))
    async with LinkedClient(io) as client:
        for number in range(150):
            if number < 99:
                await client.of(f"/dyn-{number}").connect()
            else:
                with pytest.raises(ConnectError, match="too many namespaces"):
                    await client.of(f"/dyn-{number}").connect()
        assert len(io.namespaces) == 100
    await settle()
    assert list(io.namespaces) == ["/"]


# --- what a child is ------------------------------------------------------------------------------


async def test_child_gets_what_its_parent_has_at_that_moment(io: Server) -> None:
    order: list[str] = []
    parent = io.of(re.compile(".*"))
    parent.use(lambda socket: order.append("middleware"))
    parent.on("connection", lambda socket: order.append("connection"))
    parent.event("add")(lambda socket, a, b: a + b)
    async with LinkedClient(io, "/1") as client:
        assert await client.emit_with_ack("add", 1, 2) == 3
        parent.use(lambda socket: order.append("late"))
        parent.on("connection", lambda socket: order.append("late"))
        async with LinkedClient(io, "/1"):
            assert order == ["middleware", "connection"] * 2
        io.of("/1").use(lambda socket: order.append("own"))
        order.clear()
        async with LinkedClient(io, "/2"):
            assert order == ["middleware", "late", "connection", "late"]


async def test_handler_for_one_call_is_called_once_in_each_child() -> None:
    io = Server(cleanup_empty_child_namespaces=False)
    calls = Log()
    parent = io.of(re.compile(".*"))
    parent.once("connection", lambda socket: calls(socket.namespace.name))
    for name in ("/1", "/1", "/2"):
        async with LinkedClient(io, name):
            pass
    assert calls == [("/1",), ("/2",)]


async def test_name_that_the_application_asks_for_becomes_a_child_of_a_pattern(io: Server) -> None:
    asked: list[str] = []

    def agree(name: str, auth: dict[str, Any]) -> bool:
        asked.append(name)
        return True

    io.of(agree)
    parent = io.of(re.compile(r"/dynamic-\d+"))
    assert io.of("/dynamic-101").parent is parent
    assert io.of("/x").parent is None
    assert asked == []


def test_new_namespace_is_told_of_each_but_the_main_one_and_parents(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Namespace] = []

    @io.on("new_namespace")
    def fail(namespace: Namespace) -> None:
        raise ValueError("secret")

    @io.on("new_namespace")
    async def cannot_run_yet(namespace: Namespace) -> None: ...

    io.on("new_namespace", made.append)
    io.of(re.compile("/a"))
    namespaces = [io.of("/a"), io.of("/b"), io.of("/b")]
    assert made == namespaces[:2]
    assert "secret" in caplog.text
    assert "cannot run before the server does" in caplog.text


async def test_new_namespace_may_be_handled_by_a_coroutine(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    made = Log()

    @io.on("new_namespace")
    async def handler(namespace: Namespace) -> None:
        await asyncio.sleep(0)
        made(namespace.name)
        raise ValueError("secret")

    io.of(re.compile("/a"))
    async with LinkedClient(io, "/a"):
        await settle()
    assert made == [("/a",)]
    assert "a handler of 'new_namespace' failed" in caplog.text


def test_pattern_for_bytes_is_refused(io: Server) -> None:
    with pytest.raises(TypeError, match="must be for text"):
        io.of(re.compile(b"/x"))  # type: ignore[arg-type] # it is the test


# --- through the parent ---------------------------------------------------------------------------


class Children:
    """Clients in two children of one parent."""

    def __init__(self, io: Server) -> None:
        self.parent = io.of(re.compile(r"/\d"))
        self.one, self.two = LinkedClient(io, "/1"), LinkedClient(io, "/2")
        self.io = io

    async def __aenter__(self) -> Children:
        await self.one.connect()
        await self.two.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.one.close()
        await self.two.close()

    async def received(self) -> list[list[str]]:
        """What each client got."""
        await settle()
        return [[event for event, _ in client.received_nowait()] for client in (self.one, self.two)]


async def test_what_is_emitted_through_the_parent_reaches_all_children(io: Server) -> None:
    async with Children(io) as children, LinkedClient(io) as other:
        parent = children.parent
        socket_of(io, children.one, "/1").join("r")
        assert children.two.sid is not None
        parent.emit("to all")
        parent.send("message")
        parent.to("r").emit("to r")
        parent.except_("r").emit("not to r")
        parent.in_(children.two.sid).emit("to two")
        parent.local.compress(False).emit("flags")
        await asyncio.to_thread(parent.emit, "thread")
        assert await children.received() == [
            ["to all", "message", "to r", "flags", "thread"],
            ["to all", "message", "not to r", "to two", "flags", "thread"],
        ]
        assert other.received_nowait() == []


async def test_answers_of_all_children_are_collected(io: Server) -> None:
    async with Children(io) as children:
        children.one.on("ask", lambda: 1)
        children.two.on("ask", lambda: 2)
        assert sorted(await children.parent.emit_with_ack("ask")) == [1, 2]
        children.two.on("ask", lambda: children.two.disconnect())
        with pytest.raises(AckTimeout) as caught:
            await children.parent.timeout(0.05).emit_with_ack("ask")
        assert caught.value.responses == [1]
        with pytest.raises(TypeError):
            await children.parent.emit_with_ack("ask", UNSENDABLE)
    assert await io.of(re.compile("/none")).emit_with_ack("ask") == []


async def test_sockets_of_all_children_join_leave_and_disconnect(io: Server) -> None:
    async with Children(io) as children:
        sockets = [socket_of(io, children.one, "/1"), socket_of(io, children.two, "/2")]
        children.parent.sockets_join("r", "s")
        children.parent.to("r").sockets_leave("s")
        assert [socket.rooms for socket in sockets] == [{socket.id, "r"} for socket in sockets]
        children.parent.disconnect_sockets()
        assert await children.one.disconnected() == "io server disconnect"
        assert await children.two.disconnected() == "io server disconnect"


async def test_sockets_of_a_parent_cannot_be_fetched(io: Server) -> None:
    parent = io.of(re.compile(".*"))
    for target in (parent, parent.to("r")):
        with pytest.raises(RuntimeError, match="not supported on parent namespaces"):
            await target.fetch_sockets()


def test_parents_have_names_of_their_own(io: Server) -> None:
    one, two = io.of(re.compile("a")), io.of(re.compile("a"))
    assert one is not two
    assert re.fullmatch(r"/_\d+", one.name) and one.name != two.name
    assert repr(one) == "<ParentNamespace a of 0 namespaces>"


# --- empty children go ----------------------------------------------------------------------------


@pytest.fixture
def tidy() -> Server:
    """A server that removes empty children."""
    return Server(cleanup_empty_child_namespaces=True)


async def test_d08_empty_child_goes_and_is_made_again(tidy: Server) -> None:
    parent = tidy.of(re.compile(r"/x-\d"))
    calls = Log()
    parent.on("connection", calls)
    async with LinkedClient(tidy, "/x-1"):
        first = tidy.of("/x-1")
        first.to("r").sockets_join("r")
    assert list(tidy.namespaces) == ["/"]
    assert parent.children == []
    assert getattr(first.adapter, "rooms", None) == {}
    async with LinkedClient(tidy, "/x-1"):
        assert tidy.of("/x-1") is not first
        assert len(calls) == 2
        parent.emit("x")


async def test_child_stays_while_somebody_is_there(tidy: Server) -> None:
    tidy.of(re.compile("/x"))
    async with LinkedClient(tidy, "/x"):
        async with LinkedClient(tidy, "/x"):
            child = tidy.of("/x")
        assert tidy.namespaces["/x"] is child
        child.use(lambda socket: refuse())
        with pytest.raises(ConnectError):
            await LinkedClient(tidy, "/x").connect()
        assert tidy.namespaces["/x"] is child
    assert "/x" not in tidy.namespaces


def refuse() -> None:
    raise ConnectError


@pytest.mark.parametrize("is_async", [False, True])
async def test_child_that_refused_its_only_socket_goes(tidy: Server, is_async: bool) -> None:
    @tidy.of(re.compile("/x")).use
    def middleware(socket: Socket) -> Any:
        if not is_async:
            refuse()
        return later()

    async def later() -> None:
        await asyncio.sleep(0)
        refuse()

    with pytest.raises(ConnectError):
        await LinkedClient(tidy, "/x").connect()
    assert "/x" not in tidy.namespaces


async def test_socket_in_middlewares_keeps_its_namespace(tidy: Server) -> None:
    go_on = asyncio.Event()
    go_on.set()

    @tidy.of(re.compile("/x")).use
    async def wait(socket: Socket) -> None:
        await go_on.wait()

    async with LinkedClient(tidy, "/x"):
        child = tidy.of("/x")
        go_on.clear()
        late, lost = LinkedClient(tidy, "/x"), LinkedClient(tidy, "/x")
        connecting = asyncio.gather(late.connect(), lost.connect(), return_exceptions=True)
        await settle()
    assert tidy.namespaces["/x"] is child
    await lost.close()
    await settle()
    assert tidy.namespaces["/x"] is child
    go_on.set()
    await connecting
    assert list(child.sockets) == [late.sid]
    await late.close()
    assert "/x" not in tidy.namespaces


async def test_child_whose_last_socket_is_lost_in_middlewares_goes(tidy: Server) -> None:
    @tidy.of(re.compile("/x")).use
    async def wait(socket: Socket) -> None:
        await asyncio.Event().wait()

    client = LinkedClient(tidy, "/x")
    connecting = asyncio.create_task(client.connect())
    await settle()
    assert "/x" in tidy.namespaces
    await client.close()
    with pytest.raises(TransportError):
        await connecting
    assert "/x" not in tidy.namespaces


async def test_namespace_of_the_application_stays(tidy: Server) -> None:
    tidy.of("/x")
    async with LinkedClient(tidy, "/x"):
        pass
    assert "/x" in tidy.namespaces


async def test_empty_child_stays_where_it_is_to_be_kept() -> None:
    io = Server(cleanup_empty_child_namespaces=False)
    io.of(re.compile("/x"))
    async with LinkedClient(io, "/x"):
        pass
    assert "/x" in io.namespaces


async def test_child_stays_while_a_lost_socket_may_come_back() -> None:
    io = Server(
        cleanup_empty_child_namespaces=True,
        connection_state_recovery=Recovery(max_disconnection_duration=60),
    )
    io.of(re.compile("/x"))
    async with LinkedClient(io, "/x") as client:
        child = io.of("/x")
        child.emit("1")
        _, [offset] = await client.received()
        auth = {"pid": client.pid, "offset": offset}
    await settle()
    assert io.namespaces["/x"] is child
    child.emit("2")
    async with LinkedClient(io, "/x", auth=auth) as client:
        assert (await client.received())[0] == "2"
    await settle()
    adapter: Any = child.adapter
    adapter.handle_timeout(io.engine.driver.clock() + 200)
    assert "/x" not in io.namespaces


# --- events between servers -----------------------------------------------------------------------


@pytest.mark.parametrize("event", ["connection", "connect", "new_namespace"])
async def test_own_events_cannot_be_emitted_to_other_servers(io: Server, event: str) -> None:
    with pytest.raises(ValueError, match=f'"{event}" is a reserved event name'):
        io.server_side_emit(event)
    with pytest.raises(ValueError, match="reserved"):
        await io.of("/x").server_side_emit_with_ack(event)
    with pytest.raises(TypeError, match="must be text"):
        io.server_side_emit(5)  # type: ignore[arg-type] # it is the test


async def test_single_process_has_no_other_servers_and_says_so_once(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    own = Log()
    io.on("hello", own)
    with caplog.at_level(logging.WARNING):
        io.server_side_emit("hello", 1)
        io.server_side_emit("hello", 2)
    assert caplog.messages == ["this adapter does not support server_side_emit()"]
    assert await io.server_side_emit_with_ack("hello") == []
    assert own == []


async def test_event_of_another_server_runs_the_handlers(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Log()

    @io.on("hello")
    def fail(name: str) -> None:
        raise ValueError("secret")

    io.on("hello", calls)

    @io.on("hello")
    async def answer(name: str) -> str:
        await asyncio.sleep(0)
        return f"hello {name}"

    io.on("connection", calls)
    assert await io.of("/").server_event_received("hello", "ada") == "hello ada"
    assert await io.of("/").server_event_received("connection", 1) is None
    assert await io.of("/").server_event_received("unknown") is None
    assert calls == [("ada",)]
    assert "secret" in caplog.text
    io.off("hello")
    assert await io.of("/").server_event_received("hello", "ada") is None


async def test_adapter_of_a_cluster_carries_events_of_servers(io: Server) -> None:
    from sockwave import InMemoryAdapter

    class ClusterAdapter(InMemoryAdapter):
        sent: list[Any] = []  # noqa: RUF012 # of one test

        def server_side_emit(self, args: tuple[Any, ...]) -> None:
            self.sent.append(args)

        async def server_side_emit_with_ack(
            self, args: tuple[Any, ...], timeout: float
        ) -> list[Any]:
            return [args, timeout]

    namespace = io.of("/x")
    namespace.adapter = adapter = ClusterAdapter(namespace)
    namespace.server_side_emit("a", 1)
    assert adapter.sent == [("a", 1)]
    assert await namespace.server_side_emit_with_ack("b") == [("b",), 60.0]
    assert await namespace.server_side_emit_with_ack("b", timeout=1) == [("b",), 1]


async def test_handler_for_other_servers_does_not_hide_that_a_client_is_not_heard(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Log()
    io.on("message", calls)
    async with LinkedClient(io) as client:
        client.emit("message", 1)
        client.emit("message", 2)
        client.emit("other")
        await settle()
    assert calls == []
    assert len(caplog.messages) == 1
    assert "use `@event` or `socket.on`" in caplog.messages[0]


# --- patterns and other scripts -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"/room-\d+", "/room-12", "/room-\u0661\u0662"),
        (r"/room-\d+", "/room-0", "/room-\uff10"),
        (r"/room-\d+", "/room-0", "/room-\u00b2"),
        (r"/\w+", "/word_1", "/\u043a\u043e\u0442"),
        (r"/a\sb", "/a b", "/a\u00a0b"),
        (r"(?i)/k", "/K", "/\u212a"),
        ("/\u043a\u043e\u0442-\\d", "/\u043a\u043e\u0442-1", "/\u043a\u043e\u0442-\u0661"),
        (r"(?u:/\w+)-\d", "/\u043a\u043e\u0442-1", "/\u043a\u043e\u0442-\u0661"),
    ],
)
async def test_classes_of_a_pattern_stand_for_ascii(
    io: Server, pattern: str, good: str, bad: str
) -> None:
    parent = io.of(re.compile(pattern))
    async with LinkedClient(io, good):
        assert [child.name for child in parent.children] == [good]
    with pytest.raises(ConnectError, match="Invalid namespace"):
        await LinkedClient(io, bad).connect()
    io.of(bad)
    assert bad not in {child.name for child in parent.children}


async def test_pattern_may_ask_for_all_scripts(io: Server) -> None:
    io.of(re.compile(r"(?u)/room-\d+"))
    async with LinkedClient(io, "/room-\u0661\u0662"):
        pass


async def test_flags_of_a_pattern_are_kept(io: Server) -> None:
    io.of(re.compile(r"/ROOM - \d  # a number", re.IGNORECASE | re.VERBOSE))
    async with LinkedClient(io, "/room-1"):
        pass
