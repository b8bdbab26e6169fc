"""Resources as declarations: from one, the doors of a resource are made, so that all of an API answer alike.

A resource is a `Kind`: its table, its attributes, its decisions. What its API has in common (how it reads and what it
says, how it cuts lists, whose rows a caller reaches) is an `Api`. `web/doors.py` makes the doors (`routes(kind)`). What
is odd about a resource is a handler of its own beside them, made of `find`, `changeable` and `view_for` there.

Source: API working group, "Pagination, Filtering, and Sorting"; the services' API references.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row

from hanok.base.errors import Forbidden, HanokError, NotFound
from hanok.store import Transaction, kept
from hanok.web.attributes import Attribute, truth, whole
from hanok.web.bodies import Bodies
from hanok.web.listing import Filter, Listing, PageStyle, SortKey, Where
from hanok.web.microversions import Version
from hanok.web.pages import may_be_null
from hanok.web.request import Request
from hanok.web.token import Caller
from hanok.web.versions import Parameter, Query

R = TypeVar("R")  # the room of a service
V = TypeVar("V")  # how far a caller sees
CALLERS = 32  # whose statements of a kind are kept: those who ask again and again
View = dict[str, Any]
"""A resource as it is shown. Under "_target", what rules look at and nobody is shown."""


def _not_found(name: str, requested: str) -> HanokError:
    return NotFound(f"{name.replace('_', ' ').capitalize()} {requested[:255]} could not be found.")


def _disallowed(rules: Sequence[str]) -> HanokError:
    return Forbidden(f"Policy doesn't allow {rules[-1]} to be performed.")


class Api(Struct, Generic[V], frozen=True, kw_only=True):
    """What the resources of one API have in common.

    base: what stands before each resource's path ("/v2.0"). reach: how far a caller sees.
    style: how lists are cut. bodies: how bodies are read.
    not_found: the error for the name of a kind and an id; the same where it is somebody else's.
    disallowed: the error for rules that say no, the operation's first.
    rule: the rule of "list", "get", "create", "update" or "delete" and the name of a kind. What is said of an attribute
        is said by the rule with ":" and the attribute's name behind. Where the rule of a list is that of one, each of
        the list is looked at by it; otherwise the list is asked about once.
    fields: the parameter of the query that names the attributes to show; empty: there is none.
    closed: the version from which lists refuse parameters that they do not know; None: they are passed over.
    change: the method of an update.
    fits: holds a change against what the client says that it has looked at ("If-Match").
    service: what the events of its resources begin with ("network"); empty: there are none.
    bulk: whether a POST may hold a list. doors: attributes whose rules are about doors of their own.
    hides: whether a row out of a caller's reach is not there for them; otherwise they are told that the rules say no,
        and only lists keep it from them.
    wide: the rule that opens the list of a kind, by its name, to what is other projects'; it is for `reach` to ask.
        Empty: there is none.
    """

    base: str
    reach: Callable[[Request], V]
    style: PageStyle
    not_found: Callable[[str, str], HanokError] = _not_found
    bodies: Bodies = Bodies()
    disallowed: Callable[[Sequence[str]], HanokError] = _disallowed
    rule: Callable[[str, str], str] = lambda verb, name: f"{verb}_{name}"
    fields: str = ""
    closed: Version | None = None
    change: str = "PUT"
    fits: Callable[[Request, Row[Any]], None] = lambda request, row: None
    service: str = ""
    bulk: bool = False
    doors: frozenset[str] = frozenset()
    hides: bool = True
    wide: Callable[[str], str] = lambda name: ""


class Parent(Struct, frozen=True):
    """What the rows of a kind are parts of, and whose path theirs begins with. column: names the parent in a row.

    Values of a new part have the parent's id under its parameter; rules of parts are named after both.
    owner: what they call the parent's project.
    """

    kind: Kind[Any, Any]
    column: sa.Column[Any]
    owner: str = "ext_parent:project_id"


class Kind(Struct, Generic[R, V], frozen=True, kw_only=True, dict=True):
    """A resource.

    name, plural: as in bodies; path: as in addresses. columns: filters and sort keys by attribute. filters: others.
    table: its rows; a statement may stand for one.
    visible: the rows that a caller reaches. show: rows as resources, in the same order.
    adapt: sets in views what differs from caller to caller. reaching: filters that depend on how far the caller sees.
    create: writes one and gives its id. update: takes the row and what was sent. Without one of these decisions there
        is no such door.
    unsaid: what an update says that names no attribute.
    target: what rules about a new resource look at beside its own attributes, from the database; NotFound when its
        parent is out of reach. by_new: attributes of which an update's rules see the value that is to be set.
    parent: what a row is a part of.
    first: the attribute that a list goes by. same: sort keys that are one value in all rows.
    made, gone: the statuses of a POST and a DELETE.
    more: what is not in the database yet, shown at the end of a list that is whole; it takes the list's filters.
    before_change: writes it, if it is what this id names.
    pretends: whether an update of what the caller may only look at is answered as if it were not there.
    """

    api: Api[V]
    name: str
    plural: str
    path: str
    table: sa.FromClause
    attributes: Mapping[str, Attribute]
    columns: Mapping[str, sa.Column[Any]]
    visible: Callable[[V], Where]
    show: Callable[[Transaction, Sequence[Row[Any]]], Awaitable[list[View]]]
    filters: Mapping[str, Filter] = {}
    adapt: Callable[[Transaction, V, Sequence[View]], Awaitable[None]] | None = None
    reaching: Mapping[str, Callable[[V, list[str]], Where]] = {}
    create: Callable[[Transaction, R, V, dict[str, Any]], Awaitable[str]] | None = None
    update: Callable[[Transaction, R, V, Row[Any], dict[str, Any]], Awaitable[None]] | None = None
    unsaid: Mapping[str, Any] = {}
    delete: Callable[[Transaction, R, V, Row[Any]], Awaitable[None]] | None = None
    target: Callable[[Transaction, R, V, dict[str, Any]], Awaitable[dict[str, Any]]] | None = None
    by_new: tuple[str, ...] = ()
    more: (
        Callable[[Transaction, R, V, Mapping[str, Sequence[str]]], Awaitable[list[View]]] | None
    ) = None
    before_change: Callable[[Transaction, R, V, str], Awaitable[None]] | None = None
    pretends: bool = False
    parent: Parent | None = None
    first: str = "id"
    same: tuple[str, ...] = ()
    made: int = 201
    gone: int = 204

    def rule(self, verb: str) -> str:
        above = f"{self.parent.kind.name}_" if self.parent is not None else ""
        return self.api.rule(verb, f"{above}{self.name}")

    @property
    def list_rules(self) -> tuple[str, ...]:
        """The rules that its list looks at."""
        wide = self.api.wide(self.name)
        return (self.rule("list"), wide) if wide else (self.rule("list"),)

    def findable(self, reach: V) -> sa.Select[Any]:
        """The rows of which a caller is told that they are there."""
        return self.within(reach) if self.api.hides else self._every

    @cached_property
    def _every(self) -> sa.Select[Any]:
        return sa.select(self.table)

    @property
    def base(self) -> str:
        """The path of its list."""
        if self.parent is None:
            return f"{self.api.base}/{self.path}"
        above = self.parent.kind
        return f"{above.base}/{{{above.parameter}}}/{self.path}"

    @property
    def parameter(self) -> str:
        """Of the path, for the id."""
        return f"{self.name}_id"

    @cached_property
    def listing(self) -> Listing:
        """Its list."""
        by_value = {
            name: matching(self.api.bodies, name, column) for name, column in self.columns.items()
        }
        return Listing(
            table=self.table,
            name=self.plural,
            style=self.api.style,
            marker=cast("sa.Column[Any]", self.table.c.id),
            unique=cast("sa.Column[Any]", self.table.c.id),
            first=(cast("sa.Column[Any]", self.table.c[self.first]), "asc"),
            filters={**by_value, **self.filters, **dict.fromkeys(self.reaching, _unbound)},
            sort={
                **{name: self._sort_key(name, column) for name, column in self.columns.items()},
                **{name: SortKey(None) for name in self.same},
            },
            also=self.api.bodies.also,
        )

    @cached_property
    def shown_by(self) -> dict[str, str]:
        """The names that rules about showing single attributes have, where there are such rules."""
        get, doors = self.rule("get"), self.api.doors
        return {name: f"{get}:{name}" for name in self.attributes if name not in doors}

    @cached_property
    def versioned(self) -> dict[str, Attribute]:
        """The attributes that not every version knows."""
        return {name: one for name, one in self.attributes.items() if not one.always}

    def bound(self, reach: V) -> dict[str, Filter]:
        """The filters of its list that depend on the caller, for this one."""
        return {name: partial(condition, reach) for name, condition in self.reaching.items()}

    async def views(self, tx: Transaction, reach: V, rows: Sequence[Row[Any]]) -> list[View]:
        """Rows as they are for a caller, in the same order."""
        found = await self.show(tx, rows)
        if self.adapt is not None and found:
            await self.adapt(tx, reach, found)
        return found

    def _sort_key(self, name: str, column: sa.Column[Any]) -> sa.Column[Any] | SortKey:
        attribute = self.attributes.get(name)
        if attribute is None or attribute.always:
            return column
        return SortKey(column, attribute.since, attribute.until)

    @property
    def query(self) -> tuple[str, ...] | Query:
        """The parameters of its list, with their versions where they have some."""
        names = self.listing.parameters
        if self.api.closed is None and all(one.always for one in self.attributes.values()):
            return names
        return Query(*map(self._parameter, names), closed=self.api.closed)

    def _parameter(self, name: str) -> Parameter:
        attribute = self.attributes.get(name)
        if attribute is None:
            return Parameter(name=name)
        return Parameter(name=name, since=attribute.since, until=attribute.until)

    def within(self, reach: V) -> sa.Select[Any]:
        """The rows that a caller reaches; the same statement for who asks again, so that its plan is found."""
        return self._within(reach)

    @cached_property
    def _within(self) -> Callable[[V], sa.Select[Any]]:
        return lru_cache(maxsize=CALLERS)(
            lambda reach: sa.select(self.table).where(self.visible(reach))
        )


def _unbound(values: list[str]) -> Where:
    """Stands for a filter that is made for each caller (`Kind.bound`)."""
    raise AssertionError("a filter without a caller")


def of_project(table: sa.Table) -> Callable[[Caller], Where]:
    """The rows that a caller reaches where there is no more to it: their project's, or those of all projects."""
    project = table.c.project_id

    def visible(caller: Caller) -> Where:
        return sa.true() if caller.everywhere else kept.equal(project, caller.project_id or "")

    return visible


def matching(
    bodies: Bodies,
    name: str,
    column: sa.ColumnElement[Any],
    spelled: Callable[[str], str] | None = None,
) -> Filter:
    """The column has one of the values, which are read as its type says; an empty one is NULL, too.

    Args:
        spelled: gives the one spelling that the column holds.
    """
    if isinstance(column.type, sa.Boolean):
        check: Callable[[Any], Any] | None = truth
    elif isinstance(column.type, sa.Integer):
        check = whole(-(2**31), 2**31 - 1)
    else:
        check = spelled

    def condition(values: list[str]) -> Where:
        requested: list[Any] = values
        if check is not None:
            requested = [bodies.checked(name, check, value) for value in values]
        if may_be_null(column) and "" in requested:
            return sa.or_(column.in_(requested), column.is_(None))
        return column.in_(requested)

    return condition
