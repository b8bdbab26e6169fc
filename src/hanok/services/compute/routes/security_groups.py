"""Security groups by way of compute, for clients from before 2.36: each request is one to the network service or more.

The network service is asked as the caller, so its rules hold as well as compute's. Compute knows incoming rules only,
and shows no others.

Source: Compute API reference, "Security groups (DEPRECATED)", "Rules for security group (DEPRECATED)".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.responses import Response

from hanok.base.addresses import interface_of
from hanok.base.errors import BadInput, Conflict, Forbidden, Refused
from hanok.base.ids import is_uuid
from hanok.services.compute.room import Compute
from hanok.services.compute.routes.proxied import ask
from hanok.services.compute.schemas import bodies
from hanok.web.plain_lists import OffsetList
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

LIST = OffsetList(name="security_groups", maximum=1000)
AT_ONCE = 100  # groups that are asked for in one query
GROUPS, RULES = "/network/v2.0/security-groups", "/network/v2.0/security-group-rules"
PORTS = (1, 65535)
EVERYWHERE = "0.0.0.0/0"
_P = "os_compute_api:os-security-groups"


async def _ask(
    request: Request,
    room: Compute,
    method: str,
    path: str,
    body: Any = None,
    *,
    conflict: type[Refused] = BadInput,
) -> dict[str, Any]:
    """Ask the network service. conflict: what its 409 is to clients of compute, which know none."""
    try:
        return await ask(request, room, method, path, body)
    except Conflict as error:
        raise conflict(error.message) from error


def _allow(request: Request) -> None:
    request.allow(project_id=request.token.project_id)


def _id(value: str) -> str:
    if not is_uuid(value):
        raise BadInput("Security group id should be uuid")
    return value


def _path(request: Request) -> str:
    return f"{GROUPS}/{_id(request.path['security_group_id'])}"


# ---- in compute's words ----


def _range(rule: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """A rule's ports, or ICMP's type and code (-1: any)."""
    low, high = rule["port_range_min"], rule["port_range_max"]
    if rule["protocol"] and low is None and high is None:
        return PORTS if rule["protocol"] in ("tcp", "udp") else (-1, -1)
    return low, high


def _cidr(rule: Mapping[str, Any]) -> str:
    return rule["remote_ip_prefix"] or EVERYWHERE


def _rule(rule: Mapping[str, Any], source: Mapping[str, str] | None) -> dict[str, Any]:
    low, high = _range(rule)
    return {
        "id": rule["id"],
        "parent_group_id": rule["security_group_id"],
        "ip_protocol": rule["protocol"],
        "from_port": low,
        "to_port": high,
        "group": source or {},
        "ip_range": {} if source else {"cidr": _cidr(rule)},
    }


def _incoming(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in group["security_group_rules"] if one["direction"] == "ingress"]


def _source(group: Mapping[str, Any]) -> dict[str, str]:
    return {"name": group["name"], "tenant_id": group["project_id"]}


async def _shown(
    request: Request, room: Compute, groups: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Groups with their rules; rules for groups that the caller does not see are left out."""
    rules = {group["id"]: _incoming(group) for group in groups}
    sources = {group["id"]: _source(group) for group in groups}
    named = {rule["remote_group_id"] for several in rules.values() for rule in several}
    missing = sorted(named - {None} - set(sources))
    for at in range(0, len(missing), AT_ONCE):
        requested = [("fields", "id"), ("fields", "name"), ("fields", "project_id")]
        requested += [("id", one) for one in missing[at : at + AT_ONCE]]
        found = await _ask(request, room, "GET", f"{GROUPS}?{urlencode(requested)}")
        sources |= {group["id"]: _source(group) for group in found["security_groups"]}
    return [
        {
            "id": group["id"],
            "name": group["name"],
            "description": group["description"],
            "tenant_id": group["project_id"],
            "rules": [
                _rule(rule, sources.get(rule["remote_group_id"]))
                for rule in rules[group["id"]]
                if rule["remote_group_id"] is None or rule["remote_group_id"] in sources
            ],
        }
        for group in groups
    ]


async def _answer(request: Request, room: Compute, found: Mapping[str, Any]) -> Response:
    (shown,) = await _shown(request, room, [found["security_group"]])
    return json_answer({"security_group": shown})


# ---- groups ----


async def list_groups(request: Request, room: Compute) -> Response:
    """GET /os-security-groups: the project's; with all_tenants everybody's, for administrators."""
    _allow(request)
    offset, limit = LIST.place(request)
    path = GROUPS
    if "all_tenants" not in request.query or not request.reaching("network").everywhere:
        path += f"?project_id={request.token.project_id or ''}"
    found = (await _ask(request, room, "GET", path))["security_groups"]
    page = found[offset : offset + limit]
    shown = await _shown(request, room, page)
    shown.sort(key=lambda group: (group["tenant_id"], group["name"]))
    return json_answer({LIST.name: shown})


async def show_group(request: Request, room: Compute) -> Response:
    """GET /os-security-groups/{id}."""
    _allow(request)
    return await _answer(request, room, await _ask(request, room, "GET", _path(request)))


def _named(body: bodies.SecurityGroup) -> dict[str, Any]:
    return {"security_group": {"name": body.name, "description": body.description}}


async def create_group(request: Request, room: Compute) -> Response:
    """POST /os-security-groups."""
    _allow(request)
    requested = _named(await request.body(bodies.SecurityGroup, key="security_group"))
    made = await _ask(request, room, "POST", GROUPS, requested, conflict=Forbidden)
    return await _answer(request, room, made)


async def update_group(request: Request, room: Compute) -> Response:
    """PUT /os-security-groups/{id}."""
    _allow(request)
    requested = _named(await request.body(bodies.SecurityGroup, key="security_group"))
    return await _answer(request, room, await _ask(request, room, "PUT", _path(request), requested))


async def delete_group(request: Request, room: Compute) -> Response:
    """DELETE /os-security-groups/{id}."""
    _allow(request)
    await _ask(request, room, "DELETE", _path(request))
    return no_content(202)


# ---- rules ----


def _prefix(cidr: str | None) -> tuple[str, str]:
    """A prefix and its ethertype; without one, all of IPv4.

    Raises:
        BadInput: it is none, or an address with the length 0.
    """
    if not cidr:
        return EVERYWHERE, "IPv4"
    cidr = unquote(cidr)
    try:
        found = interface_of(cidr)
    except ValueError:
        found = None
    if found is None or "/" not in cidr:
        raise BadInput(f"{cidr[:100]} is not a valid IP network.")
    if found.network.prefixlen == 0 and int(found.ip) != 0:
        raise BadInput(f"Bad prefix for network in cidr {cidr[:100]}")
    return cidr, f"IPv{found.version}"


def _traffic(body: bodies.SecurityGroupRule) -> tuple[str | None, int | None, int | None]:
    """The protocol and its ports, or type and code; from a group it may be all of a protocol, or all there is.

    Raises:
        BadInput: too little is said, or what there is not.
    """
    protocol = (body.ip_protocol or "").lower() or None
    low, high = body.from_port, body.to_port
    if protocol not in (None, "tcp", "udp", "icmp"):
        raise BadInput(f"Invalid IP protocol {protocol[:40]}.")
    if body.group_id is not None and low is None and high is None:
        if protocol is None:
            return None, None, None
        low, high = PORTS if protocol != "icmp" else (-1, -1)
    if protocol is None or low is None or high is None:
        raise BadInput("Not enough parameters to build a valid rule.")
    least, maximum = PORTS if protocol != "icmp" else (-1, 255)
    low = bodies.whole(low, "from_port", least=least, maximum=maximum)
    high = bodies.whole(high, "to_port", least=least, maximum=maximum)
    if protocol != "icmp" and low > high:
        raise BadInput(
            f"Invalid port range {low}:{high}. Former value cannot be greater than the later"
        )
    return protocol, low, high


def _meaning(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    remote = rule["remote_group_id"]
    return (remote, None if remote else _cidr(rule), rule["protocol"], *_range(rule))


async def create_rule(request: Request, room: Compute) -> Response:
    """POST /os-security-group-rules: traffic from a prefix, or from the members of a group."""
    _allow(request)
    body = await request.body(bodies.SecurityGroupRule, key="security_group_rule")
    parent_id = _id(body.parent_group_id)
    parent = (await _ask(request, room, "GET", f"{GROUPS}/{parent_id}"))["security_group"]
    source, cidr, ethertype = None, None, "IPv4"
    if body.group_id is not None:
        found = await _ask(request, room, "GET", f"{GROUPS}/{_id(body.group_id)}")
        source = _source(found["security_group"])
    else:
        cidr, ethertype = _prefix(body.cidr)
    protocol, low, high = _traffic(body)
    requested = {
        "security_group_id": parent["id"],
        "direction": "ingress",
        "ethertype": ethertype,
        "protocol": protocol,
        "port_range_min": None if low == -1 else low,
        "port_range_max": None if high == -1 else high,
        "remote_ip_prefix": cidr,
        "remote_group_id": body.group_id,
    }
    if _meaning(requested) in (_meaning(rule) for rule in _incoming(parent)):
        raise BadInput(f"This rule already exists in group {parent['id']}")
    sent = {"security_group_rule": requested}
    made = await _ask(request, room, "POST", RULES, sent, conflict=Forbidden)
    return json_answer({"security_group_rule": _rule(made["security_group_rule"], source)})


async def delete_rule(request: Request, room: Compute) -> Response:
    """DELETE /os-security-group-rules/{id}."""
    _allow(request)
    await _ask(request, room, "DELETE", f"{RULES}/{_id(request.path['security_group_rule_id'])}")
    return no_content(202)


_ALL = "/v2.1/os-security-groups"
_ONE = _ALL + "/{security_group_id}"
_RULES = "/v2.1/os-security-group-rules"
_RULE = _RULES + "/{security_group_rule_id}"


_MEMBERS = {
    bodies.SecurityGroup: "security_group",
    bodies.SecurityGroupRule: "security_group_rule",
}


def _route(
    method: str, path: str, handler: Any, rule: str, body: Any = None, query: tuple[str, ...] = ()
) -> Route:
    return Route(
        method,
        path,
        handler,
        (f"{_P}:{rule}",),
        maximum=(2, 35),
        body=body,
        member=_MEMBERS.get(body, ""),
        query=query,
    )


ROUTES = (
    _route("GET", _ALL, list_groups, "get", query=(*LIST.parameters, "all_tenants")),
    _route("POST", _ALL, create_group, "create", bodies.SecurityGroup),
    _route("GET", _ONE, show_group, "show"),
    _route("PUT", _ONE, update_group, "update", bodies.SecurityGroup),
    _route("DELETE", _ONE, delete_group, "delete"),
    _route("POST", _RULES, create_rule, "rule:create", bodies.SecurityGroupRule),
    _route("DELETE", _RULE, delete_rule, "rule:delete"),
)
