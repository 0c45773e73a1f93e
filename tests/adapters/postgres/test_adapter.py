"""The adapter of PostgreSQL: what it refuses, and what it says."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from sockwave import Server
from sockwave.adapters import ClusterOptions, PostgresAdapter

DSN = "postgresql://chat:secret@localhost/chat"


def test_wrong_options_are_refused_at_once() -> None:
    for options, error, text in (
        ({"table_name": "a;b"}, ValueError, "table_name"),
        ({"channel_prefix": "x" * 62}, ValueError, "channel_prefix"),
        ({"cleanup_interval": 0}, ValueError, "cleanup_interval"),
        ({"max_backlog": -1}, ValueError, "max_backlog"),
        ({"options": {}}, TypeError, "ClusterOptions"),
    ):
        wrong: Any = options
        with pytest.raises(error, match=text):
            PostgresAdapter(DSN, **wrong)


def test_address_must_be_one_and_its_password_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="must begin with postgresql://") as raised:
        PostgresAdapter("mysql://chat:secret@localhost/chat")
    assert "secret" not in str(raised.value)
    with pytest.raises(TypeError, match=r"asyncpg\.Pool is wanted, not int"):
        PostgresAdapter(7)
    assert "secret" not in repr(PostgresAdapter(DSN))


def test_name_of_a_namespace_that_is_too_long_is_refused_where_it_is_made() -> None:
    io = Server(adapter=PostgresAdapter(DSN, options=ClusterOptions()))
    io.of("/" + "x" * 52)
    with pytest.raises(ValueError, match="at most 53 bytes"):
        io.of("/" + "x" * 53)


def test_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("sockwave.adapters.postgres.")]:
        if name.rpartition(".")[2] in ("driver", "source", "sender", "listener", "statements"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "sockwave\[postgres\]"'):
        PostgresAdapter(DSN)
