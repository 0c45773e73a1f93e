"""Contexts of traces as text: `traceparent` of W3C Trace Context, version 00."""

from __future__ import annotations

import re
from typing import Any, Final

from opentelemetry.trace import SpanContext, TraceFlags

from sockwave.codec.json import encode_plain
from sockwave.socketio.core.handshake import TRACE

__all__ = ["last_argument", "parse_context", "take_context", "to_text"]

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def parse_context(text: object) -> SpanContext | None:
    """Read what somebody else has written, who may be anybody; None where it is no context."""
    if not isinstance(text, str) or len(text) > 512:
        return None
    found = _FORM.fullmatch(text)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    flags = TraceFlags(int(found[4], 16) & TraceFlags.SAMPLED)
    context = SpanContext(int(found[2], 16), int(found[3], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid else None


def to_text(context: SpanContext) -> str:
    """Write a context."""
    sampled = int(context.trace_flags.sampled)
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{sampled:02x}"


def last_argument(context: SpanContext) -> bytes:
    """The argument that carries a context, as JSON."""
    return encode_plain({TRACE: to_text(context)})


def take_context(args: list[Any]) -> SpanContext | None:
    """Take the context off the arguments of an event, if there is one behind its name."""
    last = args[-1]
    if last.__class__ is dict and len(last) == 1 and TRACE in last and len(args) > 1:
        args.pop()
        return parse_context(last[TRACE])
    return None
