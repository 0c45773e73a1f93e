"""Servers in JavaScript and ours on Redis, with a stream."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from interop.cluster.cluster import MIXED, NODE_ALONE
from interop.cluster.emitters import EmitterMatrix
from interop.cluster.matrix import Matrix
from interop.cluster.questions import QuestionMatrix
from interop.cluster.servers import without_dates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interop.cluster.cluster import Kind
    from interop.cluster.servers import Target
    from tests.live.engines import Redis

pytestmark = [pytest.mark.live, pytest.mark.interop]


class TestNodeAlone(Matrix):
    """What the tests ask for is what the reference does."""

    carrier = "streams"
    kinds = NODE_ALONE


class TestMixed(Matrix):
    """Two servers of each kind."""

    carrier = "streams"


class TestEmitters(EmitterMatrix):
    """They reach servers of both kinds."""

    carrier = "streams"


class CapturedEmitter:
    """Writes what the emitter of JavaScript was seen to write, which is on no registry."""

    heard_by: Sequence[Kind] = MIXED

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def do(self, what: str, target: Target, *, namespace: str = "/", **fields: Any) -> None:
        flags = {name: target[name] for name in ("volatile", "compress") if name in target}
        opts = {"rooms": target["rooms"], "flags": flags, "except": target["except"]}
        args = without_dates(list(fields.get("args", ())))
        data: dict[str, Any]
        match what:
            case "emit":
                event = [fields["event"], *args]
                data = {"packet": {"type": 2, "data": event, "nsp": namespace}, "opts": opts}
            case "join" | "leave":
                data = {"opts": opts, "rooms": fields["rooms"]}
            case "disconnect":
                data = {"opts": opts, "close": fields["close"]}
            case _:
                data = {"packet": [fields["event"], *args]}
        try:
            text = json.dumps(data)
        except TypeError:
            text = base64.b64encode(msgspec.msgpack.encode(data)).decode()
        entry = ("uid", "emitter", "nsp", namespace, "type", TYPES[what], "data", text)
        command = ("XADD", "socket.io", "MAXLEN", "~", "10000", "*", *entry)
        lines = [f"*{len(command)}"]
        for word in command:
            lines += [f"${len(word)}", word]
        assert self._redis.ask("\r\n".join((*lines, "")).encode()).startswith(b"$")


TYPES: Final = {"emit": "3", "join": "4", "leave": "5", "disconnect": "6", "serverEmit": "9"}


class TestCapturedEmitter(EmitterMatrix):
    """That of JavaScript reaches servers of both kinds."""

    carrier = "streams"

    @pytest.fixture
    def emitter(self, redis: Redis) -> CapturedEmitter:
        """In place of those of the others."""
        return CapturedEmitter(redis)


class TestQuestions(QuestionMatrix):
    """Emitters of ours ask servers of both kinds."""

    carrier = "streams"


class TestQuestionsToNode(QuestionMatrix):
    """And those in JavaScript alone."""

    carrier = "streams"
    kinds = NODE_ALONE
