"""Answers `sockwave why` in a running process, by a Unix socket that nobody else may reach.

Theory. Each process that serves has a socket of its own in one directory, named by its process id:
so a question to all workers of a machine is one to all sockets there, and needs nothing between the
workers. The directory is closed to other users (0700), and whoever connects is asked for their user
again where the system can tell. A question is a line of JSON, and so is its answer:

    {"who": "abcd...", "limit": 20}
    {"pid": 4711, "worker": 0, "connections": [...]}       or {"pid": ..., "error": "..."}

Sockets that processes have left behind, which were killed, are removed by the next one that starts.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sockwave.platform import check_unix_sockets, is_same_user, unix_socket

if TYPE_CHECKING:
    import socket

    from sockwave.socketio.server.server import Server

__all__ = [
    "LONGEST_LINE",
    "SUFFIX",
    "Inspected",
    "Question",
    "check_directory",
    "check_owner",
    "inspect",
]

SUFFIX: Final = ".sock"
LONGEST_LINE: Final = 4_096
"""Bytes of a question."""

_LONGEST_PATH: Final = 100
"""Bytes of a socket's path; systems take 103 to 107."""

_MOST_SERVERS: Final = 100
"""Servers of one process that can have a socket in one directory."""


class Question(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes:
        who: See `io.connections.find`.
        limit: Most connections of each process.
    """

    who: str
    limit: int = 20


def inspect(server: Server, directory: str | os.PathLike[str]) -> Inspected:
    """Answer questions about the connections of a server, from when it runs until it is closed.

    Raises:
        ValueError: There are no Unix sockets here.
    """
    check_unix_sockets("inspect")
    return Inspected(server, os.fspath(directory))


def check_directory(path: str) -> None:
    """Make sure that nobody else can look into a directory; make it if there is none.

    Raises:
        ValueError: It is open to others, or somebody else's, or no directory.
        OSError: It cannot be made.
    """
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    check_owner(path)


def check_owner(path: str) -> None:
    """Make sure that nobody else can have put something into a directory, or look into it.

    Raises:
        ValueError: It is open to others, or somebody else's, or no directory.
        OSError: There is none.
    """
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise ValueError(f"inspect: {path} is no directory")
    if status.st_uid != os.getuid():
        raise ValueError(f"inspect: {path} belongs to another user")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(
            f"inspect: {path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}):"
            f" chmod 700 {path}"
        )


class Inspected:
    """The socket of one server.

    Args:
        server: That keeps records of its connections.
        directory: Where the socket is.

    Attributes:
        path: Of the socket; empty while there is none.
    """

    def __init__(self, server: Server, directory: str) -> None:
        self.path: str = ""
        self._server = server
        self._directory = directory
        self._listening: asyncio.Server | None = None
        server.engine.driver.on_bind(self._begin)

    def _begin(self) -> None:
        """There is an event loop, another one than before, or the same after the end."""
        self.close()
        check_directory(self._directory)
        _remove_left(self._directory)
        sock = self._bound()
        self._server.engine.driver.spawn(self._listen(sock))

    def _bound(self) -> socket.socket:
        sock = unix_socket("stream")
        try:
            for number in range(_MOST_SERVERS):
                name = f"{os.getpid()}-{number}{SUFFIX}"
                path = os.path.join(os.path.abspath(self._directory), name)
                if len(os.fsencode(path)) > _LONGEST_PATH:
                    raise ValueError(
                        f"inspect: the path of a Unix socket has {_LONGEST_PATH} bytes at most,"
                        f" which {path} has not: take a directory with a shorter name"
                    )
                try:
                    sock.bind(path)
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                else:
                    os.chmod(path, 0o600)
                    sock.setblocking(False)
                    self.path = path
                    return sock
            raise ValueError(f"inspect: too many servers of this process in {self._directory}")
        except BaseException:
            sock.close()
            raise

    async def _listen(self, sock: socket.socket) -> None:
        path = self.path
        loop = asyncio.get_running_loop()
        listening = await loop.create_unix_server(lambda: _Asked(self), sock=sock)
        if self.path == path:
            self._listening = listening
        else:  # closed meanwhile
            listening.close()

    def close(self) -> None:
        """Answer nobody any more."""
        path, self.path = self.path, ""
        listening, self._listening = self._listening, None
        if path:
            with suppress(OSError):
                os.unlink(path)
        if listening is not None:
            with suppress(RuntimeError):  # its loop is closed
                listening.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Answer a question."""
        answer: dict[str, Any] = {"pid": os.getpid()}
        if (worker := self._server.worker).count > 1:
            answer["worker"] = worker.number
        try:
            question = msgspec.json.decode(line, type=Question)
            found = self._server.connections.find(question.who, limit=max(question.limit, 1))
        except (msgspec.DecodeError, RuntimeError) as error:
            return {**answer, "error": str(error)}
        return {**answer, "connections": [record.as_dict() for record in found]}


class _Asked(asyncio.Protocol):
    """One who asks."""

    def __init__(self, inspected: Inspected) -> None:
        self._inspected = inspected
        self._transport: Any = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if not is_same_user(transport.get_extra_info("socket")):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read += data
        line, end, _ = self._read.partition(b"\n")
        if end or len(line) > LONGEST_LINE:
            answer = self._inspected.answer(line[:LONGEST_LINE])
            self._transport.write(msgspec.json.encode(answer) + b"\n")
            self._transport.close()


def _remove_left(directory: str) -> None:
    """Remove the sockets of processes that are gone."""
    for name in os.listdir(directory):
        if not name.endswith(SUFFIX):
            continue
        path = os.path.join(directory, name)
        with suppress(OSError), unix_socket("stream") as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
