"""Block storage's."""

from __future__ import annotations

from typing import Any

from hanok.base.ids import new_uuid
from tests.api.block_storage.grounds import BASE, NEWEST, SNAPSHOTS, VOLUMES, backends_told
from tests.api.ways import Things, Way, Ways
from tests.cloud import Client, Cloud, an_image, settle

_V = "volume_extension"
_ACTION = "POST /v3/volumes/{volume_id}/action"


async def _volume(cloud: Cloud, client: Client, **values: Any) -> str:
    body = {"volume": {"size": 1, **values}}
    made = await client.post(VOLUMES, body, 202, headers=NEWEST)
    await settle(cloud)
    return str(made["volume"]["id"])


async def ways(cloud: Cloud, admin: Client, owner: Client, things: Things) -> Ways:
    """With volumes, a snapshot, types and a message."""
    await backends_told(admin)
    quota = {"quota_set": {"volumes": -1}}
    await admin("PUT", f"{BASE}/os-quota-sets/{admin.project_id}", quota, status=200)
    image = await an_image(admin)
    mine = await _volume(cloud, owner, imageRef=things["compute", "image"], metadata={"key": "v"})
    own = await _volume(cloud, admin, imageRef=image)
    unwanted = await _volume(cloud, admin)
    snapshot = {"snapshot": {"volume_id": mine, "metadata": {"key": "v"}}}
    made = await owner.post(SNAPSHOTS, snapshot, 202, headers=NEWEST)
    await settle(cloud)
    here = {"volume_id": mine}
    kept = {"snapshot_id": made["snapshot"]["id"]}
    ends = {}  # a snapshot for each way that ends one: what is asked later is asked of one that is there
    for name in ("os-force_delete", "os-unmanage"):
        made = await owner.post(SNAPSHOTS, snapshot, 202, headers=NEWEST)
        ends[name] = {"snapshot_id": made["snapshot"]["id"]}
        await settle(cloud)
    specs = {"multiattach": "<is> True", "hidden:spec": "x"}
    body = {"volume_type": {"name": "shared", "extra_specs": specs}}
    shared = (await admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"]
    several = await _volume(cloud, admin, volume_type="shared", imageRef=image)
    used = {
        "attachment": {
            "volume_uuid": several,
            "instance_uuid": new_uuid(),
            "connector": {"host": "host-1"},
        }
    }
    used = (await admin.post(f"{BASE}/attachments", used, 200, headers=NEWEST))["attachment"]
    path = f"{BASE}/attachments/{used['id']}"
    await admin("POST", f"{path}/action", {"os-complete": {}}, headers=NEWEST, status=204)
    body = {"volume_type": {"name": "nowhere", "extra_specs": {"volume_backend_name": "none"}}}
    await admin.post(f"{BASE}/types", body, 200)
    await _volume(cloud, admin, volume_type="nowhere")
    told = (await admin.get(f"{BASE}/messages", headers=NEWEST))["messages"][0]["id"]
    backups = []
    for _ in range(2):
        body = {"backup": {"volume_id": own, "name": "b"}}
        backup = (await admin.post(f"{BASE}/backups", body, 202))["backup"]["id"]
        backups.append({"backup_id": backup})
        await settle(cloud)
    kept_away, doomed = backups
    transfers = []
    for _ in range(2):
        body = {"transfer": {"volume_id": await _volume(cloud, admin), "name": "t"}}
        transfer = await admin.post(f"{BASE}/os-volume-transfer", body, 202)
        transfers.append({"transfer_id": transfer["transfer"]["id"]})
    grouped = await _groups(admin)
    await _snapshots_of_groups(cloud, admin, grouped)
    body = {"volume_type": {"name": "sealed"}}
    sealed = (await admin.post(f"{BASE}/types", body, 200))["volume_type"]["id"]
    body = {"encryption": {"provider": "luks"}}
    key = await admin.post(f"{BASE}/types/{sealed}/encryption", body, 200)
    sealing = {"type_id": sealed, "key": key["encryption"]["encryption_id"]}
    types = {"type_id": shared}
    usual = (await admin.get(f"{BASE}/types/default"))["volume_type"]["id"]
    hidden = {"extra_specs": {"hidden:spec": "x"}}
    await admin.post(f"{BASE}/types/{usual}/extra_specs", hidden, 200)
    project = {"project": owner.project_id}
    services = {"host": "host-1@files"}
    managed = "host=host-1@files"

    def action(
        name: str, value: Any, rule: str = "", of: str = mine
    ) -> tuple[tuple[str, str], Way]:
        return (f"{_ACTION} {name}", rule), Way(path={"volume_id": of}, body={name: value})

    everywhere = "all_tenants=1"
    found: Ways = {
        ("GET /v3/volumes/detail", ""): Way(query=everywhere),
        ("GET /v3/snapshots/detail", ""): Way(query=everywhere),
        ("GET /v3/volumes/{volume_id}", ""): Way(path=here),
        ("GET /v3/snapshots/{snapshot_id}", ""): Way(path=kept),
        ("GET /v3/types/{type_id}", ""): Way(path=types),
        ("GET /v3/types/{type_id}/extra_specs", ""): Way(path=types),
        ("GET /v3/types/{type_id}/extra_specs/{key}", ""): Way(path={**types, "key": "hidden:spec"}),
        ("GET /v3/types/{type_id}/encryption", ""): Way(path=types),
        ("GET /v3/types/{type_id}/encryption/{key}", ""): Way(path=types),
        ("GET /v3/messages/{message_id}", ""): Way(path={"message_id": told}),
        ("DELETE /v3/messages/{message_id}", ""): Way(path={"message_id": told}),
        ("GET /v3/volumes/{volume_id}/metadata", ""): Way(path=here),
        ("POST /v3/volumes/{volume_id}/metadata", ""): Way(path=here, body={"metadata": {"a": "b"}}),
        ("PUT /v3/volumes/{volume_id}/metadata", ""): Way(path=here, body={"metadata": {"key": "b"}}),
        ("GET /v3/volumes/{volume_id}/metadata/{key}", ""): Way(path={**here, "key": "key"}),
        ("PUT /v3/volumes/{volume_id}/metadata/{key}", ""): Way(
            path={**here, "key": "key"}, body={"meta": {"key": "x"}}
        ),
        ("DELETE /v3/volumes/{volume_id}/metadata/{key}", ""): Way(path={**here, "key": "key"}),
        ("GET /v3/snapshots/{snapshot_id}/metadata", ""): Way(path=kept),
        ("POST /v3/snapshots/{snapshot_id}/metadata", ""): Way(path=kept, body={"metadata": {"a": "b"}}),
        ("PUT /v3/snapshots/{snapshot_id}/metadata", ""): Way(path=kept, body={"metadata": {"key": "b"}}),
        ("GET /v3/snapshots/{snapshot_id}/metadata/{key}", ""): Way(path={**kept, "key": "key"}),
        ("PUT /v3/snapshots/{snapshot_id}/metadata/{key}", ""): Way(
            path={**kept, "key": "key"}, body={"meta": {"key": "x"}}
        ),
        ("DELETE /v3/snapshots/{snapshot_id}/metadata/{key}", ""): Way(path={**kept, "key": "key"}),
        ("GET /v3/volumes/{volume_id}/encryption", ""): Way(path=here),
        ("GET /v3/volumes/{volume_id}/encryption/{key}", ""): Way(
            path={**here, "key": "encryption_key_id"}
        ),
        ("PUT /v3/volumes/{volume_id}", ""): Way(path=here, body={"volume": {"name": "n"}}),
        ("PUT /v3/snapshots/{snapshot_id}", ""): Way(path=kept, body={"snapshot": {"name": "n"}}),
        ("DELETE /v3/volumes/{volume_id}", ""): Way(path=here),
        ("DELETE /v3/volumes/{volume_id}", "volume:force_delete"): Way(path=here, query="force=true"),
        ("DELETE /v3/snapshots/{snapshot_id}", ""): Way(path=kept),
        ("POST /v3/volumes", ""): Way(body={"volume": {"size": 0}}),
        ("POST /v3/volumes", "volume:create_from_image"): Way(
            body={"volume": {"size": 1, "imageRef": image}}
        ),
        ("POST /v3/volumes", "volume:multiattach"): Way(
            body={"volume": {"size": 1, "volume_type": "shared"}}
        ),
        ("POST /v3/snapshots", ""): Way(body={"snapshot": {"volume_id": mine}}),
        ("POST /v3/attachments", ""): Way(
            body={"attachment": {"volume_uuid": mine, "instance_uuid": new_uuid()}}
        ),
        ("POST /v3/attachments", "volume:multiattach_bootable_volume"): Way(
            body={"attachment": {"volume_uuid": several, "instance_uuid": new_uuid()}}
        ),
        ("GET /v3/attachments/{attachment_id}", ""): Way(path={"attachment_id": used["id"]}),
        ("PUT /v3/attachments/{attachment_id}", ""): Way(
            path={"attachment_id": used["id"]}, body={"attachment": {"connector": {"host": "host-1"}}}
        ),
        ("POST /v3/attachments/{attachment_id}/action os-complete", ""): Way(
            path={"attachment_id": used["id"]}
        ),
        ("DELETE /v3/attachments/{attachment_id}", ""): Way(path={"attachment_id": used["id"]}),
        ("GET /v3/backups/detail", ""): Way(query=everywhere),
        ("GET /v3/backups/{backup_id}", ""): Way(path=kept_away),
        ("GET /v3/backups/{backup_id}/export_record", ""): Way(path=kept_away),
        ("PUT /v3/backups/{backup_id}", ""): Way(path=kept_away, body={"backup": {"name": "n"}}),
        ("DELETE /v3/backups/{backup_id}", ""): Way(path=kept_away),
        ("POST /v3/backups", ""): Way(body={"backup": {"volume_id": mine}}),
        ("POST /v3/backups/{backup_id}/restore", ""): Way(path=kept_away, body={"restore": {}}),
        ("POST /v3/backups/{backup_id}/action os-reset_status", ""): Way(
            path=kept_away, body={"os-reset_status": {"status": "available"}}
        ),
        ("POST /v3/backups/{backup_id}/action os-force_delete", ""): Way(path=doomed),
        **{
            (f"{method} /v3/{name}{path}", ""): Way(path=transfer, body=sent)
            for name, transfer in zip(
                ("os-volume-transfer", "volume-transfers"), transfers, strict=True
            )
            for method, path, sent in (
                ("GET", "/{transfer_id}", None),
                ("DELETE", "/{transfer_id}", None),
                ("POST", "/{transfer_id}/accept", {"accept": {"auth_key": "none"}}),
                ("POST", "", {"transfer": {"volume_id": several}}),
            )
        },
        **_of_groups(grouped),
        ("GET /v3/manageable_volumes", ""): Way(query=managed),
        ("GET /v3/manageable_snapshots", ""): Way(query=managed),
        ("PUT /v3/os-services/enable", ""): Way(body={**services, "binary": "cinder-volume"}),
        ("PUT /v3/os-services/freeze", ""): Way(body=services),
        ("PUT /v3/os-services/thaw", ""): Way(body=services),
        ("PUT /v3/os-services/disable", ""): Way(body={**services, "binary": "cinder-volume"}),
        ("PUT /v3/os-hosts/{host_name}", ""): Way(
            path={"host_name": "host-1@files"}, body={"status": "enable"}
        ),
        ("POST /v3/types", ""): Way(body={"volume_type": {"name": "another"}}),
        ("PUT /v3/types/{type_id}", ""): Way(path=types, body={"volume_type": {"description": "d"}}),
        ("POST /v3/types/{type_id}/extra_specs", ""): Way(path=types, body={"extra_specs": {"a": "b"}}),
        ("PUT /v3/types/{type_id}/extra_specs/{key}", ""): Way(
            path={**types, "key": "hidden:spec"}, body={"hidden:spec": "y"}
        ),
        ("POST /v3/types/{type_id}/encryption", ""): Way(
            path=types, body={"encryption": {"provider": "luks"}}
        ),
        ("PUT /v3/types/{type_id}/encryption/{key}", ""): Way(
            path=sealing, body={"encryption": {"key_size": 512}}
        ),
        ("DELETE /v3/types/{type_id}/encryption/{key}", ""): Way(path=sealing),
        ("POST /v3/types/{type_id}/action addProjectAccess", ""): Way(
            path=types, body={"addProjectAccess": project}
        ),
        ("POST /v3/types/{type_id}/action removeProjectAccess", ""): Way(
            path=types, body={"removeProjectAccess": project}
        ),
        **dict(
            (
                action("os-extend", {"new_size": 1}),
                action("os-extend", {"new_size": 1}, "volume:extend_attached_volume", several),
                action("os-extend_volume_completion", {}),
                action("os-reset_status", {"status": "available"}),
                action("os-force_delete", {}, "", unwanted),
                action("os-attach", {"instance_uuid": new_uuid(), "mountpoint": "/dev/vdb"}),
                action("os-detach", {}),
                action("os-force_detach", {}),
                action("os-initialize_connection", {"connector": {"host": "host-1"}}),
                action("os-terminate_connection", {"connector": {"host": "host-1"}}),
                action("os-update_readonly_flag", {"readonly": False}),
                action("os-set_bootable", {"bootable": True}),
                action("os-set_image_metadata", {"metadata": {"a": "b"}}),
                action("os-unset_image_metadata", {"key": "a"}),
                action("os-retype", {"new_type": "none"}),
                action("os-retype", {"new_type": "shared"}, "volume:multiattach"),
                action("os-migrate_volume", {"host": "nowhere@x"}),
                action("os-migrate_volume_completion", {"new_volume": own}),
                action("revert", {"snapshot_id": new_uuid()}),
                action("os-reimage", {"image_id": image}),
                action("os-reimage", {"image_id": image, "reimage_reserved": True}, "volume:reimage_reserved"),
                action("os-volume_upload_image", {"image_name": "i"}),
                action(
                    "os-volume_upload_image",
                    {"image_name": "i", "visibility": "public"},
                    f"{_V}:volume_actions:upload_public",
                ),
            )
        ),
        **{
            (f"{_ACTION} {name}", ""): Way(path=here)
            for name in (
                "os-reserve", "os-unreserve", "os-begin_detaching", "os-roll_detaching", "os-unmanage",
                "os-show_image_metadata",
            )
        },
        **{
            (f"POST /v3/snapshots/{{snapshot_id}}/action {name}", ""): Way(
                path=ends.get(name, kept), body={name: value}
            )
            for name, value in (
                ("os-reset_status", {"status": "available"}),
                ("os-force_delete", None),
                ("os-update_snapshot_status", {"status": "available"}),
                ("os-unmanage", None),
            )
        },
    }  # fmt: skip
    return found


async def _groups(admin: Client) -> dict[str, str]:
    """Groups of both kinds, each with a volume and a snapshot, and their types; ids by what they are."""
    kinds = await admin.get(f"{BASE}/types/default")
    usual = kinds["volume_type"]["id"]
    body: dict[str, Any] = {"group_type": {"name": "together", "group_specs": {"key": "v"}}}
    kind = await admin("POST", f"{BASE}/group_types", body, headers=NEWEST, status=202)
    found = {"kind": kind.json()["group_type"]["id"]}
    body = {"group": {"group_type": "together", "volume_types": [usual]}}
    made = await admin.post(f"{BASE}/groups", body, 202, headers=NEWEST)
    found["groups"] = made["group"]["id"]
    body = {"consistencygroup": {"volume_types": usual}}
    made = await admin.post(f"{BASE}/consistencygroups", body, 202)
    found["consistencygroups"] = made["consistencygroup"]["id"]
    return found | {"usual": usual}


async def _snapshots_of_groups(cloud: Cloud, admin: Client, found: dict[str, str]) -> None:
    """Each group has a volume, and a snapshot was taken of it."""
    for name in ("groups", "consistencygroups"):
        await _volume(cloud, admin, group_id=found[name])
        body = {"group_snapshot": {"group_id": found[name]}}
        made = await admin.post(f"{BASE}/group_snapshots", body, 202, headers=NEWEST)
        found[f"snapshot of {name}"] = made["group_snapshot"]["id"]
    await settle(cloud)


def _of_groups(found: dict[str, str]) -> Ways:
    kind = {"group_type_id": found["kind"]}
    group, older = ({"group_id": found[one]} for one in ("groups", "consistencygroups"))
    kept, kept_older = (
        {"group_snapshot_id": found[f"snapshot of {one}"]}
        for one in ("groups", "consistencygroups")
    )
    action, of_type = "POST /v3/groups/{group_id}/action", "/v3/group_types/{group_type_id}"
    new = {"group_type": found["kind"], "volume_types": [found["usual"]]}
    return {
        ("GET /v3/groups/detail", ""): Way(query="all_tenants=1"),
        ("GET /v3/group_snapshots/detail", ""): Way(query="all_tenants=1"),
        ("GET /v3/groups/{group_id}", ""): Way(path=group),
        ("GET /v3/consistencygroups/{group_id}", ""): Way(path=older),
        ("GET /v3/group_snapshots/{group_snapshot_id}", ""): Way(path=kept),
        ("GET /v3/cgsnapshots/{group_snapshot_id}", ""): Way(path=kept_older),
        ("POST /v3/groups", ""): Way(body={"group": new}),
        ("POST /v3/groups/action create-from-src", ""): Way(
            body={"create-from-src": {"source_group_id": found["groups"]}}
        ),
        ("POST /v3/consistencygroups", ""): Way(
            body={"consistencygroup": {"volume_types": found["usual"]}}
        ),
        ("PUT /v3/groups/{group_id}", ""): Way(path=group, body={"group": {"name": "n"}}),
        **{
            (f"PUT /v3/consistencygroups/{{group_id}}{end}", ""): Way(
                path=older, body={"consistencygroup": {"name": "n"}}
            )
            for end in ("", "/update")
        },
        ("POST /v3/consistencygroups/{group_id}/delete", ""): Way(
            path=older, body={"consistencygroup": {"force": True}}
        ),
        **{
            (f"{action} {name}", ""): Way(path=group, body={name: value})
            for name, value in (
                ("delete", {}), ("reset_status", {"status": "available"}), ("enable_replication", {}),
                ("disable_replication", {}), ("failover_replication", {}),
                ("list_replication_targets", {}),
            )
        },
        ("POST /v3/group_snapshots", ""): Way(body={"group_snapshot": group}),
        ("POST /v3/cgsnapshots", ""): Way(
            body={"cgsnapshot": {"consistencygroup_id": found["consistencygroups"]}}
        ),
        ("POST /v3/group_snapshots/{group_snapshot_id}/action reset_status", ""): Way(
            path=kept, body={"reset_status": {"status": "available"}}
        ),
        ("DELETE /v3/group_snapshots/{group_snapshot_id}", ""): Way(path=kept),
        ("DELETE /v3/cgsnapshots/{group_snapshot_id}", ""): Way(path=kept_older),
        ("GET /v3/group_types", ""): Way(query="is_public=none"),
        (f"GET {of_type}", ""): Way(path=kind),
        (f"PUT {of_type}", ""): Way(path=kind, body={"group_type": {"description": "d"}}),
        ("POST /v3/group_types", ""): Way(body={"group_type": {"name": "another"}}),
        ("POST /v3/group_types", "group:access_group_types_specs"): Way(
            body={"group_type": {"name": "third"}}
        ),
        (f"GET {of_type}/group_specs/{{key}}", ""): Way(path={**kind, "key": "key"}),
    }  # fmt: skip
