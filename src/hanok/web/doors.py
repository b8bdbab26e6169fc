"""The doors of resources: list, show, create, update, delete, made from a resource's declaration (`web/resources.py`).

Who may what is asked three times, as upstream does: whether the caller reaches the row (else 404), whether the rule of
the operation lets them (else 403, or 404 when they may not even look), and for each attribute that was sent or is to be
shown, whether that attribute's own rule does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.base.pieces import Pieces
from hanok.store import Transaction, kept, still_there
from hanok.web.attributes import UNSET, schema
from hanok.web.bodies import Made, is_bulk
from hanok.web.listing import Page
from hanok.web.request import Request, Written, json_answer, list_answer, no_content
from hanok.web.resources import Api, Kind, R, V, View
from hanok.web.routes import Route

SHOWN_AT_ONCE = 100  # rows: each slice costs some statements, and takes about a millisecond
T = TypeVar("T")

# ---- rules ----


def target_of(view: View) -> View:
    """What rules look at: a resource as it is, and what belongs to it."""
    return {**view, **view.get("_target", {})}


_NOT_THERE: Any = object()
_NOTHING: View = {}


class _Eyes:
    """What one caller may see of a kind.

    Rules look at a few attributes of a row, as whose project it is, and most rows of a list are alike in these: what is
    taken away is worked out once for all that are.
    """

    def __init__(
        self,
        request: Request,
        kind: Kind[Any, Any],
        fields: Sequence[str] = (),
        *,
        allowed: bool = False,
    ) -> None:
        """
        Args:
            fields: only these are shown; empty: all. allowed: whether it was checked already that they may see it at
                all.
        """
        self._enforcer, self._credentials = request.enforcer, request.token.credentials
        self._fields = frozenset(fields)
        self._whole = () if allowed else (kind.rule("get"),)
        knows, version = request.enforcer.knows, request.microversion
        self._hidden = {name: rule for name, rule in kind.shown_by.items() if knows(rule)}
        self._never = (
            "_target",
            *(name for name, one in kind.versioned.items() if not one.holds(version)),
        )
        self._looks_at = self._looked_at()
        self._gone: dict[tuple[Any, ...], tuple[str, ...] | None] = {}
        request.allowed_by_hand()

    def _looked_at(self) -> tuple[str, ...] | None:
        """What the rules look at of a row; None: they have to be asked for each."""
        names: set[str] = set()
        for rule in (*self._whole, *self._hidden.values()):
            looked = self._enforcer.looks_at(rule)
            if looked is None:
                return None
            names |= looked
        return tuple(names)

    def _decided(self, target: View) -> tuple[str, ...] | None:
        """The attributes that are taken away from a resource; None: all of it."""
        known = self._enforcer.target(target)

        def may(rule: str) -> bool:
            return self._enforcer.allows(rule, known, self._credentials)

        if not all(map(may, self._whole)):
            return None
        return (*self._never, *(name for name, rule in self._hidden.items() if not may(rule)))

    def _taken(self, view: View) -> tuple[str, ...] | None:
        """What `_decided` says of a resource, worked out once for all that are alike to the rules."""
        if self._looks_at is None:
            return self._decided(target_of(view))
        beside = view.get("_target", _NOTHING)
        key = tuple(
            [
                beside[name] if name in beside else view.get(name, _NOT_THERE)
                for name in self._looks_at
            ]
        )
        try:
            return self._gone[key]
        except KeyError:
            found = self._gone[key] = self._decided(target_of(view))
            return found
        except TypeError:  # it looks at a list or an object, as an operator's may
            return self._decided(target_of(view))

    @property
    def closed(self) -> bool:
        """Whether this caller sees nothing of the kind: then a link to a next page would tell what is there."""
        may_not = self._enforcer.never_allows
        return any(may_not(rule, self._credentials) for rule in self._whole)

    def look(self, view: View) -> View | None:
        """A resource as this caller may see it; None: not at all."""
        taken = self._taken(view)
        if taken is None:
            return None
        # Most of it is shown: it costs less to copy all and to take away what is not.
        found = view.copy()
        for name in taken:
            found.pop(name, None)
        if self._fields:
            return {name: value for name, value in found.items() if name in self._fields}
        return found

    def looked(self, views: Iterable[View]) -> list[View]:
        """Those of some resources that this caller may see, as they may see them."""
        return [one for one in map(self.look, views) if one is not None]


def view_for(
    request: Request, kind: Kind[Any, Any], view: View, fields: Sequence[str] = ()
) -> dict[str, Any]:
    """A resource that this caller may see, as they may see it. fields: only these; empty: all."""
    found = _Eyes(request, kind, fields, allowed=True).look(view)
    assert found is not None
    return found


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
    row = await tx.first(above.findable(reach).where(above.table.c.id == requested))
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
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V, *, listed: bool = False
) -> sa.Select[Any]:
    """The rows that the caller reaches, of the path's parent where there is one.

    Args:
        listed: whether they are to be listed; otherwise one of them is looked for.

    Raises:
        NotFound; Forbidden: the parent is shown to everybody as there, and what is in it is not for this caller.
    """
    parent = await _parent_of(request, tx, kind, reach)
    within = kind.within(reach) if listed else kind.findable(reach)
    if parent is None or kind.parent is None:
        return within
    rule = kind.rule("list")
    if listed and not kind.api.hides and not request.may(rule, project_id=parent.project_id):
        raise kind.api.disallowed((rule,))
    return within.where(kind.parent.column == parent.id)


async def find(
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V, requested: str
) -> tuple[Row[Any], View]:
    """A row the caller may look at, and how it is shown.

    Raises:
        NotFound; Forbidden, where the API does not hide what is out of reach.
    """
    row, view = await reached(request, tx, kind, reach, requested)
    _check_visible(request, kind, view, kind.rule("get"))
    return row, view


async def reached(
    request: Request, tx: Transaction, kind: Kind[Any, V], reach: V, requested: str
) -> tuple[Row[Any], View]:
    """A row within the caller's reach, whatever the rules let them do to it.

    Raises:
        NotFound
    """
    within = await _within(request, tx, kind, reach)
    row = await tx.first(kept.held(within, kept.named(kind.table.c.id)), {"named": requested})
    if row is None:
        request.allowed_by_hand()
        raise kind.api.not_found(kind.name, requested)
    return row, (await kind.views(tx, reach, [row]))[0]


def _check_visible(request: Request, kind: Kind[Any, Any], view: View, action: str) -> None:
    """
    Raises:
        NotFound: the caller may not look. Forbidden, naming the action, where the API does not hide that it is there.
    """
    if not request.may(kind.rule("get"), target_of(view)):
        if not kind.api.hides:
            raise kind.api.disallowed((action,))
        raise kind.api.not_found(kind.name, view["id"])


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
) -> Written:
    """What the caller may see of a page, in slices that let others in."""
    tx.pieces = pieces = Pieces()
    written = Written()
    async for part in pieces.slices(page.rows, SHOWN_AT_ONCE):
        views = await kind.views(tx, reach, part)
        if pieces.enough:
            await pieces.rest()
        written.add(eyes.looked(views))
    if kind.more and page.whole:
        requested = kind.api.style.filters(request)
        more = await kind.more(tx, room, reach, requested)
        written.add(eyes.looked([one for one in more if _fits(requested, one)]))
    return written


def _check_list(request: Request, kind: Kind[Any, Any]) -> None:
    """Raises Forbidden where lists have a rule of their own, and it says no."""
    rule = kind.rule("list")
    if kind.parent is not None and not kind.api.hides:
        return  # it depends on the parent
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
    """All of them, or none. Of several, others get their turn between one and the next."""
    reach = kind.api.reach(request)
    pieces = Pieces() if len(requested) > 1 else None
    async with request.transaction() as tx:
        tx.pieces = pieces
        ids = [
            await _make_one(request, tx, room, kind, reach, one)
            async for one in _each(pieces, requested)
        ]
        mine = sa.select(kind.table).where(kind.table.c.id.in_(ids))
        rows = {row.id: row for row in await tx.all(mine)}
        views: list[View] = []
        for start in range(0, len(ids), SHOWN_AT_ONCE):
            part = ids[start : start + SHOWN_AT_ONCE]
            views += await kind.views(tx, reach, [rows[one] for one in part])
        for one, view in zip(ids, views, strict=True):
            request.made(one, told(kind, view))
    return [view_for(request, kind, view) async for view in _each(pieces, views)]


async def _each(pieces: Pieces | None, items: Sequence[T]) -> AsyncIterator[T]:
    """Each of the items; with rests between them where the work is in pieces."""
    if pieces is None:
        for item in items:
            yield item
        return
    async for item in pieces.each(items):
        yield item


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
    requested = {name: value for name, value in values.items() if name in made.explicit}
    check_attributes(request, api, action, requested, target)
    return await kind.create(tx, room, reach, values)


async def changeable(
    request: Request,
    tx: Transaction,
    kind: Kind[Any, V],
    reach: V,
    action: str,
    *,
    parameter: str = "",
) -> tuple[Row[Any], View]:
    """The row of the path, if the caller may do this to it.

    Args:
        action: the name of a rule. parameter: of the path, where it is not the kind's own.

    Whoever the action's own rule lets needs no other: an operator may open one without the rule of looking.

    Raises:
        NotFound: the caller may not even look at it. Forbidden: they may look at it, and no more.
    """
    requested = request.path[parameter or kind.parameter]
    row, view = await reached(request, tx, kind, reach, requested)
    if not request.may(action, target_of(view)):
        _check_visible(request, kind, view, action)
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
    return view_for(request, kind, view)


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


def _hold_hidden(request: Request, kind: Kind[Any, Any]) -> None:
    """Refuse to find rows, or sort them, by what the rules do not show: answers would tell it, guess by guess.

    Raises:
        Forbidden: it is hidden even of what is the caller's own.
    """
    listing, own = kind.listing, request.token.project_id
    sent = {*listing.style.filters(request), *listing.style.sorting(request, "asc")[0]}
    target = {"project_id": own, "tenant_id": own}
    for name in sorted(sent):
        rule = kind.shown_by.get(listing.also.get(name, name), "")
        if request.enforcer.knows(rule) and not request.may(rule, target):
            raise kind.api.disallowed((rule.partition(":")[0], rule))


def _list_door(kind: Kind[Any, Any]) -> Route:
    api, listing, fields = kind.api, kind.listing, kind.api.fields

    async def index(request: Request, room: Any) -> Response:
        reach = api.reach(request)
        _check_list(request, kind)
        _hold_hidden(request, kind)
        names = _names(request.query_all(fields)) if fields else []
        bound = kind.bound(reach)
        async with request.reading() as tx:
            within = await _within(request, tx, kind, reach, listed=True)
            eyes = _Eyes(request, kind, names, allowed=kind.rule("list") != kind.rule("get"))
            if eyes.closed:
                within = kept.held(within, sa.false())
            page = await listing.page(request, tx, within, bound=bound)
            shown = await _listed(request, tx, room, kind, reach, page, eyes)
        return await list_answer(listing.answer(request, page, shown), kind.plural)

    return Route("GET", kind.base, index, kind.list_rules, query=kind.query)


def _show_door(kind: Kind[Any, Any]) -> Route:
    api, fields = kind.api, kind.api.fields

    async def show(request: Request, room: Any) -> Response:
        reach = api.reach(request)
        names = _names(request.query_all(fields)) if fields else []
        async with request.reading() as tx:
            requested = request.path[kind.parameter]
            view = await _found(request, tx, room, kind, reach, requested)
        return json_answer({kind.name: view_for(request, kind, view, names)})

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
