"""Running of handlers, plain and `async`; the same for both roles."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sockwave.debug import known, shortened
from sockwave.engine.core.handlers import is_closed
from sockwave.errors import EventError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable

    from sockwave.engine.core.handlers import Handler
    from sockwave.socketio.core.answers import Answers

__all__ = ["IN_A_THREAD", "HandlerRunner", "note_value", "waits_in"]

_logger: Final = logging.getLogger("sockwave.socketio.socket")

IN_A_THREAD: Final = ", in a thread"
"""How the name of a coroutine ends that waits for the function of that name."""


class HandlerRunner:
    """Runs handlers; one that fails is reported and changes nothing else."""

    __slots__ = ()

    def _run(
        self, handler: Handler, args: Iterable[Any], name: str, answers: Answers | None = None
    ) -> None:
        try:
            result = handler(*args)
        except BaseException as error:
            self._raised_at_once(name, error, answers)
            return
        if result is not None and hasattr(result, "__await__"):
            self._start_handler(self._finish(result, name, answers))
        elif answers is not None:
            answers.returned(result)

    async def _finish(self, awaitable: Awaitable[Any], name: str, answers: Answers | None) -> None:
        """Wait for a handler in its task."""
        try:
            result = await awaitable
            if answers is not None:
                answers.returned(result)
        except BaseException as error:
            if is_closed(error):
                raise
            if self._is_ending():
                self._handler_ended()
                raise
            answering = self._raised(name, error, answers)
            if answering is not None:
                await self._finish(answering, name, answers)
                return
        self._handler_ended()

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        """Run what waits for a handler; `_handler_ended` is its last act."""
        raise NotImplementedError

    def _handler_ended(self) -> None:
        """A handler that was waited for has ended."""
        raise NotImplementedError

    def _is_ending(self) -> bool:
        """Whether the running handler is cancelled by us, because everything ends."""
        raise NotImplementedError

    def _raised(
        self, name: str, error: BaseException, answers: Answers | None
    ) -> Awaitable[Any] | None:
        """Answer with what a handler raised, where that is a value; report what is a failure.

        Returns:
            What has to be waited for and gives the answer; None where all is done.
        """
        if isinstance(error, EventError):
            note_value(name, error)
            if answers is not None:
                answers.returned(error.value)
        else:
            self._failed(name, error)
        return None

    def _raised_at_once(self, name: str, error: BaseException, answers: Answers | None) -> None:
        """The same where nothing waits for the handler: if an answer needs time, it has a task."""
        answering = self._raised(name, error, answers)
        if answering is not None:
            self._start_handler(self._finish(answering, name, answers))

    def _failed(self, event: str, error: BaseException) -> None:
        """Report whatever a handler raised; what asks for the end of the program ends it."""
        self.handler_failed(event, error)
        if not isinstance(error, Exception):
            self._escaped(error)

    def _escaped(self, error: BaseException) -> None:
        """What is no `Exception` was raised, and reported."""
        raise NotImplementedError

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report a handler's exception; the connection lives on."""
        raise NotImplementedError


def note_value(name: str, error: Exception) -> None:
    """Log at DEBUG that a handler has raised what becomes its answer: what, and nothing in it."""
    code = f" {shortened(error.code)}" if isinstance(error, EventError) else ""
    fields = known(event=name, reason=type(error).__name__)
    text = "%s is answered with %s%s"
    _logger.debug(text, shortened(name), type(error).__name__, code, extra=fields)


def waits_in(handler: Any) -> str:
    """Where a running handler is, and what it waits for: for the log.

    Args:
        handler: Its task; or what else stands for it, with a `name`.
    """
    get_coroutine = getattr(handler, "get_coro", None)
    if get_coroutine is None:
        return repr(getattr(handler, "name", "nothing"))
    coroutine = get_coroutine()
    outer: Any = getattr(coroutine, "cr_await", None)
    if outer is None and getattr(coroutine, "cr_frame", None) is not None:  # it has not begun
        outer = coroutine.cr_frame.f_locals.get("awaitable")
    inner: Any = outer
    while hasattr(following := getattr(inner, "cr_await", None), "cr_code"):
        inner = following
    if not hasattr(outer, "cr_code"):
        return "a task"
    if outer.__qualname__.endswith(IN_A_THREAD):
        return str(outer.__qualname__)
    place = f"{outer.cr_code.co_qualname}, line {outer.cr_frame.f_lineno}"
    return place if inner is outer else f"{place}, for {inner.cr_code.co_qualname}"
