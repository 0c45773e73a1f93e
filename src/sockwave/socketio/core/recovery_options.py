"""Options of connection state recovery."""

from __future__ import annotations

from dataclasses import dataclass

from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_bool,
    check_integer,
    check_number,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options

__all__ = ["Recovery"]


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Options of connection state recovery.

    Attributes:
        max_disconnection_duration: Seconds after the loss within which a client can come back.
        skip_middlewares: Let a recovered socket in without asking the middlewares, as the reference
            does; what they check may have changed while the client was away.
        max_packets: Events that each namespace keeps for clients that may come back; the oldest
            goes first, and who has missed it is not recovered.
        max_bytes: The same in bytes.
        max_sessions: Lost sockets that each namespace remembers; the oldest goes first.
    """

    max_disconnection_duration: float = 120.0
    skip_middlewares: bool = False
    max_packets: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    max_sessions: int = 100_000

    def __post_init__(self) -> None:
        duration = self.max_disconnection_duration
        check_number("max_disconnection_duration", duration, 0.001, MAX_TIMEOUT)
        # Hours may be meant here; the reference's documentation has 120,000, its two minutes.
        warn_of_milliseconds("max_disconnection_duration", duration, above=60_000.0)
        check_bool("skip_middlewares", self.skip_middlewares)
        for name in ("max_packets", "max_bytes", "max_sessions"):
            check_integer(name, getattr(self, name), 1)
