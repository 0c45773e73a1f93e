"""Metrics by the public interface: what is counted, under which labels, and who is asked."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from sockwave import Server, Socket
from sockwave.metrics import METRICS, PrometheusMetrics
from sockwave.observe.kinds import KINDS
from sockwave.testing import LinkedClient
from tests.support.process import DEADLINE
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    return run


def number(metrics: PrometheusMetrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def settled(metrics: PrometheusMetrics, name: str, value: float, **labels: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while number(metrics, name, **labels) != value:
            await asyncio.sleep(0.01)


def make() -> tuple[Server, PrometheusMetrics]:
    io = Server()

    @io.event
    def echo(socket: Socket, value: Any) -> Any:
        socket.emit("echo", value)
        return value

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("own", lambda value: value)

    @io.event
    async def wrong(socket: Socket) -> None:
        raise LookupError("wrong")

    return io, PrometheusMetrics(io, registry=None)


@pytest.mark.parametrize("is_observed", [False, True], ids=["counted", "told"])
@in_a_loop
async def test_events_are_counted_in_and_out_with_their_bytes(is_observed: bool) -> None:
    io, metrics = make()
    if is_observed:  # then nobody counts at the source: all are told
        io.observe(*KINDS)(lambda seen: None)
    async with LinkedClient(io) as client:
        for text in ("a", "bcd"):
            assert await client.emit_with_ack("echo", text) == text
            assert await client.emit_with_ack("own", text) == text
        client.emit("wrong")
        here = {"namespace": "/", "event": "echo"}
        await settled(metrics, "sockwave_handler_failures_total", 1, namespace="/", event="wrong")
        assert number(metrics, "sockwave_events_received_total", **here) == 2
        assert number(metrics, "sockwave_events_sent_total", **here) == 2
        assert number(metrics, "sockwave_handler_seconds_count", **here) == 2
        sent = sum(len(f'42["echo","{text}"]') for text in ("a", "bcd"))
        assert number(metrics, "sockwave_events_sent_bytes_total", **here) == sent
        assert number(metrics, "sockwave_events_received_bytes_total", **here) == sent + 2
        here["event"] = "own"
        assert number(metrics, "sockwave_events_received_total", **here) == 2
        assert number(metrics, "sockwave_handler_seconds_count", **here) == 2
        assert number(metrics, "sockwave_sockets", namespace="/") == 1
    await settled(metrics, "sockwave_sockets", 0, namespace="/")


@in_a_loop
async def test_hostile_names_make_a_fixed_number_of_series() -> None:
    io, metrics = make()
    io.of(re.compile(r"/room-\d+"))
    async with LinkedClient(io):
        (server_side,) = io.sockets.values()
        connection: Any = server_side._connection
        take = connection.text_message
        for at in range(10_000):
            take(b'42["event %d",1]' % at)
        before = len((await metrics.text())[0].splitlines())
        for at in range(10_000, 20_000):
            take(b'42["event %d",1]' % at)
        for at in range(50):
            take(b"40/room-%d," % at)
            take(b"40/no-%d," % at)
        assert server_side.connected
        await asyncio.sleep(0)
        text = (await metrics.text())[0].decode()
    assert len(text.splitlines()) <= before + 8
    assert 'event="other"' in text
    assert r'namespace="/room-\\d+"' in text
    assert "room-1" not in text and "no-1" not in text


def test_a_registry_has_one_server() -> None:
    registry = CollectorRegistry()
    first = PrometheusMetrics(Server(), registry=registry)
    with pytest.raises(ValueError, match="a registry of its own"):
        PrometheusMetrics(Server(), registry=registry)
    first.close()
    PrometheusMetrics(Server(), registry=registry)


def test_every_metric_is_counted_from_kinds_that_there_are() -> None:
    kinds = {kind.__name__ for kind in KINDS}
    for metric in METRICS:
        assert set(metric.seen) <= kinds
        assert not metric.unit or metric.name.endswith(metric.unit)
        assert (metric.kind == "histogram") == bool(metric.bounds)


@in_a_loop
async def test_the_port_opens_and_closes_with_the_server() -> None:
    io, metrics = make()
    metrics.listen(0)

    def get(path: str) -> tuple[int, bytes]:
        with socket.create_connection(("127.0.0.1", metrics.port), timeout=DEADLINE) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = b"".join(iter(lambda: sock.recv(65_536), b""))
        return int(answer.split()[1]), answer

    async with io.listen("127.0.0.1", 0):
        status, answer = await asyncio.to_thread(get, "/metrics")
        assert status == 200 and b"sockwave_workers_answering 1.0" in answer
        assert (await asyncio.to_thread(get, "/"))[0] == 404
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(get, "/metrics")


@in_a_loop
async def test_a_registry_tells_of_the_application_as_well() -> None:
    registry = CollectorRegistry()
    Counter("orders", "Of the application.", registry=registry).inc(3)
    text, _ = await PrometheusMetrics(Server(), registry=registry).text()
    assert b"orders_total 3.0" in text and b"sockwave_sessions" in text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.mark.unix
def test_workers_are_added_up_whoever_answers(tmp_path: Path) -> None:
    port = free_port()
    more = f"from sockwave.metrics import PrometheusMetrics\nPrometheusMetrics(io).listen({port})"

    def scrape() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE) as page:
            lines = page.read().decode().splitlines()
        numbers = (line.rpartition(" ") for line in lines if line[0] != "#")
        return {name: float(value) for name, _, value in numbers}

    with Program(tmp_path, "3", more=more) as program:
        for _ in range(6):
            visitor = Visitor(program.port)
            visitor.open()
            assert visitor.ask("echo", 1) == 1
        deadline = time.monotonic() + DEADLINE
        while (found := scrape())["sockwave_workers_answering"] != 3:
            assert time.monotonic() < deadline
        name = 'sockwave_events_received_total{event="echo",namespace="/"}'
        assert found["sockwave_workers"] == 3
        assert all(scrape()[name] == 6 for _ in range(5))
        assert found['sockwave_sessions{transport="polling"}'] == 6
        assert 'process_resident_memory_bytes{worker="2"}' in found
