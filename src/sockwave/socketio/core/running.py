"""Running of handlers, plain and `async`; the same for both roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable

    from sockwave.engine.core.handlers import Handler
    from sockwave.socketio.core.answers import Answers

__all__ = ["HandlerRunner"]


class HandlerRunner:
    """Runs handlers; one that fails is reported and changes nothing else."""

    __slots__ = ()

    def _run(
        self, handler: Handler, args: Iterable[Any], name: str, answers: Answers | None = None
    ) -> None:
        try:
            result = handler(*args)
        except Exception as error:
            self.handler_failed(name, error)
            return
        if result is not None and hasattr(result, "__await__"):
            self._start_handler(self._finish(result, name, answers))
        elif answers is not None:
            answers.returned(result)

    async def _finish(self, awaitable: Awaitable[Any], name: str, answers: Answers | None) -> None:
        """Wait for a handler in its task."""
        try:
            result = await awaitable
        except Exception as error:
            self.handler_failed(name, error)
        else:
            if answers is not None:
                answers.returned(result)
        finally:
            self._handler_ended()

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        """Run what waits for a handler; `_handler_ended` is its last act."""
        raise NotImplementedError

    def _handler_ended(self) -> None:
        """A handler that was waited for has ended."""
        raise NotImplementedError

    def handler_failed(self, event: str, error: Exception) -> None:
        """Report a handler's exception; the connection lives on."""
        raise NotImplementedError
