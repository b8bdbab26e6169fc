"""Which of the administrator's first passwords counts as drawn: the one that `up` has just drawn itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.control.settings import load
from hanok.supervisor import parts
from hanok.supervisor.settings import Cloud, CloudSettings


def _drawn(cloud: Cloud) -> bool:
    parts.write_simulated_files(cloud)
    return load(cloud.control_settings).admin_password_drawn


def test_only_what_was_drawn_just_now(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, CloudSettings(id="aaaaaa", simulated=True))
    assert _drawn(cloud)
    assert not _drawn(cloud), "somebody may have changed the file since"


@pytest.mark.parametrize("text", ["chosen\n", ""], ids=["chosen", "empty"])
def test_not_what_a_file_had_before(tmp_path: Path, text: str) -> None:
    cloud = Cloud(tmp_path, CloudSettings(id="aaaaaa", simulated=True))
    cloud.password_file.parent.mkdir(parents=True, exist_ok=True)
    cloud.password_file.write_text(text)
    assert not _drawn(cloud)
