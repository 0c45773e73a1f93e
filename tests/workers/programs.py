"""Programs that serve by workers, in processes of their own, and a client for them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from tests.support.process import DEADLINE

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from types import TracebackType

__all__ = ["Program", "Visitor", "alive"]

SCRIPT = """
import logging, os, sys
from sockwave import Server
logging.basicConfig(level=logging.INFO, format="%(message)s")
io = Server(ping_interval=300.0, drain_period=0.0{options})

@io.on("connection")
def connection(socket):
    socket.on("pid", os.getpid)
    socket.on("echo", lambda value: value)
    socket.on("client", lambda: [*socket.request.client, socket.request.is_secure])

def say(listener):
    print("port", listener.port, flush=True)
{more}
io.run(port=0, workers={workers}, on_listening=say{arguments})
"""


def alive(pid: int) -> bool:
    """Whether a process is there, and has not just died."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Program:
    """A script that calls `run` with workers; its output is kept.

    Args:
        directory: Of the script and its output.
        workers: As an expression.
        more: Lines of the script.
        arguments: Of `run`, beside.
        options: Of the server, beside.
    """

    def __init__(
        self,
        directory: Path,
        workers: str = "3",
        *,
        more: str = "",
        arguments: str = "",
        options: str = "",
    ) -> None:
        self.script = directory / "program.py"
        self._log = directory / "program.log"
        self.write(workers, more=more, arguments=arguments, options=options)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(self.script)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        self.port = 0

    def write(
        self, workers: str = "3", *, more: str = "", arguments: str = "", options: str = ""
    ) -> None:
        """Change the program: new workers run what it is then."""
        script = SCRIPT.format(
            workers=workers,
            more=more,
            arguments=f", {arguments}" if arguments else "",
            options=f", {options}" if options else "",
        )
        self.script.write_text(script)

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All of it so far."""
        return self._log.read_text()

    def wait_for(self, pattern: str, times: int = 1) -> list[Any]:
        """Wait until the output has a pattern so often."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            found = re.findall(pattern, self.output)
            if len(found) >= times:
                return found
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} {times} times in:\n{self.output}")

    def workers(self) -> list[int]:
        """Process ids of the workers that are there."""
        path = f"/proc/{self.pid}/task/{self.pid}/children"
        with open(path) as file:
            return [pid for pid in map(int, file.read().split()) if alive(pid)]

    def wait_until_gone(self, *pids: int) -> None:
        """Wait until none of these processes is there."""
        deadline = time.monotonic() + DEADLINE
        while any(map(alive, pids)):
            assert time.monotonic() < deadline, f"{pids} are alive:\n{self.output}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """To the supervisor."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Until the supervisor has ended; its exit code."""
        return self._process.wait(DEADLINE)

    def __enter__(self) -> Self:
        """Wait until all workers serve."""
        try:
            self.port = int(self.wait_for(r"port (\d+)")[0])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """End it all, whatever state it is in."""
        if self._process.poll() is None:
            workers = self.workers()
            for pid in (self.pid, *workers):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()


class Visitor:
    """A client by polling, whose requests come on whatever connection.

    Args:
        port: Of 127.0.0.1.
        tls: How its connections are encrypted; None for not at all.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self._sid = ""

    @property
    def sid(self) -> str:
        """Of its session."""
        return self._sid.removeprefix("&sid=")

    def connection(self) -> socket.socket:
        """A new one."""
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=DEADLINE)
        return sock if self._tls is None else self._tls.wrap_socket(sock)

    def request(
        self, body: bytes | None = None, connection: socket.socket | None = None, cut: int = 0
    ) -> tuple[int, bytes]:
        """Poll, or send; on a new connection, or on this one.

        Args:
            cut: Send so many bytes first, and the rest a moment later.
        """
        if connection is None:
            with self.connection() as own:  # closed also when it is cut
                return self.request(body, own, cut)
        method = "GET" if body is None else "POST"
        head = (
            f"{method} /socket.io/?EIO=4&transport=polling{self._sid} HTTP/1.1\r\n"
            f"Host: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\n"
        )
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        data = head.encode() + b"\r\n" + (body or b"")
        if cut:
            connection.sendall(data[:cut])
            time.sleep(0.05)  # so that it goes in two segments
        connection.sendall(data[cut:])
        return read_answer(connection)

    def open(self, connection: socket.socket | None = None) -> None:
        """Begin a session, and join."""
        status, body = self.request(connection=connection)
        assert status == 200, body
        self._sid = "&sid=" + json.loads(body[1:])["sid"]
        assert self.request(b"40", connection) == (200, b"ok")
        assert self.request(connection=connection)[0] == 200

    def emit(self, *args: object) -> None:
        """Send an event."""
        assert self.request(b"42" + json.dumps(args).encode()) == (200, b"ok")

    def events(self) -> list[Any]:
        """Poll: those that have come, or the first that comes."""
        status, body = self.request()
        assert status == 200
        return [json.loads(packet[2:]) for packet in body.split(b"\x1e") if packet[:2] == b"42"]

    def ask(
        self,
        event: str,
        *args: object,
        connection: socket.socket | None = None,
        cut: int = 0,
    ) -> Any:
        """Emit with an acknowledgement: two requests, on two connections."""
        body = b"421" + json.dumps([event, *args]).encode()
        assert self.request(body, connection, cut) == (200, b"ok")
        status, body = self.request(connection=connection, cut=cut)
        assert (status, body[:3]) == (200, b"431"), body
        return json.loads(body[3:])[0]


def read_answer(sock: socket.socket) -> tuple[int, bytes]:
    """Status and body."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += _some(sock)
    head, _, body = read.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    length = int(found[1]) if found else 0
    while len(body) < length:
        body += _some(sock)
    return int(head.split()[1]), body


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise ConnectionError("closed by the server")
    return data
