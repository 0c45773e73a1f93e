"""What a server offers those who watch it: observers of what happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.socketio.server.observed import COUNTED, OBSERVED, PLAIN, Kinds, become

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.engine.server.driver import Driver
    from sockwave.observe import Observers, Seen
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.types import NamespaceName

__all__ = ["Watchable"]

_logger: Final = logging.getLogger("sockwave.observe")

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
        self._built: Callable[[Kinds], Kinds] | None = None
        self._watched_driver = driver
        self._when_closed: list[Callable[[], Awaitable[None]]] = []
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

    def _observers_changed(self) -> None:
        """What there is already becomes what tells, or what does not."""
        observers = self.observers
        kinds = PLAIN
        if observers.of_events:
            kinds = COUNTED if observers.are_counted else OBSERVED
        if self._built is not None:
            kinds = self._built(kinds)
        before = self.kinds
        if kinds is before:
            return
        self.kinds = kinds
        for namespace in self._namespaces.values():
            for socket in namespace.all_sockets():
                become(before, kinds, socket)
                become(before, kinds, socket.connection)
