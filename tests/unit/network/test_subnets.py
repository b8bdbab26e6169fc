"""What a subnet may be, and what of it hosts have."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from hanok.base.errors import BadInput, Conflict
from hanok.services.network.logic import ports, subnets
from tests.unit.network.rows import row

POOLS = list[dict[str, str]]


def pool(start: str, end: str) -> dict[str, str]:
    return {"start": start, "end": end}


@pytest.mark.parametrize(
    ("cidr", "good", "bad"),
    [
        ("10.0.0.0/24", ["10.0.0.1", "10.0.0.254"], ["10.0.0.0", "10.0.0.255", "9.255.255.255", "10.0.1.0"]),
        ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"], ["10.0.0.0", "10.0.0.3"]),
        ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"], ["9.255.255.255", "10.0.0.2"]),
        ("10.0.0.7/32", ["10.0.0.7"], ["10.0.0.6", "10.0.0.8"]),
        ("2001:db8::/64", ["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"], ["2001:db8::", "2001:db8:0:1::"]),
        ("2001:db8::/127", ["2001:db8::", "2001:db8::1"], ["2001:db8::2"]),
    ],
)  # fmt: skip
def test_hosts_have_what_is_inside_and_is_not_the_networks_own(
    cidr: str, good: list[str], bad: list[str]
) -> None:
    subnet = row(cidr=cidr)
    for one in good:
        assert subnets.usable(ip_network(cidr), int(ip_address(one))), one
        ports.check_address(subnet, ip_address(one))
    for one in bad:
        assert not subnets.usable(ip_network(cidr), int(ip_address(one))), one
        with pytest.raises(BadInput, match="is not a valid IP for the specified subnet"):
            ports.check_address(subnet, ip_address(one))


def test_an_address_of_the_other_version_is_in_no_subnet() -> None:
    for cidr, address in (("0.0.0.0/1", "::5"), ("::/64", "10.0.0.1")):
        with pytest.raises(BadInput):
            ports.check_address(row(cidr=cidr), ip_address(address))


def test_a_gateway_is_the_first_address_of_which_there_are_several() -> None:
    chosen = {
        cidr: subnets._gateway(..., ip_network(cidr), None)
        for cidr in ("10.0.0.0/24", "10.0.0.0/31", "10.0.0.7/32", "2001:db8::/64")
    }
    assert list(chosen.values()) == ["10.0.0.1", "10.0.0.0", "10.0.0.8", "2001:db8::1"]
    # Behind the last address there is none.
    assert subnets._gateway(..., ip_network("255.255.255.255/32"), None) is None


@pytest.mark.parametrize(
    ("cidr", "gateway", "fine"),
    [
        ("10.0.0.0/24", "10.0.0.254", True),
        ("10.0.0.0/24", "192.0.2.1", True),  # on the link
        ("10.0.0.0/24", "10.0.0.0", False),
        ("10.0.0.0/24", "10.0.0.255", False),
        ("10.0.0.0/24", "0.0.0.0", False),
        ("10.0.0.0/24", "224.0.0.9", False),
        ("10.0.0.0/24", "127.0.0.9", False),
        ("10.0.0.0/24", "255.255.255.255", False),
        ("10.0.0.0/24", "169.254.169.254", False),
        ("10.0.0.0/24", "169.254.169.253", True),
        ("10.0.0.0/24", "2001:db8::1", False),
        ("2001:db8::/64", "fe80::1", True),
        ("2001:db8::/64", "fe80::a9fe:a9fe", False),
        ("2001:db8::/64", "2001:db8:1::1", True),
        ("2001:db8::/64", "2001:db8::", False),
        ("2001:db8::/64", "ff02::1", False),
        ("2001:db8::/64", "::", False),
        ("2001:db8::/64", "::1", False),
        ("2001:db8::/64", "10.0.0.1", False),
    ],
)
def test_a_gateway_is_an_address_of_one_host_of_the_version(
    cidr: str, gateway: str, fine: bool
) -> None:
    if fine:
        assert subnets._gateway(gateway, ip_network(cidr), None) == gateway
        return
    with pytest.raises(BadInput):
        subnets._gateway(gateway, ip_network(cidr), None)


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/29", None, [("10.0.0.1", "10.0.0.6")]),
        ("10.0.0.0/29", "10.0.0.1", [("10.0.0.2", "10.0.0.6")]),
        ("10.0.0.0/29", "10.0.0.6", [("10.0.0.1", "10.0.0.5")]),
        ("10.0.0.0/29", "192.0.2.1", [("10.0.0.1", "10.0.0.6")]),
        ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
        ("2001:db8::/125", None, [("2001:db8::1", "2001:db8::7")]),
        ("2001:db8::/125", "fe80::1", [("2001:db8::1", "2001:db8::7")]),
    ],
)
def test_pools_are_all_that_hosts_may_have_but_the_gateway(
    cidr: str, gateway: str | None, pools: list[tuple[str, str]]
) -> None:
    found = subnets._default_pools(ip_network(cidr), gateway)
    assert [(one["start"], one["end"]) for one in found] == pools


NET = ip_network("10.0.0.0/24")


@pytest.mark.parametrize(
    ("pools", "gateway", "error"),
    [
        ([pool("10.0.0.9", "10.0.0.8")], None, "InvalidAllocationPool"),
        ([pool("10.0.0.9", "::a")], None, "InvalidAllocationPool"),
        ([pool("::1", "10.0.0.9")], None, "InvalidAllocationPool"),
        ([pool("::9", "::a")], None, "InvalidAllocationPool"),
        ([pool("10.0.0.0", "10.0.0.9")], None, "OutOfBoundsAllocationPool"),
        ([pool("10.0.0.9", "10.0.0.255")], None, "OutOfBoundsAllocationPool"),
        ([pool("10.0.0.1", "10.0.0.9"), pool("10.0.0.9", "10.0.0.10")], None, "OverlappingAllocationPools"),
        ([pool("10.0.0.9", "10.0.0.10"), pool("10.0.0.1", "10.0.0.20")], None, "OverlappingAllocationPools"),
        ([pool("10.0.0.5", "10.0.0.9")], "10.0.0.5", "GatewayConflictWithAllocationPools"),
        ([pool("10.0.0.5", "10.0.0.9")], "10.0.0.9", "GatewayConflictWithAllocationPools"),
    ],
)  # fmt: skip
def test_pools_that_are_none(pools: POOLS, gateway: str | None, error: str) -> None:
    with pytest.raises((BadInput, Conflict)) as caught:
        subnets._checked_pools(pools, NET, gateway)
    assert caught.value.code == error


def test_pools_that_touch_each_other_and_the_gateway_are_kept_in_order() -> None:
    pools = [pool("10.0.0.10", "10.0.0.10"), pool("10.0.0.5", "10.0.0.9")]
    assert subnets._checked_pools(pools, NET, "10.0.0.4") == pools[::-1]
    assert subnets._checked_pools(pools, NET, "10.0.0.11") == pools[::-1]
    assert subnets._checked_pools([], NET, "10.0.0.1") == []


def test_routes_of_guests_are_of_their_subnets_version() -> None:
    good = [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]
    assert subnets._routes(good, 4) == good
    for destination, hop in (("2001:db8::/64", "10.0.0.9"), ("10.9.0.0/16", "2001:db8::9")):
        for version in (4, 6):
            with pytest.raises(BadInput, match="is of another version"):
                subnets._routes([{"destination": destination, "nexthop": hop}], version)


def values(**more: Any) -> dict[str, Any]:
    return {"cidr": "10.0.0.0/24", "ip_version": 4, "enable_dhcp": True, **more}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (values(ip_version=6), "does not match cidr"),
        (values(cidr="2001:db8::/64"), "does not match cidr"),
        (values(cidr="0.0.0.0/0"), "0 is not allowed"),
        (values(cidr="224.1.0.0/24"), "Multicast"),
        (values(cidr="127.1.0.0/24"), "Loopback"),
        (values(cidr="169.254.0.0/16"), "the metadata address"),
        (values(cidr="fe80::/64", ip_version=6), "the metadata address"),
        (values(cidr="10.0.0.0/31"), "has no free address for DHCP"),
    ],
)
def test_prefixes_that_are_no_subnet(sent: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        subnets._cidr(sent)


@pytest.mark.parametrize(
    "sent",
    [
        values(),
        values(cidr="0.0.0.0/1"),
        values(cidr="169.254.0.0/17"),
        values(cidr="10.0.0.0/30"),
        values(cidr="10.0.0.0/31", enable_dhcp=False),
        values(cidr="2001:db8::/127", ip_version=6),
    ],
)
def test_prefixes_that_are_one(sent: dict[str, Any]) -> None:
    assert str(subnets._cidr(sent)) == sent["cidr"]


def test_other_addresses_need_their_own_version() -> None:
    assert subnets._of_version(["9.9.9.9", "1.1.1.1"], 4, "dns_nameservers") == [
        "9.9.9.9",
        "1.1.1.1",
    ]
    with pytest.raises(BadInput, match="dns_nameservers '::9' does not match the ip_version '4'"):
        subnets._of_version(["9.9.9.9", "::9"], 4, "dns_nameservers")
