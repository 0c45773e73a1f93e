"""What sitecustomize.py takes away is away: without this the tests run here would show nothing."""

from __future__ import annotations

import asyncio
import importlib
import socket
import sys

import pytest

import sockwave
from sockwave import platform

pytestmark = pytest.mark.windows


@pytest.mark.parametrize("name", ["resource", "fcntl", "uvloop", "termios", "pwd"])
def test_module_of_unix_is_not_there(name: str) -> None:
    assert name not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)


def test_package_takes_this_for_windows() -> None:
    assert platform.is_windows()
    assert platform.open_files_limit() is None
    assert sockwave.Server().engine.driver.max_connections == 65_536


def test_loop_is_the_standard_one_without_signals_and_unix_sockets() -> None:
    async def look() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(NotImplementedError):
            loop.add_signal_handler(2, print)
        with pytest.raises(NotImplementedError):
            await loop.create_unix_server(asyncio.Protocol, "path")

    with asyncio.Runner(loop_factory=platform.new_event_loop) as runner:
        assert type(runner.get_loop()).__module__.startswith("asyncio.")
        runner.run(look())
    with pytest.raises(OSError, match="no Unix sockets"):
        socket.socket(socket.AF_UNIX)
