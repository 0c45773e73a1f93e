"""The reference has every public name, with its signature, and nothing that is for ourselves."""

from __future__ import annotations

import re
from functools import cache
from inspect import getdoc
from typing import Any

import pytest

import sockwave
from scripts.site.docstrings import parse
from scripts.site.inner import INNER
from scripts.site.published import Origin, origin, published
from scripts.site.reference import index_table, reference_pages
from scripts.site.subjects import SUBJECTS, names_of


@cache
def pages() -> dict[str, str]:
    return reference_pages()


def entry(page: str, kind: str, name: str) -> str:
    """What stands on a page about a name, without the members."""
    match = re.search(
        rf"^`{{9}}\{{py:{kind}\}} {name}\b(?P<text>.*?)^`{{9}}$",
        pages()[page],
        re.MULTILINE | re.DOTALL,
    )
    assert match is not None
    return match["text"]


def test_every_public_name_is_on_one_page() -> None:
    placed = [each.path for subject in SUBJECTS for each in names_of(subject)]
    assert sorted(placed) == sorted(each.path for each in published())


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.page)
def test_page_has_an_entry_for_each_of_its_names(subject: Any) -> None:
    for each in names_of(subject):
        pattern = rf"^`{{9}}\{{py:\w+\}} {each.name}\b"
        assert len(re.findall(pattern, pages()[subject.page], re.MULTILINE)) == 1


def test_index_leads_to_every_name() -> None:
    table = index_table()
    for each in published():
        assert f"](<#{each.path}>)" in table


def test_signature_has_every_option_with_type_and_default() -> None:
    text = entry("server", "class", "Server").splitlines()[0]
    assert text.startswith("(*, path: str = '/socket.io', ")
    assert "ping_interval: float = 25.0, " in text
    assert "max_backlog: int = 16_777_216, " in text
    assert "http_compression: sockwave.HttpCompression | Mapping[str, Any] | bool | None" in text
    assert " = HttpCompression(), " in text
    for name in sockwave.ServerOptions.__dataclass_fields__:
        assert f"{name}: " in text


def test_dataclass_shows_defaults_that_are_made_anew() -> None:
    text = entry("engine", "class", "EngineOptions").splitlines()[0]
    assert "limits: sockwave.Limits = Limits()" in text
    assert "..." not in text


def test_types_are_named_as_users_import_them() -> None:
    assert origin("sockwave", "Cookie") == origin("sockwave.engine", "Cookie")
    assert origin("sockwave", "Room") == Origin("sockwave.types", "Room")
    text = entry("sockets", "class", "Socket")
    assert '{py:property} handshake\n:type: "sockwave.Handshake"' in text
    assert '{py:property} conn\n:type: "sockwave.engine.Session"' in text


def test_attributes_have_the_types_that_init_gives_them() -> None:
    text = entry("client", "class", "ClientSocket")
    assert '{py:attribute} manager\n:type: "sockwave.Manager"' in text


def test_methods_of_bases_that_are_not_public_are_shown() -> None:
    text = entry("server", "class", "Server")
    for name in ("run", "listen", "emit", "to", "fetch_sockets"):
        assert re.search(rf"\{{py:(method|property)\}} {name}\b", text)


def test_what_waits_is_shown_as_such() -> None:
    text = entry("server", "class", "Server")
    assert re.search(r"\{py:method\} close\(.*\) -> None\n:async:\n", text)
    assert re.search(r"\{py:method\} emit_with_ack\(.*\n:async:\n", text)
    assert re.search(r"\{py:method\} listen\(.*\n\n(.|\n)*?For `async with`", text)


def test_name_of_a_second_package_leads_to_the_first() -> None:
    assert "The same as [`sockwave.Cookie`](<#sockwave.Cookie>)." in entry(
        "engine", "class", "Cookie"
    )


def test_members_of_enumerations_have_their_values_and_texts() -> None:
    text = entry("names", "class", "DisconnectReason")
    assert "{py:attribute} PING_TIMEOUT\n:value: \"'ping timeout'\"" in text
    assert "the server took this socket out of its namespace" in text


def test_what_is_for_ourselves_is_there_but_not_shown() -> None:
    kinds: dict[str, Any] = {}
    for each in published():
        kinds.setdefault(each.origin.name, each.value)
    kinds["EngineServer"] = type(sockwave.Server().engine)
    for owner, names in INNER.items():
        known = _attributes(kinds[owner])
        for name in names:
            assert hasattr(kinds[owner], name) or name in known, f"{owner}.{name}"
    assert "make_dynamic" not in pages()["server"]


def _attributes(cls: type[Any]) -> set[str]:
    """What the docstrings of a class and its bases list."""
    entries = [entry for base in cls.__mro__ for entry in parse(getdoc(base) or "").attributes]
    return {name for entry in entries for name in entry.names}


def test_types_in_signatures_are_described() -> None:
    text = pages()["types-in-signatures"]
    for name in ("AllowRequest", "CorsOrigin", "Order", "EngineServer", "NamespaceMatch"):
        assert re.search(rf"^`{{9}}\{{py:\w+\}} {name}\b", text, re.MULTILINE), name
