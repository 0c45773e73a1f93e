"""What `Server.instrument` does: a namespace for viewers, and who may come in."""

from __future__ import annotations

import inspect
import logging
import secrets
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from sockwave.admin.commands import Commands
from sockwave.admin.details import Details
from sockwave.admin.guarding import Attempts, Busy, read_auth
from sockwave.admin.serving import AdminFiles
from sockwave.admin.sessions import MemorySessions, digest
from sockwave.admin.statistics import Statistics
from sockwave.debug import known
from sockwave.errors import ConnectError
from sockwave.socketio.core.adapter import SupportsServerEvents

if TYPE_CHECKING:
    from sockwave.admin.guarding import Basic
    from sockwave.admin.sessions import AdminSessions
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket
    from sockwave.types import SocketId

__all__ = ["Instrumentation", "instrument"]

_logger: Final = logging.getLogger("sockwave.admin")

LOGGED_IN: Final = "sockwave_admin_session"
"""Event between servers: somebody has logged in, so that each of them knows the login."""

REFUSED: Final = "invalid credentials"
"""The page asks for the password again when it reads exactly this."""

LONGEST_ID: Final = 256
"""Characters of an id of a login that are looked at."""

_known: WeakSet[Server] = WeakSet()


def instrument(
    server: Server,
    *,
    auth: Any,
    readonly: bool,
    mode: str,
    namespace: str,
    server_id: str | None,
    store: AdminSessions | None,
    serve: bool,
) -> None:
    """Open a namespace for viewers; see `Server.instrument`."""
    if server in _known:
        raise ValueError("instrument: the server has its namespace for the admin page already")
    if mode not in ("development", "production"):
        raise ValueError(f'mode of instrument must be "development" or "production", not {mode!r}')
    if server_id is not None and not isinstance(server_id, str):
        raise TypeError(f"server_id of instrument must be text, not {server_id!r}")
    basic = read_auth(auth)
    viewers = _namespace_for_viewers(server, namespace)
    is_detailed = mode == "development"
    Instrumentation(  # whose handlers the server holds from now on
        server, viewers, basic, store, server_id, readonly=readonly, is_detailed=is_detailed
    )
    _known.add(server)
    if serve:
        serve_page(server)
    if basic is None:
        name = viewers.name
        _logger.warning(
            "instrument has auth=False: whoever reaches %s sees all",
            name,
            extra=known(namespace=name),
        )


def is_instrumented(server: Server) -> bool:
    """Whether `instrument` was called."""
    return server in _known


def serve_page(server: Server) -> None:
    """Hand out the page under the path of the server."""
    engine = server.engine
    if not isinstance(engine.file_handler, AdminFiles):
        engine.file_handler = AdminFiles(engine.options.prefix, engine.file_handler)


def _namespace_for_viewers(server: Server, name: Any) -> Namespace:
    """Make it; nobody may be there already, whom nobody has asked for a password."""
    if not isinstance(name, str) or name.strip("/") == "":
        raise ValueError(f"namespace of instrument must be the name of one, not {name!r}")
    name = name if name.startswith("/") else f"/{name}"
    if name in server.namespaces:
        raise ValueError(
            f"instrument: there is a namespace {name} already; call it earlier, or give another "
            "name as namespace"
        )
    viewers: Namespace = server.of(name)
    if viewers.parent is not None:  # it would go with its last viewer, and come back open to all
        server.forget_namespace(viewers)
        raise ValueError(
            f"instrument: {name} is a name that {viewers.parent!r} makes; call it earlier, or give "
            "another name as namespace"
        )
    return viewers


class Instrumentation:
    """What a server shows, and to whom."""

    def __init__(
        self,
        server: Server,
        viewers: Namespace,
        basic: Basic | None,
        store: AdminSessions | None,
        server_id: str | None,
        *,
        readonly: bool,
        is_detailed: bool,
    ) -> None:
        self._viewers = viewers
        self._basic = basic
        self._own = MemorySessions() if store is None else None
        self._store: AdminSessions = self._own if store is None and self._own else store  # type: ignore[assignment] # one of both
        self._attempts = Attempts()
        self._new: dict[SocketId, str] = {}
        self._commands = None if readonly else Commands(server, viewers)
        self._details = Details(server, viewers) if is_detailed else None
        each_time = _nothing if self._details is None else self._details.compare_all
        self._statistics = Statistics(server, viewers, server_id, each_time)
        self._features = features(readonly=readonly, is_detailed=is_detailed)
        if basic is not None:
            viewers.use(self._admit)
        if self._own is not None:
            viewers.on(LOGGED_IN, self._logged_in_elsewhere)
        viewers.on("connection", self._connected)

    # --- who may come in --------------------------------------------------------------------------

    async def _admit(self, socket: Socket) -> None:
        auth, address = socket.handshake.auth, socket.handshake.address
        if not auth.get("sessionId") and not auth.get("username"):
            raise ConnectError(REFUSED)  # the page tries so first
        try:
            self._attempts.begin(address)
        except Busy as busy:
            raise ConnectError(str(busy)) from None
        has_failed: bool | None = None
        try:
            has_failed = not await self._is_known(socket, auth)
        finally:
            self._attempts.end(address, has_failed=has_failed)
        if has_failed:
            fields = known(address=address)
            _logger.warning(
                "a viewer of the admin page was refused, from %s", address, extra=fields
            )
            raise ConnectError(REFUSED)

    async def _is_known(self, socket: Socket, auth: dict[str, Any]) -> bool:
        id_ = auth.get("sessionId")
        if isinstance(id_, str) and 0 < len(id_) <= LONGEST_ID:
            found = self._store.has(id_)
            if (await found) if inspect.isawaitable(found) else found:
                return True
        if self._basic is None or "username" not in auth:
            return False
        if not await self._basic.admits(auth.get("username"), auth.get("password")):
            return False
        self._new[socket.id] = await self._new_session()
        return True

    async def _new_session(self) -> str:
        id_ = secrets.token_hex(8)
        saved = self._store.save(id_)
        if inspect.isawaitable(saved):
            await saved
        if self._own is not None and isinstance(self._viewers.adapter, SupportsServerEvents):
            self._viewers.server_side_emit(LOGGED_IN, digest(id_))
        return id_

    def _logged_in_elsewhere(self, of_id: Any = None) -> None:
        if self._own is not None and isinstance(of_id, str) and len(of_id) == 64:
            self._own.save_digest(of_id)

    # --- who is in --------------------------------------------------------------------------------

    async def _connected(self, viewer: Socket) -> None:
        if (id_ := self._new.pop(viewer.id, None)) is not None:
            viewer.emit("session", id_)
        if self._commands is not None:
            self._commands.register(viewer)
        viewer.emit("config", {"supportedFeatures": self._features})
        if self._details is not None:
            await self._details.tell_all_sockets(viewer)
        self._statistics.begin()


def features(*, readonly: bool, is_detailed: bool) -> list[str]:
    """What the page offers."""
    commands = [] if readonly else ["EMIT", "JOIN", "LEAVE", "DISCONNECT"]
    many = [] if readonly else ["MJOIN", "MLEAVE", "MDISCONNECT"]
    return [*commands, *many, "AGGREGATED_EVENTS", *(["ALL_EVENTS"] if is_detailed else [])]


def _nothing() -> None:
    pass
