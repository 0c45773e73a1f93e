"""Headers, query and cookies of a request, also of one meant to do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.engine.core.request import Headers, Request, parse_cookies, parse_query


def request(query_string: str = "", **headers: str) -> Request:
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    target = f"/socket.io/?{query_string}" if query_string else "/socket.io/"
    return Request("GET", target, fields, ("192.0.2.1", 5_000))


# --- headers --------------------------------------------------------------------------------------


def test_header_is_found_whatever_the_case_of_its_name() -> None:
    headers = Headers({b"user-agent": b"x"})
    assert headers["User-Agent"] == headers["USER-AGENT"] == headers.get("user-agent") == "x"
    assert "User-agent" in headers


def test_missing_header_is_a_key_error_or_the_default() -> None:
    headers = Headers({})
    with pytest.raises(KeyError):
        headers["host"]
    assert headers.get("host") is None
    assert headers.get("host", "") == ""


def test_headers_are_a_mapping() -> None:
    headers = Headers({b"a": b"1", b"b": b"2"})
    assert (dict(headers), len(headers), list(headers)) == ({"a": "1", "b": "2"}, 2, ["a", "b"])


def test_value_is_read_as_latin_1() -> None:
    assert Headers({b"x": b"\xfc\xe9"})["x"] == "üé"


def test_name_beyond_ascii_is_just_not_there() -> None:
    assert Headers({b"x": b"1"}).get("ключ") is None


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1).map(str.encode)


@given(st.dictionaries(names, st.binary()))
def test_packed_headers_are_the_same(fields: dict[bytes, bytes]) -> None:
    headers, packed = Headers(dict(fields)), Headers(dict(fields))
    packed.pack()
    packed.pack()
    assert dict(packed) == dict(headers)


def test_line_feed_in_a_value_makes_no_header_of_its_own() -> None:
    headers = Headers({b"x": b"1\norigin:https://evil.org"})
    headers.pack()
    assert "origin" not in headers


def test_repr_of_headers_shows_no_value() -> None:
    assert repr(Headers({b"authorization": b"secret"})) == "Headers(['authorization'])"


# --- query ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", {}),
        ("EIO=4&transport=polling", {"EIO": "4", "transport": "polling"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("=1&&a=b=c", {"a": "b=c"}),
        ("a=x+y%20z", {"a": "x y z"}),
        ("%61=%26%3D", {"a": "&="}),
        ("a=%zz%", {"a": "%zz%"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("__proto__=1&constructor=2", {"__proto__": "1", "constructor": "2"}),
    ],
)
def test_query_is_read_as_a_form(query_string: str, expected: dict[str, str]) -> None:
    assert parse_query(query_string) == expected


@given(st.text())
def test_any_query_is_read(query_string: str) -> None:
    assert all(isinstance(value, str) for value in parse_query(query_string).values())


def test_number_of_parameters_is_bounded() -> None:
    assert len(parse_query("&".join(f"{n}=" for n in range(5_000)))) <= 1_001


def test_query_is_read_once_until_the_request_is_packed() -> None:
    sent = request("a=1")
    first = sent.query
    assert sent.query is first
    sent.pack()
    assert sent.query == first


# --- cookies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2;", {"a": "1", "b": "2"}),
        ('a="x y"', {"a": "x y"}),
        ("a=1; a=2", {"a": "1"}),
        ("a; =; b=2=3", {"": "", "b": "2=3"}),
        ('a="', {"a": '"'}),
        ("  a = 1 ", {"a": "1"}),
    ],
)
def test_cookies_are_read(header: str, expected: dict[str, str]) -> None:
    assert parse_cookies(header) == expected
    assert request(cookie=header).cookies == expected


@given(st.text())
def test_any_cookie_header_is_read(header: str) -> None:
    parse_cookies(header)


# --- the request ----------------------------------------------------------------------------------


@pytest.mark.parametrize("query_string", ["", "a=%20", "a=?b"])
def test_path_is_what_stands_before_the_first_question_mark(query_string: str) -> None:
    assert request(query_string).path == "/socket.io/"


def test_packed_request_has_the_same_headers() -> None:
    sent = request(host="a")
    field, headers = sent.field(b"host"), dict(sent.headers)
    sent.pack()
    assert (sent.field(b"host"), dict(sent.headers)) == (field, headers) == (b"a", {"host": "a"})
    assert sent.field(b"origin") is None


def test_repr_of_a_request_shows_no_query() -> None:
    assert repr(request("sid=secret")) == "Request(GET /socket.io/)"
