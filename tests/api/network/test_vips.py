"""Addresses that other services hold, each on a port of its own or on one that its user has made."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput, Conflict
from hanok.services.network import facade as networks
from hanok.services.network.facade import VIP, NICWish, VIPWish
from tests.api.network.alone import caller, cloud
from tests.api.network.test_engine import bind, plan
from tests.api.network.test_networks import V2, network, port, subnet
from tests.api.network.test_qos import policy
from tests.cloud import Client, Cloud

__all__ = ["cloud"]
NOWHERE = "00000000-0000-4000-8000-00000000dead"


class Lab:
    """A network with two subnets, and one without any."""

    def __init__(self, cloud: Cloud, client: Client) -> None:
        self.cloud, self.client = cloud, client

    async def build(self) -> None:
        self.net = (await network(self.client))["id"]
        self.first = (await subnet(self.client, self.net))["id"]
        self.second = (await subnet(self.client, self.net, "10.1.0.0/24"))["id"]
        self.six = (await subnet(self.client, self.net, "2001:db8::/64"))["id"]
        self.bare = (await network(self.client))["id"]
        self.apart = (await subnet(self.client, (await network(self.client))["id"], "10.2.0.0/24"))[
            "id"
        ]

    async def claim(self, **values: Any) -> VIP:
        wish = VIPWish(
            project_id=self.client.project_id, name="vip", owner="Octavia", device="lb-1", **values
        )
        async with self.cloud.control.database.write() as tx:
            return await networks.claim_vip(tx, self.cloud.network, caller(self.client), wish)

    async def no(self, why: str, error: type[Exception] = BadInput, **values: Any) -> None:
        with pytest.raises(error, match=why):
            await self.claim(**values)

    async def shown(self, port_id: str) -> dict[str, Any]:
        return dict((await self.client.get(f"{V2}/ports/{port_id}"))["port"])

    async def release(self, port_id: str, *, made: bool) -> None:
        async with self.cloud.control.database.write() as tx:
            await networks.release_vip(tx, self.cloud.network, port_id, made=made)


@pytest.fixture
async def lab(cloud: Cloud) -> Lab:
    found = Lab(cloud, await cloud.project_with("p", "member"))
    await found.build()
    return found


async def test_an_address_is_held_where_it_is_said(lab: Lab) -> None:
    for values, address, on in (
        ({"subnet_id": lab.second}, "10.1.0.", lab.second),
        ({"subnet_id": lab.second, "network_id": lab.net}, "10.1.0.", lab.second),
        ({"subnet_id": lab.first, "address": "10.0.0.77"}, "10.0.0.77", lab.first),
        ({"network_id": lab.net}, "10.0.0.", lab.first),  # of IPv4, the oldest
        ({"network_id": lab.net, "address": "10.1.0.78"}, "10.1.0.78", lab.second),
        ({"network_id": lab.net, "address": "2001:db8::78"}, "2001:db8::78", lab.six),
    ):
        held = await lab.claim(**values)
        assert (held.made, held.network_id) == (True, lab.net)
        ((found, where),) = held.addresses
        assert found.startswith(address) and where == on, values
        shown = await lab.shown(held.port_id)
        assert (shown["device_owner"], shown["device_id"]) == ("Octavia", "lb-1")
        assert len(shown["security_groups"]) == 0
        await lab.release(held.port_id, made=True)
        await lab.client.get(f"{V2}/ports/{held.port_id}", 404)
    await lab.release(held.port_id, made=True)  # gone is fine
    await lab.release(held.port_id, made=False)


async def test_more_addresses_come_after_the_first(lab: Lab) -> None:
    held = await lab.claim(subnet_id=lab.second, more=((lab.first, "10.0.0.5"), (lab.six, None)))
    assert [where for _, where in held.addresses] == [lab.second, lab.first, lab.six]
    assert held.addresses[1][0] == "10.0.0.5"
    await lab.no("must belong to the same network", subnet_id=lab.first, more=((lab.apart, None),))
    await lab.no("Subnet .* not found", subnet_id=lab.first, more=((NOWHERE, None),))


async def test_where_no_address_can_be_held(lab: Lab) -> None:
    stranger = await lab.cloud.project_with("q", "member")
    foreign = (await network(stranger))["id"]
    theirs = (await subnet(stranger, foreign, "10.5.0.0/24"))["id"]
    await lab.no("does not match network", subnet_id=lab.apart, network_id=lab.net)
    await lab.no("does not contain a subnet\\.", network_id=lab.bare)
    await lab.no("for VIP address specified", network_id=lab.net, address="10.9.0.9")
    await lab.no("for VIP address specified", network_id=lab.bare, address="10.0.0.9")
    await lab.no("Subnet .* not found", subnet_id=theirs)
    await lab.no("Network .* not found", network_id=foreign)
    await lab.no("Port .* not found", port_id=NOWHERE)
    held = await lab.claim(subnet_id=lab.first, address="10.0.0.9")
    await lab.no("already allocated", Conflict, subnet_id=lab.first, address="10.0.0.9")
    await lab.release(held.port_id, made=True)


async def test_groups_say_who_comes_in(lab: Lab) -> None:
    body = {"security_group": {"name": "web"}}
    group = (await lab.client.post(f"{V2}/security-groups", body))["security_group"]["id"]
    held = await lab.claim(subnet_id=lab.first, groups=(group,))
    assert (await lab.shown(held.port_id))["security_groups"] == [group]
    open_net = (await network(lab.client, port_security_enabled=False))["id"]
    there = (await subnet(lab.client, open_net, "10.6.0.0/24"))["id"]
    held = await lab.claim(subnet_id=there)
    assert (await lab.shown(held.port_id))["port_security_enabled"] is False
    await lab.no("Port Security must be enabled", subnet_id=there, groups=(group,))


async def test_a_port_that_its_user_has_made_is_held_and_let_go(lab: Lab) -> None:
    wishes = [{"subnet_id": lab.first, "ip_address": "10.0.0.7"}, {"subnet_id": lab.second}]
    mine = await port(lab.client, lab.net, fixed_ips=wishes)
    for values in (
        {"address": "10.0.0.8"},
        {"subnet_id": lab.six},
        {"address": "10.0.0.7", "subnet_id": lab.second},
    ):
        await lab.no("has no address that fits", port_id=mine["id"], **values)
    used = await port(lab.client, lab.net, device_id="mine")
    await lab.no("is in use", Conflict, port_id=used["id"])
    ours = f"{V2}/ports?device_owner=network:distributed&network_id={lab.net}"
    (metadata,) = (await lab.client.get(ours))["ports"]
    await lab.no("is in use", Conflict, port_id=metadata["id"])
    held = await lab.claim(port_id=mine["id"], subnet_id=lab.second)
    assert (held.made, held.addresses[0][1], len(held.addresses)) == (False, lab.second, 2)
    await lab.no("is in use", Conflict, port_id=mine["id"])
    shown = await lab.shown(mine["id"])
    assert (shown["device_owner"], shown["device_id"]) == ("Octavia", "lb-1")
    await lab.release(mine["id"], made=False)
    shown = await lab.shown(mine["id"])
    assert (shown["device_owner"], shown["device_id"]) == ("", "")
    held = await lab.claim(port_id=mine["id"], address="10.0.0.7")
    assert held.addresses[0] == ("10.0.0.7", lab.first)


async def test_a_port_of_a_server_is_in_use(lab: Lab) -> None:
    mine = await port(lab.client, lab.net)
    wish = [NICWish(port_id=mine["id"])]
    await bind(lab.cloud, lab.client, "s-1", await plan(lab.cloud, lab.client, wish))
    await lab.no("is in use", Conflict, port_id=mine["id"])


async def test_a_held_port_has_a_policy_and_another_and_stands_somewhere(lab: Lab) -> None:
    admin = await lab.cloud.sign_in()
    one = (await policy(admin, shared=True))["id"]
    made = await port(lab.client, lab.net)
    held = await lab.claim(port_id=made["id"], qos_policy_id=one)
    assert held.qos_policy_id == one
    assert (await lab.shown(made["id"]))["qos_policy_id"] == one
    plain = await lab.claim(subnet_id=lab.first)
    assert plain.qos_policy_id is None
    database, room = lab.cloud.control.database, lab.cloud.network
    who = caller(lab.client)
    async with database.write() as tx:
        await networks.change_vip(tx, room, who, made["id"], {"qos_policy_id": None})
        await networks.change_vip(tx, room, who, NOWHERE, {"qos_policy_id": one})  # gone is fine
        await networks.place_vip(tx, room, NOWHERE, "host-1")
        await networks.place_vip(tx, room, plain.port_id, "host-1")
    assert (await lab.shown(made["id"]))["qos_policy_id"] is None
    seen = (await admin.get(f"{V2}/ports/{plain.port_id}"))["port"]
    assert seen["binding:host_id"] == "host-1"
    with pytest.raises(BadInput, match="could not be found"):
        async with database.write() as tx:
            await networks.change_vip(tx, room, who, made["id"], {"qos_policy_id": NOWHERE})
    ((address, _),) = plain.addresses
    async with database.read() as tx:
        assert await networks.standing(tx, NOWHERE, [address]) is None
        stands = await networks.standing(tx, plain.port_id, [address])
        nowhere = await networks.standing(tx, plain.port_id, ["10.0.0.200"])
    assert stands is not None and nowhere is not None
    assert (stands.addresses, stands.gateways, stands.mtu) == (
        (f"{address}/24",),
        ("10.0.0.1",),
        1442,
    )
    assert (nowhere.addresses, nowhere.gateways) == ((), ())
