"""Bodies that are read by a table of attributes."""

from __future__ import annotations

from typing import Any

import pytest

from hanok.base.errors import BadInput
from hanok.web.attributes import Attribute, items, one_of, read_only, schema, text, truth, whole
from hanok.web.bodies import Bodies, is_bulk

SHELF = {
    "id": read_only(),
    "name": Attribute(check=text(8, empty=False)),
    "width": Attribute(check=whole(1, 9), default=3, put=False),
    "labels": Attribute(check=items(text()), default=[]),
    "kind": Attribute(check=one_of("wood", "steel"), default="wood", since=(1, 2)),
    "locked": Attribute(check=truth, default=False, until=(1, 3)),
}
BODIES = Bodies(also={"title": "name"}, maximum=3)


def test_what_was_not_sent_has_its_default_and_was_not_asked_for() -> None:
    made = BODIES.made({"shelf": {"name": "a", "width": 3}}, "shelf", SHELF, (1, 3))
    assert made.values == {"name": "a", "width": 3, "labels": [], "kind": "wood", "locked": False}
    assert made.explicit == {"name"}  # what is the default anyway asks for nothing
    made.values["labels"].append("x")
    assert BODIES.made({"shelf": {"name": "b"}}, "shelf", SHELF).values["labels"] == []


def test_an_older_name_is_the_same_attribute() -> None:
    assert BODIES.changed({"shelf": {"title": "a"}}, "shelf", SHELF) == {"name": "a"}
    assert BODIES.changed({"shelf": {"title": "a", "name": "a"}}, "shelf", SHELF) == {"name": "a"}


@pytest.mark.parametrize(
    ("version", "known"),
    [((1, 1), {"locked"}), ((1, 2), {"kind", "locked"}), ((1, 3), {"kind", "locked"}), ((1, 4), {"kind"})],
)  # fmt: skip
def test_an_attribute_is_unknown_outside_of_its_versions(
    version: tuple[int, int], known: set[str]
) -> None:
    for name, value in (("kind", "steel"), ("locked", True)):
        body = {"shelf": {"name": "a", name: value}}
        if name in known:
            assert BODIES.made(body, "shelf", SHELF, version).values[name] == value
        else:
            with pytest.raises(BadInput, match=name):
                BODIES.made(body, "shelf", SHELF, version)
    assert known == {"kind", "locked"} & set(
        BODIES.made({"shelf": {"name": "a"}}, "shelf", SHELF, version).values
    )


def test_several_are_read_in_their_order() -> None:
    body = {"shelves": [{"name": "a"}, {"shelf": {"name": "b"}}]}
    assert is_bulk(body, "shelf", "shelves") and not is_bulk({"shelf": {}}, "shelf", "shelves")
    many = BODIES.made_many(body, "shelf", "shelves", SHELF, (1, 0))
    assert [one.values["name"] for one in many] == ["a", "b"]


WRONG: list[Any] = [
    None, [], "x", {}, {"shelf": None}, {"shelf": []}, {"shelf": {}}, {"shelf": {"name": "a"}, "x": 1},
    {"shelf": {"name": "a", "x": 1}}, {"shelf": {"name": ""}}, {"shelf": {"name": "a" * 9}}, {"shelf": {"name": 1}},
    {"shelf": {"name": "a", "id": "x"}}, {"shelf": {"name": "a", "width": 10}},
    {"shelf": {"name": "a", "labels": "x"}}, {"shelf": {"name": "a", "title": "b"}},
]  # fmt: skip


@pytest.mark.parametrize("body", WRONG)
def test_what_does_not_fit_is_refused(body: Any) -> None:
    with pytest.raises(BadInput):
        BODIES.made(body, "shelf", SHELF, (1, 3))


@pytest.mark.parametrize(
    "each", [None, {}, [], ["x"], [None], [{"name": "a"}, {}], [{"name": "a"}] * 4]
)
def test_a_list_that_does_not_fit_is_refused(each: Any) -> None:
    with pytest.raises(BadInput):
        BODIES.made_many({"shelves": each}, "shelf", "shelves", SHELF, (1, 3))


@pytest.mark.parametrize("change", [{"id": "x"}, {"width": 2}, {"kind": "steel"}, {"name": None}])
def test_what_may_not_be_changed_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(change))):
        BODIES.changed({"shelf": change}, "shelf", SHELF, (1, 0))


def test_texts_are_the_apis_own() -> None:
    own = Bodies(
        invalid=lambda name, reason: BadInput(f"{name}! {reason}"), unknown="What is {names}?"
    )
    with pytest.raises(BadInput, match=r"name! 'aaaaaaaaa' exceeds maximum length of 8"):
        own.made({"shelf": {"name": "a" * 9}}, "shelf", SHELF)
    with pytest.raises(BadInput, match=r"What is \{odd\}\?"):
        own.made({"shelf": {"{odd}": 1}}, "shelf", SHELF)


def test_a_schema_says_what_may_be_sent() -> None:
    found = schema(SHELF, "POST")
    assert found["required"] == ["name"] and "id" not in found["properties"]
    assert "width" not in schema(SHELF, "PUT")["properties"]
