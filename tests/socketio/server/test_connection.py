"""One connection: what breaks the protocol, what is bounded, and why sockets end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sockwave import ConnectError, DisconnectReason, PacketError, Server, TransportError
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Log, settle, socket_of

if TYPE_CHECKING:
    from sockwave import Socket

Kind = Literal["websocket", "polling"]


@pytest.fixture
def io() -> Server:
    """A server with the namespaces `/` and `/admin`."""
    io = Server()
    io.of("/admin")
    return io


def watch(io: Server) -> Log:
    """Note reasons and namespaces of sockets that leave."""
    reasons = Log()
    for name in ("/", "/admin"):
        io.of(name).event("disconnect")(lambda s, reason: reasons(s.namespace.name, str(reason)))
    return reasons


# --- faults ---------------------------------------------------------------------------------------

UNDECODABLE = [
    "4",
    "4abc",
    "42{}",
    "42[]",
    '42["connect"]',
    "42[",
    "47",
    '45["x"]',
    '450-["x"]',
    '4511-["x"]',
    "45",
    "41[]",
    "43{}",
    "42",
]


@pytest.mark.parametrize("packet", UNDECODABLE)
async def test_packet_that_cannot_be_decoded_ends_all_sockets_with_an_error(
    io: Server, packet: str
) -> None:
    reasons, errors = watch(io), Log()
    async with LinkedClient(io) as client, client.of("/admin") as admin:
        socket_of(io, client).on("error", errors)
        socket_of(io, admin, "/admin").on("error", errors)
        client.send_raw(packet)
        assert await client.disconnected() == await admin.disconnected() == "transport close"
    assert [type(error) for (error,) in errors] == [PacketError, PacketError]
    assert reasons == [("/", "forced close"), ("/admin", "forced close")]


async def test_decoder_error_is_a_forced_close_also_when_polling_cannot_close_at_once(
    io: Server,
) -> None:
    reasons = watch(io)
    async with LinkedClient(io, transport="polling") as client:
        client.pause()
        io.emit("takes the poll that waits")
        await settle()
        client.send_raw("4abc")
        await settle()
        assert reasons == [("/", "forced close")]
        client.resume()
        assert await client.disconnected() == "transport close"


async def test_binary_without_its_packet_is_an_error(io: Server) -> None:
    errors = Log()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("error", errors)
        client.send_raw(b"\x01")
        await client.disconnected()
    assert str(errors[0][0]) == "got binary data when not reconstructing a packet"


async def test_text_between_attachments_is_an_error(io: Server) -> None:
    errors, calls = Log(), Log()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("error", errors)
        socket_of(io, client).on("x", calls)
        client.send_raw('451-["x",{"_placeholder":true,"num":0}]', '42["x"]')
        await client.disconnected()
    assert str(errors[0][0]) == "got plaintext data when reconstructing a packet"
    assert calls == []


async def test_text_that_is_not_utf_8_is_a_transport_error(io: Server) -> None:
    reasons = watch(io)
    async with LinkedClient(io) as client:
        client._link.send([b'42["\xff"]'])
        await client.disconnected()
    assert reasons == [("/", "transport error")]


VIOLATIONS = ["40", "44{}", '44/admin,{"message":"x"}', '42/nowhere,["x"]', "41/nowhere,"]


@pytest.mark.parametrize("packet", [*VIOLATIONS, "43/nowhere,0[]", '451-/nowhere,["x"]'])
async def test_packet_that_is_out_of_place_ends_the_connection(
    io: Server, packet: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reasons, errors = watch(io), Log()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("error", errors)
        client.send_raw(packet)
        assert await client.disconnected() == "transport close"
    assert reasons == [("/", "forced close")]
    assert errors == []
    assert len([r for r in caplog.records if r.name == "sockwave.socketio"]) == 1


async def test_violation_is_a_forced_server_close_when_polling_cannot_close_at_once(
    io: Server,
) -> None:
    reasons = watch(io)
    async with LinkedClient(io, transport="polling") as client:
        client.pause()
        io.emit("takes the poll that waits")
        await settle()
        client.send_raw("40")
        await settle()
        assert reasons == [("/", "forced server close")]


async def test_event_for_a_namespace_whose_connect_is_not_answered_is_out_of_place(
    io: Server,
) -> None:
    @io.of("/admin").use
    async def wait(socket: Socket) -> None:
        await asyncio.sleep(10)

    reasons = watch(io)
    async with LinkedClient(io) as client:
        client.send_raw("40/admin,", '42/admin,["x"]')
        await client.disconnected()
    assert reasons == [("/", "forced close")]


async def test_second_connect_while_the_first_waits_is_out_of_place(io: Server) -> None:
    @io.of("/admin").use
    async def wait(socket: Socket) -> None:
        await asyncio.sleep(10)

    async with LinkedClient(io) as client:
        client.send_raw("40/admin,", "40/admin,")
        assert await client.disconnected() == "transport close"


async def test_fault_of_one_client_leaves_others_alone(io: Server) -> None:
    async with LinkedClient(io) as client, LinkedClient(io) as other:
        client.send_raw("4abc")
        await client.disconnected()
        io.emit("x")
        assert await other.received() == ("x", [])


async def test_client_that_leaves_between_an_event_and_its_attachments_is_no_fault(
    io: Server,
) -> None:
    async with LinkedClient(io) as client, client.of("/admin") as admin:
        client.send_raw('451-["x",{"_placeholder":true,"num":0}]')
        await settle()
        socket_of(io, client).disconnect()
        client.send_raw(b"\x01")
        await settle()
        assert socket_of(io, admin, "/admin").connected


@pytest.mark.patient
async def test_attachments_must_come_in_time() -> None:
    io = Server(ping_timeout=0.02)
    reasons = Log()
    io.event("disconnect")(lambda socket, reason: reasons(reason))
    async with LinkedClient(io) as client:
        client.send_raw('451-["x",{"_placeholder":true,"num":0}]')
        assert await client.disconnected() == "transport close"
    assert reasons == [("forced close",)]


# --- bounds ---------------------------------------------------------------------------------------


async def test_number_of_namespaces_is_bounded() -> None:
    io = Server(max_namespaces=2)
    for name in "abc":
        io.of(name)
    async with LinkedClient(io, "/a") as a, a.of("/b") as b:
        with pytest.raises(ConnectError, match="too many namespaces"):
            await a.of("/c").connect()
        b.disconnect()
        await settle()
        await a.of("/c").connect()


async def test_number_of_connects_that_wait_is_bounded() -> None:
    io = Server(max_pending_connects=2)
    go_on = asyncio.Event()
    for name in "abc":
        io.of(name).use(lambda socket: go_on.wait())
    async with LinkedClient(io) as client:
        waiting = [asyncio.ensure_future(client.of(f"/{name}").connect()) for name in "ab"]
        await settle()
        with pytest.raises(ConnectError, match="too many namespaces"):
            await client.of("/c").connect()
        go_on.set()
        await asyncio.gather(*waiting)
        await client.of("/c").connect()


@pytest.mark.parametrize("most", [1, 2, 3, 10])
async def test_nothing_more_is_read_while_too_many_handlers_run(most: int, transport: Kind) -> None:
    io = Server(max_pending_handlers=most)
    running, highest, go_on = 0, 0, asyncio.Event()

    @io.event
    async def work(socket: Socket) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await go_on.wait()
        running -= 1

    async with LinkedClient(io, transport=transport) as client:
        for _ in range(4 * most):
            client.emit("work")
        await settle(50)
        assert running == most
        go_on.set()
        await settle(200)
        assert (running, highest) == (0, most)
        assert await client.emit_with_ack("work") is None


async def test_paused_connection_goes_on_in_order() -> None:
    io = Server(max_pending_handlers=1)
    order = Log()

    @io.event
    async def work(socket: Socket, at: int) -> None:
        order(at)
        await asyncio.sleep(0)

    async with LinkedClient(io) as client:
        for at in range(20):
            client.emit("work", at)
        await settle(200)
    assert order == [(at,) for at in range(20)]


@pytest.mark.patient
async def test_client_that_joins_nothing_is_closed() -> None:
    io = Server(connect_timeout=0.02)
    client = LinkedClient(io)
    io.engine.driver.bind(asyncio.get_running_loop())
    await client._link.open()
    assert len(io.engine.sessions) == 1
    await asyncio.sleep(0.06)
    assert io.engine.sessions == {}


@pytest.mark.patient
async def test_connection_is_not_timed_again_after_it_left_all_namespaces() -> None:
    io = Server(connect_timeout=0.02)
    async with LinkedClient(io) as client:
        client.disconnect()
        await asyncio.sleep(0.06)
        assert len(io.engine.sessions) == 1


@pytest.mark.patient
async def test_client_whose_middlewares_take_too_long_is_closed() -> None:
    io = Server(connect_timeout=0.02)
    calls = Log()

    @io.use
    async def wait(socket: Socket) -> None:
        try:
            await asyncio.sleep(0.1)
        finally:
            calls(socket.connected)

    with pytest.raises(TransportError, match="transport close"):
        await LinkedClient(io).connect()
    await asyncio.sleep(0.12)
    assert calls == [(False,)]
    assert io.sockets == {}


# --- reasons --------------------------------------------------------------------------------------


async def test_client_that_leaves_a_namespace(io: Server, transport: Kind) -> None:
    reasons = watch(io)
    async with LinkedClient(io, transport=transport) as client, client.of("/admin") as admin:
        admin.disconnect()
        await settle()
        assert reasons == [("/admin", "client namespace disconnect")]
        assert socket_of(io, client).connected


async def test_connection_that_ends_takes_its_sockets_in_the_order_of_joining(
    io: Server, transport: Kind
) -> None:
    reasons = watch(io)
    async with LinkedClient(io, "/admin", transport=transport) as admin, admin.of("/"):
        await admin.close()
        await settle()
    assert reasons == [("/admin", "transport close"), ("/", "transport close")]
    assert io.engine.sessions == {}


@pytest.mark.parametrize("packet", ["2", "x"])
async def test_wrong_engine_packet_ends_the_sockets_with_its_reason(
    io: Server, packet: str, transport: Kind
) -> None:
    reasons = watch(io)
    async with LinkedClient(io, transport=transport) as client:
        client.send_raw(packet)
        await client.disconnected()
    expected = {"2": "transport error", "x": "parse error"}
    assert reasons == [("/", expected[packet])]


@pytest.mark.patient
async def test_silent_client_times_out() -> None:
    io = Server(ping_interval=0.02, ping_timeout=0.02)
    reasons = Log()
    io.event("disconnect")(lambda socket, reason: reasons(reason))
    async with LinkedClient(io) as client:
        await asyncio.sleep(0.1)
        assert reasons == [], "pings are answered"
        client.answers_pings = False
        assert await client.disconnected() == "transport close"
    assert reasons == [("ping timeout",)]


async def test_session_closed_by_the_application_is_a_forced_close(
    io: Server, transport: Kind
) -> None:
    reasons = watch(io)
    async with LinkedClient(io, transport=transport) as client:
        await settle()
        socket_of(io, client).conn.close()
        assert await client.disconnected() == "transport close"
    assert reasons == [("/", "forced close")]


async def test_client_that_does_not_read_is_cut_off() -> None:
    io = Server(max_backlog=1_000)
    reasons = Log()
    io.event("disconnect")(lambda socket, *args: reasons(*args))
    async with LinkedClient(io) as client:
        client.pause()
        socket = socket_of(io, client)
        for _ in range(50):
            socket.emit("x", "." * 100)
    assert reasons == [("backlog exceeded", "the peer does not read")]


async def test_reason_is_a_text_and_a_member_of_the_enumeration(io: Server) -> None:
    reasons: list[Any] = []
    io.event("disconnect")(lambda socket, reason: reasons.append(reason))
    async with LinkedClient(io) as client:
        client.disconnect()
        await settle()
    assert reasons == ["client namespace disconnect"]
    assert reasons[0] is DisconnectReason.CLIENT_NAMESPACE_DISCONNECT


@pytest.mark.parametrize("last", ["41", "1"])
async def test_event_before_an_end_in_one_read_is_handled(
    io: Server, last: str, transport: Kind
) -> None:
    # The reference drops it, because it defers events and not ends
    # (docs/protocol/violations.md#two-at-once).
    calls = Log()
    io.event("x")(lambda socket: calls(socket.connected))
    async with LinkedClient(io, transport=transport) as client:
        client.send_raw('42["x"]', last)
        await settle()
    assert calls == [(True,)]


async def test_event_on_its_way_when_the_server_disconnects_is_dropped(transport: Kind) -> None:
    io = Server()
    seen: list[str] = []
    io.of("/a").event("late")(lambda socket: seen.append("late"))
    async with (
        LinkedClient(io, transport=transport) as client,
        client.of("/a") as leaving,
    ):
        leaving.emit("late")
        leaving.emit("late", b"bytes")
        io.of("/a").disconnect_sockets()
        await leaving.disconnected()
        assert client.sid in io.sockets
        assert not seen


async def test_event_after_the_client_has_left_by_itself_ends_the_connection() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        client.send_raw("41/a,")
        assert await client.disconnected()
