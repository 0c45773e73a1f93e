"""Records of the log as lines of JSON, for programs that collect them.

    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level="INFO", handlers=[handler])

`sockwave run --log-format json` does it. What a record of Sockwave knows stands in fields, too:

- `sid`: the session, masked as in the text: enough to follow it, too little to use it;
- `socket`, `namespace`, `event`: of whom and what it is;
- `address`: host of the client; `reason`: why;
- `node`: another process of the cluster; `worker`: number of a worker.

They are attributes of the record (`extra=` of the standard library), so every other formatter can
use them as well. Names of events and of namespaces, reasons and addresses may be what a client has
sent: they are escaped and cut, and of any number.
"""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIELDS", "JsonFormatter"]

FIELDS: Final = ("sid", "socket", "namespace", "event", "address", "reason", "node", "worker")
"""What records of Sockwave may have beside their text."""

_MOST_TEXT: Final = 16_384
"""Characters of one text: those who collect lines cut longer ones in the middle of the JSON."""

_MOST_SHOWN: Final = 256
"""Characters of a value that JSON has no form for."""

_STANDARD: Final = frozenset(
    {
        *vars(logging.makeLogRecord({})),
        "asctime",
        "color_message",  # of uvicorn: the message once more
        "message",
        "taskName",  # Python 3.12
    }
)


class JsonFormatter(logging.Formatter):
    """Formats each record as one line of JSON, in ASCII.

    A line has `time` (UTC, ISO 8601), `level`, `logger` and `message`; then what was given as
    `extra=`, of Sockwave (`FIELDS`) and of others; `exception` is a traceback, with what the
    exception says of itself. What has no form in JSON is shown by its `repr`, cut. Nothing in a
    record can end a line or reach a terminal. The contents of events, and the values of variables,
    are in none that Sockwave writes.

    Args:
        fields: Said in each line, such as `{"service": "chat"}`.
    """

    def __init__(self, fields: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._fields = dict(fields or {})

    def format(self, record: logging.LogRecord) -> str:
        """Make the line of a record, without an end of line."""
        line: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        for name, value in self._fields.items():
            line.setdefault(name, value)
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line.setdefault(name, value)
        if record.exc_info or record.exc_text:
            line["exception"] = _end_of(self._traceback(record))
        if record.stack_info:
            line["stack"] = _end_of(self.formatStack(record.stack_info))
        return _encoded(line)

    def _traceback(self, record: logging.LogRecord) -> str:
        """As the standard library does it: another formatter may have made it already."""
        if record.exc_text is None and record.exc_info:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text or ""


def _time(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def _end_of(text: str) -> str:
    """Of a traceback: what went wrong stands at its end."""
    return text if len(text) <= _MOST_TEXT else f"...{text[-_MOST_TEXT:]}"


def _encoded(line: dict[str, object]) -> str:
    try:
        return json.dumps(line, default=_shown, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # `nan`, a circle, keys that are no text
        return json.dumps({name: _plain(value) for name, value in line.items()})


def _plain(value: object) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return value
    return value if value is None or isinstance(value, str | int) else _shown(value)


def _shown(value: object) -> str:
    """What it says of itself, if it can."""
    try:
        return repr(value)[:_MOST_SHOWN]
    except Exception:
        return f"<{type(value).__name__}>"
