"""Routes read the request, call, and answer: statements are logic's.

What a list declares of its columns (`Listing`, filters made of conditions) is not a statement. A file that needs one
all the same says why in its docstring, in a line that begins "SQL here: ".
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hanok.services

SERVICES = Path(hanok.services.__path__[0])
ROUTES = sorted(SERVICES.glob("*/routes/*.py"))
REASON = "SQL here: "
# Of SQLAlchemy, what types and conditions are written with.
DECLARING = frozenset(
    (
        "Boolean",
        "Column",
        "ColumnElement",
        "Integer",
        "Row",
        "Select",
        "Table",
        "and_",
        "false",
        "not_",
        "or_",
        "true",
    )
)
CHANGING = ("delete", "insert", "select", "update")
STATEMENT = ("group_by", "order_by", "returning", "select_from", "where", "with_for_update")
RUNNING = (
    "all", "alter", "count", "execute", "first", "insert", "insert_missing", "scalar", "scalars",
)  # fmt: skip


def name_of(file: Path) -> str:
    return str(file.relative_to(SERVICES))


def sql_in(source: str) -> list[str]:
    """The expressions of a module that make a statement or run one."""
    tree = ast.parse(source)
    tables = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".tables")
        for name in node.names
    }
    return [ast.unparse(node) for node in ast.walk(tree) if _is_sql(node, tables)]


def _is_sql(node: ast.AST, tables: set[str]) -> bool:
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sqlalchemy":
        return any(name.name not in DECLARING for name in node.names)
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("sa", "sqlalchemy"):
        return node.attr not in DECLARING
    return isinstance(node, ast.Call) and _runs(node, tables)


def _runs(call: ast.Call, tables: set[str]) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute):
        return False
    owner = ast.unparse(function.value)
    if function.attr in CHANGING and (owner in tables or not (call.args or call.keywords)):
        return True
    return function.attr in STATEMENT or (owner == "tx" and function.attr in RUNNING)


def has_reason(source: str) -> bool:
    lines = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    return any(line.startswith(REASON) and len(line) > len(REASON) for line in lines)


@pytest.mark.parametrize("file", ROUTES, ids=name_of)
def test_a_file_of_routes_has_no_sql_or_says_why(file: Path) -> None:
    source = file.read_text("utf-8")
    if has_reason(source):
        assert sql_in(source), "it has none any more: take the reason away"
    else:
        assert sql_in(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "from sqlalchemy import select",
        "import sqlalchemy as sa\nrows = sa.select(things)",
        "import sqlalchemy as sa\ntheirs = sa.exists()",
        "from hanok.services.x.tables import things as table\ntable.update()",
        "from hanok.services.x.tables import things\nthings.delete(things.c.id == 1)",
        "gone = things.delete()",
        "statement = statement.where(mine)",
        "await tx.execute(_STATEMENT)",
        "rows = await tx.all(logic.ALL)",
    ],
)
def test_sql_is_seen(source: str) -> None:
    assert sql_in(source)


@pytest.mark.parametrize(
    "source",
    [
        "from sqlalchemy import Row",
        "import sqlalchemy as sa\ndef at(column: sa.Column[int]) -> object: return sa.and_(column > 1)",
        "from hanok.services.x.tables import things as table\nLIST = Listing(table=table, marker=table.c.id)",
        "answer.update(name='x')",
        "shown = ', '.join(sorted(names))",
        "await things.delete(tx, thing_id)",
        "async with tx.savepoint(): pass",
    ],
)
def test_declarations_and_calls_are_not_sql(source: str) -> None:
    assert sql_in(source) == []
