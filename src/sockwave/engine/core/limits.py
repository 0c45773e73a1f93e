"""The options `limits` and `rate_limits`: what a peer may cost, at once and in a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_integer,
    check_number,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options

__all__ = ["Limits", "RateLimits"]

MAX_RATE: Final = 2.0**40
"""Per second: what no peer reaches."""


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may cost; each with the reason for its default in docs/differences.md.

    Attributes:
        head_bytes: Request line and headers together; past it 431.
        head_count: Headers of a request; past it 431.
        target_bytes: Request target; past it 414.
        head_timeout: Seconds from accept, or from the first byte of a later request, to the end of
            the head; then 408. On an encrypted port the TLS handshake has as long, and then the
            connection ends.
        body_timeout: Seconds from the head to the end of a body; then 408.
        keep_alive_timeout: Seconds an idle HTTP connection is kept.
        pipelined_requests: Requests read ahead on one connection before reading pauses.
        packets_per_post: Packets in one polling body; past it 413 and the session closes.
        process_backlog: Bytes queued for all sessions that cannot be written to; past it the one
            with the largest backlog closes.
        process_pending: Bytes of events of all sessions whose handlers run, or that wait for them,
            see `max_pending_bytes`; past it nothing is read from the sessions that hold the most.
        connections: TCP connections of the process; None stands for the limit of file descriptors
            less 64. Past it 503 with `Retry-After`.
    """

    head_bytes: int = 16 * 1024
    head_count: int = 100
    target_bytes: int = 8 * 1024
    head_timeout: float = 10.0
    body_timeout: float = 20.0
    keep_alive_timeout: float = 5.0
    pipelined_requests: int = 8
    packets_per_post: int = 65_536
    process_backlog: int | None = None
    process_pending: int | None = None
    connections: int | None = None

    def __post_init__(self) -> None:
        for name in ("head_timeout", "body_timeout", "keep_alive_timeout"):
            check_number(name, getattr(self, name), 0.001, MAX_TIMEOUT)
            warn_of_milliseconds(name, getattr(self, name))
        for name in (
            "head_bytes",
            "head_count",
            "target_bytes",
            "pipelined_requests",
            "packets_per_post",
        ):
            check_integer(name, getattr(self, name), 1)
        for name in ("process_backlog", "process_pending", "connections"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What a peer may do in a time; None, the default, sets no limit.

    A session that sends more closes with `rate limit exceeded`: on a WebSocket with the code 1008,
    on polling its POST is answered 429. A session or connection too many is refused with 429 and
    `Retry-After`. Each limit counts how often it acts in `engine.rate_limit_counts`.

    An address is that of `Request.client`, see `trusted_proxies`; of IPv6 it is the /64. All that
    come by a Unix socket have one address.

    Attributes:
        session_packets: Packets of one session per second: an event is one, each of its attachments
            is one, and so is a heartbeat.
        session_bytes: Bytes of these packets per second, after decompression.
        address_packets: Packets per second of all sessions of one address.
        address_bytes: Bytes per second of all sessions of one address.
        address_handshakes: New sessions that one address may ask for per second.
        address_sessions: Open sessions of one address.
        address_connections: Open TCP connections of one address, on the native listener; those of
            `trusted_proxies` are not counted. A polling client has two, and one more while it
            moves to a WebSocket.
        burst: How many seconds' worth of each rate may come at once, but at least one of what is
            counted. In any `t` seconds it lets through `rate * (burst + t)` at most. A message
            larger than fifteen sixteenths of `bytes * burst` never fits.
        max_addresses: Addresses known at a time, about 500 bytes each. Past it the one that has
            been quiet for longest is forgotten; where none is quiet, new ones share one budget.
    """

    session_packets: float | None = None
    session_bytes: float | None = None
    address_packets: float | None = None
    address_bytes: float | None = None
    address_handshakes: float | None = None
    address_sessions: int | None = None
    address_connections: int | None = None
    burst: float = 5.0
    max_addresses: int = 100_000

    def __post_init__(self) -> None:
        for name in (
            "session_packets",
            "session_bytes",
            "address_packets",
            "address_bytes",
            "address_handshakes",
        ):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0.001, MAX_RATE)
        for name in ("address_sessions", "address_connections"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        check_number("burst", self.burst, 0.001, MAX_TIMEOUT)
        check_integer("max_addresses", self.max_addresses, 1)
