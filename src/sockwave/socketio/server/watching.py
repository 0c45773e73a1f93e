"""What a server offers those who watch it: observers of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from sockwave.socketio.server.extensions import reach
from sockwave.socketio.server.observed import OBSERVED, PLAIN, Kinds, become

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sockwave.engine.server.driver import Driver
    from sockwave.observe import Observers, Seen
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.types import NamespaceName

__all__ = ["AdminSessions", "Watchable"]

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
    """

    _namespaces: dict[NamespaceName, Namespace]

    def __init__(self, driver: Driver) -> None:
        self.kinds: Kinds = PLAIN
        self._watched_driver = driver
        driver.observers.on_change(self._observers_changed)

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
            kinds: Of `sockwave.observe`; `*KINDS` for all.

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

    def _observers_changed(self) -> None:
        """What there is already becomes what tells, or what does not."""
        kinds = OBSERVED if self.observers.of_events else PLAIN
        if kinds is self.kinds:
            return
        self.kinds = kinds
        for namespace in self._namespaces.values():
            for socket in namespace.all_sockets():
                become(kinds, socket)
                become(kinds, socket.connection)
