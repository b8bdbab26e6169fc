"""Both languages are whole, and read well."""

from __future__ import annotations

import re

from hanok.services.dashboard.files import catalogue
from tests.unit.dashboard import texts

# A particle hangs on the sound before it, and what a variable ends with nobody knows.
_PARTICLE = re.compile(
    r"\}[”’\"']?(을|를|이|가|은|는|와|과|으로|로|아|야|이나|나|이며|며)(?![가-힣])"
)
_NAME = re.compile(r"\{\w+\}")


def test_the_korean_catalogue_has_every_text_and_no_other() -> None:
    known, needed = set(catalogue(texts.LOCALES / "ko")), texts.keys()
    assert needed - known == set()
    assert known - needed == set()


def test_no_text_is_shown_as_it_stands_in_a_template() -> None:
    assert texts.untranslated() == []


def test_a_text_names_the_same_variables_in_both_languages() -> None:
    for english, korean in catalogue(texts.LOCALES / "ko").items():
        assert set(_NAME.findall(english)) == set(_NAME.findall(korean)), english


def test_no_particle_follows_a_variable() -> None:
    for korean in catalogue(texts.LOCALES / "ko").values():
        assert _PARTICLE.search(korean) is None, korean
