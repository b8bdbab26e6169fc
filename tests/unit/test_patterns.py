"""Patterns from users, files and far ends: what fits, what is refused, and that none runs away."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hanok
from hanok.base.patterns import CHARACTERS, BadPattern, Pattern, path_pattern
from hanok.services.identity.facade import IdentitySettings

TEXTS = ("", "a", "b", "web-1", "web-12", "WEB-1", "db-1", "web-", "x web-1", "a+b", "aab", "a.b")


@pytest.mark.parametrize(
    "text",
    [
        r"^.*\-[0-9]+$",
        r"web-[0-9]",
        r"^[\u0061-\u007a]+$",
        r"^web\-\d*$",
        r"[^a-z]",
        r"^[\w]+$",
        r"a+b",
        r"a\+b",
        r"^w?eb",
        r"\s",
        r"^$",
        r"",
        r".+1$",
        r"^(web|db)-\d$",
        r"^(x )?web-1\Z",
        r"^a{2}b$",
        r"[ab]{0}",
        r"(?i)^web",
    ],
)
def test_a_pattern_finds_what_a_regular_expression_finds(text: str) -> None:
    plain = re.compile(text)
    for one in TEXTS:
        assert Pattern(text).search(one) == bool(plain.search(one)), (text, one)
        assert Pattern(text).match(one) == bool(plain.match(one)), (text, one)
        assert Pattern(text).fullmatch(one) == bool(plain.fullmatch(one)), (text, one)


@pytest.mark.parametrize(
    "text",
    [
        r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$",
        r"^(?!.*web)(?=[^)(]*1)a?.*$",
        r"^(?=.*[)(])x",
        r"^(?=.*[\]a]).*$",
    ],
)
def test_look_aheads_at_the_start_are_served(text: str) -> None:
    plain = re.compile(text)
    for one in (*TEXTS, "abcdefg1", "abcdefgh", "12345678", "a1", "x(", "x", "a]", "b1"):
        assert Pattern(text).match(one) == bool(plain.match(one)), (text, one)


STRONG = (
    r"(?=^.{6,255}$)((?=.*\d)(?=.*[A-Z])(?=.*[a-z])|(?=.*\d)(?=.*[^A-Za-z0-9])|(?!x)(?=.*[A-Z]))^.*"
)


@pytest.mark.parametrize(
    "text",
    [
        STRONG,
        r"(?=a)(?:(?=ab)|((?=ac)|(?=ad)))a[b-d]*",
        r"(?=a)(b|a)c?",
        r"[A-Za-z0-9]+(?=[\.\-][a-zA-Z0-9])*\.[a-zA-Z]+",
        r"a(?!b)?b",
        r"a\(?=b",
        r"a[(?=b)*]+",
    ],
)
def test_look_aheads_of_what_is_matched_from_its_start(text: str) -> None:
    plain = re.compile(text)
    for one in (*TEXTS, "Abcdef1", "abcdef1", "abcdef!1", "xABCDEF", "ABCDEF", "Ab1", "ab", "ac", "ad",
                "ae", "example.com", "example.", "a(=b", "a=b", "a(?=b)*", "abb"):  # fmt: skip
        found = Pattern(text, from_start=True)
        assert found.match(one) == bool(plain.match(one)), (text, one)
        assert found.fullmatch(one) == bool(plain.fullmatch(one)), (text, one)


@pytest.mark.parametrize(
    "text", ["(?=a)b|c", "((?=a)|b)c", "((?=a)|(?=b))*c", "(?=a", "(" * 400 + "(?=a)" + ")" * 400]
)
def test_look_aheads_elsewhere_are_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(text, from_start=True)


@pytest.mark.parametrize(
    "text",
    ["(", "[a", "a\\", "*a", "a{2,1}", r"(a)\1", "a(?=b)", "(?<=a)b", "^(?=a", "^(?=a)b|c", "\ud800",
     "a{1001}", "x" * (CHARACTERS + 1), "((a{50}){50}){50}", r"(\w{100}){10}"],
)  # fmt: skip
def test_what_is_not_served_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(text)


def test_case_is_ignored_where_that_is_asked() -> None:
    assert Pattern("^web-[a-c]É$", ignore_case=True).search("WEB-Aé")
    assert not Pattern("^web-[a-c]$").search("WEB-A")


def test_no_search_costs_more_than_its_bound() -> None:
    """What Python's `re` would never come back from is answered; what would cost too much is refused."""
    assert not Pattern("^(a+)+$").search("a" * 5000 + "!")
    assert not Pattern("(a?){60}(a*){60}b$").search("a" * 5000)
    assert not path_pattern("/v2.1/" + "**a" * 30 + "b").fullmatch("/v2.1/servers/" + "a" * 5000)
    with pytest.raises(BadPattern):
        Pattern("[ab]*a[ab]{900}c").search("ab" * 10_000)


def test_paths_with_places_left_open() -> None:
    one = path_pattern("/v2.1/servers/{server_id}/ips")
    assert one.fullmatch("/v2.1/servers/1/ips")
    assert not one.fullmatch("/v2.1/servers/1/2/ips")
    assert path_pattern("/v3/**").fullmatch("/v3/users/1")
    assert not path_pattern("/v3/*").fullmatch("/v3/users/1")
    assert path_pattern("/a.b(c").fullmatch("/a.b(c") and not path_pattern("/a.b").fullmatch("/a-b")


def test_a_pattern_of_passwords_that_is_none_is_said_when_settings_are_read() -> None:
    with pytest.raises(ValueError, match="password_regex is not a valid pattern"):
        IdentitySettings(password_regex="(")
    IdentitySettings(password_regex=r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$")


# ---- nothing but constants reaches Python's own


_FUNCTIONS = {
    "compile",
    "match",
    "fullmatch",
    "search",
    "sub",
    "subn",
    "split",
    "findall",
    "finditer",
}
_COMPILES = {"hanok/base/patterns.py"}  # the one place


def _is_constant(node: ast.expr) -> bool:
    """A literal, or put together from literals and this file's own constants."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    if isinstance(node, ast.JoinedStr):
        return all(
            isinstance(part, ast.Constant) or _is_constant(part.value)
            for part in node.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "join" and all(_is_constant(one) for one in node.args)
    if isinstance(node, ast.Attribute):  # a constant of another module, by our spelling of such
        return node.attr.isupper()
    return isinstance(node, ast.Name) and node.id.lstrip("_").isupper()


def _from_re(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that the module goes by in a file, and its functions' names there."""
    modules, functions = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name in ("re", "sre_compile")}
        elif isinstance(node, ast.ImportFrom) and node.module == "re":
            functions |= {a.asname or a.name for a in node.names if a.name in _FUNCTIONS}
    return modules, functions


def not_constant(source: str) -> Iterator[int]:
    """The lines on which what is not a constant is given to Python's `re` as a pattern."""
    tree = ast.parse(source)
    modules, functions = _from_re(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        by_module = (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id in modules
            and called.attr in _FUNCTIONS
        )
        by_name = isinstance(called, ast.Name) and called.id in functions
        if by_module or by_name:
            given = (
                node.args[0]
                if node.args
                else next((one.value for one in node.keywords if one.arg == "pattern"), None)
            )
            if given is None or not _is_constant(given):
                yield node.lineno


def test_the_check_finds_what_it_looks_for() -> None:
    found = not_constant(
        "import re\nfrom re import match as m\nKIND = 'a'\nre.compile(x)\nm(f'{x}a', 'b')\n"
        "re.search(KIND, x)\nre.sub('a' + x, '', y)\nre.compile(pattern=x)\nre.escape(x)\n"
    )
    assert list(found) == [4, 5, 7, 8]


def test_nothing_but_constants_reaches_the_matcher_that_can_run_away() -> None:
    root = Path(hanok.__file__).parent
    found = [
        f"{path.relative_to(root.parent)}:{line}"
        for path in sorted(root.rglob("*.py"))
        for line in not_constant(path.read_text("utf-8"))
    ]
    assert found == []


def test_only_one_module_compiles_texts() -> None:
    root = Path(hanok.__file__).parent
    using = {
        str(path.relative_to(root.parent))
        for path in root.rglob("*.py")
        if re.search(r"^\s*(import|from) re2\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert using == _COMPILES
