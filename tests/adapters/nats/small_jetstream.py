"""A stream without NATS, and a client of it: as much of both as a `LogWriter` uses."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nats.aio.msg import Msg

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SmallClient", "SmallJetStream"]


@dataclass
class SmallJetStream:
    """A stream, which outlives connections.

    Attributes:
        messages: Subject, id and payload of each.
        takes: Decides whether the next message arrives at all; by how many have come so far.
        answers: Decides whether the answer to it arrives.
        refuses: What is answered to a payload, in place of a place.
    """

    messages: list[tuple[str, str, bytes]] = field(default_factory=list)
    takes: Callable[[int], bool] = lambda count: True
    answers: Callable[[int], bool] = lambda count: True
    refuses: Callable[[bytes], dict[str, Any] | None] = lambda data: None
    count: int = 0

    def store(self, subject: str, data: bytes, id_: str) -> dict[str, Any] | None:
        """Take a message; the answer to it, if one comes."""
        number = self.count
        self.count += 1
        if not self.takes(number):
            return None
        if (error := self.refuses(data)) is not None:
            return {"error": error}
        known = [at for at, (_, each, _) in enumerate(self.messages, 1) if id_ and each == id_]
        if not known:
            self.messages.append((subject, id_, data))
        reply = {"stream": "s", "seq": known[0] if known else len(self.messages)}
        return reply if self.answers(number) else None

    def find(self, question: dict[str, Any]) -> dict[str, Any]:
        """A message, as JetStream tells it."""
        for at, (subject, id_, data) in enumerate(self.messages, 1):
            if at >= question["seq"] and subject == question["next_by_subj"]:
                head = f"NATS/1.0\r\nNats-Msg-Id: {id_}\r\n\r\n".encode()
                message = {
                    "seq": at,
                    "subject": subject,
                    "hdrs": base64.b64encode(head).decode(),
                    "data": base64.b64encode(data).decode(),
                }
                return {"message": message}
        return {"error": {"err_code": 10037, "description": "no message found"}}


class SmallClient:
    """One connection."""

    is_closed = False
    is_connected = True

    def __init__(self, stream: SmallJetStream, max_payload: int = 1_048_576) -> None:
        self.max_payload = max_payload
        self._stream = stream
        self._inbox: asyncio.Future[Any] | None = None

    def new_inbox(self) -> str:
        """A subject."""
        return "_INBOX.x"

    async def subscribe(self, subject: str, future: asyncio.Future[Any]) -> SmallClient:
        """Listen for answers; it is its own subscription."""
        self._inbox = future
        return self

    async def unsubscribe(self) -> None:
        """Listen no longer."""
        self._inbox = None

    async def publish(
        self, subject: str, data: bytes, reply: str, headers: dict[str, str] | None = None
    ) -> None:
        """Publish a message; the answer comes at once."""
        await asyncio.sleep(0)
        answer = self._stream.store(subject, data, (headers or {}).get("Nats-Msg-Id", ""))
        if answer is not None and self._inbox is not None:
            self._inbox.set_result(self._message(reply, answer))

    async def request(self, subject: str, data: bytes, timeout: float) -> Msg:
        """Ask the API."""
        assert subject == "$JS.API.STREAM.MSG.GET.s"
        return self._message("", self._stream.find(json.loads(data)))

    def _message(self, subject: str, value: dict[str, Any]) -> Msg:
        client: Any = self
        return Msg(_client=client, subject=subject, data=json.dumps(value).encode())
