"""Events for a client whose connection is cut again and again."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Sized

    from sockwave import Server, Socket

__all__ = ["KINDS", "Traffic"]

KINDS: Final = ("all", "room", "id", "socket", "binary", "large", "other")

MOST_BEHIND: Final = 2_000
"""Events on their way: a fifth of the log."""


class Traffic:
    """Events `n` with a number, to one client, in every way that there is.

    Args:
        arrived: What the client has got: when it is too far behind, as slow or often cut as it is,
            this waits, so that no event leaves the server's log before it can have arrived.

    Attributes:
        sent: How many the client must get: 0, 1, 2, ...
        kinds: How often each way was taken; `other` are those that are not for the client.
    """

    def __init__(self, io: Server, chance: random.Random, arrived: Sized) -> None:
        self.sent = 0
        self.kinds: Counter[str] = Counter()
        self._io = io
        self._chance = chance
        self._arrived = arrived
        self._sockets: list[Socket] = []
        io.on("connection", self._connection)

    def _connection(self, socket: Socket) -> None:
        if not socket.recovered:
            socket.join("r")
        assert socket.rooms == {socket.id, "r"}
        self._sockets.append(socket)

    async def run(self) -> None:
        """Emit until cancelled, from the first connection on."""
        while not self._sockets:
            await asyncio.sleep(0)
        while True:
            if self.sent - len(self._arrived) < MOST_BEHIND:
                for _ in range(self._chance.randrange(8)):
                    self._emit()
            await asyncio.sleep(self._chance.random() * 0.004)

    def _emit(self) -> None:
        io, chance = self._io, self._chance
        latest = self._sockets[-1]
        kind = chance.choice(KINDS)
        self.kinds[kind] += 1
        number = self.sent
        self.sent += kind != "other"
        match kind:
            case "all":
                io.emit("n", number)
            case "room":
                io.to("r", "s").except_("t").emit("n", number)
            case "id":
                io.to(latest.id).emit("n", number)
            case "socket":  # which may be lost at the moment
                latest.emit("n", number)
            case "binary":
                io.emit("n", number, number.to_bytes(4, "big"))
            case "large":
                io.emit("n", number, "x" * chance.choice([100, 2_000, 20_000]))
            case _:
                io.to("nobody").emit("n", -1)
                io.except_("r").emit("n", -1)
