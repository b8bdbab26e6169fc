"""Parameters of templates: what they may be, and what a stack gave for them.

Source: the template guide, "Parameters section", "Parameter Constraints".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hanok.base import patterns
from hanok.services.orchestration.logic import texts
from hanok.services.orchestration.logic.functions import Missing, Wrong

TYPES = {"string": "String", "number": "Number", "comma_delimited_list": "CommaDelimitedList",
         "json": "Json", "boolean": "Boolean"}  # fmt: skip
STARS = "******"
PSEUDO = ("OS::stack_name", "OS::stack_id", "OS::project_id")
_OF_CFN = {name: kind for kind, name in TYPES.items()}
_CFN_CONSTRAINTS = {"MinLength": ("length", "min"), "MaxLength": ("length", "max"), "MinValue": ("range", "min"),
                    "MaxValue": ("range", "max")}  # fmt: skip
_HOT_KEYS = {
    "type",
    "label",
    "description",
    "default",
    "hidden",
    "constraints",
    "immutable",
    "tags",
}
_CFN_KEYS = {"Type", "Default", "Description", "NoEcho", "AllowedValues", "AllowedPattern", "ConstraintDescription",
             "Label", "CustomConstraint", *_CFN_CONSTRAINTS}  # fmt: skip


class Constraint(Struct, frozen=True, kw_only=True):
    """One of length, range, modulo, allowed_values, allowed_pattern, custom_constraint."""

    kind: str
    value: Any
    description: str = ""


class Parameter(Struct, frozen=True, kw_only=True):
    """A parameter as a template declares it. type: a key of TYPES. hidden: stars wherever it would be shown."""

    name: str
    type: str
    default: Any = None
    label: str = ""
    description: str = ""
    hidden: bool = False
    immutable: bool = False
    constraints: tuple[Constraint, ...] = ()
    tags: tuple[str, ...] = ()

    def read(self, given: Any) -> Any:
        """A value as its type says.

        Raises:
            Wrong
        """
        try:
            value = _READ[self.type](given)
        except (ValueError, TypeError) as error:
            raise self._invalid(str(error)) from None
        for constraint in self.constraints:
            self._hold(constraint, value)
        return value

    def _invalid(self, why: str) -> Wrong:
        """The reason quotes the value, which a hidden parameter shows nobody."""
        return Wrong(f"Parameter '{self.name}' is invalid{'' if self.hidden else f': {why[:500]}'}")

    def _hold(self, constraint: Constraint, value: Any) -> None:
        items = (
            value
            if self.type == "comma_delimited_list" and constraint.kind == "allowed_values"
            else [value]
        )
        for one in items:
            if why := broken(constraint, one):
                if constraint.description:
                    raise Wrong(f"Parameter '{self.name}' is invalid: {constraint.description}")
                raise self._invalid(why)


def _number(given: Any) -> Any:
    if isinstance(given, bool):
        raise ValueError(f"could not convert string to float: {given!r}")
    if isinstance(given, int | float):
        return texts.plain(given)
    if not isinstance(given, str):
        raise ValueError("Value must be a number")
    text = given.strip()
    if len(text) > 100:
        raise ValueError("the number is too long")
    if text.removeprefix("-").isdecimal():
        return texts.whole(int(text))
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"could not convert string to float: {text!r}") from None
        return value


def _list(given: Any) -> list[str]:
    if isinstance(given, list):
        return [str(one) for one in given]
    if given is None:
        return []
    if not isinstance(given, str):
        raise ValueError("Value must be a comma-delimited list string")
    return [one.strip() for one in given.split(",")] if given else []


def _json(given: Any) -> Any:
    if isinstance(given, dict | list):
        return given
    if given in (None, ""):
        return {}
    value = texts.from_json(str(given))
    if not isinstance(value, dict | list):
        raise ValueError("Value must be valid JSON of a map or a list")
    return value


def truth(given: Any) -> bool:
    """Whether a text says yes, as OpenStack reads it."""
    if isinstance(given, bool):
        return given
    text = str(given).strip().lower()
    if text in ("t", "true", "on", "y", "yes", "1"):
        return True
    if text in ("f", "false", "off", "n", "no", "0"):
        return False
    raise ValueError(f'Unrecognized value "{str(given)[:50]}", acceptable values are: true, false')


def _string(given: Any) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, bool | int | float):
        return str(given)
    if given is None:
        return ""
    raise ValueError("Value must be a string")


_READ = {
    "string": _string,
    "number": _number,
    "comma_delimited_list": _list,
    "json": _json,
    "boolean": truth,
}


def broken(constraint: Constraint, value: Any) -> str:
    """Why a value does not fit; empty: it does. Custom constraints look into the cloud elsewhere."""
    desired = constraint.value
    if constraint.kind == "length":
        if not isinstance(value, str | list | dict):
            return ""
        return _outside("length", len(value), desired)
    if constraint.kind == "range":
        return _outside("", value, desired) if isinstance(value, int | float) else ""
    if constraint.kind == "modulo" and isinstance(value, int | float):
        step, offset = desired.get("step"), desired.get("offset")
        return (
            ""
            if value % step == offset
            else f"{value} is not a multiple of {step} with an offset of {offset}"
        )
    if (
        constraint.kind == "allowed_values"
        and value not in desired
        and str(value) not in map(str, desired)
    ):
        return (
            f'"{str(value)[:100]}" is not an allowed value [{", ".join(map(str, desired))[:300]}]'
        )
    if constraint.kind == "allowed_pattern" and not _fits(desired, value):
        return f'"{str(value)[:100]}" does not match pattern "{desired}"'
    return ""


def _outside(what: str, value: Any, bounds: Mapping[str, Any]) -> str:
    low, high = bounds.get("min"), bounds.get("max")
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    name = f"{what} ({value})" if what else str(value)
    return f"{name} is out of range (min: {low}, max: {high})"


def _fits(pattern: str, value: Any) -> bool:
    try:
        return patterns.pattern(pattern).fullmatch(str(value))
    except patterns.BadPattern as error:
        raise Wrong(f'The pattern "{pattern[:100]}" cannot be used: {error}') from None


# ---- declarations ----


def of_hot(name: str, raw: Any) -> Parameter:
    """A parameter of a HOT template.

    Raises:
        Wrong
    """
    if not isinstance(raw, dict):
        raise Wrong(f"Invalid parameter {name}: a parameter must be a map")
    if odd := [key for key in raw if key not in _HOT_KEYS]:
        raise Wrong(f"Invalid key '{odd[0]}' for parameter ({name})")
    if "type" not in raw:
        raise Wrong(f"Missing parameter type for parameter: {name}")
    if not isinstance(raw["type"], str) or raw["type"] not in TYPES:
        raise Wrong(f"Invalid type ({str(raw['type'])[:100]})")
    made = Parameter(
        name=name,
        type=raw["type"],
        default=raw.get("default"),
        label=str(raw.get("label") or ""),
        description=str(raw.get("description") or ""),
        hidden=_yes(raw.get("hidden", False), name, "hidden"),
        immutable=_yes(raw.get("immutable", False), name, "immutable"),
        constraints=constraints_of(raw.get("constraints"), f"parameter {name}"),
        tags=_tags(raw.get("tags"), name),
    )
    return _with_good_default(made)


def _tags(raw: Any, name: str) -> tuple[str, ...]:
    if not isinstance(raw or [], list) or not all(isinstance(one, str) for one in raw or ()):
        raise Wrong(f"Parameter '{name}': tags must be a list of strings")
    return tuple(raw or ())


def _yes(raw: Any, name: str, key: str) -> bool:
    try:
        return truth(raw)
    except ValueError as error:
        raise Wrong(f"Parameter '{name}': {key}: {error}") from None


def _with_good_default(made: Parameter) -> Parameter:
    if made.default is not None:
        made.read(made.default)
    return made


def constraints_of(raw: Any, where: str) -> tuple[Constraint, ...]:
    """The constraints of a parameter or a property.

    Raises:
        Wrong
    """
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise Wrong(f"Invalid parameter constraints for {where}, expected a list")
    return tuple(_constraint(one, where) for one in raw)


def _constraint(raw: dict[str, Any], where: str) -> Constraint:
    kinds = [key for key in raw if key != "description"]
    known = {"length", "range", "modulo", "allowed_values", "allowed_pattern", "custom_constraint"}
    if len(kinds) != 1 or kinds[0] not in known:
        raise Wrong(
            f"No constraint expressed for {where}"
            if not kinds
            else f"Invalid constraint '{kinds[0]}' for {where}"
        )
    kind, value = kinds[0], raw[kinds[0]]
    _check_form(kind, value, where)
    return Constraint(kind=kind, value=value, description=str(raw.get("description") or ""))


def _check_form(kind: str, value: Any, where: str) -> None:
    if kind in ("length", "range"):
        good = (
            isinstance(value, dict) and set(value) <= {"min", "max"} and value and _numbers(value)
        )
    elif kind == "modulo":
        good = (
            isinstance(value, dict)
            and set(value) == {"step", "offset"}
            and _numbers(value)
            and bool(value["step"])
        )
    elif kind == "allowed_values":
        good = isinstance(value, list)
    else:
        good = isinstance(value, str)
    if not good:
        raise Wrong(f"Invalid {kind} constraint for {where}")
    if kind == "allowed_pattern":
        _fits(value, "")


def _numbers(value: dict[str, Any]) -> bool:
    try:
        value.update({name: _number(one) for name, one in value.items()})
    except (ValueError, TypeError):
        return False
    return True


def of_cfn(name: str, raw: Any) -> Parameter:
    """A parameter of a CFN template.

    Raises:
        Wrong
    """
    if not isinstance(raw, dict):
        raise Wrong(f"Invalid parameter {name}: a parameter must be a map")
    if odd := [key for key in raw if key not in _CFN_KEYS]:
        raise Wrong(f"Invalid key '{odd[0]}' for parameter ({name})")
    kind = raw.get("Type")
    if not isinstance(kind, str) or kind not in _OF_CFN:
        raise Wrong(
            f"Invalid type ({str(kind)[:100]})"
            if kind
            else f"Missing parameter type for parameter: {name}"
        )
    made = Parameter(
        name=name,
        type=_OF_CFN[kind],
        default=raw.get("Default"),
        label=str(raw.get("Label") or ""),
        description=str(raw.get("Description") or ""),
        hidden=_yes(raw.get("NoEcho", False), name, "NoEcho"),
        constraints=tuple(_cfn_constraints(raw, name)),
    )
    return _with_good_default(made)


def _cfn_constraints(raw: dict[str, Any], name: str) -> list[Constraint]:
    bounds: dict[str, dict[str, Any]] = {}
    for key, (kind, end) in _CFN_CONSTRAINTS.items():
        if key in raw:
            bounds.setdefault(kind, {})[end] = raw[key]
    some: list[dict[str, Any]] = [{kind: value} for kind, value in bounds.items()]
    some += [{"allowed_values": raw["AllowedValues"]}] if "AllowedValues" in raw else []
    some += [{"allowed_pattern": raw["AllowedPattern"]}] if "AllowedPattern" in raw else []
    some += [{"custom_constraint": raw["CustomConstraint"]}] if "CustomConstraint" in raw else []
    text = str(raw.get("ConstraintDescription") or "")
    return [_constraint({**one, "description": text}, f"parameter {name}") for one in some]


# ---- values ----


class Values:
    """The parameters of a template with what was given for them.

    given: by name. defaults: of the environment, for those that are not given.
    """

    def __init__(
        self,
        declared: Mapping[str, Parameter],
        given: Mapping[str, Any],
        defaults: Mapping[str, Any],
        pseudo: Mapping[str, Any],
    ) -> None:
        self.declared = declared
        self.given = given
        self.defaults = defaults
        self.pseudo = pseudo
        self._read: dict[str, Any] = {}

    def raw(self, name: str) -> Any:
        for some in (self.given, self.defaults):
            if some.get(name) is not None:
                return some[name]
        return self.declared[name].default

    def __call__(self, name: str) -> Any:
        """The value of a parameter.

        Raises:
            Missing: there is none.
        """
        if name in self.pseudo:
            return self.pseudo[name]
        if name not in self.declared:
            raise Missing(f"The Parameter ({name[:100]}) was not provided.")
        if name not in self._read:
            raw = self.raw(name)
            if raw is None:
                raise Missing(f"The Parameter ({name}) was not provided.")
            self._read[name] = self.declared[name].read(raw)
        return self._read[name]

    def check(self, *, complete: bool = True) -> None:
        """Hold what was given against what is declared.

        Args:
            complete: whether each parameter needs a value.

        Raises:
            Wrong
        """
        for name in self.given:
            if name not in self.declared and name not in self.pseudo:
                raise Wrong(f"The Parameter ({name[:100]}) was not defined in template.")
        for name in self.declared:
            if complete or self.raw(name) is not None:
                self(name)

    def shown(self) -> dict[str, Any]:
        """As a stack shows them: texts, and stars for what is hidden."""
        found: dict[str, Any] = {name: str(value) for name, value in self.pseudo.items()}
        for name, one in self.declared.items():
            if (raw := self.raw(name)) is not None:
                found[name] = STARS if one.hidden else _as_text(one, self(name), raw)
        return found


def _as_text(one: Parameter, value: Any, raw: Any) -> str:
    if one.type == "json":
        return raw if isinstance(raw, str) else msgspec.json.encode(value).decode()
    if one.type == "comma_delimited_list":
        return ",".join(value)
    return str(value)


def described(one: Parameter, given: Any = None) -> dict[str, Any]:
    """A parameter as the validation of a template shows it."""
    found: dict[str, Any] = {
        "Type": TYPES[one.type],
        "Description": one.description,
        "NoEcho": "true" if one.hidden else "false",
        "Label": one.label or one.name,
    }
    if one.default is not None:
        found["Default"] = one.default
    if given is not None:
        found["Value"] = STARS if one.hidden else given
    if one.tags:
        found["Tags"] = list(one.tags)
    for constraint in one.constraints:
        found.update(_described(constraint))
    return found


def _described(constraint: Constraint) -> dict[str, Any]:
    value = constraint.value
    names = {"length": ("MinLength", "MaxLength"), "range": ("MinValue", "MaxValue")}
    if constraint.kind in names:
        found = dict(zip(names[constraint.kind], (value.get("min"), value.get("max")), strict=True))
        made: dict[str, Any] = {name: one for name, one in found.items() if one is not None}
    else:
        name = {"modulo": "Modulo", "allowed_values": "AllowedValues", "allowed_pattern": "AllowedPattern",
                "custom_constraint": "CustomConstraint"}[constraint.kind]  # fmt: skip
        made = {name: value}
    if constraint.description:
        made["ConstraintDescription"] = constraint.description
    return made
