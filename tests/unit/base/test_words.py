"""What users read is the English of those who know OpenStack."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import hanok

SOURCES = Path(hanok.__file__).parent
# "X is not a valid Y" is what they know; "there is no X" is plain.
ODD = re.compile(
    r"(?<!there )\b(?:is|are) (?:none\b|no (?!longer\b|more\b)\w)|\b(?:is|are) wanted\b|\belsewhere\b"
    r"|\b(?:no)?body wants\b|--\S+ wants\b|\bha(?:s|ve) (?:not )?told\b|\bstands? on another\b|\bin trouble\b"
    r"|\bnobody (?:listens|would|at|has)\b|\bsomebody (?:else|uses|moves)\b|\bknows no\b|\bsays too much\b"
    r"|\bno row speaks\b|\bwhoever\b|\bhung up\b|\bheed\b|\bgives? out\b",
    re.IGNORECASE,
)
BEHIND = ("migrations",)
OTHERWISE = {"Invalid query string parameters: group_policy is none or isolate"}
"""'none' is a value there. As is None in "Specified snapshot is None", upstream's own text."""


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Texts of more than a word that are no docstrings, and their lines."""
    explaining = set[int]()
    for node in ast.walk(tree):  # what explains comes before its text
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            explaining.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            if id(node) not in explaining:
                yield node.lineno, node.value


def is_odd(text: str) -> bool:
    return bool(ODD.search(text)) and text not in OTHERWISE and "is None" not in text


def test_texts_are_plain() -> None:
    found = [
        f"{file.relative_to(SOURCES)}:{line}: {text[:80]}"
        for file in SOURCES.rglob("*.py")
        if not set(BEHIND) & set(file.parts)
        for line, text in texts(ast.parse(file.read_text()))
        if is_odd(text)
    ]
    assert found == []


def test_what_is_odd() -> None:
    for text in (
        " is no address",
        "It is none.",
        "they are no ids",
        "a number is wanted",
        "It is elsewhere.",
        "--port wants a number",
        "nobody listens to it",
        "No host has told of a back end",
        "the image stands on another",
        "the token is somebody else's",
        "Prometheus says too much.",
    ):
        assert is_odd(text), text
    for text in ("There is no host 'a'.", "It is no longer there.", "is not a valid address"):
        assert not is_odd(text), text


def test_decisions_that_are_named_are_there() -> None:
    root = SOURCES.parents[1]
    there = {one.name[:4] for one in (root / "docs/decisions").glob("*.md")}
    files = [*SOURCES.rglob("*.py"), *(root / "docs").rglob("*.md"), *root.glob("*.md")]
    named = {
        (str(file.relative_to(root)), number)
        for file in files
        for number in re.findall(
            r"(?:decisions/|decisions? |\[)(0\d{3})\b", file.read_text("utf-8")
        )
    }
    assert len(named) > 100
    assert sorted(one for one in named if one[1] not in there) == []
