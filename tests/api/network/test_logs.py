"""Conversations about packet logs."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.drivers.ovn.rows import ACL, PortGroup
from tests.api.network.test_engine import engine, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud


class Lab:
    """A group with one more rule, a port in it, and one that is in the default group."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def build(self) -> None:
        self.client = await self.cloud.project_with("p", "member", "manager")
        made = await network(self.client)
        await subnet(self.client, made["id"])
        group = await self.client.post(f"{V2}/security-groups", {"security_group": {"name": "g"}})
        self.group = group["security_group"]["id"]
        body = {"security_group_id": self.group, "direction": "ingress", "protocol": "tcp"}
        await self.client.post(f"{V2}/security-group-rules", {"security_group_rule": body})
        self.port = await port(self.client, made["id"], security_groups=[self.group])
        self.other = await port(self.client, made["id"])

    async def log(self, client: Client | None = None, **values: Any) -> dict[str, Any]:
        body = {"log": {"resource_type": "security_group", **values}}
        return dict((await (client or self.client).post(f"{V2}/log/logs", body))["log"])

    async def logged(self, group: str = "") -> set[tuple[str, str, str]]:
        """What is logged of a group: direction, action and name."""
        return {(one.direction, one.action, one.log) for one in await self.acls(group) if one.log}

    async def acls(self, group: str = "") -> list[ACL]:
        await settled(self.cloud)
        rows = await engine(self.cloud).dump(f"security_group:{group or self.group}")
        (row,) = (one for one in rows if isinstance(one, PortGroup))
        return list(row.acls)


@pytest.fixture
async def lab(cloud: Cloud) -> Lab:
    found = Lab(cloud)
    await found.build()
    return found


async def test_what_a_group_lets_through_and_drops_is_logged(lab: Lab) -> None:
    kinds = await lab.client.get(f"{V2}/log/loggable-resources")
    assert kinds == {"loggable_resources": [{"type": "security_group"}]}
    assert await lab.logged() == set()
    made = await lab.log(resource_id=lab.group, name="all")
    assert (made["event"], made["enabled"], made["target_id"]) == ("ALL", True, None)
    assert made["project_id"] == lab.client.project_id and made["revision_number"] == 1
    name = f"log-{made['id']}"
    assert await lab.logged() == {
        ("to-lport", "allow-related", name),
        ("from-lport", "allow-related", name),
        ("to-lport", "drop", name),
        ("from-lport", "drop", name),
    }
    path = f"{V2}/log/logs/{made['id']}"
    off = {"log": {"enabled": False, "description": "later"}}
    assert (await lab.client("PUT", path, off, status=200)).json()["log"]["enabled"] is False
    assert await lab.logged() == set()
    await lab.client("PUT", path, {"log": {"enabled": True}}, status=200)
    await refused(lab.client, "PUT", path.removeprefix(V2), {"log": {"event": "DROP"}}, 400)
    assert len(await lab.logged()) == 4
    found = (await lab.client.get(f"{V2}/log/logs?event=ALL&resource_id={lab.group}"))["logs"]
    assert [one["id"] for one in found] == [made["id"]]
    await lab.client("DELETE", path, status=204)
    assert await lab.logged() == set()
    for event, actions in (("ACCEPT", {"allow-related"}), ("drop", {"drop"})):
        made = await lab.log(event=event)  # of all groups of the project
        assert made["event"] == event.upper()
        assert {action for _, action, _ in await lab.logged()} == actions
        await lab.client("DELETE", f"{V2}/log/logs/{made['id']}", status=204)


async def test_a_port_is_logged_in_the_groups_that_it_is_in(lab: Lab) -> None:
    made = await lab.log(target_id=lab.other["id"])
    assert await lab.logged() == set()
    default = lab.other["security_groups"][0]
    named = {acl.match for acl in await lab.acls(default) if acl.log}
    assert named and all(f'port == "{lab.other["id"]}" && ' in match for match in named)
    moved = {"port": {"security_groups": [lab.group]}}
    await lab.client("PUT", f"{V2}/ports/{lab.other['id']}", moved, status=200)
    assert await lab.logged(default) == set()
    assert {name for _, _, name in await lab.logged()} == {f"log-{made['id']}"}
    hidden = [acl for acl in await lab.acls() if not acl.log]
    assert hidden and all(acl.priority == 1002 for acl in hidden)
    both = await lab.log(target_id=lab.port["id"], resource_id=lab.group)
    assert len({name for _, _, name in await lab.logged()}) == 2
    await lab.client("DELETE", f"{V2}/ports/{lab.port['id']}", status=204)
    await lab.client.get(f"{V2}/log/logs/{both['id']}", 404)
    await lab.client("DELETE", f"{V2}/ports/{lab.other['id']}", status=204)
    assert await lab.logged() == set()
    whole = await lab.log(resource_id=lab.group)
    await lab.client("DELETE", f"{V2}/security-groups/{lab.group}", status=204)
    await lab.client.get(f"{V2}/log/logs/{whole['id']}", 404)
    assert (await lab.client.get(f"{V2}/log/logs"))["logs"] == []


async def test_what_cannot_be_logged_is_refused(lab: Lab) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    stranger = await lab.cloud.project_with("s", "manager")
    member = await lab.cloud.project_with("m", "member")
    kind = "security_group"

    async def no(values: dict[str, Any], status: int, client: Client | None = None) -> str:
        body = {"log": values}
        found = await refused(client or lab.client, "POST", "/log/logs", body, status)
        return str(found["type"])

    await no({"resource_type": "floating_ip"}, 400)
    await no({}, 400)
    await no({"resource_type": kind, "event": "SOME"}, 400)
    theirs = {"resource_type": kind, "resource_id": lab.group}
    assert await no({"resource_type": kind, "resource_id": nobody}, 404) == "ResourceNotFound"
    assert await no(theirs, 404, stranger) == "ResourceNotFound"
    target = {"resource_type": kind, "target_id": lab.port["id"]}
    assert await no({**target, "target_id": nobody}, 404) == "TargetResourceNotFound"
    assert await no(target, 404, stranger) == "TargetResourceNotFound"
    apart = {**theirs, "target_id": lab.other["id"]}
    assert await no(apart, 400) == "InvalidResourceConstraint"
    await no(theirs, 403, member)
    made = await lab.log(resource_id=lab.group)
    await refused(stranger, "GET", f"/log/logs/{made['id']}", None, 404)
    await refused(member, "GET", "/log/loggable-resources", None, 403)
    for _ in range(49):
        await lab.log(resource_id=lab.group)
    assert await no(theirs, 409) == "OverQuota"


async def test_an_administrator_logs_what_is_others(lab: Lab) -> None:
    admin = await lab.cloud.sign_in()
    made = await lab.log(admin, resource_id=lab.group)
    assert made["project_id"] == admin.project_id
    assert await lab.logged()
    assert (await lab.client.get(f"{V2}/log/logs"))["logs"] == []
    await lab.client("DELETE", f"{V2}/ports/{lab.port['id']}", status=204)
    await lab.client("DELETE", f"{V2}/security-groups/{lab.group}", status=204)
    await admin.get(f"{V2}/log/logs/{made['id']}", 404)


async def test_a_group_that_is_only_shared_with_a_project_is_logged_by_its_owner(lab: Lab) -> None:
    other, admin = await lab.cloud.project_with("q", "member", "manager"), await lab.cloud.sign_in()
    lent = {"object_type": "security_group", "object_id": lab.group, "action": "access_as_shared"}
    body = {"rbac_policy": {**lent, "target_tenant": other.project_id}}
    await lab.client("POST", f"{V2}/rbac-policies", body, status=201)
    await other.get(f"{V2}/security-groups/{lab.group}")
    wish = {"log": {"resource_type": "security_group", "resource_id": lab.group}}
    error = await refused(other, "POST", "/log/logs", wish, 404)
    assert error["message"] == f"Resource {lab.group} could not be found"
    assert await lab.logged() == set()
    await lab.log(admin, resource_id=lab.group)
    assert len(await lab.logged()) == 4
