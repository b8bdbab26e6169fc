"""Who is trusted, and who trusts us: identity providers with protocols and mappings, and service providers.

What becomes of somebody who comes from a provider is in `federation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity.logic import lookup, projects
from hanok.services.identity.tables import (
    federated_memberships,
    federated_users,
    federation_protocols,
    identity_providers,
    idp_remote_ids,
    mappings,
    service_providers,
)
from hanok.services.identity.tables import projects as project_table
from hanok.store import Duplicate, Transaction

PREFIX = "ss:mem:"
"""How a relay state begins where a service provider says nothing else."""

IDENTITY_PROVIDERS = sa.select(identity_providers)
MAPPINGS = sa.select(mappings)
SERVICE_PROVIDERS = sa.select(service_providers)
_remote = (
    sa.select(idp_remote_ids)
    .where(idp_remote_ids.c.idp_id.in_(bindparam("ids", expanding=True)))
    .order_by(idp_remote_ids.c.ordinal)
)
_protocol = sa.select(federation_protocols).where(
    federation_protocols.c.idp_id == bindparam("idp"),
    federation_protocols.c.id == bindparam("protocol"),
)


async def _store(tx: Transaction, table: sa.Table, row: Mapping[str, Any]) -> None:
    """
    Raises:
        Conflict: there is one of this id.
    """
    try:
        await tx.insert(table, row)
    except Duplicate as error:
        raise Conflict(
            f"Conflict occurred attempting to store {table.name[:-1]} - Duplicate entry "
            f"found with ID {row['id']}."
        ) from error


# ---- identity providers ----


async def remote_ids(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """What providers are known by elsewhere, in the order that was sent, by provider."""
    found: dict[str, list[str]] = {one: [] for one in ids}
    for row in await tx.all(_remote, {"ids": list(ids)}):
        found[row.idp_id].append(row.remote_id)
    return found


async def create(tx: Transaction, idp_id: str, values: Mapping[str, Any]) -> None:
    """A provider, with a domain of its own where none is named.

    Raises:
        Conflict: there is one of this id, or with one of its remote ids. NotFound: no such domain.
    """
    domain_id = values.get("domain_id")
    if domain_id:
        domain = await lookup.get(tx, project_table, "domain", domain_id)
        if not domain.is_domain:
            raise NotFound(f"Could not find domain: {domain_id}.")
    else:
        name = new_hex()
        words = f"Auto generated federated domain for Identity Provider: {idp_id}"
        made = await projects.create(
            tx, {"name": name, "is_domain": True, "description": words, "enabled": True}, {}
        )
        domain_id = made.id
    row = {
        "id": idp_id,
        "domain_id": domain_id,
        "enabled": bool(values.get("enabled")),
        "description": values.get("description"),
        "authorization_ttl": values.get("authorization_ttl"),
    }
    await _store(tx, identity_providers, row)
    await set_remote_ids(tx, idp_id, values.get("remote_ids") or ())


async def get(tx: Transaction, idp_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such provider.
    """
    return await lookup.get(tx, identity_providers, "identity provider", idp_id)


async def update(tx: Transaction, row: Row[Any], values: dict[str, Any]) -> Row[Any]:
    """
    Raises:
        Conflict: another provider has one of the remote ids.
    """
    columns = {name: value for name, value in values.items() if name != "remote_ids"}
    if "remote_ids" in values:
        await set_remote_ids(tx, row.id, values["remote_ids"] or ())
    if columns:
        mine = identity_providers.c.id == row.id
        await tx.execute(identity_providers.update().where(mine).values(**columns))
    return await get(tx, row.id)


async def set_remote_ids(tx: Transaction, idp_id: str, requested: Sequence[str]) -> None:
    """
    Raises:
        Conflict: another provider has one of them.
    """
    await tx.execute(idp_remote_ids.delete().where(idp_remote_ids.c.idp_id == idp_id))
    for ordinal, remote_id in enumerate(dict.fromkeys(requested)):
        try:
            await tx.insert(
                idp_remote_ids, {"remote_id": remote_id, "idp_id": idp_id, "ordinal": ordinal}
            )
        except Duplicate as error:
            raise Conflict(f"Duplicate remote ID: {remote_id}") from error


async def delete(tx: Transaction, idp_id: str) -> None:
    """A provider is not trusted any more: its users cannot sign in, and lose what it gave them."""
    for table in (idp_remote_ids, federation_protocols, federated_memberships, federated_users):
        await tx.execute(table.delete().where(table.c.idp_id == idp_id))
    await tx.execute(identity_providers.delete().where(identity_providers.c.id == idp_id))


# ---- protocols ----


def protocols(idp_id: str) -> sa.Select[Any]:
    """The protocols of a provider."""
    return sa.select(federation_protocols).where(federation_protocols.c.idp_id == idp_id)


async def protocol(tx: Transaction, idp_id: str, protocol_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: the provider has no such protocol.
    """
    row = await tx.first(_protocol, {"idp": idp_id, "protocol": protocol_id})
    if row is None:
        raise NotFound(
            f"Could not find federated protocol {protocol_id} for Identity Provider: {idp_id}."
        )
    return row


async def create_protocol(
    tx: Transaction, idp_id: str, protocol_id: str, values: Mapping[str, Any]
) -> Row[Any]:
    """
    Raises:
        NotFound: no such provider. BadInput: no mapping, or none of that id. Conflict: the provider has one of this id.
    """
    await get(tx, idp_id)
    await _check_mapping(tx, values)
    row = {"idp_id": idp_id, "id": protocol_id, "remote_id_attribute": None, **values}
    await _store(tx, federation_protocols, row)
    return await protocol(tx, idp_id, protocol_id)


async def update_protocol(tx: Transaction, row: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """
    Raises:
        BadInput: there is no such mapping.
    """
    if "mapping_id" in values:
        await _check_mapping(tx, values)
    if values:
        changed = federation_protocols.update().where(_is_protocol(row))
        await tx.execute(changed.values(**values))
    return await protocol(tx, row.idp_id, row.id)


async def delete_protocol(tx: Transaction, row: Row[Any]) -> None:
    """Nobody signs in by it any more."""
    await tx.execute(federation_protocols.delete().where(_is_protocol(row)))


def _is_protocol(row: Row[Any]) -> sa.ColumnElement[bool]:
    own = federation_protocols.c
    return sa.and_(own.idp_id == row.idp_id, own.id == row.id)


async def _check_mapping(tx: Transaction, values: Mapping[str, Any]) -> None:
    named = values.get("mapping_id")
    if named is None:
        raise BadInput("'mapping_id' is a required property")
    if await lookup.find(tx, mappings, named) is None:
        raise BadInput(f"Invalid mapping id: {named}")


# ---- mappings ----


async def mapping(tx: Transaction, mapping_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: there is no such mapping.
    """
    return await lookup.get(tx, mappings, "mapping", mapping_id)


async def create_mapping(tx: Transaction, mapping_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """
    Raises:
        Conflict: there is one of this id.
    """
    await _store(tx, mappings, {"id": mapping_id, **values})
    return await mapping(tx, mapping_id)


async def update_mapping(tx: Transaction, row: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """Other rules, from the next sign-in on."""
    await tx.execute(mappings.update().where(mappings.c.id == row.id).values(**values))
    return await mapping(tx, row.id)


async def delete_mapping(tx: Transaction, row: Row[Any]) -> None:
    """Remove a mapping; protocols that name it let nobody in."""
    await tx.execute(mappings.delete().where(mappings.c.id == row.id))


# ---- service providers ----


async def service_provider(tx: Transaction, sp_id: str) -> Row[Any]:
    """A service provider by its id.

    Raises:
        NotFound: there is none.
    """
    row = await lookup.find(tx, service_providers, sp_id)
    if row is None:
        raise NotFound(f"Could not find Service Provider: {sp_id}.")
    return row


async def create_service_provider(
    tx: Transaction, sp_id: str, values: Mapping[str, Any]
) -> Row[Any]:
    """
    Raises:
        Conflict: there is one of this id.
    """
    row = {
        "id": sp_id,
        "description": None,
        "enabled": False,
        **values,
        "relay_state_prefix": values.get("relay_state_prefix") or PREFIX,
    }
    await _store(tx, service_providers, row)
    return await service_provider(tx, sp_id)


async def update_service_provider(
    tx: Transaction, row: Row[Any], values: dict[str, Any]
) -> Row[Any]:
    """Change what tokens tell of a service provider."""
    if "relay_state_prefix" in values:
        values = {**values, "relay_state_prefix": values["relay_state_prefix"] or PREFIX}
    if values:
        mine = service_providers.c.id == row.id
        await tx.execute(service_providers.update().where(mine).values(**values))
    return await service_provider(tx, row.id)


async def delete_service_provider(tx: Transaction, row: Row[Any]) -> None:
    """No assertions are made for it any more."""
    await tx.execute(service_providers.delete().where(service_providers.c.id == row.id))
