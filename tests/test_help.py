"""What `help` and editors show of public names says what they do."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import sockwave
import sockwave.emitters
import sockwave.engine
import sockwave.sync
import sockwave.testing

PACKAGES = [sockwave, sockwave.emitters, sockwave.engine, sockwave.sync, sockwave.testing]
CLASSES = [
    (package, name)
    for package in PACKAGES
    for name in package.__all__
    if inspect.isclass(getattr(package, name))
]

ELSEWHERE = ("See ", "The same", "As `", "Those ", "These ", "Likewise", "Itself")
"""Words that begin what only a reader of the whole file understands."""


def described(cls: type[Any]) -> dict[str, Any]:
    """Public methods and properties that are written in this package, inherited ones included."""
    members = {name: inspect.getattr_static(cls, name) for name in dir(cls)}
    return {
        name: member
        for name, member in members.items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }


@pytest.mark.parametrize(("package", "name"), CLASSES)
def test_description_of_a_method_does_not_send_the_reader_elsewhere(
    package: Any, name: str
) -> None:
    for member, value in described(getattr(package, name)).items():
        text = inspect.getdoc(value) or ""
        assert text, f"{member}: what does it do for the caller?"
        assert not text.startswith(ELSEWHERE), f"{member}: {text}"


@pytest.mark.parametrize("name", ["use", "on", "once", "off", "listeners", "event", "emit", "to"])
def test_methods_of_a_server_are_those_of_its_main_namespace(name: str) -> None:
    assert getattr(sockwave.Server, name) is getattr(sockwave.Namespace, name)
