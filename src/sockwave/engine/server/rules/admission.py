"""Whether a client gets a session: the application is asked, and an id is made.

Nothing waits unless a function of the application does. Where one does, the world may have changed
when it returns: whoever opened a session meanwhile counts, and so does the end of the server. So
what is known without asking is looked at before, and looked at again right before the session
opens.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.debug import known
from sockwave.engine.core.handlers import is_closed
from sockwave.engine.io.loop import is_cancelled
from sockwave.engine.server.rules.verification import (
    ErrorCode,
    Refused,
    refused_by_shutdown,
    revision,
)
from sockwave.engine.server.sessions.ids import generate_id
from sockwave.errors import ConnectError
from sockwave.types import SessionId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.engine.core.options import AllowRequest, EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.server.calling import CallingDriver
    from sockwave.engine.server.exchange import HttpExchange, UpgradeExchange
    from sockwave.engine.server.rules.rates import RateLimiter

__all__ = ["admit"]

_logger: Final = logging.getLogger("sockwave.engine")


class AdmissionHost(Protocol):
    """What is needed of the engine."""

    options: EngineOptions
    rates: RateLimiter | None
    id_prefix: str

    @property
    def driver(self) -> CallingDriver:
        """What runs functions of the application."""

    @property
    def is_stopping(self) -> bool:
        """Whether there are no new sessions any more."""

    @property
    def sessions(self) -> Mapping[str, object]:
        """Open sessions by id."""

    def refuse(self, exchange: HttpExchange | UpgradeExchange, refused: Refused) -> None:
        """Answer with what is wrong."""


def admit(
    host: AdmissionHost,
    request: Request,
    open_session: Callable[[SessionId], None],
    exchange: HttpExchange | UpgradeExchange,
) -> None:
    """Open a session if the client may have one, now or when the application has said so.

    Raises:
        Refused: It may not, and that is known already; later it is answered here.
    """
    if host.is_stopping:
        raise refused_by_shutdown()
    if host.rates is not None:
        host.rates.check_handshake(request)
    options = host.options
    allowed: Any = True
    if options.allow_request is not None:
        allowed = _ask_application(host, options.allow_request, request)
    id_: Any = generate_id(host.id_prefix) if options.generate_id is None else None
    if id_ is not None and not hasattr(allowed, "__await__"):
        open_session(_checked(host, request, allowed, id_))
    else:
        host.driver.spawn(_admit_later(host, request, allowed, open_session, exchange))


async def _admit_later(
    host: AdmissionHost,
    request: Request,
    allowed: Any,
    open_session: Callable[[SessionId], None],
    exchange: HttpExchange | UpgradeExchange,
) -> None:
    try:
        allowed = await _answer(host, allowed, request)
        id_: Any = generate_id(host.id_prefix)
        is_refused = allowed is False or isinstance(allowed, ConnectError)
        if host.options.generate_id is not None and not is_refused:
            id_ = await _ask_for_id(host, host.options.generate_id, request)
        checked = _checked(host, request, allowed, id_)
        if host.rates is not None:  # others may have opened while the application was asked
            host.rates.check_sessions(request)
        open_session(checked)
    except asyncio.CancelledError:
        host.refuse(exchange, refused_by_shutdown())
        raise
    except Refused as refused:
        host.refuse(exchange, refused)


def _ask_application(host: AdmissionHost, allow: AllowRequest, request: Request) -> Any:
    try:
        return allow(request)
    except ConnectError as error:
        return error
    except BaseException as error:
        _logger.exception("allow_request failed", extra=_about(request))
        host.driver.application_failed(error)
        return False


async def _answer(host: AdmissionHost, allowed: Any, request: Request) -> Any:
    """Wait for what `allow_request` says, if it waits itself."""
    try:
        return await allowed if hasattr(allowed, "__await__") else allowed
    except ConnectError as error:
        return error
    except BaseException as error:
        if is_closed(error) or is_cancelled():
            raise
        _logger.exception("allow_request failed", extra=_about(request))
        host.driver.application_failed(error)
        return False


async def _ask_for_id(
    host: AdmissionHost, generate: Callable[[Request], Any], request: Request
) -> Any:
    try:
        id_ = generate(request)
        id_ = await id_ if hasattr(id_, "__await__") else id_
        return host.id_prefix + id_ if isinstance(id_, str) and id_ else id_
    except BaseException as error:
        if is_closed(error) or is_cancelled():
            raise
        _logger.exception("generate_id failed", extra=_about(request))
        host.driver.application_failed(error)
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "ID_GENERATION_ERROR"}) from None


def _checked(host: AdmissionHost, request: Request, allowed: Any, id_: Any) -> SessionId:
    """Give the id of the session that may open now.

    Raises:
        Refused: None may.
    """
    if allowed is False:
        raise Refused(ErrorCode.FORBIDDEN, {"message": "Forbidden"})
    if isinstance(allowed, ConnectError):
        raise Refused(ErrorCode.FORBIDDEN, {"message": allowed.message})
    if revision(request.query) != 4 and not host.options.allow_eio3:
        raise Refused(ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, {"protocol": 3})
    if not isinstance(id_, str) or not id_:
        text = "generate_id must give text, not %r"
        _logger.error(text, type(id_).__name__, extra=_about(request))
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "ID_GENERATION_ERROR"})
    if host.is_stopping:
        raise refused_by_shutdown()
    if id_ in host.sessions:
        raise Refused(ErrorCode.BAD_REQUEST, {"name": "ID_GENERATION_ERROR"})
    return SessionId(id_)


def _about(request: Request) -> dict[str, object]:
    """Fields of a record."""
    return known(address=request.client[0] if request.client else None)
