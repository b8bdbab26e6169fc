"""A cloud's rows go from SQLite to PostgreSQL while it is used: what was answered is there, nobody waits for long."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests import postgres
from tests.acceptance.clouds import CLI, host, simulated
from tests.acceptance.test_machines import ask


class Load:
    """Makes projects as fast as it is answered, and remembers those that it was told are there."""

    def __init__(self, cli: CLI) -> None:
        self.variables = cli.openrc()
        self.answered: list[str] = []
        self.refused: list[str] = []
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._token = ""
        self._token = self._sign_in()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        url = self.variables["OS_AUTH_URL"].removesuffix("/v3") + path
        data = None if body is None else json.dumps(body).encode()
        requested = urllib.request.Request(url, data, method=method)
        requested.add_header("Content-Type", "application/json")
        if self._token:
            requested.add_header("X-Auth-Token", self._token)
        with urllib.request.urlopen(requested, timeout=60) as answer:
            return answer.headers, json.loads(answer.read() or b"null")

    def _sign_in(self) -> str:
        name = {"name": self.variables["OS_USERNAME"], "domain": {"id": "default"}}
        password = name | {"password": self.variables["OS_PASSWORD"]}
        identity = {"methods": ["password"], "password": {"user": password}}
        project = {"name": self.variables["OS_PROJECT_NAME"], "domain": {"id": "default"}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        headers, _ = self.ask("POST", "/v3/auth/tokens", body)
        return str(headers["X-Subject-Token"])

    def more(self, count: int) -> int:
        """Wait until so many more were answered; returns how many by then."""
        until, before = time.monotonic() + 60, len(self.answered)
        while len(self.answered) < before + count:
            assert time.monotonic() < until, self.refused
            time.sleep(0.05)
        return len(self.answered)

    def names(self) -> set[str]:
        return {one["name"] for one in self.ask("GET", "/v3/projects")[1]["projects"]}

    def make(self, number: int, who: str) -> None:
        name = f"load-{who}-{number}"
        began = time.monotonic()
        try:
            _, told = self.ask("POST", "/v3/projects", {"project": {"name": name}})
            # A change and a deletion of rows that may have been copied already.
            path = f"/v3/projects/{told['project']['id']}"
            if number % 3 == 1:
                self.ask("PATCH", path, {"project": {"name": f"{name}-changed"}})
                name = f"{name}-changed"
            if number % 3 == 2:
                self.ask("DELETE", path)
                name = ""
        except HTTPError as error:
            self.refused.append(f"{error.code} {error.read()[:200]!r}")
        else:
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            if name:
                self.answered.append(name)

    @contextmanager
    def running(self, workers: int) -> Iterator[None]:
        def work(who: str) -> None:
            number = 0
            while not self._stop.is_set():
                self.make(number, who)
                number += 1

        threads = [threading.Thread(target=work, args=(f"{one}",)) for one in range(workers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


@pytest.mark.postgres
def test_rows_move_while_the_cloud_is_used(postgres_server: postgres.Server) -> None:
    url = postgres_server.new_database(postgres.EMPTY)
    with simulated() as cli:
        load = Load(cli)
        for place in ("moving.before_mark", "moving.compared"):
            died = cli("grow", "database", url, status=None, failpoints=f"{place}=die")
            assert died.returncode == -9
        load.make(0, "between")  # nothing has moved
        (found,) = cli.json("doctor", "--fix")["differences"]
        assert (found["what"], found["mended"]) == ("rows", True)
        with load.running(3):
            before = load.more(20)
            told = cli.json("grow", "database", url)
            at_once = len(load.answered)
            load.more(1)
        assert not load.refused
        assert before < at_once < len(load.answered)  # it went on meanwhile, and goes on
        assert told["paused_s"] < 5
        assert told["rows"] > 100
        assert load.names() >= set(load.answered)

        # The rows are where it says: a process that begins with the settings of now finds them, and so does a backup.
        load.ask("POST", "/v3/projects", {"project": {"name": "later"}})
        assert 'database = "postgresql://' in (cli.state / "control-extra.toml").read_text()
        assert cli.json("doctor")["differences"] == []
        assert cli.json("status")["rows"].startswith("PostgreSQL at /")
        assert "are there already: PostgreSQL" in cli("grow", "database", url, status=1).stderr
        # Whoever still has the settings from before is led there by the file itself.
        (cli.state / "control-extra.toml").unlink()
        cli("down")
        cli("up", "--simulated")
        assert load.names() >= {"later", *load.answered}
        assert "hanok down first" in cli("grow", "database", "--undo", status=1).stderr
        cli("down")
        assert cli.json("grow", "database", "--undo")["rows"] > 100
        assert "database =" not in (cli.state / "control.toml").read_text()
        cli("up", "--simulated")
        assert load.names() >= {"later", *load.answered}


@pytest.mark.postgres
def test_what_cannot_move_stays(postgres_server: postgres.Server, tmp_path: Path) -> None:
    taken = postgres_server.new_database()  # with tables
    with simulated() as cli:
        for url, why in (
            (taken, "is not empty"),
            ("postgresql://hanok@/none?host=/nowhere", "does not reach"),
            ("sqlite:///tmp/x", "postgresql://"),
        ):
            said = cli("grow", "database", url, status=1).stderr
            assert why in said
        assert "first line" in cli("grow", "database", "-", status=1).stderr  # its input is empty
        assert "a simulated cloud has no server" in cli("grow", "database", status=1).stderr
        assert cli.json("grow", "database", "--undo")["undone"] is False


def different(cli: CLI) -> list[dict[str, Any]]:
    """What doctor names of this cloud; another one may be made or destroyed on this machine at the moment."""
    found = cli.json("doctor", status=None)["differences"]
    return [one for one in found if one["what"] != "leftover"]


@pytest.mark.host
def test_a_server_of_the_clouds_own_and_the_way_back() -> None:
    with host() as cli:
        cli("up")
        assert "reach" in cli("grow", "database", "postgresql://me@127.0.0.1:1/x", status=1).stderr
        told = cli.json("grow", "database")
        assert told["rows"] > 100
        project = {"project": {"name": "in-postgresql"}}
        assert "project" in ask(cli, "POST", "/identity/v3/projects", project)
        shown = cli.json("status")
        assert "postgres" in {one["name"] for one in shown["processes"]}
        assert shown["rows"].startswith("PostgreSQL at /run/hanok/")
        assert not different(cli)

        cli("down")
        assert cli.json("grow", "database", "--undo")["rows"] > 100
        cli("up")
        names = {one["name"] for one in ask(cli, "GET", "/identity/v3/projects")["projects"]}
        assert "in-postgresql" in names
        assert not (cli.state / "database").exists()
        assert cli.json("status")["rows"].startswith("SQLite")
        assert not different(cli)
        assert cli.json("destroy", "--yes") == {"destroyed": True, "left": []}
