"""Every option stands where a reader looks for it: signature, keywords, editor, page."""

from __future__ import annotations

import inspect
import pydoc
import re
from dataclasses import fields
from inspect import Parameter
from typing import TYPE_CHECKING, Any, Final

import pytest

import sockwave.sync
from scripts import option_docs
from sockwave import Manager, Server, connect
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


def test_every_option_stands_on_the_page() -> None:
    page = option_docs.PAGE.read_text()
    for kind in KINDS:
        rows = page.partition(f"<!-- options: {kind.__name__} -->")[2].partition("\n#")[0]
        named = re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)
        assert named == [field.name for field in fields(kind)]
    for function, *_, own in TAKES_OPTIONS:
        for name in own:
            default = keyword_parameters(function)[name].default
            assert re.search(rf"^\| `{name}` \| .* \| `{default}` \| .", page, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_described(kind: type[Any]) -> None:
    assert list(option_docs.descriptions(kind)) == [field.name for field in fields(kind)]
