"""`PythonSocketIOAdapter`: what it takes and refuses, and what the channel brings."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from sockwave import Server
from sockwave.adapters import PythonSocketIOAdapter
from sockwave.errors import EncodeError
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.testing import LinkedClient
from tests.adapters.fakes import FakeClusterNamespace
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.cluster_contract import RemoteOutcome

SID = "aaaaaaaaaaaaaaaaaaaa"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"url_or_client": "http://u:secret@h"}, ValueError, "a URL of Redis begins with"),
        ({"url_or_client": 5}, TypeError, "url_or_client must be"),
        ({"url_or_client": "redis://:secret@h:port"}, ValueError, "cast to integer"),
        ({"url_or_client": f"{NOWHERE}?decode_responses=yes"}, ValueError, "decode_responses"),
        (
            {"url_or_client": Redis.from_url(NOWHERE, decode_responses=True)},
            ValueError,
            "decode_responses",
        ),
        ({"channel": 5}, TypeError, "channel"),
        ({"max_backlog": -1}, ValueError, "max_backlog"),
    ],
)
def test_wrong_arguments_are_refused_without_passwords(
    arguments: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text) as refused:
        PythonSocketIOAdapter(**arguments)
    assert "secret" not in str(refused.value)


def test_missing_library_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "sockwave\[redis\]"'):
        PythonSocketIOAdapter()


def test_recovery_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="cannot do connection state recovery"):
        Server(adapter=PythonSocketIOAdapter(NOWHERE), connection_state_recovery=True)


class Process:
    """An adapter with two namespaces, and a Redis that is not there."""

    def __init__(self) -> None:
        self.adapter = PythonSocketIOAdapter(NOWHERE, max_backlog=2_000)
        self.namespaces = {}
        for name in ("/", "/admin"):
            namespace = self.namespaces[name] = FakeClusterNamespace(SID, name=name)
            node = self.adapter(namespace)
            namespace.adapter = node  # type: ignore[assignment] # it has rooms, too
            node.start()

    def packets(self, namespace: str) -> list[str]:
        return [head for (head,) in self.namespaces[namespace][SID].packets]

    def receive(self, **fields: Any) -> None:
        message = {"method": "emit", "event": "x", "data": [], "host_id": "h", **fields}
        self.adapter.bus_received(json.dumps(message).encode())


def test_messages_go_to_their_namespaces_and_nonsense_leaves_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        process = Process()
        process.receive(namespace="/admin", event="a")
        process.receive(event="b")
        process.receive(namespace="/elsewhere")
        process.receive(event="own", host_id=process.adapter.host)
        process.receive(method="callback", host_id="another", sid=SID, id=1, args=[])
        process.adapter.bus_received(pickle.dumps({"method": "emit", "event": "evil"}))
        process.adapter.bus_received(b"[]")
        process.receive(namespace="/admin", event="c")
        assert process.packets("/") == ['42["b"]']
        assert process.packets("/admin") == ['42/admin,["a"]', '42/admin,["c"]']
        await process.adapter.aclose()
        await process.adapter.aclose()

    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        asyncio.run(play())
    lines = [each.getMessage() for each in caplog.records if "dropped" in each.getMessage()]
    assert len(lines) == 2
    assert "5.14.0" in lines[0]


def test_failing_namespace_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        process = Process()
        process.namespaces["/"].sockets.clear()
        process.namespaces["/"].sockets[SID] = None  # type: ignore[index, assignment]
        process.receive(event="a")
        process.receive(event="b", namespace="/admin")
        assert process.packets("/admin") == ['42/admin,["b"]']
        await process.adapter.aclose()

    asyncio.run(play())
    assert "internal error at a message of another server" in caplog.text


def test_redis_that_is_not_there_is_told_once_and_what_is_sent_is_kept_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sockwave.adapters.python_socketio import channel

    async def play() -> None:
        process = Process()
        failures = process.namespaces["/"].failures
        await until(lambda: len(failures) == 2)
        assert sorted(what.split(" does not")[0] for what in failures) == [
            "listening to Redis",
            "sending to Redis",
        ]
        assert process.adapter.is_deaf
        assert await process.adapter.count() == 1
        for _ in range(20):
            process.adapter.publish(bytes(100))
        await until(lambda: len(failures) == 3)
        assert "dropped" in failures[2]
        await process.adapter.aclose()

    for name in ("FIRST_RETRY", "LAST_RETRY", "CLOSE_PATIENCE"):
        monkeypatch.setattr(channel, name, 0.01)
    asyncio.run(play())


def test_client_of_ones_own_is_not_closed() -> None:
    async def play() -> None:
        client = Redis.from_url(NOWHERE)
        adapter = PythonSocketIOAdapter(client)
        closed: list[bool] = []

        async def aclose(*args: Any) -> None:
            closed.append(True)

        namespace = FakeClusterNamespace()
        adapter(namespace).start()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(client, "aclose", aclose)
            await adapter.aclose()
        assert closed == []
        await client.aclose()

    asyncio.run(play())


def test_event_that_the_parser_of_clients_refuses_leaves_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        process = Process()

        def take(message: object) -> None:
            raise EncodeError("clients cannot be sent it")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(process.namespaces["/"].adapter, "take", take)
            process.receive(event="a")
        process.receive(event="b")
        assert process.packets("/") == ['42["b"]']
        await process.adapter.aclose()

    asyncio.run(play())
    assert "message 1 of other servers is dropped: clients cannot be sent it" in caplog.messages


def test_closed_adapter_makes_no_other_connection() -> None:
    async def play() -> None:
        process = Process()
        namespace = process.namespaces["/"]
        node: Any = namespace.adapter
        for each in process.namespaces.values():
            each.adapter.close()
        await process.adapter.aclose()
        before = asyncio.all_tasks()
        node.broadcast(("x", 1), BroadcastOptions())
        node.disconnect_remote(BroadcastOptions((SID[::-1],)), close=False)
        assert await node.server_count() == 1
        outcomes: list[RemoteOutcome] = []
        event = EncodedEvent(("question", 1), "/", None, 1)
        options = BroadcastOptions((SID[::-1] + "x",))
        node.ask_remote(event, options, 1.0, pytest.fail, outcomes.append)
        assert [each.is_complete for each in outcomes] == [True]
        assert asyncio.all_tasks() == before
        assert namespace[SID].packets == [['42["x",1]']]
        node.start()  # a server that listens again
        assert len(asyncio.all_tasks()) == len(before) + 2
        node.close()
        await process.adapter.aclose()

    asyncio.run(play())


def test_order_that_cannot_be_told_to_others_is_not_done_here_either() -> None:
    async def play() -> None:
        io = Server(adapter=PythonSocketIOAdapter(NOWHERE))
        async with LinkedClient(io):
            (socket,) = await io.local.fetch_sockets()
            socket.join("a")
            act: Callable[[], None]
            for act in (
                lambda: io.in_("a").sockets_join("b"),
                lambda: io.sockets_join("b"),
                lambda: io.in_("a").sockets_leave("a", "b"),
                lambda: io.disconnect_sockets(),
            ):
                with pytest.raises(NotImplementedError, match="use `local`"):
                    act()
            assert socket.rooms == {socket.id, "a"}
            io.in_(socket.id).sockets_join("b")
            io.local.in_("a").sockets_join("c")
            assert socket.rooms == {socket.id, "a", "b", "c"}
        await io.close()

    asyncio.run(play())
