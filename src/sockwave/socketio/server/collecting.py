"""Collecting the answers to one broadcast, those of this process and those of others.

Theory. A socket of this process is heard once: it answers, or leaves, or the time is over. Others
are asked by the adapter of a cluster, which tells of each answer, and at last how it ended. All is
over when both sides are, or with the time. Then nobody is waited for any longer, whoever answers.
The time is that of this process for its own sockets; the adapter keeps the same time for the
others, and as both end in the same moment it gets a little more to say who is missing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sockwave.errors import AckTimeout, SockwaveError
from sockwave.socketio.core.acks import AckResult, ack_value
from sockwave.socketio.core.cluster_contract import SupportsMeeting

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.adapter import Adapter, BroadcastOptions, LocalSocket
    from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
    from sockwave.socketio.core.cluster_contract import (
        RemoteAnswer,
        RemoteOutcome,
        SupportsCluster,
    )
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import SocketId

__all__ = ["GRACE", "AnswerCollector"]

GRACE: Final = 1.0
"""Seconds beyond the time of the question within which an adapter must say how it ended there. One
that keeps its contract needs nothing of it."""


class AnswerCollector:
    """Asks once.

    Args:
        answers: Where they go, as they come.
        adapter: Asks sockets of this process.
        others: Asks those of others; None where nobody else is asked.
    """

    def __init__(
        self, answers: BroadcastAnswers, adapter: Adapter, others: SupportsCluster | None
    ) -> None:
        self._answers = answers
        self._adapter = adapter
        self._others = others
        self._asked: list[LocalSocket] | None = None
        self._heard = 0
        self._has_left = False
        self._outcome: RemoteOutcome | None = None
        self._complete = asyncio.Event()

    async def ask(
        self, event: EncodedEvent, options: BroadcastOptions, id_: int, timeout: float
    ) -> None:
        """Send, and collect until all have answered or the time is over.

        The first question of all waits before that until the others are known.

        Raises:
            AckTimeout: Somebody did not answer, or left.
        """
        others: object = self._others
        if isinstance(others, SupportsMeeting):
            await others.meet(timeout)
        forget: Callable[[], object] = _nothing
        try:
            if self._others is not None:
                forget = self._others.ask_remote(
                    event, options, timeout, self._answered_remotely, self._over_remotely
                )
            self._asked = self._adapter.broadcast_with_ack(event, options, id_, self._answered)
            self._look()
            is_in_time = await self._is_complete_within(timeout)
            if not is_in_time and self._others is not None and self._outcome is None:
                self._forget_local(id_)
                self._look()
                await self._is_complete_within(GRACE)
        finally:
            forget()
            self._forget_local(id_)
        is_all = self._outcome.is_complete if self._outcome is not None else self._others is None
        if self._has_left or not is_in_time or not is_all:
            raise self._failure()

    def _answered(self, socket: SocketId, result: AckResult) -> None:
        """From a socket of this process."""
        self._heard += 1
        if isinstance(result, SockwaveError):
            self._has_left = True
        else:
            self._answers.take(socket, ack_value(result))
        self._look()

    def _answered_remotely(self, answer: RemoteAnswer) -> None:
        """From another process. A second answer of the same socket is none."""
        if answer.socket is None or answer.socket not in self._answers.by_socket:
            self._answers.take(answer.socket, answer.value)

    def _over_remotely(self, outcome: RemoteOutcome) -> None:
        """All of them have answered, or no more will."""
        self._outcome = outcome
        self._look()

    def _look(self) -> None:
        """Whether this was the last that is waited for."""
        if self._asked is None or self._heard < len(self._asked):
            return
        if self._others is None or self._outcome is not None:
            self._complete.set()

    async def _is_complete_within(self, seconds: float) -> bool:
        if self._complete.is_set():
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._complete.wait()
        except TimeoutError:
            return False
        return True

    def _forget_local(self, id_: int) -> None:
        """Nobody here is waited for any longer."""
        for socket in self._asked or ():
            socket.forget_ack(id_)
        self._heard = len(self._asked or ())

    def _failure(self) -> AckTimeout:
        answers, outcome = self._answers, self._outcome
        missing: dict[Any, None] = dict.fromkeys(socket.id for socket in self._asked or ())
        servers: tuple[str, ...] = ()
        if outcome is not None:
            missing.update(dict.fromkeys(outcome.missing))
            servers = tuple(dict.fromkeys((*outcome.gone, *outcome.silent)))
        answers.missing = tuple(id_ for id_ in missing if id_ not in answers.by_socket)
        return AckTimeout(answers, missing=answers.missing, missing_servers=servers)


def _nothing() -> None:
    """Nobody else was asked."""
