"""What an application must be to get the rest of a port: a function of ASGI's three arguments."""

from __future__ import annotations

import inspect

__all__ = ["is_asgi", "what_it_is"]


def is_asgi(app: object) -> bool:
    """Whether it can be called as an ASGI 3 application, as far as its signature says."""
    if inspect.isclass(app) and not hasattr(app, "__await__"):
        return False
    return _takes(app, "scope", "receive", "send")


def what_it_is(app: object) -> str:
    """What somebody gave in its place, and how that becomes one, for an error."""
    kind = type(app).__name__
    if inspect.isclass(app) or not _takes(app, "environ", "start_response"):
        return kind
    return f"{kind}; a WSGI application goes into a2wsgi.WSGIMiddleware(...)"


def _takes(app: object, *arguments: str) -> bool:
    if not callable(app):
        return False
    try:
        inspect.signature(app).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # it does not say: the call will
        return True
    return True
