"""Sockets that are lost and come back, in one process and on a made-up clock."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, InMemoryAdapter, Recovery, Server, Socket, TransportError
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Log, settle, socket_of
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.socketio.core.recovery import SavedSession


def server(**options: Any) -> Server:
    return Server(connection_state_recovery=Recovery(**options))


@pytest.fixture
def io() -> Server:
    """A server that recovers."""
    return server()


class Page:
    """What a page with a JavaScript client keeps: the events in order, and the latest offset."""

    def __init__(self, io: Server, **options: Any) -> None:
        self.io = io
        self.options = options
        self.events: list[list[Any]] = []
        self.pid: str | None = None
        self.offset: str | None = None
        self.sid: str | None = None
        self.recovered = False
        self.client = LinkedClient(io)

    async def connect(self, **auth: Any) -> Page:
        if self.pid is not None:
            offset = {} if self.offset is None else {"offset": self.offset}
            auth = {"pid": self.pid, **offset, **auth}
        self.client = LinkedClient(self.io, auth=auth, **self.options)
        await self.client.connect()
        self.recovered = self.pid is not None and self.client.pid == self.pid
        self.pid, self.sid = self.client.pid, self.client.sid
        await self.look()
        return self

    async def look(self) -> list[str]:
        """Take what has come; the names of all events so far."""
        await settle()
        for event, args in self.client.received_nowait():
            if args and isinstance(args[-1], str):
                self.offset = args.pop()
            self.events.append([event, *args])
        return [event[0] for event in self.events]

    async def lose(self) -> None:
        """The connection is gone, and nothing of what is on its way arrives."""
        await self.client.close()
        self.client.received_nowait()
        await settle()

    @property
    def socket(self) -> Socket:
        return socket_of(self.io, self.client)


# --- on and off -----------------------------------------------------------------------------------


async def test_nothing_of_it_shows_while_it_is_off() -> None:
    io = Server()
    async with LinkedClient(io, auth={"pid": "x", "offset": "y"}) as client:
        io.emit("x", 1)
        socket_of(io, client).emit("y")
        assert client.pid is None
        assert [await client.received() for _ in range(2)] == [("x", [1]), ("y", [])]
        assert not socket_of(io, client).recovered
        assert type(io.adapter) is InMemoryAdapter


async def test_true_turns_it_on_and_a_wrong_option_is_refused() -> None:
    page = await Page(Server(connection_state_recovery=True)).connect()
    assert page.pid is not None and len(page.pid) == 33 and page.pid != page.sid
    for wrong in ("yes", 1, {"max_packets": 5}):
        with pytest.raises(TypeError, match="connection_state_recovery"):
            Server(connection_state_recovery=wrong)  # type: ignore[arg-type] # it is the test
    with pytest.raises(TypeError, match="allow_sid_rooms"):
        Server(allow_sid_rooms=Recovery())  # type: ignore[arg-type] # it is the test


async def test_events_of_the_socket_and_broadcasts_carry_an_offset_and_others_none(
    io: Server,
) -> None:
    page = await Page(io).connect()
    socket = page.socket
    socket.emit("to the socket", 1)
    io.emit("to all", 2)
    socket.emit("ack", 3, ack=print)
    await settle()
    socket.volatile.emit("volatile", 4)
    await settle()
    events = [(event, len(args)) for event, args in page.client.received_nowait()]
    assert events == [("to the socket", 2), ("to all", 2), ("ack", 1), ("volatile", 1)]


async def test_emit_keeps_its_order_with_broadcasts_and_its_errors(io: Server) -> None:
    page = await Page(io).connect()
    for number in range(3):
        page.socket.emit(f"socket {number}")
        io.emit(f"all {number}")
    page.socket.emit("binary", b"\x01", {"deep": b"\x02"})
    names = await page.look()
    assert names == ["socket 0", "all 0", "socket 1", "all 1", "socket 2", "all 2", "binary"]
    assert page.events[-1] == ["binary", b"\x01", {"deep": b"\x02"}]
    with pytest.raises(TypeError):
        page.socket.emit("x", UNSENDABLE)
    with pytest.raises(ValueError, match="reserved"):
        page.socket.emit("disconnect")


async def test_emit_from_another_thread_is_logged_too(io: Server) -> None:
    page = await Page(io).connect()
    socket = page.socket
    await asyncio.to_thread(socket.emit, "x")
    assert await page.look() == ["x"]
    assert page.offset is not None
    with pytest.raises(TypeError):
        await asyncio.to_thread(socket.emit, "x", UNSENDABLE)


async def test_hook_for_outgoing_events_sees_what_was_emitted(io: Server) -> None:
    page, seen = await Page(io).connect(), Log()
    page.socket.on_any_outgoing(seen)
    page.socket.emit("x", 1)
    io.emit("y", 2)
    assert seen == [("x", 1), ("y", 2)]


# --- coming back ----------------------------------------------------------------------------------


async def test_socket_continues_with_id_rooms_data_and_what_it_missed(transport: str) -> None:
    io = server()
    seen: list[Socket] = []
    io.on("connection", seen.append)
    page = await Page(io, transport=transport).connect()
    data = page.socket.data
    data["name"] = "ada"
    page.socket.join("r")
    io.emit("1")
    await page.look()
    await page.lose()
    io.emit("2")
    io.to("r").emit("3", b"\x03")
    io.to("other").emit("not for it")
    before = page.sid
    await page.connect()
    assert await page.look() == ["1", "2", "3"]
    assert page.events[-1] == ["3", b"\x03"]
    assert (page.recovered, page.sid) == (True, before)
    assert page.socket is seen[1] is not seen[0]
    assert page.socket.recovered and page.socket.data is data
    assert page.socket.rooms == {before, "r"}
    io.to("r").emit("4")
    assert await page.look() == ["1", "2", "3", "4"]


async def test_socket_can_come_back_again_and_again(io: Server) -> None:
    page = await Page(io).connect()
    io.emit("0")
    await page.look()
    for number in range(1, 20):
        await page.lose()
        io.emit(f"{number}")
        await page.connect()
        assert page.recovered
    assert await page.look() == [f"{number}" for number in range(20)]


async def test_what_was_on_its_way_is_sent_again(io: Server) -> None:
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    io.emit("2")
    page.socket.emit("3")
    await page.lose()
    await page.connect()
    assert await page.look() == ["1", "2", "3"]


async def test_emit_on_the_lost_socket_reaches_the_client_when_it_is_back(io: Server) -> None:
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    old = page.socket
    old.on("disconnecting", lambda reason: old.emit("2"))
    old.on("disconnect", lambda reason: old.emit("3"))
    await page.lose()
    old.emit("4")
    await page.connect()
    old.emit("5")
    assert await page.look() == ["1", "2", "3", "4", "5"]
    page.client.disconnect()
    await settle()
    old.emit("6")
    await settle()
    assert page.client.received_nowait() == []


async def test_own_broadcasts_are_not_replayed(io: Server) -> None:
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    page.socket.broadcast.emit("for others")
    await page.lose()
    await page.connect()
    assert page.recovered
    assert await page.look() == ["1"]


async def test_each_namespace_recovers_for_itself(io: Server) -> None:
    io.of("/admin")
    async with LinkedClient(io) as client:
        admin = client.of("/admin")
        await admin.connect()
        io.emit("x")
        io.of("/admin").emit("y")
        (_, [offset]), (_, [admin_offset]) = await client.received(), await admin.received()
        pid, admin_pid = client.pid, admin.pid
    await settle()
    async with LinkedClient(io, auth={"pid": admin_pid, "offset": admin_offset}) as client:
        assert client.pid != admin_pid, "a secret of another namespace"
        async with client.of("/admin", auth={"pid": admin_pid, "offset": offset}) as other:
            assert other.pid != admin_pid, "an offset of another namespace"
    async with LinkedClient(io, auth={"pid": pid, "offset": offset}) as client:
        assert client.pid == pid


async def test_client_that_is_back_before_the_loss_is_noticed_takes_the_place(io: Server) -> None:
    ends = Log()
    io.event("disconnect")(lambda socket, reason: ends.append((socket.id, reason)))
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    before = page.sid
    old, page.client = page.client, LinkedClient(io)
    io.emit("2")
    await page.connect()
    assert await page.look() == ["1", "2"]
    assert (page.recovered, page.sid, ends) == (True, before, [(before, "transport close")])
    assert list(io.sockets) == [before]
    assert await old.disconnected() == "transport close"


# --- middlewares ----------------------------------------------------------------------------------


async def test_middlewares_run_again_and_know_that_it_is_recovered(io: Server) -> None:
    seen: list[tuple[bool, dict[str, Any]]] = []
    io.use(lambda socket: seen.append((socket.recovered, dict(socket.data))))
    io.use(lambda socket: socket.data.update(n=len(seen)))
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    await page.lose()
    await page.connect()
    assert seen == [(False, {}), (True, {"n": 1})]


async def test_middlewares_are_skipped_on_demand() -> None:
    io, calls = server(skip_middlewares=True), Log()
    io.use(calls)
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    await page.lose()
    await page.connect()
    assert page.recovered
    assert len(calls) == 1


@pytest.mark.parametrize("is_async", [False, True])
async def test_refused_client_gets_nothing_of_what_it_missed(io: Server, is_async: bool) -> None:
    banned: list[str] = []

    def check(socket: Socket) -> None:
        socket.join("early")
        if socket.id in banned:
            raise ConnectError("banned")

    async def check_later(socket: Socket) -> None:
        await asyncio.sleep(0)
        check(socket)

    io.use(check_later if is_async else check)
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    assert page.sid is not None
    banned.append(page.sid)
    await page.lose()
    io.emit("secret")
    with pytest.raises(ConnectError, match="banned"):
        await page.connect()
    await settle()
    assert page.client.received_nowait() == []
    assert getattr(io.adapter, "rooms", None) == {}
    banned.clear()
    await page.connect()
    assert not page.recovered, "the session is used up"


async def test_what_is_sent_while_middlewares_run_is_not_lost(io: Server) -> None:
    go_on = asyncio.Event()
    go_on.set()

    @io.use
    async def wait(socket: Socket) -> None:
        await go_on.wait()

    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    await page.lose()
    io.emit("2")
    go_on.clear()
    connecting = asyncio.create_task(page.connect())
    await settle()
    io.emit("3")
    go_on.set()
    await connecting
    io.emit("4")
    assert await page.look() == ["1", "2", "3", "4"]


async def test_client_that_is_lost_while_middlewares_run_may_try_again(io: Server) -> None:
    go_on = asyncio.Event()
    go_on.set()

    @io.use
    async def wait(socket: Socket) -> None:
        await go_on.wait()

    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    page.socket.join("r")
    await page.lose()
    io.to("r").emit("2")
    go_on.clear()
    connecting = asyncio.create_task(page.connect())
    await settle()
    await page.client.close()
    with pytest.raises(TransportError):
        await connecting
    go_on.set()
    await settle()
    await page.connect()
    assert page.recovered
    assert await page.look() == ["1", "2"]


async def test_client_whose_events_are_gone_when_middlewares_end_comes_as_a_new_one() -> None:
    io = server(max_packets=2)

    @io.use
    async def wait(socket: Socket) -> None:
        if socket.recovered:
            for number in range(5):
                io.emit(f"{number}")

    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    await page.lose()
    io.emit("2")
    with pytest.raises(TransportError):
        await page.connect()
    assert io.sockets == {}
    await page.connect()
    assert not page.recovered
    assert await page.look() == ["1"]


async def test_connection_handler_that_fails_takes_back_what_was_missed(io: Server) -> None:
    fails: list[Exception] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        if fails:
            raise fails[0]

    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    await page.lose()
    io.emit("2")
    fails.append(ConnectError("full"))
    with pytest.raises(ConnectError, match="full"):
        await page.connect()
    await settle()
    assert page.client.received_nowait() == []


async def test_event_emitted_in_a_middleware_arrives_without_an_offset(io: Server) -> None:
    io.use(lambda socket: socket.emit("early"))
    page = await Page(io).connect()
    assert await page.look() == ["early"]
    assert page.offset is None


# --- what is a new connection ---------------------------------------------------------------------


async def check_fresh(page: Page) -> None:
    """The page is a new client, and nothing of the old one is left."""
    before = page.sid
    old = page.pid
    await page.connect()
    assert not page.recovered
    assert page.sid != before
    assert page.client.pid not in (None, old)
    assert not page.socket.recovered
    assert (page.socket.rooms, page.socket.data) == ({page.sid}, {})


async def lost_page(io: Server) -> Page:
    """A page that has got one event, then was lost, and has missed another."""
    page = await Page(io).connect()
    page.socket.join("r")
    page.socket.data["x"] = 1
    io.emit("1")
    await page.look()
    await page.lose()
    io.emit("2")
    return page


@pytest.mark.parametrize("seconds", [119.9, 120.1])
async def test_time_to_come_back_is_over_at_its_end(
    io: Server, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await lost_page(io)
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(io.engine.driver, "clock", lambda: now + seconds)
    if seconds < 120:
        await page.connect()
        assert page.recovered
    else:
        await check_fresh(page)
        assert await page.look() == ["1"]


@pytest.mark.parametrize("seconds", [3_600, -3_600, 400 * 86_400, 2**31])
async def test_f12_wall_clock_does_not_matter(
    io: Server, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await lost_page(io)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    await page.connect()
    assert page.recovered
    assert await page.look() == ["1", "2"]


@pytest.mark.parametrize(
    "auth",
    [
        {"pid": "x" * 20},
        {"offset": "x"},
        {"offset": ""},
        {"pid": 5},
        {"pid": None},
        {"offset": ["a"]},
        {"pid": ""},
    ],
)
async def test_wrong_secret_or_offset_makes_a_new_connection(
    io: Server, auth: dict[str, Any]
) -> None:
    page = await lost_page(io)
    before, pid = page.sid, page.pid
    await page.connect(**auth)
    assert page.sid != before
    assert page.client.pid != pid
    assert await page.look() == ["1"]


async def test_g6_secret_is_good_for_one_socket_at_a_time_and_for_none_after_a_goodbye(
    io: Server,
) -> None:
    page = await lost_page(io)
    auth = {"pid": page.pid, "offset": page.offset}
    first, second = LinkedClient(io, auth=auth), LinkedClient(io, auth=auth)
    await first.connect()
    await second.connect()
    assert await first.disconnected() == "transport close"
    assert list(io.sockets) == [second.sid] == [page.sid]
    second.disconnect()
    await settle()
    async with LinkedClient(io, auth=auth) as third:
        assert third.sid != page.sid
        assert third.pid != page.pid


@pytest.mark.parametrize("by", ["client", "server", "parse error"])
async def test_socket_that_left_on_purpose_is_not_recovered(io: Server, by: str) -> None:
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    if by == "client":
        page.client.disconnect()
    elif by == "server":
        page.socket.disconnect()
    else:
        page.client.send_raw("9")
    await settle()
    await check_fresh(page)


async def test_closed_server_has_forgotten_everybody(io: Server) -> None:
    page = await Page(io).connect()
    io.emit("1")
    await page.look()
    await io.close()
    await check_fresh(page)


async def test_client_that_has_got_no_event_yet_is_recovered_without_an_offset(io: Server) -> None:
    io.emit("before it came")
    page = await Page(io).connect()
    page.socket.join("r")
    page.socket.volatile.emit("no offset")
    assert await page.look() == ["no offset"]
    io.emit("on its way")
    await page.lose()
    io.to("r").emit("1")
    await page.connect()
    assert page.recovered
    assert await page.look() == ["no offset", "on its way", "1"]
    await page.lose()
    await page.connect()
    assert page.recovered


async def test_events_of_a_client_without_an_offset_must_be_there_all(io: Server) -> None:
    io = server(max_packets=2)
    page = await Page(io).connect()
    for number in range(3):
        io.emit(f"{number}")
    await page.lose()
    await check_fresh(page)


# --- revoked while away ---------------------------------------------------------------------------


def leave_by_the_server(io: Server, old: Socket) -> None:
    io.sockets_leave("r")


def leave_by_the_room(io: Server, old: Socket) -> None:
    io.in_("r").except_("other").sockets_leave("r", "never in it")


def leave_by_the_id(io: Server, old: Socket) -> None:
    io.of("/").in_(old.id).sockets_leave(["r"])


def leave_of_the_old_socket(io: Server, old: Socket) -> None:
    old.leave("r")


LEAVES = [leave_by_the_server, leave_by_the_room, leave_by_the_id, leave_of_the_old_socket]


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("is_thread", [False, True], ids=["loop", "thread"])
async def test_lost_socket_can_be_taken_out_of_a_room(
    io: Server, leave: Callable[[Server, Socket], None], is_thread: bool, transport: str
) -> None:
    page = await Page(io, transport=transport).connect()
    old = page.socket
    old.join("r", "kept")
    io.emit("1")
    await page.look()
    await page.lose()
    io.to("r").emit("while it was in it")
    if is_thread:
        await asyncio.to_thread(leave, io, old)
    else:
        leave(io, old)
    await settle()
    io.to("r").emit("secret")
    io.to("kept").emit("2")
    await page.connect()
    assert page.recovered
    assert await page.look() == ["1", "while it was in it", "2"]
    assert page.socket.rooms == {page.sid, "kept"}


@pytest.mark.parametrize("by", ["server", "room", "old socket"])
async def test_lost_socket_can_be_put_into_a_room(io: Server, by: str) -> None:
    page = await Page(io).connect()
    old = page.socket
    old.join("r")
    io.emit("1")
    await page.look()
    await page.lose()
    io.to("new").emit("before")
    if by == "server":
        io.sockets_join("new")
    elif by == "room":
        io.in_("r").sockets_join(["new"])
    else:
        old.join("new")
    io.except_("r").sockets_join("not this")
    io.to("new").emit("2")
    await page.connect()
    assert await page.look() == ["1", "2"]
    assert page.socket.rooms == {page.sid, "r", "new"}
    io.to("new").emit("3")
    assert await page.look() == ["1", "2", "3"]


def disconnect_by_the_server(io: Server, old: Socket) -> None:
    io.disconnect_sockets()


def disconnect_by_the_room(io: Server, old: Socket) -> None:
    io.to("r").disconnect_sockets(close=True)


def disconnect_by_the_id(io: Server, old: Socket) -> None:
    io.in_(old.id).disconnect_sockets()


def disconnect_of_the_old_socket(io: Server, old: Socket) -> None:
    old.disconnect()


DISCONNECTS = [
    disconnect_by_the_server,
    disconnect_by_the_room,
    disconnect_by_the_id,
    disconnect_of_the_old_socket,
]


@pytest.mark.parametrize("disconnect", DISCONNECTS)
async def test_client_that_was_disconnected_while_away_is_a_new_one(
    io: Server, disconnect: Callable[[Server, Socket], None]
) -> None:
    page = await Page(io).connect()
    old = page.socket
    old.join("r")
    io.emit("1")
    await page.look()
    await page.lose()
    io.to("r").emit("secret")
    disconnect(io, old)
    old.emit("to nobody")
    await check_fresh(page)
    assert await page.look() == ["1"]


async def test_others_come_back_who_were_not_meant(io: Server) -> None:
    page = await lost_page(io)
    io.in_("other").disconnect_sockets()
    io.except_("r").disconnect_sockets()
    io.in_("other").sockets_leave("r")
    await page.connect()
    assert page.recovered and page.socket.rooms == {page.sid, "r"}


async def test_old_socket_speaks_for_its_client_that_is_back(io: Server) -> None:
    page = await Page(io).connect()
    old = page.socket
    io.emit("1")
    await page.look()
    await page.lose()
    await page.connect()
    assert page.socket is not old
    old.join("r")
    assert page.socket.rooms == {page.sid, "r"}
    old.leave("r")
    assert page.socket.rooms == {page.sid}
    old.disconnect()
    assert await page.client.disconnected() == "io server disconnect"
    await settle()
    await check_fresh(page)


@pytest.mark.parametrize("what", ["leave", "join", "disconnect"])
async def test_client_that_waits_for_middlewares_is_reached_too(io: Server, what: str) -> None:
    go_on = asyncio.Event()
    go_on.set()

    @io.use
    async def wait(socket: Socket) -> None:
        await go_on.wait()

    page = await Page(io).connect()
    page.socket.join("r")
    io.emit("1")
    await page.look()
    await page.lose()
    go_on.clear()
    connecting = asyncio.create_task(page.connect())
    await settle()
    assert not io.sockets
    if what == "leave":
        io.in_("r").sockets_leave("r")
        io.to("r").emit("secret")
    elif what == "join":
        io.in_("r").sockets_join("new")
        io.to("new").emit("2")
    else:
        io.in_("r").disconnect_sockets()
    go_on.set()
    if what == "disconnect":
        with pytest.raises(TransportError):
            await connecting
        await check_fresh(page)
        return
    await connecting
    assert page.recovered
    assert await page.look() == (["1"] if what == "leave" else ["1", "2"])
    assert ("r" in page.socket.rooms) is (what == "join")


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("by", ["server", "old socket"])
async def test_whole_connection_that_was_closed_while_away_does_not_come_back(
    io: Server, close: bool, by: str
) -> None:
    io.of("/admin")
    async with LinkedClient(io) as client:
        admin = client.of("/admin")
        await admin.connect()
        old = socket_of(io, client)
        pids = client.pid, admin.pid
    await settle()
    if by == "server":
        io.disconnect_sockets(close=close)
    else:
        old.disconnect(close=close)
    async with LinkedClient(io, auth={"pid": pids[0]}) as client:
        assert client.pid != pids[0]
        async with client.of("/admin", auth={"pid": pids[1]}) as admin:
            assert (admin.pid == pids[1]) is not close


async def test_socket_that_left_for_good_is_in_no_room_any_more(io: Server) -> None:
    page = await Page(io).connect()
    old = page.socket
    page.client.disconnect()
    await settle()
    old.join("r")
    io.sockets_join("r")
    assert getattr(io.adapter, "rooms", None) == {}


async def test_child_namespace_goes_when_its_last_lost_socket_is_revoked() -> None:
    io = Server(connection_state_recovery=True, cleanup_empty_child_namespaces=True)
    io.of(re.compile("/room-\\d+"))
    async with LinkedClient(io, "/room-1"):
        pass
    await settle()
    assert "/room-1" in io.namespaces
    io.of("/room-1").disconnect_sockets()
    assert "/room-1" not in io.namespaces


async def test_old_offset_with_a_new_secret_gets_only_what_belongs_to_the_new(io: Server) -> None:
    page = await lost_page(io)
    offset = page.offset
    page.pid = None
    await page.connect()
    assert await page.look() == ["1"]
    page.offset = offset  # a JavaScript client keeps it
    await page.lose()
    io.emit("3")
    await page.connect()
    assert page.recovered
    assert await page.look() == ["1", "3"], "and not 2, which was before"


# --- adapters -------------------------------------------------------------------------------------


class SlowAdapter(InMemoryAdapter):
    """Keeps one session and asks somebody else for it."""

    epoch = ""
    saved: SavedSession | None = None
    fails = False

    def begin(self, id_: Any) -> None: ...

    def save(self, session: SavedSession) -> None:
        self.saved = session

    def restore(self, pid: str, offset: str | None) -> Awaitable[SavedSession | None]:
        if offset == "broken":
            raise OSError("no database")
        return self._restore(pid)

    async def _restore(self, pid: str) -> SavedSession | None:
        await asyncio.sleep(0)
        if self.fails:
            raise OSError("no database")
        session, self.saved = self.saved, None
        return session if session is not None and session.pid == pid else None

    def replay(self, id_: Any) -> list[Any] | None:
        return []


@pytest.mark.parametrize("case", ["works", "fails", "broken", "lost"])
async def test_adapter_may_take_its_time_or_fail(
    io: Server, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    from sockwave.socketio.server.recovery import NamespaceRecovery

    namespace = io.of("/")
    namespace.adapter = adapter = SlowAdapter(namespace)
    namespace.recovery = NamespaceRecovery(namespace, adapter, Recovery())
    page = await Page(io).connect()
    page.offset = "broken" if case == "broken" else "x"
    await page.lose()
    adapter.fails = case == "fails"
    if case == "lost":
        connecting = asyncio.create_task(page.connect())
        while adapter.saved is not None:
            await asyncio.sleep(0)
        await page.client.close()
        with pytest.raises(TransportError):
            await connecting
        await settle()
    await page.connect()
    assert page.recovered == (case in ("works", "lost"))
    assert ("could not be restored" in caplog.text) == (case in ("fails", "broken"))
