"""What commands read and write."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from hanok.base import log_files
from hanok.cli import credentials, first_things
from hanok.cli.api import message_of
from hanok.cli.commands import doctor, enable, routes, up
from hanok.cli.main import COMMANDS, main
from hanok.cli.output import Steps, ago, table
from hanok.drivers.image_format import inspect
from hanok.supervisor.parts import secret, write_simulated_files
from hanok.supervisor.settings import Cloud, CloudSettings, write_toml
from hanok.web import faults


@pytest.fixture
def made(tmp_path: Path) -> Cloud:
    settings = CloudSettings(id="abcdef", simulated=True, region="Seo'ul $HOME", port=5123)
    cloud = Cloud(tmp_path, settings)
    write_toml(cloud.settings_file, settings)
    write_simulated_files(cloud)
    credentials.write(cloud)
    return cloud


def test_the_openrc_sets_what_a_client_needs_whatever_the_names_are(made: Cloud) -> None:
    script = f". {made.openrc} && env"
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", "OS_CLOUD": "another"},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert seen["OS_AUTH_URL"] == "http://127.0.0.1:5123"
    assert seen["OS_REGION_NAME"] == "Seo'ul $HOME"
    assert seen["OS_PASSWORD"] == made.password_file.read_text().strip()
    assert "OS_CLOUD" not in seen, "an older sign-in would win over this one"


def test_secrets_are_for_their_owner_only(made: Cloud) -> None:
    for path in (made.openrc, made.clouds_yaml, made.password_file):
        assert path.stat().st_mode & 0o777 == 0o600
    made.openrc.chmod(0o644)
    found = list(doctor.of_files(made, fix=True))
    assert [one.mended for one in found] == [True]
    assert not list(doctor.of_files(made, fix=False))


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = secret(tmp_path / "secret", None)
    assert secret(tmp_path / "secret", None) == first
    assert len(first) >= 20


def test_clouds_yaml_is_what_sdks_read(made: Cloud) -> None:
    import yaml

    cloud = yaml.safe_load(made.clouds_yaml.read_text())["clouds"]["hanok"]
    assert cloud["auth"]["auth_url"] == made.url
    assert cloud["region_name"] == made.settings.region


def test_the_simulated_image_is_a_clean_qcow2(tmp_path: Path) -> None:
    data = first_things.write_tiny_image(tmp_path / "image.qcow2").read_bytes()
    assert len(data) < 20_000
    found = inspect(data)
    assert (found.format, found.virtual_size_bytes, found.problems) == ("qcow2", 40 << 20, [])


@pytest.mark.parametrize(
    ("text", "at", "level", "message"),
    [
        (
            '{"at":"2026-01-01T00:00:00.000+00:00","level":"error","message":"no","request_id":"req-1"}',
            "2026-01-01T00:00:00.000+00:00",
            "error",
            "no",
        ),
        (
            "2026-01-01T00:00:00.123Z|00007|bridge|WARN|lost",
            "2026-01-01T00:00:00.123",
            "warning",
            "bridge: lost",
        ),
        ("Traceback (most recent call last):", "", "", "Traceback (most recent call last):"),
        ('{"half": ', "", "", '{"half": '),
    ],
)
def test_every_engines_log_is_read(text: str, at: str, level: str, message: str) -> None:
    line = log_files.parse(text, "part")
    assert (line.at, line.level, line.message) == (at, level, message)


def test_a_log_that_was_cut_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "control.log"
    path.write_text("one\ntwo\n")
    reader = log_files.Reader(path)
    assert [line.message for line in reader.new()] == ["one", "two"]
    path.write_text("a\nhalf")
    assert [line.message for line in reader.new()] == ["a"]
    with path.open("a") as file:
        file.write(" a line\n")
    assert [line.message for line in reader.new()] == ["half a line"]


def test_routes_are_listed_with_version_and_action() -> None:
    rows = set(routes.operations())
    assert ("identity", "POST", "/v3/auth/tokens", "") in rows
    assert ("compute", "POST", "/v2.1/servers/{server_id}/action", "os-stop") in rows
    assert {service for service, *_ in rows} >= {"identity", "compute", "placement"}


def test_routes_as_a_document_of_one_service(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "--openapi", "image"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "post" in document["paths"]["/image/v2/images"]
    assert all(path.startswith("/image/") for path in document["paths"])
    assert main(["routes", "--openapi", "imaginary"]) == 1
    assert "no service imaginary" in capsys.readouterr().err


def test_routes_as_json_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "--json", "--service", "identity"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines
    assert all(set(line) == {"service", "method", "path", "body_key"} for line in lines)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "usage: hanok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"itemNotFound": {"code": 404, "message": "gone"}}, "gone"),
        ({"error": {"code": 401, "message": "who?"}}, "who?"),
        ({"errors": [{"detail": "full", "title": "x"}]}, "full"),
        (None, "plain"),
    ],
)
def test_the_services_words_are_found(answer: object, words: str) -> None:
    assert message_of(answer, b"plain") == words


def test_tables_and_durations() -> None:
    text = table(["Name", "N"], [["a", 1], ["bcd", 22]])
    assert text == "Name   N\na      1\nbcd   22"
    assert [ago(5), ago(150), ago(7300), ago(200_000)] == ["5 s", "2 min", "2 h", "2 d"]


def test_the_words_of_a_page_are_found() -> None:
    page = faults.image(
        503, "", "The disk is full: 5 < 6 MiB.", faults.FaultContext(request_id="r"), {}
    )
    assert message_of(None, bytes(page.body)) == "The disk is full: 5 < 6 MiB."


@pytest.mark.parametrize("folder", ["plain", "with blanks", "it's $HOME", "집 100%", 'a"b\\c'])
def test_what_up_prints_can_be_typed(
    tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = Cloud(tmp_path / folder, CloudSettings(id="abcdef", simulated=True))
    up._goodbye(cloud, 1.0)
    lines = capsys.readouterr().out.partition("Next:\n")[2].splitlines()
    assert shlex.split(lines[0])[:2] == [".", str(cloud.openrc)]
    assert [shlex.split(line)[-1] for line in lines[1:3]] == [str(cloud.state)] * 2
    more = up.why_not(cloud, "control").partition("(more: ")[2].removesuffix(")")
    assert shlex.split(more)[-3:] == ["control", "--state-dir", str(cloud.state)]


@pytest.mark.parametrize("folder", ["plain", "with blanks", "it's $HOME", "집 100%", 'a"b\\c'])
def test_a_unit_starts_the_cloud_of_any_folder(tmp_path: Path, folder: str) -> None:
    """Read back as systemd reads it: quotes, then doubled dollars and percent signs."""
    cloud = Cloud(tmp_path / folder, CloudSettings(id="abcdef", simulated=True))
    (command,) = (
        line.partition("=")[2]
        for line in enable.unit(cloud).splitlines()
        if line.startswith("ExecStart=")
    )
    words = [one.replace("%%", "%").replace("$$", "$") for one in shlex.split(command)]
    assert words[1:] == ["up", "--state-dir", str(cloud.state), "--simulated"]


def test_the_next_command_is_named_as_it_is_called_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "my cloud"
    checkout.mkdir()
    monkeypatch.delenv("HANOK_PACKAGED", raising=False)
    monkeypatch.setenv("HANOK_CHECKOUT", str(checkout))
    monkeypatch.chdir(checkout)
    assert up.command_name() == "./hanok"
    monkeypatch.chdir(tmp_path)
    assert shlex.split(up.command_name()) == [f"{checkout}/hanok"]
    monkeypatch.setenv("HANOK_PACKAGED", "1")
    assert up.command_name() == "hanok"


def test_a_cloud_that_has_its_image_starts_without_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_things, "GUESTS", tmp_path / "guest")
    cloud = Cloud(tmp_path, CloudSettings(id="abcdef", simulated=False))
    first_things.marker(cloud).write_text("flavors, image\n")
    assert first_things.guest_for(cloud, Steps(1), layout=False) is None
    assert not (tmp_path / "guest").exists()
