"""The way to a WebTransport session: the addresses of the host, one of which answers."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sockwave.engine.client.failures import ADVICE, WEBTRANSPORT_ERROR
from sockwave.engine.client.quic.connection import QuicSession
from sockwave.engine.client.quic.trust import Trust
from sockwave.engine.client.url import bracketed, request_target
from sockwave.errors import FailureCause, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.client.url import ServerUrl

__all__ = ["Dial"]

STAGGER: Final = 0.25
"""Seconds after which the next address is tried beside one that has not answered (RFC 8305)."""


class _Address(NamedTuple):
    family: int
    where: Any


class Dial:
    """One attempt to open a session.

    Args:
        server: Where it is.
        options: Those of the client.
        runtime: Of the client.
        headers: Of the request.
    """

    def __init__(
        self,
        server: ServerUrl,
        options: ClientEngineOptions,
        runtime: Runtime,
        headers: Mapping[str, str],
    ) -> None:
        self._server = server
        self._options = options
        self._runtime = runtime
        self._headers = headers
        self._sessions: list[QuicSession] = []

    @property
    def has_heard(self) -> bool:
        """Whether anything came from any address."""
        return any(session.has_heard for session in self._sessions)

    async def wait_gone(self) -> None:
        """Wait until all sockets are closed."""
        for session in self._sessions:
            await asyncio.shield(session.gone)

    async def open(self) -> QuicSession:
        """Open a session; cancelling it leaves nothing behind but what `wait_gone` waits for.

        Raises:
            TransportError: No address answers, or the server does not want it.
        """
        options = self._options
        try:
            trust = Trust(options)
        except OSError as error:
            text = f"{options.webtransport_cafile} cannot be read: {error.strerror}"
            raise _failure(text, FailureCause.APPLICATION) from error
        server = self._server
        session = await self._first(await _addresses(server), trust)
        try:
            authority = f"{bracketed(server.host)}:{server.port}"
            session.ask(authority, request_target(server, options), self._headers)
            await asyncio.shield(session.answered)
        except BaseException:
            session.abort()
            raise
        return session

    async def _first(self, addresses: deque[_Address], trust: Trust) -> QuicSession:
        """Try one after the other, and the next beside one that is slow; the first that answers."""
        trying: list[asyncio.Task[QuicSession]] = []
        failures: list[BaseException] = []
        won: QuicSession | None = None
        try:
            while won is None and (addresses or trying):
                if addresses:
                    shake = self._shake(addresses.popleft(), trust)
                    trying.append(self._runtime.loop.create_task(shake))
                wait = STAGGER if addresses else None
                await asyncio.wait(trying, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in trying if task.done()]:
                    error = task.exception()
                    if error is not None:
                        failures.append(error)
                        trying.remove(task)
                    elif won is None:
                        won = task.result()
                        trying.remove(task)
        finally:
            await _give_up(trying)
        if won is None:
            raise failures[0]
        return won

    async def _shake(self, address: _Address, trust: Trust) -> QuicSession:
        """Do the handshake with one address."""
        runtime = self._runtime
        host = self._server.host
        try:
            _, session = await runtime.loop.create_datagram_endpoint(
                lambda: QuicSession(runtime, host, address.where, trust),
                remote_addr=address.where[:2],
                family=address.family,
            )
        except OSError as error:
            cause = FailureCause.UNREACHABLE
            raise _failure(str(error), cause, ADVICE[cause]) from error
        self._sessions.append(session)
        try:
            await asyncio.shield(session.shaken)
        except BaseException:
            session.abort()
            raise
        return session


async def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """Ask the system for addresses."""
    loop = asyncio.get_running_loop()
    return [*await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)]


async def _addresses(server: ServerUrl) -> deque[_Address]:
    """Those of both families in turns, that of the resolver's choice first."""
    try:
        found = await resolve(server.host, server.port)
    except socket.gaierror as error:
        cause = FailureCause.NAME
        raise _failure(str(error), cause, ADVICE[cause]) from error
    all_ = list(dict.fromkeys(_Address(family, where) for family, _, _, _, where in found))
    first = [each for each in all_ if each.family == all_[0].family]
    others = [each for each in all_ if each.family != all_[0].family]
    pairs = zip_longest(first, others)
    return deque(each for pair in pairs for each in pair if each is not None)


async def _give_up(tasks: list[asyncio.Task[QuicSession]]) -> None:
    """Others were faster, or nobody waits any more."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            task.result().abort()


def _failure(details: str, cause: FailureCause, advice: str = "") -> TransportError:
    return TransportError(
        WEBTRANSPORT_ERROR,
        transport="webtransport",
        cause=cause,
        details=details,
        advice=advice,
    )
