"""How an engine stops: everybody gets what is queued and a goodbye, within a bound.

Three steps. The application has the word first (`closing`). Then sessions close in turn, spread
over the drain period: polling before WebSocket, because a polling client may need a new connection
and the port takes none, and within these the oldest first, so that those who have just come, maybe
from another server that drains, stay longest. What is queued goes out before the goodbye; nobody
waits for anybody else. At last comes the wait for what is on its way, and the cut.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.engine.core.drain import DrainPlan
from sockwave.engine.core.option_checks import MAX_TIMEOUT, check_number
from sockwave.engine.core.states import State
from sockwave.engine.server.transports.polling import PollingTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.routing import Router
    from sockwave.engine.server.sessions.session import ServerSession

__all__ = ["Shutdown", "check_times"]

CLOSED_AT_ONCE: Final = 16
"""Sessions closed between two looks at the clock."""

TURN: Final = 0.004
"""Seconds spent on closing before others get their turn, handlers of the application included."""

STEP: Final = 0.01
"""Seconds between two looks at the plan of a drain."""

CLOSE_GRACE: Final = 2.0
"""Seconds that peers get to answer a close frame, or to poll for the goodbye, when that is all that
is left to wait for; and that cancelled handlers get to end. Among thousands of clients there is
always one that has gone without a word."""

PAUSES: Final = (0.005, 0.05)
"""Seconds between two looks at what is still on its way: the first, and the longest."""

_logger: Final = logging.getLogger("sockwave.engine")


def check_times(drain_period: float | None, shutdown_timeout: float | None) -> None:
    """Refuse what cannot be the arguments of `close`; None stands for the options.

    Raises:
        TypeError, ValueError: Name the argument.
    """
    if drain_period is not None:
        check_number("drain_period", drain_period, 0, MAX_TIMEOUT)
    if shutdown_timeout is not None:
        check_number("shutdown_timeout", shutdown_timeout, 0, MAX_TIMEOUT)


class ShutdownHost(Protocol):
    """What is needed of the engine."""

    driver: Driver
    router: Router | None
    session_closer: Callable[[ServerSession], None]
    goes_on_elsewhere: Callable[[], bool]

    @property
    def sessions(self) -> Mapping[str, ServerSession]:
        """Open sessions, and those that are closing."""

    def tell_closing(self) -> list[asyncio.Task[None]]:
        """Call the `closing` handlers of the application; return those that wait."""


class Shutdown:
    """One end of an engine.

    Args:
        host: The engine.
        drain_period: Seconds over which sessions close.
        timeout: Seconds for everything else; half of it for handlers of `closing`.
    """

    def __init__(self, host: ShutdownHost, *, drain_period: float, timeout: float) -> None:
        self.is_over: asyncio.Event = asyncio.Event()
        self._host = host
        self._driver = host.driver
        self._drain_period = drain_period
        self._timeout = timeout
        self._plan: DrainPlan[ServerSession] | None = None
        self._end = math.inf
        self._hastened = asyncio.Event()
        self._polling = self._sessions(is_polling=True)
        self._tasks_before = {*host.driver.tasks(), asyncio.current_task()}

    @property
    def keeps_idle_connections(self) -> bool:
        """Whether a client that polls may come back on an idle connection: a new one it cannot
        have."""
        polling = self._polling
        while polling and (
            polling[-1].state is State.CLOSED or polling[-1].transport.name != "polling"
        ):
            polling.pop()
        return bool(polling)

    async def run(self) -> None:
        """Do it. Cancelling cuts everything at once."""
        try:
            try:
                await self._closing_handlers()
                await self._close_sessions()
                await self._wait_for_goodbyes()
            finally:
                self._cut()
            await self._end_tasks()
        finally:
            self._driver.cancel_tasks()
            self.is_over.set()

    def hasten(self, *, drain_period: float, timeout: float) -> None:
        """Be over within these times from now, if that is sooner."""
        self._drain_period = min(self._drain_period, drain_period)
        if self._plan is not None:
            now = self._driver.clock()
            self._plan.hasten(now, drain_period)
            self._end = min(self._end, now + drain_period + timeout)
        self._hastened.set()

    # --- the application --------------------------------------------------------------------------

    async def _closing_handlers(self) -> None:
        tasks = self._host.tell_closing()
        if not tasks:
            return
        begin = self._driver.clock()
        try:
            await asyncio.sleep(0)  # what is cancelled before it begins would end without a word
            await asyncio.wait(tasks, timeout=self._timeout / 2)
        finally:
            for task in tasks:
                task.cancel()
        self._timeout -= self._driver.clock() - begin

    # --- closing ----------------------------------------------------------------------------------

    async def _close_sessions(self) -> None:
        """Close all sessions by the plan."""
        host, clock = self._host, self._driver.clock
        self._polling = polling = self._sessions(is_polling=True)
        start = clock()
        self._end = start + self._drain_period + self._timeout
        self._plan = plan = DrainPlan(
            [*polling, *self._sessions(is_polling=False)], start=start, period=self._drain_period
        )
        polling.reverse()  # the first to close is the last to be looked at
        if host.sessions:
            spread = f" over {self._drain_period:g} s" if self._drain_period else ""
            _logger.info("closing %d sessions%s", len(host.sessions), spread)
        self._close_idle_connections()
        while True:
            self._close_due(plan)
            next_time = plan.next_time()
            if next_time is None or not host.sessions or clock() >= self._end:
                return
            wait = next_time - clock()
            await self._pause(max(wait, STEP) if wait > 0 else 0)

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless there is haste."""
        if not seconds:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hastened.wait(), seconds)
        self._hastened.clear()

    def _sessions(self, *, is_polling: bool) -> list[ServerSession]:
        sessions = self._host.sessions.values()
        return [each for each in sessions if (each.transport.name == "polling") is is_polling]

    def _close_due(self, plan: DrainPlan[ServerSession]) -> None:
        """Close those whose time has come, as many as one turn of the loop may."""
        now = self._driver.clock()
        clock = self._driver.turn_clock
        end = clock() + TURN
        while due := plan.due(now, CLOSED_AT_ONCE):
            for session in due:
                self._close(session)
            if clock() >= end:
                return

    def _close(self, session: ServerSession) -> None:
        if not session.is_open:
            return
        # JavaScript clients hear a goodbye before the events in front of it, and keep these over a
        # return: where they come back as who they were, they would get them twice.
        host = self._host
        if host.router is None:
            has_own_answer = host.goes_on_elsewhere()
        else:
            has_own_answer = host.router.is_reached_by_others
        if isinstance(session.transport, PollingTransport) and not has_own_answer:
            session.transport.end_with_next_answer()
        try:
            self._host.session_closer(session)
        except Exception:
            _logger.exception("internal error while closing a session")

    def _close_idle_connections(self) -> None:
        if not self.keeps_idle_connections:
            for connection in list(self._driver.connections):
                connection.close_if_idle()

    # --- waiting ----------------------------------------------------------------------------------

    async def _wait_for_goodbyes(self) -> None:
        driver, sessions = self._driver, self._host.sessions
        pause, longest = PAUSES
        quiet_since: float | None = None
        while True:
            now = driver.clock()
            self._close_idle_connections()
            if self._is_delivering():
                quiet_since = None
            elif not sessions and not driver.connections:
                return
            elif quiet_since is None:
                quiet_since = now
            if now >= self._end or (quiet_since is not None and now - quiet_since >= CLOSE_GRACE):
                return
            await asyncio.sleep(min(pause, self._end - now))
            pause = min(pause * 1.5, longest)

    def _is_delivering(self) -> bool:
        """Whether there is more to wait for than an answer to a goodbye, or the poll for one."""
        return bool(
            self._new_tasks()
            or any(session.backlog for session in self._host.sessions.values())
            or any(connection.is_sending for connection in self._driver.connections)
        )

    def _new_tasks(self) -> set[asyncio.Task[Any]]:
        """What handlers have started since the end began, such as those of `disconnect`."""
        return {task for task in self._driver.tasks() if task not in self._tasks_before}

    # --- cutting ----------------------------------------------------------------------------------

    def _cut(self) -> None:
        """End what is left, whatever is lost with it."""
        sessions, connections = list(self._host.sessions.values()), list(self._driver.connections)
        sending = sum(connection.is_sending for connection in connections)
        if sessions or sending:
            _logger.info(
                "shutdown: time is up for %d sessions, %d connections", len(sessions), sending
            )
        for session in sessions:
            self._close(session)
            session.discard()
        for connection in connections:
            connection.abort()

    async def _end_tasks(self) -> None:
        await asyncio.sleep(0)  # a task cancelled before it begins would end without a word
        tasks: list[asyncio.Task[Any]] = self._driver.cancel_tasks()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_GRACE)
        deadline = self._driver.clock() + CLOSE_GRACE
        while self._driver.connections and self._driver.clock() < deadline:  # they are cut already
            await asyncio.sleep(0)
