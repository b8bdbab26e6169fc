"""Image's doors: one route table."""

from __future__ import annotations

from hanok.services.image.routes import data, images, members, schemas
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (*schemas.ROUTES, *images.ROUTES, *data.ROUTES, *members.ROUTES)
