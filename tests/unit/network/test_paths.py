"""Parts of the way of a packet that are looked at without a database."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.drivers.ovn.tracing import Packet
from hanok.services.network.logic import paths
from hanok.services.network.logic.paths import Flow, Step, compared, flow_of
from tests.unit.network.rows import row

PACKET = Packet(
    switch="n", inport="p", source_mac="a", destination_mac="b", source="10.0.0.1",
    destination="10.0.0.2", protocol=6, port=22,
)  # fmt: skip
PASSES, STOPS = Step("port", "p", True, "it is up"), Step("port", "p", False, "it is down")


@pytest.mark.parametrize(
    ("steps", "ends_at", "agrees", "says"),
    [
        ([PASSES], ["b"], True, "ovn-trace agrees: OVN lets it out at b."),
        ([PASSES], ["b", "c"], True, "ovn-trace agrees: OVN lets it out at b, c."),
        ([PASSES], [], False, "ovn-trace says otherwise: OVN drops it."),
        ([PASSES, STOPS], [], True, "ovn-trace agrees: OVN drops it."),
        ([PASSES, STOPS], ["b"], False, "ovn-trace says otherwise: OVN lets it out at b."),
    ],
)
def test_what_the_flows_do_is_held_against_the_tables(
    steps: list[Step], ends_at: list[str], agrees: bool, says: str
) -> None:
    found = compared(steps, PACKET, ends_at)
    assert (found.at, found.passes, found.says) == ("OVN", agrees, says)
    assert bool(found.helps) is not agrees


@pytest.mark.parametrize(
    ("protocol", "port", "why"),
    [
        ("tcp", None, "A port is needed with tcp"),
        ("udp", None, "A port is needed with udp"),
        ("17", None, "A port is needed with 17"),
        ("icmp", 8, "icmp has no ports."),
        ("gre", 5, "gre has no ports."),
        ("any", None, "any is not a valid protocol: one has to be named."),
        ("0", None, "0 is not a valid protocol: one has to be named."),
        ("256", None, "not supported"),
    ],
)
def test_what_is_sent_has_a_protocol_with_a_port_where_that_has_some(
    protocol: str, port: int | None, why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        flow_of(protocol, port)


def test_flows() -> None:
    for protocol, port in (("tcp", 22), ("sctp", 5), ("icmp", None), ("47", None)):
        assert flow_of(protocol, port) == Flow(protocol, port)
    assert (Flow("tcp", 0).text, Flow("gre").text) == ("tcp port 0", "gre")


def rule(**ports: int | None) -> Any:
    return row(**{"port_range_min": None, "port_range_max": None, **ports})


@pytest.mark.parametrize(
    ("low", "high", "version", "inside"),
    [
        (None, None, 4, True),
        (8, None, 4, True),
        (8, 0, 4, True),
        (8, 1, 4, False),  # a ping has the code 0
        (0, 0, 4, False),
        (128, 0, 6, True),
        (8, 0, 6, False),
    ],
)
def test_a_ping_is_of_one_type_and_code(
    low: int | None, high: int | None, version: int, inside: bool
) -> None:
    walk = paths._Walk(row(), Flow("icmp"))
    held = rule(port_range_min=low, port_range_max=high)
    assert walk._in_range(held, version) is inside


@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [(22, 22, True), (22, None, True), (1, 22, True), (22, 99, True), (23, 99, False), (1, 21, False),
     (21, None, False)],
)  # fmt: skip
def test_ports_are_in_a_range_with_both_its_ends(low: int, high: int | None, inside: bool) -> None:
    held = rule(port_range_min=low, port_range_max=high)
    assert paths._Walk(row(), Flow("tcp", 22))._in_range(held, 4) is inside


def test_what_helps_is_a_rule_that_lets_in_just_this() -> None:
    walk = paths._Walk(row(), Flow("tcp", 22))
    plain = "openstack security group rule create"
    assert (
        walk._rule("ingress", "g", "10.0.0.1", "0.0.0.0")
        == f"{plain} --protocol tcp --dst-port 22 g"
    )
    assert walk._rule("egress", "g", "2001:db8::1", "2001:db8::2") == (
        f"{plain} --egress --ethertype IPv6 --protocol tcp --dst-port 22 --remote-ip 2001:db8::2/128 g"
    )
    ping = paths._Walk(row(), Flow("icmp"))
    assert ping._rule("ingress", "g", "10.0.0.1", "10.0.0.2") == (
        f"{plain} --protocol icmp --remote-ip 10.0.0.2/32 g"
    )


def place(address: str = "10.0.0.1", subnet: str | None = "s", floating: Any = None) -> Any:
    return paths._Place(address, None if subnet is None else row(subnet_id=subnet), floating)


def test_neighbours_are_of_one_subnet_and_not_asked_for_by_a_floating_ip() -> None:
    assert paths._neighbours(place(), place())
    for one, other in (
        (place(), place(subnet="t")),
        (place(subnet=None), place()),
        (place(), place(subnet=None)),
        (place(), place(floating=row())),
    ):
        assert not paths._neighbours(one, other)
    assert paths._neighbours(place(floating=row()), place())


def test_the_narrowest_route_says_where_it_goes() -> None:
    routes = [
        {"destination": "10.0.0.0/8", "nexthop": "a"},
        {"destination": "10.1.0.0/16", "nexthop": "b"},
        {"destination": "0.0.0.0/0", "nexthop": "c"},
        {"destination": "::/0", "nexthop": "d"},
    ]
    for address, hop in (("10.1.0.1", "b"), ("10.2.0.1", "a"), ("192.0.2.1", "c"), ("2001:db8::1", "d")):  # fmt: skip
        assert paths._next_hop(routes, address) == hop
    assert paths._next_hop(routes[:2], "192.0.2.1") is None


def test_addresses_that_stand_for_all_others() -> None:
    assert [paths._some(one) for one in ("0.0.0.0", "::", "10.0.0.1", "2001:db8::5")] == [
        "203.0.113.1", "2001:db8::1", "10.0.0.1", "2001:db8::5",
    ]  # fmt: skip
    assert [paths._somewhere(one) for one in ("0.0.0.0", "::", "10.0.0.1")] == [
        "the outside", "the outside", "10.0.0.1",
    ]  # fmt: skip
    assert paths._within("10.0.0.1", "10.0.0.0/24")
    assert not paths._within("10.0.1.1", "10.0.0.0/24")
    assert not paths._within("::1", "0.0.0.0/0")


@pytest.mark.parametrize(
    "address", ["255.255.255.255", "224.0.0.1", "127.0.0.1", "ff02::1", "::1", "fe80::1%eth0"]
)
async def test_an_address_that_no_single_host_has_is_no_end(address: str) -> None:
    with pytest.raises(BadInput, match="is not a valid address of one host"):
        await paths.end_of(row(), address)


async def test_an_end_that_is_known_is_not_looked_for() -> None:
    tx = row()  # nothing can be asked of it
    assert (await paths.end_of(tx, "b", "server")).server_id == "server"
    outside = await paths.end_of(tx, paths.OUTSIDE)
    assert (outside.server_id, outside.port_id, outside.address) == ("", "", "")
    assert (await paths.end_of(tx, "2001:DB8:0::5")).address == "2001:db8::5"
    assert (await paths.end_of(tx, "10.0.0.5")).address == "10.0.0.5"
