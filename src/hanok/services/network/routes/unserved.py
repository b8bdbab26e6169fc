"""What OVN cannot do, said by doors that are there: nothing of it is in a list, and none can be made.

Their extensions are not listed. A client that asks all the same is told why, not only that a path is not there.

Source: Networking API v2.0 reference, "Router conntrack helper", "Metering labels and rules", "Local IPs",
"QoS packet rate limit rules".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.network.logic.errors import disallowed
from hanok.services.network.room import Network
from hanok.services.network.routes.api import BODIES, PAGES, as_sent, reach_of
from hanok.services.network.routes.kinds import QOS_POLICY, ROUTER
from hanok.store import Transaction
from hanok.web.doors import find, target_of
from hanok.web.plain_lists import ItemList
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route


class Unserved(Struct, frozen=True, kw_only=True):
    """Something that there is none of.

    noun: as rules name it; kind: as bodies do. path: of its list; parameter: of one of it. why: what OVN lacks.
    filters: of its list. verbs: of its doors beside the list. code: of the error for one that is not there.
    """

    noun: str
    kind: str
    plural: str
    path: str
    parameter: str
    why: str
    code: str
    filters: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("create", "get", "update", "delete")


_HELPERS = "OVN's connection tracking has no helpers for protocols"
_METERS = "OVN does not count the traffic of routers by address"
_PACKETS = "OVN cannot limit packet rates"
_LOCAL = "OVN does not support local IPs"
LOCAL_IP = Unserved(
    noun="local_ip",
    kind="local_ip",
    plural="local_ips",
    path="local_ips",
    parameter="local_ip_id",
    why=_LOCAL,
    code="LocalIPNotFound",
    filters=(
        "id",
        "name",
        "description",
        "project_id",
        "tenant_id",
        "network_id",
        "local_port_id",
        "local_ip_address",
        "ip_mode",
    ),
)
ALL = (
    Unserved(
        noun="router_conntrack_helper",
        kind="conntrack_helper",
        plural="conntrack_helpers",
        path="routers/{router_id}/conntrack_helpers",
        parameter="conntrack_helper_id",
        why=_HELPERS,
        code="ConntrackHelperNotFound",
        filters=("id", "protocol", "port", "helper"),
    ),
    Unserved(
        noun="metering_label",
        kind="metering_label",
        plural="metering_labels",
        path="metering/metering-labels",
        parameter="metering_label_id",
        why=_METERS,
        code="MeteringLabelNotFound",
        filters=("id", "name", "description", "project_id", "tenant_id", "shared"),
        verbs=("create", "get", "delete"),
    ),
    Unserved(
        noun="metering_label_rule",
        kind="metering_label_rule",
        plural="metering_label_rules",
        path="metering/metering-label-rules",
        parameter="metering_label_rule_id",
        why=_METERS,
        code="MeteringLabelRuleNotFound",
        filters=("id", "metering_label_id", "direction", "remote_ip_prefix", "excluded"),
        verbs=("create", "get", "delete"),
    ),
    Unserved(
        noun="policy_packet_rate_limit_rule",
        kind="packet_rate_limit_rule",
        plural="packet_rate_limit_rules",
        path="qos/policies/{policy_id}/packet_rate_limit_rules",
        parameter="packet_rate_limit_rule_id",
        why=_PACKETS,
        code="QosRuleNotFound",
        filters=("id", "max_kpps", "max_burst_kpps", "direction"),
    ),
    LOCAL_IP,
    Unserved(
        noun="local_ip_port_association",
        kind="port_association",
        plural="port_associations",
        path="local_ips/{local_ip_id}/port_associations",
        parameter="fixed_port_id",
        why=_LOCAL,
        code="LocalIPAssociationNotFound",
        filters=("fixed_port_id", "fixed_ip", "host"),
        verbs=("create", "delete"),
    ),
)  # fmt: skip


def _absent(one: Unserved, requested: str) -> NotFound:
    noun = one.kind.replace("_", " ").capitalize()
    return NotFound(f"{noun} {requested[:255]} could not be found.", code=one.code)


_ABOVE = (ROUTER, QOS_POLICY)


async def _allow(request: Request, tx: Transaction, one: Unserved, verb: str) -> None:
    """Whether the caller may; where it is a part of a router or a policy, of theirs.

    Raises:
        Forbidden; NotFound: no such router or policy.
    """
    target: dict[str, Any] = {"project_id": request.token.project_id}
    above = next((each for each in _ABOVE if each.parameter in request.path), None)
    if above is not None:
        requested = request.path[above.parameter]
        _, view = await find(request, tx, above, reach_of(request), requested)
        target = {**target_of(view), "ext_parent:project_id": view["project_id"]}
    elif "local_ip_id" in request.path and one.parameter != "local_ip_id":
        target["ext_parent:project_id"] = request.token.project_id
    rule = f"{verb}_{one.noun}"
    if not request.may(rule, target):
        raise disallowed(rule)


def _doors(one: Unserved) -> Iterator[Route]:
    listing = ItemList(
        name=one.plural,
        style=PAGES,
        key=lambda item: str(item["id"]),
        filters=dict.fromkeys(one.filters, as_sent),
        bodies=BODIES,
    )

    async def index(request: Request, room: Network) -> Response:
        async with request.reading() as tx:
            await _allow(request, tx, one, "get")
        if "local_ip_id" in request.path:
            raise _absent(LOCAL_IP, request.path["local_ip_id"])
        return json_answer(listing.answer(request, []))

    async def create(request: Request, room: Network) -> Response:
        async with request.reading() as tx:
            await _allow(request, tx, one, "create")
        if "local_ip_id" in request.path:
            raise _absent(LOCAL_IP, request.path["local_ip_id"])
        raise BadInput(f"A {one.kind.replace('_', ' ')} cannot be created: {one.why}.")

    base = f"/v2.0/{one.path}"
    yield Route("GET", base, index, (f"get_{one.noun}",), query=listing.parameters)
    yield Route("POST", base, create, (f"create_{one.noun}",), strict=True)
    for verb, method in (("get", "GET"), ("update", "PUT"), ("delete", "DELETE")):
        if verb in one.verbs:
            handler = _absence(one, verb)
            yield Route(method, f"{base}/{{{one.parameter}}}", handler, (f"{verb}_{one.noun}",))


def _absence(one: Unserved, verb: str) -> Any:
    async def absent(request: Request, room: Network) -> Response:
        async with request.reading() as tx:
            await _allow(request, tx, one, verb)
        raise _absent(one, request.path[one.parameter])

    return absent


ROUTES = tuple(route for one in ALL for route in _doors(one))
