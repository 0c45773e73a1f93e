"""What the targets that are whole connections stand on: a loop with a clock of its own, a TCP
connection without a network, and the script that an input is.

The first byte of a script is the length of segments, 0 for as they are written. Then come bytes of
the peer, and marks: 0x1f 0x1f and a letter. Each ends a segment and lets the loop turn.

    t   nothing else
    h   half a minute passes
    0   what follows belongs to this connection: 0, 1 or 2
    p   the peer stops to read what is written to it
    r   it reads again
    e   it sends nothing more
    l   the connection breaks
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FakeTcp", "Problems", "ScriptLoop", "read_script", "turns"]

MARK: Final = b"\x1f\x1f"
_LETTERS: Final = b"th012prel"
_MAX_SEGMENTS: Final = 256


def read_script(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Give what happens, with the segments that follow it."""
    size = data[0] if data else 0
    first, *others = data[1:].split(MARK)
    yield "t", _chopped(first, size)
    for part in others:
        if part[:1] and part[0] in _LETTERS:
            yield part[:1].decode(), _chopped(part[1:], size)
        else:
            yield "t", _chopped(MARK + part, size)


def _chopped(data: bytes, size: int) -> list[bytes]:
    if not data:
        return []
    size = max(size or len(data), len(data) // _MAX_SEGMENTS)
    return [data[at : at + size] for at in range(0, len(data), size)]


async def turns(count: int) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


class ScriptLoop(asyncio.SelectorEventLoop):
    """Its time passes when it is told to; it never waits as long as somebody has something to do.

    Attributes:
        now: Seconds.
    """

    now = 1_000.0

    def time(self) -> float:
        """The clock."""
        return self.now

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and what was due meanwhile happen.

        What comes very late waits a little longer, as it does where a process was stopped.
        """
        self.now += seconds
        await turns(2)
        self.now += 0.1
        await turns(3)


class Problems(logging.Handler):
    """What must not be: records from ERROR on, and exceptions that reach the loop.

    It formats every record, so that this is tried too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.found: list[str] = []
        loop.set_exception_handler(self._reached_the_loop)
        logger = logging.getLogger("sockwave")
        logger.addHandler(self)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logging.getLogger("asyncio").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self.found.append(text)
        elif not (text.isascii() and text.isprintable() and len(text) < 256):
            self.found.append(f"a line of the log that a peer has formed: {text!r}")

    def _reached_the_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.found.append(f"{context['message']}: {error!r}")

    def check(self) -> None:
        """Fail with what was found."""
        found, self.found = self.found, []
        assert not found, "\n".join(found)


class FakeTcp(asyncio.Transport):
    """A TCP connection whose peer is a script; it behaves as asyncio's.

    Attributes:
        written: What went out.
        is_lost: Whether its protocol was told of the end.
    """

    def __init__(self, loop: ScriptLoop, protocol: asyncio.Protocol | None = None) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._is_reading = True
        self._is_closing = False
        self._has_written_eof = False
        self._is_stuck = False
        self._unread: list[bytes] = []
        self._buffered = 0
        self.written: list[bytes] = []
        self.is_lost = False

    # --- for the protocol -------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer."""
        return ("192.0.2.1", 50_000) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another one from now on."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The present one."""
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if self._has_written_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing:
            return
        self.written.append(bytes(data))
        if self._is_stuck:
            self._buffered += len(data)

    def writelines(self, list_of_data: Any) -> None:
        """Send."""
        for data in list_of_data:
            self.write(data)

    def pause_reading(self) -> None:
        """Leave segments where they are."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Bring what has come meanwhile."""
        self._is_reading = True
        if self._unread:
            self._loop.call_soon(self._bring)

    def is_reading(self) -> bool:
        """Whether segments are brought."""
        return self._is_reading

    def is_closing(self) -> bool:
        """Whether it is over, or soon."""
        return self._is_closing

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True

    def write_eof(self) -> None:
        """Nothing more goes out."""
        self._has_written_eof = True

    def get_write_buffer_size(self) -> int:
        """What the peer does not read."""
        return self._buffered

    def close(self) -> None:
        """Close, and tell so in a later turn."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self.lose, None)

    def abort(self) -> None:
        """Likewise."""
        self.close()

    # --- for the script ---------------------------------------------------------------------------

    def bring(self, segment: bytes) -> None:
        """A segment has come."""
        self._unread.append(segment)
        if self._is_reading:
            self._bring()

    def _bring(self) -> None:
        while self._unread and self._is_reading and not self._is_closing:
            self._present().data_received(self._unread.pop(0))

    def obey(self, letter: str) -> None:
        """Do what a letter of a script says of a connection."""
        match letter:
            case "p":
                self.stick()
            case "r":
                self.unstick()
            case "e":
                self.end()
            case "l":
                self.lose(ConnectionResetError())

    def stick(self) -> None:
        """The peer does not read."""
        if not self._is_stuck and not self._is_closing:
            self._is_stuck = True
            self._present().pause_writing()

    def unstick(self) -> None:
        """It reads again."""
        if self._is_stuck and not self._is_closing:
            self._is_stuck, self._buffered = False, 0
            self._present().resume_writing()

    def end(self) -> None:
        """The peer sends nothing more."""
        if not self._is_closing and not self._present().eof_received():
            self.close()

    def lose(self, error: Exception | None) -> None:
        """The connection is over."""
        if not self.is_lost:
            self._is_closing = self.is_lost = True
            self._present().connection_lost(error)

    def _present(self) -> asyncio.Protocol:
        assert self._protocol is not None
        return self._protocol
