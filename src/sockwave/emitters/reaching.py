"""Whom the emitters of asyncio reach, and what they can ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, overload

from sockwave.emitters.fetched import Fetched
from sockwave.emitters.inquiries import FetchInquiry
from sockwave.emitters.operators import Carrier, Operator, Reach, namespace_name
from sockwave.socketio.core.broadcast_answers import all_answered
from sockwave.socketio.core.remote_socket import only_answer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sockwave.emitters.inquiries import Inquiry
    from sockwave.errors import EventError
    from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
    from sockwave.socketio.core.cluster_contract import RemoteDetails
    from sockwave.socketio.core.events import AckEvent, Answer, Args
    from sockwave.types import Json, NamespaceName

__all__ = ["AskingCarrier", "Awaited", "EmitterOperator", "FetchedSocket", "NamespaceEmitter"]

T = TypeVar("T")

Awaited: TypeAlias = "Coroutine[Any, Any, None]"


class AskingCarrier(Carrier[Awaited], Protocol):
    """Brings messages to the servers, and their answers back."""

    def ask(self, inquiry: Inquiry[T]) -> Coroutine[Any, Any, T]:
        """Encode now; then, as it is awaited, ask.

        Raises:
            EncodeError: Something in it cannot be sent.
        """

    async def count_servers(self, namespace: NamespaceName) -> int:
        """How many servers have a namespace."""


@dataclass(frozen=True, slots=True)
class EmitterOperator(Operator[Awaited]):
    """Reaches sockets of a namespace on all servers; made by `to`, `except_`, `volatile`, ...

    Immutable: keep one and use it again. A socket in several of the rooms is reached once.
    """

    _carrier: AskingCarrier

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers[Answer | EventError]]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers]:
        """Send an event and wait for the answers of all clients that it reaches.

        The arguments are encoded at the call; the event is sent when the result is awaited. A
        question that is cancelled is not taken back: clients get the event.

        Args:
            timeout: Seconds; by default what `timeout()` set, else the emitter's `ack_timeout`.

        Returns:
            One answer per client in order of arrival: a single argument as itself, none as None,
            several as a tuple, of which servers in JavaScript pass on only the first. Empty when
            nobody is reached. A list that also tells whose they are, where that is known:
            `by_socket`.

        Raises:
            AckTimeout: Somebody did not answer, or left; `responses` has the answers that came, and
                `missing` and `missing_servers` tell who did not, as far as it is known.
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
            TransportError: The engine cannot be reached, or was lost before all had answered.
            LimitExceeded: Too many questions are open, or the answers are too large.
        """
        asking = self._carrier.ask(self._question(event, args, timeout))
        return asking if event.__class__ is str else all_answered(event, asking)

    def fetch_sockets(self) -> Coroutine[Any, Any, list[FetchedSocket]]:
        """The sockets that an event would reach, as they are now.

        Raises:
            ClusterTimeout: A server did not answer within 5 seconds, or what `timeout()` set;
                `arrived` has the sockets of the others.
            TransportError: The engine cannot be reached, or was lost before all had answered.
            LimitExceeded: Too many questions are open, or the answers are too large.
        """
        everybody = EmitterOperator(self._carrier, self._namespace)

        def make(details: RemoteDetails) -> FetchedSocket:
            return FetchedSocket(everybody.to(details.id), details)

        return self._carrier.ask(FetchInquiry(self._options, self._namespace, make))


class FetchedSocket(Fetched[Awaited]):
    """A socket that is connected to a server; `fetch_sockets` gives it.

    What it tells is as it was when that server was asked, and changing it changes nothing there.
    What is done to it travels to its server; nothing happens when the socket has left meanwhile.

    Attributes:
        id: Of the socket.
        node: Id of its server, as in `io.cluster.nodes`; empty where that does not tell.
        rooms: That it was in, its own id included.
        data: A copy of its `data`, as a client would get it; without what cannot be sent.
    """

    __slots__ = ("_asking",)

    def __init__(self, operator: EmitterOperator, details: RemoteDetails) -> None:
        super().__init__(operator, details)
        self._asking = operator

    @overload
    async def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Answer: ...
    @overload
    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any: ...
    async def emit_with_ack(self, event: Any, *args: Any, timeout: float | None = None) -> Any:  # type: ignore[misc] # see `AnyEvent`
        """Send an event and wait for the client's acknowledgement.

        Args:
            timeout: Seconds until the wait ends, by default the emitter's `ack_timeout`.

        Returns:
            What the client acknowledged with: a single argument as itself, none as None, several as
            a tuple. Servers in JavaScript pass on only the first.

        Raises:
            AckTimeout: No acknowledgement in time, or the socket left first.
            Disconnected: The socket had left before.
            EncodeError: An argument cannot be sent.
            TransportError: The engine cannot be reached, or was lost before the answer.
        """
        return only_answer(await self._asking.emit_with_ack(event, *args, timeout=timeout))


class NamespaceEmitter(Reach[Awaited, EmitterOperator]):
    """Reaches all sockets of a namespace on all servers, or begins to choose some.

    Attributes:
        namespace: Its name.
    """

    def __init__(self, carrier: AskingCarrier, namespace: NamespaceName) -> None:
        super().__init__(carrier, namespace, EmitterOperator(carrier, namespace))
        self._asking = carrier

    def of(self, namespace: NamespaceName) -> NamespaceEmitter:
        """Reach another namespace; the slash in front of its name may be left out."""
        return NamespaceEmitter(self._asking, namespace_name(namespace))

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers[Answer | EventError]]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers]:
        """Send an event to all clients of the namespace and wait for their answers.

        Returns, raises: as `EmitterOperator.emit_with_ack`.

        Args:
            timeout: Seconds; by default the emitter's `ack_timeout`.
        """
        return self._everybody.emit_with_ack(event, *args, timeout=timeout)

    def fetch_sockets(self) -> Coroutine[Any, Any, list[FetchedSocket]]:
        """All sockets of the namespace, as they are now.

        Raises:
            ClusterTimeout: A server did not answer within 5 seconds, or what `timeout()` set;
                `arrived` has the sockets of the others.
            TransportError: The engine cannot be reached, or was lost before all had answered.
            LimitExceeded: Too many questions are open, or the answers are too large.
        """
        return self._everybody.fetch_sockets()

    async def server_count(self) -> int:
        """How many servers have this namespace; 0 where there are none.

        Redis counts those that listen to it. On PostgreSQL and NATS they are asked, which takes a
        second where nobody answers that knows the others.

        Raises:
            TransportError: The engine cannot be reached.
        """
        return await self._asking.count_servers(self.namespace)
