"""Layouts: what a cloud holds beside the least, for suites that look for it. `hanok up --layout devstack`.

A layout is data, made through the public APIs by names: what is there stays, so it can be repeated, and what an
administrator deletes comes back with the next `up --layout`.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from hanok.cli import credentials
from hanok.cli.api import API, Refused, services_off
from hanok.cli.commands import image as metadefs
from hanok.cli.first_things import upload
from hanok.cli.output import Failure, Steps
from hanok.supervisor.settings import Cloud, write_whole


class Flavor(Struct, frozen=True):
    """memory in MiB, disk in GiB."""

    id: str
    name: str
    memory: int
    vcpus: int
    disk: int


class ShareType(Struct, frozen=True):
    """A type of shares on back ends that make their own share servers, or on those that do not."""

    name: str
    servers: bool


class User(Struct, frozen=True):
    """A user with a project of the same name unless another is said, and the roles there."""

    name: str
    project: str
    roles: tuple[str, ...]


class Layout(Struct, frozen=True, kw_only=True):
    """What a layout makes.

    limits: of what projects may have that have none of their own, by compute's names, where there is none yet.
    ipv6: whether the external network has a subnet of it, too.
    default_volume_type: what volumes of its projects and of the administrators' get whose request names no type.
    group_types: types of share groups, by name, with the type of their shares.
    clouds: entries of clouds.yaml, each with a user ("admin" for the administrator) and a project; "" for the system.
    """

    roles: tuple[str, ...]
    users: tuple[User, ...]
    flavors: tuple[Flavor, ...]
    limits: dict[str, int]
    images: tuple[str, ...]
    volume_types: tuple[str, ...]
    default_volume_type: str
    share_types: tuple[ShareType, ...]
    group_types: dict[str, str]
    network: dict[str, Any]
    subnets: tuple[dict[str, Any], ...]
    pools: tuple[dict[str, Any], ...]
    router: str
    ipv6: bool
    owner: str
    clouds: dict[str, tuple[str, str]]


DEVSTACK = Layout(
    roles=("anotherrole", "ResellerAdmin"),
    users=(
        User("demo", "demo", ("member", "anotherrole")),
        User("alt_demo", "alt_demo", ("member", "anotherrole")),
        User("demo_reader", "demo", ("reader",)),
        User("alt_demo_reader", "alt_demo", ("reader",)),
        User("alt_demo_member", "alt_demo", ("member",)),
        User("admin", "demo", ("admin",)),
        User("admin", "alt_demo", ("admin",)),
        User("system_member", "", ("member",)),
        User("system_reader", "", ("reader",)),
    ),
    flavors=(
        Flavor("1", "m1.tiny", 512, 1, 1),
        Flavor("2", "m1.small", 2048, 1, 20),
        Flavor("3", "m1.medium", 4096, 2, 40),
        Flavor("4", "m1.large", 8192, 4, 80),
        Flavor("5", "m1.xlarge", 16384, 8, 160),
        Flavor("42", "m1.nano", 192, 1, 1),
        Flavor("84", "m1.micro", 256, 1, 1),
        Flavor("c1", "cirros256", 256, 1, 1),
        Flavor("d1", "ds512M", 512, 1, 5),
        Flavor("d2", "ds1G", 1024, 1, 10),
        Flavor("d3", "ds2G", 2048, 2, 10),
        Flavor("d4", "ds4G", 4096, 4, 20),
    ),
    limits={"ram": 51200},
    images=("cirros-0.6.3-x86_64-disk",),
    volume_types=("lvmdriver-1",),
    default_volume_type="lvmdriver-1",
    share_types=(ShareType("dhss_false", False), ShareType("dhss_true", True)),
    group_types={"default": "default"},
    network={"name": "private"},
    subnets=(
        {"name": "private-subnet", "ip_version": 4, "cidr": "10.0.0.0/26"},
        {
            "name": "ipv6-private-subnet",
            "ip_version": 6,
            "cidr": "fd6b:6f8e:a2b4::/64",
            "ipv6_ra_mode": "slaac",
            "ipv6_address_mode": "slaac",
        },
    ),
    pools=(
        {
            "name": "shared-default-subnetpool-v4",
            "prefixes": ["10.0.0.0/22"],
            "default_prefixlen": 26,
            "is_default": True,
            "shared": True,
        },
        {
            "name": "shared-default-subnetpool-v6",
            "prefixes": ["fd6b:6f8e:a2b4::/56"],
            "default_prefixlen": 64,
            "is_default": True,
            "shared": True,
        },
    ),
    router="router1",
    ipv6=True,
    owner="demo",
    clouds={
        "devstack": ("demo", "demo"),
        "devstack-reader": ("demo_reader", "demo"),
        "devstack-admin": ("admin", "admin"),
        "functional_admin": (
            "admin",
            "admin",
        ),  # what the suites of novaclient and keystoneclient look for first
        "devstack-admin-demo": ("admin", "demo"),
        "devstack-alt": ("alt_demo", "alt_demo"),
        "devstack-alt-member": ("alt_demo_member", "alt_demo"),
        "devstack-alt-reader": ("alt_demo_reader", "alt_demo"),
        "devstack-system-admin": ("admin", ""),
        "devstack-system-member": ("system_member", ""),
        "devstack-system-reader": ("system_reader", ""),
    },
)
LAYOUTS = {"devstack": DEVSTACK}
_DEFAULTS = {"OpenStack-API-Version": "volume 3.62"}  # the first that has types of projects
_GROUPS = {"X-OpenStack-Manila-API-Version": "2.55"}  # the first that has them
_SNAPSHOTS = (
    "snapshot_support",
    "create_share_from_snapshot_support",
    "revert_to_snapshot_support",
    "mount_snapshot_support",
)


def make(cloud: Cloud, name: str, image: Path, steps: Steps) -> None:
    """Make what a layout has and the cloud has not.

    Raises:
        Failure: the cloud refuses a part of it.
    """
    layout, api = LAYOUTS[name], API(cloud)
    try:
        api.sign_in()
        steps.tell("users and projects")
        projects = _accounts(cloud, api, layout)
        steps.tell("flavors and images")
        _flavors(api, layout)
        _limits(api, layout)
        for one in layout.images:
            upload(api, one, image, steps)
        for namespace in metadefs.standard():
            metadefs.load(api, namespace, replace=False)
        steps.tell("types of volumes and shares")
        _types(api, layout, [api.project_id, *projects.values()])
        steps.tell("networks")
        _networks(cloud, api, layout, projects[layout.owner])
    except Refused as refused:
        raise Failure(f"the layout {name} could not be made: {refused}") from None
    _write_clouds(cloud, layout)


def _named(api: API, path: str, plural: str, name: str) -> dict[str, Any] | None:
    found = api.get(f"{path}?name={quote(name)}")[plural]
    return next((one for one in found if one["name"] == name), None)


def _id(api: API, path: str, kind: str, body: dict[str, Any]) -> str:
    """The id of the thing of this name, which is made if it is not there."""
    plural = f"{kind}s"
    there = _named(api, path, plural, body["name"]) or api.post(path, {kind: body})[kind]
    return str(there["id"])


def _accounts(cloud: Cloud, api: API, layout: Layout) -> dict[str, str]:
    password = _password(cloud)
    names = {role for user in layout.users for role in user.roles} | set(layout.roles)
    roles = {name: _id(api, "/v3/roles", "role", {"name": name}) for name in sorted(names)}
    projects: dict[str, str] = {}
    for user in layout.users:
        if user.project and user.project not in projects:
            body = {"name": user.project, "domain_id": "default"}
            projects[user.project] = _id(api, "/v3/projects", "project", body)
        account: dict[str, Any] = {"name": user.name, "domain_id": "default", "password": password}
        user_id = _id(api, "/v3/users", "user", account)
        where = f"projects/{projects[user.project]}" if user.project else "system"
        for role in user.roles:
            api("PUT", f"/v3/{where}/users/{user_id}/roles/{roles[role]}")
    return projects


def _password(cloud: Cloud) -> str:
    """The password of the layout's users, made once."""
    path = _password_file(cloud)
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(18) + "\n", mode=0o600)
    return path.read_text().strip()


def _password_file(cloud: Cloud) -> Path:
    return cloud.state / "layout-password"


def _flavors(api: API, layout: Layout) -> None:
    """The layout's flavors, also where one of that name is there and another; its servers keep what they have."""
    there = {one["name"]: one for one in api.get("/compute/v2.1/flavors/detail")["flavors"]}
    for one in layout.flavors:
        known = there.get(one.name)
        if known is not None and known["id"] == one.id:
            continue
        if known is not None:
            api("DELETE", f"/compute/v2.1/flavors/{known['id']}")
        body = {"id": one.id, "name": one.name, "ram": one.memory}
        body |= {"disk": one.disk, "vcpus": one.vcpus}
        api.post("/compute/v2.1/flavors", {"flavor": body})


def _limits(api: API, layout: Layout) -> None:
    """The layout's limits of servers, in place of none."""
    path, name = "/compute/v2.1/os-quota-class-sets/default", "quota_class_set"
    there = api.get(path)[name]
    more = {what: limit for what, limit in layout.limits.items() if there[what] < 0}
    if more:
        api("PUT", path, {name: more})


def _types(api: API, layout: Layout, project_ids: Iterable[str]) -> None:
    """The layout's types of volumes and shares, of services that are on."""
    off = services_off(api)
    if "block_storage" not in off:
        for name in layout.volume_types:
            _type(api, "/volume/v3/types", "volume_type", {"name": name})
        _default_type(api, layout.default_volume_type, project_ids)
    if "shared_file_system" not in off:
        for one in layout.share_types:
            specs: dict[str, Any] = dict.fromkeys(_SNAPSHOTS, True)
            specs["driver_handles_share_servers"] = one.servers
            _type(api, "/share/v2/types", "share_type", {"name": one.name, "extra_specs": specs})
        for name, kind in layout.group_types.items():
            body = {"name": name, "share_types": [kind]}
            _type(api, "/share/v2/share-group-types", "share_group_type", body, **_GROUPS)


def _default_type(api: API, name: str, project_ids: Iterable[str]) -> None:
    """The usual type of volumes of projects for which nobody has said one."""
    path = "/volume/v3/default-types"
    said = {one["project_id"] for one in api("GET", path, **_DEFAULTS)["default_types"]}
    for project_id in project_ids:
        if project_id not in said:
            body = {"default_type": {"volume_type": name}}
            api("PUT", f"{path}/{project_id}", body, **_DEFAULTS)


def _type(api: API, path: str, kind: str, body: dict[str, Any], **headers: str) -> None:
    there = api("GET", path, **headers)[f"{kind}s"]
    if all(one["name"] != body["name"] for one in there):
        api("POST", path, {kind: body}, **headers)


def _networks(cloud: Cloud, api: API, layout: Layout, project_id: str) -> None:
    base, owner = "/network/v2.0", {"project_id": project_id}
    for pool in layout.pools:
        _id(api, f"{base}/subnetpools", "subnetpool", pool)
    network_id = _id(api, f"{base}/networks", "network", {**layout.network, **owner})
    router_id = _id(api, f"{base}/routers", "router", {"name": layout.router, **owner})
    interfaces = api.get(f"{base}/ports?device_id={router_id}")["ports"]
    joined = {ip["subnet_id"] for port in interfaces for ip in port["fixed_ips"]}
    for subnet in layout.subnets:
        body = {**subnet, "network_id": network_id, **owner}
        subnet_id = _id(api, f"{base}/subnets", "subnet", body)
        if subnet_id not in joined:
            api("PUT", f"{base}/routers/{router_id}/add_router_interface", {"subnet_id": subnet_id})
    public = _named(api, f"{base}/networks", "networks", "public")
    if public is not None:
        if layout.ipv6:
            network = ipaddress.IPv6Network(cloud.settings.external_cidr6)
            body = {"name": "ipv6-public-subnet", "network_id": public["id"], "ip_version": 6}
            body |= {"cidr": str(network), "gateway_ip": str(network[1]), "enable_dhcp": False}
            _id(api, f"{base}/subnets", "subnet", body)
        gateway = {"router": {"external_gateway_info": {"network_id": public["id"]}}}
        api("PUT", f"{base}/routers/{router_id}", gateway)


def _write_clouds(cloud: Cloud, layout: Layout) -> None:
    """Add the layout's entries to clouds.yaml.

    Domains by id, as DevStack writes them: suites of clients read `user_domain_id` there.
    """
    passwords = {"admin": cloud.password_file.read_text().strip()}
    clouds = credentials.entries(cloud)
    for name, (user, project) in layout.clouds.items():
        auth = {
            "auth_url": cloud.url,
            "username": user,
            "password": passwords.get(user, _password(cloud)),
            "user_domain_id": "default",
        }
        if project:
            auth |= {"project_name": project, "project_domain_id": "default"}
        else:
            auth["system_scope"] = "all"
        clouds[name] = {**credentials.common(cloud), "auth": auth}
    write_whole(
        cloud.clouds_yaml,
        "# OS_CLOUD=devstack with this file in ~/.config/openstack/\n"
        + json.dumps({"clouds": clouds}, indent=2)
        + "\n",
        mode=0o600,
    )
