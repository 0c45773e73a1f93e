"""What makes the adapters of a server belongs to that one: it has its connections, and closes it.

Two servers with the same would take each other's place in it, and lose events without a word.
Where the first one is closed, or nobody has it any more, another one may have it.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any, Final

from sockwave.socketio.core.cluster_contract import SupportsClosing

__all__ = ["check_made", "claim", "release"]

_owners: Final[weakref.WeakKeyDictionary[Any, weakref.ref[Any]]] = weakref.WeakKeyDictionary()


def check_made(maker: object) -> None:
    """Refuse what makes no adapters, and the class of what does: one that was made is wanted.

    Raises:
        TypeError: It is that. An address does not come into the text, for its password.
    """
    if isinstance(maker, str):
        raise TypeError(
            "adapter: an address makes no adapter: give it to the one of its carrier, such as"
            ' adapter=RedisAdapter("redis://...")'
        )
    if isinstance(maker, type) and hasattr(maker, "aclose") and _is_called(maker):
        name = maker.__name__
        raise TypeError(f"adapter: {name} is a class: give an instance, adapter={name}(...)")
    if maker is not None and not callable(maker):
        kind = type(maker).__name__
        raise TypeError(
            f"adapter must be one of sockwave.adapters, or what makes adapters, not {kind}"
        )


def _is_called(kind: type) -> bool:
    return any("__call__" in each.__dict__ for each in kind.__mro__)


def claim(maker: object, server: object) -> None:
    """Let a server have what makes its adapters; a second time changes nothing.

    Raises:
        ValueError: Another server has it.
    """
    if isinstance(maker, type) or not isinstance(maker, SupportsClosing):
        return  # nothing that they would share
    try:
        owner = _owners.get(maker)
    except TypeError:  # it cannot be a key: who has it is not known
        return
    if owner is not None and owner() not in (None, server):
        gc.collect()  # a server that nobody has any more may still be there, for its circles
        if owner() is not None:
            name = type(maker).__name__
            raise ValueError(
                f"adapter: another Server has this {name}: make one adapter for each Server, as"
                " each needs one of its own"
            )
    _owners[maker] = weakref.ref(server)


def release(maker: object, server: object) -> None:
    """The server is closed: another one may have it."""
    try:
        owner = _owners.get(maker)
    except TypeError:
        return
    if owner is not None and owner() is server:
        del _owners[maker]
