"""Requests that have come to the wrong process: their way to the right one, and the answers back.

Theory. Each request has a connection of its own to the process of its session, on which go the
messages that its host would exchange with an application. So that process sees the client as this
one's host does, and answers as it would there; who goes first, client, host or process, ends the
connection, and with it the other side.

The other process says that it has heard (`HEARD`) before it does anything. One that is gone refuses
the connection, or ends it without an answer: then nobody has the session, and this process says
so. One that says nothing (it is stopped, or busy) is waited for no longer than `Patience` allows.

Of an answer by HTTP nothing is passed on before all of it is there, so that there is always one.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.close_code import CloseCode
from sockwave.debug import known
from sockwave.engine.server.routing import HandOver
from sockwave.platform import is_same_user, unix_socket
from sockwave.workers.link import Link

if TYPE_CHECKING:
    import socket

    from sockwave.engine.server.fronts.asgi_scope import Receive, Scope, Send
    from sockwave.workers.link import Message

__all__ = ["Patience", "connect", "relay_out"]

_KEPT: Final = (
    "asgi",
    "type",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "root_path",
    "client",
    "server",
    "subprotocols",
)
"""What goes to the other process of a scope, beside headers: plain values. What frameworks add may
be anything."""

_REFUSAL: Final = "websocket.http.response"

_logger: Final = logging.getLogger("sockwave.workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds that another process is waited for.

    Attributes:
        heard: Until it says that it has heard.
        answer: From then on until it has answered: a poll waits for long.
    """

    heard: float
    answer: float


async def connect(path: str) -> Link | HandOver:
    """Connect to another process; else say whether it is gone, or busy."""
    sock: socket.socket | None = None
    try:
        sock = unix_socket("stream")
        sock.setblocking(False)
        sock.connect(path)  # done at once, or not at all
        if is_same_user(sock):
            loop = asyncio.get_running_loop()
            _, link = await loop.create_unix_connection(Link, sock=sock)
            return link
    except (ConnectionError, FileNotFoundError):
        pass
    except OSError as error:  # its backlog is full, or there are no descriptors left
        _logger.debug("another process cannot be reached: %s", error, extra=known(reason=error))
        if sock is not None:
            sock.close()
        return HandOver.BUSY
    if sock is not None:
        sock.close()
    return HandOver.GONE


async def relay_out(
    link: Link, scope: Scope, receive: Receive, send: Send, patience: Patience
) -> HandOver:
    """Have a request answered on a connection, which is closed then; see `Relay`."""
    try:
        if not await _is_heard(link, scope, patience):
            return HandOver.GONE
        if scope["type"] == "http":
            return await _http(link, receive, send, patience)
        return await _websocket(link, receive, send, patience)
    except _Silence:
        return HandOver.BUSY
    finally:
        link.close()


async def _is_heard(link: Link, scope: Scope, patience: Patience) -> bool:
    try:
        async with asyncio.timeout(patience.heard):
            await link.send(_plain(scope))
            return await link.receive() is not None
    except ConnectionError:
        return False
    except TimeoutError:
        raise _Silence from None


class _Silence(Exception):  # an answer, not a failure of ours
    """The other process says nothing."""


def _plain(scope: Scope) -> Message:
    plain = {name: scope[name] for name in _KEPT if name in scope}
    plain["headers"] = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    plain["extensions"] = {name: {} for name in scope.get("extensions") or () if name == _REFUSAL}
    return plain


async def _http(link: Link, receive: Receive, send: Send, patience: Patience) -> HandOver:
    client = asyncio.create_task(_carry_up(link, receive))
    answering = asyncio.create_task(_whole_answer(link))
    try:
        both = (client, answering)
        await asyncio.wait(both, timeout=patience.answer, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            return HandOver.DONE if client.done() else HandOver.BUSY
        answer = answering.result()
    finally:
        await _end(client, answering)
    for message in answer:
        await send(message)
    return HandOver.DONE if answer else HandOver.GONE


async def _whole_answer(link: Link) -> list[Message]:
    """What is to be sent; nothing if the other process has gone first."""
    answer: list[Message] = []
    while not answer or answer[-1]["type"] != "http.response.body":
        message = await link.receive()
        if message is None:
            return []
        answer.append(message)
    return answer


async def _websocket(link: Link, receive: Receive, send: Send, patience: Patience) -> HandOver:
    try:
        async with asyncio.timeout(patience.answer):
            message = await link.receive()
    except TimeoutError:
        raise _Silence from None
    if message is None:
        return HandOver.GONE
    await receive()  # websocket.connect
    await send(message)
    if message["type"] == "websocket.accept":
        await _carry(link, receive, send)
    elif message["type"] == f"{_REFUSAL}.start" and (body := await link.receive()) is not None:
        await send(body)
    return HandOver.DONE


async def _carry(link: Link, receive: Receive, send: Send) -> None:
    """Carry messages both ways; the end of either is the end."""
    up = asyncio.create_task(_carry_up(link, receive))
    down = asyncio.create_task(_carry_down(link, send))
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(up, down)


async def _carry_up(link: Link, receive: Receive) -> None:
    """What the client sends, until it or the other process is gone."""
    while True:
        message = dict(await receive())
        try:
            await link.send(message)
        except ConnectionError:
            await asyncio.Event().wait()  # the answer may have come before; who reads it says
        if message["type"].endswith(".disconnect"):
            return


async def _carry_down(link: Link, send: Send) -> None:
    while (message := await link.receive()) is not None:
        await send(message)
        if message["type"] == "websocket.close":
            return
    await send({"type": "websocket.close", "code": CloseCode.GOING_AWAY})


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """End tasks, whatever they say: hosts tell of a client that is gone by errors of their own."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            _logger.debug(
                "a request for another process has ended: %r", result, extra=known(reason=result)
            )
