"""What a server offers those who watch it: observers of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from sockwave.socketio.server.extensions import reach
from sockwave.socketio.server.observed import OBSERVED, PLAIN, Kinds, become

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.server.driver import Driver
    from sockwave.observe import Observers, Seen
    from sockwave.socketio.server.extensions import Closable, Connections
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.options import ServerOptions
    from sockwave.types import NamespaceName

__all__ = ["Watchable"]

S = TypeVar("S", bound="Seen")
O = TypeVar("O", bound="Callable[[Any], object]")  # noqa: E741 # an observer


class Watchable:
    """Lets others see what happens; a base of `Server`.

    Attributes:
        kinds: What its sockets and connections are made of.
    """

    _namespaces: dict[NamespaceName, Namespace]

    def __init__(self, driver: Driver) -> None:
        self.kinds: Kinds = PLAIN
        self._watched_driver = driver
        self._connections: Connections | None = None
        self._inspected: Closable | None = None
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
