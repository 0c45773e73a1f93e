"""The example of a contract: what is written stands beside its server, and its client works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from sockwave.contract.python import to_python
from sockwave.contract.typescript import to_typescript
from tests.contract.example import FOLDER, contract, module
from tests.support.documents import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.contract.description import Contract


@pytest.mark.parametrize(
    ("file", "write"), [("events.ts", to_typescript), ("shop_client.py", to_python)]
)
def test_what_is_written_stands_in_the_example(file: str, write: Callable[[Contract], str]) -> None:
    assert (FOLDER / file).read_text() == write(contract(module("server")))


async def test_client_of_the_example_orders_tea(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    try:
        server, client = module("server"), module("client")
        async with server.io.listen("127.0.0.1", 0) as listener:
            await client.main(f"http://127.0.0.1:{listener.port}")
    finally:
        sys.modules.pop("shop_client", None)
    assert capsys.readouterr().out.splitlines() == [
        "assam is ready, with a photo of 2 bytes",
        "order 1 takes 5.0 minutes",
        "no: sold_out: no sencha today",
    ]


def test_page_shows_the_code_of_the_example() -> None:
    page = "contract-clients.md"
    files = ("server.py", "client.py", "client.ts", "events.ts", "page.js", "shop_client.py")
    texts = [(FOLDER / file).read_text() for file in files]
    shown = [block for mark in ("python", "ts", "js") for block in blocks(page, mark)]
    assert len(shown) == 5
    for block in shown:
        for part in block.strip().split("\n\n"):
            assert any(part in text for text in texts), part
