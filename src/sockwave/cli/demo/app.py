"""The server side of the demo chat, on Sockwave's public API.

Handlers get what their annotations say, and answer with what they return; events of the server are
declared in `events.py`. Try it with a site of your own: `sockwave run sockwave.cli.demo.app:io`.
"""

import asyncio
import time
from typing import Annotated, Any, Final

from sockwave import ConnectError, Depends, DisconnectReason, Server, Socket
from sockwave.cli.demo.chat import AWAY, Chat, Picture, Refused, Room, clean_name, clean_page
from sockwave.cli.demo.events import Entered, Login, ServerEvents, Stats
from sockwave.cli.demo.hosts import allowed
from sockwave.contract import Auth

__all__ = ["chat", "io", "report_traffic"]

# A picture at its limit, in the base64 that polling needs, is larger than the usual megabyte.
# The demo runs on people's own machines: no page may reach it by a name bound to their address.
# Short heartbeats, so that a window whose network is gone is seen to be so while one still looks.
# WebTransport is there where the command is told to serve it.
io: Server = Server(
    transports=["polling", "websocket", "webtransport"],
    max_payload=1_200_000,
    allowed_hosts=allowed,
    ping_interval=5,
    ping_timeout=5,
)
io.declare(ServerEvents)
chat: Chat = Chat()

GOODBYES: Final = {
    DisconnectReason.CLIENT_NAMESPACE_DISCONNECT,
    DisconnectReason.SERVER_NAMESPACE_DISCONNECT,
}
"""Ends that somebody wanted; after all others they may be back."""

pages: dict[str, Socket] = {}
"""Who is connected, by what their page calls itself."""

sweeps: set[str] = set()
"""Rooms that are going to be looked through for those who did not come back."""


class Traffic:
    """Events in and out since the last look, and connections now."""

    received = 0
    sent = 0
    connections = 0


traffic: Traffic = Traffic()


@io.exception_handler(Refused)
def explain(refused: Refused) -> dict[str, str]:
    """Answer with the reason: what a person asked for in vain is no failure of the server."""
    return {"error": "refused", "message": str(refused)}


def current_room(socket: Socket) -> Room:
    """Return where somebody is."""
    room: Room | None = socket.data.get("room")
    if room is None:
        raise Refused("Enter a room first.")
    return room


Here = Annotated[Room, Depends(current_room)]
"""A parameter of this type is the room that the sender is in; nobody sends it."""


@io.use
def introduce(socket: Annotated[Socket, Auth(Login)]) -> None:
    """Let nobody in without a name."""
    try:
        socket.data["name"] = clean_name(socket.handshake.auth.get("name"))
    except Refused as refused:
        raise ConnectError(str(refused), data={"field": "name"}) from refused
    socket.data["page"] = clean_page(socket.handshake.auth.get("page"))


@io.on("connection")
def arrive(socket: Socket) -> None:
    """Show a newcomer the rooms; which one to enter is the client's choice."""
    traffic.connections += 1
    replace_earlier(socket)
    socket.on_any(count_received)
    socket.on_any_outgoing(count_sent)
    socket.emit(ServerEvents.rooms, chat.summary())


@io.event
def disconnecting(socket: Socket, reason: str) -> None:
    """Take somebody who goes away off the list; one who was cut off stays there for a while."""
    traffic.connections -= 1
    page = socket.data["page"]
    is_latest = page is not None and pages.get(page) is socket
    if is_latest:
        del pages[page]
    if is_latest and reason not in GOODBYES:
        lose(socket, page)
    else:
        leave(socket)


@io.event
def join(socket: Socket, name: str) -> Entered:
    """Move to another room; the answer is what a newcomer sees there."""
    room = chat.room(name)
    leave(socket)
    welcome_back(socket)
    socket.join(room.channel)
    socket.data["room"] = room
    room.people[socket.id] = socket.data["name"]
    announce(room)
    return Entered(room.name, list(room.history), room.roll_call())


@io.event
def create_room(socket: Socket, name: str) -> str:
    """Open a new room for everybody; the answer is its name."""
    room = chat.create_room(name)
    io.emit(ServerEvents.rooms, chat.summary())
    return room.name


@io.event
def message(socket: Socket, text: str, room: Here) -> None:
    """Say something to everybody in the room, oneself included."""
    said = chat.say(room, socket.data["name"], text)
    io.to(room.channel).emit(ServerEvents.message, said, None)
    io.except_(room.channel).volatile.emit(ServerEvents.activity, room.name)


@io.event
def picture(socket: Socket, data: bytes, room: Here) -> None:
    """Show a picture: the bytes go out to the room as a binary attachment, without base64."""
    shown, kept = chat.show(room, socket.data["name"], data)
    io.to(room.channel).emit(ServerEvents.message, shown, kept)
    io.except_(room.channel).volatile.emit(ServerEvents.activity, room.name)


@io.event
def fetch_picture(socket: Socket, number: int) -> Picture:
    """Hand out a picture of the history, which carries only ids."""
    return chat.picture(number)


@io.event
def typing(socket: Socket) -> None:
    """Tell the others that somebody types; nobody misses it if it gets lost."""
    room = socket.data.get("room")
    if room is not None:
        socket.to(room.channel).volatile.emit(ServerEvents.typing, socket.data["name"])


async def report_traffic() -> None:
    """Tell everybody once a second how busy the server is; runs until cancelled."""
    while True:
        await asyncio.sleep(1)
        stats = Stats(traffic.connections, traffic.received, traffic.sent)
        io.volatile.emit(ServerEvents.stats, stats)
        traffic.received = traffic.sent = 0


def leave(socket: Socket) -> None:
    """Take somebody out of the room they are in, if any."""
    room: Room | None = socket.data.pop("room", None)
    if room is not None:
        socket.leave(room.channel)
        room.people.pop(socket.id, None)
        announce(room)


def replace_earlier(socket: Socket) -> None:
    """A page that comes back before its loss was noticed is not in the room twice."""
    page = socket.data["page"]
    if page is None:
        return
    earlier = pages.get(page)
    pages[page] = socket
    if earlier is not None:
        leave(earlier)
        earlier.disconnect(close=True)


def lose(socket: Socket, page: str) -> None:
    """Show the room that somebody was cut off, and may be back."""
    room: Room | None = socket.data.pop("room", None)
    if room is None:
        return
    room.lose(socket.id, page, time.monotonic())
    announce(room)
    if room.name not in sweeps:
        sweeps.add(room.name)
        asyncio.get_running_loop().call_later(AWAY, sweep, room.name)


def sweep(name: str) -> None:
    """Take those off the list who did not come back, now and as long as there are some."""
    sweeps.discard(name)
    try:
        room = chat.room(name)
    except Refused:
        return  # it has given way to another
    now = time.monotonic()
    if room.forget(now):
        announce(room)
    if room.lost:
        first = min(lost.until for lost in room.lost.values())
        sweeps.add(name)
        asyncio.get_running_loop().call_later(max(first - now, 0.0), sweep, name)


def welcome_back(socket: Socket) -> None:
    """Somebody is here again, and not among the lost any more, wherever that was."""
    page = socket.data["page"]
    for room in chat.returned(page) if page is not None else ():
        announce(room)


def announce(room: Room) -> None:
    """Tell the room who is in it, and everybody how full the rooms are."""
    io.to(room.channel).emit(ServerEvents.people, room.name, room.roll_call())
    io.emit(ServerEvents.rooms, chat.summary())


def count_received(event: str, *args: Any) -> None:
    """Count an event from a client."""
    traffic.received += 1


def count_sent(event: str, *args: Any) -> None:
    """Count an event to a client; the statistics themselves would only show their own pulse."""
    if event != ServerEvents.stats:
        traffic.sent += 1
