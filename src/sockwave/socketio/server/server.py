"""The Socket.IO server: namespaces on an engine."""

from __future__ import annotations

import inspect
import logging
import re
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Unpack, overload

from sockwave.debug import counted, known, shortened
from sockwave.engine.core.handlers import Handler
from sockwave.engine.core.option_names import check_names
from sockwave.engine.core.option_signature import names_options
from sockwave.engine.core.options import EngineOptions
from sockwave.engine.server.driver import memory_share
from sockwave.engine.server.engine import OPTION_NAMES, EngineServer
from sockwave.engine.server.fronts.serving import Servable
from sockwave.engine.server.peer_log import PeerLog
from sockwave.engine.server.routing import told_worker
from sockwave.engine.server.sessions.ids import generate_id
from sockwave.observe import ClusterFailed, NodeJoined, NodeLeft
from sockwave.socketio.core.broadcasting import Broadcasting
from sockwave.socketio.core.cluster_contract import SharesSessions, SupportsClosing
from sockwave.socketio.core.intake import Account, Intake
from sockwave.socketio.core.parser import guarded
from sockwave.socketio.core.remote_socket import RemoteSocket
from sockwave.socketio.server.checking import HandlerChecks
from sockwave.socketio.server.cluster import Cluster
from sockwave.socketio.server.connections.connection import Connection
from sockwave.socketio.server.extensions import Neighbours, Relaying, reach
from sockwave.socketio.server.failures import FailureReports
from sockwave.socketio.server.files import file_handler
from sockwave.socketio.server.keywords import ServerOptionsDict
from sockwave.socketio.server.namespace import Namespace
from sockwave.socketio.server.options import ServerOptions
from sockwave.socketio.server.owned import claim, release
from sockwave.socketio.server.parent import NamespaceMatch, ParentNamespace
from sockwave.socketio.server.registration import NamespaceRegistration
from sockwave.socketio.server.router import namespace_pattern
from sockwave.socketio.server.socket import Socket, SocketsById
from sockwave.socketio.server.threads import HandlerThreads
from sockwave.socketio.server.watching import Watchable
from sockwave.socketio.server.worker_place import WorkerPlace
from sockwave.types import DisconnectReason, NamespaceName, SocketId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.core.adapter import Adapter
    from sockwave.socketio.core.cluster_contract import ClusterMember
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.server.exceptions import ExceptionTable

__all__ = ["Server"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.socketio")
_OWN_OPTIONS: Final = frozenset(field.name for field in fields(ServerOptions))


class Server(
    Servable,
    FailureReports,
    Watchable,
    NamespaceRegistration,
    Broadcasting[Socket | RemoteSocket],
):
    """A Socket.IO server for the JavaScript clients 3 and 4, and with `allow_eio3` for 1 and 2.

    Options are those of `sockwave.engine.EngineOptions` and of `ServerOptions`, by keyword; wrong
    ones raise ValueError or TypeError here. The methods for sockets and broadcasts are those of the
    main namespace, `/`.

    It can be run (`run`), opened inside an event loop (`listen`), and is an ASGI application.

    Attributes:
        dependency_overrides: What tests have called instead of functions of `Depends`.
    """

    is_closing: bool

    @names_options(ServerOptionsDict, EngineOptions, ServerOptions, path="/socket.io")
    def __init__(self, **options: Unpack[ServerOptionsDict]) -> None:
        check_names(type(self).__name__, options, _OWN_OPTIONS | OPTION_NAMES)
        own = {name: value for name, value in options.items() if name in _OWN_OPTIONS}
        rest: Any = {name: value for name, value in options.items() if name not in _OWN_OPTIONS}
        rest.setdefault("path", "/socket.io")
        self.options: ServerOptions = ServerOptions(**own)  # type: ignore[arg-type] # split by name above
        self.logger = _logger
        self.peer_log: PeerLog = PeerLog(_logger)
        self.heedless: set[str] = set()
        self._engine = EngineServer(**rest)
        if self.options.parser is not None and self._engine.options.allow_eio3:
            raise ValueError("parser: the clients of allow_eio3 know only the default one")
        self.parser: Parser | None = guarded(self.options.parser, self._engine.options.max_backlog)
        self.adapter_maker = self.options.adapter
        claim(self.adapter_maker, self)
        self._worker = WorkerPlace()
        self._is_supervised = False
        self._neighbours: Neighbours | None = None
        if told_worker() is not None:
            self._be_worker()
        elif isinstance(self.adapter_maker, SharesSessions):
            self._neighbours = reach("join_neighbours")(self, self.adapter_maker)
        self._relaying: Relaying | None = None
        if self.options.relay:
            self._relaying = reach("join_relay")(self, self.options.adapter)
        self._engine.session_handler = self._session_opened
        self._engine.session_closer = _close_session
        self._engine.goes_on_elsewhere = self._goes_on_elsewhere
        self._namespaces: dict[NamespaceName, Namespace] = {}
        self.parents: tuple[ParentNamespace, ...] = ()
        self._unmade = 0
        FailureReports.__init__(self, self._engine.driver)
        Watchable.__init__(self, self._engine.driver)
        self.pending: Account = Account(self._most_pending())
        self.threads: HandlerThreads = HandlerThreads(self.options.handler_threads)
        self.checks: HandlerChecks = HandlerChecks(
            self.options.validate, development=self.options.development
        )
        prefix = self._engine.options.prefix
        self._engine.file_handler = file_handler(self, self.options, self.checks, prefix)
        self._main = self._namespaces["/"] = Namespace(self, "/")
        self._cluster = Cluster(self._main.adapter, is_supervised=self._is_supervised)
        NamespaceRegistration.__init__(self, self._main.registered, self.threads, self.checks)
        self.exceptions: ExceptionTable = {}  # for all namespaces, not for the main one
        self.dependency_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._routed: dict[str, ParentNamespace] = {}
        Broadcasting.__init__(self, self._main)
        if self.options.health is not None:
            self.serve_health(self.options.health)
        self._engine.driver.on_bind(self._start_adapters)
        self._begin_watching(self.options)

    def _who_is_there(self) -> str:
        """How many clients it has, and in which namespaces their sockets are."""
        most = 5  # each name may be a client's choice
        full = [each for each in self._namespaces.values() if each.sockets]
        told = [f"{len(each.sockets)} in {shortened(each.name)}" for each in full[:most]]
        if len(full) > most:
            told.append(f"others in {counted(len(full) - most, 'more namespace')}")
        return "; ".join(
            [super()._who_is_there(), *([f"sockets: {', '.join(told)}"] if told else [])]
        )

    @property
    def engine(self) -> EngineServer:
        """The engine below: sessions, and events such as `connection_error` and `headers`."""
        return self._engine

    @property
    def path(self) -> str:
        """What the paths of its requests start with, without a slash at the end."""
        return self._engine.options.path

    @property
    def namespaces(self) -> Mapping[NamespaceName, Namespace]:
        """Namespaces by name, those of parents included."""
        return MappingProxyType(self._namespaces)

    @overload
    def of(self, name: NamespaceName) -> Namespace: ...
    @overload
    def of(self, name: NamespaceMatch) -> ParentNamespace: ...
    def of(self, name: NamespaceName | NamespaceMatch) -> Namespace:
        """Give the namespace of this name; it is made if there is none.

        With a pattern or a function, make a parent namespace: when a client asks for a name that
        there is not, the parents are tried in the order in which they were made, and the first that
        fits makes a namespace.

        Args:
            name: A missing leading slash is added. A pattern must match the whole name, which has
                255 bytes at most; its `\\d`, `\\w` and `\\s` stand for ASCII, unless it begins with
                `(?u)`. Keep it plain: nested repetition can take long on a hostile name.
                A function is called with the name and the client's auth; it may be `async def`.
        """
        if isinstance(name, re.Pattern) or callable(name):
            if isinstance(name, re.Pattern) and not isinstance(name.pattern, str):
                raise TypeError("the pattern of a namespace must be for text")
            parent = ParentNamespace(self, name)
            self.parents = (*self.parents, parent)
            return parent
        if not isinstance(name, str):
            raise TypeError(f"the name of a namespace must be text, not {type(name).__name__}")
        if "," in name:
            raise ValueError("the name of a namespace cannot contain a comma")
        name = name if name.startswith("/") else f"/{name}"
        if name not in self._namespaces:
            parents = [each for each in self.parents if each.is_pattern and each.fits(name, {})]
            self._make(name, parents[0] if parents else None)
        return self._namespaces[name]

    def _place(self, namespace: str | None) -> NamespaceRegistration:
        pattern = None if namespace is None else namespace_pattern(namespace)
        if namespace is None or pattern is None:
            return self.of(namespace or "/")
        if namespace not in self._routed:  # one for all routers: only one parent makes a namespace
            self._routed[namespace] = self.of(pattern)
        return self._routed[namespace]

    def _start_adapters(self) -> None:
        """There is an event loop, another one than before, or the same after the end."""
        claim(self.options.adapter, self)
        self.is_closing = False
        for namespace in list(self._namespaces.values()):
            namespace.start_adapter()

    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        """End all sockets with the reason `server shutting down`, and all sessions.

        What was emitted before reaches the clients first. They see the end of the connection and
        try again by themselves. See `EngineServer.close` for the arguments; for a last word of the
        application there is the event `closing` of the engine. May be awaited in any event loop,
        in any thread.
        """
        how = {"drain_period": drain_period, "shutdown_timeout": shutdown_timeout}
        if await self._engine.driver.closes_elsewhere(lambda: self.close(**how)):
            return
        self.is_closing = True
        try:
            await self._engine.close(**how)
        finally:
            for namespace in list(self._namespaces.values()):
                namespace.close(DisconnectReason.SERVER_SHUTTING_DOWN)
            maker = self.adapter_maker
            if self._relaying is not None:
                await self._relaying.aclose()
            if self._neighbours is not None:
                await self._neighbours.aclose()
            elif isinstance(maker, SupportsClosing) and not isinstance(maker, type):
                await maker.aclose()
            await self._tell_closed()
            release(self.options.adapter, self)
            self._end_watching()
            self._engine.driver.begin_again()  # with the adapters, when it is used again

    def _run_workers(
        self, workers: int | Literal["auto"] | None, host: str, port: int, **how: Any
    ) -> None:
        reach("workers")(self, workers, host, port, **how)

    def _be_worker(self) -> None:
        """Reach the sockets of the other workers, and take a part of the memory only."""
        self._worker, make_adapter = reach("join_workers")()
        self._is_supervised = self.adapter_maker is None
        self.adapter_maker = self.adapter_maker or make_adapter
        self._engine.driver.share_memory(self._worker.count)

    def _goes_on_elsewhere(self) -> bool:
        return bool(self.options.connection_state_recovery) and len(self._cluster.nodes) > 1

    def _most_pending(self) -> int:
        return self._engine.options.limits.process_pending or memory_share() // self._worker.count

    @property
    def worker(self) -> WorkerPlace:
        """Which of the workers this process is; see `run`."""
        return self._worker

    # --- other processes --------------------------------------------------------------------------

    @property
    def cluster(self) -> Cluster:
        """The processes that serve together; without an adapter of a cluster this one alone."""
        return self._cluster

    async def server_count(self) -> int:
        """How many processes serve together, this one included.

        While the carrier between them is away this is the last known number: nobody is counted
        out on account of a silence in which nothing can be heard.

        May be awaited in any event loop, in any thread.
        """
        return await self._main.count_servers()

    def cluster_changed(self, event: str, namespace: Namespace, about: ClusterMember | str) -> None:
        """A process has come or gone, or something failed: the log and the handlers hear of it.

        Each namespace has an adapter of its own, and all of them see the same processes come and
        go: the one of the main namespace tells it. What fails may be a matter of one of them; what
        several of them say in the same words at the same time is told once.
        """
        if isinstance(about, str):
            if not self._cluster.failed(about, namespace.name):
                return
            self.observers.tell(self.observers.cluster_failed, ClusterFailed(about))
        elif namespace is not self._main:
            return
        elif event == "node_joined":
            self._cluster.joined(about)
            self.observers.tell(self.observers.node_joined, NodeJoined(about.id))
        else:
            self._cluster.left(about)
            self.observers.tell(self.observers.node_left, NodeLeft(about.id))
        self._tell(event, about)

    # --- the main namespace -----------------------------------------------------------------------

    @property
    def sockets(self) -> SocketsById:
        """Connected sockets of the main namespace."""
        return self._main.sockets

    @property
    def adapter(self) -> Adapter:
        """Rooms and broadcasts of the main namespace."""
        return self._main.adapter

    # --- for connections and sockets --------------------------------------------------------------

    def _session_opened(self, session: ServerSession) -> None:
        if session.protocol != 4:
            self.kinds.revision4(self, session)
        elif self.parser is not None:
            self.kinds.parsed(self, session, self.parser)
        else:
            self.kinds.connection(self, session)
        self._engine.tell_connection(session)

    def find_namespace(self, name: NamespaceName) -> Namespace | None:
        """The namespace that a client asks for."""
        return self._namespaces.get(name)

    def make_dynamic(
        self, name: NamespaceName, auth: dict[str, Any]
    ) -> Namespace | Awaitable[Namespace | None] | None:
        """Make a namespace for a client, if a parent wants to; waits only where the parent does."""
        for at, parent in enumerate(self.parents):
            try:
                fits = parent.fits(name, auth)
            except Exception:
                _logger.exception("the function of %r failed", parent)
                continue
            if inspect.isawaitable(fits):
                return self._make_later(name, auth, parent, fits, self.parents[at + 1 :])
            if fits:
                return self._make_child(name, parent)
        return None

    async def _make_later(
        self,
        name: NamespaceName,
        auth: dict[str, Any],
        parent: ParentNamespace,
        fits: Awaitable[bool],
        later: tuple[ParentNamespace, ...],
    ) -> Namespace | None:
        for candidate in (parent, *later):
            try:
                answer: Any = fits if candidate is parent else candidate.fits(name, auth)
                if inspect.isawaitable(answer):
                    answer = await answer
            except Exception:
                _logger.exception("the function of %r failed", candidate)
                continue
            if answer:  # it may have been made meanwhile
                return self._namespaces.get(name) or self._make_child(name, candidate)
        return self._namespaces.get(name)

    def _make_child(self, name: NamespaceName, parent: ParentNamespace) -> Namespace | None:
        """Make what a client asks for, unless the adapter cannot carry such a name."""
        try:
            return self._make(name, parent)
        except ValueError as error:
            self._unmade += 1
            if not self._unmade & (self._unmade - 1):  # the 1st, the 2nd, the 4th, the 8th, ...
                text = "namespace %s, which a client wants, is not made (%d such so far): %s"
                fields = known(namespace=name, reason=error)
                _logger.warning(text, shortened(name), self._unmade, error, extra=fields)
            return None

    def _make(self, name: NamespaceName, parent: ParentNamespace | None) -> Namespace:
        namespace = Namespace(self, name) if parent is None else parent.make_child(name)
        self._namespaces[name] = namespace
        self._tell("new_namespace", namespace)
        return namespace

    def _tell(self, event: str, *args: Any) -> None:
        """Call the handlers of an event of the server itself."""
        for handler in self._main.registered.handlers.get(event, ()):
            try:
                result = handler(*args)
                if inspect.iscoroutine(result):
                    self._spawn(result, event)
            except Exception:
                _logger.exception("a handler of %r failed", event, extra=known(event=event))

    def _spawn(self, running: Any, event: str) -> None:
        driver = self._engine.driver
        if driver.is_bound and not driver.has_ended:
            reporting = self._report(running, f"a handler of {event!r}")
            if driver.is_foreign_thread():
                driver.call_from_thread(driver.spawn, reporting)
            else:
                driver.spawn(reporting)
        else:
            running.close()
            text = "an async handler of %r cannot run before the server does"
            _logger.error(text, event, extra=known(event=event))

    def forget_namespace(self, namespace: Namespace) -> None:
        """A child namespace goes."""
        if self._namespaces.get(namespace.name) is namespace:
            del self._namespaces[namespace.name]
        if namespace.parent is not None:
            namespace.parent.forget_child(namespace)

    def new_socket_id(self) -> SocketId:
        """Make an id for a socket."""
        return SocketId(generate_id())


def _close_session(session: ServerSession) -> None:
    sink = session.sink
    connection = sink.host if isinstance(sink, Intake) else sink
    if isinstance(connection, Connection):
        connection.server_stops()
    else:
        session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
