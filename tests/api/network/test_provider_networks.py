"""How a network travels: what of the provider attributes goes together, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.network.test_networks import V2, network, refused
from tests.cloud import Cloud

KIND, PHYSICAL, NUMBER = (
    f"provider:{name}" for name in ("network_type", "physical_network", "segmentation_id")
)


SERVED: list[tuple[dict[str, Any], tuple[Any, ...], int]] = [
    ({}, ("geneve", None, None), 1442),
    ({KIND: "geneve"}, ("geneve", None, None), 1442),
    ({KIND: "geneve", NUMBER: 4000}, ("geneve", None, 4000), 1442),
    ({KIND: "geneve", "mtu": 1300}, ("geneve", None, None), 1300),
    ({KIND: "vlan", PHYSICAL: "public", NUMBER: 1}, ("vlan", "public", 1), 1500),
    ({KIND: "vlan", PHYSICAL: "public", NUMBER: 4094}, ("vlan", "public", 4094), 1500),
    ({KIND: "vlan", PHYSICAL: "public", NUMBER: 7, "mtu": 68}, ("vlan", "public", 7), 68),
]


async def test_what_is_served(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for sent, segment, mtu in SERVED:
        made = await network(admin, **sent)
        kind, physical, number = segment
        assert (made[KIND], made[PHYSICAL], made["mtu"]) == (kind, physical, mtu)
        assert made[NUMBER] == number or (number is None and made[NUMBER] >= 1)


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({PHYSICAL: "public"}, 400, "network_type required"),
    ({NUMBER: 5}, 400, "network_type required"),
    ({KIND: "geneve", PHYSICAL: "public"}, 400, "physical_network specified for geneve"),
    ({KIND: "vlan", NUMBER: 5}, 400, "physical_network required for vlan"),
    ({KIND: "flat"}, 400, "physical_network required for flat"),
    ({KIND: "vlan", PHYSICAL: "other", NUMBER: 5}, 400, "'other' unknown for vlan"),
    ({KIND: "flat", PHYSICAL: "public", NUMBER: 5}, 400, "segmentation_id specified for flat"),
    ({KIND: "vlan", PHYSICAL: "public", NUMBER: 0}, 400, "too small"),
    ({KIND: "vlan", PHYSICAL: "public", NUMBER: 4095}, 400, "out of range"),
    ({KIND: "flat", PHYSICAL: "public"}, 409, "in use"),
    ({"mtu": 1443}, 400, "'1443' is not between 0 and 1442"),
    ({KIND: "vlan", PHYSICAL: "public", NUMBER: 7, "mtu": 1501}, 400, "'1501' is not between"),
]


async def test_what_is_refused(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for sent, status, why in REFUSED:
        body = {"network": {"name": "n", **sent}}
        error = await refused(admin, "POST", "/networks", body, status)
        assert why in error["message"]


TAGS: list[tuple[dict[str, Any], int]] = [
    ({"vlan_transparent": True}, 201),
    ({"vlan_transparent": False, "qinq": False}, 201),
    ({"qinq": True, KIND: "vlan", PHYSICAL: "public", NUMBER: 7}, 201),
    ({"vlan_transparent": True, "qinq": True}, 400),
    ({"vlan_transparent": True, KIND: "vlan", PHYSICAL: "public", NUMBER: 7}, 409),
    ({"qinq": True}, 409),
    ({"vlan_transparent": "so-so"}, 400),
]


async def test_vlan_tags_of_guests(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for sent, status in TAGS:
        body = {"network": {"name": "n", **sent}}
        answer = await admin("POST", f"{V2}/networks", body, status=status)
        if status != 201:
            continue
        made = answer.json()["network"]
        for name in ("vlan_transparent", "qinq"):
            assert made[name] is sent.get(name)
        change = {"network": {"vlan_transparent": True}}
        await refused(admin, "PUT", f"/networks/{made['id']}", change, 400)
        await admin("DELETE", f"{V2}/networks/{made['id']}", status=204)


@pytest.mark.parametrize(
    "taken", [{KIND: "geneve", NUMBER: 9}, {KIND: "vlan", PHYSICAL: "public", NUMBER: 9}]
)
async def test_a_number_is_one_networks(cloud: Cloud, taken: Any) -> None:
    admin = await cloud.sign_in()
    first = await network(admin, **taken)
    await refused(admin, "POST", "/networks", {"network": taken}, 409)
    await admin("DELETE", f"{V2}/networks/{first['id']}", status=204)
    await network(admin, **taken)


async def test_the_mtu_of_a_network_is_changed_within_its_kind(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    tunnelled = await network(admin)
    on_vlan = await network(admin, **{KIND: "vlan", PHYSICAL: "public", NUMBER: 9})
    for made, mtu, status in ((tunnelled, 1443, 400), (tunnelled, 1442, 200), (on_vlan, 1500, 200)):
        path = f"{V2}/networks/{made['id']}"
        await admin("PUT", path, {"network": {"mtu": mtu}}, status=status)
