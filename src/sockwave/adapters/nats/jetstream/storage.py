"""The streams of a cluster: made where they are missing, and as large as is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.nats.jetstream.api import NO_STREAM, JetStreamRefused

if TYPE_CHECKING:
    from sockwave.adapters.nats.jetstream.api import Api
    from sockwave.adapters.nats.jetstream.options import JetStream, Keeping
    from sockwave.adapters.nats.subjects import Subjects

__all__ = ["Storage"]

TWICE_WITHIN: Final = 20.0
"""Seconds in which NATS tells a message that it is given twice: as long as one may be on its way on
a connection that has ended."""

BEYOND: Final = 1.0
"""Seconds that lost clients are kept beyond their time, which is theirs to tell."""

_NANOSECONDS: Final = 1_000_000_000


class Storage:
    """The streams of one cluster.

    Args:
        subjects: Of what is in them.
        options: How large they are.
        keeping: For how long what is kept.

    Attributes:
        events: Name of the stream of events.
        sessions: Name of that of lost clients.
    """

    def __init__(self, subjects: Subjects, options: JetStream, keeping: Keeping) -> None:
        self.events: str = f"{subjects.stream_name}-events"
        self.sessions: str = f"{subjects.stream_name}-sessions"
        self._subjects = subjects
        self._options = options
        self._keeping = keeping

    async def prepare(self, api: Api) -> dict[str, Any]:
        """See that all is there.

        Returns:
            What NATS says of the stream of events.

        Raises:
            OSError: NATS does not answer.
            StreamRefused: JetStream is not enabled, or does not give what is wanted.
        """
        keeping, most = self._keeping, self._options.max_bytes
        if keeping.sessions:
            wanted = self._wanted(
                self.sessions,
                [self._subjects.all_sessions],
                keeping.sessions + BEYOND,
                most // 4,
            )
            await _ensure(api, {**wanted, "max_msgs_per_subject": 1})
        wanted = self._wanted(self.events, self._subjects.all_entries, keeping.events, most)
        return await _ensure(api, wanted)

    async def forget_sessions(self, api: Api) -> None:
        """Let nobody come back who is kept now.

        Raises:
            OSError, StreamRefused: NATS does not do it.
        """
        if self._keeping.sessions:
            await api.ask(f"STREAM.PURGE.{self.sessions}")

    def _wanted(self, name: str, subjects: list[str], age: float, size: int) -> dict[str, Any]:
        return {
            "name": name,
            "subjects": subjects,
            "retention": "limits",
            "discard": "old",
            "storage": self._options.storage,
            "num_replicas": self._options.replicas,
            "max_age": round(age * _NANOSECONDS),
            "max_bytes": size,
            "max_msgs": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "duplicate_window": round(min(TWICE_WITHIN, age) * _NANOSECONDS),
        }


async def _ensure(api: Api, wanted: dict[str, Any]) -> dict[str, Any]:
    """Make a stream, or make one larger."""
    name = wanted["name"]
    try:
        info = await api.ask(f"STREAM.INFO.{name}")
    except JetStreamRefused as error:
        if error.code != NO_STREAM:
            raise
        return await _change(api, f"STREAM.CREATE.{name}", wanted)
    config = info.get("config")
    if not isinstance(config, dict):
        raise ConnectionError("what NATS says of the stream makes no sense")
    if config.get("subjects") != wanted["subjects"] or config.get("retention") != "limits":
        raise JetStreamRefused(f"stream {name} of NATS is there already, for something else")
    larger = {
        key: wanted[key]
        for key in ("max_age", "max_bytes")
        if _is_less(config.get(key), wanted[key])
    }
    if not larger:
        return info
    return await _change(api, f"STREAM.UPDATE.{name}", {**config, **larger})


def _is_less(limit: Any, wanted: int) -> bool:
    """Whether a limit is there, and is less than what is wanted."""
    return isinstance(limit, int) and 0 < limit < wanted


async def _change(api: Api, what: str, config: dict[str, Any]) -> dict[str, Any]:
    try:
        return await api.ask(what, config)
    except JetStreamRefused as error:
        raise JetStreamRefused(
            f"the stream {config['name']} of {config['max_bytes']} bytes cannot be had from NATS, "
            f"see `JetStream(max_bytes=...)` and the limits of the account: {error}",
            error.code,
        ) from error
