"""Questions to JetStream, by its API: subjects that it answers with JSON.

nats-py has a client for this; what of it would be used here is little, and it says of each error
what is wrong with the call, not what is to be done about it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from sockwave.adapters.streams.contract import StreamRefused

if TYPE_CHECKING:
    from nats.aio.client import Client

__all__ = ["MESSAGE_ID", "NO_STREAM", "Api", "JetStreamRefused", "Stored", "read_reply"]

MESSAGE_ID: Final = "Nats-Msg-Id"
"""Of a header: what comes twice with one is there once."""

EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
"""Of a header: what is not behind this message of its subject is refused."""

NOT_ENABLED: Final = (
    "JetStream is not enabled on this NATS: start nats-server with -js, or with `jetstream {}` in "
    "its configuration"
)

PATIENCE: Final = 5.0
"""Seconds for an answer."""

NO_ACCOUNT: Final = frozenset({10035, 10039, 10076})
"""Errors that say that it is not enabled, maybe only for this account."""

NO_STREAM: Final = 10059

NO_MESSAGE: Final = 10037
WRONG_LAST: Final = 10071

NOT_NOW: Final = frozenset({10008, 10009, 10118})
"""A cluster of NATS has nobody who decides, for the time being."""

_ID_LINE: Final = re.compile(rb"^Nats-Msg-Id:[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)


class JetStreamRefused(StreamRefused):
    """JetStream has answered with an error.

    Attributes:
        code: That of its documentation, `err_code`; None of errors without one.
    """

    def __init__(self, text: str, code: Any = None) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a stream.

    Attributes:
        sequence: Its place.
        data: What was published.
        id: Of its header, empty where it has none.
    """

    sequence: int
    data: bytes
    id: str


class Api:
    """JetStream, as long as one connection lasts.

    Args:
        client: Of nats-py.

    Attributes:
        refusal: What the server last said that it does not allow.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.refusal = ""

    async def ask(self, what: str, question: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask.

        Raises:
            OSError: There is no answer, or not now.
            StreamRefused: It is an error.
        """
        body = b"" if question is None else msgspec.json.encode(question)
        try:
            reply = await self.client.request(f"$JS.API.{what}", body, timeout=PATIENCE)
        except NoRespondersError:
            raise JetStreamRefused(NOT_ENABLED) from None
        except (NatsError, TimeoutError) as error:
            why = self.refusal or repr(error)
            raise ConnectionError(f"JetStream does not answer: {why}") from error
        return read_reply(reply.data)

    async def find(self, stream: str, question: dict[str, Any]) -> Stored | None:
        """A message, as the one who leads the stream has it; None if it is not there.

        Raises:
            OSError, StreamRefused: See `ask`.
        """
        try:
            reply = await self.ask(f"STREAM.MSG.GET.{stream}", question)
        except JetStreamRefused as error:
            if error.code == NO_MESSAGE:
                return None
            raise
        try:
            message = reply["message"]
            headers = base64.b64decode(message.get("hdrs", ""))
            found = _ID_LINE.search(headers)
            id_ = "" if found is None else found[1].decode("utf-8", "replace")
            return Stored(int(message["seq"]), base64.b64decode(message.get("data", "")), id_)
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
            raise ConnectionError("an answer of JetStream makes no sense") from None

    async def replace(self, subject: str, sequence: int) -> bool:
        """Put nothing in the place of the last message of a subject, if it is still that one.

        Returns:
            Whether this call did: of all who try it is one.

        Raises:
            OSError: Nobody knows.
            StreamRefused: It is not allowed.
        """
        headers = {EXPECTED: str(sequence)}
        try:
            reply = await self.client.request(subject, b"", PATIENCE, headers=headers)
        except (NatsError, TimeoutError) as error:
            raise ConnectionError(f"JetStream does not answer: {error!r}") from error
        try:
            read_reply(reply.data)
        except JetStreamRefused as error:
            if error.code == WRONG_LAST:
                return False
            raise
        return True


def read_reply(data: bytes) -> dict[str, Any]:
    """An answer of JetStream.

    Raises:
        ConnectionError: It makes no sense, or is that there is nobody to decide just now.
        StreamRefused: It is an error.
    """
    try:
        reply = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        raise ConnectionError("an answer of JetStream makes no sense")
    error = reply.get("error")
    if error is None:
        return reply
    if not isinstance(error, dict):
        raise ConnectionError("an error of JetStream makes no sense")
    code, text = error.get("err_code"), str(error.get("description"))
    if code in NOT_NOW:
        raise ConnectionError(f"JetStream cannot do it now: {text}")
    raise JetStreamRefused(NOT_ENABLED if code in NO_ACCOUNT else f"JetStream says: {text}", code)
