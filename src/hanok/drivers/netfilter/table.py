"""A table of the packet filter in one network namespace: all of it is told at once, and is in force or is not.

Its chains are replaced; objects that stay (maps with what clients were given, sets, counters) keep what they hold.

Source: nft(8), "Tables", "Maps", "Counters", "-t, --terse", "libnftables-json".
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hanok.base import programs
from hanok.drivers.netfilter.errors import FilterFailed

BINARY = "nft"
NAME = "inet hanok"
TELL_S = 20.0
WORDS = 1000  # characters of what it says that are told
_KINDS = ("chain", "map", "set", "counter", "ct timeout")


class Content(Struct, frozen=True, kw_only=True):
    """What a table shall hold.

    objects: by kind ("map", "set", "counter", "ct timeout") and name, what stands between their braces. base: what
    stands between the braces of chains that packets come into by themselves. rules: by chain, in their order.
    """

    objects: Mapping[tuple[str, str], str]
    base: Mapping[str, str]
    rules: Mapping[str, Sequence[str]]


class Table:
    """Args: namespace: the path of a network namespace."""

    def __init__(self, namespace: str) -> None:
        self._enter = ("nsenter", f"--net={namespace}", "--", BINARY)

    async def put(self, content: Content) -> None:
        """Raises FilterFailed: what was in force still is."""
        await self._tell(script(content, await self._names()))

    async def remove(self) -> None:
        """There is none. Raises FilterFailed."""
        await self._tell(f"add table {NAME}\ndelete table {NAME}\n")

    async def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and bytes by counter. Raises FilterFailed."""
        told = await self._ask("list", "counters", "table", *NAME.split())
        found = (one["counter"] for one in told if "counter" in one)
        return {one["name"]: (one["packets"], one["bytes"]) for one in found}

    async def _names(self) -> list[tuple[str, str]]:
        """What there is, by kind and name; nothing where there is no table."""
        try:
            told = await self._ask("-t", "list", "table", *NAME.split())
        except FilterFailed:
            return []
        return [(kind, one[kind]["name"]) for one in told for kind in _KINDS if kind in one]

    async def _ask(self, *words: str) -> list[dict[str, Any]]:
        said = await self._run("-j", *words)
        try:
            return list(msgspec.json.decode(said)["nftables"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise FilterFailed("the packet filter's answer cannot be read") from error

    async def _tell(self, text: str) -> None:
        await self._run("-f", "-", told=text.encode())

    async def _run(self, *words: str, told: bytes = b"") -> bytes:
        if shutil.which(BINARY) is None:
            raise FilterFailed(f"{BINARY} is not installed on this host")
        try:
            said = await programs.run(*self._enter, *words, given=told, within_s=TELL_S)
        except TimeoutError:
            raise FilterFailed(f"{BINARY} did not end in time") from None
        if said.status:
            words_of_it = said.complaint.decode(errors="replace")[:WORDS]
            raise FilterFailed("the kernel does not take the rules", detail=words_of_it)
        return said.out


def script(content: Content, there: Sequence[tuple[str, str]]) -> str:
    """What makes the table so, as one transaction. there: kinds and names of what it has."""
    chains = dict.fromkeys(content.rules, "") | dict(content.base)
    lines = [f"add table {NAME}"]
    lines += [
        f"add {kind} {NAME} {name} {{ {what} }}" for (kind, name), what in content.objects.items()
    ]
    lines += [
        f"add chain {NAME} {name}" + (f" {{ {what} }}" if what else "")
        for name, what in chains.items()
    ]
    lines.append(f"flush table {NAME}")
    for chain, rules in content.rules.items():
        lines += [f"add rule {NAME} {chain} {rule}" for rule in rules]
    kept = {("chain", name) for name in chains} | set(content.objects)
    lines += [f"delete {kind} {NAME} {name}" for kind, name in there if (kind, name) not in kept]
    return "\n".join(lines) + "\n"
