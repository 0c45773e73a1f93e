"""A program with workers that writes down what it does, and many clients of it that do the same."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import sockwave
from sockwave import Disconnected
from tests.history.record import Event, History
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave import ClientSocket
    from sockwave.types import TransportName

__all__ = ["NOTING", "Guest", "events_of_workers", "missed_by_broadcasts"]

NOTING: Final = """
import json, time
from sockwave import AckTimeout, ClusterTimeout
from sockwave.adapters import ClusterOptions

# Here nobody is taken for gone who is slow: ends are noticed by their connections.
io.adapter._options = ClusterOptions(heartbeat_timeout=3600.0)
NODE = str(os.getpid())
written = os.open(f"history.{NODE}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def note(op, **fields):
    # At once and unbuffered: what is written stays, however this process ends.
    line = json.dumps({"op": op, "t": time.monotonic(), "node": NODE, **fields})
    os.write(written, line.encode() + b"\\n")

io.on("know", lambda: None)

@io.on("connection")
def noting(socket):
    @socket.on("enter")
    async def enter(room):
        if room:
            socket.join([room, "members"])
        while True:
            try:
                await io.server_side_emit_with_ack("know", timeout=3600.0)
                break
            except (AckTimeout, ClusterTimeout):
                pass  # one has died meanwhile
        note("connect", sid=socket.id, rooms=sorted(socket.rooms))
        return NODE

    @socket.on("shout")
    async def shout(id_, room):
        note("handle", sid=socket.id, id=id_)
        note("emit", id=id_, rooms=[room])
        target = io.to(room).timeout(3600.0)
        try:
            answers = (await target.emit_with_ack("event", id_)).by_socket
        except AckTimeout as error:
            answers = error.by_socket
        return [id_, sorted(answers)]

    @socket.on("tell")
    def tell(id_):
        note("handle", sid=socket.id, id=id_)
"""
"""Handlers; for `more=` of a program."""

ROOMS: Final = 20

LIMIT: Final = 5 * DEADLINE
"""Seconds until a request counts as one that hangs; the workers' own limits are far beyond."""

PAUSE: Final = 0.5
"""Seconds between two requests of a client, at most: the machine has other things to do, too."""

TRANSPORTS: Final[tuple[tuple[TransportName, ...], ...]] = (
    ("websocket",),
    ("polling",),
    ("websocket",),
)


def events_of_workers(directory: Path) -> list[Event]:
    """What all workers have written down, in this folder."""
    events: list[Event] = []
    for file in sorted(directory.glob("history.*")):
        events += History.from_lines(file.read_text().splitlines()).events
    return events


@dataclass(eq=False)
class Guest:
    """A client that asks without an end; on a WebSocket it is in a room with some others.

    One that polls asks only. A request of it may be in the hands of a worker that dies, whoever has
    its session: then it comes anew, and the worker that has the old session knows nothing of that,
    and would wait for its answers until a ping is missed.

    Attributes:
        port: Of the workers.
        number: Of this client.
        history: Gets what it sees.
        answered: How many requests have ended with an answer.
        reached: Who answered a broadcast, by the id of it.
        sid: Of the socket, once all workers have heard of it.
    """

    port: int
    number: int
    history: History
    seed: int = 0
    answered: int = 0
    reached: dict[str, set[str]] = field(default_factory=dict)
    sid: str = ""

    def __post_init__(self) -> None:
        """Connect, in a moment."""
        self._chance = random.Random(f"{self.seed} {self.number}")
        transport = TRANSPORTS[self.number % len(TRANSPORTS)]
        self.room = f"room {self.number % ROOMS}"
        self._joins = self.room if "polling" not in transport else ""
        self.socket: ClientSocket = sockwave.connect(
            f"http://127.0.0.1:{self.port}",
            transports=transport,
            reconnection_delay=0.02,
            reconnection_delay_max=0.2,
            timeout=DEADLINE,
        )
        self._last = ""  # the socket whose events come now
        self._count = 0
        self.socket.on("connect", self._connected)
        self.socket.on("disconnect", self._disconnected)
        self.socket.on("event", self._event)

    @property
    def is_in(self) -> bool:
        """Whether it is there, and all workers know."""
        return bool(self.sid) and self.socket.connected and self.socket.id == self.sid

    async def live(self, stopped: asyncio.Event) -> None:
        """Ask one thing after another, and come back whenever the worker has gone."""
        while not stopped.is_set():
            try:
                if self.is_in:
                    await self._shout()
                elif self.socket.connected and (sid := self.socket.id):
                    await self.socket.emit_with_ack("enter", self._joins, timeout=LIMIT)
                    self.sid = sid
                    continue
            except Disconnected:
                continue
            await asyncio.sleep(self._chance.random() * PAUSE)

    def _connected(self) -> None:
        self._last = self.socket.id or ""

    def _disconnected(self, reason: str) -> None:
        if self._last:
            self.history.add("disconnected", sid=self._last, detail=str(reason))
            self._last = ""

    def _event(self, id_: str) -> bool:
        self.history.add("deliver", sid=self.socket.id or self._last, id=id_)
        return True

    async def _shout(self) -> None:
        """Broadcast to the room, one time in fifty to all rooms, and wait for all answers."""
        self._count += 1
        id_ = f"{self.number}.{self._count}"
        room = "members" if self._chance.random() < 0.02 else self.room
        self.history.add("ask", sid=self.sid, id=id_)
        try:
            answer, reached = await self.socket.emit_with_ack("shout", id_, room, timeout=LIMIT)
        except Disconnected:
            self.history.add("unanswered", id=id_)
            raise
        self.history.add("answered", id=id_, answer=answer)
        self.reached[id_] = set(reached)
        self.answered += 1


def missed_by_broadcasts(
    guests: list[Guest], events: list[Event], dead: set[str]
) -> list[tuple[str, str]]:
    """Broadcasts that do not have the answer of somebody who was there all the time."""
    asked = {event.id: event.t for event in events if event.op == "ask"}
    stayed = [each for each in events if each.op == "connect" and each.node not in dead]
    return [
        (id_, member.sid)
        for guest in guests
        for id_, reached in guest.reached.items()
        for member in stayed
        if guest.room in member.rooms and member.t < asked[id_] and member.sid not in reached
    ]
