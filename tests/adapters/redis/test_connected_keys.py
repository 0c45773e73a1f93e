"""Clients that were connected to a server that has died, on Redis streams, come back to others.

A server that is cut off from Redis for good looks to the others like one that was killed.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sockwave import Recovery, Server
from sockwave.adapters import ClusterAdapter
from sockwave.adapters.redis import link
from sockwave.adapters.streams import finding
from sockwave.testing import FaultProxy
from tests.adapters.redis.small_streams import SmallStreams, small_streams
from tests.adapters.redis.stream_clusters import (
    Page,
    begin,
    make_server,
    run,
    saved,
    settled,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REGISTRY = b"socket.io:connected:/:servers"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are tried often, and who is silent is dead soon."""
    monkeypatch.setattr(link, "LAST_RETRY", 0.05)
    monkeypatch.setattr(finding, "SILENCE", 0.02)


def told(kept: bytes) -> dict[str, Any]:
    """What is kept of one."""
    value: dict[str, Any] = msgspec.msgpack.decode(base64.b64decode(kept, validate=True))
    return value


class Mortal:
    """A server that can be cut off from Redis."""

    def __init__(self, redis: SmallStreams, **options: Any) -> None:
        self._redis = redis
        self.proxy = FaultProxy("127.0.0.1", redis.port)
        self._options = options
        self.io = Server()

    async def __aenter__(self) -> Mortal:
        await self.proxy.up()
        behind: Any = SimpleNamespace(url=f"redis://127.0.0.1:{self.proxy.port}")
        self.io = make_server(behind, **self._options)
        await begin(self.io)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.io.close()
        await self.proxy.__aexit__()

    async def die(self) -> None:
        """Be heard no more."""
        clients = self._redis.listening
        self.proxy.down()
        await until(lambda: self._redis.listening < clients)

    @property
    def kept(self) -> list[bytes]:
        """What is kept of its clients."""
        return list(self._redis.connected(self.id, REGISTRY).values())

    @property
    def id(self) -> bytes:
        """What it calls itself."""
        adapter = self.io.of("/").adapter
        assert isinstance(adapter, ClusterAdapter)
        assert adapter.id is not None
        return adapter.id.encode()

    async def keeps(self, count: int) -> None:
        await until(lambda: sum(map(bool, self.kept)) == count)


@asynccontextmanager
async def cluster(
    count: int = 3, **options: Any
) -> AsyncIterator[tuple[SmallStreams, list[Mortal]]]:
    async with small_streams() as redis, AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Mortal(redis, **options)) for _ in range(count)]
        await settled([each.io for each in servers])
        yield redis, servers


def test_client_goes_on_at_another_server_where_it_was() -> None:
    async def scenario() -> None:
        async with cluster() as (_, (a, b, c)):
            ada = Page()
            await ada.connect(a.io)
            c.io.emit("first")
            await ada.got(["first"])
            await ada.emit("join", "late")
            await ada.emit("leave", "room")
            await until(lambda: [each["rooms"][1:] for each in map(told, a.kept)] == [["late"]])
            c.io.to("late").emit("second")
            await ada.got(["first"], ["second"])
            await a.die()
            c.io.to("room").emit("not for it")
            c.io.to("late").emit("third")
            await ada.lose()
            assert await ada.connect(b.io)
            c.io.emit("fourth")
            await ada.got(["first"], ["second"], ["third"], ["fourth"])
            (socket,) = b.io.sockets.values()
            assert socket.recovered
            assert socket.rooms == {socket.id, "late"}
            assert socket.data == {"who": ["x", 1]}
            # And once more, where that one dies, too.
            await b.keeps(1)
            await b.die()
            c.io.emit("fifth")
            await ada.lose()
            assert await ada.connect(c.io)
            await ada.has(["fifth"])
            assert len(ada.events) == 5

    run(scenario())


def test_client_that_has_seen_nothing_yet_gets_all() -> None:
    async def scenario() -> None:
        async with cluster(2) as (_, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            await a.keeps(1)
            await a.die()
            b.io.emit("first")
            await ada.lose()
            assert await ada.connect(b.io)
            await ada.got(["first"])

    run(scenario())


def test_what_others_decide_after_the_death_holds() -> None:
    async def scenario() -> None:
        async with cluster(2) as (_, (a, b)):
            ada, grace = Page(), Page()
            for page in (ada, grace):
                await page.connect(a.io)
            assert ada.sid is not None
            assert grace.sid is not None
            await a.keeps(2)
            await a.die()
            b.io.in_(ada.sid).sockets_leave("room")
            b.io.to("room").emit("not any more")
            b.io.in_(ada.sid).sockets_join("late")
            b.io.to("late").emit("now")
            b.io.in_(grace.sid).disconnect_sockets()
            await ada.lose()
            await grace.lose()
            assert await ada.connect(b.io)
            await ada.got(["now"])
            assert not await grace.connect(b.io)

    run(scenario())


def test_session_is_used_once() -> None:
    async def scenario() -> None:
        async with cluster() as (_, (a, b, c)):
            ada, thief = Page(), Page()
            await ada.connect(a.io)
            await a.keeps(1)
            await a.die()
            await ada.lose()
            thief.auth, thief.sid = dict(ada.auth), ada.sid
            found = await asyncio.gather(
                ada.connect(b.io), thief.connect(c.io), return_exceptions=True
            )
            assert sum(each is True for each in found) == 1

    run(scenario())


def test_events_of_the_dead_server_that_may_have_been_seen_make_a_new_client() -> None:
    """It may have sent them without an offset, before they were in the stream."""

    async def scenario() -> None:
        async with cluster(2) as (_, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            seen = dict(ada.auth)
            a.io.emit("own")
            await ada.got(["first"], ["own"])
            await a.keeps(1)
            await a.die()
            await ada.lose()
            ada.auth = seen
            assert not await ada.connect(b.io)

    run(scenario())


@pytest.mark.parametrize("offset", ["99999999999999-0", "text"])
def test_text_that_is_no_offset_makes_a_new_client(offset: str) -> None:
    async def scenario() -> None:
        async with cluster(2) as (_, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            await a.keeps(1)
            await a.die()
            await ada.lose()
            ada.auth["offset"] = offset
            assert not await ada.connect(b.io)

    run(scenario())


def test_server_that_was_only_cut_off_ends_what_others_have_taken_and_keeps_nothing() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada, grace = Page(), Page()
            for page in (ada, grace):
                await page.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            await grace.got(["first"])
            await a.keeps(2)
            await a.die()
            await ada.lose()  # which is noticed, and to be kept as soon as Redis is there
            again = Page()  # and this one is not
            again.auth, again.sid = dict(grace.auth), grace.sid
            grace.take()
            assert await ada.connect(b.io)
            assert await again.connect(b.io)
            await a.proxy.up()
            await until(lambda: not a.io.sockets)
            await settled([a.io, b.io])
            b.io.emit("second")
            await ada.got(["first"], ["second"])
            await again.got(["second"])
            assert not saved(redis, ada)
            assert not saved(redis, again)
            assert set(b.io.sockets) == {ada.sid, grace.sid}
            assert not any(a.kept)
            # Whoever has it now can lose it in any way.
            await b.keeps(2)
            await ada.lose()
            assert await ada.connect(a.io)
            await a.keeps(1)

    run(scenario())


def test_what_a_server_that_was_cut_off_has_kept_back_makes_new_clients() -> None:
    """Its clients have had it at once, without an offset."""

    async def scenario() -> None:
        async with cluster(2) as (_, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            await a.keeps(1)
            await a.die()
            a.io.emit("early")
            await ada.got(["first"], ["early"])
            await ada.lose()
            assert await ada.connect(b.io)
            await a.proxy.up()
            await until(lambda: not b.io.sockets)
            ada.take()
            assert ada.events == [["first"], ["early"]]
            assert not await ada.connect(b.io)

    run(scenario())


def test_what_such_a_server_has_kept_back_is_not_replayed_either() -> None:
    async def scenario() -> None:
        async with cluster(3) as (redis, (a, b, c)):
            ada = Page()
            await ada.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            await a.keeps(1)
            await a.die()
            a.io.emit("early")
            await ada.got(["first"], ["early"])
            await ada.lose()
            assert await ada.connect(b.io)
            await ada.lose()  # before that one is back
            await until(lambda: saved(redis, ada))
            count = len(redis.entries())
            await a.proxy.up()
            await until(lambda: len(redis.entries()) > count)
            assert not await ada.connect(c.io)

    run(scenario())


def test_server_that_stops_in_order_leaves_nothing_but_its_lost_clients() -> None:
    async def scenario() -> None:
        async with cluster(2) as (redis, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            await a.keeps(1)
            id_ = a.id
            await a.io.close()
            assert saved(redis, ada)
            assert not redis.connected(id_, REGISTRY)
            await ada.lose()
            assert await ada.connect(b.io)

    run(scenario())


def test_server_that_is_there_is_asked_as_ever() -> None:
    async def scenario() -> None:
        async with cluster(2) as (_, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            await a.keeps(1)
            again = Page()
            again.auth, again.sid = dict(ada.auth), ada.sid
            assert await again.connect(b.io)
            assert not a.io.sockets
            assert not any(a.kept)

    run(scenario())


def test_what_changes_is_written_and_what_leaves_is_not_kept() -> None:
    async def scenario() -> None:
        async with cluster(1) as (redis, (a,)):
            ada = Page()
            await ada.connect(a.io)
            await a.keeps(1)
            (first,) = a.kept
            (socket,) = a.io.sockets.values()
            socket.data["more"] = 1
            await until(lambda: a.kept != [first])
            (second,) = a.kept
            grace = Page()
            await grace.connect(a.io)
            await a.keeps(2)
            _, other = a.io.sockets.values()
            count, before = len(redis.commands), a.kept
            assert socket.data  # which is looked at together with the next one, and is the same
            other.data["more"] = 1
            await until(lambda: a.kept != before)
            writes = [each for each in redis.commands[count:] if each[0] == b"EVAL"]
            assert not [each for each in writes if ada.auth["pid"].encode() in each]
            await grace.emit("leave", "room")
            other.disconnect()
            await a.keeps(1)
            socket.join("another")
            await until(lambda: a.kept != [second])
            socket.data["more"] = "x" * 70_000
            await a.keeps(0)
            socket.data["more"] = ""
            await a.keeps(1)
            socket.disconnect()
            await a.keeps(0)

    run(scenario())


def test_nothing_is_kept_with_the_option_off() -> None:
    async def scenario() -> None:
        async with cluster(2, keeps_connected=False) as (redis, (a, b)):
            ada = Page()
            await ada.connect(a.io)
            b.io.emit("first")
            await ada.got(["first"])
            await ada.lose()
            assert await ada.connect(b.io)
            assert not [each for each in redis.commands if each[0] == b"EVAL"]

    run(scenario())


def test_refusal_of_redis_is_told_and_who_is_lost_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with small_streams() as redis:
            redis.errors[b"EVAL"] = b"NOPERM no scripts"
            async with Mortal(redis) as a, Mortal(redis) as b:
                await settled([a.io, b.io])
                pages = [Page() for _ in range(3)]
                for page in pages:
                    await page.connect(a.io)
                for page in pages:
                    await page.emit("join", "another")
                    await page.lose()
                    assert await page.connect(b.io)

    with caplog.at_level(logging.WARNING):
        run(scenario())
    told = [each for each in caplog.messages if "NOPERM" in each]
    assert 1 <= len(told) <= 2, "once by each server"


def test_what_redis_has_forgotten_is_written_again() -> None:
    async def scenario() -> None:
        recovery = Recovery(max_disconnection_duration=1)
        async with cluster(1, recovery=recovery) as (redis, (a,)):
            ada = Page()
            await ada.connect(a.io)
            await a.keeps(1)
            redis.forget_connected()
            await a.keeps(1)

    run(scenario())
