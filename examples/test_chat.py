"""Tests of chat.py, without a port and without a browser.

`pip install sockwave starlette pytest`, then `python -m pytest test_chat.py`.
"""

import asyncio

import pytest
from chat import io

from sockwave import ConnectError
from sockwave.testing import LinkedClient


def test_others_hear_what_one_says() -> None:
    async def scenario() -> None:
        async with LinkedClient(io, auth={"name": "Ada"}) as ada:
            async with LinkedClient(io, auth={"name": "Grace"}) as grace:
                assert await ada.received() == ("note", ["Grace is here"])
                assert await grace.emit_with_ack("say", "hello") == "delivered"
                assert await ada.received() == ("said", ["Grace", "hello"])
            assert await ada.received() == ("note", ["Grace has left"])

    asyncio.run(scenario())


def test_nobody_comes_in_without_a_name() -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectError, match="Please give a name"):
            await LinkedClient(io, auth={"name": " "}).connect()

    asyncio.run(scenario())
