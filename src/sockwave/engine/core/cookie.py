"""The option `cookie`: one with the session id, for load balancers that look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from sockwave.engine.core.option_checks import (
    check_bool,
    check_header_value,
    check_integer,
    check_token,
)
from sockwave.engine.core.option_names import strict_options

__all__ = ["Cookie"]

_UNQUOTED: Final = "!*'()"
"""What JavaScript's encodeURIComponent leaves as it is, beside what Python's `quote` does."""


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """Cookie with the session id on the polling handshake, for load balancers that look at one.

    Attributes:
        name: Name of the cookie.
        path: Part of the site that it is sent to; None leaves the attribute out, and so it is with
            `domain` and `max_age`.
        http_only: Keep it from scripts of the page.
        same_site: Whether browsers send it from pages of other sites; `none` needs `secure`.
        secure: Send it over TLS only.
        domain: For this domain and those below it; None: for the server's host alone.
        max_age: Seconds that browsers keep it; None: until they are closed.
        partitioned: Keep one for each site that the server's pages are embedded in.
        priority: What browsers that throw cookies away (Chromium) go by.
    """

    name: str = "io"
    path: str | None = "/"
    http_only: bool = True
    same_site: Literal["strict", "lax", "none"] | None = "lax"
    secure: bool = False
    domain: str | None = None
    max_age: int | None = None
    partitioned: bool = False
    priority: Literal["low", "medium", "high"] | None = None

    def __post_init__(self) -> None:
        check_token("cookie name", self.name)
        for name in ("path", "domain"):
            value = getattr(self, name)
            if value is not None:
                check_header_value(f"cookie {name}", value)
                if ";" in value:
                    raise ValueError(f"cookie {name}: {value!r} cannot contain ';'")
        for name in ("http_only", "secure", "partitioned"):
            check_bool(f"cookie {name}", getattr(self, name))
        if self.max_age is not None:
            check_integer("cookie max_age", self.max_age, 0)
        if self.same_site not in ("strict", "lax", "none", None):
            raise ValueError(f"cookie same_site: {self.same_site!r} is not strict, lax or none")
        if self.priority not in ("low", "medium", "high", None):
            raise ValueError(f"cookie priority: {self.priority!r} is not low, medium or high")
        self._check_secure()

    def _check_secure(self) -> None:
        """Refuse what browsers drop."""
        name = self.name.lower()
        needing = {
            "same_site='none'": self.same_site == "none",
            "partitioned=True": self.partitioned,
            f"the name {self.name!r}": name.startswith(("__secure-", "__host-")),
        }
        for what, is_given in needing.items():
            if is_given and not self.secure:
                raise ValueError(f"cookie: {what} needs secure=True, or browsers drop the cookie")
        if name.startswith("__host-") and (self.domain is not None or self.path != "/"):
            raise ValueError(
                f"cookie: the name {self.name!r} needs path='/' and no domain, or browsers drop it"
            )

    def render(self, sid: str) -> str:
        """Value of `Set-Cookie`."""
        parts = [f"{self.name}={quote(sid, safe=_UNQUOTED)}"]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        if self.path is not None:
            parts.append(f"Path={self.path}")
        if self.http_only:
            parts.append("HttpOnly")
        if self.secure:
            parts.append("Secure")
        if self.partitioned:
            parts.append("Partitioned")
        if self.priority is not None:
            parts.append(f"Priority={self.priority.capitalize()}")
        if self.same_site is not None:
            parts.append(f"SameSite={self.same_site.capitalize()}")
        return "; ".join(parts)
