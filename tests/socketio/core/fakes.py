"""Doubles for what surrounds the core of Socket.IO: a clock, sockets, a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.codec.socketio import event_prefix
from sockwave.engine.core.broadcast_write import BroadcastWrite
from sockwave.engine.core.heartbeat import TimingWheel, WheelEntry
from sockwave.errors import Disconnected
from sockwave.types import SocketId
from tests.engine.core.fakes import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.parser import Parser


class FakeClock:
    """Deadlines that come when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wheel = TimingWheel()

    def clock(self) -> float:
        return self.now

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        self.wheel.schedule(entry, deadline)

    def cancel(self, entry: WheelEntry) -> None:
        self.wheel.cancel(entry)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for entry in self.wheel.expire(self.now):
            entry.handle_timeout(self.now)


class FakeSocket:
    """A connected socket that keeps what is sent to it."""

    plain = None

    def __init__(self, name: str) -> None:
        self.id = SocketId(name)
        self.packets: list[list[str]] = []
        self.encoded: list[EncodedPacket] = []
        self.args: list[Sequence[Any]] = []
        self.flags: list[BroadcastFlags] = []
        self.expected: dict[int, Callable[[AckResult], None]] = {}

    def deliver(self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags) -> None:
        self.encoded.append(packet)
        self.packets.append(wire([packet.text, *packet.attachments]))
        self.args.append(args)
        self.flags.append(flags)

    def expect_ack(self, id_: int, done: Callable[[AckResult], None]) -> None:
        self.expected[id_] = done

    def forget_ack(self, id_: int) -> None:
        self.expected.pop(id_, None)

    def leave(self) -> None:
        """Go, without having answered."""
        for done in self.expected.values():
            done(Disconnected("gone"))


class FakeNamespace:
    """Connected sockets by id."""

    def __init__(self, *names: str, name: str = "/") -> None:
        self.name = name
        self.event_prefix = event_prefix(name)
        self.parser: Parser | None = None
        self.broadcast_write = BroadcastWrite(lambda write: None)
        self.sockets = {SocketId(each): FakeSocket(each) for each in names}

    def __getitem__(self, name: str) -> FakeSocket:
        return self.sockets[SocketId(name)]
