"""Polling: the handshake, what a cache does, one server for a session, and answers in time."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.findings import good, left_out, note, wrong
from sockwave.cli.doctor.session import PONG, fault_of, open_session
from sockwave.cli.doctor.wire import PATIENCE, NoAnswer, Refused
from sockwave.codec.engineio import SEPARATOR

if TYPE_CHECKING:
    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.session import PollingSession
    from sockwave.cli.doctor.target import Target

__all__ = [
    "SLOW",
    "check_caching",
    "check_clock",
    "check_handshake",
    "check_polling",
    "check_stickiness",
    "is_accepted",
]

CONNECTIONS: Final = 8
"""That ask for one session: two servers in turn, or by chance, are found out."""

SLOW: Final = 2.0
"""Seconds from which an answer counts as held back; far more than a slow network needs."""

TRIES: Final = 3
"""Times that are measured before somebody is blamed for being slow."""

SKEW: Final = 5.0
"""Seconds that clocks may differ; `Date` has whole ones, and the answer took some time."""


def check_handshake(session: PollingSession) -> Finding:
    """Tell what the server has said."""
    it = session.handshake
    upgrades = ", ".join(it.upgrades) or "nothing"
    who = session.answer.header("server")
    saw = (
        f"session open after {session.answer.after:.2f} s; ping every {it.ping_interval:g} s, "
        f"time-out {it.ping_timeout:g} s, bodies up to {it.max_payload or 'any number of'} bytes, "
        f"upgrade to {upgrades}{f'; the answer is by {who}' if who else ''}"
    )
    return good("handshake", saw)


def check_clock(session: PollingSession) -> Finding:
    """Compare `Date` with the time here."""
    date = session.answer.header("date")
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return left_out("clock", "the answer has no Date")
    skew = theirs - time.time()
    if abs(skew) <= SKEW + session.answer.after:
        return good("clock", "the same time as here")
    where = "ahead of" if skew > 0 else "behind"
    return note("clock", f"{abs(skew):.0f} s {where} the time here", "clock")


async def check_caching(target: Target, first: PollingSession) -> Finding:
    """Open one more session, which must be another one."""
    async with open_session(target) as second:
        if second.handshake.sid == first.handshake.sid:
            return wrong("caching", "two clients were given the same session", "caching")
    return good("caching", "each client gets an answer of its own")


async def check_stickiness(target: Target, session: PollingSession) -> Finding:
    """Ask for one session on several connections, with cookies and without."""
    name = "stickiness"
    for n in range(1, CONNECTIONS + 1):
        try:
            await session.post(PONG)
        except Refused as error:
            if fault_of(error.answer) != "stickiness":
                raise
            saw = f"connection {n} of {CONNECTIONS} came to a server without the session"
            return wrong(name, f"{saw}: {error.answer}", "stickiness")
    saw = f"{CONNECTIONS} connections came to the server of the session"
    if not session.cookies:
        return good(name, f"{saw}, without cookies")
    names = ", ".join(session.cookies)
    try:
        for _ in range(CONNECTIONS // 2):
            await session.post(PONG, cookies=False)
    except Refused as error:
        if fault_of(error.answer) != "stickiness":
            raise
        return note(name, f"{saw}, but only with the cookie {names}", "cookie-alone")
    return good(name, f"{saw}, with the cookie {names} and without")


def is_accepted(packet: bytes) -> bool:
    """Whether it answers a CONNECT; that the namespace refuses is an answer, too."""
    return packet[:2] in (b"40", b"44")


async def check_polling(target: Target) -> Finding:
    """Send a CONNECT while a poll waits, and see when its answer comes."""
    fastest, saw = PATIENCE, ""
    for _ in range(TRIES):
        took, packet = await _round_trip(target)
        fastest = min(fastest, took)
        saw = "connected" if packet[:2] == b"40" else "the namespace refuses, which is an answer"
        if fastest < SLOW:
            return good("polling", f"{saw}; the poll was answered after {fastest:.2f} s")
    return wrong("polling", f"{saw}, but polls are answered after {fastest:.1f} s", "held-back")


async def _round_trip(target: Target) -> tuple[float, bytes]:
    async with open_session(target) as session:
        poll = asyncio.create_task(session.get())
        try:
            # Both answers leave at the same time. Connecting is not counted: far away, and with
            # TLS, it may take seconds.
            took = (await session.post(target.connect_packet)).after
            posted = time.monotonic()
            while True:
                packets = (await poll).content.split(SEPARATOR)
                late = time.monotonic() - posted
                if found := next(filter(is_accepted, packets), b""):
                    return max(took, late), found
                if late > PATIENCE:
                    raise NoAnswer("no answer to a CONNECT", "held-back", PATIENCE)
                poll = asyncio.create_task(session.get())
        except NoAnswer as error:
            if error.fault != "no-answer" or error.after < PATIENCE:
                raise
            raise NoAnswer(error.what, "held-back", error.after) from None
        finally:
            poll.cancel()
            await asyncio.wait([poll])
            if not poll.cancelled():
                poll.exception()  # which the other side of the exchange has told already
