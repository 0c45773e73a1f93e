"""What viewers may do, unless they may only read.

What is not as the page sends it is ignored: nobody waits for an answer.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from sockwave.debug import known, shortened
from sockwave.errors import SockwaveError
from sockwave.types import NamespaceName, Room, SocketId

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.operators import BroadcastOperator
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket

__all__ = ["Commands"]

_logger: Final = logging.getLogger("sockwave.admin")


class Commands:
    """The handlers of viewers' events.

    Args:
        server: On which they act.
        viewers: Their namespace: nothing can be sent there, and nobody joins rooms.
    """

    def __init__(self, server: Server, viewers: Namespace) -> None:
        self._server = server
        self._viewers = viewers

    def register(self, viewer: Socket) -> None:
        """Heed a viewer."""
        known: dict[str, Callable[..., bool]] = {
            "join": self._join,
            "leave": self._leave,
            "_disconnect": self._disconnect,
            "emit": self._emit,
        }
        for event, command in known.items():
            viewer.on(event, self._heeding(event, command), validate=False)

    def _heeding(self, event: str, command: Callable[..., bool]) -> Callable[..., None]:
        def heed(*args: Any) -> None:
            try:
                is_done = command(*args)
            except (SockwaveError, TypeError, ValueError):
                is_done = False
            told = "done" if is_done else "not understood, or not allowed"
            fields = known(event=event)
            _logger.info(
                "a viewer of the admin page: %s%s: %s", event, _told(args), told, extra=fields
            )

        return heed

    def _join(self, name: Any = None, room: Any = None, only: Any = None) -> bool:
        namespace = self._namespace(name)
        if namespace is None or namespace is self._viewers or not _is_room(room):
            return False
        is_other = room in namespace.sockets and room != only
        if is_other and not self._server.options.allow_sid_rooms:
            return False  # what is meant for that socket alone would come here, too
        return self._act(namespace, only, lambda reached: reached.sockets_join(Room(room)))

    def _leave(self, name: Any = None, room: Any = None, only: Any = None) -> bool:
        namespace = self._namespace(name)
        if namespace is None or namespace is self._viewers or not _is_room(room):
            return False
        return self._act(namespace, only, lambda reached: reached.sockets_leave(Room(room)))

    def _disconnect(self, name: Any = None, close: Any = False, only: Any = None) -> bool:
        namespace = self._namespace(name)
        if namespace is None or (namespace is self._viewers and not only):
            return False
        how = close is True
        return self._act(namespace, only, lambda reached: reached.disconnect_sockets(close=how))

    def _emit(self, name: Any = None, only: Any = None, event: Any = None, *args: Any) -> bool:
        namespace = self._namespace(name)
        if namespace is None or namespace is self._viewers or not isinstance(event, str):
            return False
        return self._act(namespace, only, lambda reached: reached.emit(event, *args))

    def _namespace(self, name: Any) -> Namespace | None:
        """One that there is: the JavaScript version would make any."""
        return self._server.find_namespace(NamespaceName(name)) if isinstance(name, str) else None

    def _act(
        self,
        namespace: Namespace,
        only: Any,
        act: Callable[[BroadcastOperator[Any] | Namespace], Any],
    ) -> bool:
        if only is None or only == "":
            act(namespace)
        elif isinstance(only, str):
            act(namespace.in_(SocketId(only)))
        else:
            return False
        return True


def _is_room(room: Any) -> TypeGuard[str]:
    return isinstance(room, str) and room != ""


def _told(args: tuple[Any, ...]) -> str:
    """Arguments for the log, without what an event carries."""
    return "".join(f" {shortened(each)}" for each in args[:3] if isinstance(each, (str, bool)))
