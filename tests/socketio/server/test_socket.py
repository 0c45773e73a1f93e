"""A socket on the server: its handlers, emits, acknowledgements, rooms, and how it leaves."""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sockwave import AckTimeout, Disconnected, EncodeError, LimitExceeded, Server, Socket
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Failures, Log, settle, socket_of
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["websocket", "polling"]


@pytest.fixture
def io() -> Server:
    """A server with the namespaces `/` and `/admin`."""
    io = Server()
    io.of("/admin")
    return io


# --- handlers of events ---------------------------------------------------------------------------


async def test_handler_gets_the_arguments_of_the_event(io: Server, transport: Kind) -> None:
    calls = Log()
    async with LinkedClient(io, transport=transport) as client:
        socket_of(io, client).on("x", calls)
        client.emit("x", 1, "ü", None, [True], {"k": b"\x01"})
        client.emit("x")
        await settle()
    assert calls == [(1, "ü", None, [True], {"k": b"\x01"}), ()]


async def test_handlers_start_in_the_order_of_events(io: Server, transport: Kind) -> None:
    order: list[str] = []

    async def later(name: str) -> None:
        order.append(f"begin {name}")
        await asyncio.sleep(0)

    async with LinkedClient(io, transport=transport) as client:
        socket = socket_of(io, client)
        socket.on("a", later)
        socket.on("b", later)
        for at in range(10):
            client.emit("ab"[at % 2], str(at))
        await settle()
    assert order == [f"begin {at}" for at in range(10)]


async def test_on_works_as_call_and_as_decorator_and_gives_the_handler_back(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        assert socket.on("x", calls) is calls
        assert socket.on("x")(calls) is calls
        client.emit("x")
        await settle()
    assert calls == [(), ()]


async def test_once_handles_one_event(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        assert socket.once("x", calls) is calls
        assert socket.once("x")(calls) is calls
        client.emit("x", 1)
        client.emit("x", 2)
        await settle()
    assert calls == [(1,), (1,)]


async def test_off_removes_one_handler_or_all(io: Server) -> None:
    kept, removed, once = Log(), Log(), Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("x", kept)
        socket.on("x", removed)
        socket.once("x", once)
        socket.off("x", removed)
        socket.off("x", once)
        client.emit("x")
        await settle()
        socket.off("x")
        client.emit("x")
        await settle()
    assert (kept, removed, once) == ([()], [], [])


async def test_handler_may_remove_itself_while_others_run(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)

        def first() -> None:
            socket.off("x", first)
            calls("first")

        socket.on("x", first)
        socket.on("x", calls)
        client.emit("x")
        client.emit("x")
        await settle()
    assert calls == [("first",), (), ()]


async def test_event_without_a_handler_is_ignored(io: Server) -> None:
    failures = Failures(io)
    async with LinkedClient(io) as client:
        client.emit("nobody", 1)
        await settle()
        assert socket_of(io, client).connected
    assert failures.heard == []


async def test_numeric_event_is_handled_under_its_text(io: Server) -> None:
    calls, every = Log(), Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("1", calls)
        socket.on_any(every)
        client.send_raw('42[1,"x"]', '42[1.0,"y"]')
        await settle()
    assert calls == [("x",), ("y",)]
    assert every == [(1, "x"), (1.0, "y")]


# --- handlers for all sockets ---------------------------------------------------------------------


async def test_event_of_all_sockets_is_handled_with_the_socket_first(io: Server) -> None:
    calls = Log()

    @io.event
    def rename(socket: Socket, name: str) -> bool:
        calls(socket.id, name)
        return True

    @io.event("chat message")
    async def message(socket: Socket, text: str) -> None:
        calls(socket.id, text)

    async with LinkedClient(io) as a, LinkedClient(io) as b:
        assert await a.emit_with_ack("rename", "ann") is True
        assert await b.emit_with_ack("chat message", "hi") is None
        assert calls == [(a.sid, "ann"), (b.sid, "hi")]


async def test_handlers_of_the_socket_run_before_those_for_all(io: Server) -> None:
    order = Log()
    io.event("x")(lambda socket: order("all"))
    async with LinkedClient(io) as client:
        socket_of(io, client).on("x", lambda: order("own"))
        client.emit("x")
        await settle()
    assert order == [("own",), ("all",)]


async def test_disconnect_handlers_for_all_sockets_get_what_they_take(io: Server) -> None:
    calls = Log()
    io.event("disconnecting")(lambda socket: calls("disconnecting", socket.connected))
    io.event("disconnect")(lambda socket, reason: calls(reason))
    io.event("disconnect")(lambda socket, reason, description: calls(description))
    async with LinkedClient(io) as client:
        client.disconnect()
        await settle()
    assert calls == [("disconnecting", True), ("client namespace disconnect",), ("",)]


async def test_removed_handler_for_all_sockets_is_not_called(io: Server) -> None:
    calls = Log()
    io.event("x")(calls)
    io.off("x", calls)
    async with LinkedClient(io) as client:
        client.emit("x")
        await settle()
    assert calls == []


# --- acknowledging --------------------------------------------------------------------------------


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("returned", "acknowledged"),
    [(None, None), (5, 5), ([1, 2], [1, 2]), ((1, 2), (1, 2)), ((), None), (b"\x01", b"\x01")],
)
async def test_what_a_handler_returns_is_the_acknowledgement(
    io: Server, returned: Any, acknowledged: Any, is_async: bool
) -> None:
    async with LinkedClient(io) as client:
        socket_of(io, client).on("x", lambda: later(returned) if is_async else returned)
        assert await client.emit_with_ack("x") == acknowledged


@pytest.mark.parametrize("is_async", [False, True])
async def test_of_several_handlers_the_first_that_returns_something_answers(
    io: Server, is_async: bool
) -> None:
    def give(value: Any) -> Any:
        return later(value) if is_async else value

    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        for value in (None, "first", "second"):
            socket.on("x", lambda value=value: give(value))
        assert await client.emit_with_ack("x") == "first"


async def test_several_handlers_that_return_nothing_answer_once_with_nothing(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("x", lambda: None)
        socket.on("x", lambda: later(None))
        assert await client.emit_with_ack("x") is None


def fail() -> None:
    raise ValueError("oops")


async def fail_later() -> None:
    await asyncio.sleep(0)
    fail()


@pytest.mark.parametrize("handlers", [[fail], [fail_later], [fail, later], [later, fail_later]])
async def test_handler_that_fails_does_not_answer(
    io: Server, handlers: list[Callable[..., Any]]
) -> None:
    failures = Failures(io)
    async with LinkedClient(io) as client:
        for handler in handlers:
            empty = handler is later
            socket_of(io, client).on("x", (lambda: later(None)) if empty else handler)
        with pytest.raises(AckTimeout):
            await client.emit_with_ack("x", timeout=0.02)
    assert failures.events == ["x"]


async def test_answer_that_cannot_be_sent_is_a_failure(io: Server) -> None:
    failures = Failures(io)
    async with LinkedClient(io) as client:
        socket_of(io, client).on("x", object)
        assert await client.emit_with_ack("x") == {"error": "internal"}
    assert [(event, type(error)) for event, error in failures.heard] == [("x", EncodeError)]


# --- handlers that fail ---------------------------------------------------------------------------


@pytest.mark.parametrize("handler", [fail, fail_later])
async def test_error_in_a_handler_is_reported_and_the_connection_lives(
    io: Server, handler: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures(io)
    async with LinkedClient(io, "/admin") as client:
        socket = socket_of(io, client, "/admin")
        socket.on("x", handler)
        socket.on("y", lambda: "still here")
        client.emit("x")
        assert await client.emit_with_ack("y") == "still here"
        assert failures.sockets == [socket]
    assert [(event, str(error)) for event, error in failures.heard] == [("x", "oops")]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"a handler of 'x' failed (socket {socket.id}, namespace /admin)"
    )
    assert "oops" in caplog.text


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
@pytest.mark.parametrize("is_async", [False, True])
async def test_arguments_that_do_not_fit_never_run_the_handler(
    io: Server, args: tuple[int, ...], is_async: bool
) -> None:
    calls, failures = Log(), Failures(io)

    async def handle_later(a: int, b: int) -> None:
        calls(a, b)

    def handle(a: int, b: int) -> None:
        calls(a, b)

    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("x", handle_later if is_async else handle)
        client.emit("x", *args)
        client.emit("x", 1, 2)
        await settle()
        assert socket.connected
    assert calls == [(1, 2)]
    assert [(event, type(error)) for event, error in failures.heard] == [("x", TypeError)]


async def test_error_hook_that_fails_is_logged_and_no_more(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    @io.on_error
    def hook(error: Exception, failure: object) -> None:
        raise RuntimeError("the hook itself")

    @io.on_error
    async def hook_later(error: Exception, failure: object) -> None:
        raise RuntimeError("the other hook")

    async with LinkedClient(io) as client:
        socket_of(io, client).on("x", fail)
        client.emit("x")
        await settle()
        assert client.sid in io.sockets
    assert caplog.text.count("the on_error hook failed") == 2


async def test_long_event_name_is_cut_in_the_log(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    name = "x" * 250
    async with LinkedClient(io) as client:
        socket_of(io, client).on(name, fail)
        client.emit(name)
        await settle()
    assert "x" * 128 in caplog.records[0].getMessage()
    assert "x" * 129 not in caplog.records[0].getMessage()


# --- catch-all handlers ---------------------------------------------------------------------------


async def test_on_any_gets_every_event_before_its_own_handlers(io: Server) -> None:
    order = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("x", lambda *args: order("own"))
        socket.on_any(order)
        socket.prepend_any(lambda *args: order("first"))
        client.emit("x", 1)
        client.emit("y")
        await settle()
    assert order == [("first",), ("x", 1), ("own",), ("first",), ("y",)]


async def test_off_any_removes_one_or_all(io: Server) -> None:
    a, b = Log(), Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on_any(a)
        socket.on_any(b)
        socket.off_any(a)
        assert socket.listeners_any() == [b]
        socket.off_any()
        assert socket.listeners_any() == []
        client.emit("x")
        await settle()
    assert (a, b) == ([], [])


async def test_on_any_does_not_answer(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on_any(lambda *args: "no")
        socket.on("x", lambda: "yes")
        assert await client.emit_with_ack("x") == "yes"


async def test_on_any_outgoing_gets_emits_and_broadcasts_as_given(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("question", lambda: "ack")
        socket.on_any_outgoing(calls)
        socket.prepend_any_outgoing(lambda *args: calls("first"))
        socket.emit("x", b"\x01")
        io.to(socket.id).emit("y", 2)
        assert await client.emit_with_ack("question") == "ack"
        socket.off_any_outgoing(calls)
        assert len(socket.listeners_any_outgoing()) == 1
        socket.off_any_outgoing()
        socket.emit("z")
        await settle()
        assert [event for event, _ in client.received_nowait()] == ["x", "y", "z"]
    assert calls == [("first",), ("x", b"\x01"), ("first",), ("y", 2)]


async def test_on_any_outgoing_hears_of_volatile_events_that_are_dropped(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        client.pause()
        socket = socket_of(io, client)
        socket.on_any_outgoing(calls)
        socket.volatile.emit("x")
    assert calls == [("x",)]


async def test_catch_all_handler_that_fails_does_not_stop_the_event(io: Server) -> None:
    failures = Failures(io)
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on_any(lambda: None)
        socket.on_any_outgoing(lambda: None)
        socket.on("x", lambda: socket.emit("y"))
        client.emit("x")
        assert await client.received() == ("y", [])
    assert failures.events == ["on_any", "on_any_outgoing"]


# --- emitting -------------------------------------------------------------------------------------


async def test_events_arrive_in_the_order_of_the_calls(io: Server, transport: Kind) -> None:
    async with LinkedClient(io, transport=transport) as client:
        socket = socket_of(io, client)
        for at in range(30):
            if at % 3 == 0:
                socket.emit("x", at)
            elif at % 3 == 1:
                socket.emit("x", at, b"\x01")
            else:
                io.emit("x", at)
        await settle()
        assert [args[0] for _, args in client.received_nowait()] == list(range(30))


async def test_send_is_the_message_event(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket_of(io, client).send(1, 2)
        assert await client.received() == ("message", [1, 2])


@pytest.mark.parametrize("name", ["connect", "disconnecting", "removeListener"])
async def test_reserved_name_cannot_be_emitted(io: Server, name: str) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        for emit in (socket.emit, socket.volatile.emit, io.emit):
            with pytest.raises(ValueError, match=f'"{name}" is a reserved event name'):
                emit(name)
        for ask in (socket.emit_with_ack, socket.timeout(1).emit_with_ack, io.emit_with_ack):
            with pytest.raises(ValueError, match="reserved"):
                await ask(name)


async def test_value_that_cannot_be_sent_is_refused_at_the_call(io: Server) -> None:
    async with LinkedClient(io) as client:
        with pytest.raises(EncodeError):
            socket_of(io, client).emit("x", UNSENDABLE)


async def test_event_after_leaving_is_dropped(io: Server) -> None:
    async with LinkedClient(io) as client, client.of("/admin"):
        socket = socket_of(io, client)
        socket.disconnect()
        socket.emit("x")
        socket.emit("x", b"\x01")
        socket.volatile.emit("x")
        await settle()
        assert client.received_nowait() == []
        assert socket.conn.is_open


async def test_volatile_event_goes_out_when_the_client_can_take_it(
    io: Server, transport: Kind
) -> None:
    async with LinkedClient(io, transport=transport) as client:
        await settle()
        socket_of(io, client).volatile.emit("x")
        assert await client.received() == ("x", [])


async def test_volatile_event_behind_another_is_dropped_whole(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.emit("a")
        socket.volatile.emit("b", b"\x01", b"\x02")
        socket.emit("c")
        await settle()
        assert [event for event, _ in client.received_nowait()] == ["a", "c"]


async def test_volatile_event_to_a_client_that_does_not_read_is_dropped(
    io: Server, transport: Kind
) -> None:
    async with LinkedClient(io, transport=transport) as client:
        await settle()
        client.pause()
        socket = socket_of(io, client)
        socket.emit("a")
        await settle()
        socket.volatile.emit("b")
        io.volatile.emit("b")
        await settle()
        client.resume()
        await settle()
        assert [event for event, _ in client.received_nowait()] == ["a"]


async def test_flags_of_a_socket_add_up_and_do_not_stick(io: Server) -> None:
    async with LinkedClient(io) as client, LinkedClient(io) as other:
        socket = socket_of(io, client)
        operator = socket.volatile.compress(False).timeout(5)
        operator.emit("x")
        operator.to(str(other.sid)).emit("y")
        operator.in_(str(other.sid)).except_("nobody").emit("z")
        operator.broadcast.emit("all")
        await settle()
        assert client.received_nowait() == [("x", [])]
        assert [event for event, _ in other.received_nowait()] == ["y"], "one volatile event a turn"


# --- waiting for the client's acknowledgement -----------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "value"), [(None, None), (5, 5), ((1, 2), (1, 2)), ([1, 2], [1, 2])]
)
async def test_acknowledgement_comes_back(
    io: Server, transport: Kind, answered: Any, value: Any
) -> None:
    async with LinkedClient(io, transport=transport) as client:
        client.on("question", lambda *args: answered)
        assert await socket_of(io, client).emit_with_ack("question", 1, timeout=5.0) == value


async def test_acknowledgement_may_be_binary(io: Server) -> None:
    async with LinkedClient(io) as client:
        client.on("double", lambda data: data * 2)
        assert await socket_of(io, client).emit_with_ack("double", b"\x01") == b"\x01\x01"


async def test_ack_timeout_is_raised_when_the_client_is_silent(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        with pytest.raises(AckTimeout, match="operation has timed out"):
            await socket.emit_with_ack("x", timeout=0.01)
        with pytest.raises(TimeoutError):
            await socket.timeout(0.01).emit_with_ack("x")


async def test_default_time_for_acknowledgements_is_an_option() -> None:
    io = Server(ack_timeout=0.01)
    async with LinkedClient(io) as client:
        with pytest.raises(AckTimeout):
            await socket_of(io, client).emit_with_ack("x")


@pytest.mark.parametrize("timeout", [-1, float("inf"), "soon"])
async def test_time_that_is_no_time_is_refused(io: Server, timeout: Any) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        with pytest.raises((TypeError, ValueError), match="timeout"):
            socket.timeout(timeout)
        with pytest.raises((TypeError, ValueError), match="timeout"):
            await socket.emit_with_ack("x", timeout=timeout)


async def test_waiting_ends_when_the_socket_leaves(io: Server) -> None:
    async with LinkedClient(io) as client:
        waiting = asyncio.ensure_future(socket_of(io, client).emit_with_ack("x", timeout=5))
        await settle()
        client.disconnect()
        with pytest.raises(Disconnected) as caught:
            await waiting
    assert caught.value.reason == "client namespace disconnect"


async def test_waiting_on_a_socket_that_left_ends_at_once(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.disconnect()
        with pytest.raises(Disconnected):
            await socket.emit_with_ack("x")


async def test_cancelled_wait_leaves_nothing_and_a_late_answer_is_dropped(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        waiting = asyncio.ensure_future(socket.emit_with_ack("x", timeout=5))
        await settle()
        waiting.cancel()
        await settle()
        client.send_raw("430[]")
        await settle()
        assert socket.connected
        assert socket._acks is not None and len(socket._acks) == 0


async def test_callback_gets_the_arguments_of_the_acknowledgement(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        client.on("x", lambda: (1, 2))
        socket_of(io, client).emit("x", ack=calls)
        await settle()
    assert calls == [(1, 2)]


async def test_callback_with_a_timeout_gets_the_error_first(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        client.on("x", lambda: (1, 2))
        socket = socket_of(io, client)
        socket.timeout(5).emit("x", ack=calls)
        await settle()
        assert calls == [(None, 1, 2)]
        socket.timeout(0).emit("silent", ack=calls)
        await asyncio.sleep(0.03)
        socket.timeout(5).emit("silent", ack=calls)
        socket.disconnect()
        socket.timeout(5).emit("too late", ack=calls)
    assert [type(args[0]) for args in calls[1:]] == [AckTimeout, Disconnected, Disconnected]


async def test_callback_without_a_timeout_is_not_called_when_there_is_no_answer(
    io: Server,
) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.emit("x", ack=calls)
        socket.disconnect()
        socket.emit("x", ack=calls)
    assert calls == []


async def test_callback_may_be_async_or_fail_like_any_handler(io: Server) -> None:
    failures, done = Failures(io), asyncio.Event()

    async def ack(value: int) -> None:
        await asyncio.sleep(0)
        done.set()

    async with LinkedClient(io) as client:
        client.on("x", lambda: 1)
        socket = socket_of(io, client)
        socket.emit("x", ack=ack)
        socket.emit("x", ack=lambda: None)
        async with asyncio.timeout(40):
            await done.wait()
        await settle()
        assert socket.connected
    assert failures.events == ["acknowledgement"]


async def test_answers_without_a_question_are_ignored(io: Server) -> None:
    async with LinkedClient(io) as client:
        client.send_raw("43[1]", "4399[1]", "43")
        await settle()
        assert socket_of(io, client).connected


async def test_too_many_open_acknowledgements_are_refused() -> None:
    io = Server(max_pending_acks=2)
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.emit("x", ack=print)
        socket.emit("x", ack=print)
        with pytest.raises(LimitExceeded):
            socket.emit("x", ack=print)
        with pytest.raises(LimitExceeded):
            await socket.emit_with_ack("x")
        client.send_raw("430[]")
        await settle()
        socket.emit("x", ack=print)


# --- rooms ----------------------------------------------------------------------------------------


async def test_socket_joins_and_leaves_rooms(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.join("a", ["b", "c"])
        assert socket.rooms == {socket.id, "a", "b", "c"}
        socket.leave("a", "nowhere")
        socket.leave(["b"])
        assert socket.rooms == {socket.id, "c"}


async def test_rooms_are_a_copy(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket_of(io, client).rooms.add("x")
        assert socket_of(io, client).rooms == {client.sid}


async def test_room_with_the_id_of_another_socket_cannot_be_joined(io: Server) -> None:
    async with LinkedClient(io) as client, LinkedClient(io) as other:
        socket = socket_of(io, client)
        with pytest.raises(ValueError, match="id of another socket"):
            socket.join("fine", str(other.sid))
        socket.join(socket.id)
        assert socket.rooms == {socket.id}


async def test_room_with_the_id_of_another_socket_can_be_allowed() -> None:
    io = Server(allow_sid_rooms=True)
    async with LinkedClient(io) as client, LinkedClient(io) as other:
        socket_of(io, client).join(str(other.sid))
        io.to(str(other.sid)).emit("x")
        assert await client.received() == await other.received() == ("x", [])


async def test_joining_after_leaving_does_nothing(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.disconnect()
        socket.join("r")
        assert socket.rooms == set()
    assert getattr(io.adapter, "rooms", {}) == {}


# --- other threads --------------------------------------------------------------------------------


async def test_emits_of_another_thread_keep_their_order(io: Server, transport: Kind) -> None:
    async with LinkedClient(io, transport=transport) as client:
        socket = socket_of(io, client)

        def work() -> None:
            for at in range(100):
                if at % 4 == 0:
                    io.emit("x", at)
                elif at % 4 == 1:
                    socket.emit("x", at, b"\x01")
                elif at % 4 == 2:
                    socket.compress(False).emit("x", at)
                else:
                    socket.emit("x", at)

        await asyncio.to_thread(work)
        await settle()
        assert [args[0] for _, args in client.received_nowait()] == list(range(100))


async def test_everything_said_to_work_from_another_thread_works(io: Server) -> None:
    calls = Log()

    async with LinkedClient(io) as client, LinkedClient(io) as other:
        client.on("question", lambda: threading.get_ident())
        socket = socket_of(io, client)

        def work() -> None:
            socket.join("a", "b")
            socket.leave("b")
            io.sockets_join("everybody")
            io.to("everybody").sockets_leave("nowhere")
            socket.emit("question", ack=calls)
            socket.disconnect()
            io.disconnect_sockets()

        rooms = Log()
        socket.on("disconnecting", lambda: rooms(*sorted(socket.rooms - {socket.id})))
        await asyncio.to_thread(work)
        await settle()
        assert rooms == [("a", "everybody")]
        assert await client.disconnected() == await other.disconnected() == "io server disconnect"


async def test_errors_of_another_thread_belong_to_it(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)

        def work() -> None:
            for emit in (socket.emit, io.emit, io.to("r").emit):
                with pytest.raises(EncodeError):
                    emit("x", UNSENDABLE)
            with pytest.raises(EncodeError):
                socket.emit("x", UNSENDABLE, ack=print)

        await asyncio.to_thread(work)


# --- draining -------------------------------------------------------------------------------------


async def test_drain_waits_until_the_client_reads(io: Server, transport: Kind) -> None:
    async with LinkedClient(io, transport=transport) as client:
        await settle()
        client.pause()
        socket = socket_of(io, client)
        if transport == "polling":
            socket.emit("takes the poll that waits")
            await settle()
        socket.emit("x")
        draining = asyncio.ensure_future(socket.drain())
        await settle()
        assert not draining.done()
        client.resume()
        async with asyncio.timeout(40):
            await draining
        assert socket.conn.backlog == 0


async def test_drain_returns_when_nothing_waits(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket_of(io, client).emit("x")
        await socket_of(io, client).drain()


async def test_drain_ends_with_the_socket(io: Server) -> None:
    async with LinkedClient(io) as client:
        client.pause()
        socket = socket_of(io, client)
        socket.emit("x")
        draining = asyncio.ensure_future(socket.drain())
        await settle()
        socket.conn.discard()
        with pytest.raises(Disconnected):
            await draining
        with pytest.raises(Disconnected):
            await socket.drain()


# --- leaving --------------------------------------------------------------------------------------


async def test_disconnect_tells_the_client_and_keeps_the_connection(
    io: Server, transport: Kind
) -> None:
    async with LinkedClient(io, transport=transport) as client, client.of("/admin") as admin:
        socket_of(io, client).emit("last")
        socket_of(io, client).disconnect()
        assert await client.disconnected() == "io server disconnect"
        assert client.received_nowait() == [("last", [])]
        socket_of(io, admin, "/admin").emit("still here")
        assert await admin.received() == ("still here", [])


async def test_disconnect_with_close_ends_all_namespaces_in_the_order_of_joining(
    io: Server, transport: Kind
) -> None:
    order = Log()
    async with (
        LinkedClient(io, "/admin", transport=transport) as admin,
        admin.of("/") as client,
    ):
        for socket in (socket_of(io, client), socket_of(io, admin, "/admin")):
            socket.on("disconnect", partial(order, socket.namespace.name))
            socket.emit("last")
        socket_of(io, client).disconnect(close=True)
        assert await client.disconnected() == "io server disconnect"
        assert await admin.disconnected() == "io server disconnect"
        assert client.received_nowait() == admin.received_nowait() == [("last", [])]
        await settle()
        assert io.engine.sessions == {}
    reason = "server namespace disconnect"
    assert order == [("/admin", reason, ""), ("/", reason, "")]


async def test_leaving_is_told_before_with_rooms_and_after_without(io: Server) -> None:
    order: list[Any] = []
    async with LinkedClient(io) as client, LinkedClient(io) as other:
        socket = socket_of(io, client)
        socket_of(io, other).join("r")
        socket.join("r")

        @socket.on("disconnecting")
        def disconnecting(reason: str, description: str) -> None:
            socket.to("r").emit("goodbye")
            order.append(
                (reason, description, socket.connected, socket.rooms, socket.id in io.sockets)
            )

        @socket.on("disconnect")
        def disconnect(reason: str) -> None:
            order.append((reason, socket.connected, socket.rooms, socket.id in io.sockets))

        client.disconnect()
        assert await other.received() == ("goodbye", [])
        reason = "client namespace disconnect"
        assert order == [
            (reason, "", True, {socket.id, "r"}, True),
            (reason, False, set(), False),
        ]


async def test_async_handler_of_disconnecting_sees_its_rooms_from_3_12_on(io: Server) -> None:
    """On 3.11 it begins when the socket has left."""
    seen: list[bool] = []
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.join("r")

        @socket.on("disconnecting")
        async def disconnecting(reason: str) -> None:
            seen.append("r" in socket.rooms)

        client.disconnect()
        await settle()
    assert seen == [sys.version_info >= (3, 12)]


async def test_handler_that_disconnects_while_leaving_is_not_called_again(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client, client.of("/admin"):
        socket = socket_of(io, client)

        def leaving(reason: str) -> None:
            calls(reason)
            socket.disconnect()
            socket.disconnect(close=True)

        socket.on("disconnecting", leaving)
        socket.on("disconnect", leaving)
        socket.disconnect()
        await settle()
    assert calls == [("server namespace disconnect",)] * 2


async def test_handlers_of_leaving_may_be_async(io: Server) -> None:
    done = asyncio.Event()
    async with LinkedClient(io) as client:

        @socket_of(io, client).on("disconnect")
        async def disconnect(reason: str) -> None:
            await asyncio.sleep(0)
            done.set()

        client.disconnect()
        async with asyncio.timeout(40):
            await done.wait()


async def test_disconnecting_twice_is_harmless(io: Server) -> None:
    calls = Log()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("disconnect", calls)
        socket.disconnect()
        socket.disconnect()
        await client.disconnected()
    assert len(calls) == 1


async def test_socket_that_left_cannot_be_reached(io: Server) -> None:
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.join("r")
        client.disconnect()
        await settle()
        assert io.sockets == {}
        assert await io.in_("r").fetch_sockets() == []
        assert getattr(io.adapter, "rooms", {}) == {}


async def test_client_may_come_back_to_a_namespace_it_left(io: Server) -> None:
    async with LinkedClient(io) as client:
        first = client.sid
        client.disconnect()
        async with client.of("/") as again:
            assert again.sid not in (None, first)


# --- what it knows --------------------------------------------------------------------------------


async def test_data_is_kept_with_the_socket(io: Server) -> None:
    io.use(lambda socket: socket.data.update(name="ann"))
    async with LinkedClient(io) as client, LinkedClient(io) as other:
        socket_of(io, client).data["n"] = 1
        assert socket_of(io, client).data == {"name": "ann", "n": 1}
        assert socket_of(io, other).data == {"name": "ann"}


async def test_sockets_of_one_client_share_its_session(io: Server) -> None:
    async with LinkedClient(io) as client, client.of("/admin") as admin:
        session = socket_of(io, client).conn
        assert socket_of(io, admin, "/admin").conn is session
        assert list(io.engine.sessions.values()) == [session]
        assert len({session.id, client.sid, admin.sid}) == 3


async def test_repr_shows_id_and_namespace(io: Server) -> None:
    async with LinkedClient(io, "/admin") as client:
        assert repr(socket_of(io, client, "/admin")) == (
            f"<Socket {client.sid} in /admin: connected by websocket>"
        )
