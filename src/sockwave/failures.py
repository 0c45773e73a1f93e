"""Acknowledgements that say that an event has failed, as a client gets them."""

from __future__ import annotations

from typing import Final, TypeVar

from sockwave.errors import EventError

__all__ = ["raise_failure"]

_T = TypeVar("_T")

_KEYS_OF_FAILURE: Final = frozenset(("error", "message", "data", "event", "path", "reason"))


def raise_failure(answer: _T) -> _T:
    """Give back what a server has acknowledged with, unless it is a failure.

    A failure is an object with a text `error` and nothing but what failures have: `message` and
    `data` of an `EventError`, or `event`, `path` and `reason` of a validation, which are in the
    `data` of the error that is raised.

    Raises:
        EventError: With the code, the message and the data of the failure.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), str):
        return answer
    if not answer.keys() <= _KEYS_OF_FAILURE:
        return answer
    details = {key: answer[key] for key in ("event", "path", "reason") if key in answer}
    message = answer.get("message")
    if message is None:
        message = ": ".join(str(details[key]) for key in ("path", "reason") if key in details)
    raise EventError(answer["error"], str(message), answer.get("data", details or None))
