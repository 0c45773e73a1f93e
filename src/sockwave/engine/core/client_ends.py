"""Why a client's session has ended, as an error that says what may be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.errors import FailureCause, SockwaveError, TransportError

if TYPE_CHECKING:
    from sockwave.codec.engineio import Handshake

__all__ = ["closed_by_server", "ping_timeout", "too_large"]


def closed_by_server() -> TransportError:
    """The server has said goodbye."""
    return TransportError("transport closed by the server", cause=FailureCause.CLOSED)


def too_large(error: SockwaveError | None, size: int, limit: int) -> TransportError:
    """Name the likely cause: what the server itself says, if anything, depends on the transport."""
    known = error if isinstance(error, TransportError) else TransportError(str(error or "closed"))
    failure = TransportError(
        known.message,
        transport=known.transport,
        status=known.status,
        body=known.body,
        cause=FailureCause.TOO_LARGE,
        details=f"after a message of {size} bytes, where the server takes at most {limit}",
        advice="send less at once, or raise the server's limit (`max_payload`, in JavaScript "
        "`maxHttpBufferSize`)",
    )
    failure.__cause__ = error
    return failure


def ping_timeout(handshake: Handshake | None) -> TransportError:
    """The server shows no life."""
    wait = handshake.ping_interval + handshake.ping_timeout if handshake is not None else 0.0
    return TransportError(
        "ping timeout",
        cause=FailureCause.PING_TIMEOUT,
        details=f"no heartbeat of the server within {wait:g} s",
        advice="is the network gone, the server stopped, or one of the two event loops blocked?",
    )
