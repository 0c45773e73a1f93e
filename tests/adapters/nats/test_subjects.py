"""Names as subjects of NATS."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.nats.subjects import Subjects, encode_name

TOKEN = re.compile(r"[0-9A-Za-z_=-]+")


@given(st.text())
def test_any_name_becomes_one_token_that_matches_nothing_else(name: str) -> None:
    token = encode_name(name)
    assert TOKEN.fullmatch(token)
    assert len(token) <= 256


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_names_are_never_the_same_token(one: str, other: str) -> None:
    assert (encode_name(one) == encode_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("/", "=2F"),
        ("/admin", "=2Fadmin"),
        ("/a.b", "=2Fa=2Eb"),
        ("/*", "=2F=2A"),
        ("/>", "=2F=3E"),
        ("/a b\r\n", "=2Fa=20b=0D=0A"),
        ("=2F", "=3D2F"),
        ("/ü", "=2F=C3=BC"),
        ("/\ud800", "=2F=ED=A0=80"),
        ("0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_characters_of_subjects_do_not_get_through(name: str, token: str) -> None:
    assert encode_name(name) == token


def test_long_names_become_hashes_that_no_name_becomes() -> None:
    one, other = encode_name("/" + "a" * 300), encode_name("/" + "a" * 301)
    assert one != other
    assert one.startswith("=h")
    assert encode_name(one) != one


def test_subjects_of_a_namespace_lie_under_the_prefix() -> None:
    subjects = Subjects("chat.eu")
    assert subjects.for_all("/admin") == "chat.eu.=2Fadmin.all"
    assert subjects.for_one("/admin", "0a") == "chat.eu.=2Fadmin.to.0a"


def test_memory_of_many_namespaces_is_bounded_and_changes_nothing() -> None:
    subjects = Subjects("chat")
    first, own = subjects.for_all("/0"), subjects.for_one("/0", "a")
    for number in range(5_000):
        subjects.for_all(f"/{number}")
        subjects.for_one("/0", f"{number}")
    assert subjects.for_all("/0") == first
    assert subjects.for_one("/0", "a") == own


@pytest.mark.parametrize("prefix", ["", ".", "a.", ".a", "a..b", "a b", "a*", ">", "ü", "a" * 257])
def test_prefix_that_cannot_begin_a_subject_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix must be"):
        Subjects(prefix)
