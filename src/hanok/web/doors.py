"""The doors of resources: list, show, create, update, delete, made from a resource's declaration (`web/resources.py`).

Who may what is asked three times, as upstream does: whether the caller reaches the row (else 404), whether the rule of
the operation lets them (else 403, or 404 when they may not even look), and for each attribute that was sent or is to be
shown, whether that attribute's own rule does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.base.pieces import Pieces
from hanok.store import Transaction, still_there
from hanok.web.attributes import UNSET, schema
from hanok.web.bodies import Made, is_bulk
from hanok.web.listing import Page
from hanok.web.request import Request, json_answer, list_answer, no_content
from hanok.web.resources import Api, Kind, R, V, View
from hanok.web.routes import Route

SHOWN_AT_ONCE = 50  # rows: each slice costs some statements, and takes about a millisecond

# ---- rules ----


def target_of(view: View) -> View:
    """What rules look at: a resource as it is, and what belongs to it."""
    return {**view, **view.get("_target", {})}


class _Eyes:
    """What one caller may see of a kind: worked out once a request, as far as it is the same for all rows."""

    def __init__(self, request: Request, kind: Kind[Any, Any], fields: Sequence[str] = ()) -> None:
        self._enforcer = request.enforcer
        self._credentials = request.token.credentials
        self._fields = fields
        self._rule = kind.rule("get")
        self._settled: dict[str, bool] = {}
        self._hidden = {
            name: rule
            for name, rule in _hidden(request, kind).items()
            if self._always(rule) is not True
        }
        version = request.microversion
        unknown = (name for name, one in kind.attributes.items() if not one.holds(version))
        self._never = {"_target", *unknown}
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

    def look(self, view: View, *, asked: bool = False) -> View | None:
        """A resource as this caller may see it; None: not at all.

        Args:
            asked: whether somebody has asked already if they may see it at all.
        """
        target = self._enforcer.target(target_of(view))
        if not asked and self._always(self._rule) is not True and not self._may(self._rule, target):
            return None
        # Most of it is shown: it costs less to copy all and to take away what is not.
        found = dict(view)
        for name in self._never:
            found.pop(name, None)
        for name, rule in self._hidden.items():
            if name in found and not self._may(rule, target):
                del found[name]
        if self._fields:
            return {name: value for name, value in found.items() if name in self._fields}
        return found


def seen(
    request: Request, kind: Kind[Any, Any], view: View, fields: Sequence[str] = ()
) -> dict[str, Any]:
    """A resource that this caller may see, as they may see it. fields: only these; empty: all."""
    found = _Eyes(request, kind, fields).look(view, asked=True)
    assert found is not None
    return found


def _hidden(request: Request, kind: Kind[Any, Any]) -> dict[str, str]:
    """The attributes whose showing has a rule of its own."""
    knows, get = request.enforcer.knows, kind.rule("get")
    return {
        name: rule
        for name in kind.attributes
        if name not in kind.api.doors and knows(rule := f"{get}:{name}")
    }


def check_attributes(
    request: Request,
    api: Api[Any],
    action: str,
    values: Mapping[str, Any],
    target: Mapping[str, Any],
) -> None:
    """Hold what was sent against the rules of each attribute, and of their parts.

    Raises:
        Forbidden
    """
    knows = request.enforcer.knows
    for name, value in values.items():
        rule = f"{action}:{name}"
        if knows(rule) and not request.may(rule, target):
            raise api.disallowed((action, rule))
        parts = value if isinstance(value, list) else [value]
        for part in {key for one in parts if isinstance(one, dict) for key in one}:
            inner = f"{rule}:{part}"
            if knows(inner) and not request.may(inner, target):
                raise api.disallowed((action, inner))


# ---- looking ----


async def _parent_of(
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V
) -> Row[Any] | None:
    """The row of the path that a kind's rows are parts of; None: they are parts of nothing.

    Raises:
        NotFound
    """
    if kind.parent is None:
        return None
    above = kind.parent.kind
    requested = request.path[above.parameter]
    row = await tx.first(above.within(reach).where(above.table.c.id == requested))
    if row is None:
        request.allowed_by_hand()
        raise above.api.not_found(above.name, requested)
    return row


async def _parent_to_add_to(request: Request, tx: Transaction, kind: Kind[Any, V], reach: V) -> str:
    """The id of the row of the path that something is to be a part of.

    Raises:
        NotFound; Forbidden: it is out of reach, and the caller adds nothing to their own either.
    """
    assert kind.parent is not None
    try:
        parent = await _parent_of(request, tx, kind, reach)
    except NotFound:
        action = kind.rule("create")
        if not request.may(action, {kind.parent.owner: request.token.project_id}):
            raise kind.api.disallowed((action,)) from None
        raise
    assert parent is not None
    return str(parent.id)


async def _within(
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V
) -> sa.Select[Any]:
    """The rows that the caller reaches, of the path's parent where there is one."""
    parent, within = await _parent_of(request, tx, kind, reach), kind.within(reach)
    if parent is None or kind.parent is None:
        return within
    return within.where(kind.parent.column == parent.id)


async def find(
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V, requested: str
) -> tuple[Row[Any], View]:
    """A row the caller may look at, and how it is shown.

    Raises:
        NotFound
    """
    within = await _within(request, tx, kind, reach)
    row = await tx.first(within.where(kind.table.c.id == requested))
    if row is None:
        request.allowed_by_hand()
        raise kind.api.not_found(kind.name, requested)
    view = (await kind.views(tx, reach, [row]))[0]
    if not request.may(kind.rule("get"), target_of(view)):
        raise kind.api.not_found(kind.name, requested)
    return row, view


async def _found(
    request: Request, tx: Transaction, room: R, kind: Kind[R, V], reach: V, requested: str
) -> View:
    """How a resource is shown that may not be in the database yet."""
    try:
        return (await find(request, tx, kind, reach, requested))[1]
    except NotFound:
        extra = await kind.more(tx, room, reach, {}) if kind.more else []
        match = [one for one in extra if one["id"] == requested]
        if not match:
            raise
        return match[0]


async def _listed(
    request: Request, tx: Transaction, room: R, kind: Kind[R, V], reach: V, page: Page, eyes: _Eyes
) -> list[dict[str, Any]]:
    """What the caller may see of a page, in slices that let others in."""
    pieces, asked = Pieces(), kind.rule("list") != kind.rule("get")
    tx.pieces = pieces
    shown: list[dict[str, Any]] = []
    async for part in pieces.slices(page.rows, SHOWN_AT_ONCE):
        async for view in pieces.each(await kind.views(tx, reach, part)):
            if (one := eyes.look(view, asked=asked)) is not None:
                shown.append(one)
    if kind.more and page.whole:
        requested = kind.api.style.filters(request)
        looked = [
            eyes.look(one, asked=asked)
            for one in await kind.more(tx, room, reach, requested)
            if _fits(requested, one)
        ]
        shown += [one for one in looked if one is not None]
    return shown


def _check_list(request: Request, kind: Kind[Any, Any]) -> None:
    """Raises Forbidden where lists have a rule of their own, and it says no."""
    rule = kind.rule("list")
    if rule != kind.rule("get") and not request.may(rule, project_id=request.token.project_id):
        raise kind.api.disallowed((rule,))


def _fits(requested: Mapping[str, list[str]], view: View) -> bool:
    """Whether something that is not in the database passes the filters, as far as it has what they ask for."""
    return all(
        name in view and str(view[name]).lower() in [one.lower() for one in values]
        for name, values in requested.items()
    )


def _names(values: Sequence[str]) -> list[str]:
    return [name for one in values for name in one.split(",") if name]


# ---- changing ----


async def _make(
    request: Request, room: R, kind: Kind[R, V], requested: Sequence[Made]
) -> list[dict[str, Any]]:
    """All of them, or none."""
    reach = kind.api.reach(request)
    async with request.transaction() as tx:
        ids = [await _make_one(request, tx, room, kind, reach, one) for one in requested]
        mine = sa.select(kind.table).where(kind.table.c.id.in_(ids))
        rows = {row.id: row for row in await tx.all(mine)}
        views = await kind.views(tx, reach, [rows[one] for one in ids])
        for one, view in zip(ids, views, strict=True):
            request.made(one, told(kind, view))
    return [seen(request, kind, view) for view in views]


async def _make_one(
    request: Request, tx: Transaction, room: R, kind: Kind[R, V], reach: V, made: Made
) -> str:
    assert kind.create is not None
    api, action, values = kind.api, kind.rule("create"), made.values
    target = {name: value for name, value in values.items() if value is not UNSET}
    project = values.get("project_id")
    target["project_id"] = project if isinstance(project, str) else request.token.project_id
    target |= {older: target[name] for older, name in api.bodies.also.items() if name in target}
    if kind.parent is not None:
        values[kind.parent.kind.parameter] = await _parent_to_add_to(request, tx, kind, reach)
    if kind.target is not None:
        target |= await kind.target(tx, room, reach, values)
    if not request.may(action, target):
        raise api.disallowed((action,))
    asked = {name: value for name, value in values.items() if name in made.asked}
    check_attributes(request, api, action, asked, target)
    return await kind.create(tx, room, reach, values)


async def changeable(
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V, action: str
) -> tuple[Row[Any], View]:
    """The row of the path, if the caller may do this to it. action: the name of a rule.

    Raises:
        NotFound; Forbidden: the caller may look at it, and no more.
    """
    row, view = await find(request, tx, kind, reach, request.path[kind.parameter])
    if not request.may(action, target_of(view)):
        if kind.pretends and action == kind.rule("update"):
            raise kind.api.not_found(kind.name, row.id)
        raise kind.api.disallowed((action,))
    return row, view


async def _change(
    request: Request, room: R, kind: Kind[R, V], values: dict[str, Any]
) -> dict[str, Any]:
    assert kind.update is not None
    api, action = kind.api, kind.rule("update")
    reach = api.reach(request)
    async with request.transaction() as tx:
        if kind.before_change is not None:
            await kind.before_change(tx, room, reach, request.path[kind.parameter])
        row, view = await changeable(request, tx, kind, reach, action)
        target = target_of(view) | {k: v for k, v in values.items() if k in kind.by_new}
        check_attributes(request, api, action, values, target)
        api.fits(request, row)
        if values:
            await kind.update(tx, room, reach, row, values)
        mine = sa.select(kind.table).where(kind.table.c.id == row.id)
        view = (await kind.views(tx, reach, [still_there(await tx.first(mine))]))[0]
        request.made(row.id, told(kind, view))
    return seen(request, kind, view)


async def _remove(request: Request, room: R, kind: Kind[R, V]) -> None:
    assert kind.delete is not None
    reach = kind.api.reach(request)
    async with request.transaction() as tx:
        if kind.before_change is not None:
            await kind.before_change(tx, room, reach, request.path[kind.parameter])
        row, view = await changeable(request, tx, kind, reach, kind.rule("delete"))
        kind.api.fits(request, row)
        await kind.delete(tx, room, reach, row)
        request.made(row.id, {f"{kind.name}_id": row.id, **told(kind, view)})


def told(kind: Kind[Any, Any], view: View) -> dict[str, Any]:
    """A resource as its events tell of it: all that it has, whoever asks."""
    return {kind.name: {name: value for name, value in view.items() if name != "_target"}}


def _event(kind: Kind[Any, Any], verb: str) -> str:
    return f"{kind.api.service}.{kind.name}.{verb}.end" if kind.api.service else ""


# ---- the doors ----


def routes(kind: Kind[Any, Any]) -> list[Route]:
    """The doors of a kind: those for which it has decisions."""
    found = [_list_door(kind), _show_door(kind)]
    if kind.create is not None:
        found.append(_create_door(kind))
    if kind.update is not None:
        found.append(_update_door(kind))
    if kind.delete is not None:
        found.append(_delete_door(kind))
    return found


def _one(kind: Kind[Any, Any]) -> str:
    return f"{kind.base}/{{{kind.parameter}}}"


def _list_door(kind: Kind[Any, Any]) -> Route:
    api, listing, fields = kind.api, kind.listing, kind.api.fields

    async def index(request: Request, room: Any) -> Response:
        reach = api.reach(request)
        _check_list(request, kind)
        names = _names(request.query_all(fields)) if fields else []
        bound = kind.bound(reach)
        async with request.reading() as tx:
            within = await _within(request, tx, kind, reach)
            page = await listing.page(request, tx, within, bound=bound)
            eyes = _Eyes(request, kind, names)
            shown = await _listed(request, tx, room, kind, reach, page, eyes)
        return await list_answer(listing.answer(request, page, shown), kind.plural)

    return Route("GET", kind.base, index, (kind.rule("list"),), query=kind.query)


def _show_door(kind: Kind[Any, Any]) -> Route:
    api, fields = kind.api, kind.api.fields

    async def show(request: Request, room: Any) -> Response:
        reach = api.reach(request)
        names = _names(request.query_all(fields)) if fields else []
        async with request.reading() as tx:
            requested = request.path[kind.parameter]
            view = await _found(request, tx, room, kind, reach, requested)
        return json_answer({kind.name: seen(request, kind, view, names)})

    query = (fields,) if fields else ()
    return Route("GET", _one(kind), show, (kind.rule("get"),), query=query)


def _create_door(kind: Kind[Any, Any]) -> Route:
    api, name, plural = kind.api, kind.name, kind.plural

    async def create(request: Request, room: Any) -> Response:
        body, version = await request.json(), request.microversion
        if api.bulk and is_bulk(body, name, plural):
            many = api.bodies.made_many(body, name, plural, kind.attributes, version)
            return json_answer({plural: await _make(request, room, kind, many)}, kind.made)
        one = api.bodies.made(body, name, kind.attributes, version)
        return json_answer({name: (await _make(request, room, kind, [one]))[0]}, kind.made)

    return Route(
        "POST",
        kind.base,
        create,
        (kind.rule("create"),),
        strict=True,
        body=lambda: schema(kind.attributes, "POST"),
        member=name,
        event=_event(kind, "create"),
    )


def _update_door(kind: Kind[Any, Any]) -> Route:
    async def update(request: Request, room: Any) -> Response:
        body, version = await request.json(), request.microversion
        values = kind.api.bodies.changed(body, kind.name, kind.attributes, version)
        values = values or dict(kind.unsaid)
        return json_answer({kind.name: await _change(request, room, kind, values)})

    return Route(
        kind.api.change,
        _one(kind),
        update,
        (kind.rule("update"),),
        strict=True,
        body=lambda: schema(kind.attributes, "PUT"),
        member=kind.name,
        event=_event(kind, "update"),
    )


def _delete_door(kind: Kind[Any, Any]) -> Route:
    async def delete(request: Request, room: Any) -> Response:
        await _remove(request, room, kind)
        return no_content(kind.gone)

    return Route("DELETE", _one(kind), delete, (kind.rule("delete"),), event=_event(kind, "delete"))
