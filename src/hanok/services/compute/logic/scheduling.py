"""Which host a server goes to: what is asked of placement, then filters, then weighers.

Placement finds the hosts that can give what the flavor and the image ask for. Filters look at what placement does not
know: whether a host is up, its zone, which servers it has. Weighers put what is left in order. A new filter or weigher
is a function and a line in its list.

Source: Flavor extra specs (`resources…`, `trait…`, `group_policy`), Image properties (`trait:…`) and "Compute
schedulers" in the guides of OpenStack; Compute API reference, "Create Server" (os:scheduler_hints).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.compute.logic import hosts
from hanok.services.compute.room import ComputeSettings
from hanok.services.compute.tables import servers
from hanok.services.placement import facade as placement
from hanok.store import Transaction

ENOUGH = 20  # hosts that are tried, the best first
GIVEN = ("VCPU", "MEMORY_MB", "DISK_GB")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Request(Struct, frozen=True, kw_only=True):
    """What a server asks of its host.

    Args:
        groups: resources and traits, by suffix. isolate: numbered groups go to different providers.
        zone, host: the only ones, if any.
        same_host: names of the hosts of which it must be one; None where nothing was said.
        different_host: names of hosts of which it must be none.
        near: addresses of which the host must have one.
    """

    groups: Mapping[str, placement.Group]
    isolate: bool = False
    zone: str | None = None
    host: str | None = None
    same_host: frozenset[str] | None = None
    different_host: frozenset[str] = frozenset()
    near: Network | None = None


class Host(Struct, frozen=True, kw_only=True):
    """A host as filters see it. address: "" where it told none."""

    provider_id: str
    name: str
    zone: str
    up: bool = True
    enabled: bool = True
    address: str = ""


class Candidate(Struct, frozen=True):
    """A host that can take a server.

    Args:
        free: by resource class. resources: amounts by class by provider, which the server would take.
    """

    provider_id: str
    host: str
    zone: str
    free: dict[str, int]
    resources: dict[str, dict[str, int]] = {}


# ---- what flavor and image ask of placement ----

GROUPED = re.compile(r"(resources|trait)([a-zA-Z0-9_-]{1,64})?")
_CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]+")
_TRAIT = re.compile(r"[A-Z][A-Z0-9_]*")
_AMOUNT_MOST = 2_147_483_647


def groups_of(
    given: Mapping[str, int], specs: Mapping[str, Any], properties: Mapping[str, Any]
) -> tuple[dict[str, placement.Group], bool]:
    """What is asked of placement, and whether numbered groups go to different providers.

    Args:
        given: amounts of VCPU, MEMORY_MB and DISK_GB that the flavor has; `resources:` specs take their place.
        specs: of the flavor. properties: of the image.

    Raises:
        BadInput: a spec or property that cannot be acted on.
    """
    resources: dict[str, dict[str, int]] = {"": dict(given)}
    required: dict[str, set[str]] = {}
    forbidden: dict[str, set[str]] = {}
    for name, value in specs.items():
        scope, _, rest = name.partition(":")
        grouped = GROUPED.fullmatch(scope)
        if grouped is None:
            continue
        suffix = grouped[2] or ""
        if grouped[1] == "resources":
            resources.setdefault(suffix, {})[_class(name, rest)] = _amount(name, value)
        elif value not in ("required", "forbidden"):
            raise _refused("flavor", name, value, "a trait is either required or forbidden")
        else:
            kind = required if value == "required" else forbidden
            kind.setdefault(suffix, set()).add(_trait("flavor", name, rest))
    for name, value in properties.items():
        if name.startswith("trait:"):
            if value != "required":
                raise _refused("image", name, value, "an image can only require a trait")
            required.setdefault("", set()).add(_trait("image", name, name[len("trait:") :]))
    groups = {}
    for suffix in sorted({*resources, *required, *forbidden}):
        amounts = {what: n for what, n in resources.get(suffix, {}).items() if n}
        if not amounts:
            raise BadInput(
                f"The flavor asks for traits in group '{suffix}', and for no resources in it."
                if suffix
                else "The flavor asks for no resources outside of its groups."
            )
        groups[suffix] = placement.Group(
            resources=amounts,
            required=tuple(frozenset([one]) for one in sorted(required.get(suffix, ()))),
            forbidden=frozenset(forbidden.get(suffix, ())),
        )
    return groups, _isolated(specs, len(groups) - 1)


def _isolated(specs: Mapping[str, Any], numbered: int) -> bool:
    policy = specs.get("group_policy")
    if policy not in (None, "none", "isolate"):
        raise _refused("flavor", "group_policy", policy, "it is either none or isolate")
    if policy is None and numbered > 1:
        raise BadInput(
            "The flavor asks for several groups of resources: it must say group_policy=none or "
            "group_policy=isolate."
        )
    return policy == "isolate"


def _refused(whose: str, name: str, value: Any, why: str) -> BadInput:
    return BadInput(
        f"The {whose} asks for {name}={str(value)[:100]}, which is not supported: {why}."
    )


def _class(name: str, resource_class: str) -> str:
    if resource_class not in GIVEN and not _CUSTOM.fullmatch(resource_class):
        raise BadInput(
            f"The flavor asks for {name[:100]}, which is not supported: hosts give "
            f"{', '.join(GIVEN)} and classes whose name begins with CUSTOM_."
        )
    return resource_class


def _amount(name: str, value: Any) -> int:
    text = str(value)
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > _AMOUNT_MOST:
        raise _refused("flavor", name, value, "an amount is a whole number")
    return int(text)


def _trait(whose: str, name: str, trait: str) -> str:
    if len(trait) > 255 or not _TRAIT.fullmatch(trait):
        raise BadInput(f"The {whose} asks for {name[:100]}, which does not name a trait.")
    return trait


def given_by(
    flavor: Mapping[str, Any], vcpus: int, memory_mib: int, disk_gib: int
) -> dict[str, int]:
    """What a server takes of its host when its flavor says nothing else, by resource class."""
    swap_gib = -(-int(flavor.get("swap", 0)) // 1024)
    return {
        "VCPU": vcpus,
        "MEMORY_MB": memory_mib,
        "DISK_GB": disk_gib + int(flavor.get("ephemeral", 0)) + swap_gib,
    }


# ---- hints ----

_known = sa.select(servers.c.id, servers.c.host, servers.c.deleted).where(
    servers.c.id.in_(bindparam("ids", expanding=True)),
    servers.c.project_id == bindparam("project"),
)
_NEAR_PREFIX = "/24"  # what stands for a missing cidr


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


async def check_hints(tx: Transaction, project_id: str, hints: Mapping[str, Any]) -> None:
    """Hold hints about other servers and addresses against what there is.

    Raises:
        BadInput: a server that the project never had; addresses that are not a network.
    """
    named = [
        one for name in ("same_host", "different_host") for one in _listed(hints.get(name, []))
    ]
    if named:
        found = {row.id for row in await tx.all(_known, {"ids": named, "project": project_id})}
        for one in named:
            if one not in found:
                raise BadInput(f"Instance {one[:64]} could not be found.")
    if "cidr" in hints and "build_near_host_ip" not in hints:
        raise BadInput("The scheduler hint 'cidr' needs the hint 'build_near_host_ip'.")
    _near(hints)


def _near(hints: Mapping[str, Any]) -> Network | None:
    if "build_near_host_ip" not in hints:
        return None
    text = f"{hints['build_near_host_ip']}{hints.get('cidr', _NEAR_PREFIX)}"
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadInput(
            f"Invalid input for field/attribute cidr. Value: {text[:100]}. It is not a valid network."
        ) from None


async def request_of(tx: Transaction, row: Row[Any]) -> Request:
    """What a server asks of its host, from its row."""
    given = given_by(row.flavor, row.vcpus, row.memory_mib, row.disk_gib)
    groups, isolate = groups_of(given, row.flavor.get("extra_specs") or {}, row.image_properties)
    hints = row.scheduler_hints
    near_to = _listed(hints.get("same_host", []))
    apart = _listed(hints.get("different_host", []))
    at: dict[str, str] = {}
    if near_to or apart:
        values = {"ids": [*near_to, *apart], "project": row.project_id}
        at = {
            one.id: one.host
            for one in await tx.all(_known, values)
            if one.host is not None and not one.deleted
        }
    return Request(
        groups=groups,
        isolate=isolate,
        zone=row.requested_zone,
        host=row.requested_host,
        same_host=frozenset(at[one] for one in near_to if one in at) if near_to else None,
        different_host=frozenset(at[one] for one in apart if one in at),
        near=_near(hints),
    )


# ---- filters ----


def is_up(request: Request, host: Host) -> bool:
    return host.up


def is_enabled(request: Request, host: Host) -> bool:
    return host.enabled


def is_the_host(request: Request, host: Host) -> bool:
    return request.host in (None, host.name)


def is_in_zone(request: Request, host: Host) -> bool:
    return request.zone in (None, host.zone)


def has_one_of(request: Request, host: Host) -> bool:
    return request.same_host is None or host.name in request.same_host


def has_none_of(request: Request, host: Host) -> bool:
    return host.name not in request.different_host


def is_near(request: Request, host: Host) -> bool:
    if request.near is None:
        return True
    try:
        return ipaddress.ip_address(host.address) in request.near
    except ValueError:
        return False


class Filter(Struct, frozen=True):
    """fits: whether a host may take the server. why: what is said of one host that does not fit, and of several."""

    fits: Callable[[Request, Host], bool]
    why: tuple[str, str]


FILTERS = (
    Filter(is_the_host, ("is not the requested host", "are not the requested host")),
    Filter(is_in_zone, ("is not in the requested zone", "are not in the requested zone")),
    Filter(is_enabled, ("is disabled", "are disabled")),
    Filter(is_up, ("is not up", "are not up")),
    Filter(
        has_one_of,
        ("has none of the servers of same_host", "have none of the servers of same_host"),
    ),
    Filter(has_none_of, ("has a server of different_host", "have servers of different_host")),
    Filter(is_near, ("is not near build_near_host_ip", "are not near build_near_host_ip")),
)


def passes(request: Request, host: Host) -> bool:
    """Whether all filters let a host through."""
    return all(one.fits(request, host) for one in FILTERS)


# ---- weighers ----


def free_memory(candidate: Candidate) -> int:
    return candidate.free.get("MEMORY_MB", 0)


def free_vcpus(candidate: Candidate) -> int:
    return candidate.free.get("VCPU", 0)


WEIGHERS: tuple[Callable[[Candidate], int], ...] = (free_memory, free_vcpus)
"""The host that weighs most comes first; a later weigher decides between those that weigh the same to all before it."""


def weighed(found: list[Candidate]) -> list[Candidate]:
    """The best first; among equals, by name."""
    return sorted(found, key=lambda one: ([-weigh(one) for weigh in WEIGHERS], one.host))


# ---- all of it ----


async def candidates(
    tx: Transaction, request: Request, settings: ComputeSettings, now: datetime, *, most: int | None
) -> list[Candidate]:
    """Hosts that can take a server, those with the most free memory first.

    Args:
        most: how many are enough; None for all.
    """
    found: list[Candidate] = []
    narrowed = _in_tree(request)
    async for some in placement.offers(tx, narrowed, isolate=request.isolate, first=most or ENOUGH):
        known = await of_providers(tx, [one.root_id for one in some], request, settings, now)
        for one in some:
            host = known.get(one.root_id)
            if host is not None and passes(request, host):
                found.append(Candidate(one.root_id, host.name, host.zone, one.free, one.resources))
        if most is not None and len(found) >= most:
            break
    return found[:most]


def _in_tree(request: Request) -> dict[str, placement.Group]:
    """The groups, bound to the only host that comes into question, where there is just one."""
    only = request.host
    if only is None and request.same_host is not None and len(request.same_host) == 1:
        (only,) = request.same_host
    if only is None:
        return dict(request.groups)
    root_id = hosts.provider_id_of(only)
    return {suffix: placement.bound(group, root_id) for suffix, group in request.groups.items()}


async def of_providers(
    tx: Transaction,
    provider_ids: list[str] | None,
    request: Request,
    settings: ComputeSettings,
    now: datetime,
) -> dict[str, Host]:
    """Hosts by resource provider; None for all. Hosts that told nothing yet are left out."""
    rows = await hosts.reporting(tx, provider_ids)
    address: dict[str, str] = {}
    if request.near is not None:
        address = await hosts.addresses(tx, provider_ids)
    return {
        row.provider_id: Host(
            provider_id=row.provider_id,
            name=row.host,
            zone=row.zone,
            up=hosts.is_up(row, settings, now),
            enabled=not row.disabled,
            address=address.get(row.provider_id, ""),
        )
        for row in rows
    }


async def why_none(
    tx: Transaction, request: Request, settings: ComputeSettings, now: datetime
) -> str:
    """Why no host can take the server, in the user's terms: "3 hosts; 1 is not up; 2 lack memory: …"."""
    left = list((await of_providers(tx, None, request, settings, now)).values())
    if not left:
        return "There are no hosts."
    parts = []
    count = len(left)
    for one in FILTERS:
        fitting = [host for host in left if one.fits(request, host)]
        out = len(left) - len(fitting)
        if out and one.fits is is_the_host:
            count = len(fitting)  # whoever names a host knows that the others are not meant
        elif out:
            parts.append(f"{out} {one.why[out > 1]}")
        left = fitting
    if left:
        of_these = await placement.shortage(
            tx, request.groups, among=[host.provider_id for host in left]
        )
        _, _, words = of_these.partition("; ")
        parts.append(words)
    what = f"{count} host{'' if count == 1 else 's'}"
    if request.host is not None:
        what = f"host {request.host}" if count else f"host {request.host} is not there"
    return "; ".join([what, *(one for one in parts if one)]) + "."
