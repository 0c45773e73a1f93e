"""A connection that uvicorn serves on our port, within our limits.

uvicorn bounds neither the size of a head nor the time that it takes. Here it does, at the price of
a few comparisons for each read: a head that comes in one read, as nearly all do, is measured only
when the read is large, and a deadline is set only where a head has to wait for its end.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sockwave.engine.core.heartbeat import GRANULARITY
from sockwave.engine.io.tcp import close_once, end_writing
from sockwave.engine.server.fronts.answers import encode_refusal
from sockwave.engine.server.fronts.http1 import END_OF_HEAD, unreadable
from sockwave.engine.server.fronts.ignored_upgrades import parser_after_upgrade
from sockwave.engine.server.fronts.targets import Owner, owner_of
from sockwave.engine.server.fronts.tcp_connection import LINGER, LINGER_BYTES
from sockwave.engine.server.invalid_request import InvalidRequest, head_too_late
from sockwave.engine.server.routing import HandOver, session_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.routing import Router

__all__ = ["HostedHttp"]


_BODY: Final = re.compile(rb"content-length|transfer-encoding")


class HostedHttp(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 for one connection; its first head is whole when it begins.

    Args:
        engine: Whose limits hold, and which counts the connection until it is lost.
        arguments: Of uvicorn's protocol.
    """

    parser: Any

    def __init__(self, engine: EngineServer, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._engine = engine
        self._limits = engine.options.limits
        self._is_in_head = False
        self._is_ignoring = False
        self._head_size = 0
        self._read_size = 0
        self._held = b""
        self._dropped: int | None = None
        self._deadline: float | None = None
        self.wheel_slot = 0
        if self.ws_protocol_class is not None:
            counted = functools.partial(_make_counted, self.ws_protocol_class, engine.driver)
            self.ws_protocol_class = counted  # type: ignore[assignment] # uvicorn calls it, no more

    # --- the connection ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer: no more requests at once than `limits.pipelined_requests`."""
        if self._dropped is not None:
            self._drop(data)
            return
        router = self._engine.router
        if router is not None and self._passed_on(router, data):
            return
        most = self._limits.pipelined_requests
        if len(self.pipeline) >= most or self._held:
            self._held += data
            self.flow.pause_reading()
        elif data.count(END_OF_HEAD) > most:
            self._feed_by_parts(data)
        else:
            self._feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended."""
        driver = self._engine.driver
        driver.cancel(self)
        driver.connection_lost(self)
        self._held = b""
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Another protocol object of uvicorn's takes over; the connection still counts."""
        driver = self._engine.driver
        driver.cancel(self)
        self._deadline = None
        super().handle_websocket_upgrade()
        driver.lent_connection_moved(self, self.transport.get_protocol())

    def _passed_on(self, router: Router, data: bytes) -> bool:
        """Whether the next request is another worker's, which has it now.

        That is one for a session there, and when another one has taken this one's place, one for no
        session too.

        A request line that comes in pieces is not known for one: then the session is not found.
        """
        if self._is_in_head or self._held or self.pipeline or not self._is_quiet:
            return False
        sid = session_of(data)
        if sid is None and not (router.is_replaced and self._can_move(data)):
            return False
        sid = sid or b""
        if not router.is_elsewhere(sid):
            return False
        is_secure = self.scheme == "https"
        outcome = router.hand_over(sid, self.transport, data, self.client, is_secure=is_secure)
        if outcome is not HandOver.DONE:
            return False
        self._dropped = 0
        self._deadline = None
        self._engine.driver.cancel(self)
        self._engine.driver.connection_lost(self)
        return True

    def _can_move(self, data: bytes) -> bool:
        """Whether it is well to have a request of no session answered by our successor.

        An encrypted connection would end with this process still: only a new session, which we
        would refuse, has more of that.
        """
        cycle: RequestResponseCycle | None = self.cycle
        has_more = cycle is not None and cycle.more_body  # though it is answered
        if has_more or self.transport.get_write_buffer_size():
            return False
        if self.transport.get_extra_info("sslcontext") is None:
            return True
        try:
            return owner_of(data, self._limits, self._engine.is_ours) is Owner.ENGINE
        except InvalidRequest:
            return False

    # --- reading ----------------------------------------------------------------------------------

    def _feed_by_parts(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.transport.is_closing():
            if len(self.pipeline) >= self._limits.pipelined_requests:
                self._held = data[at:]
                self.flow.pause_reading()
                return
            end = data.find(END_OF_HEAD, at)
            end = len(data) if end < 0 else end + len(END_OF_HEAD)
            self._feed(data[at:end])
            at = end

    def _feed(self, data: bytes) -> None:
        """Let uvicorn's parser read; as its own `data_received`, but for refusals and upgrades."""
        self._unset_keepalive_if_required()
        self._read_size = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:  # to what nobody here speaks: a request like any other (RFC 9110 section 7.8)
                headers = dict(self.headers) if self._is_ignoring else {}
                self._is_ignoring = False
                self.parser = parser_after_upgrade(self, headers)
                if rest := data[int(upgrade.args[0]) :]:
                    self._feed(rest)
            return
        except httptools.HttpParserError as error:
            self._refuse(unreadable(error, data))
            return
        if self._is_in_head:
            self._count(data)
        elif self._is_quiet:
            self._wait()  # for what nobody reads: line feeds, or a body whose answer has gone
        else:
            self._deadline = None

    def _count(self, data: bytes) -> None:
        """Measure a head whose end has not come."""
        if self._head_size:
            self._head_size += len(data)
        else:  # the parser keeps a header that is not whole to itself
            self._head_size = self._size_so_far() + len(data) - data.rfind(b"\n") - 1
        limits = self._limits
        if self._head_size <= limits.head_bytes:
            self._wait()
        elif self.headers:
            self._refuse(_head_too_large(limits.head_bytes))
        else:
            self._refuse(_target_too_long(limits.target_bytes))

    def _size_so_far(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there: uvicorn may have it if it is within the limits."""
        limits = self._limits
        self._is_in_head = False
        self._deadline = None
        if len(self.url) > limits.target_bytes:
            raise _target_too_long(limits.target_bytes)
        if len(self.headers) > limits.head_count:
            raise InvalidRequest(
                431, "too many headers", f"over limits.head_count={limits.head_count}"
            )
        is_large = self._head_size + self._read_size > limits.head_bytes
        if is_large and self._size_so_far() > limits.head_bytes:
            raise _head_too_large(limits.head_bytes)
        super().on_headers_complete()
        self._is_ignoring = (
            self.parser.should_upgrade()
            and not self._should_upgrade()
            and any(_BODY.fullmatch(name) and value.strip(b"0") for name, value in self.headers)
        )

    def on_message_complete(self) -> None:
        """A request is whole, if its body is not still to come behind an upgrade."""
        if not self._is_ignoring:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer has gone: go on with what was held behind it."""
        super().on_response_complete()
        if self._held and not self.transport.is_closing():
            held, self._held = self._held, b""
            self._feed_by_parts(held)

    @property
    def _is_quiet(self) -> bool:
        """Whether no answer of the application is due."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # --- deadlines and refusals -------------------------------------------------------------------

    def _wait(self) -> None:
        """Give the peer `limits.head_timeout` from now, unless it has a deadline already."""
        if self._deadline is None:
            driver = self._engine.driver
            self._deadline = deadline = driver.clock() + self._limits.head_timeout
            if not self.wheel_slot or self.wheel_slot > deadline / GRANULARITY + 1:
                driver.schedule(self, deadline)

    def handle_timeout(self, now: float) -> None:
        """A deadline has come, or has moved or gone meanwhile."""
        if self._dropped is not None:
            self.transport.abort()
            return
        if self._deadline is None:
            return
        if now < self._deadline:
            self._engine.driver.schedule(self, self._deadline)
        else:
            self._refuse(head_too_late(self._limits))

    def _refuse(self, invalid: InvalidRequest) -> None:
        """Answer, unless the application does so just now, and close."""
        self._deadline = None
        self._held = b""
        self._dropped = 0
        self._engine.peer_log.invalid(self.client, invalid)
        if self._is_quiet:
            self.transport.write(encode_refusal(invalid))
        if end_writing(self.transport):
            driver = self._engine.driver
            driver.schedule(self, driver.clock() + LINGER)
        else:
            close_once(self.transport)

    def _drop(self, data: bytes) -> None:
        """See `tcp_connection`: a reset could take the answer with it."""
        self._dropped = (self._dropped or 0) + len(data)
        if self._dropped > LINGER_BYTES:
            self.flow.pause_reading()


def _head_too_large(most: int) -> InvalidRequest:
    return InvalidRequest(431, "the head is too large", f"over limits.head_bytes={most}")


def _target_too_long(most: int) -> InvalidRequest:
    return InvalidRequest(414, "the target is too long", f"over limits.target_bytes={most}")


# --- WebSockets of the application ----------------------------------------------------------------


@functools.cache
def _counted(kind: Any) -> Callable[..., Any]:
    """Make a kind of uvicorn's WebSocket whose end is told to us."""

    class Counted(kind):  # type: ignore[misc] # which one, the options of uvicorn say
        driver: Driver

        def connection_lost(self, exc: Exception | None) -> None:
            self.driver.connection_lost(self)
            super().connection_lost(exc)

    return Counted


def _make_counted(kind: type[asyncio.Protocol], driver: Driver, **arguments: Any) -> Any:
    protocol = _counted(kind)(**arguments)  # type: ignore[arg-type] # classes are hashable
    protocol.driver = driver
    return protocol
