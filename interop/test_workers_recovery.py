"""Clients in JavaScript while workers are replaced under them: they are recovered, and hear each
event once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

import sockwave
from interop.stage import TRANSPORTS
from sockwave.workers.orders import order_reload
from tests.support.process import DEADLINE
from tests.support.raw import until
from tests.workers.crowded import LIMIT
from tests.workers.programs import Program
from tests.workers.test_recovery_over_reloads import NEWS

if TYPE_CHECKING:
    from pathlib import Path

    from interop.node import JsClient, NodeDriver

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

OF_TRANSPORT: Final = 6
RELOADS: Final = 3
EVENTS: Final = 20
"""That are published between two reloads."""


async def heard_by(program: Program, clients: list[JsClient]) -> list[str]:
    """Publish while workers are replaced, and wait until all have heard the last event; the ids."""
    publisher = sockwave.connect(
        f"http://127.0.0.1:{program.port}",
        transports=["websocket"],
        reconnection_delay=0.02,
        retries=1_000,
        ack_timeout=LIMIT,
    )
    number = 0
    for _ in range(RELOADS):
        reload = asyncio.create_task(asyncio.to_thread(order_reload, program.pid))
        goal = number + EVENTS
        while number < goal or not reload.done():
            await publisher.emit_with_ack("publish", number, timeout=2 * LIMIT)
            number += 1
            await asyncio.sleep(0.01)
        await reload
    await publisher.aclose()
    ids = (program.script.parent / "published").read_text().split()
    await until(lambda: all(c.log.count("on news") >= len(ids) for c in clients), DEADLINE)
    return ids


async def test_clients_are_recovered_over_reloads_and_hear_each_event_once(
    tmp_path: Path, driver: NodeDriver
) -> None:
    with Program(
        tmp_path,
        "3",
        more=NEWS,
        arguments="drain_period=1.0",
        options="connection_state_recovery=True",
    ) as program:
        clients = [
            driver.client(
                f"http://127.0.0.1:{program.port}",
                transports=["polling", "websocket"] if transport == "upgrade" else [transport],
                reconnection=True,
                reconnectionDelay=20,
                reconnectionDelayMax=200,
            )
            for transport in TRANSPORTS
            for _ in range(OF_TRANSPORT)
        ]
        for client in clients:
            await client.connected()
        ids = await heard_by(program, clients)
        for client in clients:
            heard = [(await client.received("news"))[0] for _ in range(client.log.count("on news"))]
            assert heard == ids, client.log
            assert await client.run("return socket.recovered"), client.log
        assert sum(client.log.count("disconnect") for client in clients) >= len(clients)
        await driver.close_clients()
