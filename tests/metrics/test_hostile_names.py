"""No client makes series, or records, as many as it likes: by packets as they are on the wire."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from sockwave import ConnectError, Server, Socket
from sockwave.engine.server.rules.verification import ErrorCode
from sockwave.metrics import PrometheusMetrics
from sockwave.observe import ConnectionRecord, SessionClosed, SocketRefused
from sockwave.otel import OpenTelemetry
from sockwave.types import DisconnectReason
from tests.support.fronts import FRONTS
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.fronts import Wire

AT_ONCE: Final = 500
"""Packets in a request: what is answered to them is fetched before the next."""

CONNECTIONS: Final = 50
"""Of those things that need one each."""


def hostile(**options: Any) -> Server:
    """A server whose handlers do as they are told."""
    io = Server(connection_records=1_000, max_payload=10_000_000, **options)
    io.of(re.compile(r"/room-\d+"))

    @io.event
    async def join(socket: Socket, room: str) -> None:
        socket.join(room)
        io.to(room).emit(f"to {room}", 1)
        socket.emit(f"for {room}", 1)
        socket.leave(room)

    @io.use
    def refuse(socket: Socket) -> None:
        if why := (socket.handshake.auth or {}).get("why"):
            raise ConnectError(str(why))

    return io


def prometheus(io: Server) -> Callable[[], set[str]]:
    """Gives the names of all series, with their labels."""
    metrics = PrometheusMetrics(io, registry=None)

    def read() -> set[str]:
        return {
            f"{sample.name}{sample.labels}"
            for family in metrics.registry.collect()
            for sample in family.samples
        }

    return read


def opentelemetry(io: Server) -> Callable[[], set[str]]:
    """The same of OpenTelemetry."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    OpenTelemetry(io, sample=0, meter_provider=provider)

    def read() -> set[str]:
        data = reader.get_metrics_data()
        assert data is not None
        return {
            f"{metric.name}{dict(point.attributes or {})}"
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    return read


def chunks(first: int, last: int) -> Iterator[range]:
    """Numbers, as many at once as go into a request."""
    for begin in range(first, last, AT_ONCE):
        yield range(begin, min(begin + AT_ONCE, last))


async def attack(io: Server, wire: Wire, first: int, last: int) -> None:
    """Say names that nobody has said before: of events, namespaces and rooms."""
    for numbers in chunks(first, last):
        peer = await wire.open_polling()
        await peer.send("40")
        await peer.receive()
        for packet, answer in (
            ('42["event %d",1]', ""),
            ('42["join","%d"]', '42["for %d"'),
            ("40/no-%d,", "44/no-%d,"),
        ):
            assert (await peer.post("\x1e".join(packet % at for at in numbers))).text == "ok"
            while answer and not str(await peer.receive()).startswith(answer % numbers[-1]):
                pass
        await peer.send("1")
    await until(lambda: not io.engine.sessions)


async def make_reasons(io: Server, wire: Wire, first: int, last: int) -> None:
    """End, ask and be refused for reasons of one's own; and be in many namespaces."""
    for at in range(first, last):
        peer = await wire.open_websocket()
        await peer.send(f'40{{"why":"reason {at}"}}', f"40/room-{at},")
        while not str(await peer.receive()).startswith(f"40/room-{at},"):
            pass
        await peer.websocket.close(4_000 + at)
        reply = await wire.get(wire.target(f"pigeon-{at}"))
        assert reply.status == 400
    await until(lambda: not io.engine.sessions)


async def run(kind: Callable[[Server], Callable[[], set[str]]], names: int) -> None:
    io = hostile()
    seen: list[Any] = []
    io.observe(SessionClosed, SocketRefused)(seen.append)
    read = kind(io)
    async with FRONTS["native"].serve(io) as wire:
        await attack(io, wire, 0, AT_ONCE)
        await make_reasons(io, wire, 0, CONNECTIONS)
        before = read()
        await attack(io, wire, AT_ONCE, names)
        await make_reasons(io, wire, CONNECTIONS, 2 * CONNECTIONS)
        after = read()
    assert after - before <= {"sockwave_loop_lag_seconds{}"}  # measured twice a second
    assert not [each for each in after if re.search(r"event \d|to \d|for \d|no-\d|reason \d", each)]
    assert any("other" in each for each in after)
    closed = {each.reason for each in seen if isinstance(each, SessionClosed)}
    assert closed <= set(DisconnectReason)  # an observer may label by it
    refused = [each for each in seen if isinstance(each, SocketRefused)]
    assert len(refused) == names + 2 * CONNECTIONS  # what is a label is not what a client says
    check_records(io.connections.recent(1_000))


def check_records(records: list[ConnectionRecord]) -> None:
    """What is kept of a connection does not grow with what it has said."""
    assert records
    assert max(len(record.namespaces) for record in records) <= 20
    assert max(len(repr(record)) for record in records) < 10_000
    reasons = {*map(str, DisconnectReason), *(code.message for code in ErrorCode)}
    assert {record.reason for record in records} <= reasons


KINDS: Final = pytest.mark.parametrize("kind", [prometheus, opentelemetry])


@KINDS
def test_names_of_a_hostile_client_make_no_series(
    kind: Callable[[Server], Callable[[], set[str]]],
) -> None:
    asyncio.run(run(kind, 2_000))


@KINDS
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_very_many_names_of_a_hostile_client_make_no_series(
    kind: Callable[[Server], Callable[[], set[str]]],
) -> None:
    asyncio.run(run(kind, 100_000))
