"""Lists in pages of one hold what they hold as a whole, by every sort key, either way, with keys equal or NULL."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from hanok.services.alarming.logic import queries as alarms
from hanok.services.compute.routes import flavors, server_lists
from hanok.services.image.routes import images, metadefs
from hanok.services.load_balancer.routes import kinds as balancing
from hanok.services.metric.logic import lists as metrics
from hanok.services.network.routes import kinds
from hanok.services.orchestration.logic import lists as stacks
from hanok.web.listing import Listing, SortKey
from hanok.web.resources import Kind
from tests.api.ways import alarming, load_balancer, metric, orchestration
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_network, a_server, an_image, settle

ODD = ("b,a", "", "Z", "é")


def sort_keys(listing: Listing) -> list[str]:
    return [one for one, key in listing.sort.items() if not isinstance(key, SortKey)]


def kinds_of(module: ModuleType) -> list[Kind[Any, Any]]:
    every = inspect.getmembers(module, lambda one: isinstance(one, Kind))
    return [kind for _, kind in every if kind.parent is None]


# Address, sort keys, and what else is asked for.
LISTS = [
    ("/compute/v2.1/flavors", "flavors", sort_keys(flavors.LIST), "is_public=none"),
    ("/compute/v2.1/servers", "servers", sort_keys(server_lists.LIST), ""),
    ("/image/v2/images", "images", sort_keys(images.LIST), ""),
    ("/image/v2/metadefs/namespaces", "namespaces", sort_keys(metadefs.NAMESPACES), ""),
    *(
        (f"/{mount}{kind.base}", kind.plural, sort_keys(kind.listing), "")
        for mount, module in (("network", kinds), ("load-balancer", balancing))
        for kind in kinds_of(module)
    ),
]


async def _ways(admin: Client) -> None:
    """Several of each, equal in some and different in others of what they are sorted by."""
    image, net = await an_image(admin), await a_network(admin)
    for number, name in enumerate(ODD):
        public = number % 2 == 0
        body = {"name": name or "f", "ram": 64, "disk": 1, "vcpus": 1 + number % 2}
        flags = {"id": str(number), "os-flavor-access:is_public": public}
        await admin.post("/compute/v2.1/flavors", {"flavor": {**body, **flags}}, 200)
        await admin.post(
            "/image/v2/images",
            {"name": name, "protected": public, **({"disk_format": "raw"} if public else {})},
        )
        await admin.post("/image/v2/metadefs/namespaces", {"namespace": f"n{name}"})
        network = {"name": name, "admin_state_up": public, "port_security_enabled": not public}
        await admin.post("/network/v2.0/networks", {"network": network})
        await admin.post(
            "/network/v2.0/subnets",
            {
                "subnet": {
                    "network_id": net,
                    "cidr": f"10.{number + 2}.0.0/24",
                    "ip_version": 4,
                    "enable_dhcp": public,
                }
            },
        )
        port = {"network_id": net, "name": name, "admin_state_up": public}
        await admin.post("/network/v2.0/ports", {"port": port})
        for plural, one in (
            ("routers", {"router": {"name": name, "admin_state_up": public}}),
            ("security-groups", {"security_group": {"name": f"g{name}"}}),
            (
                "address-scopes",
                {"address_scope": {"name": name, "ip_version": 4, "shared": public}},
            ),
            ("address-groups", {"address_group": {"name": name}}),
            ("qos/policies", {"policy": {"name": f"q{name}", "shared": public}}),
        ):
            await admin.post(f"/network/v2.0/{plural}", one)
    subnet = await load_balancer.a_subnet(admin)
    for name in ODD:
        await load_balancer.a_balancer(admin, subnet, name)
        await load_balancer.offers(admin, name or "o")
    flavor = await a_flavor(admin)
    for drive in (True, False, False):
        await a_server(admin, image, flavor, config_drive=drive)


async def _walked(admin: Client, path: str, plural: str, query: str, size: int) -> list[Any]:
    """The ids of a list, page by page, as the links lead."""
    found: list[Any] = []
    address = f"{path}?{query}&limit={size}"
    while address:
        body = await admin.get(address, headers=NEWEST if "/compute/" in path else None)
        found += [one.get("id") or one.get("namespace") or one["name"] for one in body[plural]]
        links = {one["rel"]: one["href"] for one in body.get(f"{plural}_links", ())}
        address = links.get("next", "")
        if "next" in body:
            address = f"/image{body['next']}"
    return found


async def test_pages_of_one_hold_the_whole_list(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    await _ways(admin)
    await settle(cloud)
    wrong = []
    for path, plural, keys, more in LISTS:
        for key in keys:
            for way in ("asc", "desc"):
                query = f"{more}&sort_key={key}&sort_dir={way}"
                whole = await _walked(admin, path, plural, query, 500)
                assert len(set(whole)) == len(whole)
                if await _walked(admin, path, plural, query, 1) != whole:
                    wrong.append((path, query))
    assert not wrong


# Of lists without links in their bodies: address, what holds the items, what a marker names, how order is asked for.
MARKED = [
    ("/metric/v1/metric", "", "id", "sort={}:{}", metrics.SORTS),
    ("/metric/v1/resource/instance", "", "id", "sort={}:{}", ("display_name", "started_at", "id")),
    ("/alarming/v2/alarms", "", "alarm_id", "sort={}:{}", alarms.SORTS),
    ("/heat-api/v1/stacks", "stacks", "id", "sort_keys={}&sort_dir={}", tuple(stacks.SORTS)),
]


async def _marked(admin: Client, path: str, holder: str, name: str, query: str, size: int) -> Any:
    """The ids of a list, page by page, each behind the last one of the page before."""
    found: list[Any] = []
    while True:
        behind = f"&marker={found[-1]}" if found else ""
        body = await admin.get(f"{path}?{query}&limit={size}{behind}")
        page = [one[name] for one in (body[holder] if holder else body)]
        found += page
        if len(page) < size:
            return found


async def test_pages_behind_markers_hold_the_whole_list(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    for number, name in enumerate(("b,a", "", "Z")):
        body = {"archive_policy_name": "low", **({"name": name} if name else {})}
        await admin.post("/metric/v1/metric", body)
        await metric.a_resource(admin, name)
        await alarming.an_alarm(admin, name or "a", enabled=number == 1)
        await orchestration.a_stack(admin, f"s{number}")
    await settle(cloud)
    wrong = []
    for path, holder, marker, form, keys in MARKED:
        for query in (form.format(key, way) for key in keys for way in ("asc", "desc")):
            whole = await _marked(admin, path, holder, marker, query, 100)
            assert len(set(whole)) == len(whole) >= 3, path
            if await _marked(admin, path, holder, marker, query, 1) != whole:
                wrong.append((path, query))
    assert not wrong


async def test_a_marker_out_of_reach_is_none(cloud: Cloud) -> None:
    """What a caller does not see is not told from what is not there: not by a page behind it, either."""
    admin = await cloud.sign_in()
    member = await cloud.project_with("other", "member", "manager")
    private = {"name": "p", "id": "secret", "ram": 64, "disk": 1, "vcpus": 1}
    body = {"flavor": {**private, "os-flavor-access:is_public": False}}
    await admin.post("/compute/v2.1/flavors", body, 200)
    await a_flavor(admin)
    for marker in ("secret", "no-such"):
        answer = await member.get(f"/compute/v2.1/flavors?marker={marker}", 400)
        assert answer["badRequest"]["message"] == f"marker [{marker}] not found"
    # Who may look at private ones goes on behind one in the list of public ones, too.
    assert (await admin.get("/compute/v2.1/flavors?marker=secret"))["flavors"] == []


async def test_a_server_and_its_migration_out_of_reach_are_no_markers(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    other = await cloud.project_with("other", "manager", "member")
    server_id = await a_server(admin, await an_image(admin), await a_flavor(admin))
    await settle(cloud)
    larger = {"resize": {"flavorRef": await a_flavor(admin, "larger", ram=128)}}
    await admin.post(f"/compute/v2.1/servers/{server_id}/action", larger, 202)
    await settle(cloud)
    migrations = "/compute/v2.1/os-migrations"
    [moved] = (await admin.get(migrations, headers=NEWEST))["migrations"]
    usage = f"/compute/v2.1/os-simple-tenant-usage/{other.project_id}"
    for path, marker in (
        (migrations, moved["uuid"]), (usage, server_id), ("/compute/v2.1/servers", server_id)
    ):  # fmt: skip
        answer = await other.get(f"{path}?marker={marker}", 400, headers=NEWEST)
        assert answer["badRequest"]["message"] == f"marker [{marker}] not found"
