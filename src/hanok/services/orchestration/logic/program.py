"""What a stack shall be: its template with parameters, conditions, types and the order of its resources.

What is asked of the cloud (an attribute, whether a network is there) is asked by the engine and handed in; everything
here is worked out in memory, within a budget.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from hanok.services.orchestration.logic import environments, templates, texts
from hanok.services.orchestration.logic.environments import Environment
from hanok.services.orchestration.logic.expressions import key_of
from hanok.services.orchestration.logic.functions import (
    LARGEST,
    UNKNOWN,
    Budget,
    Meeting,
    Scope,
    Undecided,
    Wrong,
    chosen,
    never,
)
from hanok.services.orchestration.logic.parameters import STARS, Values
from hanok.services.orchestration.logic.templates import Definition, Template
from hanok.services.orchestration.logic.types import catalog
from hanok.services.orchestration.logic.types.model import ResourceType

_CONDITIONS_DEEPEST = 50
_WITHIN = 4  # times what one program may make, for all that are within it together


class Source(Struct, frozen=True, kw_only=True):
    """What a stack is made of, as it was given.

    hidden: names of parameters that are stars here whatever the template says: their values came from hidden ones.
    secret: whether hidden values were put into the template itself, which then is shown without what its resources and
    outputs say.
    """

    template: dict[str, Any]
    files: dict[str, str] = {}
    environment: dict[str, Any] = {}
    hidden: list[str] = []
    secret: bool = False

    @property
    def env(self) -> Environment:
        given = self.environment
        return Environment(
            parameters=given.get("parameters") or {},
            defaults=given.get("parameter_defaults") or {},
            registry=given.get("resource_registry") or {},
            strategies=given.get("parameter_merge_strategies") or {},
        )


class Names(Struct, frozen=True, kw_only=True):
    """Of the stack, as pseudo parameters have them."""

    name: str
    id: str = "None"
    project_id: str = ""
    region: str = ""


class Program:
    """A stack's source, read.

    definitions: of the resources that its conditions let be, with `if`s decided. needs: by name, the names of those
    that have to be there before. types: of resources, by their names.
    """

    def __init__(
        self,
        source: Source,
        names: Names,
        *,
        maximum: int,
        facade: Mapping[str, Any] | None = None,
        complete: bool = True,
        zones: Callable[[], list[str]] = lambda: ["nova"],
        outer: Program | None = None,
        decided: Callable[[str, Any], Any] | None = None,
    ) -> None:
        """
        Args:
            maximum: bytes of a template within files. complete: whether each parameter needs a value. outer: what
                this one is within; what was read of the files for it is not read again. decided: what expressions
                of yaql in conditions make of their data, see functions.Scope.

        Raises:
            Wrong
        """
        self.source = source
        self.names = names
        self.maximum = maximum
        self._known: Callable[[str, Any], Any] = decided or (
            outer._known if outer is not None else never
        )
        self._files: dict[str, Template] = outer._files if outer is not None else {}
        self.budget_within: Budget = (
            outer.budget_within if outer is not None else Budget(_WITHIN * LARGEST)
        )
        self.template: Template = self._read(source.template)
        self.env = source.env
        self.facade = facade or {}
        self.zones = zones
        self.values = Values(
            self.template.parameters, self.env.parameters, self.env.defaults, self._pseudo()
        )
        self._decided: dict[str, bool] = {}
        self._worked_out: dict[bytes, Any] = {}
        self._deciding: list[str] = []
        self.static = self.scope()
        self.values.check(complete=complete)
        self.complete = complete
        self.definitions: dict[str, Definition] = {}
        self.types: dict[str, ResourceType] = {}
        self.needs: dict[str, set[str]] = {}

    def _read(self, raw: dict[str, Any]) -> Template:
        """A template; one out of the files is read once."""
        known = (one for one in self._files.values() if one.raw is raw)
        return next(known, None) or templates.read(raw)

    def _pseudo(self) -> dict[str, Any]:
        if self.template.version.kind == "cfn":
            return {"AWS::StackName": self.names.name, "AWS::StackId": self.names.id,
                    "AWS::Region": self.names.region}  # fmt: skip
        return {"OS::stack_name": self.names.name, "OS::stack_id": self.names.id,
                "OS::project_id": self.names.project_id}  # fmt: skip

    # ---- functions ----

    def scope(
        self,
        reference: Callable[[str], Any] = lambda name: UNKNOWN,
        attribute: Callable[[str, str], Any] = lambda name, key: UNKNOWN,
        budget: Budget | None = None,
        expression: Callable[[str, Any], Any] = lambda text, data: UNKNOWN,
    ) -> Scope:
        """What functions look into."""
        return Scope(
            functions=self.template.version.functions,
            conditions=self.template.version.conditions,
            parameters=self.values,
            reference=reference,
            attribute=attribute,
            files=self.source.files,
            condition=self._condition,
            mappings=self.template.mappings,
            facade=self.facade,
            zones=self.zones,
            is_resource=self.template.resources.__contains__,
            expression=expression,
            decided=self._decision,
            budget=budget,
        )

    def _decision(self, expression: str, data: Any) -> Any:
        """What came of an expression in a condition: once it was there, it is there for as long as this is."""
        key = key_of(expression, data)
        try:
            if key not in self._worked_out:
                self._worked_out[key] = self._known(expression, data)
            return self._worked_out[key]
        except Undecided as error:
            error.secret = self.hides()
            raise

    def _condition(self, name: str) -> bool:
        if name not in self.template.conditions:
            raise Wrong(f'Invalid condition name "{name[:100]}"')
        if name in self._deciding or len(self._deciding) > _CONDITIONS_DEEPEST:
            raise Wrong(f"Circular definition for condition '{name}'")
        if name not in self._decided:
            self._deciding.append(name)
            try:
                self._decided[name] = self.static.truth(self.template.conditions[name])
            finally:
                self._deciding.pop()
        return self._decided[name]

    def _decide(self) -> None:
        """
        Raises:
            Undecided: with all that the conditions need at once.
        """
        meeting = Meeting()
        for name in self.template.conditions:
            with meeting.each():
                self._condition(name)
        meeting.end()

    def _define(self) -> None:
        """Find the resources that are to be, and what is asked for later, where nothing can be waited for.

        Raises:
            Undecided: with all that is needed for it at once.
        """
        meeting = Meeting()
        for name, one in self.template.resources.items():
            with meeting.each():
                if self.holds(one.condition):
                    self.definitions[name] = self._decided_definition(one)
        for output in self.template.outputs.values():
            with meeting.each(), suppress(Wrong):  # it is said where the output is shown
                self.holds(output.condition)
        for one in self.definitions.values():
            with meeting.each(), suppress(Wrong):  # it is said of the resource
                self.static.value(one.external_id)
        meeting.end()

    def holds(self, condition: Any) -> bool:
        return condition is None or self.static.truth(condition)

    # ---- resources ----

    def load(self) -> Program:
        """Find types and references.

        Raises:
            Wrong: a type or a resource that is named is not there, or they need each other.
        """
        self._decide()
        self._define()
        for name, one in self.definitions.items():
            self.types[name] = self.type_of(name, one.type)
        for name, one in self.definitions.items():
            self.needs[name] = set(self._needed(name, one))
        self._check_order()
        self._add_order_of_types()
        return self

    def _decided_definition(self, one: Definition) -> Definition:
        return msgspec.structs.replace(
            one,
            properties=chosen(self.static, one.properties),
            metadata=chosen(self.static, one.metadata),
            update_policy=chosen(self.static, one.update_policy),
        )

    def type_of(self, name: str, kind: str) -> ResourceType:
        """
        Raises:
            Wrong: there is no such type.
        """
        found = self.env.type_of(kind, name)
        if found in self.source.files or found.endswith(environments.TEMPLATES):
            return catalog.of_template(found, kind, self.nested_template(found))
        return catalog.get(found, name)

    def nested_template(self, file: str) -> Template:
        """A template out of the stack's files.

        Raises:
            Wrong
        """
        if file in self._files:
            return self._files[file]
        if file not in self.source.files:
            raise Wrong(
                f"The Resource Type ({file[:200]}) could not be found: its template is not among the files."
            )
        try:
            self._files[file] = templates.read(
                texts.parse(self.source.files[file], "template", maximum=self.maximum)
            )
            return self._files[file]
        except Wrong as error:
            raise Wrong(f"Failed to validate: {file[:200]}: {error.message}") from None

    def _needed(self, name: str, one: Definition) -> list[str]:
        found = list(one.depends_on)
        for part, where in ((one.properties, "Properties"), (one.metadata, "Metadata")):
            for other, key in templates.attributes(self.static, part):
                self._check_reference(other, key, f"{name}.{where}")
                found.append(other)
        for other in one.depends_on:
            if other not in self.template.resources:
                raise Wrong(
                    f'The specified reference "{other[:100]}" (in {name}) is incorrect.',
                )
        return [other for other in found if other in self.definitions]

    def _check_reference(self, other: str, key: str | None, where: str) -> None:
        if other not in self.template.resources:
            raise Wrong(f'The specified reference "{other[:100]}" (in {where}) is incorrect.')
        if key is None or other not in self.types or not key:
            return
        kind = self.types[other]
        if not catalog.has_attribute(kind, key):
            raise Wrong(f"The Referenced Attribute ({other} {key[:100]}) is incorrect.")

    def _check_order(self) -> None:
        try:
            self.order = list(graphlib.TopologicalSorter(self.needs).static_order())
        except graphlib.CycleError as error:
            names = ", ".join(f"{one}" for one in error.args[1][:10])
            raise Wrong(f"Circular Dependency Found: {names}") from None

    def _add_order_of_types(self) -> None:
        """Some types wait for others that nothing refers to; not where that would be a circle."""
        by_type: dict[str, list[str]] = {}
        for name, kind in self.types.items():
            by_type.setdefault(kind.name, []).append(name)
        for name, kind in self.types.items():
            others = [one for type_ in kind.after for one in by_type.get(type_, ()) if one != name]
            if others:
                circle = self._leading_to(name)
                self.needs[name].update(one for one in others if one not in circle)
        self._check_order()

    def _leading_to(self, name: str) -> set[str]:
        """What needs a resource, and what needs that."""
        users: dict[str, list[str]] = {}
        for one, needed in self.needs.items():
            for other in needed:
                users.setdefault(other, []).append(one)
        seen, stack = {name}, [name]
        while stack:
            for one in users.get(stack.pop(), ()):
                if one not in seen:
                    seen.add(one)
                    stack.append(one)
        return seen

    # ---- what is hidden ----

    def is_hidden(self, name: str) -> bool:
        declared = self.template.parameters.get(name)
        return name in self.source.hidden or (declared is not None and declared.hidden)

    def hides(self) -> bool:
        """Whether any parameter is hidden."""
        return any(self.is_hidden(name) for name in self.template.parameters)

    def hidden_in(self, value: Any) -> bool:
        """Whether a value is made of hidden parameters."""
        stack = [value]
        while stack:
            one = stack.pop()
            if isinstance(one, dict):
                named = self.static.function(one)
                raw = (
                    one.get("get_param", one.get("Ref")) if named in ("get_param", "Ref") else None
                )
                first = raw[0] if isinstance(raw, list) and raw else raw
                if isinstance(first, str) and self.is_hidden(first):
                    return True
                if isinstance(first, dict) and self.hides():  # a name that is worked out may be any
                    return True
                stack.extend(one.values())
            elif isinstance(one, list):
                stack.extend(one)
        return False

    def veiled(self, value: Any) -> Any:
        """A value to be shown: stars where a text of it is, or has within it, what a hidden parameter was given."""
        texts_ = self._secrets()
        return _veil(value, texts_) if texts_ else value

    def _secrets(self) -> list[str]:
        found: set[str] = set()
        for name in self.template.parameters:
            raw = self.values.raw(name) if self.is_hidden(name) else None
            found |= {one for one in _texts_of(raw) if one not in ("", STARS)}
        return sorted(found, key=len, reverse=True)

    def shown_parameters(self) -> dict[str, Any]:
        found = self.values.shown()
        return {name: STARS if self.is_hidden(name) else value for name, value in found.items()}


_SHORTEST = 4  # characters of a hidden text that is looked for within others; a shorter one is seen only by itself


def _texts_of(raw: Any) -> set[str]:
    if isinstance(raw, dict):
        return {text for one in raw.values() for text in _texts_of(one)}
    if isinstance(raw, list):
        return {text for one in raw for text in _texts_of(one)}
    return set() if raw is None or isinstance(raw, bool) else {str(raw)}


def _veil(value: Any, hidden: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _veil(one, hidden) for name, one in value.items()}
    if isinstance(value, list):
        return [_veil(one, hidden) for one in value]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    text = str(value)
    if text in hidden:
        return STARS
    if isinstance(value, str):
        for one in hidden:
            text = text.replace(one, STARS) if len(one) >= _SHORTEST else text
        return text
    return value


def hidden_apart(source: Source, template: Template) -> tuple[Source, dict[str, Any]]:
    """A source with stars in place of hidden values, and these values."""
    names = {name for name, one in template.parameters.items() if one.hidden} | set(source.hidden)
    kept: dict[str, Any] = {}
    environment = dict(source.environment)
    for section in ("parameters", "parameter_defaults"):
        given = dict(environment.get(section) or {})
        apart = {name: given[name] for name in given if name in names}
        given.update(dict.fromkeys(apart, STARS))
        environment[section], kept[section] = given, apart
    if source.secret:
        kept["template"] = source.template
        source = msgspec.structs.replace(source, template=_starred(source.template))
    return msgspec.structs.replace(source, environment=environment), kept


_SAID = ("properties", "Properties", "metadata", "Metadata")
_SECTIONS = ("resources", "Resources")


def _starred(template: Mapping[str, Any]) -> dict[str, Any]:
    """A template without the values of its resources' properties, of its defaults and of its outputs."""
    found = dict(template)
    for section in _SECTIONS:
        if isinstance(some := found.get(section), dict):
            found[section] = {name: _starred_resource(one) for name, one in some.items()}
    for section, key in (("outputs", "value"), ("Outputs", "Value"), ("parameters", "default"),
                         ("Parameters", "Default")):  # fmt: skip
        if isinstance(some := found.get(section), dict):
            found[section] = {
                name: {**one, key: STARS} if isinstance(one, dict) and key in one else one
                for name, one in some.items()
            }
    return found


def _starred_resource(one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    return {
        key: dict.fromkeys(value, STARS) if key in _SAID and isinstance(value, dict) else value
        for key, value in one.items()
    }


def put_together(source: Source, kept: Mapping[str, Any]) -> Source:
    """The source with its hidden values in place."""
    environment = dict(source.environment)
    template = kept.get("template", source.template)
    for section, apart in kept.items():
        if section == "template":
            continue
        environment[section] = {**(environment.get(section) or {}), **apart}
    return msgspec.structs.replace(source, environment=environment, template=template)
