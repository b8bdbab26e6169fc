"""The groups of a query: resources, required, member_of, in_tree, each plain or with a suffix.

Which of them a version knows, and which forms their values have in it, is declared here; what reads them knows the
newest forms only.

Source: Placement API reference and its microversion history, 1.3 to 1.39.
"""

from __future__ import annotations

import re
from typing import Any

from hanok.base.errors import BadInput
from hanok.base.ids import is_uuid
from hanok.services.placement.logic.candidates import Group
from hanok.services.placement.logic.providers import dashed, undashed
from hanok.web.microversions import Version
from hanok.web.request import Request
from hanok.web.versions import Attribute, Parameter, Shape

GROUP = ("resources", "required", "member_of", "in_tree")
KEY = re.compile(rf"({'|'.join(GROUP)})([a-zA-Z0-9_-]{{0,64}})")
_RESOURCE = re.compile(r"([A-Z0-9_]+):([1-9]\d{0,17})")
_TRAIT = re.compile(r"[A-Z0-9_]{1,255}")
_NUMBERED, _NAMED = re.compile("[1-9][0-9]*"), re.compile("[a-zA-Z0-9_-]{1,64}")


# ---- what older versions do not know yet ----


def _requested_only(name: str, values: list[str]) -> None:
    """Before 1.22 traits were wanted, not forbidden; before 1.39 all of them, not one of several."""
    if any("!" in value for value in values):
        raise BadInput(
            "Invalid query string parameters: Expected 'required' parameter value of the form: "
            f"HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: {values[-1][:200]}"
        )
    _all_of_them(name, values)


def _all_of_them(name: str, values: list[str]) -> None:
    if any(value.startswith("in:") for value in values):
        raise BadInput(
            "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported "
            "since microversion 1.39."
        )


def _member_once(name: str, values: list[str]) -> None:
    """Before 1.24 one set of aggregates could be named."""
    if len(values) > 1:
        raise BadInput(f"Multiple {name} parameters are not supported")
    _member_only(name, values)


def _member_only(name: str, values: list[str]) -> None:
    if any(value.startswith("!") for value in values):
        raise BadInput(
            f"Forbidden {name} parameters are not supported in the specified microversion"
        )


_FORMS: dict[str, tuple[tuple[Version | None, Version | None, Any], ...]] = {
    "resources": ((None, None, None),),
    "required": (
        (None, (1, 21), _requested_only),
        ((1, 22), (1, 38), _all_of_them),
        ((1, 39), None, None),
    ),
    "member_of": (
        (None, (1, 23), _member_once),
        ((1, 24), (1, 31), _member_only),
        ((1, 32), None, None),
    ),
    "in_tree": ((None, None, None),),
}


def parameters(
    name: str,
    since: Version | None = None,
    until: Version | None = None,
    *,
    suffix: re.Pattern[str] | None = None,
) -> list[Parameter]:
    """A parameter of a group, with the forms of its values in each version.

    Args:
        since, until: the versions that know it. suffix: what its suffix looks like; None: the plain one.
    """
    found = []
    for first, last, check in _FORMS[name]:
        begin = max(one for one in (since, first, (1, 0)) if one is not None)
        end = min(one for one in (until, last, (1, 999)) if one is not None)
        if begin <= end:
            found.append(
                Parameter(
                    name=name,
                    since=begin,
                    until=end,
                    check=check,
                    suffix=suffix,
                )
            )
    return found


OF_PROVIDERS = (
    *parameters("member_of", (1, 3)),
    *parameters("resources", (1, 4)),
    *parameters("in_tree", (1, 14)),
    *parameters("required", (1, 18)),
)
OF_CANDIDATES = (
    *parameters("resources", (1, 10)),
    *parameters("required", (1, 17)),
    *parameters("member_of", (1, 21)),
    *parameters("in_tree", (1, 31)),
    *(
        one
        for name in ("resources", "required", "member_of")
        for one in parameters(name, (1, 25), (1, 32), suffix=_NUMBERED)
    ),
    *parameters("in_tree", (1, 31), (1, 32), suffix=_NUMBERED),
    *(one for name in GROUP for one in parameters(name, (1, 33), suffix=_NAMED)),
)


# ---- what they say ----

REPEATED = Shape(Attribute(name="required", since=(1, 39)))
"""Whether all the times that a parameter is given count, rather than the last one."""


def groups_of(request: Request) -> dict[str, Group]:
    """The groups by suffix; "" is the plain one.

    Raises:
        BadInput: a value does not have its form.
    """
    raw: dict[str, dict[str, Any]] = {}
    several = request.shown(REPEATED).shows("required")
    for key, value in request.parameters:
        match = KEY.fullmatch(key)
        if match is None:
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
        if match[1] == "required" and not several:
            group |= {"required": [], "forbidden": set()}
        _READERS[match[1]](group, value)
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


def _resources(group: dict[str, Any], value: str) -> None:
    for item in value.strip().split(","):
        match = _RESOURCE.fullmatch(item)
        if match is None:
            raise BadInput(
                f"Badly formed resources parameter. Expected resources query string parameter in form: "
                f"?resources=VCPU:2,MEMORY_MB:1024. Got: {item[:200] or 'empty string'}."
            )
        if match[1] in group["resources"]:
            raise BadInput(f"The resource class {match[1]} is named twice.")
        group["resources"][match[1]] = int(match[2])


def _required(group: dict[str, Any], value: str) -> None:
    if value.startswith("in:"):
        names = [name.strip() for name in value[3:].split(",")]
        if not all(_TRAIT.fullmatch(name) for name in names):
            raise BadInput(f"Invalid query string parameters: required={value[:200]}")
        group["required"].append(frozenset(names))
        return
    for name in map(str.strip, value.split(",")):
        bare = name.removeprefix("!")
        if not _TRAIT.fullmatch(bare):
            raise BadInput(
                "Invalid query string parameters: Expected 'required' parameter value of the form: "
                f"HW_CPU_X86_VMX,!CUSTOM_MAGIC. Got: {value[:200]}"
            )
        if name != bare:
            group["forbidden"].add(bare)
        else:
            group["required"].append(frozenset([bare]))
    both = group["forbidden"] & {t for one in group["required"] if len(one) == 1 for t in one}
    if both:
        raise BadInput(f"Conflicting required and forbidden traits: {', '.join(sorted(both))}")


def _member_of(group: dict[str, Any], value: str) -> None:
    bare = value.removeprefix("!")
    if "," in bare and not bare.startswith("in:"):
        raise BadInput(
            "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid "
            f"microversion. Got: {value[:200]}"
        )
    ids = bare[3:].split(",") if bare.startswith("in:") else [bare]
    if not all(is_uuid(one) for one in ids):
        raise BadInput(
            "Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). "
            f"Got: {value[:200]}"
        )
    # An aggregate is kept as it was sent, and found by either spelling.
    found = frozenset(spelled for one in ids for spelled in (dashed(one), undashed(one)))
    if value != bare:
        group["not_member_of"] |= found
    else:
        group["member_of"].append(found)


def _in_tree(group: dict[str, Any], value: str) -> None:
    if not is_uuid(value.strip()):
        raise BadInput(
            "Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. "
            f"Got: {value[:100]}"
        )
    group["in_tree"] = dashed(value.strip())


_READERS = {
    "resources": _resources,
    "required": _required,
    "member_of": _member_of,
    "in_tree": _in_tree,
}
