"""What the demo's server and its page say to each other, beside the values of `chat.py`.

The page is checked against `events.ts`, which is written of it:

    sockwave contract typescript sockwave.cli.demo.app:io --title "Sockwave demo" \\
        --output src/sockwave/cli/demo/events.ts
"""

from dataclasses import dataclass

from sockwave import Event, Events
from sockwave.cli.demo.chat import Message, Person, Picture, RoomSummary

__all__ = ["Entered", "Login", "ServerEvents", "Stats"]


@dataclass(frozen=True, slots=True)
class Login:
    """Who one is."""

    name: str
    page: str | None = None
    """What the page calls itself: by this it is known again after a loss."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What a newcomer sees in a room."""

    room: str
    messages: list[Message]
    people: list[Person]


@dataclass(frozen=True, slots=True)
class Stats:
    """How busy the server is: connections now, events since the last second."""

    connections: int
    received: int
    sent: int


class ServerEvents(Events):
    """What the server says."""

    rooms: Event[list[RoomSummary]] = Event(doc="All rooms there are.", names=("rooms",))
    people: Event[str, list[Person]] = Event(doc="Who is in a room.", names=("room", "people"))
    message: Event[Message, Picture | None] = Event(
        doc="Somebody has said or shown something.", names=("message", "picture")
    )
    activity: Event[str] = Event(doc="Something was said in another room.", names=("room",))
    typing: Event[str] = Event(doc="Somebody in the room types.", names=("name",))
    stats: Event[Stats] = Event(doc="Comes each second.", names=("stats",))
