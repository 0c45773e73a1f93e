"""Running of handlers, plain and `async`; the same for both roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.handlers import is_closed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable

    from sockwave.engine.core.handlers import Handler
    from sockwave.socketio.core.answers import Answers

__all__ = ["IN_A_THREAD", "HandlerRunner", "waits_in"]

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
            self._failed(name, error)
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
            self._failed(name, error)
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
