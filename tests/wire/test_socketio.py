"""Socket.IO packets and what they do (docs/protocol/socketio-packets.md)."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, ConnectError, Disconnected, HandlerFailure, PacketError, Server
from tests.support.apps import echo_server, ends_of, the_socket
from tests.support.raw import UNIT, until, within

if TYPE_CHECKING:
    from sockwave import Socket
    from tests.support.fronts import Front

REPLY = re.compile(r'40\{"sid":"[0-9A-Za-z_-]{20}"\}')


# --- CONNECT ------------------------------------------------------------------------------------


async def test_connect_is_answered_with_the_id_of_the_socket(
    every_front: Front, transport: str
) -> None:
    io = Server()
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        reply = await peer.connect()
        assert REPLY.fullmatch(reply)
        socket = the_socket(io)
        assert json.loads(reply[2:]) == {"sid": socket.id}
        assert socket.id != peer.sid == socket.conn.id


async def test_connect_to_a_namespace_is_answered_with_its_name(
    front: Front, transport: str
) -> None:
    io = Server()
    admin = io.of("admin")
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        reply = await peer.connect("/admin")
        (socket,) = admin.sockets.values()
        assert reply == f'40/admin,{{"sid":"{socket.id}"}}'
        assert not io.sockets


@pytest.mark.parametrize("packet", ["40/admin", "40/admin,", '40/admin,{"a":1}'])
async def test_name_of_a_namespace_may_be_written_so(front: Front, packet: str) -> None:
    io = Server()
    io.of("/admin")
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send(packet)
        assert str(await peer.receive()).startswith('40/admin,{"sid":')


@pytest.mark.parametrize("auth", [None, {}, {"token": "123", "key2": "&=bb", "n": [1, None]}])
async def test_auth_reaches_the_application(front: Front, transport: str, auth: Any) -> None:
    io = Server()
    seen: list[Any] = []
    io.use(lambda socket: seen.append(socket.handshake.auth))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect(auth=auth)
        assert seen == [auth or {}]


async def test_handshake_tells_of_the_first_request(front: Front, transport: str) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport, name="Ann & Bob")
        await peer.connect()
        handshake = the_socket(io).handshake
        assert handshake.query["name"] == "Ann & Bob"
        assert handshake.query["EIO"] == "4"
        assert handshake.headers["host"] == "test.example"
        assert handshake.address == "127.0.0.1"
        assert handshake.url == wire.target(transport, name="Ann & Bob")
        assert not handshake.secure and not handshake.xdomain


async def test_one_connection_may_join_many_namespaces(front: Front, transport: str) -> None:
    io = Server()
    names = ["/", "/a", "/b"]
    ids: list[str] = []
    for name in names:
        io.of(name).on("connection", lambda socket: ids.append(socket.id))
        io.of(name).event("where")(lambda socket: socket.namespace.name)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        for name in names:
            await peer.connect(name)
        assert len(set(ids)) == 3
        await peer.send('4270["where"]', '42/b,8["where"]', '42/a,9["where"]')
        answers = [await peer.receive() for _ in names]
        assert answers == ['4370["/"]', '43/b,8["/b"]', '43/a,9["/a"]']


async def test_unknown_namespace_is_refused_and_the_connection_stays(
    front: Front, transport: str
) -> None:
    async with front.serve(Server()) as wire:
        peer = await wire.open(transport)
        for name in ("/random", "/admin?x=1", "/__proto__"):
            assert await peer.connect(name) == f'44{name},{{"message":"Invalid namespace"}}'
        assert (await peer.connect()).startswith("40{")


async def refuse(socket: Socket) -> None:
    raise ConnectError("Not authorized")


async def refuse_later(socket: Socket) -> None:
    await asyncio.sleep(0.001)
    raise ConnectError("bad", data={"code": 1, "retry": False})


def refuse_now(socket: Socket) -> None:
    raise ConnectError("bad", data={"code": 1, "retry": False})


@pytest.mark.parametrize(
    ("middleware", "error"),
    [
        (refuse, '{"message":"Not authorized"}'),
        (refuse_later, '{"message":"bad","data":{"code":1,"retry":false}}'),
        (refuse_now, '{"message":"bad","data":{"code":1,"retry":false}}'),
    ],
)
async def test_middleware_refuses_with_message_and_data(
    front: Front, transport: str, middleware: Any, error: str
) -> None:
    io = Server()
    io.of("/e").use(middleware)
    connected: list[Socket] = []
    io.of("/e").on("connection", connected.append)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        for _ in range(2):  # it may try again
            assert await peer.connect("/e") == f"44/e,{error}"
        assert (await peer.connect()).startswith("40{")
        assert connected == [] and not io.of("/e").sockets


@pytest.mark.logs_errors
@pytest.mark.parametrize("later", [False, True])
async def test_middleware_that_fails_refuses_and_tells_nothing(
    front: Front, later: bool, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()
    failures: list[HandlerFailure] = []
    io.on_error(lambda error, failure: failures.append(failure))

    def now(socket: Socket) -> None:
        raise RuntimeError("secret")

    async def soon(socket: Socket) -> None:
        raise RuntimeError("secret")

    io.use(soon if later else now)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        assert await peer.connect() == '44{"message":"Internal server error"}'
        assert [failure.event for failure in failures] == ["middleware"]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("a middleware failed (socket ")


async def test_middlewares_run_in_order_before_the_socket_is_in(front: Front) -> None:
    io = Server()
    steps: list[Any] = []

    @io.use
    async def first(socket: Socket) -> None:
        await asyncio.sleep(0.001)
        socket.join("early")
        steps.append(("first", socket.connected, len(io.sockets), socket.rooms))

    io.use(lambda socket: steps.append("second"))
    io.on("connection", lambda socket: steps.append(("in", socket.connected, socket.rooms)))
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)
        assert steps == [
            ("first", False, 0, set()),
            "second",
            ("in", True, {socket.id, "early"}),
        ]


async def test_rooms_are_left_after_a_refusal(front: Front) -> None:
    io = Server()

    @io.use
    def middleware(socket: Socket) -> None:
        socket.join("room")
        raise ConnectError("no")

    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        io.to("room").emit("secret")
        assert await io.in_("room").fetch_sockets() == []


async def test_reply_comes_before_what_the_handler_emits(front: Front, transport: str) -> None:
    io = Server()
    io.on("connection", lambda socket: socket.emit("welcome", 1))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        assert (await peer.connect()).startswith("40{")
        assert await peer.receive() == '42["welcome",1]'


async def test_handler_may_take_the_connection_back(front: Front, transport: str) -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("never seen")
        raise ConnectError("banned", data=[1])

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        assert await peer.connect() == '44{"message":"banned","data":[1]}'
        assert not io.sockets


async def test_second_connect_closes(front: Front, transport: str) -> None:
    io = Server()
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send("40")
        await peer.ended()
        assert len(ends) == 1
        assert ends[0][0] in ("forced close", "forced server close")


async def test_second_connect_while_the_first_waits_closes(front: Front) -> None:
    io = Server()

    @io.use
    async def slow(socket: Socket) -> None:
        await asyncio.sleep(10)

    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send("40", "40")
        await peer.ended()
        assert not io.sockets


async def test_client_that_leaves_in_a_middleware_leaves_nothing(front: Front) -> None:
    io = Server()
    entered, go = asyncio.Event(), asyncio.Event()
    connected: list[Socket] = []
    io.on("connection", connected.append)

    @io.use
    async def slow(socket: Socket) -> None:
        socket.join("room")
        entered.set()
        await go.wait()

    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send("40")
        await within(entered.wait())
        await peer.websocket.close(1000)
        await until(lambda: not io.engine.sessions)
        go.set()
        await asyncio.sleep(UNIT / 10)
        assert connected == []
        assert not io.sockets
        assert await io.in_("room").fetch_sockets() == []


# --- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["a"],
        [1, 2.5, -3, True, False, None],
        [{"a": {"b": [1, {"c": "€😀"}]}}, []],
        ['\x1e\u2028\n"\\'],
        ["x" * 100_000],
    ],
    ids=["none", "text", "scalars", "nested", "special", "large"],
)
async def test_arguments_come_back_as_they_were(
    every_front: Front, transport: str, args: list[Any]
) -> None:
    io, _ = echo_server()
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send("42" + json.dumps(["echo", *args]))
        answer = await peer.receive()
        assert isinstance(answer, str) and answer.startswith("42[")
        assert json.loads(answer[2:]) == ["echo", *args]


async def test_text_is_written_as_javascript_does(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        io.emit("e", {"a": [1, "é", None]}, float("nan"), "\x1e")
        assert await peer.receive() == '42["e",{"a":[1,"é",null]},null,"\\u001e"]'


async def test_event_may_have_a_number_for_a_name(front: Front) -> None:
    io = Server()
    seen: list[Any] = []
    io.event("1")(lambda socket, value: seen.append(value))
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('42[1,"x"]', '420["1","y"]')
        assert await peer.receive() == "430[]"
        assert seen == ["x", "y"]


@pytest.mark.parametrize("name", ["error", "message", "connection", "*", "__proto__", "unheard"])
async def test_these_names_are_ordinary(front: Front, name: str) -> None:
    io, ends = echo_server()
    seen: list[Any] = []
    io.on("connection", lambda socket: socket.on("message", seen.append))
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(f'42["{name}","x"]', '420["ask"]')
        assert await peer.receive() == "430[]"
        assert seen == (["x"] if name == "message" else [])
        assert ends == []


async def test_emit_to_one_reaches_one(front: Front, transport: str) -> None:
    io = Server()
    async with front.serve(io) as wire:
        first, second = await wire.open(transport), await wire.open(transport)
        await first.connect()
        await second.connect()
        one, two = io.sockets.values()
        one.emit("only", "one")
        two.emit("only", "two")
        io.emit("all")
        for peer, name in ((first, "one"), (second, "two")):
            assert await peer.receive() == f'42["only","{name}"]'
            assert await peer.receive() == '42["all"]'


async def test_handlers_start_in_the_order_of_arrival(front: Front, transport: str) -> None:
    io = Server()
    seen: list[int] = []

    @io.event
    async def later(socket: Socket, number: int) -> None:
        seen.append(number)
        await asyncio.sleep(0)

    io.event("now")(lambda socket, number: seen.append(number))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*[f'42["later",{number}]' for number in range(100)])
        await until(lambda: len(seen) == 100)
        assert seen == list(range(100))
        seen.clear()
        await peer.send(*[f'42["now",{number}]' for number in range(100)])
        await until(lambda: len(seen) == 100)
        assert seen == list(range(100))


@pytest.mark.logs_errors
@pytest.mark.parametrize("later", [False, True])
async def test_handler_that_fails_tells_the_hook_and_nobody_else(front: Front, later: bool) -> None:
    io, ends = echo_server()
    failures: list[tuple[Exception, HandlerFailure]] = []
    io.on_error(lambda error, failure: failures.append((error, failure)))

    def now(socket: Socket) -> None:
        raise RuntimeError("secret")

    async def soon(socket: Socket) -> None:
        raise RuntimeError("secret")

    io.event("fail")(soon if later else now)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('425["fail"]', '426["fail","too","many"]', '427["ask","on"]')
        assert await peer.receive() == '437["on"]'
        await until(lambda: len(failures) == 2)
        assert sorted(type(error).__name__ for error, _ in failures) == [
            "RuntimeError",
            "TypeError",
        ]
        assert {failure.event for _, failure in failures} == {"fail"}
        assert ends == []


# --- acknowledgements ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "args", "answer"),
    [
        ("0", "", "430[]"),
        ("12", ',"bar"', '4312["bar"]'),
        ("456", ',1,{"a":[]},null', '43456[1,{"a":[]},null]'),
        ("9007199254740991", ',"x"', '439007199254740991["x"]'),
    ],
)
async def test_event_with_an_id_is_acknowledged(
    front: Front, transport: str, id_: str, args: str, answer: str
) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(f'42{id_}["ask"{args}]')
        assert await peer.receive() == answer


async def test_acknowledgement_names_its_namespace(front: Front) -> None:
    io = Server()
    io.of("/admin").event("ask")(lambda socket, value: value)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect("/admin")
        await peer.send('42/admin,13["ask","bar"]')
        assert await peer.receive() == '43/admin,13["bar"]'


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("[]", None),
        ("", None),
        ('["one"]', "one"),
        ('["one",{"a":2},null]', ("one", {"a": 2}, None)),
        ("[[1,2]]", [1, 2]),
    ],
)
async def test_server_gets_the_answer_of_the_client(
    front: Front, transport: str, answer: str, value: Any
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        asking = asyncio.create_task(the_socket(io).emit_with_ack("question", 42))
        assert await peer.receive() == '420["question",42]'
        await peer.send(f"430{answer}")
        assert await within(asking) == value


async def test_ids_count_up_in_a_namespace_for_sockets_and_broadcasts(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        first, second = await wire.open_websocket(), await wire.open_websocket()
        await first.connect()
        await second.connect()
        one, two = io.sockets.values()
        got: list[Any] = []
        one.emit("a", ack=got.append)
        two.emit("b", ack=got.append)
        asking = asyncio.create_task(io.emit_with_ack("c"))
        assert await first.receive() == '420["a"]'
        assert await second.receive() == '421["b"]'
        assert await first.receive() == await second.receive() == '422["c"]'
        await first.send('432["c1"]')
        await second.send('432["c2"]', '431["b1"]')
        await first.send('430["a1"]')
        assert sorted(await within(asking)) == ["c1", "c2"]
        await until(lambda: len(got) == 2)
        assert sorted(got) == ["a1", "b1"]


async def test_unknown_and_repeated_answers_are_ignored(front: Front, transport: str) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        got: list[Any] = []
        the_socket(io).emit("q", ack=got.append)
        assert await peer.receive() == '420["q"]'
        await peer.send('4399["x"]', '430["a"]', '430["b"]', '43["x"]', '421["ask"]')
        assert await peer.receive() == "431[]"
        assert got == ["a"]
        assert ends == []


async def test_answer_that_does_not_come_times_out(front: Front, transport: str) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        socket = the_socket(io)
        with pytest.raises(AckTimeout):
            await socket.emit_with_ack("q", timeout=UNIT)
        errors: list[Any] = []
        socket.timeout(UNIT).emit("q", ack=lambda *args: errors.append(args))
        await until(lambda: errors)
        assert isinstance(errors[0][0], AckTimeout)
        with pytest.raises(AckTimeout) as caught:
            await io.timeout(UNIT).emit_with_ack("q")
        assert caught.value.responses == []


async def test_answer_of_a_client_that_leaves_is_not_waited_for(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        asking = asyncio.create_task(the_socket(io).emit_with_ack("q"))
        assert await peer.receive() == '420["q"]'
        await peer.websocket.close(1000)
        with pytest.raises(Disconnected):
            await within(asking)


# --- binary -------------------------------------------------------------------------------------

ONE = '["baz",{"_placeholder":true,"num":0}]'
TWO = '["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


async def test_binary_events_are_sent_as_in_the_examples(
    every_front: Front, transport: str
) -> None:
    io = Server()
    io.of("/admin")
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.connect("/admin")
        io.emit("baz", b"\x01\x02\x03\x04")
        io.of("/admin").emit("baz", b"\x01\x02", b"\x03\x04")
        the_socket(io).emit("baz", bytearray(b"\x05"))
        packets = [await peer.receive() for _ in range(7)]
        assert packets == [
            f"451-{ONE}",
            b"\x01\x02\x03\x04",
            f"452-/admin,{TWO}",
            b"\x01\x02",
            b"\x03\x04",
            f"451-{ONE}",
            b"\x05",
        ]


async def test_binary_event_in_a_payload_is_as_in_the_example(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        io.emit("baz", b"\x01\x02\x03\x04")
        assert (await peer.poll()).text == f"451-{ONE}\x1ebAQIDBA=="


async def test_binary_events_of_the_client_arrive(every_front: Front, transport: str) -> None:
    io = Server()
    seen: list[Any] = []
    io.event("baz")(lambda socket, *args: seen.append(args))
    io.of("/admin").event("baz")(lambda socket, *args: seen.append(args))
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.connect("/admin")
        await peer.send(f"451-{ONE}", b"\x01\x02\x03\x04")
        await peer.send(f"452-/admin,{TWO}", b"\x01\x02", b"")
        nested = '["baz",{"a":[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]}]'
        await peer.send(f"452-{nested}", b"0", b"1")
        await until(lambda: len(seen) == 3)
        assert seen == [
            (b"\x01\x02\x03\x04",),
            (b"\x01\x02", b""),
            ({"a": [b"1", b"0"]},),
        ]


async def test_placeholder_in_a_plain_event_is_data(front: Front) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('420["ask",{"_placeholder":true,"num":0}]')
        assert await peer.receive() == '430[{"_placeholder":true,"num":0}]'


async def test_binary_acknowledgements_go_both_ways(front: Front, transport: str) -> None:
    io = Server()
    io.event("test")(lambda socket, data: ("bar", data + b"!"))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('451-15["test",{"_placeholder":true,"num":0}]', b"\x01")
        assert await peer.receive() == '461-15["bar",{"_placeholder":true,"num":0}]'
        assert await peer.receive() == b"\x01!"
        asking = asyncio.create_task(the_socket(io).emit_with_ack("q", b"\x02"))
        assert await peer.receive() == '451-0["q",{"_placeholder":true,"num":0}]'
        assert await peer.receive() == b"\x02"
        await peer.send('461-0[{"_placeholder":true,"num":0},"x"]', b"\x03")
        assert await within(asking) == (b"\x03", "x")


async def test_ten_attachments_are_accepted(front: Front, transport: str) -> None:
    io, _ = echo_server()
    places = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(10))
    parts = [bytes([number]) for number in range(10)]
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(f'4510-0["ask",{places}]', *parts)
        assert await peer.receive() == f"4610-0[{places}]"
        assert [await peer.receive() for _ in parts] == parts


# --- DISCONNECT ---------------------------------------------------------------------------------


async def test_disconnect_leaves_the_namespace_only(front: Front, transport: str) -> None:
    io, ends = echo_server()
    io.of("/admin").event("ask")(lambda socket: "here")
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.connect("/admin")
        await peer.send("41", '42/admin,0["ask"]')
        assert await peer.receive() == '43/admin,0["here"]'
        assert ends == [("client namespace disconnect", "")]
        assert not io.sockets
        assert (await peer.connect()).startswith("40{")


async def test_connection_stays_without_any_namespace(front: Front, transport: str) -> None:
    io, _ = echo_server(ping_interval=4 * UNIT, connect_timeout=UNIT)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send("41")
        await asyncio.sleep(2 * UNIT)
        assert (await peer.connect()).startswith("40{")


async def test_server_disconnects_a_socket_behind_its_events(front: Front, transport: str) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        socket = the_socket(io)
        socket.emit("last")
        socket.disconnect()
        socket.emit("too late")
        assert await peer.receive() == '42["last"]'
        assert await peer.receive() == "41"
        assert ends == [("server namespace disconnect", "")]
        assert not socket.connected and socket.rooms == set()


async def test_server_disconnects_a_client_from_everything(front: Front, transport: str) -> None:
    io, ends = echo_server()
    io.of("/admin")
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.connect("/admin")
        the_socket(io).emit("last")
        the_socket(io).disconnect(close=True)
        packets = [await peer.receive() for _ in range(3)]
        assert packets == ['42["last"]', "41", "41/admin,"]
        await peer.ended()
        assert ends == [("server namespace disconnect", "")]


async def test_sockets_hear_of_the_end_in_order(front: Front) -> None:
    io = Server()
    steps: list[Any] = []

    def connection(socket: Socket) -> None:
        name = socket.namespace.name
        socket.join("room")
        socket.on(
            "disconnecting",
            lambda reason: steps.append((name, "ing", reason, "room" in socket.rooms)),
        )
        socket.on(
            "disconnect", lambda reason: steps.append((name, "ed", reason, len(socket.rooms)))
        )

    io.on("connection", connection)
    io.of("/a").on("connection", connection)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.connect("/a")
        await peer.websocket.close(1000)
        await until(lambda: len(steps) == 4)
        reason = "transport close"
        assert steps == [
            ("/", "ing", reason, True),
            ("/", "ed", reason, 0),
            ("/a", "ing", reason, True),
            ("/a", "ed", reason, 0),
        ]
        assert not io.sockets and not io.of("/a").sockets


async def test_server_that_stops_tells_its_sockets(front: Front, transport: str) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        closing = asyncio.create_task(io.close())
        await peer.ended()
        await closing
        assert ends == [("server shutting down", "")]


# --- violations ---------------------------------------------------------------------------------

DECODER_ERRORS = {
    "4": "unknown packet type undefined",
    "4abc": "unknown packet type NaN",
    "47": "unknown packet type 7",
    "42": "invalid payload",
    "42{}": "invalid payload",
    "42[]": "invalid payload",
    "42[true]": "invalid payload",
    "42[null]": "invalid payload",
    '42[["a"]]': "invalid payload",
    '42[{"toString":"x"}]': "invalid payload",
    '42["a"': "invalid payload",
    "42abc[...]": "invalid payload",
    '42["connect"]': "invalid payload",
    '42["connect_error"]': "invalid payload",
    '42["disconnect"]': "invalid payload",
    '42["disconnecting"]': "invalid payload",
    '42["newListener"]': "invalid payload",
    '42["removeListener"]': "invalid payload",
    '42["a",NaN]': "invalid payload",
    "43{}": "invalid payload",
    "40/x,null": "invalid payload",
    "40/x,[]": "invalid payload",
    '40/x,"a"': "invalid payload",
    "41[]": "invalid payload",
    "45": "Illegal attachments",
    "45woooot": "Illegal attachments",
    '45["a"]': "Illegal attachments",
    '450-["a"]': "Illegal attachments",
    '45-1-["a"]': "Illegal attachments",
    '451e1-["a"]': "Illegal attachments",
    '4511-["a"]': "too many attachments",
    '45100000000000000000000-["a"]': "Illegal attachments",
}


@pytest.mark.parametrize("packet", DECODER_ERRORS)
async def test_packet_that_cannot_be_decoded_closes(native: Front, packet: str) -> None:
    await check_decoder_error(native, "websocket", DECODER_ERRORS[packet], packet)


@pytest.mark.parametrize("packet", ["4", "42{}", "45woooot", '42["connect"]'])
async def test_packet_that_cannot_be_decoded_closes_everywhere(
    front: Front, transport: str, packet: str
) -> None:
    await check_decoder_error(front, transport, DECODER_ERRORS[packet], packet)


async def check_decoder_error(
    front: Front, transport: str, message: str, *packets: str | bytes
) -> None:
    """Every socket of the connection gets its error event, then all end."""
    io, ends = echo_server()
    errors: list[Any] = []
    io.on("connection", lambda socket: socket.on("error", errors.append))
    io.of("/x").on("connection", lambda socket: socket.on("error", errors.append))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.connect("/x")
        await peer.send(*packets)
        await peer.ended()
        assert [(type(error), str(error)) for error in errors] == [(PacketError, message)] * 2
        assert ends == [("forced close", "")]
        assert not io.sockets and not io.of("/x").sockets


@pytest.mark.parametrize("packet", ['42["b"]', "47", "4", "42[broken", "40[]"])
async def test_text_between_a_packet_and_its_attachments_is_the_fault_whatever_it_is(
    front: Front, transport: str, packet: str
) -> None:
    io = Server()
    errors: list[str] = []
    io.event("error")(lambda socket, error: errors.append(str(error)))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('451-["a",{"_placeholder":true,"num":0}]')
        await peer.send(packet)
        await peer.ended()
    assert errors == ["got plaintext data when reconstructing a packet"]


@pytest.mark.parametrize(
    ("message", "packets"),
    [
        ("got binary data when not reconstructing a packet", [b"\x00"]),
        (
            "got plaintext data when reconstructing a packet",
            [f"451-{ONE}", '42["a"]'],
        ),
        (
            "illegal attachments",
            ['451-["a",{"_placeholder":true,"num":1}]', b"\x00"],
        ),
        (
            "illegal attachments",
            ['451-["a",{"_placeholder":true,"num":-1}]', b"\x00"],
        ),
        (
            "illegal attachments",
            ['451-["a",{"_placeholder":true,"num":"splice"}]', b"\x00"],
        ),
        (
            "illegal attachments",
            ['451-["a",{"_placeholder":true,"num":true}]', b"\x00"],
        ),
        ("illegal attachments", ['451-["a",{"_placeholder":true}]', b"\x00"]),
    ],
)
async def test_attachments_that_do_not_fit_close(
    front: Front, transport: str, message: str, packets: list[str | bytes]
) -> None:
    await check_decoder_error(front, transport, message, *packets)


VIOLATIONS = {
    "event": '42/x,["a"]',
    "acknowledgement": '43/x,0["a"]',
    "disconnect": "41/x,",
    "binary event": f"451-/x,{ONE}",
    "connect error": '44{"message":"x"}',
    "connect error of an old client": '44"x"',
    "second connect": "40",
}


@pytest.mark.parametrize("name", VIOLATIONS)
@pytest.mark.parametrize("has_poll", [False, True])
async def test_packet_out_of_place_closes_without_an_error_event(
    front: Front, name: str, has_poll: bool
) -> None:
    io, ends = echo_server()
    io.of("/x")
    errors: list[Any] = []
    io.on("connection", lambda socket: socket.on("error", errors.append))
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        if has_poll:
            peer.gets.send("GET", peer.target)
            await until(lambda: the_socket(io).conn.is_writable)
        assert (await peer.post(VIOLATIONS[name])).body == b"ok"
        if has_poll:
            assert (await peer.gets.read()).body == b"1"
            assert ends == [("forced close", "")]
        else:
            assert (await peer.poll()).body == b"6\x1e1"
            assert ends == [("forced server close", "")]
        await peer.ended()
        assert errors == []


async def test_event_before_connect_closes(front: Front, transport: str) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send('42["echo","x"]')
        await peer.ended()


async def test_event_before_the_reply_closes(front: Front, transport: str) -> None:
    io, _ = echo_server()
    seen: list[Any] = []
    io.event("steal")(lambda socket: seen.append(socket))

    @io.use
    async def slow(socket: Socket) -> None:
        await asyncio.sleep(10 * UNIT)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40", '42["steal"]')
        await peer.ended()
        assert seen == []


async def test_event_after_disconnect_closes(front: Front, transport: str) -> None:
    io, ends = echo_server()
    seen: list[Any] = []
    io.event("late")(lambda socket: seen.append(socket))
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send("41", '42["late"]')
        await peer.ended()
        assert ends == [("client namespace disconnect", "")]
        assert seen == []


async def test_reply_of_the_handshake_comes_before_the_close(front: Front) -> None:
    async with front.serve(Server()) as wire:
        for packets in ("40\x1e40", "40\x1e42[]", "40\x1e4abc"):
            peer = await wire.open_polling()
            await peer.post(packets)
            assert str((await peer.poll()).text).startswith('40{"sid":')
            assert (await peer.poll()).body == b"6\x1e1"
            await peer.ended()


async def test_attachments_of_a_socket_that_left_are_dropped(native_front: Front) -> None:
    io, _ = echo_server()
    async with native_front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(f"451-{ONE}")
        await peer.ping()  # by its pong the packet was read
        the_socket(io).disconnect()
        assert await peer.receive() == "41"
        await peer.send(b"\x01")
        assert (await peer.connect()).startswith("40{")


async def test_volatile_event_is_dropped_when_it_cannot_go_out(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        socket = the_socket(io)
        socket.volatile.emit("dropped")
        io.volatile.emit("dropped", b"\x00")
        peer.gets.send("GET", peer.target)
        await until(lambda: socket.conn.is_writable)
        socket.volatile.emit("sent", b"\x01")
        io.volatile.emit("dropped")
        socket.emit("normal")
        place = '{"_placeholder":true,"num":0}'
        expected = f'451-["sent",{place}]\x1ebAQ==\x1e42["normal"]'
        assert (await peer.gets.read()).text == expected
