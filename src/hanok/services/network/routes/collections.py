"""What all resources of this API have in common: lists with filters and pages, rules on attributes, bulk creation.

A resource is a `Kind`: its table, its attributes, its decisions. The doors are made from it, so each answers alike.

Who may what is asked three times, as upstream does: whether the caller reaches the row (else 404), whether the rule of
the operation lets them (else 403, or 404 when they may not even look), and for each attribute that was sent or is to be
shown, whether that attribute's own rule does.

Source: Networking API v2.0 reference, "Filtering and column selection", "Sorting", "Pagination", "Bulk operations".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.pieces import Pieces
from hanok.services.network.logic.errors import disallowed, not_found
from hanok.services.network.logic.reach import Reach, Where
from hanok.services.network.room import NetworkRoom
from hanok.services.network.schemas import attributes as attr
from hanok.services.network.schemas.attributes import Attribute
from hanok.services.network.tables import tags
from hanok.store import Transaction, still_there
from hanok.web.listing import tagged
from hanok.web.pages import Direction, limit_of, number_of, ordered
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.routes import Route

Show = Callable[[Transaction, Sequence[Row[Any]]], Awaitable[list[dict[str, Any]]]]
Filter = Callable[[list[str]], Where]
MOST_PAGE = 10_000
MOST_VALUES = 500  # of one filter
SHOWN_AT_ONCE = 25  # rows: each slice costs some statements, and takes about a millisecond

PAGING = frozenset(("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "verbose"))


class Kind(Struct, frozen=True, kw_only=True):
    """A resource.

    name, plural: as in bodies; path: as in addresses. columns: filters and sort keys by attribute. filters: others.
    target: what rules about a new resource look at beside its own attributes, from the database; NotFound when its
        parent is out of reach.
    """

    name: str
    plural: str
    path: str
    table: sa.FromClause
    attributes: Mapping[str, Attribute]
    columns: Mapping[str, sa.Column[Any]]
    visible: Callable[[Reach], Where]
    show: Show
    filters: Mapping[str, Filter] = {}
    create: Callable[[Transaction, NetworkRoom, Reach, dict[str, Any]], Awaitable[str]] | None = (
        None
    )
    update: (
        Callable[[Transaction, NetworkRoom, Reach, Row[Any], dict[str, Any]], Awaitable[None]]
        | None
    ) = None
    delete: Callable[[Transaction, NetworkRoom, Reach, Row[Any]], Awaitable[None]] | None = None
    target: (
        Callable[[Transaction, NetworkRoom, Reach, dict[str, Any]], Awaitable[dict[str, Any]]]
        | None
    ) = None
    more: Callable[[Transaction, NetworkRoom, Reach], Awaitable[list[dict[str, Any]]]] | None = None
    """What is not in the database yet, shown at the end of a list's last page."""
    before_change: Callable[[Transaction, NetworkRoom, Reach, str], Awaitable[None]] | None = None
    """Writes what `more` shows, if it is what this id names."""
    tagged: bool = True


def reach_of(request: Request) -> Reach:
    """How far the caller sees."""
    everything = request.may("context_is_admin") or request.may("service_api")
    return Reach(request.token.project_id, everything=everything)


# ---- rules ----


def target_of(view: Mapping[str, Any]) -> dict[str, Any]:
    """What rules look at: a resource as it is, and what belongs to it."""
    return {**view, **view.get("_target", {})}


class _Eyes:
    """What one caller may see of a kind: worked out once a request, as far as it is the same for all rows."""

    def __init__(self, request: Request, kind: Kind, fields: Sequence[str]) -> None:
        self._enforcer = request.enforcer
        self._credentials = request.token.credentials
        self._fields = fields
        self._rule = f"get_{kind.name}"
        self._settled: dict[str, bool] = {}
        self._hidden = {
            name: rule
            for name, rule in _hidden(request, kind).items()
            if self._always(rule) is not True
        }
        request.allowed_by_hand()

    def _always(self, rule: str) -> bool | None:
        """The answer of a rule that looks at nothing of a row; None for one that does."""
        if not self._enforcer.same_for_all(rule):
            return None
        if rule not in self._settled:
            self._settled[rule] = self._enforcer.allows(rule, {}, self._credentials)
        return self._settled[rule]

    def _may(self, rule: str, target: Mapping[str, Any]) -> bool:
        settled = self._settled.get(rule)
        if settled is not None:
            return settled
        return self._enforcer.allows(rule, target, self._credentials)

    def look(self, view: dict[str, Any], *, asked: bool = False) -> dict[str, Any] | None:
        """A resource as this caller may see it; None: not at all.

        Args:
            asked: whether somebody has asked already if they may see it at all.
        """
        target = self._enforcer.target(target_of(view))
        if not asked and self._always(self._rule) is not True and not self._may(self._rule, target):
            return None
        hidden, fields = self._hidden, self._fields
        return {
            name: value
            for name, value in view.items()
            if name != "_target"
            and (not fields or name in fields)
            and ((rule := hidden.get(name)) is None or self._may(rule, target))
        }


def seen(
    request: Request, kind: Kind, view: dict[str, Any], fields: Sequence[str]
) -> dict[str, Any]:
    """A resource that this caller may see, as they may see it."""
    found = _Eyes(request, kind, fields).look(view, asked=True)
    assert found is not None
    return found


def _hidden(request: Request, kind: Kind) -> dict[str, str]:
    """The attributes whose showing has a rule of its own."""
    knows = request.enforcer.knows
    return {
        name: rule
        for name in kind.attributes
        if name != "tags" and knows(rule := f"get_{kind.name}:{name}")
    }


def check_attributes(
    request: Request, action: str, values: Mapping[str, Any], target: Mapping[str, Any]
) -> None:
    """Hold what was sent against the rules of each attribute, and of their parts.

    Raises:
        Forbidden
    """
    knows = request.enforcer.knows
    for name, value in values.items():
        rule = f"{action}:{name}"
        if knows(rule) and not request.may(rule, target):
            raise disallowed(f"{action} and rule:{rule}")
        parts = value if isinstance(value, list) else [value]
        for part in {key for one in parts if isinstance(one, dict) for key in one}:
            inner = f"{rule}:{part}"
            if knows(inner) and not request.may(inner, target):
                raise disallowed(f"{action} and rule:{inner}")


# ---- looking ----


async def find(
    request: Request, tx: Transaction, kind: Kind, reach: Reach, wanted: str
) -> tuple[Row[Any], dict[str, Any]]:
    """A row the caller may look at, and how it is shown.

    Raises:
        NotFound
    """
    row = await tx.first(
        sa.select(kind.table).where(kind.table.c.id == wanted, kind.visible(reach))
    )
    if row is None:
        raise not_found(kind.name, wanted)
    view = (await kind.show(tx, [row]))[0]
    if not request.may(f"get_{kind.name}", target_of(view)):
        raise not_found(kind.name, wanted)
    return row, view


def _fields(request: Request) -> list[str]:
    return [name for one in request.query_all("fields") for name in one.split(",") if name]


async def show_one(request: Request, room: NetworkRoom, kind: Kind) -> Response:
    async with request.reading() as tx:
        reach = reach_of(request)
        wanted = request.path[f"{kind.name}_id"]
        try:
            _, view = await find(request, tx, kind, reach, wanted)
        except NotFound:
            extra = await kind.more(tx, room, reach) if kind.more else []
            match = [one for one in extra if one["id"] == wanted]
            if not match:
                raise
            view = match[0]
    return json_answer({kind.name: seen(request, kind, view, _fields(request))})


def _where(request: Request, kind: Kind) -> list[Where]:
    """The conditions that a query's filters make.

    Raises:
        BadInput: there is no such filter, or a value does not fit.
    """
    wanted: dict[str, list[str]] = {}
    for name, value in request.pairs:
        if name not in PAGING:
            wanted.setdefault("project_id" if name == "tenant_id" else name, []).append(value)
    found = []
    odd = []
    for name, values in wanted.items():
        if len(values) > MOST_VALUES:
            raise BadInput(f"At most {MOST_VALUES} values of a filter")
        if name in kind.filters:
            found.append(kind.filters[name](values))
        elif name in kind.columns:
            found.append(_equal(kind, name, values))
        elif kind.tagged and name in ("tags", "tags-any", "not-tags", "not-tags-any"):
            found.append(_tagged(kind.columns["id"], name, values))
        else:
            odd.append(name)
    if odd:
        raise _no_filter(odd)
    return found


def _no_filter(odd: Sequence[str]) -> BadInput:
    return BadInput(f"{[one[:100] for one in sorted(odd)]} is invalid attribute for filtering")


def known_filters(request: Request, names: Sequence[str]) -> dict[str, str]:
    """The filters of a list that no table holds.

    Raises:
        BadInput: there is no such filter.
    """
    found: dict[str, str] = {}
    for name, value in request.pairs:
        if name not in PAGING:
            found[name] = value
    if odd := [name for name in found if name not in names]:
        raise _no_filter(odd)
    return found


def _equal(kind: Kind, name: str, values: list[str]) -> Where:
    column = kind.columns[name]
    converted: list[Any] = list(values)
    if isinstance(column.type, sa.Boolean):
        converted = [attr.checked(name, attr.truth, value) for value in values]
    elif isinstance(column.type, sa.Integer):
        converted = [attr.checked(name, attr.whole(-(2**31), 2**31 - 1), value) for value in values]
    if name == "mac_address":
        converted = [value.lower() for value in values]
    if column.nullable and "" in converted:
        return sa.or_(column.in_(converted), column.is_(None))
    return column.in_(converted)


def _tagged(column: sa.Column[Any], name: str, values: list[str]) -> Where:
    negative, together = name.startswith("not-"), not name.endswith("-any")
    owner, tag = tags.c.resource_id, tags.c.tag
    return tagged(column, owner, tag, values, negative=negative, together=together)


async def list_all(request: Request, room: NetworkRoom, kind: Kind) -> Response:
    reach = reach_of(request)
    conditions = _where(request, kind)
    statement = sa.select(kind.table).where(kind.visible(reach), *conditions)
    limit = limit_of(request.query.get("limit"))
    limit = limit and min(limit, MOST_PAGE)
    backwards = request.query.get("page_reverse", "").lower() in ("true", "1")
    keys = _order(request, kind, backwards)
    fields = _fields(request)
    async with request.reading() as tx:
        after = None
        marker = request.query.get("marker")
        if marker:
            found = await tx.first(
                sa.select(kind.table).where(kind.table.c.id == marker, kind.visible(reach))
            )
            if found is None:
                raise BadInput(f"Invalid marker: {marker[:100]}")
            after = dict(found._mapping)
        # One more than is shown tells whether there is another page.
        more = limit + 1 if limit else None
        rows = list(await tx.all(ordered(statement, keys, after=after, limit=more)))
        further = bool(limit) and len(rows) > (limit or 0)
        rows = rows[:limit] if limit else rows
        if backwards:
            rows.reverse()
        pieces = tx.pieces = Pieces()
        eyes = _Eyes(request, kind, fields)
        shown: list[dict[str, Any]] = []
        async for part in pieces.slices(rows, SHOWN_AT_ONCE):
            async for view in pieces.each(await kind.show(tx, part)):
                if (one := eyes.look(view)) is not None:
                    shown.append(one)
        if kind.more and not marker and not further and not backwards:
            extra = await kind.more(tx, room, reach)
            looked = [eyes.look(one) for one in extra if _matches(request, kind, one)]
            shown += [one for one in looked if one is not None]
    answer: dict[str, Any] = {kind.plural: shown}
    if limit and rows:
        links = _links(request, rows, further, backwards, bool(marker))
        if links:
            answer[f"{kind.plural}_links"] = links
    return await list_answer(answer, kind.plural)


def _matches(request: Request, kind: Kind, view: Mapping[str, Any]) -> bool:
    """Whether something that is not in the database passes the filters, as far as it has what they ask for."""
    wanted: dict[str, list[str]] = {}
    for name, value in request.pairs:
        if name not in PAGING:
            wanted.setdefault(name, []).append(value)
    return all(
        name in view and str(view[name]).lower() in [one.lower() for one in values]
        for name, values in wanted.items()
    )


def _order(request: Request, kind: Kind, backwards: bool) -> list[tuple[sa.Column[Any], Direction]]:
    names, directions = request.query_all("sort_key"), request.query_all("sort_dir")
    if directions and len(names) != len(directions):
        raise BadInput("The number of sort_keys and sort_dirs must be same")
    keys: list[tuple[sa.Column[Any], Direction]] = []
    for name, direction in zip(names, directions or ["asc"] * len(names), strict=True):
        column = kind.columns.get("project_id" if name == "tenant_id" else name)
        if column is None:
            raise BadInput(f"['{name[:100]}'] is invalid attribute for sort_keys")
        if direction not in ("asc", "desc"):
            raise BadInput("The sort direction must be 'asc' or 'desc'")
        keys.append((column, "desc" if direction == "desc" else "asc"))
    if all(column.name != "id" for column, _ in keys):
        keys.append((kind.columns["id"], "asc"))
    if backwards:
        keys = [(column, "asc" if d == "desc" else "desc") for column, d in keys]
    return keys


def _links(
    request: Request, rows: Sequence[Row[Any]], further: bool, backwards: bool, marked: bool
) -> list[dict[str, str]]:
    def link(rel: str, marker: str, reverse: bool) -> dict[str, str]:
        kept = [(n, v) for n, v in request.pairs if n not in ("marker", "page_reverse")]
        query = urlencode(
            [*kept, ("marker", marker), *([("page_reverse", "True")] if reverse else [])]
        )
        return {"rel": rel, "href": f"{request.full_url}?{query}"}

    links = []
    if further or backwards:
        links.append(link("next", rows[-1].id, False))
    if (marked and not backwards) or (backwards and further):
        links.append(link("previous", rows[0].id, True))
    return links


# ---- changing ----


async def create_some(request: Request, room: NetworkRoom, kind: Kind) -> Response:
    """One resource, or a list of them: all or none."""
    assert kind.create is not None
    body = await request.json()
    wanted, sent, bulk = attr.new(body, kind.name, kind.plural, kind.attributes)
    reach = reach_of(request)
    action = f"create_{kind.name}"
    async with request.transaction() as tx:
        ids = []
        for values, explicit in zip(wanted, sent, strict=True):
            project = values.get("project_id")
            target = {
                **{k: v for k, v in values.items() if v is not attr.UNSET},
                "project_id": project if isinstance(project, str) else request.token.project_id,
            }
            target["tenant_id"] = target["project_id"]
            if kind.target is not None:
                target |= await kind.target(tx, room, reach, values)
            if not request.may(action, target):
                raise disallowed(action)
            check_attributes(
                request, action, {k: values[k] for k in values if k in explicit}, target
            )
            ids.append(await kind.create(tx, room, reach, values))
        rows = {
            row.id: row
            for row in await tx.all(sa.select(kind.table).where(kind.table.c.id.in_(ids)))
        }
        views = await kind.show(tx, [rows[one] for one in ids])
    shown = [seen(request, kind, view, ()) for view in views]
    return json_answer({kind.plural: shown} if bulk else {kind.name: shown[0]}, 201)


async def changeable(
    request: Request, tx: Transaction, kind: Kind, reach: Reach, action: str
) -> tuple[Row[Any], dict[str, Any]]:
    """The row of the path, if the caller may do this to it.

    Raises:
        NotFound; Forbidden: the caller may look at it, and no more.
    """
    row, view = await find(request, tx, kind, reach, request.path[f"{kind.name}_id"])
    if not request.may(action, target_of(view)):
        raise disallowed(action)
    return row, view


async def update_one(request: Request, room: NetworkRoom, kind: Kind) -> Response:
    assert kind.update is not None
    values = attr.changed(await request.json(), kind.name, kind.attributes)
    reach = reach_of(request)
    action = f"update_{kind.name}"
    async with request.transaction() as tx:
        if kind.before_change is not None:
            await kind.before_change(tx, room, reach, request.path[f"{kind.name}_id"])
        row, view = await changeable(request, tx, kind, reach, action)
        target = target_of(view)
        if "device_owner" in values:  # the rule is about the value that is to be set
            target["device_owner"] = values["device_owner"]
        check_attributes(request, action, values, target)
        _revision_fits(request, row)
        if values:
            await kind.update(tx, room, reach, row, values)
        after = still_there(await tx.first(sa.select(kind.table).where(kind.table.c.id == row.id)))
        view = (await kind.show(tx, [after]))[0]
    return json_answer({kind.name: seen(request, kind, view, ())})


def _revision_fits(request: Request, row: Row[Any]) -> None:
    """A client may say which revision it has looked at ("If-Match: revision_number=3")."""
    wanted = request.headers.get("if-match", "")
    name, _, number = wanted.partition("=")
    if name.strip() != "revision_number":
        return
    revision = number_of(number.strip())
    if revision is None:
        raise BadInput(f"Invalid If-Match header: {wanted[:100]}")
    if revision != row.revision_number:
        raise RevisionDiffers(
            f"Constrained to {revision}, but current revision is {row.revision_number}",
            code="RevisionNumberConstraintFailed",
        )


class RevisionDiffers(BadInput):
    status = 412


async def delete_one(request: Request, room: NetworkRoom, kind: Kind) -> Response:
    assert kind.delete is not None
    reach = reach_of(request)
    async with request.transaction() as tx:
        if kind.before_change is not None:
            await kind.before_change(tx, room, reach, request.path[f"{kind.name}_id"])
        row, _ = await changeable(request, tx, kind, reach, f"delete_{kind.name}")
        _revision_fits(request, row)
        await kind.delete(tx, room, reach, row)
    return no_content()


def routes(kind: Kind) -> list[Route]:
    """The doors of a kind."""

    async def index(request: Request, room: NetworkRoom) -> Response:
        return await list_all(request, room, kind)

    async def show(request: Request, room: NetworkRoom) -> Response:
        return await show_one(request, room, kind)

    async def create(request: Request, room: NetworkRoom) -> Response:
        return await create_some(request, room, kind)

    async def update(request: Request, room: NetworkRoom) -> Response:
        return await update_one(request, room, kind)

    async def delete(request: Request, room: NetworkRoom) -> Response:
        return await delete_one(request, room, kind)

    base = f"/v2.0/{kind.path}"
    one = f"{base}/{{{kind.name}_id}}"
    found = [
        Route(
            "GET",
            base,
            index,
            (f"get_{kind.name}",),
            query=(*sorted(PAGING), *kind.columns, *kind.filters),
        ),
        Route("GET", one, show, (f"get_{kind.name}",), query=("fields",)),
    ]
    if kind.create:
        found.append(
            Route(
                "POST",
                base,
                create,
                (f"create_{kind.name}",),
                strict=True,
                body=lambda: attr.schema(kind.attributes, "POST"),
                member=kind.name,
            )
        )
    if kind.update:
        found.append(
            Route(
                "PUT",
                one,
                update,
                (f"update_{kind.name}",),
                strict=True,
                body=lambda: attr.schema(kind.attributes, "PUT"),
                member=kind.name,
            )
        )
    if kind.delete:
        found.append(Route("DELETE", one, delete, (f"delete_{kind.name}",)))
    return found
