"""Whether a request is let in, and what it is told if not (docs/protocol/requests.md#checks)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import orjson

from sockwave.engine.server.rules.cors import is_origin_allowed, is_referer_allowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.engine.core.cors import Cors
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.server.sessions.session import ServerSession

__all__ = [
    "ErrorCode",
    "HandshakeFailure",
    "Refused",
    "error_body",
    "refused_by_shutdown",
    "revision",
    "verify",
    "verify_webtransport",
]

RESTART: Final = 5
"""Seconds after which another process may be there for a client that was refused."""

_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class ErrorCode(IntEnum):
    """Why a request was refused (docs/protocol/requests.md#refusals)."""

    UNKNOWN_TRANSPORT = 0
    UNKNOWN_SID = 1
    BAD_HANDSHAKE_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL_VERSION = 5
    RATE_LIMIT_EXCEEDED = 429
    SERVER_SHUTTING_DOWN = 503
    """Not of the reference, so it is what HTTP calls it: no number of its can ever be this one."""

    @property
    def status(self) -> int:
        """Of the HTTP response."""
        return self.value if self.value >= 400 else 403 if self is ErrorCode.FORBIDDEN else 400

    @property
    def message(self) -> str:
        """The reference's text."""
        return _MESSAGES[self]


_MESSAGES: Final = {
    ErrorCode.UNKNOWN_TRANSPORT: "Transport unknown",
    ErrorCode.UNKNOWN_SID: "Session ID unknown",
    ErrorCode.BAD_HANDSHAKE_METHOD: "Bad handshake method",
    ErrorCode.BAD_REQUEST: "Bad request",
    ErrorCode.FORBIDDEN: "Forbidden",
    ErrorCode.UNSUPPORTED_PROTOCOL_VERSION: "Unsupported protocol version",
    ErrorCode.RATE_LIMIT_EXCEEDED: "Rate limit exceeded",
    ErrorCode.SERVER_SHUTTING_DOWN: "Server shutting down",
}


def error_body(code: ErrorCode, message: str | None = None) -> bytes:
    """What a client that polls is told."""
    return orjson.dumps({"code": int(code), "message": message or code.message})


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """What handlers of the engine's `connection_error` event get.

    Attributes:
        request: The one that was refused.
        code: See `ErrorCode`.
        message: The default text of the code.
        context: Details, as in the reference: `{"name": "TRANSPORT_MISMATCH", ...}`.
    """

    request: Request
    code: ErrorCode
    message: str
    context: Mapping[str, Any]


class Refused(Exception):  # an answer, not a failure of ours
    """A request is refused.

    Attributes:
        code: Tells the client why.
        context: Tells the application more.
        retry_after: Seconds after which the client may succeed, where that is known.
        why: More for the log.
    """

    def __init__(
        self,
        code: ErrorCode,
        context: Mapping[str, Any],
        *,
        retry_after: int | None = None,
        why: str = "",
    ) -> None:
        super().__init__(code.message)
        self.code = code
        self.context = context
        self.retry_after = retry_after
        self.why = why


def refused_by_shutdown() -> Refused:
    """No new sessions: the server stops."""
    return Refused(ErrorCode.SERVER_SHUTTING_DOWN, {}, retry_after=RESTART)


def verify(
    request: Request,
    sessions: Mapping[str, ServerSession],
    options: EngineOptions,
    *,
    is_upgrade: bool,
) -> ServerSession | None:
    """Check what can be checked at once, in the order of the reference.

    Returns:
        The session that the request belongs to; None when it asks for a new one.

    Raises:
        Refused: With the answer that is due.
    """
    query = request.query
    transport = query.get("transport", "")
    if transport not in options.transports or transport == "webtransport":
        raise Refused(ErrorCode.UNKNOWN_TRANSPORT, {"transport": transport})
    if request.field(b"origin") is not None:
        _verify_origin(request, options.cors, is_upgrade=is_upgrade)
    sid = query.get("sid")
    if sid:
        session = sessions.get(sid)
        if session is not None and session.is_over_by_now():
            session = None
        return _verify_session(session, sid, transport, revision(query), is_upgrade=is_upgrade)
    if request.method != "GET":
        raise Refused(ErrorCode.BAD_HANDSHAKE_METHOD, {"method": request.method})
    if (transport == "websocket") is not is_upgrade:
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})
    if options.allow_eio3 and not is_upgrade and "j" in query:
        _verify_jsonp(request, options.cors)
    return None


def verify_webtransport(request: Request, options: EngineOptions, *, by_http: bool) -> None:
    """Check what can be checked before the first packet says what the client wants.

    Args:
        by_http: Whether the server's own pages may have come by plain HTTP.

    Raises:
        Refused: With the answer that is due.
    """
    if "webtransport" not in options.transports:
        raise Refused(ErrorCode.UNKNOWN_TRANSPORT, {"transport": "webtransport"})
    if request.field(b"origin") is not None:
        _verify_origin(request, options.cors, is_upgrade=True, by_http=by_http)


def revision(query: Mapping[str, str]) -> int:
    """Of Engine.IO; whatever is not 4 is 3 (docs/protocol/README.md#revisions)."""
    return 4 if query.get("EIO") == "4" else 3


_JSONP_INDEX: Final = re.compile(r"[0-9]{1,9}")


def _verify_jsonp(request: Request, cors: Cors | None) -> None:
    """Let no page read a session by a script that could not read it otherwise.

    Such a request has no `Origin`. Browsers that are not too old to be helped say whether the page
    is of another site, and mostly of which.
    """
    if not _JSONP_INDEX.fullmatch(request.query["j"]):
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "INVALID_JSONP_INDEX"})
    if request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return
    page = request.headers.get("referer", "")
    if cors is None or not is_referer_allowed(cors, page):
        raise Refused(ErrorCode.FORBIDDEN, {"name": "FOREIGN_ORIGIN", "origin": page})


def _verify_origin(
    request: Request, cors: Cors | None, *, is_upgrade: bool, by_http: bool = False
) -> None:
    origin = request.headers["origin"]
    if not _HEADER_VALUE.fullmatch(origin):
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "INVALID_ORIGIN", "origin": origin})
    if is_upgrade and not is_origin_allowed(cors, request, by_http=by_http):
        raise Refused(ErrorCode.FORBIDDEN, {"name": "FOREIGN_ORIGIN", "origin": origin})


def _verify_session(
    session: ServerSession | None,
    sid: str,
    transport: str,
    protocol: int,
    *,
    is_upgrade: bool,
) -> ServerSession:
    if session is None:
        raise Refused(ErrorCode.UNKNOWN_SID, {"sid": sid})
    previous = session.transport.name
    if not is_upgrade and transport != previous:
        raise Refused(
            ErrorCode.BAD_REQUEST,
            {
                "name": "TRANSPORT_MISMATCH",
                "transport": transport,
                "previousTransport": previous,
            },
        )
    if (transport == "websocket") is not is_upgrade:
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})
    if protocol != session.protocol:
        raise Refused(
            ErrorCode.BAD_REQUEST,
            {
                "name": "PROTOCOL_MISMATCH",
                "protocol": protocol,
                "previousProtocol": session.protocol,
            },
        )
    return session
