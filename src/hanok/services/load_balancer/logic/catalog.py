"""Flavors and availability zones: what an operator offers, by profiles that a provider understands.

Source: Load Balancer API v2 reference, "Flavors", "Flavor Profiles", "Availability Zones".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base import inner_json
from hanok.base.errors import BadInput, Conflict
from hanok.base.ids import new_uuid
from hanok.services.load_balancer.logic import trees
from hanok.services.load_balancer.logic.errors import failed, odd
from hanok.services.load_balancer.providers.model import Capability, Provider
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.tables import (
    flavor_profiles,
    flavors,
    load_balancers,
    zone_profiles,
    zones,
)
from hanok.store import Duplicate, Transaction

_users = {
    flavors.name: sa.select(load_balancers.c.id).where(
        load_balancers.c.flavor_id == bindparam("of")
    ),
    zones.name: sa.select(load_balancers.c.id).where(
        load_balancers.c.availability_zone == bindparam("of")
    ),
    flavor_profiles.name: sa.select(flavors.c.id).where(
        flavors.c.flavor_profile_id == bindparam("of")
    ),
    zone_profiles.name: sa.select(zones.c.id).where(
        zones.c.availability_zone_profile_id == bindparam("of")
    ),
}


class Terms(Struct, frozen=True):
    """What a new load balancer gets. data: what its flavor and its zone say."""

    provider: str
    data: dict[str, Any]


def provider(room: LoadBalancing, name: str) -> Provider:
    """Raises BadInput: there is none of that name."""
    found = room.providers.get(name)
    if found is None:
        raise BadInput(f"Provider '{name[:255]}' is not enabled.")
    return found


async def terms(tx: Transaction, room: LoadBalancing, values: Mapping[str, Any]) -> Terms:
    """What flavor and zone of a new load balancer mean, and who carries it.

    Raises:
        BadInput
    """
    name: str | None = values.get("provider")
    data: dict[str, Any] = {}
    if values.get("flavor_id"):
        flavor = await _named(tx, flavors, "flavor", values["flavor_id"])
        profile = await trees.again(tx, flavor_profiles, flavor.flavor_profile_id)
        name = _agreed(name, profile.provider_name, "flavor")
        data |= msgspec.json.decode(profile.flavor_data)
    if values.get("availability_zone"):
        zone = await _named(tx, zones, "availability_zone", values["availability_zone"])
        profile = await trees.again(tx, zone_profiles, zone.availability_zone_profile_id)
        name = _agreed(name, profile.provider_name, "availability zone")
        data |= msgspec.json.decode(profile.availability_zone_data)
    chosen = name or room.default_provider
    provider(room, chosen)
    return Terms(chosen, data)


async def _named(tx: Transaction, table: sa.Table, option: str, requested: str) -> Row[Any]:
    row = await tx.first(sa.select(table).where(table.c.id == requested))
    if row is None:
        raise failed(f"Invalid {option}: {requested[:255]}")
    if not row.enabled:
        raise failed(f"The selected {option} is not allowed in this deployment: {requested[:255]}")
    return row


def _agreed(name: str | None, theirs: str, what: str) -> str:
    if name not in (None, theirs):
        raise failed(f"The provider of the {what} is {theirs}, and not {name}")
    return theirs


def shower(*names: str) -> Any:
    async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
        return [{name: row._mapping[name] for name in names} for row in rows]

    return show


# ---- profiles ----


def _check_data(known: Sequence[Capability], name: str, text: str) -> None:
    """Whether a profile says what its provider understands. Raises BadInput."""
    try:
        data = inner_json.decoded(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise odd(name, text, "it is not a JSON object")
    by_name = {one.name: one for one in known}
    for key, value in data.items():
        if key not in by_name:
            raise odd(name, key, "the provider has no such capability")
        if by_name[key].values and value not in by_name[key].values:
            raise odd(key, value)
        if by_name[key].many and not _is_texts(value):
            raise odd(key, value, "it is not a list of texts")
        if not by_name[key].many and not isinstance(value, str):
            raise odd(key, value, "it is not a text")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _capabilities(table: sa.Table, found: Provider) -> Sequence[Capability]:
    return found.flavor_capabilities if table is flavor_profiles else found.zone_capabilities


def _data(table: sa.Table) -> str:
    return "flavor_data" if table is flavor_profiles else "availability_zone_data"


def profile_creator(table: sa.Table) -> Any:
    async def create(
        tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
    ) -> str:
        found = provider(room, values["provider_name"])
        _check_data(_capabilities(table, found), _data(table), values[_data(table)])
        row = {**values, "id": new_uuid()}
        await tx.insert(table, row)
        return str(row["id"])

    return create


def profile_updater(table: sa.Table) -> Any:
    async def update(
        tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
    ) -> None:
        touches = {"provider_name", _data(table)} & values.keys()
        if touches and await tx.first(_users[table.name], {"of": row.id}):
            raise Conflict(f"Profile {row.id} is in use and cannot be modified.")
        whole = {**row._mapping, **values}
        found = provider(room, whole["provider_name"])
        _check_data(_capabilities(table, found), _data(table), whole[_data(table)])
        await tx.execute(table.update().where(table.c.id == row.id).values(**values))

    return update


def remover(table: sa.Table, what: str) -> Any:
    async def delete(tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any]) -> None:
        if await tx.first(_users[table.name], {"of": row.id}):
            raise Conflict(f"{what} {row.id} is in use and cannot be deleted.")
        await tx.execute(table.delete().where(table.c.id == row.id))

    return delete


# ---- flavors and zones ----


async def create_flavor(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> str:
    """Raises NotFound: no such profile. Conflict: the name is taken."""
    profile = values["flavor_profile_id"]
    await tx.keep(profile)
    await trees.row_of(tx, flavor_profiles, "flavorprofile", profile)
    row = {**values, "id": new_uuid()}
    await _insert(tx, flavors, row, values["name"])
    return str(row["id"])


async def create_zone(
    tx: Transaction, room: LoadBalancing, reach: Reach, values: dict[str, Any]
) -> str:
    """Raises NotFound: no such profile. Conflict: the name is taken."""
    profile = values["availability_zone_profile_id"]
    await tx.keep(profile)
    await trees.row_of(tx, zone_profiles, "availability_zone_profile", profile)
    row = {name: value for name, value in values.items() if name != "name"}
    await _insert(tx, zones, {**row, "id": values["name"]}, values["name"])
    return str(values["name"])


async def _insert(tx: Transaction, table: sa.Table, row: dict[str, Any], name: str) -> None:
    try:
        await tx.insert(table, row)
    except Duplicate:
        raise Conflict(f"A resource with the name {name} already exists.") from None


def changer(table: sa.Table) -> Any:
    async def update(
        tx: Transaction, room: LoadBalancing, reach: Reach, row: Row[Any], values: dict[str, Any]
    ) -> None:
        name = str(values.get("name", row.id))
        try:
            await tx.alter(table.update().where(table.c.id == row.id).values(**values))
        except Duplicate:
            raise Conflict(f"A resource with the name {name} already exists.") from None

    return update


async def show_zones(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": row.id,
            "description": row.description,
            "enabled": row.enabled,
            "availability_zone_profile_id": row.availability_zone_profile_id,
        }
        for row in rows
    ]
