"""A tea shop whose events have types, for clients in Python and TypeScript.

`python server.py` serves it on port 3000. What its clients are checked with stands beside it:

    sockwave contract typescript server:io --title "Tea shop" --version 1.0.0 --output events.ts
    sockwave contract python server:io --title "Tea shop" --version 1.0.0 --output shop_client.py
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from sockwave import Event, EventError, Events, Server, Socket

Tea = Literal["assam", "darjeeling", "sencha"]


@dataclass
class Order:
    """What one wants."""

    tea: Tea
    cups: Annotated[int, Meta(ge=1, le=12)] = 1
    note: str | None = None


@dataclass
class Placed:
    """An order that the kitchen has."""

    number: int
    minutes: float


@dataclass
class Brewed:
    """A pot that is ready."""

    number: int
    tea: Tea
    photo: bytes


class ServerEvents(Events):
    """What the shop says."""

    brewed: Event[Brewed] = Event(doc="A pot is ready.", names=("pot",))
    rated: Event[int, int] = Event(
        doc="Somebody has said how an order was.", names=("number", "stars")
    )


io = Server()
io.declare(ServerEvents)
orders: list[Order] = []


@io.event
async def place(socket: Socket, order: Order) -> Placed:
    """Place an order."""
    if order.tea == "sencha":
        raise EventError("sold_out", "no sencha today", {"tea": order.tea})
    orders.append(order)
    number = len(orders)
    socket.emit(ServerEvents.brewed, Brewed(number, order.tea, b"\xff\xd8"))
    return Placed(number, 2.5 * order.cups)


@io.event
def rate(socket: Socket, number: int, stars: Annotated[int, Meta(ge=1, le=5)] = 5) -> None:
    """Say how an order was."""
    socket.broadcast.emit(ServerEvents.rated, number, stars)


if __name__ == "__main__":
    io.run(host="127.0.0.1", port=3000)
