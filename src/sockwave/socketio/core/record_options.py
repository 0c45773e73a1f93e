"""Options of the records of connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sockwave.engine.core.option_checks import check_bool, check_integer
from sockwave.engine.core.option_names import strict_options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ConnectionRecords", "record_options"]


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRecords:
    """What the server keeps of each connection; its option `connection_records`.

    Attributes:
        keep: Connections that have ended and are remembered, the latest ones; as many handshakes
            that were refused, up to 1000.
        user: Whose connection it is: a key of `socket.data`, or a function that is called with the
            `Socket` and returns it, or None.
        log: Say why each connection has ended, in the log `sockwave.records` at INFO, with the
            record in the field `connection`.
    """

    keep: int = 1_000
    user: str | Callable[[Any], object] = "user"
    log: bool = False

    def __post_init__(self) -> None:
        check_integer("connection_records keep", self.keep, 1, 10_000_000)
        check_bool("connection_records log", self.log)
        if not isinstance(self.user, str) and not callable(self.user):
            raise TypeError(
                "connection_records user must be a key of socket.data, or a function of the"
                f" socket, not {self.user!r}"
            )


def record_options(given: object) -> ConnectionRecords | None:
    """Read the option of the server: a number of records, 0 for none, or all of it.

    Raises:
        TypeError, ValueError: It is something else.
    """
    if isinstance(given, ConnectionRecords):
        return given
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(
            f"connection_records must be a number or a ConnectionRecords, not {given!r}"
        )
    check_integer("connection_records", given, 0, 10_000_000)
    return ConnectionRecords(keep=given) if given else None
