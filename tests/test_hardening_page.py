"""docs/hardening.md: its program runs, its settings exist, and its figures are the defaults."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import sockwave
from sockwave import RateLimits, Server
from sockwave.socketio.server.keywords import ServerOptionsDict
from tests.support.documents import DOCS, blocks

PAGE: Final = (DOCS / "hardening.md").read_text()
"""What a user must set."""


def program() -> Server:
    (code,) = blocks("hardening.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code, "hardening", "exec"), names)
    server = names["io"]
    assert isinstance(server, Server)
    return server


def test_program_has_what_it_sets() -> None:
    options = program().engine.options
    assert options.cors is not None and options.cors.credentials
    assert options.allowed_hosts == ("chat.example.com",)
    assert options.rate_limits is not None and options.rate_limits.session_packets == 50
    assert options.max_payload == 100_000


def test_settings_that_the_page_names_exist() -> None:
    known = {
        *ServerOptionsDict.__annotations__,
        *RateLimits.__dataclass_fields__,
        *sockwave.Recovery.__dataclass_fields__,
        *sockwave.Limits.__dataclass_fields__,
        *inspect.signature(Server.run).parameters,
    }
    named = set(re.findall(r"`(?:limits\.)?([a-z]+_[a-z_]+|cors|cookie|ssl)(?:=[^`]*)?`", PAGE))
    of_others = {"client_max_body_size", "channel_prefix"}
    assert len(named) > 10
    assert named - known - of_others == set()


def test_defaults_that_the_page_tells_are_the_defaults() -> None:
    options = Server().engine.options
    assert options.max_payload == 1_000_000  # "1 MB by default"
    assert options.cors is None and options.rate_limits is None and not options.allow_eio3
    assert sockwave.Recovery().skip_middlewares is False
