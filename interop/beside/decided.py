"""The differences that stay, each with its reason and a script that shows it.

Every one has its row in docs/differences.md; `tests` see that it is there, that the example still
differs, and that it is recognized. Nothing behind the first difference of a script is compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from interop.beside.servers import MAX_PAYLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.beside.player import Action, Observed, Script

__all__ = ["DECIDED", "Decided", "Found"]


@dataclass(frozen=True)
class Found:
    """The first difference of a script.

    Attributes:
        step: Number of the action that it came with; one past the last: when all was drained.
        theirs: Of the reference, what differs only.
        ours: The same of our server.
    """

    script: Script
    step: int
    theirs: Observed
    ours: Observed

    @property
    def action(self) -> Action:
        """That it came with."""
        return self.script[self.step] if self.step < len(self.script) else ("drain",)

    @property
    def said(self) -> tuple[str | bytes, ...]:
        """Packets of the client in this action."""
        name, *arguments = self.action
        return tuple(arguments[1:]) if name in ("post", "send") else ()

    @property
    def posted_together(self) -> list[Action]:
        """POSTs of several packets up to it."""
        before = self.script[: self.step + 1]
        return [action for action in before if action[0] == "post" and len(action) > 3]

    def has_end(self, side: Observed) -> bool:
        """Whether sockets or sessions have ended on a side."""
        noted = [*side.get("log", ()), *side.get("ends", ())]
        return any(note[1] in ("disconnect", "close") for note in noted)


@dataclass(frozen=True)
class Decided:
    """A difference that stays.

    Attributes:
        reason: Why.
        page: Words of its row in docs/differences.md.
        example: A script that shows it, with its last action or when all is drained.
        is_it: Whether a difference is this one.
    """

    name: str
    reason: str
    page: str
    example: Script
    is_it: Callable[[Found], bool]


OPEN: Final = ("open", "polling", {"EIO": "4"})
OPEN_WEBSOCKET: Final = ("open", "websocket", {"EIO": "4"})
_WITHOUT_PAYLOAD: Final = ("42", "451-", '42/chat["a"]')
HEADER: Final = '451-/none,["echo",{"_placeholder":true,"num":0}]'


def _sent_in_vain(found: Found) -> bool:
    """Whether a client has sent something after the server had disconnected a socket of it."""
    was_taken_out = False
    for action in found.script[: found.step + 1]:
        if was_taken_out and action[0].startswith(("post", "send", "frames")):
            return True
        by_server = action[0] == "server" and action[2] == "leave"
        was_taken_out = was_taken_out or by_server or '["leave"' in str(action)
    return False


def _is_read_together(found: Found) -> bool:
    if len(found.said) > 1 and found.action[0] == "post":
        if found.has_end(found.theirs) or found.has_end(found.ours):
            return True
        if any(f'["{event}"' in str(found.said) for event in ("leave", "drop", "end")):
            return True
    # What was answered, or that it has ended, may show when the client polls.
    names = {*found.theirs, *found.ours}
    only_answers = all(name.startswith(("session", "websocket")) for name in names)
    is_more = _counted(found.theirs) <= _counted(found.ours)
    is_late = found.step >= len(found.script) and found.has_end(found.ours)
    return bool(found.posted_together) and is_more and (only_answers or is_late)


def _ends_with_header(action: Action) -> bool:
    """Whether attachments are to follow what the client says."""
    last = action[-1]
    says = action[0] in ("post", "send") and isinstance(last, str)
    return says and last[:3] in ("451", "461")


def _counted(side: Observed) -> Counter[str]:
    """What has come, in any order."""
    return Counter(f"{name} {item}" for name, items in side.items() for item in items)


def _texts(items: list[Any], kind: str) -> list[Any]:
    return [item[3] for item in items if item[1] == kind]


DECIDED: Final = (
    Decided(
        "Engine.IO close packet on a WebSocket",
        "the client has gone",
        "Engine.IO close packet on a WebSocket",
        [OPEN_WEBSOCKET, ("send", 0, "1")],
        lambda found: found.action[0] == "send" and found.said[0][:1] == "1",
    ),
    Decided(
        "octets to a session that polls by scripts",
        "such a client posts forms",
        "POST of octets to a session that polls by scripts",
        [
            ("open", "polling", {"EIO": "3", "j": "0", "b64": "1"}),
            ("post_bytes", 0, b"x", "application/octet-stream"),
        ],
        lambda found: (
            found.action[0] == "post_bytes"
            and "octet" in found.action[3]
            and "j" in found.script[_opened(found)[found.action[1]]][2]
        ),
    ),
    Decided(
        "body over the limit",
        "what the client sent is lost, and it could not know; the reference's next version ends it",
        "POST over `max_payload`",
        [OPEN, ("post_bytes", 0, b"4" + b"x" * MAX_PAYLOAD, "text/plain")],
        lambda found: found.action[0] == "post_bytes" and len(found.action[2]) > MAX_PAYLOAD,
    ),
    Decided(
        "body that is not UTF-8",
        "text that nobody sent would arrive",
        "Body of a POST that is not UTF-8",
        [OPEN, ("post_bytes", 0, b"4\xff", "text/plain")],
        lambda found: found.action[0] == "post_bytes" and b"\xff" in found.action[2],
    ),
    Decided(
        "octets in revision 4 by a media type with parameters or in capitals",
        "RFC 9110: neither changes the type",
        "POST of `application/octet-stream` with parameters",
        [OPEN, ("post_bytes", 0, b"40", "application/octet-stream; charset=x")],
        lambda found: found.action[0] == "post_bytes" and ";" in found.action[3],
    ),
    Decided(
        "events read together with what ends the connection",
        "they were sent while the client was there; the reference runs handlers after the end",
        "Event right before a DISCONNECT or the end, read together",
        [OPEN, ("post", 0, "40"), ("post", 0, '42["ack"]', '42/none,["ack"]')],
        _is_read_together,
    ),
    Decided(
        "order of what is read together",
        "it is handled in its order; the reference defers events, and CONNECTs further",
        "CONNECT, events and pings read together",
        [OPEN, ("post", 0, "40"), ("post", 0, "40/chat,", '42["ack"]')],
        lambda found: (
            bool(found.posted_together) and _counted(found.theirs) == _counted(found.ours)
        ),
    ),
    Decided(
        "broken packet while no poll is open",
        "the sockets end at once, and not when the client polls again, if it does",
        "Sockets of a client that breaks the protocol while it does not poll",
        [OPEN, ("post", 0, "40"), ("post", 0, "47")],
        lambda found: (
            found.action[0].startswith("post")
            and _texts(found.ours.get("log", []), "disconnect") != []
            and found.theirs.get("ends") == found.ours.get("ends")
            and found.theirs.get("log", [])
            == [note for note in found.ours["log"] if note[1] != "disconnect"]
        ),
    ),
    Decided(
        "packet that was on its way when the server disconnected the socket",
        "the client could not know; its other namespaces go on",
        "Event that was on its way when the server disconnected the socket",
        [OPEN_WEBSOCKET, ("send", 0, "40"), ("server", 0, "leave", "/"), ("send", 0, '42["ack"]')],
        _sent_in_vain,
    ),
    Decided(
        "acknowledgement behind the server's DISCONNECT",
        "the client ignores it",
        "Acknowledging by a function, at any time",
        [OPEN_WEBSOCKET, ("send", 0, "40"), ("send", 0, '427["leave"]')],
        lambda found: '["leave"' in str(found.said) and "43" in str(found.theirs),
    ),
    Decided(
        "binary event for a namespace that was not joined",
        "nothing is kept for it: the connection ends with the header, not with the attachments",
        "Binary event for a namespace that was not joined",
        [OPEN_WEBSOCKET, ("send", 0, "40"), ("send", 0, HEADER)],
        lambda found: (
            any(_ends_with_header(action) for action in found.script[: found.step + 1])
            and found.has_end(found.ours)
            and not found.has_end(found.theirs)
        ),
    ),
    Decided(
        "message without a packet",
        "the reference tells of an error in its own code",
        "Text of the error for an empty message",
        [OPEN_WEBSOCKET, ("send", 0, "40"), ("send", 0, "4")],
        lambda found: "Cannot read properties of undefined" in str(found.theirs),
    ),
    Decided(
        "event without a payload",
        "a handler without even a name would be called",
        "Event without even a name",
        [OPEN_WEBSOCKET, ("send", 0, "40"), ("send", 0, "42")],
        lambda found: any(packet in _WITHOUT_PAYLOAD for packet in found.said),
    ),
    Decided(
        "second transport for a session that began on a WebSocket",
        "no client asks for one",
        "Second transport for a session that began on a WebSocket",
        [OPEN_WEBSOCKET, ("upgrade", 0)],
        lambda found: (
            found.action[0] == "upgrade"
            and found.script[_opened(found)[found.action[1]]][1] == "websocket"
        ),
    ),
    Decided(
        "client that closes while the server's close waits",
        "who was first gives the reason",
        "Client that closes while the server's orderly close waits for it",
        [OPEN, ("post", 0, "40"), ("server", 0, "end", "/"), ("post", 0, "1")],
        lambda found: (
            {*found.theirs, *found.ours} <= {"log", "ends"}
            and "transport close" in str(found.theirs)
            and str(found.ours) == str(found.theirs).replace("transport close", "forced close")
        ),
    ),
    Decided(
        "POST that is uploading when its session ends",
        "nobody would ever answer it",
        "POST that is uploading when its session ends",
        [
            OPEN,
            ("post", 0, "40"),
            ("poll", 0),
            ("server", 0, "end", "/"),
            ("post_begin", 0, b"42", 1),
            ("post_bytes", 0, b"42", "text/plain"),
        ],
        lambda found: (
            not found.theirs and all(name.startswith("begun post") for name in found.ours)
        ),
    ),
    Decided(
        "broken body while the session closes",
        "what is wrong ends it at once",
        "Body that cannot be decoded while the session closes",
        [OPEN, ("post", 0, "40"), ("server", 0, "end", "/"), ("post_bytes", 0, b"x", "text/plain")],
        lambda found: (
            found.action[0].startswith(("post", "begun"))
            and "parse error" in _ends(found.ours)
            and not _ends(found.theirs)
        ),
    ),
)


def _ends(side: Observed) -> list[str]:
    return [note[2] for note in side.get("ends", ()) if note[1] == "close"]


def _opened(found: Found) -> list[int]:
    """Where the sessions of the script begin."""
    return [at for at, action in enumerate(found.script) if action[0] == "open"]
