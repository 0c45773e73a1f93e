"""What a server offers those who watch it: observers of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from sockwave.socketio.server.observed import OBSERVED, PLAIN, Kinds, become

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.server.driver import Driver
    from sockwave.observe import Observers, Seen
    from sockwave.socketio.server.namespace import Namespace
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
        self._plain: Kinds = PLAIN
        self._observed: Kinds = OBSERVED
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

    def make_of(self, plain: Kinds, observed: Kinds) -> None:
        """Make sockets and connections of other classes, for what sees more than observers do.

        Those that there are become of these classes, too.

        Args:
            plain: What they are while nobody observes events; built on `PLAIN`.
            observed: What they are while somebody does; built on `OBSERVED`.

        Raises:
            ValueError: They are of other classes already.
        """
        if self._plain is not PLAIN:
            raise ValueError("this server is traced already")
        self._plain, self._observed = plain, observed
        self._observers_changed()

    def _observers_changed(self) -> None:
        """What there is already becomes what tells, or what does not."""
        before, kinds = self.kinds, self._observed if self.observers.of_events else self._plain
        if kinds is before:
            return
        self.kinds = kinds
        for namespace in self._namespaces.values():
            for socket in namespace.all_sockets():
                become(before, kinds, socket)
                become(before, kinds, socket.connection)
