"""The console log: its end is kept, its size is bounded, links are not followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.node.console import ANSWER_BYTES, KEEP_BYTES, last_lines, read_log, trim_log


def test_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"one\r\ntwo\r\nweb login: ")
    assert read_log(log, None) == "one\r\ntwo\r\nweb login: "
    assert read_log(log, 2) == "two\r\nweb login: "
    assert read_log(log, 0) == ""
    assert read_log(tmp_path / "none", None) == ""


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("a\nb\nc\nd", "b\nc\nd"),
        ("a\nb\nc\n", "b\nc\n"),
        ("a\r\r\nb\r\x0c\u2028\nc\rd\x85e", "a\r\r\nb\r\x0c\u2028\nc\rd\x85e"),
        ("a\n\n\n\n", "\n\n"),
        ("a", "a"),
    ],
)
def test_a_line_ends_with_a_line_feed_only(text: str, last: str) -> None:
    assert last_lines(text, 3) == last


def test_a_long_log_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    with log.open("ab") as guest:  # as QEMU does: it appends, whatever happens to the file
        guest.write(b"old\n" + b"x" * 3 * KEEP_BYTES + b"\nend\n")
        guest.flush()
        trim_log(log)
        guest.write(b"new\n")
    text = read_log(log, None)
    assert text.endswith("\nend\nnew\n") and "old" not in text
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * KEEP_BYTES


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    log = tmp_path / "console.log"
    log.symlink_to(tmp_path / "secret")
    assert read_log(log, None) == ""


def test_an_answer_fits_into_a_message_whatever_the_guest_says(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"\xff" * 3 * KEEP_BYTES)
    trim_log(log)
    log.write_bytes(b"\xff" * KEEP_BYTES)
    assert 0 < len(read_log(log, None).encode()) <= ANSWER_BYTES
