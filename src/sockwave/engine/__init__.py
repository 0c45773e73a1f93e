"""Engine.IO alone, for protocols of your own on top of its sessions.

from sockwave.engine import Engine

engine = Engine(path="/engine.io")

@engine.on("connection")
def connection(session):
    session.on("message", session.send)

engine.run(port=3000)
"""

from sockwave.codec.deflate import Deflate
from sockwave.engine.core.options import (
    Cookie,
    Cors,
    EngineOptions,
    HttpCompression,
    Limits,
    RateLimits,
)
from sockwave.engine.core.request import Headers, Request
from sockwave.engine.server.api import Engine
from sockwave.engine.server.exchange import Response
from sockwave.engine.server.fronts.serving import Listener
from sockwave.engine.server.fronts.webtransport import WebTransport
from sockwave.engine.server.rules.rates import RateLimitCounts
from sockwave.engine.server.rules.verification import ErrorCode, HandshakeFailure
from sockwave.engine.server.sessions.session import ServerSession as Session
from sockwave.engine.server.sessions.session import SessionPacket

__all__ = [
    "Cookie",
    "Cors",
    "Deflate",
    "Engine",
    "EngineOptions",
    "ErrorCode",
    "HandshakeFailure",
    "Headers",
    "HttpCompression",
    "Limits",
    "Listener",
    "RateLimitCounts",
    "RateLimits",
    "Request",
    "Response",
    "Session",
    "SessionPacket",
    "WebTransport",
]
