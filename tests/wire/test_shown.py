"""What `print` shows of a server, a client and their parts: where it is, and who is there."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Engine, Manager, Server
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import settle

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave.engine.server.fronts.ports import Listener


def test_server_that_does_not_serve_says_so() -> None:
    assert repr(Server()) == "<Server not serving, path /socket.io: 0 clients>"
    assert repr(Engine(path="")) == "<Engine not serving, path /: 0 clients>"


async def test_server_names_its_ports_as_long_as_they_are_open() -> None:
    io = Server()
    async with io.listen() as first:
        async with io.listen() as second:
            assert f"on {first.url}, {second.url}, path" in repr(io)
        assert f"on {first.url}, path" in repr(io)
    assert "Server without a port of its own" in repr(io)


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    """An application beside the server; nothing is asked of it."""


@pytest.mark.parametrize("app", [None, nobody])
async def test_run_names_its_port(app: Any) -> None:
    io, seen = Server(), []

    def listening(listener: Listener) -> None:
        seen.append(f"on {listener.url}, path" in repr(io))
        io.stop()

    await asyncio.to_thread(io.run, port=0, app=app, on_listening=listening)
    assert seen == [True]
    assert "Server not serving" in repr(io)


@pytest.mark.unix
async def test_server_names_its_unix_socket(tmp_path: Path) -> None:
    io = Server()
    place = str(tmp_path / "sock")
    async with io.listen(unix_path=place):
        assert f"on {place}, path" in repr(io)


async def test_server_counts_clients_and_the_sockets_of_namespaces() -> None:
    io = Server()
    io.of("/chat")
    async with LinkedClient(io), LinkedClient(io), LinkedClient(io, namespace="/chat"):
        assert repr(io).endswith(": 3 clients; sockets: 2 in /, 1 in /chat>")
        assert repr(io.of("/chat")) == "<Namespace /chat: 1 socket>"


async def test_names_that_clients_choose_are_cut_and_counted() -> None:
    io = Server()
    io.of(re.compile(r"/room-[^,]*"))
    names = [f"/room-{number}\x1b" for number in range(9)]
    clients = [LinkedClient(io, namespace=name) for name in names]
    for client in clients:
        await client.connect()
    shown = repr(io)
    assert shown.count("/room-") == 5
    assert shown.endswith("others in 4 more namespaces>")
    assert "\x1b" not in shown
    for client in clients:
        await client.close()


async def test_socket_says_how_it_is_connected_until_it_is_not() -> None:
    io = Server()
    async with LinkedClient(io) as client:
        (socket,) = io.sockets.values()
        assert repr(socket) == f"<Socket {client.sid} in /: connected by websocket>"
    await settle()
    assert repr(socket) == f"<Socket {socket.id} in /: disconnected>"


async def test_client_says_where_it_is_connected_and_as_whom() -> None:
    io = Server()
    async with io.listen() as listener:
        manager = Manager(f"{listener.url}/?token=s3cret", auto_connect=False)
        socket = manager.socket("/", auth={"token": "s3cret"})
        assert repr(manager) == f"<Manager {listener.url}: closed; namespaces: />"
        assert repr(socket) == f"<ClientSocket / of {listener.url}: not connecting>"
        socket.connect()
        socket.emit("early")
        assert repr(socket) == f"<ClientSocket / of {listener.url}: connecting, 1 event waits>"
        await socket.wait_connected(timeout=30)
        assert repr(socket) == f"<ClientSocket / of {listener.url}: connected as {socket.id}>"
        assert f": connected by {manager.transport}; " in repr(manager)
        await manager.close()
