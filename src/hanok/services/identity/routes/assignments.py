"""Role assignments: grants on projects, domains and the system, direct and inherited, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.identity import schemas
from hanok.services.identity.logic import assignments, projects
from hanok.services.identity.logic.assignments import Grant, Parts, Requested
from hanok.services.identity.logic.lookup import truth
from hanok.services.identity.logic.roles import NOWHERE
from hanok.services.identity.room import Identity
from hanok.store import Transaction
from hanok.web.listing import IDENTITY
from hanok.web.plain_lists import PlainList
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Handler, Route


def _rule(verb: str, actor: str, target: str) -> str:
    many = "s" if verb == "list" else ""
    if target == "system":
        return f"identity:{verb}_system_grant{many}_for_{actor}"
    return f"identity:{verb}_grant{many}"


def _fields(grant: Grant, found: Parts) -> dict[str, Any]:
    """What rules look at of a grant's parts."""
    fields: dict[str, Any] = {}
    if found.actor is not None:
        fields[f"target.{grant.actor_kind}.id"] = found.actor.id
        fields[f"target.{grant.actor_kind}.domain_id"] = found.actor.domain_id
    if found.target is not None:
        fields[f"target.{grant.target_kind}.id"] = found.target.id
        if found.target.domain_id is not None:
            fields[f"target.{grant.target_kind}.domain_id"] = found.target.domain_id
    if found.role is not None:
        of = found.role.domain_id
        fields["target.role.name"] = found.role.name
        fields["target.role.domain_id"] = None if of == NOWHERE else of
    return fields


async def _allowed(request: Request, tx: Transaction, grant: Grant, verb: str) -> Parts:
    """The parts of a grant, if the caller may do this with it.

    Raises:
        NotFound: one is not there.
    """
    found = await assignments.parts(tx, grant)
    request.allow(_rule(verb, grant.actor_kind, grant.target_kind), _fields(grant, found))
    assignments.check_there(grant, found, without_actor=verb == "revoke")
    return found


def _handlers(
    actor: str, target: str, inherited: bool
) -> tuple[Handler, Handler, Handler, Handler]:
    def named(request: Request) -> Grant:
        return Grant(
            actor_kind=actor,
            actor_id=request.path[f"{actor}_id"],
            target_kind=target,
            target_id="all" if target == "system" else request.path[f"{target}_id"],
            role_id=request.path.get("role_id"),
            inherited=inherited,
        )

    async def list_grants(request: Request, room: Identity) -> Response:
        grant = named(request)
        async with request.reading() as tx:
            await _allowed(request, tx, grant, "list")
            rows = await assignments.roles_of(tx, grant)
        items = [schemas.role(request, row) for row in rows]
        return json_answer(schemas.collection(request, "roles", items))

    async def create_grant(request: Request, room: Identity) -> Response:
        grant = named(request)
        async with request.transaction() as tx:
            await assignments.give(tx, grant, await _allowed(request, tx, grant, "create"))
            request.made(request.path["role_id"], _told(grant))
        return no_content()

    async def check_grant(request: Request, room: Identity) -> Response:
        grant = named(request)
        async with request.reading() as tx:
            await _allowed(request, tx, grant, "check")
            await assignments.check(tx, grant)
        return no_content()

    async def revoke_grant(request: Request, room: Identity) -> Response:
        grant = named(request)
        async with request.transaction() as tx:
            await _allowed(request, tx, grant, "revoke")
            await assignments.take(tx, grant)
            request.made(request.path["role_id"], _told(grant))
        return no_content()

    return list_grants, create_grant, check_grant, revoke_grant


def _told(grant: Grant) -> dict[str, Any]:
    """A grant as its events tell of it."""
    return {
        "role": grant.role_id,
        grant.actor_kind: grant.actor_id,
        grant.target_kind: grant.target_id,
        "inherited_to_projects": grant.inherited,
    }


_PLACES = {
    "project": "/projects/{project_id}",
    "domain": "/domains/{domain_id}",
    "system": "/system",
}
_ACTORS = {"user": "/users/{user_id}", "group": "/groups/{group_id}"}


def _routes() -> Iterator[Route]:
    for target in _PLACES:
        for actor in _ACTORS:
            for inherited in (False, True) if target != "system" else (False,):
                yield from _routes_of(actor, target, inherited)


def _routes_of(actor: str, target: str, inherited: bool) -> Iterator[Route]:
    lister, creator, checker, revoker = _handlers(actor, target, inherited)
    base = f"/v3{'/OS-INHERIT' if inherited else ''}{_PLACES[target]}{_ACTORS[actor]}/roles"
    end = "/inherited_to_projects" if inherited else ""
    one = f"{base}/{{role_id}}{end}"
    verbs = ("list", "create", "check", "revoke")
    rules = {verb: (_rule(verb, actor, target),) for verb in verbs}
    if not (inherited and target == "project"):
        yield Route("GET", f"{base}{end}", lister, rules["list"])
    event = "identity.role_assignment"
    yield Route("PUT", one, creator, rules["create"], event=f"{event}.created")
    yield Route("HEAD", one, checker, rules["check"])
    if target == "system":
        yield Route("GET", one, checker, rules["check"])
    yield Route("DELETE", one, revoker, rules["revoke"], event=f"{event}.deleted")


# ---- the list of all ----


def _requested(query: Mapping[str, str]) -> Requested:
    """
    Raises:
        BadInput: filters that do not go together.
    """
    requested = Requested(
        project_id=query.get("scope.project.id"),
        domain_id=query.get("scope.domain.id"),
        system=query.get("scope.system") == "all",
        user_id=query.get("user.id"),
        group_id=query.get("group.id"),
        role_id=query.get("role.id"),
        inherited=_inherited(query),
        tree="include_subtree" in query and truth(query["include_subtree"]),
        effective="effective" in query and truth(query["effective"]),
    )
    if requested.tree and requested.project_id is None:
        raise BadInput("scope.project.id must be specified if include_subtree is also specified")
    return requested


def _inherited(query: Mapping[str, str]) -> bool | None:
    sent = query.get("scope.OS-INHERIT:inherited_to")
    return None if sent is None else sent == "projects"


_APART = (
    ("scope.domain.id", "scope.project.id", "Specify a domain or project, not both"),
    ("scope.domain.id", "scope.system", "Specify system or domain, not both"),
    ("scope.project.id", "scope.system", "Specify system or project, not both"),
    ("user.id", "group.id", "Specify a user or group, not both"),
)


def _check_together(query: Mapping[str, str], requested: Requested) -> None:
    """
    Raises:
        BadInput: filters that do not go together.
    """
    for one, other, why in _APART:
        if query.get(one) and query.get(other):
            raise BadInput(why)
    if requested.effective and requested.group_id:
        raise BadInput("Combining effective and group filter will always result in an empty list.")
    if requested.effective and requested.inherited and requested.domain_id:
        raise BadInput(
            "Combining effective, domain and inherited filters will always result in an empty list."
        )


ASSIGNMENTS = PlainList[Mapping[str, Any]](
    name="role_assignments", style=IDENTITY, key=assignments.mark_of
)


async def list_assignments(request: Request, room: Identity) -> Response:
    """GET /v3/role_assignments, with names, effective roles and the projects below one on request.

    It is worked out of all assignments; they have no ids, so a marker is what the link to the next page has.

    Source: Identity API reference, "List role assignments".
    """
    query = request.query
    with_names = "include_names" in query and truth(query["include_names"])
    requested, own = _requested(query), request.token.domain_id
    async with request.reading() as tx:
        if requested.tree:
            project = await projects.find(tx, requested.project_id or "")
            of = None if project is None else project.domain_id
            rule = "identity:list_role_assignments_for_tree"
            request.allow(rule, {"target.domain_id": of})
        else:
            request.allow("identity:list_role_assignments", {"target.domain_id": own})
        _check_together(query, requested)
        found = await assignments.listed(tx, requested)
        if own:
            found = await assignments.inside(tx, found, own)
        named = await assignments.names(tx) if with_names else {}
    page, links = ASSIGNMENTS.page(request, sorted(found, key=assignments.mark_of))
    items = [_item(request, one, named) for one in page]
    body = schemas.collection(request, ASSIGNMENTS.name, items)
    return await list_answer(ASSIGNMENTS.answer_of(body, links), ASSIGNMENTS.name)


_Names = Mapping[str, Mapping[str, Row[Any]]]


def _ref(named: _Names, table: str, thing_id: str) -> dict[str, Any]:
    """Something by its id, and where names were asked for, by its name and its domain's."""
    answer: dict[str, Any] = {"id": thing_id}
    row = named.get(table, {}).get(thing_id)
    if row is not None:
        answer["name"] = row.name
        if row.domain_id not in (None, NOWHERE):
            home = named["projects"].get(row.domain_id)
            answer["domain"] = {"id": row.domain_id, "name": home.name if home else None}
    return answer


def _item(request: Request, one: Mapping[str, Any], named: _Names) -> dict[str, Any]:
    kind = one["actor_kind"]
    return {
        kind: _ref(named, f"{kind}s", one["actor_id"]),
        "role": _ref(named, "roles", one["role_id"]),
        "scope": _scope(one, named),
        "links": _links(f"{request.base_url}/v3", one),
    }


def _scope(one: Mapping[str, Any], named: _Names) -> dict[str, Any]:
    kind = one["target_kind"]
    scope: dict[str, Any] = {"system": {"all": True}}
    if kind != "system":
        scope = {kind: _ref(named, "projects", one["target_id"])}
    if one["inherited"] or "inherited_from" in one.get("via", {}):
        scope["OS-INHERIT:inherited_to"] = "projects"
    return scope


def _links(base: str, one: Mapping[str, Any]) -> dict[str, str]:
    """Where the assignment is, and what lets it take effect where it is not."""
    via = one.get("via", {})
    place = (
        "system" if one["target_kind"] == "system" else f"{one['target_kind']}s/{one['target_id']}"
    )
    actor, role = f"{one['actor_kind']}s/{one['actor_id']}", f"roles/{one['role_id']}"
    if one["inherited"]:
        path = f"/OS-INHERIT/{place}/{actor}/{role}/inherited_to_projects"
    elif "inherited_from" in via:
        above = f"{via['kind']}s/{via['inherited_from']}"
        path = f"/OS-INHERIT/{above}/{actor}/{role}/inherited_to_projects"
    elif "membership" in via:
        path = f"/{place}/groups/{via['membership']}/{role}"
    else:
        path = f"/{place}/{actor}/{role}"
    links = {"assignment": base + path}
    if "membership" in via:
        links["membership"] = f"{base}/groups/{via['membership']}/users/{one['actor_id']}"
    if "prior_role" in via:
        links["prior_role"] = f"{base}/roles/{via['prior_role']}"
    return links


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
            *ASSIGNMENTS.parameters,
            "role.id",
            "scope.OS-INHERIT:inherited_to",
            "scope.domain.id",
            "scope.project.id",
            "scope.system",
            "user.id",
        ),
    ),
)
