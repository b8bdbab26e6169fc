"""What OVN is told of single things, and how what it holds is compared."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.drivers.ovn.rows import Row, SwitchPort
from hanok.drivers.ovn.topology import CannotExpress, ForwardingSpec
from hanok.services.network.logic import inventory, specs
from tests.unit.network.rows import room, row


@pytest.mark.parametrize(
    ("name", "told"),
    [(None, ""), ("0", ""), ("00", ""), ("ip", ""), ("hopopt", ""), ("tcp", "tcp"), ("6", "6"), ("10", "10")],
)  # fmt: skip
def test_a_protocol_is_told_unless_it_means_any(name: str | None, told: str) -> None:
    assert specs._protocol(name) == told


def subnet(**values: Any) -> Any:
    usual = {
        "id": "s", "cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": "10.0.0.1",
        "enable_dhcp": True, "ipv6_address_mode": None, "ipv6_ra_mode": None, "host_routes": [],
        "dns_nameservers": [],
    }  # fmt: skip
    return row(**{**usual, **values})


def six(**values: Any) -> Any:
    return subnet(
        **{"cidr": "2001:db8::/64", "ip_version": 6, "gateway_ip": "2001:db8::1", **values}
    )


HOUSE = room(dns_servers=("9.9.9.9", "2001:db8::53"))


def test_whom_guests_ask_for_names() -> None:
    assert specs._name_servers(HOUSE, subnet(dns_nameservers=["1.1.1.1"]), "") == ("1.1.1.1",)
    # The address of nobody among them: guests are told none, the house's neither.
    assert specs._name_servers(HOUSE, subnet(dns_nameservers=["0.0.0.0"]), "10.0.0.2") == ()
    assert specs._name_servers(HOUSE, six(dns_nameservers=["2001:db8::9", "::"]), "") == ()
    assert specs._name_servers(HOUSE, subnet(), "10.0.0.2") == ("9.9.9.9",)
    assert specs._name_servers(HOUSE, six(), "") == ("2001:db8::53",)
    # Without any, the metadata port of IPv4; where that has no address, the gateway.
    assert specs._name_servers(room(), subnet(), "10.0.0.2") == ("10.0.0.2",)
    assert specs._name_servers(room(), subnet(), "") == ("10.0.0.1",)
    assert specs._name_servers(room(), subnet(gateway_ip=None), "") == ()
    assert specs._name_servers(room(), six(), "10.0.0.2") == ()


def test_a_subnet_as_its_dhcp_server_knows_it() -> None:
    route = {"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}
    found = specs._subnet_spec(room(), subnet(host_routes=[route]))
    assert (found.gateway_ip, found.enable_dhcp, found.dhcpv6_stateless) == ("10.0.0.1", True, False)  # fmt: skip
    assert [(one.destination, one.next_hop) for one in found.host_routes] == [tuple(route.values())]
    assert specs._subnet_spec(room(), subnet(gateway_ip=None)).gateway_ip == ""
    assert not specs._subnet_spec(room(), subnet(enable_dhcp=False)).enable_dhcp
    for mode, dhcp, stateless in (
        (None, True, False),
        ("slaac", False, False),
        ("dhcpv6-stateless", True, True),
        ("dhcpv6-stateful", True, False),
    ):
        found = specs._subnet_spec(room(), six(ipv6_address_mode=mode))
        assert (found.enable_dhcp, found.dhcpv6_stateless) == (dhcp, stateless), mode


def test_a_router_announces_as_the_first_of_its_subnets_of_ipv6_says() -> None:
    stateless = six(ipv6_ra_mode="dhcpv6-stateless")
    assert specs._ra_mode([subnet(), six(), stateless, six(ipv6_ra_mode="slaac")]) == (
        "dhcpv6_stateless"
    )
    assert specs._ra_mode([six(ipv6_ra_mode="slaac"), stateless]) == "slaac"
    assert specs._ra_mode([subnet(), six()]) == ""
    assert specs._ra_mode([]) == ""


def test_a_services_own_port_is_open_unless_groups_say_who_comes_in() -> None:
    vip, guest = row(id="p", role="vip"), row(id="p", role="guest")
    assert specs._is_open(vip, {})
    assert specs._is_open(vip, {"p": []})
    assert not specs._is_open(vip, {"p": ["g"]})
    assert not specs._is_open(guest, {})


def test_ports_are_forwarded_one_by_one_or_all_to_one() -> None:
    def told(last: int) -> ForwardingSpec:
        return specs._forwarding(
            row(
                protocol="tcp", external_first=80, external_last=82, internal_ip_address="10.0.0.7",
                internal_first=8080, internal_last=last,
            )
        )  # fmt: skip

    assert (told(8080).to_one, told(8082).to_one) == (True, False)
    assert (told(8082).ports, told(8082).first, told(8082).address) == ((80, 82), 8080, "10.0.0.7")


async def test_a_scope_of_a_service_that_is_off_stays_and_others_are_asked() -> None:
    house, tx = room(), row()

    async def theirs(tx: Any, ids: Any) -> dict[str, Any]:
        return {one: [port(one)] for one in ids if one != "gone"}

    house.loaders["balancer"] = theirs
    found = await specs.rows_of(tx, house, ["balancer:b", "balancer:gone", "shelf:s"])
    assert found["balancer:b"] == [port("b")] and found["balancer:gone"] is None
    assert isinstance(found["shelf:s"], CannotExpress)
    assert "the service that has shelfs is off" in found["shelf:s"].message


# ---- what is there, and what should be ----


def port(name: str, **values: Any) -> Row:
    return SwitchPort(name=name, switch="s", **values)


def test_what_ovn_has_otherwise_is_named() -> None:
    both = [port("a"), port("b")]
    assert inventory._unlike(both, both[::-1]) is None
    assert inventory._unlike([], []) is None
    assert inventory._unlike(both, both[:1]) == "lacks SwitchPort b"
    assert inventory._unlike(both[:1], both) == "has SwitchPort b too many"
    assert inventory._unlike(both, [port("a"), port("b", tag=5)]) == "differs in SwitchPort b"
    assert inventory._unlike(both, [port("b")]) == "lacks SwitchPort a"
