"""A cloud is put into a file, lost, and there again."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base.errors import Unavailable
from hanok.cli import archive
from hanok.cli.output import Failure
from hanok.store import dump
from tests.acceptance.clouds import CLI, simulated
from tests.acceptance.test_machines import ASK


def ask(cli: CLI, method: str, path: str, body: Any = None) -> Any:
    argv = [sys.executable, "-c", ASK, str(cli.state), method, path, json.dumps(body)]
    done = subprocess.run(argv, env=cli.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def test_it_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "cloud.backup"
    with simulated() as cli:
        cli("launch")
        projects = ask(cli, "POST", "/identity/v3/projects", {"project": {"name": "kept"}})
        before = ask(cli, "GET", "/compute/v2.1/servers/detail")["servers"]
        images = ask(cli, "GET", "/image/v2/images")["images"]
        told = cli.json("backup", str(file))
        assert told["rows"] > 100
        assert file.stat().st_mode & 0o777 == 0o600
        assert "is there already" in cli("backup", str(file), status=1).stderr
        later = ask(cli, "POST", "/identity/v3/projects", {"project": {"name": "later"}})
        refused = cli("restore", str(file), status=1)
        assert "is not empty" in refused.stderr
        assert cli.json("destroy", "--yes")["destroyed"]

        cli("restore", str(file))
        cli("up", "--simulated")
        names = {one["id"] for one in ask(cli, "GET", "/identity/v3/projects")["projects"]}
        assert projects["project"]["id"] in names
        assert later["project"]["id"] not in names
        after = ask(cli, "GET", "/compute/v2.1/servers/detail")["servers"]
        assert [(one["id"], one["status"]) for one in after] == [
            (one["id"], one["status"]) for one in before
        ]
        assert ask(cli, "GET", "/image/v2/images")["images"] == images
        assert cli.json("doctor")["differences"] == []


def _damaged(file: Path, into: Path, name: str, content: bytes | None) -> Path:
    """The same with one member that is another, or none."""
    with tarfile.open(file) as old, tarfile.open(into, "w:gz") as new:
        for one in old:
            raw = old.extractfile(one)
            data = b"" if raw is None else raw.read()
            if one.name == name:
                if content is None:
                    continue
                data = content
            one.size = len(data)
            new.addfile(one, io.BytesIO(data))
    return into


async def _rows(url: str) -> dict[str, int]:
    def count(connection: sa.Connection) -> dict[str, int]:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            or 0
            for table in dump.tables()
        }

    return await dump.run(url, count)


async def test_rows_go_from_one_kind_of_database_to_the_other(
    tmp_path: Path, database_url: str
) -> None:
    """And nothing of a backup that is damaged."""
    from tests.cloud import first_rows, running

    await first_rows(tmp_path / "from")
    url = f"sqlite:///{tmp_path / 'from' / 'control' / 'hanok.db'}"
    manifest = archive.Manifest(
        form=archive.FORM, version="", made_at="", simulated=True, bytes=True, rows={}
    )
    file = tmp_path / "file"
    made = await archive.write(file, tmp_path / "from", url, manifest)
    assert archive.manifest_of(file) == made
    target = database_url or f"sqlite:///{tmp_path / 'to.db'}"
    if database_url:  # an empty one
        from tests import postgres

        postgres.untouched.pop(database_url, None)
        target = database_url

        def clear(connection: sa.Connection) -> None:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))

        await dump.run(target, clear)
    for name, content in (("rows/projects", None), ("rows/projects", b"\0\0\0\x10nonsense")):
        bad = _damaged(file, tmp_path / "bad", name, content)
        with pytest.raises(Failure):
            await archive.put_rows(bad, target, made)
    await archive.put_rows(file, target, made)
    assert await _rows(target) == await _rows(url) == made.rows
    with pytest.raises(Failure, match="not empty"):
        await archive.put_rows(file, target, made)
    if not database_url:
        with pytest.raises(Unavailable):
            await dump.run(f"sqlite:///{tmp_path / 'none.db'}", dump.version_of)
        return
    (tmp_path / "again" / "control").mkdir(parents=True)
    key = (tmp_path / "from" / "control" / "cloud-key").read_bytes()
    (tmp_path / "again" / "control" / "cloud-key").write_bytes(key)
    async with running(tmp_path / "again", database=target) as cloud:
        admin = await cloud.sign_in()
        await admin.post("/v3/projects", {"project": {"name": "goes-on"}})


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with tarfile.open(file, "w:gz") as tar:
        for name in ("files/../../outside",):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(Failure, match="not one of a cloud's"):
        archive.put_files(file, tmp_path / "state")
    with pytest.raises(Failure, match="not a backup"):
        archive.manifest_of(file)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(Failure, match="cannot be read"):
        archive.manifest_of(tmp_path / "text")
