"""The room as the house mounts it."""

from __future__ import annotations

from hanok.services.identity.policy import RULES
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import ROUTES
from hanok.web import faults
from hanok.web.routes import Service


def service(room: Identity) -> Service:
    """Identity at the root (the course's http://host:5000/v3) and under /identity."""
    return Service(
        kind="identity",
        room=room,
        rules=RULES,
        mounts=("", "identity"),
        routes=ROUTES,
        fault=faults.identity,
        guards_authority=True,
        media_types=("application/json", "application/json-home"),
    )
