"""What is sealed in rows is sealed anew; what only looks so stops nothing."""

from __future__ import annotations

import sqlalchemy as sa

from hanok.cli.copying import SEALED, _rows_anew

TEXT = "gAAAA" + "b" * 70


def test_texts_of_users_that_look_sealed_stop_nothing() -> None:
    table = sa.Table(
        "things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String),
        sa.Column("more", sa.JSON),
    )  # fmt: skip
    names = ("gaaaa", "gAAAA", TEXT, None)
    with sa.create_engine("sqlite://").begin() as connection:
        table.create(connection)
        rows = [{"name": one, "more": {"a": one}} for one in names]
        connection.execute(table.insert(), rows)
        changed = _rows_anew(connection, table, lambda text: SEALED.sub("other", text))
        found = connection.execute(sa.select(table.c.name, table.c.more).order_by(table.c.id)).all()
    assert changed == 2  # one of them to what it was
    assert [tuple(one) for one in found] == [
        (one, {"a": one}) for one in ("gaaaa", "gAAAA", "other", None)
    ]
