"""Software configs and deployments.

Source: Orchestration API reference, "Software configuration".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, structs
from starlette.responses import Response

from hanok.services.orchestration.logic import configs, lists
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common
from hanok.services.orchestration.schemas import ConfigBody, DeploymentBody, DeploymentChange
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Query


async def list_configs(request: Request, room: Orchestration) -> Response:
    """GET /software_configs, of all projects too where a rule of its own lets the caller."""
    request.allow("software_configs:index", project_id=common.project(request))
    everywhere = lists.yes(request.query.get("global_tenant"))
    if everywhere:
        request.allow("software_configs:global_index", project_id=common.project(request))
    async with request.reading() as tx:
        project_id = None if everywhere else common.project(request)
        rows = await configs.page(tx, project_id, request.query)
    return json_answer({"software_configs": [configs.shown(row, brief=True) for row in rows]})


async def create_config(request: Request, room: Orchestration) -> Response:
    body = await request.body(ConfigBody)
    request.allow(project_id=common.project(request))
    async with request.transaction() as tx:
        row = await configs.create(tx, room, common.project(request), structs.asdict(body))
        request.made(row.id)
    return json_answer({"software_config": configs.shown(row)})


async def show_config(request: Request, room: Orchestration) -> Response:
    request.allow(project_id=common.project(request))
    async with request.reading() as tx:
        row = await configs.config(tx, request.path["config_id"], common.project(request))
    return json_answer({"software_config": configs.shown(row)})


async def delete_config(request: Request, room: Orchestration) -> Response:
    request.allow(project_id=common.project(request))
    async with request.transaction() as tx:
        await configs.delete(tx, request.path["config_id"], common.project(request))
    return no_content(204)


async def list_deployments(request: Request, room: Orchestration) -> Response:
    request.allow(project_id=common.project(request))
    async with request.reading() as tx:
        rows = await configs.deployments_of(
            tx, common.project(request), request.query.get("server_id")
        )
    return json_answer({"software_deployments": [configs.shown_deployment(row) for row in rows]})


async def create_deployment(request: Request, room: Orchestration) -> Response:
    body = await request.body(DeploymentBody)
    request.allow(project_id=common.project(request))
    sent = structs.asdict(body)
    sent.pop("id")
    async with request.transaction() as tx:
        row = await configs.deploy(tx, room, common.project(request), sent)
        request.made(row.id)
    return json_answer({"software_deployment": configs.shown_deployment(row)})


async def show_deployment(request: Request, room: Orchestration) -> Response:
    request.allow(project_id=common.project(request))
    async with request.reading() as tx:
        row = await configs.deployment(tx, request.path["deployment_id"], common.project(request))
    return json_answer({"software_deployment": configs.shown_deployment(row)})


async def update_deployment(request: Request, room: Orchestration) -> Response:
    body = await request.body(DeploymentChange)
    request.allow(project_id=common.project(request))
    sent: dict[str, Any] = {
        name: value for name, value in structs.asdict(body).items() if value is not UNSET
    }
    if sent.get("input_values", {}) is None:
        sent["input_values"] = {}
    async with request.transaction() as tx:
        row = await configs.deployment(tx, request.path["deployment_id"], common.project(request))
        if "config_id" in sent:
            await configs.config(tx, sent["config_id"], common.project(request))
        await configs.change(tx, room, row.id, sent)
        row = await configs.deployment(tx, row.id, common.project(request))
    return json_answer({"software_deployment": configs.shown_deployment(row)})


async def delete_deployment(request: Request, room: Orchestration) -> Response:
    request.allow(project_id=common.project(request))
    async with request.transaction() as tx:
        row = await configs.deployment(tx, request.path["deployment_id"], common.project(request))
        await configs.undeploy(tx, row.id)
    return no_content(204)


async def show_metadata(request: Request, room: Orchestration) -> Response:
    """GET /software_deployments/metadata/{server}: what a server shall have."""
    request.allow(project_id=common.project(request))
    async with request.reading() as tx:
        found = await configs.metadata_of(tx, request.path["server_id"], common.project(request))
    return json_answer({"metadata": found})


_LISTED = Query("limit", "marker", "global_tenant", closed=(0, 0))
_DEPLOYED = Query("server_id", closed=(0, 0))
_CONFIG, _DEPLOYMENT = "/v1/software_configs", "/v1/software_deployments"
ROUTES = (
    Route(
        "GET",
        _CONFIG,
        list_configs,
        ("software_configs:index", "software_configs:global_index"),
        query=_LISTED,
    ),
    Route(
        "POST",
        _CONFIG,
        create_config,
        ("software_configs:create",),
        body=ConfigBody,
        strict=True,
        event="orchestration.software_config.created",
    ),
    Route("GET", f"{_CONFIG}/{{config_id}}", show_config, ("software_configs:show",)),
    Route(
        "DELETE",
        f"{_CONFIG}/{{config_id}}",
        delete_config,
        ("software_configs:delete",),
        event="orchestration.software_config.deleted",
    ),
    Route("GET", _DEPLOYMENT, list_deployments, ("software_deployments:index",), query=_DEPLOYED),
    Route(
        "POST",
        _DEPLOYMENT,
        create_deployment,
        ("software_deployments:create",),
        body=DeploymentBody,
        strict=True,
        event="orchestration.software_deployment.created",
    ),
    Route(
        "GET",
        f"{_DEPLOYMENT}/metadata/{{server_id}}",
        show_metadata,
        ("software_deployments:metadata",),
    ),
    Route(
        "GET", f"{_DEPLOYMENT}/{{deployment_id}}", show_deployment, ("software_deployments:show",)
    ),
    Route(
        "PUT",
        f"{_DEPLOYMENT}/{{deployment_id}}",
        update_deployment,
        ("software_deployments:update",),
        body=DeploymentChange,
        strict=True,
        event="orchestration.software_deployment.updated",
    ),
    Route(
        "DELETE",
        f"{_DEPLOYMENT}/{{deployment_id}}",
        delete_deployment,
        ("software_deployments:delete",),
        event="orchestration.software_deployment.deleted",
    ),
)
