"""Options of the client agree with what they become, and are described."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

from sockwave.engine.client.keywords import ClientEngineOptionsDict
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.socketio.client.keywords import (
    ConnectOptionsDict,
    ManagerOptionsDict,
    SocketOptionsDict,
)
from sockwave.socketio.client.options import ManagerOptions, SocketOptions, split_options


def names(options: type[Any]) -> set[str]:
    return {field.name for field in fields(options)}


def test_keywords_are_the_fields_of_the_options() -> None:
    engine, manager, socket = map(names, (ClientEngineOptions, ManagerOptions, SocketOptions))
    assert ClientEngineOptionsDict.__optional_keys__ == engine
    assert ManagerOptionsDict.__optional_keys__ == engine | manager
    assert SocketOptionsDict.__optional_keys__ == socket
    assert ConnectOptionsDict.__optional_keys__ == engine | manager | socket
    assert len(engine | manager | socket) == len(engine) + len(manager) + len(socket)


@pytest.mark.parametrize("options", [ClientEngineOptions, ManagerOptions, SocketOptions])
def test_every_option_is_described(options: type[Any]) -> None:
    described = inspect.getdoc(options) or ""  # 3.13 strips the indentation itself
    for name in names(options):
        assert f"    {name}: " in described


def test_options_are_sorted_by_layer() -> None:
    engine, manager, socket = split_options({"path": "/", "reconnection": True, "auth": {}})
    assert (engine, manager, socket) == ({"path": "/"}, {"reconnection": True}, {"auth": {}})
