"""What one server is enough for: recovery, compression, hooks, cookies, order of events."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, Disconnected, Manager, MsgpackParser, Server, Socket, connect
from sockwave.codec.websocket import encode_close, server_frame
from tests.client.servers import native_server
from tests.client.test_faults_of_servers import (
    opening,
    raw_server,
    read_head,
    websocket_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FAST: dict[str, Any] = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.02}


async def test_socket_is_recovered_by_node(start: Callable[..., str]) -> None:
    await recover(start("node", RECOVERY="1"))


async def test_socket_is_recovered_by_our_server() -> None:
    async with native_server(connection_state_recovery=True).listen() as listener:
        await recover(listener.url)


async def recover(url: str) -> None:
    """Lose a connection and come back as the same socket."""
    async with connect(url, **FAST) as socket:
        fixed: list[Any] = []
        anything: list[Any] = []
        socket.on("echo", fixed.append)
        socket.on("echo", lambda *args: anything.append(args))
        echoes = socket.events("echo")
        socket.emit("echo", "one")
        assert await anext(echoes) == ("one",)
        before, was_recovered = socket.id, socket.recovered
        lost = asyncio.Event()
        socket.on("disconnect", lost.set)
        socket.manager.restart()
        await lost.wait()
        await socket.wait_connected(timeout=40)
        assert (socket.id, was_recovered, socket.recovered) == (before, False, True)
    assert fixed == ["one"]
    assert anything == [("one",)]


async def test_manual_connect_begins_a_new_socket(start: Callable[..., str]) -> None:
    async with connect(start("node", RECOVERY="1"), **FAST) as socket:
        before = socket.id
        socket.disconnect()
        await socket.wait_connected(timeout=40)
        assert (socket.recovered, socket.id == before) == (False, False)


@pytest.mark.parametrize("compress", [True, False])
async def test_compression_is_agreed_on_with_node(
    start: Callable[..., str], compress: bool
) -> None:
    options: dict[str, Any] = {"transports": ["websocket"], "per_message_deflate": compress}
    async with connect(start("node", DEFLATE="1"), **options) as socket:
        for value in ("short", "long " * 1_000, b"binary" * 1_000, {"a": [b"", "ü" * 2_000]}):
            assert await socket.emit_with_ack("ack", value, timeout=40) == value
            plain = socket.compress(False)
            assert await plain.emit_with_ack("ack", value, timeout=40) == value


async def test_msgpack_is_spoken_on_both_sides() -> None:
    parser = MsgpackParser()
    async with native_server(parser=parser).listen() as listener:
        for transport in ("polling", "websocket"):
            options: dict[str, Any] = {"transports": [transport], "parser": parser}
            async with connect(f"{listener.url}/chat", **options) as socket:
                value = {"n": [1, 2.5, None], "b": b"\x00\xff"}
                assert await socket.emit_with_ack("ack", value, timeout=40) == value
                socket.on("question", lambda question: question)
                answers = socket.events("answered")
                socket.emit("ask", b"why")
                assert await anext(answers) == ([b"why"],)


async def test_forced_base64_changes_nothing_for_handlers(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, force_base64=True, **options) as socket:
        for value in (b"\x00\xff", {"a": [b"", b"x" * 10_000]}):
            assert await socket.emit_with_ack("ack", value, timeout=40) == value


async def test_hooks_see_events_in_both_directions() -> None:
    seen: list[Any] = []
    async with native_server().listen() as listener, connect(listener.url) as socket:
        socket.on_any(lambda *event: seen.append(("in", *event)))
        socket.prepend_any(lambda *event: seen.append(("first", *event)))
        socket.on_any_outgoing(lambda *event: seen.append(("out", *event)))
        socket.on("echo", lambda *args: seen.append(("handler", *args)))
        echoes = socket.events("echo")
        socket.emit("echo", b"1")
        await anext(echoes)
        socket.off_any()
        socket.off_any_outgoing()
        socket.emit("echo", 2)
        await anext(echoes)
        assert socket.listeners_any() == socket.listeners_any_outgoing() == []
    assert seen == [
        ("out", "echo", b"1"),
        ("first", "echo", b"1"),
        ("in", "echo", b"1"),
        ("handler", b"1"),
        ("handler", 2),
    ]


async def test_once_handler_runs_once_and_off_removes() -> None:
    seen: list[str] = []
    async with native_server().listen() as listener, connect(listener.url) as socket:

        def removed(value: str) -> None:
            seen.append(f"removed {value}")

        socket.once("echo", lambda value: seen.append(f"once {value}"))
        socket.on("echo", removed)
        socket.off("echo", removed)
        echoes = socket.events("echo")
        socket.emit("echo", "a")
        socket.emit("echo", "b")
        await anext(echoes)
        await anext(echoes)
    assert seen == ["once a"]


async def test_several_handlers_run_in_order_and_the_first_answer_counts() -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:
        order: list[int] = []

        def handler(number: int, answer: str | None, question: str) -> str | None:
            order.append(number)
            return answer

        for number, answer in ((1, None), (2, "second"), (3, "third")):
            socket.on("question", partial(handler, number, answer))
        answers = socket.events("answered")
        socket.emit("ask", "?")
        assert await anext(answers) == (["second"],)
        assert order == [1, 2, 3]


async def test_callbacks_get_the_acknowledgement_or_the_error() -> None:
    answers: asyncio.Queue[Any] = asyncio.Queue()
    async with native_server().listen() as listener, connect(listener.url) as socket:
        socket.emit("ack", 1, 2, ack=lambda *args: answers.put_nowait(args))
        assert await answers.get() == (1, 2)
        socket.timeout(5).emit("ack", 3, ack=lambda *args: answers.put_nowait(args))
        assert await answers.get() == (None, 3)
        socket.timeout(0.01).emit("silent", ack=lambda error: answers.put_nowait(str(error)))
        assert await answers.get() == "operation has timed out"


async def test_event_whose_wait_ended_offline_is_taken_back() -> None:
    async with native_server().listen() as listener:
        socket = connect(listener.url, auto_connect=False)
        with pytest.raises(AckTimeout):
            await socket.emit_with_ack("log", "late", timeout=0.01)
        assert len(socket.send_buffer) == 0
        socket.connect()
        waiting = asyncio.ensure_future(socket.emit_with_ack("log", "cancelled"))
        await asyncio.sleep(0)
        assert len(socket.send_buffer) == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert len(socket.send_buffer) == 0
        assert await socket.emit_with_ack("get_log", timeout=40) == []
        await socket.aclose()


async def test_event_emitted_after_the_machine_slept_is_not_lost() -> None:
    async with native_server().listen() as listener, connect(listener.url, **FAST) as socket:
        reasons: asyncio.Queue[str] = asyncio.Queue()
        socket.on("disconnect", lambda reason: reasons.put_nowait(reason))
        runtime = socket.manager.runtime
        awake = runtime.awake_clock
        runtime.awake_clock = lambda: awake() + 3_600
        socket.emit("log", "after the sleep")
        assert len(socket.send_buffer) == 1
        assert await reasons.get() == "ping timeout"
        runtime.awake_clock = awake
        assert await socket.emit_with_ack("get_log", timeout=40) == ["after the sleep"]


async def test_events_keep_their_order_when_the_server_was_only_late() -> None:
    async with native_server().listen() as listener, connect(listener.url, **FAST) as socket:
        reasons: list[str] = []
        socket.on("disconnect", reasons.append)
        runtime = socket.manager.runtime
        awake = runtime.awake_clock
        runtime.awake_clock = lambda: awake() + 3_600
        socket.emit("log", "while it seems late")
        runtime.awake_clock = awake
        socket.emit("log", "when it is there again")
        seen = await socket.emit_with_ack("get_log", timeout=40)
        assert seen == ["while it seems late", "when it is there again"]
        assert reasons == []


async def test_server_that_drops_everybody_is_called_ever_more_seldom() -> None:
    goodbye = server_frame(opening()) + encode_close(1001)
    loop = asyncio.get_running_loop()
    opened: asyncio.Queue[float] = asyncio.Queue()
    async with websocket_server(goodbye) as url:
        options: dict[str, Any] = {"transports": ["websocket"], "close_timeout": 0.05}
        socket = connect(url, reconnection_delay=0.02, randomization_factor=0.0, **options)
        socket.manager.on("open", lambda: opened.put_nowait(loop.time()))
        times = [await opened.get() for _ in range(4)]
        await socket.aclose()
    for number, (earlier, later) in enumerate(pairwise(times)):
        assert later - earlier >= 0.018 * 2**number  # clocks of loops count milliseconds


async def test_drain_ends_with_the_manager() -> None:
    manager = Manager("http://127.0.0.1:9")
    socket = manager.socket()
    socket.emit("never")
    draining = asyncio.ensure_future(socket.drain())
    await asyncio.sleep(0.01)
    await manager.close()
    with pytest.raises(Disconnected):
        await draining


async def test_life_cycle_events_come_in_order() -> None:
    told: list[str] = []
    io = native_server()
    async with io.listen() as listener:
        manager = Manager(listener.url, **FAST)
        for event in ("open", "close", "reconnect_attempt", "reconnect", "error"):
            manager.on(event, partial(told.append, event))
        socket = manager.socket()
        for event in ("connect", "disconnect", "connect_error"):
            socket.on(event, partial(told.append, f"socket {event}"))
        await socket.wait_connected(timeout=40)
        again = asyncio.Event()
        manager.on("reconnect", again.set)
        socket.emit("drop")
        await again.wait()
        await socket.wait_connected(timeout=40)
        socket.disconnect()
        await manager.close()
    assert told == [
        *("open", "socket connect", "close", "socket disconnect"),
        *("reconnect_attempt", "open", "reconnect", "socket connect"),
        *("close", "socket disconnect"),
    ]


async def test_connect_in_a_disconnect_handler_leaves_reconnection_intact() -> None:
    async with native_server().listen() as listener, connect(listener.url, **FAST) as socket:
        socket.on("disconnect", lambda reason: reason == "transport close" and socket.connect())
        for _ in range(3):
            lost = asyncio.Event()
            socket.once("disconnect", lost.set)
            socket.emit("drop")
            await lost.wait()
            await socket.wait_connected(timeout=40)


async def test_socket_connected_twice_joins_once() -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:
        socket.connect().connect()
        assert socket.manager.socket("/chat").connect() is socket.manager.socket("/chat")
        await socket.manager.socket("/chat").wait_connected(timeout=40)
        assert await socket.emit_with_ack("ack", 1, timeout=40) == 1


async def test_last_transport_is_remembered_when_asked_for() -> None:
    async with native_server().listen() as listener:
        async with connect(listener.url, remember_upgrade=True, **FAST) as socket:
            upgraded = asyncio.Event()
            socket.manager.on("upgrade", upgraded.set)
            if socket.manager.transport != "websocket":
                await upgraded.wait()
            opened: list[str | None] = []
            again = asyncio.Event()
            socket.manager.on("open", lambda: opened.append(socket.manager.transport))
            socket.on("connect", again.set)
            socket.emit("drop")
            await again.wait()
            assert opened == ["websocket"]


@pytest.mark.parametrize("keep", [True, False])
async def test_cookies_are_kept_when_asked_for(keep: bool) -> None:
    cookies: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await read_head(reader)
            found = [line for line in head.split("\r\n") if line.lower().startswith("cookie:")]
            cookies.append(found[0].partition(": ")[2] if found else "")
            body = opening() + b'\x1e40{"sid":"s"}' if len(cookies) == 1 else b"6"
            length = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
            writer.write(length.encode() + b"Set-Cookie: lb=7; Path=/; HttpOnly\r\n\r\n" + body)
            if len(cookies) >= 4:
                return

    async with raw_server(answer) as url:
        options: dict[str, Any] = {"extra_headers": {"Cookie": "own=1"}, "close_timeout": 0.05}
        socket = connect(url, transports=["polling"], with_credentials=keep, **options)
        while len(cookies) < 4:
            await asyncio.sleep(0.001)
        await socket.aclose()
    assert cookies[0] == "own=1"
    assert set(cookies[1:4]) == ({"own=1; lb=7"} if keep else {"own=1"})


async def test_stream_that_is_thrown_away_collects_nothing() -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:
        socket.events("echo")
        gc.collect()
        kept = socket.events("echo", maxsize=1)
        socket.emit("echo", 1)
        assert await anext(kept) == (1,)
        assert len(socket._streams) == 1


IMPORTS = """
import asyncio, sys, sockwave, threading

def imports(event, arguments):
    if event == "import":
        package = arguments[0].partition(".")[0]
        if package in ("aiohttp", "yarl", "multidict"):
            seen.add((package, threading.current_thread() is threading.main_thread()))

seen = set()
sys.addaudithook(imports)

async def main():
    async with sockwave.Server().listen() as listener:
        async with sockwave.connect(listener.url) as socket:
            assert socket.connected
        other = sockwave.Manager(listener.url)
        async with other.socket("/"):
            pass

asyncio.run(main())
print(sorted(seen), [thread.name for thread in threading.enumerate() if "import" in thread.name])
"""


def test_first_connection_imports_aiohttp_beside_the_event_loop() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=90, check=True
    )
    assert run.stdout == "[('aiohttp', False), ('multidict', False), ('yarl', False)] []\n"


async def test_drain_waits_for_a_slow_server() -> None:
    async with native_server(max_payload=10_000_000).listen() as listener:
        async with connect(listener.url, transports=["websocket"]) as socket:
            for _ in range(10):
                socket.emit("log", "x" * 1_000_000)
                await socket.drain()
            log = await socket.emit_with_ack("get_log", timeout=40)
            assert len(log) == 10


def test_package_needs_no_aiohttp_until_the_client_is_used() -> None:
    script = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "import sockwave\n"
        "sockwave.Server\n"
        "try: sockwave.Manager('http://localhost')\n"
        "except ImportError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=90, check=True
    )
    assert run.stdout == 'the client needs aiohttp: pip install "sockwave[client]"\n'


async def test_event_that_is_tried_again_may_arrive_twice() -> None:
    """The connection breaks behind the event and before its answer: nobody can know."""
    io = Server()
    taken: list[str] = []

    @io.event
    def order(socket: Socket, key: str) -> str:
        taken.append(key)
        if len(taken) == 1:
            socket.conn.discard()
        return "taken"

    async with (
        io.listen() as listener,
        connect(listener.url, retries=3, ack_timeout=40.0, **FAST) as socket,
    ):
        assert await socket.emit_with_ack("order", "k1") == "taken"
    assert taken == ["k1", "k1"]
