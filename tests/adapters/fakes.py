"""Doubles for what surrounds the adapter of a cluster: a loop with its own time, a namespace."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from tests.socketio.core.fakes import FakeNamespace

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sockwave.adapters import ClusterAdapter
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.cluster_contract import ClusterMember

T = TypeVar("T")


class _Patient(selectors.DefaultSelector):
    """Never waits: time passes at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.passed += timeout
        return ready


class FakeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time, and time passes only by waiting."""

    def __init__(self) -> None:
        self._patient = _Patient()
        super().__init__(self._patient)

    def time(self) -> float:
        """Seconds that were waited for."""
        return self._patient.passed


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a `FakeLoop`."""
    with asyncio.Runner(loop_factory=FakeLoop) as runner:
        return runner.run(coroutine)


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
