"""What routers do beyond the common: interfaces and single routes."""

from __future__ import annotations

from typing import Any, Literal

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.network.logic import routers
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, reach_of
from hanok.services.network.routes.kinds import ROUTER
from hanok.services.network.schemas.resources import GATEWAYS
from hanok.services.network.schemas.resources import ROUTES as ROUTE_LIST
from hanok.web.attributes import Attribute, schema
from hanok.web.doors import changeable, check_attributes, find, target_of, told, view_for
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route


async def add_interface(request: Request, room: Network) -> Response:
    """PUT /routers/{id}/add_router_interface, by subnet or by port."""
    body = await request.json()
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, ROUTER, reach, "add_router_interface")
        answer = await routers.add_interface(tx, room, reach, row, body)
        request.made(row.id, {"router_interface": answer})
    return json_answer(answer)


async def remove_interface(request: Request, room: Network) -> Response:
    """PUT /routers/{id}/remove_router_interface."""
    body = await request.json()
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, ROUTER, reach, "remove_router_interface")
        answer = await routers.remove_interface(tx, room, reach, row, body)
        request.made(row.id, {"router_interface": answer})
    return json_answer(answer)


_ROUTES = {"routes": Attribute(check=ROUTE_LIST)}


def _routes_body() -> dict[str, Any]:
    return schema(_ROUTES, "PUT")


async def _routes(request: Request, room: Network, action: str) -> Response:
    values = BODIES.changed(await request.json(), "router", _ROUTES)
    requested: list[dict[str, Any]] = values.get("routes", [])
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, ROUTER, reach, action)
        if action == "add_extraroutes":
            await routers.change_routes(tx, room, row, add=requested)
        else:
            await routers.change_routes(tx, room, row, remove=requested)
        _, view = await find(request, tx, ROUTER, reach, row.id)
        request.made(row.id, told(ROUTER, view))
    return json_answer({"router": view_for(request, ROUTER, view)})


async def add_routes(request: Request, room: Network) -> Response:
    return await _routes(request, room, "add_extraroutes")


async def remove_routes(request: Request, room: Network) -> Response:
    return await _routes(request, room, "remove_extraroutes")


def _gateways_body() -> dict[str, Any]:
    return schema(GATEWAYS, "PUT")


async def _gateways(
    request: Request, room: Network, how: Literal["add", "update", "remove"]
) -> Response:
    values = BODIES.changed(await request.json(), "router", GATEWAYS)
    if "external_gateways" not in values:
        raise BadInput(BODIES.missing.format(name="external_gateways"))
    reach, rule = reach_of(request), f"{how}_external_gateways"
    async with request.transaction() as tx:
        row, view = await changeable(request, tx, ROUTER, reach, rule)
        check_attributes(request, ROUTER.api, rule, values, target_of(view))
        await routers.change_gateways(tx, room, reach, row, how, values["external_gateways"])
        _, view = await find(request, tx, ROUTER, reach, row.id)
        request.made(row.id, told(ROUTER, view))
    return json_answer({"router": view_for(request, ROUTER, view)})


async def add_gateways(request: Request, room: Network) -> Response:
    """PUT /routers/{id}/add_external_gateways."""
    return await _gateways(request, room, "add")


async def update_gateways(request: Request, room: Network) -> Response:
    """PUT /routers/{id}/update_external_gateways: these and no others."""
    return await _gateways(request, room, "update")


async def remove_gateways(request: Request, room: Network) -> Response:
    """PUT /routers/{id}/remove_external_gateways."""
    return await _gateways(request, room, "remove")


def _gateway_rules(how: str) -> tuple[str, ...]:
    rule = f"{how}_external_gateways"
    inner = () if how == "remove" else ("network_id", "enable_snat", "external_fixed_ips")
    whole = f"{rule}:external_gateways"
    return (rule, whole, *(f"{whole}:{one}" for one in inner))


_ONE = "/v2.0/routers/{router_id}"
ROUTES = (
    Route(
        "PUT",
        f"{_ONE}/add_router_interface",
        add_interface,
        ("add_router_interface",),
        event="network.router.interface.create",
        strict=True,
        body=dict[str, str],
    ),
    Route(
        "PUT",
        f"{_ONE}/remove_router_interface",
        remove_interface,
        ("remove_router_interface",),
        event="network.router.interface.delete",
        strict=True,
        body=dict[str, str],
    ),
    Route(
        "PUT",
        f"{_ONE}/add_extraroutes",
        add_routes,
        ("add_extraroutes",),
        event="network.router.update.end",
        strict=True,
        body=_routes_body,
        member="router",
    ),
    Route(
        "PUT",
        f"{_ONE}/remove_extraroutes",
        remove_routes,
        ("remove_extraroutes",),
        event="network.router.update.end",
        strict=True,
        body=_routes_body,
        member="router",
    ),
    *(
        Route(
            "PUT",
            f"{_ONE}/{how}_external_gateways",
            handler,
            _gateway_rules(how),
            event="network.router.update.end",
            strict=True,
            body=_gateways_body,
            member="router",
        )
        for how, handler in (
            ("add", add_gateways),
            ("update", update_gateways),
            ("remove", remove_gateways),
        )
    ),
)
