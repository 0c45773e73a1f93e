"""Every option stands where a reader looks for it: signature, keywords, editor, page."""

from __future__ import annotations

import inspect
import pydoc
import re
from dataclasses import fields
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final

import pytest

import sockwave.adapters
import sockwave.emitters
import sockwave.sync
from scripts import option_docs
from sockwave import Manager, Server, connect
from sockwave.cli import main
from sockwave.engine import Engine
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.core.keywords import EngineOptionsDict
from sockwave.engine.core.option_signature import default_of
from sockwave.engine.core.options import EngineOptions
from sockwave.socketio.client.keywords import (
    ConnectOptionsDict,
    ManagerOptionsDict,
    SocketOptionsDict,
)
from sockwave.socketio.client.options import ManagerOptions, SocketOptions
from sockwave.socketio.server.keywords import ServerOptionsDict
from sockwave.socketio.server.options import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT: Final = (ClientEngineOptions, ManagerOptions, SocketOptions)
MANAGER: Final = (ClientEngineOptions, ManagerOptions)

KINDS: Final = [*(kind for _, _, kind in option_docs.KEYWORDS), *option_docs.VALUES]

TAKES_OPTIONS: Final[list[tuple[Any, Any, tuple[type[Any], ...], set[str]]]] = [
    (Server, ServerOptionsDict, (EngineOptions, ServerOptions), set()),
    (Engine, EngineOptionsDict, (EngineOptions,), set()),
    (connect, ConnectOptionsDict, CONNECT, {"retry", "wait_timeout"}),
    (Manager, ManagerOptionsDict, MANAGER, set()),
    (Manager.socket, SocketOptionsDict, (SocketOptions,), set()),
    (
        sockwave.sync.connect,
        ConnectOptionsDict,
        CONNECT,
        {"retry", "wait_timeout", "handler_threads"},
    ),
    (sockwave.sync.Manager, ManagerOptionsDict, MANAGER, {"handler_threads"}),
    (sockwave.sync.Manager.socket, SocketOptionsDict, (SocketOptions,), set()),
]

each = pytest.mark.parametrize(
    ("function", "keywords", "options", "own"),
    TAKES_OPTIONS,
    ids=[f"{each[0].__module__}.{each[0].__qualname__}" for each in TAKES_OPTIONS],
)


def keyword_parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if p.kind is Parameter.KEYWORD_ONLY}


@each
def test_signature_names_every_option(
    function: Callable[..., Any], keywords: Any, options: tuple[type[Any], ...], own: set[str]
) -> None:
    named = keyword_parameters(function)
    expected = {field.name for kind in options for field in fields(kind)}
    assert named.keys() - own == expected == keywords.__optional_keys__
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    assert Parameter.VAR_KEYWORD not in kinds


@each
def test_signature_has_the_type_and_default_of_every_option(
    function: Callable[..., Any], keywords: Any, options: tuple[type[Any], ...], own: set[str]
) -> None:
    named = keyword_parameters(function)
    for kind in options:
        for name, value in ((f.name, default_of(f)) for f in fields(kind)):
            assert named[name].annotation == keywords.__annotations__[name].__forward_arg__
            if name != "path":
                assert named[name].default == value


def test_options_of_the_signature_are_those_that_hold() -> None:
    def given(function: Callable[..., Any]) -> dict[str, Any]:
        return {name: p.default for name, p in keyword_parameters(function).items()}

    assert Server(**given(Server)).options == Server().options
    assert Server(**given(Server)).engine.options == Server().engine.options
    assert Engine(**given(Engine)).options == Engine().options
    url = "http://localhost"
    assert Manager(url, **given(Manager)).options == Manager(url).options
    assert Manager(url, **given(Manager)).engine_options == Manager(url).engine_options


@pytest.mark.parametrize("function", [Server, Engine, Manager, connect, sockwave.sync.connect])
def test_help_names_the_options(function: Any) -> None:
    text = pydoc.plain(pydoc.render_doc(function))
    assert "**options" not in text
    assert re.search(r"\bpath: .* = '/(socket|engine)\.io'", text)
    assert "max_payload: 'int' = " in text or "max_payload: int = " in text


def test_texts_of_the_keywords_and_the_page_are_those_of_the_options() -> None:
    old = [path.name for path, text in option_docs.pages() if path.read_text() != text]
    assert old == [], "run: make fmt"


def cells_of(owner: str) -> list[list[str]]:
    """What the page says of the options of one thing, cell by cell."""
    page = option_docs.PAGE.read_text()
    _, found, after = page.partition(f"<!-- options: {owner} -->\n\n")
    assert found, "it has no place on the page"
    lines = after.partition("\n\n")[0].splitlines()[2:]
    return [re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |")) for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_stands_on_the_page(kind: type[Any]) -> None:
    named = [cells[0] for cells in cells_of(kind.__name__)]
    assert named == [f"`{field.name}`" for field in fields(kind)]


@each
def test_options_of_a_function_alone_stand_on_the_page(
    function: Callable[..., Any], keywords: Any, options: tuple[type[Any], ...], own: set[str]
) -> None:
    page = option_docs.PAGE.read_text()
    for name in own:
        default = keyword_parameters(function)[name].default
        assert re.search(rf"^\| `{name}` \| .* \| .* \| `{default}` \| .", page, re.MULTILINE)


@pytest.mark.parametrize("owner", option_docs.all_rows())
def test_every_option_has_type_unit_default_text_and_advice(owner: str) -> None:
    rows = cells_of(owner)
    assert rows
    for name, kind, unit, default, text, advice in rows:
        assert re.fullmatch(r"`.+`", name) and re.fullmatch(r"`.+`", kind)
        assert unit and default, f"{name} has none"
        assert re.match(r"[A-Z`0-9/].*[.)]$", text), f"{name}: what does it do?"
        assert re.match(r"[A-Z`0-9].*\.$", advice), f"{name}: when does one change it?"


def test_advice_is_there_for_every_option_and_for_nothing_else() -> None:
    advised = {owner: list(entries) for owner, entries in option_docs.advice().items()}
    wanted = {owner: [row.name for row in rows] for owner, rows in option_docs.all_rows().items()}
    assert advised.keys() == wanted.keys()
    for owner, names in wanted.items():
        assert sorted(advised[owner]) == sorted(names), "see scripts/option_advice.toml"


UNITS: Final = {
    r"-*(drain|ping|upgrade|connect|ack|close|shutdown|head|body|keep|unresponsive|request|wait"
    r"|heartbeat|cleanup|reconnection|max_disconnection)_\w*(timeout|interval|period|delay"
    r"|delay_max|duration)|timeout|max_age": "seconds",
    r"\w+_bytes|max_payload|max_backlog|process_\w+": "bytes",
}


@pytest.mark.parametrize(("pattern", "unit"), UNITS.items(), ids=UNITS.values())
def test_options_whose_name_says_what_they_count_have_its_unit(pattern: str, unit: str) -> None:
    found = 0
    for owner, rows in option_docs.all_rows().items():
        for row in rows:
            if re.fullmatch(pattern, row.name) and owner != "RateLimits":
                found += 1
                assert option_docs.advice()[owner][row.name][0] == unit, f"{owner}.{row.name}"
    assert found > 10


def test_adapters_and_emitters_stand_on_the_page() -> None:
    kinds = [
        name
        for package in (sockwave.adapters, sockwave.emitters)
        for name in package.__all__
        if re.fullmatch(r"\w+(Adapter|Emitter)", name)
    ]
    without_options = {"ClusterAdapter", "NamespaceEmitter"}  # one has those of its driver, too
    assert set(kinds) - without_options <= option_docs.FUNCTIONS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_described(kind: type[Any]) -> None:
    assert list(option_docs.descriptions(kind)) == [field.name for field in fields(kind)]


def test_every_command_stands_on_the_page() -> None:
    page = option_docs.PAGE.read_text()
    table = page.partition("### All commands\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `sockwave ([\w-]+)", table, re.MULTILINE) == list(main.commands)
