"""A session that polls, and what is wrong with an answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.wire import PATIENCE, NoAnswer, Refused, ask
from sockwave.codec.engineio import SEPARATOR, decode_handshake
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.cli.doctor.target import Target
    from sockwave.cli.doctor.wire import Answer
    from sockwave.codec.engineio import Handshake

__all__ = [
    "BAD_METHOD",
    "BAD_REQUEST",
    "PONG",
    "PollingSession",
    "engine_code",
    "fault_of",
    "open_session",
]

PONG: Final = b"3"
"""What servers take at any time without a word, with anything behind it. A noop would be more fit,
but python-engineio ends the session."""

UNKNOWN_TRANSPORT: Final = 0
UNKNOWN_SID: Final = 1
BAD_METHOD: Final = 2
BAD_REQUEST: Final = 3
FORBIDDEN: Final = 4
UNSUPPORTED_VERSION: Final = 5

_CODES: Final = {
    UNKNOWN_TRANSPORT: "transport-off",
    UNKNOWN_SID: "stickiness",
    BAD_REQUEST: "unexpected",
    FORBIDDEN: "forbidden",
    UNSUPPORTED_VERSION: "version",
}
_TEXTS: Final = {
    b"Transport unknown": UNKNOWN_TRANSPORT,
    b"Session ID unknown": UNKNOWN_SID,
    b"Unsupported protocol version": UNSUPPORTED_VERSION,
}
"""What is said instead to somebody who wants a WebSocket."""

_STATUS: Final = {
    200: "path",
    401: "login",
    403: "forbidden",
    404: "path",
    405: "path",
    413: "body-limit",
    414: "header-limit",
    429: "rate-limit",
    431: "header-limit",
    494: "header-limit",
    502: "upstream",
    503: "upstream",
    504: "upstream",
}


def engine_code(answer: Answer) -> int | None:
    """What a server of Engine.IO says is wrong; None where somebody else speaks."""
    try:
        content = answer.content
        body = json.loads(content)
    except NoAnswer:
        return None
    except (ValueError, RecursionError):
        return _TEXTS.get(content.strip())
    if isinstance(body, str) and "session" in body.lower():  # python-engineio
        return UNKNOWN_SID
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else None


def fault_of(answer: Answer) -> str:
    """What is wrong, by an answer that should have been another one."""
    if (code := engine_code(answer)) in _CODES:
        return _CODES[code]
    if b"is not an accepted origin" in answer.body:  # python-engineio
        return "origin-refused"
    if b"plain HTTP request was sent to HTTPS" in answer.body:
        return "scheme"
    if 300 <= answer.status < 400:
        return "redirect"
    if answer.status == 400 and any(word in answer.body for word in (b"Header", b"header")):
        return "header-limit"
    if answer.status == 200 and b'"pingInterval"' in answer.body:
        return "garbled"  # a handshake, but for what somebody has made of it
    if answer.status == 503 and b"Service Temporarily Unavailable" in answer.body:
        return (
            "rate-limit"  # nginx: of limit_req and limit_conn; of servers that are away it is 502
        )
    return _STATUS.get(answer.status, "unexpected")


class PollingSession:
    """A session that polls, each request on a connection of its own.

    Attributes:
        answer: To its handshake.
        handshake: What the server said in it.
        cookies: What servers and proxies have set with it.
    """

    def __init__(self, target: Target, answer: Answer, handshake: Handshake) -> None:
        self.answer = answer
        self.handshake = handshake
        self.cookies: dict[str, str] = _cookies(answer)
        self._target = target

    async def get(self, patience: float = PATIENCE) -> Answer:
        """Poll; raises `Refused` and `NoAnswer`."""
        return await self._ask("GET", None, patience, cookies=True)

    async def post(self, body: bytes, *, cookies: bool = True) -> Answer:
        """Send packets; raises `Refused` and `NoAnswer`."""
        return await self._ask("POST", body, PATIENCE, cookies=cookies)

    async def _ask(
        self, method: str, body: bytes | None, patience: float, *, cookies: bool
    ) -> Answer:
        headers = self.headers if cookies else []
        place = self._target.request_target("polling", self.handshake.sid)
        answer = await ask(self._target, method, place, headers, body, patience=patience)
        if answer.status != 200:
            raise Refused(answer)
        return answer

    @property
    def headers(self) -> list[tuple[str, str]]:
        """With the cookies, and those that the user has given."""
        if not self.cookies:
            return []
        given = [value for name, value in self._target.headers if name.lower() == "cookie"]
        own = [f"{name}={value}" for name, value in self.cookies.items()]
        return [("Cookie", "; ".join((*given, *own)))]


def _cookies(answer: Answer) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in answer.all("set-cookie"):
        with suppress(CookieError):
            found |= {name: morsel.coded_value for name, morsel in SimpleCookie(text).items()}
    return found


async def _shake_hands(target: Target, headers: list[tuple[str, str]] | None) -> PollingSession:
    answer = await ask(target, "GET", target.request_target("polling"), headers)
    if answer.status != 200:
        raise Refused(answer)
    first = answer.content.split(SEPARATOR)[0]
    if first[:1] != b"0":
        raise Refused(answer)
    try:
        return PollingSession(target, answer, decode_handshake(first))
    except PacketError:
        raise Refused(answer) from None


@asynccontextmanager
async def open_session(
    target: Target, headers: list[tuple[str, str]] | None = None
) -> AsyncIterator[PollingSession]:
    """Open a session that polls, and close it in the end.

    Raises:
        Refused: There is none.
        NoAnswer: There is no answer either.
    """
    session = await _shake_hands(target, headers)
    try:
        yield session
    finally:
        with suppress(NoAnswer, Refused, TimeoutError):
            async with asyncio.timeout(PATIENCE / 4):
                await session.post(b"1")
