"""Files that get their names when they are whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hanok.base.durable import put_in_place, settle


def test_the_new_one_takes_the_old_ones_place(tmp_path: Path) -> None:
    new, path = tmp_path / "new", tmp_path / "kept"
    path.write_text("old")
    new.write_text("new")
    put_in_place(new, path)
    assert path.read_text() == "new"
    assert not new.exists()


def test_a_folder_may_be_a_link_and_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "there")
    settle(tmp_path / "folder")
    (tmp_path / "folder" / "new").write_text("new")
    put_in_place(tmp_path / "folder" / "new", tmp_path / "folder" / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "kept")
    with pytest.raises(OSError, match="symbolic"):
        put_in_place(tmp_path / "link", tmp_path / "taken")


def test_a_pipe_that_somebody_put_there_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "new")
    with pytest.raises(OSError, match="Invalid argument"):
        put_in_place(tmp_path / "new", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
