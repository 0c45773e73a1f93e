"""Names and values that mean something elsewhere: rows D31, D32 and D41."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tests.security.ways import attack_with, connected_by, glued_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

NAMES: Final = (
    "__init__",
    "__class__",
    "__dict__",
    "__proto__",
    "__del__",
    "constructor",
    "hasOwnProperty",
    "connection",
    "on_connect",
    "on_disconnect",
    "emit",
    "_private",
    "_connection",
    "handshake",
    "namespace",
    "data",
    "any",
    "middleware",
    "%s%n{0.__class__}",
    "../x",
    "",
)
"""Attributes of sockets, of any object in Python or JavaScript, and names of ours."""


def id_of(reply: str) -> str:
    """Socket id in the reply to a CONNECT."""
    id_: str = json.loads(reply.removeprefix("40"))["sid"]
    return id_


async def test_d31_names_of_attributes_are_events_without_handlers(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    """Only the listener of any event sees them; nothing is acknowledged, nobody leaves."""
    runs = Counter(NAMES) + Counter(echo=1)
    async with targets(front).attack(runs=runs) as attack:
        peer = await connected_by(attack.wire, transport)
        for number, name in enumerate(NAMES):
            await peer.send(f'42{number}[{json.dumps(name)},"x"]')
        await peer.send('4299["echo"]')
        assert await peer.receive() == "4399[]"
        await peer.send("1")


async def test_d31_names_of_attributes_are_no_namespaces(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    async with targets(front).attack() as attack:
        peer = await attack.wire.open(transport)
        for name in NAMES:
            reply = await peer.connect(f"/{name}") if name else "44/,"
            assert name == "" or reply == f'44/{name},{{"message":"Invalid namespace"}}'
        await peer.send("1")


async def test_d31_names_of_attributes_are_rooms_and_keys_like_any_other(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    target = targets(front)
    runs = Counter(join=1, echo=1, leave=1)
    async with target.attack(runs=runs) as attack:
        peer = await attack.wire.open(transport)
        socket_id = id_of(await peer.connect())
        names = sorted(NAMES)
        await peer.send(f'420["join",{json.dumps(names)}]')
        assert await peer.receive() == "430[]"
        rooms = await target.do("tests.security.scenarios.looks.rooms", socket_id=socket_id)
        assert rooms == names
        values = {name: {"admin": True} for name in NAMES}
        await peer.send(f'421["echo",{json.dumps(values)}]')
        answer = await peer.receive()
        assert isinstance(answer, str) and json.loads(answer.removeprefix("431")) == [values]
        await peer.send(f'422["leave",{json.dumps(names)}]')
        assert await peer.receive() == "432[]"
        await peer.send("1")


# --- D32: auth ------------------------------------------------------------------------------------

AUTH: Final = "tests.security.scenarios.looks.auth"

RECOVERING: Final = {"connection_state_recovery": True}


AUTHS: Final[tuple[dict[str, Any], ...]] = (
    {"__proto__": {"admin": True}, "constructor": {"prototype": {"admin": True}}},
    {"pid": {}, "offset": []},
    {"pid": "", "offset": ""},
    {"pid": ["x"], "offset": {"x": 1}},
    {"pid": 5, "offset": True},
    {"pid": "x" * 10_000, "offset": "x" * 10_000},
    {"pid": "__class__", "offset": "-1"},
    {"": None, "sid": "x", "socket": {"id": "x"}},
)


async def test_d32_auth_is_a_plain_dict_and_wrong_types_are_ignored(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    target = targets(front, **RECOVERING)
    async with target.attack() as attack:
        for auth in AUTHS:
            peer = await attack.wire.open(transport)
            socket_id = id_of(await peer.connect(auth=auth))
            seen = await target.do(AUTH, socket_id=socket_id)
            told = {key: value for key, value in auth.items() if key not in ("pid", "offset")}
            expected = told if len(repr(told)) <= 1_000 else {k: len(v) for k, v in told.items()}
            assert seen == {"auth": expected, "kind": "dict", "recovered": False}
            await peer.send("41")  # so that nothing is kept for its return
            await peer.send("1")


async def test_d32_auth_has_a_bound_of_its_own_and_that_of_the_message(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    target = targets(front)
    async with target.attack() as attack:
        peer = await attack.wire.open(transport)
        socket_id = id_of(await peer.connect(auth={"token": "x" * 65_000}))
        seen = await target.do(AUTH, socket_id=socket_id)
        assert seen["auth"] == {"token": 65_000}
        await peer.send("1")
        peer = await attack.wire.open(transport)
        assert await peer.connect(auth={"token": "x" * 999_000}) == '44{"message":"auth too large"}'
        await peer.send("1")
        peer = await attack.wire.open(transport)
        packet = f'40{{"token":"{"x" * 1_000_000}"}}'
        if transport == "polling":
            http = await attack.wire.http()
            reply = await http.post(attack.wire.target(sid=peer.sid), packet)
            assert reply.status == 413
        else:
            await peer.send(packet)
            assert (await peer.ended()).code == 1009


async def test_d32_auth_that_is_no_object_closes(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    """As in the reference, whose parser refuses the packet; not with a CONNECT_ERROR. A number
    would be the id of an acknowledgement."""
    async with targets(front).attack() as attack:
        for auth in ("[]", '"text"', "null", "true", '["pid"]', "{", "{}x"):
            peer = await attack.wire.open(transport)
            await peer.send(f"40{auth}")
            await peer.ended()


async def test_d32_nothing_behind_a_wrong_auth_is_handled(
    front: str, targets: Callable[..., Target], transport: str, way: str
) -> None:
    async with targets(front).attack(runs=glued_runs(way)) as attack:
        peer = await connected_by(attack.wire, transport)
        await attack_with(peer, "40/dyn-1,[]", way=way)
        await peer.ended()


# --- D41: arguments that do not fit ---------------------------------------------------------------

FLOOD: Final = 300


async def test_d41_arguments_that_do_not_fit_run_nothing_and_are_one_line_in_the_log(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    """Without annotations: what fits is the number of arguments."""
    target = targets(front)
    runs = Counter(join=FLOOD + 2, echo=1)
    before = len(target.output)
    async with target.attack(runs=runs) as attack:
        peer = await connected_by(attack.wire, transport)
        await peer.send('420["join"]', f'421["join",1,{json.dumps("x" * 900_000)}]')
        for _ in range(3):
            await peer.send(*['42["join",1,2,{"more":3}]'] * (FLOOD // 3))
        await peer.send('422["echo","still here"]')
        assert await peer.receive() == '432["still here"]'
        await peer.send("1")
    assert "arguments of an event do not fit its handler" in target.output  # maybe a row before
    log = target.output[before:]
    assert log.count("do not fit") <= 3 and "xxx" not in log
