"""Flavors of network services: what operators offer, and the profiles that say what does it.

There is one service with flavors, routers, and one that does it, OVN.

Source: Networking API v2.0 reference, "Networking Flavors Framework".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.network.logic.errors import conflict, not_found
from hanok.services.network.logic.reach import Reach
from hanok.services.network.room import Network
from hanok.services.network.tables import flavor_profiles, flavors, routers, service_profiles
from hanok.store import Duplicate, Transaction

ROUTERS = "L3_ROUTER_NAT"
DRIVER = "neutron.services.ovn_l3.service_providers.ovn.OvnDriver"
PROVIDERS: tuple[dict[str, Any], ...] = ({"name": "ovn", "service_type": ROUTERS, "default": True},)

_profiles_of = (
    sa.select(flavor_profiles)
    .where(flavor_profiles.c.flavor_id.in_(bindparam("ids", expanding=True)))
    .order_by(flavor_profiles.c.service_profile_id)
)
_flavor = sa.select(flavors).where(flavors.c.id == bindparam("of"))
_profile = sa.select(service_profiles).where(service_profiles.c.id == bindparam("of"))
_behind = (
    sa.select(service_profiles)
    .join(flavor_profiles, flavor_profiles.c.service_profile_id == service_profiles.c.id)
    .where(flavor_profiles.c.flavor_id == bindparam("of"))
)
_routers_of = sa.select(routers.c.id).where(routers.c.flavor_id == bindparam("of")).limit(1)
_flavors_of = (
    sa.select(flavor_profiles.c.flavor_id)
    .where(flavor_profiles.c.service_profile_id == bindparam("of"))
    .limit(1)
)


# ---- flavors ----


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    theirs: dict[str, list[str]] = {row.id: [] for row in rows}
    for one in await tx.all(_profiles_of, {"ids": list(theirs)}):
        theirs[one.flavor_id].append(one.service_profile_id)
    return [
        {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "service_type": row.service_type,
            "enabled": row.enabled,
            "service_profiles": theirs[row.id],
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    names = ("name", "description", "service_type", "enabled")
    row = {"id": new_uuid(), **{name: values[name] for name in names}}
    await tx.insert(flavors, row)
    return str(row["id"])


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    await tx.execute(flavors.update().where(flavors.c.id == row.id).values(**values))


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Offer a flavor no longer.

    Raises:
        Conflict: a router is of it.
    """
    await _lock(tx, row.id)
    if await tx.first(_routers_of, {"of": row.id}) is not None:
        raise conflict("FlavorInUse", f"Flavor {row.id} is used by some service instance.")
    gone = flavor_profiles.delete().where(flavor_profiles.c.flavor_id == row.id)
    await tx.execute(gone)
    await tx.execute(flavors.delete().where(flavors.c.id == row.id))


async def _lock(tx: Transaction, flavor_id: str) -> None:
    await tx.serialize("network.flavor", flavor_id)


async def of_router(tx: Transaction, flavor_id: str | None) -> str | None:
    """The flavor that a new router is to be of; it stays while the transaction lasts.

    Raises:
        NotFound: there is none, or nothing that does it. BadInput: it is of another service. Conflict: it is not
            offered now.
    """
    if flavor_id is None:
        return None
    await _lock(tx, flavor_id)
    flavor = await tx.first(_flavor, {"of": flavor_id})
    if flavor is None:
        raise not_found("flavor", flavor_id)
    if not flavor.enabled:
        raise conflict("FlavorDisabled", "Flavor is not enabled.")
    if flavor.service_type != ROUTERS:
        raise BadInput(
            f"Flavor {flavor_id} is of service type {flavor.service_type}, not {ROUTERS}.",
            code="InvalidFlavorServiceType",
        )
    behind = await tx.all(_behind, {"of": flavor_id})
    if behind and not any(one.enabled for one in behind):
        raise conflict("ServiceProfileDisabled", "Service Profile is not enabled.")
    if not any(one.enabled and one.driver == DRIVER for one in behind):
        raise _no_driver("")
    return flavor_id


# ---- service profiles ----


async def show_profiles(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    names = ("id", "description", "driver", "metainfo", "enabled")
    return [{name: row._mapping[name] for name in names} for row in rows]


async def create_profile(
    tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]
) -> str:
    """Write a profile.

    Raises:
        BadInput: it says nothing. NotFound: no such driver is here.
    """
    _sensible(values["driver"], values["metainfo"])
    names = ("description", "driver", "metainfo", "enabled")
    row = {"id": new_uuid(), **{name: values[name] for name in names}}
    await tx.insert(service_profiles, row)
    return str(row["id"])


def _sensible(driver: str, metainfo: str) -> None:
    if not driver and not metainfo:
        raise BadInput(
            "Service Profile needs either a driver or metainfo.", code="ServiceProfileEmpty"
        )
    if driver not in ("", DRIVER):
        raise _no_driver(driver)
    if driver and metainfo:
        raise BadInput(f"Service Profile driver {driver} takes no metainfo.")


def _no_driver(driver: str) -> NotFound:
    return NotFound(
        f"Service Profile driver {driver[:255]} could not be found.",
        code="ServiceProfileDriverNotFound",
    )


async def update_profile(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Change a profile.

    Raises:
        BadInput, NotFound; Conflict: a flavor has it.
    """
    await tx.serialize("network.service_profile", row.id)
    if {"driver", "metainfo"} & set(values):
        await _unused(tx, row)
        _sensible(values.get("driver", row.driver), values.get("metainfo", row.metainfo))
    await tx.execute(
        service_profiles.update().where(service_profiles.c.id == row.id).values(**values)
    )


async def delete_profile(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a profile.

    Raises:
        Conflict: a flavor has it.
    """
    await tx.serialize("network.service_profile", row.id)
    await _unused(tx, row)
    await tx.execute(service_profiles.delete().where(service_profiles.c.id == row.id))


async def _unused(tx: Transaction, row: Row[Any]) -> None:
    if await tx.first(_flavors_of, {"of": row.id}) is not None:
        raise conflict(
            "ServiceProfileInUse", f"Service Profile {row.id} is used by some service instance."
        )


# ---- which profiles a flavor has ----


async def associate(tx: Transaction, flavor: Row[Any], profile_id: str) -> None:
    """A flavor has a profile.

    Raises:
        NotFound; Conflict: it has it already.
    """
    await tx.serialize("network.service_profile", profile_id)
    if await tx.first(_profile, {"of": profile_id}) is None:
        raise not_found("service_profile", profile_id)
    try:
        await tx.insert(flavor_profiles, {"flavor_id": flavor.id, "service_profile_id": profile_id})
    except Duplicate:
        raise conflict(
            "FlavorServiceProfileBindingExists",
            f"Service Profile {profile_id} is already associated with flavor {flavor.id}.",
        ) from None


async def disassociate(tx: Transaction, flavor: Row[Any], profile_id: str) -> None:
    """A flavor has a profile no longer; routers that are of it stay what they are.

    Raises:
        NotFound: it has not.
    """
    gone = flavor_profiles.delete().where(
        flavor_profiles.c.flavor_id == flavor.id,
        flavor_profiles.c.service_profile_id == profile_id,
    )
    if not await tx.count(gone):
        raise NotFound(
            f"Service Profile {profile_id} is not associated with flavor {flavor.id}.",
            code="FlavorServiceProfileBindingNotFound",
        )
