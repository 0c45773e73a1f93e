"""`run` with workers: this process is their supervisor, or one of them."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

from sockwave.debug import shortened
from sockwave.engine.core.option_checks import check_integer
from sockwave.engine.server.fronts.ports import Listener, exit_for
from sockwave.engine.server.fronts.webtransport import loaded
from sockwave.engine.server.routing import begin_worker, is_worker
from sockwave.platform import has_unix_packets, is_windows, keep_freed_memory
from sockwave.workers.command import command_of_this_process
from sockwave.workers.identity import MAX_NUMBER, Identity
from sockwave.workers.ports import has_inherited_socket, inherited_socket, open_port, open_udp_port
from sockwave.workers.supervisor import RELOAD_DRAIN, Supervisor
from sockwave.workers.worker import Worker

if TYPE_CHECKING:
    import socket
    import ssl as ssl_module
    from collections.abc import Callable

    from sockwave.engine.server.fronts.asgi_scope import AsgiApp
    from sockwave.engine.server.fronts.serving import Servable
    from sockwave.engine.server.fronts.webtransport import WebTransport

__all__ = ["run_workers", "worker_count"]

_logger: Final = logging.getLogger("sockwave.workers")

_PATIENCE: Final = 5.0
"""Seconds for what a program does at its end beside ending its sessions."""

_TLS_OPTIONS: Final = ("ssl_keyfile", "ssl_certfile", "ssl_context_factory")
"""With which uvicorn serves HTTPS."""

_begun: Final[set[int]] = set()
"""This process, once it is a supervisor or a worker; one that is forked from it is neither."""


def worker_count(workers: int | Literal["auto"]) -> int:
    """How many workers are meant.

    Raises:
        ValueError: None, or too many, or this system cannot do it.
    """
    if is_windows() or not has_unix_packets():
        raise ValueError(
            "workers: this system cannot pass connections between processes; run one process, or"
            " several on ports of their own behind a balancer that keeps clients with their process"
        )
    if workers == "auto":
        return max(len(os.sched_getaffinity(0)), 1) if hasattr(os, "sched_getaffinity") else 1
    given: object = workers
    if isinstance(given, str):
        raise ValueError(f'workers must be a number or "auto", not "{shortened(given)}"')
    check_integer("workers", workers, 1, MAX_NUMBER)
    return workers


def run_workers(
    served: Servable,
    workers: int | Literal["auto"] | None,
    host: str,
    port: int,
    *,
    app: AsgiApp | None,
    ssl: ssl_module.SSLContext | None,
    webtransport: WebTransport | None,
    on_listening: Callable[[Listener], None] | None,
    uvicorn_options: dict[str, Any] | None,
    drain_period: float | None,
    shutdown_timeout: float | None,
    unresponsive_timeout: float,
) -> None:
    """Serve until SIGINT or SIGTERM: blocks; see `run` of the server.

    Raises:
        RuntimeError: The program has another server with workers, or cannot be run again.
        ValueError: See `worker_count`; or a file is no certificate.
        ImportError: WebTransport needs `sockwave[webtransport]`.
    """
    _check_is_alone()
    certificates = None if webtransport is None else loaded(webtransport)
    identity = Identity.of_this_process()
    if identity is not None:
        begin_worker()
        _begun.add(os.getpid())
        keep_freed_memory()
        worker = Worker(
            served, identity, drain_period=drain_period, shutdown_timeout=shutdown_timeout
        )
        worker.run(app, ssl, uvicorn_options, certificates)
        return
    count = worker_count(1 if workers is None else workers)
    command = command_of_this_process()
    is_port_ours = not has_inherited_socket()
    udp: list[socket.socket] = []
    try:
        sockets = _sockets(host, port, count)
    except OSError as error:
        exit_for(error, f"{host}:{port}")
    if certificates is not None:
        try:
            udp = open_udp_port(sockets[0], count)
        except OSError as error:
            exit_for(error, f"{host}:{port} for WebTransport")
        _logger.info("WebTransport on UDP port %d", udp[0].getsockname()[1])
    _begun.add(os.getpid())
    is_secure = ssl is not None or _is_secure(uvicorn_options or {})
    listener = Listener.of(sockets[0], is_secure=is_secure)
    options = served.engine.options
    drain = options.drain_period if drain_period is None else drain_period
    timeout = options.shutdown_timeout if shutdown_timeout is None else shutdown_timeout
    supervisor = Supervisor(
        command,
        sockets,
        udp=udp,
        patience=drain + timeout + _PATIENCE,
        is_port_ours=is_port_ours,
        on_ready=functools.partial(_all_serve, listener, count, on_listening),
        reload_drain=RELOAD_DRAIN if drain_period is None else drain_period,
        unresponsive_timeout=unresponsive_timeout,
    )
    status = asyncio.run(supervisor.run())
    if status:
        sys.exit(status)


def _sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """The port, as often as there are workers; one that is inherited is shared by all."""
    inherited = inherited_socket()
    if inherited is None:
        return open_port(host, port, count)
    return [inherited, *(inherited.dup() for _ in range(count - 1))]


def _check_is_alone() -> None:
    """Refuse a second server: each worker runs the program from its start, and could not tell for
    which of them it is.

    Raises:
        RuntimeError: There is another one, or there may be.
    """
    if threading.current_thread() is not threading.main_thread():
        if is_worker():
            what = "this process is a worker of another server of this program"
        else:
            what = "run(workers=...) needs the main thread, which hears signals"
    elif os.getpid() in _begun:
        what = "this process has served with workers before"
    else:
        return
    raise RuntimeError(
        f"workers: {what}. A program runs one server with workers: use namespaces for more on its"
        " port, and commands of their own for others"
    )


def _is_secure(uvicorn_options: dict[str, Any]) -> bool:
    """Whether uvicorn will encrypt the port, which only the workers ask it for."""
    return any(uvicorn_options.get(name) for name in _TLS_OPTIONS)


def _all_serve(
    listener: Listener, count: int, on_listening: Callable[[Listener], None] | None
) -> None:
    _logger.info("listening on %s, with %d workers", listener.url, count)
    listener.announce(on_listening)
