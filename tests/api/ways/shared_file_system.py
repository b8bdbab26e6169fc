"""The shared file systems service's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.api.shared_file_system.sharing import BASE, HEADER
from tests.api.ways import Things, Way, Ways
from tests.cloud import Client, Cloud, settle

TRIED = {HEADER: "2.99", "X-OpenStack-Manila-API-Experimental": "true"}
_SHARE = "/v2/shares/{share_id}"
_NETWORK = "/v2/share-networks/{share_network_id}"
_RESERVED = "__affinity_same_host"
_ABLE = {
    "driver_handles_share_servers": "False",
    **dict.fromkeys(
        (
            "snapshot_support", "create_share_from_snapshot_support", "revert_to_snapshot_support",
            "mount_snapshot_support",
        ),
        "True",
    ),
}  # fmt: skip


class Maker:
    """Makes things of a project, and waits until they are there."""

    def __init__(self, cloud: Cloud, client: Client) -> None:
        self._cloud, self.client = cloud, client

    async def make(self, plural: str, member: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """A new thing as it is shown."""
        answer = await self.client("POST", f"{BASE}/{plural}", {member: values}, headers=TRIED)
        assert answer.status_code < 300, answer.text
        await settle(self._cloud)
        return dict(next(iter(answer.json().values())))

    async def id(self, plural: str, member: str, **values: Any) -> str:
        return str((await self.make(plural, member, values))["id"])

    async def share(self, **values: Any) -> str:
        """A new share, when it is there or will not be: one may wait for its share server."""
        one = await self.id("shares", "share", share_proto="NFS", **{"size": 1, **values})
        async with asyncio.timeout(60):
            while (await self.get(f"shares/{one}"))["share"]["status"] == "creating":
                await asyncio.sleep(0.02)
        return one

    async def act(self, path: str, key: str, value: Any) -> dict[str, Any]:
        """An action; gives what it answers."""
        answer = await self.client("POST", f"{BASE}/{path}/action", {key: value}, headers=TRIED)
        assert answer.status_code < 300, answer.text
        await settle(self._cloud)
        return dict(answer.json()) if answer.content else {}

    async def get(self, path: str) -> dict[str, Any]:
        return dict(await self.client.get(f"{BASE}/{path}", headers=TRIED))

    async def first(self, path: str) -> str:
        """The id of the first thing of a list."""
        (listed,) = (one for one in (await self.get(path)).values() if isinstance(one, list))
        return str(listed[0]["id"])


async def _kinds(admin: Maker, name: str) -> dict[str, str]:
    """A type whose shares can all that back ends can, one of share servers, one of groups."""
    able = await admin.make("types", "share_type", {"name": f"able-{name}", "extra_specs": _ABLE})
    served = {"driver_handles_share_servers": "True"}
    kind = {"name": f"served-{name}", "extra_specs": served}
    specs = {"snapshot_support": "True"}
    group = {"name": f"together-{name}", "share_types": [able["id"]], "group_specs": specs}
    return {
        "type_id": str(able["id"]),
        "served": str((await admin.make("types", "share_type", kind))["id"]),
        "group_type_id": await admin.id("share-group-types", "share_group_type", **group),
    }


async def _a_subnet(client: Client) -> dict[str, str]:
    path = "/network/v2.0"
    network = (await client.post(f"{path}/networks", {"network": {}}))["network"]["id"]
    body = {"network_id": network, "ip_version": 4, "cidr": "10.20.0.0/24"}
    subnet = (await client.post(f"{path}/subnets", {"subnet": body}))["subnet"]["id"]
    return {"neutron_net_id": str(network), "neutron_subnet_id": str(subnet)}


async def things(cloud: Cloud, owner: Client, name: str = "") -> Things:
    """A share with a rule, a snapshot, a backup and a lock, a share server in a share network, a group, a transfer."""
    mine, admin = Maker(cloud, owner), Maker(cloud, await cloud.sign_in())
    kinds = await _kinds(admin, f"{owner.project_id}{name}")
    share = await mine.share(share_type=kinds["type_id"], metadata={"key": "v"})
    rule = {"access_type": "ip", "access_to": "10.0.0.7", "metadata": {"key": "v"}}
    rule = (await mine.act(f"shares/{share}", "allow_access", rule))["access"]["id"]
    snapshot = await mine.id("snapshots", "snapshot", share_id=share, metadata={"key": "v"})
    named = await _a_subnet(owner)
    network = await mine.make("share-networks", "share_network", named)
    subnet = network["share_network_subnets"][0]["id"]
    path = f"{BASE}/share-networks/{network['id']}/subnets/{subnet}/metadata"
    await owner("PUT", path, {"metadata": {"key": "v"}}, headers=TRIED, status=200)
    await mine.share(share_type=kinds["served"], share_network_id=network["id"])
    together = {"share_group_type_id": kinds["group_type_id"], "share_types": [kinds["type_id"]]}
    group = await mine.id("share-groups", "share_group", **together)
    offered, backed = await mine.share(), await mine.share()
    found = {
        **kinds,
        "share_id": share,
        "key": "key",
        "access_id": rule,
        "share_instance_id": await admin.first(f"shares/{share}/instances"),
        "export_location_id": await mine.first(f"shares/{share}/export_locations"),
        "snapshot_id": snapshot,
        "snapshot_instance_id": await admin.first(f"snapshot-instances?snapshot_id={snapshot}"),
        "share_network_id": network["id"],
        "subnet_id": subnet,
        "share_server_id": await admin.first(f"share-servers?share_network_id={network['id']}"),
        "security_service_id": await mine.id("security-services", "security_service", type="ldap"),
        "share_group_id": group,
        "group_snapshot_id": await mine.id(
            "share-group-snapshots", "share_group_snapshot", share_group_id=group
        ),
        "backup_id": await mine.id("share-backups", "share_backup", share_id=backed),
        "transfer_id": await mine.id("share-transfers", "transfer", share_id=offered),
        "resource_lock_id": await mine.id("resource-locks", "resource_lock", resource_id=share),
        "project_id": owner.project_id,
        "class_name": "default",
    }
    return {("shared-file-system", name): str(one) for name, one in found.items()}


class Grounds:
    """What the ways start from: the things of the caller's project, another project's, and some to take away."""

    def __init__(self, cloud: Cloud, admin: Client, things: Things) -> None:
        self.cloud, self.maker = cloud, Maker(cloud, admin)
        self.own = {name: one for (_, name), one in things.items()}
        self.able = {"share_type": self.own["type_id"]}
        self.other: dict[str, str] = {}
        self.doomed: dict[str, str] = {}

    async def prepared(self) -> None:
        admin = self.maker.client
        limits = {"quota_set": dict.fromkeys(("shares", "share_networks", "snapshots"), -1)}
        path = f"{BASE}/quota-sets/{admin.project_id}"
        await admin("PUT", path, limits, headers=TRIED, status=200)
        stranger = await self.cloud.project_with("other-of-shares", "member", "reader")
        self.other = {name: one for (_, name), one in (await things(self.cloud, stranger)).items()}
        self.doomed = {
            name: one for (_, name), one in (await things(self.cloud, admin, "doomed")).items()
        }

    async def network(self, *services: str) -> str:
        """A share network that says what it is like, and that nobody uses."""
        named = {"network_type": "vlan", "segmentation_id": 7}
        network = await self.maker.id("share-networks", "share_network", **named)
        for one in services:
            path = f"share-networks/{network}"
            await self.maker.act(path, "add_security_service", {"security_service_id": one})
        return network

    async def service(self) -> str:
        return await self.maker.id("security-services", "security_service", type="ldap")

    async def idle_server(self) -> str:
        """A share server that no share is on any more."""
        named = await _a_subnet(self.maker.client)
        network = await self.maker.id("share-networks", "share_network", **named)
        served = {"share_type": self.own["served"], "share_network_id": network}
        share = await self.maker.share(**served)
        await self.maker.client("DELETE", f"{BASE}/shares/{share}", headers=TRIED, status=202)
        await settle(self.cloud)
        return await self.maker.first(f"share-servers?share_network_id={network}")

    async def locks(self) -> list[str]:
        """Locks that a service holds, of whom nobody reaches other projects."""
        enforcer = self.cloud.control.app.enforcer("shared-file-system")
        enforcer.override({"context_is_admin": "!"})
        values = {"resource_id": self.own["share_id"]}
        made = [await self.maker.id("resource-locks", "resource_lock", **values) for _ in range(3)]
        enforcer.override({})
        return made


async def ways(cloud: Cloud, admin: Client, things: Things) -> Ways:
    at = Grounds(cloud, admin, things)
    await at.prepared()
    return {
        **_lists(at),
        **await _of_shares(at),
        **await _of_sizes(at),
        **await _of_networks(at),
        **await _of_types(at),
        **await _of_groups(at),
        **await _of_guards(at),
        **await _of_operators(at),
        **_of_replicas(at),
    }


def _lists(at: Grounds) -> Ways:
    """Lists of what another project has, too, and by what only operators ask for."""
    everywhere = Way(query="all_projects=1")
    found: Ways = {}
    for path, rule in (
        ("shares", "share:list_all_projects"),
        ("snapshots", "share_snapshot:list_all_projects"),
        ("security-services", "security_service:get_all_security_services"),
        ("share-networks", "share_network:get_all_share_networks"),
        ("share-groups", "context_is_admin"),
        ("share-group-snapshots", "context_is_admin"),
        ("share-backups", "share_backup:get_all_project"),
        ("share-transfers", "share_transfer:get_all_tenant"),
        ("resource-locks", "resource_lock:get_all_projects"),
    ):
        found[f"GET /v2/{path}", rule] = found[f"GET /v2/{path}/detail", rule] = everywhere
    for end in ("", "/detail"):
        shares, deferred = f"GET /v2/shares{end}", "status=error_deferred_deleting"
        found |= {
            (shares, "share:list_by_host"): Way(query="host=host-1@folder"),
            (shares, "share:list_by_share_server_id"): Way(query="share_server_id=none"),
            (shares, "share:list_shares_in_deferred_deletion_states"): Way(query=deferred),
            (shares, "share_types_extra_spec:index"): Way(query="extra_specs={'a':'b'}"),
            (
                f"GET /v2/snapshots{end}",
                "share_snapshot:list_snapshots_in_deferred_deletion_states",
            ): Way(query=deferred),
            (f"GET /v2/share-networks{end}", "share_network:show_network_details"): Way(
                query="network_type=vlan"
            ),
        }
    return found


async def _of_shares(at: Grounds) -> Ways:
    """Shares, their rules, metadata and instances, and snapshots."""
    make, own, bypass = at.maker, at.own, "resource_lock:bypass_locked_show_action"
    hidden = {"access_type": "ip", "access_to": "10.0.0.8", "lock_visibility": True}
    hidden = (await make.act(f"shares/{own['share_id']}", "allow_access", hidden))["access"]["id"]
    rule, listed = {"access_id": hidden}, f"share_id={own['share_id']}"
    allowed = {"access_type": "ip", "access_to": "10.0.0.9"}
    denied = {"access_id": at.doomed["access_id"]}
    new = {"share_proto": "NFS", "size": 1}
    reserved, metadata = {_RESERVED: own["share_id"]}, {"metadata": {"key": "v"}}
    place = await make.first(f"shares/{own['share_id']}/export_locations")
    path = f"{BASE}/shares/{own['share_id']}/metadata"
    await make.client("POST", path, {"metadata": reserved}, headers=TRIED, status=200)
    location = f"{path.removesuffix('/metadata')}/export_locations/{place}/metadata"
    await make.client(
        "POST", location, {"metadata": {"preferred": "True"}}, headers=TRIED, status=200
    )
    exported = f"{_SHARE}/export_locations/{{export_location_id}}/metadata"
    snapshot_place = await make.first(f"snapshots/{own['snapshot_id']}/export-locations")
    here = {"export_location_id": snapshot_place}
    snapped = "/v2/snapshots/{snapshot_id}"
    access = (await make.act(f"snapshots/{own['snapshot_id']}", "allow_access", allowed))[
        "snapshot_access"
    ]
    found: Ways = {
        ("GET /v2/share-access-rules", ""): Way(query=listed),
        ("GET /v2/share-access-rules/{access_id}", bypass): Way(path=rule),
        ("PUT /v2/share-access-rules/{access_id}", ""): Way(
            body={"update_access": {"access_level": "ro"}}
        ),
        ("PUT /v2/share-access-rules/{access_id}", bypass): Way(
            path=rule, body={"update_access": {"access_level": "rw"}}
        ),
        ("PUT /v2/share-access-rules/{access_id}/metadata", ""): Way(body=metadata),
        ("POST /v2/shares", ""): Way(body={"share": new}),
        ("POST /v2/shares", "share:create_public_share"): Way(
            body={"share": {**new, "is_public": True}}
        ),
        ("POST /v2/shares", "share:update_admin_only_metadata"): Way(
            body={"share": {**new, "metadata": reserved}}
        ),
        (f"PUT {_SHARE}", ""): Way(body={"share": {"display_name": "n"}}),
        (f"PUT {_SHARE}", "share:set_public_share"): Way(body={"share": {"is_public": True}}),
        **{
            (f"{method} {_SHARE}/metadata", name): Way(body={"metadata": sent})
            for method in ("POST", "PUT")
            for name, sent in (
                ("share:update_share_metadata", {"key": "w"}),
                ("share:update_admin_only_metadata", reserved),
            )
        },
        (f"DELETE {_SHARE}/metadata/{{key}}", "share:update_admin_only_metadata"): Way(
            path={"key": _RESERVED}
        ),
        **{
            (f"{method} {exported}", name): Way(body={"metadata": sent})
            for method in ("POST", "PUT")
            for name, sent in (
                ("share_export_location:update_metadata", {"key": "w"}),
                ("share_export_location:update_admin_only_metadata", {"preferred": "True"}),
            )
        },
        (f"DELETE {exported}/{{key}}", "share_export_location:update_admin_only_metadata"): Way(
            path={"key": "preferred"}
        ),
        (f"PUT {snapped}", ""): Way(body={"snapshot": {"display_name": "n"}}),
        **{(f"{one} {snapped}/metadata", ""): Way(body=metadata) for one in ("POST", "PUT")},
        ("POST /v2/snapshots", ""): Way(body={"snapshot": {"share_id": own["share_id"]}}),
        (f"GET {snapped}/export-locations/{{export_location_id}}", ""): Way(path=here),
        (
            "GET /v2/snapshot-instances/{snapshot_instance_id}/export-locations/{export_location_id}",
            "",
        ): Way(path=here),
        (f"DELETE {snapped}", ""): Way(path={"snapshot_id": at.doomed["snapshot_id"]}),
        (f"DELETE {_SHARE}", ""): Way(path={"share_id": await make.share()}),
    }
    for old in ("", "os-"):
        do = f"POST {_SHARE}/action {old}"
        found |= {
            (f"{do}allow_access", ""): Way(body={f"{old}allow_access": allowed}),
            (f"{do}deny_access", ""): Way(
                path={"share_id": at.doomed["share_id"]}, body={f"{old}deny_access": denied}
            ),
            (f"{do}force_delete", ""): Way(path={"share_id": await make.share()}),
            (f"POST {snapped}/action {old}force_delete", ""): Way(path=await _snapshot(at)),
            (
                "POST /v2/share_instances/{share_instance_id}/action " + f"{old}force_delete",
                "",
            ): Way(path={"share_instance_id": await _instance(at)}),
        }
        for where in (_SHARE, snapped, "/v2/share_instances/{share_instance_id}"):
            status = {f"{old}reset_status": {"status": "available"}}
            found[f"POST {where}/action {old}reset_status", ""] = Way(body=status)
    do = f"POST {snapped}/action"
    binned = await make.share()
    await make.act(f"shares/{binned}", "soft_delete", None)
    task = {"reset_task_state": {"task_state": None}}
    found |= {
        (f"{do} allow_access", ""): Way(
            body={"allow_access": {**allowed, "access_to": "10.0.0.10"}}
        ),
        (f"{do} deny_access", ""): Way(body={"deny_access": {"access_id": access["id"]}}),
        (f"{do} unmanage until 2.48", ""): Way(path=await _snapshot(at)),
        (f"{do} unmanage", ""): Way(path=await _snapshot(at)),
        ("POST /v2/snapshot-instances/{snapshot_instance_id}/action reset_status", ""): Way(
            body={"reset_status": {"status": "available"}}
        ),
        (f"POST {_SHARE}/action soft_delete", ""): Way(path={"share_id": await make.share()}),
        (f"POST {_SHARE}/action restore", ""): Way(path={"share_id": binned}),
        (f"POST {_SHARE}/action reset_task_state", ""): Way(body=task),
        **await _of_moves(at),
    }
    return found | await _of_managing(at)


async def _of_managing(at: Grounds) -> Ways:
    """Shares that are on a back end already are taken over, and let go of."""
    make, found = at.maker, dict[tuple[str, str], Way]()
    managed = {"protocol": "NFS", "service_host": "host-1@folder#folder"}
    for path in ("shares/manage", "os-share-manage"):
        name = f"POST /v2/{path}"
        for rule, more in (
            ("share:manage", {}),
            ("share:create_public_share", {"is_public": True}),
            ("context_is_host_admin", {}),
        ):
            gone = {"export_path": f"192.0.2.10:/{path}-{rule}".replace("share", "s"), **more}
            found[name, rule] = Way(body={"share": {**managed, **gone}})
    for name in (
        "os-share-unmanage/{share_id}/unmanage",
        "shares/{share_id}/action unmanage until 2.48",
        "shares/{share_id}/action unmanage",
    ):
        found[f"POST /v2/{name}", ""] = Way(path={"share_id": await make.share()})
    snapshot = {"share_id": at.own["share_id"], "provider_location": "nowhere"}
    found["POST /v2/snapshots/manage", ""] = Way(body={"snapshot": snapshot})
    return found


async def _snapshot(at: Grounds) -> dict[str, str]:
    """A snapshot that nobody else asks for, as the parameter of a path."""
    share = {"share_id": await at.maker.share(**at.able)}
    return {"snapshot_id": await at.maker.id("snapshots", "snapshot", **share)}


async def _instance(at: Grounds) -> str:
    """The instance of a share that nobody else asks for."""
    return await at.maker.first(f"shares/{await at.maker.share()}/instances")


async def _of_moves(at: Grounds) -> Ways:
    """One share is moved to the end, another one's move is called off."""
    flags = ("writable", "nondisruptive", "preserve_snapshots", "preserve_metadata")
    found: Ways = {}
    for start, end in (("migration_start until 2.95", "complete"), ("migration_start", "cancel")):
        share = await at.maker.share()
        host = (await at.maker.get(f"shares/{share}"))["share"]["host"]
        to = "folder" if "@folder2" in host else "folder2"
        body = {"host": f"host-1@{to}#{to}", **dict.fromkeys(flags, False)}
        path = {"share_id": share}
        found |= {
            (f"POST {_SHARE}/action {start}", ""): Way(path=path, body={"migration_start": body}),
            (f"POST {_SHARE}/action migration_{end}", ""): Way(path=path),
        }
    return found


async def _of_sizes(at: Grounds) -> Ways:
    """Each rule on a size has a share of its own."""
    make, found = at.maker, dict[tuple[str, str], Way]()
    specs = {"driver_handles_share_servers": "False", "provisioning:max_share_size": "1"}
    kind = {"name": f"small-{at.maker.client.project_id}", "extra_specs": specs}
    small = await make.id("types", "share_type", **kind)
    for old in ("os-", ""):
        for rule, values, kept in (
            ("share:extend", {"new_size": 2}, {}),
            ("share:force_extend", {"new_size": 2, "force": True}, {}),
            ("share:extend_beyond_max_share_size_spec", {"new_size": 2}, {"share_type": small}),
        ):
            found[f"POST {_SHARE}/action {old}extend", rule] = Way(
                path={"share_id": await make.share(**kept)}, body={f"{old}extend": values}
            )
        found[f"POST {_SHARE}/action {old}shrink", ""] = Way(
            path={"share_id": await make.share(size=2)}, body={f"{old}shrink": {"new_size": 1}}
        )
    share = await make.share(**at.able)
    snapshot = await make.id("snapshots", "snapshot", share_id=share)
    found[f"POST {_SHARE}/action revert", ""] = Way(
        path={"share_id": share}, body={"revert": {"snapshot_id": snapshot}}
    )
    return found


async def _of_networks(at: Grounds) -> Ways:
    """Share networks, their subnets and security services. Each rule that an answer shows has a network of its own."""
    make, seen = at.maker, "share_network:show_network_details"
    first, second = await at.service(), await at.service()
    action = f"POST {_NETWORK}/action"
    found: Ways = {}
    for end in (" until 2.62", ""):
        for rule in ("share_network:add_security_service", seen):
            found[f"{action} add_security_service{end}", rule] = Way(
                path={"share_network_id": await at.network()},
                body={"add_security_service": {"security_service_id": first}},
            )
    swap = {"current_service_id": first, "new_service_id": second}
    for name, sent in (
        ("remove_security_service", {"security_service_id": first}),
        ("update_security_service", swap),
        ("add_security_service_check", {"security_service_id": second}),
        ("update_security_service_check", swap),
    ):
        for rule in (f"share_network:{name}", seen):
            services = [] if name == "add_security_service_check" else [first]
            found[f"{action} {name}", rule] = Way(
                path={"share_network_id": await at.network(*services)}, body={name: sent}
            )
    bare, subnets = await at.network(), f"{_NETWORK}/subnets"
    one, new = f"{subnets}/{{subnet_id}}", {"network_type": "vlan", "segmentation_id": 8}
    subnet = (await make.get(f"share-networks/{bare}/subnets"))["share_network_subnets"][0]["id"]
    path = {"share_network_id": bare, "subnet_id": subnet}
    named = await _a_subnet(make.client)
    metadata = {"metadata": {"key": "v"}}
    return found | {
        (f"{action} share_network_subnet_create_check", ""): Way(
            body={"share_network_subnet_create_check": {**named}}
        ),
        (f"{action} reset_status", ""): Way(body={"reset_status": {"status": "active"}}),
        (f"POST {subnets} until 2.69", ""): Way(
            path=path, body={"share-network-subnet": {"availability_zone": "nova", **named}}
        ),
        (f"POST {subnets}", ""): Way(path=path, body={"share-network-subnet": named}),
        **{(f"{method} {one}/metadata", ""): Way(body=metadata) for method in ("POST", "PUT")},
        (f"PUT {one}/metadata/{{key}}", ""): Way(body=metadata),
        (f"DELETE {one}", ""): Way(path=path),
        ("POST /v2/share-networks", ""): Way(body={"share_network": new}),
        (f"PUT {_NETWORK}", ""): Way(path=path, body={"share_network": {"name": "n"}}),
        (f"DELETE {_NETWORK}", ""): Way(path={"share_network_id": await at.network()}),
        ("POST /v2/security-services", ""): Way(body={"security_service": {"type": "ldap"}}),
        ("PUT /v2/security-services/{security_service_id}", ""): Way(
            body={"security_service": {"name": "n"}}
        ),
    }


async def _of_types(at: Grounds) -> Ways:
    """Share types, QoS types and their specs, and quotas."""
    make, kind = at.maker, "/v2/types/{type_id}"
    project = {"project": at.own["project_id"]}
    specs = {"driver_handles_share_servers": "False", "older": "v", "newer": "v"}
    public = {"share_type_access:is_public": False}
    values = {"name": f"hidden-{make.client.project_id}", "extra_specs": specs, **public}
    type_id = await make.id("types", "share_type", **values)
    qos = await make.id("qos-types", "qos_type", name="slow", specs={"key": "v"})
    unused = await make.id("qos-types", "qos_type", name="unused")
    new = {"driver_handles_share_servers": "False"}
    slow, qos_kind = {"qos_type_id": qos}, "/v2/qos-types/{qos_type_id}"
    path = {"type_id": type_id}
    quotas = {"quota_set": {"shares": 200}}, {"quota_class_set": {"shares": 200}}
    return {
        ("POST /v2/types", ""): Way(body={"share_type": {"name": "new", "extra_specs": new}}),
        (f"PUT {kind}", ""): Way(body={"share_type": {"description": "d"}}),
        (f"DELETE {kind}", ""): Way(path=path),
        (f"POST {kind}/extra_specs", ""): Way(body={"extra_specs": {"a": "b"}}),
        (f"PUT {kind}/extra_specs/{{key}}", ""): Way(path={"key": "a"}, body={"a": "c"}),
        (f"GET {kind}/extra_specs/{{key}}", ""): Way(path={**path, "key": "newer"}),
        (f"DELETE {kind}/extra_specs/{{key}} until 2.23", ""): Way(path={**path, "key": "older"}),
        (f"DELETE {kind}/extra_specs/{{key}}", ""): Way(path={**path, "key": "newer"}),
        (f"GET {kind}/share_type_access", ""): Way(path=path),
        (f"GET {kind}/os-share-type-access", ""): Way(path=path),
        **{
            (f"POST {kind}/action {name}", ""): Way(path=path, body={name: project})
            for name in ("addProjectAccess", "removeProjectAccess")
        },
        ("POST /v2/qos-types", ""): Way(body={"qos_type": {"name": "new"}}),
        (f"GET {qos_kind}", ""): Way(path=slow),
        (f"PUT {qos_kind}", ""): Way(path=slow, body={"qos_type": {"description": "d"}}),
        (f"DELETE {qos_kind}", ""): Way(path={"qos_type_id": unused}),
        (f"GET {qos_kind}/specs", ""): Way(path=slow),
        (f"POST {qos_kind}/specs", ""): Way(path=slow, body={"specs": {"a": "b"}}),
        (f"GET {qos_kind}/specs/{{key}}", ""): Way(path=slow),
        (f"PUT {qos_kind}/specs/{{key}}", ""): Way(path=slow, body={"key": "w"}),
        (f"DELETE {qos_kind}/specs/{{key}}", ""): Way(path=slow),
        **{
            (f"PUT /v2/{old}{name}", ""): Way(body=body)
            for old in ("", "os-")
            for name, body in zip(
                ("quota-sets/{project_id}", "quota-class-sets/{class_name}"), quotas, strict=True
            )
        },
    }


async def _of_groups(at: Grounds) -> Ways:
    """Share groups, their snapshots and types; for what ends one, one for each version."""
    make, found = at.maker, dict[tuple[str, str], Way]()
    together = {
        "share_group_type_id": at.own["group_type_id"],
        "share_types": [at.own["type_id"]],
    }
    kind, group = "/v2/share-group-types/{group_type_id}", "/v2/share-groups/{share_group_id}"
    snapshot = "/v2/share-group-snapshots/{group_snapshot_id}"
    for number, end in enumerate((" until 2.54", "")):
        for action in ("DELETE {}", "POST {}/action force_delete"):
            name = action.format(group) + end
            one = await make.id("share-groups", "share_group", **together)
            found[name, ""] = Way(path={"share_group_id": one})
            name = action.format(snapshot) + end
            of = {"share_group_id": at.own["share_group_id"]}
            one = await make.id("share-group-snapshots", "share_group_snapshot", **of)
            found[name, ""] = Way(path={"group_snapshot_id": one})
        values = {"share_types": [at.own["type_id"]], "group_specs": {"older": "v", "newer": "v"}}
        hidden = {"name": f"group-{number}", "is_public": False, **values}
        one = await make.id("share-group-types", "share_group_type", **hidden)
        path = {"group_type_id": one}
        found |= {
            (f"DELETE {kind}{end}", ""): Way(path=path),
            (f"DELETE {kind}/group-specs/{{key}}{end}", ""): Way(path={**path, "key": "newer"}),
            (f"PUT {kind}/group-specs/{{key}}{end}", ""): Way(
                path={**path, "key": "older"}, body={"older": "w"}
            ),
            (f"POST {kind}/group-specs{end}", ""): Way(path=path, body={"group_specs": {"a": "b"}}),
            (f"GET {kind}/access{end}", ""): Way(path=path),
            (f"GET {kind}/group-specs/{{key}}{end}", ""): Way(path={**path, "key": "newer"}),
            **{
                (f"POST {kind}/action {name}{end}", ""): Way(
                    path=path, body={name: {"project": at.own["project_id"]}}
                )
                for name in ("addProjectAccess", "removeProjectAccess")
            },
        }
    status, renamed = {"reset_status": {"status": "available"}}, {"name": "n"}
    return found | {
        ("POST /v2/share-groups", ""): Way(body={"share_group": together}),
        (f"PUT {group}", ""): Way(body={"share_group": renamed}),
        (f"POST {group}/action reset_status", ""): Way(body=status),
        ("POST /v2/share-group-snapshots", ""): Way(
            body={"share_group_snapshot": {"share_group_id": at.own["share_group_id"]}}
        ),
        (f"PUT {snapshot}", ""): Way(body={"share_group_snapshot": renamed}),
        (f"POST {snapshot}/action reset_status", ""): Way(body=status),
        ("POST /v2/share-group-types until 2.54", ""): Way(
            body={"share_group_type": {"name": "older", "share_types": [at.own["type_id"]]}}
        ),
        ("POST /v2/share-group-types", ""): Way(
            body={"share_group_type": {"name": "newer", "share_types": [at.own["type_id"]]}}
        ),
    }


async def _of_guards(at: Grounds) -> Ways:
    """Locks, transfers and backups."""
    make, higher = at.maker, "admin_or_service_api"
    lock = "/v2/resource-locks/{resource_lock_id}"
    changed, dropped, spare = await at.locks()
    beside, reason = {"context_is_admin": "!"}, {"resource_lock": {"lock_reason": "r"}}
    new = {"resource_lock": {"resource_id": at.own["share_id"]}}
    backed = await make.share()
    backup, name = "/v2/share-backups/{backup_id}", {"share_backup": {"name": "n"}}
    theirs = {"transfer_id": at.doomed["transfer_id"]}
    return {
        ("POST /v2/resource-locks", ""): Way(body=new),
        ("POST /v2/resource-locks", higher): Way(body=new, beside=beside),
        (f"PUT {lock}", ""): Way(body=reason),
        (f"PUT {lock}", higher): Way(
            path={"resource_lock_id": changed}, body=reason, beside=beside
        ),
        (f"DELETE {lock}", ""): Way(path={"resource_lock_id": spare}),
        (f"DELETE {lock}", higher): Way(path={"resource_lock_id": dropped}, beside=beside),
        ("POST /v2/share-transfers", ""): Way(body={"transfer": {"share_id": await make.share()}}),
        ("POST /v2/share-transfers/{transfer_id}/accept", ""): Way(
            path=theirs, body={"accept": {"auth_key": "none"}}
        ),
        ("POST /v2/share-backups", ""): Way(body={"share_backup": {"share_id": backed}}),
        (f"PUT {backup}", ""): Way(body=name),
        (f"POST {backup}/action reset_status", ""): Way(
            body={"reset_status": {"status": "available"}}
        ),
    }


async def _of_operators(at: Grounds) -> Ways:
    """Share servers, services and messages."""
    make, own = at.maker, at.own
    nowhere = {
        "name": f"nowhere-{make.client.project_id}",
        "extra_specs": {"driver_handles_share_servers": "False", "share_backend_name": "none"},
    }
    kind = await make.id("types", "share_type", **nowhere)
    await make.share(share_type=kind)
    told = {"message_id": await make.first("messages")}
    server, idle = "/v2/share-servers/{share_server_id}", await at.idle_server()
    moves = dict.fromkeys(("writable", "nondisruptive", "preserve_snapshots"), False)
    moving = {"host": "host-1@folder", **moves}
    managed = {
        "host": "host-1@folder",
        "share_network_id": own["share_network_id"],
        "identifier": "i",
    }
    used, spare = (
        {"host": f"host-1@{one}", "binary": "manila-share"} for one in ("folder", "folder2")
    )
    return {
        **{(f"{one} /v2/messages/{{message_id}}", ""): Way(path=told) for one in ("GET", "DELETE")},
        **{
            (f"POST {server}/action {name}", ""): Way(body={name: sent})
            for name, sent in (
                ("reset_status", {"status": "active"}),
                ("reset_task_state", {"task_state": None}),
                ("migration_check", moving),
                ("migration_start", moving),
            )
        },
        ("POST /v2/share-servers/manage", ""): Way(body={"share_server": managed}),
        (f"DELETE {server}", ""): Way(path={"share_server_id": idle}),
        **{
            (f"PUT /v2/{old}services/{name}", ""): Way(body=body)
            for old in ("", "os-")
            for name, body in (("enable", used), ("disable", spare))
        },
        ("POST /v2/services/ensure-shares", ""): Way(
            body={"ensure_shares": {"host": "host-1@folder"}}
        ),
    }


def _of_replicas(at: Grounds) -> Ways:
    """No back end here keeps any: what is asked of one is refused, by each rule before by what is not there."""
    one, metadata = "/v2/share-replicas/{share_replica_id}", {"metadata": {"key": "v"}}
    return {
        ("POST /v2/share-replicas", ""): Way(
            body={"share_replica": {"share_id": at.own["share_id"]}}
        ),
        **{(f"{method} {one}/metadata", ""): Way(body=metadata) for method in ("POST", "PUT")},
        (f"PUT {one}/metadata/{{key}}", ""): Way(body=metadata),
    }
