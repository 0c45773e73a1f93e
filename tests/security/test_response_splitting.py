"""Line ends in what becomes a header of an answer: refused where it is set, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Cookie, Cors, Server
from sockwave.engine import Response
from tests.security.requests import leave
from tests.support.raw import RawWebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

SPLITS: Final = ("\r\nX-Injected: 1", "\nX-Injected: 1", "\rX-Injected: 1", "\0", "\x0b", "\x7f")

SCENARIOS: Final = "tests.security.scenarios.requests"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("place", ["a%s", "%sa", "a%sb"])
def test_v40_options_that_would_split_a_response(split: str, place: str) -> None:
    value = place.replace("%s", split)
    for option in ("name", "path", "domain"):
        with pytest.raises(ValueError, match=f"cookie {option}"):
            Server(cookie={option: value})
        with pytest.raises(ValueError, match=f"cookie {option}"):
            Cookie(**{option: value})  # type: ignore[arg-type] # each in its turn
    arguments: dict[str, Any]
    for arguments in (
        {"origin": f"https://{value}"},
        {"origin": ["https://example.com", f"https://{value}"]},
        {"origin": "*", "methods": [value]},
        {"origin": "*", "allowed_headers": [value]},
        {"origin": "*", "exposed_headers": [value]},
    ):
        with pytest.raises(ValueError, match="cors"):
            Cors(**arguments)
        with pytest.raises(ValueError, match="cors"):
            Server(cors=arguments)
    with pytest.raises(ValueError, match="path"):
        Server(path="/" + value)
    with pytest.raises(ValueError, match="header Location"):
        Response(status=302, headers=[("Location", f"https://example.com/{value}")])
    with pytest.raises(ValueError, match="name of a header"):
        Response(headers=[(value, "1")])


def test_v40_cookie_quotes_an_id_of_the_application() -> None:
    assert Cookie().render("a\r\nX-Injected: 1;b") == (
        "io=a%0D%0AX-Injected%3A%201%3Bb; Path=/; HttpOnly; SameSite=Lax"
    )


@pytest.mark.parametrize("event", ["headers", "initial_headers"])
async def test_v40_header_of_a_handler(
    front: str, targets: Callable[..., Target], event: str
) -> None:
    """It is left out, the log says whose fault it is, and the good ones go out."""
    target = targets(front)
    added = [["X-Bad", f"a{SPLITS[0]}"], [f"X-Worse{SPLITS[0]}", "a"], ["X-Good", "a\u00e9"]]
    async with target.attack(logs_errors=True) as attack:
        begin = len(target.output)
        await target.do(f"{SCENARIOS}.add_headers", event=event, added=added)
        reply = await attack.wire.get(attack.wire.target("polling", split="1"))
        await target.do(f"{SCENARIOS}.add_none")
        await leave(attack.wire, reply)
    assert reply.header("x-good") == "a\u00e9"
    assert not {name for name, _ in reply.headers} & {"x-bad", "x-worse", "x-injected"}
    assert target.output[begin:].count("was left out") == 2


async def test_v40_subprotocol_of_a_client(native: str, targets: Callable[..., Target]) -> None:
    """The first one is answered if it is a token; what else is offered is nobody's business."""
    offers = {"chat, b": "chat", "a b": None, "a;b": None, ",": None, 'a"b"': None}
    async with targets(native).attack() as attack:
        for offered, answered in offers.items():
            http = await attack.wire.http()
            headers = RawWebSocket.request_headers(Sec_WebSocket_Protocol=offered)
            reply = await http.request("GET", attack.wire.target("websocket"), headers)
            assert (reply.status, reply.header("sec-websocket-protocol")) == (101, answered)
