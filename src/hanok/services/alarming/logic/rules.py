"""The rules of alarms: what each type takes.

Source: Aodh's REST API reference, "Alarms Rules".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from hanok.base import inner_json
from hanok.base.errors import BadInput
from hanok.services.alarming.logic.texts import invalid
from hanok.services.alarming.room import Alarming
from hanok.services.metric.facade import METHODS, check_search

COMPARISONS = ("lt", "le", "eq", "ne", "ge", "gt")
Comparison = Literal["lt", "le", "eq", "ne", "ge", "gt"]
DEEPEST, PARTS = 5, 20  # of a composite rule
THRESHOLDS = (
    "gnocchi_resources_threshold",
    "gnocchi_aggregation_by_metrics_threshold",
    "gnocchi_aggregation_by_resources_threshold",
    "prometheus",
)


class Threshold(Struct, kw_only=True, forbid_unknown_fields=True):
    threshold: float
    comparison_operator: Comparison = "eq"


class OfGnocchi(Threshold, kw_only=True, forbid_unknown_fields=True):
    aggregation_method: str
    evaluation_periods: int = 1
    granularity: int = 60


class OfResource(OfGnocchi, kw_only=True, forbid_unknown_fields=True):
    metric: str
    resource_id: str
    resource_type: str


class OfMetrics(OfGnocchi, kw_only=True, forbid_unknown_fields=True):
    metrics: list[str]


class OfResources(OfGnocchi, kw_only=True, forbid_unknown_fields=True):
    metric: str
    query: str
    resource_type: str


class OfPrometheus(Threshold, kw_only=True, forbid_unknown_fields=True):
    query: str


class Condition(Struct, kw_only=True, forbid_unknown_fields=True):
    """Of an event. op: how the field is compared with the value, read as its type."""

    field: str
    op: str = "eq"
    value: str | int | float | bool
    type: str = ""


class OfEvent(Struct, kw_only=True, forbid_unknown_fields=True):
    event_type: str | None = "*"
    query: list[Condition] | UnsetType | None = UNSET


class OfMembers(Struct, kw_only=True, forbid_unknown_fields=True):
    """Of a pool's members, which are made by a group of a stack."""

    pool_id: str
    stack_id: str
    autoscaling_group_id: str


MEMBERS = "loadbalancer_member_health"
KINDS: dict[str, type[Struct]] = {
    "gnocchi_resources_threshold": OfResource,
    "gnocchi_aggregation_by_metrics_threshold": OfMetrics,
    "gnocchi_aggregation_by_resources_threshold": OfResources,
    "prometheus": OfPrometheus,
    "event": OfEvent,
    MEMBERS: OfMembers,
}
TYPES = (*KINDS, "composite")


def _converted(kind: type[Struct], value: Any, name: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(name, None, str(error)) from None


def checked(room: Alarming, kind: str, value: Any) -> dict[str, Any]:
    """A rule as it is kept.

    Raises:
        BadInput
    """
    name = f"{kind}_rule"
    if kind == "composite":
        return _composite(room, value, 0, [0])
    if not isinstance(value, dict):
        raise BadInput(f"{name} must be set for {kind} type alarm")
    found = _converted(KINDS[kind], value, name)
    _CHECKS[kind](room, found)
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def _check_gnocchi(room: Alarming, rule: Any) -> None:
    if rule.aggregation_method not in METHODS:
        raise invalid("aggregation_method", rule.aggregation_method, "There is no such method.")
    if not 1 <= rule.evaluation_periods <= 100:
        raise invalid("evaluation_periods", rule.evaluation_periods, "Value should be 1 to 100.")
    if not 1 <= rule.granularity <= 3600 * 24 * 365:
        raise invalid("granularity", rule.granularity, "Value should be 1 to 31536000.")


def _check_metrics(room: Alarming, rule: OfMetrics) -> None:
    _check_gnocchi(room, rule)
    if not 1 <= len(rule.metrics) <= 500:
        raise invalid("metrics", None, "There may be 1 to 500.")


def _check_resources(room: Alarming, rule: OfResources) -> None:
    _check_gnocchi(room, rule)
    try:
        tree = inner_json.decoded(rule.query)
    except ValueError:
        raise invalid("rule/query", rule.query) from None
    check_search(tree)


def _check_prometheus(room: Alarming, rule: OfPrometheus) -> None:
    if not room.settings.prometheus_url:
        raise BadInput("Alarms of the type prometheus need the setting prometheus_url of alarming.")
    if len(rule.query) > 4096:
        raise invalid("query", None, "It has more than 4096 characters.")


_OPS = ("eq", "ne", "lt", "le", "gt", "ge")
_VALUES: dict[str, Callable[[str], Any]] = {
    "": str,
    "string": str,
    "integer": int,
    "float": float,
    "boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}[text.lower()],
}


def value_of(condition: Mapping[str, Any]) -> Any:
    """The value that a field is compared with, read as its type.

    Raises:
        BadInput
    """
    kind = condition.get("type") or ""
    if kind == "datetime" or kind not in _VALUES:
        known = sorted(_VALUES)[1:]
        raise BadInput(f"The data type {kind[:50]} is not supported, but these are: {known}")
    try:
        return _VALUES[kind](str(condition["value"]))
    except (ValueError, KeyError):
        value = str(condition["value"])[:100]
        raise BadInput(f"Unable to convert the value {value} to the data type {kind}.") from None


def _check_event(room: Alarming, rule: OfEvent) -> None:
    rule.event_type = rule.event_type or "*"
    rule.query = rule.query or []
    if len(rule.event_type) > 255 or len(rule.query) > 50:
        raise invalid("event_rule", None, "It is too long.")
    for one in rule.query:
        if one.op not in _OPS:
            raise BadInput(f"Query value or traits invalid: op {one.op[:20]!r}")
        if not one.field.startswith("traits.") and one.field not in _FIELDS:
            raise BadInput(f"Query value or traits invalid: field {one.field[:50]!r}")
        value_of(msgspec.to_builtins(one))


def _check_members(room: Alarming, rule: OfMembers) -> None:
    for name in ("pool_id", "stack_id", "autoscaling_group_id"):
        value = getattr(rule, name)
        if not 1 <= len(value) <= 255 or set(value) & {"/", "?", "#"} or value in (".", ".."):
            raise invalid(name, value, "It is not an ID.")


_FIELDS = frozenset(("event_type", "message_id", "generated", "project_id", "user_id"))
_CHECKS: dict[str, Callable[[Alarming, Any], None]] = {
    "gnocchi_resources_threshold": _check_gnocchi,
    "gnocchi_aggregation_by_metrics_threshold": _check_metrics,
    "gnocchi_aggregation_by_resources_threshold": _check_resources,
    "prometheus": _check_prometheus,
    "event": _check_event,
    MEMBERS: _check_members,
}


def _composite(room: Alarming, value: Any, depth: int, count: list[int]) -> dict[str, Any]:
    count[0] += 1
    if not isinstance(value, dict) or depth > DEEPEST or count[0] > PARTS:
        raise BadInput(
            f'Invalid input composite rule: it should be a dict with an "and" or "or" as key, at most {DEEPEST} '
            f"deep and of {PARTS} rules."
        )
    if len(value) == 1 and "type" not in value:
        name, inner = next(iter(value.items()))
        if name not in ("and", "or"):
            raise BadInput('Threshold rules should be combined with "and" or "or"')
        if not isinstance(inner, list) or not inner:
            raise BadInput(
                f"Invalid input composite rule: the value of {name} is not a list of rules."
            )
        return {name: [_composite(room, one, depth + 1, count) for one in inner]}
    kind = value.get("type")
    if not kind:
        raise BadInput("type must be set in every rule")
    if kind not in THRESHOLDS:
        raise BadInput(
            f"Unsupported sub-rule type {str(kind)[:50]}, should be one of: {THRESHOLDS}"
        )
    rest = {name: one for name, one in value.items() if name != "type"}
    return {**checked(room, kind, rest), "type": kind}
