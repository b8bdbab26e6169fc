"""Placement's doors: one route table."""

from __future__ import annotations

from hanok.services.placement.routes import allocations, candidates, classes, providers
from hanok.web.microversions import Range
from hanok.web.routes import Route

MICROVERSIONS = Range(header_type="placement", minimum=(1, 0), maximum=(1, 39), told_range=True)

ROUTES: tuple[Route, ...] = (
    *classes.ROUTES,
    *providers.ROUTES,
    *allocations.ROUTES,
    *candidates.ROUTES,
)
