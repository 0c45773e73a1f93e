"""The Engine.IO server: verifies requests, opens sessions, routes to their transports.

Theory. Front ends bring every request as an exchange (`handle_request`, `handle_upgrade`), the same
whoever serves the port. It meets, in this order: allowed hosts, the path, preflight, middlewares,
verification, and for a new session admission. Each of these answers it, and that was all, or lets
it pass. Nothing waits here: a middleware or an admission that waits is a task, which comes back
with the same exchange. What belongs to a session goes to the transport that carries it, and from
there the session and its sink have it, by direct calls.

`_sessions` is the only list of sessions. A session is in it from `open_session` until the driver
tells of its end, once; CLOSING ones are in it. All else is settled when the engine is made, but for
handlers and middlewares, and `_shutdown`, which is there from the begin of `close` to its end.

What must never happen: a session that opens while the server stops (admission looks before it asks
the application, and after it); a failure of the application's that a front end sees; a request
without an answer, whoever has it when its task is cancelled.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, overload
from urllib.parse import quote

from sockwave.debug import known, masked
from sockwave.engine.core.emitter import Emitter
from sockwave.engine.core.forwarded import TrustedProxies
from sockwave.engine.core.handlers import NO_HANDLERS, Handler, check_handler
from sockwave.engine.core.hosts import AllowedHosts
from sockwave.engine.core.keywords import EngineOptionsDict
from sockwave.engine.core.option_names import check_names
from sockwave.engine.core.option_signature import names_options
from sockwave.engine.core.options import EngineOptions
from sockwave.engine.core.request import SAFE_IN_PATH
from sockwave.engine.server import telling
from sockwave.engine.server.beside import answer_beside, is_beside
from sockwave.engine.server.calling import call_handler, call_waiting, edit_headers
from sockwave.engine.server.driver import Driver
from sockwave.engine.server.open_packets import OpenPackets
from sockwave.engine.server.opening import begin_upgrade, open_polling
from sockwave.engine.server.peer_log import PeerLog
from sockwave.engine.server.routing import StrayHint
from sockwave.engine.server.rules.admission import admit
from sockwave.engine.server.rules.cors import (
    cors_headers,
    drop_foreign_credentials,
    preflight_headers,
)
from sockwave.engine.server.rules.middleware import ask
from sockwave.engine.server.rules.rates import RateLimitCounts, RateLimiter
from sockwave.engine.server.rules.reasons import reason_of, words_for_end
from sockwave.engine.server.rules.refusing import answer_refused
from sockwave.engine.server.rules.verification import (
    ErrorCode,
    HandshakeFailure,
    Refused,
    revision,
    verify,
)
from sockwave.engine.server.sessions.limited import LimitedSession, LimitedSessionV3
from sockwave.engine.server.sessions.session import ServerSession, ServerSessionV3
from sockwave.engine.server.shutdown import Shutdown, check_times
from sockwave.engine.server.transports.polling import PollingTransport
from sockwave.engine.server.watchdog import Watchdog
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from sockwave.engine.core.limits import RateLimits
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.session import Session
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.io.turns import Turns
    from sockwave.engine.server.beside import FileHandler, Paths
    from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders, UpgradeExchange
    from sockwave.engine.server.routing import Elsewhere, Relay, Router
    from sockwave.engine.server.transports.compression import Compressions

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

OPTION_NAMES: Final = frozenset(field.name for field in fields(EngineOptions))


class EngineServer(Emitter):
    """Sessions and rules; front ends bring it requests. `sockwave.engine.Engine` adds those.

    Attributes:
        options: Checked and complete.
        sessions: Open ones by id; a read-only view.
        file_handler: Answers requests for files under the path; Socket.IO serves its client so.
        beside: Answers requests for other paths, whatever name they are for.
        session_handler: Takes each new session; by default it goes to the `connection` handlers.
        session_closer: Closes a session, in an orderly way, because the server stops.
        goes_on_elsewhere: Whether clients may go on at other servers when this one has stopped.
        rate_limit_counts: How often rate limits have acted; it goes on counting.
        trusted_proxies: Those of the options, for front ends; None where there are none.
        open_packet: Makes the handshakes of sessions.
        rates: The limits at work; None where there are none.
        router: Where other processes share the port: knows whose a session is; see `share_port`.
        relay: The same where a host has the port.
        elsewhere: Takes requests for sessions that other machines may have.
        polling_kind: Makes the transports of sessions that poll.
        session_kinds: What makes sessions, of Engine.IO 4 and of 3.
        id_prefix: What ids of sessions begin with.
        webtransport_fronts: How many serve WebTransport now; only then clients hear of it.

    Events: `connection` (session); `connection_error` (HandshakeFailure); `initial_headers`
    (headers, request), once per session, for its first response; `headers` (headers, request), for
    every poll, post, 101 and answer to a preflight (`OPTIONS`, with `cors`). The two get a list of
    name and value pairs that they may change, and must be plain functions. `closing` (nothing),
    when `close` begins, whoever called it: what is sent there, or by an `async def` before it
    returns, still reaches every client; half of `shutdown_timeout` is the most it may take.
    """

    @names_options(EngineOptionsDict, EngineOptions)
    def __init__(self, **options: Unpack[EngineOptionsDict]) -> None:
        check_names(type(self).__name__, options, OPTION_NAMES)
        self.options: EngineOptions = EngineOptions(**options)  # type: ignore[arg-type] # it converts the forms
        self.driver: Driver = Driver(
            self.options,
            ended=self._session_ended,
            upgraded=self._session_upgraded,
            rebound=self._rebound,
        )
        self.file_handler: FileHandler | None = None
        self.beside: Paths = {}
        self.session_handler: Callable[[ServerSession], None] = self.tell_connection
        self.session_closer: Callable[[ServerSession], None] = ServerSession.close
        self.goes_on_elsewhere: Callable[[], bool] = bool  # nowhere
        self.peer_log: PeerLog = PeerLog(_logger)
        proxies = TrustedProxies(self.options.trusted_proxies)
        self.trusted_proxies: TrustedProxies | None = proxies or None
        self.rate_limit_counts: RateLimitCounts = RateLimitCounts()
        self.rate_limit_counts.observers = self.driver.observers
        self.rates: RateLimiter | None = None
        self.session_kinds: tuple[type[ServerSession], ...] = (ServerSession, ServerSessionV3)
        if self.options.rate_limits is not None:
            self._limit_rates(self.options.rate_limits)
        self.open_packet: OpenPackets = OpenPackets(self.options)
        self._sessions: dict[str, ServerSession] = {}
        self.sessions: Mapping[str, ServerSession] = MappingProxyType(self._sessions)
        self._watchdog: Watchdog | None = None
        if self.options.block_warning is not None:
            self._watchdog = Watchdog(self.options.block_warning, lambda: bool(self._sessions))
        self.router: Router | None = None
        self.relay: Relay | None = None
        self.elsewhere: Elsewhere | None = None
        self.polling_kind: type[PollingTransport] = PollingTransport
        self.id_prefix: str = ""
        self.webtransport_fronts: int = 0
        self._handlers = NO_HANDLERS
        self._middlewares: tuple[Handler, ...] = ()
        self._shutdown: Shutdown | None = None
        self._prefix = self.options.path.rstrip("/") + "/"
        self._endpoint = quote(self.options.prefix, safe=SAFE_IN_PATH) + "?"
        self._bare = None if self.options.add_trailing_slash else self.options.path
        hosts = self.options.allowed_hosts
        self._allowed_hosts = None if hosts is None else AllowedHosts(hosts)
        self._stray_hint = StrayHint()
        self.edits_headers: bool = self.options.cors is not None or self.options.cookie is not None

    # --- for users --------------------------------------------------------------------------------

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

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        if event not in _EVENTS:
            raise ValueError(f"an engine has no event {event!r}")
        self.edits_headers = self.edits_headers or event.endswith("headers")
        super()._add(event, handler, is_once=is_once)

    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        """End all sessions; clients see the end and may connect again.

        What was sent before reaches them first. New sessions are refused with 503 meanwhile. A
        second call waits for the end of the first one, and hastens it if it has a `drain_period`
        that ends sooner.

        Args:
            drain_period: Seconds over which the sessions close, evenly, so that not all clients
                come back at once; they are served until their turn comes. None stands for the
                option.
            shutdown_timeout: Seconds for all the rest. What is not delivered by then is cut off.
                None stands for the option.

        Cancelling cuts everything off at once. May be awaited in any event loop, in any thread.
        """
        check_times(drain_period, shutdown_timeout)
        how = {"drain_period": drain_period, "shutdown_timeout": shutdown_timeout}
        if await self.driver.closes_elsewhere(lambda: self.close(**how)):
            return
        options = self.options
        if self._shutdown is not None:
            if drain_period is not None:
                timeout = options.shutdown_timeout if shutdown_timeout is None else shutdown_timeout
                self._shutdown.hasten(drain_period=drain_period, timeout=timeout)
            await self._shutdown.is_over.wait()
            return
        if not self.driver.is_bound:
            return
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
        return call_waiting(self.driver, "closing", self._handlers.get("closing", ()))

    # --- for front ends ---------------------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Whether the server stops: there are no new sessions any more."""
        return self._shutdown is not None

    @property
    def keeps_idle_connections(self) -> bool:
        """Whether the server stops and clients that poll still need the connections they have."""
        return self._shutdown is not None and self._shutdown.keeps_idle_connections

    def is_ours(self, path: str) -> bool:
        """Whether a request for this path, decoded, belongs to the engine."""
        return path.startswith(self._prefix) or path == self._bare or path in self.beside

    def handle_request(self, exchange: HttpExchange, *, is_asked: bool = False) -> None:
        """Take a request that is no upgrade, when its head is there.

        Args:
            is_asked: Middlewares have let it pass.
        """
        request = exchange.request
        if self._allowed_hosts is not None and self._is_foreign_host(exchange):
            return
        if not request.target.startswith(self._endpoint) and answer_beside(self, exchange):
            return
        cors = self.options.cors
        if cors is not None and request.method == "OPTIONS":
            headers = preflight_headers(cors, request)
            self._edit_headers("headers", headers, request)
            exchange.respond(cors.preflight_status, headers)
            return
        if self._middlewares and not is_asked:
            ask(self, self._middlewares, exchange)
            return
        try:
            session = verify(request, self._sessions, self.options, is_upgrade=False)
            if session is None:
                admit(self, request, lambda id: open_polling(self, exchange, id), exchange)
                return
        except Refused as refused:
            self._refuse_here(exchange, refused)
            return
        transport = session.transport
        assert isinstance(transport, PollingTransport)  # `verify` compared the names
        if request.method == "GET":
            transport.poll_received(exchange)
        elif request.method == "POST":
            transport.post_received(exchange)
        else:
            exchange.respond(500, self.error_headers(request))

    def payload_too_large(self, request: Request) -> None:
        """End the session that a POST was for, which was refused for its size."""
        with suppress(Refused):
            session = verify(request, self._sessions, self.options, is_upgrade=False)
            if session is not None and isinstance(session.transport, PollingTransport):
                session.transport.payload_too_large()

    def _is_foreign_host(self, exchange: HttpExchange | UpgradeExchange) -> bool:
        """Refuse a request for a name that is none of ours."""
        host = exchange.request.field(b"host")
        if self._allowed_hosts is None or self._allowed_hosts.allows(host):
            return False
        if is_beside(self, exchange):
            return False
        self.refuse(exchange, Refused(ErrorCode.FORBIDDEN, {"name": "FOREIGN_HOST"}))
        return True

    def handle_upgrade(self, upgrade: UpgradeExchange, *, is_asked: bool = False) -> None:
        """Take a request for a WebSocket or a WebTransport session; see `handle_request`."""
        if self._allowed_hosts is not None and self._is_foreign_host(upgrade):
            return
        cors = self.options.cors
        if cors is not None and cors.admits_anybody:
            drop_foreign_credentials(upgrade.request)
        if self._middlewares and not is_asked:
            ask(self, self._middlewares, upgrade)
            return
        try:
            begin_upgrade(self, upgrade)
        except Refused as refused:
            self._refuse_here(upgrade, refused)

    def success_headers(
        self, headers: ResponseHeaders, request: Request, new_sid: SessionId | None
    ) -> ResponseHeaders:
        """Complete the headers of a good answer (docs/protocol/cors.md#events-for-headers)."""
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

    @property
    def turns(self) -> Turns:
        """The time that is spent on what peers send."""
        return self.driver.turns

    @property
    def compressions(self) -> Compressions:
        """What compresses answers that take long."""
        return self.driver.compressions

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""
        return self.driver.turn_clock()

    def _limit_rates(self, limits: RateLimits) -> None:
        self.rates = self.driver.rates = RateLimiter(
            limits, self.rate_limit_counts, self.driver, self.trusted_proxies
        )
        if self.rates.counts_packets:
            self.session_kinds = (LimitedSession, LimitedSessionV3)

    def _refuse_here(self, exchange: HttpExchange | UpgradeExchange, refused: Refused) -> None:
        """Refuse what this process cannot serve, unless another machine has its session."""
        others = self.elsewhere if refused.code is ErrorCode.UNKNOWN_SID else None
        if others is None or not others.takes(exchange):
            self.refuse(exchange, refused)

    def refuse(self, exchange: HttpExchange | UpgradeExchange, refused: Refused) -> None:
        """Answer with what is wrong, and tell the application."""
        request, code = exchange.request, refused.code
        self.peer_log.info(
            request.client,
            f"refused: {code.message}:",
            lambda: reason_of(refused, request, self.options),
        )
        if self.driver.observers.request_refused:
            telling.tell_refused(self.driver.observers, request, code)
        if code is ErrorCode.UNKNOWN_SID and self.router is None:
            self._stray_hint.give()
        if handlers := self._handlers.get("connection_error"):
            failure = HandshakeFailure(request, code, code.message, refused.context)
            for handler in handlers:
                call_handler(self.driver, "connection_error", handler, failure)
        answer_refused(exchange, refused, self.error_headers(request))

    def share_port(self, router: Router | None, relay: Relay | None = None) -> None:
        """Be one of several processes behind one port, before there is any session; or no more.

        Raises:
            RuntimeError: There are sessions already, whose ids say nothing of this process.
        """
        if self._sessions and router is not None:
            raise RuntimeError("sessions have begun: a port is shared from the start")
        self.router, self.relay = router, relay
        self.id_prefix = "" if router is None else router.prefix

    # --- sessions ---------------------------------------------------------------------------------

    def open_session(
        self,
        id_: SessionId,
        transport: Transport,
        request: Request,
        handshake: bytes | None,
    ) -> ServerSession:
        """Make a session of the revision that its client speaks; queue its handshake, if any."""
        kind = self.session_kinds[revision(request.query) != 4]
        session = kind(id_, transport, self.driver, request)
        self._sessions[id_] = session
        if self._watchdog is not None:
            self._watchdog.watch(self.driver.loop, self.driver.thread_id)
        if self.rates is not None:
            self.rates.opened(session)
        if handshake is not None:
            session.send_packet(handshake, len(handshake))
        if self.options.initial_packet is not None:
            session.send(self.options.initial_packet)
        if self.driver.observers.session_opened:
            telling.tell_opened(self.driver.observers, session)
        if self.driver.debug:
            fields = known(sid=id_)
            _session_logger.debug("%s opened by %s", masked(id_), transport.name, extra=fields)
        return session

    def tell_connection(self, session: ServerSession) -> None:
        """Call the `connection` handlers; a `session_handler` of one's own does it at its end."""
        for handler in self._handlers.get("connection", ()):
            call_handler(self.driver, "connection", handler, session)

    def _session_ended(self, session: Session, reason: DisconnectReason, description: str) -> None:
        self._sessions.pop(session.id, None)
        self.driver.forget_backlog(session)
        if self.rates is not None:
            self.rates.closed(session)
        if self.driver.observers.session_closed:
            telling.tell_closed(self.driver.observers, session, reason, description)
        if self.driver.debug:
            id_, fields = masked(session.id), known(sid=session.id, reason=reason)
            _session_logger.debug("%s closed: %s %s", id_, reason, description, extra=fields)
        if reason in _FAULTS and isinstance(session, ServerSession):
            words = words_for_end(description, self.options)
            self.peer_log.info(session.request.client, f"{reason}: {words}", sid=session.id)

    def _rebound(self) -> None:
        for session in list(self._sessions.values()):
            session.lose()
        if self.rates is not None:
            self.rates.forget_all()

    def _session_upgraded(self, session: Session) -> None:
        if self.driver.observers.session_upgraded:
            telling.tell_upgraded(self.driver.observers, session)
        if self.driver.debug:
            id_, name = masked(session.id), session.transport.name
            _session_logger.debug("%s moved to %s", id_, name, extra=known(sid=session.id))
        if isinstance(session, ServerSession):
            session.emit_local("upgrade", session.transport)

    def _edit_headers(self, event: str, headers: list[tuple[str, str]], request: Request) -> None:
        if handlers := self._handlers.get(event):
            edit_headers(self.driver, event, handlers, headers, request)
