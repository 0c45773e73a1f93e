"""Clients that come back to any server at a NATS with streams: each event once, and in order."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from nats import connect as connect_to_nats

from sockwave import Recovery, Server, connect
from sockwave.adapters import JetStream, NatsAdapter
from sockwave.adapters.streams.positions import position_of
from sockwave.testing import FaultProxy
from tests.adapters.redis.stream_clusters import Page
from tests.live.engines import Nats
from tests.live.test_jetstream import PATIENCE, ask, is_kept, kept, make_server
from tests.live.test_redis_streams import joined, read
from tests.support.process import free_port
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.live

SESSIONS = "sockwave-sessions"
SESSIONS_FOLDER = f"jetstream/$G/streams/{SESSIONS}"
"""Where NATS has that stream."""


@asynccontextmanager
async def cluster(
    nats: Nats, count: int, recovery: Recovery | bool = True, **options: Any
) -> AsyncIterator[list[Server]]:
    """Servers that know each other, none of whose clients is kept."""
    ours = [make_server(nats.url, recovery, **options) for _ in range(count)]
    try:
        await joined(ours)
        yield ours
    finally:
        for io in ours:
            await io.close()


async def lose(nats: Nats, page: Page) -> None:
    """Let the connection of a client end, until it is kept."""
    await page.lose()
    await kept(nats, page.auth["pid"])


async def test_client_comes_back_to_another_server_and_to_its_own() -> None:
    with Nats() as nats:
        async with cluster(nats, 2) as (a, b):
            ada = Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            for home in (b, a, a, b):
                await lose(nats, ada)
                ada.events.clear()
                a.to("room").emit("missed", 1)
                b.volatile.emit("volatile")
                b.to("elsewhere").emit("not for it")
                b.except_("room").emit("not for it either")
                await read([a, b])
                b.emit("missed", 2, b"\x02")
                assert await ada.connect(home)
                home.emit("after")
                await ada.got(["missed", 1], ["missed", 2, b"\x02"], ["after"])
                (socket,) = home.sockets.values()
                assert socket.recovered
                assert socket.rooms == {socket.id, "room"}
            places = [position_of(offset) or 0 for offset in ada.offsets]
            assert places == sorted(places)
            assert not await is_kept(nats, ada.auth["pid"]), "a session is used up"


async def test_client_of_a_server_that_is_restarted_comes_back_to_the_next_one() -> None:
    with Nats() as nats:
        ada = Page()
        async with cluster(nats, 1) as (before,):
            await ada.connect(before)
            before.emit("first")
            await ada.got(["first"])
        await lose(nats, ada)
        async with cluster(nats, 1) as (after,):
            after.emit("second")
            assert await ada.connect(after)
            await ada.got(["first"], ["second"])
            await ada.lose()


async def test_session_is_given_to_one_of_two_who_come_at_the_same_time() -> None:
    with Nats() as nats:
        async with cluster(nats, 2) as (a, b):
            for _ in range(8):
                ada, thief = Page(), Page()
                await ada.connect(a)
                await lose(nats, ada)
                thief.auth, thief.sid = dict(ada.auth), ada.sid
                outcomes = await asyncio.gather(
                    ada.connect(b), thief.connect(a), return_exceptions=True
                )
                # Who comes a little later may have it of the other, who is out then.
                assert True in outcomes
                assert sum(ada.sid in io.sockets for io in (a, b)) <= 1
                for page in (ada, thief):
                    await page.lose()


async def test_client_that_changes_servers_before_its_loss_was_noticed_is_recovered() -> None:
    with Nats() as nats:
        async with cluster(nats, 2) as (a, b):
            ada, same = Page(), Page()
            await ada.connect(a)
            a.emit("first")
            await ada.got(["first"])
            same.auth, same.sid = dict(ada.auth), ada.sid
            assert await same.connect(b)
            b.emit("second")
            await same.got(["second"])
            assert len(a.sockets) == 0
            await same.lose()
            await ada.lose()


async def test_what_is_decided_while_a_client_is_away_holds() -> None:
    with Nats() as nats:
        async with cluster(nats, 2) as (a, b):
            pages = [Page() for _ in range(3)]
            for page in pages:
                await page.connect(a)
            gone, moved, other = pages
            for page in pages:
                await lose(nats, page)
            b.in_(str(gone.sid)).disconnect_sockets()
            b.in_(str(moved.sid)).sockets_leave("room")
            b.in_(str(moved.sid)).sockets_join("new")
            b.to("room").emit("room")
            b.to("new").emit("new")
            await read([a, b])
            assert not await gone.connect(a)
            assert await moved.connect(a)
            assert await other.connect(b)
            await moved.got(["new"])
            await other.got(["room"])
            for page in pages:
                await page.lose()


async def test_client_whose_events_were_trimmed_is_a_new_one() -> None:
    with Nats() as nats:
        async with cluster(nats, 1, jetstream=JetStream(max_bytes=200_000)) as (io,):
            ada = Page()
            await ada.connect(io)
            io.emit("first")
            await ada.got(["first"])
            await lose(nats, ada)
            for number in range(50):
                io.to("room").emit("missed", number, "x" * 10_000)
            await read([io])
            assert not await ada.connect(io)
            assert ada.events == [["first"]]
            await ada.lose()


async def test_client_that_was_away_for_too_long_is_a_new_one() -> None:
    with Nats() as nats:
        recovery = Recovery(max_disconnection_duration=0.3)
        async with cluster(nats, 1, recovery) as (io,):
            ada = Page()
            await ada.connect(io)
            await lose(nats, ada)
            async with asyncio.timeout(PATIENCE):  # NATS forgets it by itself
                while await is_kept(nats, ada.auth["pid"]):
                    await asyncio.sleep(0.05)
            assert not await ada.connect(io)
            await ada.lose()
        info = await ask(nats, f"STREAM.INFO.{SESSIONS}")
        assert info["config"]["max_age"] == 1_300_000_000


async def test_clients_are_served_while_nats_is_away_and_recovered_when_it_is_back() -> None:
    with Nats() as nats:
        async with cluster(nats, 2) as (a, b):
            ada = Page()
            await ada.connect(a)
            a.emit("before")
            await ada.got(["before"])
            await asyncio.to_thread(nats.stop)
            a.emit("meanwhile")
            b.emit("from afar")
            await ada.got(["before"], ["meanwhile"])
            await asyncio.to_thread(nats.start)
            await ada.got(["before"], ["meanwhile"], ["from afar"])
            a.emit("back")
            await ada.has(["back"])
            # Before, a server may have missed something, and lets nobody come back.
            await until(lambda: a.cluster.is_healthy and b.cluster.is_healthy, PATIENCE)
            await lose(nats, ada)
            b.emit("missed")
            assert await ada.connect(b)
            await ada.has(["missed"])
            assert len(ada.events) == 5
            await ada.lose()


async def test_streams_in_memory_that_are_gone_make_new_clients() -> None:
    """Sequence numbers begin anew, and none of them is taken for one of before."""
    with Nats() as nats:
        options = JetStream(max_bytes=1_000_000, storage="memory")
        async with cluster(nats, 2, jetstream=options) as (a, b):
            ada, bob = Page(), Page()
            await ada.connect(a)
            await bob.connect(a)
            for number in range(5):
                a.emit("before", number)
            await bob.has(["before", 4])
            await lose(nats, ada)
            await asyncio.to_thread(nats.restart)
            for number in range(10):
                b.emit("after", number)
            await bob.has(["after", 9])
            assert not await ada.connect(b)
            await bob.lose()
            assert not await bob.connect(b), "what was lost with the stream may have been for it"
            assert any("another one than before" in what for what in map(str, a.cluster.errors))
            await ada.lose()
            await bob.lose()


async def test_stream_that_has_lost_its_end_makes_new_clients() -> None:
    """As after a crash of the machine of NATS: numbers are used again, for other events."""
    with Nats() as nats:
        async with cluster(nats, 2) as (a, b):
            ada, bob = Page(), Page()
            for page in (ada, bob):
                await page.connect(a)
            a.emit("kept")
            await ada.got(["kept"])
            await bob.got(["kept"])
            await asyncio.to_thread(nats.stop)
            streams, copy = nats.directory / "streams", nats.directory / "copy"
            shutil.copytree(streams, copy)
            await asyncio.to_thread(nats.start)
            await read([a, b])
            a.emit("forgotten")
            for page in (ada, bob):
                await page.has(["forgotten"])
            await lose(nats, bob)
            await asyncio.to_thread(nats.stop)
            # He is kept by a stream that has lost nothing.
            shutil.rmtree(copy / SESSIONS_FOLDER)
            shutil.copytree(streams / SESSIONS_FOLDER, copy / SESSIONS_FOLDER)
            shutil.rmtree(streams)
            copy.rename(streams)
            await asyncio.to_thread(nats.start)
            b.emit("other")
            await ada.has(["other"])
            assert any("lacks its end" in str(what) for what in a.cluster.errors)
            await ada.lose()
            for page in (ada, bob):
                assert not await page.connect(b)
                await page.lose()


async def test_client_of_nats_of_the_users_own_is_used() -> None:
    with Nats() as nats:
        async with FaultProxy("127.0.0.1", nats.port) as proxy:
            given = [
                await connect_to_nats(
                    f"nats://127.0.0.1:{proxy.port}",
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.05,
                )
                for _ in range(2)
            ]
            ours = [
                Server(adapter=NatsAdapter(client, jetstream=True), connection_state_recovery=True)
                for client in given
            ]
            await joined(ours)
            a, b = ours
            ada = Page()
            await ada.connect(a)
            for number in range(5):
                b.emit("news", number)
                await ada.has(["news", number])
                proxy.cut()
                b.emit("more", number)
                await ada.has(["more", number])
            await lose(nats, ada)
            b.emit("missed")
            assert await ada.connect(b)
            await ada.has(["missed"])
            assert len(ada.events) == 11
            await ada.lose()
            for io in ours:
                await io.close()
            for client in given:
                assert client.is_connected, "it is the user's"
                await client.close()


async def test_client_over_the_network_goes_on_at_the_next_server_of_its_port() -> None:
    """Its server ends, NATS restarts, and another server begins: each event comes once."""
    with Nats() as nats:
        port, got = free_port(), list[Any]()
        async with cluster(nats, 1) as (elsewhere,), AsyncExitStack() as stack:
            async with make_server(nats.url).listen(port=port):
                client = connect(
                    f"http://127.0.0.1:{port}", reconnection_delay=0.02, reconnection_delay_max=0.1
                )
                client.on("news", got.append)
                await stack.enter_async_context(client)
                await until_known(elsewhere, 1)
                elsewhere.to("room").emit("news", 0)
                await until(lambda: got == [0], PATIENCE)
                before = client.id
            elsewhere.to("room").emit("news", 1)
            await asyncio.to_thread(nats.restart)
            elsewhere.to("room").emit("news", 2)
            async with make_server(nats.url).listen(port=port):
                await until(lambda: len(got) == 3, PATIENCE)
                elsewhere.to("room").emit("news", 3)
                await until(lambda: len(got) == 4, PATIENCE)
                assert got == [0, 1, 2, 3]
                assert client.recovered
                assert client.id == before
                await stack.aclose()


async def until_known(io: Server, others: int) -> None:
    """Wait until a server knows so many."""
    await until(lambda: len(io.cluster.nodes) == others + 1, PATIENCE)


SEEDS = range(60 if os.environ.get("SOCKWAVE_FUZZ") else 4)


@pytest.mark.parametrize("seed", SEEDS)
async def test_clients_get_each_event_once_and_in_order_whatever_breaks(seed: int) -> None:
    """Clients come and go between three servers that all send, while connections to NATS are cut,
    and NATS is restarted or killed."""
    chance = random.Random(seed)
    with Nats() as nats:
        async with cluster(nats, 3, Recovery(max_disconnection_duration=60)) as ours:
            pages = [Page() for _ in range(4)]
            begun, since = dict.fromkeys(pages, 0), dict.fromkeys(pages, 0)
            recovered = 0
            for page in pages:
                await page.connect(chance.choice(ours))
            for number in range(150):
                sender = chance.randrange(3)
                ours[sender].to("room").emit("news", number, sender)
                page = chance.choice(pages)
                if chance.random() < 0.2:
                    page.take()
                    await page.lose()
                    await asyncio.sleep(0.005)
                    if await page.connect(chance.choice(ours)):
                        recovered += 1
                    else:
                        begun[page], since[page] = len(page.events), number + 1
                if seed % 2 and chance.random() < 0.03:
                    await asyncio.to_thread(cut, nats)
                if seed % 4 == 3 and chance.random() < 0.01:
                    await asyncio.to_thread(nats.kill)
                    await asyncio.to_thread(nats.start)
                await asyncio.sleep(chance.random() * 0.003)
            await read(ours)
            for sender, io in enumerate(ours):
                io.to("room").emit("news", 150, sender)
            for page in pages:
                await page.has(*(["news", 150, sender] for sender in range(3)))
                events = [each for each in page.events[begun[page] :] if each[0] == "news"]
                for sender in range(3):
                    got = [each[1] for each in events if each[2] == sender]
                    assert got == sorted(set(got)), "twice, or not in order"
                # A new one may get older ones, too, that a server has kept until NATS was back.
                got = [each[1] for each in events]
                assert set(got) >= set(range(since[page], 151)), "missing"
                await page.lose()
            assert recovered > 3


def cut(nats: Nats) -> None:
    """End all connections of servers."""
    nats.reconfigure('authorization: { user: "somebody", password: "else" }')
    nats.reconfigure()
