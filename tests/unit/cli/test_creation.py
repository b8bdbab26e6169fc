"""What a new user gets wrong, and what is said then: one line that says what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hanok.cli import creation, ways
from hanok.cli.commands import up
from hanok.cli.main import main
from hanok.cli.output import Failure
from hanok.supervisor.settings import BrokenState, Cloud, CloudSettings, load
from tests.ports import free_port

SIMULATED = creation.Wishes(simulated=True, port=None, region=None, listen=None, hosts=None)


def wish(
    port: int | None = None, region: str | None = None, *, simulated: bool = True
) -> creation.Wishes:
    return creation.Wishes(simulated, port, region, None, None)


def test_settings_are_made_once_and_kept(tmp_path: Path) -> None:
    port = free_port()
    first = creation.make(tmp_path, wish(port, "Seoul"))
    again = creation.make(tmp_path, wish())
    assert again.settings == first.settings
    assert (again.settings.port, again.settings.region) == (port, "Seoul")


def test_a_cloud_has_ipv6_outside_once_a_layout_wants_it(tmp_path: Path) -> None:
    assert creation.make(tmp_path, wish(free_port())).settings.external_cidr6 == ""
    requested = replace(SIMULATED, ipv6=True)
    assert creation.make(tmp_path, requested).settings.external_cidr6 == "2001:db8::/64"
    assert creation.make(tmp_path, SIMULATED).settings.external_cidr6 == "2001:db8::/64"


def test_a_port_in_use_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failure, match=rf"port {port} is in use by .*process \d+.*--port"):
            creation.make(tmp_path, wish(port))
    assert load(tmp_path) is None, "nothing is kept of what did not work"


def test_a_port_may_change_while_the_cloud_is_down_but_a_region_may_not(tmp_path: Path) -> None:
    creation.make(tmp_path, wish(free_port()))
    port = free_port()
    assert creation.make(tmp_path, wish(port)).settings.port == port
    with pytest.raises(Failure, match="region of this cloud is RegionOne"):
        creation.make(tmp_path, wish(region="Seoul"))


def test_a_simulated_cloud_does_not_become_a_real_one(tmp_path: Path) -> None:
    creation.make(tmp_path, wish(free_port()))
    with pytest.raises(Failure, match="is a simulated one: call `hanok up` with --simulated"):
        creation.make(tmp_path, wish(simulated=False))


@pytest.mark.parametrize("text", ["", "nonsense", 'id = "abcdef"\n', b"\xff\xfe".decode("latin-1")])
def test_damaged_settings_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "hanok.toml").write_text(text)
    with pytest.raises(BrokenState, match=r"hanok\.toml is damaged"):
        load(tmp_path)
    with pytest.raises(Failure, match="put back a copy"):
        creation.make(tmp_path, SIMULATED)


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").write_text("years of work")
    with pytest.raises(Failure, match=r"holds other things \(thesis.odt"):
        creation.directory(tmp_path, simulated=True)


def test_a_file_is_no_state_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(Failure, match="is not a directory"):
        creation.directory(path, simulated=True)


def test_a_full_disk_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "SIMULATED_NEEDS_MIB", 1 << 40)
    with pytest.raises(Failure, match=r"the disk is full: \d+ MiB are free"):
        creation.directory(tmp_path, simulated=True)


def test_two_commands_on_one_cloud_do_not_meet(tmp_path: Path) -> None:
    with creation.one_at_a_time(tmp_path):
        with pytest.raises(Failure, match=r"another hanok command works on .* \(process \d+\)"):
            with creation.one_at_a_time(tmp_path):
                pass
    with creation.one_at_a_time(tmp_path):
        pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "--simulated", "--port", "70000"], "--port must be a number from 1 to 65535"),
        (["up", "--hosts", "3"], "--hosts goes with --simulated"),
        (["up", "--simulated", "--hosts", "0"], "--hosts must be a number"),
        (["up", "--simulated", "--listen", "nowhere"], "--listen must be an address"),
        (["up", "--simulated", "--region", " "], "--region must be a name"),
        (["status"], "there is no cloud in"),
        (["launch"], "there is no cloud in"),
        (["destroy", "--yes"], "there is no cloud in"),
        (["down"], "there is no cloud in"),
        (["doctor"], "there is no cloud in"),
    ],
)
def test_a_wrong_call_gets_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--state-dir", str(tmp_path / "cloud")]) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1, err
    assert "Traceback" not in out + err


def test_a_user_without_root_is_told_of_the_simulated_cloud(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["up"]) == 1
    assert "needs root" in (said := capsys.readouterr().err)
    assert "--simulated" in said


@pytest.mark.parametrize(
    "text",
    ["22", "22:hello", "22:hello:x", "0:hello:22", "22::22", "65536:hello:22", "1:a:-1", "²:a:1"],
)
def test_a_forward_that_is_none_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(Failure, match="must be PORT:SERVER:PORT"):
        ways.wish(text)


def test_a_forward_names_ports_and_a_server(tmp_path: Path) -> None:
    assert ways.wish("2222:my:server:22") == ways.Wish(2222, "my:server", 22)
    with pytest.raises(Failure, match="names port 80 twice"):
        ways.wishes(["80:a:1", "80:b:1"])
    with socket.create_server(("", 0)) as other:
        cloud = creation.make(tmp_path, wish(free_port()))
        with pytest.raises(Failure, match="of this host is taken"):
            ways.check_port(cloud, other.getsockname()[1])
    with pytest.raises(Failure, match="this cloud's own"):
        ways.check_port(cloud, cloud.settings.port)
    with pytest.raises(Failure, match="not 'lan7'; there"):
        ways.check_lan("lan7")


def test_a_simulated_cloud_has_no_way_to_the_outside(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--simulated", "--no-snat"]) == 1
    assert "nothing answers in a simulated one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost", "not an address of this machine that others reach"),
        ("::1", "IPv4 address, or a name"),
        ("no-such-name.invalid", "nor a name that has one"),
        ("a..b", "nor a name that has one"),
        ("192.0.2.77", "not an address of this machine"),
    ],
)
def test_an_address_is_one_that_others_reach(text: str, words: str) -> None:
    with pytest.raises(Failure, match=words):
        creation.own_address(text, "abcdef")


ANSWERS = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200), self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def answering(*words: str) -> Iterator[int]:
    """The port of a process that answers as a cloud does, started with these words."""
    process = subprocess.Popen([sys.executable, "-c", ANSWERS, *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show who listens")
@pytest.mark.parametrize(
    ("words", "ours"),
    [((), False), (("{}",), True), (("{}/control.toml",), True), (("{}2/control.toml",), False)],
)
def test_who_was_first_at_the_port_is_not_taken_for_the_cloud(
    tmp_path: Path, words: tuple[str, ...], ours: bool
) -> None:
    with answering(*(one.format(tmp_path) for one in words)) as port:
        cloud = Cloud(tmp_path, CloudSettings(id="abcdef", simulated=True, port=port))
        why = up._not_yet(cloud)
    assert why == "" if ours else f"port {port} is in use by python" in why
