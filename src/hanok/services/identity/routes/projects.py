"""Projects, their tags, and domains."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.pieces import Pieces
from hanok.services.identity import schemas
from hanok.services.identity.logic import projects, rights
from hanok.services.identity.logic.lookup import truth
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, convert, json_answer, no_content
from hanok.web.routes import Route

AT_ONCE = 50  # rows of a list between two looks at who else waits


async def listed(request: Request, tx: Transaction, statement: Select[Any]) -> Response:
    """The answer to a list of projects. statement: one of `logic.projects`."""
    page = await lists.PROJECTS.page(request, tx, statement)
    items: list[dict[str, Any]] = []
    async for part in Pieces().slices(page.rows, AT_ONCE):
        tags = {row[0]: projects.words(row) for row in part}
        items += schemas.projects(request, [row[:-1] for row in part], tags)
    return await lists.paged(request, lists.PROJECTS, page, items)


def _target(row: Any) -> dict[str, Any]:
    return {"target.project.id": row.id, "target.project.domain_id": row.domain_id}


async def _one(request: Request, tx: Transaction, row: Any) -> dict[str, Any]:
    tags = await projects.tags_of(tx, [row.id])
    return schemas.project(request, row, tags[row.id])


async def list_projects(request: Request, room: Identity) -> Response:
    """GET /v3/projects, with filters on name, domain, parent, enabled, is_domain and tags."""
    own = request.token.domain_id
    requested = request.query.get("domain_id") or own
    request.allow("identity:list_projects", {"target.domain_id": requested})
    domains = None if "is_domain" in request.query else False
    async with request.reading() as tx:
        return await listed(request, tx, projects.all_of(own, domains=domains))


async def create_project(request: Request, room: Identity) -> Response:
    """POST /v3/projects."""
    body, extra = await schemas.read(request, "project", schemas.ProjectBody)
    values = schemas.given(body)
    if "name" not in values:
        raise BadInput("'name' is a required property")
    # Who may create projects of one domain only has to name it.
    request.allow("identity:create_project", {"target.project.domain_id": values.get("domain_id")})
    if (
        values.get("domain_id") is None
        and values.get("parent_id") is None
        and not values.get("is_domain")
    ):
        values["domain_id"] = (
            request.token.domain_id or request.token.project_domain_id or "default"
        )
    values["options"] = schemas.options(body.options)
    async with request.transaction() as tx:
        row = await projects.create(tx, values, extra)
        request.made(row.id)
        answer = await _one(request, tx, row)
    return json_answer({"project": answer}, 201)


async def show_project(request: Request, room: Identity) -> Response:
    """GET /v3/projects/{id}, with the projects above or below it on request."""
    query = request.query
    parents = _form(query.get("parents_as_list"), query.get("parents_as_ids"))
    subtree = _form(query.get("subtree_as_list"), query.get("subtree_as_ids"))
    async with request.reading() as tx:
        row = await _readable(request, tx, "identity:get_project")
        answer = await _one(request, tx, row)
        if parents:
            answer["parents"] = await _parents(request, tx, row.id, parents == "ids")
        if subtree:
            answer["subtree"] = await _subtree(request, tx, row.id, subtree == "ids")
    return json_answer({"project": answer})


def _form(as_list: str | None, as_ids: str | None) -> str:
    """In which form ("list", "ids") parents or subtree are asked for by these parameters; "" when they are not.

    Raises:
        BadInput: in both.
    """
    forms = (("list", as_list), ("ids", as_ids))
    requested = [form for form, sent in forms if sent is not None and truth(sent)]
    if len(requested) > 1:
        raise BadInput("Cannot use the query params for a list and for ids at the same time.")
    return requested[0] if requested else ""


async def _parents(request: Request, tx: Transaction, project_id: str, as_ids: bool) -> Any:
    """What is above a project: all of it as ids, its domain too; as a list, where the caller has a role."""
    above = list(await rights.ancestors(tx, project_id))
    if as_ids:
        nested: Any = None
        for one in reversed(above):
            nested = {one: nested}
        return nested
    mine = await rights.projects_of(tx, request.token.user_id)
    rows = [await projects.find(tx, one) for one in above if one in mine]
    return [{"project": await _one(request, tx, row)} for row in rows if row is not None]


async def _subtree(request: Request, tx: Transaction, project_id: str, as_ids: bool) -> Any:
    """What is below a project: all of it as ids; as a list, where the caller has a role."""
    if as_ids:
        below = await projects.children(tx, project_id)
        return {row.id: await _subtree(request, tx, row.id, True) for row in below} or None
    mine = await rights.projects_of(tx, request.token.user_id)
    found, left = [], [project_id]
    while left:
        rows = await projects.children(tx, left.pop())
        left += [row.id for row in rows]
        found += [{"project": await _one(request, tx, row)} for row in rows if row.id in mine]
    return found


async def _readable(request: Request, tx: Transaction, rule: str) -> Any:
    """The project of the path, if the caller may do this to it; a stranger's answers as one that is not there."""
    row = await projects.find(tx, request.path["project_id"])
    if row is None:
        request.allow(rule)
        raise NotFound(f"Could not find project: {request.path['project_id']}.")
    request.allow(rule, _target(row))
    return row


async def update_project(request: Request, room: Identity) -> Response:
    """PATCH /v3/projects/{id}."""
    body, extra = await schemas.read(request, "project", schemas.ProjectBody)
    async with request.transaction() as tx:
        row = await _readable(request, tx, "identity:update_project")
        values = schemas.given(body)
        if "options" in values:
            values["options"] = schemas.options(body.options, row.options)
        row = await projects.update(tx, row, values, extra, room.clock.now())
        answer = await _one(request, tx, row)
    return json_answer({"project": answer})


async def delete_project(request: Request, room: Identity) -> Response:
    """DELETE /v3/projects/{id}; one that acts as a domain takes the right to delete domains."""
    async with request.transaction() as tx:
        row = await _readable(request, tx, "identity:delete_project")
        if row.is_domain:
            request.allow("identity:delete_domain", {"target.domain.id": row.id})
        await projects.delete(tx, row, room.clock.now())
    return no_content()


async def list_tags(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _readable(request, tx, "identity:list_project_tags")
        tags = await projects.tags_of(tx, [row.id])
    own = {"self": request.full_url, "next": None, "previous": None}
    return json_answer({"tags": tags[row.id], "links": own})


async def replace_tags(request: Request, room: Identity) -> Response:
    body = convert(await request.json(), schemas.ProjectBody)
    async with request.transaction() as tx:
        row = await _readable(request, tx, "identity:update_project_tags")
        if not isinstance(body.tags, list):
            raise BadInput("'tags' is a required property")
        await projects.set_tags(tx, row.id, body.tags)
        request.made(row.id)
        tags = await projects.tags_of(tx, [row.id])
    own = {"self": request.full_url, "next": None, "previous": None}
    return json_answer({"tags": tags[row.id], "links": own})


async def delete_tags(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        row = await _readable(request, tx, "identity:delete_project_tags")
        await projects.set_tags(tx, row.id, [])
        request.made(row.id)
    return no_content()


async def check_tag(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _readable(request, tx, "identity:get_project_tag")
        tags = await projects.tags_of(tx, [row.id])
    if request.path["tag"] not in tags[row.id]:
        raise NotFound(f"Could not find project tag: {request.path['tag']}.")
    return no_content()


async def add_tag(request: Request, room: Identity) -> Response:
    body = convert({"tags": [request.path["tag"]]}, schemas.ProjectBody)
    assert isinstance(body.tags, list)
    async with request.transaction() as tx:
        row = await _readable(request, tx, "identity:create_project_tag")
        tags = (await projects.tags_of(tx, [row.id]))[row.id]
        if len(tags) >= 80:
            raise BadInput("A project has at most 80 tags.")
        await projects.set_tags(tx, row.id, [*tags, *body.tags])
        request.made(row.id)
    return no_content(201)


async def remove_tag(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        row = await _readable(request, tx, "identity:delete_project_tag")
        tags = (await projects.tags_of(tx, [row.id]))[row.id]
        if request.path["tag"] not in tags:
            raise NotFound(f"Could not find project tag: {request.path['tag']}.")
        await projects.set_tags(tx, row.id, [t for t in tags if t != request.path["tag"]])
        request.made(row.id)
    return no_content()


# ---- domains ----


async def list_domains(request: Request, room: Identity) -> Response:
    """GET /v3/domains."""
    own = request.token.domain_id
    request.allow("identity:list_domains", {"target.domain.id": own})
    async with request.reading() as tx:
        return await listed_domains(request, tx, projects.domains([own] if own else None))


async def listed_domains(request: Request, tx: Transaction, statement: Select[Any]) -> Response:
    """The answer to a list of domains. statement: of `logic.projects.domains`."""
    page = await lists.DOMAINS.page(request, tx, statement)
    tags = await projects.tags_of(tx, [row.id for row in page.rows])
    items = [schemas.domain(request, row, tags[row.id]) for row in page.rows]
    return await lists.paged(request, lists.DOMAINS, page, items)


async def create_domain(request: Request, room: Identity) -> Response:
    """POST /v3/domains."""
    body, extra = await schemas.read(request, "domain", schemas.DomainBody)
    request.allow("identity:create_domain")
    values = schemas.given(body)
    if "name" not in values:
        raise BadInput("'name' is a required property")
    values.update(is_domain=True, options=schemas.options(body.options))
    if "explicit_domain_id" in values:
        values["id"] = values.pop("explicit_domain_id")
    async with request.transaction() as tx:
        row = await projects.create(tx, values, extra)
        tags = await projects.tags_of(tx, [row.id])
        request.made(row.id)
    return json_answer({"domain": schemas.domain(request, row, tags[row.id])}, 201)


async def _domain(request: Request, tx: Transaction, rule: str) -> Any:
    domain_id = request.path["domain_id"]
    request.allow(rule, {"target.domain.id": domain_id})
    return await projects.domain(tx, domain_id)


async def show_domain(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _domain(request, tx, "identity:get_domain")
        tags = await projects.tags_of(tx, [row.id])
    return json_answer({"domain": schemas.domain(request, row, tags[row.id])})


async def update_domain(request: Request, room: Identity) -> Response:
    body, extra = await schemas.read(request, "domain", schemas.DomainBody)
    async with request.transaction() as tx:
        request.allowed_by_hand()  # everybody is told that there is no such domain, as upstream does
        await projects.domain(tx, request.path["domain_id"])
        row = await _domain(request, tx, "identity:update_domain")
        values = schemas.given(body)
        values.pop("explicit_domain_id", None)
        if "options" in values:
            values["options"] = schemas.options(body.options, row.options)
        row = await projects.update(tx, row, values, extra, room.clock.now())
        tags = await projects.tags_of(tx, [row.id])
    return json_answer({"domain": schemas.domain(request, row, tags[row.id])})


async def delete_domain(request: Request, room: Identity) -> Response:
    async with request.transaction() as tx:
        row = await _domain(request, tx, "identity:delete_domain")
        await projects.delete_domain(tx, row, room.clock.now())
    return no_content()


_CHANGED = "identity.project.updated"
ROUTES = (
    Route(
        "GET",
        "/v3/projects",
        list_projects,
        ("identity:list_projects",),
        query=lists.PROJECTS.parameters,
    ),
    Route(
        "POST",
        "/v3/projects",
        create_project,
        ("identity:create_project",),
        body=schemas.ProjectBody,
        member="project",
        event="identity.project.created",
    ),
    Route(
        "GET",
        "/v3/projects/{project_id}",
        show_project,
        ("identity:get_project",),
        query=("parents_as_ids", "parents_as_list", "subtree_as_ids", "subtree_as_list"),
    ),
    Route(
        "PATCH",
        "/v3/projects/{project_id}",
        update_project,
        ("identity:update_project",),
        body=schemas.ProjectBody,
        member="project",
        event="identity.project.updated",
    ),
    Route(
        "DELETE",
        "/v3/projects/{project_id}",
        delete_project,
        ("identity:delete_project", "identity:delete_domain"),
        event="identity.project.deleted",
    ),
    Route("GET", "/v3/projects/{project_id}/tags", list_tags, ("identity:list_project_tags",)),
    Route(
        "PUT",
        "/v3/projects/{project_id}/tags",
        replace_tags,
        ("identity:update_project_tags",),
        event=_CHANGED,
        body=schemas.ProjectBody,
    ),
    Route(
        "DELETE",
        "/v3/projects/{project_id}/tags",
        delete_tags,
        ("identity:delete_project_tags",),
        event=_CHANGED,
    ),
    Route("GET", "/v3/projects/{project_id}/tags/{tag}", check_tag, ("identity:get_project_tag",)),
    Route(
        "PUT",
        "/v3/projects/{project_id}/tags/{tag}",
        add_tag,
        ("identity:create_project_tag",),
        event=_CHANGED,
    ),
    Route(
        "DELETE",
        "/v3/projects/{project_id}/tags/{tag}",
        remove_tag,
        ("identity:delete_project_tag",),
        event=_CHANGED,
    ),
    Route(
        "GET",
        "/v3/domains",
        list_domains,
        ("identity:list_domains",),
        query=lists.DOMAINS.parameters,
    ),
    Route(
        "POST",
        "/v3/domains",
        create_domain,
        ("identity:create_domain",),
        body=schemas.DomainBody,
        member="domain",
        event="identity.domain.created",
    ),
    Route("GET", "/v3/domains/{domain_id}", show_domain, ("identity:get_domain",)),
    Route(
        "PATCH",
        "/v3/domains/{domain_id}",
        update_domain,
        ("identity:update_domain",),
        body=schemas.DomainBody,
        member="domain",
        event="identity.domain.updated",
    ),
    Route(
        "DELETE",
        "/v3/domains/{domain_id}",
        delete_domain,
        ("identity:delete_domain",),
        event="identity.domain.deleted",
    ),
)
