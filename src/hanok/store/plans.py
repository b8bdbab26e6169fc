"""Statements as they are sent to a driver: worked out once, and kept.

SQLAlchemy keeps what it compiled, but finds it again by hashing all that a statement says, and makes several objects
of each execution. Here a statement that stays (most are constants of their module) is found by itself: its text, the
values that stand in it, and where those go that are sent with it. Rows are used as SQLAlchemy's own, with their
columns' conversions.

It leans on inner methods of SQLAlchemy that its own engine calls in the same way; the lock file pins the version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, RowMapping
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql import CompoundSelect, Executable, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.types import Float, Numeric
from sqlalchemy.util import LRUCache

REMEMBERED = 400  # statements that are found by themselves: those that are asked for often
KEPT = 1500  # compiled statements: more than the house has
LONG = 128  # values of a list: longer ones are rare, and cost more than a text for them

Process = Callable[[Any], Any]
Bound = tuple[str, list[Any]]
"""A text, and the values for its places."""


def _number(value: Any) -> Any:
    return None if value is None else float(value)


class _Values(tuple[Any, ...]):
    """A row, which is used as SQLAlchemy's are: a tuple whose values have the names of their columns.

    The toolkit's own look each name up when it is asked for, which costs as much as five of these do: half of what it
    took to show a row.
    """

    __slots__ = ()
    _columns: SimpleResultMetaData

    @property
    def _mapping(self) -> RowMapping:
        """The values by name and by column."""
        columns = self._columns
        return Row[Any](columns, None, columns._key_to_index, self)._mapping


@cache
def _place(index: int) -> Any:
    return property(itemgetter(index))


def _row_class(columns: SimpleResultMetaData) -> type[_Values]:
    names = {
        name: _place(index)
        for name, index in columns._key_to_index.items()
        if isinstance(name, str) and not hasattr(_Values, name)
    }
    return type("Row", (_Values,), {**names, "__slots__": (), "_columns": columns})


class Shape:
    """The names of a statement's columns, and what makes values of what a driver gives."""

    __slots__ = ("_new", "_processors")

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        columns = compiled._result_columns
        found = [
            # The type's own wants to know the server's type.
            _number
            if isinstance(one.type, Numeric | Float)
            else one.type._cached_result_processor(dialect, None)
            for one in columns
        ]
        self._processors: list[tuple[int, Process]] = [
            (place, process) for place, process in enumerate(found) if process is not None
        ]
        named = SimpleResultMetaData(
            [one.keyname for one in columns], extra=[tuple(one.objects) for one in columns]
        )
        self._new: Any = partial(tuple.__new__, _row_class(named))

    def row(self, values: Sequence[Any]) -> Row[Any]:
        if self._processors:
            values = list(values)
            for place, process in self._processors:
                values[place] = process(values[place])
        row: Row[Any] = self._new(values)
        return row

    def rows(self, raw: Iterable[Sequence[Any]]) -> list[Row[Any]]:
        """Rows of what a driver gives, worked on by columns: none of it is a call of Python's a value."""
        if not self._processors:
            return list(map(self._new, raw))
        columns: list[Iterable[Any]] = list(zip(*raw, strict=True))
        if not columns:
            return []
        for place, process in self._processors:
            columns[place] = map(process, columns[place])
        return list(map(self._new, zip(*columns, strict=True)))


class _Expanded:
    """A text for lists of certain lengths."""

    __slots__ = ("_runs", "text")

    def __init__(self, compiled: SQLCompiler, values: Mapping[str, Any]) -> None:
        state = compiled._process_parameters_for_postcompile(dict(values))
        assert state.positiontup is not None
        self.text: str = state.statement
        processors: Mapping[str, Any] = {**compiled._bind_processors, **state.processors}
        lists = {parts[0]: name for name, parts in state.parameter_expansion.items() if parts}
        # The values of a list have their places side by side. Each run: a name, whether its value is a list, and of
        # tuples, and what makes of each what the driver takes; None: it takes all as they are.
        self._runs: list[tuple[str, bool, bool, list[Process | None] | None]] = []
        place = 0
        while place < len(state.positiontup):
            first = state.positiontup[place]
            name = lists.get(first, first)
            parts = state.parameter_expansion[name] if first in lists else [first]
            found = [processors.get(part) for part in parts]
            of_tuples = first in lists and compiled.binds[name].type._is_tuple_type
            self._runs.append((name, first in lists, of_tuples, found if any(found) else None))
            place += len(parts)

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        values: list[Any] = []
        for name, is_list, of_tuples, processors in self._runs:
            some = given[name] if is_list else (given[name],)
            if of_tuples:
                some = chain.from_iterable(some)
            if processors is None:
                values.extend(some)
            else:
                for value, process in zip(some, processors, strict=True):
                    values.append(value if process is None else process(value))
        return values


class Plan:
    """One statement with parameters of certain names."""

    __slots__ = (
        "_compiled", "_expanded", "_is_whole", "_lists", "_own", "_places", "_sent", "_text", "_values", "shape",
    )  # fmt: skip

    def __init__(
        self,
        compiled: SQLCompiler,
        own: dict[str, Any],
        sent: list[tuple[str, str]],
        shape: Shape | None,
    ) -> None:
        """
        Args:
            own: the values that stand in the statement, by the name of their place. sent: parameters with the names of
                their places. shape: of its rows; None: it gives none.
        """
        self.shape = shape
        self._compiled = compiled
        self._own = own
        self._sent = sent
        self._text = compiled.string
        # Separators of texts and the like stand in the text itself, and are put there with the lists' places.
        self._is_whole = not (compiled.post_compile_params or compiled.literal_execute_params)
        binds = compiled.binds
        self._lists = [name for name in own if binds[name] in compiled.post_compile_params]
        self._expanded: dict[tuple[int, ...], _Expanded] = {}
        self._values: list[Any] = []
        self._places: list[tuple[int, str, Process | None]] = []
        if self._is_whole:
            self._settle(compiled._bind_processors)

    def _settle(self, processors: Mapping[str, Any]) -> None:
        """Make ready what is the same each time."""
        keys = {name: key for key, name in self._sent}
        for place, name in enumerate(self._compiled.positiontup or ()):
            process, value = processors.get(name), self._own[name]
            if name in keys:
                self._values.append(None)
                self._places.append((place, keys[name], process))
            else:
                self._values.append(value if process is None else process(value))

    def bound(self, parameters: Mapping[str, Any]) -> Bound:
        """What is sent, with these parameters."""
        if not self._is_whole:
            return self._with_lists(parameters)
        values = self._values.copy()
        for place, key, process in self._places:
            value = parameters[key]
            values[place] = value if process is None else process(value)
        return self._text, values

    def _with_lists(self, parameters: Mapping[str, Any]) -> Bound:
        """A list has a place for each value; the last is repeated, so that a few texts do for all lengths."""
        values = self._own.copy()
        for key, name in self._sent:
            values[name] = parameters[key]
        sizes = []
        for name in self._lists:
            values[name] = filled = _filled(values[name])
            sizes.append(len(filled))
        expanded = self._expanded.get(tuple(sizes))
        if expanded is None:
            expanded = _Expanded(self._compiled, values)
            if max(sizes, default=0) <= LONG:
                self._expanded[tuple(sizes)] = expanded
        return expanded.text, expanded.values(values)


def _filled(values: Iterable[Any]) -> list[Any]:
    """A list whose length is none or a power of two, unless it is long."""
    filled = list(values)
    count = len(filled)
    if 0 < count <= LONG:
        filled += filled[-1:] * ((1 << (count - 1).bit_length()) - count)
    return filled


@lru_cache(maxsize=1000)
def _is_completed(table: Any) -> bool:
    """Whether a new row gets values that are made of its others."""
    return any(column.default is not None and column.default.is_callable for column in table.c)


class Plans:
    """The plans of one dialect. made: how many there were; those that are known are not made again."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.made = 0
        self._compiled: Any = LRUCache(KEPT)
        self._shapes: Any = LRUCache(KEPT)
        # By the statement's number in memory, with the statement: as long as it is here, no other has that number.
        self._plans: Any = LRUCache(REMEMBERED)

    @staticmethod
    def takes(statement: Executable) -> bool:
        """Whether there are plans for statements of this kind; not for plain text and rows that are completed."""
        if isinstance(statement, Insert):
            return not _is_completed(statement.table)
        return isinstance(statement, Select | CompoundSelect | UpdateBase)

    def of(self, statement: Any, parameters: Mapping[str, Any]) -> Plan:
        """The plan of a statement that has these parameters."""
        known = self._plans.get(id(statement))
        if known is None:
            known = self._plans[id(statement)] = (statement, {})
        plans: dict[tuple[str, ...], Plan] = known[1]
        keys = tuple(parameters)
        plan = plans.get(keys)
        if plan is None:
            plan = plans[keys] = self._made(statement, keys)
        return plan

    def _made(self, statement: Any, keys: tuple[str, ...]) -> Plan:
        self.made += 1
        compiled, extracted, named, _ = statement._compile_w_cache(
            self.dialect, compiled_cache=self._compiled, column_keys=sorted(keys)
        )
        own = compiled.construct_params(
            dict.fromkeys(keys),
            extracted_parameters=extracted,
            escape_names=False,
            _collected_params=named,
        )
        for column in compiled.insert_prefetch:
            own[column.key] = column.default.arg
        names = compiled.bind_names.items()
        sent = [(key, name) for bind, name in names for key in {bind.key, name} if key in keys]
        return Plan(compiled, own, sent, self._shape(compiled))

    def _shape(self, compiled: SQLCompiler) -> Shape | None:
        if not compiled._result_columns:
            return None
        shape: Shape | None = self._shapes.get(compiled)
        if shape is None:
            shape = self._shapes[compiled] = Shape(compiled, self.dialect)
        return shape
