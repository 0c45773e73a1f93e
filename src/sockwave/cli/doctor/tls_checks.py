"""Is there somebody at the address, and does he show a certificate that clients trust?"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from sockwave.cli.doctor.findings import good, left_out, note, wrong
from sockwave.cli.doctor.wire import connected

if TYPE_CHECKING:
    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.target import Target

__all__ = ["check_tls"]

SOON: Final = 14
"""Days. Who renews certificates by a machine does it 30 days ahead."""

_FAULTS: Final = {9: "tls-dates", 10: "tls-dates", 62: "tls-name", 64: "tls-name"}
"""Of X509_V_ERR_... in OpenSSL's x509_vfy.h; all others are about who has signed it."""


async def check_tls(target: Target) -> Finding:
    """Connect, and leave in `target.ssl` what others connect with.

    Raises:
        NoAnswer: Nobody can connect.
    """
    if not target.server.is_secure:
        async with connected(target):
            return left_out("tls", "the URL is http: nothing is encrypted up to here")
    problem = None
    if not target.insecure:
        target.ssl = _context()
        try:
            async with connected(target) as (_, writer):
                return _judged(writer.get_extra_info("ssl_object"))
        except ssl.SSLCertVerificationError as error:
            fault = _FAULTS.get(error.verify_code, "tls-untrusted")
            problem = wrong("tls", f"certificate not trusted: {error.verify_message}", fault)
    target.ssl = _context()  # all else is looked at nevertheless
    target.ssl.check_hostname = False
    target.ssl.verify_mode = ssl.CERT_NONE
    async with connected(target) as (_, writer):
        version = writer.get_extra_info("ssl_object").version()
    return problem or good("tls", f"{version}; the certificate was not looked at")


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])  # as browsers do for a WebSocket
    return context


def _judged(connection: Any) -> Finding:
    end = ssl.cert_time_to_seconds(connection.getpeercert()["notAfter"])
    hours = (end - time.time()) / 3600
    left = f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} hours"
    saw = f"{connection.version()}, the certificate is valid for {left}"
    return note("tls", saw, "tls-soon") if hours < SOON * 24 else good("tls", saw)
