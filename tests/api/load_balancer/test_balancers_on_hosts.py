"""Load balancers that a host carries: what hosts are told, by the provider that real clouds have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.commands import CarriedBalancers, ListBalancers
from hanok.services.compute import facade as compute
from hanok.services.compute.facade import Compute
from hanok.services.load_balancer import facade
from hanok.services.load_balancer.facade import LoadBalancing
from hanok.services.load_balancer.logic import certificates
from hanok.services.load_balancer.providers.proxy import Proxy
from hanok.services.load_balancer.tables import load_balancers
from hanok.services.network import facade as networks
from hanok.store import Transaction
from tests.api.load_balancer.balancing import BASE, NETWORK, Balancing, balancing
from tests.cloud import running, settle
from tests.issuer import Issuer


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Balancing]:
    async with running(tmp_path, hosts=2) as cloud:
        house = cloud.control.house
        room = house.facade(LoadBalancing)
        material = partial(certificates.behind, room)
        zone_of = partial(_zone_of, house.facade(Compute))
        proxy = Proxy(
            "proxy", "", cloud.control.database, room.network, house.bus, material, zone_of
        )
        room.providers = {"proxy": proxy}
        yield await balancing(cloud)


async def _zone_of(room: Compute, tx: Transaction, host: str) -> str:
    return await compute.zone_of(tx, room, host)


async def told(web: Balancing) -> dict[str, list[str]]:
    """The load balancers that hosts carry, by host."""
    found = {}
    for name, node in web.cloud.nodes.items():
        said = await node.do(ListBalancers())
        assert isinstance(said, CarriedBalancers)
        found[name] = list(said.generations)
    return found


async def test_one_host_carries_it_until_it_is_gone(web: Balancing) -> None:
    one, other = await web.balancer("proxy"), await web.balancer("proxy")
    assert sorted(await told(web)) == ["host-1", "host-2"]
    assert sorted(map(len, (await told(web)).values())) == [1, 1]
    listener = await web.make(
        one, "listeners", protocol="HTTP", protocol_port=80, loadbalancer_id=one
    )
    pool = await web.make(
        one, "pools", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN"
    )
    await web.make(one, f"pools/{pool['id']}/members", address="10.4.0.9", protocol_port=80)
    await web.make(
        one, "healthmonitors", pool_id=pool["id"], type="HTTP", delay=2, timeout=1, max_retries=2
    )  # fmt: skip
    assert (await web.there(f"loadbalancers/{one}"))["operating_status"] == "ONLINE"
    await web.user("DELETE", f"{BASE}/loadbalancers/{one}?cascade=true", status=204)
    await web.gone(one)
    assert sorted((await told(web)).values()) == [[], [other]]


async def test_a_zone_says_on_which_hosts_it_may_be(web: Balancing) -> None:
    admin = await web.cloud.sign_in()
    path = "/compute/v2.1/os-aggregates"
    body = {"aggregate": {"name": "west", "availability_zone": "west"}}
    made = (await admin("POST", path, body, status=200)).json()["aggregate"]["id"]
    await admin("POST", f"{path}/{made}/action", {"add_host": {"host": "host-2"}}, status=200)
    for zone in ("west", "north"):
        profile = {"name": zone, "provider_name": "proxy"}
        profile["availability_zone_data"] = f'{{"compute_zone": "{zone}"}}'
        body = {"availability_zone_profile": profile}
        one = (await admin.post(f"{BASE}/availabilityzoneprofiles", body))[
            "availability_zone_profile"
        ]
        body = {"availability_zone": {"name": zone, "availability_zone_profile_id": one["id"]}}
        await admin.post(f"{BASE}/availabilityzones", body)
    ids = [await web.balancer("proxy", availability_zone="west") for _ in "abc"]
    assert sorted((await told(web))["host-2"]) == sorted(ids)
    values = {"vip_subnet_id": web.subnet, "provider": "proxy", "availability_zone": "north"}
    refused = await web.user("POST", f"{BASE}/loadbalancers", {"loadbalancer": values}, status=503)
    assert "No host of the zone north" in refused.text


async def test_what_it_cannot_do_is_refused_and_leaves_nothing(web: Balancing) -> None:
    one = await web.balancer("proxy")
    values = {"protocol": "SCTP", "protocol_port": 53, "loadbalancer_id": one}
    assert "provider 'ovn'" in await web.make(one, "listeners", 501, **values)
    pool = await web.make(
        one, "pools", loadbalancer_id=one, protocol="UDP", lb_algorithm="SOURCE_IP_PORT"
    )
    values = {"address": "fd00::9", "protocol_port": 53}
    said = await web.make(one, f"pools/{pool['id']}/members", 501, **values)
    assert "fd00::9" in said and "IP version" in said
    assert (await web.user.get(f"{BASE}/listeners"))["listeners"] == []


async def test_times_that_a_proxy_does_not_know_are_refused_before_it_is_told(
    web: Balancing,
) -> None:
    one = await web.balancer("proxy")
    wish = {"loadbalancer_id": one, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    sticky = {"type": "SOURCE_IP", "persistence_timeout": 2_147_484}
    datagrams = {**wish, "protocol": "UDP", "session_persistence": sticky}
    await web.make(one, "pools", 501, **datagrams)
    pool = await web.make(one, "pools", **wish)
    of = {"pool_id": pool["id"], "type": "HTTP", "max_retries": 1}
    for odd in ({"delay": 2_147_484, "timeout": 5}, {"delay": 5, "timeout": 2_147_484}):
        await web.make(one, "healthmonitors", 501, **of, **odd)
    times = {"delay": 2_147_483, "timeout": 5}
    await web.make(one, "healthmonitors", 400, **of, **times, expected_codes="204-200")
    await web.make(one, "healthmonitors", **of, **times, expected_codes="200-204")


async def test_udp_is_told_beside_tcp_on_the_same_port(web: Balancing) -> None:
    one = await web.balancer("proxy")
    for protocol, check in (("TCP", "PING"), ("UDP", "UDP-CONNECT")):
        values = {"protocol": protocol, "protocol_port": 53, "loadbalancer_id": one}
        listener = await web.make(one, "listeners", **values)
        values = {"protocol": protocol, "lb_algorithm": "LEAST_CONNECTIONS"}
        pool = await web.make(one, "pools", listener_id=listener["id"], **values)
        path = f"pools/{pool['id']}/members"
        await web.make(one, path, address="10.4.0.9", protocol_port=53)
        values = {"type": check, "delay": 2, "timeout": 1, "max_retries": 2}
        await web.make(one, "healthmonitors", pool_id=pool["id"], **values)
    assert (await web.there(f"loadbalancers/{one}"))["operating_status"] == "ONLINE"


async def test_a_lost_host_is_replaced_and_forgets_when_it_is_back(web: Balancing) -> None:
    one = await web.balancer("proxy")
    cloud, room = web.cloud, web.cloud.control.house.facade(LoadBalancing)
    first = next(name for name, mine in (await told(web)).items() if mine)
    (second,) = {"host-1", "host-2"} - {first}
    node = cloud.nodes[first]
    await node.leave()
    now = cloud.control.clock.now()
    async with cloud.control.database.write() as tx:
        await networks.unheard(tx, room.network, [first], now)
    await facade.look_at_hosts(room)
    await settle(cloud)
    await web.active(one)
    async with cloud.control.database.read() as tx:
        row = await tx.first(sa.select(load_balancers).where(load_balancers.c.id == one))
    assert row is not None and row.host == second
    assert await told(web) == {first: [one], second: [one]}
    seen = await web.there(f"loadbalancers/{one}")
    admin = await cloud.sign_in()
    port = (await admin.get(f"{NETWORK}/ports/{seen['vip_port_id']}"))["port"]
    assert port["binding:host_id"] == second

    await node.listen(cloud.control.house.bus)
    async with cloud.control.database.write() as tx:
        await networks.heard(tx, room.network, [first])
    await facade.look_at_hosts(room)
    assert await told(web) == {first: [], second: [one]}


async def test_a_host_is_told_certificates_and_an_error_says_which_is_missing(
    web: Balancing,
) -> None:
    issuer = Issuer("authority")
    texts = {"www": issuer.shows("www.example"), "ca": issuer.pem}
    refs = {
        "ca": await _stored(web, texts["ca"]),
        "www": await _contained(web, texts["www"]),
    }
    one = await web.balancer("proxy")
    values = {
        "protocol": "TERMINATED_HTTPS", "protocol_port": 443, "loadbalancer_id": one,
        "default_tls_container_ref": refs["www"], "client_ca_tls_container_ref": refs["ca"],
        "client_authentication": "OPTIONAL", "hsts_max_age": 60, "tls_versions": ["TLSv1.3"],
    }  # fmt: skip
    listener = await web.make(one, "listeners", **values)
    (node,) = (one for one in web.cloud.nodes.values() if one.balancers._known)
    (told,) = node.balancers._known.values()
    (front,) = told.listeners
    files = {each.name: each.pem for each in told.files}
    assert front.tls is not None and front.strict is not None
    assert files[front.tls.certificates[0]].startswith(texts["www"].partition("-----BEGIN P")[0])
    assert files[front.tls.authority] == texts["ca"].strip() and front.tls.verify == "optional"
    assert front.tls.versions == ("TLSv1.3",) and "BEGIN" not in repr(told)
    await web.user("DELETE", _path(refs["ca"]), status=204)
    await web.user("PUT", f"{BASE}/listeners/{listener['id']}", {"listener": {"name": "new"}})
    await settle(web.cloud)
    assert (await web.there(f"loadbalancers/{one}"))["provisioning_status"] == "ERROR"


def _path(reference: str) -> str:
    return "/key-manager" + reference.partition("/key-manager")[2]


async def _stored(web: Balancing, pem: str) -> str:
    body = {"payload": pem, "payload_content_type": "text/plain"}
    return str((await web.user.post("/key-manager/v1/secrets", body))["secret_ref"])


async def _contained(web: Balancing, pem: str) -> str:
    """A certificate container."""
    shown, _, key = pem.partition("-----BEGIN PRIVATE KEY")
    refs = [
        {"name": name, "secret_ref": await _stored(web, text)}
        for name, text in (("certificate", shown), ("private_key", f"-----BEGIN PRIVATE KEY{key}"))
    ]
    body = {"type": "certificate", "name": "tls", "secret_refs": refs}
    return str((await web.user.post("/key-manager/v1/containers", body))["container_ref"])
