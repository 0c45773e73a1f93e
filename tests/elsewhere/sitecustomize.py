"""Makes Python look as it does on Windows, in every process that has this folder on PYTHONPATH.

Python imports a module of this name when it starts. First it imports those of the standard library
that need what is then taken away; what is imported later is on a system without `resource`,
`fcntl`, uvloop, Unix sockets, and signal handlers in event loops, and with the clocks of Windows.
`sockwave.platform`, once it is there, is told that this is Windows.
"""

from __future__ import annotations

import asyncio.unix_events
import errno
import multiprocessing.pool  # noqa: F401 # before what it needs is gone
import os
import socket
import subprocess  # noqa: F401 # likewise
import sys
import tempfile  # noqa: F401 # likewise
import time
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

TAKEN = {"resource", "fcntl", "uvloop", "termios", "tty", "pty", "pwd", "grp", "syslog", "spwd"}
"""Modules that Windows does not have."""


class _Hook:
    """Finds nothing where Windows has nothing."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in TAKEN:
            raise ModuleNotFoundError(f"No module named {name!r} (as on Windows)", name=name)
        if name != "sockwave.platform":
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            module.name = "win32"  # type: ignore[attr-defined]

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _socketpair(
    family: int | None = None, type: int = socket.SOCK_STREAM, proto: int = 0
) -> tuple[socket.socket, socket.socket]:
    """Connect two sockets by TCP, as Python does it on Windows."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return one, other


_make_socket = socket.socket.__init__


def _no_unix_socket(sock: socket.socket, family: int = -1, *args: Any, **kwargs: Any) -> None:
    if family == socket.AF_UNIX:
        raise OSError(errno.EAFNOSUPPORT, "no Unix sockets (as on Windows)")
    _make_socket(sock, family, *args, **kwargs)


def _take_away(holder: object, *names: str) -> None:
    for name in names:
        if hasattr(holder, name):
            delattr(holder, name)


for _module in TAKEN & sys.modules.keys():
    del sys.modules[_module]
sys.meta_path.insert(0, _Hook)
socket.socketpair = _socketpair
socket.socket.__init__ = _no_unix_socket  # type: ignore[assignment] # trio wants the constant
_take_away(os, "fork", "forkpty", "register_at_fork")
_take_away(time, "CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "clock_gettime")
_take_away(
    asyncio.unix_events._UnixSelectorEventLoop,
    *("add_signal_handler", "remove_signal_handler"),
    *("create_unix_connection", "create_unix_server"),
)
