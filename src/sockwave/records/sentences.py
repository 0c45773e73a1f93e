"""Why a connection has ended, in one sentence for somebody who knows neither protocol nor code.

What the server knows of an end is the reason and the description that `disconnect` handlers get,
and a cause where one was noted before it (`ServerSession.note_cause`). The sentence says first who
has ended it, then what was seen, and names the option whose value had a part in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.debug import shortened
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.engine.core.options import EngineOptions
    from sockwave.observe.records import EndedBy, NamespaceRecord
    from sockwave.socketio.server.options import ServerOptions

__all__ = ["End", "Explanation", "explain", "hints_of"]

Reason: Final = DisconnectReason


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """All that is known of an end.

    Attributes:
        reason: Of the session; that of its orderly close, where this side had begun one.
        description: More about it.
        cause: Noted before: `packet`, `violation`, `no namespace`, `application` or `recovery`; or
            empty.
        detail: More about the cause.
        is_hosted: Whether an ASGI server has read its WebSocket, which tells less of the end.
        seconds: How long it has lasted.
        protocol: Revision of Engine.IO.
        transport: On which it has ended.
        namespaces: Those that the client has asked for.
        options: Of the engine.
        server_options: Of the server.
    """

    reason: str
    description: str
    cause: str = ""
    detail: str = ""
    is_hosted: bool = False
    seconds: float = 0.0
    protocol: int = 4
    transport: str
    namespaces: Sequence[NamespaceRecord] = ()
    options: EngineOptions
    server_options: ServerOptions


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say.

    Attributes:
        by: Who has ended it.
        sentence: Why.
        option: That had a part in it, with its value; or empty.
    """

    by: EndedBy
    sentence: str
    option: str = ""


def explain(end: End) -> Explanation:
    """Say why a connection has ended."""
    if end.cause:
        return _CAUSES[end.cause](end)
    return _REASONS.get(end.reason, _unknown)(end)


# --- noted before the end -------------------------------------------------------------------------


def _bad_packet(end: End) -> Explanation:
    return Explanation(
        "client",
        f"The client sent something that is no packet of Socket.IO ({end.detail.rstrip(':')}), and"
        " the server closed the connection: is its library another one, or of another version?",
    )


def _violation(end: End) -> Explanation:
    detail = end.detail.strip().rstrip(":")
    if detail.startswith("attachments did not come in time"):
        seconds = _number(end.options.ping_timeout)
        return Explanation(
            "client",
            f"The client announced binary data that did not come within {seconds} s"
            " (ping_timeout), and the server closed the connection.",
            f"ping_timeout={seconds}",
        )
    return Explanation(
        "client",
        f"The client broke the protocol ({detail}), and the server closed the connection.",
    )


def _no_namespace(end: End) -> Explanation:
    seconds = _number(end.server_options.connect_timeout)
    sentence = f"The client was connected, but in no namespace after {seconds} s (connect_timeout)"
    if refused := _refusals(end.namespaces):
        sentence += f": it was refused in {refused}"
    return Explanation(
        "limit", f"{sentence}; the server closed the connection.", f"connect_timeout={seconds}"
    )


def _application(end: End) -> Explanation:
    return Explanation(
        "application",
        "The server's application disconnected the client, with socket.disconnect(close=True) or"
        " disconnect_sockets(close=True).",
    )


def _not_recovered(end: End) -> Explanation:
    return Explanation(
        "server",
        "The client came back to go on where it was, and some of what it had missed was forgotten"
        " meanwhile (connection_state_recovery): the server closed the connection, so that it comes"
        " as a new one.",
        "connection_state_recovery",
    )


_CAUSES: Final[dict[str, Callable[[End], Explanation]]] = {
    "packet": _bad_packet,
    "violation": _violation,
    "no namespace": _no_namespace,
    "application": _application,
    "recovery": _not_recovered,
}

# --- by the reason --------------------------------------------------------------------------------


def _ping_timeout(end: End) -> Explanation:
    interval, timeout = end.options.ping_interval, end.options.ping_timeout
    both = f"ping_interval {_number(interval)} s + ping_timeout {_number(timeout)} s"
    what = "heard nothing" if end.transport != "polling" else "got no request"
    return Explanation(
        "network",
        "The client's network went away, or its program stands still: the server"
        f" {what} for {_number(interval + timeout)} s ({both}).",
        f"ping_timeout={_number(timeout)}",
    )


_GOODBYES: Final = {
    "1000": "The client closed the connection in an orderly way (WebSocket close code 1000).",
    "1001": "The client's page was left, closed or reloaded, or its program ended (WebSocket close"
    " code 1001).",
    "1005": "The client closed the connection, without a code: as a rule because its program"
    " called disconnect().",
    "1006": "The connection broke off without a goodbye (WebSocket close code 1006): the client's"
    " network, its program or a proxy in between has cut it.",
    "1009": "The client refused a message for its size (WebSocket close code 1009), and closed.",
    "1012": "A proxy or the client closed the connection for a restart (WebSocket close code"
    " 1012).",
}
_CLOSE: Final = "peer closed with "
_BROKEN_OFF: Final = (
    "The connection broke off without a goodbye: the client's network or its program ended, or a"
    " proxy in between cut it."
)


def _transport_close(end: End) -> Explanation:
    description = end.description
    if description == "came back on a new connection":
        return Explanation(
            "network",
            "The client was back on a new connection before the server had noticed the loss of this"
            " one, and went on there (connection_state_recovery).",
        )
    if description == "gone in the middle of an upgrade":
        seconds = _number(end.options.upgrade_timeout)
        return Explanation(
            "network",
            "The client went away while it moved from polling to WebSocket: it was back on neither"
            f" within {seconds} s (upgrade_timeout).",
            f"upgrade_timeout={seconds}",
        )
    if description == "the event loop has ended":
        return Explanation("server", "The event loop of the server ended, and with it everything.")
    code = description.removeprefix(_CLOSE) if description.startswith(_CLOSE) else ""
    is_cut = not code and description != ""  # else the name of a host's exception
    if is_cut and not _has_left(end.namespaces):
        return Explanation("network", _BROKEN_OFF)
    if left := _left_before(end.namespaces):
        return left
    if code and end.is_hosted and (told := _HOSTED.get(code)) is not None:
        return told
    if code == "1006":
        return Explanation("network", _GOODBYES[code])
    if code in _GOODBYES:
        return Explanation("client", _GOODBYES[code])
    if code:
        return Explanation(
            "client", f"The client closed the connection (WebSocket close code {code})."
        )
    return Explanation(
        "client",
        "The client said goodbye and closed the connection: its program called disconnect(), or its"
        " page was left.",
    )


_UNTOLD: Final = Explanation(
    "network",
    "The connection broke off, or the client closed it without a word: the ASGI server that hosts"
    " this one does not tell which.",
)
_RULES: Final = Explanation(
    "client",
    "The client, or something in between, broke the rules of WebSocket, and the ASGI server that"
    " hosts this one closed the connection; its log may say more.",
)
_HOSTED: Final = {"1005": _UNTOLD, "1006": _UNTOLD, "1002": _RULES, "1007": _RULES}


def _has_left(namespaces: Sequence[NamespaceRecord]) -> bool:
    """Whether the client was in somewhere, and left or was taken out everywhere."""
    left = [each.left for each in namespaces if each.refused is None]
    return bool(left) and all(reason in _LEAVES for reason in left)


_LEAVES: Final = (Reason.CLIENT_NAMESPACE_DISCONNECT, Reason.SERVER_NAMESPACE_DISCONNECT)


def _left_before(namespaces: Sequence[NamespaceRecord]) -> Explanation | None:
    """What the client did before it closed: left, was taken out, or was let in nowhere."""
    if not namespaces:
        return None
    if _has_left(namespaces):
        last = [each for each in namespaces if each.refused is None][-1]
        if last.left == Reason.CLIENT_NAMESPACE_DISCONNECT:
            return Explanation(
                "client",
                "The client's program disconnected: it left its namespaces and closed the"
                " connection.",
            )
        return Explanation(
            "application",
            f"The server's application took the client out of {_short(last.name)}, with"
            " socket.disconnect() or by a connection handler that failed; then the client closed"
            " the connection.",
        )
    if all(each.refused is not None for each in namespaces):
        return Explanation(
            "application",
            f"The client was refused in {_refusals(namespaces)}, and closed the connection.",
        )
    return None


def _shutting_down(end: End) -> Explanation:
    return Explanation("server", "The server was stopped or restarted.")


def _forced_close(end: End) -> Explanation:
    return Explanation(
        "application", "The server's application closed the session, with session.close()."
    )


def _parse_error(end: End) -> Explanation:
    what = f" ({end.description})" if end.description else ""
    return Explanation(
        "client",
        f"The client sent something that is no packet of Engine.IO{what}, and the server closed the"
        " connection: does something in between change what it sends?",
    )


_ERRORS: Final[dict[str, tuple[EndedBy, str]]] = {
    "overlap from client": (
        "client",
        (
            "The client, or a proxy that repeats requests, asked for packets twice at the same time"
            " (two polls), which breaks the protocol."
        ),
    ),
    "data request overlap from client": (
        "client",
        (
            "The client, or a proxy that repeats requests, sent packets twice at the same time (two"
            " POSTs), which breaks the protocol."
        ),
    ),
    "invalid content": (
        "client",
        (
            "The client sent a POST of bytes (application/octet-stream), which this version of the"
            " protocol has not."
        ),
    ),
    "poll connection closed prematurely": (
        "network",
        "The client, its network or a proxy broke off a poll that was waiting for packets.",
    ),
    "data request connection closed prematurely": (
        "network",
        "The client, its network or a proxy broke off a POST before all of it had come.",
    ),
    "invalid heartbeat direction": (
        "client",
        (
            "The client sent a heartbeat that only the server sends in this version of the protocol"
            " (Engine.IO {protocol}): its library is of another version than it says."
        ),
    ),
    "messages between servers were lost": (
        "network",
        "Messages between the servers were lost that carried this connection.",
    ),
}


def _transport_error(end: End) -> Explanation:
    description = end.description
    if description in ("message too big", "payload too large", "request body over max_payload"):
        most = end.options.max_payload
        return Explanation(
            "limit",
            f"The client sent a message of more than {most:_} bytes (max_payload), and the server"
            " closed the connection.",
            f"max_payload={most}",
        )
    if description == "too many packets in one payload":
        most = end.options.limits.packets_per_post
        return Explanation(
            "limit",
            f"The client sent more than {most:_} packets in one request"
            " (limits.packets_per_post), and the server closed the connection.",
            f"limits.packets_per_post={most}",
        )
    if description in _ERRORS:
        by, sentence = _ERRORS[description]
        return Explanation(by, sentence.replace("{protocol}", str(end.protocol)))
    what = f" ({description})" if description else ""
    return Explanation(
        "client",
        f"The client, or something in between, broke the rules of {_wire(end)}{what}, and the"
        " server closed the connection.",
    )


def _wire(end: End) -> str:
    return "HTTP polling" if end.transport == "polling" else "WebSocket"


def _backlog(end: End) -> Explanation:
    if end.description == "the process holds too much unsent":
        most = end.options.limits.process_backlog
        option = f"limits.process_backlog={most}" if most else "limits.process_backlog"
        return Explanation(
            "limit",
            "The server held too much back for slow clients altogether (limits.process_backlog),"
            " and this one had the most: it was too slow to read what it was sent.",
            option,
        )
    most = end.options.max_backlog
    return Explanation(
        "limit",
        f"The client was too slow to read what it was sent: more than {most:_} bytes waited for it"
        " (max_backlog), and the server closed the connection.",
        f"max_backlog={most}",
    )


_RATES: Final = {
    f"too many {what} of the {whose}": f"{whose}_{what}"
    for what in ("packets", "bytes")
    for whose in ("session", "address")
}


def _rate_limit(end: End) -> Explanation:
    name = _RATES.get(end.description, "")
    value = getattr(end.options.rate_limits, name, None) if name else None
    if value is None:
        return Explanation(
            "limit",
            "The client sent more than rate_limits allow, and the server closed the connection.",
            "rate_limits",
        )
    whose, what = name.split("_")
    who = "The client" if whose == "session" else "Clients of the same address"
    return Explanation(
        "limit",
        f"{who} sent more than {_number(value)} {what} per second (rate_limits.{name}), and the"
        " server closed the connection.",
        f"rate_limits.{name}={_number(value)}",
    )


def _unknown(end: End) -> Explanation:
    what = f": {end.description}" if end.description else ""
    return Explanation("server", f"The server closed the connection ({end.reason}{what}).")


_REASONS: Final[dict[str, Callable[[End], Explanation]]] = {
    Reason.PING_TIMEOUT: _ping_timeout,
    Reason.TRANSPORT_CLOSE: _transport_close,
    Reason.TRANSPORT_ERROR: _transport_error,
    Reason.PARSE_ERROR: _parse_error,
    Reason.SERVER_SHUTTING_DOWN: _shutting_down,
    Reason.FORCED_CLOSE: _forced_close,
    Reason.BACKLOG_EXCEEDED: _backlog,
    Reason.RATE_LIMIT_EXCEEDED: _rate_limit,
}

# --- what else there is to say --------------------------------------------------------------------

WORTH_TELLING: Final = 1.0
"""Seconds that the event loop was late."""

USUAL: Final = (30, 60, 100, 120, 180, 300, 600, 900, 1_800, 3_600)
"""Seconds after which proxies and balancers cut connections, as they are set by default."""

_NEARLY: Final = 0.5


_CUTS: Final = (Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR)


def hints_of(
    end: End, by: EndedBy, failed_upgrades: Sequence[str], backlog: int, lag: float
) -> tuple[str, ...]:
    """Say what else has gone wrong on the way, or may be behind the end."""
    is_cut = by == "network" and end.reason in _CUTS
    hints = [
        f"It had lasted {usual} s, a usual time-out of proxies and balancers: do others end after"
        " the same time?"
        for usual in USUAL
        if is_cut and abs(end.seconds - usual) <= _NEARLY
    ]
    if lag >= WORTH_TELLING:
        hints.append(
            f"The server's event loop was {lag:.1f} s late shortly before: a handler kept it busy,"
            " and clients may have given up for that."
        )
    if end.reason == Reason.PING_TIMEOUT and backlog > end.options.max_backlog // 16:
        hints.append(f"It had stopped reading before: {backlog:_} bytes waited for it.")
    hints += failed_upgrades
    refused = [each for each in end.namespaces if each.refused is not None]
    if refused and len(refused) < len(end.namespaces):
        hints.append(f"It was refused in {_refusals(refused)}.")
    return tuple(hints)


def _refusals(namespaces: Sequence[NamespaceRecord]) -> str:
    told = [
        f"{_short(each.name)} ({_short(each.refused)!r})"
        for each in namespaces
        if each.refused is not None
    ]
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return ", ".join(told[:3]) + more


def _short(text: Any) -> str:
    """Text of a peer's, for a sentence that may stand in a log."""
    told = shortened(text, 64)
    return told if len(str(text)) <= 64 else f"{told}..."


def _number(value: float) -> str:
    return f"{value:g}" if value < 1_000_000 else f"{value:_.0f}"
