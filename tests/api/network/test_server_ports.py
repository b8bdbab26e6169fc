"""What networking says to a server's wishes for interfaces, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICPlan, NICWish
from tests.api.network.alone import caller, cloud
from tests.api.network.test_networks import V2, network, port, subnet
from tests.api.network.test_routers import public
from tests.cloud import Client, Cloud

__all__ = ["cloud"]
NOWHERE = "00000000-0000-4000-8000-00000000dead"
HOST: dict[str, Any] = {"hostname": "vm", "zone": "nova", "security_groups": ()}


class Lab:
    def __init__(self, cloud: Cloud, client: Client) -> None:
        self.cloud, self.client = cloud, client

    async def plan(
        self, wishes: Sequence[NICWish] | str, who: Client | None = None, *, everywhere: bool = False, **more: Any
    ) -> list[NICPlan]:  # fmt: skip
        asks = caller(who or self.client, everywhere=everywhere)
        async with self.cloud.control.database.read() as tx:
            return await networks.plan(tx, asks, wishes, **more)

    async def another(
        self, wish: NICWish, who: Client | None = None, *, everywhere: bool = False, **more: Any
    ) -> NICPlan:
        asks = caller(who or self.client, everywhere=everywhere)
        async with self.cloud.control.database.read() as tx:
            return await networks.plan_another(tx, asks, wish, **more)

    async def bind(self, plans: list[NICPlan], server: str = "s-1", host: str = "h1", **more: Any) -> None:  # fmt: skip
        async with self.cloud.control.database.write() as tx:
            await networks.bind(
                tx, self.cloud.network, plans,
                server_id=server, project_id=self.client.project_id, host=host, **{**HOST, **more},
            )  # fmt: skip

    async def groups(self, *names: str) -> list[str]:
        async with self.cloud.control.database.write() as tx:
            return await networks.check_security_groups(
                tx, self.cloud.network, self.client.project_id, names
            )

    async def shown(self, port_id: str) -> dict[str, Any]:
        admin = await self.cloud.sign_in()
        return dict((await admin.get(f"{V2}/ports/{port_id}"))["port"])


@pytest.fixture
async def lab(cloud: Cloud) -> Lab:
    return Lab(cloud, await cloud.project_with("p", "member"))


async def test_who_names_no_network_gets_the_only_one(lab: Lab) -> None:
    stranger = await lab.cloud.project_with("q", "member")
    assert await lab.plan("none") == await lab.plan("only") == []
    with pytest.raises(BadInput, match="none are available for project"):
        await lab.another(NICWish())
    bare = (await network(lab.client))["id"]
    assert await lab.plan("only") == []  # without a subnet it is none
    await subnet(lab.client, bare)
    assert await lab.plan("only", stranger) == []
    for found in (*await lab.plan("only"), await lab.another(NICWish(tag="t"))):
        assert (found.network_id, found.ours) == (bare, True)
    assert (await lab.another(NICWish(tag="t"))).tag == "t"
    await subnet(lab.client, (await network(lab.client))["id"], "10.1.0.0/24")
    with pytest.raises(Conflict, match="Multiple possible networks"):
        await lab.plan("only")
    with pytest.raises(BadInput, match="Multiple possible networks"):
        await lab.another(NICWish())
    (found,) = await lab.plan([NICWish(network_id=bare)])
    assert (await lab.another(NICWish(network_id=bare))).network_id == found.network_id == bare


async def test_ports_that_a_server_may_have(lab: Lab) -> None:
    stranger = await lab.cloud.project_with("q", "member")
    net = (await network(lab.client))["id"]
    other = (await network(lab.client))["id"]
    await subnet(lab.client, net)
    mine = await port(lab.client, net)
    loose = await port(lab.client, net, fixed_ips=[])
    used = await port(lab.client, net, device_id="mine")
    (metadata,) = (await lab.client.get(f"{V2}/ports?device_owner=network:distributed"))["ports"]
    for wish in (NICWish(port_id=mine["id"]), NICWish(port_id=mine["id"], network_id=net)):
        (found,) = await lab.plan([wish])
        assert (found.port_id, found.network_id, found.ours) == (mine["id"], net, False)
    no: tuple[tuple[list[NICWish], int, type[Exception], str], ...] = (
        ([NICWish(port_id=mine["id"])], 2, BadInput, "a single configured port ID"),
        ([NICWish(port_id=mine["id"])] * 2, 1, Conflict, "is still in use"),
        ([NICWish(port_id=mine["id"], network_id=other)], 1, BadInput, "is not on network"),
        ([NICWish(port_id=loose["id"])], 1, BadInput, "requires a FixedIP"),
        ([NICWish(port_id=used["id"])], 1, Conflict, "is still in use"),
        ([NICWish(port_id=metadata["id"])], 1, BadInput, "could not be found"),
        ([NICWish(port_id=NOWHERE)], 1, BadInput, "could not be found"),
    )
    for wishes, count, error, why in no:
        with pytest.raises(error, match=why):
            await lab.plan(wishes, count=count)
    with pytest.raises(Conflict, match="is still in use"):  # the house's own is no server's
        await lab.plan([NICWish(port_id=metadata["id"])], everywhere=True)
    theirs = NICWish(port_id=mine["id"])
    with pytest.raises(BadInput, match="could not be found"):
        await lab.plan([theirs], stranger)
    with pytest.raises(NotFound, match=r"Port .* could not be found"):
        await lab.another(theirs, stranger)
    assert (await lab.plan([theirs], stranger, everywhere=True))[0].port_id == mine["id"]
    assert (await lab.another(theirs, stranger, everywhere=True)).port_id == mine["id"]
    # On a network of one's own a stranger's port is seen, and is theirs all the same.
    admin = await lab.cloud.sign_in()
    foreign = await port(admin, net, project_id=stranger.project_id)
    await lab.client.get(f"{V2}/ports/{foreign['id']}")
    with pytest.raises(BadInput, match="could not be found"):
        await lab.plan([NICWish(port_id=foreign["id"])])
    with pytest.raises(NotFound, match="could not be found"):
        await lab.another(NICWish(port_id=foreign["id"]))


async def test_networks_that_a_server_may_be_on(lab: Lab) -> None:
    admin = await lab.cloud.sign_in()
    stranger = await lab.cloud.project_with("q", "member")
    bare = (await network(lab.client))["id"]
    open_net = (await network(lab.client, port_security_enabled=False))["id"]
    shared = (await network(admin, shared=True))["id"]
    foreign = (await network(stranger))["id"]
    for number, one in enumerate((open_net, shared, foreign)):
        await subnet(admin if one == shared else stranger if one == foreign else lab.client,
                     one, f"10.{number}.0.0/24")  # fmt: skip
    outside = (await public(lab.client))["id"]
    no: tuple[tuple[NICWish, dict[str, Any], type[Exception], str], ...] = (
        (NICWish(network_id=bare), {}, BadInput, "requires a subnet"),
        (NICWish(network_id=foreign), {}, BadInput, "could not be found"),
        (NICWish(), {}, BadInput, "could not be found"),
        (NICWish(network_id=outside), {}, Forbidden, "external network"),
        (NICWish(network_id=open_net), {"grouped": True}, BadInput, "port_security_enabled"),
        (NICWish(network_id=open_net, fixed_ip="10.0.0.9"), {"count": 2}, BadInput, "one address"),
        (NICWish(network_id=open_net, fixed_ip="10.0"), {}, BadInput, "Invalid fixed IP address"),
        (NICWish(network_id=open_net, fixed_ip="10.9.0.9"), {}, BadInput, "not a valid ip address"),
        (NICWish(network_id=open_net, fixed_ip="10.0.0.255"), {}, BadInput, "is not a valid IP"),
        (NICWish(network_id=open_net, fixed_ip="10.0.0.2"), {}, BadInput, "is already in use"),
        (
            NICWish(network_id=shared, fixed_ip="10.1.0.9"),
            {},
            Forbidden,
            "owner of a shared network can choose",
        ),
    )
    for wish, more, error, why in no:
        with pytest.raises(error, match=why):
            await lab.plan([wish], **more)
    for wish, more in (
        (NICWish(network_id=open_net), {"count": 2}),
        (NICWish(network_id=shared), {"grouped": True}),
        (NICWish(network_id=outside), {"external": True}),
    ):
        assert (await lab.plan([wish], **more))[0].network_id == wish.network_id
    (found,) = await lab.plan([NICWish(network_id=open_net, fixed_ip="10.0.0.9")])
    assert found.fixed_ip == "10.0.0.9"
    chosen = NICWish(network_id=shared, fixed_ip="10.1.0.9")
    assert (await lab.plan([chosen], everywhere=True))[0].fixed_ip == "10.1.0.9"
    for one in (foreign, NOWHERE):
        with pytest.raises(NotFound, match=r"Network .* could not be found"):
            await lab.another(NICWish(network_id=one))


async def test_groups_by_name_or_id(lab: Lab) -> None:
    ids: dict[str, list[str]] = {}
    for name in ("web", "twice", "twice"):
        body = {"security_group": {"name": name}}
        made = (await lab.client.post(f"{V2}/security-groups", body))["security_group"]["id"]
        ids.setdefault(name, []).append(made)
    (default,) = await lab.groups("default")
    found = await lab.groups("web", ids["web"][0], default, "web", "default")
    assert set(found) == {ids["web"][0], default}
    assert await lab.groups(*ids["twice"]) == ids["twice"]
    with pytest.raises(Conflict, match="Multiple security_group matches"):
        await lab.groups("twice")
    with pytest.raises(BadInput, match="Unable to find security_group"):
        await lab.groups("nothing")
    # An id goes before a name that looks like one.
    body = {"security_group": {"name": ids["web"][0]}}
    await lab.client.post(f"{V2}/security-groups", body)
    assert await lab.groups(ids["web"][0]) == ids["web"]


async def test_a_port_is_bound_once_and_to_one_server(lab: Lab) -> None:
    net = (await network(lab.client))["id"]
    await subnet(lab.client, net)
    mine, named = await port(lab.client, net), await port(lab.client, net, dns_name="db")
    (plan,) = await lab.plan([NICWish(port_id=mine["id"])])
    for _ in range(2):  # twice is once
        await lab.bind([plan])
    shown = await lab.shown(mine["id"])
    assert (shown["device_id"], shown["binding:host_id"], shown["dns_name"]) == ("s-1", "h1", "vm")
    revision = shown["revision_number"]
    await lab.bind([plan])
    assert (await lab.shown(mine["id"]))["revision_number"] == revision
    await lab.bind([plan], host="h2")
    assert (await lab.shown(mine["id"]))["binding:host_id"] == "h2"
    with pytest.raises(Conflict, match="is still in use"):
        await lab.bind([plan], "s-2")
    with pytest.raises(BadInput, match="does not match instance's hostname vm"):
        await lab.bind(await lab.plan([NICWish(port_id=named["id"])]))
    await lab.bind(await lab.plan([NICWish(port_id=named["id"])]), hostname="-")  # no label at all
    assert (await lab.shown(named["id"]))["dns_name"] == "db"
    gone = await port(lab.client, net)
    plans = await lab.plan([NICWish(port_id=gone["id"])])
    await lab.client("DELETE", f"{V2}/ports/{gone['id']}", status=204)
    with pytest.raises(NotFound, match="could not be found"):
        await lab.bind(plans)
    # Between the plan and the bind somebody else may take it.
    for values in ({"device_id": "mine"}, {"device_id": "s-3"}):
        late = await port(lab.client, net)
        plans = await lab.plan([NICWish(port_id=late["id"])])
        path, body = f"{V2}/ports/{late['id']}", {"port": values}
        await lab.client("PUT", path, body, status=200)
        if values["device_id"] == "s-3":
            await lab.bind(plans, "s-3")
            continue
        with pytest.raises(Conflict, match="is still in use"):
            await lab.bind(plans, "s-3")
    joined = await port(lab.client, net)
    plans = await lab.plan([NICWish(port_id=joined["id"])])
    router = (await lab.client.post(f"{V2}/routers", {"router": {}}))["router"]["id"]
    path = f"{V2}/routers/{router}/add_router_interface"
    await lab.client("PUT", path, {"port_id": joined["id"]}, status=200)
    with pytest.raises(Conflict, match="is still in use"):
        await lab.bind(plans, router)  # even where it bears the same id


async def test_a_server_is_found_by_the_address_of_its_port(lab: Lab) -> None:
    net = (await network(lab.client))["id"]
    await subnet(lab.client, net)
    mine = await port(lab.client, net, mac_address="fa:16:3e:00:00:01")
    await lab.bind(await lab.plan([NICWish(port_id=mine["id"])]))
    address = mine["fixed_ips"][0]["ip_address"]
    async with lab.cloud.control.database.read() as tx:
        for given, server in (
            (address, "s-1"),
            ("fe80::f816:3eff:fe00:1", "s-1"),
            ("fe80::f816:3eff:fe00:2", None),
            ("10.0.0.200", None),
        ):
            assert await networks.server_at(tx, net, given) == server, given
