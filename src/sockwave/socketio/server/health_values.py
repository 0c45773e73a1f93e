"""A server's health, and the options of the answers about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_bool,
    check_integer,
    check_number,
    check_text,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options

__all__ = ["Health", "HealthOptions", "HealthReason", "health_options"]

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReason:
    """Why a server is not well.

    Attributes:
        name: `starting`, `draining`, `cluster`, `loop_lag`, `connections`, `descriptors` or
            `stuck`.
        text: A sentence for people, without a name or an address of anybody.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a server is, as it was when somebody asked.

    Attributes:
        live: Whether it works; if not, start it anew.
        ready: Whether it should get new clients.
        reasons: Why it is not ready, or not live; empty when all is well.
        sessions: Clients that it has.
        connections: TCP connections on its own ports; 0 where an ASGI server has the port.
        max_connections: How many of them it takes.
        backlog: Bytes that are held for clients that are slow to take them.
        nodes: Processes that serve together, this one included.
        loop_lag: Seconds that the event loop was late at the last look; None before there was one.
    """

    live: bool
    ready: bool
    reasons: tuple[HealthReason, ...]
    sessions: int
    connections: int
    max_connections: int
    backlog: int
    nodes: int
    loop_lag: float | None


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """Where a server says whether it is well, and what that takes.

    Attributes:
        path: Where it answers, on the port of the server: `/health` has `/health/live` and
            `/health/ready`. None answers nowhere.
        max_loop_lag: Seconds that the event loop may be late; a server that is later three times
            in a row is not ready. One long handler does not make it so.
        max_connections: Share of the connections that the process takes (`Limits.connections`)
            past which it is not ready.
        spare_descriptors: File descriptors that must be free; with fewer it is not ready.
        stuck_after: Seconds without a turn of the event loop after which it is not live. Only
            another thread can see that.
        needs_cluster: Whether a server that does not hear the others is not ready. False keeps all
            of them ready while their carrier is away: each serves the clients that it has.
    """

    path: str | None = "/health"
    max_loop_lag: float = 1.0
    max_connections: float = 0.95
    spare_descriptors: int = 16
    stuck_after: float = 60.0
    needs_cluster: bool = True

    def __post_init__(self) -> None:
        if self.path is not None:
            check_text("path", self.path)
            if not _PATH.fullmatch(self.path):
                raise ValueError(
                    f"path must be like /health, without a slash at its end, not {self.path!r}"
                )
        check_number("max_loop_lag", self.max_loop_lag, 0.001, MAX_TIMEOUT)
        warn_of_milliseconds("max_loop_lag", self.max_loop_lag, above=60.0)
        check_number("max_connections", self.max_connections, 0.01, 1.0)
        check_integer("spare_descriptors", self.spare_descriptors, 0, 1_000)
        check_number("stuck_after", self.stuck_after, 2.0, MAX_TIMEOUT)
        check_bool("needs_cluster", self.needs_cluster)


def health_options(given: str | HealthOptions | None) -> HealthOptions | None:
    """Read the option `health`, which may be a path alone.

    Raises:
        TypeError, ValueError: It names the option.
    """
    if given is None or isinstance(given, HealthOptions):
        return given
    if not isinstance(given, str):
        raise TypeError(f"health must be a path, HealthOptions or None, not {type(given).__name__}")
    try:
        return HealthOptions(path=given)
    except ValueError as error:
        raise ValueError(f"health: {error}") from None
