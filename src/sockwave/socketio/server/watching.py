"""What a server offers those who watch it: observers of what happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, cast, overload

from sockwave.socketio.server.extensions import HealthWatch, reach
from sockwave.socketio.server.health_values import Health, HealthOptions, health_options
from sockwave.socketio.server.observed import (
    COUNTED,
    COUNTED_PLAINLY,
    OBSERVED,
    PLAIN,
    Kinds,
    become,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.observe import Observers, Seen
    from sockwave.socketio.server.extensions import Closable, Connections
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.options import ServerOptions
    from sockwave.types import NamespaceName

__all__ = ["AdminSessions", "Watchable"]

_logger: Final = logging.getLogger("sockwave.observe")

S = TypeVar("S", bound="Seen")
O = TypeVar("O", bound="Callable[[Any], object]")  # noqa: E741 # an observer


class AdminSessions(Protocol):
    """Where logins of the admin page are kept; both methods may be `async def`."""

    def has(self, id_: str) -> bool | Awaitable[bool]:
        """Whether there is a login of this id, which is a credential."""

    def save(self, id_: str) -> object:
        """Keep a login for some time; what is awaitable is awaited."""


class Watchable:
    """Lets others see what happens; a base of `Server`.

    Attributes:
        kinds: What its sockets and connections are made of.
        is_closing: Whether it stops.
    """

    _namespaces: dict[NamespaceName, Namespace]
    _engine: EngineServer

    def __init__(self, driver: Driver) -> None:
        self.kinds: Kinds = PLAIN
        self.is_closing: bool = False
        self._health_watch: HealthWatch | None = None
        self._built: Callable[[Kinds], Kinds] | None = None
        self._watched_driver = driver
        self._connections: Connections | None = None
        self._inspected: Closable | None = None
        self._when_closed: list[Callable[[], Awaitable[None]]] = []
        driver.observers.on_change(self._observers_changed)

    def _begin_watching(self, options: ServerOptions) -> None:
        """Keep records of connections, and answer questions about them, where that is wanted."""
        if options.records is not None:
            self._connections = reach("keep_records")(self, options.records)
        if options.inspect is not None:
            self._inspected = reach("inspect")(self, options.inspect)

    def _end_watching(self) -> None:
        if self._inspected is not None:
            self._inspected.close()

    @property
    def connections(self) -> Connections:
        """Records of connections: how each went, and why it has ended; see docs/why.md.

        Raises:
            RuntimeError: The server keeps none: it needs the option `connection_records`.
        """
        if self._connections is None:
            raise RuntimeError(
                "the server keeps no records of connections: give it connection_records=1000"
            )
        return self._connections

    @property
    def observers(self) -> Observers:
        """Who is told of what happens."""
        return self._watched_driver.observers

    @overload
    def observe(
        self, kind: type[S], /
    ) -> Callable[[Callable[[S], object]], Callable[[S], object]]: ...
    @overload
    def observe(self, *kinds: type[Seen]) -> Callable[[O], O]: ...
    def observe(self, *kinds: type[Any]) -> Any:
        """Call a function whenever something of these kinds happens; see `sockwave.observe`.

            @io.observe(HandlerFailed)
            def failed(seen: HandlerFailed) -> None: ...

        It is called at once, in the event loop, with a value of the kind, and everybody waits for
        it: it must be quick, and no `async def`. One that raises is logged, and taken off. What
        happens before it is registered it does not hear of. Register it before the server runs, or
        in its event loop.

        Args:
            kinds: Of `sockwave.observe`; `Seen` for all.

        Raises:
            TypeError: One is no kind, or what is decorated is no plain function.
        """

        def decorated(observer: Any) -> Any:
            self.observers.add(kinds, observer)
            return observer

        return decorated

    def stop_observing(self, observer: Callable[[Any], object]) -> None:
        """Call a function of `observe` no more; nothing happens if it is not called."""
        self.observers.remove(observer)

    # --- health -----------------------------------------------------------------------------------

    def health(self) -> Health:
        """Say whether this process works, and should get new clients, and why not.

        May be called from any thread, and never waits. How late the event loop is it knows from a
        second and a half after the first call, or from the start with the option `health`.
        """
        return self._watch_health().look()

    @property
    def health_app(self) -> Callable[..., Awaitable[None]]:
        """An ASGI application that answers the same, for a port of its own; see docs/health.md."""
        app: Callable[..., Awaitable[None]] = reach("health_app")(self._watch_health())
        return app

    def serve_health(self, at: str | HealthOptions) -> None:
        """Answer about its health on its own port, as with the option `health`.

        Args:
            at: Path, or options with one.

        Raises:
            ValueError: It has such a path already, or it is the server's own.
        """
        options = health_options(at)
        assert options is not None
        watch = self._watch_health(options)
        taken = self._engine.options.path
        if options.path == taken or self._engine.beside:
            raise ValueError(
                f"health: {options.path!r} is the path of the server, or it has one for its health"
            )
        self._engine.beside.update(watch.paths())

    def _watch_health(self, options: HealthOptions | None = None) -> HealthWatch:
        if self._health_watch is None:
            options = options or HealthOptions(path=None)
            self._health_watch = watch = cast("HealthWatch", reach("health")(self, options))
            return watch
        if options is not None:
            self._health_watch.options = options
        return self._health_watch

    # --- the Admin UI -----------------------------------------------------------------------------

    def instrument(
        self,
        *,
        auth: tuple[str, str] | Mapping[str, str] | Literal[False],
        readonly: bool = False,
        mode: Literal["development", "production"] = "development",
        namespace: str = "/admin",
        server_id: str | None = None,
        store: AdminSessions | None = None,
        serve: bool = False,
    ) -> None:
        """Let the Admin UI of Socket.IO look at this server, and act on it.

            io.instrument(auth=("admin", "<bcrypt hash>"), serve=True)

        Call it once, before the server runs, and in each process of a cluster: the page shows all
        of them, servers in JavaScript with `@socket.io/admin-ui` too. See docs/admin.md.

        Args:
            auth: User name and bcrypt hash of the password, also in the form of the JavaScript
                version, `{"type": "basic", "username": ..., "password": <hash>}`. False lets
                everybody in. Needs `sockwave[admin]`.
            readonly: Viewers cannot make sockets join or leave rooms, nor disconnect them.
            mode: `production` shows numbers only; `development` each socket, room and event, which
                costs time for each of them.
            namespace: Where the page connects to.
            server_id: What the page calls this process, by default the name of the host; it must be
                another one for each process.
            store: Where logins are kept, for a day; by default each process of a cluster remembers
                them. See `sockwave.admin.RedisSessions`.
            serve: Hand out the page, at `/socket.io/admin/`.

        Raises:
            TypeError: `auth` is nothing of that.
            ValueError: The password is no bcrypt hash; there is a namespace of this name; or the
                server was instrumented before.
            ImportError: `sockwave[admin]` is not installed.
        """
        reach("instrument")(
            self,
            auth=auth,
            readonly=readonly,
            mode=mode,
            namespace=namespace,
            server_id=server_id,
            store=store,
            serve=serve,
        )

    # --- the end ----------------------------------------------------------------------------------
    def build_on(self, built: Callable[[Kinds], Kinds]) -> None:
        """Make sockets and connections of other classes, for what sees more than observers do.

        Those that there are become of these classes, too.

        Args:
            built: Gives the classes that are built on some, the same ones each time.

        Raises:
            ValueError: They are of other classes already.
        """
        if self._built is not None:
            raise ValueError("this server is traced already")
        self._built = built
        self._observers_changed()

    def when_closed(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Await a function of who watches whenever `close` has ended all sockets and sessions."""
        self._when_closed.append(callback)

    async def _tell_closed(self) -> None:
        for callback in self._when_closed:
            try:
                await callback()
            except Exception:
                _logger.exception("a server is closed, but not what watches it")

    # --- observers --------------------------------------------------------------------------------

    def _observers_changed(self) -> None:
        """What there is already becomes what tells, or what does not."""
        observers = self.observers
        kinds = PLAIN
        if observers.of_events:
            kinds = COUNTED if observers.are_counted else OBSERVED
        if self._built is not None:
            kinds = self._built(COUNTED_PLAINLY if kinds is COUNTED else kinds)
        before = self.kinds
        if kinds is before:
            return
        self.kinds = kinds
        for namespace in self._namespaces.values():
            for socket in namespace.all_sockets():
                become(before, kinds, socket)
                become(before, kinds, socket.connection)
