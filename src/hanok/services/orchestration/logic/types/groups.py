"""Types whose thing is a stack: templates as resources, groups, OS::Heat::Stack, and what scales.

Source: the template guide, "OpenStack Resource Types", OS::Heat; "Template composition".
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from hanok.services.orchestration.logic import nested, texts
from hanok.services.orchestration.logic.functions import Budget, Wrong
from hanok.services.orchestration.logic.program import Source
from hanok.services.orchestration.logic.types import rolling
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Driver,
    Failed,
    Property,
    Replace,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.work import Work

HOT = "2015-04-30"


class StackDriver(Driver):
    """A resource that is a stack."""

    mends = True

    async def source(self, work: Work) -> Source:
        raise NotImplementedError

    async def create(self, work: Work) -> str | None:
        work.data["made_of"] = _fingerprint(work.program)
        return await nested.ensure(work, await self.source(work))

    async def created(self, work: Work) -> bool:
        return await nested.is_done(work)

    def always_updates(self, part: Any, reader: Any) -> bool:
        """Templates that it may be made of have changed, or what is in it is looked at."""
        if reader.stack.task.get("converge"):
            return True
        return bool(part.data.get("made_of") != _fingerprint(reader.program))

    async def live(self, work: Work) -> Mapping[str, Any]:
        if await nested.of(work) is None:
            raise Replace
        return {}

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        work.data["made_of"] = _fingerprint(work.program)
        await nested.ensure(work, await self.source(work), "UPDATE")

    async def delete(self, work: Work) -> None:
        await nested.begin(work, "DELETE")

    async def deleted(self, work: Work) -> bool:
        return await nested.is_done(work, "DELETE")

    async def check(self, work: Work) -> None:
        if await nested.of(work) is None:
            raise Failed("Stack not found")

    async def suspend(self, work: Work) -> None:
        await nested.begin(work, "SUSPEND")

    async def suspended(self, work: Work) -> bool:
        return await nested.is_done(work)

    async def resume(self, work: Work) -> None:
        await nested.begin(work, "RESUME")

    async def resumed(self, work: Work) -> bool:
        return await nested.is_done(work)

    async def attribute(self, work: Work, name: str) -> Any:
        if name == "outputs":
            return await nested.outputs(work)
        if name == "show":
            row = await nested.of(work)
            return (
                {}
                if row is None
                else {
                    "id": row.id,
                    "stack_name": row.name,
                    "stack_status": f"{row.action}_{row.status}",
                }
            )
        if name.startswith("resource."):
            return await self.of_member(work, name.removeprefix("resource."))
        return await nested.output(work, name)

    async def of_member(self, work: Work, rest: str) -> Any:
        name, _, key = rest.partition(".")
        return await nested.of_member(work, name, key or None)


class NestedTemplate(StackDriver):
    """A template of the stack's files as a type."""

    def __init__(self, file: str) -> None:
        self.file = file

    def reference(self, work: Work) -> Any:
        """What the template says under OS::stack_id, as it is told by its outputs; else the stack's id."""
        outputs = work.data.get("reference")
        return (
            outputs
            if outputs is not None
            else f"arn:openstack:heat::{work.stack.project_id}:stacks/{nested.name_of(work)}/{work.part.physical_id}"
        )

    async def created(self, work: Work) -> bool:
        if not await nested.is_done(work):
            return False
        row = await nested.of(work)
        if row is not None and "OS::stack_id" in ((row.source["template"].get("outputs")) or {}):
            work.data["reference"] = await nested.output(work, "OS::stack_id")
        return True

    async def source(self, work: Work) -> Source:
        given = {name: value for name, value in work.properties.items() if value is not None}
        return within_stack(work, _template(work, self.file), given)


def _fingerprint(program: Any) -> str:
    """Of all templates that a stack within this one could be made of."""
    source = program.source
    whole = [source.environment.get("resource_registry"), sorted(source.files.items())]
    return hashlib.sha256(msgspec.json.encode(whole)).hexdigest()[:32]


def _template(work: Work, file: str) -> dict[str, Any]:
    raw = texts.parse(work.program.source.files[file], "template", maximum=work.program.maximum)
    if not isinstance(raw, dict):
        raise Failed(f"{file}: The template is not a JSON object or YAML mapping.")
    return raw


def within_stack(work: Work, template: dict[str, Any], parameters: Mapping[str, Any]) -> Source:
    """A template as a stack within this one: with the same files and registry."""
    program = work.program
    environment = program.source.environment
    definition = program.definitions.get(work.part.name)
    hidden = [
        name
        for name, value in (definition.properties if definition else {}).items()
        if program.hidden_in(value)
    ]
    registry = dict(environment.get("resource_registry") or {})
    own = (registry.get("resources") or {}).get(work.part.name)
    registry["resources"] = own if isinstance(own, dict) else {}
    return Source(
        template=template,
        files=program.source.files,
        environment={
            "parameters": dict(parameters),
            "parameter_defaults": environment.get("parameter_defaults") or {},
            "resource_registry": registry,
        },
        hidden=hidden,
        secret=bool(hidden)
        and not isinstance(work.reader.type_of(work.part).driver, NestedTemplate),
    )


# ---- OS::Heat::Stack ----


class RemoteStack(StackDriver):
    """A stack of its own template, in the same cloud."""

    mends = True

    async def source(self, work: Work) -> Source:
        raw = texts.parse(work.properties["template"], "template", maximum=work.program.maximum)
        if not isinstance(raw, dict):
            raise Failed("The template is not a JSON object or YAML mapping.")
        program = work.program
        definition = program.definitions.get(work.part.name)
        said = definition.properties if definition else {}
        parameters = dict(work.properties["parameters"] or {})
        given = said.get("parameters")
        hidden = [
            name
            for name in parameters
            if program.hidden_in(given.get(name, given) if isinstance(given, dict) else given)
        ]
        return Source(
            template=raw,
            files=program.source.files,
            environment={"parameters": parameters},
            hidden=hidden,
            secret=program.hidden_in(said.get("template")),
        )

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        context = properties.get("context") or {}
        if context.get("credential_secret_id"):
            raise Wrong(f"Property error: {name}.context: other clouds are not supported.")

    async def attribute(self, work: Work, name: str) -> Any:
        row = await nested.of(work)
        if row is None:
            return None
        told = {"stack_name": row.name, "stack_status": f"{row.action}_{row.status}"}
        return told[name] if name in told else await super().attribute(work, name)

    def reference(self, work: Work) -> Any:
        return work.part.physical_id


# ---- groups ----


def _blacklisted(work: Work, names: list[str]) -> set[str]:
    """Members that a removal policy names, by name or by what they are."""
    kept: list[str] = work.data.setdefault("removed", [])
    if work.properties.get("removal_policies_mode") == "update":
        kept.clear()
    for policy in work.properties.get("removal_policies") or ():
        kept += [str(one) for one in policy.get("resource_list") or () if str(one) not in kept]
    by_id = work.data.get("members") or {}
    return {one for one in kept} | {name for name, physical in by_id.items() if physical in kept}


class Group(StackDriver):
    """Members of one stack, that may be made and changed some at a time.

    What a change is to come to stands in the resource's data until it has: the names under `rolling`. What the group is
    made of now is what its stack says, so a step that was taken twice is the same step. A change of the stack that
    comes meanwhile stops it where it is, and goes on from there.
    """

    def always_updates(self, part: Any, reader: Any) -> bool:
        return "rolling" in part.data or super().always_updates(part, reader)

    async def names(self, work: Work) -> list[str]:
        """Of the members that there shall be."""
        raise NotImplementedError

    def made_of(self, work: Work, names: list[str]) -> rolling.Members:
        raise NotImplementedError

    def more(self, work: Work, count: int, there: Mapping[str, Any]) -> list[str]:
        """Names of members that are there for a while."""
        return [f"more{at}" for at in range(count + len(there)) if f"more{at}" not in there][:count]

    def batches(self, work: Work) -> rolling.Batches | None:
        if work.stack.action == "ADOPT":  # what is taken over is there
            return None
        said = rolling.policy(work.program, work.part.name)
        return rolling.of(
            said.get("batch_create" if work.part.action == "CREATE" else "rolling_update")
        )

    async def source(self, work: Work) -> Source:
        return _of_members(work, self.made_of(work, await self.names(work)))

    async def _begin(self, work: Work, action: str) -> str:
        """Begin to make or change members: all, or the first of them."""
        work.data["made_of"] = _fingerprint(work.program)
        work.data.pop("rolling", None)
        names = await self.names(work)
        target, batches = _as_kept(self.made_of(work, names)), self.batches(work)
        if batches is not None:
            there = await nested.made_of(work)
            touched = [name for name in target if there.get(name, target[name]) != target[name]]
            _check_time(work, batches, len(touched if there else target))
            work.data["rolling"] = {"names": names}
            target = self._step(work, there, target, batches)
        return await nested.ensure(work, _of_members(work, target), action)

    def _step(
        self,
        work: Work,
        there: Mapping[str, Any],
        target: rolling.Members,
        batches: rolling.Batches,
    ) -> rolling.Members:
        return rolling.step(
            there,
            target,
            batches,
            lambda count: self.made_of(work, self.more(work, count, there)),
        )

    async def create(self, work: Work) -> str | None:
        return await self._begin(work, "CREATE")

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await self._begin(work, "UPDATE")

    async def created(self, work: Work) -> bool:
        if not await nested.is_done(work):
            return False
        under_way, batches = work.data.get("rolling"), self.batches(work)
        if under_way is None or batches is None:
            return True
        if work.data.get("begun_in", work.stack.traversal) != work.stack.traversal:
            return True
        there = await nested.made_of(work)
        target = _as_kept(self.made_of(work, under_way["names"]))
        if there == target:
            del work.data["rolling"]
            return True
        if rolling.pause_is_over(under_way, work.now, batches.pause_s):
            following = self._step(work, there, target, batches)
            await nested.ensure(work, _of_members(work, following), "UPDATE")
        return False


def _as_kept(members: rolling.Members) -> rolling.Members:
    """As they are read from a row, to be compared with what is."""
    kept: rolling.Members = msgspec.json.decode(msgspec.json.encode(members))
    return kept


def _of_members(work: Work, members: rolling.Members) -> Source:
    return within_stack(work, {"heat_template_version": HOT, "resources": members}, {})


def _check_time(work: Work, batches: rolling.Batches, count: int) -> None:
    """
    Raises:
        Failed: the pauses alone take longer than the stack has.
    """
    pauses_s = (rolling.steps(count, batches) - 1) * batches.pause_s
    if work.now.timestamp() + pauses_s > work.stack.deadline_at.timestamp():
        raise Failed("The current update policy will result in stack update timeout.")


class ResourceGroup(Group):
    """So many of the same."""

    async def names(self, work: Work) -> list[str]:
        work.data["members"] = {one.name: one.physical_id for one in await nested.members(work)}
        away = _blacklisted(work, [])
        return _numbers(work.properties["count"], away)

    def made_of(self, work: Work, names: list[str]) -> rolling.Members:
        return _group(work, work.properties["resource_def"], names)

    def more(self, work: Work, count: int, there: Mapping[str, Any]) -> list[str]:
        return _numbers(count, {*there, *(work.data.get("removed") or ())})

    async def attribute(self, work: Work, name: str) -> Any:
        members = sorted(await nested.members(work), key=lambda one: _number(one.name))
        if name == "refs":
            return [await nested.of_member(work, one.name, None) for one in members]
        if name == "refs_map":
            return {one.name: await nested.of_member(work, one.name, None) for one in members}
        if name == "removed_rsrc_list":
            return list(work.data.get("removed") or ())
        if name == "attributes":
            return {}
        if name.startswith("resource."):
            return await self.of_member(work, name.removeprefix("resource."))
        return [await nested.of_member(work, one.name, name) for one in members]


def _numbers(count: int, away: Collection[str]) -> list[str]:
    """So many of the numbers that are not away."""
    free = (str(at) for at in range(count + len(away)) if str(at) not in away)
    return list(itertools.islice(free, count))


def _number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 30, name)


def _group(work: Work, definition: Mapping[str, Any], names: list[str]) -> rolling.Members:
    variable = work.properties.get("index_var") or "%index%"
    raw = {name: value for name, value in definition.items() if value is not None}
    check_growth(raw, variable, len(names))
    return {name: indexed(raw, variable, name) for name in names}


def check_growth(definition: Mapping[str, Any], variable: str, count: int) -> None:
    """Whether so many members are not too much, before they are made.

    Raises:
        Wrong
    """
    text = msgspec.json.encode(definition, enc_hook=repr).decode()
    grown = text.count(variable) * max(0, len(str(count)) - len(variable))
    Budget().spend((len(text) + grown) * count)


def indexed(value: Any, variable: str, name: str) -> Any:
    if isinstance(value, str):
        return value.replace(variable, name)
    if isinstance(value, dict):
        return {key: indexed(one, variable, name) for key, one in value.items()}
    return [indexed(one, variable, name) for one in value] if isinstance(value, list) else value


class ResourceChain(StackDriver):
    """One of each of several types, one behind the other or side by side."""

    async def source(self, work: Work) -> Source:
        resources: dict[str, Any] = {}
        before = None
        for at, kind in enumerate(work.properties["resources"] or ()):
            one: dict[str, Any] = {
                "type": kind,
                "properties": work.properties["resource_properties"] or {},
            }
            if before is not None and not work.properties["concurrent"]:
                one["depends_on"] = [before]
            resources[str(at)], before = one, str(at)
        return within_stack(work, {"heat_template_version": HOT, "resources": resources}, {})

    async def attribute(self, work: Work, name: str) -> Any:
        members = sorted(await nested.members(work), key=lambda one: _number(one.name))
        if name == "refs":
            return [await nested.of_member(work, one.name, None) for one in members]
        if name.startswith("resource."):
            return await self.of_member(work, name.removeprefix("resource."))
        return [await nested.of_member(work, one.name, name) for one in members]


# ---- what scales ----


class AutoScalingGroup(Group):
    """Between so many and so many of the same; policies change how many."""

    def batches(self, work: Work) -> rolling.Batches | None:
        if work.part.action == "CREATE":
            return None
        return rolling.of(work.properties["rolling_updates"])

    def made_of(self, work: Work, names: list[str]) -> rolling.Members:
        given = work.properties["resource"]
        one = {name: value for name, value in given.items() if value is not None}
        return dict.fromkeys(names, one)

    async def names(self, work: Work) -> list[str]:
        given = work.properties
        size = work.data.get("size")
        if size is None:
            size = (
                given["desired_capacity"]
                if given["desired_capacity"] is not None
                else given["min_size"]
            )
        size = max(given["min_size"], min(given["max_size"], size))
        work.data["size"] = size
        names = [one.name for one in await nested.members(work)]
        names = names[len(names) - size :] if len(names) > size else names
        return names + [_letters(work) for _ in range(size - len(names))]

    def more(self, work: Work, count: int, there: Mapping[str, Any]) -> list[str]:
        return [_letters(work) for _ in range(count)]

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        if changed.get("desired_capacity") is not None:
            work.data["size"] = changed["desired_capacity"]
        await super().update(work, changed)

    async def attribute(self, work: Work, name: str) -> Any:
        members = list(await nested.members(work))
        if name == "current_size":
            return len(members)
        if name == "refs":
            return [await nested.of_member(work, one.name, None) for one in members]
        if name == "refs_map":
            return {one.name: await nested.of_member(work, one.name, None) for one in members}
        if name == "outputs_list":
            return []
        if name.startswith("resource."):
            return await self.of_member(work, name.removeprefix("resource."))
        return [await nested.of_member(work, one.name, name) for one in members]

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        low, high = properties["min_size"], properties["max_size"]
        if isinstance(low, int) and isinstance(high, int) and low > high:
            raise Wrong(f"Property error: {name}: MinSize can not be greater than MaxSize")


def _letters(work: Work) -> str:
    """A name that no member had before."""
    number = work.data["named"] = int(work.data.get("named", 0)) + 1
    return f"m{number:05d}"


_FURTHEST = 1_000_000  # members or percent: nobody is further from the bounds of a group


def resized(size: int, low: int, high: int, kind: str, by: float, least: int | None) -> int:
    """How many there shall be after an adjustment."""
    by = max(-_FURTHEST, min(_FURTHEST, by))
    if kind in ("exact_capacity", "ExactCapacity"):
        desired = int(by)
    elif kind in ("change_in_capacity", "ChangeInCapacity"):
        desired = size + int(by)
    else:
        change = size * by / 100
        step = int(change) if abs(change) >= 1 else (1 if change > 0 else -1 if change < 0 else 0)
        if least is not None and abs(step) < least:
            step = least if by >= 0 else -least
        desired = size + step
    return max(low, min(high, desired))


def cooled_down(data: Mapping[str, Any], seconds: int, now: datetime) -> bool:
    """Whether enough time went by since the last adjustment."""
    last = data.get("adjusted_at")
    return last is None or (now - datetime.fromisoformat(last)).total_seconds() >= seconds


_DEF = {
    "type": Property(required=True),
    "properties": Property(type="map"),
    "metadata": Property(type="map"),
}
_OF_GROUP = {
    "refs": Attribute("A list of resource IDs for the resources in the group.", "list"),
    "refs_map": Attribute("A map of resource names to IDs for the resources in the group.", "map"),
    "resource.": Attribute("Of a member."),
    "*": Attribute("What the members tell.", "list"),
}

TYPES = (
    ResourceType(
        name="OS::Heat::ResourceGroup",
        description="Creates one or more identically configured nested resources.",
        properties={
            "count": Property(type="integer", default=1, update=True, constraints=within(0, 1000)),
            "index_var": Property(default="%index%"),
            "resource_def": Property(type="map", required=True, update=True, within=_DEF),
            "removal_policies": Property(
                type="list",
                update=True,
                default=[],
                item=Property(
                    type="map", within={"resource_list": Property(type="list", default=[])}
                ),
            ),
            "removal_policies_mode": Property(
                default="append", update=True, constraints=one_of("append", "update")
            ),
        },
        attributes={
            **_OF_GROUP,
            "removed_rsrc_list": Attribute("Members that were removed.", "list"),
        },
        driver=ResourceGroup(),
        policies=rolling.POLICIES,
    ),
    ResourceType(
        name="OS::Heat::ResourceChain",
        description="Creates one or more resources with the same configuration, of several types.",
        properties={
            "resources": Property(type="list", required=True, update=True),
            "concurrent": Property(type="boolean", default=False),
            "resource_properties": Property(type="map"),
        },
        attributes=_OF_GROUP,
        driver=ResourceChain(),
    ),
    ResourceType(
        name="OS::Heat::Stack",
        description="A resource that creates a stack.",
        properties={
            "context": Property(
                type="map",
                within={
                    "region_name": Property(),
                    "credential_secret_id": Property(),
                    "ca_cert": Property(),
                    "insecure": Property(type="boolean", default=False),
                },
            ),
            "template": Property(required=True, update=True),
            "timeout": Property(type="integer", update=True),
            "parameters": Property(type="map", update=True, default={}),
        },
        attributes={
            "stack_name": Attribute("Name of the stack."),
            "stack_status": Attribute("Status of the stack."),
            "outputs": Attribute("A dict of key-value pairs output from the stack.", "map"),
            "show": Attribute("Detailed information about resource.", "map"),
        },
        driver=RemoteStack(),
    ),
    ResourceType(
        name="OS::Heat::AutoScalingGroup",
        description="An autoscaling group that can scale arbitrary resources.",
        properties={
            "max_size": Property(
                type="integer", required=True, update=True, constraints=within(0, 1000)
            ),
            "min_size": Property(
                type="integer", required=True, update=True, constraints=within(0, 1000)
            ),
            "desired_capacity": Property(type="integer", update=True, constraints=within(0, 1000)),
            "cooldown": Property(type="integer", update=True),
            "resource": Property(type="map", required=True, update=True, within=_DEF),
            "rolling_updates": Property(type="map", update=True, within=rolling.ROLLING),
        },
        attributes={
            **_OF_GROUP,
            "current_size": Attribute("The current size of AutoscalingResourceGroup.", "integer"),
        },
        driver=AutoScalingGroup(),
    ),
)

__all__ = ["TYPES", "NestedTemplate", "cooled_down", "resized"]
