"""One line in the log for each fault of a peer; a flood of the same fault is a line a second."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from sockwave.debug import known, shortened
from sockwave.engine.core.rate_addresses import address_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.rate_addresses import AddressKey
    from sockwave.engine.server.invalid_request import InvalidRequest

__all__ = ["PeerLog", "quoted"]

_MAX_REMEMBERED: Final = 1_024
_MAX_LENGTH: Final = 190
_MAX_EXPLAINED: Final = 256
"""Of a line whose text is ours, but for what is `quoted` in it."""

_MAX_QUOTED: Final = 64
_MAX_HOST: Final = 64
_INTERVAL: Final = 1.0


def quoted(text: str) -> str:
    """Text of a peer's, in quotation marks and cut, to stand in a line of the log."""
    return repr(text if len(text) <= _MAX_QUOTED else text[:_MAX_QUOTED] + "...")


class PeerLog:
    """Logs faults of peers: at most one line per peer and reason per second.

    Text from a peer is escaped and cut, so that it can neither forge a line nor fill a disk; and so
    is its address, which a host of ours may have from a header. A /64 of IPv6 is one peer.
    """

    __slots__ = ("_last", "_logger")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last: dict[tuple[AddressKey, str], float] = {}

    def info(
        self,
        client: tuple[str, int] | None,
        what: str,
        detail: str | Callable[[], str] = "",
        **about: str,
    ) -> None:
        """Log what a peer did wrong.

        Args:
            what: The kind of fault, by which a flood is recognized.
            detail: What may differ each time, such as text of the peer's; or a function that makes
                it, which is called for a line that is written only.
            about: Fields of the record beside `address` and `reason`; see `known`.
        """
        self._log(logging.INFO, client, what, detail, about)

    def warning(
        self, client: tuple[str, int] | None, what: str, detail: str = "", **about: str
    ) -> None:
        """Log what may be the fault of the peer or of the application; see `info`."""
        self._log(logging.WARNING, client, what, detail, about)

    def invalid(self, client: tuple[str, int] | None, invalid: InvalidRequest) -> None:
        """Log a request that could not be read."""
        what = f"bad request ({invalid.status}): {invalid.why}"
        self.info(client, f"{what}:" if invalid.detail else what, invalid.detail)

    def _log(
        self,
        level: int,
        client: tuple[str, int] | None,
        what: str,
        detail: str | Callable[[], str],
        about: dict[str, str],
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        host = client[0] if client else "unix socket"
        key = (address_key(host) if ":" in host else host[:_MAX_HOST], what)
        now = time.monotonic()
        if now - self._last.get(key, -_INTERVAL) < _INTERVAL:
            return
        if len(self._last) >= _MAX_REMEMBERED:
            self._last.clear()
        self._last[key] = now
        most = _MAX_LENGTH
        if not isinstance(detail, str):
            detail, most = detail(), _MAX_EXPLAINED
        text = f"{what} {detail}" if detail else what
        address = shortened(host, _MAX_HOST) if client else None
        fields = known(address=address, reason=what.rstrip(": "), **about)  # type: ignore[arg-type]
        self._logger.log(
            level, "%s: %s", shortened(host, _MAX_HOST), shortened(text, most), extra=fields
        )
