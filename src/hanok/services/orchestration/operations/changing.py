"""A stack's resources become what its template says: made, changed, replaced and removed in the order of their needs.

What takes another's place is there before the other goes; what nothing needs any more goes last. A failure starts
nothing new: what is under way ends, and the stack has failed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hanok.operations import Run
from hanok.services.orchestration.logic import parts, signals, stacks
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.parts import Part
from hanok.services.orchestration.logic.program import Program, Source
from hanok.services.orchestration.logic.types.groups import StackDriver
from hanok.services.orchestration.logic.types.model import Failed, Replace
from hanok.services.orchestration.operations.passes import BEGUN, Ended, Passes
from hanok.services.orchestration.room import Orchestration

_NOTHING = {"heat_template_version": "2013-05-23"}


class Changing(Passes):
    """CREATE, UPDATE, ROLLBACK, RESTORE, ADOPT and DELETE."""

    paused: bool = False

    def __init__(self, run: Run[Any, Orchestration], stack: Any) -> None:
        super().__init__(run, stack)
        self._external: dict[str, str] = {}

    def program(self) -> Program:
        if self.stack.action == "DELETE" or self.stack.task.get("empty"):
            empty = msgspec.structs.asdict(Source(template=_NOTHING))
            return stacks.program_of(self.room, self.stack, raw={**empty, "sealed": ""}).load()
        return super().program()

    # ---- what is left to do ----

    def is_settled(self, name: str) -> bool:
        part = self.reader.current.get(name)
        return part is not None and part.status == "COMPLETE" and part.traversal == self.traversal

    def unwanted(self) -> list[Part]:
        """Rows whose resources are to go."""
        definitions = self.reader.program.definitions
        return [
            one for one in self.parts if one.replaced_by is not None or one.name not in definitions
        ]

    def _can_go(self, part: Part, required: set[str]) -> bool:
        if part.id in required or (part.status == "IN_PROGRESS" and part.action == "DELETE"):
            return False
        return part.name not in self.reader.program.definitions or self.is_settled(part.name)

    async def pass_(self) -> bool:
        self.paused = False
        moved = await self.ask(self._to_ask())
        anew, self._anew = self._anew, []
        await self.begin(anew)
        if self.failed():
            return moved
        begun = await self._begin_desired()
        begun += await self._begin_unwanted()
        if begun:
            await self.begin([part for part in begun if part.status == "IN_PROGRESS"])
            await self.ask([part for part in begun if part.status == "IN_PROGRESS"])
        return moved or bool(begun)

    def _to_ask(self) -> list[Part]:
        """What is under way; but what is unwanted now need not be finished."""
        unwanted = {part.id for part in self.unwanted()}
        return [one for one in self.under_way() if one.id not in unwanted or one.action == "DELETE"]

    def ended(self) -> Ended:
        if self._to_ask():
            return self.waiting()
        if self.failed():
            return "FAILED", self.why(), 0.0
        if self.paused:
            return "", "a hook is to be cleared", 5.0
        return "COMPLETE", f"Stack {self.stack.action} completed successfully", 0.0

    # ---- what is wanted ----

    async def _begin_desired(self) -> list[Part]:
        """Begin with what can begin; gives what was touched."""
        current = self.reader.current
        names = []
        for name in self.reader.program.order:
            part = current.get(name)
            if name not in self.reader.program.definitions or self.is_settled(name):
                continue
            if part is not None and part.status == "IN_PROGRESS" and part.action != "DELETE":
                continue
            if all(self.is_settled(one) for one in self.reader.program.needs[name]):
                names.append(name)
        begun = []
        for name in names[:BEGUN]:
            if (part := await self._decide(name, current.get(name))) is not None:
                begun.append(part)
        return begun

    async def _decide(self, name: str, part: Part | None) -> Part | None:
        """Begin to make, change or replace a resource, or find that it is right; None: a hook holds it."""
        kind = self.reader.program.types[name]
        if part is None:
            part = self._new(name)
        if await self._is_paused(part, "pre-create" if part.action == "INIT" else "pre-update"):
            self.paused = True
            return None
        external = self.reader.program.definitions[name].external_id is not None
        try:
            properties = {} if external else await self.reader.properties(name)
            self._external[name] = self._external_id(name) if external else ""
            metadata = await self.reader.value(self.reader.program.definitions[name].metadata)
            before = await self._before(part)
        except (Wrong, Failed) as error:
            part.action = "CREATE" if part.action == "INIT" else "UPDATE"
            self.fail(part, error.message)
            return part
        if part.action == "INIT":
            return self._create(part, properties, metadata)
        broken = part.status == "FAILED" and not kind.driver.mends
        if part.type != kind.name or broken or before is None:
            return self._replace(part, properties, metadata)
        return self._compare(part, before, properties, metadata)

    async def _before(self, part: Part) -> dict[str, Any] | None:
        """What a resource's properties were: as they were applied, or as they are; None: it is gone."""
        looked_at = self.stack.task.get("converge") and part.action != "INIT"
        if not looked_at or part.data.get("external"):
            return part.properties
        try:
            return await self.reader.live(part)
        except Replace:
            return None

    def _external_id(self, name: str) -> str:
        """What a resource is that is somebody else's.

        Raises:
            Wrong
        """
        found = self.reader.program.static.value(self.reader.program.definitions[name].external_id)
        if not isinstance(found, str) or not 0 < len(found) <= 255:
            raise Wrong("external_id must be a string of at most 255 characters.")
        return found

    def _new(self, name: str, before: Part | None = None) -> Part:
        part = parts.new(self.stack.id, name, self.reader.program.types[name].name)
        if before is not None:
            before.replaced_by, part.replaces = part.id, before.id
            self.put(before)
        self.parts.append(part)
        self.put(part)
        return part

    def _needed(self, part: Part) -> None:
        """What a resource is made of now."""
        current, program = self.reader.current, self.reader.program
        part.requires = [
            current[one].id for one in sorted(program.needs[part.name]) if one in current
        ]
        part.data["policy"] = program.definitions[part.name].deletion_policy

    def _create(self, part: Part, properties: dict, metadata: dict) -> Part:  # type: ignore[type-arg]
        part.properties, part.metadata = properties, metadata
        self._needed(part)
        self.start(part, "CREATE")
        definition = self.reader.program.definitions[part.name]
        adopted = (self.stack.task.get("adopt") or {}).get(part.name)
        if definition.external_id is not None:
            part.physical_id = self._external[part.name]
            part.data.update(external=True, policy="Retain")
            self.settle(part)
        elif self.stack.action == "ADOPT":
            self._adopt(part, adopted)
        return part

    def _adopt(self, part: Part, adopted: dict | None) -> None:  # type: ignore[type-arg]
        """Take over what is there. Of what a driver keeps, only what it declares is taken from outside."""
        driver = self.driver(part)
        if isinstance(driver, StackDriver):
            return  # it is made, and adopts what its own resources are
        part.action = "ADOPT"
        if not adopted or not adopted.get("resource_id"):
            self.fail(part, f"Resource ID was not provided for {part.name}.")
            return
        data = adopted.get("resource_data") or {}
        odd = [
            name
            for name, value in data.items()
            if name not in driver.adopts or not isinstance(value, str)
        ]
        if odd:
            self.fail(part, f"The resource_data {odd[0][:100]} is not supported by {part.type}.")
            return
        part.physical_id = adopted["resource_id"]
        part.data.update(data)
        part.metadata = adopted.get("metadata") or part.metadata
        self.settle(part)

    def _replace(self, part: Part, properties: dict, metadata: dict) -> Part:  # type: ignore[type-arg]
        if "replace" in self.reader.program.env.restricted(part.name):
            part.action = "UPDATE"
            self.fail(part, f"replace is restricted for resource {part.name}.")
            return part
        return self._create(self._new(part.name, part), properties, metadata)

    def _compare(self, part: Part, before: dict, properties: dict, metadata: dict) -> Part:  # type: ignore[type-arg]
        definition = self.reader.program.definitions[part.name]
        if (definition.external_id is not None) != bool(part.data.get("external")):
            part.action = "UPDATE"
            self.fail(part, "Update to property external_id is not allowed.")
            return part
        if definition.external_id is not None and part.physical_id != self._external[part.name]:
            return self._replace(part, properties, metadata)
        kind = self.reader.program.types[part.name]
        changed = {
            name: properties[name] for name in properties if properties[name] != before.get(name)
        }
        self._needed(part)
        if (
            not changed
            and part.status != "FAILED"
            and not kind.driver.always_updates(part, self.reader)
        ):
            if part.metadata != metadata:
                part.metadata = metadata
            part.traversal = self.traversal
            self.put(part)
            return part
        if any(name in kind.properties and not kind.properties[name].update for name in changed):
            return self._replace(part, properties, metadata)
        return self._update(part, changed, properties, metadata)

    def _update(self, part: Part, changed: dict, properties: dict, metadata: dict) -> Part:  # type: ignore[type-arg]
        if "update" in self.reader.program.env.restricted(part.name):
            part.action = "UPDATE"
            self.fail(part, f"update is restricted for resource {part.name}.")
            return part
        part.data["before"], part.data["changed"] = part.properties, changed
        part.properties, part.metadata = properties, metadata
        self.start(part, "UPDATE")
        return part

    async def _one(self, part: Part, do):  # type: ignore[no-untyped-def]
        """See Passes. An update that cannot be done in place becomes a replacement."""
        try:
            return await super()._one(part, do)
        except Replace:
            properties, metadata = part.properties, part.metadata
            part.properties = part.data.pop("before", part.properties)
            part.data.pop("changed", None)
            part.attempt = ""
            part.status, part.reason = "COMPLETE", "state changed"
            self.put(part)
            instead = self._replace(part, properties, metadata)
            if instead.status == "IN_PROGRESS":
                self._anew.append(instead)
            return True if do == self._ask else None

    # ---- what is not wanted ----

    async def _begin_unwanted(self) -> list[Part]:
        if any(not self.is_settled(name) for name in self.reader.program.definitions) and not any(
            part.replaced_by is None for part in self.unwanted()
        ):
            return []
        required = {one for part in self.parts for one in part.requires}
        begun = []
        for part in [one for one in self.unwanted() if self._can_go(one, required)][:BEGUN]:
            if (
                part.status == "COMPLETE"
                and part.action != "INIT"
                and await self._is_paused(part, "pre-delete")
            ):
                self.paused = True
                continue
            if part.action == "INIT":
                self.drop(part)
            else:
                self.start(part, "DELETE")
            begun.append(part)
        return begun

    # ---- hooks ----

    async def _is_paused(self, part: Part, hook: str) -> bool:
        """Whether the work on a resource has to wait until somebody says that it may go on."""
        env = stacks.source_of(self.stack.source, self.room.key).env
        if hook not in env.hooks(part.name):
            return False
        mark = f"{hook}:{self.traversal}"
        if part.data.get("hook") == mark:
            async with self.run.reading() as tx:
                return not await signals.cleared(tx, part.id, hook, self.traversal)
        part.data["hook"] = mark
        self.put(part)
        action = {"pre-create": "CREATE", "pre-update": "UPDATE", "pre-delete": "DELETE"}[hook]
        self.say(part, reason=f"{action} paused until Hook {hook} is cleared")
        return True
