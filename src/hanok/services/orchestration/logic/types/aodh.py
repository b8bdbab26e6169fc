"""OS::Aodh types: alarms.

Source: the template guide, "OpenStack Resource Types", OS::Aodh; Aodh's REST API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hanok.services.orchestration.logic.types.model import (
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.rest import Rest, telling
from hanok.services.orchestration.logic.work import Work

_SAME = (
    "description", "enabled", "severity", "alarm_actions", "ok_actions", "insufficient_data_actions", "repeat_actions",
    "time_constraints",
)  # fmt: skip
_COMPARISONS = one_of("le", "ge", "eq", "lt", "gt", "ne")


class Alarm(Rest):
    """An alarm of one type. rule: the properties that are its rule."""

    path = "/alarming/v2/alarms"
    id = "alarm_id"

    def __init__(self, kind: str, rule: tuple[str, ...]) -> None:
        self._kind, self._rule = kind, rule

    def _named(self, name: str) -> str:
        """What a property is called in the rule."""
        return _OTHERWISE.get((self._kind, name), name)

    def headers(self, work: Work) -> dict[str, str]:
        """The cloud is called as its user calls it: an action that is an address of a stack's is known by that."""
        return {"host": urlsplit(work.origin).netloc} if work.origin else {}

    def body(self, work: Work) -> dict[str, Any]:
        given = work.properties
        found: dict[str, Any] = {name: given[name] for name in _SAME if given[name] is not None}
        rule = {self._named(name): given[name] for name in self._rule if given[name] is not None}
        found |= {"name": work.name_of_resource, "type": self._kind}
        found[f"{self._kind}_rule"] = rule.get("composite_rule", rule)
        return found

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        return self.body(work)  # an alarm is written as a whole


_MEMBERS = "loadbalancer_member_health"
_OTHERWISE = {(_MEMBERS, "pool"): "pool_id", (_MEMBERS, "stack"): "stack_id"}
_ACTIONS = Property(type="list", update=True)
_QUEUES = Property(type="list", update=True, refused="there are no queues (Zaqar).")
_COMMON = {
    "description": Property(update=True),
    "enabled": Property(type="boolean", default=True, update=True),
    "severity": Property(
        default="low", update=True, constraints=one_of("low", "moderate", "critical")
    ),
    "repeat_actions": Property(type="boolean", default=True, update=True),
    "time_constraints": Property(type="list", default=[], update=True),
    **{
        f"{state}_{what}": one
        for state in ("alarm", "ok", "insufficient_data")
        for what, one in (("actions", _ACTIONS), ("queues", _QUEUES))
    },
}
_THRESHOLD = {
    "comparison_operator": Property(update=True, default="eq", constraints=_COMPARISONS),
    "threshold": Property(type="number", required=True, update=True),
}
_GNOCCHI = {
    **_THRESHOLD,
    "aggregation_method": Property(required=True, update=True),
    "granularity": Property(type="integer", update=True),
    "evaluation_periods": Property(type="integer", update=True, constraints=within(1)),
}
_TEXT = Property(required=True, update=True)


def _alarm(name: str, kind: str, rule: Mapping[str, Property], why: str = "") -> ResourceType:
    return ResourceType(
        name=f"OS::Aodh::{name}",
        service="alarming",
        properties={**_COMMON, **rule},
        attributes=telling("state", "state_reason"),
        driver=Alarm(kind, tuple(rule)),
        description=why,
    )


TYPES = (
    _alarm(
        "GnocchiResourcesAlarm",
        "gnocchi_resources_threshold",
        {**_GNOCCHI, "metric": _TEXT, "resource_id": _TEXT, "resource_type": _TEXT},
        "A resource allowing for the watch of some specified resource.",
    ),
    _alarm(
        "GnocchiAggregationByMetricsAlarm",
        "gnocchi_aggregation_by_metrics_threshold",
        {**_GNOCCHI, "metrics": Property(type="list", required=True, update=True)},
        "A resource that implements alarm with specified metrics.",
    ),
    _alarm(
        "GnocchiAggregationByResourcesAlarm",
        "gnocchi_aggregation_by_resources_threshold",
        {**_GNOCCHI, "metric": _TEXT, "query": _TEXT, "resource_type": _TEXT},
        "A resource that implements alarm as an aggregation of resources alarms.",
    ),
    _alarm(
        "EventAlarm",
        "event",
        {
            "event_type": Property(default="*", update=True),
            "query": Property(type="list", default=[], update=True),
        },
        "A resource that implements event alarms.",
    ),
    _alarm(
        "CompositeAlarm",
        "composite",
        {"composite_rule": Property(type="map", required=True, update=True)},
        "A resource that implements composite alarm.",
    ),
    _alarm(
        "LBMemberHealthAlarm",
        _MEMBERS,
        {"pool": _TEXT, "stack": _TEXT, "autoscaling_group_id": _TEXT},
        "A resource that implements a Loadbalancer Member Health Alarm.",
    ),
    _alarm(
        "PrometheusAlarm",
        "prometheus",
        {**_THRESHOLD, "query": _TEXT},
        "A resource that implements Aodh alarm of type prometheus.",
    ),
)
