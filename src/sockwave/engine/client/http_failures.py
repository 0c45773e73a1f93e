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
    if isinstance(under, aiohttp.ClientResponseError):  # whose text has the URL, with the session
        text = f"the answer is no HTTP: {shown(under.message)}"
    advice = ADVICE.get(cause, "") if is_first or cause is not FailureCause.LOST else ""
    failure = TransportError(message, transport=transport, cause=cause, details=text, advice=advice)
    failure.__cause__ = under
    return failure


def _under(error: Exception) -> BaseException:
    """What is under aiohttp's wrapping: the operating system's error, or TLS's."""
    if isinstance(error, Lost) and error.__cause__ is not None:
        return error.__cause__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
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
