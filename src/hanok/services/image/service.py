"""The room as the house mounts it."""

from __future__ import annotations

from hanok.services.image.policy import RULES
from hanok.services.image.room import Images
from hanok.services.image.routes import ROUTES
from hanok.web import faults
from hanok.web.routes import Service


def service(room: Images) -> Service:
    return Service(
        kind="image",
        room=room,
        rules=RULES,
        mounts=("image",),
        routes=ROUTES,
        fault=faults.image,
        trailing_slash=False,
        media_types=(
            "application/json",
            "application/openstack-images-v2.0-json-patch",
            "application/openstack-images-v2.1-json-patch",
        ),
    )
