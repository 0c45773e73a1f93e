"""What the demo chat remembers, and how much of it: people, rooms, messages and pictures.

Nothing here knows of sockets, so that `app.py` shows only Sockwave. Everything is kept in memory
and bounded; what a person sends is checked here, and refused with a sentence for them.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from itertools import count
from typing import Final

__all__ = [
    "AWAY",
    "Chat",
    "Lost",
    "Message",
    "Person",
    "Picture",
    "Refused",
    "Room",
    "RoomSummary",
    "clean_name",
    "clean_page",
    "clean_text",
]

MAX_NAME: Final = 24
MAX_TEXT: Final = 2_000
MAX_ROOMS: Final = 50
MAX_HISTORY: Final = 100
MAX_PICTURE: Final = 800_000
"""Bytes; also checked in the page, before anything is sent."""
MAX_PICTURES_KEPT: Final = 50
"""Of all rooms together: 40 MB at most. Older ones are gone from the history."""
MAX_LOST: Final = 50
"""People of one room who may come back; the one who was lost first gives way."""
AWAY: Final = 30.0
"""Seconds in which somebody whose connection broke may come back; then they are gone."""
MAX_PAGE: Final = 64
"""Characters of what a page calls itself."""

DEFAULT_ROOMS: Final = ("Lobby", "Music", "Travel")

# Found by content and not by what the sender claims: a browser must never be handed anything else.
_SIGNATURES: Final = (
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 8, b"WEBP"),
)


class Refused(Exception):
    """What a person asked for is not possible; the text tells them why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An uploaded picture; its bytes travel as a binary attachment."""

    id: int
    type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One message in a room: a text, or the id of a picture."""

    id: int
    room: str
    author: str
    at: int
    """Milliseconds since 1970, as browsers count."""
    text: str
    picture: int | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a room."""

    id: str
    """Of their socket."""
    name: str
    lost: bool
    """Whether their connection broke; they may be back."""


@dataclass(frozen=True, slots=True)
class RoomSummary:
    """A room, as the list of all rooms shows it."""

    name: str
    people: int
    """How many are there."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Somebody whose connection broke, and who may be back."""

    id: str
    """Of the socket that there was."""
    name: str
    until: float
    """On the clock of who tells `now`."""


@dataclass(slots=True)
class Room:
    """A room: who is in it, and what was said last."""

    name: str
    permanent: bool = False
    people: dict[str, str] = field(default_factory=dict)
    """Names by socket id."""
    lost: OrderedDict[str, Lost] = field(default_factory=OrderedDict)
    """By what their page calls itself, the first one first."""
    history: deque[Message] = field(default_factory=lambda: deque(maxlen=MAX_HISTORY))

    @property
    def channel(self) -> str:
        """Name of the Socket.IO room.

        The prefix keeps a room that somebody names like a socket's id apart from the room every
        socket has for itself.
        """
        return f"#{self.name}"

    @property
    def is_empty(self) -> bool:
        """Whether nobody is here, and nobody may come back."""
        return not (self.people or self.lost)

    def lose(self, id_: str, page: str, now: float) -> None:
        """Somebody's connection broke: they stay on the list for a while."""
        name = self.people.pop(id_)
        self.lost[page] = Lost(id_, name, now + AWAY)
        self.lost.move_to_end(page)
        if len(self.lost) > MAX_LOST:
            self.lost.popitem(last=False)

    def forget(self, now: float) -> bool:
        """Take those off the list who did not come back in time; tells whether there were any."""
        over = [page for page, lost in self.lost.items() if lost.until <= now]
        for page in over:
            del self.lost[page]
        return bool(over)

    def roll_call(self) -> list[Person]:
        """Return who is here, or may be back (`lost`), by name."""
        here = [Person(id_, name, lost=False) for id_, name in self.people.items()]
        lost = [Person(each.id, each.name, lost=True) for each in self.lost.values()]
        return sorted((*here, *lost), key=lambda person: person.name.casefold())


class Chat:
    """All rooms and pictures of one server."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self._ids = count(1)
        for name in DEFAULT_ROOMS:
            self._rooms[name.casefold()] = Room(name, permanent=True)

    def room(self, name: str) -> Room:
        """Return the room called `name`, whatever its case."""
        room = self._rooms.get(name.casefold())
        if room is None:
            raise Refused("This room does not exist any more.")
        return room

    def create_room(self, name: str) -> Room:
        """Make a room; an empty one that people made before gives way when there are too many."""
        name = clean_name(name, what="room name")
        if name.casefold() in self._rooms:
            raise Refused(f"There is already a room called {self.room(name).name}.")
        if len(self._rooms) >= MAX_ROOMS:
            self._drop_empty_room()
        room = self._rooms[name.casefold()] = Room(name)
        return room

    def returned(self, page: str) -> list[Room]:
        """Take somebody off the lists of those who may come back; returns the rooms."""
        rooms = [room for room in self._rooms.values() if page in room.lost]
        for room in rooms:
            del room.lost[page]
        return rooms

    def summary(self) -> list[RoomSummary]:
        """Return every room's name and number of people, in order of creation."""
        return [RoomSummary(room.name, len(room.people)) for room in self._rooms.values()]

    def say(self, room: Room, author: str, text: str) -> Message:
        """Put a text into a room's history."""
        return self._record(room, author, text=clean_text(text))

    def show(self, room: Room, author: str, data: bytes) -> tuple[Message, Picture]:
        """Put a picture into a room's history."""
        picture = self._keep(data)
        return self._record(room, author, picture=picture.id), picture

    def picture(self, id_: int) -> Picture:
        """Return a picture that is still kept."""
        picture = self._pictures.get(id_)
        if picture is None:
            raise Refused("This picture is not kept any more.")
        return picture

    def _record(
        self, room: Room, author: str, *, text: str = "", picture: int | None = None
    ) -> Message:
        now = time.time_ns() // 1_000_000
        message = Message(next(self._ids), room.name, author, now, text, picture)
        room.history.append(message)
        return message

    def _keep(self, data: bytes) -> Picture:
        if len(data) > MAX_PICTURE:
            size = -(-len(data) // 1000)  # rounded up, so that it never equals the limit
            raise Refused(f"This picture has {size:,} kB; the limit is {MAX_PICTURE // 1000} kB.")
        picture = Picture(next(self._ids), _picture_type(data), data)
        self._pictures[picture.id] = picture
        if len(self._pictures) > MAX_PICTURES_KEPT:
            self._pictures.popitem(last=False)
        return picture

    def _drop_empty_room(self) -> None:
        for key, room in self._rooms.items():
            if not room.permanent and room.is_empty:
                del self._rooms[key]
                return
        raise Refused(f"There are already {MAX_ROOMS} rooms.")


def clean_name(name: object, *, what: str = "name") -> str:
    """Return a name of 1 to 24 visible characters, with single spaces.

    Control characters and those that turn the direction of text could dress one person up as
    another, so they are refused.
    """
    cleaned = " ".join(name.split()) if isinstance(name, str) else ""
    if not 1 <= len(cleaned) <= MAX_NAME:
        raise Refused(f"A {what} has 1 to {MAX_NAME} characters.")
    if not cleaned.isprintable():
        raise Refused(f"A {what} is made of visible characters.")
    return cleaned


def clean_page(page: object) -> str | None:
    """Return what a page calls itself; None where it has no name, or one that is none."""
    return page if isinstance(page, str) and 1 <= len(page) <= MAX_PAGE else None


def clean_text(text: str) -> str:
    """Return a message of 1 to 2,000 characters."""
    cleaned = text.strip()
    if not 1 <= len(cleaned) <= MAX_TEXT:
        raise Refused(f"A message has 1 to {MAX_TEXT:,} characters.")
    return cleaned


def _picture_type(data: bytes) -> str:
    for name, start, signature in _SIGNATURES:
        if data.startswith(signature, start):
            return name
    raise Refused("Only PNG, JPEG, GIF and WebP pictures can be shown.")
