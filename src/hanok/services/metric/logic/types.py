"""Kinds of resources: which attributes a resource has beside those that all have.

Source: Gnocchi's REST API reference, "Resource types"; the types that Ceilometer makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.metric.logic import shapes, times
from hanok.services.metric.tables import resource_types, resources
from hanok.store import Duplicate, Transaction

GENERIC = "generic"
MAXIMUM = 200  # types: operators make them
RESERVED = frozenset((
    "id", "type", "metrics", "revision", "revision_start", "revision_end", "started_at", "ended_at", "user_id",
    "project_id", "created_by_user_id", "created_by_project_id", "get_metric", "creator", "original_resource_id",
))  # fmt: skip
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")

_all = sa.select(resource_types).order_by(resource_types.c.name)
_one = sa.select(resource_types).where(resource_types.c.name == bindparam("of"))
_drop = resource_types.delete().where(resource_types.c.name == bindparam("of"))
_write = (
    resource_types.update()
    .where(resource_types.c.name == bindparam("of"))
    .values(attributes=bindparam("new", type_=resource_types.c.attributes.type))
)
_used = sa.select(resources.c.id).where(resources.c.type == bindparam("of")).limit(1)


def _short(name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return name, {"type": "string", "required": False, "min_length": 0, "max_length": 255, **more}


_DATES = [
    (name, {"type": "datetime", "required": False})
    for name in ("launched_at", "created_at", "deleted_at")
]
_OF_SERVER = [_short("name", required=True, min_length=1), _short("instance_id", required=True)]
FIRST: dict[str, dict[str, dict[str, Any]]] = {
    GENERIC: {},
    "instance": dict([
        _short("display_name"), _short("flavor_id"), _short("flavor_name"), _short("host"), _short("image_ref"),
        _short("server_group"), _short("availability_zone"), *_DATES,
    ]),
    "instance_disk": dict(_OF_SERVER),
    "instance_network_interface": dict(_OF_SERVER),
    "image": dict([_short("name"), _short("container_format"), _short("disk_format")]),
    "volume": dict([
        _short("display_name"), _short("volume_type"), _short("volume_type_id"), _short("image_id"),
        _short("instance_id"),
    ]),
    "manila_share": dict([
        _short("name"), _short("protocol"), _short("status"), _short("availability_zone"),
    ]),
    "prometheus": dict([_short("job", required=True), _short("instance", required=True)]),
    "network": {},
    "port": {},
    "stack": {},
    "identity": {},
    "swift_account": dict([_short("storage_policy")]),
    "nova_compute": dict([_short("host_name")]),
}  # fmt: skip


# ---- attributes ----


def _bound(value: Any, path: shapes.Path) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise shapes.wrong("expected Real", path)
    return value


_MORE: dict[str, dict[str, tuple[Any, shapes.Check]]] = {
    "string": {"min_length": (0, shapes.whole(0, 256)), "max_length": (256, shapes.whole(1, 256))},
    "number": {"min": (None, _bound), "max": (None, _bound)},
    "uuid": {},
    "bool": {},
    "datetime": {},
}


def _attribute(value: Any, path: shapes.Path, *, changing: bool = False) -> dict[str, Any]:
    """The definition of an attribute.

    Raises:
        BadInput
    """
    name = str(path[-1])
    if len(name) > 63 or name in RESERVED or not _NAME.fullmatch(name):
        raise BadInput(f"Invalid input: Resource attribute name {name[:100]} is invalid")
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _MORE:
        raise shapes.wrong("not a valid value", (*path, "type"))
    more = _MORE[kind]
    optional: dict[str, shapes.Check] = {"required": shapes.truth}
    optional |= {key: check for key, (_, check) in more.items()}
    if changing:
        optional["options"] = lambda one, at: shapes.mapping(
            one, None, {"fill": shapes.anything}, at
        )
    sent = shapes.mapping(value, {"type": shapes.text()}, optional, path)
    found = {"type": kind, "required": sent.get("required", True)}
    found |= {key: sent.get(key, default) for key, (default, _) in more.items()}
    _check_bounds(found)
    if changing:
        _fill(name, found, sent.get("options") or {})
    return found


def _check_bounds(attribute: Mapping[str, Any]) -> None:
    for low, high in (("min_length", "max_length"), ("min", "max")):
        least, highest = attribute.get(low), attribute.get(high)
        if least is not None and highest is not None and least > highest:
            raise BadInput(
                f"Invalid input: Resource attribute value min (or min_length) {least} must be less "
                f"than or equal to max (or max_length) {highest}!"
            )


def _fill(name: str, attribute: dict[str, Any], options: Mapping[str, Any]) -> None:
    """What resources that are there already get."""
    fill = options.get("fill")
    why = ""
    if fill is None:
        why = "must not be empty if required=True" if attribute["required"] else ""
    else:
        try:
            attribute["fill"] = value_of(attribute, fill, ())
        except BadInput as error:
            why = error.message.removeprefix("Invalid input: ")
    if why:
        raise BadInput(
            f"Invalid input: Option 'fill' of resource attribute {name} is invalid: {why}"
        )


def _uuid(value: Any, path: shapes.Path) -> str:
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise shapes.wrong("badly formed hexadecimal UUID string", path) from None


def _datetime(value: Any, path: shapes.Path) -> str:
    try:
        return times.text(times.moment(value, times.to_datetime(0)))
    except ValueError as error:
        raise shapes.wrong(str(error), path) from None


def _number(attribute: Mapping[str, Any], value: Any, path: shapes.Path) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise shapes.wrong("expected Real", path)
    if attribute["min"] is not None and value < attribute["min"]:
        raise shapes.wrong(f"value must be at least {attribute['min']}", path)
    if attribute["max"] is not None and value > attribute["max"]:
        raise shapes.wrong(f"value must be at most {attribute['max']}", path)
    return value


_READ: dict[str, Callable[[Mapping[str, Any], Any, shapes.Path], Any]] = {
    "string": lambda attribute, value, path: shapes.text(
        attribute["min_length"], attribute["max_length"]
    )(value, path),
    "number": _number,
    "uuid": lambda attribute, value, path: _uuid(value, path),
    "bool": lambda attribute, value, path: shapes.truth(value, path),
    "datetime": lambda attribute, value, path: _datetime(value, path),
}


def value_of(attribute: Mapping[str, Any], value: Any, path: shapes.Path) -> Any:
    """The value of an attribute, as it is kept; that of one which is not required may be null.

    Raises:
        BadInput
    """
    if value is None and not attribute["required"]:
        return None
    return _READ[attribute["type"]](attribute, value, path)


def key_of(name: str, attribute: Mapping[str, Any]) -> str:
    """Under which a resource keeps the value: an attribute that went and came back is another one."""
    return str(attribute.get("key", name))


def values(row: Row[Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a resource of this type, from what its row keeps."""
    return {
        name: kept.get(key_of(name, one), one.get("fill")) for name, one in row.attributes.items()
    }


# ---- types ----


def shown(row: Row[Any]) -> dict[str, Any]:
    attributes = {
        name: {key: value for key, value in one.items() if key not in ("fill", "key")}
        for name, one in row.attributes.items()
    }
    return {"name": row.name, "attributes": attributes, "state": "active"}


async def every(tx: Transaction) -> dict[str, Row[Any]]:
    return {row.name: row for row in await tx.all(_all)}


async def find(tx: Transaction, name: str) -> Row[Any]:
    """
    Raises:
        NotFound
    """
    row = await tx.first(_one, {"of": name})
    if row is None:
        raise NotFound(f"Resource type {name[:255]} does not exist")
    return row


def _attributes(value: Any, path: shapes.Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise shapes.wrong("expected a dictionary", path)
    if len(value) > 100:
        raise shapes.wrong("length of value must be at most 100", path)
    return {name: _attribute(one, (*path, name)) for name, one in value.items()}


async def create(tx: Transaction, body: Any) -> Row[Any]:
    """
    Raises:
        BadInput, Conflict
    """
    sent = shapes.mapping(body, {"name": shapes.text(1)}, {"attributes": _attributes})
    if not _NAME.fullmatch(sent["name"]):
        raise shapes.wrong("not a valid name", ("name",))
    if len(await tx.all(_all)) >= MAXIMUM:
        raise BadInput(f"There are at most {MAXIMUM} resource types.")
    row = {"name": sent["name"], "attributes": sent.get("attributes", {})}
    try:
        await tx.insert(resource_types, row)
    except Duplicate:
        raise Conflict(f"Resource type {sent['name']} already exists") from None
    return await find(tx, sent["name"])


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    """One change of a JSON patch."""

    op: str
    path: str
    value: Any = None


def _steps(body: Any) -> list[_Step]:
    try:
        steps = msgspec.convert(body, list[_Step])
    except msgspec.ValidationError as error:
        raise BadInput(f"Invalid input: {error}") from None
    for one in steps:
        place = one.path.split("/")
        if one.op not in ("add", "remove") or place[:2] != ["", "attributes"] or len(place) != 3:
            raise BadInput(
                f"Invalid input: only 'add' and 'remove' of /attributes/NAME are supported, not {one.op[:20]!r} of "
                f"{one.path[:100]!r}"
            )
    if len(steps) > 100:
        raise BadInput("Invalid input: a patch has at most 100 steps")
    return steps


def _added(
    row: Row[Any], name: str, before: Mapping[str, Any] | None, value: Any
) -> dict[str, Any]:
    found = _attribute(value, ("attributes", name), changing=True)
    if before is None:
        return {**found, "key": f"{name}~{new_uuid()[:8]}"}
    if before["type"] != found["type"]:
        raise BadInput(
            f"Type update is not available yet. Changing {before['type']} to {found['type']} for attribute {name} of "
            f"resource {row.name}"
        )
    kept = {key: before[key] for key in ("key", "fill") if key in before}
    return {**kept, **found}


async def patch(tx: Transaction, name: str, body: Any) -> Row[Any]:
    """Add and remove attributes.

    Raises:
        NotFound, BadInput
    """
    row = await find(tx, name)
    attributes = dict(row.attributes)
    for step in _steps(body):
        attribute = step.path.rpartition("/")[2]
        if step.op == "add":
            attributes[attribute] = _added(row, attribute, attributes.get(attribute), step.value)
        elif attributes.pop(attribute, None) is None:
            raise BadInput(f"can't remove non-existent object '{attribute[:100]}'")
    await tx.execute(_write, {"of": name, "new": attributes})
    return await find(tx, name)


async def delete(tx: Transaction, name: str) -> None:
    """
    Raises:
        NotFound; BadInput: there are resources of it.
    """
    await find(tx, name)
    if name == GENERIC or await tx.first(_used, {"of": name}) is not None:
        raise BadInput(f"Resource type {name} is still in use")
    await tx.execute(_drop, {"of": name})


async def first_rows(tx: Transaction) -> None:
    """The types that are there from the start."""
    there = {row.name for row in await tx.all(_all)}
    for name, attributes in FIRST.items():
        if name in there:
            continue
        await tx.insert_missing(resource_types, {"name": name, "attributes": attributes})
