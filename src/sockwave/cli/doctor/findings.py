"""What the checks have found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Verdict", "good", "left_out", "note", "wrong"]


class Verdict(StrEnum):
    """How it is."""

    GOOD = "good"
    NOTE = "note"
    """It works, and costs or breaks something for some."""
    WRONG = "wrong"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: Its name, the same in each run.
        verdict: How it is.
        saw: What was seen, on one line; text of peers in it is as they sent it.
        fault: Name of what is wrong, a key of `advice.FAULTS`; empty where nothing is.
    """

    check: str
    verdict: Verdict
    saw: str
    fault: str = ""


def good(check: str, saw: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.GOOD, saw)


def note(check: str, saw: str, fault: str) -> Finding:
    """It works, but."""
    return Finding(check, Verdict.NOTE, saw, fault)


def wrong(check: str, saw: str, fault: str) -> Finding:
    """Clients suffer."""
    return Finding(check, Verdict.WRONG, saw, fault)


def left_out(check: str, why: str) -> Finding:
    """Nobody looked."""
    return Finding(check, Verdict.LEFT_OUT, why)
