"""Compute's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from hanok.base.ids import new_uuid
from hanok.services.compute.tables import migrations, servers, services
from tests.api.ways import Things, Way, Ways
from tests.cloud import NEWEST, Client, Cloud, a_flavor, a_server, an_image, settle

_KEPT = "AAAAC3NzaC1lZDI1NTE5AAAAIGJhZA"
_A = "os_compute_api"
_VOLUMES = f"{_A}:os-volumes-attachments"
_STATUS = f"{_A}:servers:show:host_status"


async def _on_a_silent_host(cloud: Cloud, owner: Client, things: Things) -> str:
    """A server on a host that was not heard of for a day, and asked in vain since."""
    lost = await a_server(owner, things["compute", "image"], things["compute", "flavor_id"])
    await settle(cloud)
    async with cloud.control.database.write() as tx:
        one = await tx.first(sa.select(services).where(services.c.binary == "nova-compute"))
        assert one is not None
        silent = {**one._mapping, "id": "silent", "number": 99, "host": "silent"}
        silent |= {"provider_id": None, "seen_at": one.seen_at - timedelta(days=1)}
        silent["silent_at"] = one.seen_at
        await tx.insert(services, silent)
        await tx.execute(servers.update().where(servers.c.id == lost).values(host="silent"))
    return lost


async def _too_large(cloud: Cloud, admin: Client, owner: Client, things: Things) -> str:
    """A server that no host has room for, and that boots from a volume as far as its row says."""
    huge = await a_flavor(admin, "huge", ram=1 << 30)
    failed = await a_server(owner, things["compute", "image"], huge)
    await settle(cloud)
    async with cloud.control.database.write() as tx:
        await tx.execute(servers.update().where(servers.c.id == failed).values(image_id=""))
    return failed


async def _record_moves(cloud: Cloud, server_id: str, of: str) -> None:
    """A live migration of a project's server goes on, and another project's server has moved."""
    now = cloud.compute.clock.now()
    row = {
        "server_id": server_id, "user_id": "u", "migration_type": "live-migration", "status": "running",
        "hidden": False, "source_compute": "host-1", "progress": {}, "before": {}, "after": {},
        "created_at": now, "updated_at": now,
    }  # fmt: skip
    async with cloud.control.database.write() as tx:
        for project_id in (of, "other"):
            values = {**row, "uuid": new_uuid(), "project_id": project_id}
            await tx.execute(migrations.insert(), values)


async def ways(cloud: Cloud, admin: Client, owner: Client, things: Things) -> Ways:
    """With two more servers, one for forceDelete and one that an administrator has locked."""
    base = "/compute/v2.1/servers"
    server, image = things["compute", "server_id"], await an_image(admin)
    nowhere = new_uuid()
    none = await a_flavor(admin, "none", disk=0)
    doomed = await a_server(owner, things["compute", "image"], things["compute", "flavor_id"])
    locked = await a_server(owner, things["compute", "image"], things["compute", "flavor_id"])
    spare = await a_server(owner, things["compute", "image"], things["compute", "flavor_id"])
    await settle(cloud)
    await admin("POST", f"{base}/{locked}/action", {"lock": None}, status=202)
    lost, failed = (
        await _on_a_silent_host(cloud, owner, things),
        await _too_large(cloud, admin, owner, things),
    )
    await _record_moves(cloud, server, owner.project_id)
    done = await admin.get(f"{base}/{failed}/os-instance-actions", headers=NEWEST)
    record = {"server_id": failed, "request_id": done["instanceActions"][0]["request_id"]}
    public = things["network", "public"]
    new = {"name": "vm", "imageRef": image, "flavorRef": things["compute", "flavor_id"]}

    def wish(*, networks: Any = "none", **more: Any) -> Way:
        return Way(body={"server": {**new, "networks": networks, **more}})

    def action(name: str, value: Any, rule: str = "", of: str = "") -> tuple[tuple[str, str], Way]:
        path = {"server_id": of} if of else {}
        way = Way(path=path, body={name: value})
        return (f"POST /v2.1/servers/{{server_id}}/action {name}", rule), way

    everywhere = "all_tenants=1"
    found: Ways = {
        ("GET /v2.1/flavors/detail", ""): Way(),
        ("GET /v2.1/flavors/{flavor_id}", ""): Way(
            path={"flavor_id": things["compute", "flavor_id"]}
        ),
        ("GET /v2.1/limits", f"{_A}:limits:other_project"): Way(query="tenant_id=other"),
        ("GET /v2.1/os-server-groups", f"{_A}:os-server-groups:index:all_projects"): Way(
            query="all_projects=true"
        ),
        ("GET /v2.1/servers/detail", ""): Way(query=everywhere),
        ("POST /v2.1/os-keypairs", ""): Way(
            body={"keypair": {"name": "k", "type": "ssh", "public_key": _KEPT}}
        ),
        ("POST /v2.1/servers", "compute:servers:create:requested_destination"): wish(host="host-1"),
        ("POST /v2.1/servers", "network:attach_external_network"): wish(
            networks=[{"uuid": public}]
        ),
        ("POST /v2.1/servers", f"{_A}:servers:create:attach_network"): wish(networks=[]),
        ("POST /v2.1/servers", f"{_A}:servers:create:attach_volume"): wish(
            block_device_mapping_v2=[]
        ),
        ("POST /v2.1/servers", f"{_A}:servers:create:forced_host"): wish(
            availability_zone="nova:host-1"
        ),
        ("POST /v2.1/servers", f"{_A}:servers:create:trusted_certs"): wish(
            trusted_image_certificates=["none"]
        ),
        ("POST /v2.1/servers", f"{_A}:servers:create:zero_disk_flavor"): wish(flavorRef=none),
        ("POST /v2.1/servers/{server_id}/os-interface", ""): Way(
            path={"server_id": spare}, body={"interfaceAttachment": {"net_id": new_uuid()}}
        ),
        ("POST /v2.1/servers/{server_id}/os-interface", "network:attach_external_network"): Way(
            path={"server_id": spare}, body={"interfaceAttachment": {"net_id": public}}
        ),
        ("POST /v2.1/servers/{server_id}/shares", ""): Way(
            path={"server_id": spare}, body={"share": {"share_id": nowhere}}
        ),
        ("POST /v2.1/servers/{server_id}/os-volume_attachments", ""): Way(
            path={"server_id": spare}, body={"volumeAttachment": {"volumeId": nowhere}}
        ),
        ("PUT /v2.1/servers/{server_id}/os-volume_attachments/{volume_id}", ""): Way(
            path={"server_id": spare, "volume_id": nowhere},
            body={"volumeAttachment": {"volumeId": nowhere}},
        ),
        (
            "PUT /v2.1/servers/{server_id}/os-volume_attachments/{volume_id}",
            f"{_VOLUMES}:swap",
        ): Way(
            path={"server_id": spare, "volume_id": nowhere},
            body={"volumeAttachment": {"volumeId": new_uuid()}},
        ),
        ("POST /v2.1/servers/{server_id}/metadata", ""): Way(body={"metadata": {}}),
        ("PUT /v2.1/servers/{server_id}/metadata", ""): Way(body={"metadata": {}}),
        ("PUT /v2.1/servers/{server_id}/metadata/{key}", ""): Way(
            path={"server_id": server, "key": "k"}, body={"meta": {"k": "v"}}
        ),
        ("PUT /v2.1/servers/{server_id}/tags", ""): Way(body={"tags": []}),
        ("POST /v2.1/servers/{server_id}/remote-consoles", ""): Way(
            body={"remote_console": {"protocol": "vnc", "type": "novnc"}}
        ),
        ("PUT /v2.1/servers/{server_id}", ""): Way(body={"server": {"name": "changed"}}),
        ("POST /v2.1/servers/{server_id}/action forceDelete", ""): Way(
            path={"server_id": doomed}, body={"forceDelete": None}
        ),
        (
            "POST /v2.1/servers/{server_id}/action unlock",
            f"{_A}:os-lock-server:unlock:unlock_override",
        ): Way(path={"server_id": locked}, body={"unlock": None}),
    }
    for path in ("servers", "servers/detail"):
        rule = "index" if path == "servers" else "detail"
        found[f"GET /v2.1/{path}", f"{_A}:servers:{rule}:get_all_tenants"] = Way(query=everywhere)
        found[f"GET /v2.1/{path}", f"{_A}:servers:allow_all_filters"] = Way(
            query=f"{everywhere}&host=elsewhere"
        )
    for method, path in (
        ("GET", "servers/detail"), ("GET", "servers/{server_id}"), ("PUT", "servers/{server_id}"),
    ):  # fmt: skip
        found[f"{method} /v2.1/{path}", f"{_STATUS}:unknown-only"] = Way(
            query=everywhere if path == "servers/detail" else "",
            path={"server_id": lost},
            body={"server": {"name": "changed"}} if method == "PUT" else None,
            beside={_STATUS: "!"},
        )
    events = "GET /v2.1/servers/{server_id}/os-instance-actions/{request_id}"
    found[events, ""] = Way(path=record)
    found |= dict((
        action("addFixedIp", {"networkId": "none"}),
        action("removeFixedIp", {"address": "10.9.9.9"}),
        action("addFloatingIp", {"address": "10.9.9.9"}),
        action("removeFloatingIp", {"address": "10.9.9.9"}),
        action("addSecurityGroup", {"name": "none"}),
        action("removeSecurityGroup", {"name": "none"}),
        action("createImage", {"name": "i"}),
        action(
            "createImage", {"name": "i"}, f"{_A}:servers:create_image:allow_volume_backed", of=failed
        ),
        action("createBackup", {"name": "b", "backup_type": "daily", "rotation": 0}),
        action("os-getSerialConsole", {"type": "serial"}),
        action("os-getVNCConsole", {"type": "novnc"}),
        action("os-getSPICEConsole", {"type": "spice-html5"}),
        action("os-resetState", {"state": "active"}),
        action("rebuild", {"imageRef": image}, of=spare),
        action(
            "rebuild",
            {"imageRef": image, "trusted_image_certificates": ["none"]},
            f"{_A}:servers:rebuild:trusted_certs",
        ),
        action("resize", {"flavorRef": "none"}),
        action("rescue", None, of=spare),
        action("shelve", None, of=spare),
        action("trigger_crash_dump", None, of=spare),
        action("changePassword", {"adminPass": "secret"}),
        action("unshelve", {"host": "nosuch"}, f"{_A}:os-shelve:unshelve_to_host"),
        action("migrate", {"host": "nosuch"}, f"{_A}:os-migrate-server:migrate:host"),
        action("os-migrateLive", {"host": None, "block_migration": "perhaps"}),
        action(
            "os-migrateLive", {"host": "nosuch", "block_migration": "auto"},
            f"{_A}:os-migrate-server:migrate_live:host",
        ),
        action("evacuate", {}),
        action("reboot", {"type": "SOFT"}),
    ))  # fmt: skip
    return found
