"""Access rules of application credentials: what a path with places left open allows, and that none stops the cloud."""

from __future__ import annotations

from typing import Any

from tests.api.identity.doors import an_application_credential, by_application_credential, sign_in
from tests.cloud import Client, Cloud


async def _with_rule(cloud: Cloud, owner: Client, path: str, name: str) -> Client:
    rule: dict[str, Any] = {"path": path, "method": "GET", "service": "compute"}
    credential = await an_application_credential(owner, name=name, access_rules=[rule])
    return await sign_in(cloud, by_application_credential(credential))


async def test_places_left_open_in_a_path(cloud: Cloud) -> None:
    owner = await cloud.project_with("p", "member")
    one = await _with_rule(cloud, owner, "/v2.1/flavors/{flavor_id}", "one")
    await one("GET", "/compute/v2.1/flavors/nothing", status=404)
    await one("GET", "/compute/v2.1/flavors", status=403)
    await one("GET", "/compute/v2.1/flavors/nothing/os-extra_specs", status=403)
    every = await _with_rule(cloud, owner, "/v2.1/flavors/**", "every")
    await every("GET", "/compute/v2.1/flavors/nothing/os-extra_specs", status=404)
    await every("GET", "/compute/v2.1/servers", status=403)


async def test_a_rule_with_many_places_is_answered(cloud: Cloud) -> None:
    """Tried one way after the other, this would take longer than anybody waits."""
    owner = await cloud.project_with("p", "member")
    bad = await _with_rule(cloud, owner, "/v2.1/" + "**a" * 35 + "b", "bad")
    for path in ("a" * 80, "a" * 4000):
        await bad("GET", f"/compute/v2.1/servers/{path}", status=403)
    fits = "a" * 90 + "b"
    await bad("GET", f"/compute/v2.1/{fits}", status=404)


async def test_rules_are_shown_in_the_order_they_were_given(cloud: Cloud) -> None:
    """Clients compare what they sent with what they read, rule by rule."""
    owner = await cloud.project_with("p", "member")
    rules = [
        {"path": f"/v2.1/{number}", "method": method, "service": "compute"}
        for number in range(9)
        for method in ("GET", "PUT")
    ]
    for name, given in (("forward", rules), ("backward", rules[::-1]), ("twice", rules * 2)):
        credential = await an_application_credential(owner, name=name, access_rules=given)
        path = f"/v3/users/{owner.user_id}/application_credentials/{credential['id']}"
        shown = (await owner.get(path))["application_credential"]["access_rules"]
        once = rules if name == "twice" else given
        assert [{**rule, "id": None} for rule in shown] == [{**rule, "id": None} for rule in once]
    path = f"/v3/users/{owner.user_id}/access_rules"
    listed = (await owner.get(path))["access_rules"]
    assert [(rule["path"], rule["method"]) for rule in listed] == [
        (rule["path"], rule["method"]) for rule in rules
    ]
