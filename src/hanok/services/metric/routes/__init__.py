"""The doors of metric."""

from __future__ import annotations

from hanok.services.metric.routes import (
    aggregates,
    metrics,
    policies,
    protocols,
    resources,
    status,
    types,
)

ROUTES = (
    *status.ROUTES,
    *policies.ROUTES,
    *types.ROUTES,
    *resources.ROUTES,
    *metrics.ROUTES,
    *aggregates.ROUTES,
    *protocols.ROUTES,
)
