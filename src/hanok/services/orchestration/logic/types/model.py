"""What a type of resource is.

Properties and attributes are declared; what is not declared is refused before anything is made. A driver does the work:
it begins something, and is asked until that is done, so that a process may die between any two of its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec import Struct

from hanok.base.errors import HanokError
from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import UNKNOWN, Wrong, unknown_in
from hanok.services.orchestration.logic.parameters import Constraint, broken, truth

if TYPE_CHECKING:
    from hanok.services.orchestration.logic.work import Work

Kind = Literal["string", "integer", "number", "boolean", "list", "map", "any"]


class Failed(HanokError):
    """A resource could not be made, changed or removed; the message is its status reason."""


class Replace(Exception):
    """An update cannot be done in place: another resource is made."""


class Busy(Failed):
    """What is to be changed is held by another change for a moment: the same is begun again, soon."""


class Property(Struct, frozen=True, kw_only=True):
    """A property.

    update: whether it is changed in place. within: of a map's keys, or of a list's items. finds: what kind of thing of
    the cloud it names (a custom constraint's name); it is given to the other service as an id. refused: why it is not
    served; it is known, and what uses it is told.
    """

    type: Kind = "string"
    required: bool = False
    default: Any = None
    update: bool = False
    constraints: tuple[Constraint, ...] = ()
    within: Mapping[str, Property] | None = None
    item: Property | None = None
    finds: str = ""
    description: str = ""
    refused: str = ""

    def read(self, given: Any, where: str) -> Any:
        """A value as its type says; what is not known yet stays so.

        Raises:
            Wrong
        """
        if given is UNKNOWN:
            return UNKNOWN
        try:
            value = _READ[self.type](given)
        except (ValueError, TypeError) as error:
            raise Wrong(f"Property error: {where}: {error}") from None
        for constraint in self.constraints:
            if not unknown_in(value) and (why := broken(constraint, value)):
                raise Wrong(f"Property error: {where}: {why}")
        if self.type == "list" and self.item is not None:
            return [self.item.read(one, f"{where}[{at}]") for at, one in enumerate(value)]
        if self.type == "map" and self.within is not None:
            return read(self.within, value, where)
        return value


def read(declared: Mapping[str, Property], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Properties as they are declared: all of them, with defaults; None where there is no value.

    Raises:
        Wrong
    """
    for name in given:
        if name not in declared:
            raise Wrong(f"Property error: {where}: Unknown Property {name[:100]}")
    found: dict[str, Any] = {}
    for name, one in declared.items():
        value = given.get(name)
        if value is None:
            if one.required:
                raise Wrong(f"Property error: {where}: Property {name} not assigned")
            value = one.default
        elif one.refused:
            raise Wrong(f"Property error: {where}.{name}: {one.refused}")
        found[name] = None if value is None else one.read(value, f"{where}.{name}")
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    raise ValueError("Value must be a string")


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError(f"Value '{value}' is not an integer")
    if isinstance(value, int):
        return texts.whole(value)
    if isinstance(value, float) and value.is_integer():
        return texts.whole(int(value))
    if isinstance(value, str) and len(value) < 25 and value.strip().lstrip("-").isdecimal():
        return texts.whole(int(value))
    raise ValueError(f"Value '{str(value)[:50]}' is not an integer")


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return texts.plain(value)
    if isinstance(value, str) and len(value) < 50:
        return texts.plain(float(value) if "." in value else int(value))
    raise ValueError(f"Value '{str(value)[:50]}' is not a number")


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        decoded = texts.from_json(value) if value[:1] == "[" else value.split(",") if value else []
        return list(decoded)
    raise ValueError(f'"{str(value)[:50]}" is not a list')


def _map(value: Any) -> dict[str, Any]:
    if isinstance(value, str) and value.strip():
        value = texts.from_json(value)
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise ValueError(f'"{str(value)[:50]}" is not a map')
    return value


_READ: dict[str, Callable[[Any], Any]] = {
    "string": _text, "integer": _integer, "number": _number, "boolean": truth, "list": _list, "map": _map,
    "any": lambda value: value,
}  # fmt: skip


class Attribute(Struct, frozen=True):
    description: str = ""
    type: Kind = "string"


class Driver:
    """How resources of a type are made. What a type has no use for, it leaves as it is here.

    begin and its like may be done again after a process died in between: what they make is found by the request's id.
    """

    mends: ClassVar[bool] = False  # whether what failed is changed in place, and not replaced
    found_by_request: ClassVar[bool] = (
        False  # whether one request makes the thing, which is found by the request's id
    )

    adopts: ClassVar[frozenset[str]] = (
        frozenset()
    )  # data that is taken over with an adopted thing, texts

    def always_updates(self, part: Any, reader: Any) -> bool:
        """Whether there is something to do though no property differs."""
        return False

    async def aborted(self, work: Work) -> None:
        """The time of its stack is up while it is worked on."""

    def prepare(self, work: Work) -> None:
        """Choose what a resource is known by (a secret, the id of a user): it is written before `create` begins.

        Whoever sees what `create` makes finds whose it is, and a process that takes over goes on with the same.
        """

    async def create(self, work: Work) -> str | None:
        """Begin; gives the id of what is being made, if it is known."""
        return work.name_of_resource

    async def live(self, work: Work) -> Mapping[str, Any]:
        """Properties that are others now than they were applied, as they are. Raises Replace: it is gone."""
        return {}

    async def created(self, work: Work) -> bool:
        """Whether it is done. Raises Failed."""
        return True

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        """Begin to change what is there; changed: the properties that differ, as they shall be. Raises Replace."""

    async def updated(self, work: Work) -> bool:
        return await self.created(work)

    async def delete(self, work: Work) -> None:
        """Begin to remove it; what is gone already is no error."""

    async def deleted(self, work: Work) -> bool:
        return True

    async def check(self, work: Work) -> None:
        """Raises Failed where it is not as it should be."""

    async def suspend(self, work: Work) -> None:
        """Begin to put it to rest."""

    async def suspended(self, work: Work) -> bool:
        return True

    async def resume(self, work: Work) -> None:
        """Begin to wake it."""

    async def resumed(self, work: Work) -> bool:
        return True

    async def snapshot(self, work: Work) -> dict[str, Any]:
        """What is kept of it in a snapshot of its stack."""
        return {}

    async def restore(self, work: Work, kept: Mapping[str, Any]) -> dict[str, Any]:
        """Properties that make it what it was in a snapshot."""
        return {}

    def reference(self, work: Work) -> Any:
        """What get_resource gives."""
        return work.part.physical_id or work.part.name

    async def attribute(self, work: Work, name: str) -> Any:
        """An attribute. Raises Failed where it cannot be told."""
        return None

    async def signal(self, work: Work, details: Any) -> str:
        """Take a signal; gives the reason of the event. Raises Wrong where none is taken."""
        raise Wrong(f"Resource {work.part.name} of type {work.part.type} does not support signals.")

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        """What no single property's declaration says. Raises Wrong."""


class ResourceType(Struct, frozen=True, kw_only=True):
    """A type of resource.

    after: types whose resources are made before and removed behind those of this one, though nothing refers to them.
    service: that it belongs to, as the catalog calls it; empty: ours.
    open: whether any property is taken; such a type makes nothing. policies: what its `update_policy` may say.
    """

    name: str
    properties: Mapping[str, Property]
    attributes: Mapping[str, Attribute]
    driver: Driver
    after: tuple[str, ...] = ()
    service: str = ""
    since: str = ""
    description: str = ""
    open: bool = False
    policies: Mapping[str, Property] = {}

    def read(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        if self.open:
            return dict(given)
        found = read(self.properties, given, where)
        if not unknown_in(found):
            self.driver.check_properties(where, found)
        return found


def known(value: Any) -> list[Any]:
    """The items of a list, as far as they are known before anything is made."""
    return [one for one in value if one is not UNKNOWN] if isinstance(value, list) else []


# ---- shorthand for declarations ----


def one_of(*values: Any) -> tuple[Constraint, ...]:
    return (Constraint(kind="allowed_values", value=list(values)),)


def within(low: float | None = None, high: float | None = None) -> tuple[Constraint, ...]:
    return (Constraint(kind="range", value={"min": low, "max": high}),)


def long(low: int | None = None, high: int | None = None) -> tuple[Constraint, ...]:
    return (Constraint(kind="length", value={"min": low, "max": high}),)


def schema_of(one: Property) -> dict[str, Any]:
    """A property as the API shows a type's schema."""
    found: dict[str, Any] = {
        "type": one.type,
        "required": one.required,
        "update_allowed": one.update,
        "immutable": False,
    }
    if one.description:
        found["description"] = one.description
    if one.default is not None:
        found["default"] = one.default
    constraints = [_constraint(each) for each in one.constraints]
    if one.finds:
        constraints.append({"custom_constraint": one.finds})
    if constraints:
        found["constraints"] = constraints
    if one.item is not None:
        found["schema"] = {"*": schema_of(one.item)}
    if one.within is not None:
        found["schema"] = {name: schema_of(each) for name, each in one.within.items()}
    return found


def _constraint(one: Constraint) -> dict[str, Any]:
    value = one.value
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if each is not None}
    found = {one.kind: value}
    return {**found, "description": one.description} if one.description else found
