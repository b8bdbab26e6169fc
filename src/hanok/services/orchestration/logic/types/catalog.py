"""All types that there are, by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import Attribute, Property, ResourceType

if TYPE_CHECKING:
    from hanok.services.orchestration.logic.parameters import Parameter
    from hanok.services.orchestration.logic.templates import Template

_KINDS = {
    "string": "string",
    "number": "number",
    "comma_delimited_list": "list",
    "json": "any",
    "boolean": "boolean",
}
OF_ALL = {"show": Attribute("Detailed information about resource.", "map")}


@cache
def all_types() -> dict[str, ResourceType]:
    """By name, in the order of names."""
    from hanok.services.orchestration.logic.types import (  # fmt: skip
        aodh,
        aws,
        barbican,
        cinder,
        glance,
        groups,
        heat,
        keystone,
        manila,
        neutron,
        nova,
        octavia,
        signals,
        swift,
    )

    modules = (
        heat,
        groups,
        signals,
        nova,
        neutron,
        cinder,
        octavia,
        manila,
        glance,
        keystone,
        swift,
        aodh,
        barbican,
        aws,
    )
    found = {one.name: one for module in modules for one in module.TYPES}
    return dict(sorted(found.items()))


def get(name: str, resource: str = "") -> ResourceType:
    """
    Raises:
        Wrong
    """
    found = all_types().get(name)
    if found is None:
        raise Wrong(f"The Resource Type ({name[:200]}) could not be found.")
    return found


def has_attribute(kind: ResourceType, name: str) -> bool:
    """Whether get_attr may ask for it; groups tell what their members tell."""
    return (
        name in kind.attributes
        or name in OF_ALL
        or "*" in kind.attributes
        or (name.startswith(("resource.", "outputs")) and "resource." in kind.attributes)
    )


def of_template(file: str, name: str, template: Template) -> ResourceType:
    """The type that a template is: its parameters are properties, its outputs attributes."""
    from hanok.services.orchestration.logic.types.groups import NestedTemplate

    outputs = {one: Attribute(output.description) for one, output in template.outputs.items()}
    return ResourceType(
        name=name,
        properties={one: _property(declared) for one, declared in template.parameters.items()},
        attributes={
            **outputs,
            "outputs": Attribute("All outputs.", "map"),
            "resource.": Attribute("Of a resource of the template."),
        },
        driver=NestedTemplate(file),
        description=template.description,
    )


def _property(declared: Parameter) -> Property:
    return Property(
        type=_KINDS[declared.type],  # type: ignore[arg-type]
        required=declared.default is None,
        update=not declared.immutable,
        constraints=tuple(one for one in declared.constraints if one.kind != "custom_constraint"),
        description=declared.description,
    )


def nested(name: str) -> ResourceType:
    """The type of a resource that was a template, which is not there any more: it can still be removed."""
    from hanok.services.orchestration.logic.types.groups import NestedTemplate

    return ResourceType(
        name=name, properties={}, attributes={}, driver=NestedTemplate(name), open=True
    )
