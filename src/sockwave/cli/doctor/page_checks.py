"""Pages in browsers: the `Origin` that they name, and the headers that let them read answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.cli.doctor.findings import good, left_out, wrong
from sockwave.cli.doctor.session import BAD_METHOD, engine_code, fault_of, open_session
from sockwave.cli.doctor.websocket import open_websocket
from sockwave.cli.doctor.wire import Refused, ask

if TYPE_CHECKING:
    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.target import Target
    from sockwave.cli.doctor.wire import Answer

__all__ = ["check_cors", "check_own_pages", "check_preflight"]

_ALLOW = "access-control-allow-origin"
_CREDENTIALS = "access-control-allow-credentials"


async def check_own_pages(target: Target) -> Finding:
    """Be a page of the server's own address: its WebSocket names that as `Origin`."""
    try:
        return await _own_page(target)
    except Refused as error:  # by polling: python-engineio looks at the origin there, too
        if fault_of(error.answer) != "origin-refused":
            raise
        return wrong("own pages", str(error.answer), "host")


async def _own_page(target: Target) -> Finding:
    async with open_session(target, [("Origin", target.own_origin)]) as session:
        if len(allowed := _values(session.answer, _ALLOW)) > 1:
            saw = f"Access-Control-Allow-Origin has {len(allowed)} values: {', '.join(allowed)}"
            return wrong("own pages", saw, "cors-doubled")
        has_cors = bool(allowed) or "origin" in session.answer.header("vary").lower()
    refused = await _refused(target, target.own_origin)
    if refused is None:
        return good("own pages", f"pages of {target.own_origin} may connect")
    if refused.status == 403 and has_cors:
        return left_out("own pages", "the server has a list of origins: give one with --origin")
    saw = f"pages of {target.own_origin} may not: {refused}"
    # Whoever names no page may, so it is the name that is not liked.
    if refused.status == 403 and await _refused(target, None) is None:
        return wrong("own pages", saw, "host")
    return left_out("own pages", f"no WebSocket: {refused}")


async def check_preflight(target: Target, origin: str) -> Finding:
    """Ask what a browser asks before it sends a header of the page's, or another content type."""
    headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ]
    answer = await ask(target, "OPTIONS", target.request_target("polling"), headers)
    if not 200 <= answer.status < 300:
        # A server without `cors` takes the question for a handshake of another method.
        is_refused = engine_code(answer) == BAD_METHOD or fault_of(answer) == "origin-refused"
        return wrong("preflight", str(answer), "origin-refused" if is_refused else "preflight")
    problem = _problem(answer, origin, credentials=target.credentials)
    if problem is None:
        return good("preflight", f"HTTP {answer.status}, {origin} is admitted")
    saw, fault = problem
    if fault == "origin-lost" and await _is_forbidden(target, origin):
        fault = "origin-refused"
    return wrong("preflight", saw, fault)


async def check_cors(target: Target, origin: str) -> Finding:
    """Be a page of this origin, by polling and by WebSocket."""
    async with open_session(target, [("Origin", origin)]) as session:
        problem = _problem(session.answer, origin, credentials=target.credentials)
    is_forbidden = await _is_forbidden(target, origin)
    if problem is not None:
        saw, fault = problem
        # A server of ours that has read the name would have refused the WebSocket, too.
        is_refused = fault == "origin-lost" and is_forbidden
        return wrong("cors", saw, "origin-refused" if is_refused else fault)
    if is_forbidden:
        return wrong("cors", f"no WebSocket for pages of {origin}: HTTP 403", "origin-refused")
    with_cookies = ", with cookies" if target.credentials else ""
    return good("cors", f"pages of {origin} may connect{with_cookies}")


async def _is_forbidden(target: Target, origin: str) -> bool:
    refused = await _refused(target, origin)
    return refused is not None and refused.status == 403


async def _refused(target: Target, origin: str | None) -> Answer | None:
    """The answer to the WebSocket of a page, if it is another one than that."""
    try:
        async with open_websocket(target, headers=[("Origin", origin)] if origin else []):
            return None
    except Refused as error:
        return error.answer


def _values(answer: Answer, name: str) -> list[str]:
    """All values of a header that should have one."""
    return [value.strip() for text in answer.all(name) for value in text.split(",")]


def _problem(answer: Answer, origin: str, *, credentials: bool) -> tuple[str, str] | None:
    """Why a browser would not show an answer to a page: what is seen, and the fault."""
    allowed = _values(answer, _ALLOW)
    if not allowed:
        return "the answer has no Access-Control-Allow-Origin", "origin-lost"
    shown = f"Access-Control-Allow-Origin: {', '.join(allowed)}"
    with_cookies = _values(answer, _CREDENTIALS)
    if len(allowed) > 1:
        return shown, "cors-doubled"
    if len(with_cookies) > 1:
        return f"Access-Control-Allow-Credentials: {', '.join(with_cookies)}", "cors-doubled"
    if allowed[0] not in ("*", origin):
        return shown, "origin-rewritten"
    if credentials and (allowed[0] == "*" or with_cookies != ["true"]):
        return f"{shown}, Allow-Credentials: {', '.join(with_cookies) or 'none'}", "credentials"
    return None
