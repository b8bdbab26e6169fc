"""Which names ports and floating IPs may have, and under which they are found."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.services.network.logic import names
from hanok.services.network.logic.reach import Reach
from tests.unit.network.rows import room, row

OURS = "openstacklocal."
REST = len(OURS) + 1  # of a name: the dot, and the cloud's domain


def check(
    owner: str = "p", *, everything: bool = False, domain: str = "openstacklocal", **values: str
) -> None:
    """A port of project p, on a network of the owner."""
    reach = Reach("p", everything=everything)
    names.check_port(room(dns_domain=domain), reach, row(project_id=owner), "p", values)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (OURS, "is a FQDN"),
        ("web.example.", "is a FQDN"),
        ("webopenstacklocal.", "is a FQDN"),
        ("x" * (names.LONGEST + 2 - REST), "is a PQDN and its size is"),
    ],
)
def test_a_whole_name_is_below_the_clouds_domain_and_no_name_is_too_long(
    name: str, why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        check(dns_name=name)


@pytest.mark.parametrize(
    "name", ["", "web", "web.openstacklocal.", "a.b", "x" * (names.LONGEST + 1 - REST)]
)
def test_names_of_ports(name: str) -> None:
    check(dns_name=name)
    check(dns_name=name, dns_domain="example.")


def test_an_empty_name_has_no_size_however_long_the_domain_of_the_cloud() -> None:
    check(dns_name="", domain="d" * 250)
    with pytest.raises(BadInput, match="is a PQDN"):
        check(dns_name="web", domain="d" * 250)


@pytest.mark.parametrize("values", [{"dns_name": "a.b"}, {"dns_domain": "example."}])
def test_on_a_strangers_network_a_name_is_one_label(values: Any) -> None:
    with pytest.raises(BadInput, match="On a network of another project"):
        check("q", **values)
    check("q", everything=True, **values)
    check("p", **values)
    check("q", dns_name="web")
    check("q", dns_name="web.openstacklocal.")
    # Whose port it is counts, and who makes it.
    reach = Reach("q")
    names.check_port(room(), reach, row(project_id="q"), "p", values)
    names.check_port(room(), reach, row(project_id="p"), "p", values)


@pytest.mark.parametrize(
    ("name", "domain", "why"),
    [
        ("", "example.", "dns_domain cannot be specified without a dns_name"),
        ("www", "", "dns_name cannot be specified without a dns_domain"),
        ("www.", "example.", "that ends with a dot"),
        ("w" * 200, "d" * 54, "exceed 253 characters together"),
    ],
)
def test_a_floating_ip_has_a_name_and_a_domain_or_neither(name: str, domain: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        names.check_floating({"dns_name": name, "dns_domain": domain})


def test_names_of_floating_ips() -> None:
    names.check_floating({})
    names.check_floating({"dns_name": "www", "dns_domain": "example."})
    names.check_floating({"dns_name": "w" * 200, "dns_domain": "d" * 53})


def test_addresses_are_assigned_names() -> None:
    fixed = [{"ip_address": "10.0.0.7"}, {"ip_address": "2001:db8::7"}]
    views: list[dict[str, Any]] = [
        {"dns_name": name, "fixed_ips": fixed} for name in ("", "web", "db.openstacklocal.")
    ]
    names.assign("openstacklocal", views)
    assert [one["dns_assignment"][0]["fqdn"] for one in views] == [
        "host-10-0-0-7.openstacklocal.", "web.openstacklocal.", "db.openstacklocal.",
    ]  # fmt: skip
    assert [one["dns_assignment"][1]["hostname"] for one in views] == [
        "host-2001-db8--7", "web", "db",
    ]  # fmt: skip
    names.assign("", views)
    assert views[1]["dns_assignment"][0]["fqdn"] == "web."


def port(**values: Any) -> Any:
    return row(**{"dns_name": "web", "dns_domain": "", "network_domain": "", **values})


def published(kind: str = "geneve", publishing: bool = False, **values: Any) -> Any:
    held = [row(address="10.0.0.7", subnet_id="s")]
    network = row(network_type=kind)
    told = {"s": publishing}
    return names.published(room(), port(**values), network, held, told, ["172.24.4.9"])


def test_what_is_published_of_a_port() -> None:
    nothing: tuple[str, tuple[str, ...]] = ("", ())
    assert published() == nothing  # under no domain
    assert published(dns_name="", network_domain="example.") == nothing
    floating = ("web.example", ("172.24.4.9",))
    assert published(network_domain="example.") == floating
    assert published(network_domain="other.", dns_domain="example.") == floating
    both = ("web.example", ("10.0.0.7", "172.24.4.9"))
    assert published(publishing=True, network_domain="example.") == both
    for kind in ("flat", "vlan"):
        assert published(kind, network_domain="example.") == both
    longest = "d" * (names.LONGEST - 4)
    assert published(network_domain=f"{longest}.")[0] == f"web.{longest}"
    assert published(network_domain=f"{longest}d.") == nothing


def test_a_name_alone_and_under_the_clouds_domain() -> None:
    assert names.alone(room(), port(dns_name="")) == ()
    assert names.alone(room(), port()) == ("web", "web.openstacklocal")
    whole = port(dns_name="web.openstacklocal.")
    assert names.alone(room(), whole) == ("web", "web.openstacklocal")
    assert names.alone(room(dns_domain=""), port()) == ("web",)
