"""What happened in a run, as one list: who did what, in the order in which it was seen."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Event", "History", "Op"]

Op: TypeAlias = Literal[
    # seen by the server
    "connect",
    "disconnect",
    "join",
    "leave",
    "emit",
    "handle",
    "late",
    "opened",
    "upgraded",
    "closed",
    "denied",
    "refused",
    # seen by a client
    "connected",
    "disconnected",
    "deliver",
    "say",
    "ask",
    "answered",
    "unanswered",
    # done by the test
    "fault",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        op: See `Op`. A server emits and a client gets it delivered; a client says or asks and the
            server handles it. `late` is that attachments did not come in time, on a stalled wire.
            Sessions are opened, upgraded and closed, requests for one denied; sockets are refused.
        t: Seconds on the clock of the machine.
        node: The server it happened on; empty at a client.
        sid: Of the socket.
        id: Of what was emitted, said or asked; unique in the run.
        answer: The id that came back in an acknowledgement.
        rooms: Joined or left, or emitted to; none means everybody. On `connect`, all of the socket.
        excluded: Rooms that an emit left out.
        digest: Of everything that the packet carries, attachments included.
        recovered: Of `connect` and `connected`.
        detail: Reason of an end, or kind of fault.
        event: Name of what was emitted or handled, where a run has several.
        transport: Of a session.
        size: Bytes of the packet, where a run counts them.
    """

    op: Op
    t: float = 0.0
    node: str = ""
    sid: str = ""
    id: str = ""
    answer: str = ""
    rooms: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    digest: str = ""
    recovered: bool = False
    detail: str = ""
    event: str = ""
    transport: str = ""
    size: int = 0


@dataclass
class History:
    """Events in the order in which they were seen by one machine."""

    events: list[Event] = field(default_factory=list)

    def add(self, op: Op, **fields: Any) -> None:
        """Note an event, with the present time."""
        self.events.append(Event(op, t=time.monotonic(), **fields))

    def to_lines(self) -> str:
        """JSON, an event a line, without what is empty."""
        return "".join(
            json.dumps({name: value for name, value in asdict(event).items() if value}) + "\n"
            for event in self.events
        )

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> History:
        """Read what `to_lines` wrote."""
        events = []
        for line in lines:
            fields = json.loads(line)
            for name in ("rooms", "excluded"):
                fields[name] = tuple(fields.get(name, ()))
            events.append(Event(**fields))
        return cls(events)
