"""Silence: who cuts a poll, or a WebSocket, on which nothing goes for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.findings import good, left_out, note, wrong
from sockwave.cli.doctor.session import open_session
from sockwave.cli.doctor.websocket_checks import opened
from sockwave.cli.doctor.wire import NoAnswer, Refused
from sockwave.codec.engineio import SEPARATOR

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
    """Leave polls alone until the server pings."""
    name = "idle poll"
    async with open_session(target) as session:
        begin = time.monotonic()
        while True:
            try:
                content = (await session.get(seconds)).content
            except NoAnswer as error:
                if error.fault == "no-answer" and error.after >= seconds:
                    return _quiet(name, seconds, session.handshake.ping_interval)
                return wrong(name, f"cut after {error.after:.1f} s: {error.what}", "idle-poll")
            except Refused as error:
                saw = f"cut after {error.answer.after:.1f} s: {error.answer}"
                return wrong(name, saw, "idle-poll")
            for packet in content.split(SEPARATOR):
                if finding := _ended(name, packet, begin, seconds):
                    return finding


async def check_idle_websocket(target: Target, seconds: float, interval: float) -> Finding:
    """Leave a WebSocket alone until the server pings."""
    name = "idle websocket"
    try:
        async with opened(target, None) as websocket:
            begin = time.monotonic()
            while True:
                try:
                    packet = await websocket.receive(seconds)
                except NoAnswer as error:
                    if error.fault == "held-back":
                        return _quiet(name, seconds, interval)
                    saw = f"cut after {error.after:.1f} s: {error.what}"
                    return wrong(name, saw, "idle-websocket")
                if finding := _ended(name, packet, begin, seconds):
                    return finding
    except Refused as error:
        return left_out(name, f"no WebSocket: {error.answer}")


def _ended(name: str, packet: bytes, begin: float, seconds: float) -> Finding | None:
    """What a packet says about the silence before it; None for a greeting of the application."""
    after = time.monotonic() - begin
    if packet[:1] == b"2":
        return good(name, f"left alone until the ping came, after {after:.1f} s")
    if packet[:1] == b"1":
        return note(name, f"the server closed the session after {after:.1f} s", "closed")
    if after > seconds:
        return left_out(name, "the application is never silent")
    return None


def _quiet(name: str, seconds: float, interval: float) -> Finding:
    saw = f"left alone for {seconds:g} s"
    if seconds > interval:
        return wrong(name, f"{saw}, but no ping came after {interval:g} s", "held-back")
    return good(name, f"{saw}; --patience {interval + MARGIN:g} waits for the first ping")
