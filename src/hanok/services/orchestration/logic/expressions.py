"""Expressions of yaql: small programs of strangers, worked out aside by a process with bounds.

An evaluation of a value meets its expressions with the data that they are about, leaves them (`Expressions`), and is
done again when they are worked out; all that were met at once are one process.

Conditions are decided without waiting, wherever a template is read. Those that meet expressions leave them
(`Undecided`), and what was begun is begun again when they are worked out (`Decided`).

Source: the template guide, "yaql"; the reference of yaql.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hanok.base.recent import Recent
from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import UNKNOWN, Undecided, Wrong

if TYPE_CHECKING:
    from hanok.services.orchestration.room import Orchestration

ROUNDS = 8  # expressions in the data of each other
MAXIMUM = 500  # that are worked out at once
IN_CONDITIONS = 16  # times that a template is read for its conditions, those within it among them
REMEMBERED, REMEMBERED_BYTES = 1_000, 16 << 20  # of what came of expressions in conditions
Read = TypeVar("Read")
BACK = 4 << 20  # bytes of what comes of them, as a value may have

_PROGRAM = """
import collections.abc, json, sys
given = json.load(sys.stdin)
import yaql
from yaql.language import utils
engine = yaql.YaqlFactory().create({"yaql.limitIterators": given["iterators"], "yaql.memoryQuota": given["memory"],
                                    "yaql.convertSetsToLists": True, "yaql.convertTuplesToLists": True})
context = yaql.create_context()
left = given["back"]
for expression, data in given["asked"]:
    try:
        said = {"value": None}
        parsed = engine(expression)
        if not given["parse"]:
            said["value"] = parsed.evaluate({"data": data}, context.create_child_context())
        text = json.dumps(said, allow_nan=False)
    except MemoryError:
        raise
    except Exception as error:
        why = (str(error) or type(error).__name__)[:300]
        text = json.dumps({"error": why.encode(errors="replace").decode()})
    left -= len(text)
    if left < 0:
        text = json.dumps({"error": "the result is too large"})
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
    if left < 0:
        break
"""


class Expressions:
    """Expressions that an evaluation meets, with their data, and what came of those that were worked out.

    hides: whether a value has within it what is hidden; of such the library's words, which repeat it, are not told.
    """

    def __init__(self, hides: Callable[[Any], bool] = lambda value: False) -> None:
        self._hides = hides
        self.open: dict[bytes, tuple[str, Any]] = {}
        self._known: dict[bytes, Any] = {}

    def __call__(self, expression: str, data: Any) -> Any:
        """
        Raises:
            Wrong: it cannot be worked out, or there are too many.
        """
        key = msgspec.json.encode((expression, data))
        if key in self._known:
            return self._known[key]
        if len(self.open) >= MAXIMUM:
            raise Wrong(f"A value has more than {MAXIMUM} yaql expressions.")
        self.open[key] = (expression, data)
        return UNKNOWN

    async def work_out(self, room: Orchestration, project_id: str) -> None:
        """
        Raises:
            Wrong
        """
        met, self.open = self.open, {}
        found = await _run(room, project_id, list(met.values()))
        for (key, given), one in zip(met.items(), found, strict=True):
            if "error" in one and self._hides(list(given)):
                raise Wrong("A yaql expression with hidden values cannot be evaluated.")
            self._known[key] = _value(given[0], one)


class Decided:
    """What came of expressions in conditions lately, by what they are about: the same everywhere and always."""

    def __init__(self) -> None:
        self._kept: Recent[bytes, bytes] = Recent(REMEMBERED, REMEMBERED_BYTES, len)

    def __call__(self, expression: str, data: Any) -> Any:
        """
        Raises:
            Undecided
        """
        found = self._kept.get(key_of(expression, data))
        if found is None:
            raise Undecided([(expression, data)])
        return msgspec.json.decode(found)

    async def read(self, room: Orchestration, project_id: str, begin: Callable[[], Read]) -> Read:
        """Do what reads a template, as often as it meets something that was not decided yet.

        Raises:
            Wrong: an expression cannot be worked out, or there are too many.
        """
        for _ in range(IN_CONDITIONS):
            try:
                return begin()
            except Undecided as error:
                await self.decide(room, project_id, error)
        raise Wrong(
            "Conditions have too many expressions of yaql, or they need each other more than "
            f"{IN_CONDITIONS} levels deep."
        )

    async def decide(self, room: Orchestration, project_id: str, met: Undecided) -> None:
        """Work out what conditions need.

        Raises:
            Wrong
        """
        some = {key_of(*one): one for one in met.some}
        if len(some) > MAXIMUM:
            raise Wrong(f"Conditions have more than {MAXIMUM} expressions of yaql.")
        found = await _run(room, project_id, list(some.values()))
        for (key, (expression, _)), said in zip(some.items(), found, strict=True):
            if "error" in said and met.secret:
                raise Wrong("An expression of yaql with hidden values cannot be worked out.")
            self._kept.put(key, msgspec.json.encode(_value(expression, said)))


def key_of(expression: str, data: Any) -> bytes:
    return sha256(msgspec.json.encode((expression, data))).digest()


def _value(expression: str, said: dict[str, Any]) -> Any:
    if "error" in said:
        raise Wrong(f"Bad expression {expression[:100]}: {said['error']}.")
    return said["value"]


async def _run(
    room: Orchestration, project_id: str, requested: list[tuple[str, Any]], *, parse: bool = False
) -> list[dict[str, Any]]:
    """What came of each; an expression that the process ended at has cost too much."""
    settings = room.settings
    given = msgspec.json.encode(
        {
            "asked": requested,
            "parse": parse,
            "back": BACK,
            "iterators": settings.yaql_limit_iterators,
            "memory": settings.yaql_memory_quota,
        }
    )
    try:
        raw = await room.aside.run(project_id, _PROGRAM, given)
    except TimeoutError:
        raise Wrong("A yaql expression takes too long.") from None
    lines = raw.splitlines() if raw.endswith(b"\n") else raw.splitlines()[:-1]
    found = [_read(line) for line in lines]
    ended = {"error": "it takes more time or memory than is allowed"}
    return [*found, *[ended] * (len(requested) - len(found))]


def _read(line: bytes) -> dict[str, Any]:
    try:
        return dict(texts.from_json(line))
    except ValueError as error:  # what no answer and no database can hold
        return {"error": str(error)[:300]}


async def check(room: Orchestration, project_id: str, values: Any) -> None:
    """Whether the expressions that stand in a template are good, before anything is made of it.

    Raises:
        Wrong
    """
    some = list(dict.fromkeys(_written(values)))[:MAXIMUM]
    if not some:
        return
    found = await _run(room, project_id, [(one, None) for one in some], parse=True)
    for expression, one in zip(some, found, strict=True):
        _value(expression, one)


def _written(value: Any) -> Iterator[str]:
    """Expressions that are texts of a template, and not made by functions."""
    level = [value]
    while level:
        one = level.pop()
        if isinstance(one, list):
            level.extend(one)
        elif isinstance(one, dict):
            level.extend(one.values())
            raw = one.get("yaql") if len(one) == 1 else None
            if isinstance(raw, dict) and isinstance(raw.get("expression"), str):
                yield raw["expression"]
