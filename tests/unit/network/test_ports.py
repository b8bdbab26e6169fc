"""What ports, gateways and interfaces of routers are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput, Conflict
from hanok.services.network.logic import gateways, ports, promises, routers
from hanok.services.network.logic.reach import Reach, project_of
from hanok.services.network.logic.subports import OWNER
from hanok.web.attributes import UNSET
from tests.unit.network.rows import row

MAC, OTHER = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"


def pair(address: str, mac: str | None = None) -> dict[str, str]:
    return {"ip_address": address, **({"mac_address": mac} if mac else {})}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (pair("10.0.0.7"), pair("10.0.0.7")),
        (pair("10.0.0.7/32"), pair("10.0.0.7/32")),
        (pair("10.0.0.7/24"), pair("10.0.0.0/24")),
        (pair("2001:DB8::7"), pair("2001:db8::7")),
        (pair("2001:db8::7/64"), pair("2001:db8::/64")),
        (pair("10.0.0.7", MAC), pair("10.0.0.7")),
        (pair("10.0.0.7", OTHER), pair("10.0.0.7", OTHER)),
    ],
)
def test_pairs_have_one_spelling_and_the_ports_own_mac_is_not_said(
    sent: dict[str, str], kept: dict[str, str]
) -> None:
    assert ports._pairs([sent], MAC) == [kept]


def test_no_pair_is_there_twice_and_none_is_of_many() -> None:
    for pairs in (
        [pair("10.0.0.7"), pair("10.0.0.7", MAC)],
        [pair("10.0.0.7/24"), pair("10.0.0.9/24")],
    ):
        with pytest.raises(BadInput, match="duplicate address pair"):
            ports._pairs(pairs, MAC)
    assert len(ports._pairs([pair("10.0.0.7"), pair("10.0.0.7", OTHER)], MAC)) == 2
    for address in ("224.0.0.0/4", "ff02::1", "192.0.0.0/2", "fe00::/7", "239.255.255.255/32"):
        with pytest.raises(BadInput, match="is multicast"):
            ports._pairs([pair(address)], MAC)
    for mac in ("01:00:5e:00:00:01", "33:33:00:00:00:01"):
        with pytest.raises(BadInput, match=f"'{mac}' is multicast"):
            ports._pairs([pair("10.0.0.7", mac)], MAC)
    for address in ("0.0.0.0/0", "::/0", "128.0.0.0/2", "fe00::/8"):
        assert ports._pairs([pair(address)], MAC) == [pair(address)]


def test_what_needs_port_security() -> None:
    ports._without_security(UNSET, [])
    ports._without_security([], [])
    with pytest.raises(BadInput):
        ports._without_security(["g"], [])
    with pytest.raises(Conflict):
        ports._without_security(UNSET, [pair("10.0.0.7")])


@pytest.mark.parametrize(
    ("learning", "secured", "fine"),
    [(True, True, False), (True, False, True), (False, True, True), (None, True, True)],
)
def test_macs_are_learnt_in_the_open(learning: bool | None, secured: bool, fine: bool) -> None:
    if fine:
        ports._learns_in_the_open(learning, secured)
        return
    with pytest.raises(Conflict):
        ports._learns_in_the_open(learning, secured)


def held(**values: Any) -> Any:
    usual = {
        "id": "p", "network_id": "n", "device_id": "d", "device_owner": "mine:thing",
        "role": "guest", "server_id": None,
    }  # fmt: skip
    return row(**{**usual, **values})


MEMBER, ADMIN = Reach("p"), Reach("p", everything=True)


@pytest.mark.parametrize(
    ("reach", "port", "requested", "fine"),
    [
        (MEMBER, held(), {"device_id": "e"}, True),
        (MEMBER, held(), {"device_owner": "mine:other"}, True),
        (MEMBER, held(role="router"), {}, True),
        (MEMBER, held(role="router"), {"device_id": "d", "device_owner": "mine:thing"}, True),
        (MEMBER, held(role="router"), {"device_id": "e"}, False),
        (MEMBER, held(role="router"), {"device_id": "d", "device_owner": ""}, False),
        (ADMIN, held(role="router"), {"device_id": "e"}, False),
        (MEMBER, held(device_owner="trunk:subport"), {"device_id": ""}, False),
        (ADMIN, held(device_owner="trunk:subport"), {"device_id": ""}, False),
        (MEMBER, held(device_owner="trunk:subport", device_id=""), {"device_owner": ""}, True),
        (MEMBER, held(device_owner="trunk:subport"), {"device_owner": ""}, True),
        (MEMBER, held(server_id="s"), {"device_id": ""}, False),
        (ADMIN, held(server_id="s"), {"device_id": ""}, True),
    ],
)
def test_a_port_keeps_the_device_that_is_not_its_users_to_say(
    reach: Reach, port: Any, requested: dict[str, str], fine: bool
) -> None:
    if fine:
        ports._keeps_its_device(reach, port, requested, trunked=False)
        return
    with pytest.raises(Conflict, match="already has an attached device"):
        ports._keeps_its_device(reach, port, requested, trunked=port.device_owner == OWNER)


def test_new_macs_are_of_our_family() -> None:
    made = {ports.new_mac() for _ in range(20)}
    assert len(made) > 1
    assert all(one.startswith("fa:16:3e:") and len(one) == 17 for one in made)


# ---- routers ----


@pytest.mark.parametrize(
    ("wish", "fits"),
    [
        ({}, True),
        ({"ip_address": "10.0.0.7"}, True),
        ({"subnet_id": "s"}, True),
        ({"ip_address": "10.0.0.7", "subnet_id": "s"}, True),
        ({"ip_address": "10.0.0.8"}, False),
        ({"subnet_id": "t"}, False),
        ({"ip_address": "10.0.0.8", "subnet_id": "s"}, False),
        ({"ip_address": "10.0.0.7", "subnet_id": "t"}, False),
    ],
)
def test_an_address_of_a_gateway_is_what_was_said_of_it(wish: dict[str, str], fits: bool) -> None:
    assert gateways._fits(wish, row(address="10.0.0.7", subnet_id="s")) is fits


ID = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"subnet_id": ID}, (ID, "")),
        ({"port_id": ID}, ("", ID)),
        ({"subnet_id": ID, "port_id": ID}, (ID, ID)),
        ({"subnet_id": None, "port_id": ID}, ("", ID)),
    ],
)
def test_an_interface_is_a_subnet_or_a_port(body: Any, found: tuple[str, str]) -> None:
    assert routers._interface_wish(body) == found


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (None, "Either subnet_id or port_id must be specified"),
        ([], "Either subnet_id or port_id must be specified"),
        ("subnet_id", "Either subnet_id or port_id must be specified"),
        ({}, "Either subnet_id or port_id must be specified"),
        ({"subnet_id": None}, "Either subnet_id or port_id must be specified"),
        ({"subnet_id": None, "port_id": None}, "Either subnet_id or port_id must be specified"),
        ({"subnet_id": ID, "odd": 1}, "Unrecognized attribute"),
        ({"subnet_id": "x"}, "'x' is not a valid UUID"),
        ({"port_id": 5}, "is not a valid UUID"),
    ],
)
def test_what_is_no_interface(body: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        routers._interface_wish(body)


# ---- whose, and what is promised ----


@pytest.mark.parametrize("sent", [{}, {"project_id": None}, {"project_id": UNSET}, {"project_id": ""}])  # fmt: skip
def test_what_says_no_project_is_the_callers(sent: dict[str, Any]) -> None:
    assert project_of(sent, MEMBER) == project_of(sent, ADMIN) == "p"
    with pytest.raises(BadInput, match="requires that tenant_id is specified"):
        project_of(sent, Reach(None, everything=True))


def test_only_administrators_make_things_for_others() -> None:
    assert project_of({"project_id": "p"}, MEMBER) == "p"
    assert project_of({"project_id": "q"}, ADMIN) == "q"
    assert project_of({"project_id": "q"}, Reach(None, everything=True)) == "q"
    with pytest.raises(BadInput, match="requires admin privileges"):
        project_of({"project_id": "q"}, MEMBER)


def test_what_placement_is_asked_for_a_promise() -> None:
    vnic = "CUSTOM_VNIC_TYPE_NORMAL"
    assert promises._traits(promises.PACKETS, "public") == [vnic]
    assert promises._traits(promises.BANDWIDTH, None) == [vnic]
    for physical, trait in (
        ("public", "CUSTOM_PHYSNET_PUBLIC"),
        ("net-1.a", "CUSTOM_PHYSNET_NET_1_A"),
        ("né²", "CUSTOM_PHYSNET_N__"),
    ):
        assert promises._traits(promises.BANDWIDTH, physical) == [trait, vnic]
