"""Placement's doors: one route table."""

from __future__ import annotations

from hanok.services.placement.microversions import MICROVERSIONS
from hanok.services.placement.routes import allocations, candidates, classes, providers
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *classes.ROUTES,
    *providers.ROUTES,
    *allocations.ROUTES,
    *candidates.ROUTES,
)

__all__ = ["MICROVERSIONS", "ROUTES"]
