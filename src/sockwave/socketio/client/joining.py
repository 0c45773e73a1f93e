"""How a socket joins its namespace: asks for `auth`, and asks again when that fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from sockwave.errors import FailureCause, SockwaveError, TransportError
from sockwave.socketio.client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sockwave.engine.core.client_session import ClientSession
    from sockwave.socketio.client.options import Auth, ManagerOptions

__all__ = ["Joining"]


class JoiningSocket(Protocol):
    """What a socket gives to its joining."""

    @property
    def auth(self) -> Auth | None:
        """What the server is to be told."""

    def send_connect(self, session: ClientSession, auth: Any) -> None:
        """Send the CONNECT packet.

        Raises:
            SockwaveError, TypeError, ValueError: The server cannot be told this.
        """

    def joining_failed(self, error: SockwaveError, *, is_last: bool) -> None:
        """There is no `auth` to join with; it is asked for again, unless this was the last try."""

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in the loop."""


class Joining:
    """Joins once per connection, and no more often: the server counts twice as a broken protocol.

    A failing `auth` concerns this namespace alone. The connection stands, and the others on it go
    on; it is asked again by the manager's backoff, since a token service may be back by then.
    """

    __slots__ = ("_backoff", "_options", "_session", "_socket", "_task", "_tries")

    def __init__(self, socket: JoiningSocket, options: ManagerOptions) -> None:
        self._socket = socket
        self._options = options
        self._backoff = Backoff(
            options.reconnection_delay,
            options.reconnection_delay_max,
            options.randomization_factor,
        )
        self._tries = 0
        self._session: ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, session: ClientSession) -> None:
        """A connection stands: join on it, unless that has begun."""
        if self._session is not session:
            self._stop_task()
            self._session = session
            self._ask(session)

    def accepted(self) -> None:
        """The server lets the socket in: a later failure is a first one."""
        self._backoff.reset()
        self._tries = 0

    def withdraw(self) -> None:
        """The socket does not want to join any more; what was sent to the server stays sent."""
        if self._task is not None:
            self.forget()

    def abandon(self) -> bool:
        """The socket leaves before it is let in: whether the server was asked, and will answer."""
        has_asked = self._session is not None and self._task is None
        self.forget()
        return has_asked

    def forget(self) -> None:
        """The connection is gone."""
        self._stop_task()
        self._session = None

    # --- private ----------------------------------------------------------------------------------

    def _stop_task(self) -> None:
        task, self._task = self._task, None
        if task is not None and task is not _current_task():
            task.cancel()

    def _ask(self, session: ClientSession) -> None:
        try:
            auth = self._socket.auth
            payload = auth() if callable(auth) else auth
        except (Exception, asyncio.CancelledError) as error:
            self._failed(session, error)
            return
        if hasattr(payload, "__await__"):
            self._task = self._socket.start(self._wait_for(session, payload))
        else:
            self._send(session, payload)

    async def _wait_for(self, session: ClientSession, awaitable: Any) -> None:
        me = asyncio.current_task()
        assert me is not None
        try:
            payload = await awaitable
        except (Exception, asyncio.CancelledError) as error:
            if me.cancelling():  # it is this task that is to end
                raise
            if self._task is me:
                self._failed(session, error)
            return
        if self._task is me:
            self._task = None
            self._send(session, payload)

    def _send(self, session: ClientSession, auth: Any) -> None:
        if self._session is not session:
            return  # the function has disconnected its own socket
        try:
            self._socket.send_connect(session, auth)
        except (SockwaveError, TypeError, ValueError) as error:
            self._failed(session, error)

    def _failed(self, session: ClientSession, error: BaseException) -> None:
        """Tell in a later turn: who has just made the socket wants to register handlers first."""
        self._task = self._socket.start(self._tell_and_ask_again(session, error))

    async def _tell_and_ask_again(self, session: ClientSession, error: BaseException) -> None:
        me = asyncio.current_task()
        failure = TransportError(
            f"auth failed: {str(error) or type(error).__name__}", cause=FailureCause.APPLICATION
        )
        failure.__cause__ = error
        is_last = not self._options.reconnection or (
            self._tries == (self._options.reconnection_attempts or -1)
        )
        self._tries += 1
        if is_last:
            self.accepted()
            self._session = self._task = None  # `connect()` tries again
        self._socket.joining_failed(failure, is_last=is_last)
        if self._task is me:
            await asyncio.sleep(self._backoff.next())
            if self._task is me:
                self._task = None
                self._ask(session)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs: it has ended
        return None
