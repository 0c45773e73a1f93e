"""Where connected sockets are kept: a hash of Redis for each process, which ends a while after it.

Which hashes there are stands in a sorted set beside them, with the time of their end. Each
thing that is done is a script, as it must be done whole or not at all. What was taken out
of a hash leaves an empty field: whoever has put it there, and goes on after all, sees that it is
elsewhere, and neither keeps it again nor puts it where lost ones are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.streams.contract import ConnectedElsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.adapters.redis.lines import Command
    from sockwave.adapters.redis.stream_writer import StreamWriter

__all__ = ["FIND", "KEEP", "SAVE", "TAKE", "ConnectedKeys"]

KEEP: Final = """\
local now = redis.call('time')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('zremrangebyscore', KEYS[2], '-inf', now)
redis.call('zadd', KEYS[2], now + ARGV[2], ARGV[1])
if redis.call('pttl', KEYS[2]) < ARGV[2] * 2 then
  redis.call('pexpire', KEYS[2], ARGV[2] * 2)
end
local was_there = redis.call('exists', KEYS[1])
for at = 3, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('hdel', KEYS[1], ARGV[at])
  elseif redis.call('hget', KEYS[1], ARGV[at]) ~= '' then
    redis.call('hset', KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
redis.call('pexpire', KEYS[1], ARGV[2])
return was_there
"""
"""Changes sockets of one process, and lets what it has live on."""

SAVE: Final = """\
if redis.call('hget', KEYS[1], ARGV[1]) == '' then
  return 0
end
redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('hdel', KEYS[1], ARGV[1])
return 1
"""
"""A connected socket is lost."""

FIND: Final = """\
for _, owner in ipairs(redis.call('zrange', KEYS[1], 0, -1)) do
  local value = redis.call('hget', ARGV[2] .. owner, ARGV[1])
  if owner ~= ARGV[5] and value and value ~= '' then
    return {owner, redis.call('pubsub', ARGV[4], ARGV[3] .. owner .. '#')[2]}
  end
end
return {}
"""
"""Where a socket is kept, and whether its process listens at Redis: who is dead does not."""

TAKE: Final = """\
local value = redis.call('hget', KEYS[1], ARGV[1])
if not value or value == '' then
  return {}
end
if ARGV[2] ~= '' and redis.call('pubsub', ARGV[3], ARGV[2])[2] > 0 then
  return {}
end
redis.call('hset', KEYS[1], ARGV[1], '')
return {value, redis.call('pttl', KEYS[1])}
"""
"""Takes it, unless its process listens again."""


class ConnectedKeys:
    """Those of one namespace; see `ConnectedStore`.

    Args:
        writer: Of the stream, at the Redis that has the keys.
        prefix: What the keys begin with.
        session_prefix: The same of the keys of lost sockets.
        channel: What the names of channels of processes begin with.
        verb: How Redis counts who listens there.
    """

    def __init__(
        self, writer: StreamWriter, prefix: str, session_prefix: str, channel: str, verb: str
    ) -> None:
        self._writer = writer
        self._registry = f"{prefix}servers"
        self._prefix = f"{prefix}of:"
        self._session_prefix = session_prefix
        self._channel = channel
        self._verb = verb

    def keep(
        self,
        owner: str,
        changes: Sequence[tuple[str, bytes]],
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Keep sockets, forget others, and let all live on."""
        fields = [part for change in changes for part in change]
        command: Command = (
            *("EVAL", KEEP, 2, self._prefix + owner, self._registry),
            *(owner, _milliseconds(seconds), *fields),
        )
        return self._writer.put(command, done)

    def save(
        self, owner: str, pid: str, value: bytes, seconds: float, done: Callable[[Any], None]
    ) -> bool:
        """One is lost."""
        command: Command = (
            *("EVAL", SAVE, 2, self._prefix + owner, self._session_prefix + pid),
            *(pid, value, _milliseconds(seconds)),
        )
        return self._writer.put(command, done)

    async def find(self, pid: str, besides: str) -> ConnectedElsewhere | None:
        """Look for one of other processes."""
        reply = await self._writer.ask(
            (
                *("EVAL", FIND, 1, self._registry),
                *(pid, self._prefix, self._channel, self._verb, besides),
            )
        )
        match reply:
            case [bytes() as owner, int() as listeners]:
                return ConnectedElsewhere(owner.decode("utf-8", "replace"), listeners > 0)
        return None

    async def take(self, pid: str, owner: str, *, is_gone: bool) -> tuple[bytes, float] | None:
        """Take one of a process that has ended."""
        channel = "" if is_gone else f"{self._channel}{owner}#"
        reply = await self._writer.ask(
            ("EVAL", TAKE, 1, self._prefix + owner, pid, channel, self._verb)
        )
        match reply:
            case [bytes() as value, int() as left]:
                return value, left / 1000
        return None


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 1)
