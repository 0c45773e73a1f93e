"""Memory of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import heap

if TYPE_CHECKING:
    from sockwave import Server


async def trim(io: Server) -> None:
    """Give back what is free."""
    heap.trim()


async def in_use(io: Server) -> int:
    """Bytes that are allocated."""
    return heap.in_use()
