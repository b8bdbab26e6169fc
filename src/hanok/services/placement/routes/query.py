"""The groups of a query: resources, required, member_of, in_tree, each plain or with a suffix."""

from __future__ import annotations

import re
from typing import Any

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid
from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.logic.providers import dashed
from hanok.web.request import Request

GROUP = ("resources", "required", "member_of", "in_tree")
KEY = re.compile(rf"({'|'.join(GROUP)})([a-zA-Z0-9_-]{{0,64}})")
_RESOURCE = re.compile(r"([A-Z0-9_]+):([1-9]\d{0,17})")
_TRAIT = re.compile(r"[A-Z0-9_]{1,255}")


def groups_of(request: Request, *, only_plain: bool = False) -> dict[str, Group]:
    """The groups by suffix; "" is the plain one.

    Raises:
        BadInput: a value does not have its form, or this version does not know it.
    """
    raw: dict[str, dict[str, Any]] = {}
    for key, value in request.pairs:
        match = KEY.fullmatch(key)
        if match is None or (only_plain and match[2]):
            continue
        if match[2] and request.microversion < (1, 25):
            continue
        group = raw.setdefault(
            match[2],
            {
                "resources": {},
                "required": [],
                "forbidden": set(),
                "member_of": [],
                "not_member_of": set(),
                "in_tree": "",
            },
        )
        _READERS[match[1]](request, group, value)
    return {
        suffix: Group(
            resources=group["resources"],
            required=tuple(group["required"]),
            forbidden=frozenset(group["forbidden"]),
            member_of=tuple(group["member_of"]),
            not_member_of=frozenset(group["not_member_of"]),
            in_tree=group["in_tree"],
        )
        for suffix, group in raw.items()
    }


def _resources(request: Request, group: dict[str, Any], value: str) -> None:
    for item in value.split(","):
        match = _RESOURCE.fullmatch(item)
        if match is None:
            raise BadInput(
                f"Badly formed resources parameter. Expected resources query string parameter in form: "
                f"?resources=VCPU:2,MEMORY_MB:1024. Got: {value[:200]}"
            )
        if match[1] in group["resources"]:
            raise BadInput(f"The resource class {match[1]} is named twice.")
        group["resources"][match[1]] = int(match[2])


def _required(request: Request, group: dict[str, Any], value: str) -> None:
    if value.startswith("in:"):
        if request.microversion < (1, 39):
            raise BadInput(
                "The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' is only supported from 1.39."
            )
        names = value[3:].split(",")
        if not all(_TRAIT.fullmatch(name) for name in names):
            raise BadInput(f"Invalid query string parameters: required={value[:200]}")
        group["required"].append(frozenset(names))
        return
    for name in value.split(","):
        forbidden = name.startswith("!") and request.microversion >= (1, 22)
        bare = name[1:] if forbidden else name
        if not _TRAIT.fullmatch(bare):
            raise BadInput(
                "Invalid query string parameters: Expected 'required' parameter value of the form: "
                f"HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: {value[:200]}"
            )
        if forbidden:
            group["forbidden"].add(bare)
        else:
            group["required"].append(frozenset([bare]))
    both = group["forbidden"] & {t for one in group["required"] if len(one) == 1 for t in one}
    if both:
        raise BadInput(f"Conflicting required and forbidden traits: {', '.join(sorted(both))}")


def _member_of(request: Request, group: dict[str, Any], value: str) -> None:
    negative = value.startswith("!")
    if negative and request.microversion < (1, 32):
        raise BadInput(
            "Forbidden member_of parameters are not supported in the specified microversion."
        )
    bare = value[1:] if negative else value
    ids = bare[3:].split(",") if bare.startswith("in:") else [bare]
    if not all(is_uuid(one) for one in ids):
        raise BadInput(
            "Expected 'member_of' parameter to contain valid UUID(s), with 'in:' before several. "
            f"Got: {value[:200]}"
        )
    found = frozenset(dashed(one) for one in ids)
    if negative:
        group["not_member_of"] |= found
    else:
        group["member_of"].append(found)


def _in_tree(request: Request, group: dict[str, Any], value: str) -> None:
    if not is_uuid(value):
        raise BadInput(f"Expected 'in_tree' parameter to be a UUID. Got: {value[:100]}")
    group["in_tree"] = dashed(value)


_READERS = {
    "resources": _resources,
    "required": _required,
    "member_of": _member_of,
    "in_tree": _in_tree,
}
