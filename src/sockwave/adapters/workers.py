"""The adapter of processes that somebody else starts on one machine, such as those of uvicorn."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.recovering import cluster_adapter
from sockwave.adapters.renewed_bytes import RenewedBytesDriver
from sockwave.adapters.unix import DEFAULT_BACKLOG, UnixDriver
from sockwave.engine.core.option_checks import check_integer
from sockwave.platform import check_unix_sockets

if TYPE_CHECKING:
    from sockwave.adapters.adapter import ClusterAdapter
    from sockwave.socketio.core.recovery_contract import RecoveringHost

__all__ = ["WorkersAdapter"]

LONGEST_DIRECTORY: Final = 80
"""Bytes; the whole path of a Unix socket has 103 at most on some systems."""


class WorkersAdapter:
    """Makes one server of the processes of a host: `uvicorn --workers 4` and the like.

    Broadcasts and rooms reach the clients of all processes, and a request that the host gives to
    another process than the one that has its session is answered by that one: no balancer has to
    keep clients where they are. All processes must be of one machine and one user.

        io = Server(adapter=WorkersAdapter("/run/chat"))

    It begins in the event loop of each process, so that the program may be imported before the host
    forks. Each server of a process needs one of its own, with a directory of its own.

    Args:
        directory: Of the processes' sockets, made with mode 0700 if it is not there. It must
            belong to the user of the processes, and nobody else may look into it. At most 80
            bytes.
        options: Times and bounds of the cluster.
        max_backlog: Bytes kept for one other process that does not read.

    Raises:
        ValueError: There are no Unix sockets on this system, or the path is too long.

    Attributes:
        directory: The absolute path.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        options: ClusterOptions | None = None,
        max_backlog: int = DEFAULT_BACKLOG,
    ) -> None:
        check_unix_sockets("directory")
        check_integer("max_backlog", max_backlog, 0)
        if options is not None and not isinstance(options, ClusterOptions):
            raise TypeError(f"options must be ClusterOptions, not {type(options).__name__}")
        if not os.fspath(directory):
            raise ValueError("directory: the path is empty")
        self.directory: str = os.path.abspath(os.fspath(directory))
        if len(os.fsencode(self.directory)) > LONGEST_DIRECTORY:
            raise ValueError(f"directory: the path has more than {LONGEST_DIRECTORY} bytes")
        self._options = options
        make = partial(UnixDriver, self.directory, max_backlog=max_backlog)
        self._driver = RenewedBytesDriver(make, UnixDriver.capabilities)

    def __call__(self, namespace: RecoveringHost) -> ClusterAdapter:
        """Make the adapter of a namespace; the server does."""
        return cluster_adapter(namespace, self._driver, self._options)

    async def aclose(self) -> None:
        """Disconnect from the others; the server does, when it has closed its namespaces."""
        await self._driver.aclose()
