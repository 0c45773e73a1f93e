"""What a server says of its health, and of what that depends."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Health, HealthOptions, Limits, Server
from sockwave.adapters import Capabilities, ClusterAdapter, MemoryBroker
from sockwave.health import HealthWatch, has_spare_descriptors
from sockwave.observe import LoopLag
from tests.socketio.core.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable


def names(health: Health) -> list[str]:
    assert health.ready is (not health.reasons)
    return [reason.name for reason in health.reasons]


def late(io: Server, *seconds: float) -> None:
    for each in seconds:
        io.observers.tell(io.observers.loop_lag, LoopLag(each))


# --- life -----------------------------------------------------------------------------------------


async def test_server_is_ready_from_when_it_serves_until_it_stops() -> None:
    io = Server()
    assert (names(io.health()), io.health().live) == (["starting"], True)
    async with io.listen():
        assert names(io.health()) == []
        seen: list[str] = []
        io.engine.on("closing", lambda: seen.extend(names(io.health())))
    assert seen == ["draining"]
    assert not io.health().ready


async def test_server_that_serves_again_is_ready_again() -> None:
    io = Server()
    for _ in range(2):
        async with io.listen():
            assert names(io.health()) == []
        assert names(io.health())[0] == "draining"


async def test_numbers_are_those_of_the_process() -> None:
    io = Server(limits=Limits(connections=50))
    async with io.listen() as listener:
        reader, writer = await asyncio.open_connection(listener.host, listener.port)
        writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        health = io.health()
        assert (health.sessions, health.connections, health.max_connections) == (1, 1, 50)
        assert (health.nodes, health.backlog, health.loop_lag) == (1, 0, None)
        writer.close()
        await writer.wait_closed()


# --- load -----------------------------------------------------------------------------------------


async def test_loop_that_is_late_again_and_again_makes_it_unready() -> None:
    io = Server(health=HealthOptions(max_loop_lag=0.5))
    async with io.listen():
        late(io, 0.1, 3.0, 3.0)
        assert names(io.health()) == [], "one long handler is no reason"
        late(io, 0.6)
        assert names(io.health()) == ["loop_lag"]
        assert io.health().loop_lag == 0.6
        assert io.health().live
        late(io, 0.4)
        assert names(io.health()) == []


async def test_lateness_is_measured_without_anybody_asking_before() -> None:
    io = Server(health="/health")
    seen = asyncio.Event()
    io.observe(LoopLag)(lambda lag: seen.set())
    async with io.listen():
        await asyncio.wait_for(seen.wait(), 10)
        assert io.health().loop_lag is not None


async def test_connections_near_their_bound_make_it_unready() -> None:
    io = Server(limits=Limits(connections=10), health=HealthOptions(max_connections=0.2))
    async with io.listen() as listener, asyncio.timeout(10):
        peers = [await asyncio.open_connection(listener.host, listener.port) for _ in range(3)]
        while io.engine.driver.open_connections < 3:
            await asyncio.sleep(0)
        (reason,) = io.health().reasons
        assert (reason.name, reason.text) == ("connections", "3 of 10 connections are open")
        for _, writer in peers:
            writer.close()
        while io.engine.driver.open_connections:
            await asyncio.sleep(0)
        assert names(io.health()) == []


@pytest.fixture
def few_descriptors() -> Any:
    """This process may open 40 more files than it has."""
    import resource  # which Windows lacks

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 40, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def taken(stack: ExitStack, free: int) -> None:
    """Take all descriptors but so many."""
    opened = []
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for descriptor in opened[:free]:
        os.close(descriptor)
    for descriptor in opened[free:]:
        stack.callback(os.close, descriptor)


@pytest.mark.unix
@pytest.mark.usefixtures("few_descriptors")
@pytest.mark.parametrize(("free", "is_enough"), [(0, False), (15, False), (16, True)])
def test_descriptors_that_are_free_are_counted_up_to_what_is_wanted(
    free: int, is_enough: bool
) -> None:
    with ExitStack() as stack:
        taken(stack, free)
        assert has_spare_descriptors(16) is is_enough
        assert has_spare_descriptors(16) is is_enough, "none of them was kept"


@pytest.mark.unix
@pytest.mark.usefixtures("few_descriptors")
async def test_descriptors_that_run_out_make_it_unready() -> None:
    io, clock = Server(), FakeClock()
    async with io.listen():
        watch = HealthWatch(io, HealthOptions(), clock.clock)
        with ExitStack() as stack:
            taken(stack, 3)
            assert names(watch.look()) == ["descriptors"]
        assert names(watch.look()) == ["descriptors"], "it is not asked at every question"
        clock.now += 1.1
        assert names(watch.look()) == []


# --- others ---------------------------------------------------------------------------------------


async def test_server_that_does_not_hear_the_others_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = MemoryBroker().driver()
    io = Server(adapter=lambda host: ClusterAdapter(host, driver))
    async with io.listen():
        assert names(io.health()) == []
        monkeypatch.setattr(ClusterAdapter, "is_deaf", True)
        assert names(io.health()) == ["cluster"]
        assert io.health().live, "another process would not hear them either"


@pytest.mark.patient
async def test_server_is_ready_again_when_it_hears_again() -> None:
    driver = MemoryBroker(capabilities=Capabilities(is_selective=True, echoes=True)).driver()
    io = Server(adapter=lambda host: ClusterAdapter(host, driver))
    io.engine.driver.bind(asyncio.get_running_loop())
    await asyncio.sleep(10)
    assert names(io.health()) == []
    driver.pause()
    await asyncio.sleep(10)
    assert names(io.health()) == ["cluster"]
    driver.resume()
    await asyncio.sleep(10)
    assert names(io.health()) == []
    await io.close()


async def test_server_that_may_be_alone_is_ready_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = MemoryBroker().driver()
    io = Server(
        adapter=lambda host: ClusterAdapter(host, driver),
        health=HealthOptions(needs_cluster=False),
    )
    async with io.listen():
        monkeypatch.setattr(ClusterAdapter, "is_deaf", True)
        assert not io.cluster.is_healthy
        assert names(io.health()) == []


# --- another thread -------------------------------------------------------------------------------


def in_thread(function: Callable[[], Health]) -> Health:
    """Called in a thread, while the event loop waits for it."""
    found: list[Health] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


async def test_loop_that_turns_no_more_is_seen_by_another_thread_alone() -> None:
    io, clock = Server(), FakeClock()
    async with io.listen():
        watch = HealthWatch(io, HealthOptions(stuck_after=30), clock.clock)
        late(io, 0.0)
        clock.now += 29
        assert in_thread(watch.look).live
        clock.now += 2
        health = in_thread(watch.look)
        assert (health.live, names(health)) == (False, ["stuck"])
        assert health.reasons[0].text == "the event loop has not turned for 31 s"
        assert watch.look().live, "who asks in the loop sees that it turns"
        late(io, 31.0)
        assert in_thread(watch.look).live


def test_health_may_be_asked_while_there_is_no_loop() -> None:
    assert names(in_thread(Server().health)) == ["starting"]


# --- as an application ----------------------------------------------------------------------------


async def ask(app: Any, path: str, method: str = "GET", **scope: Any) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": path, **scope}, None, send)
    start, body = sent
    return start["status"], body["body"]


@pytest.mark.parametrize("root", ["", "/health"])
async def test_application_answers_wherever_it_is_mounted(root: str) -> None:
    io = Server()
    async with io.listen():
        for name, key in (("", "ready"), ("/", "ready"), ("/ready", "ready"), ("/live", "live")):
            status, body = await ask(io.health_app, root + name or "/", root_path=root)
            assert (status, json.loads(body)) == (200, {key: True, "reasons": []})
        assert (await ask(io.health_app, f"{root}/other", root_path=root))[0] == 404


async def test_application_answers_at_the_path_of_the_options_too() -> None:
    io = Server(health="/health")
    async with io.listen():
        assert (await ask(io.health_app, "/health/live"))[0] == 200


async def test_application_leaves_out_the_body_for_head() -> None:
    assert await ask(Server().health_app, "/ready", "HEAD") == (503, b"")
    assert (await ask(Server().health_app, "/ready", "PUT"))[0] == 405


async def test_application_has_a_lifespan_and_no_websockets() -> None:
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "websocket.connect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    app = Server().health_app
    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket", "path": "/"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"health": "health"}, "health: path must be like /health"),
        ({"health": "/health/"}, "without a slash at its end"),
        ({"health": "/"}, "path must be like /health"),
        ({"health": "/a?b"}, "path must be like /health"),
        ({"health": "/socket.io"}, "is the path of the server"),
        ({"health": HealthOptions(path="/chat"), "path": "/chat"}, "is the path of the server"),
    ],
)
def test_path_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Server(**options)


def test_what_is_neither_path_nor_options_is_refused() -> None:
    with pytest.raises(TypeError, match="health must be a path, HealthOptions or None, not bool"):
        Server(health=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_loop_lag", 0),
        ("max_connections", 95),
        ("spare_descriptors", -1),
        ("stuck_after", 1),
        ("needs_cluster", "no"),
        ("path", 3),
    ],
)
def test_options_name_what_is_wrong(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=name):
        HealthOptions(**{name: value})


def test_second_path_is_refused() -> None:
    io = Server(health="/health")
    with pytest.raises(ValueError, match="it has one for its health"):
        io.serve_health("/healthz")


def test_nobody_watches_where_nobody_asks() -> None:
    io = Server()
    assert not io.observers.loop_lag
    io.health()
    io.health()
    assert len(io.observers.loop_lag) == 1
