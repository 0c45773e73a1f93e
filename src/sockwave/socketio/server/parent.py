"""Parent namespaces: namespaces that are made when a client asks for one."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.codec.socketio import MAX_NAME_BYTES
from sockwave.debug import counted
from sockwave.errors import AckTimeout, ClusterTimeout
from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
from sockwave.socketio.server.namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sockwave.socketio.core.adapter import Adapter, BroadcastOptions
    from sockwave.socketio.core.recovery import Recovery
    from sockwave.socketio.core.remote_socket import RemoteSocket
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket
    from sockwave.types import NamespaceName, Room

__all__ = ["NamespaceMatch", "ParentNamespace"]

NamespaceMatch: TypeAlias = (
    "re.Pattern[str] | Callable[[str, dict[str, Any]], bool | Awaitable[bool]]"
)
"""A pattern for the whole name, or a function that is asked with the name and the client's auth."""

_numbers: Final = itertools.count()


def _ascii_only(pattern: re.Pattern[str]) -> re.Pattern[str]:
    r"""Let `\d`, `\w` and the like stand for what ASCII has, unless the pattern says `(?u)`.

    What is let in by `/room-\d+` should be numbers as programs write them: those of thirty other
    scripts would be other namespaces of the same number.
    """
    try:
        return re.compile(pattern.pattern, pattern.flags & ~re.UNICODE | re.ASCII)
    except ValueError:  # it asks for the other
        return pattern


class ParentNamespace(Namespace):
    """Makes a namespace, its child, for each name that fits and that a client asks for.

    A child gets the middlewares and handlers that its parent has at that moment; what is registered
    later reaches only later children. What is sent through the parent reaches the sockets of all
    children.
    """

    def __init__(self, server: Server, match: NamespaceMatch) -> None:
        super().__init__(server, f"/_{next(_numbers)}")
        self._match = _ascii_only(match) if isinstance(match, re.Pattern) else match
        self._children: dict[NamespaceName, Namespace] = {}

    def __repr__(self) -> str:
        rule = self._match.pattern if isinstance(self._match, re.Pattern) else self.name
        return f"<ParentNamespace {rule} of {counted(len(self._children), 'namespace')}>"

    def _make_adapter(self, options: Recovery | None) -> Adapter:
        return self._adapter_in_memory(options)  # nobody is ever in it: others hear nothing of it

    @property
    def children(self) -> list[Namespace]:
        """Its namespaces in the order in which they were made; a snapshot."""
        return list(self._children.values())

    @property
    def match(self) -> NamespaceMatch:
        """The pattern, or the function, that names must fit."""
        return self._match

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

    def params_of(self, name: NamespaceName) -> dict[str, str]:
        """What the named groups of the pattern are in a name that fits."""
        found = self._match.fullmatch(name) if isinstance(self._match, re.Pattern) else None
        groups = {} if found is None else found.groupdict()
        return {group: text for group, text in groups.items() if text is not None}

    def make_child(self, name: NamespaceName) -> Namespace:
        """Make a namespace with the middlewares and handlers of now."""
        child = self._children[name] = Namespace(self.server, name, parent=self)
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

    def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> Coroutine[Any, Any, BroadcastAnswers]:
        """Encode for all children; then send, and collect their answers."""
        return _answers([child.broadcast_with_ack(args, options) for child in self.children])

    async def fetch_selected(self, options: BroadcastOptions) -> list[Socket | RemoteSocket]:
        """Not here, as in the reference: ask each child.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("fetch_sockets() is not supported on parent namespaces")

    async def count_selected(self, options: BroadcastOptions) -> int:
        """How many sockets of all children a broadcast would reach; in any loop."""
        counting = [child.count_selected(options) for child in self.children]
        number = 0
        missing: dict[str, None] = {}
        for result in await asyncio.gather(*counting, return_exceptions=True):
            if isinstance(result, ClusterTimeout):
                number += result.arrived
                missing.update(dict.fromkeys(result.missing_servers))
            elif isinstance(result, BaseException):
                raise result
            else:
                number += result
        if missing:
            raise ClusterTimeout(number, tuple(missing))
        return number

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


async def _answers(asking: list[Coroutine[Any, Any, BroadcastAnswers]]) -> BroadcastAnswers:
    answers = BroadcastAnswers()
    servers: dict[str, None] = {}
    is_complete = True
    for result in await asyncio.gather(*asking, return_exceptions=True):
        if isinstance(result, AckTimeout):
            is_complete = False
            servers.update(dict.fromkeys(result.missing_servers))
            if isinstance(result.responses, BroadcastAnswers):
                answers.take_all(result.responses)
        elif isinstance(result, BaseException):
            raise result
        else:
            answers.take_all(result)
    if not is_complete:
        raise AckTimeout(answers, missing=answers.missing, missing_servers=tuple(servers))
    return answers
