"""Where `hanok up` installs what it needs, and what it says elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanok.cli import guest, packages
from hanok.cli.output import Failure, Steps

ENGINES = (
    *("ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-vswitchd", "ovn-northd", "ovn-controller"),
    *("ip", "nsenter"),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
         ("debian", "12", "Debian GNU/Linux 12 (bookworm)")),
        ("ID=ubuntu\nVERSION_ID='24.04'\nPRETTY_NAME='Ubuntu 24.04.1 LTS'\n",
         ("ubuntu", "24.04", "Ubuntu 24.04.1 LTS")),
        ("ID=arch\n# a comment\nnonsense\n", ("arch", "", "this system")),
        ("", ("", "", "this system")),
    ],
)  # fmt: skip
def test_what_the_system_is(tmp_path: Path, text: str, found: tuple[str, str, str]) -> None:
    (tmp_path / "os-release").write_text(text)
    assert packages.distribution(tmp_path / "os-release") == found
    assert packages.distribution(tmp_path / "none")[2] == "this system"


def test_elsewhere_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n')
    monkeypatch.setenv("PATH", str(tmp_path))  # nothing is installed
    with pytest.raises(Failure) as refused:
        packages.ensure(Steps(1), release)
    said = refused.value.message
    assert "ovsdb-server" in said and "nats-server" in said and "this is Fedora Linux 41" in said
    assert "Debian 12, Debian 13 and Ubuntu 24.04" in said and "--simulated" in said


def test_elsewhere_it_goes_on_with_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "os-release"
    release.write_text("ID=arch\n")
    for name in (*packages.PROGRAMS, *ENGINES):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    packages.ensure(Steps(1), release)
    (tmp_path / "haproxy").unlink()
    with pytest.raises(Failure, match="these programs are missing: haproxy;"):
        packages.ensure(Steps(1), release)


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("", "it gave no reason"),
        ("Reading\nmke2fs: no space\n\n", "mke2fs: no space"),
        (
            "Err:1 http://deb\nE: Failed to fetch http://deb/a.deb  Temporary failure\nE: Failed to fetch b\n",
            "Failed to fetch http://deb/a.deb  Temporary failure",
        ),
    ],
)
def test_why_a_tool_of_the_guest_image_failed_is_one_whole_line(printed: str, why: str) -> None:
    assert guest.reason(printed) == why
