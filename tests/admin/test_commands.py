"""What viewers may do, and what nobody may: by the page's packets, and by any others."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sockwave import Server, Socket
from sockwave.testing import LinkedClient
from tests.admin.helpers import AUTH, Viewer, until


def make_server(**how: Any) -> Server:
    io = Server()
    io.instrument(**{"auth": AUTH, **how})

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.join("lobby")

    @io.of("/admin").event
    def sign(viewer: Socket) -> str:
        """Answers when all that a viewer has sent before was heeded."""
        return "heeded"

    return io


def is_there(io: Server, client: LinkedClient) -> bool:
    return str(client.sid) in io.sockets


def rooms_of(io: Server, client: LinkedClient) -> set[str]:
    return {str(room) for room in io.sockets[str(client.sid)].rooms} - {str(client.sid)}


async def test_one_socket_joins_leaves_hears_and_goes() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io) as one, LinkedClient(io) as other:
        await viewer.next("all_sockets")
        viewer.client.emit("join", "/", "party", one.sid)
        await viewer.next("room_joined", lambda args: args[1] == "party")
        assert (rooms_of(io, one), rooms_of(io, other)) == ({"lobby", "party"}, {"lobby"})
        viewer.client.emit("leave", "/", "lobby", one.sid)
        await viewer.next("room_left", lambda args: args[1] == "lobby")
        assert (rooms_of(io, one), rooms_of(io, other)) == ({"party"}, {"lobby"})
        viewer.client.emit("emit", "/", one.sid, "news", 1, {"a": b"x"})
        assert await one.received() == ("news", [1, {"a": b"x"}])
        viewer.client.emit("_disconnect", "/", False, one.sid)
        assert await one.disconnected() == "io server disconnect"
        assert other.received_nowait() == []
    await io.close()


async def test_all_of_a_namespace_join_leave_hear_and_go() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io) as one, LinkedClient(io) as other:
        await viewer.next("all_sockets")
        viewer.client.emit("join", "/", "party")
        viewer.client.emit("leave", "/", "lobby")
        viewer.client.emit("emit", "/", None, "news")
        for client in (one, other):
            assert await client.received() == ("news", [])
            assert rooms_of(io, client) == {"party"}
        viewer.client.emit("_disconnect", "/", True)
        for client in (one, other):
            await client.disconnected()
        assert await viewer.client.emit_with_ack("sign") == "heeded"
    await io.close()


COMMANDS: list[tuple[Any, ...]] = [
    ("join", "/", "party"),
    ("leave", "/", "lobby"),
    ("emit", "/", None, "news", 1),
    ("_disconnect", "/", False),
    ("_disconnect", "/", True),
]


@pytest.mark.parametrize("mode", ["development", "production"])
async def test_who_may_only_read_changes_nothing_by_any_packet(mode: str) -> None:
    io = make_server(readonly=True, mode=mode)
    async with Viewer(io) as viewer, LinkedClient(io) as client:
        ((config,),) = await until(lambda: viewer.all("config"))
        assert not {"JOIN", "LEAVE", "DISCONNECT", "EMIT"} & set(config["supportedFeatures"])
        (socket,) = io.of("/admin").sockets.values()
        for command in (*COMMANDS, *((*each, client.sid) for each in COMMANDS)):
            assert not socket.listeners(command[0])
            viewer.client.emit(*command)
        assert await viewer.client.emit_with_ack("sign") == "heeded"
        assert is_there(io, client) and client.received_nowait() == []
        assert rooms_of(io, client) == {"lobby"}
    await io.close()


@pytest.mark.parametrize(
    "packet",
    [
        ["join"],
        ["join", "/"],
        ["join", "/", ""],
        ["join", "/", 5],
        ["join", "/", ["a", "b"]],
        ["join", {"a": 1}, "room"],
        ["join", "/not there", "room"],
        ["join", "/admin", "room"],
        ["join", "/", "room", 5],
        ["join", "/", "room", ["SID"]],
        ["join", "/", "SID"],
        ["leave", "/"],
        ["leave", "/admin", "room"],
        ["emit", "/"],
        ["emit", "/", None, 5],
        ["emit", "/", None, "disconnect"],
        ["emit", "/", None, "connect_error"],
        ["emit", "/admin", None, "server_stats", {}],
        ["_disconnect"],
        ["_disconnect", None, True],
        ["_disconnect", "/admin"],
        ["_disconnect", "/not there", True],
        ["_disconnect", "/", True, {"a": 1}],
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_ignored_with_a_line(
    packet: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    io = make_server()
    with caplog.at_level(logging.INFO, "sockwave.admin"):
        async with Viewer(io) as viewer, LinkedClient(io) as client, LinkedClient(io) as other:
            packet = [client.sid if each == "SID" else each for each in packet]
            viewer.client.emit(*packet)
            viewer.client.emit("emit", "/", other.sid, "last")
            assert await other.received() == ("last", [])
            assert (rooms_of(io, client), rooms_of(io, other)) == ({"lobby"}, {"lobby"})
            assert client.received_nowait() == [] and is_there(io, client)
            assert "/not there" not in io.namespaces
    lines = [each.getMessage() for each in caplog.records if "a viewer of the" in each.getMessage()]
    assert lines[0].endswith("not understood, or not allowed")
    assert lines[1].endswith("done")
    await io.close()


async def test_viewer_may_end_another_but_not_all() -> None:
    io = make_server()
    async with Viewer(io) as viewer, Viewer(io) as other:
        viewer.client.emit("_disconnect", "/admin", False)
        viewer.client.emit("_disconnect", "/admin", False, other.id)
        await other.client.disconnected()
        assert await viewer.client.emit_with_ack("sign") == "heeded"
    await io.close()
