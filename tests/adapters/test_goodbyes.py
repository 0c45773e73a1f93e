"""What polling clients are told when a server stops whose clients may go on at others."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from sockwave.adapters import MemoryBroker, MemoryDriver
from sockwave.adapters.recovering import cluster_adapter
from tests.support.apps import echo_server
from tests.support.fronts import FRONTS
from tests.support.raw import PollingPeer, until, within


async def last_answers(*, has_others: bool) -> list[str]:
    """What polls get after an event that comes just before the end, until the goodbye."""
    broker = MemoryBroker()
    options: dict[str, Any] = {"connection_state_recovery": True}
    servers = [
        echo_server(adapter=partial(cluster_adapter, driver=MemoryDriver(broker)), **options)[0]
        for _ in range(2 if has_others else 1)
    ]
    leaving = servers[0]
    for io in servers:
        io.engine.driver.bind()
        await io.server_count()
    await until(lambda: len(leaving.cluster.nodes) == len(servers))
    answers: list[str] = []
    async with FRONTS["native"].serve(leaving) as wire:
        peer = await wire.open("polling")
        assert isinstance(peer, PollingPeer)
        await peer.connect()
        await peer.post('42["echo",1]')
        (session,) = leaving.engine.sessions.values()
        closing = asyncio.create_task(leaving.close())
        await until(lambda: not session.is_open)
        while not answers or not answers[-1].endswith("1"):
            answers.append((await peer.poll()).text)
        await closing
        await wire.aclose()
    for io in servers:
        await io.close()
    return answers


@pytest.mark.parametrize("has_others", [True, False])
def test_last_events_have_a_poll_of_their_own_where_clients_go_on_elsewhere(
    has_others: bool,
) -> None:
    """JavaScript clients that get the goodbye along with events handle these once more when they
    come back as who they were."""
    answers = asyncio.run(within(last_answers(has_others=has_others), 30))
    events, *goodbyes = answers
    assert events.startswith('42["echo",1,"'), "the offset for recovery is behind it"
    assert ("\x1e1" in events) is not has_others
    assert goodbyes == ([goodbyes[0]] if has_others else [])
