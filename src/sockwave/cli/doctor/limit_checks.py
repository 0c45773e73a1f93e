"""Large bodies, large heads, and what is compressed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.findings import good, note, wrong
from sockwave.cli.doctor.session import PONG, fault_of, open_session
from sockwave.cli.doctor.websocket import open_websocket
from sockwave.cli.doctor.wire import NoAnswer, Refused

if TYPE_CHECKING:
    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.target import Target

__all__ = ["check_body", "check_compression", "check_head"]

LARGEST_BODY: Final = 2_000_000
"""Bytes that are sent at most, whatever the server takes."""

USUAL_BODY: Final = 1_000_000
"""Bytes that the reference takes, where the server does not say."""

COOKIES: Final = 6000
"""Bytes. Browsers keep 4096 for a cookie, and pages with logins have several."""

WORTH_IT: Final = 1024
"""Bytes from which servers of Socket.IO compress an answer."""


async def check_body(target: Target) -> Finding:
    """Post as much as the server has said that it takes, and less where that fails."""
    allowed = 0
    wanted, problem = 0, ""
    for part in (1, 10, 100):
        async with open_session(target) as session:
            allowed = session.handshake.max_payload or USUAL_BODY
            wanted = wanted or min(allowed, LARGEST_BODY)
            size = max(wanted // part, 1)
            try:
                await session.post(PONG + b"x" * (size - 1))
            except Refused as error:
                if fault_of(error.answer) in ("stickiness", "rate-limit"):
                    raise
                problem = problem or f"{size} bytes: {error.answer}"
            except NoAnswer as error:
                problem = problem or f"{size} bytes: {error.what}"
            else:
                if problem:
                    return wrong("body", f"{problem}; {size} pass", "body-limit")
                more = f" (it takes {allowed})" if size < allowed else ""
                return good("body", f"a POST of {size} bytes passes{more}")
    return wrong("body", problem, "body-limit")


async def check_head(target: Target) -> Finding:
    """Ask with many cookies."""
    given = [value for name, value in target.headers if name.lower() == "cookie"]
    cookie = "; ".join((*given, "doctor=" + "x" * COOKIES))
    try:
        async with open_session(target, [("Cookie", cookie)]):
            return good("head", f"a request with {COOKIES} bytes of cookies passes")
    except (Refused, NoAnswer) as error:
        if isinstance(error, Refused) and fault_of(error.answer) == "rate-limit":
            raise
        what = error.what if isinstance(error, NoAnswer) else str(error.answer)
        return wrong("head", f"{COOKIES} bytes of cookies: {what}", "header-limit")


async def check_compression(target: Target) -> Finding:
    """Offer compression as browsers do, for an answer of polling and for a WebSocket."""
    async with open_session(target, [("Accept-Encoding", "gzip, deflate")]) as session:
        coding = session.answer.header("content-encoding")
        size = len(session.answer.content)
    websocket = "unknown"
    offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]
    with suppress(Refused, NoAnswer):
        async with open_websocket(target, headers=offer) as opened:
            websocket = opened.answer.header("sec-websocket-extensions") or "not compressed"
    saw = f"WebSocket: {websocket.partition(';')[0]}; polls: {coding or 'small ones as they are'}"
    if coding and size < WORTH_IT:
        return note("compression", f"{saw}, though there are only {size} bytes", "proxy-gzip")
    return good("compression", saw)
