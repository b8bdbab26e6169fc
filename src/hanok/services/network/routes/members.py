"""What subnet pools and address groups do beyond the common: prefixes and addresses come and go, subnets move in."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.network.logic import address_groups, subnet_pools
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, reach_of
from hanok.services.network.routes.kinds import ADDRESS_GROUP, SUBNET_POOL, Resource
from hanok.services.network.schemas.resources import ADDRESSES, LEAVING_ADDRESSES, PREFIXES
from hanok.store import Transaction
from hanok.web.attributes import Attribute, schema, uuid
from hanok.web.doors import changeable, find, told, view_for
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

_PREFIXES = {"prefixes": Attribute(check=PREFIXES)}
_NETWORK = {"network_id": Attribute(check=uuid)}
_ADDRESSES = {"addresses": Attribute(check=ADDRESSES)}
_LEAVING = {"addresses": Attribute(check=LEAVING_ADDRESSES)}


async def _sent(request: Request, attributes: dict[str, Attribute]) -> Any:
    """The attributes of a body in which they stand bare."""
    body = await request.json()
    if not isinstance(body, dict):
        raise BadInput(BODIES.no_object)
    return BODIES.made({"body": body}, "body", attributes).values


async def _tell(request: Request, tx: Transaction, kind: Resource, requested: str) -> Any:
    """How a resource is now, which the request's event tells."""
    _, view = await find(request, tx, kind, reach_of(request), requested)
    request.made(requested, told(kind, view))
    return view


async def _prefixes(request: Request, room: Network, action: str) -> Response:
    sent = (await _sent(request, _PREFIXES))["prefixes"]
    reach = reach_of(request)
    change = subnet_pools.add_prefixes if action == "add_prefixes" else subnet_pools.remove_prefixes
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, SUBNET_POOL, reach, action)
        whole = await change(tx, room, reach, row, sent)
        await _tell(request, tx, SUBNET_POOL, row.id)
    return json_answer({"prefixes": whole})


async def add_prefixes(request: Request, room: Network) -> Response:
    """PUT /subnetpools/{id}/add_prefixes."""
    return await _prefixes(request, room, "add_prefixes")


async def remove_prefixes(request: Request, room: Network) -> Response:
    """PUT /subnetpools/{id}/remove_prefixes."""
    return await _prefixes(request, room, "remove_prefixes")


async def onboard(request: Request, room: Network) -> Response:
    """PUT /subnetpools/{id}/onboard_network_subnets."""
    sent = await _sent(request, _NETWORK)
    reach = reach_of(request)
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, SUBNET_POOL, reach, "onboard_network_subnets")
        await subnet_pools.onboard(tx, room, reach, row, sent["network_id"])
        await _tell(request, tx, SUBNET_POOL, row.id)
    return json_answer({})


async def _addresses(request: Request, room: Network, action: str) -> Response:
    adds = action == "add_addresses"
    sent = (await _sent(request, _ADDRESSES if adds else _LEAVING))["addresses"]
    reach = reach_of(request)
    change = address_groups.add if adds else address_groups.remove
    async with request.transaction() as tx:
        row, _ = await changeable(request, tx, ADDRESS_GROUP, reach, action)
        await change(tx, room, row, sent)
        view = await _tell(request, tx, ADDRESS_GROUP, row.id)
    return json_answer({"address_group": view_for(request, ADDRESS_GROUP, view)})


async def add_addresses(request: Request, room: Network) -> Response:
    """PUT /address-groups/{id}/add_addresses."""
    return await _addresses(request, room, "add_addresses")


async def remove_addresses(request: Request, room: Network) -> Response:
    """PUT /address-groups/{id}/remove_addresses."""
    return await _addresses(request, room, "remove_addresses")


_POOL = "/v2.0/subnetpools/{subnetpool_id}"
_GROUP = "/v2.0/address-groups/{address_group_id}"


def _door(
    path: str, handler: Any, kind: Resource, attributes: dict[str, Attribute], rule: str
) -> Route:
    return Route(
        "PUT",
        f"{path}/{rule}",
        handler,
        (rule,),
        strict=True,
        body=lambda: schema(attributes, "POST"),
        event=f"network.{kind.name}.update.end",
    )


ROUTES = (
    _door(_POOL, add_prefixes, SUBNET_POOL, _PREFIXES, "add_prefixes"),
    _door(_POOL, remove_prefixes, SUBNET_POOL, _PREFIXES, "remove_prefixes"),
    _door(_POOL, onboard, SUBNET_POOL, _NETWORK, "onboard_network_subnets"),
    _door(_GROUP, add_addresses, ADDRESS_GROUP, _ADDRESSES, "add_addresses"),
    _door(_GROUP, remove_addresses, ADDRESS_GROUP, _LEAVING, "remove_addresses"),
)
