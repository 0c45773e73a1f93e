"""How a NATS keeps events, known without nats-py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sockwave.adapters.driver import Capabilities
from sockwave.engine.core.option_checks import check_integer
from sockwave.engine.core.option_names import strict_options

__all__ = ["CAPABILITIES", "JetStream", "Keeping", "read_jetstream"]

CAPABILITIES: Final = Capabilities(
    has_strangers=True, echoes=True, mode="NatsAdapter(jetstream=True)"
)
"""All that is about sockets goes to all: a client that is lost may come back anywhere."""

DEFAULT_AGE: Final = 120.0
"""Seconds that events are kept where no connections are recovered, for servers that are cut off."""

SHORTEST_AGE: Final = 0.1
"""Seconds; NATS takes no less."""


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class JetStream:
    """How `NatsAdapter` keeps events in streams of NATS. They are made if they are missing; those
    that are there are only ever made larger, and keep their replicas and their storage.

    Attributes:
        max_bytes: Of all events that are kept; the oldest goes first. A quarter of it is added for
            lost clients. NATS sets as much aside.
        replicas: Servers of NATS that have a copy of each.
        storage: `"file"`, or `"memory"`, which a restart of NATS empties.
    """

    max_bytes: int = 256 * 1024 * 1024
    replicas: int = 1
    storage: Literal["file", "memory"] = "file"

    def __post_init__(self) -> None:
        check_integer("max_bytes", self.max_bytes, 1024)
        check_integer("replicas", self.replicas, 1, 5)
        if self.storage not in ("file", "memory"):
            raise ValueError(f"storage must be 'file' or 'memory', not {self.storage!r}")


def read_jetstream(option: bool | JetStream) -> JetStream | None:
    """The option `jetstream`; None where nothing is kept.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(option, JetStream):
        return option
    if not isinstance(option, bool):
        raise TypeError(f"jetstream must be True, False or JetStream, not {type(option).__name__}")
    return JetStream() if option else None


class Keeping:
    """For how long what is kept: as long as the namespaces that were made so far need it.

    Attributes:
        events: Seconds.
        sessions: Seconds; 0 where nobody is kept.
    """

    def __init__(self) -> None:
        self.events: float = DEFAULT_AGE
        self.sessions: float = 0.0

    def recovers(self, duration: float, grace: float) -> None:
        """A namespace recovers who was away for so long, and notices a loss so late."""
        self.sessions = max(self.sessions, duration, SHORTEST_AGE)
        self.events = max(self.events, duration + grace)
