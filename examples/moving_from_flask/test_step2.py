"""Step 3: the tests, without a port.

`pip install sockwave[redis] flask flask-login a2wsgi pytest`, `pytest test_step2.py`.
"""

import asyncio

import pytest
from step2 import app, io

from sockwave import ConnectError
from sockwave.testing import LinkedClient


def cookie_of(name: str) -> dict[str, str]:
    """Headers of a browser that has logged in."""
    browser = app.test_client()
    browser.post(f"/login/{name}")
    cookie = browser.get_cookie("session")
    assert cookie is not None
    return {"cookie": f"session={cookie.value}"}


def test_others_hear_what_one_says() -> None:
    async def scenario() -> None:
        async with LinkedClient(io, headers=cookie_of("ada")) as ada:
            async with LinkedClient(io, headers=cookie_of("grace")) as grace:
                assert await ada.received() == ("joined", ["grace"])
                assert await grace.emit_with_ack("say", "hello") == 1
                assert await ada.received() == ("said", ["grace", "hello"])
            assert await ada.received() == ("gone", ["grace"])

    asyncio.run(scenario())


def test_nobody_comes_in_without_a_login() -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectError, match="log in first"):
            await LinkedClient(io).connect()

    asyncio.run(scenario())
