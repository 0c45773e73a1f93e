"""The Engine.IO server: verifies requests, opens sessions, routes to their transports."""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, overload

from sockwave.codec.engineio import Handshake, encode_handshake
from sockwave.debug import masked
from sockwave.engine.core.forwarded import TrustedProxies
from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    add_once,
    check_handler,
    listeners_of,
    remove_handler,
)
from sockwave.engine.core.options import (
    AllowRequest,
    EngineOptions,
    EngineOptionsDict,
    check_header_value,
    check_token,
)
from sockwave.engine.core.states import State
from sockwave.engine.core.transport import NOBODY
from sockwave.engine.server.cors import cors_headers, preflight_headers
from sockwave.engine.server.driver import Driver
from sockwave.engine.server.exchange import NO_SNIFF, HttpExchange
from sockwave.engine.server.ids import generate_id
from sockwave.engine.server.limited_session import LimitedSession, LimitedSessionV3
from sockwave.engine.server.middleware import ask
from sockwave.engine.server.payloads import (
    REVISION_3,
    REVISION_3_BASE64,
    REVISION_4,
    Jsonp,
    Payloads,
)
from sockwave.engine.server.peer_log import PeerLog
from sockwave.engine.server.polling import PollingTransport
from sockwave.engine.server.rates import RateLimitCounts, RateLimiter
from sockwave.engine.server.session import ServerSession, ServerSessionV3
from sockwave.engine.server.shutdown import Shutdown, check_times
from sockwave.engine.server.verification import (
    ErrorCode,
    HandshakeFailure,
    Refused,
    error_body,
    refused_by_shutdown,
    revision,
    verify,
)
from sockwave.engine.server.watchdog import Watchdog
from sockwave.engine.server.websocket_v3 import WebSocketV3
from sockwave.errors import ConnectError
from sockwave.types import DisconnectReason, SessionId, TransportName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sockwave.engine.core.options import RateLimits
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.session import Session
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.server.exchange import ResponseHeaders, UpgradeExchange

__all__ = ["EngineServer"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.engine")
_session_logger: Final = logging.getLogger("sockwave.engine.session")

_EVENTS: Final = ("connection", "connection_error", "initial_headers", "headers", "closing")


_FAULTS: Final = frozenset(
    {
        DisconnectReason.TRANSPORT_ERROR,
        DisconnectReason.PARSE_ERROR,
        DisconnectReason.BACKLOG_EXCEEDED,
        DisconnectReason.RATE_LIMIT_EXCEEDED,
    }
)
"""Ends of a session that are worth a line in the log."""


class EngineServer:
    """Sessions and rules; front ends bring it requests. `sockwave.engine.Engine` adds those.

    Attributes:
        options: Checked and complete.
        sessions: By id; a read-only view.
        file_handler: Answers requests for files under the path; Socket.IO serves its client so.
        session_handler: Takes each new session; by default it goes to the `connection` handlers.
        session_closer: Closes a session, in an orderly way, because the server stops.
        rate_limit_counts: How often rate limits have acted; it goes on counting.
        trusted_proxies: Those of the options, for front ends; None where there are none.
        rates: The limits at work; None where there are none.
    """

    def __init__(self, **options: Unpack[EngineOptionsDict]) -> None:
        self.options = EngineOptions(**options)  # type: ignore[arg-type] # it converts the forms
        self.driver = Driver(
            self.options,
            ended=self._session_ended,
            upgraded=self._session_upgraded,
            rebound=self._rebound,
        )
        self.file_handler: Callable[[Request], tuple[int, ResponseHeaders, bytes] | None] | None
        self.file_handler = None
        self.session_handler: Callable[[ServerSession], None] = self._connection
        self.session_closer: Callable[[ServerSession], None] = ServerSession.close
        self.peer_log = PeerLog(_logger)
        self.trusted_proxies = TrustedProxies(self.options.trusted_proxies) or None
        self.rate_limit_counts = RateLimitCounts()
        self.rates: RateLimiter | None = None
        self._session_kinds: tuple[type[ServerSession], type[ServerSessionV3]]
        self._session_kinds = (ServerSession, ServerSessionV3)
        if self.options.rate_limits is not None:
            self._limit_rates(self.options.rate_limits)
        self._sessions: dict[str, ServerSession] = {}
        self._watchdog: Watchdog | None = None
        if self.options.block_warning is not None:
            self._watchdog = Watchdog(self.options.block_warning, lambda: bool(self._sessions))
        self._handlers: HandlerTable = {}
        self._middlewares: tuple[Handler, ...] = ()
        self._shutdown: Shutdown | None = None
        self._prefix = self.options.prefix
        self._endpoint = self._prefix + "?"
        self.edits_headers = self.options.cors is not None or self.options.cookie is not None

    # --- for users --------------------------------------------------------------------------------

    @property
    def sessions(self) -> Mapping[str, ServerSession]:
        """Open sessions by id."""
        return MappingProxyType(self._sessions)

    @property
    def clients_count(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """Let a function see each HTTP request before anything is decided about it.

        Handshakes, polls, posts and upgrades, in this order of registration; not preflights and the
        files of the client. As a call or as a decorator; `def` or `async def`. It gets the request,
        whose `state` is there for what it finds out: that of the first request of a session is
        `socket.request.state`. What it returns decides: None lets the request pass, a `Response` is
        the answer. One that raises refuses the request with 400; the log has why, unless it is a
        `ConnectError`. For headers of good answers see the events of `on`.
        """
        if middleware is None:
            return self.use
        check_handler("use", middleware)
        self._middlewares = (*self._middlewares, middleware)
        return middleware

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler, as a call or as a decorator.

        Events: `connection` (session); `connection_error` (HandshakeFailure);
        `initial_headers` (headers, request), once per session, for its first response; `headers`
        (headers, request), for every poll, post and 101. The two get a list of name and value pairs
        that they may change, and must be plain functions. `closing` (nothing), when `close` begins,
        whoever called it: what is sent there, or by an `async def` before it returns, still reaches
        every client; half of `shutdown_timeout` is the most it may take.

        Raises:
            ValueError: Unknown event.
        """
        self._check_event(event)
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        add_handler(self._handlers, event, handler)
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler for one call; see `on`."""
        self._check_event(event)
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        add_once(self._handlers, event, handler)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all of an event, or all."""
        remove_handler(self._handlers, event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of an event, as they were registered."""
        return listeners_of(self._handlers, event)

    def _check_event(self, event: str) -> None:
        if event not in _EVENTS:
            raise ValueError(f"an engine has no event {event!r}")
        self.edits_headers = self.edits_headers or event.endswith("headers")

    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        """End all sessions; clients see the end and may connect again.

        What was sent before reaches them first. New sessions are refused with 503 meanwhile. A
        second call waits for the end of the first one.

        Args:
            drain_period: Seconds over which the sessions close, evenly, so that not all clients
                come back at once; they are served until their turn comes. None stands for the
                option.
            shutdown_timeout: Seconds for all the rest. What is not delivered by then is cut off.
                None stands for the option.

        Cancelling cuts everything off at once.
        """
        check_times(drain_period, shutdown_timeout)
        if self._shutdown is not None:
            await self._shutdown.is_over.wait()
            return
        if not self.driver.is_bound:
            return
        options = self.options
        if drain_period is None:
            drain_period = options.drain_period
        if shutdown_timeout is None:
            shutdown_timeout = options.shutdown_timeout
        self._shutdown = Shutdown(self, drain_period=drain_period, timeout=shutdown_timeout)
        try:
            await self._shutdown.run()
        finally:
            self._shutdown = None

    def tell_closing(self) -> list[asyncio.Task[None]]:
        """Call the `closing` handlers of the application; return those that wait."""
        tasks = []
        for handler in self._handlers.get("closing", ()):
            try:
                result = handler()
            except Exception:
                _logger.exception("a handler of the engine event 'closing' failed")
                continue
            if hasattr(result, "__await__"):
                tasks.append(asyncio.ensure_future(self._await_handler("closing", result)))
        return tasks

    # --- for front ends ---------------------------------------------------------------------------

    @property
    def keeps_idle_connections(self) -> bool:
        """Whether the server stops and clients that poll still need the connections they have."""
        return self._shutdown is not None and self._shutdown.keeps_idle_connections

    def is_ours(self, path: str) -> bool:
        """Whether a request for this path belongs to the engine."""
        return path.startswith(self._prefix)

    def handle_request(self, exchange: HttpExchange, *, is_asked: bool = False) -> None:
        """Take a request that is no upgrade, when its head is there.

        Args:
            is_asked: Middlewares have let it pass.
        """
        request = exchange.request
        if not request.target.startswith(self._endpoint) and self._is_elsewhere(exchange):
            return
        cors = self.options.cors
        if cors is not None and request.method == "OPTIONS":
            exchange.respond(cors.preflight_status, preflight_headers(cors, request))
            return
        if self._middlewares and not is_asked:
            ask(self, self._middlewares, exchange)
            return
        try:
            session = verify(request, self._sessions, self.options, is_upgrade=False)
            if session is None:
                self._admit(request, lambda id: self._open_polling(exchange, id), exchange)
                return
        except Refused as refused:
            self.refuse(exchange, refused)
            return
        transport = session.transport
        assert isinstance(transport, PollingTransport)  # `verify` compared the names
        if request.method == "GET":
            transport.poll_received(exchange)
        elif request.method == "POST":
            transport.post_received(exchange)
        else:
            exchange.respond(500, self.error_headers(request))

    def _is_elsewhere(self, exchange: HttpExchange) -> bool:
        """Answer a request for a file below the path, or for nothing of ours."""
        request = exchange.request
        if not self.is_ours(request.target):
            exchange.respond(404, ())
            return True
        if self.file_handler is None or request.method == "OPTIONS":
            return False
        found = self.file_handler(request)
        if found is None:
            return False
        status, headers, body = found
        exchange.respond(status, [*headers, *self.error_headers(request)], body)
        return True

    def handle_upgrade(self, upgrade: UpgradeExchange, *, is_asked: bool = False) -> None:
        """Take a request to become a WebSocket; see `handle_request`."""
        if self._middlewares and not is_asked:
            ask(self, self._middlewares, upgrade)
            return
        request = upgrade.request
        try:
            session = verify(request, self._sessions, self.options, is_upgrade=True)
            if session is not None:
                self._open_probe(upgrade, session)
            else:
                self._admit(request, lambda id: self._open_websocket(upgrade, id), upgrade)
        except Refused as refused:
            self.refuse(upgrade, refused)

    def success_headers(
        self, headers: ResponseHeaders, request: Request, new_sid: SessionId | None
    ) -> ResponseHeaders:
        """Complete the headers of a good answer (protocol.md section 13)."""
        if not self.edits_headers:
            return headers
        edited = [*headers, *self.error_headers(request)]
        if new_sid is not None:
            if self.options.cookie is not None and request.query.get("transport") == "polling":
                edited.append(("Set-Cookie", self.options.cookie.render(new_sid)))
            self._edit_headers("initial_headers", edited, request)
        self._edit_headers("headers", edited, request)
        return edited

    def error_headers(self, request: Request) -> ResponseHeaders:
        """CORS headers only."""
        return cors_headers(self.options.cors, request) if self.options.cors is not None else ()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run in a later turn of the loop."""
        self.driver.call_soon(callback)

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""
        return self.driver.turn_clock()

    def _limit_rates(self, limits: RateLimits) -> None:
        self.rates = self.driver.rates = RateLimiter(
            limits, self.rate_limit_counts, self.driver, self.trusted_proxies
        )
        if self.rates.counts_packets:
            self._session_kinds = (LimitedSession, LimitedSessionV3)

    # --- admission --------------------------------------------------------------------------------

    def _admit(
        self,
        request: Request,
        open_session: Callable[[SessionId], None],
        exchange: HttpExchange | UpgradeExchange,
    ) -> None:
        """Ask the application, check the revision, make an id; wait only where it waits."""
        if self._shutdown is not None:
            raise refused_by_shutdown()
        if self.rates is not None:
            self.rates.check_handshake(request)
        allow = self.options.allow_request
        allowed: Any = True
        if allow is not None:
            allowed = self._call_application(allow, request)
        id_: Any = generate_id() if self.options.generate_id is None else None
        if id_ is not None and not hasattr(allowed, "__await__"):
            open_session(self._checked(request, allowed, id_))
        else:
            self.driver.spawn(self._admit_later(request, allowed, open_session, exchange))

    async def _admit_later(
        self,
        request: Request,
        allowed: Any,
        open_session: Callable[[SessionId], None],
        exchange: HttpExchange | UpgradeExchange,
    ) -> None:
        try:
            try:
                if hasattr(allowed, "__await__"):
                    allowed = await allowed
            except ConnectError as error:
                allowed = error
            except Exception:
                _logger.exception("allow_request failed")
                allowed = False
            id_: Any = generate_id()
            is_refused = allowed is False or isinstance(allowed, ConnectError)
            if self.options.generate_id is not None and not is_refused:
                try:
                    id_ = self.options.generate_id(request)
                    if hasattr(id_, "__await__"):
                        id_ = await id_
                except Exception:
                    _logger.exception("generate_id failed")
                    raise Refused(ErrorCode.BAD_REQUEST, {"name": "ID_GENERATION_ERROR"}) from None
            checked = self._checked(request, allowed, id_)
            if self.rates is not None:  # others may have opened while the application was asked
                self.rates.check_sessions(request)
            open_session(checked)
        except asyncio.CancelledError:
            self.refuse(exchange, refused_by_shutdown())
            raise
        except Refused as refused:
            self.refuse(exchange, refused)

    def _call_application(self, allow: AllowRequest, request: Request) -> Any:
        try:
            return allow(request)
        except ConnectError as error:
            return error
        except Exception:
            _logger.exception("allow_request failed")
            return False

    def _checked(self, request: Request, allowed: Any, id_: Any) -> SessionId:
        if allowed is False:
            raise Refused(ErrorCode.FORBIDDEN, {"message": "Forbidden"})
        if isinstance(allowed, ConnectError):
            raise Refused(ErrorCode.FORBIDDEN, {"message": allowed.message})
        if revision(request) != 4 and not self.options.allow_eio3:
            raise Refused(ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, {"protocol": 3})
        if not isinstance(id_, str) or not id_:
            _logger.error("generate_id must give text, not %r", type(id_).__name__)
            raise Refused(ErrorCode.BAD_REQUEST, {"name": "ID_GENERATION_ERROR"})
        if self._shutdown is not None:
            raise refused_by_shutdown()
        if id_ in self._sessions:
            raise Refused(ErrorCode.BAD_REQUEST, {"name": "ID_GENERATION_ERROR"})
        return SessionId(id_)

    def refuse(self, exchange: HttpExchange | UpgradeExchange, refused: Refused) -> None:
        """Answer with what is wrong, and tell the application."""
        request, code = exchange.request, refused.code
        self.peer_log.info(request.client, f"refused: {code.message}")
        if handlers := self._handlers.get("connection_error"):
            failure = HandshakeFailure(request, code, code.message, refused.context)
            for handler in handlers:
                self._call_handler("connection_error", handler, failure)
        message = refused.context.get("message") or code.message
        more = [*NO_SNIFF]
        if refused.retry_after is not None:
            more.append(("Retry-After", str(refused.retry_after)))
        if isinstance(exchange, HttpExchange):
            if code is ErrorCode.SERVER_SHUTTING_DOWN:
                exchange.close_after()
            headers = [("Content-Type", "application/json"), *more]
            body = error_body(code, message)
            exchange.respond(code.status, [*headers, *self.error_headers(request)], body)
        else:
            exchange.reject(code.status, [("Content-Type", "text/html"), *more], message.encode())

    # --- opening ----------------------------------------------------------------------------------

    def _open_polling(self, exchange: HttpExchange, id_: SessionId) -> None:
        transport = PollingTransport(self, id_, self._payloads(exchange.request))
        upgrades: tuple[TransportName, ...] = ()
        if self.options.allow_upgrades and "websocket" in self.options.transports:
            upgrades = ("websocket",)
        session = self._open(id_, transport, exchange.request, upgrades)
        transport.receiver = session
        transport.poll_received(exchange)
        self.session_handler(session)
        session.request.pack()

    def _payloads(self, request: Request) -> Payloads:
        """How this client polls."""
        index = request.query.get("j") if self.options.allow_eio3 else None
        if revision(request) == 4:
            payloads = REVISION_4
        else:
            base64 = request.query.get("b64") or index is not None
            payloads = REVISION_3_BASE64 if base64 else REVISION_3
        return payloads if index is None else Jsonp(index, payloads)

    def _open_websocket(self, upgrade: UpgradeExchange, id_: SessionId) -> None:
        transport = self._accept(upgrade, id_)
        if transport is not None:
            session = self._open(id_, transport, upgrade.request, ())
            transport.receiver = session
            self.session_handler(session)
            session.request.pack()

    def _open_probe(self, upgrade: UpgradeExchange, session: ServerSession) -> None:
        """Try a WebSocket for a polling session; one at a time, and only once in its life."""
        is_free = session.state is State.OPEN and session.transport.name == "polling"
        transport = self._accept(upgrade, None)
        if transport is None:
            return
        if is_free:
            session.begin_upgrade(transport)
        else:  # as the reference: 101, then the end; the session is untouched
            transport.discard()

    def _accept(self, upgrade: UpgradeExchange, new_sid: SessionId | None) -> Transport | None:
        request = upgrade.request
        transport = upgrade.accept(NOBODY, self.success_headers([], request, new_sid))
        if transport is not None and revision(request) == 3:
            return WebSocketV3(transport, base64=bool(request.query.get("b64")))
        return transport

    def _open(
        self,
        id_: SessionId,
        transport: Transport,
        request: Request,
        upgrades: tuple[TransportName, ...],
    ) -> ServerSession:
        kind = self._session_kinds[revision(request) != 4]
        session = kind(id_, transport, self.driver, request)
        self._sessions[id_] = session
        if self._watchdog is not None:
            self._watchdog.watch(self.driver.loop, self.driver.thread_id)
        if self.rates is not None:
            self.rates.opened(session)
        options = self.options
        packet = encode_handshake(
            Handshake(
                id_, upgrades, options.ping_interval, options.ping_timeout, options.max_payload
            )
        )
        session.send_packet(packet, len(packet))
        if options.initial_packet is not None:
            session.send(options.initial_packet)
        if self.driver.debug:
            _session_logger.debug("%s opened by %s", masked(id_), transport.name)
        return session

    # --- sessions ---------------------------------------------------------------------------------

    def _connection(self, session: ServerSession) -> None:
        for handler in self._handlers.get("connection", ()):
            self._call_handler("connection", handler, session)

    def _session_ended(self, session: Session, reason: DisconnectReason, description: str) -> None:
        self._sessions.pop(session.id, None)
        self.driver.forget_backlog(session)
        if self.rates is not None:
            self.rates.closed(session)
        if self.driver.debug:
            _session_logger.debug("%s closed: %s %s", masked(session.id), reason, description)
        if reason in _FAULTS and isinstance(session, ServerSession):
            self.peer_log.info(session.request.client, f"{reason}: {description}")

    def _rebound(self) -> None:
        for session in list(self._sessions.values()):
            session.lose()
        if self.rates is not None:
            self.rates.forget_all()

    def _session_upgraded(self, session: Session) -> None:
        if self.driver.debug:
            _session_logger.debug("%s moved to %s", masked(session.id), session.transport.name)
        if isinstance(session, ServerSession):
            session.emit_local("upgrade", session.transport)

    # --- handlers of the application --------------------------------------------------------------

    def _edit_headers(self, event: str, headers: list[tuple[str, str]], request: Request) -> None:
        handlers = self._handlers.get(event)
        if not handlers:
            return
        for handler in handlers:
            self._call_handler(event, handler, headers, request)
        for header in list(headers):
            try:
                check_token(f"name of a header set in {event!r}", header[0])
                check_header_value(f"header {header[0]} set in {event!r}", header[1])
            except ValueError:
                _logger.exception("a header of the application was left out")
                headers.remove(header)

    def _call_handler(self, event: str, handler: Handler, *args: Any) -> None:
        try:
            result = handler(*args)
            if hasattr(result, "__await__"):
                self.driver.spawn(self._await_handler(event, result))
        except Exception:
            _logger.exception("a handler of the engine event %r failed", event)

    async def _await_handler(self, event: str, awaitable: Awaitable[object]) -> None:
        try:
            await awaitable
        except Exception:
            _logger.exception("a handler of the engine event %r failed", event)
