"""Bodies of a hundred megabytes, announced or by and by: row V03."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from tests.security.judge import MB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

ANNOUNCED: Final = 100_000_000

PIECE: Final = bytes(65_536)

SEND_BUFFER: Final = 65_536

IN_KERNELS: Final = 512 * 1024
"""Bytes sent that nobody has read: in the small buffer of the attacker, and in the server's."""


@pytest.mark.parametrize("announced", [True, False])
async def test_v03_body_without_end(
    front: str, announced: bool, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(peak=4 * MB) as attack:
        attack.runs["echo"] = 1
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
        sent, answer = await asyncio.to_thread(flood, attack.wire, head.encode(), piece)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert len(answer) <= 1_024
        print("SENT", sent, answer[:200])
        assert sent <= 2 * MB + IN_KERNELS
        await peer.send('421["echo"]')  # the session lives
        assert await peer.receive() == "431[]"
        await peer.send("1")


def flood(wire: Wire, head: bytes, piece: bytes) -> tuple[int, bytes]:
    """Send a request and pieces of its body until the server ends the connection.

    Returns:
        Bytes of the body that were sent, and the answer.
    """
    sent = 0
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        connection.settimeout(5)
        connection.connect((wire.host, wire.port))
        connection.sendall(head)
        with suppress(ConnectionError):
            while sent < ANNOUNCED:
                connection.sendall(piece)
                sent += len(piece)
        answer = b""
        with suppress(ConnectionError):
            while part := connection.recv(65_536):
                answer += part
        return sent, answer
