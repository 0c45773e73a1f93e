"""Values and acknowledgements arrive as they were sent, both ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, Disconnected, Server, Socket

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.stage import Stage

pytestmark = pytest.mark.interop

VALUES: dict[str, list[Any]] = {
    "nothing": [],
    "text": ["hello", "", 'line\nbreak \\ "quoted" \x00\x7f \u2028'],
    "unicode": ["Grüße, 世界", "😀👩‍👩‍👧 astral 𝒳", "\ufeff\ufffd"],
    "numbers": [0, -1, 2**53, 1.5, 1e-9, 1e300],
    "constants": [None, True, False],
    "nested": [{"a": {"b": [1, [2, {"c": None}]], "": "empty key"}, "ключ": []}],
    "placeholder without binary": [{"_placeholder": False, "num": 0}],
    "bytes": [b"\x00\x01\xfe\xff"],
    "no bytes": [b""],
    "attachments": [b"one", {"two": b"2", "list": [b"3", {"four": b"4"}]}, "text", b"five"],
}


@pytest.fixture
def echo() -> Server:
    """A server that answers and sends back whatever comes."""
    io = Server()

    @io.event
    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    return io


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
async def test_values_come_back_unchanged(stage: Stage, echo: Server, values: list[Any]) -> None:
    await stage.serve(echo)
    client = await stage.connect()
    assert await client.ask("echo", *values) == values
    assert await client.received("echoed") == values


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
async def test_old_client_gets_values_back_unchanged(
    driver_stage: Stage, echo: Server, values: list[Any]
) -> None:
    await driver_stage.serve(echo)
    client = await driver_stage.connect(name="sio3")
    assert await client.ask("echo", *values) == values
    assert await client.received("echoed") == values
    client.answers["question"] = answer = ("this is", "the answer", *values)
    (socket,) = echo.sockets.values()
    assert await socket.emit_with_ack("question", *values, timeout=10) == answer
    assert await client.received("question") == values


@pytest.mark.parametrize("options", [{}, {"name": "sio3"}], ids=["sio4", "sio3"])
async def test_bytes_that_are_framed_once_arrive_at_each_of_their_places(
    driver_stage: Stage, echo: Server, options: dict[str, Any]
) -> None:
    await driver_stage.serve(echo)
    client = await driver_stage.connect(**options)
    shared = b"shared"
    values: list[Any] = [shared, {"a": [shared, b"other"]}, shared]
    echo.emit("news", *values)
    assert await client.received("news") == values
    # The client makes three of it; what it sends back is three attachments.
    assert await client.ask("echo", *values) == values


@pytest.fixture
def driver_stage(native_stage: Callable[[str], Stage]) -> Stage:
    """The native front end with an upgrade."""
    return native_stage("upgrade")


async def test_half_a_surrogate_pair_arrives_as_replacement_character(
    stage: Stage, echo: Server
) -> None:
    await stage.serve(echo)
    client = await stage.connect()
    assert await client.ask("echo", "cut \ud83d", "\ude00", "😀") == ["cut \ufffd", "\ufffd", "😀"]


async def test_half_a_surrogate_pair_can_be_sent(stage: Stage) -> None:
    io = Server()
    io.on("connection", lambda socket: socket.emit("cut", "half \ud83d", {"\udc00": b"1"}))
    await stage.serve(io)
    client = await stage.connect()
    assert await client.received("cut") == ["half \ud83d", {"\udc00": b"1"}]


async def test_every_kind_of_binary_in_javascript_arrives_as_bytes(stage: Stage) -> None:
    io = Server()
    seen: list[list[Any]] = []
    io.event("take")(lambda socket, *args: seen.append(list(args)))
    await stage.serve(io)
    client = await stage.connect()
    await client.run(
        "const bytes = Uint8Array.from([9, 1, 2, 9]);"
        "await socket.emitWithAck('take', Buffer.from('b'), bytes, bytes.subarray(1, 3),"
        "  bytes.buffer, new DataView(bytes.buffer, 3), Float32Array.of(0))"
    )
    whole = b"\x09\x01\x02\x09"
    assert seen == [[b"b", whole, b"\x01\x02", whole, b"\x09", bytes(4)]]


async def test_undefined_and_dates_arrive_as_in_json(stage: Stage, echo: Server) -> None:
    await stage.serve(echo)
    client = await stage.connect()
    await client.run("socket.emit('echo', undefined, {a: undefined}, NaN, new Date(0))")
    assert await client.received("echoed") == [None, {}, None, "1970-01-01T00:00:00.000Z"]


@pytest.mark.parametrize("name", ["sio4", "sio3"])
async def test_client_that_forces_base64_gets_values_back_unchanged(
    stage: Stage, echo: Server, name: str
) -> None:
    await stage.serve(echo)
    options: dict[str, Any] = {} if name == "sio4" else {"name": name}
    client = await stage.connect(forceBase64=True, **options)
    for values in (VALUES["bytes"], VALUES["attachments"], [b"x" * 100_000]):
        assert await client.ask("echo", *values) == values
        assert await client.received("echoed") == values


async def test_megabyte_of_binary_goes_both_ways(stage: Stage, echo: Server) -> None:
    size = 700_000 if stage.transport == "polling" else 999_000  # base64 takes a third more
    data = bytes(range(256)) * (size // 256)
    await stage.serve(echo)
    client = await stage.connect()
    assert await client.ask("echo", data) == [data]
    assert await client.received("echoed") == [data]


async def test_text_larger_than_max_payload_is_sent_by_the_server(stage: Stage) -> None:
    io = Server()
    io.on("connection", lambda socket: socket.emit("large", "ü" * 1_500_000))
    await stage.serve(io)
    client = await stage.connect()
    assert await client.received("large") == ["ü" * 1_500_000]


async def test_client_splits_its_queue_by_max_payload(stage: Stage) -> None:
    # Text only: for attachments the client reckons with 1.33 bytes for each, a little too few.
    io = Server(max_payload=2_000)
    seen: list[tuple[int, int]] = []
    io.event("part")(lambda socket, n, part: seen.append((n, len(part))))
    bodies: list[int] = []
    io.engine.on(
        "headers",
        lambda headers, request: bodies.append(int(request.headers.get("content-length", 0))),
    )
    await stage.serve(io)
    client = await stage.connect()
    await client.run(
        "for (let n = 0; n < 60; n++) socket.emit('part', n, (n % 3 ? 'x' : 'ü').repeat(n * 15));"
        "await socket.emitWithAck('part', 60, '')"
    )
    assert seen == [(n, n * 15) for n in range(60)] + [(60, 0)]
    assert max(bodies, default=0) <= 2_000
    if stage.transport == "polling":
        assert len([body for body in bodies if body > 1_000]) > 10


async def test_message_larger_than_max_payload_ends_the_connection(stage: Stage) -> None:
    io = Server(max_payload=2_000)
    reasons: list[str] = []
    io.event("disconnect")(lambda socket, reason: reasons.append(reason))
    await stage.serve(io)
    client = await stage.connect()
    await client.emit("large", "x" * 2_100)
    (reason,) = await client.next("disconnect")
    # The answer to a POST says so, and that to the poll that the session is over: either is first.
    assert reason in ("transport close", "transport error")
    assert reason == "transport close" or stage.transport == "polling"
    assert reasons == ["transport error"]


# --- acknowledgements -----------------------------------------------------------------------------

ANSWERS: dict[str, tuple[Any, ...]] = {
    "none": (),
    "one": ("yes",),
    "several": (1, "two", {"three": [3]}),
    "binary": (b"\x00\xff", {"deep": [b"more"]}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_client_gets_what_a_handler_returns(stage: Stage, answer: tuple[Any, ...]) -> None:
    io = Server()

    @io.event
    async def later(socket: Socket) -> Any:
        await asyncio.sleep(0)
        return answer

    io.event("now")(lambda socket: answer)
    await stage.serve(io)
    client = await stage.connect()
    assert await client.ask("now") == list(answer)
    assert await client.ask("later") == list(answer)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_server_gets_what_a_client_answers(stage: Stage, answer: tuple[Any, ...]) -> None:
    io = Server()
    await stage.serve(io)
    client = await stage.connect()
    client.answers["question"] = answer
    (socket,) = io.sockets.values()
    got = await socket.emit_with_ack("question", b"binary", 42, timeout=5)
    assert got == (None if not answer else answer[0] if len(answer) == 1 else answer)
    called: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
    socket.emit("question", ack=lambda *args: called.set_result(args))
    assert await asyncio.wait_for(called, 5) == answer


async def test_many_questions_at_a_time_get_their_own_answers(stage: Stage, echo: Server) -> None:
    await stage.serve(echo)
    client = await stage.connect()
    code = (
        "return await Promise.all(Array.from({length: 300}, (_, n) =>"
        "  socket.emitWithAck('echo', [n, n % 7 ? 'x' : Buffer.alloc(n)])))"
    )
    assert await client.run(code) == [[n, "x" if n % 7 else bytes(n)] for n in range(300)]


async def test_server_gives_up_on_a_client_that_does_not_answer(stage: Stage) -> None:
    io = Server()
    await stage.serve(io)
    client = await stage.connect()
    (socket,) = io.sockets.values()
    with pytest.raises(AckTimeout):
        await socket.emit_with_ack("question", timeout=0.05)
    await client.received("question")
    client.answers["question"] = ("late is better",)
    assert await socket.emit_with_ack("question", timeout=5) == "late is better"


async def test_client_gives_up_on_a_handler_that_does_not_answer(stage: Stage) -> None:
    io = Server()

    @io.event
    async def slow(socket: Socket) -> str:
        await released.wait()
        return "late"

    released = asyncio.Event()
    await stage.serve(io)
    client = await stage.connect()
    code = "return await socket.timeout(50).emitWithAck('slow').catch((error) => error.message)"
    assert await client.run(code) == "operation has timed out"
    released.set()
    assert await client.ask("slow") == ["late"]


async def test_server_hears_that_the_client_left_without_an_answer(stage: Stage) -> None:
    io = Server()
    await stage.serve(io)
    client = await stage.connect()
    (socket,) = io.sockets.values()
    waiting = asyncio.ensure_future(socket.emit_with_ack("question", timeout=5))
    await client.received("question")
    await client.run("socket.disconnect()")
    with pytest.raises(Disconnected):
        await waiting


# --- catch-all ------------------------------------------------------------------------------------


async def test_catch_all_of_the_server_sees_every_event_both_ways(stage: Stage) -> None:
    io = Server()
    incoming: list[Any] = []
    outgoing: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on_any(lambda *event: incoming.append(event))
        socket.on_any_outgoing(lambda *event: outgoing.append(event))
        socket.on("known", lambda value: value)

    await stage.serve(io)
    client = await stage.connect()
    await client.emit("unknown", 1, b"2")
    assert await client.ask("known", "x") == ["x"]
    io.emit("news", 3)
    next(iter(io.sockets.values())).emit("own", b"4")
    assert await client.received("news") == [3]
    assert await client.received("own") == [b"4"]
    assert incoming == [("unknown", 1, b"2"), ("known", "x")]
    assert outgoing == [("news", 3), ("own", b"4")]


async def test_catch_all_of_the_client_sees_every_event_both_ways(
    stage: Stage, echo: Server
) -> None:
    await stage.serve(echo)
    client = await stage.connect()
    code = (
        "const seen = [];"
        "socket.onAny((...event) => seen.push(['in', ...event]));"
        "socket.onAnyOutgoing((...event) => seen.push(['out', ...event.slice(0, 2)]));"
        "await socket.emitWithAck('echo', 1);"
        "return seen"
    )
    assert await client.run(code) == [["out", "echo", 1], ["in", "echoed", 1]]


async def test_event_names_may_be_anything_but_reserved(stage: Stage) -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        for name in ("message", "ping", "toString", "__proto__", "", "ключ 😀", "123"):
            socket.on(name, lambda name=name: name)

    await stage.serve(io)
    client = await stage.connect()
    for name in ("message", "ping", "toString", "__proto__", "", "ключ 😀", "123"):
        assert await client.ask(name) == [name]


async def test_send_is_a_message_event(stage: Stage) -> None:
    io = Server()
    io.event("message")(lambda socket, *args: socket.send(*args))
    await stage.serve(io)
    client = await stage.connect()
    await client.run("socket.send('hello', 1)")
    assert await client.received("message") == ["hello", 1]
