"""The resources: what each is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa
from msgspec import structs

from hanok.base.errors import BadInput, Forbidden
from hanok.services.load_balancer.logic import (
    carriers,
    catalog,
    l7,
    listeners,
    load_balancers,
    members,
    monitors,
    pools,
)
from hanok.services.load_balancer.room import LoadBalancing, Reach
from hanok.services.load_balancer.routes.api import API
from hanok.services.load_balancer.schemas import resources
from hanok.services.load_balancer.tables import (
    flavor_profiles,
    flavors,
    health_monitors,
    l7policies,
    l7rules,
    tags,
    zone_profiles,
    zones,
)
from hanok.services.load_balancer.tables import listeners as listener_table
from hanok.services.load_balancer.tables import load_balancers as balancer_table
from hanok.services.load_balancer.tables import members as member_table
from hanok.services.load_balancer.tables import pools as pool_table
from hanok.store import JSON, Transaction, UTCDateTime, kept
from hanok.web.listing import Filter, Where, tag_filters
from hanok.web.resources import Kind, Parent, View

Resource = Kind[LoadBalancing, Reach]
_ASIDE = (
    "load_balancer_id", "transport", "vip_made", "terms", "problem", "http_version", "carrier_id", "host",
    "generation",
)  # fmt: skip


def _columns(table: sa.Table, **others: sa.Column[Any]) -> dict[str, sa.Column[Any]]:
    """Filters and sort keys: the columns that are shown."""
    found = {
        column.name: column
        for column in table.c
        if column.name not in _ASIDE and not isinstance(column.type, JSON)
    }
    return {**found, **others}


def _at(column: sa.Column[Any]) -> Filter:
    """A time, as this API writes it."""

    def condition(values: list[str]) -> Where:
        moments = []
        for value in values:
            try:
                at = datetime.fromisoformat(value)
            except ValueError:
                raise BadInput(f"{value[:100]} is not a valid time for {column.name}") from None
            moments.append(at.replace(microsecond=0, tzinfo=at.tzinfo or UTC))
        # What is shown has whole seconds, what is kept has more.
        return sa.or_(*(column.between(at, at.replace(microsecond=999_999)) for at in moments))

    return condition


def _filters(table: sa.Table) -> dict[str, Filter]:
    times = {one.name: _at(one) for one in table.c if isinstance(one.type, UTCDateTime)}
    by_tags = tag_filters(table.c.id, tags.c.resource_id, tags.c.tag)
    return {**times, **by_tags}


def _of_whom(table: sa.Table) -> Any:
    """The filter by project: those who see their own project's only may ask for no other."""

    def condition(reach: Reach, values: list[str]) -> Where:
        if not reach.everything and any(one != reach.project_id for one in values):
            raise Forbidden("Policy does not allow this request to be performed.")
        return table.c.project_id.in_(values)

    return condition


def _visible(table: sa.Table) -> Any:
    def visible(reach: Reach) -> Where:
        if reach.everything:
            return sa.true()
        return kept.equal(table.c.project_id, reach.project_id or "")

    return visible


def _common(table: sa.Table, **columns: sa.Column[Any]) -> dict[str, Any]:
    """What the kinds that are a project's have in common."""
    return {
        "api": API,
        "table": table,
        "columns": _columns(table, **columns),
        "filters": _filters(table),
        "first": "created_at",
        "reaching": {"project_id": _of_whom(table)},
        "visible": _visible(table),
    }


LOAD_BALANCER = Resource(
    **_common(balancer_table),
    name="loadbalancer",
    plural="loadbalancers",
    path="loadbalancers",
    attributes=resources.LOAD_BALANCER,
    show=load_balancers.show,
    update=load_balancers.update,
)
LISTENER = Resource(
    **_common(listener_table, loadbalancer_id=listener_table.c.load_balancer_id),
    name="listener",
    plural="listeners",
    path="listeners",
    attributes=resources.LISTENER,
    show=listeners.show,
    create=listeners.create,
    update=listeners.update,
    delete=listeners.delete,
    target=listeners.target,
)
POOL = Resource(
    **_common(pool_table, loadbalancer_id=pool_table.c.load_balancer_id),
    name="pool",
    plural="pools",
    path="pools",
    attributes=resources.POOL,
    show=pools.show,
    create=pools.create,
    update=pools.update,
    delete=pools.delete,
    target=pools.target,
)
MONITOR = Resource(
    **_common(health_monitors),
    name="healthmonitor",
    plural="healthmonitors",
    path="healthmonitors",
    attributes=resources.HEALTH_MONITOR,
    show=monitors.show,
    create=monitors.create,
    update=monitors.update,
    delete=monitors.delete,
    target=monitors.target,
)
POLICY = Resource(
    **_common(l7policies),
    name="l7policy",
    plural="l7policies",
    path="l7policies",
    attributes=resources.L7POLICY,
    show=l7.show_policies,
    create=l7.create_policy,
    update=l7.update_policy,
    delete=l7.delete_policy,
    target=l7.policy_target,
)


def _part(table: sa.Table) -> dict[str, Any]:
    """The same for what a list of its parent has: who may see the parent's list sees all of it."""
    return {**_common(table), "visible": lambda reach: sa.true(), "reaching": {}}


MEMBER = Resource(
    **_part(member_table),
    name="member",
    plural="members",
    path="members",
    parent=Parent(POOL, member_table.c.pool_id, "project_id"),
    attributes=resources.MEMBER,
    show=members.show,
    create=members.create,
    update=members.update,
    delete=members.delete,
    target=members.target,
)
RULE = Resource(
    **_part(l7rules),
    name="rule",
    plural="rules",
    path="rules",
    parent=Parent(POLICY, l7rules.c.l7policy_id, "project_id"),
    attributes=resources.L7RULE,
    show=l7.show_rules,
    create=l7.create_rule,
    update=l7.update_rule,
    delete=l7.delete_rule,
    target=l7.rule_target,
)


async def _anybodys(tx: Transaction, reach: Reach, views: Sequence[View]) -> None:
    """Who asks whether they may see what is nobody's asks for their own project."""
    for view in views:
        view["_target"] = {"project_id": reach.project_id}


def _offered(table: sa.Table) -> dict[str, Any]:
    """What kinds that are nobody's have in common."""
    return {
        "api": API,
        "table": table,
        "columns": _columns(table),
        "visible": lambda reach: sa.true(),
        "adapt": _anybodys,
    }


FLAVOR_PROFILE = Resource(
    **_offered(flavor_profiles),
    name="flavorprofile",
    plural="flavorprofiles",
    path="flavorprofiles",
    attributes=resources.FLAVOR_PROFILE,
    show=catalog.shower("id", "name", "provider_name", "flavor_data"),
    create=catalog.profile_creator(flavor_profiles),
    update=catalog.profile_updater(flavor_profiles),
    delete=catalog.remover(flavor_profiles, "Flavor profile"),
)
FLAVOR = Resource(
    **_offered(flavors),
    name="flavor",
    plural="flavors",
    path="flavors",
    attributes=resources.FLAVOR,
    show=catalog.shower("id", "name", "description", "enabled", "flavor_profile_id"),
    create=catalog.create_flavor,
    update=catalog.changer(flavors),
    delete=catalog.remover(flavors, "Flavor"),
)
ZONE_PROFILE = Resource(
    **_offered(zone_profiles),
    name="availability_zone_profile",
    plural="availability_zone_profiles",
    path="availabilityzoneprofiles",
    attributes=resources.ZONE_PROFILE,
    show=catalog.shower("id", "name", "provider_name", "availability_zone_data"),
    create=catalog.profile_creator(zone_profiles),
    update=catalog.profile_updater(zone_profiles),
    delete=catalog.remover(zone_profiles, "Availability Zone Profile"),
)
ZONE = Resource(
    **{
        **_offered(zones),
        "columns": {"name": zones.c.id, **{k: v for k, v in _columns(zones).items() if k != "id"}},
    },
    name="availability_zone",
    plural="availability_zones",
    path="availabilityzones",
    attributes=resources.ZONE,
    show=catalog.show_zones,
    create=catalog.create_zone,
    update=catalog.changer(zones),
    delete=catalog.remover(zones, "Availability Zone"),
)
AMPHORA = Resource(
    api=structs.replace(API, base="/v2.0/octavia"),
    name="amphora",
    plural="amphorae",
    path="amphorae",
    table=carriers.CARRIERS,
    attributes=resources.AMPHORA,
    columns={
        name: cast("sa.Column[Any]", column)
        for name, column in carriers.CARRIERS.c.items()
        if not isinstance(column.type, UTCDateTime)
    },
    first="created_at",
    visible=lambda reach: sa.true(),
    show=carriers.show,
    delete=carriers.delete,
)
KINDS = (
    LOAD_BALANCER, LISTENER, POOL, MONITOR, POLICY, MEMBER, RULE, FLAVOR_PROFILE, FLAVOR,
    ZONE_PROFILE, ZONE, AMPHORA,
)  # fmt: skip
