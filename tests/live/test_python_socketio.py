"""`PythonSocketIOAdapter` beside the real python-socketio, on a real Redis."""

from __future__ import annotations

import asyncio
import logging
import pickle
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import socketio
import uvicorn
from redis.asyncio import Redis as Client

from sockwave import Server, connect
from sockwave.adapters import PythonSocketIOAdapter
from sockwave.socketio.core.cluster_contract import SupportsHearing
from tests.live.engines import Redis
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave import ClientSocket

pytestmark = pytest.mark.live

PATIENCE = 30.0


class Cluster:
    """A server of ours, one of python-socketio's, a client of each, and a write-only manager.

    Attributes:
        got: Events of clients: "name event", and arguments.
        gone: Clients that were disconnected.
        ids: Of their sockets.
    """

    def __init__(self, url: str, channel: str) -> None:
        self.channel = channel
        self.errors: list[str] = []
        self.got: list[tuple[Any, ...]] = []
        self.gone: set[str] = set()
        self.ids: dict[str, str] = {}
        self.theirs: Any = socketio.AsyncServer(
            async_mode="asgi", client_manager=socketio.AsyncRedisManager(url, channel=channel)
        )
        self.ours = Server(adapter=PythonSocketIOAdapter(url, channel=channel))
        self.writer: Any = socketio.AsyncRedisManager(url, channel=channel, write_only=True)

    @property
    def is_deaf(self) -> bool:
        """Whether ours hears nothing."""
        adapter = self.ours.adapter
        assert isinstance(adapter, SupportsHearing)
        return adapter.is_deaf

    async def write(self, event: str, data: Any = None, **options: Any) -> None:
        """Emit from a process that only emits."""
        await self.writer.emit(event, data, **options)

    async def stop_writing(self) -> None:
        """It has a connection by now."""
        await self.writer.redis.aclose()

    def take(self, client: ClientSocket, name: str) -> None:
        """Keep the events of a client, under its name."""

        @client.on_any
        def took(event: str, *args: Any) -> None:
            self.got.append((f"{name} {event}", *args))

        @client.on("question")
        def question(*args: Any) -> str:
            return f"answer of {name}"

        @client.on("disconnect")
        def gone(*args: Any) -> None:
            self.gone.add(name)

    def of(self, name: str) -> list[str]:
        """Events of one client."""
        return [each[0].split()[1] for each in self.got if each[0].split()[0] == name]

    def count(self, event: str) -> int:
        """How often it has come."""
        return sum(each[0].split()[-1] == event for each in self.got)


@asynccontextmanager
async def cluster(url: str) -> AsyncIterator[Cluster]:
    """Both servers serve, and hear each other."""
    made = Cluster(url, uuid4().hex)
    made.ours.on("cluster_error", lambda what, *more: made.errors.append(what))
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(made.ours.listen())
        theirs = await stack.enter_async_context(served(made.theirs))
        stack.push_async_callback(made.stop_writing)
        for name, address in (("ours", listener.url), ("theirs", theirs)):
            connecting = connect(address, transports=["websocket"])
            client = await stack.enter_async_context(connecting)
            made.take(client, name)
            made.ids[name] = client.id or ""
        await until(lambda: not made.is_deaf, PATIENCE)
        while len({name for name, *_ in made.got}) < 2:  # until both hear
            await made.write("begin")
            await asyncio.sleep(0.02)
        await made.write("begun")
        await until(lambda: made.count("begun") == 2, PATIENCE)
        made.got.clear()
        yield made


@asynccontextmanager
async def served(io: Any) -> AsyncIterator[str]:
    """The server of python-socketio, by uvicorn."""
    app = socketio.ASGIApp(io)
    host = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    serving = asyncio.create_task(host.serve())
    try:
        await until(lambda: host.started, PATIENCE)
        yield f"http://127.0.0.1:{host.servers[0].sockets[0].getsockname()[1]}"
    finally:
        host.should_exit = True
        await serving
        await io.shutdown()
        io.manager.thread.cancel()
        await asyncio.wait([io.manager.thread], timeout=PATIENCE)
        await io.manager.redis.aclose()


async def test_events_go_both_ways(redis_url: str) -> None:
    async with cluster(redis_url) as made:
        made.ours.emit("a", 1, {"b": [b"\x00\xff"]}, None)
        await until(lambda: len(made.got) == 2, PATIENCE)
        await made.theirs.emit("b", (1, {"b": [b"\x00\xff"]}))
        await until(lambda: len(made.got) == 4, PATIENCE)
        await made.write("c", b"binary")
        await until(lambda: len(made.got) == 6, PATIENCE)
        assert sorted(made.got[:2]) == [
            ("ours a", 1, {"b": [b"\x00\xff"]}, None),
            ("theirs a", 1, {"b": [b"\x00\xff"]}, None),
        ]
        assert {each[1:] for each in map(repr_of, made.got[2:4])} == {
            ("1", "{'b': [b'\\x00\\xff']}"),
        }
        assert sorted(made.got[4:]) == [("ours c", b"binary"), ("theirs c", b"binary")]
        assert made.errors == []


def repr_of(event: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(map(repr, event))


async def test_order_of_500_events_is_kept_both_ways(redis_url: str) -> None:
    async with cluster(redis_url) as made:
        for number in range(500):
            made.ours.emit("n", number)
        await until(lambda: len(made.got) == 1_000, PATIENCE)
        assert [n for name, n in made.got if name == "theirs n"] == list(range(500))
        made.got.clear()
        for number in range(500):
            await made.write("n", number)
        await until(lambda: len(made.got) == 1_000, PATIENCE)
        assert [n for name, n in made.got if name == "ours n"] == list(range(500))


async def test_rooms_go_both_ways(redis_url: str) -> None:
    async with cluster(redis_url) as made:
        ours, theirs = made.ids["ours"], made.ids["theirs"]
        made.ours.in_(theirs).sockets_join("r")
        await made.theirs.enter_room(ours, "r")
        await until(lambda: made.ours.adapter.rooms_of(ours) == {ours, "r"}, PATIENCE)  # type: ignore[arg-type]
        await until(lambda: "r" in made.theirs.rooms(theirs), PATIENCE)
        made.ours.to("r").emit("a")
        await made.theirs.emit("b", room="r", skip_sid=ours)
        made.ours.to("r").except_(theirs).emit("c")
        await made.write("d", room=["r", "s"])
        await until(lambda: len(made.got) == 6, PATIENCE)
        assert made.of("ours") == ["a", "c", "d"]
        assert sorted(made.of("theirs")) == ["a", "b", "d"]
        made.ours.in_("r").sockets_leave("r")
        await until(lambda: "r" not in made.theirs.rooms(theirs), PATIENCE)
        await made.theirs.enter_room(ours, "s")
        await until(lambda: "s" in made.ours.adapter.rooms_of(ours), PATIENCE)  # type: ignore[arg-type]
        await made.theirs.close_room("s")
        await until(lambda: made.ours.adapter.rooms_of(ours) == {ours}, PATIENCE)  # type: ignore[arg-type]


async def test_acknowledgements_go_both_ways(redis_url: str) -> None:
    async with cluster(redis_url) as made:
        asked = made.ours.to(made.ids["theirs"]).timeout(PATIENCE)
        assert list(await asked.emit_with_ack("question", 1)) == ["answer of theirs"]
        answers: list[Any] = []
        await made.theirs.emit("question", 1, to=made.ids["ours"], callback=answers.append)
        await until(lambda: answers, PATIENCE)
        assert answers == ["answer of ours"]


async def test_sockets_are_disconnected_from_the_other_side(redis_url: str) -> None:
    async with cluster(redis_url) as made:
        made.ours.in_(made.ids["theirs"]).disconnect_sockets()
        await made.theirs.disconnect(made.ids["ours"])
        await until(lambda: made.gone == {"ours", "theirs"}, PATIENCE)


async def test_subscribers_are_counted_and_sockets_are_not(redis_url: str) -> None:
    async with cluster(redis_url) as made:
        assert await made.ours.server_count() == 2
        with pytest.raises(NotImplementedError, match="use `local`"):
            await made.ours.fetch_sockets()
        with pytest.raises(NotImplementedError, match="use `local`"):
            await made.ours.count()
        assert [socket.id for socket in await made.ours.local.fetch_sockets()] == [made.ids["ours"]]


async def test_pickle_and_nonsense_are_refused_with_one_line_and_the_next_message_arrives(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with cluster(redis_url) as made:
        client: Any = Client.from_url(redis_url)
        with caplog.at_level(logging.WARNING, "sockwave.adapters"):
            await client.publish(made.channel, pickle.dumps({"method": "emit", "event": "evil"}))
            await made.write("good")
            await until(lambda: made.count("good") == 2, PATIENCE)
        await client.aclose()
        assert made.of("ours") == ["good"]
        (line,) = [each.getMessage() for each in caplog.records if "dropped" in each.getMessage()]
        assert "5.14.0" in line


async def test_redis_that_restarts_is_found_again() -> None:
    with Redis() as redis:
        async with cluster(redis.url) as made:
            for number in range(3):
                await asyncio.to_thread(redis.restart)
                await until(lambda n=number: len(made.errors) > n, PATIENCE)  # type: ignore[misc]
                await until(lambda: not made.is_deaf, PATIENCE)
                made.got.clear()
                while not made.count("again"):
                    await made.write("again", to=made.ids["ours"])
                    await asyncio.sleep(0.05)
                while not made.count("back"):  # theirs waits a second and more before it listens
                    made.ours.to(made.ids["theirs"]).emit("back")
                    await asyncio.sleep(0.05)


async def test_redis_that_stands_still_is_noticed_and_used_again() -> None:
    with Redis() as redis:
        async with cluster(redis.url) as made:
            await asyncio.to_thread(redis.pause)
            await until(lambda: made.is_deaf, PATIENCE)
            assert not made.ours.cluster.is_healthy
            made.ours.emit("here")
            await until(lambda: made.of("ours") == ["here"], PATIENCE)
            await asyncio.to_thread(redis.resume)
            await until(lambda: not made.is_deaf, PATIENCE)
            await made.write("again", to=made.ids["ours"])
            await until(lambda: made.count("again"), PATIENCE)


async def test_client_of_the_users_own_is_used_and_stays_open(redis_url: str) -> None:
    client: Any = Client.from_url(redis_url)
    io = Server(adapter=PythonSocketIOAdapter(client, channel=uuid4().hex))
    async with io.listen():
        await until(lambda: not io.adapter.is_deaf, PATIENCE)  # type: ignore[attr-defined]
        assert await io.server_count() == 1
    assert await client.ping()
    await client.aclose()
