"""Settings of domains, and what they are where nothing is set."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden
from hanok.services.identity.logic import domain_options, projects
from hanok.services.identity.room import Identity
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

COMPLIANCE = ("password_regex", "password_regex_description")


async def _domain(request: Request, tx: Transaction) -> str:
    return str((await projects.domain(tx, request.path["domain_id"])).id)


def _part(request: Request) -> tuple[str | None, str | None]:
    return request.path.get("group"), request.path.get("option")


async def _config(request: Request) -> Any:
    body = await request.json()
    if not isinstance(body, dict) or not isinstance(body.get("config"), dict):
        raise BadInput("Expecting to find config in request body.")
    return body["config"]


async def create(request: Request, room: Identity) -> Response:
    """PUT /v3/domains/{id}/config: in place of what there was."""
    request.allow()
    config = await _config(request)
    async with request.transaction() as tx:
        domain_id = await _domain(request, tx)
        known = await domain_options.replace(tx, room.secrets, domain_id, config)
        found = await domain_options.read(tx, domain_id)
    return json_answer({"config": domain_options.shown(found)}, 200 if known else 201)


async def show(request: Request, room: Identity) -> Response:
    """GET /v3/domains/{id}/config, or a group, or an option of it; passwords stay inside."""
    request.allow()
    group, option = _part(request)
    async with request.reading() as tx:
        domain_id = await _domain(request, tx)
        domain_options.check_name(group, option)
        found = domain_options.shown(await domain_options.read(tx, domain_id, group, option))
    if not found:
        raise domain_options.missing(domain_id, group, option)
    return json_answer({"config": found[group] if group and option else found})


async def update(request: Request, room: Identity) -> Response:
    """PATCH /v3/domains/{id}/config, or a group, or an option of it; answers with all of it."""
    request.allow()
    config = await _config(request)
    async with request.transaction() as tx:
        domain_id = await _domain(request, tx)
        await domain_options.update(tx, room.secrets, domain_id, config, *_part(request))
        found = domain_options.shown(await domain_options.read(tx, domain_id))
    return json_answer({"config": found})


async def delete(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        domain_id = await _domain(request, tx)
        await domain_options.remove(tx, domain_id, *_part(request))
    return no_content()


async def show_default(request: Request, room: Identity) -> Response:
    """GET /v3/domains/config/default, or of a group, or an option."""
    request.allow()
    group, option = _part(request)
    domain_options.check_name(group, option)
    known = domain_options.KNOWN
    if group is None:
        return json_answer({"config": known})
    if option is None:
        return json_answer({"config": {group: known[group]}})
    if option not in known[group]:
        raise Forbidden(f"Option {option} of group {group} cannot be read.")
    return json_answer({"config": {option: known[group][option]}})


async def show_compliance(request: Request, room: Identity) -> Response:
    """GET /v3/domains/{id}/config/security_compliance: the rule for passwords, for whoever must choose one."""
    request.allow()
    option = request.path.get("option")
    if request.path["domain_id"] != "default":  # whether there is such a domain or not
        raise Forbidden(
            "Invalid domain specific configuration: Reading security compliance information for any domain "
            "other than the default domain is not allowed or supported."
        )
    if option is not None and option not in COMPLIANCE:
        raise Forbidden(
            "Invalid domain specific configuration: Reading security compliance values other than "
            "password_regex and password_regex_description is not allowed."
        )
    settings = room.settings
    values = {
        "password_regex": settings.password_regex or None,
        "password_regex_description": settings.password_regex_description or None,
    }
    if option is not None:
        return json_answer({"config": {option: values[option]}})
    return json_answer({"config": {"security_compliance": values}})


_C = "/v3/domains/{domain_id}/config"
_D = "/v3/domains/config"
_PARTS = ("", "/{group}", "/{group}/{option}")
_COMPLIANCE = ("identity:get_security_compliance_domain_config",)
_BODY = dict[str, dict[str, str | int]]
ROUTES = (
    Route("PUT", _C, create, ("identity:create_domain_config",), body=_BODY, member="config"),
    *(Route("GET", _C + part, show, ("identity:get_domain_config",)) for part in _PARTS),
    *(
        Route(
            "PATCH",
            _C + part,
            update,
            ("identity:update_domain_config",),
            body=_BODY,
            member="config",
        )
        for part in _PARTS
    ),
    *(Route("DELETE", _C + part, delete, ("identity:delete_domain_config",)) for part in _PARTS),
    *(
        Route("GET", f"{_D}{part}/default", show_default, ("identity:get_domain_config_default",))
        for part in _PARTS
    ),
    Route("GET", f"{_C}/security_compliance", show_compliance, _COMPLIANCE),
    Route("GET", _C + "/security_compliance/{option}", show_compliance, _COMPLIANCE),
)
