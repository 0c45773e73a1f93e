"""What went wrong while connecting, in words: the cause, and what to do about it.

The reference says `xhr poll error` for everything. That text stays in front, for those who look for
it; behind it stands what happened.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sockwave.errors import FailureCause, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.types import TransportName

__all__ = [
    "ADVICE",
    "POLL_ERROR",
    "POST_ERROR",
    "WEBSOCKET_ERROR",
    "WEBTRANSPORT_ERROR",
    "answered",
    "not_a_payload",
    "shown",
    "too_large",
]

POLL_ERROR: Final = "xhr poll error"
POST_ERROR: Final = "xhr post error"
WEBSOCKET_ERROR: Final = "websocket error"
WEBTRANSPORT_ERROR: Final = "webtransport error"
"""What the reference says, of whatever happened."""

SHOWN: Final = 100
"""Characters of an answer that go into a message."""

_OLD_PAYLOAD: Final = re.compile(rb"\d+:0\{|\x00[\x00-\x09]+\xff0\{")
"""How a polling answer of Engine.IO 3 begins: a length as text, or as bytes."""

ADVICE: Final[Mapping[FailureCause, str]] = {
    FailureCause.REFUSED: "does a server listen there?",
    FailureCause.UNREACHABLE: "is there a network, and no firewall in between?",
    FailureCause.NAME: "is the host of the URL spelt right?",
    FailureCause.CERTIFICATE: "give `ssl` a context that trusts its authority",
    FailureCause.TLS: "does this port speak TLS? without it the URL begins with http://",
    FailureCause.LOST: "does this port speak HTTP? with TLS the URL begins with https://",
    FailureCause.PROXY: "see the options `proxy` and `trust_env`",
    FailureCause.OLD_REVISION: "this client needs Socket.IO 3 or later there",
    FailureCause.NOT_SOCKETIO: "is the option `path` that of the server?",
    FailureCause.TOO_LARGE: "send less at once, or raise the server's limit (`max_payload`, in "
    "JavaScript `maxHttpBufferSize`)",
}

_STATUS_ADVICE: Final = {
    404: "nothing is served here: is the option `path` that of the server?",
    502: "a proxy does not reach the server",
    503: "a proxy does not reach the server, or that is overloaded",
    504: "a proxy does not reach the server",
}


def answered(
    message: str, transport: TransportName, status: int, headers: Mapping[str, str], body: str
) -> TransportError:
    """The answer was not the one that was asked for."""
    cause, advice = FailureCause.STATUS, _STATUS_ADVICE.get(status, "")
    details, location = f"HTTP status {status}", headers.get("Location")
    if 300 <= status < 400 and location is not None:
        cause = FailureCause.REDIRECT
        target, query, _ = location.partition("?")  # which may have secrets, and goes into logs
        details = f"{details}, a redirect to {shown(target + query)}"
        advice = "it is not followed: use that URL, if it is meant"
    elif status == 413:
        cause, advice = FailureCause.TOO_LARGE, ADVICE[FailureCause.TOO_LARGE]
    elif status == 407:
        cause, advice = FailureCause.PROXY, ADVICE[FailureCause.PROXY]
    elif "Session ID unknown" in body:
        advice = "several servers behind one address need sticky sessions"
    elif status == 200 and transport == "websocket":
        advice = "the path is not that of a server, or a proxy does not pass WebSockets on"
    if body.strip() and cause is FailureCause.STATUS:
        details = f"{details} {shown(body)}"
    return TransportError(
        message,
        transport=transport,
        status=status,
        body=body,
        cause=cause,
        details=details,
        advice=advice,
        location=location,
    )


def not_a_payload(message: str, body: bytes) -> TransportError:
    """A poll was answered with something else than packets."""
    if _OLD_PAYLOAD.match(body):
        cause = FailureCause.OLD_REVISION
        details = "the server speaks an older protocol, Engine.IO 3 (Socket.IO 1 or 2)"
    else:
        cause = FailureCause.NOT_SOCKETIO
        begin = shown(body[: SHOWN + 1].decode(errors="replace"))
        details = f"the answer is no Engine.IO payload, it begins with {begin}"
        if not body:
            details = "the answer is empty"
    return TransportError(
        message, transport="polling", cause=cause, details=details, advice=ADVICE[cause]
    )


def too_large(message: str, transport: TransportName, details: str) -> TransportError:
    """The server ended the connection over the size of a message."""
    cause = FailureCause.TOO_LARGE
    return TransportError(
        message, transport=transport, cause=cause, details=details, advice=ADVICE[cause]
    )


def shown(text: str) -> str:
    """Text of a peer for a line of a log: short, and without anything that a terminal obeys."""
    text = " ".join(text.split())
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
