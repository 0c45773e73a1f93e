"""Many requests on few connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.security.crowd import CROWD_DEADLINE
from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.fronts import Wire

__all__ = ["pipelined"]

CONNECTIONS: Final = 10

TOGETHER: Final = 8
"""Requests that are sent at once on a connection: hosts of ASGI queue them without a bound."""


async def pipelined(wire: Wire, requests: Sequence[bytes], end: bytes) -> bytes:
    """Send requests on some connections, and give all answers.

    Args:
        end: What is in each answer once, at its end.
    """
    shares = [requests[at::CONNECTIONS] for at in range(CONNECTIONS)]
    answers = await asyncio.gather(*[_pipelined(wire, share, end) for share in shares])
    return b"".join(answers)


async def _pipelined(wire: Wire, requests: Sequence[bytes], end: bytes) -> bytes:
    http = await wire.http()
    answers: list[bytes] = []
    for at in range(0, len(requests), TOGETHER):
        some = requests[at : at + TOGETHER]
        http.write(b"".join(some))
        answer = b""
        while answer.count(end) < len(some):
            data = await within(http.reader.read(65_536), CROWD_DEADLINE)
            assert data, f"the connection ended after {answer!r}"
            answer += data
        answers.append(answer)
    return b"".join(answers)
