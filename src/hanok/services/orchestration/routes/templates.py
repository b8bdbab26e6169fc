"""Templates: validation, versions, functions, types of resources; build info and services.

Source: Orchestration API reference, "Templates", "Resource types", "General API information".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.clock import zulu
from hanok.base.errors import NotFound
from hanok.services.orchestration.logic import (
    expressions,
    lists,
    parameters,
    validation,
    versions,
    wishes,
)
from hanok.services.orchestration.logic.environments import TEMPLATES
from hanok.services.orchestration.logic.program import Names, Program
from hanok.services.orchestration.logic.types import catalog
from hanok.services.orchestration.logic.types.model import Property, ResourceType, schema_of
from hanok.services.orchestration.logic.validation import Checked
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common
from hanok.services.orchestration.routes.stacks import may_use
from hanok.services.orchestration.schemas import StackBody
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, Route


async def validate(request: Request, room: Orchestration) -> Response:
    """POST /validate: what parameters a template has, if it is good."""
    body = await request.body(StackBody)
    request.allow("stacks:validate_template", project_id=common.project(request))
    wish = wishes.read(body, room.settings)
    names = Names(name="template_validate", project_id=common.project(request), region=room.region)
    program = Program(wish.source, names, maximum=room.settings.max_template_size, complete=False)
    validated = validation.check(program, room.settings, may_use(request), strict=False)
    await expressions.check(room, common.project(request), validated.written())
    shown = _described(validated)
    shown["Environment"] = _environment(validated)
    if lists.yes(request.query.get("show_nested")):
        shown.update(_nested(validated))
    return json_answer(shown)


def _described(validated: Checked) -> dict[str, Any]:
    program = validated.program
    given = program.env.parameters
    shown: dict[str, Any] = {
        "Description": program.template.description,
        "Parameters": {
            name: parameters.described(one, given.get(name))
            for name, one in program.template.parameters.items()
        },
    }
    if program.template.groups:
        shown["ParameterGroups"] = program.template.groups
    return shown


def _environment(validated: Checked) -> dict[str, Any]:
    program = validated.program
    shown = program.env.shown()
    used = {one.type for one in program.template.resources.values() if one.type.endswith(TEMPLATES)}
    registry = {name: name for name in used if name not in program.env.registry}
    shown["resource_registry"] = {**registry, **shown["resource_registry"]}
    for section in ("parameters", "parameter_defaults"):
        shown[section] = {
            name: parameters.STARS if program.is_hidden(name) else value
            for name, value in shown[section].items()
        }
    return shown


def _nested(validated: Checked) -> dict[str, Any]:
    """The parameters of the templates within."""
    found = {
        name: {
            **_described(inner),
            "Type": validated.program.definitions[name].type,
            **_nested(inner),
        }
        for name, inner in validated.within.items()
    }
    return {"NestedParameters": found} if found else {}


async def list_versions(request: Request, room: Orchestration) -> Response:
    """GET /template_versions."""
    request.allow(project_id=common.project(request))
    shown = [
        {
            "version": f"{one.section}.{name}",
            "type": one.kind,
            "aliases": [f"{one.section}.{alias}" for alias in one.aliases],
        }
        for one in versions.ALL
        for name in (one.name,)
    ]
    return json_answer({"template_versions": shown})


async def list_functions(request: Request, room: Orchestration) -> Response:
    """GET /template_versions/{version}/functions."""
    request.allow(project_id=common.project(request))
    text = request.path["template_version"]
    section, _, name = text.partition(".")
    found = versions.BY_NAME.get(name)
    if found is None or found.section != section:
        raise NotFound(f"Template with version {text[:100]} not found", code="NotFound")
    names = set(found.functions)
    if lists.yes(request.query.get("with_condition_func")):
        names |= found.conditions
    shown = [{"functions": one, "description": versions.ABOUT[one]} for one in sorted(names)]
    return json_answer({"template_functions": shown})


# ---- types ----


async def list_types(request: Request, room: Orchestration) -> Response:
    """GET /resource_types."""
    request.allow(project_id=common.project(request))
    status = request.query.get("support_status")
    name = request.query.get("name", "")
    may = may_use(request)
    found = [one for one in catalog.all_types() if name in one and may(one)]
    if status and status != "SUPPORTED":
        found = []
    if lists.yes(request.query.get("with_description")):
        return json_answer(
            {
                "resource_types": [
                    {"resource_type": one, "description": catalog.get(one).description}
                    for one in found
                ]
            }
        )
    return json_answer({"resource_types": found})


def _type(request: Request) -> ResourceType:
    name = request.path["type_name"]
    if name not in catalog.all_types():
        raise NotFound(
            f"The Resource Type ({name[:200]}) could not be found.", code="EntityNotFound"
        )
    return catalog.get(name)


async def show_type(request: Request, room: Orchestration) -> Response:
    """GET /resource_types/{name}."""
    request.allow("stacks:resource_schema", project_id=common.project(request))
    kind = _type(request)
    shown: dict[str, Any] = {
        "resource_type": kind.name,
        "properties": {
            name: schema_of(one) for name, one in kind.properties.items() if not one.refused
        },
        "attributes": {
            name: {"description": one.description, "type": one.type}
            for name, one in {**kind.attributes, **catalog.OF_ALL}.items()
            if name != "*" and "." not in name
        },
        "support_status": {
            "status": "SUPPORTED",
            "version": None,
            "message": None,
            "previous_status": None,
        },
    }
    if lists.yes(request.query.get("with_description")):
        shown["description"] = kind.description
    return json_answer(shown)


async def show_type_template(request: Request, room: Orchestration) -> Response:
    """GET /resource_types/{name}/template: one that has such a resource, with its properties as parameters."""
    request.allow("stacks:resource_schema", project_id=common.project(request))
    kind = _type(request)
    if request.query.get("template_type", "cfn").lower() == "hot":
        return json_answer(_hot(kind))
    return json_answer(_cfn(kind))


_HOT_TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean",
              "list": "comma_delimited_list", "map": "json", "any": "string"}  # fmt: skip


def _short(kind: ResourceType) -> str:
    return kind.name.rpartition("::")[2]


def _hot(kind: ResourceType) -> dict[str, Any]:
    served = {name: one for name, one in kind.properties.items() if not one.refused}
    return {
        "heat_template_version": "2016-10-14",
        "description": f"Initial template of {_short(kind)}",
        "parameters": {name: _hot_parameter(one) for name, one in served.items()},
        "resources": {
            _short(kind): {
                "type": kind.name,
                "properties": {name: {"get_param": name} for name in served},
            }
        },
        "outputs": {
            name: {"description": one.description, "value": {"get_attr": [_short(kind), name]}}
            for name, one in kind.attributes.items()
            if name != "*" and "." not in name
        },
    }


def _hot_parameter(one: Property) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _HOT_TYPES[one.type]}
    if one.description:
        found["description"] = one.description
    if one.default is not None or not one.required:
        found["default"] = (
            one.default
            if one.default is not None
            else {"comma_delimited_list": [], "json": {}}.get(found["type"], "")
        )
    return found


def _cfn(kind: ResourceType) -> dict[str, Any]:
    served = {name: one for name, one in kind.properties.items() if not one.refused}
    names = {
        "comma_delimited_list": "CommaDelimitedList",
        "json": "Json",
        "number": "Number",
        "boolean": "String",
        "string": "String",
    }
    return {
        "HeatTemplateFormatVersion": "2012-12-12",
        "Description": f"Initial template of {_short(kind)}",
        "Parameters": {
            name: {
                "Type": names[_HOT_TYPES[one.type]],
                **({"Default": one.default} if one.default is not None else {}),
            }
            for name, one in served.items()
        },
        "Resources": {
            _short(kind): {
                "Type": kind.name,
                "Properties": {name: {"Ref": name} for name in served},
            }
        },
        "Outputs": {
            name: {"Description": one.description, "Value": {"Fn::GetAtt": [_short(kind), name]}}
            for name, one in kind.attributes.items()
            if name != "*" and "." not in name
        },
    }


# ---- the service ----


async def build_info(request: Request, room: Orchestration) -> Response:
    request.allow("build_info:build_info", project_id=common.project(request))
    return json_answer({"api": {"revision": "1.0"}, "engine": {"revision": "1.0"}})


async def list_services(request: Request, room: Orchestration) -> Response:
    """GET /services: the processes that work on stacks."""
    request.allow("service:index", project_id=common.project(request))
    now = zulu(room.clock.now())
    shown = {
        "id": room.node_name,
        "engine_id": room.node_name,
        "host": room.node_name,
        "hostname": room.node_name,
        "binary": "hanok",
        "topic": "engine",
        "status": "up",
        "report_interval": 60,
        "created_at": now,
        "updated_at": now,
        "deleted_at": None,
    }
    return json_answer({"services": [shown]})


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v1.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": f"{request.base_url}/v1/"}],
    }


async def list_api_versions(request: Request, room: Orchestration) -> Response:
    """GET /."""
    return json_answer({"versions": [_version(request)]}, 300)


ROUTES = (
    Route("GET", "/", list_api_versions, (PUBLIC,)),
    Route("GET", "/v1", list_api_versions, (PUBLIC,)),
    Route(
        "POST",
        "/v1/validate",
        validate,
        ("stacks:validate_template",),
        body=StackBody,
        strict=True,
        query=("show_nested",),
    ),
    Route("GET", "/v1/template_versions", list_versions, ("stacks:list_template_versions",)),
    Route(
        "GET",
        "/v1/template_versions/{template_version}/functions",
        list_functions,
        ("stacks:list_template_functions",),
        query=("with_condition_func",),
    ),
    Route(
        "GET",
        "/v1/resource_types",
        list_types,
        ("stacks:list_resource_types",),
        query=("support_status", "name", "with_description"),
    ),
    Route(
        "GET",
        "/v1/resource_types/{type_name}",
        show_type,
        ("stacks:resource_schema",),
        query=("with_description",),
    ),
    Route(
        "GET",
        "/v1/resource_types/{type_name}/template",
        show_type_template,
        ("stacks:resource_schema",),
        query=("template_type",),
    ),
    Route("GET", "/v1/build_info", build_info, ("build_info:build_info",)),
    Route("GET", "/v1/services", list_services, ("service:index",)),
)
