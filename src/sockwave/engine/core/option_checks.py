"""What options of all layers are checked with: each check names the option and what is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from sockwave.engine.core.option_names import check_names

__all__ = [
    "MAX_TIMEOUT",
    "check_bool",
    "check_header_value",
    "check_integer",
    "check_number",
    "check_text",
    "check_token",
    "switch_option",
    "warn_of_milliseconds",
]

_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
MAX_TIMEOUT: Final = 2**31 / 1000
"""Seconds: what a timer in JavaScript, and the handshake's milliseconds, can hold."""

SUSPICIOUS: Final = 5_000.0
"""Seconds: above what is of use, below the reference's defaults in milliseconds."""

_suspected: Final[set[str]] = set()
_logger: Final = logging.getLogger("sockwave.engine")

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_bool(option: str, value: Any) -> None:
    """Refuse what is neither True nor False.

    Raises:
        TypeError: Names the option.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{option} must be a bool, not {type(value).__name__}")


def check_text(option: str, value: Any) -> None:
    """Refuse what is not text.

    Raises:
        TypeError: Names the option.
    """
    if not isinstance(value, str):
        raise TypeError(f"{option} must be text, not {type(value).__name__}")


def check_header_value(option: str, value: str) -> None:
    """Refuse what would split a response in two.

    Raises:
        TypeError, ValueError: Name the option.
    """
    check_text(option, value)
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{option}: {value!r} cannot stand in a header")


def check_token(option: str, value: str) -> None:
    """Refuse what is not a token of RFC 9110 section 5.6.2.

    Raises:
        TypeError, ValueError: Name the option.
    """
    check_text(option, value)
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{option}: {value!r} is not a valid name")


def check_number(option: str, value: Any, low: float, high: float = float("inf")) -> None:
    """Refuse what is not a number in range.

    Raises:
        TypeError, ValueError: Name the option.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{option} must be a number, not {type(value).__name__}")
    if not low <= value <= high:
        bound = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        raise ValueError(f"{option} must be {bound}, not {value!r}")


def check_integer(option: str, value: Any, low: int, high: int = 2**62) -> None:
    """Refuse what is not an integer in range.

    Raises:
        TypeError, ValueError: Name the option.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{option} must be an integer, not {type(value).__name__}")
    check_number(option, value, low, high)


def warn_of_milliseconds(option: str, value: float, *, above: float = SUSPICIOUS) -> None:
    """Say so, once, where a time is so long that milliseconds may have been meant.

    Args:
        above: The least time in seconds that is taken for one in milliseconds.
    """
    if value >= above and option not in _suspected:
        _suspected.add(option)
        _logger.warning(
            "%s=%g is in seconds, so %.1f hours: write %g if you meant milliseconds",
            option,
            value,
            value / 3600,
            value / 1000,
        )


def switch_option(option: str, value: Any, kind: type[Any]) -> Any:
    """Let True, False, a mapping and None stand for an option that has options of its own."""
    if value is True:
        return kind()
    if value is None or value is False:
        return None
    if isinstance(value, Mapping):
        check_names(option, value, {f.name for f in fields(kind)})
        return kind(**value)
    if not isinstance(value, kind):
        raise TypeError(f"{option} must be a {kind.__name__} or a bool, not {value!r}")
    return value
