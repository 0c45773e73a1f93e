"""What a message costs the server in steps: `python -m benchmarks.steps [KIND ...]`.

Counted are the calls of functions of the package and the instructions of Python's byte code in
them, for one message in flight. That is no time (a system call is no step at all), but it is the
same in each run, so the smallest change of the path of a message is seen, and where it is.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sockwave
from benchmarks.load import UPGRADE
from benchmarks.server import make_server
from benchmarks.workloads import PAYLOAD
from sockwave.codec.websocket import encode_frame
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["KINDS", "Steps", "count"]

MESSAGES: Final = 100
PACKAGE: Final = str(Path(sockwave.__file__).parent)
_ENOUGH: Final = 65_536


@dataclass(frozen=True, slots=True)
class Steps:
    """Of one message, by function.

    Attributes:
        calls: How often it is called.
        instructions: Of byte code, in it alone.
    """

    calls: Counter[str] = field(default_factory=Counter)
    instructions: Counter[str] = field(default_factory=Counter)

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """As `sys.settrace` wants it."""
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        name = f"{code.co_filename[len(PACKAGE) + 1 :]}: {code.co_qualname}"
        self.calls[name] += 1
        instructions = self.instructions

        def local(frame: FrameType, event: str, argument: object) -> Any:
            if event == "opcode":
                instructions[name] += 1
            return local

        return local


class Talker:
    """A client in a thread of its own, which is not traced: sends bytes, waits for as many."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tcp = self._connected()

    def _connected(self) -> socket.socket:
        tcp = socket.create_connection(("127.0.0.1", self._port))
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.sendall(UPGRADE)
        self._read_until(tcp, b'"sid"')
        tcp.sendall(encode_frame(1, b"40", mask=True))
        self._read_until(tcp, b'40{"sid"')
        return tcp

    @staticmethod
    def _read_until(tcp: socket.socket, end: bytes) -> None:
        read = b""
        while end not in read:
            read += tcp.recv(_ENOUGH)

    def exchange(self, packet: bytes, answers: int, times: int) -> None:
        """Send so many of a packet at once, and read what comes; so often."""
        sent = encode_frame(1, packet, mask=True) * answers
        for _ in range(times):
            self._tcp.sendall(sent)
            read = b""
            while read.count(b'"]') < answers:
                read += self._tcp.recv(_ENOUGH)

    def reconnect(self, times: int) -> None:
        """Leave, and come back."""
        for _ in range(times):
            self._tcp.close()
            self._tcp = self._connected()

    def close(self) -> None:
        """Leave."""
        self._tcp.close()


_EVENT: Final = b'42["echo","%b"]'
KINDS: Final[dict[str, Callable[[Talker, int], None]]] = {
    "echo": lambda talker, times: talker.exchange(_EVENT % PAYLOAD, 1, times),
    "ack": lambda talker, times: talker.exchange(b'421["ack","%b"]' % PAYLOAD, 1, times),
    "pipe": lambda talker, times: talker.exchange(_EVENT % PAYLOAD, 16, times),
    "big": lambda talker, times: talker.exchange(_EVENT % (b"x" * 16_384), 1, times),
    "churn": Talker.reconnect,
}


def count(kind: str, messages: int = MESSAGES) -> Steps:
    """Count the steps of a kind of message, on a fresh server."""
    steps = Steps()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        async with make_server(None).listen("127.0.0.1", 0) as listener:
            port = int(str(listener.url).rpartition(":")[2])
            talker = await loop.run_in_executor(None, Talker, port)
            work = KINDS[kind]
            await loop.run_in_executor(None, work, talker, 10)
            sys.settrace(steps.trace)
            try:
                await loop.run_in_executor(None, work, talker, messages)
            finally:
                sys.settrace(None)
            talker.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve())
    return steps


def main() -> None:
    """Print the steps of each kind, and with one kind those of each function."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all by default")
    kinds = parser.parse_args().kinds or list(KINDS)
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {min(unknown)}")
    for kind in kinds:
        steps = count(kind)
        calls, instructions = steps.calls.total(), steps.instructions.total()
        print(f"{kind:6} {calls / MESSAGES:7.1f} calls {instructions / MESSAGES:9.1f} instructions")
        if len(kinds) == 1:
            for name, most in steps.instructions.most_common():
                print(f"{steps.calls[name] / MESSAGES:14.1f} {most / MESSAGES:14.1f}  {name}")


if __name__ == "__main__":
    main()
