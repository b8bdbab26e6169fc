"""Quotas of projects as resources: set when made, the usual ones again when removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import Driver, Property, ResourceType, within
from hanok.services.orchestration.logic.work import Work

_LIMIT = Property(type="integer", update=True, constraints=within(-1))


class Quota(Driver):
    """path: of a project's quotas; key: of the body."""

    def __init__(self, path: str, key: str) -> None:
        self.path, self.key = path, key

    async def create(self, work: Work) -> str | None:
        await self._set(work)
        return f"{work.properties['project']}-quota"

    async def _set(self, work: Work) -> None:
        body = {
            name: value
            for name, value in work.properties.items()
            if value is not None and name != "project"
        }
        if body:
            await work.cloud("PUT", f"{self.path}/{work.properties['project']}", {self.key: body})

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await self._set(work)

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            await work.cloud.gone("DELETE", f"{self.path}/{work.properties['project']}")

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        if all(value is None for one, value in properties.items() if one != "project"):
            raise Wrong(
                f"Property error: {name}: At least one of the following properties must be specified: "
                f"{', '.join(sorted(one for one in properties if one != 'project'))}."
            )


def quota_type(name: str, service: str, driver: Quota, limits: Sequence[str]) -> ResourceType:
    """The type of a service's quotas. limits: their names, as in bodies; -1 takes a limit away."""
    return ResourceType(
        name=name,
        service=service,
        properties={
            "project": Property(required=True, finds="keystone.project"),
            **dict.fromkeys(limits, _LIMIT),
        },
        attributes={},
        driver=driver,
    )
