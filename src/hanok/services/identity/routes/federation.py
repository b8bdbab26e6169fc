"""Identity providers with their protocols, mappings, and service providers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import federation, mapping
from hanok.services.identity.logic.lookup import filtered, get
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import (
    federation_protocols,
    identity_providers,
    mappings,
    service_providers,
)
from hanok.store import Duplicate, Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- identity providers ----


async def _provider(request: Request, tx: Transaction) -> Any:
    return await get(tx, identity_providers, "identity provider", request.path["idp_id"])


async def _shown(request: Request, tx: Transaction, row: Any) -> Response:
    ids = await federation.remote_ids(tx, [row.id])
    answer = schemas.identity_provider(request, row, ids[row.id])
    return json_answer({"identity_provider": answer}, 201 if request.method == "PUT" else 200)


async def list_providers(request: Request, room: Identity) -> Response:
    request.allow()
    table = identity_providers
    statement = filtered(sa.select(table), table, request.query, ("id", "enabled"))
    async with request.reading() as tx:
        rows = await tx.all(statement.order_by(table.c.id))
        ids = await federation.remote_ids(tx, [row.id for row in rows])
    items = [schemas.identity_provider(request, row, ids[row.id]) for row in rows]
    return json_answer(schemas.collection(request, "identity_providers", items))


async def create_provider(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.IdentityProviderBody, key="identity_provider")
    async with request.transaction() as tx:
        await federation.create_provider(tx, request.path["idp_id"], schemas.given(body))
        return await _shown(request, tx, await _provider(request, tx))


async def show_provider(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        return await _shown(request, tx, await _provider(request, tx))


async def update_provider(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.IdentityProviderBody, key="identity_provider")
    values = schemas.given(body)
    if "domain_id" in values:
        raise BadInput("The domain of an identity provider cannot be changed.")
    async with request.transaction() as tx:
        row = await _provider(request, tx)
        if "remote_ids" in values:
            await federation.set_remote_ids(tx, row.id, values.pop("remote_ids") or ())
        if values:
            table = identity_providers
            await tx.execute(table.update().where(table.c.id == row.id).values(**values))
        return await _shown(request, tx, await _provider(request, tx))


async def delete_provider(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await _provider(request, tx)
        await federation.delete_provider(tx, row.id)
    return no_content()


# ---- protocols ----


async def list_protocols(request: Request, room: Identity) -> Response:
    request.allow()
    table = federation_protocols
    async with request.reading() as tx:
        row = await _provider(request, tx)
        rows = await tx.all(sa.select(table).where(table.c.idp_id == row.id).order_by(table.c.id))
    items = [schemas.protocol(request, row) for row in rows]
    return json_answer(schemas.collection(request, "protocols", items))


async def _mapping_of(tx: Transaction, values: dict[str, Any]) -> None:
    named = values.get("mapping_id")
    if named is None:
        raise BadInput("'mapping_id' is a required property")
    if await tx.first(sa.select(mappings.c.id).where(mappings.c.id == named)) is None:
        raise BadInput(f"Invalid mapping id: {named}")


async def create_protocol(request: Request, room: Identity) -> Response:
    request.allow()
    values = schemas.given(await request.body(schemas.ProtocolBody, key="protocol"))
    idp_id, protocol_id = request.path["idp_id"], request.path["protocol_id"]
    async with request.transaction() as tx:
        await _provider(request, tx)
        await _mapping_of(tx, values)
        row = {"idp_id": idp_id, "id": protocol_id, "remote_id_attribute": None, **values}
        try:
            await tx.insert(federation_protocols, row)
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store federation_protocol - Duplicate entry found "
                f"with ID {protocol_id}."
            ) from error
        made = await federation.protocol(tx, idp_id, protocol_id)
    return json_answer({"protocol": schemas.protocol(request, made)}, 201)


async def show_protocol(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await federation.protocol(tx, request.path["idp_id"], request.path["protocol_id"])
    return json_answer({"protocol": schemas.protocol(request, row)})


async def update_protocol(request: Request, room: Identity) -> Response:
    request.allow()
    values = schemas.given(await request.body(schemas.ProtocolBody, key="protocol"))
    table = federation_protocols
    async with request.transaction() as tx:
        row = await federation.protocol(tx, request.path["idp_id"], request.path["protocol_id"])
        if "mapping_id" in values:
            await _mapping_of(tx, values)
        if values:
            own = sa.and_(table.c.idp_id == row.idp_id, table.c.id == row.id)
            await tx.execute(table.update().where(own).values(**values))
        row = await federation.protocol(tx, row.idp_id, row.id)
    return json_answer({"protocol": schemas.protocol(request, row)})


async def delete_protocol(request: Request, room: Identity) -> Response:
    request.allow()
    table = federation_protocols
    async with request.transaction() as tx:
        row = await federation.protocol(tx, request.path["idp_id"], request.path["protocol_id"])
        await tx.execute(table.delete().where(table.c.idp_id == row.idp_id, table.c.id == row.id))
    return no_content()


# ---- mappings ----


async def list_mappings(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        rows = await tx.all(sa.select(mappings).order_by(mappings.c.id))
    items = [schemas.mapping(request, row) for row in rows]
    return json_answer(schemas.collection(request, "mappings", items))


async def _rules(request: Request) -> dict[str, Any]:
    body = await request.body(schemas.MappingBody, key="mapping")
    if body.id not in (UNSET, request.path["mapping_id"]):
        raise BadInput("The id in the body is not the one of the path.")
    version = body.schema_version or "1.0"
    mapping.rules_of(body.rules, version)
    return {"rules": body.rules, "schema_version": version}


async def create_mapping(request: Request, room: Identity) -> Response:
    request.allow()
    values = await _rules(request)
    mapping_id = request.path["mapping_id"]
    async with request.transaction() as tx:
        try:
            await tx.insert(mappings, {"id": mapping_id, **values})
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store mapping - Duplicate entry found with ID "
                f"{mapping_id}."
            ) from error
        row = await get(tx, mappings, "mapping", mapping_id)
    return json_answer({"mapping": schemas.mapping(request, row)}, 201)


async def show_mapping(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await get(tx, mappings, "mapping", request.path["mapping_id"])
    return json_answer({"mapping": schemas.mapping(request, row)})


async def update_mapping(request: Request, room: Identity) -> Response:
    request.allow()
    values = await _rules(request)
    async with request.transaction() as tx:
        row = await get(tx, mappings, "mapping", request.path["mapping_id"])
        await tx.execute(mappings.update().where(mappings.c.id == row.id).values(**values))
        row = await get(tx, mappings, "mapping", row.id)
    return json_answer({"mapping": schemas.mapping(request, row)})


async def delete_mapping(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await get(tx, mappings, "mapping", request.path["mapping_id"])
        await tx.execute(mappings.delete().where(mappings.c.id == row.id))
    return no_content()


# ---- service providers ----


async def service_provider(tx: Transaction, sp_id: str) -> Any:
    """A service provider by its id.

    Raises:
        NotFound: there is none.
    """
    row = await tx.first(sa.select(service_providers).where(service_providers.c.id == sp_id))
    if row is None:
        raise NotFound(f"Could not find Service Provider: {sp_id}.")
    return row


async def _service(request: Request, tx: Transaction) -> Any:
    return await service_provider(tx, request.path["sp_id"])


async def list_services(request: Request, room: Identity) -> Response:
    request.allow()
    table = service_providers
    statement = filtered(sa.select(table), table, request.query, ("id", "enabled"))
    async with request.reading() as tx:
        rows = await tx.all(statement.order_by(table.c.id))
    items = [schemas.service_provider(request, row) for row in rows]
    return json_answer(schemas.collection(request, "service_providers", items))


PREFIX = "ss:mem:"


async def create_service(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.ServiceProviderBody, key="service_provider")
    values = schemas.given(body)
    for name in ("auth_url", "sp_url"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    row = {
        "id": request.path["sp_id"],
        "description": None,
        "enabled": False,
        **values,
        "relay_state_prefix": values.get("relay_state_prefix") or PREFIX,
    }
    async with request.transaction() as tx:
        try:
            await tx.insert(service_providers, row)
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store service_provider - Duplicate entry found with "
                f"ID {row['id']}."
            ) from error
        made = await _service(request, tx)
    return json_answer({"service_provider": schemas.service_provider(request, made)}, 201)


async def show_service(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _service(request, tx)
    return json_answer({"service_provider": schemas.service_provider(request, row)})


async def update_service(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.ServiceProviderBody, key="service_provider")
    values = schemas.given(body)
    if "relay_state_prefix" in values:
        values["relay_state_prefix"] = values["relay_state_prefix"] or PREFIX
    table = service_providers
    async with request.transaction() as tx:
        row = await _service(request, tx)
        if values:
            await tx.execute(table.update().where(table.c.id == row.id).values(**values))
        row = await _service(request, tx)
    return json_answer({"service_provider": schemas.service_provider(request, row)})


async def delete_service(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await _service(request, tx)
        await tx.execute(service_providers.delete().where(service_providers.c.id == row.id))
    return no_content()


_A = "/v3/OS-FEDERATION"
_IDPS, _IDP = f"{_A}/identity_providers", _A + "/identity_providers/{idp_id}"
_PROTOCOL = _IDP + "/protocols/{protocol_id}"
_MAPPINGS, _MAPPING = f"{_A}/mappings", _A + "/mappings/{mapping_id}"
_SPS, _SP = f"{_A}/service_providers", _A + "/service_providers/{sp_id}"
ROUTES = (
    Route(
        "GET", _IDPS, list_providers, ("identity:list_identity_providers",), query=("enabled", "id")
    ),
    Route(
        "PUT",
        _IDP,
        create_provider,
        ("identity:create_identity_provider",),
        strict=True,
        body=schemas.IdentityProviderBody,
        member="identity_provider",
    ),
    Route("GET", _IDP, show_provider, ("identity:get_identity_provider",)),
    Route(
        "PATCH",
        _IDP,
        update_provider,
        ("identity:update_identity_provider",),
        strict=True,
        body=schemas.IdentityProviderBody,
        member="identity_provider",
    ),
    Route("DELETE", _IDP, delete_provider, ("identity:delete_identity_provider",)),
    Route("GET", f"{_IDP}/protocols", list_protocols, ("identity:list_protocols",)),
    Route(
        "PUT",
        _PROTOCOL,
        create_protocol,
        ("identity:create_protocol",),
        strict=True,
        body=schemas.ProtocolBody,
        member="protocol",
    ),
    Route("GET", _PROTOCOL, show_protocol, ("identity:get_protocol",)),
    Route(
        "PATCH",
        _PROTOCOL,
        update_protocol,
        ("identity:update_protocol",),
        strict=True,
        body=schemas.ProtocolBody,
        member="protocol",
    ),
    Route("DELETE", _PROTOCOL, delete_protocol, ("identity:delete_protocol",)),
    Route("GET", _MAPPINGS, list_mappings, ("identity:list_mappings",)),
    Route(
        "PUT",
        _MAPPING,
        create_mapping,
        ("identity:create_mapping",),
        strict=True,
        body=schemas.MappingBody,
        member="mapping",
    ),
    Route("GET", _MAPPING, show_mapping, ("identity:get_mapping",)),
    Route(
        "PATCH",
        _MAPPING,
        update_mapping,
        ("identity:update_mapping",),
        strict=True,
        body=schemas.MappingBody,
        member="mapping",
    ),
    Route("DELETE", _MAPPING, delete_mapping, ("identity:delete_mapping",)),
    Route(
        "GET", _SPS, list_services, ("identity:list_service_providers",), query=("enabled", "id")
    ),
    Route(
        "PUT",
        _SP,
        create_service,
        ("identity:create_service_provider",),
        strict=True,
        body=schemas.ServiceProviderBody,
        member="service_provider",
    ),
    Route("GET", _SP, show_service, ("identity:get_service_provider",)),
    Route(
        "PATCH",
        _SP,
        update_service,
        ("identity:update_service_provider",),
        strict=True,
        body=schemas.ServiceProviderBody,
        member="service_provider",
    ),
    Route("DELETE", _SP, delete_service, ("identity:delete_service_provider",)),
)
