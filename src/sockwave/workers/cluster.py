"""What makes one server of the workers: the adapter of each, on Unix sockets in their directory."""

from __future__ import annotations

import asyncio
import os
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

__all__ = ["close_drivers", "join_workers", "joined"]

_drivers: list[UnixDriver | None] = []
"""Those of this process, in the order in which its servers were made; None where there is none
yet. Each server has one of its own: they have namespaces of the same names."""


def join_workers() -> tuple[WorkerPlace, Callable[[RecoveringHost], ClusterAdapter]]:
    """For a server that is made in a worker: which it is, and what makes its adapters.

    It is one with the server that the other workers make at the same place of the order.
    """
    identity = Identity.of_this_process()
    if identity is None:
        raise RuntimeError("this process is no worker")
    place = WorkerPlace(number=identity.index, count=identity.count)
    at = len(_drivers)
    _drivers.append(None)
    directory = os.path.join(identity.directory, f"server{at}") if at else identity.directory
    return place, partial(_make_adapter, at, directory)


def _make_adapter(at: int, directory: str, namespace: RecoveringHost) -> ClusterAdapter:
    driver = _drivers[at]
    if driver is None:
        driver = _drivers[at] = UnixDriver(directory)
    return cluster_adapter(namespace, driver)


async def joined(served: object, timeout: float) -> bool:
    """Wait until all namespaces of a server have joined; whether they did in time."""
    if not isinstance(served, Server):
        return True
    adapters = [each.adapter for each in served.namespaces.values()]
    waits = [each.wait_joined(timeout) for each in adapters if isinstance(each, ClusterAdapter)]
    return all(await asyncio.gather(*waits))


async def close_drivers() -> None:
    """The worker ends."""
    for driver in _drivers:
        if driver is not None:
            await driver.aclose()
