"""The doors of shared file systems: one route table."""

from __future__ import annotations

from hanok.services.shared_file_system.microversions import MICROVERSIONS
from hanok.services.shared_file_system.routes import (
    access,
    backups,
    group_types,
    instances,
    locks,
    managing,
    messages,
    migration,
    qos_types,
    quotas,
    replicas,
    security_services,
    services,
    share_actions,
    share_groups,
    share_networks,
    share_servers,
    share_subnets,
    shares,
    snapshots,
    transfers,
    types,
    versions,
)
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *versions.ROUTES,
    *types.ROUTES,
    *shares.ROUTES,
    *share_actions.ROUTES,
    *access.ROUTES,
    *instances.ROUTES,
    *managing.ROUTES,
    *migration.ROUTES,
    *snapshots.ROUTES,
    *quotas.ROUTES,
    *services.ROUTES,
    *messages.ROUTES,
    *security_services.ROUTES,
    *share_networks.ROUTES,
    *share_subnets.ROUTES,
    *share_servers.ROUTES,
    *qos_types.ROUTES,
    *group_types.ROUTES,
    *share_groups.ROUTES,
    *replicas.ROUTES,
    *backups.ROUTES,
    *transfers.ROUTES,
    *locks.ROUTES,
)

__all__ = ["MICROVERSIONS", "ROUTES"]
