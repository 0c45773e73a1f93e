"""What a benchmark does, as it goes from the command to its processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["First", "Plan", "fill", "has"]

_Values = list[Any]


@dataclass(frozen=True, slots=True)
class First:
    """An event that each client sends once it is in, before the load begins.

    Attributes:
        event: Its name.
        args: JSON values, with places to fill in.
        wants_ack: Whether the client waits for the acknowledgement.
    """

    event: str
    args: _Values
    wants_ack: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole benchmark; each process does its part of it.

    Attributes:
        url: Of the server, with the namespace as its path.
        options: Keywords of `sockwave.connect`; texts in `auth` have places to fill in.
        connections: Of all processes together.
        rate: Connections opened in a second, of all processes together.
        duration: Seconds of load, once all are there.
        event: What clients emit; None: they only stay.
        args: Its arguments, JSON values with places to fill in.
        every: Seconds between two events of a client; 0: the next as soon as one is acknowledged.
        senders: How many of the connections emit.
        ack: Whether the server acknowledges the event.
        hear: Event by which the server passes it on; None: nothing is listened to.
        first: What each client sends before.
        rooms: How many numbers `{room}` stands for.
        timeout: Seconds that a connection or an acknowledgement may take.
        processes: How many generate the load.
        run: Tells stamps of this benchmark from others.
    """

    url: str
    options: dict[str, Any]
    connections: int
    rate: float
    duration: float
    event: str | None
    args: _Values
    every: float
    senders: int
    ack: bool
    hear: str | None
    first: list[First]
    rooms: int
    timeout: float
    processes: int
    run: str

    def encode(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str) -> Plan:
        """Read what `encode` has written."""
        fields = json.loads(line)
        fields["first"] = [First(**first) for first in fields["first"]]
        return cls(**fields)


def fill(value: Any, places: dict[str, str]) -> Any:
    """The value with `{name}` replaced in all its texts, keys of objects excepted."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, list):
        return [fill(each, places) for each in value]
    if isinstance(value, dict):
        return {key: fill(each, places) for key, each in value.items()}
    return value


def has(value: Any, place: str) -> bool:
    """Whether a text in the value has `{place}`."""
    mark = f"\0{place}"
    return bool(fill(value, {place: mark}) != value)
