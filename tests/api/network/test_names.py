"""Names of ports and floating IPs, and who is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.drivers.ovn.rows import DNSRecords
from hanok.services.network.logic import specs
from tests.api.network.test_engine import bind, engine, plan, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.api.network.test_routers import lab, public
from tests.cloud import Client, Cloud

from hanok.services.network.facade import NICWish  # isort: skip


async def answered(cloud: Cloud, *scopes: str) -> dict[str, str]:
    """What switches answer of these ports and floating IPs: names, with their addresses."""
    async with cloud.control.database.read() as tx:
        found = await specs.rows_of(tx, cloud.network, scopes)
    rows = [row for one in found.values() if isinstance(one, list) for row in one]
    records = [row.records for row in rows if isinstance(row, DNSRecords)]
    together = {name: told for one in records for name, told in one.items()}
    return {name: told for name, told in together.items() if not name.endswith(".arpa")}


async def change(client: Client, kind: str, thing_id: str, **values: Any) -> dict[str, Any]:
    answer = await client("PUT", f"{V2}/{kind}s/{thing_id}", {kind: values}, status=200)
    return dict(answer.json()[kind])


async def test_a_port_is_found_by_its_name(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    await subnet(member, made["id"], "2001:db8::/64")
    one = await port(member, made["id"], dns_name="Web")
    assert (one["dns_name"], one["dns_domain"]) == ("Web", "")
    (four, six) = (entry["ip_address"] for entry in one["fixed_ips"])
    assert one["dns_assignment"] == [
        {"ip_address": address, "hostname": "Web", "fqdn": "Web.openstacklocal."}
        for address in (four, six)
    ]
    scope = f"port:{one['id']}"
    both = f"{four} {six}"
    assert await answered(cloud, scope) == {"web": both, "web.openstacklocal": both}
    changed = await change(member, "port", one["id"], dns_name="db.openstacklocal.")
    assert changed["dns_assignment"][0]["hostname"] == "db"
    assert changed["dns_assignment"][0]["fqdn"] == "db.openstacklocal."
    assert await answered(cloud, scope) == {"db": both, "db.openstacklocal": both}
    bare = await change(member, "port", one["id"], dns_name=None)
    assert bare["dns_name"] == ""
    address = four.replace(".", "-")
    assert bare["dns_assignment"][0]["fqdn"] == f"host-{address}.openstacklocal."
    assert "2001-db8" in bare["dns_assignment"][1]["hostname"]
    assert await answered(cloud, scope) == {}
    shown = (await member.get(f"{V2}/ports?network_id={made['id']}&fields=dns_assignment"))["ports"]
    assert all(list(entry) == ["dns_assignment"] for entry in shown)
    await settled(cloud)


async def test_names_under_domains_are_published(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made, sub, _ = await lab(member)
    one = await port(member, made["id"], dns_name="web")
    scope, fixed = f"port:{one['id']}", one["fixed_ips"][0]["ip_address"]
    alone = {"web": fixed, "web.openstacklocal": fixed}
    domain = await change(member, "network", made["id"], dns_domain="shop.example.")
    assert domain["dns_domain"] == "shop.example."
    assert await answered(cloud, scope) == alone  # upstream tells nobody outside of fixed addresses
    assert sub["dns_publish_fixed_ip"] is False
    told = await change(member, "subnet", sub["id"], dns_publish_fixed_ip=True)
    assert told["dns_publish_fixed_ip"] is True
    assert await answered(cloud, scope) == {**alone, "web.shop.example": fixed}
    await settled(cloud)
    await change(member, "port", one["id"], dns_domain="own.example.")
    assert await answered(cloud, scope) == {**alone, "web.own.example": fixed}
    await change(member, "port", one["id"], dns_domain="")
    await change(member, "subnet", sub["id"], dns_publish_fixed_ip=False)
    outside = (await public(member))["id"]
    body = {"floatingip": {"floating_network_id": outside, "port_id": one["id"]}}
    plain = (await member.post(f"{V2}/floatingips", body))["floatingip"]
    assert (plain["dns_name"], plain["dns_domain"]) == ("", "")
    floating = plain["floating_ip_address"]
    assert await answered(cloud, scope) == {**alone, "web.shop.example": floating}
    await settled(cloud)
    held = await engine(cloud).dump(scope)
    assert any(
        isinstance(row, DNSRecords) and row.records.get("web.shop.example") == floating
        for row in held
    )
    await change(member, "floatingip", plain["id"], port_id=None)
    assert await answered(cloud, scope) == alone
    await settled(cloud)
    body["floatingip"] |= {"dns_name": "www", "dns_domain": "fip.example."}
    named = (await member.post(f"{V2}/floatingips", body))["floatingip"]
    assert (named["dns_name"], named["dns_domain"]) == ("www", "fip.example.")
    both = await answered(cloud, scope, f"floating_ip:{named['id']}")
    assert both == {**alone, "www.fip.example": named["floating_ip_address"]}
    await refused(
        member, "PUT", f"/floatingips/{named['id']}", {"floatingip": {"dns_name": "x"}}, 400
    )
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    assert await answered(cloud, f"floating_ip:{named['id']}") == {}
    await settled(cloud)


async def test_a_network_of_a_provider_publishes_fixed_addresses(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    segment = {"provider:network_type": "vlan", "provider:physical_network": "public"}
    made = await network(
        admin, dns_domain="lan.example.", **segment, **{"provider:segmentation_id": 7}
    )
    await subnet(admin, made["id"])
    one = await port(admin, made["id"], dns_name="web")
    found = await answered(cloud, f"port:{one['id']}")
    assert found["web.lan.example"] == one["fixed_ips"][0]["ip_address"]


async def test_a_domain_may_name_whose_a_port_is(cloud: Cloud) -> None:
    member = await cloud.project_with("Some Project", "member")
    user = (await cloud.identity.tokens.validate(member.token)).user_id  # type: ignore[union-attr]
    made = await network(member, dns_domain="<project_id>.<user_id>.example.")
    await subnet(member, made["id"], dns_publish_fixed_ip=True)
    one = await port(member, made["id"], dns_name="web")
    scope = f"port:{one['id']}"
    assert f"web.{member.project_id}.{user}.example" in await answered(cloud, scope)
    shown = await change(member, "network", made["id"], dns_domain="<project_name>.<user_name>.x.")
    assert shown["dns_domain"] == "<project_name>.<user_name>.x."
    found = [name for name in await answered(cloud, scope) if name.endswith(".x")]
    assert found
    assert found[0].startswith("web.some-project.")
    await settled(cloud)


async def test_names_on_anothers_network_are_single_labels(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    member = await cloud.project_with("p", "member")
    made = await network(admin, shared=True, dns_domain="all.example.")
    await subnet(admin, made["id"], dns_publish_fixed_ip=True)
    one = await port(member, made["id"], dns_name="web")
    assert "web.all.example" in await answered(cloud, f"port:{one['id']}")
    for values in ({"dns_name": "www.bank"}, {"dns_name": "web", "dns_domain": "com."}):
        body = {"port": {"network_id": made["id"], **values}}
        error = await refused(member, "POST", "/ports", body, 400)
        assert "one label" in error["message"]
        error = await refused(member, "PUT", f"/ports/{one['id']}", {"port": values}, 400)
        assert "one label" in error["message"]
    assert (await port(member, made["id"], dns_name="x.openstacklocal."))["dns_name"]
    body = {"port": {"network_id": made["id"], "dns_name": "www.bank", "dns_domain": "com."}}
    await admin.post(f"{V2}/ports", body)


async def test_a_servers_port_has_the_servers_name(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    good = await port(member, made["id"], dns_name="vm")
    other = await port(member, made["id"], dns_name="db")
    plain = await port(member, made["id"])
    for one in (good, plain):
        await bind(
            cloud,
            member,
            f"s-{one['id']}"[:36],
            await plan(cloud, member, [NICWish(port_id=one["id"])]),
        )
        shown = (await member.get(f"{V2}/ports/{one['id']}"))["port"]
        assert shown["dns_assignment"][0]["fqdn"] == "vm.openstacklocal."
    plans = await plan(cloud, member, [NICWish(port_id=other["id"])])
    with pytest.raises(Exception, match="does not match instance's hostname vm"):
        await bind(cloud, member, "s-3", plans)


NO_NAMES: list[tuple[str, dict[str, Any], str]] = [
    ("port", {"dns_name": "a_b"}, "each of which can only be alphanumeric or a hyphen"),
    ("port", {"dns_name": "-a"}, "must not start or end with a hyphen"),
    ("port", {"dns_name": "a..b"}, "Encountered an empty component"),
    ("port", {"dns_name": "a" * 64}, "must be 1-63 characters long"),
    ("port", {"dns_name": "a.12"}, "TLD '12' must not be all numeric"),
    ("port", {"dns_name": "ü"}, "not a valid PQDN or FQDN"),
    ("port", {"dns_name": 5}, "is not a valid string"),
    ("port", {"dns_name": "a\n"}, "not a valid PQDN or FQDN"),
    ("port", {"dns_name": "web.example."}, "Its higher level labels must be equal"),
    ("port", {"dns_name": "openstacklocal."}, "Its higher level labels must be equal"),
    ("port", {"dns_name": ".".join(["a" * 49] * 5)}, "exceeds the maximum size"),
    ("port", {"dns_domain": "example"}, "'example' is not a FQDN"),
    ("port", {"dns_domain": "<project_id>."}, "not a valid PQDN or FQDN"),
    ("port", {"dns_assignment": []}, "not allowed in POST"),
    ("network", {"dns_domain": "example"}, "'example' is not a FQDN"),
    ("network", {"dns_domain": "<project>.example."}, "not a valid PQDN or FQDN"),
    ("network", {"dns_domain": "x" * 256}, "exceeds maximum length"),
    ("floatingip", {"dns_name": "www"}, "without a dns_domain"),
    ("floatingip", {"dns_domain": "x."}, "without a dns_name"),
    ("floatingip", {"dns_name": "www.", "dns_domain": "x."}, "ends with a dot"),
    ("floatingip", {"dns_name": "a.b.c.d.e", "dns_domain": ("c" * 60 + ".") * 4 + "d."}, "exceed 253"),
]  # fmt: skip


async def test_what_is_no_name_is_refused(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    on = {
        "port": {"network_id": (await network(member))["id"]},
        "floatingip": {"floating_network_id": (await public(member))["id"]},
    }
    for kind, values, why in NO_NAMES:
        body = {kind: {**on.get(kind, {}), **values}}
        error = await refused(member, "POST", f"/{kind}s", body, 400)
        assert why in error["message"]
