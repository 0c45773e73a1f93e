"""Reads a history and finds where a promise about delivery was broken.

The promises, by the ids of the catalogue: G1 order, G2 at most once and only to whom it was meant
for, G3 packets are whole, G4 one outcome for each question, G6 a recovered session is complete, G8
nothing after the end, and one end.

What a socket must get follows from the server's side of the history: whatever was emitted to a room
it was in at that moment. While a socket is lost, its rooms stand still; what was emitted to them
meanwhile is owed if it is recovered, and forgotten if not. What a client did get must then be a
beginning of what it is owed, without a hole; and all of it, if the socket is there at the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.history.record import Event, History

__all__ = ["Violation", "check"]

REASONS: Final = frozenset(
    {
        "transport close",
        "transport error",
        "ping timeout",
        "client namespace disconnect",
        "server namespace disconnect",
        "io client disconnect",
        "io server disconnect",
        "server shutting down",
    }
)


CUT: Final = "forced close"
"""What a client is cut for that breaks the protocol, or whose attachments come too late: the log of
the server tells the two apart, and says the second at most once a second."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken.

    Attributes:
        promise: `G1` to `G8`.
        what: What is wrong, with the ids.
    """

    promise: str
    what: str


@dataclass
class Owed:
    """What one socket must get.

    Attributes:
        rooms: It is in them, its own included.
        is_lost: The server has seen its end.
        emits: Ids, in the order of emission.
        meanwhile: Ids since it was lost.
        got: Ids, as the client saw them.
        is_connected: As the client sees it.
    """

    rooms: set[str]
    is_lost: bool = False
    emits: list[str] = field(default_factory=list)
    meanwhile: list[str] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    is_connected: bool = False


class _Checker:
    """Walks through a history."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.owed: dict[str, Owed] = {}
        self.digests: dict[str, str] = {}
        self.said: dict[str, tuple[str, int]] = {}
        self.last_handled: dict[str, int] = {}
        self.handled: Counter[str] = Counter()
        self.outcomes: dict[str, int] = {}
        self.was_late = False

    def found(self, promise: str, what: str) -> None:
        self.violations.append(Violation(promise, what))

    # --- the server's side ------------------------------------------------------------------------

    def connect(self, event: Event) -> None:
        known = self.owed.get(event.sid)
        if not event.recovered:
            if known is not None:
                self.found("G6", f"{event.sid} connects anew under an old id")
            self.owed[event.sid] = Owed(set(event.rooms))
        elif known is None or not known.is_lost:
            self.found("G6", f"{event.sid} is recovered, but was not lost")
        else:
            if known.rooms != set(event.rooms):
                self.found("G6", f"{event.sid} is recovered in other rooms than it was in")
            known.is_lost = False
            known.emits += known.meanwhile
            known.meanwhile = []

    def disconnect(self, event: Event) -> None:
        owed = self.owed[event.sid]
        if owed.is_lost:
            self.found("G8", f"{event.sid} ends twice on the server")
        if event.detail not in REASONS and not (event.detail == CUT and self.was_late):
            self.found("G8", f"{event.sid} ends for {event.detail!r}")
        owed.is_lost = True

    def late(self, event: Event) -> None:
        self.was_late = True

    def join(self, event: Event) -> None:
        self.owed[event.sid].rooms.update(event.rooms)

    def leave(self, event: Event) -> None:
        self.owed[event.sid].rooms.difference_update(event.rooms)

    def emit(self, event: Event) -> None:
        self.digests[event.id] = event.digest
        for owed in self.owed.values():
            is_meant = not event.rooms or not owed.rooms.isdisjoint(event.rooms)
            if is_meant and owed.rooms.isdisjoint(event.excluded):
                (owed.meanwhile if owed.is_lost else owed.emits).append(event.id)

    def handle(self, event: Event) -> None:
        self.handled[event.id] += 1
        said = self.said.get(event.id)
        if said is None:
            self.found("G2", f"{event.id} is handled, and nobody has said it")
            return
        digest, place = said
        if self.handled[event.id] > 1:
            self.found("G2", f"{event.id} is handled twice")
        elif self.last_handled.get(event.sid, -1) > place:
            self.found("G1", f"{event.id} of {event.sid} is handled too late")
        if digest != event.digest:
            self.found("G3", f"{event.id} was changed on its way to the server")
        self.last_handled[event.sid] = max(place, self.last_handled.get(event.sid, -1))

    # --- the clients' side ------------------------------------------------------------------------

    def connected(self, event: Event) -> None:
        owed = self.owed.get(event.sid)
        if owed is None:
            self.found("G8", f"{event.sid} is connected, but not on the server")
        else:
            owed.is_connected = True

    def disconnected(self, event: Event) -> None:
        owed = self.owed[event.sid]
        if not owed.is_connected:
            self.found("G8", f"{event.sid} ends twice at the client")
        if event.detail not in REASONS:
            self.found("G8", f"{event.sid} ends at the client for {event.detail!r}")
        owed.is_connected = False

    def deliver(self, event: Event) -> None:
        digest = self.digests.get(event.id)
        if digest is None:
            self.found("G2", f"{event.id} is delivered, and nobody has emitted it")
        elif digest != event.digest:
            self.found("G3", f"{event.id} was changed on its way to {event.sid}")
        owed = self.owed[event.sid]
        if not owed.is_connected:
            self.found("G8", f"{event.id} is delivered to {event.sid} after its end")
        owed.got.append(event.id)

    def say(self, event: Event) -> None:
        self.said[event.id] = (event.digest, len(self.said))

    def ask(self, event: Event) -> None:
        self.say(event)
        self.outcomes[event.id] = 0

    def answered(self, event: Event) -> None:
        self.outcomes[event.id] += 1
        if event.answer != event.id:
            self.found("G4", f"{event.id} is answered as {event.answer}")
        elif not self.handled[event.id]:
            self.found("G4", f"{event.id} is answered, but not handled")

    def unanswered(self, event: Event) -> None:
        self.outcomes[event.id] += 1

    def fault(self, event: Event) -> None:
        pass

    # --- the end ----------------------------------------------------------------------------------

    def finish(self) -> None:
        for id_, times in self.outcomes.items():
            if times != 1:
                self.found("G4", f"{id_} has {times} outcomes")
        for sid, owed in self.owed.items():
            self._compare(sid, owed)

    def _compare(self, sid: str, owed: Owed) -> None:
        """What a client got is a beginning of what it is owed; all of it, if it is still there."""
        twice = [id_ for id_, times in Counter(owed.got).items() if times > 1]
        strange = set(owed.got).difference(owed.emits)
        if twice:
            self.found("G2", f"{sid} got {twice[0]} twice")
        elif strange:
            self.found("G2", f"{sid} got {min(strange)}, which was not for it")
        elif owed.got != owed.emits[: len(owed.got)]:
            got = set(owed.got)
            if owed.got != [id_ for id_ in owed.emits if id_ in got]:
                self.found("G1", f"{sid} got events in another order than they were emitted")
            else:
                hole = next(id_ for id_ in owed.emits if id_ not in got)
                self.found("G6", f"{sid} never got {hole}, but later ones")
        elif not owed.is_lost and len(owed.got) < len(owed.emits):
            self.found("G6", f"{sid} never got {owed.emits[len(owed.got)]}")


def check(history: History) -> list[Violation]:
    """Find all violations; the history must end when nothing is under way any more."""
    checker = _Checker()
    for event in history.events:
        getattr(checker, event.op)(event)
    checker.finish()
    return checker.violations
