"""Options of a Socket.IO server beyond those of its engine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING

from sockwave.codec.json import MAX_DEPTH
from sockwave.codec.socketio import DEFAULT_MAX_ATTACHMENTS
from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_bool,
    check_integer,
    check_number,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options
from sockwave.socketio.core.order import Order, check_order
from sockwave.socketio.core.outgoing import check_event_name
from sockwave.socketio.core.record_options import ConnectionRecords, record_options
from sockwave.socketio.core.recovery import Recovery
from sockwave.socketio.server.checking import Validate, check_validate
from sockwave.socketio.server.health_values import HealthOptions, health_options
from sockwave.socketio.server.owned import check_made

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.adapter import Adapter
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.core.recovery_contract import RecoveringHost

__all__ = ["ServerOptions"]


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Socket.IO's own options.

    Attributes:
        connect_timeout: Seconds within which a connection must have joined a namespace.
        ack_timeout: Seconds to wait for an acknowledgement where no other time is given.
        serve_client: Serve the JavaScript client under the path (`/socket.io/socket.io.js`).
        max_attachments: Binary parts of one packet from a client, 10 as in the reference; their
            sum may be as many times `max_payload`.
        max_depth: Nesting of a packet's JSON.
        max_namespaces: Namespaces that one connection may join.
        max_connect_bytes: Bytes of a CONNECT packet, the client's `auth` included; a larger one is
            refused with CONNECT_ERROR.
        max_pending_connects: Namespaces of one connection that may wait for middlewares at a time.
        max_pending_acks: Acknowledgements that one socket may owe; past it `emit` raises.
        max_pending_handlers: Handlers of one connection that may run at a time; past it events
            wait, in order, while acknowledgements and heartbeats are taken.
        max_pending_bytes: Bytes of events of one connection that wait, together with those whose
            handlers run: of these up to half of it. Past it nothing is read from that client until
            handlers end, acknowledgements included, and the log says so. For all connections
            together there is `Limits.process_pending`.
        allow_sid_rooms: Let a socket join the room of another one's id, and get what is meant for
            it alone.
        connection_state_recovery: Let clients that come back after a short loss go on where they
            were: True, or a `Recovery` with its options.
        cleanup_empty_child_namespaces: Remove a namespace that a parent namespace has made when its
            last socket has left. False keeps them all: then clients decide how many there are, so
            the parent's pattern should fit few names.
        order: How handlers run beside each other, see `Order`; None lets each `async def` handler
            run from when its event comes.
        handler_threads: Handlers with `thread=True` that run at a time, of all clients together;
            past it they wait.
        parser: How packets are encoded; None is JSON, as clients have it unless told otherwise.
        adapter: Class or function that makes the adapter of each namespace, called with it; None
            is the one in memory. With connection state recovery it must offer that.
        relay: Have requests of polling clients, and their WebSockets, that come to another machine
            than that of their session answered there, over the carrier of the adapter. Then a
            balancer need not keep clients where they are. Not every adapter can do that.
        validate: Check the arguments of events by the annotations of their handlers, before these
            run. `"lax"` is less strict: `"5"` is an `int`. False leaves the annotations alone.
        validation_event: Name of the event by which a client hears that one of its own was not
            admitted, where it has not asked for an acknowledgement; None tells it nothing.
        development: Check, too, what handlers return: what does not fit is an error of the handler.
            `sockwave run --reload` turns it on.
        docs: Serve a page under the path (`/socket.io/docs`) that shows namespaces and events with
            their types, and sends and hears them; for everybody who reaches the server. None is
            as `development`.
        health: Path at which the server says whether it is well, such as `/health`, which has
            `/health/live` and `/health/ready`; or `HealthOptions`. None answers nowhere.
        connection_records: Keep records of so many connections that have ended, for
            `io.connections` and `sockwave why`; or a `ConnectionRecords` with its options. 0: none.
        inspect: Directory in which each process has a Unix socket that answers `sockwave why`. It
            is made if there is none, and must be closed to other users (mode 0700). None: nobody is
            answered.
    """

    connect_timeout: float = 45.0
    ack_timeout: float = 60.0
    serve_client: bool = True
    max_attachments: int = DEFAULT_MAX_ATTACHMENTS
    max_depth: int = MAX_DEPTH
    max_namespaces: int = 100
    max_connect_bytes: int = 65_536
    max_pending_connects: int = 8
    max_pending_acks: int = 10_000
    max_pending_handlers: int = 1_000
    max_pending_bytes: int = 16 * 1024 * 1024
    allow_sid_rooms: bool = False
    connection_state_recovery: bool | Recovery = False
    cleanup_empty_child_namespaces: bool = True
    order: Order | None = None
    handler_threads: int = 32
    parser: Parser | None = None
    adapter: Callable[[RecoveringHost], Adapter] | None = None
    relay: bool = False
    validate: Validate = True
    validation_event: str | None = "error"
    development: bool = False
    docs: bool | None = None
    health: str | HealthOptions | None = None
    connection_records: int | ConnectionRecords = 0
    inspect: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "ack_timeout"):
            check_number(name, getattr(self, name), 0.001, MAX_TIMEOUT)
            warn_of_milliseconds(name, getattr(self, name))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("max_"):
                check_integer(field.name, value, 1)
            elif isinstance(field.default, bool):
                is_recovery = field.name == "connection_state_recovery"
                is_other = field.name == "validate" or (is_recovery and isinstance(value, Recovery))
                if not is_other:
                    check_bool(field.name, value)
        check_integer("max_depth", self.max_depth, 1, 250)
        check_integer("handler_threads", self.handler_threads, 1, 10_000)
        check_order(self.order)
        record_options(self.connection_records)  # checks it
        if not isinstance(self.inspect, str | PathLike | None):
            raise TypeError(f"inspect must be the path of a directory, not {self.inspect!r}")
        if self.inspect is not None and not self.connection_records:
            raise ValueError("inspect: there is nothing to tell without connection_records")
        check_validate(self.validate)
        if self.docs is not None:
            check_bool("docs", self.docs)
        if self.validation_event is not None:
            check_event_name(self.validation_event)
        check_made(self.adapter)
        object.__setattr__(self, "health", health_options(self.health))
        for method in ("encode", "decoder"):
            if self.parser is not None and not callable(getattr(self.parser, method, None)):
                raise TypeError(f"parser has no method {method!r}: {self.parser!r}")

    @property
    def records(self) -> ConnectionRecords | None:
        """Options of the records of connections; None while there are none."""
        return record_options(self.connection_records)

    @property
    def recovery(self) -> Recovery | None:
        """Options of connection state recovery; None while it is off."""
        given = self.connection_state_recovery
        if isinstance(given, Recovery):
            return given
        return Recovery() if given else None
