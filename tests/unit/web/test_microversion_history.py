"""The history of versions is whole, and names the place of each version that a declaration knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_type_hints

import pytest

from hanok.services.block_storage import microversions as block_storage
from hanok.services.block_storage.routes import ROUTES as BLOCK_STORAGE
from hanok.services.block_storage.schemas import answers as volume_answers
from hanok.services.compute import microversions as compute
from hanok.services.compute.routes import ROUTES as COMPUTE
from hanok.services.compute.schemas import answers
from hanok.services.key_manager import microversions as key_manager
from hanok.services.placement import microversions as placement
from hanok.services.placement.routes import ROUTES as PLACEMENT
from hanok.services.placement.routes import candidates, providers
from hanok.web.faults import PLACEMENT_CODES
from hanok.web.microversions import Change, Range, Version, text
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Before, Inside, Query, Shape, Span, span_of
from tests.unit.web.test_versions import bodies

DOCS = Path(__file__).parents[3] / "docs" / "microversions.md"
HISTORIES = (
    ("Compute", compute.MICROVERSIONS, compute.HISTORY),
    ("Placement", placement.MICROVERSIONS, placement.HISTORY),
    ("Block storage", block_storage.MICROVERSIONS, block_storage.HISTORY),
    ("Key manager", key_manager.MICROVERSIONS, key_manager.HISTORY),
)


def page() -> str:
    """The page of the documentation, made from the lists."""
    parts = [
        "# Microversions\n",
        "What each version brought, and where it shows here; one without a place changed only what is not served yet.",
        "Made from the lists in the services' `microversions.py`; a test compares.\n",
    ]
    for name, served, history in HISTORIES:
        parts.append(f"## {name}, {text(served.minimum)} to {text(served.maximum)}\n")
        parts.append("| version | what it brought | where |\n|---|---|---|")
        parts += [f"| {text(one.version)} | {one.line} | {one.where} |" for one in history]
        parts.append("")
    return "\n".join(parts)


def test_the_page_says_what_the_lists_say() -> None:
    assert DOCS.read_text("utf-8") == page()


@pytest.mark.parametrize(("name", "served", "history"), HISTORIES)
def test_no_version_is_left_out(name: str, served: Range, history: Sequence[Change]) -> None:
    major, last = served.maximum
    assert [one.version for one in history] == [
        (major, minor) for minor in range(served.minimum[1], last + 1)
    ]
    assert all(one.line.endswith(".") for one in history)


def edges(span: Span) -> set[Version]:
    """The versions in which something begins or has just ended."""
    ends = [end for end in (span.until, span.gap and span.gap[1]) if end is not None]
    begins = [begin for begin in (span.since, span.required) if begin is not None]
    return {*begins, *((major, minor + 1) for major, minor in ends)}


def of_shape(shape: Shape) -> set[Version]:
    found: set[Version] = set()
    for change in shape.changes:
        if isinstance(change, Attribute):
            found |= edges(Span(change.since, change.until))
        elif isinstance(change, Before):
            found.add(change.version)
        elif isinstance(change, Inside):
            found |= of_shape(change.shape)
    return found


def of_routes(routes: Sequence[Route]) -> set[Version]:
    found: set[Version] = set()
    for route in routes:
        found |= edges(Span(route.minimum, route.maximum))
        if route.status_before is not None:
            found.add(route.status_before[0])
        if isinstance(route.query, Query):
            found |= {route.query.closed} - {None}  # type: ignore[arg-type]
            for one in route.query.parameters:
                found |= edges(one.span)
    return found


def of_bodies(service: str) -> set[Version]:
    found: set[Version] = set()
    for case in bodies():
        module, _, kind = case.values
        if module.__name__.endswith(service):
            for hint in get_type_hints(kind, include_extras=True).values():
                found |= edges(span_of(hint))
    return found


def shapes(*modules: object) -> list[Shape]:
    return [one for module in modules for one in vars(module).values() if isinstance(one, Shape)]


def test_each_version_that_compute_declares_has_a_place_in_its_history() -> None:
    placed = {one.version for one in compute.HISTORY if one.where}
    declared = of_routes(COMPUTE) | of_bodies("compute")
    for shape in shapes(answers):
        declared |= of_shape(shape)
    assert len(declared) > 45
    assert {version for version in declared if version <= (2, 104)} <= placed


def test_each_version_that_placement_declares_has_a_place_in_its_history() -> None:
    placed = {one.version for one in placement.HISTORY if one.where}
    declared = of_routes(PLACEMENT) | of_bodies("placement") | {PLACEMENT_CODES}
    declared |= set(placement.SINCE.values())
    for shape in shapes(candidates, providers):
        declared |= of_shape(shape)
    assert {version for version in declared if version <= (1, 39)} <= placed
    undeclared = placed - declared
    assert undeclared <= {(1, 26)}, undeclared  # reserved = total is taken in all versions


def test_each_version_that_block_storage_declares_has_a_place_in_its_history() -> None:
    placed = {one.version for one in block_storage.HISTORY if one.where}
    declared = of_routes(BLOCK_STORAGE) | of_bodies("bodies")
    for shape in shapes(volume_answers):
        declared |= of_shape(shape)
    declared = {one for one in declared if one[0] == 3}
    assert len(declared) > 30
    assert declared <= placed, declared - placed
