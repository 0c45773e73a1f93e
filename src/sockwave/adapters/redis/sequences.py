"""Numbers by which those who listen see that messages of a server have not come.

Theory. What a server of ours sends to everybody has a number. On the classic channels each process
hears all of them, so there is one count for each sender; a broadcast that is thrown away unread,
since nobody here is in its room, is counted unread, too: `WholeCount`. On the sharded channels a
process misses nothing when it does not listen to the channel of a room, so each channel has a count
of its own, for each sender: `ChannelCounts`, of which the sender's side is `SentCounts`.

The algorithm gets neither, but in `Message.sequence` one count for each sender, of what should have
been heard here: it leaves out as many as are missing. Servers in JavaScript have no numbers, and
`None` is what nobody knows.

All of it is bounded. Who is forgotten begins anew, which is no gap.
"""

from __future__ import annotations

from typing import Final

from sockwave.adapters.messages import Message

__all__ = ["ChannelCounts", "SentCounts", "WholeCount", "with_sequence"]

MAX_SENDERS: Final = 10_000
"""Servers whose count is kept: more than there are, but for those that died without a goodbye."""

MAX_CHANNELS: Final = 50_000
"""Channels with a count, of all senders together: some hundred bytes each."""

MAX_MISSED: Final = 100_000_000
"""Messages that can be missing in one place: a number that is further ahead is no number."""


def with_sequence(message: Message, sequence: int | None) -> Message:
    """The same message with another number; quicker than `dataclasses.replace`."""
    type_, data, sender = message.type, message.data, message.sender
    return Message(type_, data, sender, message.namespace, message.number, sequence)


class SentCounts:
    """Counts what a process publishes, by channel; each count begins with 0.

    One that begins again, where too many were kept, is known by its 0.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def next(self, channel: str) -> int:
        """The number of what is published next on a channel."""
        return self._next.get(channel, 0)

    def used(self, channel: str, number: int) -> None:
        """It has been given to a message."""
        if len(self._next) >= MAX_CHANNELS and channel not in self._next:
            self._next.clear()
        self._next[channel] = number + 1


class WholeCount:
    """What has come of each sender where all of it should come; `sender` is an id in msgpack."""

    def __init__(self) -> None:
        # Of each: the number up to which all has come, was thrown away, or is missed; and the
        # number that the algorithm was told.
        self._states: dict[bytes, list[int]] = {}

    def passed_over(self, sender: bytes) -> None:
        """A numbered message was thrown away unread; nothing more is done about it, as this is
        where most messages of a large cluster end."""
        if (state := self._states.get(sender)) is not None:
            state[0] += 1

    def came(self, sender: bytes, number: int) -> int:
        """A message was read; returns its number for the algorithm."""
        state = self._states.get(sender)
        if state is None:
            if len(self._states) >= MAX_SENDERS:
                del self._states[next(iter(self._states))]
            self._states[sender] = [number, number]
            return number
        state[1] += _step(number - state[0])
        state[0] = number
        return state[1]

    def keep(self, sender: bytes) -> None:
        """It is alive: of too many, those are forgotten that were not for longest."""
        if (state := self._states.pop(sender, None)) is not None:
            self._states[sender] = state

    def drop(self, sender: bytes) -> None:
        """It has said goodbye."""
        self._states.pop(sender, None)


class ChannelCounts:
    """What has come of each sender on each channel that is listened to."""

    def __init__(self) -> None:
        self._last: dict[bytes, dict[str, int]] = {}
        self._told: dict[str, int] = {}
        self._size = 0  # of all dicts in `_last`

    def came(self, channel: bytes, sender: str, number: int) -> int:
        """A message has come; returns its number for the algorithm."""
        counts = self._last.get(channel)
        if counts is None:
            counts = self._last[channel] = {}
        last = counts.get(sender)
        if last is None:
            if self._size >= MAX_CHANNELS:
                self._last.clear()
                counts = self._last[channel] = {}
                self._size = 0
            self._size += 1
        counts[sender] = number
        told = self._told.get(sender)
        if told is None:
            told = 0
            if len(self._told) >= MAX_SENDERS:
                del self._told[next(iter(self._told))]
        told += 1 if last is None else _step(number - last)
        self._told[sender] = told
        return told

    def left(self, channel: bytes) -> None:
        """It is not listened to any more: what comes there is not missed."""
        self._size -= len(self._last.pop(channel, ()))

    def drop(self, sender: str) -> None:
        """It has said goodbye."""
        self._told.pop(sender, None)
        for counts in self._last.values():
            if counts.pop(sender, None) is not None:
                self._size -= 1


def _step(ahead: int) -> int:
    """By how much a count goes on: one that goes back has begun again, or is a lie."""
    return ahead if 0 < ahead <= MAX_MISSED else 1
