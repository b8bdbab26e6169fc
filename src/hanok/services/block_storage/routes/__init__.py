"""Block storage's doors: one route table."""

from __future__ import annotations

from hanok.services.block_storage.microversions import MICROVERSIONS
from hanok.services.block_storage.routes import (
    attachments,
    backups,
    cluster,
    default_types,
    group_types,
    groups,
    manageable,
    messages,
    metadata,
    qos_specs,
    quotas,
    services,
    snapshots,
    transfers,
    types,
    versions,
    volume_actions,
    volume_moves,
    volumes,
)
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *versions.ROUTES,
    *volumes.ROUTES,
    *volume_actions.ROUTES,
    *volume_moves.ROUTES,
    *snapshots.ROUTES,
    *metadata.ROUTES,
    *types.ROUTES,
    *attachments.ROUTES,
    *quotas.ROUTES,
    *services.ROUTES,
    *messages.ROUTES,
    *manageable.ROUTES,
    *cluster.ROUTES,
    *backups.ROUTES,
    *transfers.ROUTES,
    *qos_specs.ROUTES,
    *default_types.ROUTES,
    *group_types.ROUTES,
    *groups.ROUTES,
)

__all__ = ["MICROVERSIONS", "ROUTES"]
