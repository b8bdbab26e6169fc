"""Lists are declared (`Listing`, `PlainList`, `OffsetList`): no service cuts, sorts or marks one by hand."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hanok.services

SERVICES = Path(hanok.services.__path__[0])
FILES = sorted(SERVICES.glob("*/*/*.py"))
PARAMETERS = frozenset(
    ("limit", "marker", "offset", "page_reverse", "sort", "sort_dir", "sort_key")
)
OF_LISTS = frozenset(("limit_of", "ordered", "page_link"))
# Parameters of these names that cut no list.
OTHERWISE = {
    "placement/routes/candidates.py": {"limit"},  # ends a search for hosts; there is no next page
    # Its markers are names, and its lists have no links: see object_storage/logic/listing.py.
    "object_storage/routes/listings.py": {"limit", "marker"},
    # Its lists have no markers: pages begin at an offset, and one parameter has keys and directions.
    "key_manager/logic/secrets.py": {"sort"},
    "key_manager/routes/pages.py": {"limit", "offset"},
    # They sort by `sort_keys`, and an unknown marker begins anew; a stack's lists are short by its limits.
    "orchestration/logic/lists.py": {"sort_dir"},
    "orchestration/logic/configs.py": {"limit", "marker"},
}


def by_hand(source: str) -> set[str]:
    """What a module reads of a query, or imports, that lists are cut with."""
    return {found for node in ast.walk(ast.parse(source)) for found in _read(node)}


def _read(node: ast.AST) -> frozenset[str] | set[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "hanok.web.pages":
        return OF_LISTS & {one.name for one in node.names}
    text: ast.expr | None = None
    if isinstance(node, ast.Subscript) and _is_query(node.value):
        text = node.slice
    if isinstance(node, ast.Compare) and _is_query(node.comparators[0]):
        text = node.left
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        function = node.func
        if function.attr == "query_all" or (function.attr == "get" and _is_query(function.value)):
            text = node.args[0]
    return PARAMETERS & {str(text.value)} if isinstance(text, ast.Constant) else set()


def _is_query(node: ast.expr) -> bool:
    return ast.unparse(node) in ("query", "request.query")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SERVICES)))
def test_no_list_is_cut_by_hand(file: Path) -> None:
    allowed = OTHERWISE.get(str(file.relative_to(SERVICES)), set())
    assert by_hand(file.read_text("utf-8")) == allowed


@pytest.mark.parametrize(
    "source",
    [
        "limit = request.query['limit']",
        "limit = query.get('limit')",
        "keys = request.query_all('sort_key')",
        "paged = 'marker' in request.query",
        "from hanok.web.pages import limit_of",
    ],
)
def test_a_list_that_is_cut_by_hand_is_seen(source: str) -> None:
    assert by_hand(source)
