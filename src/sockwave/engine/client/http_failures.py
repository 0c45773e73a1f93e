"""Why there was no answer at all: what aiohttp raises, as an error of ours."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import aiohttp

from sockwave.engine.client.failures import ADVICE, shown
from sockwave.errors import FailureCause, TransportError, WebSocketError

if TYPE_CHECKING:
    from sockwave.types import TransportName

__all__ = ["Lost", "failed"]


class Lost(aiohttp.ClientError):
    """The connection ended before the answer; why is its cause."""


def failed(
    message: str, transport: TransportName, error: Exception, *, is_first: bool
) -> TransportError:
    """There was no answer; the error says why, also as its `__cause__`.

    Args:
        is_first: Nothing has come from this server yet; else the URL is right, whatever happened.
    """
    under = _under(error)
    cause = _cause(error, under)
    text = str(under) or type(under).__name__
    has_url = "://" in text  # with the session, which is nobody's to read in a log
    if isinstance(under, aiohttp.ClientResponseError):
        text = f"the answer is no HTTP: {shown(under.message)}"
    elif has_url:
        text = type(under).__name__
    advice = ADVICE.get(cause, "") if is_first or cause is not FailureCause.LOST else ""
    failure = TransportError(message, transport=transport, cause=cause, details=text, advice=advice)
    failure.__cause__ = None if has_url else under
    return failure


def _under(error: BaseException) -> BaseException:
    """What is under aiohttp's wrapping: the operating system's error, or TLS's."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    if isinstance(error, (Lost, aiohttp.ClientConnectionError)) and error.__cause__ is not None:
        return _under(error.__cause__)
    return error


def _cause(error: Exception, under: BaseException) -> FailureCause:
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return FailureCause.PROXY
    if type(under).__module__.startswith(("aiohttp_socks", "python_socks")):
        return FailureCause.PROXY
    for kinds, cause in (
        (WebSocketError, FailureCause.NOT_SOCKETIO),
        (ssl.SSLCertVerificationError, FailureCause.CERTIFICATE),
        (ssl.SSLError, FailureCause.TLS),
        (socket.gaierror, FailureCause.NAME),
        (TimeoutError, FailureCause.TIMEOUT),
        ((ConnectionRefusedError, FileNotFoundError), FailureCause.REFUSED),
        ((ConnectionError, aiohttp.ServerDisconnectedError), FailureCause.LOST),
        (aiohttp.ClientResponseError, FailureCause.LOST),
        (OSError, FailureCause.UNREACHABLE),
    ):
        if isinstance(under, kinds):
            return cause
    return FailureCause.OTHER
