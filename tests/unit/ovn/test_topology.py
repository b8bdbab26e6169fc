"""From plain values to rows: what the match language and DHCP options look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from hanok.drivers.ovn import topology
from hanok.drivers.ovn.rows import (
    NAT,
    AddressSet,
    DHCPOptions,
    DNSRecords,
    LoadBalancer,
    LogicalSwitch,
    PortGroup,
    QoS,
    Router,
    RouterPort,
    StaticRoute,
    SwitchPort,
)
from hanok.drivers.ovn.topology import (
    AddressGroupSpec,
    AddressPair,
    CannotExpress,
    FixedIP,
    FloatingIPSpec,
    ForwardingSpec,
    GatewaySpec,
    HostRoute,
    MetadataPortSpec,
    NetworkSpec,
    PortSpec,
    QoSSpec,
    RouterInterfaceSpec,
    RouterSpec,
    RuleSpec,
    SecurityGroupSpec,
    SubnetSpec,
)

SUBNET = SubnetSpec(
    id="sub-1", cidr="10.0.0.0/24", gateway_ip="10.0.0.1", server_mac="FA:16:3E:00:00:99"
)


def match(**rule: object) -> str:
    spec = SecurityGroupSpec(id="g-1", rules=(RuleSpec(**rule),))  # type: ignore[arg-type]
    (group,) = topology.security_group(spec)
    assert isinstance(group, PortGroup)
    (acl,) = group.acls
    assert (acl.priority, acl.action) == (1002, "allow-related")
    assert acl.direction == ("to-lport" if rule["direction"] == "ingress" else "from-lport")
    return acl.match


IN = {"direction": "ingress"}


def test_a_ports_address_of_the_link_is_its_own() -> None:
    spec = PortSpec(
        id="p-1",
        network_id="net-1",
        mac="fa:16:3e:00:00:0a",
        fixed_ips=(FixedIP(subnet_id="s-6", address="2001:db8::5"),),
        address_pairs=(AddressPair(address="10.9.0.0/16", mac="fa:16:3e:00:00:0b"),),
    )
    (row,) = topology.port(spec)
    assert isinstance(row, SwitchPort)
    assert row.port_security == {
        "fa:16:3e:00:00:0a 2001:db8::5 fe80::f816:3eff:fe00:a",
        "fa:16:3e:00:00:0b 10.9.0.0/16",
    }


def test_announcements_of_guests_are_marked_where_there_is_ipv6() -> None:
    six = SubnetSpec(id="sub-6", cidr="2001:db8::/64", server_mac="fa:16:3e:00:00:98")
    spec = NetworkSpec(id="net-1", subnets=(SUBNET, six), dns_domain="cloud.example.org")
    rows = topology.network(spec)
    (mark,) = [row for row in rows if isinstance(row, QoS)]
    assert (mark.match, mark.dscp) == ("inport == @pg_drop && nd_ra", 63)
    (options,) = [row for row in rows if isinstance(row, DHCPOptions) and ":" in row.cidr]
    assert "domain_search" not in options.options, "OVN 23.03 would write it as one label"
    only = topology.network(NetworkSpec(id="net-1", subnets=(SUBNET,)))
    assert not [row for row in only if isinstance(row, QoS)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"direction": "egress"}, "inport == @sg_g_1 && ip4"),
        ({"direction": "egress", "ethertype": "IPv6"}, "inport == @sg_g_1 && ip6"),
        (IN | {"protocol": "any"}, "outport == @sg_g_1 && ip4"),
        (
            IN | {"protocol": "TCP", "port_min": 22, "port_max": 22},
            "outport == @sg_g_1 && ip4 && tcp && tcp.dst == 22",
        ),
        (
            IN | {"protocol": "17", "port_min": 1, "port_max": 9, "remote_cidr": "192.0.2.9/24"},
            "outport == @sg_g_1 && ip4 && ip4.src == 192.0.2.0/24"
            " && udp && udp.dst >= 1 && udp.dst <= 9",
        ),
        (IN | {"remote_cidr": "0.0.0.0/0"}, "outport == @sg_g_1 && ip4"),
        (
            {"direction": "egress", "remote_group_id": "g-2"},
            "inport == @sg_g_1 && ip4 && ip4.dst == $sg_g_2_ip4",
        ),
        (
            IN | {"ethertype": "IPv6", "remote_group_id": "g-2"},
            "outport == @sg_g_1 && ip6 && ip6.src == $sg_g_2_ip6",
        ),
        (IN | {"protocol": "icmp"}, "outport == @sg_g_1 && ip4 && icmp4"),
        (
            IN | {"protocol": "icmp", "port_min": 0, "port_max": 0},
            "outport == @sg_g_1 && ip4 && icmp4 && icmp4.type == 0 && icmp4.code == 0",
        ),
        (
            IN | {"protocol": "ipv6-icmp", "ethertype": "IPv6", "port_min": 128},
            "outport == @sg_g_1 && ip6 && icmp6 && icmp6.type == 128",
        ),
        (IN | {"protocol": "icmp", "ethertype": "IPv6"}, "outport == @sg_g_1 && ip6 && icmp6"),
        (IN | {"protocol": "vrrp"}, "outport == @sg_g_1 && ip4 && ip.proto == 112"),
        (IN | {"protocol": "sctp"}, "outport == @sg_g_1 && ip4 && sctp"),
        (
            IN | {"ethertype": "IPv6", "remote_cidr": "2001:DB8:0::1/64"},
            "outport == @sg_g_1 && ip6 && ip6.src == 2001:db8::/64",
        ),
        (
            IN | {"remote_address_group_id": "a-1", "protocol": "udp"},
            "outport == @sg_g_1 && ip4 && ip4.src == $ag_a_1_ip4 && udp",
        ),
    ],
)
def test_rules_as_matches(rule: dict[str, object], expected: str) -> None:
    assert match(**rule) == expected


@pytest.mark.parametrize(
    "rule",
    [
        IN | {"protocol": "tcp || ip"},
        IN | {"protocol": "256"},
        IN | {"protocol": "²"},
        IN | {"protocol": "0"},
        IN | {"port_min": 1, "port_max": 2},
        IN | {"protocol": "tcp", "port_min": 9, "port_max": 1},
        IN | {"protocol": "tcp", "port_min": 1, "port_max": 70000},
        IN | {"protocol": "vrrp", "port_min": 1},
        IN | {"protocol": "icmp", "port_min": 256},
        IN | {"protocol": "icmp", "port_max": 1},
        IN | {"protocol": "icmpv6"},
        IN | {"remote_cidr": "10.0.0.0/8 || ip"},
        IN | {"remote_cidr": "fe80::1%eth0/64", "ethertype": "IPv6"},
        IN | {"remote_cidr": "::/0"},
        IN | {"remote_group_id": "x || ip4"},
        IN | {"remote_group_id": "g-2", "remote_cidr": "10.0.0.0/8"},
        IN | {"remote_address_group_id": "a || ip4"},
        IN | {"remote_address_group_id": "a-1", "remote_cidr": "10.0.0.0/8"},
    ],
)
def test_what_cannot_be_enforced_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(CannotExpress):
        match(**rule)


@given(st.text(), st.text(), st.text())
def test_no_text_from_outside_reaches_a_match(protocol: str, cidr: str, group: str) -> None:
    for more in ({"protocol": protocol}, {"remote_cidr": cidr}, {"remote_group_id": group}):
        try:
            text = match(**IN, **more)
        except CannotExpress:
            continue
        assert set(text) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ @$.:/=&"
        )


def test_a_network_with_dhcp_and_metadata() -> None:
    spec = NetworkSpec(
        id="net-1",
        subnets=(
            SubnetSpec(
                id="sub-1", cidr="10.0.0.0/24", gateway_ip="10.0.0.1",
                server_mac="FA-16-3E-00-00-99",
                dns_servers=("9.9.9.9", "1.1.1.1"),
                host_routes=(HostRoute(destination="10.9.0.0/16", next_hop="10.0.0.9"),),
            ),
            SubnetSpec(id="sub-2", cidr="10.1.0.0/24", server_mac="fa:16:3e:00:00:98"),
            SubnetSpec(id="off", cidr="10.2.0.0/24", server_mac="fa:16:3e:00:00:97",
                       enable_dhcp=False),
        ),
        metadata_port=MetadataPortSpec(
            id="md-1", mac="fa:16:3e:00:00:02", addresses={"sub-1": "10.0.0.2", "sub-2": "10.1.0.2"}
        ),
        dns_domain="Example.ORG.",
    )  # fmt: skip
    assert topology.network(spec) == [
        LogicalSwitch(name="net-1"),
        DHCPOptions(
            name="sub-1",
            cidr="10.0.0.0/24",
            options={
                "lease_time": "86400",
                "server_id": "10.0.0.1",
                "server_mac": "fa:16:3e:00:00:99",
                "mtu": "1442",
                "router": "10.0.0.1",
                "dns_server": "{9.9.9.9, 1.1.1.1}",
                "domain_name": '"example.org"',
                "classless_static_route": (
                    "{10.9.0.0/16,10.0.0.9, 169.254.169.254/32,10.0.0.2, 0.0.0.0/0,10.0.0.1}"
                ),
            },
        ),
        DHCPOptions(
            name="sub-2",
            cidr="10.1.0.0/24",
            options={
                "lease_time": "86400",
                "server_id": "10.1.0.2",
                "server_mac": "fa:16:3e:00:00:98",
                "mtu": "1442",
                "domain_name": '"example.org"',
                "classless_static_route": "{169.254.169.254/32,10.1.0.2}",
            },
        ),
        SwitchPort(
            name="md-1",
            switch="net-1",
            type="localport",
            addresses=frozenset(
                {"fa:16:3e:00:00:02 10.0.0.2 10.1.0.2 169.254.169.254 fe80::a9fe:a9fe"}
            ),
            guard="pg_metadata",
        ),
    ]


def test_a_provider_network() -> None:
    rows = topology.network(NetworkSpec(id="ext", physical_network="public", vlan=7))
    assert rows[1] == SwitchPort(
        name="ext-physical",
        switch="ext",
        type="localnet",
        tag=7,
        addresses=frozenset({"unknown"}),
        options={"network_name": "public"},
    )


def test_a_port_is_closed_unless_it_is_said_to_be_open() -> None:
    spec = PortSpec(
        id="p-1",
        network_id="net-1",
        mac="FA:16:3E:00:00:0A",
        fixed_ips=(FixedIP(subnet_id="sub-1", address="10.0.0.5"),),
        security_group_ids=("g-1",),
        address_pairs=(AddressPair(address="10.0.0.100"), AddressPair(address="10.5.0.0/16")),
        host="host-1",
    )
    assert topology.port(spec, [SUBNET]) == [
        SwitchPort(
            name="p-1",
            switch="net-1",
            addresses=frozenset({"fa:16:3e:00:00:0a 10.0.0.5"}),
            port_security=frozenset({"fa:16:3e:00:00:0a 10.0.0.100 10.0.0.5 10.5.0.0/16"}),
            dhcpv4="sub-1",
            groups=frozenset({"sg_g_1"}),
            guard="pg_drop",
            options={"requested-chassis": "host-1"},
        )
    ]
    (open_port,) = topology.port(
        PortSpec(
            id="p-2",
            network_id="net-1",
            mac="fa:16:3e:00:00:0b",
            security_group_ids=("g-1",),
            port_security=False,
        )
    )
    assert open_port == SwitchPort(
        name="p-2", switch="net-1", addresses=frozenset({"fa:16:3e:00:00:0b", "unknown"})
    )


def test_a_port_is_silent_where_its_guest_is_not_yet() -> None:
    spec = PortSpec(id="p", network_id="n", mac="fa:16:3e:00:00:0a", host="a", arriving=("b",))
    (moving,) = topology.port(spec)
    assert isinstance(moving, SwitchPort)
    assert moving.options == {"requested-chassis": "a,b", "activation-strategy": "rarp"}
    (nowhere,) = topology.port(
        PortSpec(id="p", network_id="n", mac="fa:16:3e:00:00:0a", arriving=("b",))
    )
    assert isinstance(nowhere, SwitchPort) and nowhere.options == {}


def test_a_router_with_gateway_and_floating_ip() -> None:
    spec = RouterSpec(
        id="r-1",
        interfaces=(
            RouterInterfaceSpec(
                port_id="i", network_id="n", mac="fa:16:3e:00:00:01",
                addresses=("10.0.0.1/24", "fd00::1/64"),
            ),
        ),
        gateway=GatewaySpec(
            port_id="o", network_id="ext", mac="fa:16:3e:00:00:02", addresses=("172.24.4.10/24",),
            next_hops=("172.24.4.1",), chassis={"h1": 2, "h2": 1},
        ),
        routes=(HostRoute(destination="10.9.0.0/16", next_hop="10.0.0.9"),),
    )  # fmt: skip
    rows = topology.router(spec)
    router = rows[0]
    assert isinstance(router, Router)
    assert router.routes == {
        StaticRoute(destination="10.9.0.0/16", next_hop="10.0.0.9"),
        StaticRoute(destination="0.0.0.0/0", next_hop="172.24.4.1", port="lrp-o"),
    }
    ports = {row.name: row for row in rows if isinstance(row, RouterPort)}
    assert ports["lrp-i"].networks == {"10.0.0.1/24", "fd00::1/64"}
    assert {g.chassis: g.priority for g in ports["lrp-o"].gateway_chassis} == {"h1": 2, "h2": 1}
    assert rows[-1] == NAT(
        router="r-1", type="snat", external_ip="172.24.4.10", logical_ip="10.0.0.0/24"
    )
    assert topology.floating_ip(
        FloatingIPSpec(
            id="f", router_id="r-1", floating_address="172.24.4.99", fixed_address="10.0.0.5"
        )
    ) == [NAT(router="r-1", type="dnat_and_snat", external_ip="172.24.4.99", logical_ip="10.0.0.5")]


def test_an_address_group_is_a_set_a_version() -> None:
    spec = AddressGroupSpec(id="a-1", addresses=("10.0.0.0/8", "fd00::5/128"))
    assert topology.address_group(spec) == [
        AddressSet(name="ag_a_1_ip4", addresses=frozenset({"10.0.0.0/8"})),
        AddressSet(name="ag_a_1_ip6", addresses=frozenset({"fd00::5/128"})),
    ]
    empty = topology.address_group(AddressGroupSpec(id="a-1"))
    assert [row.addresses for row in empty if isinstance(row, AddressSet)] == [frozenset()] * 2


def interface(name: str, address: str, scopes: dict[int, str]) -> RouterInterfaceSpec:
    return RouterInterfaceSpec(
        port_id=name, network_id="n", mac="fa:16:3e:00:00:01", addresses=(address,), scopes=scopes
    )


def test_scopes_end_translation_and_part_networks() -> None:
    spec = RouterSpec(
        id="r-1",
        interfaces=(
            interface("a", "10.0.0.1/24", {4: "one"}),
            interface("b", "10.0.1.1/24", {4: "one"}),
            interface("c", "10.0.2.1/24", {}),
        ),
        gateway=GatewaySpec(
            port_id="o", network_id="ext", mac="fa:16:3e:00:00:02", addresses=("172.24.4.10/24",),
            chassis={"h1": 1}, scopes={4: "one"},
        ),
    )  # fmt: skip
    rows = topology.router(spec)
    assert [row.logical_ip for row in rows if isinstance(row, NAT)] == ["10.0.2.0/24"]
    assert isinstance(rows[0], Router)
    assert {one.match for one in rows[0].policies} == {
        'inport == "lrp-a" && ip4.dst == 10.0.2.0/24',
        'inport == "lrp-b" && ip4.dst == 10.0.2.0/24',
        'inport == "lrp-c" && ip4.dst == 10.0.0.0/24',
        'inport == "lrp-c" && ip4.dst == 10.0.1.0/24',
    }


def test_ports_of_a_floating_ip() -> None:
    spec = FloatingIPSpec(
        id="f",
        router_id="r-1",
        floating_address="172.24.4.99",
        forwardings=(
            ForwardingSpec(protocol="tcp", ports=(80, 81), address="10.0.0.5", first=8080),
            ForwardingSpec(protocol="udp", ports=(5, 6), address="10.0.0.6", first=9, to_one=True),
        ),
    )
    tcp, udp = topology.floating_ip(spec)
    assert isinstance(tcp, LoadBalancer) and isinstance(udp, LoadBalancer)
    assert tcp.vips == {"172.24.4.99:80": "10.0.0.5:8080", "172.24.4.99:81": "10.0.0.5:8081"}
    assert udp.vips == {"172.24.4.99:5": "10.0.0.6:9", "172.24.4.99:6": "10.0.0.6:9"}
    odd = ForwardingSpec(protocol="tcp", ports=(80, 81), address="10.0.0.5", first=65535)
    with pytest.raises(CannotExpress):
        topology.floating_ip(structs.replace(spec, forwardings=(odd,)))


def test_rules_of_a_policy_are_one_a_direction() -> None:
    rules = (
        QoSSpec(max_kbps=1000, max_burst_kbps=100),
        QoSSpec(dscp_mark=26),
        QoSSpec(direction="ingress", max_kbps=5),
    )
    port = PortSpec(id="p", network_id="n", mac="fa:16:3e:00:00:01", qos=rules)
    sends, is_sent = [row for row in topology.port(port) if isinstance(row, QoS)]
    assert (sends.dscp, sends.rate, sends.burst) == (26, 1000, 100)
    assert (is_sent.dscp, is_sent.rate, is_sent.burst) == (None, 5, 0)
    assert (sends.match, is_sent.match) == ('inport == "p"', 'outport == "p"')
    floating = FloatingIPSpec(
        id="f", router_id="r", floating_address="172.24.4.9", fixed_address="10.0.0.5",
        gateway_port_id="o", network_id="ext", qos=rules,
    )  # fmt: skip
    matches = [row.match for row in topology.floating_ip(floating) if isinstance(row, QoS)]
    assert matches == [
        'inport == "o" && ip4.src == 172.24.4.9',
        'outport == "o" && ip4.dst == 172.24.4.9',
    ]


def test_names_from_outside_are_not_domains() -> None:
    for bad in ('a"b', "a b", "", "a..b", "x" * 64):
        with pytest.raises(CannotExpress):
            topology.port(named(bad))


def test_a_port_has_its_names_and_their_way_back() -> None:
    *_, records = topology.port(named("vm", "VM.example.org"))
    assert records == DNSRecords(
        name="p-1",
        switches=frozenset({"net-1"}),
        records={
            "vm": "10.0.0.5",
            "vm.example.org": "10.0.0.5",
            "5.0.0.10.in-addr.arpa": "vm.example.org",
        },
    )
    assert len(topology.port(named("vm", addressed=False))) == 1


def named(*names: str, addressed: bool = True) -> PortSpec:
    return PortSpec(
        id="p-1",
        network_id="net-1",
        mac="fa:16:3e:00:00:0a",
        fixed_ips=(FixedIP(subnet_id="sub-1", address="10.0.0.5"),) if addressed else (),
        dns_names=names,
    )
