"""What load balancing's handlers, operations and loops work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field

from hanok.base.clock import Clock
from hanok.limits import Limits, Resource
from hanok.operations import Starter
from hanok.services.key_manager.facade import Keys
from hanok.services.load_balancer import tables
from hanok.services.load_balancer.logic.bundles import Bundles
from hanok.services.load_balancer.providers.model import Provider
from hanok.services.network.facade import Network
from hanok.store import Database, Transaction
from hanok.web.token import Caller


class LoadBalancerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices.

    default_provider: of load balancers that name none; empty: "amphora" in a simulated cloud, "ovn" in a real one.
    health_s: how often members are looked at. load_balancers, listeners, pools, members, health_monitors, l7policies,
    l7rules: of a project that no other limit is set for; -1: any number. listeners_each, members_each, l7policies_each,
    l7rules_each, pools_each: of one load balancer, pool, listener, policy and load balancer.
    """

    default_provider: str = ""
    health_s: float = 3.0
    load_balancers: int = 100
    listeners: int = -1
    pools: int = -1
    members: int = -1
    health_monitors: int = -1
    l7policies: int = -1
    l7rules: int = -1
    listeners_each: int = 200
    pools_each: int = 200
    members_each: int = 500
    l7policies_each: int = 200
    l7rules_each: int = 100


class Reach(Struct, frozen=True):
    """How far a caller sees.

    everything: whether lists tell of all projects. network: the same caller, as the network knows them.
    may_read: whether the key manager's rules (a name, a target) let them.
    """

    project_id: str | None
    user_id: str
    everything: bool
    network: Caller
    may_read: Callable[[str, Mapping[str, Any]], bool]


class LoadBalancing(Struct, kw_only=True):
    """The room. providers: by name, aliases too. default_provider: the name of one.

    bundles: what of PKCS#12 was read. keys: the key manager; None: there is none, or it is switched off.
    converge: starts the operation that tells a load balancer's provider; it takes its row and a user's id.
    """

    clock: Clock
    database: Database
    operations: Starter
    limits: Limits
    network: Network
    providers: Mapping[str, Provider]
    default_provider: str
    converge: Callable[[Transaction, Any, str], Awaitable[None]]
    keys: Callable[[], Keys | None]
    bundles: Bundles = field(default_factory=Bundles)
    settings: LoadBalancerSettings = LoadBalancerSettings()


_LIMITED: tuple[tuple[str, sa.Table, str], ...] = (
    ("loadbalancer", tables.load_balancers, "load_balancers"),
    ("listener", tables.listeners, "listeners"),
    ("pool", tables.pools, "pools"),
    ("member", tables.members, "members"),
    ("healthmonitor", tables.health_monitors, "health_monitors"),
    ("l7policy", tables.l7policies, "l7policies"),
    ("l7rule", tables.l7rules, "l7rules"),
)


def resources(settings: LoadBalancerSettings) -> list[Resource]:
    """What projects may have so many of."""
    return [_resource(name, table, getattr(settings, limit)) for name, table, limit in _LIMITED]


def _resource(name: str, table: sa.Table, default: Any) -> Resource:
    return Resource(name=name, default=default, count=_counted(table), registered=name)


@cache
def _counted(table: sa.Table) -> sa.Select[Any]:
    """How many rows of a table are a project's."""
    mine = table.c.project_id == sa.bindparam("owner")
    return sa.select(sa.func.count()).select_from(table).where(mine)
