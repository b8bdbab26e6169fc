"""Bodies, JSON patches, answers and the schemas that the API hands out."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Row

from hanok.base.clock import zulu
from hanok.base.errors import BadInput, Forbidden
from hanok.base.ids import is_uuid

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
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
VISIBILITIES = ("community", "public", "private", "shared")
READ_ONLY = frozenset(
    (
        "status checksum os_hash_algo os_hash_value size virtual_size created_at updated_at "
        "direct_url self file schema"
    ).split()
)
RESERVED = frozenset(
    "deleted deleted_at upload upload_seen_at is_public properties members location".split()
)
MOST = 2_147_483_647
MOST_PROPERTIES = 128
MOST_TAGS = 128

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
    "self": {"type": "string", "readOnly": True, "description": "Its address"},
    "file": {"type": "string", "readOnly": True, "description": "The address of its data"},
    "schema": {"type": "string", "readOnly": True, "description": "The address of its schema"},
}


def image_schema() -> dict[str, Any]:
    return {
        "name": "image",
        "properties": PROPERTIES,
        "additionalProperties": {"type": "string"},
        "links": [
            {"href": "{self}", "rel": "self"},
            {"href": "{file}", "rel": "enclosure"},
            {"href": "{schema}", "rel": "describedby"},
        ],
    }


def images_schema() -> dict[str, Any]:
    return {
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": image_schema()},
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


def member_schema() -> dict[str, Any]:
    return {
        "name": "member",
        "properties": {
            "created_at": {"type": "string", "description": "When it was added"},
            "image_id": {"type": "string", "description": "The image"},
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


# ---- reading ----


def _bad(name: str, value: object, why: str) -> BadInput:
    return BadInput(
        f"Provided object does not match schema 'image': {str(value)[:100]!r} of {name} {why}"
    )


def checked(name: str, value: Any) -> Any:
    """A value for an attribute of an image, as it will be kept.

    Raises:
        BadInput: it does not fit. Forbidden: it is not for the caller to set.
    """
    if name in READ_ONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name in RESERVED:
        raise Forbidden(f"Attribute '{name}' is reserved.")
    if name == "id":
        if not isinstance(value, str) or not is_uuid(value) or len(value) != 36:
            raise _bad(name, value, "is no UUID")
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
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
            raise _bad(name, value, f"is not a whole number from 0 to {MOST}")
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
        if len(set(value)) > MOST_TAGS:
            raise BadInput(f"An image has at most {MOST_TAGS} tags.")
        return list(dict.fromkeys(value))
    if not name or len(name) > 255 or name.startswith("os_glance"):
        raise Forbidden(f"Attribute '{name[:100]}' is reserved.")
    if not isinstance(value, str) or len(value) > 65_535:
        raise _bad(name, value, "is not a text")
    return value


class Change:
    """One line of a JSON patch: what is done to which attribute."""

    def __init__(self, op: str, name: str, value: Any) -> None:
        self.op = op
        self.name = name
        self.value = value


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
        if len(pieces) != 1:
            raise BadInput(f"Invalid JSON pointer for this resource: '{path[:100]}'")
        if op != "remove" and "value" not in line:
            raise BadInput(f'Operation "{op}" requires a member named "value".')
        changes.append(Change(op, pieces[0], line.get("value")))
    return changes


# ---- answers ----


def image(row: Row[Any], properties: dict[str, str], tags: list[str]) -> dict[str, Any]:
    answer: dict[str, Any] = dict(properties)
    answer.update(
        id=row.id,
        name=row.name,
        status=row.status,
        visibility=row.visibility,
        protected=row.protected,
        os_hidden=row.os_hidden,
        checksum=row.checksum,
        os_hash_algo=row.os_hash_algo,
        os_hash_value=row.os_hash_value,
        size=row.size,
        virtual_size=row.virtual_size,
        container_format=row.container_format,
        disk_format=row.disk_format,
        min_disk=row.min_disk,
        min_ram=row.min_ram,
        owner=row.owner,
        created_at=zulu(row.created_at),
        updated_at=zulu(row.updated_at),
        tags=tags,
        self=f"/v2/images/{row.id}",
        file=f"/v2/images/{row.id}/file",
        schema="/v2/schemas/image",
    )
    if row.status == "active":
        answer["stores"] = "file"
    return answer


def member(row: Row[Any]) -> dict[str, Any]:
    return {
        "image_id": row.image_id,
        "member_id": row.member_id,
        "status": row.status,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
        "schema": "/v2/schemas/member",
    }
