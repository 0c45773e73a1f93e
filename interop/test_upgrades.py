"""Upgrades under load: nothing is lost, doubled or out of order, in either direction."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from interop.fronts import serving
from sockwave import Server, Socket
from tests.support.peers import INTEROP, node

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

CLIENTS = 200
EVERY = 0.01
"""Seconds between two rounds of events to all clients, if the machine keeps up."""


class Flow:
    """One socket's numbers, both ways."""

    def __init__(self, socket: Socket) -> None:
        self.seen = self.sent = 0
        self.began = socket.conn.transport.name
        self.is_over = False
        self.wrong: list[Any] = []
        self._socket = socket

    def receive(self, n: int, extra: str | bytes) -> None:
        if (n, extra) != (self.seen, numbered(self.seen)):
            self.wrong.append((self.seen, n, extra))
        self.seen += 1

    def send(self) -> None:
        if not self.is_over:
            self._socket.emit("n", self.sent, numbered(self.sent))
            self.sent += 1

    def finish(self, sent_by_client: int) -> int:
        self.is_over = True
        if sent_by_client != self.seen:
            self.wrong.append(("end", self.seen, sent_by_client))
        return self.sent


def numbered(n: int) -> str | bytes:
    return f"text {n}" if n % 10 else f"binary {n}".encode()


def load_server(flows: dict[str, Flow]) -> Server:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        flow = flows[socket.id] = Flow(socket)

        @socket.on("n")
        def received(n: int, extra: str | bytes) -> None:
            flow.receive(n, extra)
            if n % 5 == 0:
                flow.send()  # also in the middle of an upgrade

        socket.on("done", flow.finish)
        socket.on("disconnect", lambda reason: flow.finish(flow.seen))
        flow.send()

    return io


async def keep_sending(flows: dict[str, Flow]) -> None:
    while True:
        for flow in list(flows.values()):
            flow.send()
        await asyncio.sleep(EVERY)


@pytest.mark.parametrize("front", ["native", "hosted", "asgi", "workers"])
async def test_two_hundred_upgrades_lose_double_and_reorder_nothing(front: str) -> None:
    peer = node()
    flows: dict[str, Flow] = {}
    async with serving(load_server(flows), front) as url:
        process = await asyncio.create_subprocess_exec(
            peer.executable,
            INTEROP / "upgrades.cjs",
            url,
            str(CLIENTS),
            stdout=asyncio.subprocess.PIPE,
            env=peer.env,
        )
        sending = asyncio.create_task(keep_sending(flows))
        try:
            async with asyncio.timeout(90):
                output, _ = await process.communicate()
        finally:
            sending.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
    reports = [json.loads(line) for line in output.splitlines()]

    assert [report["wrong"] for report in reports] == [[]] * CLIENTS
    assert {(report["began"], report["ended"]) for report in reports} == {("polling", "websocket")}
    assert all(report["sentInUpgrade"] >= 5 for report in reports)
    assert [flow.wrong for flow in flows.values()] == [[]] * CLIENTS
    assert {flow.began for flow in flows.values()} == {"polling"}
    sent, seen = (sum(report[key] for report in reports) for key in ("sent", "seen"))
    assert sum(flow.seen for flow in flows.values()) == sent
    assert sum(flow.sent for flow in flows.values()) == seen
    print(
        f"{CLIENTS} upgrades on {front}: {sent} events to the server and {seen} back, of these"
        f" {sum(report['sentInUpgrade'] for report in reports)} and"
        f" {sum(report['seenInUpgrade'] for report in reports)} while upgrading"
    )
