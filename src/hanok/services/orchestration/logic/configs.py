"""Software configs and deployments: texts for servers, and that a server shall have them.

Source: Orchestration API reference, "Software configuration".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.clock import zulu
from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.tables import configs, deployments
from hanok.store import Transaction

ALL = sa.select(configs)
ALL_DEPLOYMENTS = sa.select(deployments)
_config = ALL.where(configs.c.id == bindparam("id"))
_deployment = ALL_DEPLOYMENTS.where(deployments.c.id == bindparam("id"))
_drop = configs.delete().where(configs.c.id == bindparam("id"))
_drop_of = _drop.where(configs.c.project_id == bindparam("project"))
_drop_deployment = deployments.delete().where(deployments.c.id == bindparam("id"))
_used = sa.select(deployments.c.id).where(deployments.c.config_id == bindparam("id")).limit(1)
_of_server = (
    ALL_DEPLOYMENTS.where(deployments.c.server_id == bindparam("server"))
    .order_by(deployments.c.sequence)
    .limit(1000)
)


async def config(tx: Transaction, config_id: str, project_id: str | None) -> Row[Any]:
    """
    Raises:
        NotFound: there is none, or it is another project's.
    """
    row = await tx.first(_config, {"id": config_id})
    if row is None or (project_id is not None and row.project_id != project_id):
        raise NotFound(f"Software config with id {config_id[:100]} not found", code="NotFound")
    return row


async def deployment(tx: Transaction, deployment_id: str, project_id: str | None) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    row = await tx.first(_deployment, {"id": deployment_id})
    if row is None or (project_id is not None and row.project_id != project_id):
        raise NotFound(f"Deployment with id {deployment_id[:100]} not found", code="NotFound")
    return row


COMPONENT = "component"  # the group of a config that is one for each action of a stack
MAXIMUM = 10_000  # configs, and deployments, of a project


async def check_count(tx: Transaction, table: sa.Table, project_id: str) -> None:
    """
    Raises:
        BadInput: the project has as many as it may have.
    """
    await tx.serialize(table.name, project_id)
    count = (
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.project_id == bindparam("project"))
    )
    if int(await tx.scalar(count, {"project": project_id}) or 0) >= MAXIMUM:
        raise BadInput(
            f"Request limit exceeded: a project has at most {MAXIMUM} of them.",
            code="RequestLimitExceeded",
        )


def _check_named(body: Mapping[str, Any]) -> None:
    for key in ("inputs", "outputs"):
        for one in body.get(key) or ():
            if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
                raise BadInput(f"Each of the {key} of a software config needs a name.")


async def create(
    tx: Transaction, room: Orchestration, project_id: str, body: Mapping[str, Any], *, id: str = ""
) -> Row[Any]:
    """A new config.

    Raises:
        BadInput
    """
    _check_named(body)
    if not id:
        await check_count(tx, configs, project_id)
    row = {
        "id": id or new_uuid(),
        "project_id": project_id,
        "name": body.get("name") or "",
        "group": body.get("group") or "Heat::Ungrouped",
        "config": body.get("config") if body.get("config") is not None else "",
        "inputs": body.get("inputs") or [],
        "outputs": body.get("outputs") or [],
        "options": body.get("options") or {},
        "created_at": room.clock.now(),
    }
    await tx.insert_missing(configs, row)
    return await config(tx, str(row["id"]), project_id)


async def ensure(
    room: Orchestration, project_id: str, config_id: str, body: Mapping[str, Any]
) -> str:
    """A config with this id is there; gives the id."""
    async with room.database.write() as tx:
        await create(tx, room, project_id, body, id=config_id)
    return config_id


async def drop(room: Orchestration, config_id: str, project_id: str) -> None:
    """A project's config goes, if it is there."""
    async with room.database.write() as tx:
        await tx.execute(_drop_of, {"id": config_id, "project": project_id})


async def text_of(room: Orchestration, config_id: str, project_id: str) -> Any:
    """What a config of a project holds; None where there is none."""
    async with room.database.read() as tx:
        row = await tx.first(_config, {"id": config_id[:36]})
    return None if row is None or row.project_id != project_id else row.config


async def delete(tx: Transaction, config_id: str, project_id: str) -> None:
    """
    Raises:
        NotFound; BadInput: a deployment uses it.
    """
    await config(tx, config_id, project_id)
    if await tx.first(_used, {"id": config_id}) is not None:
        raise BadInput(
            f"Software config with id {config_id} can not be deleted as it is referenced.",
            code="RestrictedAction",
        )
    await tx.execute(_drop, {"id": config_id})


async def deploy(
    tx: Transaction, room: Orchestration, project_id: str, body: Mapping[str, Any], *, id: str = ""
) -> Row[Any]:
    """A new deployment.

    Raises:
        NotFound: there is no such config.
    """
    await config(tx, body["config_id"], project_id)
    if not id:
        await check_count(tx, deployments, project_id)
    row = {
        "id": id or new_uuid(),
        "project_id": project_id,
        "server_id": body["server_id"],
        "config_id": body["config_id"],
        "stack_user_project_id": body.get("stack_user_project_id"),
        "action": body.get("action"),
        "status": body.get("status"),
        "status_reason": body.get("status_reason"),
        "input_values": body.get("input_values") or {},
        "output_values": body.get("output_values"),
        "created_at": room.clock.now(),
        "updated_at": None,
    }
    await tx.insert_missing(deployments, row)
    return await deployment(tx, row["id"], project_id)


async def change(
    tx: Transaction, room: Orchestration, deployment_id: str, values: Mapping[str, Any]
) -> None:
    statement = deployments.update().where(deployments.c.id == bindparam("of"))
    named = {
        name: bindparam(f"new_{name}", type_=deployments.c[name].type)
        for name in (*values, "updated_at")
    }
    given = {f"new_{name}": value for name, value in values.items()}
    await tx.execute(
        statement.values(named), {"of": deployment_id, "new_updated_at": room.clock.now(), **given}
    )


async def undeploy(tx: Transaction, deployment_id: str) -> None:
    await tx.execute(_drop_deployment, {"id": deployment_id})


async def of_deployment(tx: Transaction, deployment_id: str) -> str | None:
    """The config that a deployment of a stack was made of, which is its own."""
    row = await tx.first(_deployment, {"id": deployment_id})
    return None if row is None else str(row.config_id)


async def action_of(tx: Transaction, deployment_id: str) -> str:
    """The action of its stack that a deployment is for; empty: there is no such deployment."""
    row = await tx.first(_deployment, {"id": deployment_id})
    return "" if row is None else str(row.action)


def actions_of(component: Mapping[str, Any]) -> list[str]:
    """The actions of a stack that a component has a config for. Whoever made it may have written anything."""
    some = component.get("configs")
    some = some if isinstance(some, list) else []
    lists = [one.get("actions") for one in some if isinstance(one, Mapping)]
    return [str(action) for one in lists if isinstance(one, list) for action in one]


async def forget(tx: Transaction, config_id: str) -> None:
    """A config goes that nothing else uses."""
    if await tx.first(_used, {"id": config_id}) is None:
        await tx.execute(_drop, {"id": config_id})


async def metadata_of(tx: Transaction, server_id: str, project_id: str) -> list[dict[str, Any]]:
    """What a server shall have: its deployments' configs, in the order of their names."""
    rows = [
        row
        for row in await tx.all(_of_server, {"server": server_id[:36]})
        if row.project_id == project_id
    ]
    found = [await tx.first(_config, {"id": row.config_id}) for row in rows]
    return [shown(row) for row in found if row is not None]


def shown(row: Row[Any], *, brief: bool = False) -> dict[str, Any]:
    """A config as the API shows it."""
    found = {
        "id": row.id,
        "name": row.name,
        "group": row.group,
        "creation_time": zulu(row.created_at),
    }
    if brief:
        return found
    return {
        **found,
        "config": row.config,
        "inputs": row.inputs,
        "outputs": row.outputs,
        "options": row.options,
    }


def shown_deployment(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "server_id": row.server_id,
        "config_id": row.config_id,
        "action": row.action,
        "status": row.status,
        "status_reason": row.status_reason,
        "input_values": row.input_values,
        "output_values": row.output_values or {},
        "creation_time": zulu(row.created_at),
        "updated_time": None if row.updated_at is None else zulu(row.updated_at),
    }


async def page(tx: Transaction, project_id: str | None, query: Mapping[str, str]) -> list[Row[Any]]:
    """A project's configs, newest first; a page of them where that is asked for. None: those of all projects.

    Raises:
        BadInput
    """
    statement = ALL.order_by(configs.c.sequence.desc())
    if project_id is not None:
        statement = statement.where(configs.c.project_id == project_id)
    marker, limit = query.get("marker"), query.get("limit")
    if marker:
        row = await config(tx, marker, project_id)
        statement = statement.where(configs.c.sequence < row.sequence)
    if limit is not None and not (limit.isdecimal() and len(limit) < 7):
        raise BadInput(f"Only integer is allowed as limit: '{limit[:50]}'")
    return list(await tx.all(statement.limit(int(limit) if limit is not None else 10_000)))


async def deployments_of(tx: Transaction, project_id: str, server_id: str | None) -> list[Row[Any]]:
    statement = ALL_DEPLOYMENTS.where(deployments.c.project_id == project_id)
    if server_id:
        statement = statement.where(deployments.c.server_id == server_id[:36])
    return list(await tx.all(statement.order_by(deployments.c.sequence).limit(10_000)))
