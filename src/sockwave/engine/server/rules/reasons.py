"""Why a request was refused, in words for the log: what was compared, and what would change it.

Called only for a line that is written, so that a flood of refusals costs nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.debug import masked
from sockwave.engine.server.peer_log import quoted
from sockwave.engine.server.rules.verification import ErrorCode

if TYPE_CHECKING:
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.server.rules.verification import Refused

__all__ = ["reason_of", "words_for_end"]

_MAX_OPTION: Final = 100


def reason_of(refused: Refused, request: Request, options: EngineOptions) -> str:
    """Say it in one sentence."""
    context = refused.context
    match refused.code:
        case ErrorCode.UNKNOWN_TRANSPORT:
            served = ", ".join(sorted(options.transports))
            if context["transport"] in options.transports:
                return "WebTransport begins with a request of HTTP/3, and this one is of HTTP/1"
            return f"transport={quoted(context['transport'])} is not in transports=[{served}]"
        case ErrorCode.UNKNOWN_SID:
            return (
                f"no session {masked(quoted(context['sid'])[1:-1])} in this process: it has ended,"
                " or belongs to another process; sessions live in one (see Workers)"
            )
        case ErrorCode.BAD_HANDSHAKE_METHOD:
            return f"a session begins with GET, not {quoted(context['method'])}"
        case ErrorCode.UNSUPPORTED_PROTOCOL_VERSION:
            eio = quoted(request.query.get("EIO", ""))
            return f"EIO={eio} is not 4: clients of Engine.IO 3 need allow_eio3=True"
        case ErrorCode.RATE_LIMIT_EXCEEDED:
            name = context["name"].lower()
            return f"rate_limits.{name}={getattr(options.rate_limits, name, None)}"
        case ErrorCode.SERVER_SHUTTING_DOWN:
            return "this server stops"
        case ErrorCode.FORBIDDEN:
            return _forbidden(refused, request, options)
        case ErrorCode.BAD_REQUEST:
            return _bad_request(refused, request)


def _forbidden(refused: Refused, request: Request, options: EngineOptions) -> str:
    host = quoted(request.headers.get("host", ""))
    name = refused.context.get("name")
    if name == "FOREIGN_HOST":
        allowed = _cut(f"allowed_hosts={list(options.allowed_hosts or ())}")
        return f"Host {host} is not in {allowed}"
    if name == "FOREIGN_ORIGIN":
        what = "Referer" if "j" in request.query else "Origin"
        origin = quoted(refused.context["origin"])
        if options.cors is not None:
            return f"{what} {origin} is not in {_cut(str(options.cors))}"
        scheme = "https" if request.is_secure else "http or https"
        return (
            f"{what} {origin} is not the server's own, {scheme} and Host {host}, and there is no"
            " option cors that names it"
        )
    return f"allow_request says {quoted(refused.context.get('message', ''))}"


def _bad_request(refused: Refused, request: Request) -> str:
    context = refused.context
    match context.get("name"):
        case "TRANSPORT_HANDSHAKE_ERROR":
            if request.query.get("transport") == "websocket":
                return (
                    "transport=websocket without an upgrade to WebSocket; does a proxy drop the"
                    " headers Upgrade and Connection?"
                )
            return "an upgrade to WebSocket with another transport in its query"
        case "TRANSPORT_MISMATCH":
            previous = context["previousTransport"]
            return f"transport={quoted(context['transport'])} for a session that is on {previous}"
        case "PROTOCOL_MISMATCH":
            begun = context["previousProtocol"]
            return f"EIO={context['protocol']} for a session that began with EIO={begun}"
        case "INVALID_ORIGIN":
            return f"Origin {quoted(context['origin'])} has characters that none can have"
        case "INVALID_JSONP_INDEX":
            return f"j={quoted(request.query.get('j', ''))} is not a number"
        case "ID_GENERATION_ERROR":
            return "generate_id failed, or gave no new text"
        case "MIDDLEWARE_FAILURE":
            return f"a middleware of the engine raised {quoted(refused.why)}"
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_OPTION else f"{text[:_MAX_OPTION]}..."


_ENDS: Final = {
    "overlap from client": "two polls at a time",
    "data request overlap from client": "two POSTs at a time",
    "invalid content": "a POST of application/octet-stream, which Engine.IO 4 has not",
    "poll connection closed prematurely": "the client broke off a poll",
    "data request connection closed prematurely": "the client broke off a POST",
}
"""The reference's words for the end of a session, which the application gets, and ours."""


def words_for_end(description: str, options: EngineOptions) -> str:
    """Say why a session has ended."""
    match description:
        case "message too big" | "request body over max_payload":
            return f"{description}: over max_payload={options.max_payload}"
        case "too many packets in one payload":
            return f"{description}: over limits.packets_per_post={options.limits.packets_per_post}"
    ours = _ENDS.get(description)
    return description if ours is None else f"{ours} ({description})"
