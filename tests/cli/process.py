"""The `sockwave` command in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DemoProcess", "SockwaveProcess", "free_port"]


class SockwaveProcess(ServerProcess):
    """`sockwave` with arguments."""

    def __init__(self, *arguments: str, directory: Path, port: int) -> None:
        super().__init__("-m", "sockwave", *arguments, directory=directory, port=port)


class DemoProcess(SockwaveProcess):
    """`sockwave demo` on a port of its own."""

    def __init__(self, directory: Path, *options: str, port: int | None = None) -> None:
        port = port or free_port()
        super().__init__("demo", "--port", str(port), *options, directory=directory, port=port)

    @property
    def url(self) -> str:
        """The address that it printed."""
        return self.wait_for(r"http://\S+")[0]
