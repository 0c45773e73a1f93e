"""WebSocket: opened at once, and by a session that polls."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.findings import good, wrong
from sockwave.cli.doctor.polling_checks import SLOW, is_accepted
from sockwave.cli.doctor.session import BAD_REQUEST, engine_code, fault_of, open_session
from sockwave.cli.doctor.websocket import open_websocket
from sockwave.cli.doctor.wire import PATIENCE, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.target import Target
    from sockwave.cli.doctor.websocket import WebSocket

__all__ = ["check_upgrade", "check_websocket", "handshake_fault", "opened"]

TRIES: Final = 3
"""Times that are measured before somebody is blamed for being slow."""


def handshake_fault(refused: Refused) -> str:
    """What is wrong, by the answer to a handshake that opened no WebSocket."""
    answer = refused.answer
    code = engine_code(answer)
    if code == BAD_REQUEST or answer.status in (200, 426):
        # The server got a request like any other: nobody has told it of a WebSocket.
        return "upgrade-headers"
    fault = fault_of(answer)
    return "upgrade-headers" if fault == "unexpected" and answer.status == 400 else fault


@asynccontextmanager
async def opened(target: Target, headers: list[tuple[str, str]] | None) -> AsyncIterator[WebSocket]:
    """Open a session on a WebSocket; raises `Refused` and `NoAnswer`."""
    async with open_websocket(target, headers=headers) as websocket:
        packet = await websocket.receive()
        if packet[:1] != b"0":
            raise NoAnswer(f"another first packet: {packet[:20]!r}", "unexpected")
        yield websocket


async def check_websocket(target: Target) -> Finding:
    """Open a session on a WebSocket, and connect on it."""
    name = "websocket"
    fastest = PATIENCE
    try:
        for _ in range(TRIES):
            async with opened(target, None) as websocket:
                fastest = min(fastest, await _answered(websocket, target.connect_packet))
            if fastest < SLOW:
                return good(name, f"open; a message was answered after {fastest:.2f} s")
    except Refused as error:
        return wrong(name, str(error.answer), handshake_fault(error))
    return wrong(name, f"messages are answered after {fastest:.1f} s", "held-back")


async def check_upgrade(target: Target) -> Finding:
    """Move a session that polls to a WebSocket, as clients do by default."""
    name = "upgrade"
    async with open_session(target) as session:
        if "websocket" not in session.handshake.upgrades:
            return wrong(name, "the server offers none to clients that poll", "upgrades-off")
        sid = session.handshake.sid
        try:
            async with open_websocket(target, sid, session.headers) as websocket:
                begin = time.monotonic()
                websocket.send(b"2probe")
                packet = await websocket.receive()
                if packet != b"3probe":
                    raise NoAnswer(f"another answer to a probe: {packet[:20]!r}", "unexpected")
                took = time.monotonic() - begin
                websocket.send(b"5")
                await _answered(websocket, target.connect_packet)
                websocket.send(b"1")
        except Refused as error:
            return wrong(name, str(error.answer), handshake_fault(error))
    return good(name, f"the session has moved; its probe was answered after {took:.2f} s")


async def _answered(websocket: WebSocket, packet: bytes) -> float:
    """Seconds until a CONNECT is answered."""
    begin = time.monotonic()
    websocket.send(packet)
    while not is_accepted(await websocket.receive()):
        if time.monotonic() - begin > PATIENCE:
            raise NoAnswer("no answer to a CONNECT", "held-back", PATIENCE)
    return time.monotonic() - begin
