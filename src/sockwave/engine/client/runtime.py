"""What the connections of one client share in an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sockwave import platform
from sockwave.engine.core.heartbeat import TimingWheel
from sockwave.engine.core.udp_trials import UdpTrials
from sockwave.engine.io.loop import LoopDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Runtime"]


class Runtime(LoopDriver):
    """Binds a client to one event loop and owns every task it starts there.

    Attributes:
        udp: Whether UDP gets through to the server.
    """

    _side = "client"
    _not_bound = "the client is not connected to an event loop yet"

    def __init__(self) -> None:
        super().__init__()
        self.udp: UdpTrials = UdpTrials()
        self._moved: Callable[[], object] | None = None

    def on_move(self, moved: Callable[[], object]) -> None:
        """Call this when the client is used in another loop than before, in that."""
        self._moved = moved

    # --- the loop ---------------------------------------------------------------------------------

    def bind(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Use the running loop from now on.

        Raises:
            RuntimeError: There is none, or another one is in use.
        """
        if loop is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise RuntimeError(
                    "no event loop runs here: connect inside of `async def`, or make the client "
                    "with auto_connect=False and connect later, or use sockwave.sync, which needs "
                    "no event loop"
                ) from None
        before = self._loop
        super().bind(loop)
        if before is not None and before is not loop and self._moved is not None:
            self._moved()

    def follow(self) -> None:
        """Move to the loop that runs here, if that of before has ended.

        Raises:
            RuntimeError: See `check_process`.
        """
        self.check_process()
        if self.has_ended and asyncio._get_running_loop() is not None:
            self.bind()

    def _is_in_use(self) -> bool:
        return bool(self._tasks)

    def _loop_changed(self, is_first: bool) -> None:
        self._tasks.clear()

    awake_clock: Callable[[], float] = staticmethod(platform.awake_clock)
    """Seconds of a clock that also runs while the machine sleeps, where there is one."""

    def is_foreign_thread(self) -> bool:
        """Whether there is a loop and the caller runs in another thread than that; see `follow`."""
        self.follow()
        return self.is_bound and super().is_foreign_thread()

    def is_elsewhere(self) -> bool:
        """Whether there is a loop that lives, and the caller does not run in it; see `follow`."""
        self.follow()
        return super().is_elsewhere() and not self.loop.is_closed()

    # --- tasks ------------------------------------------------------------------------------------

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine from the next turn on, and own it until it ends."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def start_handler(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Run a handler, at once where Python can (3.12): one that never waits costs no switch.

        Returns:
            Its task; None when it is done already.
        """
        task = self._start_eagerly(coroutine)
        if task.done():
            return None
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel_all(self) -> None:
        """Cancel all tasks but the calling one, and wait until they are gone."""
        await asyncio.gather(*self.cancel_tasks(), return_exceptions=True)
        if self._timer is not None and not len(self._wheel):
            self._timer.cancel()  # nothing of a closed client stays in the loop
            self._timer = None
            self._wheel = TimingWheel()
