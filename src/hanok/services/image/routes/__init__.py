"""Image's doors: one route table."""

from __future__ import annotations

from hanok.services.image.routes import (
    cache,
    data,
    images,
    imports,
    locations,
    members,
    metadefs,
    schemas,
    stores,
)
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *schemas.ROUTES,
    *stores.ROUTES,
    *images.ROUTES,
    *data.ROUTES,
    *imports.ROUTES,
    *locations.ROUTES,
    *members.ROUTES,
    *cache.ROUTES,
    *metadefs.ROUTES,
)
