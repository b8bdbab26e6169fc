"""One spelling for what a security group rule means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanok.base.errors import BadInput
from hanok.drivers.ovn import topology
from hanok.services.network.logic.security_groups import canonical, check_rule


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
