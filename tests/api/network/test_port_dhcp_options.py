"""What DHCP tells single ports."""

from __future__ import annotations

from typing import Any

from hanok.drivers.ovn.rows import DHCPOptions, SwitchPort
from hanok.services.network.logic import specs
from tests.api.network.test_engine import engine, settled
from tests.api.network.test_networks import V2, network, port, refused, subnet
from tests.cloud import Client, Cloud


def option(name: str, value: str | None, version: int = 4) -> dict[str, Any]:
    return {"opt_name": name, "opt_value": value, "ip_version": version}


async def told(cloud: Cloud, port_id: str) -> tuple[dict[int, dict[str, str]], SwitchPort]:
    """The options that a port has of its own in OVN, by version, and its row."""
    async with cloud.control.database.read() as tx:
        rows = (await specs.rows_of(tx, cloud.network, [f"port:{port_id}"]))[f"port:{port_id}"]
    assert isinstance(rows, list)
    (switch_port,) = (row for row in rows if isinstance(row, SwitchPort))
    options = {row.name: row.options for row in rows if isinstance(row, DHCPOptions)}
    return {version: options.get(f"{port_id}-v{version}", {}) for version in (4, 6)}, switch_port


async def change(client: Client, port_id: str, *options: dict[str, Any]) -> Any:
    body = {"port": {"extra_dhcp_opts": list(options)}}
    return (await client("PUT", f"{V2}/ports/{port_id}", body, status=200)).json()["port"]


async def test_options_of_both_versions(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"], dns_nameservers=["9.9.9.9"])
    modes = {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
    await subnet(member, made["id"], "2001:db8::/64", **modes)
    sent = [
        {"opt_name": "bootfile-name", "opt_value": "pxelinux.0"},
        option("tftp-server", "10.9.9.9"),
        option("150", "10.9.9.9"),
        option("ntp-server", "10.0.0.8,10.0.0.9"),
        option("mtu", "1300"),
        option("dns-server", "2001:db8::53", 6),
    ]
    one = await port(member, made["id"], extra_dhcp_opts=sent)
    other = await port(member, made["id"])
    assert other["extra_dhcp_opts"] == []
    listed = (await member.get(f"{V2}/ports?id={one['id']}"))["ports"][0]
    assert listed["extra_dhcp_opts"] == one["extra_dhcp_opts"]
    assert sorted(map(str, one["extra_dhcp_opts"])) == sorted(
        str({**entry, "ip_version": entry.get("ip_version", 4)}) for entry in sent
    )
    options, row = await told(cloud, one["id"])
    assert row.dhcpv4 == f"{one['id']}-v4"
    assert row.dhcpv6 == f"{one['id']}-v6"
    assert options[4]["bootfile_name"] == '"pxelinux.0"'
    assert options[4]["tftp_server"] == "10.9.9.9"
    assert options[4]["tftp_server_address"] == "10.9.9.9"
    assert options[4]["ntp_server"] == "{10.0.0.8, 10.0.0.9}"
    assert options[4]["mtu"] == "1300"
    assert options[4]["dns_server"] == "{9.9.9.9}"  # its subnet's
    assert options[6]["dns_server"] == "2001:db8::53"
    _, row = await told(cloud, other["id"])
    assert row.dhcpv4 == sub["id"]
    # What the subnet says is followed by what its ports are told.
    body = {"subnet": {"dns_nameservers": ["1.1.1.1"]}}
    await member("PUT", f"{V2}/subnets/{sub['id']}", body, status=200)
    await settled(cloud)
    held = await engine(cloud).dump(f"port:{one['id']}")
    assert any(
        isinstance(each, DHCPOptions) and each.options.get("dns_server") == "{1.1.1.1}"
        for each in held
    )


async def test_an_update_names_what_changes(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"])
    one = await port(member, made["id"])
    await change(member, one["id"], option("mtu", "1300"), option("wpad", "http://p/wpad.dat"))
    shown = await change(member, one["id"], option("mtu", "1200"), option("wpad", None))
    assert shown["extra_dhcp_opts"] == [option("mtu", "1200")]
    named = {"port": {"name": "x"}}
    await member("PUT", f"{V2}/ports/{one['id']}", named, status=200)
    options, _ = await told(cloud, one["id"])
    assert options[4]["mtu"] == "1200"
    assert "wpad" not in options[4]
    assert (await change(member, one["id"], option("mtu", None)))["extra_dhcp_opts"] == []
    _, row = await told(cloud, one["id"])
    assert row.dhcpv4 == sub["id"]
    await settled(cloud)
    await change(member, one["id"], option("mtu", "1200"))
    await member("DELETE", f"{V2}/ports/{one['id']}", status=204)
    await settled(cloud)


async def test_a_router_of_its_own_is_in_the_routes(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    one = await port(member, made["id"], extra_dhcp_opts=[option("router", "10.0.0.77")])
    options, _ = await told(cloud, one["id"])
    assert options[4]["router"] == "10.0.0.77"
    assert "0.0.0.0/0,10.0.0.77" in options[4]["classless_static_route"]
    assert "169.254.169.254/32" in options[4]["classless_static_route"]
    own = option("classless-static-route", "10.5.0.0/16,10.0.0.9")
    await change(member, one["id"], own)
    options, _ = await told(cloud, one["id"])
    assert options[4]["classless_static_route"] == "{10.5.0.0/16,10.0.0.9}"


async def test_dhcp_can_be_off_for_a_port(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"])
    one = await port(member, made["id"], extra_dhcp_opts=[option("dhcp_disabled", "true")])
    options, row = await told(cloud, one["id"])
    assert (options[4], row.dhcpv4) == ({}, "")
    await change(member, one["id"], option("dhcp_disabled", "false"))
    _, row = await told(cloud, one["id"])
    assert row.dhcpv4 == f"{one['id']}-v4"
    body = {"subnet": {"enable_dhcp": False}}
    await member("PUT", f"{V2}/subnets/{sub['id']}", body, status=200)
    _, row = await told(cloud, one["id"])
    assert row.dhcpv4 == ""


async def test_a_server_of_ipv6_is_named_where_there_is_no_ipv4(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    sub = await subnet(member, made["id"], "2001:db8::/64")
    sent = [
        {"opt_name": "tftp-server", "opt_value": "2015::dead"},
        {"opt_name": "server-ip-address", "opt_value": "2015::badd"},
    ]
    one = await port(member, made["id"], extra_dhcp_opts=sent)
    assert len(one["extra_dhcp_opts"]) == 2
    other = await subnet(member, made["id"])
    both = [{"subnet_id": sub["id"]}, {"subnet_id": other["id"]}]
    body = {"port": {"fixed_ips": both}}
    error = await refused(member, "PUT", f"/ports/{one['id']}", body, 400)
    assert "'2015::badd' is not a valid IPv4 address" in error["message"]
    body = {"port": {"network_id": made["id"], "extra_dhcp_opts": sent}}
    await refused(member, "POST", "/ports", body, 400)
    await settled(cloud)


async def test_options_that_nobody_can_tell_are_kept(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    await subnet(member, made["id"])
    odd = [option("test_option_1", "x"), option("253", 'a"b'), option("arp_cache_timeout", "9")]
    one = await port(member, made["id"], extra_dhcp_opts=[*odd, option("mtu", "1300")])
    assert len(one["extra_dhcp_opts"]) == 4
    told_options, _ = await told(cloud, one["id"])
    assert told_options[4]["mtu"] == "1300"
    assert not {"test_option_1", "253", "arp_cache_timeout"} & set(told_options[4])
    left = await change(member, one["id"], option("test_option_1", None))
    assert [each["opt_name"] for each in left["extra_dhcp_opts"]] == [
        "253",
        "arp_cache_timeout",
        "mtu",
    ]
    await settled(cloud)


NO_OPTIONS: list[tuple[Any, str]] = [
    (option("mtu", "9"), "'9' is not between 68 and 65535"),
    (option("mtu", "x"), "is not an integer"),
    (option("mtu", "¹"), "is not an integer"),
    (option("lease-time", "4294967296"), "is not between"),
    (option("ntp-server", "10.0.0"), "is not a valid IP address"),
    (option("ntp-server", "::1"), "is not a valid IPv4 address"),
    (option("ntp-server", ","), "is not a list of IPv4 addresses"),
    (option("dns-server", "fe80::1%a", 6), "is not a valid IP"),
    (option("bootfile-name", 'x", mtu = "1'), "holds a character"),
    (option("bootfile-name", "x\\"), "holds a character"),
    (option("bootfile-name", "a\nb"), "holds a character"),
    (option("ethernet-encap", "yes"), "is not 0 or 1"),
    (option("classless-static-route", "10.0.0.0/8"), "destinations and next hops"),
    (option("dhcp_disabled", "maybe"), "is not true or false"),
    (option("mtu", "1300", 5), "is not in"),
    (option("", "x"), "Blank"),
    (option("mtu", ""), "Blank"),
    (option("mtu", "1" * 256), "exceeds maximum length"),
    ({"opt_name": "mtu"}, "opt_value"),
    ({"opt_value": "9"}, "opt_name"),
    ({**option("mtu", "1300"), "odd": 1}, "odd"),
    ("mtu", "is not a dictionary"),
]


async def test_what_is_no_option_is_refused(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    for sent, why in NO_OPTIONS:
        body = {"port": {"network_id": made["id"], "extra_dhcp_opts": [sent]}}
        error = await refused(member, "POST", "/ports", body, 400)
        assert "Invalid input for extra_dhcp_opts" in error["message"]
        assert why in error["message"]


async def test_a_port_has_so_many_options_at_most(cloud: Cloud) -> None:
    member = await cloud.project_with("p", "member")
    made = await network(member)
    many = [option("mtu", "1300")] * 65
    body = {"port": {"network_id": made["id"], "extra_dhcp_opts": many}}
    error = await refused(member, "POST", "/ports", body, 400)
    assert "more than 64 items" in error["message"]
