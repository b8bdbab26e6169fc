"""The doors of the key manager."""

from __future__ import annotations

from hanok.services.key_manager.microversions import MICROVERSIONS
from hanok.services.key_manager.routes import (
    acls,
    consumers,
    containers,
    orders,
    quotas,
    secrets,
    stores,
    transport_keys,
    versions,
)

__all__ = ["MICROVERSIONS", "ROUTES"]

ROUTES = (
    *versions.ROUTES,
    *secrets.ROUTES,
    *containers.ROUTES,
    *acls.ROUTES,
    *consumers.ROUTES,
    *orders.ROUTES,
    *quotas.ROUTES,
    *stores.ROUTES,
    *transport_keys.ROUTES,
)
