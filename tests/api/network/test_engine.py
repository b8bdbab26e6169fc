"""OVN follows SQL, and compute's servers have their ports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from hanok.base.errors import BadInput, Conflict, Forbidden, Unavailable
from hanok.drivers.ovn.rows import DHCPOptions, DNSRecords, PortGroup, RouterPort, SwitchPort
from hanok.drivers.ovn.simulated import SimulatedNorthbound
from hanok.drivers.ovn.topology import group_name, port_scope, security_group_scope
from hanok.events import Event
from hanok.services.network import facade as networks
from hanok.services.network.facade import Network, NICPlan, NICWish
from hanok.services.network.reconcilers import NetworkReconciler
from hanok.web.token import Caller
from tests.api.network.test_networks import V2, network, port, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud

HOST = {"host": "h1", "hostname": "vm", "zone": "nova", "security_groups": ()}


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await check():
            await asyncio.sleep(0.01)


async def settled(cloud: Cloud) -> None:
    """OVN holds what the tables say."""

    async def same() -> bool:
        try:
            async with cloud.control.database.read() as tx:
                return await networks.differences(tx, cloud.network) == []
        except Unavailable:  # not connected yet
            return False

    await until(same)


def engine(cloud: Cloud) -> SimulatedNorthbound:
    found = cloud.network.northbound
    assert isinstance(found, SimulatedNorthbound)
    return found


async def plan(
    cloud: Cloud, client: Client, wishes: list[NICWish] | str, count: int = 1
) -> list[NICPlan]:
    token = await cloud.identity.tokens.validate(client.token)
    assert token is not None
    admin = "admin" in token.roles
    caller = Caller(user_id=token.user_id, project_id=token.project_id, everywhere=admin)
    async with cloud.control.database.read() as tx:
        return await networks.plan(tx, caller, wishes, count=count, external=admin)


async def bind(cloud: Cloud, client: Client, server_id: str, plans: list[NICPlan]) -> None:
    async with cloud.control.database.write() as tx:
        await networks.bind(
            tx,
            cloud.network,
            plans,
            server_id=server_id,
            project_id=client.project_id,
            **HOST,  # type: ignore[arg-type]
        )


async def test_a_lost_northbound_is_written_again(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, _, _ = await lab(member)
    one = await port(member, made["id"])
    body = {
        "floatingip": {"floating_network_id": (await public(member))["id"], "port_id": one["id"]}
    }
    await member.post(f"{V2}/floatingips", body)
    await settled(cloud)
    northbound = engine(cloud)
    before = {scope: await northbound.dump(scope) for scope in await northbound.scopes()}
    assert len(before) > 5
    northbound._revisions.clear()
    northbound._scopes.clear()
    northbound._owners.clear()
    reconciler = NetworkReconciler(cloud.network)
    await reconciler.compare()
    await reconciler.mend()
    await settled(cloud)
    assert {s: await northbound.dump(s) for s in await northbound.scopes()} == before


@pytest.mark.parametrize("what", ["port", "subnet", "none"])
async def test_a_metadata_port_is_removed_while_there_are_no_guests_and_comes_back(
    cloud: Cloud, what: str
) -> None:
    member, stranger = (
        await cloud.project_with("p", "member"),
        await cloud.project_with("s", "member"),
    )
    made = await network(member)
    subnets = [await subnet(member, made["id"], cidr) for cidr in ("10.0.0.0/24", "10.0.1.0/24")]
    path = f"{V2}/ports?network_id={made['id']}&device_owner=network:distributed"
    (found,) = (await member.get(path))["ports"]
    await stranger("DELETE", f"{V2}/ports/{found['id']}", status=404)
    await member("DELETE", f"{V2}/ports/{found['id']}", status=204)
    assert (await member.get(path))["ports"] == []
    await settled(cloud)
    if what == "none":
        await member("DELETE", f"{V2}/networks/{made['id']}", status=204)
        return
    if what == "port":
        wish = [{"subnet_id": subnets[0]["id"], "ip_address": "10.0.0.2"}]
        assert (await port(member, made["id"], fixed_ips=wish))["fixed_ips"] == wish
    else:
        subnets.append(await subnet(member, made["id"], "10.0.2.0/24"))
    (back,) = (await member.get(path))["ports"]
    held = {one["subnet_id"] for one in back["fixed_ips"]}
    assert held == {one["id"] for one in subnets}
    await settled(cloud)


async def test_a_missing_parent_brings_a_comparison(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    await settled(cloud)
    northbound = engine(cloud)
    northbound._revisions.clear()
    northbound._scopes.clear()
    northbound._owners.clear()
    await port(member, made["id"])  # nobody was told of the loss; the port's network is not there
    await settled(cloud)


async def test_rows_of_nobody_go_and_newer_ones_are_overtaken(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await settled(cloud)
    northbound = engine(cloud)
    await northbound.apply("security_group:x", [PortGroup(name="sg_x")], 5)
    scope = f"network:{made['id']}"
    await northbound.apply(scope, await northbound.dump(scope), 99)
    reconciler = NetworkReconciler(cloud.network)
    await reconciler.compare()
    await reconciler.mend()
    await settled(cloud)
    scopes = await northbound.scopes()
    assert "security_group:x" not in scopes
    assert scopes[scope] == 100


async def test_what_is_being_written_is_no_difference(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made, _, _ = await lab(member)

    async def differences() -> list[str]:
        found = (await admin.get("/hanok/v1/inventory"))["differences"]
        return [one["detail"] for one in found]

    many = [{"network_id": made["id"]}] * 60
    ports = (await member.post(f"{V2}/ports", {"ports": many}))["ports"]
    assert await differences() == []
    for one in ports[:20]:
        await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    assert await differences() == []
    await engine(cloud).apply("security_group:x", [PortGroup(name="sg_x")], 5)
    assert await differences() == ["security_group:x: in OVN, but not in the database"]


async def test_what_is_deleted_leaves_nothing(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    await settled(cloud)
    northbound = engine(cloud)
    before = set(await northbound.scopes())
    made = await network(member)
    await subnet(member, made["id"])
    one = await port(member, made["id"])
    await settled(cloud)
    assert port_scope(one["id"]) in await northbound.scopes()
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    await member("DELETE", f"{V2}/networks/{made['id']}", status=204)
    await settled(cloud)
    left = set(await northbound.scopes()) - before
    assert {scope.partition(":")[0] for scope in left} == {"security_group"}  # the default one


async def test_rules_and_members_reach_the_engine(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    one = await port(member, made["id"])
    group = one["security_groups"][0]
    body = {"security_group_id": group, "direction": "ingress", "protocol": "icmp"}
    await member.post(f"{V2}/security-group-rules", {"security_group_rule": body})
    await settled(cloud)
    northbound = engine(cloud)
    (row,) = await northbound.dump(security_group_scope(group))
    assert isinstance(row, PortGroup)
    assert len(row.acls) == 5
    assert one["id"] in await northbound.members(group_name(group))
    (switch_port,) = await northbound.dump(port_scope(one["id"]))
    assert isinstance(switch_port, SwitchPort)
    assert switch_port.guard == "pg_drop"
    other = await member.post(f"{V2}/security-groups", {"security_group": {"name": "other"}})
    other_id = other["security_group"]["id"]
    body = {"security_group_id": group, "direction": "ingress", "remote_group_id": other_id}
    await member.post(f"{V2}/security-group-rules", {"security_group_rule": body})
    await settled(cloud)
    (row,) = await northbound.dump(security_group_scope(group))
    assert isinstance(row, PortGroup) and len(row.acls) == 6
    await member("DELETE", f"{V2}/security-groups/{other_id}", status=204)
    await settled(cloud)
    (row,) = await northbound.dump(security_group_scope(group))
    assert isinstance(row, PortGroup) and len(row.acls) == 5


async def test_a_server_gets_its_ports_and_gives_them_back(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member, name="lab")
    await subnet(member, made["id"], dns_nameservers=["9.9.9.9"])
    own = await port(member, made["id"])
    told: list[Event] = []
    rooms: Network = cloud.network

    async def tell(event: Event) -> None:
        told.append(event)

    cloud.control.events.on("network.port.", tell)
    plans = await plan(
        cloud,
        member,
        [NICWish(network_id=made["id"], fixed_ip="10.0.0.40"), NICWish(port_id=own["id"])],
    )
    await bind(cloud, member, "s1", plans)
    await bind(cloud, member, "s1", plans)  # a second time changes nothing
    await networks.applied(rooms, "s1", timeout_s=60)
    async with cloud.control.database.read() as tx:
        nics = await networks.nics(tx, "s1")
        (found,) = (await networks.ports_of(tx, ["s1", "s2"])).values()
        assert await networks.server_at(tx, made["id"], "10.0.0.40") == "s1"
        assert await networks.server_at(tx, made["id"], "10.0.0.41") is None
    assert [nic.port_id for nic in nics] == [each.port_id for each in plans]
    assert nics[0].metadata is not None
    assert nics[0].metadata.addresses == ("10.0.0.2/24",)
    assert found[0].fixed_ips[0].address == "10.0.0.40"
    assert found[0].fixed_ips[0].dns == ("9.9.9.9",)
    assert found[0].security_groups == ("default",)

    async def active() -> bool:
        ports = (await member.get(f"{V2}/ports?device_id=s1"))["ports"]
        return [one["status"] for one in ports] == ["ACTIVE", "ACTIVE"]

    await until(active)

    async def heard() -> bool:
        news = [one.payload["port"] for one in told]
        return {one["device_id"] for one in news if one["status"] == "ACTIVE"} == {"s1"}

    await until(heard)
    with pytest.raises(Conflict):
        await bind(cloud, member, "s2", [NICPlan(port_id=own["id"], network_id="", ours=False)])
    with pytest.raises(Conflict):
        await plan(cloud, member, [NICWish(port_id=own["id"])])
    move = {"port": {"device_id": "s9"}}
    await member("PUT", f"{V2}/ports/{own['id']}", move, status=409)
    async with cloud.control.database.write() as tx:
        await networks.release_plans(tx, rooms, "s1", plans)
        await networks.release(tx, rooms, "s1")
    left = (await member.get(f"{V2}/ports?network_id={made['id']}&device_owner="))["ports"]
    assert [(one["id"], one["status"], one["device_id"]) for one in left] == [
        (own["id"], "DOWN", "")
    ]
    await settled(cloud)


async def test_servers_are_found_by_name_while_they_have_the_port(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    own = await port(member, made["id"])
    rooms: Network = cloud.network
    plans = await plan(cloud, member, [NICWish(port_id=own["id"])])
    await bind(cloud, member, "s1", plans)

    async def names() -> dict[str, str]:
        await settled(cloud)
        rows = await engine(cloud).dump(port_scope(own["id"]))
        return {k: v for row in rows if isinstance(row, DNSRecords) for k, v in row.records.items()}

    address = own["fixed_ips"][0]["ip_address"]
    found = await names()
    assert found["vm"] == found["vm.openstacklocal"] == address
    assert "vm.openstacklocal" in found.values()
    for hostname, label in (("Other.example.org", "other"), ("no name", None)):
        async with cloud.control.database.write() as tx:
            await networks.rename(tx, rooms, "s1", hostname)
        found = await names()
        assert [k for k, v in found.items() if v == address and "." not in k] == (
            [label] if label else []
        )
    async with cloud.control.database.write() as tx:
        await networks.rename(tx, rooms, "s1", "vm")
        await networks.release(tx, rooms, "s1")
    assert await names() == {}


async def test_a_subnet_without_name_servers_has_those_of_the_house(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")

    async def told(**more: Any) -> str:
        made = await network(member)
        await subnet(member, made["id"], **more)
        await settled(cloud)
        rows = await engine(cloud).dump(f"network:{made['id']}")
        (found,) = [row for row in rows if isinstance(row, DHCPOptions)]
        return found.options["dns_server"]

    assert await told(dns_nameservers=["9.9.9.9"]) == "{9.9.9.9}"
    assert await told() == "{10.0.0.2}"
    room = cloud.network
    room.settings = structs.replace(room.settings, dns_servers=("192.0.2.53", "2001:db8::53"))
    await NetworkReconciler(room).start()  # settings change with a restart
    assert await told() == "{192.0.2.53}"


async def test_wishes_are_looked_at_with_the_callers_eyes(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    other = await cloud.project_with("o", "member")
    admin = await cloud.sign_in()
    assert await plan(cloud, member, "only") == []
    assert await plan(cloud, member, "none") == []
    made = await network(member)
    with pytest.raises(BadInput, match="requires a subnet"):
        await plan(cloud, member, [NICWish(network_id=made["id"])])
    await subnet(member, made["id"])
    (only,) = await plan(cloud, member, "only")
    assert only.network_id == made["id"]
    with pytest.raises(BadInput):
        await plan(cloud, other, [NICWish(network_id=made["id"])])
    outside = await public(member)
    with pytest.raises(Forbidden):
        await plan(cloud, member, [NICWish(network_id=outside["id"])])
    assert await plan(cloud, admin, [NICWish(network_id=outside["id"])])
    with pytest.raises(BadInput):
        await plan(cloud, member, [NICWish(network_id=made["id"], fixed_ip="10.9.0.1")])
    with pytest.raises(BadInput):
        wish = NICWish(network_id=made["id"], fixed_ip="10.0.0.9")
        await plan(cloud, member, [wish], count=2)
    strangers = await port(member, made["id"])
    with pytest.raises(BadInput):
        await plan(cloud, other, [NICWish(port_id=strangers["id"])])
    second = await network(member)
    await subnet(member, second["id"])
    with pytest.raises(Conflict, match="Multiple possible networks"):
        await plan(cloud, member, "only")


async def test_listing_costs_the_same_for_many(cloud: Cloud) -> None:
    """No statement a row."""
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    counts: list[int] = []
    from hanok.store import Transaction

    plain: Any = Transaction.execute

    async def counting(self: Transaction, *args: Any) -> Any:
        counts[-1] += 1
        return await plain(self, *args)

    for more in (1, 30):
        body = {"ports": [{"network_id": made["id"]}] * more}
        await member.post(f"{V2}/ports", body)
        await settled(cloud)
        await asyncio.sleep(0.05)
        Transaction.execute = counting  # type: ignore[method-assign,assignment]
        counts.append(0)
        try:
            await member.get(f"{V2}/ports")
        finally:
            Transaction.execute = plain  # type: ignore[method-assign]
    assert counts[0] == counts[1] < 12


async def test_the_public_network_is_made_once(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    async with cloud.control.database.write() as tx:
        for _ in range(2):
            await networks.ensure_public(
                tx,
                cloud.network,
                cidr="172.24.4.0/24",
                gateway="172.24.4.1",
                project_id=admin.project_id,
            )
    assert len((await admin.get(f"{V2}/networks?name=public"))["networks"]) == 1
    assert len((await admin.get(f"{V2}/subnets"))["subnets"]) == 1


async def test_guests_are_told_how_to_get_their_addresses(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    mode = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    sub = await subnet(member, made["id"], "2001:db8::/64", **mode)
    router = (await member.post(f"{V2}/routers", {"router": {}}))["router"]
    path = f"{V2}/routers/{router['id']}/add_router_interface"
    await member("PUT", path, {"subnet_id": sub["id"]}, status=200)
    await settled(cloud)
    rows = await engine(cloud).dump(f"router:{router['id']}")
    (face,) = [row for row in rows if isinstance(row, RouterPort)]
    assert face.ipv6_ra_configs["address_mode"] == "slaac"
    assert face.ipv6_ra_configs["mtu"] == "1442"
    # Another router than ours announces itself, or nobody does.
    plain = await subnet(member, (await network(member))["id"], "2001:db8:1::/64")
    router = (await member.post(f"{V2}/routers", {"router": {}}))["router"]
    path = f"{V2}/routers/{router['id']}/add_router_interface"
    await member("PUT", path, {"subnet_id": plain["id"]}, status=200)
    await settled(cloud)
    rows = await engine(cloud).dump(f"router:{router['id']}")
    assert [row.ipv6_ra_configs for row in rows if isinstance(row, RouterPort)] == [{}]


async def test_what_changes_in_a_network_reaches_its_ports_and_routers(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    mode = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    sub = await subnet(member, made["id"], "2001:db8::/64", **mode)
    router = (await member.post(f"{V2}/routers", {"router": {}}))["router"]
    path = f"{V2}/routers/{router['id']}/add_router_interface"
    await member("PUT", path, {"subnet_id": sub["id"]}, status=200)
    one = await port(member, made["id"])
    off = await port(member, made["id"], admin_state_up=False)
    beside = await port(member, (await network(member))["id"])

    async def enabled(of: dict[str, Any]) -> bool:
        (row,) = await engine(cloud).dump(port_scope(of["id"]))
        assert isinstance(row, SwitchPort)
        return row.enabled

    async def told_mtu() -> str:
        rows = await engine(cloud).dump(f"router:{router['id']}")
        (face,) = [row for row in rows if isinstance(row, RouterPort)]
        return face.ipv6_ra_configs["mtu"]

    for change, up, mtu in (
        ({}, True, "1442"),
        ({"admin_state_up": False}, False, "1442"),
        ({"mtu": 1300}, False, "1300"),
        ({"admin_state_up": True}, True, "1300"),
    ):
        await member("PUT", f"{V2}/networks/{made['id']}", {"network": change}, status=200)
        await settled(cloud)
        found = [await enabled(each) for each in (one, off, beside)]
        assert (found, await told_mtu()) == ([up, False, True], mtu), change
