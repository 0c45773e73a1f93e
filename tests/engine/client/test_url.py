"""URLs of requests."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.client.url import parse_url, request_url


def url(server: str, sid: str | None = None, **options: Any) -> str:
    made = ClientEngineOptions(timestamp_requests=False, **options)
    return request_url(parse_url(server), made, "websocket", sid)


@pytest.mark.parametrize(
    ("server", "start"),
    [
        ("http://localhost", "http://localhost/engine.io/?"),
        ("ws://localhost:80", "http://localhost/engine.io/?"),
        ("wss://h:443/ns", "https://h/engine.io/?"),
        ("https://h:8443", "https://h:8443/engine.io/?"),
        ("http://[::1]:3000", "http://[::1]:3000/engine.io/?"),
    ],
)
def test_default_port_is_left_out(server: str, start: str) -> None:
    assert url(server).startswith(start)


def test_trailing_slash_can_be_left_out() -> None:
    assert url("http://h", path="/x/", add_trailing_slash=False).startswith("http://h/x?")


def test_query_is_quoted_and_cannot_override_the_protocol() -> None:
    made = url("http://h?a=1&EIO=9", query={"a": "2", "&b": "&=?c", "transport": "x"})
    assert made == "http://h/engine.io/?a=2&EIO=4&%26b=%26%3D%3Fc&transport=websocket"


def test_session_id_is_quoted() -> None:
    assert url("http://h", "../a&b=c").endswith("&sid=..%2Fa%26b%3Dc")


def test_timestamps_differ() -> None:
    options = ClientEngineOptions()
    server = parse_url("http://h")
    made = {request_url(server, options, "polling", None) for _ in range(10)}
    assert len(made) == 10


@pytest.mark.parametrize(
    "wrong", ["localhost", "", "ftp://h", "http://", "http://h:x", "http://h:99999", "h" * 9_000]
)
def test_url_that_is_of_no_use_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="url"):
        parse_url(wrong)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("http://bücher.example", "xn--bcher-kva.example"),
        ("http://BÜCHER.example:1", "xn--bcher-kva.example"),
        ("http://straße.example", "xn--strae-oqa.example"),
        ("http://例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("http://a_b-c.example", "a_b-c.example"),
        ("http://[::1]", "::1"),
    ],
)
def test_name_of_another_script_is_sent_as_idna(given: str, host: str) -> None:
    assert parse_url(given).host == host


@pytest.mark.parametrize(
    "wrong",
    [
        "http://a b",
        "http://a%41",
        "http://\u2066h",
        "http://xn--\u00fc",
        "http://[::1",
        "http://[x]",
    ],
)
def test_host_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="url"):
        parse_url(wrong)


@pytest.mark.parametrize(
    ("given", "login"),
    [
        ("http://user:password@h", "dXNlcjpwYXNzd29yZA=="),
        ("http://user@h", "dXNlcjo="),
        ("http://us%40er:p%3Aw@h", "dXNAZXI6cDp3"),
        ("http://ü:ü@h", "w7w6w7w="),
    ],
)
def test_name_and_password_of_a_url_are_basic_auth(given: str, login: str) -> None:
    assert parse_url(given).login == f"Basic {login}"
    assert parse_url(given).host == "h"


def test_name_with_a_colon_is_refused() -> None:
    with pytest.raises(ValueError, match="colon"):
        parse_url("http://a%3Ab:c@h")


@pytest.mark.parametrize("wrong", ["ftp://u:secret@h", "http://u:secret@", "u:secret@h"])
def test_message_about_a_url_does_not_show_its_password(wrong: str) -> None:
    with pytest.raises(ValueError, match="url") as caught:
        parse_url(wrong)
    assert "secret" not in str(caught.value)


def test_password_and_query_do_not_show_in_logs() -> None:
    assert repr(parse_url("https://u:secret@h/x?token=secret")) == "https://h:443"
