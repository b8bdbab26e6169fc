"""Who may what of every route, by default and where an operator opens it, with the things of one project.

Nothing of it is committed, so that each request finds the things as they were: what is asked is who gets as far.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from hanok.base.errors import HanokError
from hanok.store import Transaction
from hanok.web.policy import Enforcer
from hanok.web.routes import PUBLIC, SIGNED_IN, Route
from tests.api.test_every_route import MOUNTS
from tests.api.test_rules_take_effect import (
    name_of,
    path_of,
    version_of,
    way_of,
    ways_of,
    with_things,
)
from tests.api.ways import Things, Way, Ways
from tests.cloud import PASSWORD, Client, Cloud, settle

# Identity's rules look at users, domains and roles, image's at whom an image is shown to: their own tests say who may.
KINDS = [kind for kind in MOUNTS if kind not in ("identity", "image")]

# Routes that stay closed when an operator opens their rules, as upstream's do: private types are shown to whom they are
# open, what an administrator has locked is not a user's, compute's old doors ask the service behind them, and what is
# another project's, or under the cloud, is an administrator's.
_TYPES, _GROUP_TYPES = "/v2/types/{type_id}", "/v2/share-group-types/{group_type_id}"
STAYS_CLOSED = {
    ("block-storage", "POST /v3/volumes/{volume_id}/action os-migrate_volume_completion"),
    ("compute", "POST /v2.1/os-floating-ips"),
    ("compute", "GET /v2.1/os-volumes"),
    ("compute", "GET /v2.1/os-volumes/detail"),
    ("compute", "GET /v2.1/os-snapshots"),
    ("compute", "GET /v2.1/os-snapshots/detail"),
    ("network", "POST /v2.0/security-groups-default-statefulness"),
    ("network", "GET /v2.0/qos/rule-types/{rule_type}"),
} | {
    ("shared-file-system", name)
    for name in (
        f"DELETE {_TYPES}",
        f"GET {_TYPES}/extra_specs/{{key}}",
        f"DELETE {_TYPES}/extra_specs/{{key}}",
        f"GET {_TYPES}/os-share-type-access",
        f"GET {_TYPES}/share_type_access",
        f"POST {_TYPES}/action addProjectAccess",
        f"DELETE {_GROUP_TYPES}",
        f"GET {_GROUP_TYPES}/access",
        f"POST {_GROUP_TYPES}/action addProjectAccess",
        f"POST {_GROUP_TYPES}/group-specs",
        f"GET {_GROUP_TYPES}/group-specs/{{key}}",
        f"PUT {_GROUP_TYPES}/group-specs/{{key}}",
        f"DELETE {_GROUP_TYPES}/group-specs/{{key}}",
        "PUT /v2/resource-locks/{resource_lock_id}",
    )
}
# Routes whose way here asks for more, or of another project than the owner's and the caller's: for allowed ones it says
# nothing. Those of attributes leave out what may not be seen.
OTHERS_APPLY = {
    ("alarming", "GET /v2/quotas/{project_id}"),
    ("placement", "GET /usages"),
    ("block-storage", "GET /v3/os-quota-sets/{project_id}"),
    ("block-storage", "GET /v3/os-quota-sets/{project_id}/defaults"),
    ("compute", "GET /v2.1/servers/detail"),
    ("compute", "GET /v2.1/os-simple-tenant-usage/{tenant_id}"),
    ("compute", "GET /v2.1/os-quota-sets/{tenant_id}"),
    ("compute", "GET /v2.1/os-quota-sets/{tenant_id}/detail"),
    ("network", "GET /v2.0/qos/rule-types/{rule_type}"),
}
OF_ATTRIBUTES = {
    ("compute", "GET /v2.1/flavors/detail"),
    ("compute", "GET /v2.1/flavors/{flavor_id}"),
}


class Undone(HanokError):
    """The request was let through, and came to where it would have changed something."""

    status = 418


_asking: ContextVar[bool] = ContextVar("asking", default=False)
"""Whether this is the task of a request of which nothing shall be kept."""


@pytest.fixture
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Transaction._before_commit

    async def undone(tx: Transaction) -> None:
        await commit(tx)
        if _asking.get():
            raise Undone("undone")

    monkeypatch.setattr(Transaction, "_before_commit", undone)


async def people(cloud: Cloud, owner: Client) -> dict[str, Client]:
    """Signed in: with roles in the owner's project, in another one, and in the system."""
    admin = await cloud.sign_in()
    await admin.post("/v3/roles", {"role": {"name": "guest"}})
    roles = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
    other = (await admin.post("/v3/projects", {"project": {"name": "elsewhere"}}))["project"]["id"]
    places: dict[str, tuple[str, dict[str, Any]]] = {
        "ours": (f"projects/{owner.project_id}", {"project": {"id": owner.project_id}}),
        "theirs": (f"projects/{other}", {"project": {"id": other}}),
        "system": ("system", {"system": {"all": True}}),
    }
    found: dict[str, Client] = {}
    for role, place in (
        ("guest", "ours"), ("reader", "ours"), ("member", "ours"), ("member", "theirs"), ("admin", "theirs"),
        ("admin", "system"),
    ):  # fmt: skip
        path, scope = places[place]
        name = f"{role} of {place}"
        body = {"user": {"name": name, "password": PASSWORD}}
        user = (await admin.post("/v3/users", body))["user"]["id"]
        await admin("PUT", f"/v3/{path}/users/{user}/roles/{roles[role]}", status=204)
        found[name] = await cloud.sign_in(name, PASSWORD, project=None, scope=scope)
    return found


def newest(kind: str) -> Iterator[Route]:
    """Each operation in its newest version."""
    found: dict[str, Route] = {}
    for route in MOUNTS[kind][1]:
        if route.rules[0] in (PUBLIC, SIGNED_IN):
            continue
        before = found.get(name_of(route))
        if before is None or (before.maximum and not route.maximum):
            found[name_of(route)] = route
    yield from found.values()


def whose(project_id: str | None, user_id: str) -> dict[str, Any]:
    """What rules look at of a thing of this project and user, as the services call it."""
    names = (
        "project_id", "tenant_id", "created_by_project_id", "resource.project_id", "network:project_id",
        "ext_parent:project_id", "security_group:project_id", "owner",
    )  # fmt: skip
    found: dict[str, Any] = dict.fromkeys(names, project_id)
    for kind in ("secret", "container", "order"):
        found[f"target.{kind}.project_id"] = project_id
        found[f"target.{kind}.creator_id"] = user_id
    return {**found, "user_id": user_id}


class Asking:
    """The requests that are made of one service."""

    def __init__(
        self, cloud: Cloud, kind: str, things: Things, ways: Ways, admin: Client, owner: Client
    ) -> None:
        self.enforcer: Enforcer = cloud.control.app.enforcer(kind)
        self._cloud, self._kind, self._admin, self._owner = cloud, kind, admin, owner
        self._things, self._ways = things, ways

    def _body(self, route: Route, way: Way) -> Any:
        if way.body is not None or way.content is not None:
            return way.body
        if self._kind == "network" and route.member:
            return {route.member: {}}
        return {route.body_key: None} if route.body_key else {}

    async def says(self, client: Client, route: Route) -> tuple[int, str]:
        way = way_of(self._ways, route, route.rules[0])
        before = _asking.set(True)
        try:
            answer = await client(
                route.method,
                path_of(self._kind, route, self._things, way),
                self._body(route, way),
                content=way.content,
                headers={**version_of(self._kind, route), **way.headers},
            )
        finally:
            _asking.reset(before)
        return answer.status_code, answer.text

    async def may(self, client: Client, rule: str) -> set[bool]:
        """What the rule says of what is the owner's, and of what is the caller's own."""
        token = await self._cloud.control.app._authenticate(client.token)
        assert token is not None
        targets = (
            whose(self._owner.project_id, self._owner.user_id),
            whose(token.project_id, token.user_id),
        )
        return {self.enforcer.allows(rule, target, token.credentials) for target in targets}

    def _in_part(self, route: Route, text: str) -> bool:
        """Whether an answer leaves out what the caller may not see, as network's lists do but for what is shared."""
        if (self._kind, name_of(route)) in OF_ATTRIBUTES:
            return True
        shared = self._kind == "network" and route.path == "/v2.0/address-scopes"
        return route.method == "GET" and not route.path.endswith("}") and ("[]" in text or shared)

    async def wrong(
        self, route: Route, callers: dict[str, Client]
    ) -> AsyncIterator[tuple[str, str, int, str]]:
        """The answers that differ from what the rules say: who asked, for what, and what was said."""
        name, rule = name_of(route), route.rules[0]
        found = [(await self.says(one, route))[0] for one in (self._admin, self._owner)]
        there = 404 not in found
        for who, client in callers.items():
            status, text = await self.says(client, route)
            may = await self.may(client, rule)
            through = may == {False} and not refused(status) and not self._in_part(route, text)
            kept_out = may == {True} and (status == 403 or (status == 404 and there))
            if through or (kept_out and (self._kind, name) not in OTHERS_APPLY):
                yield who, name, status, text[:100]
        self.enforcer.override(dict.fromkeys(route.rules, "role:guest"))
        status, text = await self.says(callers["guest of ours"], route)
        self.enforcer.override({})
        closed = status == 403 or (status == 404 and there)
        if closed is not ((self._kind, name) in STAYS_CLOSED):
            yield "opened", name, status, text[:100]


def refused(status: int) -> bool:
    return status in (401, 403, 404)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_may_is_what_the_rules_say(
    tmp_path: Path, nothing_is_kept: None, kind: str
) -> None:
    async with with_things(tmp_path, "", kind) as (cloud, admin, owner, things):
        ways = await ways_of(cloud, kind, admin, owner, things)
        callers = await people(cloud, owner)
        await settle(cloud)
        asking = Asking(cloud, kind, things, ways, admin, owner)
        wrong = [one for route in newest(kind) async for one in asking.wrong(route, callers)]
    assert not wrong, "\n".join(map(str, wrong))
