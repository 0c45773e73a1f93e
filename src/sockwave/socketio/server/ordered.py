"""Handlers that run when it is their turn: those for which somebody has set an `Order`.

Theory: handlers with the same key stand in a lane of the namespace: one is under way, and the task
that has waited for it runs those behind it. These may be of other sockets, so that a job is begun
and ended by its own socket, whichever task works the lane off. With the order "socket" the intake
of the client is locked meanwhile: none of its events is taken.

Must never happen: a lane that is busy with nobody in it, an intake that stays locked, a handler
that is counted twice or never. That is why every way out of `_work_off` goes through `_leave_lane`,
cancellation too; only a coroutine that is thrown away with its loop has nobody left to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sockwave.engine.core.handlers import Handler, is_closed
from sockwave.engine.io.loop import forget_cancellation
from sockwave.socketio.core.order import Lane, Order, OrderedHandler
from sockwave.socketio.core.running import HandlerRunner
from sockwave.socketio.server.states import IN, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable

    from sockwave.engine.server.driver import Driver
    from sockwave.socketio.core.answers import Answers
    from sockwave.socketio.server.contracts import MemberConnection

__all__ = ["Job", "LaneNamespace", "OrderedHandlers"]


class LaneNamespace(Protocol):
    """Has the lanes."""

    @property
    def order(self) -> Order | None:
        """How its handlers run beside each other."""

    def lane(self, key: Hashable) -> Lane[Any]:
        """The lane of a key."""

    def lane_emptied(self, lane: Lane[Any]) -> None:
        """Nothing waits in a lane any more."""


N = TypeVar("N", bound=LaneNamespace)


@dataclass(slots=True, eq=False)
class Job:
    """A handler with what it is called with, and who is told what it returns."""

    socket: OrderedHandlers[Any]
    handler: Handler
    args: list[Any]
    name: str
    answers: Answers


class OrderedHandlers(HandlerRunner, Generic[N]):
    """Runs handlers of one socket in their order; a base of `Socket`."""

    __slots__ = ()

    namespace: N
    state: State
    _connection: MemberConnection
    _driver: Driver

    def _run_in_order(self, job: Job, args: list[Any]) -> None:
        """Run a handler now, or when it is its turn."""
        handler = job.handler
        order = handler.order if isinstance(handler, OrderedHandler) else self.namespace.order
        if order is None:
            self._run(handler, job.args, job.name, job.answers)
            return
        try:
            key = None if order == "socket" else order(self, *args)
            lane = self.namespace.lane(self if order == "socket" else (order, key))
        except BaseException as error:
            self._raised_at_once(job.name, error, job.answers)
            return
        if lane.is_busy:
            lane.waiting.append(job)
            self._connection.handler_started(job)
            return
        running = self._call(job)
        if running is None:
            self.namespace.lane_emptied(lane)
            return
        lane.is_busy = True
        alone = order == "socket"
        if alone:
            self._connection.intake.lock()
        if self._driver.start(self._work_off(lane, job, running, alone=alone)):
            self._connection.handler_started(job)

    async def _work_off(
        self, lane: Lane[Job], job: Job, running: Awaitable[Any], *, alone: bool
    ) -> None:
        """Wait for the handler that has begun, then run those that wait behind it.

        Args:
            alone: No other event of the client is taken meanwhile.
        """
        try:
            while True:
                await job.socket.end_job(job, running)
                next_running: Awaitable[Any] | None = None
                while next_running is None and lane.waiting:
                    job = lane.waiting.popleft()
                    next_running = job.socket.begin_job(job)
                if next_running is None:
                    break
                running = next_running
        except GeneratorExit:
            raise  # see `is_closed`
        except BaseException:  # everything ends
            self._leave_lane(lane, alone=alone)
            raise
        self._leave_lane(lane, alone=alone)

    def begin_job(self, job: Job) -> Awaitable[Any] | None:
        """Run a handler that has waited for its turn; what is returned has to be waited for."""
        running = self._call(job) if self.state in IN else None
        if running is None:
            self._connection.handler_ended(job)
        return running

    def _call(self, job: Job) -> Awaitable[Any] | None:
        try:
            result = job.handler(*job.args)
        except BaseException as error:
            return self._raised(job.name, error, job.answers)
        if result is not None and hasattr(result, "__await__"):
            return result  # type: ignore[no-any-return] # asked on the line before
        job.answers.returned(result)
        return None

    async def end_job(self, job: Job, running: Awaitable[Any]) -> None:
        """Wait for a handler; however it ends, those behind it have their turn."""
        try:
            job.answers.returned(await running)
        except BaseException as error:
            if is_closed(error):
                raise
            if self._is_ending():
                self._connection.handler_ended(job)
                raise
            answering = self._raised(job.name, error, job.answers)
            forget_cancellation()
            if answering is not None:
                await self.end_job(job, answering)
                return
        self._connection.handler_ended(job)

    def _leave_lane(self, lane: Lane[Job], *, alone: bool) -> None:
        lane.is_busy = False
        self.namespace.lane_emptied(lane)
        if alone:
            self._connection.intake.unlock()
        self._driver.finished()
