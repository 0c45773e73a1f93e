"""A server with a page that shows its contract: one of each kind of thing that a page has to show.

The contract is written by hand, so that a test sees what the page makes of it, and nothing else.
"""

from __future__ import annotations

import asyncio
import datetime as dt  # noqa: TC003 # a check is made of it
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID  # noqa: TC003 # a check is made of it

import msgspec
import pytest

from sockwave import ConnectError, EventError, Router, Server, Socket
from sockwave.contract.description import Argument, Contract, EventContract, NamespaceContract
from sockwave.contract.page import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.contract.description import Schema

__all__ = ["CONTRACT", "served_shop", "shop"]


class Item(msgspec.Struct):
    """One line of an order."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    price: Decimal
    count: Annotated[int, msgspec.Meta(gt=0)] = 1


class Pickup(msgspec.Struct, tag="pickup"):
    """Somebody comes for it."""

    at: dt.datetime


class Delivery(msgspec.Struct, tag="delivery"):
    """We bring it."""

    street: str
    city: str


class Order(msgspec.Struct):
    """What somebody wants to have."""

    id: UUID
    items: list[Item]
    way: Pickup | Delivery
    color: str = "red"
    note: str | None = None
    extra: dict[str, int] = {}


class Placed(msgspec.Struct):
    """What we make of it."""

    id: UUID
    total: Decimal


TEXT: Final[Schema] = {"type": "string"}
UUID_: Final[Schema] = {"type": "string", "format": "uuid"}
DECIMAL: Final[Schema] = {"type": "string", "format": "decimal"}
POINT: Final[Schema] = {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}


def _model(title: str, description: str, properties: Schema, *optional: str) -> Schema:
    return {
        "title": title,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


MODELS: Final[dict[str, Schema]] = {
    "Item": _model(
        "Item",
        "One line of an order.",
        {
            "name": {"type": "string", "minLength": 1, "maxLength": 80},
            "price": DECIMAL,
            "count": {"type": "integer", "exclusiveMinimum": 0, "default": 1},
        },
        "count",
    ),
    "Pickup": _model(
        "Pickup",
        "Somebody comes for it.",
        {"type": {"const": "pickup"}, "at": {"type": "string", "format": "date-time"}},
    ),
    "Delivery": _model(
        "Delivery",
        "We bring it.",
        {"type": {"const": "delivery"}, "street": TEXT, "city": TEXT},
    ),
    "Order": _model(
        "Order",
        "What somebody wants to have.",
        {
            "id": UUID_,
            "items": {"type": "array", "items": {"$ref": "#/models/Item"}},
            "way": {"anyOf": [{"$ref": "#/models/Pickup"}, {"$ref": "#/models/Delivery"}]},
            "color": {"enum": ["red", "blue"], "default": "red"},
            "note": {"anyOf": [TEXT, {"type": "null"}], "default": None},
            "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "color",
        "note",
        "extra",
    ),
    "Placed": _model("Placed", "What we make of it.", {"id": UUID_, "total": DECIMAL}),
    "Tree": _model(
        "Tree",
        "It holds others of its kind.",
        {"name": TEXT, "parts": {"type": "array", "items": {"$ref": "#/models/Tree"}}},
        "parts",
    ),
}

CONTRACT: Final = Contract(
    title="Shop",
    version="1.2.0",
    description="Orders of a small shop, and the board on which its people draw.",
    models=MODELS,
    namespaces=(
        NamespaceContract(
            "/",
            description="Everything about orders.",
            incoming=(
                EventContract(
                    "place",
                    (Argument("order", {"$ref": "#/models/Order"}),),
                    answer=({"$ref": "#/models/Placed"},),
                    description="Place an order.\n\nIt is added up, and told to `clerks`.",
                ),
                EventContract(
                    "rename",
                    (
                        Argument("name", TEXT),
                        Argument("loud", {"type": "boolean", "default": False}, required=False),
                    ),
                    answer=(TEXT,),
                    description="Be called something else.",
                ),
                EventContract(
                    "upload",
                    (Argument("file", {"type": "string", "format": "binary"}),),
                    rest=TEXT,
                    answer=({"type": "integer"},),
                    description="Hand over a picture, with words about it.",
                ),
                EventContract("plant", (Argument("tree", {"$ref": "#/models/Tree"}),)),
                EventContract("fail", description="<img src=x onerror=window.hurt=true>"),
                EventContract("question", description="Have the server ask you."),
            ),
            outgoing=(
                EventContract(
                    "placed",
                    (Argument("order", UUID_), Argument("by", TEXT)),
                    description="Somebody has placed an order.",
                ),
                EventContract(
                    "ask",
                    (Argument("text", TEXT),),
                    answer=({"type": "integer"},),
                    description="The server wants to know a number.",
                ),
                EventContract("told", (Argument("answer", {"type": "integer"}),)),
            ),
        ),
        NamespaceContract(
            "/org/{org_id}/board",
            parameters={"org_id": TEXT},
            incoming=(
                EventContract(
                    "draw",
                    (Argument("points", {"type": "array", "items": POINT}),),
                    answer=(TEXT,),
                ),
            ),
            outgoing=(EventContract("drawn", (Argument("points", {"type": "array"}),)),),
        ),
        NamespaceContract(
            "/staff",
            description="For those who work here.",
            auth=_model("Auth", "Who you are.", {"token": TEXT}),
        ),
    ),
)


def shop(**options: Any) -> Server:
    """A server that does what the contract says."""
    io = Server(**{"docs": True, **options})
    staff, board = io.of("/staff"), Router("/org/{org_id}/board")

    @io.event
    async def place(socket: Socket, order: Order) -> Placed:
        socket.emit("placed", str(order.id), socket.id)
        total = sum((item.price * item.count for item in order.items), Decimal())
        return Placed(order.id, total)

    @io.event
    async def rename(socket: Socket, name: str, loud: bool = False) -> str:
        return name.upper() if loud else name

    @io.event
    async def upload(socket: Socket, file: bytes, *words: str) -> int:
        return len(file) + len(words)

    @io.event
    async def plant(socket: Socket, tree: dict[str, Any]) -> Any:
        return tree

    @io.event
    async def fail(socket: Socket) -> None:
        raise EventError("closed", "The shop is closed.")

    @io.event
    async def question(socket: Socket) -> None:
        async def ask() -> None:
            socket.emit("told", await socket.emit_with_ack("ask", "How many?", timeout=30))

        asking.append(asyncio.create_task(ask()))

    @board.event
    async def draw(socket: Socket, points: list[tuple[float, float]]) -> str:
        socket.emit("drawn", points)
        return socket.params["org_id"]

    @staff.use
    async def who(socket: Socket) -> None:
        if socket.handshake.auth != {"token": "s3cret"}:
            raise ConnectError("unauthorized", data={"retry": False})

    asking: list[asyncio.Task[None]] = []
    io.include(board)
    return io


@contextmanager
def served_shop(**options: Any) -> Iterator[str]:
    """Serve it in a thread, with its contract; gives the address of the page."""
    url: Future[str] = Future()
    ends: Future[None] = Future()

    async def serve() -> None:
        io = shop(**options)
        async with io.listen() as listener:
            url.set_result(f"{listener.url}{io.path}/docs")
            await asyncio.wrap_future(ends)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "describe", lambda server: CONTRACT)
        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            yield url.result(timeout=30)
        finally:
            ends.set_result(None)
            thread.join()
