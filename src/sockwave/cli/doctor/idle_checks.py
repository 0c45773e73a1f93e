"""Silence: who cuts a poll, or a WebSocket, on which nothing goes for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.findings import good, left_out, note, wrong
from sockwave.cli.doctor.session import open_session
from sockwave.cli.doctor.websocket_checks import opened
from sockwave.cli.doctor.wire import NoAnswer, Refused

if TYPE_CHECKING:
    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.session import PollingSession
    from sockwave.cli.doctor.target import Target

__all__ = ["check_idle_poll", "check_idle_websocket", "silence"]

MARGIN: Final = 5.0
"""Seconds that a ping may be late."""


def silence(target: Target, session: PollingSession) -> float:
    """Seconds that are waited: as the user says, and no longer than until the first ping."""
    return min(target.patience, session.handshake.ping_interval + MARGIN)


async def check_idle_poll(target: Target, seconds: float) -> Finding:
    """Leave a poll alone until the server pings."""
    async with open_session(target) as session:
        begin = time.monotonic()
        try:
            answer = await session.get(seconds)
        except NoAnswer as error:
            if error.fault == "no-answer" and error.after >= seconds:
                return _quiet("idle poll", seconds, session.handshake.ping_interval)
            return wrong("idle poll", f"cut after {error.after:.1f} s: {error.what}", "idle-poll")
        except Refused as error:
            saw = f"cut after {error.answer.after:.1f} s: {error.answer}"
            return wrong("idle poll", saw, "idle-poll")
        return _ended("idle poll", answer.content, time.monotonic() - begin)


async def check_idle_websocket(target: Target, seconds: float, interval: float) -> Finding:
    """Leave a WebSocket alone until the server pings."""
    try:
        async with opened(target, None) as websocket:
            begin = time.monotonic()
            try:
                packet = await websocket.receive(seconds)
            except NoAnswer as error:
                if error.fault == "held-back":
                    return _quiet("idle websocket", seconds, interval)
                saw = f"cut after {error.after:.1f} s: {error.what}"
                return wrong("idle websocket", saw, "idle-websocket")
            return _ended("idle websocket", packet, time.monotonic() - begin)
    except Refused as error:
        return left_out("idle websocket", f"no WebSocket: {error.answer}")


def _ended(name: str, packet: bytes, after: float) -> Finding:
    if packet[:1] == b"2":
        return good(name, f"left alone until the ping came, after {after:.1f} s")
    return note(name, f"the server ended it after {after:.1f} s: {packet[:20]!r}", "unexpected")


def _quiet(name: str, seconds: float, interval: float) -> Finding:
    saw = f"left alone for {seconds:g} s"
    if seconds > interval:
        return wrong(name, f"{saw}, but no ping came after {interval:g} s", "held-back")
    return good(name, f"{saw}; --patience {interval + MARGIN:g} waits for the first ping")
