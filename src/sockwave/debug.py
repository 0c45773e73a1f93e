"""Debug output: `DEBUG=sockwave:*` in the environment, as users of the JavaScript version know it.

Everything is logged by the standard library under `sockwave.*`, and shown as an application
configures that. Beyond it, patterns in `DEBUG` show scopes on standard error: `sockwave:engine`,
`sockwave:*`, several with commas or spaces, and a leading `-` takes out. Names of events are shown,
cut short; what is sent with them, tokens and cookies never are.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "SCOPES",
    "DebugPatterns",
    "counted",
    "enable",
    "is_debugging",
    "known",
    "masked",
    "shortened",
]

SCOPES: Final = (
    "sockwave.engine",
    "sockwave.engine.session",
    "sockwave.socketio",
    "sockwave.socketio.connection",
    "sockwave.socketio.namespace",
    "sockwave.socketio.socket",
)
"""Loggers that say something at DEBUG; with colons in `DEBUG`."""

_MAX_SHOWN: Final = 128
_COLOURS: Final = (36, 32, 33, 35, 34, 31)


class DebugPatterns:
    """What `DEBUG` says.

    Args:
        text: Patterns with `*` for anything, apart by commas or spaces.
    """

    def __init__(self, text: str) -> None:
        entries = [entry for entry in re.split(r"[\s,]+", text) if entry]
        self._shown = [_compiled(entry) for entry in entries if not entry.startswith("-")]
        self._hidden = [_compiled(entry[1:]) for entry in entries if entry.startswith("-")]

    def show(self, scope: str) -> bool:
        """Whether to show a scope, such as `sockwave:engine`."""
        if any(pattern.fullmatch(scope) for pattern in self._hidden):
            return False
        return any(pattern.fullmatch(scope) for pattern in self._shown)


def _compiled(entry: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, entry.split("*"))))


class _Filter(logging.Filter):
    def __init__(self, patterns: DebugPatterns) -> None:
        super().__init__()
        self._patterns = patterns

    def filter(self, record: logging.LogRecord) -> bool:
        return self._patterns.show(record.name.replace(".", ":"))


class _Formatter(logging.Formatter):
    """`  sockwave:engine session opened +3ms`, in a colour for each scope on a terminal."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured
        self._last: dict[str, float] = {}

    def format(self, record: logging.LogRecord) -> str:
        scope = record.name.replace(".", ":")
        now = time.monotonic()
        passed = round(1000 * (now - self._last.get(scope, now)))
        self._last[scope] = now
        text, end = record.getMessage(), f"+{passed}ms"
        if self._coloured:
            at = SCOPES.index(record.name) if record.name in SCOPES else 0
            colour = _COLOURS[at % len(_COLOURS)]
            scope, end = f"\x1b[1;{colour}m{scope}\x1b[0m", f"\x1b[{colour}m{end}\x1b[0m"
        shown = f"  {scope} {text} {end}"
        return f"{shown}\n{self.formatException(record.exc_info)}" if record.exc_info else shown


def enable(
    environment: Mapping[str, str] = os.environ, stream: TextIO | None = None
) -> logging.Handler | None:
    """Show what `DEBUG` asks for; nothing happens when that names no scope of ours.

    Returns:
        The handler on the logger `sockwave`, or None.
    """
    patterns = DebugPatterns(environment.get("DEBUG", ""))
    shown = [scope for scope in SCOPES if patterns.show(scope.replace(".", ":"))]
    if not shown:
        return None
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.addFilter(_Filter(patterns))
    handler.setFormatter(_Formatter(coloured=out.isatty()))
    logging.getLogger("sockwave").addHandler(handler)
    for scope in shown:
        logging.getLogger(scope).setLevel(logging.DEBUG)
    return handler


def is_debugging() -> bool:
    """Whether any scope is logged at DEBUG; asked when a server starts, not for every message."""
    return any(logging.getLogger(scope).isEnabledFor(logging.DEBUG) for scope in SCOPES)


def masked(credential: str) -> str:
    """Enough of a session id to follow it in the log, and too little to use it."""
    return f"{credential[:4]}..."


def known(
    *,
    sid: str | None = None,
    socket: str | None = None,
    namespace: str | None = None,
    event: str | None = None,
    address: str | None = None,
    reason: object = None,
    node: str | None = None,
    worker: int | None = None,
) -> dict[str, object]:
    """Fields of a record, for `extra=`: what is known of whom it is about; see `sockwave.logs`.

    Args:
        sid: A session id as it is: it is masked here.
        socket: Id of a socket, as logs may have it.
        reason: Why; an exception stands for what it says.
    """
    given = {
        "socket": socket,
        "namespace": namespace,
        "event": event,
        "address": address,
        "reason": reason,
        "node": node,
    }
    fields: dict[str, object] = {
        name: shortened(value) for name, value in given.items() if value is not None
    }
    if sid is not None:
        fields["sid"] = shortened(masked(sid))
    if worker is not None:
        fields["worker"] = worker
    return fields


def shortened(text: object, most: int = _MAX_SHOWN) -> str:
    """Text of a peer for the log: escaped, so that it cannot forge a line, and cut."""
    return str(text)[:most].encode("unicode_escape").decode("ascii")


def counted(number: int, what: str) -> str:
    """A number of things, in words: `1 client`, `2 clients`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
