"""Each route's rule turned round, as an operator's file does it: nobody may, then everybody may; the answers differ."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hanok.web.routes import PUBLIC, SIGNED_IN, Route
from tests.api.test_every_route import MOUNTS, NOWHERE, _things, headers
from tests.cloud import Client, Cloud

# Order: what takes away comes last.
ORDER = {"GET": 0, "HEAD": 1, "POST": 2, "PUT": 3, "PATCH": 4, "DELETE": 5}


def path_of(kind: str, mount: str, route: Route, things: dict[tuple[str, str], str]) -> str:
    parts = [
        things.get((kind, part[1:-1]), NOWHERE) if part.startswith("{") else part
        for part in route.path.split("/")
    ]
    return mount + "/".join(parts)


async def said(client: Client, kind: str, route: Route, path: str) -> tuple[int, str]:
    body: Any = {route.body_key: None} if route.body_key else {}
    if kind == "network" and route.member:
        body = {route.member: {}}
    answer = await client(route.method, path, body, headers=headers(kind, route))
    return answer.status_code, re.sub(r"req-[0-9a-f-]+", "", answer.text)


# How many of a service's routes show the effect by a request without a good body. The others say of such a request that
# it is wrong, or that there is no such thing, before who may is asked; what they do is in the tests of each service.
@pytest.mark.parametrize(
    ("kind", "least"), [("compute", 80), ("placement", 25), ("image", 20), ("network", 20)]
)
async def test_a_rule_that_an_operator_changes_takes_effect(
    cloud: Cloud, kind: str, least: int
) -> None:
    _, things = await _things(cloud)
    admin = await cloud.project_with("operators", "admin", "service")
    enforcer = cloud.control.app.enforcer(kind)
    mount, routes = MOUNTS[kind]
    shown = 0
    asked = [route for route in routes if route.rules[0] not in (PUBLIC, SIGNED_IN)]
    for route in sorted(asked, key=lambda route: ORDER[route.method]):
        path = path_of(kind, mount, route, things)
        enforcer.override({route.rules[0]: "!"})
        nobody = await said(admin, kind, route, path)
        enforcer.override({route.rules[0]: "@"})
        everybody = await said(admin, kind, route, path)
        enforcer.override({})
        assert nobody[0] >= 400 or nobody != everybody or route.method == "GET", (
            f"{route.method} {path} is done although {route.rules[0]} lets nobody"
        )
        shown += nobody != everybody
    assert shown >= least, shown


async def test_a_host_is_named_by_whom_the_rule_lets(cloud: Cloud) -> None:
    owner, _ = await _things(cloud)
    enforcer = cloud.control.app.enforcer("compute")
    body = {"server": {"name": "vm", "imageRef": NOWHERE, "flavorRef": "1", "networks": "none"}}
    newest = {"OpenStack-API-Version": "compute 2.104"}
    for wish, rule in (
        ({"availability_zone": "nova:host-1"}, "os_compute_api:servers:create:forced_host"),
        ({"host": "host-1"}, "compute:servers:create:requested_destination"),
    ):
        wanted = {"server": {**body["server"], **wish}}
        refused = await owner("POST", "/compute/v2.1/servers", wanted, headers=newest, status=403)
        assert rule in refused.text
        enforcer.override({rule: "role:member"})
        await owner(
            "POST", "/compute/v2.1/servers", wanted, headers=newest, status=400
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
