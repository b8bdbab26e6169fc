"""Things of services that need no server for them: made for their own tests alone, by kind of service."""

from __future__ import annotations

from tests.api.ways import (
    Things,
    Ways,
    alarming,
    key_manager,
    load_balancer,
    metric,
    orchestration,
    shared_file_system,
)
from tests.cloud import Client, Cloud

KINDS = frozenset(
    ("load-balancer", "metric", "alarming", "orchestration", "shared-file-system", "key-manager")
)


async def things(cloud: Cloud, kind: str, owner: Client, admin: Client) -> Things:
    if kind == "load-balancer":
        return await load_balancer.things(cloud, owner, admin)
    if kind == "metric":
        return await metric.things(owner)
    if kind == "alarming":
        return await alarming.things(owner)
    if kind == "key-manager":
        return await key_manager.things(owner)
    if kind == "shared-file-system":
        return await shared_file_system.things(cloud, owner)
    return await orchestration.things(cloud, owner)


async def ways(cloud: Cloud, kind: str, admin: Client, things: Things) -> Ways:
    """Of things that are of the administrator's own project; another project is made for some."""
    if kind == "metric":
        return await metric.ways(admin, things)
    if kind == "orchestration":
        return await orchestration.ways(cloud, admin, things)
    if kind == "key-manager":
        return await key_manager.ways(admin)
    if kind == "shared-file-system":
        return await shared_file_system.ways(cloud, admin, things)
    other = await cloud.project_with(f"other-of-{kind}-{admin.project_id}", "member", "reader")
    if kind == "alarming":
        return await alarming.ways(admin, other)
    return await load_balancer.ways(cloud, admin, other, things)
