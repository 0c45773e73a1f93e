"""A line of uvicorn's that is wrong, and only where it is wrong.

A WebSocket is refused in an ASGI server by an answer of our own, with its status and text, as the
extension `websocket.http.response` has it. uvicorn sends that answer, and then logs at ERROR that
the application has `returned without completing handshake`: its implementation on `websockets`
counts only what it has answered itself. People look for a fault that is none, so for a refusal of
ours the line is left out. It stays for everybody else's.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Final

__all__ = ["answered"]

_WRONG: Final = "ASGI callable returned without completing handshake."

_is_answered: Final = ContextVar("_is_answered", default=False)
"""Of the task that carries a WebSocket in its host, which logs in the same one."""


class _WithoutWrongLine(logging.Filter):
    """Leaves that line out where we have answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be seen."""
        return not (_is_answered.get() and record.msg == _WRONG)


_FILTER: Final = _WithoutWrongLine()


def answered() -> None:
    """The WebSocket of this task was refused by an answer of ours."""
    _is_answered.set(True)
    if "uvicorn" in sys.modules:
        logging.getLogger("uvicorn.error").addFilter(_FILTER)  # which adds it once
