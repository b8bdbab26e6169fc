"""The types of QoS rules that act here.

Source: Networking API v2.0 reference, "QoS rule types".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent, reach_of
from hanok.services.network.schemas.resources import DSCP_MARKS
from hanok.web.attributes import truth
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

_RATE = {"start": 0, "end": 2**31 - 1}


def _parameter(name: str, type_: str, values: Any) -> dict[str, Any]:
    return {"parameter_name": name, "parameter_type": type_, "parameter_values": values}


_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "bandwidth_limit": [
        _parameter("max_kbps", "range", _RATE),
        _parameter("max_burst_kbps", "range", _RATE),
        _parameter("direction", "choices", ["egress", "ingress"]),
    ],
    "minimum_bandwidth": [
        _parameter("min_kbps", "range", _RATE),
        _parameter("direction", "choices", ["egress", "ingress"]),
    ],
    "minimum_packet_rate": [
        _parameter("min_kpps", "range", _RATE),
        _parameter("direction", "choices", ["egress", "ingress", "any"]),
    ],
    "dscp_marking": [_parameter("dscp_mark", "choices", list(DSCP_MARKS))],
}
TYPES = ItemList(
    name="rule_types",
    style=PAGES,
    key=lambda one: str(one["type"]),
    filters={"type": as_sent, "all_supported": truth, "all_rules": truth},
    unshown=frozenset(("all_supported", "all_rules")),
    bodies=BODIES,
)


def _allow(request: Request) -> None:
    if not request.may("get_rule_type"):
        raise disallowed("get_rule_type")


async def list_types(request: Request, room: Network) -> Response:
    """GET /qos/rule-types: every type that is known is supported, so both filters give all."""
    _allow(request)
    items = [{"type": one, "all_supported": True, "all_rules": True} for one in _PARAMETERS]
    return json_answer(TYPES.answer(request, items))


async def show_type(request: Request, room: Network) -> Response:
    """GET /qos/rule-types/{type}, for those who may see what is under the cloud."""
    _allow(request)
    if not reach_of(request).everything:
        raise disallowed("get_rule_type")
    requested = request.path["rule_type"]
    if requested not in _PARAMETERS:
        raise NotFound(
            f"Rule type {requested[:64]} could not be found.", code="QosRuleTypeNotFound"
        )
    drivers = [{"name": "ovn", "supported_parameters": _PARAMETERS[requested]}]
    shown = TYPES.shown(request, {"type": requested, "drivers": drivers})
    return json_answer({"rule_type": shown})


_ALL = "/v2.0/qos/rule-types"
ROUTES = (
    Route("GET", _ALL, list_types, ("get_rule_type",), query=TYPES.parameters),
    Route("GET", f"{_ALL}/{{rule_type}}", show_type, ("get_rule_type",), query=("fields",)),
)
