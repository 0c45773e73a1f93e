"""What the package shows: sorted, documented, and options that agree with what they become."""

from __future__ import annotations

import importlib
import inspect
import typing
from dataclasses import fields
from typing import Any

import pytest

import sockwave
import sockwave.adapters
import sockwave.emitters
import sockwave.engine
import sockwave.logs
import sockwave.observe
import sockwave.otel
import sockwave.testing
from sockwave.adapters import ClusterOptions
from sockwave.engine.core.keywords import EngineOptionsDict
from sockwave.engine.core.options import EngineOptions
from sockwave.socketio.server.keywords import ServerOptionsDict
from sockwave.socketio.server.options import ServerOptions

PACKAGES = [
    sockwave,
    sockwave.adapters,
    sockwave.emitters,
    sockwave.engine,
    sockwave.logs,
    sockwave.observe,
    sockwave.otel,
    sockwave.testing,
]
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]
TYPES_WITHOUT_DOCSTRING = {"Room"}
"""Aliases of built-in types; their text is beside them in `types.py`."""


def value_of(package: Any, name: str) -> Any:
    return getattr(package, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_listed_once(package: Any) -> None:
    assert list(package.__all__) == sorted(set(package.__all__))


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_public_name_exists_and_has_a_docstring(package: Any, name: str) -> None:
    value = value_of(package, name)
    if name not in TYPES_WITHOUT_DOCSTRING:
        assert inspect.getdoc(value), "what does it do for the caller?"


@pytest.mark.parametrize(
    ("package", "name"), [(p, n) for p, n in NAMES if inspect.isclass(value_of(p, n))]
)
def test_public_class_has_a_docstring_of_its_own_and_for_each_public_method(
    package: Any, name: str
) -> None:
    cls = value_of(package, name)
    assert cls.__doc__ and not cls.__doc__.startswith(f"{name}("), "not the one of dataclass"
    members = [m for m in vars(cls).items() if not m[0].startswith("_")]
    undocumented = [
        member
        for member, value in members
        if (inspect.isfunction(value) or isinstance(value, property)) and not inspect.getdoc(value)
    ]
    assert undocumented == []


def test_every_error_is_public() -> None:
    errors = importlib.import_module("sockwave.errors")
    assert set(errors.__all__) <= set(sockwave.__all__)
    for name in set(errors.__all__) - {"FailureCause", "failure_of", "raise_failure"}:
        assert issubclass(getattr(errors, name), sockwave.SockwaveError)


def test_every_error_stands_in_the_tree_of_its_module() -> None:
    errors = importlib.import_module("sockwave.errors")
    assert errors.__doc__ is not None
    for name in set(errors.__all__) - {"FailureCause", "failure_of", "raise_failure"}:
        assert name in errors.__doc__


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_all_is_what_the_package_imports(package: Any) -> None:
    own = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and (getattr(value, "__module__", "") or "").startswith("sockwave")
    }
    assert own <= set(package.__all__)


def test_keywords_of_the_engine_are_the_fields_of_its_options() -> None:
    hints = EngineOptionsDict.__annotations__
    assert list(hints) == [field.name for field in fields(EngineOptions)]


def test_keywords_of_the_server_are_those_of_the_engine_and_its_own() -> None:
    own = [field.name for field in fields(ServerOptions)]
    assert ServerOptionsDict.__optional_keys__ == {*own, *EngineOptionsDict.__annotations__}
    assert not set(own) & set(EngineOptionsDict.__annotations__)


@pytest.mark.parametrize("options", [ClusterOptions, EngineOptions, ServerOptions])
def test_every_option_is_described(options: type[Any]) -> None:
    assert options.__doc__ is not None
    for field in fields(options):
        assert f"        {field.name}: " in options.__doc__


def test_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert sockwave.__version__ == version("sockwave")


def test_package_says_that_it_is_typed() -> None:
    from importlib.resources import files

    assert files("sockwave").joinpath("py.typed").is_file()


def test_hints_of_the_public_classes_can_be_read() -> None:
    for name in ("AckTimeout", "ConnectError", "Limits", "Cors", "Cookie"):
        assert typing.get_type_hints(value_of(sockwave, name).__init__) is not None
