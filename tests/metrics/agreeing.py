"""A program whose workers count, and note what they have seen, for `test_numbers_agree.py`.

The notes are made by what any program has: handlers, answers, and the ends of sockets and sessions.
None of them comes from an observer, by which the numbers are counted.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sockwave import AckTimeout, Disconnected, Server
from sockwave.metrics import PrometheusMetrics
from tests.history.record import History

if TYPE_CHECKING:
    from sockwave import Socket
    from sockwave.engine import Session
    from sockwave.engine.core.transport import Transport
    from tests.history.record import Op

OUT: tuple[str, ...] = ("back", "question", "here", "everywhere")
"""Events that the server sends."""

ACK_TIMEOUT = 0.2


class Notes:
    """The history of this process, in a file from the moment at which something happens.

    Args:
        folder: With a file for each process.
    """

    def __init__(self, folder: Path) -> None:
        self._history = History()
        self._file = (folder / f"history.{os.getpid()}").open("a", buffering=1)

    def add(self, op: Op, **fields: Any) -> None:
        """Note an event."""
        self._history.add(op, node=str(os.getpid()), **fields)
        self._file.write(self._history.to_lines())
        self._history.events.clear()


def make(folder: Path, port: int) -> Server:
    """A server that sends in each way, and whose numbers are on a port."""
    io = Server(
        ping_interval=2.0,
        ping_timeout=2.0,
        connection_state_recovery=True,
        drain_period=0.0,
    )
    PrometheusMetrics(io, registry=None, events=OUT).listen(port)
    notes, chance = Notes(folder), random.Random(os.getpid())

    @io.engine.on("connection")
    def opened(session: Session) -> None:
        notes.add("connect", id="session", sid=session.id, detail=session.transport.name)

        @session.on("upgrade")
        def upgraded(transport: Transport) -> None:
            notes.add("join", id="session", sid=session.id, detail=transport.name)

        @session.on("close")
        def closed(reason: str, _: object = None) -> None:
            notes.add("leave", id=session.transport.name, sid=session.id, detail=str(reason))

    @io.on("connection")
    def connection(socket: Socket) -> None:
        notes.add("connect", sid=socket.id, recovered=socket.recovered)

        @socket.on("disconnect")
        def disconnect(reason: str) -> None:
            notes.add("disconnect", sid=socket.id, detail=str(reason))

    @io.event
    def say(socket: Socket, text: str) -> None:
        notes.add("handle", id="say", sid=socket.id, digest=str(len(text)))
        match chance.randrange(12):
            case 0:
                notes.add("emit", id="back", sid=socket.id, digest=str(len(text)))
                socket.emit("back", text)
            case 1:
                notes.add("emit", id="here", digest=str(len(text)), detail=str(len(io.sockets)))
                io.local.emit("here", text)
            case 2 if chance.random() < 0.2:
                notes.add("emit", id="everywhere")
                io.emit("everywhere", text)
            case _:
                pass

    @io.event
    def give(socket: Socket, data: bytes) -> None:
        notes.add("handle", id="give", sid=socket.id, digest=str(len(data)))

    @io.event
    def fail(socket: Socket) -> None:
        notes.add("handle", id="fail", sid=socket.id)
        raise LookupError("wrong")

    @io.event
    async def ask(socket: Socket) -> None:
        notes.add("handle", id="ask", sid=socket.id)
        if socket.connected:  # it may have left before this began
            notes.add("emit", id="question", sid=socket.id)
        try:
            await socket.timeout(ACK_TIMEOUT).emit_with_ack("question")
        except AckTimeout:
            notes.add("unanswered", id="question", sid=socket.id, detail="timeout")
        except Disconnected:
            notes.add("unanswered", id="question", sid=socket.id, detail="left")
        else:
            notes.add("answered", id="question", sid=socket.id)

    return io


if __name__ == "__main__":
    FOLDER, PORT, METRICS_PORT = sys.argv[1:]
    make(Path(FOLDER), int(METRICS_PORT)).run(port=int(PORT), workers=3)
