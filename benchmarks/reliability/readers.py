"""Clients that read large messages as fast as they come, in a process of their own.

    python -m benchmarks.reliability.readers PORT COUNT

Each event carries the time it was emitted at, on the clock that all processes of a machine share. A
line on standard input asks for the delays since the last one, each measured when the whole message
is there.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from typing import Final

from benchmarks.load import UPGRADE
from sockwave.codec.websocket import encode_frame

CHUNK: Final = 1 << 20
EMITTED: Final = re.compile(rb'42\["large",([\d.]+),')


class Reader:
    """One client; keeps nothing of a message but when it was emitted."""

    def __init__(self, port: int, buffer: memoryview) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._buffer = buffer
        self._head = b""
        self._left = 0
        self._emitted: float | None = None
        self._pending = b""
        self._handshake()

    def _handshake(self) -> None:
        self.socket.sendall(UPGRADE)
        self._read_until(b'"maxPayload":1000000}')
        self.socket.sendall(encode_frame(1, b"40", mask=True))
        self._read_until(b"}", skip=b"40{")

    def _read_until(self, end: bytes, skip: bytes = b"") -> None:
        seen = b""
        while skip not in seen or not seen.endswith(end):
            seen += self.socket.recv(4096)

    def read(self) -> list[float]:
        """Take what is there; the delays of the messages that are complete."""
        count = self.socket.recv_into(self._buffer)
        delays: list[float] = []
        at = 0
        while at < count or not count:
            if not count:
                raise ConnectionError("closed by the server")
            if self._left:
                part = min(self._left, count - at)
                self._left -= part
                at += part
                if not self._left and self._emitted is not None:
                    delays.append(time.monotonic() - self._emitted)
                continue
            self._head += bytes(self._buffer[at : at + 64])
            taken = len(self._head)
            frame = self._head
            size, start = frame[1] if taken > 1 else 0, 2
            if size == 126:
                size, start = int.from_bytes(frame[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(frame[2:10], "big"), 10
            if taken < start + min(size, 40):
                return delays  # too little to tell; the rest comes next time
            found = EMITTED.match(frame, start)
            self._emitted = float(found[1]) if found else None
            if frame[start : start + size] == b"2":
                self.socket.sendall(encode_frame(1, b"3", mask=True))
            before = taken - min(64, count - at)
            self._head = b""
            self._left = size
            at += start - before
        return delays


def main() -> None:
    """Read until the end of standard input."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    buffer = memoryview(bytearray(CHUNK))
    delays: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            reader = Reader(port, buffer)
            selector.register(reader.socket, selectors.EVENT_READ, reader)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if isinstance(key.data, Reader):
                    delays += key.data.read()
                elif sys.stdin.readline():
                    print(json.dumps(delays), flush=True)
                    delays.clear()
                else:
                    return


if __name__ == "__main__":
    main()
