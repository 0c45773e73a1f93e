"""Parent namespaces: namespaces that are made when a client asks for one."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.codec.socketio import MAX_NAME_BYTES
from sockwave.engine.core.handlers import copy_handlers
from sockwave.errors import AckTimeout
from sockwave.socketio.server.namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket
    from sockwave.types import NamespaceName, Room

__all__ = ["NamespaceMatch", "ParentNamespace"]

NamespaceMatch: TypeAlias = (
    "re.Pattern[str] | Callable[[str, dict[str, Any]], bool | Awaitable[bool]]"
)
"""A pattern for the whole name, or a function that is asked with the name and the client's auth."""

_numbers: Final = itertools.count()


class ParentNamespace(Namespace):
    """Makes a namespace, its child, for each name that fits and that a client asks for.

    A child gets the middlewares and handlers that its parent has at that moment; what is registered
    later reaches only later children. What is sent through the parent reaches the sockets of all
    children.
    """

    def __init__(self, server: Server, match: NamespaceMatch) -> None:
        super().__init__(server, f"/_{next(_numbers)}")
        self._match = match
        self._children: dict[NamespaceName, Namespace] = {}

    def __repr__(self) -> str:
        return f"<ParentNamespace {self.name} of {len(self._children)}>"

    @property
    def children(self) -> list[Namespace]:
        """Its namespaces in the order in which they were made; a snapshot."""
        return list(self._children.values())

    @property
    def is_pattern(self) -> bool:
        """Whether the name alone decides."""
        return isinstance(self._match, re.Pattern)

    def fits(self, name: NamespaceName, auth: dict[str, Any]) -> bool | Awaitable[bool]:
        """Whether a namespace of this name may be made for a client."""
        if isinstance(self._match, re.Pattern):
            is_short = len(name.encode()) <= MAX_NAME_BYTES
            return is_short and self._match.fullmatch(name) is not None
        return self._match(name, auth)

    def make_child(self, name: NamespaceName) -> Namespace:
        """Make a namespace with the middlewares and handlers of now."""
        child = self._children[name] = Namespace(self.server, name, parent=self)
        child._middlewares = self._middlewares
        child._handlers = copy_handlers(self._handlers)
        child.event_handlers = dict(self.event_handlers)
        child.order = self.order
        return child

    def forget_child(self, child: Namespace) -> None:
        """A child is removed."""
        if self._children.get(child.name) is child:
            del self._children[child.name]

    # --- the target of operators ------------------------------------------------------------------

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Send in all children; from any thread."""
        for child in self.children:
            child.broadcast(args, options)

    async def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> list[Any]:
        """Send in all children, and collect their answers."""
        results = await asyncio.gather(
            *(child.broadcast_with_ack(args, options) for child in self.children),
            return_exceptions=True,
        )
        responses: list[Any] = []
        is_complete = True
        for result in results:
            if isinstance(result, AckTimeout):
                is_complete = False
                responses += result.responses
            elif isinstance(result, BaseException):
                raise result
            else:
                responses += result
        if not is_complete:
            raise AckTimeout(responses)
        return responses

    async def fetch_selected(self, options: BroadcastOptions) -> list[Socket]:
        """Not here, as in the reference: ask each child.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("fetch_sockets() is not supported on parent namespaces")

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put the selected sockets of all children into rooms; from any thread."""
        for child in self.children:
            child.join_selected(options, rooms)

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take the selected sockets of all children out of rooms; from any thread."""
        for child in self.children:
            child.leave_selected(options, rooms)

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect the selected sockets of all children; from any thread."""
        for child in self.children:
            child.disconnect_selected(options, close=close)
