"""A server with all kinds of handlers, and classes of all kinds, for the tests of exports."""

import datetime as dt
import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pydantic

from sockwave import Handlers, Router, Server, Socket
from sockwave.contract import Auth

T = TypeVar("T")


class Color(enum.Enum):
    """Of a thing."""

    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct):
    """One line of an order."""

    name: str
    price: Decimal
    count: Annotated[int, msgspec.Meta(gt=0, description="How many.")] = 1
    color: Color = Color.RED
    parts: list["Item"] = []


@dataclass
class Point:
    x: float
    y: float
    tags: set[str] = field(default_factory=set)


class Size(NamedTuple):
    width: int
    height: int = 0


class Filter(TypedDict, total=False):
    color: Color
    limit: int


class Login(msgspec.Struct, forbid_unknown_fields=True):
    token: str


class Page(msgspec.Struct, Generic[T]):
    items: list[T]


class Opened(msgspec.Struct, tag="opened"):
    at: dt.datetime


class Closed(msgspec.Struct, tag="closed"):
    reason: str | None = None


class Address(pydantic.BaseModel):
    """Where it goes."""

    street: str
    zip_code: Annotated[str, pydantic.Field(alias="zip", min_length=3)]


class Cart(Handlers, namespace="/cart", per_socket=True):
    def add(self, socket: Socket, item: Item) -> int:
        """Put an item in."""
        return 1


class Chat(Handlers, namespace="/chat"):
    @Handlers.event("chat line", order="socket")
    async def line(self, socket: Socket, text: str) -> None:
        """Say something."""


def make_server() -> Server:
    """Make it anew."""
    io = Server()

    @io.use
    async def authenticate(socket: Annotated[Socket, Auth(Login)]) -> None:
        """Not an event."""

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("unseen", print)

    @io.event
    def disconnect(socket: Socket, reason: str) -> None:
        """Not an event of clients."""

    @io.event
    async def place(
        socket: Socket, id: UUID, items: list[Item], note: str = "", *marks: int
    ) -> Page[Item]:
        """Place an order.

        It is answered with what was placed.
        """
        return Page(items)

    @io.event
    def untyped(socket, a, b=None):  # type: ignore[no-untyped-def]
        return a

    @io.event(order="socket", thread=True)
    def move(socket: Socket, where: Point | None, by: Literal["foot", "car"]) -> tuple[int, bytes]:
        return 1, b""

    @io.event(validate=False)
    def tell(socket: Socket, what: Opened | Closed, server: Server) -> None:
        """The server is filled in."""

    @io.event
    def send(socket: Socket, to: Address, data: str | bytes, found: Filter, size: Size) -> Any:
        return 1

    board = Router("/org/{org_id}/board", prefix="line:")

    @board.event
    async def draw(socket: Socket, points: dict[int, list[Point]]) -> bool:
        return True

    io.include(board)
    io.include(Cart)
    io.include(Chat)
    return io
