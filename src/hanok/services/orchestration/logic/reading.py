"""What a stack's values are now: functions worked out with what its resources tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hanok.services.orchestration.logic import templates
from hanok.services.orchestration.logic.expressions import ROUNDS, Expressions
from hanok.services.orchestration.logic.functions import LARGEST, UNKNOWN, Budget, Wrong
from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.logic.program import Program
from hanok.services.orchestration.logic.types import catalog
from hanok.services.orchestration.logic.types.model import Failed, ResourceType
from hanok.services.orchestration.logic.work import Cloud, Work
from hanok.services.orchestration.room import Orchestration

_THERE = (
    "CREATE",
    "ADOPT",
    "UPDATE",
    "CHECK",
    "SUSPEND",
    "RESUME",
    "ROLLBACK",
    "SNAPSHOT",
    "RESTORE",
)


_OF_A_STACK = (
    4 * LARGEST
)  # characters and items that the properties of all resources may make in one taking


class Reader:
    """A stack, its program and its resources' rows.

    current: of each name, the row that nothing replaces. known: attributes that were asked for, by row and name.
    """

    def __init__(
        self,
        room: Orchestration,
        cloud: Cloud,
        stack: Any,
        program: Program,
        parts: Sequence[Part],
    ) -> None:
        self.room = room
        self.cloud = cloud
        self.stack = stack
        self.program = program
        self.parts = list(parts)
        self.known: dict[tuple[str, str], Any] = {}
        self.budget = Budget(_OF_A_STACK)

    @property
    def current(self) -> dict[str, Part]:
        return {part.name: part for part in self.parts if part.replaced_by is None}

    def type_of(self, part: Part) -> ResourceType:
        """The type that a row was made as; that of the program where it still is the same."""
        found = self.program.types.get(part.name)
        if found is not None and found.name == part.type:
            return found
        if part.type in catalog.all_types():
            return catalog.get(part.type)
        return catalog.nested(part.type)

    def work(self, part: Part, properties: dict[str, Any] | None = None) -> Work:
        definition = self.program.definitions.get(part.name)
        facade = None
        if definition is not None:
            facade = {
                "metadata": part.metadata,
                "deletion_policy": definition.deletion_policy,
                "update_policy": definition.update_policy,
            }
        return Work(
            self.room,
            self.cloud,
            self.stack,
            part,
            part.properties if properties is None else properties,
            now=self.room.clock.now(),
            program=self.program,
            facade=facade,
            reader=self,
        )

    def reference(self, name: str) -> Any:
        part = self.current.get(name)
        if part is None or part.action not in _THERE:
            return UNKNOWN
        return self.type_of(part).driver.reference(self.work(part))

    async def attribute(self, name: str, key: str) -> Any:
        """
        Raises:
            Wrong: it has no such attribute, or it cannot be told.
        """
        part = self.current.get(name)
        if part is None or part.action not in _THERE or part.status == "FAILED":
            return None
        if (part.id, key) not in self.known:
            self.known[part.id, key] = await self.told(part, key)
        return self.known[part.id, key]

    async def told(self, part: Part, key: str) -> Any:
        """What a resource tells under a name; all that it tells, where there is none."""
        kind = self.type_of(part)
        if not key:
            names = [one for one in kind.attributes if "." not in one and one != "*"]
            return {one: await self.attribute(part.name, one) for one in names}
        if not catalog.has_attribute(kind, key):
            raise Wrong(f"The Referenced Attribute ({part.name} {key[:100]}) is incorrect.")
        try:
            return await kind.driver.attribute(self.work(part), key)
        except Failed as error:
            raise Wrong(error.message) from None

    async def live(self, part: Part) -> dict[str, Any]:
        """A resource's properties as they were applied, but for those that are found to be others now.

        Raises:
            Replace: it is not there any more.
        """
        return {**part.properties, **await self.type_of(part).driver.live(self.work(part))}

    async def value(self, raw: Any, budget: Budget | None = None) -> Any:
        """A value with its functions worked out.

        Raises:
            Wrong
        """
        found: dict[tuple[str, str], Any] = {}
        referred = await self.room.decided.read(
            self.room,
            self.stack.project_id,
            lambda: list(templates.attributes(self.program.static, raw)),
        )
        for name, key in referred:
            if key is not None and (name, key) not in found:
                found[name, key] = await self.attribute(name, key)

        def attribute(name: str, key: str) -> Any:
            if (name, key) not in found:
                raise Wrong(f"The Referenced Attribute ({name[:100]} {key[:100]}) is incorrect.")
            return found[name, key]

        requested, left = Expressions(self._hides), budget or Budget()

        def begin() -> Any:
            return self.program.scope(self.reference, attribute, left, requested).value(raw)

        for _ in range(ROUNDS):
            value = await self.room.decided.read(self.room, self.stack.project_id, begin)
            if not requested.open:
                return value
            await requested.work_out(self.room, self.stack.project_id)
        raise Wrong(f"yaql expressions are nested more than {ROUNDS - 1} levels deep.")

    def _hides(self, value: Any) -> bool:
        return bool(self.program.veiled(value) != value)

    async def properties(self, name: str) -> dict[str, Any]:
        """A resource's properties as they shall be, names of other things turned into ids.

        Raises:
            Wrong, Failed
        """
        definition, kind = self.program.definitions[name], self.program.types[name]
        given = await self.value(definition.properties, self.budget)
        Budget().take(given)
        read = kind.read(given, f"resources.{name}.properties")
        return dict(await _with_ids(self.cloud, kind.properties, read, name))

    async def outputs(self) -> list[dict[str, Any]]:
        """All outputs, for the resources that use them; what cannot be told says why."""
        found, budget = [], Budget()
        for name, one in self.program.template.outputs.items():
            if self.program.holds(one.condition):
                found.append(await self.output(name, budget))
        return found

    async def output(self, name: str, budget: Budget | None = None) -> dict[str, Any]:
        """An output. budget: what it may make, together with others."""
        one = self.program.template.outputs[name]
        shown: dict[str, Any] = {
            "output_key": name,
            "description": one.description or "No description given",
            "output_value": None,
        }
        try:
            value = await self.value(one.value, budget)
            shown["output_value"] = msgspec.to_builtins(_plain(value))
        except (Wrong, Failed) as error:
            shown["output_error"] = error.message
        return shown


def _plain(value: Any) -> Any:
    if value is UNKNOWN:
        return None
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


async def _with_ids(
    cloud: Cloud, declared: Mapping[str, Any], given: Mapping[str, Any], where: str
) -> Mapping[str, Any]:
    found = dict(given)
    for name, one in declared.items():
        value = given.get(name)
        if value is not None and value is not UNKNOWN:
            found[name] = await _with_id(cloud, one, value, f"{where}.{name}")
    return found


async def _with_id(cloud: Cloud, one: Any, value: Any, where: str) -> Any:
    if value is UNKNOWN:
        return value
    if one.finds and isinstance(value, str) and value:
        try:
            return await cloud.find(one.finds, value)
        except Failed as error:
            raise Failed(
                f"Property error: resources.{where}: Error validating value '{value[:100]}': {error.message}"
            ) from None
    if one.type == "list" and one.item is not None and isinstance(value, list):
        return [await _with_id(cloud, one.item, each, where) for each in value]
    if one.type == "map" and one.within is not None and isinstance(value, dict):
        return await _with_ids(cloud, one.within, value, where)
    return value
