"""What servers' ports are known by."""

from __future__ import annotations

import pytest

from hanok.services.network.logic.server_ports import dns_label, mac_of


@pytest.mark.parametrize(
    ("address", "mac"),
    [
        ("fe80::f816:3eff:fe00:1", "fa:16:3e:00:00:01"),
        ("fe80::200:ff:fe00:1", "00:00:00:00:00:01"),
        ("2001:db8::f816:3eff:fe00:1", None),  # not of the link
        ("fe80::f816:3eff:ff00:1", None),  # made of no MAC
        ("fe80::f816:3efe:fe00:1", None),
        ("fe80::1", None),
        ("10.0.0.1", None),
        ("what", None),
    ],
)
def test_an_address_of_the_link_says_whose_mac_it_was_made_of(
    address: str, mac: str | None
) -> None:
    assert mac_of(address) == mac


@pytest.mark.parametrize(
    ("hostname", "label"),
    [
        ("Web", "web"),
        ("web-1.example.org", "web-1"),
        ("-web", ""),
        ("web_1", ""),
        ("", ""),
        ("x" * 63, "x" * 63),
        ("x" * 64, ""),
        ("wéb", ""),
    ],
)
def test_the_first_label_of_a_host_name(hostname: str, label: str) -> None:
    assert dns_label(hostname) == label
