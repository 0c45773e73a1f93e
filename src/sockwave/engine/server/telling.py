"""Tells observers of an engine what happens to sessions; asked only where somebody observes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.observe import RequestRefused, SessionClosed, SessionOpened, SessionUpgraded

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.session import Session
    from sockwave.engine.server.rules.verification import ErrorCode
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.observe import Observers
    from sockwave.types import DisconnectReason

__all__ = ["tell_closed", "tell_opened", "tell_refused", "tell_upgraded"]


def tell_opened(observers: Observers, session: ServerSession) -> None:
    """A client has a session."""
    name, address = session.transport.name, session.remote_address
    seen = SessionOpened(session.id, name, session.protocol, address)
    observers.tell(observers.session_opened, seen)


def tell_upgraded(observers: Observers, session: Session) -> None:
    """It has moved to another transport."""
    seen = SessionUpgraded(session.id, session.transport.name)
    observers.tell(observers.session_upgraded, seen)


def tell_closed(
    observers: Observers, session: Session, reason: DisconnectReason, description: str
) -> None:
    """It is over."""
    seen = SessionClosed(session.id, session.transport.name, reason, description)
    observers.tell(observers.session_closed, seen)


def tell_refused(observers: Observers, request: Request, code: ErrorCode) -> None:
    """A request was answered with an error."""
    address = request.client[0] if request.client else ""
    seen = RequestRefused(int(code), code.message, address)
    observers.tell(observers.request_refused, seen)
