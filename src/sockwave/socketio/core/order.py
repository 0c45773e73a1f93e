"""In what order handlers of events run, where the order in which they start is not enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from sockwave.engine.core.handlers import WrappedHandler

__all__ = ["Lane", "Order", "OrderedHandler", "check_order"]

Order: TypeAlias = Literal["socket"] | Callable[..., Hashable]
"""How handlers run beside each other.

`"socket"`: of one client, each handler ends before the next begins; its other events wait
meanwhile, in order, and its acknowledgements and heartbeats are taken. A function: it gets the
socket and the arguments of the event; events for which it gives the same key run one after the
other, whoever sends them; other keys run side by side.
"""

J = TypeVar("J")


def check_order(order: object) -> None:
    """Refuse what is no order.

    Raises:
        ValueError: It is not.
    """
    if order is not None and order != "socket" and not callable(order):
        raise ValueError(f"order must be 'socket', a function or None, not {order!r}")


class OrderedHandler(WrappedHandler):
    """A handler with an order of its own."""

    __slots__ = ("order",)

    def __init__(self, handler: Callable[..., Any], order: Order) -> None:
        super().__init__(handler)
        self.order = order


class Lane(Generic[J]):
    """Jobs that run one after the other: one is under way, others wait in the order they came.

    How many can wait is bounded by `max_pending_handlers` and `max_pending_bytes` of the
    connections that they come from.

    Attributes:
        key: What the jobs have in common.
    """

    __slots__ = ("is_busy", "key", "waiting")

    def __init__(self, key: Hashable) -> None:
        self.key: Hashable = key
        self.is_busy: bool = False
        self.waiting: deque[J] = deque()
