"""Wake-ups: who waits for something in this process, or in another, learns that it is worth a look.

Nothing depends on a wake-up's arrival: whoever waits also looks from time to time. So they are sent at most once, and
those of a moment are sent together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from hanok.base.ids import new_uuid
from hanok.bus.interface import Bus

SUBJECT = "control.wake"
TOGETHER_S = 0.005  # wake-ups within this time are one message

Listener = Callable[[list[str]], None]
"""Is given the words that came with a topic: ids that have changed, say; none where the topic says it all."""


class _Message(Struct, frozen=True, array_like=True):
    sender: str
    topics: dict[str, list[str]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Message).decode


class Wakes:
    """The wake-ups of one process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._name = new_uuid()
        self._listeners: dict[str, list[Listener]] = {}
        self._untold: dict[str, dict[str, None]] = {}
        self._some = asyncio.Event()

    def on(self, topic: str, listener: Listener) -> None:
        """Call listener at each wake-up of a topic, from here or elsewhere. It must not wait."""
        self._listeners.setdefault(topic, []).append(listener)

    def off(self, topic: str, listener: Listener) -> None:
        self._listeners[topic].remove(listener)

    def wake(self, topic: str, words: Iterable[str] = ()) -> None:
        """Wake this process's listeners now, and the others' soon."""
        told = list(words)
        self._call(topic, told)
        self._untold.setdefault(topic, {}).update(dict.fromkeys(told))
        self._some.set()

    def _call(self, topic: str, words: list[str]) -> None:
        for listener in list(self._listeners.get(topic, ())):
            listener(words)

    async def _heard(self, _subject: str, payload: bytes) -> None:
        message = _decode(payload)
        if message.sender != self._name:
            for topic, words in message.topics.items():
                self._call(topic, words)

    async def run(self) -> None:
        """Tell other processes, and hear what they tell, until cancelled."""
        listening = await self._bus.listen(SUBJECT, self._heard)
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(TOGETHER_S)
                self._some.clear()
                await self._tell()
        finally:
            await self._tell()
            await listening.end()

    async def _tell(self) -> None:
        untold, self._untold = self._untold, {}
        if untold:
            topics = {topic: list(words) for topic, words in untold.items()}
            await self._bus.publish(SUBJECT, _encode(_Message(self._name, topics)))
