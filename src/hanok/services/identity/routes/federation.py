"""Identity providers with their protocols, mappings, and service providers."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.identity import schemas
from hanok.services.identity.logic import mapping, providers
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- identity providers ----


async def _shown(request: Request, tx: Transaction, row: Row[Any]) -> Response:
    ids = await providers.remote_ids(tx, [row.id])
    answer = schemas.identity_provider(request, row, ids[row.id])
    return json_answer({"identity_provider": answer}, 201 if request.method == "PUT" else 200)


async def list_providers(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/identity_providers."""
    request.allow()
    every = providers.IDENTITY_PROVIDERS
    async with request.reading() as tx:
        page = await lists.IDENTITY_PROVIDERS.page(request, tx, every)
        ids = await providers.remote_ids(tx, [row.id for row in page.rows])
    items = [schemas.identity_provider(request, row, ids[row.id]) for row in page.rows]
    return await lists.paged(request, lists.IDENTITY_PROVIDERS, page, items)


async def create_provider(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-FEDERATION/identity_providers/{id}."""
    request.allow()
    body = await request.body(schemas.IdentityProviderBody, key="identity_provider")
    async with request.transaction() as tx:
        await providers.create(tx, request.path["idp_id"], schemas.given(body))
        return await _shown(request, tx, await providers.get(tx, request.path["idp_id"]))


async def show_provider(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/identity_providers/{id}."""
    request.allow()
    async with request.reading() as tx:
        return await _shown(request, tx, await providers.get(tx, request.path["idp_id"]))


async def update_provider(request: Request, room: Identity) -> Response:
    """PATCH /v3/OS-FEDERATION/identity_providers/{id}."""
    request.allow()
    body = await request.body(schemas.IdentityProviderBody, key="identity_provider")
    values = schemas.given(body)
    if "domain_id" in values:
        raise BadInput("The domain of an identity provider cannot be changed.")
    async with request.transaction() as tx:
        row = await providers.get(tx, request.path["idp_id"])
        return await _shown(request, tx, await providers.update(tx, row, values))


async def delete_provider(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-FEDERATION/identity_providers/{id}."""
    request.allow()
    async with request.transaction() as tx:
        row = await providers.get(tx, request.path["idp_id"])
        await providers.delete(tx, row.id)
    return no_content()


# ---- protocols ----


async def _protocol(request: Request, tx: Transaction) -> Row[Any]:
    return await providers.protocol(tx, request.path["idp_id"], request.path["protocol_id"])


async def list_protocols(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/identity_providers/{id}/protocols."""
    request.allow()
    async with request.reading() as tx:
        row = await providers.get(tx, request.path["idp_id"])
        mine = providers.protocols(row.id)
        return await lists.answer(request, tx, lists.PROTOCOLS, mine, schemas.protocol)


async def create_protocol(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-FEDERATION/identity_providers/{id}/protocols/{id}."""
    request.allow()
    values = schemas.given(await request.body(schemas.ProtocolBody, key="protocol"))
    path = request.path
    async with request.transaction() as tx:
        row = await providers.create_protocol(tx, path["idp_id"], path["protocol_id"], values)
    return json_answer({"protocol": schemas.protocol(request, row)}, 201)


async def show_protocol(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/identity_providers/{id}/protocols/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await _protocol(request, tx)
    return json_answer({"protocol": schemas.protocol(request, row)})


async def update_protocol(request: Request, room: Identity) -> Response:
    """PATCH /v3/OS-FEDERATION/identity_providers/{id}/protocols/{id}."""
    request.allow()
    values = schemas.given(await request.body(schemas.ProtocolBody, key="protocol"))
    async with request.transaction() as tx:
        row = await providers.update_protocol(tx, await _protocol(request, tx), values)
    return json_answer({"protocol": schemas.protocol(request, row)})


async def delete_protocol(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-FEDERATION/identity_providers/{id}/protocols/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await providers.delete_protocol(tx, await _protocol(request, tx))
    return no_content()


# ---- mappings ----


async def list_mappings(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/mappings."""
    request.allow()
    async with request.reading() as tx:
        every = providers.MAPPINGS
        return await lists.answer(request, tx, lists.MAPPINGS, every, schemas.mapping)


async def _rules(request: Request) -> dict[str, Any]:
    body = await request.body(schemas.MappingBody, key="mapping")
    if body.id not in (UNSET, request.path["mapping_id"]):
        raise BadInput("The id in the body is not the one of the path.")
    version = body.schema_version or "1.0"
    mapping.rules_of(body.rules, version)
    return {"rules": body.rules, "schema_version": version}


async def create_mapping(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-FEDERATION/mappings/{id}."""
    request.allow()
    values = await _rules(request)
    async with request.transaction() as tx:
        row = await providers.create_mapping(tx, request.path["mapping_id"], values)
    return json_answer({"mapping": schemas.mapping(request, row)}, 201)


async def show_mapping(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/mappings/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await providers.mapping(tx, request.path["mapping_id"])
    return json_answer({"mapping": schemas.mapping(request, row)})


async def update_mapping(request: Request, room: Identity) -> Response:
    """PATCH /v3/OS-FEDERATION/mappings/{id}."""
    request.allow()
    values = await _rules(request)
    async with request.transaction() as tx:
        row = await providers.mapping(tx, request.path["mapping_id"])
        row = await providers.update_mapping(tx, row, values)
    return json_answer({"mapping": schemas.mapping(request, row)})


async def delete_mapping(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-FEDERATION/mappings/{id}."""
    request.allow()
    async with request.transaction() as tx:
        row = await providers.mapping(tx, request.path["mapping_id"])
        await providers.delete_mapping(tx, row)
    return no_content()


# ---- service providers ----


async def _service(request: Request, tx: Transaction) -> Row[Any]:
    return await providers.service_provider(tx, request.path["sp_id"])


async def list_services(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/service_providers."""
    request.allow()
    every, show = providers.SERVICE_PROVIDERS, schemas.service_provider
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.SERVICE_PROVIDERS, every, show)


async def create_service(request: Request, room: Identity) -> Response:
    """PUT /v3/OS-FEDERATION/service_providers/{id}."""
    request.allow()
    body = await request.body(schemas.ServiceProviderBody, key="service_provider")
    values = schemas.given(body)
    for name in ("auth_url", "sp_url"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    async with request.transaction() as tx:
        row = await providers.create_service_provider(tx, request.path["sp_id"], values)
    return json_answer({"service_provider": schemas.service_provider(request, row)}, 201)


async def show_service(request: Request, room: Identity) -> Response:
    """GET /v3/OS-FEDERATION/service_providers/{id}."""
    request.allow()
    async with request.reading() as tx:
        row = await _service(request, tx)
    return json_answer({"service_provider": schemas.service_provider(request, row)})


async def update_service(request: Request, room: Identity) -> Response:
    """PATCH /v3/OS-FEDERATION/service_providers/{id}."""
    request.allow()
    body = await request.body(schemas.ServiceProviderBody, key="service_provider")
    values = schemas.given(body)
    async with request.transaction() as tx:
        row = await providers.update_service_provider(tx, await _service(request, tx), values)
    return json_answer({"service_provider": schemas.service_provider(request, row)})


async def delete_service(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-FEDERATION/service_providers/{id}."""
    request.allow()
    async with request.transaction() as tx:
        await providers.delete_service_provider(tx, await _service(request, tx))
    return no_content()


_A = "/v3/OS-FEDERATION"
_IDPS, _IDP = f"{_A}/identity_providers", _A + "/identity_providers/{idp_id}"
_PROTOCOL = _IDP + "/protocols/{protocol_id}"
_MAPPINGS, _MAPPING = f"{_A}/mappings", _A + "/mappings/{mapping_id}"
_SPS, _SP = f"{_A}/service_providers", _A + "/service_providers/{sp_id}"
ROUTES = (
    Route(
        "GET",
        _IDPS,
        list_providers,
        ("identity:list_identity_providers",),
        query=lists.IDENTITY_PROVIDERS.parameters,
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
    Route(
        "GET",
        f"{_IDP}/protocols",
        list_protocols,
        ("identity:list_protocols",),
        query=lists.PROTOCOLS.parameters,
    ),
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
    Route(
        "GET",
        _MAPPINGS,
        list_mappings,
        ("identity:list_mappings",),
        query=lists.MAPPINGS.parameters,
    ),
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
        "GET",
        _SPS,
        list_services,
        ("identity:list_service_providers",),
        query=lists.SERVICE_PROVIDERS.parameters,
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
