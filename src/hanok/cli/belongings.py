"""What a project has, and how it is taken away, through the public APIs: for places that are lent and given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from hanok.cli.api import API, Refused

GONE_S, LOOK_S = 120.0, 0.2
PAGE = 500
OBJECTS = 1000  # deleted at once
COMPUTE, NETWORK, VOLUME, IMAGE = "/compute/v2.1", "/network/v2.0", "/volume/v3", "/image/v2"
TOLD_MAXIMUM = 200
"""Bytes of a reason that are shown."""


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of thing that a project has.

    name: plural, for people. path: of its list. key: of the list in the answer. narrowed: what narrows the list to
    a project, whose id goes into the braces. page: the parameter that a next page is asked for by. ours: which of the
    list are taken away. before: what has to be done to one before it can go. waits: whether it goes on for a while
    after the answer.
    """

    name: str
    path: str
    key: str
    narrowed: str = "project_id={}"
    page: str = "marker"
    ours: Callable[[dict[str, Any]], bool] = lambda row: True
    before: Callable[[API, dict[str, Any]], None] = lambda client, row: None
    waits: bool = False

    def at(self, thing: str) -> str:
        """The path of one of them."""
        return f"{self.path.removesuffix('/detail')}/{thing}"


def _unprotect(client: API, image: dict[str, Any]) -> None:
    if image.get("protected"):
        change = [{"op": "replace", "path": "/protected", "value": False}]
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        client("PATCH", f"{IMAGE}/images/{image['id']}", change, **kind)


def _unlock(client: API, server: dict[str, Any]) -> None:
    if server.get("locked"):
        client("POST", f"{COMPUTE}/servers/{server['id']}/action", {"unlock": None})


def _part(client: API, router: dict[str, Any]) -> None:
    """Take a router's routes and interfaces away."""
    if router.get("routes"):
        client("PUT", f"{NETWORK}/routers/{router['id']}", {"router": {"routes": []}})
    ports = client.get(f"{NETWORK}/ports?device_id={router['id']}&fields=id&fields=device_owner")
    for port in ports["ports"]:
        if port["device_owner"] == "network:router_interface":
            path = f"{NETWORK}/routers/{router['id']}/remove_router_interface"
            client("PUT", path, {"port_id": port["id"]})


def _by_users(row: dict[str, Any]) -> bool:
    """Whether a port is one that goes by itself; the others go with what they belong to."""
    return not str(row["device_owner"]).startswith("network:")


def _network(name: str, path: str, key: str, **more: Any) -> Kind:
    return Kind(name=name, path=f"{NETWORK}/{path}", key=key, **more)


_ALL = "all_tenants=1&project_id={}"


def _volume(key: str) -> Kind:
    name, path = key.replace("_", " "), f"{VOLUME}/{key}/detail"
    return Kind(name=name, path=path, key=key, narrowed=_ALL, waits=True)


# In the order in which they can go: what uses another thing before that.
KINDS = (
    Kind(
        name="servers", path=f"{COMPUTE}/servers/detail", key="servers", narrowed=_ALL, before=_unlock, waits=True
    ),
    Kind(
        name="server groups", path=f"{COMPUTE}/os-server-groups", key="server_groups", page="offset",
        narrowed="all_projects=true",
    ),
    _volume("backups"),
    _volume("group_snapshots"),
    _volume("snapshots"),
    _volume("volumes"),
    Kind(name="images", path=f"{IMAGE}/images", key="images", narrowed="owner={}", before=_unprotect),
    _network("floating IPs", "floatingips", "floatingips"),
    _network("routers", "routers", "routers", before=_part),
    _network("trunks", "trunks", "trunks"),
    _network("ports", "ports", "ports", ours=_by_users),
    _network("networks", "networks", "networks"),
    _network("subnet pools", "subnetpools", "subnetpools"),
    _network("address scopes", "address-scopes", "address_scopes"),
    _network(
        "security groups", "security-groups", "security_groups", ours=lambda row: row["name"] != "default"
    ),
    _network("address groups", "address-groups", "address_groups"),
    _network("QoS policies", "qos/policies", "policies"),
)  # fmt: skip


class Left(Struct, frozen=True, kw_only=True):
    """A thing that did not go, and why."""

    kind: str
    id: str
    why: str


def things(client: API, kind: Kind, project_id: str) -> list[dict[str, Any]]:
    """All of a kind that a project has; none where the service is switched off.

    client: signed in to the project as an administrator.

    Raises:
        Refused; Failure: nobody answers.
    """
    try:
        found = [row for row in _pages(client, kind, project_id) if kind.ours(row)]
    except Refused as error:
        if error.status in (404, 503):  # a cloud without this service
            return []
        raise
    return [row for row in found if _owner(row) == project_id]


def _owner(row: dict[str, Any]) -> str:
    """Whose a thing is, as its service says it; "" where it does not."""
    names = [one for one in row if one in _OWNER or one.endswith(_OWNERS)]
    return str(row[names[0]]) if names else ""


_OWNER = ("project_id", "tenant_id", "owner")
_OWNERS = (":project_id", ":tenant_id")


def _pages(client: API, kind: Kind, project_id: str) -> Iterator[dict[str, Any]]:
    checked = 0
    after = ""
    while True:
        path = f"{kind.path}?limit={PAGE}&{after}{kind.narrowed.format(project_id)}"
        rows = client.get(path)[kind.key]
        yield from rows
        checked += len(rows)
        if len(rows) < PAGE:
            return
        after = f"{kind.page}={checked if kind.page == 'offset' else rows[-1]['id']}&"


def clear(client: API, project_id: str, tell: Callable[[str], None]) -> list[Left]:
    """Take away all that a project has, but for itself and its users. Can be repeated; gives what is left.

    client: signed in to the project as an administrator. tell: gets what is done now, in words.

    Raises:
        Refused; Failure: nobody answers.
    """
    left: list[Left] = []
    for kind in KINDS:
        found = things(client, kind, project_id)
        if not found:
            continue
        tell(f"{len(found)} {kind.name}")
        refused = {row["id"]: _end(client, kind, row) for row in reversed(found)}
        if kind.waits:
            _wait(client, kind, project_id, {one for one, why in refused.items() if not why})
        left += [
            Left(kind=kind.name, id=row["id"], why=refused.get(row["id"]) or "it is still there")
            for row in things(client, kind, project_id)
        ]
    return left + _clear_objects(client, project_id, tell)


def _clear_objects(client: API, project_id: str, tell: Callable[[str], None]) -> list[Left]:
    """Take the containers of a project's account away, as somebody who has a role in the project for that long."""
    roles = client.get("/v3/roles?name=admin")["roles"]
    grant = f"/v3/projects/{project_id}/users/{client.user_id}/roles/{roles[0]['id']}"
    client("PUT", grant)
    try:
        inside = client.within(project_id)
        found = inside.objects("GET", "") or []
        if found:
            tell(f"{len(found)} containers")
        return [one for row in found for one in _clear_container(inside, str(row["name"]))]
    finally:
        client("DELETE", grant)


def _clear_container(inside: API, name: str) -> list[Left]:
    path = f"/{quote(name)}"
    try:
        while rows := inside.objects("GET", f"{path}?limit={OBJECTS}"):
            names = "\n".join(quote(f"{name}/{row['name']}") for row in rows if "name" in row)
            inside.objects("POST", "?bulk-delete", names.encode(), "text/plain")
            if rows == inside.objects("GET", f"{path}?limit={OBJECTS}"):
                return [Left(kind="containers", id=name, why="its objects cannot be deleted")]
        inside.objects("DELETE", path)
    except Refused as error:
        if error.status != 404:
            return [Left(kind="containers", id=name, why=error.message[:TOLD_MAXIMUM])]
    return []


def _end(client: API, kind: Kind, row: dict[str, Any]) -> str:
    """Take one away; gives why it was refused."""
    try:
        kind.before(client, row)
        client("DELETE", kind.at(row["id"]))
    except Refused as error:
        return "" if error.status == 404 else error.message[:TOLD_MAXIMUM]
    return ""


def _wait(client: API, kind: Kind, project_id: str, going: set[str]) -> None:
    until = time.monotonic() + GONE_S
    while time.monotonic() < until:
        if not going & {row["id"] for row in things(client, kind, project_id)}:
            return
        time.sleep(LOOK_S)
