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
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.addresses import address_of, prefix_of
from hanok.base.errors import BadInput
from hanok.commands import Devices, HostCell, HostDevice, Topology
from hanok.commands.limits import Limited
from hanok.services.compute.logic import (
    aggregate_rules,
    aggregates,
    bandwidth,
    cpu_fits,
    cpu_wishes,
    devices,
    hardware,
    host_facts,
    host_queries,
    hosts,
    limits,
    server_groups,
    topologies,
)
from hanok.services.compute.logic.aggregate_rules import Rules
from hanok.services.compute.logic.cpu_wishes import Wish
from hanok.services.compute.logic.explaining import Reason, Verdict
from hanok.services.compute.logic.hardware import Requirements
from hanok.services.compute.logic.host_facts import Facts
from hanok.services.compute.logic.server_groups import Placed
from hanok.services.compute.logic.weighing import Candidate
from hanok.services.compute.room import ComputeSettings, PCIAlias
from hanok.services.compute.tables import servers
from hanok.services.placement import facade as placement
from hanok.store import Transaction

ENOUGH = 20  # hosts that are tried, the best first
WAYS = 16  # in which one host is looked at, where it matters which of its devices are taken
GIVEN = ("VCPU", "MEMORY_MB", "DISK_GB")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Request(Struct, frozen=True, kw_only=True):
    """What a server asks of its host.

    Args:
        groups: resources and traits, by suffix. isolate: numbered groups go to different providers.
        subtrees: groups that must be in one part of a host's tree.
        zone, host: the only ones, if any. leaves: the host that it is to go away from, if any.
        same_host: names of the hosts of which it must be one; None where nothing was said.
        different_host: names of hosts of which it must be none.
        near: addresses of which the host must have one.
        group: what its server group says.
        query: what its hint wants of what hosts tell of themselves.
        wish: what it wants of CPUs and memory pages; None: any do. wants_devices: whether it asks for PCI devices.
        server_id, flavor_id: whose topology does not count, as it is put anew.
        project_id: whose server it is. specs: of its flavor. properties: of its image.
        rules: what aggregates say of it; filled in when hosts are looked for.
        limits: what its host has to be able to hold it to.
        requirements: what flavor and image ask of devices, and of what the host runs.
    """

    groups: Mapping[str, placement.Group]
    isolate: bool = False
    subtrees: Sequence[Sequence[str]] = ()
    zone: str | None = None
    host: str | None = None
    leaves: str | None = None
    same_host: frozenset[str] | None = None
    different_host: frozenset[str] = frozenset()
    near: Network | None = None
    project_id: str = ""
    specs: Mapping[str, Any] = {}
    properties: Mapping[str, Any] = {}
    rules: Rules = Rules()
    group: Placed = Placed()
    limits: frozenset[Limited] = frozenset()
    requirements: Requirements = Requirements(devices=Devices())
    query: Sequence[Any] = ()
    wish: Wish | None = None
    wants_devices: bool = False
    server_id: str = ""
    flavor_id: str = ""

    @property
    def is_placed_exactly(self) -> bool:
        """Whether it matters which CPUs, pages or devices of a host it gets."""
        return self.wish is not None or self.wants_devices


class Host(Struct, frozen=True, kw_only=True):
    """A host as filters see it. address: "" where it told none. aggregates: UUIDs, where they matter.

    cells, devices, used: its NUMA cells and PCI devices, and what of them is given out, where that matters.
    io_ops, instances: servers there that something is done to, and all, where there are limits.
    """

    provider_id: str
    name: str
    zone: str
    up: bool = True
    enabled: bool = True
    address: str = ""
    aggregates: frozenset[str] = frozenset()
    cells: tuple[HostCell, ...] = ()
    devices: tuple[HostDevice, ...] = ()
    used: cpu_fits.Taken = cpu_fits.Taken()
    memory_ratio: float = 1.0
    io_ops: int = 0
    instances: int = 0
    maximum_io_ops: int = 0
    maximum_instances: int = 0
    limits: frozenset[str] = frozenset()
    facts: Facts = Facts()


# ---- what flavor and image ask of placement ----

GROUPED = re.compile(r"(resources|trait)([a-zA-Z0-9_-]{1,64})?")
_CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]+")
_TRAIT = re.compile(r"[A-Z][A-Z0-9_]*")
_MAXIMUM_AMOUNT = 2_147_483_647
_SUBTREE = re.compile(r"same_subtree[a-zA-Z0-9_-]{0,64}")
_SUFFIX = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def groups_of(
    given: Mapping[str, int],
    specs: Mapping[str, Any],
    properties: Mapping[str, Any],
    aliases: Sequence[PCIAlias] = (),
    traits: frozenset[str] = frozenset(),
) -> tuple[dict[str, placement.Group], bool]:
    """What is asked of placement, and whether numbered groups go to different providers.

    Args:
        given: amounts of VCPU, MEMORY_MB and DISK_GB that the flavor has; `resources:` specs take their place.
        specs: of the flavor. properties: of the image. aliases: of PCI devices.
        traits: that their devices need.

    Raises:
        BadInput: a spec or property that cannot be acted on.
    """
    resources: dict[str, dict[str, int]] = {"": dict(given)}
    required: dict[str, set[str]] = {"": set(traits)} if traits else {}
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
    groups: dict[str, placement.Group] = {}
    subtrees = {name for one in _subtrees(specs) for name in one}
    for suffix in sorted({*resources, *required, *forbidden}):
        amounts = {what: n for what, n in resources.get(suffix, {}).items() if n}
        if not amounts and suffix not in subtrees:
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
    if odd := sorted(subtrees - groups.keys()):
        raise BadInput(
            f"The flavor's same_subtree names '{odd[0][:64]}', which is not one of its groups."
        )
    isolate = _isolated(specs, len(groups) - 1)
    return groups | devices.groups(specs, aliases), isolate


def _subtrees(specs: Mapping[str, Any]) -> list[list[str]]:
    """Groups that must be in one part of a host's tree: `same_subtree` and `same_subtreeX` of the flavor.

    Raises:
        BadInput: a name that is none of a group.
    """
    found = []
    for name, value in specs.items():
        if _SUBTREE.fullmatch(name):
            parts = [part.strip() for part in str(value).split(",")]
            if not all(map(_SUFFIX.fullmatch, parts)):
                raise _refused("flavor", name, value, "it names groups, with commas between")
            found.append(parts)
    return found


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
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > _MAXIMUM_AMOUNT:
        raise _refused("flavor", name, value, "an amount is a whole number")
    return int(text)


def _trait(whose: str, name: str, trait: str) -> str:
    if len(trait) > 255 or not _TRAIT.fullmatch(trait):
        raise BadInput(f"The {whose} asks for {name[:100]}, which does not name a trait.")
    return trait


def given_by(
    flavor: Mapping[str, Any],
    vcpus: int,
    memory_mib: int,
    disk_gib: int,
    wish: Wish | None = None,
) -> dict[str, int]:
    """What a server takes of its host when its flavor says nothing else, by resource class."""
    swap_gib = -(-int(flavor.get("swap", 0)) // 1024)
    cpus = {"VCPU": vcpus} if wish is None else {"VCPU": wish.shared, "PCPU": wish.dedicated}
    return {
        **{name: count for name, count in cpus.items() if count},
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
        return prefix_of(text)
    except ValueError:
        raise BadInput(
            f"Invalid input for field/attribute cidr. Value: {text[:100]}. It is not a valid network."
        ) from None


async def request_of(tx: Transaction, row: Row[Any], settings: ComputeSettings) -> Request:
    """What a server asks of its host, from its row."""
    specs = row.flavor.get("extra_specs") or {}
    wish = cpu_wishes.wish(row.vcpus, row.memory_mib, specs, row.image_properties)
    root_gib = row.disk_gib if row.image_id else 0  # a volume is on no host's disk
    given = given_by(row.flavor, row.vcpus, row.memory_mib, root_gib, wish)
    requested = hardware.requirements(specs, row.image_properties, row.vcpus)
    groups, isolate = groups_of(
        given, specs, row.image_properties, settings.pci_aliases, requested.traits
    )
    of_ports, together = await bandwidth.groups(tx, row.nics)
    groups |= of_ports
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
        project_id=row.project_id,
        specs={name: value for name, value in specs.items() if name not in hardware.SPECS},
        properties=row.image_properties,
        group=await server_groups.placed(tx, row.id) if "group" in hints else Placed(),
        subtrees=[*_subtrees(specs), *together],
        query=host_queries.read(hints.get("query", [])),
        wish=wish,
        wants_devices=devices.SPEC in specs,
        server_id=row.id,
        flavor_id=row.flavor_id,
        limits=limits.of(specs).kinds(),
        requirements=requested,
    )


# ---- filters ----


def is_up(request: Request, host: Host) -> bool:
    return host.up


def is_enabled(request: Request, host: Host) -> bool:
    return host.enabled


def is_the_host(request: Request, host: Host) -> bool:
    return request.host in (None, host.name)


def is_another(request: Request, host: Host) -> bool:
    return request.leaves != host.name


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
        return address_of(host.address) in request.near
    except ValueError:
        return False


def is_for_the_group(request: Request, host: Host) -> bool:
    return request.group.takes(host.name)


def can_limit(request: Request, host: Host) -> bool:
    return request.limits <= host.limits


def has_specs(request: Request, host: Host) -> bool:
    return all(host.aggregates & one for one in request.rules.specs)


def is_for_the_project(request: Request, host: Host) -> bool:
    return request.rules.tenants is None or request.rules.tenants.lets(host.aggregates)


def is_for_the_image(request: Request, host: Host) -> bool:
    return all(one.lets(host.aggregates) for one in request.rules.images)


def is_not_isolated(request: Request, host: Host) -> bool:
    return not host.aggregates & request.rules.isolated


def fulfils_the_query(request: Request, host: Host) -> bool:
    return host_queries.fits(request.query, host.facts.figures)


def is_not_too_busy(request: Request, host: Host) -> bool:
    return not host.maximum_io_ops or host.io_ops < host.maximum_io_ops


def has_few_servers(request: Request, host: Host) -> bool:
    return not host.maximum_instances or host.instances < host.maximum_instances


def has_the_machine(request: Request, host: Host) -> bool:
    return host_facts.has_offers(request.requirements, host.facts, machine=True)


def has_the_devices(request: Request, host: Host) -> bool:
    return host_facts.has_offers(request.requirements, host.facts, machine=False)


def runs_the_image(request: Request, host: Host) -> bool:
    return host_facts.runs(request.requirements, host.facts)


def has_capabilities(request: Request, host: Host) -> bool:
    return host_facts.satisfies(host_facts.capabilities(request.specs), host.facts)


class Filter(Struct, frozen=True):
    """fits: whether a host may take the server. why: what is said of one host that does not fit, and of several."""

    fits: Callable[[Request, Host], bool]
    why: tuple[str, str]


FILTERS = (
    Filter(is_the_host, ("is not the requested host", "are not the requested host")),
    Filter(is_another, ("has the server already", "have the server already")),
    Filter(is_in_zone, ("is not in the requested zone", "are not in the requested zone")),
    Filter(is_enabled, ("is disabled", "are disabled")),
    Filter(is_up, ("is not up", "are not up")),
    Filter(
        has_one_of,
        ("has none of the servers of same_host", "have none of the servers of same_host"),
    ),
    Filter(has_none_of, ("has a server of different_host", "have servers of different_host")),
    Filter(
        is_for_the_group,
        (
            "does not fit the policy of the server group",
            "do not fit the policy of the server group",
        ),
    ),
    Filter(
        has_specs,
        (
            "is in no aggregate with the flavor's extra specs",
            "are in no aggregates with the flavor's extra specs",
        ),
    ),
    Filter(is_for_the_project, ("is kept for other projects", "are kept for other projects")),
    Filter(is_for_the_image, ("is kept for other images", "are kept for other images")),
    Filter(
        is_not_isolated,
        ("is kept for servers with other traits", "are kept for servers with other traits"),
    ),
    Filter(
        fulfils_the_query,
        ("does not fulfil the hint 'query'", "do not fulfil the hint 'query'"),
    ),
    Filter(
        is_not_too_busy,
        (
            "has as many servers at work as max_io_ops_per_host allows",
            "have as many servers at work as max_io_ops_per_host allows",
        ),
    ),
    Filter(
        has_few_servers,
        (
            "has as many servers as max_instances_per_host allows",
            "have as many servers as max_instances_per_host allows",
        ),
    ),
    Filter(
        can_limit,
        (
            "cannot hold servers to the limits of the flavor",
            "cannot hold servers to the limits of the flavor",
        ),
    ),
    Filter(
        has_the_machine,
        ("does not have the image's machine type", "do not have the image's machine type"),
    ),
    Filter(
        has_the_devices,
        (
            "does not have the devices that image or flavor ask for",
            "do not have the devices that image or flavor ask for",
        ),
    ),
    Filter(
        runs_the_image,
        (
            "does not run images of this architecture, hypervisor and mode",
            "do not run images of this architecture, hypervisor and mode",
        ),
    ),
    Filter(
        has_capabilities,
        (
            "does not have the capabilities that the flavor asks for",
            "do not have the capabilities that the flavor asks for",
        ),
    ),
    Filter(is_near, ("is not near build_near_host_ip", "are not near build_near_host_ip")),
)


def passes(request: Request, host: Host) -> bool:
    """Whether all filters let a host through."""
    return all(one.fits(request, host) for one in FILTERS)


def place(
    request: Request, host: Host, resources: Mapping[str, Mapping[str, int]]
) -> topologies.Placed | str:
    """Where on a host the server would be, with the devices that are among these amounts; or why it cannot be there."""
    mine = devices.taken(host.name, host.devices, resources)
    topology: Topology | None = None
    if request.wish is not None:
        near = frozenset(one.cell for one in mine if one.cell is not None)
        fitting = cpu_fits.fit(
            request.wish, host.cells, host.used, memory_ratio=host.memory_ratio, near=near
        )
        if isinstance(fitting, str):
            return fitting
        topology = fitting
    return topologies.Placed(
        topology=topology,
        devices=tuple(one.address for one in mine),
        resources={one: dict(amounts) for one, amounts in resources.items()},
    )


# ---- all of it ----


async def candidates(
    tx: Transaction,
    request: Request,
    settings: ComputeSettings,
    now: datetime,
    *,
    maximum: int | None,
) -> list[Candidate]:
    """Hosts that can take a server, those with the most free memory first.

    Args:
        maximum: how many are enough; None for all.
    """
    request = await _ruled(tx, request, settings)
    if not all(request.rules.inside):
        return []
    found: list[Candidate] = []
    for group, sought in _searches(request):
        now_sought = msgspec.structs.replace(request, group=group)
        found += await _search(tx, now_sought, sought, settings, now, maximum=maximum)
        if maximum is not None and len(found) >= maximum:
            break
    best = {one.host: one for one in reversed(found)}  # of those found twice, the first
    several = [one for one in found if best[one.host] is one][:maximum]
    return await _figures(tx, request, several, settings) if len(several) > 1 else several


async def _figures(
    tx: Transaction, request: Request, found: list[Candidate], settings: ComputeSettings
) -> list[Candidate]:
    """The same, with what weighers look at besides what is free; read only where it counts."""
    names = [one.host for one in found]
    busy: dict[str, int] = {}
    instances: dict[str, int] = {}
    failed: dict[str, int] = {}
    free: dict[str, int] = {}
    if settings.io_ops_weight_multiplier:
        busy = await hosts.busy(tx, names)
    if settings.num_instances_weight_multiplier:
        instances = await hosts.instances(tx, names)
    if settings.build_failure_weight_multiplier:
        failed = await hosts.failed_builds(tx, names)
    if settings.pci_weight_multiplier and settings.pci_aliases:
        free = await placement.free_children(tx, [one.provider_id for one in found])
    return [
        msgspec.structs.replace(
            one,
            io_ops=busy.get(one.host, 0),
            instances=instances.get(one.host, 0),
            failed_builds=failed.get(one.host, 0),
            free_devices=free.get(one.provider_id, 0),
            wants_devices=request.wants_devices,
        )
        for one in found
    ]


def _searches(request: Request) -> list[tuple[Placed, dict[str, placement.Group]]]:
    """What is looked for one after another: where a group is, or is not, as its policy prefers it; then all others."""
    group, whole = request.group, _narrowed(request)
    if not group.prefers:
        return [(group, whole)]
    if group.policy == server_groups.SOFT_AFFINITY:
        some = sorted(group.hosts, key=lambda host: -group.hosts[host])[:ENOUGH]
        return [(group, _only(whole, host)) for host in some] + [(group, whole)]
    apart = msgspec.structs.replace(group, policy=server_groups.ANTI_AFFINITY)
    return [(apart, whole), (group, whole)]


def _only(groups: Mapping[str, placement.Group], host: str) -> dict[str, placement.Group]:
    """The groups, bound to one host."""
    root_id = hosts.provider_id_of(host)
    return {suffix: placement.bound(group, root_id) for suffix, group in groups.items()}


async def _search(
    tx: Transaction,
    request: Request,
    narrowed: Mapping[str, placement.Group],
    settings: ComputeSettings,
    now: datetime,
    *,
    maximum: int | None,
) -> list[Candidate]:
    found: list[Candidate] = []
    offers = placement.offers(
        tx,
        narrowed,
        isolate=request.isolate,
        first=maximum or ENOUGH,
        subtrees=request.subtrees,
        fullest=settings.ram_weight_multiplier < 0,
        ways=WAYS if request.wish is not None and request.wants_devices else 1,
    )
    done: set[str] = set()
    async for some in offers:
        known = await of_providers(tx, [one.root_id for one in some], request, settings, now)
        for one in some:
            host = known.get(one.root_id)
            if host is None or host.name in done or not passes(request, host):
                continue
            if request.is_placed_exactly and isinstance(place(request, host, one.resources), str):
                continue
            done.add(host.name)
            preference = request.group.preference(host.name)
            found.append(
                Candidate(one.root_id, host.name, host.zone, one.free, one.resources, preference)
            )
        if maximum is not None and len(found) >= maximum:
            break
    return found[:maximum]


async def _ruled(tx: Transaction, request: Request, settings: ComputeSettings) -> Request:
    """The request with what aggregates say of it."""
    required = {one for group in request.groups.values() for some in group.required for one in some}
    found = await aggregate_rules.rules(
        tx,
        zone=request.zone,
        project_id=request.project_id,
        specs=request.specs,
        properties=request.properties,
        traits=frozenset(required),
        settings=settings,
    )
    return msgspec.structs.replace(request, rules=found)


async def now_at(
    tx: Transaction, request: Request, provider_id: str, settings: ComputeSettings, now: datetime
) -> Host | None:
    """A host that was found before, as it is now; None if it no longer passes the filters."""
    request = await _ruled(tx, request, settings)
    host = (await of_providers(tx, [provider_id], request, settings, now)).get(provider_id)
    return host if host is not None and passes(request, host) else None


async def take(
    tx: Transaction,
    row: Any,
    request: Request,
    provider_id: str,
    resources: Mapping[str, Mapping[str, int]],
    settings: ComputeSettings,
    now: datetime,
) -> Host | None:
    """A host that has been claimed of, as it is now, with the CPUs, pages and devices that the server gets there.

    None: it no longer passes the filters, or has none for it. Whoever comes second at a host waits for the claim.
    """
    host = await now_at(tx, request, provider_id, settings, now)
    if host is None or not request.is_placed_exactly:
        return host
    placed = place(request, host, resources)
    if isinstance(placed, str):
        return None
    await topologies.put(tx, row, host.name, placed)
    return host


def _narrowed(request: Request) -> dict[str, placement.Group]:
    """What is asked of placement, with the aggregates to look in."""
    groups = in_tree(request)
    rules = request.rules
    if "" in groups and (rules.inside or rules.outside):
        groups[""] = placement.inside(groups[""], rules.inside, rules.outside)
    return groups


def in_tree(request: Request) -> dict[str, placement.Group]:
    """The groups, bound to the only host that comes into question, where there is just one."""
    only = request.host
    if only is None and request.same_host is not None and len(request.same_host) == 1:
        (only,) = request.same_host
    if only is None and request.group.policy == server_groups.AFFINITY:
        only = next(iter(request.group.hosts), None) if len(request.group.hosts) == 1 else None
    return dict(request.groups) if only is None else _only(request.groups, only)


def is_placed_exactly(row: Any) -> bool:
    """Whether a server, by its row, may have CPUs, pages or devices of its own."""
    specs = row.flavor.get("extra_specs") or {}
    return (
        devices.SPEC in specs
        or any(map(cpu_wishes.is_spec, specs))
        or any(map(cpu_wishes.is_property, row.image_properties))
    )


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
    able = await hosts.limits(tx, provider_ids) if request.limits else {}
    facts: dict[str, Facts] = {}
    if rows and (request.query or host_facts.looks(request.requirements, request.specs)):
        told = bool(request.query or host_facts.capabilities(request.specs))
        facts = await host_facts.of(tx, provider_ids, told=told)
    within: dict[str, frozenset[str]] = {}
    if request.rules.looks and rows:
        some = None if provider_ids is None else [row.host for row in rows]
        within = await aggregates.of_hosts(tx, some)
    exact = await _exact(tx, rows, request, settings) if request.is_placed_exactly else {}
    names = [row.host for row in rows]
    busy = await hosts.busy(tx, names) if settings.max_io_ops_per_host else {}
    many = await hosts.instances(tx, names) if settings.max_instances_per_host else {}
    return {
        row.provider_id: Host(
            provider_id=row.provider_id,
            name=row.host,
            zone=row.zone,
            up=hosts.has_spoken(row, settings, now),
            enabled=not row.disabled,
            address=address.get(row.provider_id, ""),
            aggregates=within.get(row.host, frozenset()),
            io_ops=busy.get(row.host, 0),
            instances=many.get(row.host, 0),
            maximum_io_ops=settings.max_io_ops_per_host,
            maximum_instances=settings.max_instances_per_host,
            **exact.get(row.host, {}),
            limits=able.get(row.provider_id, frozenset()),
            facts=facts.get(row.provider_id, Facts()),
        )
        for row in rows
    }


async def _exact(
    tx: Transaction, rows: Sequence[Any], request: Request, settings: ComputeSettings
) -> dict[str, dict[str, Any]]:
    """NUMA cells, devices, and what of them is given out, by host: fields of `Host`."""
    names = [row.host for row in rows]
    but = (request.server_id, request.flavor_id)
    given = await topologies.at_hosts(tx, names, but=but)
    return {
        name: {
            "cells": state.cells,
            "devices": state.devices,
            "used": cpu_fits.taken(given.get(name, ()), state.cells),
            "memory_ratio": settings.memory_ratio,
        }
        for name, state in (await hosts.told(tx, names)).items()
    }


async def verdict(
    tx: Transaction, request: Request, settings: ComputeSettings, now: datetime
) -> Verdict:
    """Why no host can take the server: "3 hosts; 1 is not up; 2 lack memory: …", with the names of the hosts."""
    request = await _ruled(tx, request, settings)
    left = list((await of_providers(tx, None, request, settings, now)).values())
    if not left:
        return Verdict("There are no hosts")
    reasons: list[Reason] = []
    count = len(left)
    for one in FILTERS:
        fitting = [host for host in left if one.fits(request, host)]
        out = [host.name for host in left if not one.fits(request, host)]
        if one.fits is is_the_host:
            count = len(fitting)  # whoever names a host knows that the others are not meant
        elif out:
            reasons.append(Reason(f"{len(out)} {one.why[len(out) > 1]}", sorted(out)))
        left = fitting
    if left:
        reasons += await _shortages(tx, request, left)
    what = f"{count} host{'' if count == 1 else 's'}"
    if request.host is not None:
        what = f"host {request.host}" if count else f"host {request.host} is not there"
    return Verdict(what, reasons)


async def _shortages(tx: Transaction, request: Request, left: Sequence[Host]) -> list[Reason]:
    """What hosts lack that pass all filters; and where they have all of it, why their NUMA cells do not do."""
    names = {host.provider_id: host.name for host in left}
    lacks = await placement.shortages(tx, request.groups, among=list(names))
    lacking = {one for lack in lacks for one in lack.roots}
    reasons = [
        Reason(lack.what, sorted(names[one] for one in lack.roots if one in names))
        for lack in lacks
    ]
    unfit: dict[str, list[str]] = {}
    for host in left:
        placed = place(request, host, {})
        if isinstance(placed, str) and host.provider_id not in lacking:
            unfit.setdefault(placed, []).append(host.name)
    for why, hosts_ in sorted(unfit.items()):
        verb = "has" if len(hosts_) == 1 else "have"
        reasons.append(Reason(f"{len(hosts_)} {verb} no fitting NUMA cells: {why}", sorted(hosts_)))
    return reasons or [Reason("none has all of what is requested together", sorted(names.values()))]
