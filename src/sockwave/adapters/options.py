"""Options of a cluster, the same for every carrier."""

from __future__ import annotations

from dataclasses import dataclass

from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_integer,
    check_number,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options

__all__ = ["ClusterOptions"]


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Options of a cluster; all its members should have the same times.

    Attributes:
        heartbeat_interval: Seconds between two signs of life of each process.
        heartbeat_timeout: Seconds of silence after which a process counts as gone; it is back with
            its next message. Time in which this process hears nothing at all, as the carrier is
            away, does not count.
        max_members: Processes that are kept account of. When there are so many everything goes to
            all, and those beyond are heard, but not waited for.
        max_pending: Questions to others that may be open at a time, in each namespace, and as many
            of others to this process; past it the own ones raise, and those of others get no
            answer.
        max_announced_rooms: Rooms that are told to the others by name. Above it they get a summary
            of at most 128 KiB, which lets a few messages through that nobody here wants.
    """

    heartbeat_interval: float = 5.0
    heartbeat_timeout: float = 10.0
    max_members: int = 1_000
    max_pending: int = 10_000
    max_announced_rooms: int = 4_096

    def __post_init__(self) -> None:
        for name in ("heartbeat_interval", "heartbeat_timeout"):
            check_number(name, getattr(self, name), 0.001, MAX_TIMEOUT)
            warn_of_milliseconds(name, getattr(self, name))
        if self.heartbeat_timeout <= self.heartbeat_interval:
            raise ValueError("heartbeat_timeout must be longer than heartbeat_interval")
        for name in ("max_members", "max_pending"):
            check_integer(name, getattr(self, name), 1)
        check_integer("max_announced_rooms", self.max_announced_rooms, 0, 65_536)
