"""OS::Cinder types.

Source: the template guide, "OpenStack Resource Types", OS::Cinder; Block Storage API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import (
    Driver,
    Failed,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.quotas import Quota, quota_type
from hanok.services.orchestration.logic.types.rest import MAP, TEXT, Thing, same, telling
from hanok.services.orchestration.logic.work import Refusal, Work

BASE = "/volume/v3"
SERVERS = "/compute/v2.1/servers"


class Cinder(Thing):
    base = BASE

    def headers(self, work: Work) -> dict[str, str]:
        return {"openstack-api-version": "volume 3.60"}


class Volume(Cinder):
    """A volume: empty, or of an image, a snapshot, another volume or a backup."""

    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["imageRef"] = work.properties["image"] or found.get("imageRef")
        return {name: value for name, value in found.items() if value is not None}

    async def create(self, work: Work) -> str | None:
        body: dict[str, Any] = {"volume": self.body(work)}
        if work.properties["scheduler_hints"]:
            body["OS-SCH-HNT:scheduler_hints"] = work.properties["scheduler_hints"]
        made = await work.cloud(
            "POST", self.path, body, headers=self.headers(work), request_id=work.part.attempt
        )
        return str(made["volume"]["id"])

    async def created(self, work: Work) -> bool:
        shown = await self.show(work)
        if str(shown["status"]).startswith("error"):
            raise Failed(self.why(shown))
        return shown["status"] in ("available", "in-use")

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        named = {
            name: changed[name] for name in ("name", "description", "metadata") if name in changed
        }
        if named:
            body = {
                name: value if value is not None else {} if name == "metadata" else ""
                for name, value in named.items()
            }
            await work.cloud(
                "PUT", self.address(work), {"volume": body}, headers=self.headers(work)
            )
        if "size" in changed:
            await self._act(work, {"os-extend": {"new_size": changed["size"]}})
        if "volume_type" in changed:
            await self._act(
                work,
                {"os-retype": {"new_type": changed["volume_type"], "migration_policy": "never"}},
            )
        if "read_only" in changed:
            await self._act(
                work, {"os-update_readonly_flag": {"readonly": bool(changed["read_only"])}}
            )

    async def _act(self, work: Work, body: dict[str, Any]) -> None:
        await work.cloud("POST", f"{self.address(work)}/action", body, headers=self.headers(work))

    async def snapshot(self, work: Work) -> dict[str, Any]:
        body = {"snapshot": {"volume_id": work.id, "force": True, "name": work.name_of_resource}}
        made = await work.cloud("POST", f"{BASE}/snapshots", body)
        return {"snapshot_id": made["snapshot"]["id"]}

    def told(self, work: Work, shown: Mapping[str, Any], name: str) -> Any:
        names = {
            "display_name": "name",
            "display_description": "description",
            "created_at": "created_at",
        }
        return shown.get(names.get(name, name))

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        sources = ("backup_id", "snapshot_id", "source_volid", "image")
        if not properties["size"] and not any(properties[one] for one in sources):
            raise Wrong(
                f'Property error: {name}: If neither "backup_id" nor "size" is provided, one of "image", '
                '"source_volid", "snapshot_id" must be specified'
            )


class Attachment(Driver):
    """A volume on a server."""

    async def create(self, work: Work) -> str | None:
        given = work.properties
        body = {"volumeId": given["volume_id"]}
        if given["mountpoint"]:
            body["device"] = given["mountpoint"]
        try:
            await work.cloud("POST", self._path(work), {"volumeAttachment": body})
        except Refusal:
            if not work.data.get("again") or not await self._is_there(work):
                raise
        return str(given["volume_id"])

    def _path(self, work: Work) -> str:
        return f"{SERVERS}/{work.properties['instance_uuid']}/os-volume_attachments"

    async def _is_there(self, work: Work) -> bool:
        there = await work.cloud("GET", self._path(work))
        return any(
            one["volumeId"] == work.properties["volume_id"] for one in there["volumeAttachments"]
        )

    async def created(self, work: Work) -> bool:
        shown = (await work.cloud("GET", f"{BASE}/volumes/{work.id}"))["volume"]
        if str(shown["status"]).startswith("error"):
            raise Failed(f"The volume went to status {shown['status']}")
        return bool(shown["status"] == "in-use")

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            await work.cloud.gone("DELETE", f"{self._path(work)}/{work.id}")

    async def deleted(self, work: Work) -> bool:
        try:
            return not await self._is_there(work)
        except Refusal as error:
            if error.status == 404:
                return True
            raise

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        return None


class Encryption(Driver):
    """How the volumes of a type are encrypted."""

    async def create(self, work: Work) -> str | None:
        body = work.sent("provider", "control_location", "cipher", "key_size")
        kind = str(work.properties["volume_type"])
        try:
            await work.cloud("POST", f"{BASE}/types/{kind}/encryption", {"encryption": body})
        except Refusal:
            if not work.data.get("again"):
                raise
        return kind

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        shown = await self._shown(work)
        place = f"{BASE}/types/{work.id}/encryption/{shown['encryption_id']}"
        await work.cloud("PUT", place, {"encryption": dict(changed)})

    async def _shown(self, work: Work) -> dict[str, Any]:
        return dict(await work.cloud("GET", f"{BASE}/types/{work.id}/encryption"))

    async def delete(self, work: Work) -> None:
        if not work.part.physical_id:
            return
        shown = await self._shown(work)
        if shown.get("encryption_id"):
            await work.cloud.gone(
                "DELETE", f"{BASE}/types/{work.id}/encryption/{shown['encryption_id']}"
            )


async def _specs(work: Work, address: str) -> None:
    desired = work.properties.get("metadata")
    if desired and work.data.get("specs") != desired:
        await work.cloud("POST", f"{address}/extra_specs", {"extra_specs": desired})
        work.data["specs"] = desired


class VolumeType(Cinder):
    def body(self, work: Work) -> dict[str, Any]:
        return {
            **super().body(work),
            "os-volume-type-access:is_public": work.properties["is_public"],
        }

    async def created(self, work: Work) -> bool:
        await _specs(work, self.address(work))
        for project in work.properties["projects"] or ():
            await work.cloud.added(
                f"{self.address(work)}/action", {"addProjectAccess": {"project": project}}
            )
        return True


class QoSAssociation(Driver):
    async def create(self, work: Work) -> str | None:
        for kind in work.properties["volume_types"]:
            await work.cloud(
                "GET",
                f"{BASE}/qos-specs/{work.properties['qos_specs']}/associate?vol_type_id={kind}",
            )
        return work.name_of_resource

    async def delete(self, work: Work) -> None:
        if not work.part.physical_id:
            return
        for kind in work.properties["volume_types"]:
            await work.cloud.gone(
                "GET",
                f"{BASE}/qos-specs/{work.properties['qos_specs']}/disassociate?vol_type_id={kind}",
            )


class QoSSpecs(Cinder):
    def body(self, work: Work) -> dict[str, Any]:
        name = work.properties["name"] or work.name_of_resource
        return {**(work.properties["specs"] or {}), "name": name}

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        if "specs" in changed:
            await work.cloud("PUT", self.address(work), {"qos_specs": changed["specs"] or {}})


_TYPE = {
    "name": Property(update=True),
    "metadata": MAP,
    "is_public": Property(type="boolean", default=True),
    "description": TEXT,
    "projects": Property(type="list", default=[], item=Property(finds="keystone.project")),
}

TYPES = (
    ResourceType(
        name="OS::Cinder::Volume",
        service="block-storage",
        description="A resource that implements Cinder volumes.",
        properties={
            "availability_zone": Property(),
            "size": Property(type="integer", update=True, constraints=within(1)),
            "snapshot_id": Property(finds="cinder.snapshot"),
            "backup_id": Property(finds="cinder.backup"),
            "name": TEXT,
            "description": TEXT,
            "volume_type": Property(update=True, finds="cinder.vtype"),
            "metadata": Property(type="map", update=True, default={}),
            "image": Property(finds="glance.image"),
            "source_volid": Property(finds="cinder.volume"),
            "scheduler_hints": Property(type="map"),
            "read_only": Property(type="boolean", update=True),
        },
        attributes=telling(
            "availability_zone",
            "size",
            "snapshot_id",
            "display_name",
            "display_description",
            "volume_type",
            "created_at",
            "status",
            "bootable",
            "encrypted",
            "source_volid",
            "multiattach",
            metadata="map",
            metadata_values="map",
            attachments="list",
            attachments_list="list",
        ),
        driver=Volume(
            "volumes",
            "volume",
            same(
                "availability_zone",
                "size",
                "snapshot_id",
                "backup_id",
                "name",
                "description",
                "volume_type",
                "metadata",
                "source_volid",
            ),
            names="name",
            waits_gone=True,
            tells={"attachments_list": "attachments", "metadata_values": "metadata"},
        ),
    ),
    ResourceType(
        name="OS::Cinder::VolumeAttachment",
        service="block-storage",
        properties={
            "instance_uuid": Property(required=True, finds="nova.server"),
            "volume_id": Property(required=True, finds="cinder.volume"),
            "mountpoint": Property(),
        },
        attributes={},
        driver=Attachment(),
    ),
    ResourceType(
        name="OS::Cinder::VolumeType",
        service="block-storage",
        properties={**_TYPE, "name": Property(required=True, update=True)},
        attributes={},
        driver=VolumeType("types", "volume_type", same("name", "description")),
    ),
    ResourceType(
        name="OS::Cinder::EncryptedVolumeType",
        service="block-storage",
        properties={
            "provider": Property(required=True, update=True),
            "control_location": Property(
                default="front-end", update=True, constraints=one_of("front-end", "back-end")
            ),
            "cipher": Property(update=True, constraints=one_of("aes-xts-plain64", "aes-cbc-essiv")),
            "key_size": Property(type="integer", update=True),
            "volume_type": Property(required=True, finds="cinder.vtype"),
        },
        attributes={},
        driver=Encryption(),
    ),
    ResourceType(
        name="OS::Cinder::QoSSpecs",
        service="block-storage",
        properties={"name": Property(), "specs": Property(type="map", required=True, update=True)},
        attributes={},
        driver=QoSSpecs("qos-specs", "qos_specs", {}),
    ),
    ResourceType(
        name="OS::Cinder::QoSAssociation",
        service="block-storage",
        properties={
            "qos_specs": Property(required=True, finds="cinder.qos_specs"),
            "volume_types": Property(
                type="list", required=True, item=Property(finds="cinder.vtype")
            ),
        },
        attributes={},
        driver=QoSAssociation(),
    ),
    quota_type(
        "OS::Cinder::Quota",
        "block-storage",
        Quota(f"{BASE}/os-quota-sets", "quota_set"),
        ("gigabytes", "volumes", "snapshots", "backups", "backup_gigabytes"),
    ),
)
