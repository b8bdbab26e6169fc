"""Extra specs of share types: what they may say, and what a share of the type is able to do by them.

Source: Shared File Systems administrator guide, "Share types", "Common capabilities".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.base.errors import BadInput
from hanok.services.shared_file_system.schemas.values import FALSE, TRUE

SERVERS = "driver_handles_share_servers"
REQUIRED = (SERVERS,)
ABILITIES = (
    "snapshot_support", "create_share_from_snapshot_support", "revert_to_snapshot_support",
    "mount_snapshot_support", "snapshot_inherit_share_access_support",
)  # fmt: skip
FLAGS = (SERVERS, *ABILITIES, "mount_point_name_support")
REPLICATION = ("writable", "readable", "dr")
ENCRYPTION = ("share", "share_server")
SMALLEST, LARGEST = "provisioning:min_share_size", "provisioning:max_share_size"
LARGEST_EXTENDED = "provisioning:max_share_extend_size"
SIZES = (SMALLEST, LARGEST, LARGEST_EXTENDED)
PREFIX = "provisioning:mount_point_prefix"
TEXTS = (PREFIX, "default_qos_type")
VISIBLE = frozenset(
    (*FLAGS, "replication_type", "availability_zones", "encryption_support", *SIZES, *TEXTS)
)
"""What anybody who may see a type sees of its extra specs."""
MAXIMUM = 256  # extra specs of a type
_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:- ")


def flag(value: object) -> bool | None:
    """A flag of a spec: "True", "<is> False", "1"; None: it is none."""
    text = str(value).strip().lower()
    text = text.removeprefix("<is>").strip()
    return True if text in TRUE else False if text in FALSE else None


def says(specs: Mapping[str, Any], name: str) -> bool:
    """Whether a type has an ability; without the spec it has none."""
    return flag(specs.get(name, "")) is True


def zones(specs: Mapping[str, Any]) -> list[str]:
    """The zones that a type's shares may be in; none: any."""
    sent = str(specs.get("availability_zones") or "")
    return [one.strip() for one in sent.split(",") if one.strip()]


def abilities(specs: Mapping[str, Any]) -> dict[str, bool]:
    """What a share of a type is able to do, as it is kept with the share."""
    return {name: says(specs, name) for name in ABILITIES}


def _fits(name: str, value: str) -> bool:
    if name in FLAGS:
        return flag(value) is not None
    if name in SIZES:
        return value.isascii() and value.isdigit() and len(value) < 10 and int(value) >= 1
    if name == "replication_type":
        return value in REPLICATION
    if name == "encryption_support":
        return value in ENCRYPTION
    if name == "availability_zones":
        return all(one.strip() for one in value.split(","))
    return True


def checked(sent: Mapping[str, Any], *, whole: bool) -> dict[str, str]:
    """Specs as they are kept.

    Args:
        whole: whether these are all of a type, so that what is required must be there.

    Raises:
        BadInput
    """
    missing = [name for name in REQUIRED if name not in sent] if whole else []
    if missing:
        raise BadInput(f"Required extra specs '{','.join(missing)}' not specified.")
    if len(sent) > MAXIMUM:
        raise BadInput(f"A share type has at most {MAXIMUM} extra specs.")
    found = {}
    for name, value in sent.items():
        text = _text(name, value)
        if not _fits(name, text):
            raise BadInput(f"Invalid extra_spec: {name[:100]}: {text[:100]}")
        found[name] = text
    if "availability_zones" in found:
        found["availability_zones"] = ",".join(zones(found))
    return found


def _text(name: str, value: object) -> str:
    if not 0 < len(name) <= 255 or not _KEY.issuperset(name):
        raise BadInput(
            "Key names can only contain alphanumeric characters, underscores, periods, colons and hyphens."
        )
    if not isinstance(value, str | bool | int) or not (0 < len(str(value)) <= 255 or name in TEXTS):
        raise BadInput(f"Invalid extra_spec: {name[:100]}: {str(value)[:100]}")
    return str(value)


def check_size(
    specs: Mapping[str, Any], type_name: str, size_gib: int, *, smallest: bool, largest: str = ""
) -> None:
    """Raises BadInput for a share that a type does not let be so small, or so large.

    Args:
        largest: the spec that bounds it; empty: none does.
    """
    minimum, maximum = specs.get(SMALLEST), specs.get(largest) if largest else None
    if smallest and minimum and size_gib < int(minimum):
        raise BadInput(
            f"Invalid input received: Specified share size of '{size_gib}' is less than the minimum required size "
            f"of '{minimum}' for share type '{type_name}'."
        )
    if maximum and size_gib > int(maximum):
        raise BadInput(
            f"Invalid input received: Specified share size of '{size_gib}' is greater than the maximum allowable "
            f"size of '{maximum}' for share type '{type_name}'."
        )
