"""What a server does while its network or its machine fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def tell(io: Server, number: int) -> None:
    """Tell everybody."""
    io.emit("news", number)
