"""Values for events."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["UNSENDABLE"]

UNSENDABLE: Final[Any] = object()
"""What cannot be sent; type checkers would refuse it, too."""
