"""Orchestration's doors."""

from __future__ import annotations

from hanok.services.orchestration.routes import (
    configs,
    lists,
    resources,
    snapshots,
    stacks,
    templates,
)

ROUTES = (
    *stacks.ROUTES,
    *lists.ROUTES,
    *resources.ROUTES,
    *snapshots.ROUTES,
    *templates.ROUTES,
    *configs.ROUTES,
)
