"""Dependencies that have an end: what stands behind their `yield`.

Must never happen: one catches an exception of the handler, and the others, or the client, take that
for success. So the exception goes on, whatever is done about it at the `yield`; another one that is
raised there takes its place.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncContexts", "Contexts"]


class Contexts:
    """Makes the contexts of a generator.

    Args:
        make: As `contextlib.contextmanager` gives it.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., AbstractContextManager[Any]]) -> None:
        self._make = make

    def __call__(self, *args: Any, **keywords: Any) -> _Context:
        """Make one, for arguments of the generator."""
        return _Context(self._make(*args, **keywords))


class AsyncContexts:
    """The same for an asynchronous generator.

    Args:
        make: As `contextlib.asynccontextmanager` gives it.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., AbstractAsyncContextManager[Any]]) -> None:
        self._make = make

    def __call__(self, *args: Any, **keywords: Any) -> _AsyncContext:
        """Make one, for arguments of the generator."""
        return _AsyncContext(self._make(*args, **keywords))


class _Context(AbstractContextManager[Any]):
    __slots__ = ("_inner",)

    def __init__(self, inner: AbstractContextManager[Any]) -> None:
        self._inner = inner

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._inner.__exit__(*failure)


class _AsyncContext(AbstractAsyncContextManager[Any]):
    __slots__ = ("_inner",)

    def __init__(self, inner: AbstractAsyncContextManager[Any]) -> None:
        self._inner = inner

    async def __aenter__(self) -> Any:
        return await self._inner.__aenter__()

    async def __aexit__(self, *failure: Any) -> None:
        await self._inner.__aexit__(*failure)
