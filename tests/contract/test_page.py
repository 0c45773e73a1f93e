"""The program on the page about typed handlers does what the page says."""

import json
from typing import Any

from sockwave.testing import LinkedClient
from tests.support.documents import blocks

PAGE = "typed-handlers.md"


async def test_program_of_the_page_answers_as_it_says() -> None:
    program: dict[str, Any] = {"__name__": "typed"}
    exec(compile(blocks(PAGE, "python")[0], PAGE, "exec"), program)
    id_ = "6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f"
    item: dict[str, Any] = {"name": "tea", "price": "2.50", "count": 2}
    async with LinkedClient(program["io"]) as client:
        placed = {"id": id_, "total": "5.00", "at": "2026-01-02T00:00:00Z"}
        assert await client.emit_with_ack("place", id_, [item]) == placed
        answer = await client.emit_with_ack("place", id_, [{**item, "count": 0}])
        assert answer == json.loads(blocks(PAGE, "json")[0])
        client.emit("place", id_, [{**item, "count": 0}])
        assert await client.received() == ("error", [answer])


async def test_hook_of_the_page_hears_of_it(capsys: Any) -> None:
    program: dict[str, Any] = {"__name__": "typed"}
    exec(compile(blocks(PAGE, "python")[1], PAGE, "exec"), program)

    def say(socket: Any, text: str) -> None: ...

    program["io"].event("say")(say)
    async with LinkedClient(program["io"]) as client:
        await client.emit_with_ack("say", 5)
    assert capsys.readouterr().out.endswith(" say $ Expected `str`, got `int`\n")


def test_program_about_the_contract_says_what_is_so() -> None:
    page = "contract.md"
    program: dict[str, Any] = {"__name__": "contracted"}

    exec(compile(blocks(page, "python")[0], page, "exec"), program)

    assert program["main"].auth == {"$ref": "#/models/Login"}
