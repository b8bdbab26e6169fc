"""The room as the house mounts it."""

from __future__ import annotations

from hanok.services.placement.policy import RULES
from hanok.services.placement.room import Placement
from hanok.services.placement.routes import MICROVERSIONS, ROUTES
from hanok.services.placement.routes.fresh import SINCE
from hanok.web import faults
from hanok.web.routes import Service


def service(room: Placement) -> Service:
    return Service(
        kind="placement",
        room=room,
        rules=RULES,
        mounts=("placement",),
        routes=ROUTES,
        fault=faults.placement,
        microversions=MICROVERSIONS,
        header_since=SINCE,
    )
