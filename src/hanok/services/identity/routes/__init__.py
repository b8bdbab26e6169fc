"""Identity's doors: one route table."""

from __future__ import annotations

from hanok.services.identity.routes import (
    application_credentials,
    assignments,
    auth,
    catalog,
    domain_config,
    endpoint_filters,
    groups,
    limits,
    policies,
    projects,
    roles,
    users,
    versions,
)
from hanok.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *versions.ROUTES,
    *auth.ROUTES,
    *projects.ROUTES,
    *users.ROUTES,
    *groups.ROUTES,
    *roles.ROUTES,
    *assignments.ROUTES,
    *catalog.ROUTES,
    *application_credentials.ROUTES,
    *policies.ROUTES,
    *endpoint_filters.ROUTES,
    *domain_config.ROUTES,
    *limits.ROUTES,
)
