"""What the client needs and a server does not: aiohttp, whose import takes a tenth of a second.

So it is imported by the first connection, in a thread: whoever else lives in the event loop does
not wait for it.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Final

__all__ = ["check_aiohttp", "check_aioquic", "load_http", "load_quic"]

_HTTP: Final = "sockwave.engine.client.http"
_SOCKS: Final = "aiohttp_socks"
_QUIC: Final = "sockwave.engine.client.quic.dialing"

_loaded: Final[set[str]] = set()
"""Modules that are there as a whole; `sys.modules` has those that are being imported as well."""


def check_aiohttp() -> None:
    """Say at once what to install.

    Raises:
        ImportError: There is no aiohttp.
    """
    if find_spec("aiohttp") is None:
        raise ImportError('the client needs aiohttp: pip install "sockwave[client]"')


def check_aioquic() -> None:
    """Say at once what to install for WebTransport.

    Raises:
        ImportError: There is no aioquic.
    """
    if find_spec("aioquic") is None:
        raise ImportError('WebTransport needs aioquic: pip install "sockwave[client,webtransport]"')


async def load_http(*, with_socks: bool = False) -> None:
    """Import the module of HTTP, the first time in a thread.

    Args:
        with_socks: That of SOCKS proxies too, if there is one.

    Raises:
        ImportError: It cannot be imported.
    """
    await _load([_HTTP, *([_SOCKS] if with_socks else [])])


async def load_quic() -> None:
    """Import the modules of WebTransport, the first time in a thread.

    Raises:
        ImportError: They cannot be imported.
    """
    await _load([_QUIC])


async def _load(names: list[str]) -> None:
    if _loaded.issuperset(names):
        return
    threads = ThreadPoolExecutor(1, "sockwave-import")
    try:
        await asyncio.get_running_loop().run_in_executor(threads, _import, names)
    finally:
        threads.shutdown(wait=False)


def _import(names: list[str]) -> None:
    import_module(names[0])
    for name in names[1:]:
        with suppress(ImportError):  # who asks for a SOCKS proxy is told later
            import_module(name)
    _loaded.update(names)
