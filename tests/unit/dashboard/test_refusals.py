"""What services refuse has words in the language of the page: each name that a service gives a refusal."""

from __future__ import annotations

import re

from tests.unit.dashboard.texts import SCRIPTS

_CODE = re.compile(r'\bcode="([A-Za-z_.]+)"|\bconflict\(\s*"(\w+)"|"(placement\.[a-z_.]+)"')
_LINE = re.compile(r'^  (?:"([\w.]+)"|(\w+)): T\("', re.MULTILINE)
_ENDING = re.compile(r"^  \[/(.+)/, T\(", re.MULTILINE)
STATUS = ("placement.undefined_code",)  # no name: its status says what it is


def _codes() -> set[str]:
    """The names in the code of the services whose answers carry them."""
    services = SCRIPTS.parents[2]
    found: set[str] = set()
    for service in ("network", "placement", "orchestration"):
        for path in (services / service).rglob("*.py"):
            for names in _CODE.findall(path.read_text()):
                found.update(name for name in names if name)
    return found - set(STATUS)


def test_every_name_of_a_refusal_has_words() -> None:
    text = (SCRIPTS / "refusals.js").read_text()
    table, _, rest = text.partition("const endings")
    endings = [re.compile(one) for one in _ENDING.findall(rest.partition("];")[0])]
    known = {quoted or plain for quoted, plain in _LINE.findall(table)}
    codes = _codes()
    assert len(codes) > 60
    unsaid = {one for one in codes - known if not any(end.search(one) for end in endings)}
    assert unsaid == set()
