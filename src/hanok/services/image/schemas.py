"""Bodies, JSON patches, answers and the schemas that the API hands out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Row

from hanok.base.clock import zulu
from hanok.base.errors import BadInput, Forbidden, TooLarge
from hanok.base.ids import is_uuid, new_uuid

DISK_FORMATS = (
    "ami",
    "ari",
    "aki",
    "vhd",
    "vhdx",
    "vmdk",
    "raw",
    "qcow2",
    "vdi",
    "ploop",
    "iso",
    "luks",
)
AMAZON_FORMATS = ("ami", "ari", "aki")  # a machine, a kernel and a ramdisk, each as it is
CONVERTED_FORMATS = ("vmdk", "vhd", "vhdx", "vdi")  # hosts turn them into qcow2 when they take them
USABLE_FORMATS = ("raw", "qcow2", "iso", *CONVERTED_FORMATS)
CONVERT = "Convert it to qcow2 before the upload: qemu-img convert -O qcow2 DISK NEW.qcow2"
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
VISIBILITIES = ("community", "public", "private", "shared")
OWN = (
    "name",
    "visibility",
    "protected",
    "os_hidden",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "owner",
)
READ_ONLY = frozenset(
    (
        "status checksum os_hash_algo os_hash_value size virtual_size created_at updated_at "
        "direct_url self file schema stores"
    ).split()
)
RESERVED = frozenset("deleted deleted_at location".split())
MAXIMUM = 2_147_483_647
MAXIMUM_PROPERTIES = 128
MAXIMUM_TAGS = 128

PROPERTIES: dict[str, dict[str, Any]] = {
    "id": {
        "type": "string",
        "description": "An identifier for the image",
        "pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$",
    },
    "name": {"type": ["null", "string"], "description": "Its name", "maxLength": 255},
    "status": {
        "type": "string",
        "readOnly": True,
        "description": "Where it stands",
        "enum": [
            "queued",
            "saving",
            "active",
            "killed",
            "deleted",
            "uploading",
            "importing",
            "pending_delete",
            "deactivated",
        ],
    },
    "visibility": {"type": "string", "description": "Who may see it", "enum": list(VISIBILITIES)},
    "protected": {"type": "boolean", "description": "Whether it is kept from being deleted"},
    "os_hidden": {"type": "boolean", "description": "Whether lists leave it out"},
    "checksum": {
        "type": ["null", "string"],
        "readOnly": True,
        "description": "MD5",
        "maxLength": 32,
    },
    "os_hash_algo": {
        "type": ["null", "string"],
        "readOnly": True,
        "description": "Algorithm of os_hash_value",
        "maxLength": 64,
    },
    "os_hash_value": {
        "type": ["null", "string"],
        "readOnly": True,
        "description": "Hash of the data",
        "maxLength": 128,
    },
    "owner": {
        "type": ["null", "string"],
        "description": "The project it belongs to",
        "maxLength": 255,
    },
    "size": {"type": ["null", "integer"], "readOnly": True, "description": "Bytes of its data"},
    "virtual_size": {
        "type": ["null", "integer"],
        "readOnly": True,
        "description": "Bytes of the disk in it",
    },
    "container_format": {
        "type": ["null", "string"],
        "description": "What the data is packed in",
        "enum": [None, *CONTAINER_FORMATS],
    },
    "disk_format": {
        "type": ["null", "string"],
        "description": "What kind of disk it is",
        "enum": [None, *DISK_FORMATS],
    },
    "created_at": {"type": "string", "readOnly": True, "description": "When it was registered"},
    "updated_at": {"type": "string", "readOnly": True, "description": "When it last changed"},
    "tags": {
        "type": "array",
        "description": "Words to find it by",
        "items": {"type": "string", "maxLength": 255},
    },
    "min_ram": {"type": "integer", "description": "MiB of memory it needs"},
    "min_disk": {"type": "integer", "description": "GiB of disk it needs"},
    "locations": {
        "type": "array",
        "description": "Where its data is",
        "items": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "maxLength": 255},
                "metadata": {"type": "object"},
                "validation_data": {
                    "type": "object",
                    "description": "Checksums the data has",
                    "writeOnly": True,
                    "additionalProperties": False,
                    "properties": {
                        "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
                        "os_hash_algo": {"type": "string", "maxLength": 64},
                        "os_hash_value": {"type": "string", "maxLength": 128},
                    },
                    "required": ["os_hash_algo", "os_hash_value"],
                },
            },
            "required": ["url", "metadata"],
        },
    },
    "direct_url": {"type": "string", "readOnly": True, "description": "Where its data is first"},
    "stores": {"type": "string", "readOnly": True, "description": "The stores that have its data"},
    "self": {"type": "string", "readOnly": True, "description": "Its address"},
    "file": {"type": "string", "readOnly": True, "description": "The address of its data"},
    "schema": {"type": "string", "readOnly": True, "description": "The address of its schema"},
}


def disk_formats(*, matched: bool) -> tuple[str, ...]:
    """The formats that an image may be said to have; matched: whether its data is held against that."""
    return (*AMAZON_FORMATS, *USABLE_FORMATS) if matched else DISK_FORMATS


def check_disk_format(value: str | None, *, matched: bool) -> None:
    """Refuse a disk whose upload would be refused.

    Raises:
        BadInput: says what to do.
    """
    served = disk_formats(matched=matched)
    if value is not None and value not in served:
        raise BadInput(
            f"Disk format '{value}' is not supported here; supported are {', '.join(served)}. {CONVERT}"
        )


def image_schema(*, matched: bool) -> dict[str, Any]:
    formats = {
        **PROPERTIES["disk_format"],
        "enum": [None, *disk_formats(matched=matched)],
    }
    return {
        "name": "image",
        "properties": {**PROPERTIES, "disk_format": formats},
        "additionalProperties": {"type": "string"},
        "links": [
            {"href": "{self}", "rel": "self"},
            {"href": "{file}", "rel": "enclosure"},
            {"href": "{schema}", "rel": "describedby"},
        ],
    }


def new_image_body() -> dict[str, Any]:
    return image_schema(matched=True)


def images_schema(*, matched: bool) -> dict[str, Any]:
    return collection("images", image_schema(matched=matched))


def member_schema() -> dict[str, Any]:
    return {
        "name": "member",
        "properties": {
            "created_at": {"type": "string", "description": "When it was added"},
            "image_id": {
                "type": "string",
                "description": "The image",
                "pattern": PROPERTIES["id"]["pattern"],
            },
            "member_id": {"type": "string", "description": "The project"},
            "schema": {"readOnly": True, "type": "string"},
            "status": {
                "type": "string",
                "description": "Whether the project took it",
                "enum": ["pending", "accepted", "rejected"],
            },
            "updated_at": {"type": "string", "description": "When it last changed"},
        },
    }


def members_schema() -> dict[str, Any]:
    return {
        "name": "members",
        "properties": {
            "members": {"type": "array", "items": member_schema()},
            "schema": {"type": "string"},
        },
        "links": [{"href": "{schema}", "rel": "describedby"}],
    }


def task_schema(*, whole: bool = True) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "id": {
            "type": "string",
            "description": "An identifier for the task",
            "pattern": PROPERTIES["id"]["pattern"],
        },
        "type": {
            "type": "string",
            "description": "What it does",
            "enum": ["import", "api_image_import", "location_import"],
        },
        "status": {
            "type": "string",
            "description": "Where it stands",
            "enum": ["pending", "processing", "success", "failure"],
        },
        "owner": {"type": "string", "description": "The project that began it"},
        "image_id": {"type": "string", "description": "The image it works on"},
        "request_id": {"type": "string", "description": "The request that began it"},
        "user_id": {"type": "string", "description": "Who began it"},
        "expires_at": {"type": ["null", "string"], "description": "When it is forgotten"},
        "created_at": {"type": "string", "description": "When it was begun"},
        "updated_at": {"type": "string", "description": "When it last changed"},
        "self": {"type": "string", "readOnly": True},
        "schema": {"type": "string", "readOnly": True},
    }
    if whole:
        properties |= {
            "input": {"type": ["null", "object"], "description": "What it was given"},
            "result": {"type": ["null", "object"], "description": "What came of it"},
            "message": {"type": "string", "description": "Why it failed"},
        }
    return {"name": "task", "properties": properties}


def collection(name: str, one: dict[str, Any]) -> dict[str, Any]:
    """The schema of a page of things."""
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": one},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"href": "{first}", "rel": "first"},
            {"href": "{next}", "rel": "next"},
            {"href": "{schema}", "rel": "describedby"},
        ],
    }


# ---- what is sent beside images ----


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def patch_body() -> dict[str, Any]:
    line = _object(
        {
            "op": {"type": "string", "enum": ["add", "replace", "remove"]},
            "path": {"type": "string", "enum": [f"/{name}" for name in PROPERTIES]},
        },
        value={},
    )
    return {"type": "array", "items": line}


def new_member_body() -> dict[str, Any]:
    return _object({"member": {"type": "string", "minLength": 1, "maxLength": 255}})


def member_body() -> dict[str, Any]:
    return _object({"status": member_schema()["properties"]["status"]})


def import_body() -> dict[str, Any]:
    names = ["glance-direct", "web-download", "copy-image", "glance-download"]
    method = _object(
        {"name": {"type": "string", "enum": names}},
        uri={"type": "string"},
        glance_image_id={"type": "string"},
        glance_region={"type": "string"},
        glance_service_interface={"type": "string"},
    )
    return _object(
        {"method": method},
        stores={"type": "array", "items": {"type": "string"}},
        all_stores={"type": "boolean"},
        all_stores_must_succeed={"type": "boolean"},
    )


def task_body() -> dict[str, Any]:
    given = _object(
        {"import_from": {"type": "string"}},
        import_from_format={"type": "string"},
        image_properties={"type": "object"},
    )
    return _object({"type": {"type": "string", "enum": ["import"]}, "input": given})


def location_body() -> dict[str, Any]:
    return _object(
        {"url": {"type": "string"}},
        validation_data=PROPERTIES["locations"]["items"]["properties"]["validation_data"],
    )


# ---- reading ----


def _bad(name: str, value: object, why: str) -> BadInput:
    return BadInput(
        f"Provided object does not match schema 'image': {str(value)[:100]!r} of {name} {why}"
    )


def checked(name: str, value: Any) -> Any:
    """A value for an attribute of an image, as it will be kept.

    Raises:
        BadInput: it does not fit. Forbidden: it is not for the caller to set. TooLarge: too many tags.
    """
    if name in READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name in RESERVED:
        raise Forbidden(f"Attribute '{name}' is reserved.")
    if name == "id":
        if not isinstance(value, str) or not is_uuid(value) or len(value) != 36:
            raise _bad(name, value, "is not a valid UUID")
        return value.lower()
    if name in ("name", "owner"):
        if value is not None and (not isinstance(value, str) or len(value) > 255):
            raise _bad(name, value, "is not a text of at most 255 characters")
        return value
    if name == "visibility":
        if value not in VISIBILITIES:
            raise _bad(name, value, f"is not one of {', '.join(VISIBILITIES)}")
        return value
    if name in ("protected", "os_hidden"):
        if not isinstance(value, bool):
            raise _bad(name, value, "is not true or false")
        return value
    if name in ("min_disk", "min_ram"):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAXIMUM:
            raise _bad(name, value, f"is not a whole number from 0 to {MAXIMUM}")
        return value
    if name == "disk_format":
        if value is not None and value not in DISK_FORMATS:
            raise _bad(name, value, f"is not one of {', '.join(DISK_FORMATS)}")
        return value
    if name == "container_format":
        if value is not None and value not in CONTAINER_FORMATS:
            raise _bad(name, value, f"is not one of {', '.join(CONTAINER_FORMATS)}")
        return value
    if name == "tags":
        if not isinstance(value, list) or not all(
            isinstance(t, str) and len(t) <= 255 for t in value
        ):
            raise _bad(name, value, "is not a list of texts of at most 255 characters")
        if len(set(value)) > MAXIMUM_TAGS:
            raise TooLarge(f"An image has at most {MAXIMUM_TAGS} tags.")
        return list(dict.fromkeys(value))
    if name == "locations":
        return value
    if not name or len(name) > 255 or name.startswith("os_glance"):
        raise Forbidden(f"Attribute '{name[:100]}' is reserved.")
    if not isinstance(value, str) or len(value) > 65_535:
        raise _bad(name, value, "is not a text")
    return value


def new_image(
    project_id: str | None, body: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Own columns, further properties and tags of a new image.

    Raises:
        BadInput: they do not fit. Forbidden: one is not for the caller to set.
    """
    values: dict[str, Any] = {"id": new_uuid(), "owner": project_id, "visibility": "shared"}
    properties: dict[str, str] = {}
    tags: list[str] = []
    for name, value in body.items():
        kept = checked(name, value)
        if name == "tags":
            tags = kept
        elif name == "locations":
            raise Forbidden("Locations are added to an image that exists.")
        elif name == "id" or name in OWN:
            if not (name == "owner" and kept is None):
                values[name] = kept
        else:
            properties[name] = kept
    if values["owner"] is None:
        raise BadInput("An image belongs to a project: name its owner, or use a project's token.")
    if len(properties) > MAXIMUM_PROPERTIES:
        raise TooLarge(f"An image has at most {MAXIMUM_PROPERTIES} further properties.")
    return values, properties, tags


class Change:
    """One line of a JSON patch: what is done to which attribute.

    place: of locations, the one that is added or removed ("-" for behind the last); else "".
    """

    def __init__(self, op: str, name: str, value: Any, place: str = "") -> None:
        self.op = op
        self.name = name
        self.value = value
        self.place = place


def read_patch(body: Any, *, oldest: bool) -> list[Change]:
    """A JSON patch as this API takes it: add, replace, remove of top-level attributes (and tags as a whole).

    Args:
        oldest: the form of openstack-images-v2.0-json-patch, where the operation is the key.

    Source: RFC 6902; Image API reference, "JSON patch media types".
    """
    if not isinstance(body, list):
        raise BadInput("Request body must be a JSON array of operation objects.")
    changes = []
    op: Any
    for line in body:
        if not isinstance(line, dict):
            raise BadInput("Operations must be JSON objects.")
        if oldest:
            found = [op for op in ("add", "replace", "remove") if op in line]
            if len(found) != 1:
                raise BadInput(
                    "Operation objects must contain only one member named add, remove, or replace."
                )
            op, path = found[0], line[found[0]]
        else:
            op, path = line.get("op"), line.get("path")
        if op not in ("add", "replace", "remove"):
            raise BadInput("Operation must be add, replace or remove.")
        if not isinstance(path, str) or not path.startswith("/"):
            raise BadInput(f'Pointer `{str(path)[:100]}` does not start with "/".')
        if re.search(r"~(?![01])", path) or "//" in path or path.endswith("/"):
            raise BadInput(f"Pointer `{path[:100]}` is not valid.")
        pieces = [p.replace("~1", "/").replace("~0", "~") for p in path[1:].split("/")]
        deep = 2 if pieces[0] == "locations" and op != "replace" else 1
        if len(pieces) != deep:
            raise BadInput(f"Invalid JSON pointer for this resource: '{path[:100]}'")
        if op != "remove" and "value" not in line:
            raise BadInput(f'Operation "{op}" requires a member named "value".')
        place = pieces[1] if deep == 2 else ""
        if place not in ("", "-") and not (place.isdecimal() and len(place) < 5):
            raise BadInput(f"Invalid JSON pointer for this resource: '{path[:100]}'")
        changes.append(Change(op, pieces[0], line.get("value"), place))
    return changes


# ---- answers ----


class View(Struct, frozen=True, kw_only=True):
    """What is shown of an image beside its row.

    stores: ids of the stores that have it. locations: as the API shows them; None when they are not shown.
    direct_url: None when it is not shown.
    """

    properties: dict[str, str]
    tags: list[str]
    stores: list[str]
    locations: list[dict[str, Any]] | None = None
    direct_url: str | None = None


def image(row: Sequence[Any], view: View) -> dict[str, Any]:
    """An image; row: all columns of the table, in its order. Taken apart at once: by name it costs twice as much."""
    (
        image_id, name, owner, status, visibility, protected, os_hidden, disk_format, container_format, size,
        virtual_size, checksum, os_hash_algo, os_hash_value, min_disk, min_ram, created_at, updated_at, _, _, _,
        import_task, importing_to, failed_import, _,
    ) = row  # fmt: skip
    answer: dict[str, Any] = {
        **view.properties,
        "id": image_id,
        "name": name,
        "status": status,
        "visibility": visibility,
        "protected": protected,
        "os_hidden": os_hidden,
        "checksum": checksum,
        "os_hash_algo": os_hash_algo,
        "os_hash_value": os_hash_value,
        "size": size,
        "virtual_size": virtual_size,
        "container_format": container_format,
        "disk_format": disk_format,
        "min_disk": min_disk,
        "min_ram": min_ram,
        "owner": owner,
        "created_at": zulu(created_at),
        "updated_at": zulu(updated_at),
        "tags": view.tags,
        "self": f"/v2/images/{image_id}",
        "file": f"/v2/images/{image_id}/file",
        "schema": "/v2/schemas/image",
    }
    if view.stores:
        answer["stores"] = ",".join(view.stores)
    if view.locations is not None:
        answer["locations"] = view.locations
    if view.direct_url is not None:
        answer["direct_url"] = view.direct_url
    if import_task not in (None, image_id):  # its own: the image is made from a server's disk
        answer["os_glance_import_task"] = import_task
    if importing_to is not None:
        answer["os_glance_importing_to_stores"] = importing_to
        answer["os_glance_failed_import"] = failed_import or ""
    return answer


def task(row: Row[Any], *, whole: bool) -> dict[str, Any]:
    """A task; in lists without what it was given and what came of it."""
    answer: dict[str, Any] = {
        "id": row.id,
        "type": row.type,
        "status": row.status,
        "owner": row.owner,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
        "self": f"/v2/tasks/{row.id}",
        "schema": "/v2/schemas/task",
    }
    if row.expires_at is not None:
        answer["expires_at"] = zulu(row.expires_at)
    if whole:
        answer |= {"input": row.input, "result": row.result, "message": row.message}
        for name in ("image_id", "request_id", "user_id"):
            if getattr(row, name) is not None:
                answer[name] = getattr(row, name)
    return answer


def task_of_image(row: Row[Any]) -> dict[str, Any]:
    """A task in the list of its image's, which upstream shows in a form of its own."""
    answer = task(row, whole=True)
    del answer["self"], answer["schema"]
    return answer | {"deleted": False, "deleted_at": None}


def member(row: Row[Any]) -> dict[str, Any]:
    return {
        "image_id": row.image_id,
        "member_id": row.member_id,
        "status": row.status,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
        "schema": "/v2/schemas/member",
    }
