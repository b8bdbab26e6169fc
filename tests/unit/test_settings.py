"""What control is told by its file: settings under the names that they once had."""

from pathlib import Path

import msgspec
import pytest

from hanok.control.settings import load
from hanok.services.image.room import ImageSettings


def read(folder: Path, text: str) -> ImageSettings:
    path = folder / "control.toml"
    path.write_text(f'state_dir = "{folder}"\n{text}')
    found = load(path).of_room("image")
    assert isinstance(found, ImageSettings)
    return found


@pytest.mark.parametrize(
    ("bytes_", "seconds"), [("most_bytes", "most_s"), ("maximum_bytes", "maximum_s")]
)
def test_a_setting_is_taken_under_its_older_name(tmp_path: Path, bytes_: str, seconds: str) -> None:
    found = read(tmp_path, f"[image]\n{bytes_} = 5\n[image.web]\n{seconds} = 7.5\n")
    assert (found.maximum_bytes, found.web.maximum_s) == (5, 7.5)


@pytest.mark.parametrize(
    ("section", "older", "name"),
    [("image", "most_bytes", "maximum_bytes"), ("image.web", "most_s", "maximum_s")],
)
def test_a_setting_under_both_names_is_refused(
    tmp_path: Path, section: str, older: str, name: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"`{older}` is an older name of `{name}`"):
        read(tmp_path, f"[{section}]\n{older} = 1\n{name} = 1\n")


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(msgspec.ValidationError, match="least_bytes"):
        read(tmp_path, "[image]\nleast_bytes = 1\n")
    with pytest.raises(msgspec.ValidationError, match="image"):
        read(tmp_path, "image = 5\n")
    with pytest.raises(msgspec.ValidationError, match="more_services"):
        read(tmp_path, "more_services = 5\n")
