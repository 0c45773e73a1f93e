"""The option `cors`: who may use the server from a web page of another origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sockwave.engine.core.option_checks import (
    check_bool,
    check_header_value,
    check_integer,
    check_token,
    switch_option,
)
from sockwave.engine.core.option_names import strict_options
from sockwave.engine.core.origins import check_origin

__all__ = ["Cors", "CorsOrigin", "cors_option"]

MAX_MATCHED: Final = 255
"""Longest text from a peer that is given to a pattern of the application's."""

CorsOrigin: TypeAlias = (
    "str | re.Pattern[str] | Sequence[str | re.Pattern[str]] | bool | Callable[[str], bool]"
)
"""`"*"`, one origin, a pattern that must match the whole origin, several of them, True for every
origin (reflected), or a function that is asked with the origin."""


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Who may use the server from a web page of another origin.

    The same rule guards the WebSocket handshake, where browsers send `Origin` and ask nobody (the
    reference does not check it there). Requests without `Origin` come from no browser and pass.

    Attributes:
        origin: `"*"`, one origin, a pattern that must match the whole origin, several of them, True
            for every origin (reflected), or a function that is asked with the origin.
        credentials: Let pages send cookies; needs explicit origins, never `"*"` or `"null"`.
        methods: Methods that the preflight answer names.
        allowed_headers: Headers that the preflight answer names; None reflects what was asked for.
        exposed_headers: Response headers that a page may read.
        max_age: Seconds a browser may keep the preflight answer.
        preflight_status: HTTP status of the preflight answer.
        private_network: Let pages of public sites reach this server in a private network, where
            browsers ask for that in the preflight (`Access-Control-Request-Private-Network`).
    """

    origin: CorsOrigin
    credentials: bool = False
    methods: Sequence[str] = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
    allowed_headers: Sequence[str] | None = None
    exposed_headers: Sequence[str] = ()
    max_age: int | None = None
    preflight_status: int = 204
    private_network: bool = False

    def __post_init__(self) -> None:
        check_bool("cors credentials", self.credentials)
        check_bool("cors private_network", self.private_network)
        origins = [self.origin] if isinstance(self.origin, (str, re.Pattern)) else self.origin
        if not isinstance(origins, bool) and not callable(origins):
            if not isinstance(origins, Iterable):
                raise TypeError(f"cors: {origins!r} is neither an origin nor a list of them")
            for anybody in ("*", "null"):
                if self.credentials and anybody in origins:
                    raise ValueError(f'cors: credentials need explicit origins, not "{anybody}"')
            for origin in origins:
                if not isinstance(origin, (str, re.Pattern)):
                    raise TypeError(f"cors: {origin!r} is neither an origin nor a pattern")
                if isinstance(origin, str):
                    if origin.isprintable():
                        check_origin(origin)
                    check_header_value("cors origin", origin)
                elif not isinstance(origin.pattern, str):
                    raise TypeError("cors: the pattern of an origin must be for text")
        for option in ("methods", "allowed_headers", "exposed_headers"):
            names = getattr(self, option)
            if isinstance(names, str) or not isinstance(names, Iterable | None):
                raise TypeError(f"cors {option} must be a list of names, not {names!r}")
            for name in names or ():
                check_token(f"cors {option}", name)
        if self.max_age is not None:
            check_integer("cors max_age", self.max_age, 0)
        check_integer("cors preflight_status", self.preflight_status, 200, 299)

    @property
    def admits_anybody(self) -> bool:
        """Whether pages of all origins may connect, without their visitors' cookies."""
        rule = self.origin
        if self.credentials or callable(rule):
            return False
        return rule if isinstance(rule, bool) else "*" in _listed(rule)

    def __str__(self) -> str:
        """Give the origins, for the log."""
        return f"cors={self.origin!r}"

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may connect. Patterns must match the whole origin, which
        is ASCII wherever a browser sends it.

        With `credentials`, `null` never may: any page can take that origin on, in a sandbox.
        """
        if self.credentials and origin == "null":
            return False
        rule = self.origin
        if isinstance(rule, bool):
            return rule
        if isinstance(rule, (str, re.Pattern)):
            rule = (rule,)
        if callable(rule):
            return bool(rule(origin))
        return any(
            entry in ("*", origin)
            if isinstance(entry, str)
            else len(origin) <= MAX_MATCHED
            and origin.isascii()
            and entry.fullmatch(origin) is not None
            for entry in rule
        )


def _listed(rule: Any) -> Sequence[Any]:
    return (rule,) if isinstance(rule, (str, re.Pattern)) else rule


def cors_option(value: Any) -> Cors | None:
    """Let an origin, several, or a mapping stand for a `Cors`; None and False admit no page."""
    if value is None or value is False or isinstance(value, Cors):
        return value or None
    if isinstance(value, Mapping):
        cors: Cors = switch_option("cors", value, Cors)
        return cors
    return Cors(origin=value)
