"""The options of a server as keywords, in the forms a user may write them.

What stands under each is the text of the dataclass, for editors; `python -m scripts.option_docs`
writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.engine.core.keywords import EngineOptionsDict

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from sockwave.socketio.core.adapter import Adapter
    from sockwave.socketio.core.order import Order
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.core.record_options import ConnectionRecords
    from sockwave.socketio.core.recovery import Recovery
    from sockwave.socketio.core.recovery_contract import RecoveringHost
    from sockwave.socketio.server.checking import Validate
    from sockwave.socketio.server.health_values import HealthOptions

__all__ = ["ServerOptionsDict"]


class ServerOptionsDict(EngineOptionsDict, total=False):
    """The keywords of `Server`: those of the engine and of `ServerOptions`."""

    connect_timeout: float
    """Seconds within which a connection must have joined a namespace. Default: `45.0`."""

    ack_timeout: float
    """Seconds to wait for an acknowledgement where no other time is given. Default: `60.0`."""

    serve_client: bool
    """Serve the JavaScript client under the path (`/socket.io/socket.io.js`). Default: `True`."""

    max_attachments: int
    """Binary parts of one packet from a client, 10 as in the reference; their sum may be as many
    times `max_payload`. Default: `10`."""

    max_depth: int
    """Nesting of a packet's JSON. Default: `128`."""

    max_namespaces: int
    """Namespaces that one connection may join. Default: `100`."""

    max_connect_bytes: int
    """Bytes of a CONNECT packet, the client's `auth` included; a larger one is refused with
    CONNECT_ERROR. Default: `65_536`."""

    max_pending_connects: int
    """Namespaces of one connection that may wait for middlewares at a time. Default: `8`."""

    max_pending_acks: int
    """Acknowledgements that one socket may owe; past it `emit` raises. Default: `10_000`."""

    max_pending_handlers: int
    """Handlers of one connection that may run at a time; past it events wait, in order, while
    acknowledgements and heartbeats are taken. Default: `1_000`."""

    max_pending_bytes: int
    """Bytes of events of one connection that wait, together with those whose handlers run: of these
    up to half of it. Past it nothing is read from that client until handlers end, acknowledgements
    included, and the log says so. For all connections together there is `Limits.process_pending`.
    Default: `16_777_216`."""

    allow_sid_rooms: bool
    """Let a socket join the room of another one's id, and get what is meant for it alone. Default:
    `False`."""

    connection_state_recovery: bool | Recovery
    """Let clients that come back after a short loss go on where they were: True, or a `Recovery`
    with its options. Default: `False`."""

    cleanup_empty_child_namespaces: bool
    """Remove a namespace that a parent namespace has made when its last socket has left. False
    keeps them all: then clients decide how many there are, so the parent's pattern should fit few
    names. Default: `True`."""

    order: Order | None
    """How handlers run beside each other, see `Order`; None lets each `async def` handler run from
    when its event comes. Default: `None`."""

    handler_threads: int
    """Handlers with `thread=True` that run at a time, of all clients together; past it they wait.
    Default: `32`."""

    parser: Parser | None
    """How packets are encoded; None is JSON, as clients have it unless told otherwise. Default:
    `None`."""

    adapter: Callable[[RecoveringHost], Adapter] | None
    """Class or function that makes the adapter of each namespace, called with it; None is the one
    in memory. With connection state recovery it must offer that. Default: `None`."""

    relay: bool
    """Have requests of polling clients, and their WebSockets, that come to another machine than
    that of their session answered there, over the carrier of the adapter. Then a balancer need not
    keep clients where they are. Not every adapter can do that. Default: `False`."""

    validate: Validate
    """Check the arguments of events by the annotations of their handlers, before these run. `"lax"`
    is less strict: `"5"` is an `int`. False leaves the annotations alone. Default: `True`."""

    validation_event: str | None
    """Name of the event by which a client hears that one of its own was not admitted, where it has
    not asked for an acknowledgement; None tells it nothing. Default: `"error"`."""

    development: bool
    """Check, too, what handlers return: what does not fit is an error of the handler. `sockwave run
    --reload` turns it on. Default: `False`."""

    docs: bool | None
    """Serve a page under the path (`/socket.io/docs`) that shows namespaces and events with their
    types, and sends and hears them; for everybody who reaches the server. None is as `development`.
    Default: `None`."""

    health: str | HealthOptions | None
    """Path at which the server says whether it is well, such as `/health`, which has `/health/live`
    and `/health/ready`; or `HealthOptions`. None answers nowhere. Default: `None`."""

    connection_records: int | ConnectionRecords
    """Keep records of so many connections that have ended, for `io.connections` and `sockwave why`;
    or a `ConnectionRecords` with its options. 0: none. Default: `0`."""

    inspect: str | PathLike[str] | None
    """Directory in which each process has a Unix socket that answers `sockwave why`. It is made if
    there is none, and must be closed to other users (mode 0700). None: nobody is answered. Default:
    `None`."""
