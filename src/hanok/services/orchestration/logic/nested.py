"""Stacks within stacks: a resource whose thing is a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from hanok.services.orchestration.logic import clouds, parts, stacks, templates
from hanok.services.orchestration.logic.functions import Budget, Wrong
from hanok.services.orchestration.logic.program import Source
from hanok.services.orchestration.logic.reading import Reader
from hanok.services.orchestration.logic.types.model import Failed
from hanok.services.orchestration.logic.work import Work


async def of(work: Work) -> Row[Any] | None:
    """The stack of a resource, if it is there.

    It is a child of the resource's stack; what `external_id` names is another one of the same project, and only read.
    """
    async with work.room.database.read() as tx:
        row = await stacks.find(tx, work.part.physical_id or work.part.id)
    return row if row is not None and row.deleted_at is None and _is_its(work, row) else None


def _is_its(work: Work, row: Row[Any]) -> bool:
    if work.part.data.get("external"):
        return bool(row.project_id == work.stack.project_id)
    return bool(row.parent_id == work.stack.id)


async def ensure(work: Work, source: Source, action: str = "CREATE") -> str:
    """The stack of a resource is there and becomes what a source says; gives its id.

    Raises:
        Failed: it would be too deep.
    """
    room, parent = work.room, work.stack
    template = templates.read(source.template)
    values: dict[str, Any] = {
        "source": stacks.kept(source, template, room.key),
        "lent": parent.lent,
    }
    values["task"] = {"facade": work.facade, **_adopted(work)}
    if action == "UPDATE" and parent.task.get("converge"):
        values["task"]["converge"] = True
    values["description"] = template.description
    Budget().take(source.template)
    async with room.database.write() as tx:
        await tx.serialize("stack tree", parent.root_id)
        row = await stacks.find(tx, work.part.physical_id or work.part.id)
        if row is not None and row.parent_id != parent.id:
            raise Failed("Stack not found")
        if row is not None:
            if action != "CREATE":  # one that was begun by a process that died is under way
                await stacks.check_tree(
                    tx, room, parent.root_id, len(template.resources), besides=row.id
                )
                previous = row.source if row.status == "COMPLETE" else row.previous
                await stacks.begin(tx, room, row, action, previous=previous, **values)
            return str(row.id)
        if parent.depth + 1 >= room.settings.max_nested_stack_depth:
            raise Failed(
                f"Request limit exceeded: Recursion depth exceeds {room.settings.max_nested_stack_depth}."
            )
        await stacks.check_tree(tx, room, parent.root_id, len(template.resources))
        made = await stacks.create(
            tx,
            room,
            id=work.part.id,
            name=name_of(work),
            project_id=parent.project_id,
            user_id=parent.user_id,
            user_name=parent.user_name,
            parent_id=parent.id,
            parent_resource=work.part.name,
            root_id=parent.root_id,
            depth=parent.depth + 1,
            timeout_mins=parent.timeout_mins,
            **values,
        )
        await stacks.begin(tx, room, made, parent.action if parent.action == "ADOPT" else "CREATE")
    return str(work.part.id)


def _adopted(work: Work) -> dict[str, Any]:
    adopted = (work.stack.task.get("adopt") or {}).get(work.part.name) or {}
    return {"adopt": adopted.get("resources")} if adopted.get("resources") else {}


def name_of(work: Work) -> str:
    short = work.part.id.replace("-", "")[:12]
    name = f"{work.stack.name}-{work.part.name}"
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "_-.") else "_" for one in name
    )
    return f"{plain[:240]}-{short}"


async def begin(work: Work, action: str) -> None:
    """Begin a change of the stack of a resource that keeps its source."""
    row = await of(work)
    if row is None:
        if action == "DELETE":
            return
        raise Failed("Stack not found")
    async with work.room.database.write() as tx:
        row = await stacks.find(tx, row.id)
        assert row is not None
        if (row.action, row.status) != (action, "IN_PROGRESS"):
            task = {**row.task, "snapshot": work.stack.task.get("snapshot")}
            await stacks.begin(tx, work.room, row, action, lent=work.stack.lent, task=task)


async def is_done(work: Work, *actions: str) -> bool:
    """Whether what was begun of the stack of a resource has ended.

    Raises:
        Failed: it has, but not well.
    """
    row = await of(work)
    if row is None:
        if "DELETE" in actions:
            return True
        raise Failed("Stack not found")
    if row.status == "IN_PROGRESS":
        return False
    if row.status == "FAILED":
        raise Failed(row.reason.replace("resources.", f"resources.{work.part.name}.", 1))
    return True


async def reader_of(work: Work, row: Row[Any]) -> Reader:
    """The stack of a resource, to be read."""
    return await reader(work.room, row, work.cloud)


async def reader(room: Any, row: Row[Any], cloud: Any = None) -> Reader:
    cloud = cloud or await clouds.of_stack(room, row)
    async with room.database.read() as tx:
        rows = await parts.of_stack(tx, row.id, room.key)
    return Reader(room, cloud, row, await stacks.loaded(room, row), rows)


async def output(work: Work, name: str) -> Any:
    """An output of the stack of a resource.

    Raises:
        Failed: it cannot be told.
    """
    row = await of(work)
    if row is None:
        return None
    found = await reader_of(work, row)
    if name not in found.program.template.outputs:
        raise Failed(f"The Referenced Attribute ({work.part.name} {name[:100]}) is incorrect.")
    shown = await found.output(name)
    if "output_error" in shown:
        raise Failed(f"Error in {work.part.name} output {name}: {shown['output_error']}")
    return shown["output_value"]


async def outputs(work: Work) -> dict[str, Any]:
    row = await of(work)
    if row is None:
        return {}
    found = await reader_of(work, row)
    return {one["output_key"]: one["output_value"] for one in await found.outputs()}


async def made_of(work: Work) -> dict[str, Any]:
    """What the stack of a resource says its resources are, by their names; nothing where there is none."""
    row = await of(work)
    if row is None:
        return {}
    return dict(stacks.source_of(row.source, work.room.key).template.get("resources") or {})


async def members(work: Work) -> Sequence[parts.Part]:
    """The resources of the stack of a resource, in the order in which they were made."""
    row = await of(work)
    if row is None:
        return []
    async with work.room.database.read() as tx:
        found = await parts.of_stack(tx, row.id, work.room.key)
    return [one for one in found if one.replaced_by is None]


async def of_member(work: Work, name: str, key: str | None) -> Any:
    """What a resource of the stack of a resource is (key: None), or tells.

    Raises:
        Failed
    """
    row = await of(work)
    if row is None:
        return None
    found = await reader_of(work, row)
    if name not in found.current:
        raise Failed(
            f"The Referenced Attribute ({work.part.name} resource.{name[:100]}) is incorrect."
        )
    try:
        return found.reference(name) if key is None else await found.attribute(name, key)
    except Wrong as error:
        raise Failed(error.message) from None
