"""Keeps a connection to the server while it is wanted (docs/protocol/reconnection.md).

Theory: one task lives while the connection is wanted. It opens an engine, waits for its end, waits
for the backoff, and so on. Whatever comes in arrives by direct calls from the engine's session, on
the stack of the read; the task only learns of the end. At most one connection is current: `stop`
leaves it behind, cancels the task, and lets the engine close by itself in a task of its own, so
that a new supervision may start at once.

Handlers of the user run inside of most steps, and may stop or start the supervision. So after each
such step the running task asks whether it is still the one (`self._task is me`), and ends if not. A
cancellation that comes while it is still the one is not ours: the event loop ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from sockwave.engine.client.loading import load_http
from sockwave.errors import (
    ConnectTimeout,
    Disconnected,
    FailureCause,
    SockwaveError,
    TransportError,
)
from sockwave.socketio.client.backoff import Backoff
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.client_session import ClientSession
    from sockwave.socketio.client.connection import ServerConnection
    from sockwave.socketio.client.options import ManagerOptions
    from sockwave.types import TransportName

__all__ = ["Supervised", "Supervisor"]


class Supervised(Protocol):
    """The manager whose connection it is."""

    engine_options: ClientEngineOptions
    options: ManagerOptions
    runtime: Runtime

    def new_connection(self, attempt: int) -> ServerConnection:
        """Make a connection, which is yet to be opened."""

    def emit_local(self, event: str, *args: Any) -> None:
        """Run the handlers of an event of the manager."""

    def attempt_failed(self, failure: SockwaveError) -> None:
        """There is no connection this time."""

    def attempts_ended(self, error: SockwaveError) -> None:
        """There will be none, until somebody connects."""

    def stopped(self) -> None:
        """The connection is not wanted any more, or the attempts to have one."""

    def loop_ends(self) -> None:
        """The event loop ends, and the connection with it."""


class Supervisor:
    """Connects, and connects again after each loss, from `start` to `stop`.

    Attributes:
        connection: The current one, which may be on its way; else None.
        upgraded_to: What the latest one came to be carried by, which may begin the next.
    """

    __slots__ = (
        "_backoff",
        "_closing",
        "_host",
        "_task",
        "connection",
        "upgraded_to",
    )

    def __init__(self, host: Supervised) -> None:
        options = host.options
        self.connection: ServerConnection | None = None
        self.upgraded_to: TransportName | None = None
        self._host = host
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._backoff = Backoff(
            options.reconnection_delay,
            options.reconnection_delay_max,
            options.randomization_factor,
        )

    @property
    def is_running(self) -> bool:
        """Whether a connection is wanted."""
        return self._task is not None

    @property
    def session(self) -> ClientSession | None:
        """The session of the connection while it is open, else None."""
        return self.connection.session if self.connection is not None else None

    # --- wanted, and not wanted any more ----------------------------------------------------------

    def start(self) -> None:
        """A connection is wanted."""
        runtime = self._host.runtime
        runtime.bind()
        if self._task is None:
            self._task = runtime.start(self._supervise())

    def stop(self) -> None:
        """None is wanted; the one that stands closes in the background."""
        task, self._task = self._task, None
        connection, self.connection = self.connection, None
        self._backoff.reset()
        if connection is not None:
            connection.abandon()
            connection.engine.close()
            self._dispose_later(connection)
        if task is not None:
            task.cancel()
            self._host.stopped()

    def loop_changed(self) -> None:
        """Forget what belonged to a loop that has ended."""
        self._task = self.connection = None
        self._closing.clear()
        self._backoff.reset()

    def opened_on(self, transport: TransportName | None) -> None:
        """This carries the connection, and may begin the next one, unless it is polling."""
        self.upgraded_to = None if transport == "polling" else transport

    def accepted(self) -> None:
        """The server means well: the next loss begins with short delays."""
        self._backoff.reset()

    async def wait_closings(self) -> None:
        """Wait until engines that were closed are gone."""
        while closing := [task for task in self._closing if task is not asyncio.current_task()]:
            await asyncio.wait(closing)

    def _dispose_later(self, connection: ServerConnection) -> None:
        task = self._host.runtime.loop.create_task(_dispose(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- the task ---------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        me = asyncio.current_task()
        try:
            await self._keep_connected(me)
        except asyncio.CancelledError:
            if self._task is me:  # it is not us who cancel: the loop ends
                self._task = None
                self._host.loop_ends()
            raise

    async def _keep_connected(self, me: asyncio.Task[Any] | None) -> None:
        attempt = 0
        while True:
            failure = await self._connect_once(attempt)
            if self._task is not me:
                return  # stopped by a handler
            if failure is None:
                attempt = 0
            if not await self._wait_to_retry(attempt, failure):
                return
            attempt += 1
            self._host.emit_local("reconnect_attempt", attempt)
            if self._task is not me:
                return

    async def _connect_once(self, attempt: int) -> SockwaveError | None:
        """Open a connection and wait for its end; returns why it could not be opened."""
        try:
            await load_http(with_socks=(self._host.engine_options.proxy or "").startswith("socks"))
        except ImportError as error:
            lacking = TransportError(str(error), cause=FailureCause.APPLICATION)
            self._attempt_failed(lacking)
            return lacking
        connection = self.connection = self._host.new_connection(attempt)
        try:
            failure = await self._open(connection)
            if failure is None:
                await asyncio.shield(connection.ended)  # others wait for it, too
        except asyncio.CancelledError:
            if self.connection is connection:  # it is not us who cancel: the loop ends
                self.connection = None
                await connection.engine.aclose()
            raise
        if self.connection is connection:
            self.connection = None
            self._dispose_later(connection)
        if failure is not None:
            self._attempt_failed(failure)
        return failure

    async def _open(self, connection: ServerConnection) -> SockwaveError | None:
        """Open a connection within its time; returns why that failed."""
        options = self._host.engine_options
        begin_with = self.upgraded_to if options.remember_upgrade else None
        try:
            async with asyncio.timeout(options.timeout):
                await connection.engine.open(begin_with)
        except SockwaveError as error:
            return error
        except TimeoutError:
            return ConnectTimeout(
                "timeout",
                cause=FailureCause.TIMEOUT,
                details=f"no handshake within {options.timeout:g} s (option `timeout`)",
                advice="does a server of Socket.IO listen there, with no firewall between?",
            )
        return None

    def _attempt_failed(self, failure: SockwaveError) -> None:
        self.upgraded_to = None
        self._host.attempt_failed(failure)

    async def _wait_to_retry(self, attempt: int, failure: SockwaveError | None) -> bool:
        """Wait for the time of the next attempt; False when there is none."""
        options = self._host.options
        limit = options.reconnection_attempts or None
        exhausted = limit is not None and attempt >= limit
        ends = exhausted or not options.reconnection
        if ends:
            self._task = None
            self._backoff.reset()
            if options.reconnection:
                self._host.emit_local("reconnect_failed")
        if failure is not None and attempt:
            self._host.emit_local("reconnect_error", failure)
        if ends:
            if self._task is None:  # else a handler has started anew
                self._host.attempts_ended(failure or Disconnected(DisconnectReason.TRANSPORT_CLOSE))
            return False
        await asyncio.sleep(self._backoff.next())
        return True


async def _dispose(connection: ServerConnection) -> None:
    """Let an orderly close take its time, which is limited, and free everything."""
    try:
        if connection.engine.is_closing:
            await connection.ended
    finally:
        await connection.engine.aclose()
