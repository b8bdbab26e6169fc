"""The pages of docs/reference are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hanok.cli import reference

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
PAGES = reference.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name], "./hanok test --reference writes it anew"


def test_each_setting_is_explained_or_explains_itself() -> None:
    lines = [line for line in PAGES["settings.md"].splitlines() if line.startswith("| `")]
    silent = [line.split("`")[1] for line in lines if line.rstrip().endswith("|  |")]
    assert len(lines) > 100 and len(silent) < len(lines) / 4, silent


def test_a_setting_that_is_not_known_is_refused_everywhere() -> None:
    lax = [
        kind.__name__
        for kind in reference.kinds()
        if not kind.__struct_config__.forbid_unknown_fields
    ]
    assert lax == []


def test_the_sample_of_rules_can_be_read_when_it_is_used() -> None:
    used = PAGES["policy.yaml"].replace('\n#"', '\n"')
    rules = yaml.safe_load(used)
    assert len(rules) > 300 and rules["os_compute_api:servers:index"]
