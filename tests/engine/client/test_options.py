"""Options of the client are checked where they are given."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave import Manager, connect
from sockwave.engine.client.options import ClientEngineOptions

WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"transports": []}, ValueError, "transports"),
    ({"transports": ["carrier-pigeon"]}, ValueError, "transports"),
    ({"transports": "polling"}, ValueError, "transports"),
    ({"path": 1}, TypeError, "path"),
    ({"path": "/a?b"}, ValueError, "path"),
    ({"query": 1}, TypeError, "query"),
    ({"timeout": -1}, ValueError, "timeout"),
    ({"timeout": "1"}, TypeError, "timeout"),
    ({"extra_headers": {"a b": "c"}}, ValueError, "extra_headers"),
    ({"extra_headers": {"a": "b\r\nc: d"}}, ValueError, "extra_headers"),
    ({"extra_headers": {"a": 1}}, TypeError, "extra_headers"),
    ({"max_payload": 0}, ValueError, "max_payload"),
    ({"ssl": "yes"}, TypeError, "ssl"),
    ({"server_certificate_hashes": "00" * 32}, TypeError, "server_certificate_hashes"),
    ({"server_certificate_hashes": ["00"]}, ValueError, "server_certificate_hashes"),
    ({"server_certificate_hashes": ["zz" * 32]}, ValueError, "server_certificate_hashes"),
    ({"server_certificate_hashes": [b"short"]}, ValueError, "server_certificate_hashes"),
    ({"server_certificate_hashes": [1]}, TypeError, "server_certificate_hashes"),
    ({"webtransport_cafile": 1}, TypeError, "webtransport_cafile"),
    (
        {"webtransport_cafile": "ca.pem", "server_certificate_hashes": ["00" * 32]},
        ValueError,
        "exclude each other",
    ),
    ({"proxy": "host:80"}, ValueError, "proxy"),
    ({"proxy": "http://h:1", "unix_path": "/x"}, ValueError, "unix_path"),
    ({"per_message_deflate": 1}, TypeError, "per_message_deflate"),
    ({"protocols": ["a b"]}, ValueError, "protocols"),
    ({"reconnection": 1}, TypeError, "reconnection"),
    ({"reconnection_attempts": -1}, ValueError, "reconnection_attempts"),
    ({"randomization_factor": 2}, ValueError, "randomization_factor"),
    ({"auth": 1}, TypeError, "auth"),
    ({"retries": 1}, ValueError, "ack_timeout"),
    ({"retries": -1}, ValueError, "retries"),
    ({"reconnect": True}, TypeError, "reconnect"),
]


@pytest.mark.parametrize(("options", "error", "name"), WRONG)
def test_wrong_option_is_refused_by_its_name(
    options: dict[str, Any], error: type[Exception], name: str
) -> None:
    with pytest.raises(error, match=name):
        connect("http://h", auto_connect=False, **options)


def test_option_of_a_socket_is_no_option_of_a_manager() -> None:
    with pytest.raises(TypeError, match="auth is an option of a socket"):
        Manager("http://h", auth={})  # type: ignore[call-arg] # that is the test


def test_headers_are_copied() -> None:
    headers = {"A": "b"}
    options = ClientEngineOptions(extra_headers=headers)
    headers["A"] = "c"
    assert options.extra_headers == {"A": "b"}
