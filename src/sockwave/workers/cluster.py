"""What makes one server of the workers: the adapter of each, on Unix sockets in their directory."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from sockwave.adapters.adapter import ClusterAdapter
from sockwave.adapters.recovering import cluster_adapter
from sockwave.adapters.unix import UnixDriver
from sockwave.socketio.server.server import Server
from sockwave.socketio.server.worker_place import WorkerPlace
from sockwave.workers.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.recovery_contract import RecoveringHost

__all__ = ["close_driver", "join_workers", "joined"]

_drivers: dict[str, UnixDriver] = {}
"""The one of this process, by the directory of its workers."""


def join_workers() -> tuple[WorkerPlace, Callable[[RecoveringHost], ClusterAdapter]]:
    """For a server that is made in a worker: which it is, and what makes its adapters."""
    identity = Identity.of_this_process()
    if identity is None:
        raise RuntimeError("this process is no worker")
    place = WorkerPlace(number=identity.index, count=identity.count)
    return place, partial(_make_adapter, identity.directory)


def _make_adapter(directory: str, namespace: RecoveringHost) -> ClusterAdapter:
    driver = _drivers.get(directory)
    if driver is None:
        driver = _drivers[directory] = UnixDriver(directory)
    return cluster_adapter(namespace, driver)


async def joined(served: object, timeout: float) -> bool:
    """Wait until all namespaces of a server have joined; whether they did in time."""
    if not isinstance(served, Server):
        return True
    adapters = [each.adapter for each in served.namespaces.values()]
    waits = [each.wait_joined(timeout) for each in adapters if isinstance(each, ClusterAdapter)]
    return all(await asyncio.gather(*waits))


async def close_driver(directory: str) -> None:
    """The worker ends."""
    driver = _drivers.pop(directory, None)
    if driver is not None:
        await driver.aclose()
