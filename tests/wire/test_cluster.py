"""Two servers of a cluster, and what their users reach of each other's clients."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import (
    AckTimeout,
    BroadcastAnswers,
    ClusterTimeout,
    Disconnected,
    RemoteSocket,
    Server,
    Socket,
)
from sockwave.socketio.server import collecting
from tests.support.fake_cluster import FakeCluster, FakeNode
from tests.support.raw import UNIT, until, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sockwave import ClusterMember
    from tests.support.fronts import Front, Wire
    from tests.support.raw import Peer


@dataclass
class Side:
    """One of the servers, and what its clients need."""

    io: Server
    wire: Wire

    @property
    def node(self) -> FakeNode:
        """Its adapter of the main namespace."""
        adapter = self.io.adapter
        assert isinstance(adapter, FakeNode)
        return adapter

    async def client(self, *rooms: str, transport: str = "websocket", **query: str) -> Client:
        """Connect one, and put it into rooms."""
        peer = await self.wire.open(transport, **query)
        sid = json.loads((await peer.connect())[2:])["sid"]
        socket = self.io.sockets[sid]
        socket.join(*rooms)
        return Client(peer, socket)


@dataclass
class Client:
    """One that is connected, and its socket at the server."""

    peer: Peer
    socket: Socket

    async def answers(self, question: str, answer: str) -> None:
        """Take a question, and answer it."""
        packet = str(await self.peer.receive())
        assert packet.startswith("42") and packet.endswith(question), packet
        await self.peer.send(f"43{packet[2:].removesuffix(question)}[{answer}]")


@dataclass
class Pair:
    """Two servers that know each other."""

    cluster: FakeCluster
    here: Side
    there: Side


@asynccontextmanager
async def pair(front: Front, **options: Any) -> AsyncIterator[Pair]:
    cluster = FakeCluster()
    sides = []
    async with AsyncExitStack() as stack:
        for _ in range(2):
            io = Server(adapter=cluster.adapter, **options)
            sides.append(Side(io, await stack.enter_async_context(front.serve(io))))
        await until(lambda: len(cluster.nodes) == 2)
        yield Pair(cluster, *sides)


async def in_another_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await work()

    return await within(asyncio.to_thread(lambda: asyncio.run(run())))


@pytest.fixture(params=["here", "in another loop"])
def called(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    """Awaits in the server's loop, and in another one in another thread."""

    async def call_here(work: Callable[[], Awaitable[Any]]) -> Any:
        return await within(work())

    return call_here if request.param == "here" else in_another_loop


# --- fetching -------------------------------------------------------------------------------------


async def test_fetched_are_sockets_of_this_process_and_remote_ones_of_others(
    front: Front, called: Any
) -> None:
    async with pair(front) as two:
        here, there = await two.here.client("r"), await two.there.client("r")
        await two.there.client()
        found = await called(two.here.io.in_("r").fetch_sockets)
        assert found[0] is here.socket
        remote = found[1]
        assert isinstance(remote, RemoteSocket) and len(found) == 2
        assert (remote.id, remote.node) == (there.socket.id, two.there.node.id)
        assert repr(remote) == f"<RemoteSocket {remote.id}>"
        assert len(await called(two.here.io.fetch_sockets)) == 3
        assert len(await called(two.here.io.of("/").fetch_sockets)) == 3
        assert two.here.node.loops == [asyncio.get_running_loop()] * len(two.here.node.loops)


async def test_remote_socket_tells_what_the_socket_tells(native: Front, transport: str) -> None:
    async with pair(native) as two:
        there = (await two.there.client("r", transport=transport, name="Ann & Bob")).socket
        there.data.update(name="ann", tags=["x", b"\x01"], when=None)
        (remote,) = await two.here.io.fetch_sockets()
        assert isinstance(remote, RemoteSocket)
        assert remote.rooms == there.rooms == {"r", there.id}
        assert remote.data == there.data
        remote.data["name"] = remote.rooms.pop()
        assert there.data["name"] == "ann" and there.rooms == {"r", there.id}
        for name in ("headers", "query", "cookies", "address", "url", "secure", "xdomain"):
            assert getattr(remote.handshake, name) == getattr(there.handshake, name), name
        for name in ("auth", "issued", "time"):
            assert getattr(remote.handshake, name) == getattr(there.handshake, name), name
        assert remote.handshake is remote.handshake
        assert remote.handshake.query["name"] == "Ann & Bob"


@pytest.mark.logs_errors
async def test_data_that_cannot_be_sent_is_left_out_and_the_log_says_so_once(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(native) as two:
        there = (await two.there.client()).socket
        there.data.update(task=object(), name="ann", tags={"x"}, himself=there.data)
        for _ in range(2):
            (remote,) = await two.here.io.fetch_sockets()
            assert remote.data == {"name": "ann", "tags": ["x"]}
    texts = [text for text in caplog.messages if "left out" in text]
    assert texts == [
        "'task' in the data of a socket cannot be sent to other servers, and is left out"
    ]


async def test_local_fetch_and_count_ask_nobody_else(native: Front, called: Any) -> None:
    async with pair(native) as two:
        here = await two.here.client("r")
        await two.there.client("r")
        assert await called(two.here.io.local.fetch_sockets) == [here.socket]
        assert await called(two.here.io.in_("r").local.fetch_sockets) == [here.socket]
        assert await called(two.here.io.local.count) == 1
        assert two.here.node.calls == ["start"]


async def test_silent_server_is_an_error_with_what_is_known(native: Front, called: Any) -> None:
    async with pair(native) as two:
        here = await two.here.client()
        await two.there.client()
        two.there.node.is_silent = True
        with pytest.raises(ClusterTimeout) as fetching:
            await called(two.here.io.timeout(0.01).fetch_sockets)
        assert fetching.value.arrived == [here.socket]
        assert fetching.value.missing_servers == (two.there.node.id,)
        assert isinstance(fetching.value, TimeoutError)
        with pytest.raises(ClusterTimeout, match="not every process") as counting:
            await called(two.here.io.timeout(0.01).count)
        assert (counting.value.arrived, counting.value.missing_servers) == (
            1,
            (two.there.node.id,),
        )


async def test_sockets_and_servers_are_counted(front: Front, called: Any) -> None:
    async with pair(front) as two:
        for side in (two.here, two.there):
            await side.client("r")
            await side.client("r", "s")
        await two.there.client()
        io = two.here.io
        counts = [await called(each.count) for each in (io, io.of("/"), io.in_("r"), io.to("s"))]
        assert counts == [5, 5, 4, 2]
        assert await called(io.in_("r").except_("s").count) == 2
        assert await called(io.in_("nowhere").count) == 0
        assert await called(io.server_count) == 2
        assert set(two.here.node.calls) == {"start", "count", "server_count"}
        assert set(two.here.node.loops) == {asyncio.get_running_loop()}


# --- acting on sockets of others ------------------------------------------------------------------


async def test_broadcast_reaches_clients_of_others_unless_it_is_local(front: Front) -> None:
    async with pair(front) as two:
        here, there = await two.here.client("r"), await two.there.client("r")
        two.here.io.local.emit("local")
        two.here.io.to("r").emit("x", b"\x01")
        two.here.io.emit("y", 1)
        for client in (here, there):
            if client is here:
                assert await client.peer.receive() == '42["local"]'
            assert await client.peer.receive() == '451-["x",{"_placeholder":true,"num":0}]'
            assert await client.peer.receive() == b"\x01"
            assert await client.peer.receive() == '42["y",1]'


async def test_all_join_leave_and_are_disconnected(native: Front) -> None:
    async with pair(native) as two:
        here, there = await two.here.client("r"), await two.there.client("r")
        io = two.here.io
        both = [here.socket, there.socket]
        io.in_("r").sockets_join("a", ["b"])
        await until(lambda: all({"a", "b"} <= socket.rooms for socket in both))
        await asyncio.to_thread(io.sockets_leave, "a")
        await until(lambda: not any("a" in socket.rooms for socket in both))
        io.in_("b").disconnect_sockets()
        assert await here.peer.receive() == await there.peer.receive() == "41"
        assert set(two.here.node.loops) == {asyncio.get_running_loop()}


async def test_what_is_done_locally_is_told_to_nobody(native: Front) -> None:
    async with pair(native) as two:
        here, there = await two.here.client("r"), await two.there.client("r")
        io = two.here.io.local
        io.sockets_join("a")
        assert "a" in here.socket.rooms
        io.sockets_leave("r")
        io.disconnect_sockets()
        assert await here.peer.receive() == "41"
        assert two.here.node.calls == ["start"]
        assert there.socket.connected and "r" in there.socket.rooms


async def test_connections_of_others_are_closed(native: Front) -> None:
    async with pair(native) as two:
        there = await two.there.client()
        two.here.io.disconnect_sockets(close=True)
        assert await there.peer.receive() == "41"
        await there.peer.ended()


@pytest.mark.logs_errors
async def test_join_that_this_server_forbids_is_no_error_of_the_other(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(native) as two:
        one, other = await two.there.client("r"), await two.there.client()
        for _ in range(2):
            two.here.io.in_("r").sockets_join(other.socket.id)
        two.here.io.in_("r").sockets_join("next")
        await until(lambda: "next" in one.socket.rooms)
        assert one.socket.rooms == {one.socket.id, "r", "next"}
        with pytest.raises(ValueError, match="the id of another socket"):
            two.there.io.in_("r").sockets_join(other.socket.id)
        assert "join" not in two.there.node.calls
    texts = [text for text in caplog.messages if "to join" in text]
    assert len(texts) == 1 and "the id of another socket" in texts[0]


async def remote_of(two: Pair) -> RemoteSocket:
    """The only socket of the other server."""
    (remote,) = await two.here.io.fetch_sockets()
    assert isinstance(remote, RemoteSocket)
    return remote


async def test_remote_socket_is_sent_events_in_order(front: Front, transport: str) -> None:
    async with pair(front) as two:
        there = await two.there.client(transport=transport)
        remote = await remote_of(two)
        remote.emit("x", 1)
        await asyncio.to_thread(remote.emit, "y", {"a": 1})
        remote.timeout(5).emit("z")
        with pytest.raises(ValueError, match="reserved"):
            remote.emit("disconnect")
        for text in ('42["x",1]', '42["y",{"a":1}]', '42["z"]'):
            assert await there.peer.receive() == text


async def test_remote_socket_answers(front: Front, called: Any) -> None:
    async with pair(front) as two:
        there = await two.there.client()
        remote = await remote_of(two)
        questions: list[Callable[[], Awaitable[Any]]] = [
            lambda: remote.emit_with_ack("q", timeout=600),
            lambda: remote.timeout(600).emit_with_ack("q"),
            lambda: remote.timeout(0).emit_with_ack("q", timeout=600),
        ]
        for question in questions:
            task = asyncio.create_task(called(question))
            await there.answers('["q"]', "1,2")
            assert await task == [1, 2]  # a tuple, as messages carry it


async def test_remote_socket_that_does_not_answer_is_missing(native: Front, called: Any) -> None:
    async with pair(native) as two:
        there = await two.there.client()
        remote = await remote_of(two)
        with pytest.raises(AckTimeout) as caught:
            await called(lambda: remote.emit_with_ack("q", timeout=0.01))
        assert caught.value.missing == (there.socket.id,)
        assert caught.value.missing_servers == ()
        task = asyncio.create_task(called(lambda: remote.emit_with_ack("q", timeout=600)))
        await until(lambda: two.cluster.questions)
        await there.peer.send("41")
        with pytest.raises(AckTimeout):
            await task
        with pytest.raises(Disconnected, match="before the event arrived"):
            await called(lambda: remote.emit_with_ack("q", timeout=600))


async def test_remote_socket_joins_leaves_and_is_disconnected(native: Front) -> None:
    async with pair(native) as two:
        there = await two.there.client("r")
        await two.there.client()
        (remote,) = await two.here.io.in_("r").fetch_sockets()
        remote.join("a", ["b"])
        remote.leave("r")
        await until(lambda: there.socket.rooms == {there.socket.id, "a", "b"})
        assert remote.rooms == {there.socket.id, "r"}
        remote.disconnect()
        assert await there.peer.receive() == "41"
        assert len(two.there.io.sockets) == 1


async def test_remote_socket_is_disconnected_with_its_connection(native: Front) -> None:
    async with pair(native) as two:
        there = await two.there.client()
        (await remote_of(two)).disconnect(close=True)
        assert await there.peer.receive() == "41"
        await there.peer.ended()


# --- answers that say who -------------------------------------------------------------------------


async def test_answers_of_all_servers_say_whose_they_are(front: Front, called: Any) -> None:
    async with pair(front) as two:
        clients = [await two.here.client(), await two.there.client(), await two.there.client()]
        task = asyncio.create_task(called(lambda: two.here.io.emit_with_ack("q", timeout=600)))
        for number, client in enumerate(clients):
            await client.answers('["q"]', str(number))
        answers = await task
        assert isinstance(answers, BroadcastAnswers) and isinstance(answers, list)
        assert sorted(answers) == [0, 1, 2]
        assert answers.by_socket == {c.socket.id: n for n, c in enumerate(clients)}
        assert answers.missing == ()
        assert not two.cluster.questions


async def test_local_question_asks_nobody_else(native: Front) -> None:
    async with pair(native) as two:
        here = await two.here.client()
        await two.there.client()
        task = asyncio.create_task(two.here.io.local.emit_with_ack("q", timeout=600))
        await here.answers('["q"]', "1")
        assert await within(task) == [1]
        assert "ask" not in two.here.node.calls


async def test_question_to_others_alone_is_answered(native: Front) -> None:
    async with pair(native) as two:
        there = await two.there.client("r")
        await two.here.client()
        task = asyncio.create_task(two.here.io.to("r").emit_with_ack("q", timeout=600))
        await there.answers('["q"]', "null")
        answers = await within(task)
        assert (answers, answers.by_socket) == ([None], {there.socket.id: None})
        assert await within(two.here.io.to("nowhere").emit_with_ack("q", timeout=600)) == []


async def test_answers_without_ids_are_in_the_list_only(native: Front) -> None:
    async with pair(native) as two:
        two.there.node.tells_sockets = False
        there = await two.there.client()
        task = asyncio.create_task(two.here.io.emit_with_ack("q", timeout=600))
        await there.answers('["q"]', "1")
        answers = await within(task)
        assert (answers, answers.by_socket) == ([1], {})
        with pytest.raises(AckTimeout) as caught:
            await two.here.io.emit_with_ack("q", timeout=0.01)
        assert (caught.value.missing, caught.value.missing_servers) == ((), (two.there.node.id,))


async def test_server_that_does_not_answer_is_missing_itself(native: Front) -> None:
    async with pair(native) as two:
        await two.there.client()
        two.there.node.is_silent = True
        with pytest.raises(AckTimeout) as caught:
            await two.here.io.emit_with_ack("q", timeout=0.01)
        assert (caught.value.missing, caught.value.missing_servers) == ((), (two.there.node.id,))


async def test_timeout_says_who_has_answered_and_who_has_not(native: Front, called: Any) -> None:
    async with pair(native) as two:
        clients = [await side.client() for side in (two.here, two.here, two.there, two.there)]
        answering = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def ask() -> Any:
            loop.call_soon_threadsafe(answering.set)
            return await two.here.io.emit_with_ack("q", timeout=10 * UNIT)

        task = asyncio.create_task(called(ask))
        await answering.wait()
        for client in clients[::2]:
            await client.answers('["q"]', f'"{client.socket.id}"')
        with pytest.raises(AckTimeout) as caught:
            await task
        error = caught.value
        ids = [client.socket.id for client in clients]
        assert set(error.responses) == {ids[0], ids[2]}
        assert error.by_socket == {ids[0]: ids[0], ids[2]: ids[2]}
        assert (error.missing, error.missing_servers) == ((ids[1], ids[3]), ())
        assert isinstance(error.responses, BroadcastAnswers)
        assert error.responses.missing == error.missing
        assert not two.cluster.questions


async def test_server_that_dies_ends_the_question_and_is_named(native: Front, called: Any) -> None:
    async with pair(native) as two:
        here, there = await two.here.client(), await two.there.client()
        task = asyncio.create_task(called(lambda: two.here.io.emit_with_ack("q", timeout=600)))
        await here.answers('["q"]', "1")
        await there.peer.receive()
        two.cluster.dies(two.there.node)
        with pytest.raises(AckTimeout) as caught:
            await task
        assert caught.value.responses == [1]
        assert caught.value.by_socket == {here.socket.id: 1}
        assert caught.value.missing == (there.socket.id,)
        assert caught.value.missing_servers == (two.there.node.id,)


async def test_client_of_another_server_that_leaves_is_missing(native: Front) -> None:
    async with pair(native) as two:
        there = await two.there.client()
        task = asyncio.create_task(two.here.io.emit_with_ack("q", timeout=600))
        await there.peer.receive()
        await there.peer.send("41")
        with pytest.raises(AckTimeout) as caught:
            await within(task)
        assert caught.value.missing == (there.socket.id,)
        assert caught.value.missing_servers == ()


async def test_adapter_that_breaks_its_contract_keeps_nobody_waiting(
    native: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "GRACE", 0.01)
    async with pair(native) as two:
        here = await two.here.client()
        monkeypatch.setattr(two.here.node, "ask_remote", lambda *args: lambda: None)
        with pytest.raises(AckTimeout) as caught:
            await within(two.here.io.emit_with_ack("q", timeout=0.01))
        assert caught.value.missing == (here.socket.id,)


async def test_cancelling_takes_the_question_back_everywhere(native: Front) -> None:
    async with pair(native) as two:
        here, _ = await two.here.client(), await two.there.client()
        task = asyncio.create_task(two.here.io.emit_with_ack("q", timeout=600))
        await here.peer.receive()
        assert len(two.cluster.questions) == 1
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() and not two.cluster.questions


# --- who is there ---------------------------------------------------------------------------------


async def test_nodes_come_and_go_and_handlers_and_log_hear_of_it(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = FakeCluster()
    heard: list[tuple[str, ClusterMember]] = []
    io = Server(adapter=cluster.adapter)
    io.of("/admin")
    io.on("node_joined", lambda node: heard.append(("joined", node)))

    @io.on("node_left")
    async def left(node: ClusterMember) -> None:
        await asyncio.sleep(0)
        heard.append(("left", node))

    async with native.serve(io):
        await until(lambda: len(cluster.nodes) == 2)
        (own,) = io.cluster.nodes
        other = Server(adapter=cluster.adapter)
        other.of("/admin")
        async with native.serve(other):
            await until(lambda: len(cluster.nodes) == 4)
            assert io.cluster.nodes[0].id == own.id == other.cluster.nodes[1].id
            assert io.cluster.nodes[1].id == other.cluster.nodes[0].id
            assert repr(io.cluster) == "<Cluster of 2>"
        await until(lambda: len(heard) == 2)
        assert [event for event, _ in heard] == ["joined", "left"]
        name = other.cluster.nodes[0].id
        assert {node.id for _, node in heard} == {name}
    texts = [text for text in caplog.messages if text.startswith(f"node {name}")]
    assert texts == [
        f"node {name} has joined the cluster, which has 2 now",
        f"node {name} has left the cluster, which has 1 now",
    ]


@pytest.mark.logs_errors
async def test_error_of_the_cluster_is_heard_whatever_handlers_do(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(native) as two:
        heard: list[str] = []
        io = two.here.io

        @io.on("cluster_error")
        def fail(what: str) -> None:
            raise ValueError("fault of the handler")

        io.on("cluster_error", heard.append)
        health = [io.cluster.is_healthy]
        two.here.node.host.cluster_failed("3 messages\n were lost")
        assert heard == ["3 messages\n were lost"]
        health += [io.cluster.is_healthy, two.there.io.cluster.is_healthy]
        assert health == [True, False, True]
        assert io.cluster.errors == tuple(heard)
        io.of("/admin").cluster_failed("more")
        assert heard[1:] == ["more"]
    warnings = [text for text in caplog.messages if text.startswith("cluster, ")]
    assert warnings == [
        "cluster, namespace /: 3 messages\\n were lost",
        "cluster, namespace /admin: more",
    ]
    assert "fault of the handler" in caplog.text


@pytest.mark.parametrize("event", ["node_joined", "node_left", "cluster_error"])
async def test_events_of_the_cluster_are_none_of_other_servers(native: Front, event: str) -> None:
    async with pair(native) as two:
        heard: list[Any] = []
        two.here.io.on(event, heard.append)
        with pytest.raises(ValueError, match="reserved event name"):
            two.here.io.server_side_emit(event, 1)
        assert await two.here.io.of("/").server_event_received(event, "forged") is None
        assert heard == []


async def test_namespace_that_is_made_later_joins_and_one_that_goes_leaves(native: Front) -> None:
    async with pair(native) as two:
        for side in (two.here, two.there):
            side.io.of(lambda name, auth: name.startswith("/room-"))
        peer = await two.here.wire.open_websocket()
        await peer.connect("/room-1")
        await until(lambda: len(two.cluster.nodes) == 3)
        assert [node.host.name for node in two.cluster.nodes] == ["/", "/", "/room-1"]
        assert await two.here.io.of("/room-1").count() == 1
        await peer.send("41/room-1,")
        await until(lambda: len(two.cluster.nodes) == 2)


async def test_parent_counts_and_asks_in_all_children_and_all_servers(native: Front) -> None:
    async with pair(native) as two:
        parent, _ = (side.io.of(lambda name, auth: True) for side in (two.here, two.there))
        peers = []
        for side in (two.here, two.there):
            for name in ("/a", "/b"):
                peers.append((name, await side.wire.open_websocket()))
                await peers[-1][1].connect(name)
        assert {node.host.name for node in two.cluster.nodes} == {"/", "/a", "/b"}
        assert await parent.count() == 4
        assert await parent.local.count() == 2
        task = asyncio.create_task(parent.emit_with_ack("q", timeout=600))
        for name, peer in peers:
            packet = str(await peer.receive())
            number = packet.removeprefix(f"42{name},").removesuffix('["q"]')
            await peer.send(f"43{name},{number}[1]")
        answers = await within(task)
        ids = [*two.here.io.of("/a").sockets, *two.here.io.of("/b").sockets]
        assert len(answers) == 4 and set(ids) < set(answers.by_socket)
        for node in two.cluster.nodes:
            node.is_silent = node.host.name != "/" and node in (
                two.there.io.of("/a").adapter,
                two.there.io.of("/b").adapter,
            )
        with pytest.raises(ClusterTimeout) as counting:
            await parent.timeout(0.01).count()
        assert counting.value.arrived == 2 and len(counting.value.missing_servers) == 2
        with pytest.raises(AckTimeout) as asking:
            await within(parent.emit_with_ack("q", timeout=0.01))
        assert set(asking.value.missing) == set(ids)
        assert len(asking.value.missing_servers) == 2


# --- without a cluster ----------------------------------------------------------------------------


async def test_server_without_a_cluster_is_alone_and_counts_itself(
    front: Front, called: Any
) -> None:
    io = Server()
    async with front.serve(io) as wire:
        client = await Side(io, wire).client("r")
        assert await called(io.count) == await called(io.in_("r").count) == 1
        assert await called(io.to("nowhere").count) == 0
        assert await called(io.server_count) == 1
        (own,) = io.cluster.nodes
        assert own.since <= own.last_seen and own.lateness == 0 and own.id
        assert io.cluster.nodes[0].id == own.id
        assert io.cluster.is_healthy
        task = asyncio.create_task(called(lambda: io.emit_with_ack("q", timeout=600)))
        await client.answers('["q"]', "1")
        answers = await task
        assert (answers, answers.by_socket) == ([1], {client.socket.id: 1})


async def test_server_without_a_cluster_says_who_did_not_answer(front: Front, called: Any) -> None:
    io = Server()
    async with front.serve(io) as wire:
        silent = await Side(io, wire).client()
        with pytest.raises(AckTimeout) as caught:
            await called(lambda: io.emit_with_ack("q", timeout=0.01))
        assert caught.value.missing == (silent.socket.id,)
        assert (caught.value.missing_servers, caught.value.by_socket) == ((), {})
        assert await called(lambda: io.of("/other").count()) == 0


async def test_answers_can_be_sent_on_as_they_are(native: Front) -> None:
    io = Server()
    async with native.serve(io) as wire:
        client = await Side(io, wire).client()
        io.event("poll")(lambda socket: io.emit_with_ack("q", timeout=600))
        await client.peer.send('427["poll"]')
        await client.answers('["q"]', '"a"')
        assert await client.peer.receive() == '437[["a"]]'
