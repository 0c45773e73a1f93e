"""`NatsAdapter`: what it takes and refuses, and two servers of it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server, Socket, connect
from sockwave.adapters import NatsAdapter
from tests.adapters.nats.fake_server import FakeNats
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[FakeNats]:
    with FakeNats() as server:
        yield server


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://localhost", "nats://", "nats://u:secret@h:port", "redis://h"]
)
def test_what_is_no_address_of_nats_is_refused_without_passwords(url: str) -> None:
    with pytest.raises(ValueError, match="a URL of NATS has the form") as refused:
        NatsAdapter(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"servers": []}, ValueError, "there is none"),
        ({"servers": [5]}, TypeError, "servers must be URLs or a client"),
        ({"prefix": "a b"}, ValueError, "prefix must be"),
        ({"prefix": 5}, TypeError, "prefix must be a str"),
        ({"options": {}}, TypeError, "options must be ClusterOptions"),
        ({"max_backlog": -1}, ValueError, "max_backlog"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        NatsAdapter(**arguments)


def test_client_of_ones_own_has_its_own_settings() -> None:
    from nats.aio.client import Client

    with pytest.raises(ValueError, match="a client has its own"):
        NatsAdapter(Client(), credentials="/etc/chat.creds")


def test_missing_library_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "nats"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "sockwave\[nats\]"'):
        NatsAdapter()


def test_two_servers_are_one_and_close_what_they_have_opened(server: FakeNats) -> None:
    async def play() -> None:
        servers = [Server(adapter=NatsAdapter(server.url, prefix="chat")) for _ in range(2)]
        a, b = servers
        heard: list[Any] = []

        @b.on("hello")
        def hello(*args: Any) -> str:
            heard.append(args)
            return "yes"

        async with a.listen(), b.listen():
            await until(lambda: all(len(io.cluster.nodes) == 2 for io in servers), 10)
            assert await a.server_count() == 2
            assert await a.server_side_emit_with_ack("hello", 1) == ["yes"]
            assert heard == [(1,)]
            assert all(subject.startswith("chat.=2F.") for subject in server.subjects)
        await until(lambda: server.connections == 0)

    asyncio.run(play())


def test_server_connects_again_in_the_next_event_loop(server: FakeNats) -> None:
    io = Server(adapter=NatsAdapter(server.url))

    @io.on("connection")
    def connected(socket: Socket) -> None:
        socket.join("lobby")

    async def play() -> None:
        async with io.listen() as listener, connect(listener.url):
            await until(lambda: len(server.subjects) == 2)
        await until(lambda: server.connections == 0)

    asyncio.run(play())
    asyncio.run(play())
