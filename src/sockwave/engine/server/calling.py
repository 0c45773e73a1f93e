"""Handlers of an engine's events: how they are called, and what becomes of their failures.

A handler that raises ends nothing but itself: the log has it, and `application_failed` decides
about errors that end the program. One that waits is a task of the driver's, or of whoever waits for
it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.debug import known
from sockwave.engine.core.handlers import is_closed
from sockwave.engine.core.option_checks import check_header_value, check_token
from sockwave.engine.io.loop import is_cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable

    from sockwave.engine.core.handlers import Handler
    from sockwave.engine.core.request import Request

__all__ = ["CallingDriver", "call_handler", "call_waiting", "edit_headers"]

_logger: Final = logging.getLogger("sockwave.engine")


class CallingDriver(Protocol):
    """What runs functions of the application that wait."""

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> object:
        """Run a coroutine and own it until it ends."""

    def application_failed(self, error: BaseException) -> None:
        """A function of the application raised; some errors end the program."""


def call_handler(driver: CallingDriver, event: str, handler: Handler, *args: Any) -> None:
    """Call a handler; nobody waits for it."""
    try:
        result = handler(*args)
        if hasattr(result, "__await__"):
            driver.spawn(_guarded(driver, event, result))
    except BaseException as error:
        _failed(driver, event, error)


def call_waiting(
    driver: CallingDriver, event: str, handlers: Iterable[Handler]
) -> list[asyncio.Task[None]]:
    """Call handlers; return those that wait, for the caller to wait for them too."""
    tasks = []
    for handler in handlers:
        try:
            result = handler()
        except BaseException as error:
            _failed(driver, event, error)
            continue
        if hasattr(result, "__await__"):
            tasks.append(asyncio.ensure_future(_guarded(driver, event, result)))
    return tasks


def edit_headers(
    driver: CallingDriver,
    event: str,
    handlers: Iterable[Handler],
    headers: list[tuple[str, str]],
    request: Request,
) -> None:
    """Let handlers change the headers of an answer; what is no header afterwards is left out."""
    for handler in handlers:
        call_handler(driver, event, handler, headers, request)
    for header in list(headers):
        try:
            check_token(f"name of a header set in {event!r}", header[0])
            check_header_value(f"header {header[0]} set in {event!r}", header[1])
        except ValueError:
            text = "a header of the application was left out"
            _logger.exception(text, extra=known(event=event))
            headers.remove(header)


async def _guarded(driver: CallingDriver, event: str, awaitable: Awaitable[object]) -> None:
    try:
        await awaitable
    except BaseException as error:
        if is_closed(error) or is_cancelled():
            raise
        _failed(driver, event, error)


def _failed(driver: CallingDriver, event: str, error: BaseException) -> None:
    fields = known(event=event, reason=type(error).__name__)
    text = "a handler of the engine event %r failed"
    _logger.error(text, event, exc_info=error, extra=fields)
    driver.application_failed(error)
