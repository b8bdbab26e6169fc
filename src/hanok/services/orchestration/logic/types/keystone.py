"""OS::Keystone types.

Source: the template guide, "OpenStack Resource Types", OS::Keystone; Identity API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanok.services.orchestration.logic.types.model import Driver, Property, ResourceType, one_of
from hanok.services.orchestration.logic.types.rest import TEXT, Thing, same, telling
from hanok.services.orchestration.logic.work import Work

BASE = "/identity/v3"
_SWITCH = Property(type="boolean", default=True, update=True)


class Keystone(Thing):
    base = BASE
    put = "PATCH"


class User(Keystone):
    """A user with its groups and roles."""

    async def created(self, work: Work) -> bool:
        before = work.data.get("before") or {}
        await _memberships(work, before.get("groups") or [])
        await _grants(work, f"users/{work.id}", before.get("roles") or [])
        return True


class Group(Keystone):
    async def created(self, work: Work) -> bool:
        before = work.data.get("before") or {}
        await _grants(work, f"groups/{work.id}", before.get("roles") or [])
        return True


async def _memberships(work: Work, before: list[str]) -> None:
    desired = work.properties["groups"] or []
    for group in desired:
        await work.cloud("PUT", f"{BASE}/groups/{group}/users/{work.id}")
    for group in before:
        if group not in desired:
            await work.cloud.gone("DELETE", f"{BASE}/groups/{group}/users/{work.id}")


async def _grants(work: Work, who: str, before: list[Mapping[str, Any]]) -> None:
    desired = work.properties["roles"] or []
    for one in desired:
        await work.cloud("PUT", _grant(one, who))
    for one in before:
        if one not in desired:
            await work.cloud.gone("DELETE", _grant(one, who))


def _grant(one: Mapping[str, Any], who: str) -> str:
    target = f"projects/{one['project']}" if one["project"] else f"domains/{one['domain']}"
    return f"{BASE}/{target}/{who}/roles/{one['role']}"


class Assignment(Driver):
    """Roles of a user or a group."""

    def __init__(self, noun: str) -> None:
        self.noun = noun

    async def create(self, work: Work) -> str | None:
        who = f"{self.noun}s/{work.properties[self.noun]}"
        await _grants(work, who, (work.data.get("before") or {}).get("roles") or [])
        return work.name_of_resource

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        await self.create(work)

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            for one in work.properties["roles"] or ():
                await work.cloud.gone(
                    "DELETE", _grant(one, f"{self.noun}s/{work.properties[self.noun]}")
                )


_ROLES = Property(
    type="list",
    update=True,
    default=[],
    item=Property(
        type="map",
        within={
            "role": Property(required=True, finds="keystone.role"),
            "project": Property(finds="keystone.project"),
            "domain": Property(finds="keystone.domain"),
        },
    ),
)
_TAGS = Property(type="list", update=True, default=[])

TYPES = (
    ResourceType(
        name="OS::Keystone::Project",
        service="identity",
        properties={
            "name": TEXT,
            "domain": Property(default="default", update=True, finds="keystone.domain"),
            "description": Property(default="", update=True),
            "enabled": _SWITCH,
            "parent": Property(finds="keystone.project"),
            "tags": _TAGS,
        },
        attributes=telling("name", "parent_id", "domain_id", "enabled", "is_domain"),
        driver=Keystone(
            "projects",
            "project",
            {
                **same("name", "description", "enabled", "tags"),
                "domain": "domain_id",
                "parent": "parent_id",
            },
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Keystone::User",
        service="identity",
        properties={
            "name": TEXT,
            "domain": Property(default="default", update=True, finds="keystone.domain"),
            "description": Property(default="", update=True),
            "enabled": _SWITCH,
            "email": TEXT,
            "password": TEXT,
            "default_project": Property(update=True, finds="keystone.project"),
            "groups": Property(
                type="list", update=True, default=[], item=Property(finds="keystone.group")
            ),
            "roles": _ROLES,
        },
        attributes=telling(
            "name", "domain_id", "enabled", "password_expires_at", "default_project_id"
        ),
        driver=User(
            "users",
            "user",
            {
                **same("name", "description", "enabled", "email", "password"),
                "domain": "domain_id",
                "default_project": "default_project_id",
            },
            names="name",
        ),
    ),
    ResourceType(
        name="OS::Keystone::Group",
        service="identity",
        properties={
            "name": TEXT,
            "domain": Property(default="default", update=True, finds="keystone.domain"),
            "description": Property(default="", update=True),
            "roles": _ROLES,
        },
        attributes=telling("name", "domain_id"),
        driver=Group(
            "groups", "group", {**same("name", "description"), "domain": "domain_id"}, names="name"
        ),
    ),
    ResourceType(
        name="OS::Keystone::Role",
        service="identity",
        properties={"name": TEXT, "domain": Property(default="", finds="keystone.domain")},
        attributes=telling("name"),
        driver=Keystone("roles", "role", {"name": "name", "domain": "domain_id"}, names="name"),
    ),
    ResourceType(
        name="OS::Keystone::Domain",
        service="identity",
        properties={"name": TEXT, "description": TEXT, "enabled": _SWITCH},
        attributes=telling("name", "enabled"),
        driver=Keystone("domains", "domain", same("name", "description", "enabled"), names="name"),
    ),
    ResourceType(
        name="OS::Keystone::Service",
        service="identity",
        properties={
            "name": TEXT,
            "description": TEXT,
            "type": Property(required=True, update=True),
            "enabled": _SWITCH,
        },
        attributes=telling("name", "type"),
        driver=Keystone(
            "services", "service", same("name", "description", "type", "enabled"), names="name"
        ),
    ),
    ResourceType(
        name="OS::Keystone::Endpoint",
        service="identity",
        properties={
            "name": TEXT,
            "region": Property(update=True, finds="keystone.region"),
            "service": Property(required=True, update=True, finds="keystone.service"),
            "interface": Property(
                required=True, update=True, constraints=one_of("public", "internal", "admin")
            ),
            "url": Property(required=True, update=True),
            "enabled": _SWITCH,
        },
        attributes=telling("url", "interface"),
        driver=Keystone(
            "endpoints",
            "endpoint",
            {
                **same("name", "interface", "url", "enabled"),
                "region": "region_id",
                "service": "service_id",
            },
        ),
    ),
    ResourceType(
        name="OS::Keystone::Region",
        service="identity",
        properties={
            "id": Property(),
            "parent_region": Property(update=True, finds="keystone.region"),
            "description": TEXT,
            # A region has no state: it is there, which is what enabled means.
            "enabled": Property(type="boolean", default=True, constraints=one_of(True)),
        },
        attributes=telling(),
        driver=Keystone(
            "regions", "region", {**same("id", "description"), "parent_region": "parent_region_id"}
        ),
    ),
    ResourceType(
        name="OS::Keystone::UserRoleAssignment",
        service="identity",
        properties={"user": Property(required=True, finds="keystone.user"), "roles": _ROLES},
        attributes={},
        driver=Assignment("user"),
    ),
    ResourceType(
        name="OS::Keystone::GroupRoleAssignment",
        service="identity",
        properties={"group": Property(required=True, finds="keystone.group"), "roles": _ROLES},
        attributes={},
        driver=Assignment("group"),
    ),
)
