"""Compute's doors: one route table."""

from __future__ import annotations

from hanok.services.compute.microversions import MICROVERSIONS
from hanok.services.compute.routes import (
    actions,
    consoles,
    events,
    flavors,
    hosts,
    images,
    keypairs,
    quotas,
    servers,
    versions,
)
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *versions.ROUTES,
    *flavors.ROUTES,
    *servers.ROUTES,
    *actions.ROUTES,
    *consoles.ROUTES,
    *events.ROUTES,
    *images.ROUTES,
    *keypairs.ROUTES,
    *hosts.ROUTES,
    *quotas.ROUTES,
)

__all__ = ["MICROVERSIONS", "ROUTES"]
