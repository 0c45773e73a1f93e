"""Doubles for what surrounds the adapter of a cluster: a namespace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.socketio.core.fakes import FakeNamespace

if TYPE_CHECKING:
    from sockwave.adapters import ClusterAdapter
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.cluster_contract import ClusterMember


class FakeClusterNamespace(FakeNamespace):
    """A namespace as the adapter of a cluster sees it."""

    adapter: ClusterAdapter

    def __init__(self, *names: str, name: str = "/") -> None:
        super().__init__(*names, name=name)
        self.members: list[str] = []
        self.gone: list[str] = []
        self.failures: list[str] = []
        self.server_events: list[tuple[Any, ...]] = []
        self.server_answer: Any = "yes"
        self.data: dict[str, Any] = {}
        self.is_slow = False
        self._acks = 100

    def next_ack_id(self) -> int:
        self._acks += 1
        return self._acks

    def join_local(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        for socket in self.adapter.select(options):
            self.adapter.add(socket.id, rooms)

    def leave_local(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        for socket in self.adapter.select(options):
            for room in rooms:
                self.adapter.remove(socket.id, room)

    def disconnect_local(self, options: BroadcastOptions, *, close: bool) -> None:
        for socket in self.adapter.select(options):
            self.adapter.remove_all(socket.id)
            self.sockets.pop(socket.id).leave()

    def describe_local(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        return [
            {
                "id": socket.id,
                "handshake": {"headers": {}},
                "rooms": sorted(self.adapter.rooms_of(socket.id)),
                "data": self.data,
            }
            for socket in self.adapter.select(options)
        ]

    async def server_event_received(self, event: str, *args: Any) -> Any:
        self.server_events.append((event, *args))
        if self.is_slow:
            await asyncio.sleep(1000)
        if isinstance(self.server_answer, Exception):
            raise self.server_answer
        return self.server_answer

    def member_joined(self, member: ClusterMember) -> None:
        self.members.append(member.id)

    def member_left(self, member: ClusterMember) -> None:
        self.gone.append(member.id)

    def cluster_failed(self, what: str) -> None:
        self.failures.append(what)
