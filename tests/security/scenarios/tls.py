"""An encrypted port beside the plain one."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sockwave import Server

_open: Final = AsyncExitStack()
"""Ports that stay open for as long as the process lives."""


async def listen(io: Server, certificate: str) -> int:
    """Open it, and return its number."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return (await _open.enter_async_context(io.listen(ssl=context))).port
