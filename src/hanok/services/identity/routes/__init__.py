"""Identity's doors: one route table."""

from __future__ import annotations

from hanok.services.identity.routes import (
    application_credentials,
    assignments,
    auth,
    catalog,
    credentials,
    domain_config,
    ec2,
    endpoint_filters,
    federated_auth,
    federation,
    groups,
    limits,
    oauth1,
    oauth2,
    policies,
    projects,
    revocations,
    roles,
    saml,
    trusts,
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
    *federation.ROUTES,
    *federated_auth.ROUTES,
    *saml.ROUTES,
    *credentials.ROUTES,
    *ec2.ROUTES,
    *trusts.ROUTES,
    *oauth1.ROUTES,
    *oauth2.ROUTES,
    *revocations.ROUTES,
)
