"""No module of ours needs itself, by way of others, to be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"


def _name(file: Path) -> str:
    return ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def _imported(file: Path) -> Iterator[str]:
    """What a module imports when it is imported itself: not within functions, nor for types only."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)
            yield str(node.module)


def test_no_module_imports_itself_by_way_of_others() -> None:
    files = {_name(file): file for file in SRC.rglob("*.py")}
    packages = {name for name, file in files.items() if file.name == "__init__.py"}
    graph = {
        name: {one for one in _imported(file) if one in files.keys() - packages - {name}}
        for name, file in files.items()
    }
    assert len(graph) > 500
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None
