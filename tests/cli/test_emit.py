"""`sockwave emit`: what it refuses, and what it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from sockwave import TransportError, emitters
from sockwave.adapters.messages import Message, MessageType, decode_message, encode_message
from sockwave.cli import main
from sockwave.emitters.engines import AsyncEmitter

if TYPE_CHECKING:
    from sockwave.emitters.asking import Hearer

URL = "redis://:secret@localhost"


class Kept:
    """An engine that keeps what is sent."""

    name = "an engine at nowhere"

    hearer: Hearer

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.error: Exception | None = None
        self.answers: list[tuple[MessageType, dict[str, Any]]] = []

    def encode(self, message: Message) -> Message:
        return message

    async def send(self, encoded: Message) -> None:
        if self.error is not None:
            raise self.error
        self.messages.append(encoded)
        for type_, data in self.answers:
            fields = {"requestId": encoded.data["requestId"], **data}
            answer = Message(type_, fields, "A", encoded.namespace)
            self.hearer.came(encode_message(answer), decode_message)

    async def listen(self, namespace: str, hearer: Hearer) -> Kept:
        self.hearer = hearer
        return self

    async def count(self, namespace: str) -> int:
        return 1

    async def aclose(self) -> None: ...


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept()
    made: list[Any] = []

    def make(url: str, **options: Any) -> AsyncEmitter[Any]:
        made.append((url, options))
        return AsyncEmitter(kept, "/")

    for name in ("NatsEmitter", "RedisEmitter", "RedisStreamsEmitter", "PostgresEmitter"):
        monkeypatch.setattr(emitters, name, make)
    return kept


def run(*arguments: str, **env: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["emit", *arguments], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_event_goes_to_rooms_of_a_namespace(kept: Kept) -> None:
    whom = ("--to", "a", "--to", "b", "--except", "c", "--namespace", "admin", "--volatile")
    assert run("--url", URL, *whom, "news", '"It rains"', '{"n": 1}') == (0, "")
    (message,) = kept.messages
    assert message.namespace == "/admin"
    assert message.data["packet"]["data"] == ["news", "It rains", {"n": 1}]
    opts = {"rooms": ["a", "b"], "except": ["c"], "flags": {"volatile": True}}
    assert message.data["opts"] == opts


def test_event_without_rooms_goes_to_everybody(kept: Kept) -> None:
    assert run("news", SOCKWAVE_URL="postgresql://chat:secret@localhost/chat")[0] == 0
    (message,) = kept.messages
    assert message.data["opts"]["rooms"] == []
    assert message.data["packet"]["data"] == ["news"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--url", URL, "news", "It rains"), "not JSON: It rains (text needs quotes"),
        (("--url", "http://:secret@localhost", "news"), "--url must begin with redis://"),
        (
            ("--url", "postgres://:secret@h/d", "--streams", "news"),
            "--streams is about Redis and NATS",
        ),
        (("--url", "nats://:secret@h", "--sharded", "news"), "--sharded is about Redis"),
        (("--url", URL, "--sharded", "--streams", "news"), "are two adapters"),
        (("--url", URL, "connect"), '"connect" is a reserved event name'),
    ],
)
def test_mistakes_are_one_line_without_the_password(
    kept: Kept, arguments: tuple[str, ...], text: str
) -> None:
    code, output = run(*arguments)
    assert code == 1
    assert text in output
    assert output.count("\n") == 1
    assert "secret" not in output
    assert kept.messages == []


COUNT = MessageType.BROADCAST_CLIENT_COUNT
ACK = MessageType.BROADCAST_ACK


def test_answers_of_clients_are_lines_of_json(kept: Kept) -> None:
    kept.answers = [
        (COUNT, {"clientCount": 3}),
        (ACK, {"packet": {"a": [1, None]}, "id": "a"}),
        (ACK, {"packet": b"\x01", "id": "b"}),
        (ACK, {"packet": "one\x1b", "args": ["one\x1b", 2], "id": "c"}),
    ]
    code, output = run("--url", URL, "--to", "a", "--ack", "2.5", "ready?")
    assert (code, output.splitlines()) == (
        0,
        ['{"a": [1, null]}', '{"base64": "AQ=="}', '["one\\u001b", 2]'],
    )
    (message,) = kept.messages
    assert message.data["opts"] == {"rooms": ["a"], "except": [], "flags": {"timeout": 2500}}


def test_who_does_not_answer_makes_the_command_fail(kept: Kept) -> None:
    kept.answers = [(COUNT, {"clientCount": 2}), (ACK, {"packet": 1})]
    code, output = run("--url", URL, "--ack", "0", "ready?")
    assert (code, output) == (1, "1\nError: not everybody has answered within 0 seconds\n")


def test_failure_of_the_engine_is_one_line(kept: Kept) -> None:
    kept.error = TransportError("Redis", details="connection refused")
    assert run("--url", URL, "news") == (1, "Error: Redis: connection refused\n")


def test_missing_url_is_asked_for() -> None:
    code, output = run("news")
    assert code == 2
    assert "--url" in output
