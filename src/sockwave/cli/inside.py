"""Whether an ASGI application has a server of ours in it: wrapped around, mounted, or called.

Frameworks keep what is mounted in objects of their own, so this looks at whatever the application
refers to. It does not follow names of modules, where a server stands that was never mounted, except
those that something called as an ASGI application uses itself.
"""

from __future__ import annotations

import gc
import inspect
from collections import deque
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.server.engine import EngineServer
from sockwave.engine.server.fronts.serving import Servable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_server", "name_of_server"]

MAX_OBJECTS: Final = 200_000
"""Objects looked at: large applications have some ten thousand."""

_LEAVES: Final = (str, bytes, int, float, type, ModuleType, type(None))


def has_server(app: object) -> bool:
    """Whether requests can reach a server of ours through the application, as far as one can see.

    What is too large to look at in full is believed to have one.
    """
    waiting: deque[object] = deque([app])
    seen = {id(app): app}  # they live as long as their ids are used
    while waiting:
        found = waiting.popleft()
        if issubclass(type(found), Servable | EngineServer):  # no isinstance: it asks lazy objects
            return True
        if len(seen) > MAX_OBJECTS:
            return True
        for referred in _referred(found):
            if id(referred) not in seen and not issubclass(type(referred), _LEAVES):
                seen[id(referred)] = referred
                waiting.append(referred)
    return False


def name_of_server(module: object) -> str | None:
    """The name of the first server among what a module defines."""
    names = vars(module).items() if isinstance(module, ModuleType) else ()
    return next((name for name, value in names if issubclass(type(value), Servable)), None)


def _referred(found: object) -> Iterator[Any]:
    function = found.__func__ if isinstance(found, MethodType) else found
    if not isinstance(function, FunctionType):
        yield from gc.get_referents(found)
        function = inspect.getattr_static(type(found), "__call__", None)  # it may be an application
    else:
        yield from (cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell))
        yield from vars(function).values()
        yield from function.__defaults__ or ()
    if isinstance(function, FunctionType) and _is_asgi(function):
        names = function.__globals__
        yield from (names[name] for name in function.__code__.co_names if name in names)
    if isinstance(found, MethodType):
        yield found.__self__


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _is_asgi(function: FunctionType) -> bool:
    """Whether it takes what an ASGI application takes: scope, receive and send, perhaps `self`."""
    names = list(inspect.signature(function).parameters)[-3:]
    return inspect.iscoroutinefunction(function) and names == ["scope", "receive", "send"]
