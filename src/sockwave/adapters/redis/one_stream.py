"""A stream of Redis, and the connections that are for it alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave.adapters.redis.lines import Asker
    from sockwave.adapters.redis.stream_reader import StreamReader
    from sockwave.adapters.redis.stream_writer import StreamWriter

__all__ = ["OneStream"]


@dataclass(slots=True)
class OneStream:
    """A stream.

    Attributes:
        name: Its key.
        writer, reader, asker: Connections, one after the other, that write, read and ask.
        is_read: Whether somebody listens here.
    """

    name: str
    writer: StreamWriter
    reader: StreamReader
    asker: Asker
    is_read: bool = False

    async def start(self) -> None:
        """Connect."""
        if self.is_read:
            # First, so that whoever wants to read what he has written does read it.
            await self.reader.start()
        await self.writer.start()

    @property
    def is_there(self) -> bool:
        """Whether all that is needed is connected."""
        return self.writer.link.is_ready and (self.reader.link.is_ready or not self.is_read)

    async def aclose(self) -> None:
        """Disconnect."""
        for user in (self.writer, self.reader, self.asker):
            await user.aclose()
