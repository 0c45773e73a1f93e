"""A namespace: what is registered for its sockets, and how they are reached.

Theory: a socket is here twice, one after the other: *connecting* while middlewares are asked about
it, then among the *sockets*. Only the latter are reached by broadcasts, by their ids and rooms, of
which the adapter keeps account; who lets them in and out is lifecycle.py. A namespace that a parent
has made goes when nobody is left in either place and no lost socket may come back: its name is free
then, and the next client that asks for it gets another one.

Operators call it from any thread and any event loop. What needs no answer is encoded where it is
called and handed to the loop of the server; what does is awaited there. Must never happen: sockets
or rooms touched in another thread than the loop's, or an argument that is changed after the call
and before it is encoded.
"""

from __future__ import annotations

import inspect
import itertools
import logging
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import ack_prefix, event_prefix
from sockwave.debug import counted, known, shortened
from sockwave.errors import AckTimeout, Disconnected, EventError
from sockwave.socketio.core.adapter import InMemoryAdapter, SupportsServerEvents
from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
from sockwave.socketio.core.broadcasting import Broadcasting
from sockwave.socketio.core.cluster_contract import (
    SupportsClients,
    SupportsCluster,
    SupportsStart,
)
from sockwave.socketio.core.encoded_event import EncodedEvent, copied
from sockwave.socketio.core.events import packed
from sockwave.socketio.core.order import Lane, Order, check_order
from sockwave.socketio.core.recovery import RecoveryAdapter
from sockwave.socketio.core.recovery_contract import KeepsSessions, RecoveryMeans, SupportsRecovery
from sockwave.socketio.core.running import note_value
from sockwave.socketio.server.cluster import CLUSTER_EVENTS
from sockwave.socketio.server.collecting import AnswerCollector
from sockwave.socketio.server.reached import ReachedSockets
from sockwave.socketio.server.recovery import NamespaceRecovery
from sockwave.socketio.server.registration import LIFE_CYCLE, NamespaceRegistration, Registered
from sockwave.socketio.server.socket import Socket, SocketsById

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sockwave.engine.core.broadcast_write import BroadcastWrite
    from sockwave.engine.core.handlers import HandlerTable
    from sockwave.socketio.core.adapter import Adapter, BroadcastOptions
    from sockwave.socketio.core.cluster_contract import ClusterMember
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.core.recovery import Recovery
    from sockwave.socketio.core.remote_socket import RemoteSocket
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.socketio.server.contracts import MemberConnection
    from sockwave.socketio.server.exceptions import ExceptionTable
    from sockwave.socketio.server.params import HandlerParams
    from sockwave.socketio.server.parent import ParentNamespace
    from sockwave.socketio.server.server import Server
    from sockwave.types import DisconnectReason, Json, NamespaceName, SocketId

__all__ = ["Middleware", "Namespace"]

_logger: Final = logging.getLogger("sockwave.socketio.namespace")

Middleware = Callable[[Socket], object]

_OWN_EVENTS = (*LIFE_CYCLE, "new_namespace", *CLUSTER_EVENTS)


class Namespace(NamespaceRegistration, ReachedSockets, Broadcasting["Socket | RemoteSocket"]):
    """A part of a server with its own sockets, rooms, handlers and middlewares.

    Attributes:
        name: With its leading slash.
        server: Its server.
        adapter: Rooms and broadcasts.
        others: What the adapter offers beyond that where it is one of a cluster; else None.
        event_handlers: Handlers for all sockets, by event.
        parent: The parent namespace that has made it, if one has.
        registered: What `use`, `on` and `event` have registered.
        recovery: Brings lost sockets back; None while the server's option is off.
    """

    def __init__(
        self, server: Server, name: NamespaceName, *, parent: ParentNamespace | None = None
    ) -> None:
        registered = Registered() if parent is None else parent.registered.copy()
        NamespaceRegistration.__init__(self, registered, server.threads, server.checks)
        Broadcasting.__init__(self, self)
        self.server: Server = server
        self.name = name
        self.parent = parent
        self.event_prefix: bytes = event_prefix(name)
        self.ack_prefix: bytes = ack_prefix(name)
        self.parser: Parser | None = server.parser
        self.event_handlers: HandlerTable = self.registered.event_handlers
        self._sockets: dict[SocketId, Socket] = {}
        # Those that middlewares are asked about.
        self._connecting: dict[SocketId, Socket] = {}
        self._warned: set[str] = set()
        self._order = server.options.order
        self._lanes: dict[Hashable, Lane[Any]] = {}
        self._values: dict[HandlerParams, dict[str, Any]] = {}
        self._ack_ids = itertools.count()
        self.recovery: NamespaceRecovery | None = None
        options = server.options.recovery
        adapter = self._make_adapter(options)
        self.adapter: Adapter = adapter
        if isinstance(adapter, InMemoryAdapter):
            adapter.observers = server.observers
        self.others: SupportsCluster | None = None
        self._telling = adapter if isinstance(adapter, SupportsClients) else None
        if server.adapter_maker is not None:
            self.others = adapter if isinstance(adapter, SupportsCluster) else None
            if server.engine.driver.is_bound:
                self.start_adapter()
        if options is not None:
            if not isinstance(adapter, SupportsRecovery):
                raise ValueError(
                    f"adapter: {_name_of(server.adapter_maker)} cannot do connection state"
                    " recovery; on Redis, RedisStreamsAdapter can"
                )
            self.recovery = NamespaceRecovery(self, adapter, options)

    def start_adapter(self) -> None:
        """Let the adapter begin in the event loop of the server; the server does so in each."""
        if self.server.adapter_maker is not None and isinstance(self.adapter, SupportsStart):
            self.server.engine.driver.when_bound(self.adapter.start)

    def _make_adapter(self, options: Recovery | None) -> Adapter:
        make = self.server.adapter_maker
        return self._adapter_in_memory(options) if make is None else make(self)

    def _adapter_in_memory(self, options: Recovery | None) -> Adapter:
        means = self.recovery_means
        if options is None or means is None:
            return InMemoryAdapter(self)
        return RecoveryAdapter(
            self,
            means.clock,
            options,
            grace=means.grace,
            max_replay=means.max_replay,
            vacated=means.vacated,
        )

    @property
    def recovery_means(self) -> RecoveryMeans | None:
        """What an adapter that recovers needs; None while the server's option is off."""
        options, engine = self.server.options.recovery, self.server.engine
        if options is None:
            return None
        return RecoveryMeans(
            clock=engine.driver,
            options=options,
            grace=engine.options.ping_interval + engine.options.ping_timeout,
            max_replay=engine.options.max_backlog // 2,
            vacated=self.vacated,
        )

    def __repr__(self) -> str:
        return f"<Namespace {shortened(self.name)}: {counted(len(self._sockets), 'socket')}>"

    @property
    def sockets(self) -> SocketsById:
        """Connected sockets of this process by id, in the order of connection."""
        return SocketsById(self._sockets)

    @property
    def order(self) -> Order | None:
        """How handlers of this namespace run beside each other, see `Order`; the server's at first.

        It holds for sockets that connect after it is set.
        """
        return self._order

    @order.setter
    def order(self, order: Order | None) -> None:
        check_order(order)
        self._order = order

    @property
    def params(self) -> Mapping[str, str]:
        """What stands in its name where the pattern of its parent has named groups.

        Those of a router for `/org/{org_id}` have `org_id`. Empty without a pattern; groups that
        took no part are left out. A client has chosen it: check it like anything of a client.
        """
        return {} if self.parent is None else self.parent.params_of(self.name)

    @property
    def param_names(self) -> frozenset[str]:
        """Of the parts that its name has."""
        return frozenset() if self.parent is None else self.parent.param_names

    def values_of(self, params: HandlerParams) -> dict[str, Any]:
        """The parts of its name that a handler asks for, as it wants them.

        Raises:
            ValueError: A part cannot be one of its type; never for a child that was let be.
        """
        values = self._values.get(params)
        if values is None:
            values = self._values[params] = params.values(self.params)
        return values

    def _check_params(self, params: HandlerParams) -> None:
        try:
            self.values_of(params)
        except ValueError as error:
            raise ValueError(f"a handler cannot be one of {self.name}: {error}") from None

    @property
    def exception_tables(self) -> tuple[ExceptionTable, ...]:
        """Handlers of exceptions, those of the namespace before those of the server."""
        return self.exceptions, self.server.exceptions

    def _place(self, namespace: str | None) -> NamespaceRegistration:
        if namespace not in (None, self.name):
            raise ValueError(
                f"a router for {namespace} cannot be included in {self.name}: include it on the "
                "server"
            )
        return self

    # --- other servers ----------------------------------------------------------------------------

    def tell_servers(self, args: tuple[Any, ...]) -> None:
        """Send an event to the other servers; from any thread."""
        _check_server_event(args[0])
        if isinstance(self.adapter, SupportsServerEvents):
            self._on_loop(self.adapter.server_side_emit, self._kept(args))
        elif "server_side_emit" not in self._warned:
            self._warned.add("server_side_emit")
            fields = known(namespace=self.name)
            self.server.logger.warning(
                "this adapter does not support server_side_emit()", extra=fields
            )

    def ask_servers(
        self, args: tuple[Any, ...], timeout: float | None
    ) -> Coroutine[Any, Any, list[Any]]:
        """Copy the event; then, as it is awaited, send it and collect one answer per server."""
        _check_server_event(args[0])
        if timeout is None:
            timeout = self.server.options.ack_timeout
        return self._ask_servers(copied(args), timeout)

    async def _ask_servers(self, args: tuple[Any, ...], timeout: float) -> list[Any]:
        adapter = self.adapter
        if not isinstance(adapter, SupportsServerEvents):
            return []
        driver = self.server.engine.driver
        if not driver.is_elsewhere():
            return await adapter.server_side_emit_with_ack(args, timeout)
        try:
            return await driver.visit(adapter.server_side_emit_with_ack(args, timeout))
        except Disconnected:
            raise AckTimeout from None  # whoever answers, nobody is here any more to hear it

    async def server_event_received(self, event: str, *args: Json) -> Any:
        """Run the handlers of `on` for an event of another server; adapters call it.

        Returns:
            What the first handler that returns something returns: the answer.
        """
        answer: Any = None
        if event in _OWN_EVENTS:
            return answer
        for handler in self._handlers.get(event, ()):
            try:
                result = handler(*args)
                if inspect.isawaitable(result):
                    result = await result
            except EventError as error:
                note_value(event, error)
                result = error.value
            except Exception:
                text, fields = "a handler of %r of another server failed", self._about(event)
                self.server.logger.exception(text, event, extra=fields)
                continue
            answer = result if answer is None else answer
        return answer

    def member_joined(self, member: ClusterMember) -> None:
        """Another process is there; adapters of a cluster tell it."""
        self.server.cluster_changed("node_joined", self, member)

    def member_left(self, member: ClusterMember) -> None:
        """It is gone; adapters of a cluster tell it."""
        self.server.cluster_changed("node_left", self, member)

    def cluster_failed(self, what: str) -> None:
        """Something was lost, or does not work; adapters of a cluster tell it."""
        self.server.cluster_changed("cluster_error", self, what)

    def unhandled(self, event: str) -> None:
        """No handler for an event of a client: say so, once, if that looks like a mix-up."""
        if event in self._handlers and event not in self._warned and event not in _OWN_EVENTS:
            self._warned.add(event)
            self.server.logger.warning(
                "a client has sent %r, for which only `on` of the namespace has a handler: that is "
                "for events of other servers; use `@event` or `socket.on`",
                event,
                extra=self._about(event),
            )

    def _about(self, event: str) -> dict[str, object]:
        """Fields of a record."""
        return known(namespace=self.name, event=event)

    # --- the target of operators ------------------------------------------------------------------

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Send to whom the options select; from any thread."""
        if args[0].__class__ is not str:
            args = packed(args, checked=self.checks.development)
        driver = self.server.engine.driver
        if driver.debug:
            whom = "everybody" if options.rooms is None else f"{len(options.rooms)} rooms"
            name, event_name = shortened(self.name), shortened(args[0])
            _logger.debug("%s: %s to %s", name, event_name, whom, extra=self._about(args[0]))
        if driver.is_foreign_thread() and driver.is_bound:
            event = EncodedEvent(args, self.name, self.parser).frozen()
            driver.call_from_thread(self.adapter.broadcast, event, options)
        else:
            self.adapter.broadcast(args, options)

    def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> Coroutine[Any, Any, BroadcastAnswers]:
        """Encode; then send, and collect answers until all have come or the time is over."""
        if args[0].__class__ is not str:
            args = packed(args, checked=self.checks.development)
        id_ = self.next_ack_id()
        event = EncodedEvent(args, self.name, self.parser, id_)
        if self.server.engine.driver.is_elsewhere():
            event.frozen()
        return self._broadcast_with_ack(event, options, id_)

    async def _broadcast_with_ack(
        self, event: EncodedEvent, options: BroadcastOptions, id_: int
    ) -> BroadcastAnswers:
        driver = self.server.engine.driver
        answers = BroadcastAnswers()
        if not driver.is_elsewhere():
            await self._collecting(event, options, id_, answers)
        elif not driver.has_ended:  # else nobody is there
            try:
                await driver.visit(self._collecting(event, options, id_, answers))
            except Disconnected:  # who was asked may have answered: nobody hears it
                raise AckTimeout(answers) from None
        return answers

    def _collecting(
        self, event: EncodedEvent, options: BroadcastOptions, id_: int, answers: BroadcastAnswers
    ) -> Coroutine[Any, Any, None]:
        collecting = self._collect(event, options, id_, answers)
        contexts = self.server.observers.contexts
        if contexts is None:
            return collecting
        return contexts.asking(self.name, str(event[0]), collecting)

    async def _collect(
        self, event: EncodedEvent, options: BroadcastOptions, id_: int, answers: BroadcastAnswers
    ) -> None:
        timeout = options.flags.timeout
        if timeout is None:
            timeout = self.server.options.ack_timeout
        collector = AnswerCollector(answers, self.adapter, self._others_in(options))
        await collector.ask(event, options, id_, timeout)

    async def fetch_selected(self, options: BroadcastOptions) -> list[Socket | RemoteSocket]:
        """The sockets that a broadcast would reach; in any loop."""
        driver = self.server.engine.driver
        if driver.is_elsewhere():
            try:
                return await driver.visit(self.fetch_selected(options))
            except Disconnected:
                return []
        found: list[Socket | RemoteSocket] = [*self.select_local(options)]
        return await self._with_remote(self, found, options)

    def select_local(self, options: BroadcastOptions) -> list[Socket]:
        """The sockets of this process that a broadcast would reach."""
        selected = self.adapter.select(options)
        return [socket for socket in selected if isinstance(socket, Socket)]

    def _kept(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments that another thread than the loop's cannot change any more."""
        if not self.server.engine.driver.is_foreign_thread():
            return args
        encode_json(args)  # errors belong to the caller
        return copied(args)

    @property
    def broadcast_write(self) -> BroadcastWrite:
        """The short way for a broadcast."""
        return self.server.engine.driver.broadcast_write

    @property
    def has_long_way(self) -> bool:
        """Whether events of all its sockets take more than the shortest way."""
        is_plain = self.recovery is None and self.order is None and self.parser is None
        return not is_plain or self.server.engine.driver.debug

    # --- order ------------------------------------------------------------------------------------

    def lane(self, key: Hashable) -> Lane[Any]:
        """The lane of a key; it is made if there is none."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def lane_emptied(self, lane: Lane[Any]) -> None:
        """Nothing waits in a lane any more."""
        self._lanes.pop(lane.key, None)

    # --- sockets come and go ----------------------------------------------------------------------

    def all_sockets(self) -> list[Socket]:
        """List sockets that are in, and those that middlewares are asked about; a snapshot."""
        return [*self._sockets.values(), *self._connecting.values()]

    def next_ack_id(self) -> int:
        """Ids count up per namespace, for sockets and broadcasts alike (docs/protocol/acks.md)."""
        return next(self._ack_ids)

    def make_socket(
        self,
        connection: MemberConnection,
        id_: SocketId,
        auth: dict[str, Any] | None,
        issued: float,
        restored: SavedSession | None,
    ) -> Socket:
        """Make a socket that middlewares are asked about; until it is decided the namespace stays.

        See lifecycle.py for what happens to it.
        """
        socket = self._connecting[id_] = self.server.kinds.socket(
            self, connection, id_, auth, issued, restored
        )
        return socket

    def admitted(self, id_: SocketId) -> None:
        """A socket is in."""
        self._sockets[id_] = self._connecting.pop(id_)
        if self._telling is not None:
            self._telling.client_came(id_)

    def turned_away(self, id_: SocketId) -> None:
        """A socket was refused, or its client has gone first."""
        self.adapter.remove_all(id_)
        del self._connecting[id_]
        self.vacated()

    def forget(self, id_: SocketId) -> None:
        """A socket has left."""
        self.adapter.remove_all(id_)
        self._sockets.pop(id_, None)
        self.vacated()

    def vacated(self) -> None:
        """Go, if this is a child that the server does not keep and nobody is here or may return."""
        if (
            self.parent is not None
            and not self._sockets
            and not self._connecting
            and self.server.options.cleanup_empty_child_namespaces
            and not (isinstance(self.adapter, KeepsSessions) and self.adapter.has_saved)
        ):
            self.adapter.close()
            self.server.forget_namespace(self)

    def close(self, reason: DisconnectReason) -> None:
        """Everybody leaves."""
        for socket in list(self._sockets.values()):
            socket.leave_namespace(reason)
        self.adapter.close()


def _check_server_event(event: str) -> None:
    if not isinstance(event, str):
        raise TypeError(f"the name of an event must be text, not {type(event).__name__}")
    if event in _OWN_EVENTS:
        raise ValueError(f'"{event}" is a reserved event name')


def _name_of(maker: object) -> str:
    """What the user knows an adapter by."""
    kind = type(maker)
    return getattr(maker, "__name__", kind.__name__)
