"""The cookie with the session id, as it is written."""

from __future__ import annotations

import pytest

from sockwave.engine.core.cookie import Cookie


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        (Cookie(), "io=x; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(name="sid", path=None), "sid=x; HttpOnly; SameSite=Lax"),
        (Cookie(http_only=False, same_site=None), "io=x; Path=/"),
        (
            Cookie(secure=True, same_site="none", partitioned=True, domain="a.com", max_age=60),
            "io=x; Max-Age=60; Domain=a.com; Path=/; HttpOnly; Secure; Partitioned; SameSite=None",
        ),
    ],
)
def test_cookie_is_written_with_its_attributes(cookie: Cookie, header: str) -> None:
    assert cookie.render("x") == header
