"""The order of the checks, and their bounds.

About twenty-five sessions are opened and closed, nearly all one after the other, with some hundred
bytes each, and one large body. Each check ends by itself: after `LIMIT`, and those of silence after
the patience, too.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor import idle_checks, limit_checks, page_checks, polling_checks
from sockwave.cli.doctor.findings import Verdict, left_out, note, wrong
from sockwave.cli.doctor.session import fault_of, open_session
from sockwave.cli.doctor.tls_checks import check_tls
from sockwave.cli.doctor.websocket_checks import check_upgrade, check_websocket
from sockwave.cli.doctor.wire import NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.session import PollingSession
    from sockwave.cli.doctor.target import Target

__all__ = ["examine"]

LIMIT: Final = 60.0
"""Seconds for one check, where each of its requests is slow."""

_UNKEPT: Final = "not all requests of a session are answered by its server: see stickiness"


async def examine(target: Target, tell: Callable[[Finding], None]) -> None:
    """Check one thing after the other.

    Args:
        tell: Called with what is found, as soon as it is known.

    Cancelling ends it at once; sessions that are open then end by their time-outs.
    """
    tls = await _within("connection", check_tls(target))
    tell(tls)
    if tls.check == "connection":
        return  # nobody is there, so nothing else can be seen
    try:
        async with open_session(target) as session:
            await _Examination(target, session, tell).run()
    except (Refused, NoAnswer) as error:
        await _without_polling(target, _failed("handshake", error), tell)


async def _without_polling(
    target: Target, handshake: Finding, tell: Callable[[Finding], None]
) -> None:
    """No session can be opened by polling: is that meant so?"""
    websocket = await _within("websocket", check_websocket(target))
    if websocket.verdict is Verdict.GOOD and handshake.fault == "transport-off":
        tell(note("handshake", "clients cannot poll here, WebSockets are open", "polling-off"))
    elif websocket.fault == handshake.fault == "transport-off":
        # A server without any transport there is none: it has not heard of them.
        tell(wrong("handshake", handshake.saw, "query"))
        tell(wrong("websocket", websocket.saw, "query"))
        return
    else:
        tell(handshake)
    tell(websocket)


class _Examination:
    """What is looked at where a session can be opened by polling."""

    def __init__(
        self, target: Target, session: PollingSession, tell: Callable[[Finding], None]
    ) -> None:
        self._target = target
        self._session = session
        self._tell = tell
        self._is_kept = False

    async def run(self) -> None:
        """Run all checks."""
        target, session = self._target, self._session
        self._tell(polling_checks.check_handshake(session))
        self._tell(polling_checks.check_clock(session))
        cached = await self._check("caching", lambda: polling_checks.check_caching(target, session))
        if cached.fault == "caching":
            self._tell(left_out("all else", "a cache answers in place of the server"))
            return
        sticky = await self._check(
            "stickiness", lambda: polling_checks.check_stickiness(target, session)
        )
        self._is_kept = sticky.verdict in (Verdict.GOOD, Verdict.NOTE)
        await self._check_kept("polling", lambda: polling_checks.check_polling(target))
        websocket = await self._check("websocket", lambda: check_websocket(target))
        await self._check_kept("upgrade", lambda: check_upgrade(target))
        if target.origin is not None:
            self._tell(left_out("own pages", "pages come from --origin"))
        elif websocket.verdict is Verdict.GOOD:
            await self._check("own pages", lambda: page_checks.check_own_pages(target))
        else:
            self._tell(left_out("own pages", "there is no WebSocket, by which it would be seen"))
        await self._pages()
        await self._check("compression", lambda: limit_checks.check_compression(target))
        await self._check("head", lambda: limit_checks.check_head(target))
        await self._check_kept("body", lambda: limit_checks.check_body(target))
        await self._idle()

    async def _check(
        self, name: str, check: Callable[[], Coroutine[None, None, Finding]]
    ) -> Finding:
        finding = await _within(name, check())
        self._tell(finding)
        return finding

    async def _check_kept(
        self, name: str, check: Callable[[], Coroutine[None, None, Finding]]
    ) -> None:
        """Check what needs a session that is kept where it is."""
        if self._is_kept:
            await self._check(name, check)
        else:
            self._tell(left_out(name, _UNKEPT))

    async def _pages(self) -> None:
        origin = self._target.origin
        if origin is None:
            self._tell(left_out("cors", "no --origin is given: pages of others were not tried"))
            return
        await self._check("preflight", lambda: page_checks.check_preflight(self._target, origin))
        await self._check("cors", lambda: page_checks.check_cors(self._target, origin))

    async def _idle(self) -> None:
        """Be silent on both transports at the same time."""
        target, interval = self._target, self._session.handshake.ping_interval
        seconds = idle_checks.silence(target, self._session)
        if seconds <= 0:
            self._tell(left_out("idle", "without --patience nobody waits"))
            return
        checks = [
            _within(
                "idle websocket",
                idle_checks.check_idle_websocket(target, seconds, interval),
                seconds,
            )
        ]
        if self._is_kept:
            poll = idle_checks.check_idle_poll(target, seconds)
            checks.insert(0, _within("idle poll", poll, seconds))
        else:
            self._tell(left_out("idle poll", _UNKEPT))
        for finding in await asyncio.gather(*checks):
            self._tell(finding)


async def _within(name: str, check: Awaitable[Finding], patience: float = 0.0) -> Finding:
    """Wait for a check, and make a finding of its failure."""
    try:
        async with asyncio.timeout(LIMIT + patience):
            return await check
    except (Refused, NoAnswer) as error:
        return _failed(name, error)
    except TimeoutError:
        return wrong(name, f"not done after {LIMIT + patience:g} s", "held-back")


def _failed(name: str, error: Refused | NoAnswer) -> Finding:
    if isinstance(error, Refused):
        return wrong(name, str(error.answer), fault_of(error.answer))
    return wrong(name, error.what, error.fault)
