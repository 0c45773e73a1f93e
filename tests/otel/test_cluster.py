"""Contexts over the bus of a cluster."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import get_current_span

from sockwave import Server, connect
from sockwave.adapters import ClusterAdapter, MemoryBroker
from sockwave.otel import instrument_client
from tests.support.raw import until

if TYPE_CHECKING:
    from sockwave import ClientSocket, Socket
    from tests.otel.recording import Recording


async def two_servers(
    stack: AsyncExitStack, recording: Recording, *, both: bool = True
) -> tuple[tuple[Server, Server], tuple[ClientSocket, ClientSocket]]:
    """Two servers of a cluster, each with a client that is traced; the second may not be."""
    broker = MemoryBroker()
    servers = [Server(adapter=lambda host: ClusterAdapter(host, broker.driver())) for _ in range(2)]
    clients = []
    for at, io in enumerate(servers):
        if both or not at:
            recording.trace(io)
        listener = await stack.enter_async_context(io.listen("127.0.0.1", 0))
        socket = connect(f"http://127.0.0.1:{listener.port}", transports=["websocket"])
        instrument_client(socket, tracer_provider=recording.provider)
        clients.append(await stack.enter_async_context(socket))
    await until(lambda: all(len(io.cluster.nodes) == 2 for io in servers))
    first, second = servers
    return (first, second), (clients[0], clients[1])


async def test_a_broadcast_carries_its_context_to_clients_of_other_servers(
    recording: Recording,
) -> None:
    async with AsyncExitStack() as stack:
        (io, _), (client, other) = await two_servers(stack, recording)
        got: asyncio.Queue[Any] = asyncio.Queue()

        @io.event
        def shout(socket: Socket, text: str) -> None:
            io.emit("shouted", text)

        other.on("shouted", lambda *args: got.put_nowait(args))
        client.emit("shout", "hey")
        assert await got.get() == ("hey",)
        await until(lambda: len(recording.spans("process shouted")) == 2)
        shouted = await recording.one("process shout")
    assert shouted.context is not None
    for span in recording.spans("process shouted"):
        assert span.parent is not None
        assert span.parent.span_id == shouted.context.span_id


async def test_handlers_of_server_events_run_in_the_context_of_the_other_server(
    recording: Recording,
) -> None:
    async with AsyncExitStack() as stack:
        (io, far), (client, _) = await two_servers(stack, recording)
        seen: asyncio.Queue[int] = asyncio.Queue()

        @io.event
        def tell(socket: Socket) -> None:
            io.server_side_emit("told", 1)

        @far.on("told")
        async def told(number: int) -> None:
            await asyncio.sleep(0)
            seen.put_nowait(get_current_span().get_span_context().trace_id)

        client.emit("tell")
        trace = await seen.get()
        span = await recording.one("process tell")
    assert span.context is not None
    assert trace == span.context.trace_id


async def test_a_server_that_is_not_traced_does_with_a_message_what_it_always_does(
    recording: Recording,
) -> None:
    async with AsyncExitStack() as stack:
        (io, _), (client, other) = await two_servers(stack, recording, both=False)
        got: asyncio.Queue[Any] = asyncio.Queue()

        @io.event
        def shout(socket: Socket, text: str) -> None:
            io.emit("shouted", text)

        other.on_any(lambda *args: got.put_nowait(args))
        client.emit("shout", "hey")
        assert await got.get() == ("shouted", "hey")


@pytest.mark.parametrize("junk", [1, None, "x", ["00"]])
def test_a_context_of_another_server_that_is_none_changes_nothing(
    recording: Recording, junk: Any
) -> None:
    io = Server()
    recording.trace(io)
    called: list[int] = []
    assert io.observers.contexts is not None
    io.observers.contexts.run_in(junk, called.append, 1)
    assert called == [1]
