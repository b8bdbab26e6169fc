"""OS::Glance types.

Source: the template guide, "OpenStack Resource Types", OS::Glance; Image API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic.types.model import (
    Failed,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.rest import LIST, TEXT, TRUTH, Rest, same, telling
from hanok.services.orchestration.logic.work import Work

BASE = "/image/v2/images"
_PATCH = {"content-type": "application/openstack-images-v2.1-json-patch"}


class WebImage(Rest):
    """An image whose data the image service fetches from the web, by its own rules of addresses."""

    path = BASE
    fields = same("id", "name", "visibility", "protected", "min_disk", "min_ram", "disk_format", "container_format",
                  "architecture", "kernel_id", "os_distro", "os_version", "ramdisk_id", "tags")  # fmt: skip
    names = "name"

    def body(self, work: Work) -> dict[str, Any]:
        return {**super().body(work), **(work.properties["extra_properties"] or {})}

    async def created(self, work: Work) -> bool:
        if not work.data.get("imported"):
            method = {"name": "web-download", "uri": work.properties["location"]}
            await work.cloud("POST", f"{self.address(work)}/import", {"method": method})
            work.data["imported"] = True
        shown = await self.show(work)
        if shown["status"] in ("killed", "deleted"):
            raise Failed(f"The image went to status {shown['status']}")
        if shown["status"] == "queued" and shown.get("os_glance_failed_import"):
            raise Failed("The image's data could not be fetched.")
        return bool(shown["status"] == "active")

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        patch = [
            {"op": "replace", "path": f"/{name}", "value": value}
            for name, value in changed.items()
            if name in self.fields and value is not None
        ]
        if patch:
            await work.cloud("PATCH", self.address(work), patch, headers=_PATCH)


_MEMBERS = Property(type="list", update=True, refused="members are added by who shares the image.")

TYPES = (
    ResourceType(
        name="OS::Glance::WebImage",
        service="image",
        properties={
            "name": TEXT,
            "id": Property(),
            "visibility": Property(
                default="private",
                update=True,
                constraints=one_of("public", "private", "community", "shared"),
            ),
            "protected": TRUTH,
            "min_disk": Property(type="integer", default=0, constraints=within(0)),
            "min_ram": Property(type="integer", default=0, constraints=within(0)),
            "disk_format": Property(
                required=True,
                constraints=one_of(
                    "ami",
                    "ari",
                    "aki",
                    "vhd",
                    "vhdx",
                    "vmdk",
                    "raw",
                    "qcow2",
                    "vdi",
                    "iso",
                    "ploop",
                ),
            ),
            "container_format": Property(
                required=True,
                constraints=one_of(
                    "ami", "ari", "aki", "bare", "ova", "ovf", "docker", "compressed"
                ),
            ),
            "location": Property(required=True),
            "architecture": TEXT,
            "kernel_id": TEXT,
            "os_distro": TEXT,
            "os_version": TEXT,
            "ramdisk_id": TEXT,
            "tags": LIST,
            "extra_properties": Property(type="map", default={}),
            "members": _MEMBERS,
            "active": Property(
                type="boolean", update=True, refused="images are deactivated by administrators."
            ),
        },
        attributes=telling("name", "status", "size", "checksum", "visibility"),
        driver=WebImage(),
    ),
)
