"""The definitions of containers, as texts: they name what the image has, and commands that there are.

The image itself takes minutes to build; docs/containers.md says how that was tried.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hanok.cli.main import _parser
from tests.acceptance.clouds import ROOT

FOLDER = ROOT / "packaging" / "containers"
QUADLETS = sorted((FOLDER / "quadlets").iterdir())
KEYS = {  # podman-systemd.unit(5) of podman 4.4, those that are used here
    "Container": {
        *("Image", "ContainerName", "Network", "PodmanArgs", "Exec", "Volume", "User"),
        *("Environment", "EnvironmentFile", "PublishPort"),
    },
    "Volume": {"VolumeName"},
    "Unit": {"Description", "After", "Wants"},
    "Service": {"Restart", "TimeoutStartSec", "TimeoutStopSec"},
    "Install": {"WantedBy"},
}


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    section = ""
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
            continue
        key, mark, value = line.partition("=")
        assert mark, line
        yield section, key, value


def _programs() -> set[str]:
    """What the image has of ours."""
    text = (FOLDER / "build.sh").read_text()
    return set(re.findall(r"upload \S+ (/usr/bin/\S+?)\"", text))


def _understood(words: list[str]) -> None:
    args = _parser(words).parse_args(words)
    assert hasattr(args, "run"), words


def _compose() -> Any:
    return yaml.safe_load((FOLDER / "compose.yml").read_text())


def test_the_image_has_what_its_file_starts() -> None:
    text = (FOLDER / "Containerfile").read_text()
    [entry] = re.findall(r'ENTRYPOINT \["(.+)"\]', text)
    assert entry in _programs()
    [command] = re.findall(r"CMD (\[.+\])", text)
    _understood(yaml.safe_load(command))
    for script in ("build.sh", "hanok.sh", "cloud.sh"):
        subprocess.run(["sh", "-n", FOLDER / script], check=True)
    assert "FROM scratch" in text, "no registry of images is asked"


@pytest.mark.parametrize("name", ["cloud", "host", "simulated"])
def test_services_of_the_compose_file(name: str) -> None:
    found = _compose()
    service = found["services"][name]
    assert service["image"] == "localhost/hanok"
    assert set(service.get("entrypoint", ["/usr/bin/hanok-cloud"])) <= _programs()
    if "command" in service:
        _understood(service["command"])
    for volume in service["volumes"]:
        source = volume.partition(":")[0]
        assert source.startswith("/") or source in found["volumes"]
    assert bool(service.get("privileged")) == (name != "simulated")
    if name == "simulated":
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("path", QUADLETS, ids=lambda path: path.name)
def test_quadlets_say_the_same(path: Path) -> None:
    lines = list(_lines(path))
    for section, key, _ in lines:
        assert key in KEYS[section], f"[{section}] {key}"
    if path.suffix == ".volume":
        return
    said = {(section, key): value for section, key, value in lines}
    assert said["Container", "Image"] == "localhost/hanok"
    if ("Container", "Exec") in said:
        _understood(said["Container", "Exec"].split())
    entries = [value.split()[1] for _, _, value in lines if value.startswith("--entrypoint")]
    assert set(entries) <= _programs()
    volumes = {value.split(":")[0] for _, key, value in lines if key == "Volume"}
    files = {one.name for one in QUADLETS}
    assert all(one.startswith("/") or one in files for one in volumes)
    name = {"hanok": "cloud", "hanok-host": "host", "hanok-simulated": "simulated"}[path.stem]
    service = _compose()["services"][name]
    assert {one.split(":")[0] for one in service["volumes"] if one.startswith("/")} == {
        one for one in volumes if one.startswith("/")
    }
