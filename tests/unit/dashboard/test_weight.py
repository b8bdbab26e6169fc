"""What the first page brings stays light: whoever adds a page that is opened rarely lets its code come later."""

from __future__ import annotations

import re

from hanok.services.dashboard.files import LATER, Files

MAXIMUM_BYTES = 130_000  # with headers and the answers of the APIs that makes 150 KB


def test_the_first_page_is_light_in_the_heavier_language() -> None:
    files = Files()
    page = files.page()
    names = re.findall(rb'"/dashboard/files/\w+/([^"]+)"', page.plain)
    first = {name.decode() for name in names} | {"locales/ko.json", "js/refusals.js"}
    assert len(first) > 30 and not first & (set(LATER) - {"js/refusals.js"})
    packed = len(page.packed) + sum(len(files._all[name].packed) for name in first)
    assert packed < MAXIMUM_BYTES


def test_what_comes_later_is_there() -> None:
    files = Files()
    assert [name for name in LATER if name not in files._all] == []
