"""What `sockwave reload` asks of a supervisor, and how it finds it.

The directory of the workers is named by the process id of their supervisor, who listens there on a
Unix socket. So nothing is ever signalled: a process id that is somebody else's by now, or that
never was a supervisor's, leads to no directory, and a directory that a killed one has left leads to
nobody.

A line each way: `reload`; then `begun` at once, and at the end `done`, or `failed: ` and why.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final

from sockwave.platform import check_unix_sockets, is_same_user, reason_of
from sockwave.workers.directories import directories

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["OrderFailed", "OrderTaker", "order_reload", "supervisors"]

_SOCKET: Final = "supervisor"
_RELOAD: Final = b"reload\n"
_BEGUN: Final = b"begun\n"
_DONE: Final = b"done\n"
_FAILED: Final = "failed: "
_LONGEST_LINE: Final = 1_024

ANSWER_TIMEOUT: Final = 10.0
"""Seconds until a supervisor has said that it begins; how long it takes then is its own matter."""


class OrderFailed(Exception):
    """What was asked was not done; the text says why."""


class OrderTaker:
    """The supervisor's side.

    Args:
        directory: Of its workers.
        reload: Replaces them; returns what has failed, or an empty text.
    """

    def __init__(self, directory: str, reload: Callable[[], Awaitable[str]]) -> None:
        self._path = os.path.join(directory, _SOCKET)
        self._reload = reload
        self._server: asyncio.AbstractServer | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The directory cannot be written to.
        """
        self._server = await asyncio.start_unix_server(
            self._called, self._path, limit=_LONGEST_LINE
        )

    def close(self) -> None:
        """Take no more; whoever waits sees the connection end."""
        if self._server is not None:
            self._server.close()
        for call in self._calls:
            call.cancel()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            if is_same_user(writer.get_extra_info("socket")) and await reader.readline() == _RELOAD:
                writer.write(_BEGUN)
                failure = await self._reload()
                writer.write(f"{_FAILED}{failure}\n".encode() if failure else _DONE)
                await writer.drain()
        except (OSError, ValueError):  # it has gone, or it talks without an end
            pass
        except asyncio.CancelledError:
            pass  # this is the end of the call, and nobody waits for its task
        finally:
            self._calls.discard(call)
            writer.close()


def supervisors(pid: int | None = None) -> dict[int, str]:
    """The supervisors of this user on this machine, by process id: the paths of their sockets.

    Args:
        pid: Look for this one only.
    """
    found = {}
    for each, directory in directories():
        path = os.path.join(directory, _SOCKET)
        if pid in (None, each) and os.path.lexists(path):
            found[each] = path
    return found


def order_reload(pid: int | None) -> int:
    """Have the workers of a supervisor replaced, and wait until they are.

    Args:
        pid: Of the supervisor; None stands for the only one of this user.

    Returns:
        The process id.

    Raises:
        OrderFailed: There is no such supervisor, or its reload has failed.
        ValueError: This system has no workers.
    """
    check_unix_sockets("reload")
    return asyncio.run(_order(pid))


async def _order(pid: int | None) -> int:
    reachable = {}
    for each, path in supervisors(pid).items():
        with contextlib.suppress(OSError):  # left by one that was killed
            reachable[each] = await asyncio.open_unix_connection(path, limit=_LONGEST_LINE)
    try:
        if not reachable:
            raise OrderFailed(_nobody(pid))
        if len(reachable) > 1:
            pids = ", ".join(map(str, sorted(reachable)))
            raise OrderFailed(f"several serve with workers here: say which one, of {pids}")
        ((found, (reader, writer)),) = reachable.items()
        await _talk(found, reader, writer)
        return found
    finally:
        for _, writer in reachable.values():
            writer.close()


async def _talk(pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(_RELOAD)
        try:
            answer = await asyncio.wait_for(reader.readline(), ANSWER_TIMEOUT)
        except TimeoutError:
            raise OrderFailed(f"process {pid} does not answer: is it stopped?") from None
        if answer == _BEGUN:
            answer = await reader.readline()
    except OSError as error:
        raise OrderFailed(f"process {pid} has ended meanwhile: {reason_of(error)}") from error
    if not answer:
        raise OrderFailed(f"process {pid} has ended meanwhile")
    if answer != _DONE:
        raise OrderFailed(answer.decode("utf-8", "replace").strip().removeprefix(_FAILED))


def _nobody(pid: int | None) -> str:
    if pid is None:
        return "nobody of this user serves with workers here"
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return f"there is no process {pid}"
    except PermissionError:
        return f"process {pid} is another user's"
    return f"process {pid} serves with no workers of Sockwave, or not yet"
