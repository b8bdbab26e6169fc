"""The metadata all tables register with, and the column types they share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Dialect, Index, MetaData, Text, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_WHERE = "where"


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows of which a condition holds.

    PostgreSQL's option is named only where an index is made there (`_create_index`): SQLAlchemy loads a dialect with
    the first of its options, and this one costs a process 0.04 s and 3 MB.
    """
    return Index(name, *columns, unique=unique, sqlite_where=text(where), info={_WHERE: where})


def name_conditions(of: MetaData) -> None:
    """Tell PostgreSQL, too, which rows the partial indexes of these tables are for."""
    for table in of.tables.values():
        for index in table.indexes:
            _name_condition(index)


def _name_condition(index: Index) -> None:
    if _WHERE in index.info:
        index.dialect_options["postgresql"][_WHERE] = text(index.info[_WHERE])


@compiles(CreateIndex, "postgresql")
def _create_index(made: CreateIndex, compiler: Any, **options: Any) -> str:
    """However an index is made: all tables at once, one alone, or statement by statement."""
    _name_condition(made.element)
    return str(compiler.visit_create_index(made, **options))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time, kept as whole microseconds since 1970: the same order and size on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[int | None], datetime | None]:
        """In place of `process_result_value`: each value of each row costs one call and not two."""
        return moment


@lru_cache(maxsize=4096)  # those of rows that are read again and again
def moment(value: int | None) -> datetime | None:
    """The time that so many microseconds since 1970 are."""
    return None if value is None else _EPOCH + timedelta(microseconds=value)


class JSON(TypeDecorator[Any]):
    """Any JSON value, kept as text. What must be searched has columns of its own."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else _encode(value).decode()

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        """As of times."""
        return _value


def _value(text: str | None) -> Any:
    return None if text is None else _decode(text)


class JSONText(TypeDecorator[Any]):
    """What a column of JSON holds, as it stands there: for answers that hand it on as it is (msgspec.Raw)."""

    impl = Text
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        """As of times."""
        return _raw


_EMPTY = msgspec.Raw(b"{}")


def _raw(text: str | None) -> msgspec.Raw | None:
    if text == "{}":
        return _EMPTY
    return None if text is None else msgspec.Raw(text.encode())
