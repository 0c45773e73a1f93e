"""Lost clients in a stream of NATS, each on a subject of its own.

Who has read one takes it out by writing nothing in its place: NATS lets only one of all who try do
that. It would delete one just as well, but a NATS that is killed right behind that has it again.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.nats.jetstream.api import Api
    from sockwave.adapters.nats.jetstream.writer import LogWriter
    from sockwave.adapters.nats.subjects import Subjects
    from sockwave.types import NamespaceName

__all__ = ["KeptSessions"]

TRIES: Final = 8
"""To take out a client that somebody keeps anew at the same time."""

_UNTIL: Final = struct.Struct("!d")
"""Before each: until when it is kept, by the clock of the host."""


class KeptSessions:
    """Those of one cluster.

    Args:
        subjects: Names of subjects.
        stream: Its name.
        writer: Writes, in order with what is written of events.
    """

    def __init__(self, subjects: Subjects, stream: str, writer: LogWriter) -> None:
        self._subjects = subjects
        self._stream = stream
        self._writer = writer

    def save(
        self,
        channel: NamespaceName,
        pid: str,
        value: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Keep one for so long; False if there is no room."""
        subject, until = self._subjects.session(channel, pid), time.time() + seconds
        return self._writer.put(subject, _UNTIL.pack(until) + value, done)

    async def take(
        self, channel: NamespaceName, pid: str, api: Callable[[], Api]
    ) -> tuple[bytes, float] | None:
        """Take one out, behind all that was written here; with the seconds that it had left.

        Args:
            api: Gives that of the connection that is there then.

        Raises:
            OSError: NATS cannot be reached.
            StreamRefused: It does not tell.
        """
        await self._writer.settled()
        question = {"last_by_subj": self._subjects.session(channel, pid)}
        for _ in range(TRIES):
            stored = await api().find(self._stream, question)
            if stored is None or len(stored.data) < _UNTIL.size:
                return None
            if not await api().replace(question["last_by_subj"], stored.sequence):
                continue  # somebody else has, or has kept it anew
            left = _UNTIL.unpack_from(stored.data)[0] - time.time()
            return (stored.data[_UNTIL.size :], left) if left > 0 else None
        return None
