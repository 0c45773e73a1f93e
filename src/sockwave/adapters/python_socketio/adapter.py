"""The adapter for servers that are moved away from python-socketio one by one."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from sockwave.adapters.addresses import check_address
from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.python_socketio.messages import CallbackMessage, decode_bus_message
from sockwave.adapters.python_socketio.node import PythonSocketIONode
from sockwave.engine.core.option_checks import check_integer, check_text
from sockwave.errors import PacketError, SockwaveError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from sockwave.adapters.python_socketio.channel import RedisChannel
    from sockwave.socketio.core.cluster_contract import ClusterHost

__all__ = ["PythonSocketIOAdapter"]

DEFAULT_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes that are kept while Redis does not take them."""

MAX_MESSAGE: Final = 64 * 1024 * 1024
"""Bytes of a message that is read."""

CONNECT_TIMEOUT: Final = 2.0
SOCKET_TIMEOUT: Final = 5.0
"""Seconds that Redis may take for an answer."""

_logger: Final = logging.getLogger("sockwave.adapters")


class PythonSocketIOAdapter:
    """Takes part among servers and write-only managers of python-socketio on one Redis.

    For the time in which servers move: those of python-socketio, with `AsyncRedisManager` or
    `RedisManager`, and processes that only emit, with `write_only=True`, stay as they are.

        io = Server(adapter=PythonSocketIOAdapter("redis://localhost:6379/0"))

    Events, also with acknowledgements of one socket, rooms of a socket, closed rooms and
    disconnections go both ways, with binary. What their messages cannot say raises
    `NotImplementedError` here: `fetch_sockets` and `count` of others, acknowledgements of several
    sockets of others, `except_` of a room, and joining, leaving and disconnecting by a room.
    `local` does all of that for the sockets of this process. There are no `members`, and no
    `server_side_emit`. `volatile` and `compress` are for this process only. Rooms are text: a
    number that they use as a room is the same room here as its digits.

    Messages must be JSON, which python-socketio sends since 5.14.0; pickles are never read.
    Delivery is at most once, in the order of the calls. Other servers of Sockwave on the channel
    are reached in the same way; when all have moved, take `RedisAdapter`.

    It connects in the event loop of each process. Each server of a process needs one of its own.

    Args:
        url_or_client: `redis://user:password@host:6379/0` or `rediss://...`, or a
            `redis.asyncio.Redis` of your own without `decode_responses`, which you close yourself.
        channel: Name of the channel, the same as there.
        max_backlog: Bytes kept while Redis does not take them. What does not fit is dropped, and
            `cluster_error` says so.

    Raises:
        ModuleNotFoundError: redis-py is not installed.
        ValueError: A URL is none, the channel is empty, or messages would be decoded.
    """

    def __init__(
        self,
        url_or_client: str | Redis = "redis://localhost:6379/0",
        *,
        channel: str = "socketio",
        max_backlog: int = DEFAULT_BACKLOG,
    ) -> None:
        check_text("channel", channel)
        if not channel:
            raise ValueError("channel must be text, and not empty")
        check_integer("max_backlog", max_backlog, 0)
        self.host: str = uuid4().hex
        self._make, self._owns = _client_maker(url_or_client)
        self._channel_name = channel
        self._max_backlog = max_backlog
        self._nodes: dict[str, PythonSocketIONode] = {}
        self._channel: RedisChannel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refused = 0

    def __call__(self, namespace: ClusterHost) -> PythonSocketIONode:
        """Make the adapter of a namespace; the server does."""
        return PythonSocketIONode(namespace, self)

    async def aclose(self) -> None:
        """Disconnect; the server does, when it has closed its namespaces."""
        channel, self._channel = self._channel, None
        if channel is not None and self._loop is asyncio.get_running_loop():
            await channel.aclose()

    # --- what its namespaces use ------------------------------------------------------------------

    @property
    def is_deaf(self) -> bool:
        """Whether nothing can come."""
        return self._channel is not None and self._channel.is_deaf

    def start(self, node: PythonSocketIONode) -> None:
        """Let a namespace hear what comes for it."""
        self._nodes[node.name] = node
        self._current()

    def stop(self, node: PythonSocketIONode) -> None:
        """It does not want to any more."""
        if self._nodes.get(node.name) is node:
            del self._nodes[node.name]

    def publish(self, message: bytes) -> None:
        """Send a message."""
        if (channel := self._current()) is not None:
            channel.publish(message)

    async def count(self) -> int:
        """How many servers there are."""
        channel = self._current()
        return 1 if channel is None else await channel.count()

    def _current(self) -> RedisChannel | None:
        """The channel in the event loop that runs; None where none does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        if self._channel is None or self._loop is not loop:
            from sockwave.adapters.python_socketio.channel import RedisChannel

            self._loop = loop
            self._channel = RedisChannel(
                self._make,
                self._channel_name,
                self,
                owns=self._owns,
                max_backlog=self._max_backlog,
            )
        return self._channel

    # --- what the channel brings ------------------------------------------------------------------

    def bus_received(self, message: bytes) -> None:
        """Give a message to its namespace; what makes no sense leaves a line in the log."""
        try:
            if len(message) > MAX_MESSAGE:
                raise PacketError("invalid payload", f"it has {len(message)} bytes")
            read = decode_bus_message(message)
            if (read.host == self.host) != isinstance(read, CallbackMessage):
                return  # of this process, or an answer for another one
            if (node := self._nodes.get(read.namespace)) is not None:
                node.take(read)
        except PacketError as error:
            self._refuse(error.detail or str(error))
        except SockwaveError as error:  # it has values that no client can be sent
            self._refuse(str(error))
        except Exception:
            _logger.exception("internal error at a message of another server")

    def _refuse(self, why: str) -> None:
        self._refused += 1
        if is_worth_a_line(self._refused):
            _logger.warning("message %d of other servers is dropped: %s", self._refused, why)

    def bus_failed(self, what: str) -> None:
        """Tell all namespaces."""
        for node in list(self._nodes.values()):
            node.failed(what)


def _client_maker(url_or_client: Any) -> tuple[Callable[[], Redis], bool]:
    """What makes the client, and whether it is ours.

    Raises:
        ModuleNotFoundError: redis-py is not installed.
        TypeError, ValueError: It is neither a URL nor a client.
    """
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'PythonSocketIOAdapter needs redis-py: pip install "sockwave[redis]"', name=error.name
        ) from error
    if isinstance(url_or_client, Redis):
        client = url_or_client
        _check_bytes(client)
        return lambda: client, False
    if not isinstance(url_or_client, str):
        raise TypeError(
            f"url_or_client must be a URL or a redis.asyncio.Redis, not "
            f"{type(url_or_client).__name__}"
        )
    if not url_or_client.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("a URL of Redis begins with redis://, rediss:// or unix://")
    check_address(url_or_client)

    def make() -> Redis:
        return Redis.from_url(
            url_or_client,
            decode_responses=False,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 0),  # it would connect again, and say nothing of losses
        )

    _check_bytes(make())  # nothing is connected; what is wrong with the URL is told now
    return make, True


def _check_bytes(client: Any) -> None:
    """Refuse a client that gives text: messages are read as bytes.

    Raises:
        ValueError: It does.
    """
    if client.get_encoder().decode_responses:
        raise ValueError("url_or_client: a client of Redis with decode_responses cannot be used")
