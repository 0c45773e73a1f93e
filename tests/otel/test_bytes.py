"""What goes over the wire: nothing of traces to and from those who know nothing of them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind

from sockwave import Server
from sockwave.socketio.core.handshake import TRACE
from tests.otel.recording import Recording, raw_client, traced
from tests.support.peers import node

if TYPE_CHECKING:
    from sockwave import Socket

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"


def chatty(recording: Recording | None, **options: Any) -> Server:
    """A server that answers in all ways."""
    io = Server()
    if recording is not None:
        recording.trace(io, **options)

    @io.event
    async def ask(socket: Socket, *args: Any) -> list[Any]:
        socket.emit("one", *args)
        io.emit("all", *args)
        answer = await socket.emit_with_ack("back", *args, timeout=5)
        return [*args, answer]

    return io


async def exchange(io: Server) -> list[Any]:
    """All that a stock client is sent."""
    async with io.listen("127.0.0.1", 0) as listener:
        peer = await raw_client(listener.port)
        await peer.send("40", '420["ask",{"a":1},"b"]')
        got = [await peer.receive() for _ in range(4)]
        await peer.send('430["yes"]')
        got.append(await peer.receive())
        await peer.websocket.close()
        return got


async def test_a_stock_client_gets_the_same_bytes_from_a_server_that_is_traced(
    recording: Recording,
) -> None:
    plain, seen = await exchange(chatty(None)), await exchange(chatty(recording))
    assert plain[1:] == seen[1:]
    assert len(seen[0]) == len(plain[0])
    assert set(json.loads(seen[0][2:])) == {"sid"}
    assert (await recording.one("process ask")).parent is None
    assert (await recording.one("emit back")).kind is SpanKind.CLIENT


async def test_a_stock_client_may_send_what_looks_like_a_context(recording: Recording) -> None:
    io = chatty(recording)
    got: list[Any] = []
    io.event("keep")(lambda socket, *args: got.append(args))
    async with io.listen("127.0.0.1", 0) as listener:
        peer = await raw_client(listener.port)
        await peer.send("40")
        await peer.receive()
        await peer.send(f'42["keep",{{"{TRACE}":"{PARENT}"}}]')
        span = await recording.one("process keep")
        await peer.websocket.close()
    assert got == [({TRACE: PARENT},)]
    assert span.parent is None


async def test_our_client_tells_a_server_that_is_not_traced_nothing_but_the_key(
    recording: Recording,
) -> None:
    io = Server()
    got: list[Any] = []
    io.event("keep")(lambda socket, *args: got.append(args))
    async with traced(io, recording, auth={"token": 1}) as client:
        with_ack: Any = await client.emit_with_ack("keep", 1, timeout=5)
        assert with_ack is None
        (socket,) = io.sockets.values()
        assert socket.handshake.auth == {"token": 1}
    assert got == [(1,)]
    assert (await recording.one("emit keep")).kind is SpanKind.CLIENT


async def test_a_server_that_is_traced_and_a_client_that_is_not_exchange_no_context(
    recording: Recording,
) -> None:
    io = chatty(recording)
    async with traced(io, None) as client:
        client.on("back", lambda *args: list(args))
        assert await client.emit_with_ack("ask", 1, timeout=5) == [1, [1]]


@pytest.mark.parametrize("junk", [["x"], "x", PARENT + "-", {"a": 1}, None, "00-0-0-01"])
async def test_a_context_that_is_none_is_taken_off_and_nothing_else_happens(
    recording: Recording, junk: Any
) -> None:
    io = Server()
    recording.trace(io)
    got: asyncio.Queue[Any] = asyncio.Queue()
    io.event("keep")(lambda socket, *args: got.put_nowait(args))
    async with io.listen("127.0.0.1", 0) as listener:
        peer = await raw_client(listener.port)
        await peer.send("40" + json.dumps({TRACE: ""}))
        assert TRACE in await peer.receive()
        await peer.send("42" + json.dumps(["keep", 1, {TRACE: junk}]))
        assert await got.get() == (1,)
        await peer.websocket.close()
    assert not recording.spans("process keep")


async def test_whom_the_parent_does_not_sample_is_not_traced_and_carries_nothing(
    recording: Recording,
) -> None:
    io = chatty(recording)
    got: list[Any] = []
    async with traced(io, recording, sample=0) as client:
        client.on_any(lambda *args: got.append(args))
        client.on("back", lambda *args: "yes")
        assert await client.emit_with_ack("ask", 1, timeout=5) == [1, "yes"]
    assert not recording.spans("process ask")
    assert recording.spans("process all")  # nobody has decided: `ask` was not in a span
    assert got == [("one", 1), ("all", 1), ("back", 1)]


@pytest.mark.parametrize(
    ("header", "query", "traced_spans"),
    [(PARENT, "", 1), (UNSAMPLED, "", 0), (None, f"&traceparent={PARENT}", 1), ("junk", "", 0)],
)
async def test_the_context_of_a_handshake_is_the_parent_and_decides(
    recording: Recording, header: str | None, query: str, traced_spans: int
) -> None:
    io = Server()
    recording.trace(io, sample=0)
    headers = {} if header is None else {"traceparent": header}
    async with io.listen("127.0.0.1", 0) as listener:
        peer = await raw_client(listener.port, query, **headers)
        await peer.send("40")
        await peer.receive()
        await peer.websocket.close()
    opened, connected = recording.spans("open /socket.io"), recording.spans("connect /")
    assert len(opened) == len(connected) == traced_spans
    for span in opened:
        assert span.parent is not None
        assert format(span.parent.trace_id, "032x") == PARENT[3:35]


@pytest.mark.parametrize("sample", [0, 1])
async def test_clients_that_are_not_trusted_decide_nothing_and_are_linked(
    recording: Recording, sample: float
) -> None:
    io = Server()
    recording.trace(io, sample=sample, trust_clients=False)
    io.event("keep")(lambda socket, *args: list(args))
    async with io.listen("127.0.0.1", 0) as listener:
        peer = await raw_client(listener.port, traceparent=PARENT)
        await peer.send("40" + json.dumps({TRACE: PARENT}))
        await peer.receive()
        await peer.send("421" + json.dumps(["keep", 1, {TRACE: PARENT}]))
        assert await peer.receive() == "431[[1]]"
        await peer.websocket.close()
    spans = [*recording.spans("open /socket.io"), *recording.spans("process keep")]
    assert len(spans) == len(recording.spans("connect /")) * 2 == sample * 2
    for span in spans:
        assert span.parent is None
        assert [format(link.context.trace_id, "032x") for link in span.links] == [PARENT[3:35]]


async def test_the_share_of_traces_is_what_was_asked_for(recording: Recording) -> None:
    io = Server()
    recording.trace(io, sample=0.1)
    io.event("tick")(lambda socket: None)
    async with traced(io, None) as client:
        for _ in range(2_000):
            client.emit("tick")
        await client.emit_with_ack("tick", timeout=10)
    assert 100 < len(recording.spans("process tick")) < 320


SCRIPT = """
const { io } = require("sio4");
const socket = io(process.argv[2], { auth: { token: 1 }, transports: ["websocket"] });
socket.on("back", (...args) => { console.log(JSON.stringify(args.slice(0, -1)));
                                 args.at(-1)("yes"); });
socket.on("one", (...args) => console.log(JSON.stringify(args)));
socket.on("connect", async () => {
  console.log(JSON.stringify(await socket.emitWithAck("ask", 1, { two: 2 })));
  socket.close();
});
"""


@pytest.mark.interop
async def test_the_javascript_client_sees_nothing_of_traces(recording: Recording) -> None:
    peer = node()
    io = chatty(recording)
    async with io.listen("127.0.0.1", 0) as listener:
        process = await asyncio.create_subprocess_exec(
            str(peer.executable), "-e", SCRIPT, "--", "client", f"http://127.0.0.1:{listener.port}",
            stdout=asyncio.subprocess.PIPE, env=peer.env,
        )  # fmt: skip
        told, _ = await process.communicate()
    args = [1, {"two": 2}]
    assert list(map(json.loads, told.splitlines())) == [args, args, [*args, "yes"]]
    assert recording.spans("process ask")
