"""What viewers of the admin namespace see: sockets, rooms, events and numbers."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from sockwave import Server, Socket
from sockwave.adapters import ClusterAdapter, MemoryBroker
from sockwave.admin.details import LAGGING, MOST_EVENTS
from sockwave.admin.showing import HIDDEN, MOST_SHOWN, client_id
from sockwave.testing import LinkedClient
from tests.admin.helpers import AUTH, Viewer, until

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def make_server(*, options: dict[str, Any] | None = None, **how: Any) -> Server:
    io = Server(**(options or {}))
    io.instrument(**{"auth": AUTH, **how})

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("hi", lambda *args: socket.emit("yo", 1))
        socket.on("enter", socket.join)
        socket.on("rename", lambda name: socket.data.update(name=name))

    return io


# --- what they get at first -----------------------------------------------------------------------


async def test_viewer_hears_of_its_login_first_and_then_of_all_there_is() -> None:
    io = make_server(server_id="one")
    async with LinkedClient(io) as client, Viewer(io) as viewer:
        ((stats,),) = await until(lambda: viewer.all("server_stats"))
        assert viewer.names() == ["session", "config", "all_sockets", "server_stats"]
        (((login,),), ((config,),), ((sockets,),)) = map(viewer.all, viewer.names()[:3])
        assert re.fullmatch("[0-9a-f]{16}", login)
        assert config["supportedFeatures"] == [
            "EMIT",
            "JOIN",
            "LEAVE",
            "DISCONNECT",
            "MJOIN",
            "MLEAVE",
            "MDISCONNECT",
            "AGGREGATED_EVENTS",
            "ALL_EVENTS",
        ]
        assert {(each["nsp"], each["id"]) for each in sockets} == {
            ("/", client.sid),
            ("/admin", viewer.id),
        }
        assert (stats["serverId"], stats["clientsCount"], stats["pollingClientsCount"]) == (
            "one",
            2,
            0,
        )
        assert stats["namespaces"] == [
            {"name": "/", "socketsCount": 1},
            {"name": "/admin", "socketsCount": 1},
        ]
    await io.close()


async def test_in_production_viewers_get_numbers_only() -> None:
    io = make_server(mode="production", readonly=True)
    async with Viewer(io) as viewer, LinkedClient(io) as client:
        client.emit("hi")
        assert await client.received() == ("yo", [1])
        await viewer.next("server_stats")
        assert viewer.all("config") == [[{"supportedFeatures": ["AGGREGATED_EVENTS"]}]]
        assert set(viewer.names()) == {"session", "config", "server_stats"}
        (socket,) = io.sockets.values()
        assert not socket.listeners_any() and not socket.listeners_any_outgoing()
    await io.close()


# --- sockets, rooms and events --------------------------------------------------------------------


async def test_life_of_a_socket_is_told_in_its_order(transport: Any) -> None:
    io = make_server()
    async with Viewer(io) as viewer:
        await viewer.next("all_sockets")
        before = len(viewer.names())
        async with LinkedClient(io, transport=transport) as client:
            client.emit("enter", "lobby")
            client.emit("hi", {"a": 1}, [2])
            await client.received()
            sid = client.sid
            client.disconnect()
            await viewer.next("room_left", lambda args: args[1] == sid)
        told = [each for each in viewer.events[before:] if each[0] != "server_stats"]
        assert [(name, args[:-1]) for name, args in told if name != "socket_connected"] == [
            ("room_joined", ["/", sid, sid]),
            ("event_received", ["/", sid, ["enter", "lobby"]]),
            ("room_joined", ["/", "lobby", sid]),
            ("event_received", ["/", sid, ["hi", {"a": 1}, [2]]]),
            ("event_sent", ["/", sid, ["yo", 1]]),
            ("socket_disconnected", ["/", sid, "client namespace disconnect"]),
            ("room_left", ["/", sid, sid]),
            ("room_left", ["/", "lobby", sid]),
        ]
        assert told[1][0] == "socket_connected"
        assert all(ISO.fullmatch(args[-1]) for _, args in told)
    await io.close()


async def test_viewers_read_why_a_connection_has_ended_where_records_are_kept() -> None:
    io = make_server(options={"connection_records": 10})
    async with Viewer(io) as viewer, LinkedClient(io) as client, LinkedClient(io) as other:
        client.emit("enter", "lobby")
        await viewer.next("room_joined", lambda args: args[1] == "lobby")
        sid, left = client.sid, other.sid
        await client.close()
        _, _, reason, _ = await viewer.next("socket_disconnected", lambda args: args[1] == sid)
        assert reason.startswith("transport close: ") and reason.endswith(
            io.connections.find(str(sid))[0].sentence
        )
        other.disconnect()
        _, _, reason, _ = await viewer.next("socket_disconnected", lambda args: args[1] == left)
        assert reason == "client namespace disconnect"
        await viewer.next("room_left", lambda args: args[1:3] == [sid, sid])
    await io.close()


async def test_socket_is_shown_without_credentials() -> None:
    io = make_server()
    async with (
        Viewer(io) as viewer,
        LinkedClient(
            io,
            auth={"token": "of auth"},
            headers={"cookie": "of a cookie", "authorization": "of a header", "user-agent": "ua"},
            query={"access_token": "of the query", "lang": "en"},
            address=("192.0.2.7", 5),
        ) as client,
    ):
        shown, _ = await viewer.next("socket_connected")
        (socket,) = io.sockets.values()
        text = json.dumps(shown)
        assert not re.search("of auth|of a cookie|of a header|of the query", text)
        assert socket.conn.id not in text and shown["clientId"] == client_id(socket.conn.id)
        assert len(shown["clientId"]) == 12
        handshake = shown["handshake"]
        assert handshake["headers"] == {
            "cookie": HIDDEN,
            "authorization": HIDDEN,
            "user-agent": "ua",
        }
        assert handshake["query"]["access_token"] == HIDDEN
        assert (handshake["query"]["lang"], handshake["address"]) == ("en", "192.0.2.7")
        assert "lang=en" in handshake["url"] and "auth" not in handshake
        assert (shown["id"], shown["nsp"], shown["transport"], shown["data"], shown["rooms"]) == (
            client.sid,
            "/",
            "websocket",
            {},
            [client.sid],
        )
        assert isinstance(handshake["issued"], int)
    await io.close()


async def test_change_of_data_is_told_once() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io) as client:
        client.emit("rename", "Ada")
        await viewer.next("socket_updated")
        client.emit("rename", "Ada")
        client.emit("rename", "Eve")
        await viewer.next("socket_updated", lambda args: args[0]["data"]["name"] == "Eve")
        assert viewer.all("socket_updated") == [
            [{"id": client.sid, "nsp": "/", "data": {"name": name}}] for name in ("Ada", "Eve")
        ]
    await io.close()


async def test_large_and_strange_values_are_shown_by_a_word() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io) as client:
        (socket,) = io.sockets.values()
        many = list(range(9_999))
        socket.data.update(lock=asyncio.Lock(), many=many, fine={"a": {1}})
        client.emit("hi", b"12345", "x" * (MOST_SHOWN + 1), [b"123"], *range(30))
        *_, args, _ = await viewer.next("event_received")
        assert args[:4] == ["hi", "<5 bytes>", "x" * MOST_SHOWN + "...", ["<3 bytes>"]]
        assert args[-1] == "... 14 more"
        ((told,),) = await until(lambda: viewer.all("socket_updated"))
        assert told["data"] == {
            "lock": "<Lock>",
            "many": f"<list of {len(str(many).replace(' ', ''))} bytes>",
            "fine": {"a": [1]},
        }
    await io.close()


async def test_broadcast_is_told_for_each_receiver() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io) as one, LinkedClient(io) as two:
        io.emit("news", 1)
        await until(lambda: len(viewer.all("event_sent")) == 2)
        assert {args[1] for args in viewer.all("event_sent")} == {one.sid, two.sid}
    await io.close()


async def test_socket_of_any_namespace_is_seen_and_events_of_viewers_are_not() -> None:
    io = make_server()
    io.of(re.compile(r"/org/\d+"))
    async with Viewer(io) as viewer, LinkedClient(io, "/org/7") as client:
        client.emit("hello")
        name, id_, *_ = await viewer.next("event_received")
        assert (name, id_) == ("/org/7", client.sid)
        viewer.client.emit("leave", "/org/7", "nothing")
        client.emit("again")
        await until(lambda: len(viewer.all("event_received")) == 2)
        assert {args[0] for args in viewer.all("event_received")} == {"/org/7"}
        assert not viewer.all("event_sent")
    await io.close()


async def test_upgrade_is_told() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io) as client:
        (socket,) = io.sockets.values()
        observers = io.observers
        from sockwave.observe import SessionUpgraded

        seen = SessionUpgraded(socket.conn.id, "websocket")
        observers.tell(observers.session_upgraded, seen)
        told = await viewer.next("socket_updated")
        assert told == [{"id": client.sid, "nsp": "/", "transport": "websocket"}]
    await io.close()


@pytest.mark.parametrize("options", [{"connection_state_recovery": True}, {"validate": False}])
async def test_it_works_with(options: dict[str, Any]) -> None:
    io = make_server(options=options)
    async with Viewer(io) as viewer, LinkedClient(io) as client:
        client.emit("hi", {"a": 1})
        _, id_, args, _ = (await viewer.next("event_sent"))[:4]
        assert (id_, args[:2]) == (client.sid, ["yo", 1])
    await io.close()


# --- numbers --------------------------------------------------------------------------------------


async def test_numbers_are_those_of_what_has_happened() -> None:
    io = make_server(mode="production")
    async with Viewer(io) as viewer:
        await viewer.next("server_stats")
        async with LinkedClient(io, transport="polling") as client:
            client.emit("hi")
            await client.received()
            (stats,) = await viewer.next("server_stats", lambda args: args[0]["aggregatedEvents"])
            assert (stats["clientsCount"], stats["pollingClientsCount"]) == (2, 1)
            counts = {each["type"]: each["count"] for each in stats["aggregatedEvents"]}
            assert (counts["rawConnection"], counts["packetsIn"], counts["bytesIn"]) == (1, 1, 8)
            assert counts["packetsOut"] >= 1 and counts["bytesOut"] >= len('42["yo",1]')
        (stats,) = await viewer.next(
            "server_stats",
            lambda args: any(each.get("subType") for each in args[0]["aggregatedEvents"]),
        )
        assert stats["pollingClientsCount"] == 0
        assert all(each["timestamp"] % 1000 == 0 for each in stats["aggregatedEvents"])
    await io.close()


async def test_nothing_is_counted_and_no_timer_runs_while_nobody_looks() -> None:
    io = make_server()
    async with Viewer(io) as viewer:
        await viewer.next("server_stats")
        assert io.observers.event_received
    async with LinkedClient(io) as client:
        await until(lambda: not io.observers.event_received)
        client.emit("hi")
        await client.received()
    async with Viewer(io) as viewer:
        (stats,) = await viewer.next("server_stats")
        counted = {each["type"] for each in stats["aggregatedEvents"]}
        assert counted <= {"packetsOut", "bytesOut"}  # what this viewer got so far
    await io.close()


# --- bounds ---------------------------------------------------------------------------------------


async def test_process_tells_of_so_many_events_a_second() -> None:
    io = make_server()
    async with Viewer(io) as viewer, LinkedClient(io):
        (socket,) = io.sockets.values()
        for number in range(10 * MOST_EVENTS):
            socket.emit("news", number)
        socket.disconnect()
        await viewer.next("socket_disconnected")
        assert MOST_EVENTS <= len(viewer.all("event_sent")) <= 2 * MOST_EVENTS
    await io.close()


async def test_viewer_that_does_not_read_gets_no_events_and_the_others_do() -> None:
    io = make_server()
    async with Viewer(io) as slow, Viewer(io) as viewer, LinkedClient(io) as client:
        await slow.next("server_stats")
        await viewer.next("server_stats")
        slow.client.pause()
        io.of("/admin").to(slow.id).emit("large", "x" * (LAGGING + 1))
        await asyncio.sleep(0.05)
        client.emit("hi")
        await viewer.next("event_sent")
        slow.client.resume()
        await slow.next("large")
        assert not slow.all("event_sent")
    await io.close()


# --- clusters -------------------------------------------------------------------------------------


def member_of(broker: MemoryBroker, **how: Any) -> Server:
    driver = broker.driver()
    return make_server(options={"adapter": lambda host: ClusterAdapter(host, driver)}, **how)


async def test_viewer_sees_sockets_and_numbers_of_other_servers() -> None:
    broker = MemoryBroker()
    here, there = (member_of(broker, server_id=name) for name in ("here", "there"))
    async with LinkedClient(there, headers={"cookie": "secret"}) as old, Viewer(here) as viewer:
        async with asyncio.timeout(10):
            while await here.server_count() < 2:
                await asyncio.sleep(0.01)
        async with Viewer(here) as late:
            (sockets,) = await late.next("all_sockets")
            (shown,) = [each for each in sockets if each["id"] == old.sid]
            (socket,) = there.sockets.values()
            assert shown["clientId"] == client_id(socket.conn.id)
            assert shown["transport"] == "websocket" and shown["data"] == {}
            assert "secret" not in json.dumps(sockets) and "auth" not in shown["handshake"]
        async with LinkedClient(there) as new:
            new.emit("hi")
            _, id_, args, _ = await viewer.next("event_received")
            assert (id_, args) == (new.sid, ["hi"])
            viewer.client.emit("_disconnect", "/", False, new.sid)
            assert await new.disconnected() == "io server disconnect"
        names = await until(
            lambda: (
                {args[0]["serverId"] for args in viewer.all("server_stats")} >= {"here", "there"}
            )
        )
        assert names
    await there.close()
    await here.close()


async def test_login_at_one_server_holds_at_the_others() -> None:
    broker = MemoryBroker()
    here, there = member_of(broker), member_of(broker)
    async with LinkedClient(there), LinkedClient(here):
        async with asyncio.timeout(10):
            while await here.server_count() < 2:
                await asyncio.sleep(0.01)
        async with Viewer(here) as viewer:
            (login,) = await viewer.next("session")
        await asyncio.sleep(0.05)
        async with Viewer(there, auth={"sessionId": login}) as again:
            await again.next("config")
            assert not again.all("session")
    await there.close()
    await here.close()
