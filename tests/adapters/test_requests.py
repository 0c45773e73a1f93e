"""Questions to others: whatever comes, in whatever order, each ends once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.messages import ANONYMOUS
from sockwave.adapters.requests import (
    MOST_STRANGERS,
    ClientQuestion,
    MemberQuestion,
    Requests,
)
from sockwave.errors import LimitExceeded
from sockwave.types import SocketId

if TYPE_CHECKING:
    from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteOutcome


class Heard:
    """What is told of a question."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.outcomes: list[RemoteOutcome] = []

    def member(self, member: str, value: Any) -> None:
        self.answers.append((member, value))

    def client(self, answer: RemoteAnswer) -> None:
        self.answers.append((answer.member, answer.socket))

    @property
    def outcome(self) -> RemoteOutcome:
        (outcome,) = self.outcomes
        return outcome


def of_members(*members: str, is_counted: bool = True) -> tuple[Requests, MemberQuestion, Heard]:
    requests, heard = Requests(10), Heard()
    question = MemberQuestion(
        members, 10.0, heard.member, heard.outcomes.append, is_counted=is_counted
    )
    requests.add("q", question)
    return requests, question, heard


def of_clients(*members: str, is_counted: bool = True) -> tuple[Requests, ClientQuestion, Heard]:
    requests, heard = Requests(10), Heard()
    question = ClientQuestion(
        members, 10.0, heard.client, heard.outcomes.append, is_counted=is_counted
    )
    requests.add("q", question)
    return requests, question, heard


def ids(*names: str) -> frozenset[SocketId]:
    return frozenset(map(SocketId, names))


def test_answer_counts_once_for_each_member() -> None:
    requests, question, heard = of_members("A", "B")
    question.answer("A", 1)
    question.answer("A", 2)
    requests.look("q")
    assert (heard.answers, heard.outcomes) == ([("A", 1)], [])
    question.answer("B", 3)
    requests.look("q")
    assert heard.outcome.is_complete
    assert len(requests) == 0


def test_strangers_are_waited_for_once_they_are_counted() -> None:
    requests, question, heard = of_members("A", is_counted=False)
    question.answer("A", 1)
    requests.look("q")
    assert heard.outcomes == []
    question.counted(2)
    requests.look("q")
    assert heard.outcomes == []
    question.answer("S", 2)
    requests.look("q")
    assert heard.outcome.is_complete


def test_stranger_may_answer_before_it_is_counted() -> None:
    requests, question, heard = of_members(is_counted=False)
    question.answer("S", 1)
    question.counted(1)
    requests.look("q")
    assert heard.outcome.is_complete


def test_answers_of_clients_may_come_before_their_number() -> None:
    requests, question, heard = of_clients("A")
    question.answer("A", SocketId("x"), 1)
    question.lost("A", SocketId("y"))
    requests.look("q")
    assert heard.outcomes == []
    question.asked("A", 2, ids("x", "y"))
    requests.look("q")
    assert (heard.outcome.is_complete, heard.outcome.missing) == (False, ("y",))


def test_more_answers_than_clients_do_not_count() -> None:
    requests, question, heard = of_clients("A", "B")
    question.asked("A", 1, ids())
    question.asked("A", 5, ids())
    for _ in range(3):
        question.answer("A", None, 1)
    assert heard.answers == [("A", None)]
    requests.expire(10.0)
    assert heard.outcome.silent == ("B",)


def test_answers_without_a_name_are_counted() -> None:
    requests, question, heard = of_members(is_counted=False)
    question.answer(ANONYMOUS, 1)
    question.counted(2)
    requests.look("q")
    assert heard.outcomes == []
    question.answer(ANONYMOUS, 1)
    requests.look("q")
    assert (heard.answers, heard.outcome.is_complete) == ([(ANONYMOUS, 1)] * 2, True)


def test_clients_of_servers_without_a_name_are_one_count() -> None:
    requests, question, heard = of_clients(is_counted=False)
    question.counted(2)
    question.answer(ANONYMOUS, None, 1)
    question.asked(ANONYMOUS, 1, ids())
    requests.look("q")
    assert heard.outcomes == []
    question.asked(ANONYMOUS, 2, ids())
    question.answer(ANONYMOUS, None, 1)
    requests.look("q")
    assert heard.outcomes == []
    question.answer(ANONYMOUS, None, 1)
    requests.look("q")
    assert (heard.answers, heard.outcome.is_complete) == ([(ANONYMOUS, None)] * 3, True)


def test_client_that_answers_twice_is_heard_once() -> None:
    _, question, heard = of_clients("A")
    question.asked("A", 2, ids("x", "y"))
    question.answer("A", SocketId("x"), 1)
    question.answer("A", SocketId("x"), 1)
    assert heard.answers == [("A", "x")]


def test_clients_without_names_make_their_process_silent() -> None:
    requests, question, heard = of_clients("A", "B")
    question.asked("A", 2, ids())
    question.answer("A", None, 1)
    question.asked("B", 2, ids("x", "y"))
    question.answer("B", SocketId("x"), 1)
    requests.expire(10.0)
    assert (heard.outcome.silent, heard.outcome.missing) == (("A",), ("y",))


def test_process_without_clients_has_answered() -> None:
    requests, question, heard = of_clients("A")
    question.asked("A", 0, ids())
    requests.look("q")
    assert heard.outcome.is_complete


def test_deadlines_are_kept_in_any_order() -> None:
    requests, ended = Requests(10), list[str]()
    for name, deadline in (("late", 9.0), ("soon", 1.0), ("cancelled", 0.5)):

        def over(outcome: RemoteOutcome, name: str = name) -> None:
            ended.append(name)

        requests.add(name, MemberQuestion(["A"], deadline, lambda *_: None, over))
    requests.cancel("cancelled")
    assert requests.next_deadline() == 1.0
    requests.expire(5.0)
    assert (ended, requests.next_deadline()) == (["soon"], 9.0)
    requests.end_all()
    assert (ended, requests.next_deadline()) == (["soon", "late"], None)


def test_bound_is_kept() -> None:
    requests = Requests(1)
    requests.check_room()
    requests.add("q", MemberQuestion(["A"], 1.0, lambda *_: None, lambda _: None))
    with pytest.raises(LimitExceeded):
        requests.check_room()


members = st.sampled_from(["A", "B", "C"])
sockets = st.none() | st.sampled_from("xyz").map(SocketId)
events = st.one_of(
    st.tuples(st.just("asked"), members, st.integers(0, 3), st.frozensets(st.sampled_from("xyz"))),
    st.tuples(st.just("answer"), members, sockets),
    st.tuples(st.just("lost"), members, st.sampled_from("xyz").map(SocketId)),
    st.tuples(st.just("left"), members),
)


@given(st.lists(events, max_size=30))
def test_question_ends_once_whatever_comes(script: list[Any]) -> None:
    requests, question, heard = of_clients("A", "B")
    for kind, member, *rest in script:
        if requests.get("q") is None:
            break
        if kind == "asked":
            question.asked(member, rest[0], ids(*rest[1]))
        elif kind == "answer":
            question.answer(member, rest[0], 1)
        elif kind == "lost":
            question.lost(member, rest[0])
        else:
            requests.member_left(member)
        requests.look("q")
    requests.expire(10.0)
    requests.expire(20.0)
    outcome = heard.outcome
    troubles = (*outcome.gone, *outcome.silent, *outcome.missing)
    assert outcome.is_complete is not bool(troubles)
    answered = [socket for _, socket in heard.answers if socket is not None]
    by_member = {pair for pair in heard.answers if pair[1] is not None}
    assert len(answered) == len(by_member)


def test_failure_of_who_asked_does_not_keep_others_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(outcome: RemoteOutcome) -> None:
        raise ValueError

    requests, heard = Requests(10), Heard()
    requests.add("first", MemberQuestion(["A"], 1.0, heard.member, fail))
    requests.add("second", MemberQuestion(["A"], 1.0, heard.member, heard.outcomes.append))
    requests.expire(1.0)
    assert heard.outcome.silent == ("A",)
    assert len(caplog.records) == 1


def test_no_more_strangers_answer_than_there_can_be() -> None:
    requests, question, heard = of_members("A", "B")
    for number in range(100_000):
        question.answer(f"liar {number}", "lie")
        requests.look("q")
    question.answer("A", "truth")
    assert len(heard.answers) == MOST_STRANGERS + 3
    assert heard.answers[-1] == ("A", "truth")
    requests.expire(10.0)
    assert heard.outcome.silent == ("B",)
    assert len(requests) == 0


def test_no_more_strangers_have_clients_than_there_can_be() -> None:
    requests, question, heard = of_clients("A")
    for number in range(100_000):
        liar = f"liar {number}"
        question.answer(liar, None, "lie")
        question.asked(liar, 10**9, frozenset())
        question.lost(liar, SocketId("x"))
        requests.look("q")
    question.asked("A", 1, ids("a"))
    question.answer("A", SocketId("a"), "truth")
    assert len(heard.answers) == MOST_STRANGERS + 1
    assert heard.answers[-1] == ("A", "a")
    requests.expire(10.0)
    assert not heard.outcome.is_complete
    assert len(requests) == 0
