"""Compute's doors: one route table."""

from __future__ import annotations

from hanok.services.compute.microversions import MICROVERSIONS
from hanok.services.compute.routes import (
    actions,
    consoles,
    events,
    extensions,
    fixed_ips,
    flavors,
    floating_ips,
    hosts,
    images,
    keypairs,
    networks,
    quotas,
    security_groups,
    server_groups,
    server_metadata,
    server_tags,
    servers,
    versions,
)
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *versions.ROUTES,
    *extensions.ROUTES,
    *flavors.ROUTES,
    *servers.ROUTES,
    *server_metadata.ROUTES,
    *server_tags.ROUTES,
    *server_groups.ROUTES,
    *actions.ROUTES,
    *consoles.ROUTES,
    *events.ROUTES,
    *images.ROUTES,
    *floating_ips.ROUTES,
    *fixed_ips.ROUTES,
    *networks.ROUTES,
    *security_groups.ROUTES,
    *keypairs.ROUTES,
    *hosts.ROUTES,
    *quotas.ROUTES,
)

__all__ = ["MICROVERSIONS", "ROUTES"]
