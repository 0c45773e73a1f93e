"""Bodies of a hundred megabytes, announced or by and by: row V03."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.security.judge import MB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

ANNOUNCED: Final = 100_000_000

PIECE: Final = bytes(65_536)

READ: Final = 2 * MB
"""What the server may read, its honest clients' traffic included."""


@pytest.mark.parametrize("announced", [True, False])
async def test_v03_body_without_end(
    front: str, announced: bool, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    async with target.attack(peak=4 * MB) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        headers = ["Host: a"]
        piece = PIECE
        if announced:
            headers.append(f"Content-Length: {ANNOUNCED}")
        else:
            headers.append("Transfer-Encoding: chunked")
            piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
        head = "\r\n".join([f"POST {peer.target} HTTP/1.1", *headers]) + "\r\n\r\n"
        before = bytes_read(target)
        answer = await asyncio.to_thread(flood, attack.wire, head.encode(), piece, announced)
        read = bytes_read(target) - before
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert len(answer) <= 1_024
        assert read <= READ
        await peer.ended()


def flood(wire: Wire, head: bytes, piece: bytes, waits: bool) -> bytes:
    """Send a request and pieces of its body until the server ends the connection; the answer.

    Args:
        waits: Send the body when the answer has begun to come.
    """
    with socket.socket() as connection:
        connection.settimeout(5)
        connection.connect((wire.host, wire.port))
        connection.sendall(head)
        answer = connection.recv(1) if waits else b""
        with suppress(ConnectionError):
            for _ in range(ANNOUNCED // len(PIECE)):
                connection.sendall(piece)
        with suppress(ConnectionError):
            while part := connection.recv(65_536):
                answer += part
        return answer


def bytes_read(target: Target) -> int:
    """What the server has read from all its sockets since it began."""
    text = Path(f"/proc/{target.pid}/io").read_text()
    counts = dict(line.split(": ") for line in text.splitlines())
    return int(counts["rchar"])
