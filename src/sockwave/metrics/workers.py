"""The workers of one port ask each other for their numbers: whoever is asked answers for all.

Theory. Each listens on a Unix socket in the directory of its supervisor, and says its scrape to
whoever connects. The one that is scraped asks all at once, and waits a moment for those that are
busy.

A sum of counters must never fall, or its reader takes that for a new start and counts everything
again. So what a worker has said last stays in a file beside its socket, and what it says at its
end: that stands for it when it does not answer, and when it is gone. Its gauges are left out then,
and `sockwave_workers_answering` is less than `sockwave_workers`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from sockwave.metrics.families import Family, that_add
from sockwave.platform import is_same_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.workers.identity import Identity

__all__ = ["Colleagues"]

_logger: Final = logging.getLogger("sockwave.metrics")

BACKLOG: Final = 128
_FILE: Final = re.compile(r"metrics(\d+)-(\d+)(\.last)?")
_decoder: Final = msgspec.msgpack.Decoder(tuple[int, list[Family]])


class Colleagues:
    """The other workers, and this one as they see it.

    Args:
        identity: Of this one.
        at: Which metrics of the program: each worker makes them in the same order.
        scrape: What this one says.
        timeout: Seconds to wait for the others.
    """

    def __init__(
        self, identity: Identity, at: int, scrape: Callable[[], list[Family]], timeout: float
    ) -> None:
        self._identity = identity
        self._at = at
        self._scrape = scrape
        self._timeout = timeout
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Answer the others from now on."""
        path = self._path(self._identity.number)
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._server = await asyncio.start_unix_server(self._asked, path, backlog=BACKLOG)
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)

    async def aclose(self) -> None:
        """This worker ends: what it has counted stays."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with suppress(OSError):
            os.unlink(self._path(self._identity.number))
        self._said()

    async def scrapes(self) -> list[tuple[int, list[Family]]]:
        """What all say, those that are gone included; with the place of each."""
        own = self._identity.number
        numbers, left = self._who_is_there()
        numbers.discard(own)
        told = [(own, self._identity.index, self._scrape())]
        asking = [self._ask(number) for number in sorted(numbers)]
        for number, answer in zip(sorted(numbers), await asyncio.gather(*asking), strict=True):
            if answer is not None:
                told.append((number, *answer))
                left.discard(number)
        left.discard(own)
        for number in left:
            last = self._last_of(number)
            if last is not None:
                told.append((number, *last))
        return [(place, families) for _, place, families in sorted(told, key=_first)]

    def _path(self, number: int, ending: str = "") -> str:
        name = f"metrics{self._at}-{number}{ending}"
        return os.path.join(self._identity.directory, name)

    def _who_is_there(self) -> tuple[set[int], set[int]]:
        """Numbers of those that may answer, and of those of whom something is left."""
        there, left = set[int](), set[int]()
        for name in os.listdir(self._identity.directory):
            match = _FILE.fullmatch(name)
            if match is not None and int(match[1]) == self._at:
                (there if match[3] is None else left).add(int(match[2]))
        return there, left

    # --- answering --------------------------------------------------------------------------------

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if is_same_user(writer.get_extra_info("socket")):
                writer.write(self._said())
                await writer.drain()
        except OSError:  # who has asked does not wait any more
            pass
        finally:
            writer.close()

    def _said(self) -> bytes:
        """Say it; what of it is to stay is written down first."""
        place, families = self._identity.index, self._scrape()
        kept = msgspec.msgpack.encode((place, that_add(families)))
        path = self._path(self._identity.number, ".last")
        try:
            with open(f"{path}.new", "wb") as file:
                file.write(kept)
            os.replace(f"{path}.new", path)
        except OSError as error:  # no room; or the supervisor, and its directory, are gone
            _logger.debug("the numbers of this worker are not kept: %s", error)
        return msgspec.msgpack.encode((place, families))

    # --- asking -----------------------------------------------------------------------------------

    async def _ask(self, number: int) -> tuple[int, list[Family]] | None:
        path = self._path(number)
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    return _decoder.decode(await reader.read(-1))
                finally:
                    writer.close()
        except TimeoutError:
            _logger.warning("a worker does not say its numbers within %g s", self._timeout)
        except (OSError, msgspec.MsgspecError):  # it is gone, or goes just now
            pass
        return None

    def _last_of(self, number: int) -> tuple[int, list[Family]] | None:
        with suppress(OSError, msgspec.MsgspecError), open(self._path(number, ".last"), "rb") as f:
            return _decoder.decode(f.read())
        return None


def _first(told: tuple[int, int, list[Family]]) -> int:
    return told[0]
