"""What a client does, against each server, over each transport."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sockwave import AckTimeout, ConnectError, Disconnected, Manager, connect


async def test_socket_is_connected_inside_the_block_and_not_after(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        assert (socket.connected, socket.active) == (True, True)
        assert len(str(socket.id)) > 10
        assert str(socket.id) != socket.manager.session_id
    assert (socket.connected, socket.active, socket.id) == (False, False, None)


@pytest.mark.parametrize(
    "args",
    [
        ("text", "ümläut €", "🤖"),
        (1, 2.5, True, None, [], {}),
        ({"a": [1, {"b": "c"}]},),
        (b"\x00\xff", {"nested": [b"", b"two"]}),
        ("x" * 100_000, b"y" * 100_000),
    ],
    ids=["text", "scalars", "nested", "binary", "large"],
)
async def test_values_come_back_as_they_were_sent(
    server: str, options: dict[str, Any], args: tuple[Any, ...]
) -> None:
    async with connect(server, **options) as socket:
        events = socket.events("echo")
        socket.emit("echo", *args)
        assert await anext(events) == args
        answer = await socket.emit_with_ack("ack", *args, timeout=40)
        assert answer == (args if len(args) > 1 else args[0])


async def test_empty_acknowledgement_is_none(server: str, options: dict[str, Any]) -> None:
    async with connect(server, **options) as socket:
        assert await socket.emit_with_ack("ack", timeout=40) is None


async def test_acknowledgement_that_is_late_raises(server: str, options: dict[str, Any]) -> None:
    async with connect(server, **options) as socket:
        with pytest.raises(AckTimeout):
            await socket.emit_with_ack("silent", timeout=0.05)
        assert await socket.emit_with_ack("ack", 1, timeout=40) == 1


async def test_wait_for_an_acknowledgement_ends_with_the_connection(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        waiting = asyncio.ensure_future(socket.emit_with_ack("silent"))
        socket.emit("drop")
        with pytest.raises(Disconnected):
            await waiting


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_a_handler_returns_is_the_acknowledgement(
    server: str, options: dict[str, Any], kind: str
) -> None:
    async with connect(server, **options) as socket:

        async def answer(question: str) -> tuple[str, bytes]:
            return question.upper(), b"\x01"

        socket.on("question", answer if kind == "async" else lambda q: (q.upper(), b"\x01"))
        answers = socket.events("answered")
        socket.emit("ask", "why")
        assert await anext(answers) == (["WHY", b"\x01"],)


async def test_events_emitted_before_the_connection_arrive_in_order(
    server: str, options: dict[str, Any]
) -> None:
    socket = connect(server, **options)
    for number in range(50):
        socket.emit("log", number)
    assert len(socket.send_buffer) == 50
    assert await socket.emit_with_ack("get_log", timeout=40) == list(range(50))
    await socket.aclose()


async def test_events_of_the_server_arrive_in_order(server: str, options: dict[str, Any]) -> None:
    async with connect(server, **options) as socket:
        ticks = socket.events("tick", maxsize=2_000)
        socket.emit("burst", 2_000)
        assert [(await anext(ticks))[0] for _ in range(2_000)] == list(range(2_000))


async def test_events_emitted_all_the_time_arrive_in_order(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        for number in range(300):
            socket.emit("log", number)
            if number % 10 == 0:
                await asyncio.sleep(0.001)  # the upgrade happens meanwhile
        assert await socket.emit_with_ack("get_log", timeout=40) == list(range(300))


async def test_more_than_a_post_may_hold_goes_out_in_several(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        for number in range(40):
            socket.emit("log", f"{number} {'x' * 50_000}")
        socket.emit("log", b"z" * 500_000)
        log = await socket.emit_with_ack("get_log", timeout=40)
        assert [item.split()[0] for item in log[:-1]] == [str(number) for number in range(40)]
        assert log[-1] == b"z" * 500_000


async def test_emit_from_another_thread_keeps_its_order(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:

        def emit() -> None:
            for number in range(200):
                socket.emit("log", number)

        thread = threading.Thread(target=emit)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert await socket.emit_with_ack("get_log", timeout=40) == list(range(200))


async def test_server_that_disconnects_a_socket_is_not_called_again(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        reasons: asyncio.Queue[str] = asyncio.Queue()
        socket.on("disconnect", reasons.put_nowait)
        events = socket.events()
        socket.emit("leave")
        assert await reasons.get() == "io server disconnect"
        assert not socket.active
        assert [event async for event in events] == []
        socket.connect()
        await socket.wait_connected(timeout=40)


async def test_connection_that_is_lost_comes_back_and_buffered_events_arrive_in_order(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        lost = asyncio.Event()
        reasons: list[str] = []

        @socket.on("disconnect")
        def gone(reason: str) -> None:
            reasons.append(reason)
            assert socket.id is None
            assert socket.active
            for number in range(20):
                socket.emit("log", number)
            lost.set()

        socket.emit("drop")
        await lost.wait()
        assert await socket.emit_with_ack("get_log", timeout=40) == list(range(20))
        assert reasons in (["transport close"], ["transport error"])


async def test_namespaces_share_a_connection(server: str, options: dict[str, Any]) -> None:
    async with Manager(server, **options) as manager:
        main, chat = manager.socket(), manager.socket("/chat")
        assert manager.socket("/chat") is chat
        assert await main.emit_with_ack("ack", 1, timeout=40) == 1
        assert await chat.emit_with_ack("ack", b"2", timeout=40) == b"2"
        assert main.id != chat.id
        chat.disconnect()
        assert await main.emit_with_ack("ack", 3, timeout=40) == 3
        main.disconnect()
        assert not manager.is_open


async def test_refusal_carries_the_servers_data_and_is_not_retried(
    server: str, options: dict[str, Any]
) -> None:
    socket = connect(f"{server}/private", auth={"token": "wrong"}, **options)
    with pytest.raises(ConnectError, match="unauthorized") as caught:
        await socket.wait_connected(timeout=40)
    assert caught.value.data == {"code": 7}
    assert not socket.active
    assert not socket.manager.is_connecting
    socket.auth = {"token": "s3cret"}
    await socket.wait_connected(timeout=40)
    await socket.aclose()


async def test_refusal_is_raised_by_the_block(server: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConnectError, match="unauthorized"):
        async with connect(f"{server}/private", **options):
            raise AssertionError


async def test_unknown_namespace_is_refused(server: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConnectError):
        async with connect(f"{server}/unknown", **options):
            raise AssertionError


async def test_auth_is_asked_for_at_each_connection(server: str, options: dict[str, Any]) -> None:
    calls = 0

    async def auth() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return {"token": "s3cret", "call": calls}

    async with connect(f"{server}/private", auth=auth, **options) as socket:
        assert (await socket.emit_with_ack("who", timeout=40))["call"] == 1
        lost = asyncio.Event()
        socket.on("disconnect", lost.set)
        socket.emit("drop")
        await lost.wait()
        assert (await socket.emit_with_ack("who", timeout=40))["call"] == 2


async def test_query_and_headers_reach_the_server(server: str, options: dict[str, Any]) -> None:
    url = f"{server}?room=from-url"
    headers = {"X-Test": "yes"}
    async with connect(url, extra_headers=headers, **options) as socket:
        seen = await socket.emit_with_ack("handshake", timeout=40)
    assert seen == {"query": "from-url", "header": "yes"}
    assert headers == {"X-Test": "yes"}


async def test_volatile_event_is_dropped_while_offline(
    server: str, options: dict[str, Any]
) -> None:
    socket = connect(server, **options)
    socket.volatile.emit("log", "dropped")
    socket.emit("log", "kept")
    assert await socket.emit_with_ack("get_log", timeout=40) == ["kept"]
    await socket.aclose()


async def test_connection_stays_while_the_server_pings(
    server: str, options: dict[str, Any]
) -> None:
    async with connect(server, **options) as socket:
        pings: asyncio.Queue[None] = asyncio.Queue()
        socket.manager.on("ping", lambda: pings.put_nowait(None))
        await pings.get()
        await pings.get()
        assert socket.connected


async def test_retries_deliver_in_order_over_a_loss(server: str, options: dict[str, Any]) -> None:
    async with Manager(server, **options) as manager:
        socket = manager.socket("/chat", retries=3, ack_timeout=2.0)
        await socket.wait_connected(timeout=40)
        lost = asyncio.Event()
        socket.on("disconnect", lost.set)
        manager.socket().emit("drop")
        await lost.wait()
        answers = [asyncio.ensure_future(socket.emit_with_ack("ack", n)) for n in range(5)]
        assert await asyncio.gather(*answers) == list(range(5))
