"""What aggregates say of where a server may go: zones, extra specs of flavors, and what is kept apart.

It is worked out once a search, for aggregates: a filter then only compares which of them a host is in, and placement is
told beforehand which to look in.

Source: administration guide, "Compute schedulers" (aggregate_instance_extra_specs, filter_tenant_id, isolation by image
properties, isolated aggregates).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.services.compute.logic import spec_values
from hanok.services.compute.logic.aggregates import ZONE
from hanok.services.compute.room import ComputeSettings
from hanok.services.compute.tables import aggregate_metadata, aggregates
from hanok.store import Transaction

SCOPE = "aggregate_instance_extra_specs"
TENANTS = "filter_tenant_id"
TRAIT = "trait:"

_every = sa.select(aggregates.c.uuid, aggregate_metadata.c.key, aggregate_metadata.c.value).join(
    aggregates, aggregates.c.id == aggregate_metadata.c.aggregate_id
)
_of_tenants = aggregate_metadata.c.key.startswith(TENANTS, autoescape=True)
_least = _every.where(_of_tenants)
_some = _every.where(
    sa.or_(aggregate_metadata.c.key.in_(bindparam("keys", expanding=True)), _of_tenants)
)

Values = dict[str, dict[str, frozenset[str]]]
"""By key and UUID of an aggregate: its values, which stand in one text with commas between."""


class Closed(Struct, frozen=True):
    """Hosts that are kept for some servers: one that is in some of these aggregates must be in an open one, too."""

    all: frozenset[str]
    open: frozenset[str] = frozenset()

    def lets(self, of_host: frozenset[str]) -> bool:
        return not of_host & self.all or bool(of_host & self.open)


class Rules(Struct, frozen=True, kw_only=True):
    """What aggregates (by UUID) say of one server.

    specs: the host must be in one of each set. tenants, images: hosts that are kept for others.
    isolated: aggregates of which the host must be in none.
    zone: aggregates that make the zone that is asked for, if it is told by them alone; no_zone: those that make others.
    """

    specs: tuple[frozenset[str], ...] = ()
    tenants: Closed | None = None
    images: tuple[Closed, ...] = ()
    isolated: frozenset[str] = frozenset()
    zone: frozenset[str] | None = None
    no_zone: frozenset[str] = frozenset()

    @property
    def looks(self) -> bool:
        """Whether it matters which aggregates a host is in."""
        return bool(self.specs or self.tenants or self.images or self.isolated)

    @property
    def inside(self) -> tuple[frozenset[str], ...]:
        """For placement: sets of aggregates of which a host must be in one."""
        return self.specs if self.zone is None else (*self.specs, self.zone)

    @property
    def outside(self) -> frozenset[str]:
        """For placement: aggregates of which a host can be in none."""
        closed = (self.tenants, *self.images) if self.tenants else self.images
        kept = [one.all for one in closed if not one.open]
        return frozenset().union(self.isolated, self.no_zone, *kept)


async def rules(
    tx: Transaction,
    *,
    zone: str | None,
    project_id: str,
    specs: Mapping[str, Any],
    properties: Mapping[str, Any],
    traits: frozenset[str],
    settings: ComputeSettings,
) -> Rules:
    """What the aggregates of this cloud say of a server.

    Args:
        zone: that is asked for. specs: of the flavor. properties: of the image.
        traits: that flavor and image require.
    """
    requested = requirements_of(specs)
    everything = settings.aggregate_image_properties_isolation or settings.isolated_aggregates
    keys = [*requested, *([ZONE] if zone is not None else ())]
    statement, wish = (_some, {"keys": keys}) if keys and not everything else (_least, {})
    values: Values = {}
    for row in await tx.all(_every if everything else statement, wish):
        parts = [row.value] if row.key == ZONE else row.value.split(",")
        values.setdefault(row.key, {})[row.uuid] = frozenset(one.strip() for one in parts)
    return ruled(
        values,
        zone=zone,
        project_id=project_id,
        requirements=requested,
        properties=properties,
        traits=traits,
        settings=settings,
    )


def ruled(
    values: Values,
    *,
    zone: str | None,
    project_id: str,
    requirements: Mapping[str, tuple[str, bool]],
    properties: Mapping[str, Any],
    traits: frozenset[str],
    settings: ComputeSettings,
) -> Rules:
    """What metadata says of a server.

    requirements: what the flavor asks of it, as `requirements_of` reads that; the rest as in `rules`.
    """
    inside, outside = _zone(values.get(ZONE, {}), zone, settings)
    return Rules(
        specs=tuple(_specs(values, requirements)),
        tenants=_tenants(values, project_id),
        images=tuple(_images(values, properties, settings)),
        isolated=_isolated(values, traits) if settings.isolated_aggregates else frozenset(),
        zone=inside,
        no_zone=outside,
    )


def requirements_of(specs: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """What a flavor wants of the metadata of aggregates, by key: the wish, and whether it names aggregates."""
    found = {}
    for name, wish in specs.items():
        scope, colon, rest = name.partition(":")
        if scope == SCOPE and colon:
            found[rest] = (str(wish), True)
        elif not colon:
            found.setdefault(name, (str(wish), False))
    return found


def _specs(values: Values, requested: Mapping[str, tuple[str, bool]]) -> Iterable[frozenset[str]]:
    """A key without a scope that no aggregate has is a note of the site, and asks for nothing."""
    for key, (wish, scoped) in requested.items():
        if scoped or key in values:
            yield _having(values.get(key, {}), partial(spec_values.fits, wish))


def _having(values: Mapping[str, frozenset[str]], fits: Callable[[str], bool]) -> frozenset[str]:
    """The aggregates one of whose values fits."""
    return frozenset(uuid for uuid, those in values.items() if any(map(fits, those)))


def _tenants(values: Values, project_id: str) -> Closed | None:
    every: set[str] = set()
    mine: set[str] = set()
    for key, by_uuid in values.items():
        if key.startswith(TENANTS):
            every |= by_uuid.keys()
            mine |= {uuid for uuid, projects in by_uuid.items() if project_id in projects}
    return Closed(frozenset(every), frozenset(mine)) if every else None


def _images(
    values: Values, properties: Mapping[str, Any], settings: ComputeSettings
) -> Iterable[Closed]:
    """Where it is switched on: hosts whose aggregates list values of a property take images with one of these.

    Without a namespace an image that does not have the property is taken, too.
    """
    if not settings.aggregate_image_properties_isolation:
        return
    namespace = settings.aggregate_image_properties_isolation_namespace
    start = namespace and namespace + settings.aggregate_image_properties_isolation_separator
    for key, by_uuid in values.items():
        if not key.startswith(start):
            continue
        have = properties.get(key)
        if have is None and not namespace:
            continue
        taking = frozenset(uuid for uuid, those in by_uuid.items() if str(have) in those)
        yield Closed(frozenset(by_uuid), taking if have is not None else frozenset())


def _isolated(values: Values, traits: frozenset[str]) -> frozenset[str]:
    """Aggregates that require a trait which the server does not."""
    return frozenset(
        uuid
        for key, by_uuid in values.items()
        if key.startswith(TRAIT) and key.removeprefix(TRAIT) not in traits
        for uuid, those in by_uuid.items()
        if "required" in those
    )


def _zone(
    zones: Mapping[str, frozenset[str]], zone: str | None, settings: ComputeSettings
) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Which aggregates make a zone, or, for the zone of hosts that are in none, which make others."""
    if zone is None:
        return None, frozenset()
    making = _having(zones, lambda one: one == zone)
    if zone == settings.zone:
        return None, frozenset(zones) - making if not making else frozenset()
    return making, frozenset()
