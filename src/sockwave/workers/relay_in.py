"""Requests for sessions of this process that have come to others: served as if they had come here.

What others say of a client is believed, since they are processes of the same user: the directory is
closed to all others, and the system tells whose process has connected.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sockwave.codec.close_code import CloseCode
from sockwave.debug import known
from sockwave.engine.server.fronts.asgi_http import serve_http
from sockwave.engine.server.fronts.asgi_websocket import serve_websocket
from sockwave.platform import is_same_user
from sockwave.workers.link import HEARD, Link

if TYPE_CHECKING:
    import socket

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi_scope import Message as AsgiMessage
    from sockwave.engine.server.fronts.asgi_scope import Scope
    from sockwave.workers.link import Message

__all__ = ["RelayedRequests"]

REST: Final = 2.0
"""Seconds that the last answers get at the end, and that another process gets to end a request
that is answered."""

ACCEPT_PAUSE: Final = 1.0
"""Seconds until it is tried again to accept, when that has failed: descriptors are short."""

_logger: Final = logging.getLogger("sockwave.workers")


class RelayedRequests:
    """Serves what other processes relay.

    Args:
        engine: Bound to the running loop.
        listening: Where they connect; it stays its owner's.
        heard: Seconds that the first message may take.
    """

    def __init__(self, engine: EngineServer, listening: socket.socket, heard: float) -> None:
        self._engine = engine
        self._listening = listening
        self._heard = heard
        self._loop = engine.driver.loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        self._retry = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    @property
    def open(self) -> int:
        """How many are served now."""
        return len(self._tasks)

    async def aclose(self) -> None:
        """Take nothing more; what is being answered gets a moment."""
        self._stop_accepting()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=REST)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop_accepting(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listening.fileno())

    def _accept(self) -> None:
        try:
            sock, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            _logger.warning(
                "another process could not connect: %s", error, extra=known(reason=error)
            )
            self._stop_accepting()
            self._retry = self._loop.call_later(ACCEPT_PAUSE, self._begin)
            return
        if not is_same_user(sock):
            _logger.warning("refused: a process of another user wants a request answered")
            sock.close()
            return
        sock.setblocking(False)
        task = self._loop.create_task(self._serve(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        link: Link | None = None
        try:
            _, link = await self._loop.connect_accepted_socket(Link, sock)
            async with asyncio.timeout(self._heard):
                scope = await link.receive()
            if scope is not None:
                await link.send({"type": HEARD})
                await self._answer(link, scope)
                await link.finish(REST)
        except (ConnectionError, TimeoutError) as error:
            _logger.debug(
                "a request of another process has ended: %r", error, extra=known(reason=error)
            )
        except Exception:
            _logger.exception("internal error in a request of another process")
        finally:
            if link is not None:
                link.abort()

    async def _answer(self, link: Link, scope: Scope) -> None:
        is_http = scope["type"] == "http"
        if scope.get("client") is not None:
            scope["client"] = tuple(scope["client"])
        gone: Message = {"type": "http.disconnect"}
        first: list[Message] = []
        if not is_http:
            gone = {"type": "websocket.disconnect", "code": CloseCode.NO_STATUS}
            first.append({"type": "websocket.connect"})

        async def receive() -> AsgiMessage:
            if first:
                return first.pop()
            return await link.receive() or gone

        async def send(message: AsgiMessage) -> None:
            await link.send(dict(message))

        with suppress(ConnectionError):
            if is_http:
                await serve_http(self._engine, scope, receive, send)
            else:
                await serve_websocket(self._engine, scope, receive, send)
