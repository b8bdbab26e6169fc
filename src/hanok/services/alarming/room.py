"""What alarming's handlers and loops work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from hanok.base.clock import Clock
from hanok.events import Event
from hanok.services.metric.facade import Metrics
from hanok.store import Database

AskAs = Callable[
    [str, str, str, bytes, Mapping[str, str], str],
    Awaitable[tuple[int, Mapping[str, str], bytes]],
]
"""Token, method, path, body, headers, request id; gives status, headers, body."""


class AlarmingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    evaluation_interval_s: how often each alarm is looked at. project_alarm_quota: alarms of a project that has no quota
    of its own. alarm_max_actions: of each state. changes_per_alarm: of its history, that are kept.
    action_networks: addresses that actions may lead to although they are not public ("10.20.0.0/16").
    prometheus_url: where alarms of the type "prometheus" ask; empty: there are none.
    actions_lead_out: whether addresses are called that are not this cloud's own; a copy of a cloud calls none.
    """

    evaluation_interval_s: int = 60
    project_alarm_quota: int = 1000
    alarm_max_actions: int = 10
    changes_per_alarm: int = 500
    action_networks: tuple[str, ...] = ()
    prometheus_url: str = ""
    actions_lead_out: bool = True


class Alarming(Struct, frozen=True, kw_only=True):
    """The room.

    lend: what a token is worth, sealed, to be kept; borrow: the other way. told: an event as the field has it.
    balances: whether there are load balancers.
    """

    clock: Clock
    database: Database
    metrics: Metrics
    ask_as: AskAs
    lend: Callable[[str], str]
    borrow: Callable[[str], Awaitable[str]]
    told: Callable[[Event], list[dict[str, Any]]]
    balances: Callable[[], bool]
    settings: AlarmingSettings = AlarmingSettings()
