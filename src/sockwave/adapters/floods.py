"""What happens often is told rarely: a flood of messages must not fill the log."""

from __future__ import annotations

__all__ = ["is_worth_a_line"]


def is_worth_a_line(times: int) -> bool:
    """Whether the log should tell of something that has happened so many times: of the first, the
    second, the fourth, the eighth, and so on."""
    return not times & (times - 1)
