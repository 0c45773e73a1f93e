"""Lost sockets as they are kept: base64 of msgpack, that servers in JavaScript read, too.

What they know of one is its id, secret, rooms and data. Ours add a key, `sockwave`: in which room
it was from which place in the stream to which, so that what it has missed is judged by the rooms
that it was in at that place, and not by those at the loss.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.messages import decode_value, encode_value, rooms_of, text_of
from sockwave.adapters.streams.positions import entry_id, position_of
from sockwave.errors import PacketError
from sockwave.socketio.core.membership import Membership
from sockwave.types import SocketId

if TYPE_CHECKING:
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.types import Room

__all__ = ["StoredSession", "decode_session", "encode_session"]

OWN_KEY: Final = "sockwave"


@dataclass(slots=True)
class StoredSession:
    """A lost socket, as it was read.

    Attributes:
        id: Of the socket.
        rooms: At its loss, without that of its own id.
        data: Of the application.
        member: Where it was when; None if a server in JavaScript has written it.
        floor: Place in the stream before which no client that is recovered may stand: some of what
            was sent to it until then had no offset.
        connection: That it was lost with; empty where that is not known.
        owner: The process that has ended while this one was connected to it; empty where it was
            lost before.
        suspect: A process that was taken for dead while this one was connected to it, before it
            came to another one; empty for none. What that one still writes may have been seen.
    """

    id: SocketId
    rooms: tuple[Room, ...]
    data: dict[str, Any]
    member: Membership | None
    floor: int
    connection: str
    owner: str = ""
    suspect: str = ""


def encode_session(
    session: SavedSession,
    member: Membership,
    floor: int,
    suspect: str,
    place: int | None = None,
) -> bytes:
    """What is kept of a lost socket, or of a connected one.

    Args:
        suspect: See `StoredSession`.
        place: Of a connected one: what was done to it before this place has been done.

    Raises:
        EncodeError: Its data cannot be sent.
    """
    state = member.state(0.0)
    past = state["past"] or {}
    own = {
        "start": entry_id(state["start"]),
        "sent": entry_id(state["sent"]),
        "lost": entry_id(state["lost"][0] if place is None else place),
        "rooms": {room: entry_id(since) for room, since in state["rooms"].items()},
        "past": {
            room: [[entry_id(since), entry_id(until)] for since, until in stays]
            for room, stays in past.items()
        },
        "known": entry_id(state["floor"]),
        "floor": entry_id(floor),
        "connection": session.connection,
    }
    if suspect:
        own["suspect"] = suspect
    value = {
        "sid": session.id,
        "pid": session.pid,
        "rooms": [session.id, *session.rooms],
        "data": session.data,
        OWN_KEY: own,
    }
    return binascii.b2a_base64(encode_value(value), newline=False)


def decode_session(text: bytes, lost_at: float) -> StoredSession:
    """Read what is kept.

    Args:
        lost_at: Monotonic seconds of the loss.

    Raises:
        PacketError: It makes no sense.
    """
    try:
        value = decode_value(binascii.a2b_base64(text, strict_mode=True))
    except (binascii.Error, ValueError):
        raise PacketError("invalid payload", "a session that is no base64") from None
    if not isinstance(value, dict):
        raise PacketError("invalid payload", "a session that is no map")
    id_, data, own = SocketId(text_of(value, "sid")), value.get("data"), value.get(OWN_KEY)
    rooms = tuple(room for room in rooms_of(value.get("rooms")) if room != id_)
    if not isinstance(data, dict):
        data = {}
    if own is None:
        return StoredSession(id_, rooms, data, None, 0, "")
    try:
        member = Membership.of_state(id_, _state(own), lost_at)
        floor, suspect = _place(own["floor"]), own.get("suspect", "")
        if not isinstance(suspect, str):
            raise TypeError("no name of a process")
        connection = own["connection"]
        return StoredSession(id_, rooms, data, member, floor, connection, suspect=suspect)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PacketError("invalid payload", "a session without places") from None


def _state(own: dict[str, Any]) -> dict[str, Any]:
    """That of `Membership.of_state`."""
    return {
        "start": _place(own["start"]),
        "sent": _place(own["sent"]),
        "lost": (_place(own["lost"]), 0.0),
        "foreign": None,
        "rooms": {room: _place(since) for room, since in own["rooms"].items()},
        "past": {
            room: [(_place(since), _place(until)) for since, until in stays]
            for room, stays in own["past"].items()
        },
        "floor": _place(own["known"]),
    }


def _place(text: Any) -> int:
    position = position_of(text) if isinstance(text, str) else None
    if position is None:
        raise ValueError("no place in a stream")
    return position
