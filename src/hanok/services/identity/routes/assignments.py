"""Role assignments: grants on projects, domains and the system, direct and inherited, and the list of all."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.base.pieces import Pieces
from hanok.services.identity import schemas
from hanok.services.identity.logic import rights
from hanok.services.identity.logic.lookup import truth
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import (
    assignments,
    group_members,
    groups,
    projects,
    roles,
    users,
)
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Handler, Route

_ACTORS = {"users": ("user", users), "groups": ("group", groups)}


class _Grant:
    """One grant as a path names it: actor, target, perhaps a role."""

    def __init__(self, request: Request, actor: str, target: str, inherited: bool) -> None:
        self.actor_kind, self.actor_table = _ACTORS[actor]
        self.actor_id = request.path[f"{self.actor_kind}_id"]
        self.target_kind = {"projects": "project", "domains": "domain", "system": "system"}[target]
        self.target_id = "all" if target == "system" else request.path[f"{self.target_kind}_id"]
        self.role_id = request.path.get("role_id")
        self.inherited = inherited

    async def check(self, request: Request, tx: Transaction, verb: str) -> tuple[Any, Any]:
        """Look the parts up and ask for permission. Returns the rows of role and target, where they are named."""
        actor = await tx.first(
            sa.select(self.actor_table).where(self.actor_table.c.id == self.actor_id)
        )
        fields: dict[str, Any] = {}
        if actor is not None:
            fields[f"target.{self.actor_kind}.id"] = actor.id
            fields[f"target.{self.actor_kind}.domain_id"] = actor.domain_id
        target = None
        if self.target_kind == "system":
            rule = f"identity:{_SYSTEM_VERBS[verb]}_system_grant{'s' if verb == 'list' else ''}_for_{self.actor_kind}"
        else:
            rule = f"identity:{verb}_grant{'s' if verb == 'list' else ''}"
            target = await tx.first(
                sa.select(projects).where(
                    projects.c.id == self.target_id,
                    projects.c.is_domain.is_(True) if self.target_kind == "domain" else sa.true(),
                )
            )
            if target is not None:
                fields[f"target.{self.target_kind}.id"] = target.id
                if target.domain_id is not None:
                    fields[f"target.{self.target_kind}.domain_id"] = target.domain_id
        role = None
        if self.role_id is not None:
            role = await tx.first(sa.select(roles).where(roles.c.id == self.role_id))
            if role is not None:
                fields["target.role.name"] = role.name
                fields["target.role.domain_id"] = None if role.domain_id == "*" else role.domain_id
        request.allow(rule, fields)
        if actor is None and verb not in ("revoke",):
            raise NotFound(f"Could not find {self.actor_kind}: {self.actor_id}.")
        if self.target_kind != "system" and target is None:
            raise NotFound(f"Could not find {self.target_kind}: {self.target_id}.")
        if self.role_id is not None and role is None:
            raise NotFound(f"Could not find role: {self.role_id}.")
        return role, target

    async def check_new(self, request: Request, tx: Transaction) -> None:
        """Ask for permission to make it, and whether it may be at all."""
        role, target = await self.check(request, tx, "create")
        if self.target_kind == "project" and role.domain_id not in ("*", target.domain_id):
            raise Forbidden("A role of a domain is only given on projects of that domain.")

    @property
    def where(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            assignments.c.actor_kind == self.actor_kind,
            assignments.c.actor_id == self.actor_id,
            assignments.c.target_kind == self.target_kind,
            assignments.c.target_id == self.target_id,
            assignments.c.inherited.is_(self.inherited),
        )


_SYSTEM_VERBS = {"create": "create", "check": "check", "revoke": "revoke", "list": "list"}


def _handlers(
    actor: str, target: str, inherited: bool
) -> tuple[Handler, Handler, Handler, Handler]:
    async def list_grants(request: Request, room: Identity) -> Response:
        grant = _Grant(request, actor, target, inherited)
        async with request.reading() as tx:
            await grant.check(request, tx, "list")
            rows = await tx.all(
                sa.select(roles)
                .join(assignments, assignments.c.role_id == roles.c.id)
                .where(grant.where)
                .order_by(roles.c.name)
            )
        items = [schemas.role(request, row) for row in rows]
        return json_answer(schemas.collection(request, "roles", items))

    async def create_grant(request: Request, room: Identity) -> Response:
        grant = _Grant(request, actor, target, inherited)
        async with request.transaction() as tx:
            await grant.check_new(request, tx)
            row = {
                "actor_kind": grant.actor_kind,
                "actor_id": grant.actor_id,
                "target_kind": grant.target_kind,
                "target_id": grant.target_id,
                "role_id": grant.role_id,
                "inherited": inherited,
            }
            await tx.insert_missing(assignments, row)
        return no_content()

    async def check_grant(request: Request, room: Identity) -> Response:
        grant = _Grant(request, actor, target, inherited)
        async with request.reading() as tx:
            await grant.check(request, tx, "check")
            mine = sa.select(assignments).where(grant.where, assignments.c.role_id == grant.role_id)
            if await tx.first(mine) is None:
                raise NotFound(f"Could not find role assignment with role: {grant.role_id}.")
        return no_content()

    async def revoke_grant(request: Request, room: Identity) -> Response:
        grant = _Grant(request, actor, target, inherited)
        async with request.transaction() as tx:
            await grant.check(request, tx, "revoke")
            gone = assignments.delete().where(grant.where, assignments.c.role_id == grant.role_id)
            if not await tx.count(gone):
                raise NotFound(f"Could not find role assignment with role: {grant.role_id}.")
        return no_content()

    return list_grants, create_grant, check_grant, revoke_grant


def _routes() -> tuple[Route, ...]:
    made: list[Route] = []
    for target, place in (
        ("projects", "/projects/{project_id}"),
        ("domains", "/domains/{domain_id}"),
        ("system", "/system"),
    ):
        for actor, actor_place in (("users", "/users/{user_id}"), ("groups", "/groups/{group_id}")):
            if target == "system":
                kind = _ACTORS[actor][0]
                rules = {
                    verb: (
                        f"identity:{verb}_system_grant{'s' if verb == 'list' else ''}_for_{kind}",
                    )
                    for verb in ("list", "create", "check", "revoke")
                }
            else:
                rules = {
                    "list": ("identity:list_grants",),
                    "create": ("identity:create_grant",),
                    "check": ("identity:check_grant",),
                    "revoke": ("identity:revoke_grant",),
                }
            for inherited in (False, True):
                if inherited and target == "system":
                    continue
                lister, creator, checker, revoker = _handlers(actor, target, inherited)
                base = f"/v3{'/OS-INHERIT' if inherited else ''}{place}{actor_place}/roles"
                end = "/inherited_to_projects" if inherited else ""
                one = f"{base}/{{role_id}}{end}"
                if not (inherited and target == "projects"):
                    made.append(Route("GET", f"{base}{end}", lister, rules["list"]))
                made.append(Route("PUT", one, creator, rules["create"]))
                made.append(Route("HEAD", one, checker, rules["check"]))
                if target == "system":
                    made.append(Route("GET", one, checker, rules["check"]))
                made.append(Route("DELETE", one, revoker, rules["revoke"]))
    return tuple(made)


async def list_assignments(request: Request, room: Identity) -> Response:
    """GET /v3/role_assignments, with names, effective roles and the projects below one on request.

    Source: Identity API reference, "List role assignments".
    """
    query = request.query
    tree = "include_subtree" in query and truth(query["include_subtree"])
    effective = "effective" in query and truth(query["effective"])
    with_names = "include_names" in query and truth(query["include_names"])
    own_domain = request.token.domain_id
    if tree:
        if "scope.project.id" not in query:
            raise BadInput(
                "scope.project.id must be specified if include_subtree is also specified"
            )
        async with request.reading() as tx:
            project = await tx.first(
                sa.select(projects).where(projects.c.id == query["scope.project.id"])
            )
        request.allow(
            "identity:list_role_assignments_for_tree",
            {"target.domain_id": None if project is None else project.domain_id},
        )
    else:
        request.allow("identity:list_role_assignments", {"target.domain_id": own_domain})
    if "scope.project.id" in query and "scope.domain.id" in query:
        raise BadInput("Specify a domain or project, not both")
    if "user.id" in query and "group.id" in query:
        raise BadInput("Specify a user or group, not both")
    if effective and "group.id" in query:
        raise BadInput("Combining effective and group filter will always result in an empty list.")
    async with request.reading() as tx:
        found = await _assignments(tx, query, tree=tree, effective=effective)
        if own_domain:
            found = await _only_domain(tx, found, own_domain)
        items = await _answer(request, tx, found, with_names)
    body = schemas.collection(request, "role_assignments", items)
    return await list_answer(body, "role_assignments")


async def _assignments(
    tx: Transaction, query: dict[str, str], *, tree: bool, effective: bool
) -> list[dict[str, Any]]:
    rows = await tx.all(sa.select(assignments))
    parents = {
        row.id: row
        for row in await tx.all(
            sa.select(projects.c.id, projects.c.parent_id, projects.c.is_domain)
        )
    }
    wanted_project = query.get("scope.project.id")
    targets: set[tuple[str, str]] | None = None
    if wanted_project is not None:
        below = {wanted_project}
        if tree:
            grew = True
            while grew:
                new = {p for p, row in parents.items() if row.parent_id in below} - below
                grew = bool(new)
                below |= new
        targets = {("project", one) for one in below}
    elif "scope.domain.id" in query:
        targets = {("domain", query["scope.domain.id"])}
    elif "scope.system" in query:
        targets = {("system", "all")}
    flat: list[dict[str, Any]] = [dict(row._mapping) for row in rows]
    if effective:
        flat = await _effective(tx, flat, parents)
    inherited = query.get("scope.OS-INHERIT:inherited_to")
    kept = []
    async for row in Pieces().each(flat):
        if targets is not None and (row["target_kind"], row["target_id"]) not in targets:
            continue
        if "user.id" in query and (row["actor_kind"], row["actor_id"]) != (
            "user",
            query["user.id"],
        ):
            continue
        if "group.id" in query and (row["actor_kind"], row["actor_id"]) != (
            "group",
            query["group.id"],
        ):
            continue
        if "role.id" in query and row["role_id"] != query["role.id"]:
            continue
        if inherited and not row["inherited"] and not effective:
            continue
        kept.append(row)
    return kept


async def _effective(
    tx: Transaction, flat: list[dict[str, Any]], parents: dict[str, Any]
) -> list[dict[str, Any]]:
    """Assignments as they take effect: groups as their members, inheritance and implication carried out."""
    members: dict[str, list[str]] = {}
    for pair in await tx.all(sa.select(group_members)):
        members.setdefault(pair.group_id, []).append(pair.user_id)
    children: dict[str, list[str]] = {}
    for project_id, project in parents.items():
        if project.parent_id is not None:
            children.setdefault(project.parent_id, []).append(project_id)
    implied: dict[str, list[str]] = {}
    # Roles of a domain only lead to others: no token has them.
    global_roles = set(await tx.scalars(sa.select(roles.c.id).where(roles.c.domain_id == "*")))
    done: dict[tuple[str, ...], dict[str, Any]] = {}
    actors: list[tuple[str, dict[str, str]]]
    async for row in Pieces().each(flat):
        actors = (
            [(row["actor_id"], {})]
            if row["actor_kind"] == "user"
            else [
                (one, {"membership": row["actor_id"]}) for one in members.get(row["actor_id"], ())
            ]
        )
        places: list[tuple[str, str, dict[str, str]]] = []
        if row["inherited"]:
            at = list(children.get(row["target_id"], ()))
            for one in at:
                at.extend(children.get(one, ()))
                places.append(
                    (
                        "project",
                        one,
                        {"inherited_from": row["target_id"], "kind": row["target_kind"]},
                    )
                )
        else:
            places.append((row["target_kind"], row["target_id"], {}))
        if row["role_id"] not in implied:
            implied[row["role_id"]] = [
                one
                for one in await rights.with_implied(tx, [row["role_id"]])
                if one in global_roles
            ]
        for actor_id, via_group in actors:
            for kind, target_id, via_parent in places:
                for role_id in implied[row["role_id"]]:
                    via_role = {} if role_id == row["role_id"] else {"prior_role": row["role_id"]}
                    key = (
                        actor_id,
                        kind,
                        target_id,
                        role_id,
                        *via_group.values(),
                        *via_role.values(),
                        *via_parent.values(),
                    )
                    done.setdefault(
                        key,
                        {
                            "actor_kind": "user",
                            "actor_id": actor_id,
                            "target_kind": kind,
                            "target_id": target_id,
                            "role_id": role_id,
                            "inherited": False,
                            "via": {**via_group, **via_parent, **via_role},
                        },
                    )
    return list(done.values())


async def _only_domain(
    tx: Transaction, found: list[dict[str, Any]], domain_id: str
) -> list[dict[str, Any]]:
    inside = set(
        await tx.scalars(sa.select(projects.c.id).where(projects.c.domain_id == domain_id))
    )
    inside.add(domain_id)
    return [row for row in found if row["target_id"] in inside]


async def _answer(
    request: Request, tx: Transaction, found: list[dict[str, Any]], with_names: bool
) -> list[dict[str, Any]]:
    named: dict[str, dict[str, Any]] = {}
    if with_names:
        for table in (users, groups, projects, roles):
            rows = await tx.all(sa.select(table.c.id, table.c.name, table.c.domain_id))
            named[table.name] = {row.id: row for row in rows}
    domains = named.get("projects", {})

    def ref(table: str, one: str) -> dict[str, Any]:
        answer: dict[str, Any] = {"id": one}
        row = named.get(table, {}).get(one)
        if row is not None:
            answer["name"] = row.name
            if table != "domains" and row.domain_id not in (None, "*"):
                home = domains.get(row.domain_id)
                answer["domain"] = {"id": row.domain_id, "name": home.name if home else None}
        return answer

    items = []
    for row in found:
        scope: dict[str, Any]
        target_id = row["target_id"]
        if row["target_kind"] == "system":
            scope, place = {"system": {"all": True}}, "system"
        elif row["target_kind"] == "domain":
            scope, place = {"domain": ref("projects", target_id)}, f"domains/{target_id}"
        else:
            scope, place = {"project": ref("projects", target_id)}, f"projects/{target_id}"
        via = row.get("via", {})
        if row["inherited"] or "inherited_from" in via:
            scope["OS-INHERIT:inherited_to"] = "projects"
        kind = row["actor_kind"]
        base = f"{request.base_url}/v3"
        if row["inherited"]:
            path = f"/OS-INHERIT/{place}/{kind}s/{row['actor_id']}/roles/{row['role_id']}/inherited_to_projects"
        elif "inherited_from" in via:
            path = (
                f"/OS-INHERIT/{via['kind']}s/{via['inherited_from']}/{kind}s/{row['actor_id']}"
                f"/roles/{row['role_id']}/inherited_to_projects"
            )
        elif "membership" in via:
            path = f"/{place}/groups/{via['membership']}/roles/{row['role_id']}"
        else:
            path = f"/{place}/{kind}s/{row['actor_id']}/roles/{row['role_id']}"
        links = {"assignment": base + path}
        if "membership" in via:
            links["membership"] = f"{base}/groups/{via['membership']}/users/{row['actor_id']}"
        if "prior_role" in via:
            links["prior_role"] = f"{base}/roles/{via['prior_role']}"
        items.append(
            {
                kind: ref(f"{kind}s", row["actor_id"]),
                "role": ref("roles", row["role_id"]),
                "scope": scope,
                "links": links,
            }
        )
    return items


ROUTES = (
    *_routes(),
    Route(
        "GET",
        "/v3/role_assignments",
        list_assignments,
        ("identity:list_role_assignments", "identity:list_role_assignments_for_tree"),
        query=(
            "effective",
            "group.id",
            "include_names",
            "include_subtree",
            "role.id",
            "scope.OS-INHERIT:inherited_to",
            "scope.domain.id",
            "scope.project.id",
            "scope.system",
            "user.id",
        ),
    ),
)
