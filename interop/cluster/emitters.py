"""Emitters in processes that serve nobody, in JavaScript and ours, and what servers make of them.

class TestEmitters(EmitterMatrix):
    carrier = "redis"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from interop.cluster.cluster import MIXED, Clustered
from interop.cluster.matrix import as_received
from interop.cluster.servers import Target, choose, to, without_dates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop.cluster.cluster import Cluster, Kind
    from interop.cluster.servers import ClusterServer

__all__ = ["Emitter", "EmitterMatrix", "NodeEmitter", "PythonEmitter"]

VALUES: Final[tuple[Any, ...]] = (
    None,
    [],
    {"a": [None, {}], "at": {"$date": "2023-11-14T22:13:20.123Z"}},
    b"\x00\xff",
    [{"b": b"\x01"}],
    "x" * 100_000,
    bytes(range(256)) * 400,
)


class Emitter(Protocol):
    """Sends what `server.cjs` calls acts, and nobody answers.

    Attributes:
        heard_by: Kinds of the servers that hear it.
    """

    heard_by: Sequence[Kind]

    async def do(self, what: str, target: Target, *, namespace: str = "/", **fields: Any) -> None:
        """Emit, join, leave or disconnect, or send an event to servers."""


class NodeEmitter:
    """The one of a Node server's process.

    Args:
        server: That.
    """

    def __init__(self, server: ClusterServer, heard_by: Sequence[Kind]) -> None:
        self.heard_by = heard_by
        self._server = server

    async def do(self, what: str, target: Target, *, namespace: str = "/", **fields: Any) -> None:
        await self._server.do("emitter", namespace, what=what, target=target, **fields)


class PythonEmitter:
    """One of ours.

    Args:
        emitter: That.
    """

    heard_by: Sequence[Kind] = MIXED

    def __init__(self, emitter: Any) -> None:
        self._emitter = emitter

    async def do(self, what: str, target: Target, *, namespace: str = "/", **fields: Any) -> None:
        here = self._emitter if namespace == "/" else self._emitter.of(namespace)
        chosen, args = choose(here, target), without_dates(fields.get("args", ()))
        match what:
            case "emit":
                await chosen.emit(fields["event"], *args)
            case "join":
                await chosen.sockets_join(fields["rooms"])
            case "leave":
                await chosen.sockets_leave(fields["rooms"])
            case "disconnect":
                await chosen.disconnect_sockets(close=fields["close"])
            case "serverEmit":
                await here.server_side_emit(fields["event"], *args)


class EmitterMatrix(Clustered):
    """The tests; each class that inherits them has a cluster."""

    def _hearing(self, cluster: Cluster, emitter: Emitter) -> list[int]:
        """Numbers of the servers that hear it."""
        return [
            number
            for number, server in enumerate(cluster.servers)
            if server.kind in emitter.heard_by
        ]

    async def test_broadcasts_reach_whom_they_choose(
        self, cluster: Cluster, emitter: Emitter
    ) -> None:
        """All, rooms, exceptions, ids; with any value."""
        hearing = self._hearing(cluster, emitter)
        last = hearing[-1]
        for value in VALUES:
            await emitter.do("emit", to(), event="value", args=[value, 1])
            for number in hearing:
                received = await cluster.clients[number].received("value")
                assert received == [as_received(value), 1]
        targets = {
            "room": to("even"),
            "rooms": to("odd", cluster.servers[last].name),
            "exception": to(excluded=("odd",)),
            "id": to(cluster.ids[last]),
            "nobody": to("empty"),
            "not compressed": to(compress=False),
            "end": to(),
        }
        for name, target in targets.items():
            await emitter.do("emit", target, event=name, args=[])
        for number in hearing:
            client = cluster.clients[number]
            mine = {*cluster.rooms(number), cluster.ids[number]}
            await client.received("end")
            assert [name[3:] for name in client.log if name not in ("on value",)] == [
                name
                for name, target in targets.items()
                if (not target["rooms"] or mine & set(target["rooms"]))
                and not mine & set(target["except"])
            ]
        await emitter.do("emit", to(volatile=True), event="volatile", args=[])
        for number in hearing:
            assert await cluster.clients[number].received("volatile") == []

    async def test_sockets_join_leave_and_are_disconnected(
        self, cluster: Cluster, emitter: Emitter
    ) -> None:
        """Those of each server that hears it."""
        hearing = self._hearing(cluster, emitter)
        odd = {cluster.ids[number] for number in hearing if number % 2}
        even = {cluster.ids[number] for number in hearing if not number % 2}
        await emitter.do("join", to("odd"), rooms=["late", "later"])
        await cluster.settle(odd, "late")
        await emitter.do("leave", to("later"), rooms=["late"])
        await cluster.settle(set(), "late")
        await cluster.settle(odd, "later")
        await emitter.do("disconnect", to(excluded=("even",)), close=True)
        deaf = set(cluster.ids) - odd - even
        await cluster.settle(even | deaf)

    async def test_servers_get_its_events(self, cluster: Cluster, emitter: Emitter) -> None:
        """In each namespace."""
        for namespace in ("/", "/chat"):
            args = [namespace, None, {"a": 1}]
            await emitter.do("serverEmit", to(), namespace=namespace, event="note", args=args)
            for number in self._hearing(cluster, emitter):
                assert await cluster.servers[number].noted(namespace) == args

    async def test_namespaces_are_apart(self, cluster: Cluster, emitter: Emitter) -> None:
        """What is for one does not come to another."""
        for number in self._hearing(cluster, emitter):
            chat = await cluster.open(number, "/chat")
            await emitter.do("emit", to(), namespace="/chat", event="chat", args=[b"\x01"])
            assert await chat.received("chat") == [b"\x01"]
        assert [client.log for client in cluster.clients] == [[] for _ in cluster.clients]
