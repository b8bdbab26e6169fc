"""Whether a stack can be what it shall be, before anything of it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from hanok.base.errors import Forbidden
from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import UNKNOWN, Budget, Costly, Meeting, Wrong
from hanok.services.orchestration.logic.parameters import Values
from hanok.services.orchestration.logic.program import Names, Program, Source
from hanok.services.orchestration.logic.stacks import too_many
from hanok.services.orchestration.logic.types import rolling
from hanok.services.orchestration.logic.types.groups import (
    HOT,
    NestedTemplate,
    RemoteStack,
    ResourceGroup,
    check_growth,
    indexed,
)
from hanok.services.orchestration.logic.types.model import Failed, Property
from hanok.services.orchestration.logic.work import Cloud
from hanok.services.orchestration.room import OrchestrationSettings

MayUse = Callable[[str], bool]
"""Whether the rules let the caller use a type of resource."""

NAMES = 200_000  # parameters and outputs of all programs within one another
LOOKUPS = 200  # that a template may need before anything is made


class Allowance:
    """What all programs within one may still have: resources, and names of theirs that are read."""

    def __init__(self, settings: OrchestrationSettings) -> None:
        self._maximum = settings.max_resources_per_stack
        self._resources = 0
        self._names = Budget(NAMES)

    def enter(self, program: Program) -> None:
        """
        Raises:
            BadInput: there would be more than there may be.
        """
        template = program.template
        self._names.spend(len(template.parameters) + len(template.outputs) + len(template.raw))
        self._resources += len(template.resources)
        if 0 <= self._maximum < self._resources:
            raise too_many(self._maximum)


class Checked:
    """A program that was looked at, with the programs of the stacks within it, by resource."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.properties: dict[str, dict[str, Any]] = {}
        self.within: dict[str, Checked] = {}

    @property
    def count(self) -> int:
        return len(self.program.definitions) + sum(one.count for one in self.within.values())

    def written(self) -> list[Any]:
        """All templates, as they came."""
        return [one.program.template.raw for one in self.all()]

    def all(self) -> Iterator[Checked]:
        yield self
        for one in self.within.values():
            yield from one.all()


def check(
    program: Program,
    settings: OrchestrationSettings,
    may_use: MayUse,
    *,
    depth: int = 0,
    strict: bool = True,
    space: Allowance | None = None,
) -> Checked:
    """Read all that a program says, and hold it against types and limits.

    Args:
        space: what it may have, together with those that it is within.
        strict: whether what templates within give each other has to fit, too; the validation of a template alone says
            which parameters they have, as upstream.

    Raises:
        Wrong; Forbidden: a type that the caller may not use.
    """
    space = space or Allowance(settings)
    space.enter(program)
    program.load()
    checked, meeting = Checked(program), Meeting()
    for name in program.definitions:
        kind = program.types[name]
        if not may_use(kind.name):
            raise Forbidden(f"You are not authorized to use {kind.name}.")
        rolling.policy(program, name)
        for hook in program.env.hooks(name):
            if hook.startswith("post-"):
                raise Wrong(f"The hook {hook} of the resource {name} is not supported.")
        checked.properties[name] = _properties(program, name, strict=strict or depth == 0)
        given = checked.properties[name]
        with meeting.each():
            inner = _inside(program, name, given, settings, may_use, depth, strict, space)
            if inner is not None:
                checked.within[name] = inner
    meeting.end()
    if 0 <= settings.max_resources_per_stack < checked.count:
        raise too_many(settings.max_resources_per_stack)
    return checked


def _properties(program: Program, name: str, *, strict: bool) -> dict[str, Any]:
    where = f"resources.{name}.properties"
    kind, given = program.types[name], {}
    if program.definitions[name].external_id is not None:
        return dict.fromkeys(kind.properties, UNKNOWN)
    for key, raw in program.definitions[name].properties.items():
        try:
            given[key] = program.static.value(raw)
        except Wrong as error:
            if not program.complete and not isinstance(error, Costly):
                given[key] = UNKNOWN
                continue
            raise Wrong(f"Property error: : {where}.{key}: : {error.message}") from None
    if not strict and isinstance(kind.driver, NestedTemplate):
        given = {key: value for key, value in given.items() if key in kind.properties}
        return {**dict.fromkeys(kind.properties, UNKNOWN), **given}
    return kind.read(given, where)


def _inside(
    program: Program,
    name: str,
    properties: Mapping[str, Any],
    settings: OrchestrationSettings,
    may_use: MayUse,
    depth: int,
    strict: bool,
    space: Allowance,
) -> Checked | None:
    """What a resource that is a stack would be made of, as far as that is known."""
    template = _template_of(program, name, properties, settings, space)
    if template is None:
        return None
    if depth + 1 >= settings.max_nested_stack_depth:
        raise Wrong(
            f"Request limit exceeded: Recursion depth exceeds {settings.max_nested_stack_depth}."
        )
    given = {key: value for key, value in properties.items() if value is not None}
    parameters = given if isinstance(program.types[name].driver, NestedTemplate) else {}
    source = Source(
        template=template,
        files=program.source.files,
        environment={**program.source.environment, "parameters": parameters},
    )
    inner = _Inner(
        source,
        Names(name=f"{program.names.name}-{name}", project_id=program.names.project_id),
        outer=program,
    )
    return check(inner, settings, may_use, depth=depth + 1, strict=strict, space=space)


class _Partly(Values):
    """Values of which some are not known yet."""

    unknown: AbstractSet[str] = frozenset()

    def __call__(self, name: str) -> Any:
        return UNKNOWN if name in self.unknown else super().__call__(name)


class _Inner(Program):
    """A stack within another: what its parent does not know yet is not known here."""

    def __init__(self, source: Source, names: Names, *, outer: Program) -> None:
        given = dict(source.environment.get("parameters") or {})
        self.unknown = {name for name, value in given.items() if value is UNKNOWN}
        environment = {
            **source.environment,
            "parameters": {k: v for k, v in given.items() if v is not UNKNOWN},
        }
        super().__init__(
            Source(template=source.template, files=source.files, environment=environment),
            names,
            maximum=outer.maximum,
            complete=False,
            outer=outer,
        )
        read = self.values
        partly = _Partly(read.declared, read.given, read.defaults, read.pseudo)
        partly.unknown = self.unknown
        self.values = partly
        self.static = self.scope(budget=self.budget_within)

    def _condition(self, name: str) -> bool:
        try:
            return super()._condition(name)
        except Costly:
            raise
        except Wrong:
            return False


def _template_of(
    program: Program,
    name: str,
    properties: Mapping[str, Any],
    settings: OrchestrationSettings,
    space: Allowance,
) -> dict[str, Any] | None:
    driver = program.types[name].driver
    if program.definitions[name].external_id is not None:
        return None
    if isinstance(driver, NestedTemplate):
        return program.nested_template(driver.file).raw
    if isinstance(driver, RemoteStack):
        return _remote(program, properties, space)
    if not isinstance(driver, ResourceGroup):
        return None
    count, definition = properties["count"], properties["resource_def"]
    if count is UNKNOWN or definition is UNKNOWN or definition["type"] is UNKNOWN:
        return None
    if 0 <= settings.max_resources_per_stack < count:
        raise too_many(settings.max_resources_per_stack)
    raw = {key: value for key, value in definition.items() if value is not None}
    variable = properties["index_var"] or "%index%"
    if not isinstance(variable, str):
        return None
    check_growth(raw, variable, count)
    resources = {str(at): indexed(raw, variable, str(at)) for at in range(count)}
    return {"heat_template_version": HOT, "resources": resources}


def _remote(
    program: Program, properties: Mapping[str, Any], space: Allowance
) -> dict[str, Any] | None:
    """The template of an OS::Heat::Stack, held against the form of templates only."""
    text, region = properties["template"], (properties["context"] or {}).get("region_name")
    if region not in (None, UNKNOWN, program.names.region):
        raise Wrong(
            f'Cannot establish connection to Heat endpoint at region "{region}" due to "publicURL endpoint for '
            f'orchestration service in {region} region not found"'
        )
    if text is UNKNOWN:
        return None
    try:
        raw = texts.parse(text, "template", maximum=program.maximum)
        inner = Program(
            Source(template=raw, files=program.source.files),
            program.names,
            maximum=program.maximum,
            complete=False,
            outer=program,
        )
        space.enter(inner)
        inner.load()
    except Wrong as error:
        raise Wrong(
            f"Failed validating stack template using Heat endpoint at region "
            f'"{region or program.names.region}" due to "ERROR: {error.message}"'
        ) from None
    return None


async def look_up(checked: Checked, cloud: Cloud) -> None:
    """Hold what names other things against the cloud, with the caller's eyes.

    Raises:
        Wrong: something is not there.
    """
    seen: set[tuple[str, str]] = set()
    for one in checked.all():
        for name, properties in one.properties.items():
            for key, kind, value in _named(one.program.types[name].properties, properties):
                if (kind, value) in seen or len(seen) >= LOOKUPS:
                    continue
                seen.add((kind, value))
                try:
                    await cloud.find(kind, value)
                except Failed as error:
                    raise Wrong(
                        f"Property error: : resources.{name}.properties.{key}: : Error validating value "
                        f"'{value[:100]}': {error.message}"
                    ) from None


def _named(
    declared: Mapping[str, Property], given: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    for name, one in declared.items():
        yield from _named_in(name, one, given.get(name))


def _named_in(name: str, one: Property, value: Any) -> Iterator[tuple[str, str, str]]:
    if value is None or value is UNKNOWN:
        return
    if one.finds and isinstance(value, str) and value:
        yield name, one.finds, value
    elif one.item is not None and isinstance(value, list):
        for each in value:
            yield from _named_in(name, one.item, each)
    elif one.within is not None and isinstance(value, dict):
        yield from _named(one.within, value)


def planned(
    checked: Checked, stack_name: str, project_id: str, parent: str | None = None
) -> list[Any]:
    """What would be made, as a preview shows it; of a stack within, a list of its own."""
    found: list[Any] = []
    program = checked.program
    for name, definition in program.definitions.items():
        if name in checked.within:
            found.append(planned(checked.within[name], f"{stack_name}-{name}", project_id, name))
            continue
        identity = {"stack_name": stack_name, "stack_id": "None", "tenant": project_id}
        kind = program.types[name]
        found.append(
            {
                "resource_name": name,
                "resource_type": definition.type,
                "resource_action": "INIT",
                "resource_status": "COMPLETE",
                "resource_status_reason": "",
                "physical_resource_id": "",
                "description": definition.description,
                "creation_time": None,
                "updated_time": None,
                "required_by": [
                    other for other in program.definitions if name in program.needs[other]
                ],
                "resource_identity": {**identity, "path": f"/resources/{name}"},
                "stack_identity": {**identity, "path": ""},
                "stack_name": stack_name,
                "parent_resource": parent,
                "metadata": {},
                "properties": _shown(program, definition.properties, checked.properties[name]),
                "attributes": dict.fromkeys(one for one in kind.attributes if one != "*"),
            }
        )
    return found


def _shown(
    program: Program, raw: Mapping[str, Any], properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Properties, with stars for what is made of hidden parameters."""
    return {
        name: "******" if program.hidden_in(raw.get(name)) else _known(value)
        for name, value in properties.items()
    }


def _known(value: Any) -> Any:
    if value is UNKNOWN:
        return None
    if isinstance(value, dict):
        return {name: _known(one) for name, one in value.items()}
    return [_known(one) for one in value] if isinstance(value, list) else value
