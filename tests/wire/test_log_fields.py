"""A run with many faults, everything logged: fields of the records, and no secret in any."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import ConnectError, Server, Socket
from sockwave.logs import JsonFormatter

if TYPE_CHECKING:
    from tests.support.fronts import Front, Wire

SECRET: Final = "s3cret"
"""In whatever a client sends that is nobody's business."""

HEADERS: Final = {
    "Cookie": f"session={SECRET}-cookie",
    "Authorization": f"Bearer {SECRET}-header",
}

EVENT: Final = f'42["%s",{{"password":"{SECRET}-payload"}}]'


def faulty_server() -> Server:
    """One whose handlers fail."""
    io = Server(allow_eio3=True, max_namespaces=1, cors=["https://example.com"])

    @io.of("/closed").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("not you")

    @io.of("/broken").use
    def broken(socket: Socket) -> None:
        raise ValueError("broken")

    @io.event
    def fail(socket: Socket, value: Any) -> None:
        raise RuntimeError("failed")

    @io.event
    def two(socket: Socket, one: int, other: int) -> None: ...

    @io.event
    def typed(socket: Socket, value: int) -> None: ...

    @io.engine.on("headers")
    def headers(headers: list[tuple[str, str]], request: object) -> None:
        headers.append(("X-Bad", "a\nb"))

    return io


async def every_fault(wire: Wire) -> set[str]:
    """Do all that clients do wrong; give the ids of their sessions."""
    sids = set()
    query = {"token": f"{SECRET}-query"}
    for transport in ("polling", "websocket"):
        peer = await wire.open(transport, **query)
        sids.add(peer.sid)
        for namespace in ("/closed", "/broken", "/nowhere", "/", "/more"):
            await peer.send(f'40{namespace},{{"token":"{SECRET}-auth"}}')
            await peer.receive()
        for name in ("fail", "two", "typed", "unknown"):
            await peer.send(EVENT % name)
        await peer.send(f'42/never,["x","{SECRET}-payload"]')  # which ends the session
        await peer.ended()
        peer = await wire.open(transport, **query)
        sids.add(peer.sid)
        await peer.connect(auth={"token": f"{SECRET}-auth"})
        await peer.send(f"4x{SECRET}-packet")
        await peer.ended()
    requests: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("GET", wire.target("polling", eio="3", **query), {}),
        ("GET", wire.target("polling", sid=f"guess-{SECRET}", **query), {}),
        ("GET", wire.target("nothing", **query), {}),
        ("GET", wire.target("polling", eio="9", **query), {}),
        ("GET", wire.target(**query), {"Origin": "https://evil.example"}),
        ("BREW", wire.target(**query), {}),
    )
    for method, target, headers in requests:
        reply = await wire.request(method, target, {**HEADERS, **headers})
        if '"sid":"' in reply.text:
            sids.add(reply.text.partition('"sid":"')[2].partition('"')[0])
    return sids


@pytest.mark.logs_errors
async def test_no_record_tells_a_secret_and_fields_tell_the_rest(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sockwave")
    io = faulty_server()
    async with front.serve(io) as wire:
        sids = await every_fault(wire)
        assert len(sids) >= 5 and all(len(sid) == 20 for sid in sids)
    formatter = JsonFormatter()
    lines = [formatter.format(record) for record in caplog.get_records("call")]
    ours = [line for line in lines if '"logger": "sockwave' in line]
    assert len(ours) > 50
    for line in ours:  # hosts have their own
        assert not any(sid in line for sid in sids), line
        assert SECRET not in line
    check_fields([json.loads(line) for line in ours], sids)


def check_fields(records: list[dict[str, Any]], sids: set[str]) -> None:
    """What stands in the text stands in the fields."""
    by_reason = {record["reason"]: record for record in records if "reason" in record}
    masked = {f"{sid[:4]}..." for sid in sids}
    for reason, fields in {
        "unknown namespace": {"namespace", "sid", "address"},
        "too many namespaces": {"sid", "address"},
        "event for a namespace that was not joined": {"sid", "address"},
        "arguments of an event do not fit its handler": {
            *("event", "namespace", "socket", "address"),
        },
        "an event was not admitted": {"event", "namespace", "socket", "address"},
        "refused: Session ID unknown": {"address"},
        "RuntimeError": {"event", "namespace", "socket"},
        "ValueError": {"event", "namespace", "socket"},
    }.items():
        assert reason in by_reason, f"{reason!r} is not in {sorted(by_reason)}"
        record = by_reason[reason]
        assert fields <= record.keys(), record
        assert record.get("address", "127.0.0.1") == "127.0.0.1"
    assert {record["sid"] for record in records if "sid" in record} == masked
    assert by_reason["RuntimeError"]["event"] == "fail"
    assert "Traceback" in by_reason["RuntimeError"]["exception"]
