"""The options of a client as keywords, in the forms a user may write them.

What stands under each is the text of the dataclass, for editors; `python -m scripts.option_docs`
writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from sockwave.engine.client.keywords import ClientEngineOptionsDict

if TYPE_CHECKING:
    from sockwave.socketio.client.options import Auth
    from sockwave.socketio.core.parser import Parser

__all__ = ["ConnectOptionsDict", "ManagerOptionsDict", "SocketOptionsDict"]


class ManagerOptionsDict(ClientEngineOptionsDict, total=False):
    """The keywords of `Manager`: those of the engine and of `ManagerOptions`."""

    reconnection: bool
    """Connect again after a loss, and after a first attempt that failed. Default: `True`."""

    reconnection_attempts: int | None
    """Attempts after a loss before it gives up; None or 0: for ever. Default: `None`."""

    reconnection_delay: float
    """Seconds before the first of them; it doubles with each. Default: `1.0`."""

    reconnection_delay_max: float
    """Seconds; the longest delay. Default: `5.0`."""

    randomization_factor: float
    """How far a delay may deviate, as a part of it, 0 to 1; it keeps many clients from coming back
    in the same moment. Default: `0.5`."""

    auto_connect: bool
    """Connect as soon as there is a socket; else at `socket.connect()`. Default: `True`."""

    max_attachments: int
    """Binary parts of one packet from the server, 10 as in the reference; their sum may be as many
    times `max_payload`. Default: `10`."""

    max_depth: int
    """Nesting of a packet's JSON. Default: `128`."""

    max_pending_handlers: int
    """`async def` handlers that may run at a time; past it events wait, in order, while
    acknowledgements and heartbeats are taken. Default: `1_000`."""

    max_pending_bytes: int
    """Bytes of events that wait, together with those whose handlers run: of these up to half of it.
    Past it nothing is read from the server until handlers end, acknowledgements included, and the
    log says so. Default: `67_108_864`."""

    parser: Parser | None
    """How packets are encoded, the same as the server's; None is JSON. Default: `None`."""


class SocketOptionsDict(TypedDict, total=False):
    """The keywords of `Manager.socket`."""

    auth: Auth | None
    """What the socket tells the server when it joins its namespace: a mapping, or a function that
    is asked at each connection and reconnection; it may be `async def`. Default: `None`."""

    ack_timeout: float | None
    """Seconds to wait for an acknowledgement where no other time is given; callbacks then get
    (error, *args), as in the reference. None: until the connection is lost. Default: `None`."""

    retries: int
    """Send each event again this often until it is acknowledged; needs `ack_timeout`. Default:
    `0`."""

    send_buffer_limit: int
    """Events kept while not connected; past it `emit` raises. Default: `10_000`."""

    max_pending_acks: int
    """Acknowledgements that may be outstanding; past it `emit` raises. Default: `100_000`."""


class ConnectOptionsDict(ManagerOptionsDict, SocketOptionsDict, total=False):
    """The keywords of `connect`."""
