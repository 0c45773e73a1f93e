"""What emitters say to the servers, whatever carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sockwave.adapters.messages import Message
from sockwave.sync.reaching import NamespaceEmitter

if TYPE_CHECKING:
    from sockwave.emitters.inquiries import Inquiry

T = TypeVar("T")


class Kept:
    """Keeps what is sent; there are no servers."""

    ack_timeout = 7.0

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def carry(self, message: Message) -> None:
        self.messages.append(message)

    def carry_nothing(self) -> None: ...

    def ask(self, inquiry: Inquiry[T]) -> T:
        if not inquiry.is_over:
            self.messages.append(inquiry.message)
            inquiry.begin(0.0)
            inquiry.counted(0, 0.0)
        return inquiry.result()

    def count_servers(self, namespace: str) -> int:
        return len(namespace)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def emitter(kept: Kept) -> NamespaceEmitter:
    return NamespaceEmitter(kept, "/")


def opts(kept: Kept) -> dict[str, Any]:
    found: dict[str, Any] = kept.messages[-1].data["opts"]
    return found


def test_event_says_everything_that_servers_want(emitter: NamespaceEmitter, kept: Kept) -> None:
    emitter.emit("hello", 1, "x")
    assert kept.messages == [
        Message(
            3,
            {
                "packet": {"type": 2, "data": ["hello", 1, "x"], "nsp": "/"},
                "opts": {"rooms": [], "flags": {}, "except": []},
            },
            "emitter",
            "/",
        )
    ]


def test_rooms_and_flags_are_chosen_step_by_step(emitter: NamespaceEmitter, kept: Kept) -> None:
    some = emitter.to("a").in_(["b", "c"]).except_("d").volatile.compress(False)
    some.to("e").emit("x")
    assert opts(kept)["rooms"] == ["a", "b", "c", "e"]
    some.emit("x")
    assert opts(kept) == {
        "rooms": ["a", "b", "c"],
        "except": ["d"],
        "flags": {"volatile": True, "compress": False},
    }
    emitter.emit("x")
    assert opts(kept) == {"rooms": [], "except": [], "flags": {}}
    emitter.volatile.compress(True).emit("x")
    assert opts(kept)["flags"] == {"volatile": True}


def test_rooms_of_an_empty_list_are_nobody(emitter: NamespaceEmitter, kept: Kept) -> None:
    nobody = emitter.to(*[])
    nobody.emit("x")
    nobody.sockets_join("a")
    nobody.disconnect_sockets()
    assert nobody.emit_with_ack("x") == []
    assert nobody.fetch_sockets() == []
    assert kept.messages == []


def test_questions_say_everything_that_servers_want(emitter: NamespaceEmitter, kept: Kept) -> None:
    assert emitter.to("a").emit_with_ack("x", 1, timeout=2.5) == []
    assert emitter.of("admin").timeout(3).emit_with_ack("x") == []
    assert emitter.emit_with_ack("x", timeout=0) == []
    assert emitter.except_("b").fetch_sockets() == []
    one, two, three, fetch = kept.messages
    everybody: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}
    assert one == Message(
        3,
        {
            "requestId": one.data["requestId"],
            "packet": {"type": 2, "data": ["x", 1], "nsp": "/"},
            "opts": {"rooms": ["a"], "except": [], "flags": {"timeout": 2500}},
            "ids": True,
        },
        "emitter",
        "/",
    )
    assert two.namespace == two.data["packet"]["nsp"] == "/admin"
    assert two.data["opts"]["flags"] == {"timeout": 3000}
    assert three.data["opts"]["flags"] == {"timeout": 0}
    assert (fetch.type, fetch.data["opts"]) == (7, {**everybody, "except": ["b"]})
    emitter.emit_with_ack("x")
    assert kept.messages[-1].data["opts"]["flags"] == {"timeout": 7000}
    assert len({each.data["requestId"] for each in kept.messages}) == 5
    assert emitter.of("/four").server_count() == 5


def test_wrong_questions_are_refused(emitter: NamespaceEmitter, kept: Kept) -> None:
    wrong: Any = "x"
    with pytest.raises(TypeError, match="timeout must be a number"):
        emitter.emit_with_ack("x", timeout=wrong)
    with pytest.raises(ValueError, match="timeout must be between"):
        emitter.timeout(-1)
    with pytest.raises(ValueError, match="reserved"):
        emitter.emit_with_ack("connect")
    assert kept.messages == []


def test_sockets_are_moved_and_disconnected(emitter: NamespaceEmitter, kept: Kept) -> None:
    emitter.in_("r1").sockets_join("r5", "r6")
    emitter.sockets_leave(["r5"])
    emitter.in_("r1").except_("r2").disconnect_sockets(close=True)
    emitter.disconnect_sockets()
    everybody: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}
    assert [(each.type, each.data) for each in kept.messages] == [
        (4, {"opts": {**everybody, "rooms": ["r1"]}, "rooms": ["r5", "r6"]}),
        (5, {"opts": everybody, "rooms": ["r5"]}),
        (6, {"opts": {"rooms": ["r1"], "except": ["r2"], "flags": {}}, "close": True}),
        (6, {"opts": everybody, "close": False}),
    ]


def test_event_for_servers_has_no_answer(emitter: NamespaceEmitter, kept: Kept) -> None:
    emitter.of("admin").server_side_emit("hi", 1)
    assert kept.messages == [Message(9, {"packet": ["hi", 1]}, "emitter", "/admin")]
    ack: Any = lambda: None  # noqa: E731 # to type checkers it is refused, too
    with pytest.raises(TypeError, match="Acknowledgements are not supported"):
        emitter.server_side_emit("hi", ack)


def test_slash_of_a_namespace_may_be_left_out(emitter: NamespaceEmitter, kept: Kept) -> None:
    for name in ("admin", "/admin"):
        emitter.of(name).to("a").emit("x")
        assert kept.messages[-1].namespace == "/admin"
        assert kept.messages[-1].data["packet"]["nsp"] == "/admin"
    with pytest.raises(TypeError, match="a namespace must be text"):
        emitter.of(7)  # type: ignore[arg-type] # it is wrong


@pytest.mark.parametrize(
    "name",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
def test_reserved_name_is_refused(emitter: NamespaceEmitter, kept: Kept, name: str) -> None:
    with pytest.raises(ValueError, match=f'"{name}" is a reserved event name'):
        emitter.emit(name)
    with pytest.raises(ValueError, match=f'"{name}" is a reserved event name'):
        emitter.to("a").emit(name)
    assert kept.messages == []


@pytest.mark.parametrize("name", ["connect", "connection", "new_namespace", "cluster_error"])
def test_name_of_the_servers_own_is_refused(emitter: NamespaceEmitter, name: str) -> None:
    with pytest.raises(ValueError, match=f'"{name}" is a reserved event name'):
        emitter.server_side_emit(name)


def test_name_that_is_no_text_is_refused(emitter: NamespaceEmitter) -> None:
    wrong: Any = 7
    with pytest.raises(TypeError, match="must be text, not int"):
        emitter.emit(wrong)
    with pytest.raises(TypeError, match="must be text, not int"):
        emitter.server_side_emit(wrong)
    with pytest.raises(TypeError, match="a room must be text"):
        emitter.to(wrong)
