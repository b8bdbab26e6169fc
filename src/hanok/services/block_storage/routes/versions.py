"""Version documents, and the list of extensions."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.block_storage.microversions import MICROVERSIONS
from hanok.services.block_storage.room import Volumes
from hanok.web.microversions import text
from hanok.web.request import Request, json_answer
from hanok.web.routes import PUBLIC, SIGNED_IN, Route


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": text(MICROVERSIONS.maximum),
        "min_version": text(MICROVERSIONS.minimum),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{request.base_url}/v3/"},
        ],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.volume+json;version=3",
            }
        ],
    }


async def list_versions(request: Request, room: Volumes) -> Response:
    return json_answer({"versions": [_version(request)]}, 300)


async def show_version(request: Request, room: Volumes) -> Response:
    return json_answer({"versions": [_version(request)]})


# What is served beyond the core of version 3 under a name of its own. Alias, name, what it is.
_EXTENSIONS = (
    ("os-admin-actions", "AdminActions", "Actions on volumes and snapshots for operators."),
    ("os-availability-zone", "AvailabilityZones", "The zones that back ends are in."),
    ("capabilities", "Capabilities", "What a back end can."),
    ("os-extended-snapshot-attributes", "ExtendedSnapshotAttributes", "A snapshot's project and progress."),
    ("os-hosts", "Hosts", "Back ends as hosts."),
    ("os-quota-class-sets", "QuotaClasses", "Limits of all projects."),
    ("os-quota-sets", "Quotas", "Limits of a project."),
    ("OS-SCH-HNT", "SchedulerHints", "What a new volume asks of its place."),
    ("scheduler-stats", "Scheduler_stats", "The pools of back ends."),
    ("os-services", "Services", "The processes of the service."),
    ("os-snapshot-actions", "SnapshotActions", "Saying how far a snapshot is."),
    ("os-snapshot-unmanage", "SnapshotUnmanage", "Letting go of snapshots."),
    ("os-types-extra-specs", "TypesExtraSpecs", "What types ask of back ends."),
    ("os-types-manage", "TypesManage", "Making and changing types."),
    ("os-used-limits", "UsedLimits", "What of limits is used."),
    ("os-volume-actions", "VolumeActions", "Actions on volumes."),
    ("os-volume-encryption-metadata", "VolumeEncryptionMetadata", "How a volume is encrypted."),
    ("os-vol-host-attr", "VolumeHostAttribute", "Where a volume is."),
    ("os-vol-image-meta", "VolumeImageMetadata", "What a volume says of its image."),
    ("os-vol-mig-status-attr", "VolumeMigStatusAttribute", "How far a volume's move is."),
    ("os-vol-tenant-attr", "VolumeTenantAttribute", "The project of a volume."),
    ("os-volume-type-access", "VolumeTypeAccess", "The projects that may use a type."),
    ("encryption", "VolumeTypeEncryption", "How volumes of a type are encrypted."),
    ("os-volume-unmanage", "VolumeUnmanage", "Letting go of volumes."),
)  # fmt: skip


async def list_extensions(request: Request, room: Volumes) -> Response:
    """GET /extensions."""
    found = [
        {
            "alias": alias,
            "name": name,
            "description": what,
            "links": [],
            "updated": "2016-01-01T00:00:00+00:00",
        }
        for alias, name, what in _EXTENSIONS
    ]
    return json_answer({"extensions": found})


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v3", show_version, (PUBLIC,)),
    Route("GET", "/v3/extensions", list_extensions, (SIGNED_IN,)),
)
