"""The room as the house mounts it."""

from __future__ import annotations

from hanok.services.compute.policy import RULES
from hanok.services.compute.room import Compute
from hanok.services.compute.routes import MICROVERSIONS, ROUTES
from hanok.web import faults
from hanok.web.routes import Service


def service(room: Compute) -> Service:
    return Service(
        kind="compute",
        room=room,
        rules=RULES,
        mounts=("compute",),
        routes=ROUTES,
        fault=faults.compute,
        microversions=MICROVERSIONS,
        optional_project="v2.1",
        older="v2",
        trailing_slash=False,
        query_closed=(2, 102),
    )
