"""Files of property protections: what is taken, what is refused and why, and whom they let."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.services.image.logic.protections import BadProtections, load

WHOLE = """
[^x_billing_.*]
create = admin
read = admin, member
update = !
delete = @          # everybody
[^x_]
create = member
read = @
update = member
delete = !
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "protections.conf"
    file.write_text(text)
    return file


def section(**acts: str) -> str:
    given = {"create": "admin", "read": "admin", "update": "admin", "delete": "admin", **acts}
    return "[x]\n" + "\n".join(f"{name} = {value}" for name, value in given.items())


def test_the_first_section_that_matches_decides(tmp_path: Path) -> None:
    protections = load(written(tmp_path, WHOLE), "roles")
    admin, member, nobody = "admin".__eq__, "member".__eq__, "".__eq__
    assert protections.allows("x_billing_code", "create", admin)
    assert not protections.allows("x_billing_code", "create", member)
    assert protections.allows("x_billing_code", "read", member)
    assert not protections.allows("x_billing_code", "update", admin)
    assert protections.allows("x_billing_code", "delete", nobody)
    assert protections.allows("x_other", "create", member)
    assert not protections.allows("x_other", "delete", "!".__eq__)  # ! is no role that one may have
    assert not protections.allows("elsewhere", "read", admin)


@pytest.mark.parametrize(
    ("by", "acts", "why"),
    [
        ("roles", {"read": "@, admin"}, "read: @ and ! stand alone"),
        ("roles", {"delete": "!, admin"}, "delete: @ and ! stand alone"),
        ("policies", {"update": "one, two"}, "update names more than one policy"),
    ],
)
def test_a_file_that_says_two_things_is_refused(
    tmp_path: Path, by: str, acts: dict[str, str], why: str
) -> None:
    with pytest.raises(BadProtections, match=why):
        load(written(tmp_path, section(**acts)), by)


@pytest.mark.parametrize(
    ("by", "acts"),
    [("roles", {"read": "one, two"}), ("policies", {"read": "@", "update": "!"}), ("policies", {})],
)
def test_a_file_that_says_one_thing_is_taken(tmp_path: Path, by: str, acts: dict[str, str]) -> None:
    protections = load(written(tmp_path, section(**acts)), by)
    assert protections.allows("x", "read", lambda word: word in ("two", "admin")) is True


@pytest.mark.parametrize("text", ["[x]\ncreate = a\n", "no section", "[(]\n" + section()[4:]])
def test_a_file_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadProtections, match=r"protections\.conf"):
        load(written(tmp_path, text), "roles")
    with pytest.raises(BadProtections, match="No such file"):
        load(tmp_path / "none", "roles")
