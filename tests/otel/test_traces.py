"""What is traced: from the handshake to the last handler, on both sides."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from sockwave import AckTimeout, ConnectError, EventError, MsgpackParser, Server, connect
from sockwave.observe import EventReceived, HandlerEnded, HandlerStarted
from sockwave.otel import OpenTelemetry, instrument_client
from tests.otel.recording import Recording, traced

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from sockwave import Socket


def trace_of(span: ReadableSpan) -> int:
    """The trace that a span is in."""
    assert span.context is not None
    return int(span.context.trace_id)


def is_child(span: ReadableSpan, of: ReadableSpan) -> bool:
    """Whether a span was started in another, perhaps elsewhere."""
    assert of.context is not None
    return span.parent is not None and span.parent.span_id == of.context.span_id


async def test_one_trace_goes_from_client_to_server_and_back_and_is_answered(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    asked: list[Any] = []

    @io.event
    async def order(socket: Socket, what: str) -> str:
        return f"{what}: {await socket.emit_with_ack('sure', what, timeout=5)}"

    async with traced(io, recording) as client:

        @client.on("sure")
        async def sure(*args: Any) -> str:
            asked.append(args)
            await asyncio.sleep(0)
            return "yes"

        recording.clear()
        assert await client.emit_with_ack("order", "tea", timeout=5) == "tea: yes"
        emitted = await recording.one("emit order")
        processed = await recording.one("process order")
        question = await recording.one("emit sure")
        answered = await recording.one("process sure")
    assert asked == [("tea",)]
    assert emitted.parent is None
    assert is_child(processed, emitted)
    assert is_child(question, processed)
    assert is_child(answered, question)
    assert len({trace_of(span) for span in (emitted, processed, question, answered)}) == 1
    kinds = [span.kind for span in (emitted, processed, question, answered)]
    assert kinds == [SpanKind.PRODUCER, SpanKind.CONSUMER] * 2


async def test_spans_tell_what_the_conventions_ask_for_and_nothing_of_payloads(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    io.of("/chat").on("connection", lambda socket: socket.on("say", lambda text: None))
    async with traced(io, recording, path="/chat", auth={"token": "s3cret"}) as client:
        client.emit("say", "something private")
        span = await recording.one("process say")
        session = next(iter(io.engine.sessions))
    assert dict(span.attributes or {}) == {
        "messaging.system": "socketio",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "say",
        "messaging.client.id": (span.attributes or {})["messaging.client.id"],
        "socketio.namespace": "/chat",
        "network.protocol.name": "websocket",
        "network.transport": "tcp",
    }
    told = "".join(each.to_json() for each in recording.spans())
    assert "private" not in told
    assert "s3cret" not in told
    assert session not in told


async def test_handshake_connect_and_its_handlers_are_one_trace_of_the_client(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    seen: list[int] = []

    @io.use
    async def let_in(socket: Socket) -> None:
        await asyncio.sleep(0)
        seen.append(get_current_span().get_span_context().span_id)

    @io.on("connection")
    async def connection(socket: Socket) -> None:
        await asyncio.sleep(0)
        seen.append(get_current_span().get_span_context().span_id)

    async with traced(io, recording, auth={"token": 1}):
        handshake = await recording.one("open /socket.io")
        async with asyncio.timeout(5):
            while len(recording.spans("connect /")) < 2:
                await asyncio.sleep(0.001)
        (socket,) = io.sockets.values()
        assert socket.handshake.auth == {"token": 1}
    by_kind = {span.kind: span for span in recording.spans("connect /")}
    ours, theirs = by_kind[SpanKind.SERVER], by_kind[SpanKind.CLIENT]
    assert ours.context is not None
    assert is_child(ours, theirs)
    assert seen == [ours.context.span_id] * 2
    assert [link.context.span_id for link in ours.links] == [handshake.context.span_id]


@pytest.mark.parametrize("is_async", [False, True])
async def test_refused_connects_and_failed_handlers_are_errors(
    recording: Recording, is_async: bool
) -> None:
    io = Server()
    recording.trace(io)

    @io.use
    def refuse(socket: Socket) -> None:
        if socket.handshake.auth:
            raise ConnectError("not you")

    if is_async:

        @io.event
        async def fail(socket: Socket) -> None:
            await asyncio.sleep(0)
            raise LookupError("lost")

    else:

        @io.event("fail")
        def fail_now(socket: Socket) -> None:
            raise LookupError("lost")

    @io.event
    def value(socket: Socket) -> None:
        raise EventError("no")

    async with traced(io, recording) as client:
        client.emit("fail")
        failed = await recording.one("process fail")
        await client.emit_with_ack("value", timeout=5)
        valued = await recording.one("process value")
        recording.clear()
        other = client.manager.socket("/", auth={"no": 1})
        assert other is client
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "LookupError"
    assert [event.name for event in failed.events] == ["exception"]
    assert valued.status.status_code is StatusCode.UNSET
    recording.clear()
    with pytest.raises(ConnectError):
        async with traced(io, recording, auth={"no": 1}):
            pass
    for span in recording.spans("connect /"):
        assert span.status.status_code is StatusCode.ERROR
    assert len(recording.spans("connect /")) == 2


@pytest.mark.parametrize("order", ["socket", lambda socket, *args: "all"])
async def test_handlers_in_order_run_in_the_span_of_their_own_event(
    recording: Recording, order: Any
) -> None:
    io = Server(order=order)
    recording.trace(io)
    seen: dict[str, int] = {}

    @io.event
    async def work(socket: Socket, name: str) -> None:
        await asyncio.sleep(0.005)
        seen[name] = get_current_span().get_span_context().trace_id
        if name == "b":
            raise LookupError(name)

    async with traced(io, recording) as client:
        recording.clear()
        waits = [client.emit_with_ack("work", name, timeout=5) for name in "ac"]
        waits.insert(1, client.emit_with_ack("work", "b", timeout=0.2))
        await asyncio.gather(*waits, return_exceptions=True)
        async with asyncio.timeout(5):
            while len(recording.spans("process work")) < 3:
                await asyncio.sleep(0.001)
    traces = {trace_of(span) for span in recording.spans("process work")}
    assert set(seen.values()) == traces
    assert len(traces) == 3
    errors = [
        trace_of(span) for span in recording.spans("process work")
        if span.status.status_code is StatusCode.ERROR
    ]  # fmt: skip
    assert errors == [seen["b"]]


async def test_handlers_in_threads_and_what_they_emit_belong_to_the_span(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    answers: asyncio.Queue[int] = asyncio.Queue()

    @io.event(thread=True)
    def block(socket: Socket) -> int:
        socket.emit("told", 1)
        return int(get_current_span().get_span_context().trace_id % 1000)

    async with traced(io, recording) as client:
        client.on("told", answers.put_nowait)
        trace = await client.emit_with_ack("block", timeout=5)
        assert await answers.get() == 1
        told = await recording.one("process told")
        blocked = await recording.one("process block")
    assert trace == trace_of(blocked) % 1000
    assert is_child(told, blocked)


async def test_a_span_ends_with_the_last_handler_of_its_event(recording: Recording) -> None:
    io = Server()
    recording.trace(io)
    go_on = asyncio.Event()

    @io.event
    async def both(socket: Socket) -> None:
        await go_on.wait()

    @io.event("both")
    def quick(socket: Socket) -> str:
        return "quick"

    async with traced(io, recording) as client:
        assert await client.emit_with_ack("both", timeout=5) == "quick"
        assert not recording.spans("process both")
        go_on.set()
        await recording.one("process both")


async def test_spans_end_when_the_client_leaves_or_the_server_ends(recording: Recording) -> None:
    io = Server()
    recording.trace(io)
    began = asyncio.Event()

    @io.event
    async def stay(socket: Socket) -> None:
        began.set()
        await socket.emit_with_ack("never", timeout=60)

    @io.event
    async def last(socket: Socket) -> None:
        began.set()
        await asyncio.sleep(60)

    async with traced(io, recording) as client:
        client.emit("stay")
        await began.wait()
    question, stayed = await recording.one("emit never"), await recording.one("process stay")
    assert is_child(question, stayed)
    assert (question.attributes or {})["error.type"] == "sockwave.errors.Disconnected"
    began.clear()
    async with traced(io, recording) as client:
        client.emit("last")
        await began.wait()
        await io.close(shutdown_timeout=0)
    ended = await recording.one("process last")
    assert (ended.attributes or {})["error.type"] == "CancelledError"


async def test_time_outs_cancelled_waits_and_callbacks_end_their_spans(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    io.event("answered")(lambda socket: None)
    async with traced(io, recording) as client:
        with pytest.raises(AckTimeout):
            await client.emit_with_ack("nobody", timeout=0.01)
        (socket,) = io.sockets.values()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await socket.emit_with_ack("nobody here", timeout=5)
        called: list[Any] = []
        client.emit("answered", ack=lambda *args: called.append(args))
        answered = await recording.one("emit answered")
        socket.timeout(0.01).emit("late", ack=lambda *args: called.append(args))
        late = await recording.one("emit late")
    missed = await recording.one("emit nobody")
    cancelled = await recording.one("emit nobody here")
    assert (missed.attributes or {})["error.type"] == "sockwave.errors.AckTimeout"
    assert (cancelled.attributes or {})["error.type"] == "asyncio.exceptions.CancelledError"
    assert answered.status.status_code is StatusCode.UNSET
    assert (late.attributes or {})["error.type"] == "sockwave.errors.AckTimeout"
    assert called[0] == ()


async def test_broadcasts_carry_the_context_to_all_who_take_it(recording: Recording) -> None:
    io = Server()
    recording.trace(io)
    got: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    @io.event
    def shout(socket: Socket, text: str, data: bytes) -> None:
        io.emit("shouted", text, data)

    async with traced(io, recording) as client, io.listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.port}"
        async with connect(url, transports=["polling"]) as stock:
            client.on("shouted", lambda *args: got.put_nowait(args))
            stock.on("shouted", lambda *args: got.put_nowait(args))
            client.emit("shout", "hey", b"\x01")
            assert await got.get() == ("hey", b"\x01")
            assert await got.get() == ("hey", b"\x01")
            heard, shouted = (
                await recording.one("process shouted"),
                await recording.one("process shout"),
            )
    assert is_child(heard, shouted)


async def test_broadcasts_that_ask_have_a_span_until_all_have_answered(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    async with traced(io, recording) as client:
        client.on("poll", lambda: "yes")
        assert await io.emit_with_ack("poll", timeout=5) == ["yes"]
        with pytest.raises(AckTimeout):
            await io.emit_with_ack("nobody", timeout=0.01)
        asked, answered = await recording.one("emit poll"), await recording.one("process poll")
        missed = await recording.one("emit nobody")
    assert is_child(answered, asked)
    assert asked.status.status_code is StatusCode.UNSET
    assert (missed.attributes or {})["error.type"] == "sockwave.errors.AckTimeout"


async def test_recovery_puts_the_offset_before_the_context(recording: Recording) -> None:
    io = Server(connection_state_recovery=True)
    recording.trace(io)
    got: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    @io.event
    def ask(socket: Socket) -> None:
        socket.emit("one", 1)
        io.emit("all", 2)

    async with traced(io, recording) as client:
        client.on_any(lambda *args: got.put_nowait(args))
        client.emit("ask")
        assert await got.get() == ("one", 1)
        assert await got.get() == ("all", 2)
        assert is_child(await recording.one("process all"), await recording.one("process ask"))


async def test_observers_see_traced_events_too(recording: Recording) -> None:
    io = Server()
    seen: list[str] = []
    io.observe(EventReceived, HandlerStarted, HandlerEnded)(
        lambda each: seen.append(type(each).__name__)
    )
    recording.trace(io)

    @io.event
    async def work(socket: Socket) -> str:
        await asyncio.sleep(0)
        return "done"

    async with traced(io, recording) as client:
        assert await client.emit_with_ack("work", timeout=5) == "done"
        await recording.one("process work")
        io.stop_observing(seen.append)
    assert seen == ["EventReceived", "HandlerStarted", "HandlerEnded"]


async def test_events_that_wait_for_the_connection_keep_the_span_they_were_emitted_in(
    recording: Recording,
) -> None:
    io = Server()
    recording.trace(io)
    io.event("early")(lambda socket, *args: None)
    tracer = recording.provider.get_tracer("test")
    async with io.listen("127.0.0.1", 0) as listener:
        client = connect(f"http://127.0.0.1:{listener.port}", transports=["websocket"])
        instrument_client(client, tracer_provider=recording.provider, sample=0)
        with tracer.start_as_current_span("work"):
            client.emit("early", 1)
        async with client:
            assert is_child(await recording.one("process early"), await recording.one("work"))


async def test_a_parser_of_ones_own_carries_nothing_and_is_traced(recording: Recording) -> None:
    io = Server(parser=MsgpackParser())
    recording.trace(io)
    io.event("echo")(lambda socket, *args: args)
    async with traced(io, recording, parser=MsgpackParser()) as client:
        assert await client.emit_with_ack("echo", 1, timeout=5) == 1
        emitted, processed = (
            await recording.one("emit echo"),
            await recording.one("process echo"),
        )
        (socket,) = io.sockets.values()
        assert socket.handshake.auth == {}
    assert trace_of(emitted) != trace_of(processed)
    assert emitted.kind is SpanKind.CLIENT


def test_mistakes_are_named() -> None:
    io = Server()
    with pytest.raises(TypeError, match="OpenTelemetry needs a server"):
        OpenTelemetry("io")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sample must be between 0 and 1"):
        OpenTelemetry(io, sample=2)
    OpenTelemetry(io, sample=0.5)
    with pytest.raises(ValueError, match="traced already"):
        OpenTelemetry(io)
    with pytest.raises(TypeError, match="needs a Manager"):
        instrument_client(io)  # type: ignore[arg-type]
