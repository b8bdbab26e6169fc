"""Templates: HOT and CFN read into the same form.

Source: the template guide, "Template structure"; the template reference of CloudFormation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from hanok.services.orchestration.logic import parameters
from hanok.services.orchestration.logic.functions import Scope, Wrong
from hanok.services.orchestration.logic.parameters import Parameter
from hanok.services.orchestration.logic.versions import ALL, BY_NAME, Version

_HOT = {
    "heat_template_version",
    "description",
    "parameter_groups",
    "parameters",
    "resources",
    "outputs",
    "conditions",
}
_CFN = {"HeatTemplateFormatVersion", "AWSTemplateFormatVersion", "Description", "Parameters", "Mappings", "Resources",
        "Outputs", "Conditions", "Metadata"}  # fmt: skip
_HOT_RESOURCE = {"type", "properties", "metadata", "depends_on", "deletion_policy", "update_policy", "description",
                 "external_id", "condition"}  # fmt: skip
_CFN_RESOURCE = {"Type": "type", "Properties": "properties", "Metadata": "metadata", "DependsOn": "depends_on",
                 "DeletionPolicy": "deletion_policy", "UpdatePolicy": "update_policy", "Description": "description",
                 "Condition": "condition"}  # fmt: skip
_OUTPUT = {"description", "value", "condition"}
_POLICIES = {"delete": "Delete", "retain": "Retain", "snapshot": "Snapshot"}


class Definition(Struct, frozen=True, kw_only=True):
    """A resource as a template says it, functions and all. deletion_policy: Delete, Retain or Snapshot."""

    name: str
    type: str
    properties: dict[str, Any]
    metadata: dict[str, Any]
    depends_on: tuple[str, ...] = ()
    deletion_policy: str = "Delete"
    update_policy: dict[str, Any] = {}
    description: str = ""
    external_id: Any = None
    condition: Any = None


class Output(Struct, frozen=True, kw_only=True):
    name: str
    value: Any
    description: str = ""
    condition: Any = None


class Template(Struct, frozen=True, kw_only=True):
    """A template that was read. raw: as it came."""

    raw: dict[str, Any]
    version: Version
    description: str
    parameters: dict[str, Parameter]
    groups: list[dict[str, Any]]
    resources: dict[str, Definition]
    outputs: dict[str, Output]
    conditions: dict[str, Any]
    mappings: dict[str, Any]


def version_of(raw: Mapping[str, Any]) -> Version:
    """
    Raises:
        Wrong: it names no version that is known.
    """
    for section in (
        "heat_template_version",
        "HeatTemplateFormatVersion",
        "AWSTemplateFormatVersion",
    ):
        if section not in raw:
            continue
        found = BY_NAME.get(str(raw[section]))
        if found is None or found.section != section:
            same = [
                name for one in ALL if one.section == section for name in (one.name, *one.aliases)
            ]
            raise Wrong(
                f'The template version is invalid: "{section}: {str(raw[section])[:50]}". '
                f'"{section}" should be one of: {", ".join(same)}'
            )
        return found
    raise Wrong("Template version was not provided")


def read(raw: Any) -> Template:
    """A template from plain values.

    Raises:
        Wrong
    """
    if not isinstance(raw, dict):
        raise Wrong("The template is not a JSON object or YAML mapping.")
    version = version_of(raw)
    known = _HOT if version.kind == "hot" else _CFN
    if odd := [key for key in raw if key not in known]:
        raise Wrong(f"The template section is invalid: {odd[0][:100]}")
    if not version.conditions and "conditions" in raw:
        raise Wrong("The template section is invalid: conditions")
    return _hot(raw, version) if version.kind == "hot" else _cfn(raw, version)


def _section(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Wrong(f'"{name}" must contain a map. Found a [{type(found).__name__}] instead')
    return found


def _hot(raw: dict[str, Any], version: Version) -> Template:
    declared = {
        name: parameters.of_hot(name, one) for name, one in _section(raw, "parameters").items()
    }
    return Template(
        raw=raw,
        version=version,
        description=str(raw.get("description") or "No description"),
        parameters=declared,
        groups=_groups(raw.get("parameter_groups"), declared),
        resources={
            name: _definition(name, one) for name, one in _section(raw, "resources").items()
        },
        outputs={name: _output(name, one) for name, one in _section(raw, "outputs").items()},
        conditions=_section(raw, "conditions"),
        mappings={},
    )


def _cfn(raw: dict[str, Any], version: Version) -> Template:
    return Template(
        raw=raw,
        version=version,
        description=str(raw.get("Description") or "No description"),
        parameters={
            name: parameters.of_cfn(name, one) for name, one in _section(raw, "Parameters").items()
        },
        groups=[],
        resources={
            name: _cfn_definition(name, one) for name, one in _section(raw, "Resources").items()
        },
        outputs={name: _cfn_output(name, one) for name, one in _section(raw, "Outputs").items()},
        conditions=_section(raw, "Conditions"),
        mappings=_section(raw, "Mappings"),
    )


def _cfn_definition(name: str, raw: Any) -> Definition:
    if isinstance(raw, dict):
        if odd := [key for key in raw if key not in _CFN_RESOURCE]:
            raise Wrong(f'"{odd[0][:100]}" is not a valid keyword inside a resource definition')
        raw = {_CFN_RESOURCE[key]: one for key, one in raw.items()}
    return _definition(name, raw)


def _cfn_output(name: str, raw: Any) -> Output:
    if isinstance(raw, dict):
        raw = {key.lower(): one for key, one in raw.items()}
    return _output(name, raw)


def _definition(name: str, raw: Any) -> Definition:
    if not isinstance(raw, dict):
        raise Wrong(
            f'"resources" must contain a map of resource maps. Found a [{type(raw).__name__}] instead'
        )
    if odd := [key for key in raw if key not in _HOT_RESOURCE]:
        raise Wrong(f'"{odd[0][:100]}" is not a valid keyword inside a resource definition')
    if len(name) > 255 or "/" in name or not name:
        raise Wrong("A resource's name has at most 255 characters, and no '/'.")
    if not isinstance(raw.get("type"), str):
        raise Wrong(
            f"Resource {name} type type must be string"
            if "type" in raw
            else f"Each Resource must contain a type key: {name}"
        )
    if len(raw["type"]) > 255:
        raise Wrong("A resource's type has at most 255 characters.")
    policy = str(raw.get("deletion_policy") or "Delete")
    if policy.lower() not in _POLICIES:
        raise Wrong(f'Invalid deletion policy "{policy[:50]}"')
    return Definition(
        name=name,
        type=raw["type"],
        properties=_map(raw, "properties", name),
        metadata=_map(raw, "metadata", name),
        depends_on=_names(raw.get("depends_on"), name),
        deletion_policy=_POLICIES[policy.lower()],
        update_policy=_map(raw, "update_policy", name),
        description=str(raw.get("description") or ""),
        external_id=raw.get("external_id"),
        condition=raw.get("condition"),
    )


def _map(raw: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    found = raw.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Wrong(f"Resource {name} {key} type must be dict")
    return found


def _names(raw: Any, name: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    found = [raw] if isinstance(raw, str) else raw
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Wrong(f"Resource {name} depends_on type must be string or list")
    return tuple(found)


def _output(name: str, raw: Any) -> Output:
    if not isinstance(raw, dict):
        raise Wrong(f"Outputs must contain Output. Found a [{type(raw).__name__}] instead")
    if odd := [key for key in raw if key not in _OUTPUT]:
        raise Wrong(f'"{odd[0][:100]}" is not a valid keyword inside an output definition')
    if "value" not in raw:
        raise Wrong(f"Each output must contain a value key. ({name})")
    return Output(name=name, value=raw["value"], description=str(raw.get("description") or ""),
                  condition=raw.get("condition"))  # fmt: skip


def _groups(raw: Any, declared: Mapping[str, Parameter]) -> list[dict[str, Any]]:
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise Wrong("The parameter_groups should be a list.")
    seen: set[str] = set()
    for group in raw:
        names = group.get("parameters")
        if not isinstance(names, list):
            raise Wrong(
                f"The parameters of parameter group {str(group.get('label'))[:100]} should be a list."
            )
        for name in names:
            if not isinstance(name, str):
                raise Wrong("The parameters of a parameter group must be names.")
            if name in seen:
                raise Wrong(f"The {name} parameter must be assigned to one parameter group only.")
            if name not in declared:
                raise Wrong(f"The grouped parameter {name} does not reference a valid parameter.")
            seen.add(name)
    return raw


# ---- what refers to what ----


def references(scope: Scope, value: Any) -> Iterator[str]:
    """The names of the resources that a value refers to."""
    for name, _ in attributes(scope, value):
        yield name


def attributes(scope: Scope, value: Any) -> Iterator[tuple[str, str | None]]:
    """The resources that a value refers to, each with the attribute that is asked of it; None: only what it is."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack.extend(one)
        elif isinstance(one, dict):
            stack.extend(one.values())
            name = scope.function(one)
            if name is not None:
                yield from _referred(scope, name, one[name])


def _referred(scope: Scope, function: str, raw: Any) -> Iterator[tuple[str, str | None]]:
    if function == "get_resource" and isinstance(raw, str):
        yield raw, None
    elif function == "Ref" and isinstance(raw, str) and scope.is_resource(raw):
        yield raw, None
    elif function in ("get_attr", "Fn::GetAtt"):
        given = raw.split(".", 1) if isinstance(raw, str) and function == "Fn::GetAtt" else raw
        given = [given] if isinstance(given, str) else given
        if isinstance(given, list) and given and isinstance(given[0], str):
            second = given[1] if len(given) > 1 else ""
            yield given[0], second if isinstance(second, str) else str(scope.value(second))
