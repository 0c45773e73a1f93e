"""What happens often is told rarely: a flood of messages must not fill the log."""

from __future__ import annotations

import logging
from typing import Final

from sockwave.debug import known

__all__ = ["is_worth_a_line", "say_dropped", "say_failed"]

_logger: Final = logging.getLogger("sockwave.adapters")


def is_worth_a_line(times: int) -> bool:
    """Whether the log should tell of something that has happened so many times: of the first, the
    second, the fourth, the eighth, and so on."""
    return not times & (times - 1)


def say_dropped(times: int, why: str, namespace: str) -> None:
    """Something has come from another server that is no message: so many of them so far."""
    if is_worth_a_line(times):
        fields = known(namespace=namespace, reason=why)
        _logger.warning("message %d of other servers is dropped: %s", times, why, extra=fields)


def say_failed(namespace: str, sender: str) -> None:
    """A message of another server has met an error of ours; the exception is handled just now."""
    fields = known(namespace=namespace, node=sender)
    _logger.exception("internal error at a message of another server", extra=fields)
