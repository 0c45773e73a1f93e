"""Who serves together: what users see of the cluster that a server is in."""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from sockwave.debug import known, shortened
from sockwave.socketio.core.cluster_contract import (
    ClusterMember,
    SupportsCluster,
    SupportsHearing,
    SupportsOwnId,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLUSTER_EVENTS", "Cluster"]

CLUSTER_EVENTS: Final = ("node_joined", "node_left", "cluster_error")
"""Events of a server, for handlers of `io.on`."""

LATE: Final = 1.0
"""Seconds by which a heartbeat may be late: less is the ordinary wait for a turn on a busy
machine."""

TROUBLED: Final = 10.0
"""Seconds for which an error counts: that long it may take until a node that is gone is missed."""

KEPT_ERRORS: Final = 32
"""A look at the latest; the log has all."""

TOGETHER: Final = 1.0
"""Seconds within which the same trouble may be told by all the namespaces that share a carrier."""

MOST_TEXT: Final = 1_000
"""Characters that are kept and logged of each."""

_logger: Final = logging.getLogger("sockwave.adapters")


class Cluster:
    """The processes that serve together, as this one sees them: `io.cluster`.

    Without an adapter of a cluster there is this process only, and it is healthy. Look at it in the
    thread of the server's event loop.

    Args:
        adapter: Of the main namespace.
        clock: Monotonic seconds.
        is_supervised: Whether somebody tells of all these processes already: the log need not say
            in each of them what has become of each other one.
    """

    def __init__(
        self,
        adapter: object,
        clock: Callable[[], float] = time.monotonic,
        *,
        is_supervised: bool = False,
    ) -> None:
        self._level = logging.DEBUG if is_supervised else logging.INFO
        self._others = adapter if isinstance(adapter, SupportsCluster) else None
        self._named = adapter if isinstance(adapter, SupportsOwnId) else None
        self._hearing = adapter if isinstance(adapter, SupportsHearing) else None
        self._id = secrets.token_hex(8)
        self._since = time.time()
        self._clock = clock
        self._failed_at: float | None = None
        self._errors: deque[str] = deque(maxlen=KEPT_ERRORS)
        # What was told of late, when last, and by which namespaces.
        self._told: dict[str, tuple[float, set[str]]] = {}

    def __repr__(self) -> str:
        return f"<Cluster of {len(self.nodes)}>"

    @property
    def nodes(self) -> tuple[ClusterMember, ...]:
        """A snapshot of the processes that are known to be alive, this one first.

        Of each it tells since when it is known here, when it was last heard of, and how late its
        last heartbeat was. This one is known since its server was made; its id is what the others
        know it by as soon as it is one of them.
        """
        id_ = (None if self._named is None else self._named.id) or self._id
        own = ClusterMember(id=id_, since=self._since, last_seen=time.time(), lateness=0.0)
        return (own,) if self._others is None else (own, *self._others.members)

    @property
    def is_healthy(self) -> bool:
        """Whether all goes well, as far as is known here.

        No heartbeat of another process was late by more than a second, and nothing was lost, and
        nothing failed, in the last ten seconds; that is, there was no `cluster_error`. The carrier
        was reached, and if it is one that brings a process its own messages back, it hears them.
        A process that is gone does no harm to the health of the others.
        """
        if self.is_deaf:
            return False
        failed_at = self._failed_at
        if failed_at is not None and self._clock() - failed_at < TROUBLED:
            return False
        return self._others is None or all(node.lateness <= LATE for node in self._others.members)

    @property
    def is_deaf(self) -> bool:
        """Whether nothing is heard of the others: the carrier is away, or brings nothing back.

        Of an adapter that cannot tell it is False.
        """
        return self._hearing is not None and self._hearing.is_deaf

    @property
    def errors(self) -> tuple[str, ...]:
        """What the latest 32 events `cluster_error` said, such as what was lost; oldest first."""
        return tuple(self._errors)

    def joined(self, node: ClusterMember) -> None:
        """Another process is there."""
        self._log("joined", node)

    def left(self, node: ClusterMember) -> None:
        """It is gone."""
        self._log("left", node)

    def _log(self, what: str, node: ClusterMember) -> None:
        text = "node %s has %s the cluster, which has %d now"
        fields = known(node=node.id)
        _logger.log(self._level, text, shortened(node.id), what, len(self.nodes), extra=fields)

    def failed(self, what: str, namespace: str) -> bool:
        """Something was lost, or does not work.

        Namespaces share a carrier, and each of them has an adapter that tells of its trouble: of
        what several of them say in the same words within a second the first one is heard. What one
        namespace says twice has happened twice.

        Returns:
            Whether it is news, which handlers should hear.
        """
        now = self._failed_at = self._clock()
        what = what[:MOST_TEXT]
        is_news = self._is_news(what, namespace, now)
        if is_news:
            self._errors.append(what)
        level = logging.WARNING if is_news else logging.DEBUG
        text = "cluster, namespace %s: %s"
        fields = known(namespace=namespace, reason=what)
        _logger.log(level, text, shortened(namespace), shortened(what, MOST_TEXT), extra=fields)
        return is_news

    def _is_news(self, what: str, namespace: str, now: float) -> bool:
        told = self._told
        while told and now - next(iter(told.values()))[0] > TOGETHER:  # the oldest is the first
            del told[next(iter(told))]
        _, namespaces = told.pop(what, (now, set[str]()))
        is_news = not namespaces or namespace in namespaces
        told[what] = (now, {namespace} if is_news else namespaces | {namespace})
        if len(told) > KEPT_ERRORS:
            del told[next(iter(told))]
        return is_news
