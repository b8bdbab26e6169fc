"""One spelling for what a security group rule means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanok.base.errors import BadInput
from hanok.drivers.ovn import topology
from hanok.services.network.logic.group_defaults import _same_use
from hanok.services.network.logic.security_groups import canonical, check_rule, protocol_number
from tests.unit.network.rows import row


def rule(**values: Any) -> dict[str, Any]:
    return {
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        "remote_address_group_id": None,
        **values,
    }


SAME = [
    (rule(protocol="tcp"), rule(protocol="6")),
    (rule(protocol="tcp"), rule(protocol="tcp", port_range_min=1, port_range_max=65535)),
    (rule(protocol=None), rule(protocol="any")),
    (rule(), rule(remote_ip_prefix="0.0.0.0/0")),
    (rule(remote_ip_prefix="10.0.0.7/8"), rule(remote_ip_prefix="10.0.0.0/8")),
    (
        rule(ethertype="IPv6", protocol="icmp"),
        rule(ethertype="IPv6", protocol="ipv6-icmp"),
    ),
    (rule(ethertype="IPv6", protocol="58"), rule(ethertype="IPv6", protocol="icmpv6")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_meaning_same_spelling(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(one) == canonical(other)


def test_different_meaning_different_spelling() -> None:
    assert canonical(rule(protocol="tcp")) != canonical(rule(protocol="udp"))
    assert canonical(rule()) != canonical(rule(ethertype="IPv6"))
    assert canonical(rule(protocol="icmp")) != canonical(rule(protocol="icmp", port_range_min=8))


ports = st.none() | st.integers(min_value=-5, max_value=70000)


@given(
    protocol=st.none() | st.sampled_from([*topology.PROTOCOLS, "0", "255", "256", "x", "any"]),
    ethertype=st.sampled_from(["IPv4", "IPv6"]),
    low=ports,
    high=ports,
    prefix=st.sampled_from([None, "10.0.0.5/8", "2001:db8::/32", "0.0.0.0/0"]),
)
def test_what_is_accepted_can_be_enforced(
    protocol: str | None, ethertype: str, low: int | None, high: int | None, prefix: str | None
) -> None:
    values = rule(
        protocol=protocol,
        ethertype=ethertype,
        port_range_min=low,
        port_range_max=high,
        remote_ip_prefix=prefix,
    )
    try:
        check_rule(values)
    except BadInput:
        return
    canonical(values)
    spec = topology.RuleSpec(
        direction="ingress",
        ethertype=values["ethertype"],
        protocol="" if values["protocol"] in (None, "0") else values["protocol"],
        port_min=low,
        port_max=high,
        remote_cidr=prefix or "",
    )
    topology.security_group(topology.SecurityGroupSpec(id="g", rules=(spec,)))


@pytest.mark.parametrize(
    ("name", "ethertype", "number"),
    [
        (None, "IPv4", None),
        ("any", "IPv4", None),
        ("-1", "IPv6", None),
        ("0", "IPv4", None),
        ("tcp", "IPv4", 6),
        ("6", "IPv4", 6),
        ("255", "IPv4", 255),
        ("icmp", "IPv4", 1),
        ("icmp", "IPv6", 58),
        ("1", "IPv6", 58),
        ("ipv6-icmp", "IPv6", 58),
    ],
)
def test_protocols_have_numbers(name: str | None, ethertype: str, number: int | None) -> None:
    assert protocol_number(name, ethertype) == number


@pytest.mark.parametrize("name", ["256", "999", "1000", "0006", "-2", "²", "٦", "talk", ""])
def test_what_is_no_protocol(name: str) -> None:
    with pytest.raises(BadInput, match="not supported"):
        protocol_number(name, "IPv4")


PREFIX, GROUP, ADDRESSES = (
    {"remote_ip_prefix": "10.0.0.0/8"},
    {"remote_group_id": "g"},
    {"remote_address_group_id": "a"},
)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (rule(**PREFIX, **GROUP), "SecurityGroupMultipleRemoteEntities"),
        (rule(**PREFIX, **ADDRESSES), "SecurityGroupMultipleRemoteEntities"),
        (rule(**GROUP, **ADDRESSES), "SecurityGroupMultipleRemoteEntities"),
        (rule(ethertype="IPv6", **PREFIX), "SecurityGroupRuleParameterConflict"),
        (rule(remote_ip_prefix="2001:db8::/32"), "SecurityGroupRuleParameterConflict"),
        (rule(protocol="ipv6-icmp"), "SecurityGroupEthertypeConflictWithProtocol"),
        (rule(protocol="41"), "SecurityGroupEthertypeConflictWithProtocol"),
        (rule(port_range_min=1), "SecurityGroupProtocolRequiredWithPorts"),
        (rule(port_range_max=1), "SecurityGroupProtocolRequiredWithPorts"),
        (rule(protocol="any", port_range_min=1, port_range_max=2), "SecurityGroupProtocolRequiredWithPorts"),
        (rule(protocol="icmp", port_range_min=256), "SecurityGroupInvalidIcmpValue"),
        (rule(protocol="icmp", port_range_min=-1), "SecurityGroupInvalidIcmpValue"),
        (rule(protocol="icmp", port_range_min=8, port_range_max=256), "SecurityGroupInvalidIcmpValue"),
        (rule(protocol="icmp", port_range_max=0), "SecurityGroupMissingIcmpType"),
        (rule(protocol="tcp", port_range_min=-1, port_range_max=5), "SecurityGroupInvalidPortValue"),
        (rule(protocol="tcp", port_range_min=5, port_range_max=65536), "SecurityGroupInvalidPortValue"),
        (rule(protocol="tcp", port_range_min=5), "SecurityGroupInvalidPortRange"),
        (rule(protocol="tcp", port_range_max=5), "SecurityGroupInvalidPortRange"),
        (rule(protocol="tcp", port_range_min=6, port_range_max=5), "SecurityGroupInvalidPortRange"),
        (rule(protocol="gre", port_range_min=5, port_range_max=5), "SecurityGroupInvalidProtocolForPort"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense(values: dict[str, Any], code: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_rule(values)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "values",
    [
        rule(),
        rule(protocol="any"),
        rule(**GROUP),
        rule(**ADDRESSES),
        rule(ethertype="IPv6", protocol="41"),
        rule(protocol="icmp", port_range_min=255, port_range_max=255),
        rule(protocol="icmp", port_range_min=0),
        rule(protocol="tcp", port_range_min=0, port_range_max=65535),
        rule(protocol="sctp", port_range_min=5, port_range_max=5),
    ],
)
def test_rules_that_make_sense(values: dict[str, Any]) -> None:
    check_rule(values)
    assert values["protocol"] != "any"


FLAGS = ("used_in_default_sg", "used_in_non_default_sg")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((True, False), (True, False), True),
        ((True, True), (False, True), True),
        ((False, True), (True, True), True),
        ((True, False), (False, True), False),
        ((False, False), (False, False), True),
        ((False, False), (True, False), False),
        ((True, True), (False, False), False),
    ],
)
def test_two_rules_of_new_groups_are_one_where_some_groups_begin_with_both(
    one: tuple[bool, bool], other: tuple[bool, bool], same: bool
) -> None:
    held = row(_mapping=dict(zip(FLAGS, one, strict=True)))
    assert _same_use(held, dict(zip(FLAGS, other, strict=True))) is same
