"""The room as the house mounts it."""

from __future__ import annotations

from hanok.services.network.facade import Network
from hanok.services.network.policy import RULES
from hanok.services.network.routes import ROUTES
from hanok.web import faults
from hanok.web.routes import Service


def service(network: Network) -> Service:
    return Service(
        kind="network",
        room=network.room,
        rules=RULES,
        mounts=("network",),
        routes=ROUTES,
        fault=faults.network,
    )
