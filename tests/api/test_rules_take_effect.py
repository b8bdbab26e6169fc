"""Each rule turned round, as an operator's file does it: nobody may, then everybody may; the answers differ."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hanok.services.compute.routes.servers import EXTENDED
from hanok.services.image.facade import ImageSettings
from hanok.services.network.policy import RULES as NETWORK
from hanok.services.network.routes.kinds import KINDS
from hanok.web.microversions import text
from hanok.web.policy import Enforcer
from hanok.web.routes import PUBLIC, SIGNED_IN, Route
from tests.api.test_every_route import EXPERIMENTAL, MOUNTS, NOWHERE, _things
from tests.api.ways import Things, Way, Ways, block_storage, compute, identity, image, network, own
from tests.cloud import Client, Cloud, running, settle

# Order: what takes away comes last, of things before what holds them.
ORDER = {"GET": 0, "HEAD": 1, "POST": 2, "PUT": 3, "PATCH": 4, "DELETE": 5}


# What takes one change at a time: the next request waits until the last one's work is done.
ONE_AT_A_TIME = frozenset(("load-balancer", "orchestration", "shared-file-system", "key-manager"))
VERSIONED = frozenset(
    ("compute", "placement", "block-storage", "shared-file-system", "key-manager")
)

# No two rebuilds of a server answer alike: tests/api/compute/test_rebuild.py turns these.
# Servers of these tests are anywhere on their host: tests/api/compute/test_exact_placing.py has others.
SHOWN_BY_OTHERS = frozenset(
    [*(("rebuild", rule) for rule in EXTENDED), ("", "compute:server:topology:host:index")]
)


def applied_rules(kind: str) -> Iterator[tuple[Route, str]]:
    """Each rule that a service's routes name."""
    routes = [route for route in MOUNTS[kind][1] if route.rules[0] not in (PUBLIC, SIGNED_IN)]
    for route in sorted(routes, key=lambda one: (ORDER[one.method], -one.path.count("/"))):
        for rule in route.rules:
            if (route.body_key, rule) not in SHOWN_BY_OTHERS:
                yield route, rule


def name_of(route: Route) -> str:
    return f"{route.method} {route.path} {route.body_key}".strip()


def way_of(ways: Ways, route: Route, rule: str) -> Way:
    """That of the route's versions, or else that of the name."""
    name = name_of(route)
    names = [f"{name} until {text(route.maximum)}", name] if route.maximum else [name]
    found = [ways.get((one, said)) for one in names for said in (rule, "")]
    return next((one for one in found if one is not None), Way())


def path_of(kind: str, route: Route, things: Things, way: Way) -> str:
    parts = []
    for part in route.path.split("/"):
        if part.startswith("{"):
            part = way.path.get(part[1:-1]) or things.get((kind, part[1:-1]), NOWHERE)
        parts.append(part)
    return MOUNTS[kind][0] + "/".join(parts) + (f"?{way.query}" if way.query else "")


def version_of(kind: str, route: Route) -> dict[str, str]:
    """The newest version that serves a route."""
    if kind not in VERSIONED:
        return {}
    newest = text(route.maximum) if route.maximum else "latest"
    name = "volume" if kind == "block-storage" else kind
    tried = {EXPERIMENTAL: "true"} if route.experimental else {}
    return {"OpenStack-API-Version": f"{name} {newest}", **tried}


# What differs between two answers without a rule: the request, and the second in which something was changed.
_OF_THE_MOMENT = re.compile(r'req-[0-9a-f-]+|"updated":"[^"]+"')


class Turning:
    """One service's rules, and what they say to one request."""

    def __init__(self, cloud: Cloud, kind: str, client: Client, things: Things) -> None:
        self._cloud = cloud
        self._enforcer: Enforcer = cloud.control.app.enforcer(kind)
        self._kind, self._client, self._things = kind, client, things

    async def _said(self, route: Route, way: Way, checks: dict[str, str]) -> tuple[int, str]:
        body: Any = way.body
        if body is None:
            body = {route.body_key: None} if route.body_key else {}
            if self._kind == "network" and route.member:
                body = {route.member: {}}
        self._enforcer.override(checks)
        answer = await self._client(
            route.method,
            path_of(self._kind, route, self._things, way),
            None if way.content is not None else body,
            content=way.content,
            headers={**version_of(self._kind, route), **way.headers},
        )
        self._enforcer.override({})
        if self._kind in ONE_AT_A_TIME:
            await settle(self._cloud)
        return answer.status_code, _OF_THE_MOMENT.sub("", answer.text)

    async def shows(self, route: Route, rule: str, way: Way) -> bool:
        """Whether the answer is another one when nobody may than when everybody may, by each name of the rule."""
        others = [one for one in route.rules if one != rule]
        rest = {**dict.fromkeys(others, "@"), **way.beside}
        nobody = await self._said(route, way, {**rest, rule: "!"})
        if former := self._enforcer.defaults[rule].formerly:
            assert await self._said(route, way, {**rest, former: "!"}) == nobody, former
        return await self._said(route, way, {**rest, rule: "@"}) != nobody


async def ways_of(cloud: Cloud, kind: str, admin: Client, owner: Client, things: Things) -> Ways:
    if kind == "identity":
        return await identity.ways(cloud, admin, owner)
    if kind == "compute":
        return await compute.ways(cloud, admin, owner, things)
    if kind == "block-storage":
        return await block_storage.ways(cloud, admin, owner, things)
    if kind == "image":
        return await image.ways(admin, owner, things)
    if kind == "network":
        return await network.ways(admin, owner, things)
    return await own.ways(cloud, kind, admin, things) if kind in own.KINDS else {}


@asynccontextmanager
async def with_things(
    folder: Path, database: str, kind: str
) -> AsyncIterator[tuple[Cloud, Client, Client, Things]]:
    """A cloud that shows the locations of images, an administrator, an owner, and what that one has."""
    shown = ImageSettings(show_multiple_locations=True)
    async with running(folder, database=database, image=shown) as cloud:
        if kind in own.KINDS:
            admin = await cloud.project_with("operators", "admin", "service", "member")
            yield cloud, admin, admin, await own.things(cloud, kind, admin, admin)
            return
        owner, things = await _things(cloud)
        admin = await cloud.project_with("operators", "admin", "service")
        public = await admin.get("/network/v2.0/networks?router:external=true")
        images = (await owner.get("/image/v2/images?name=cirros"))["images"]
        things |= {
            ("compute", "flavor_id"): "nano",
            ("compute", "image"): images[0]["id"],
            ("network", "public"): public["networks"][0]["id"],
        }
        yield cloud, admin, owner, things


@pytest.mark.parametrize("kind", MOUNTS)
async def test_each_rule_that_a_route_names_takes_effect(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    async with with_things(tmp_path, database_url, kind) as (cloud, admin, owner, things):
        ways = await ways_of(cloud, kind, admin, owner, things)
        turning = Turning(cloud, kind, admin, things)
        hidden = [
            (name_of(route), rule)
            for route, rule in applied_rules(kind)
            if not await turning.shows(route, rule, way_of(ways, route, rule))
        ]
        assert not hidden, hidden


# Rules that no request shows, with the reason.
HIDDEN = {
    "create_port:binding:vnic_type": "the one value that is served is the default: it asks for nothing"
}


# Older and newer names of what is sent under one.
UNSENT = {"create_rbac_policy:target_project", "update_rbac_policy:target_project"}


def attributes(verb: str) -> Iterator[tuple[str, str, str]]:
    """Network's rules on an attribute, or a part of one: the rule, the resource, the attribute. Tags have routes."""
    for rule in NETWORK:
        action, _, attribute = rule.name.partition(":")
        if rule.name in HIDDEN or rule.name in UNSENT or "_external_gateways" in action:
            continue  # the last are of routes of their own, which name them
        if action.startswith(f"{verb}_") and attribute not in ("", "tags"):
            yield rule.name, action.removeprefix(f"{verb}_"), attribute


PATHS = {kind.name: kind.path for kind in KINDS}


async def test_each_rule_on_an_attribute_that_is_shown_takes_effect(cloud: Cloud) -> None:
    _, things = await _things(cloud)
    admin = await cloud.sign_in()
    enforcer = cloud.control.app.enforcer("network")
    for rule, kind, attribute in attributes("get"):
        path = f"/network/v2.0/{PATHS[kind]}/{things['network', f'{kind}_id']}"
        for check, shown in (("!", False), ("@", True)):
            enforcer.override({rule: check})
            assert (attribute in (await admin.get(path))[kind]) is shown, rule


@pytest.mark.parametrize("verb", ["create", "update"])
async def test_each_rule_on_an_attribute_that_is_sent_takes_effect(cloud: Cloud, verb: str) -> None:
    _, things = await _things(cloud)
    admin = await cloud.sign_in()
    enforcer = cloud.control.app.enforcer("network")
    public = await admin.get("/network/v2.0/networks?router:external=true")
    things["network", "public"] = public["networks"][0]["id"]
    needed: dict[str, dict[str, Any]] = {
        "port": {"network_id": things["network", "network_id"]},
        "floatingip": {"floating_network_id": things["network", "public"]},
        "subnetpool": {"name": "p", "prefixes": ["10.41.0.0/16"]},
        "address_scope": {"name": "s", "ip_version": 4},
        "rbac_policy": {
            "object_type": "network",
            "object_id": things["network", "network_id"],
            "action": "access_as_shared",
        },
    }
    values = network.values(things)
    for rule, kind, attribute in attributes(verb):
        sent = {name_of_attribute(attribute): values[kind][attribute]}
        path = f"/network/v2.0/{PATHS[kind]}"
        if verb == "update":
            request = ("PUT", f"{path}/{things['network', f'{kind}_id']}", {kind: sent})
        else:
            request = ("POST", path, {kind: {**needed.get(kind, {}), **sent}})
        enforcer.override({rule: "!"})
        refused = await admin(*request, status=403)
        assert f"rule:{rule})" in refused.text
        enforcer.override({rule: "@"})
        assert f"rule:{rule}" not in (await admin(*request)).text


def name_of_attribute(attribute: str) -> str:
    """The attribute that a part belongs to: the names of some have a colon themselves."""
    first, _, _ = attribute.partition(":")
    return attribute if first in ("binding", "provider", "router") else first


async def test_a_host_is_named_by_whom_the_rule_lets(cloud: Cloud) -> None:
    owner, _ = await _things(cloud)
    enforcer = cloud.control.app.enforcer("compute")
    body = {"server": {"name": "vm", "imageRef": NOWHERE, "flavorRef": "1", "networks": "none"}}
    newest = {"OpenStack-API-Version": "compute 2.104"}
    for wish, rule in (
        ({"availability_zone": "nova:host-1"}, "os_compute_api:servers:create:forced_host"),
        ({"host": "host-1"}, "compute:servers:create:requested_destination"),
    ):
        requested = {"server": {**body["server"], **wish}}
        refused = await owner(
            "POST", "/compute/v2.1/servers", requested, headers=newest, status=403
        )
        assert rule in refused.text
        enforcer.override({rule: "role:member"})
        await owner(
            "POST", "/compute/v2.1/servers", requested, headers=newest, status=400
        )  # the image
        enforcer.override({})


async def test_who_reaches_everywhere_is_said_by_a_rule(cloud: Cloud) -> None:
    _, things = await _things(cloud)
    server = things["compute", "server_id"]
    admin = await cloud.sign_in()
    await admin.post("/v3/roles", {"role": {"name": "operator"}})
    operator = await cloud.project_with("o", "operator")
    await operator("GET", f"/compute/v2.1/servers/{server}", status=404)
    enforcer = cloud.control.app.enforcer("compute")
    enforcer.override({"context_is_admin": "role:admin or role:operator"})
    await operator("GET", f"/compute/v2.1/servers/{server}", status=200)
    listed = (await operator.get("/compute/v2.1/servers?all_tenants=1"))["servers"]
    assert [one["id"] for one in listed] == [server]
    image = things["image", "image_id"]
    await operator("GET", f"/image/v2/images/{image}", status=404)  # another service's rules
