"""Two PostgreSQL servers, one of which follows the other: the one that takes writes is used, by TLS; none is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from hanok.base.authority import Authority, new_key
from hanok.base.errors import DatabaseAway, Unavailable
from hanok.base.ids import new_uuid
from hanok.store import Database, direct, metadata
from tests import postgres
from tests.ports import free_port

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

leases = metadata.tables["leases"]
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{folder}/cert.pem'
ssl_key_file = '{folder}/key.pem'
fsync = off
"""
HBA = "hostssl all all 127.0.0.1/32 trust\nhostssl replication all 127.0.0.1/32 trust\n"


class Pair:
    """A server, and one that has each transaction before it is acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first, self.second = folder / "first", folder / "second"
        self.ports = {self.first: free_port(), self.second: free_port()}
        self.running: dict[Path, subprocess.Popen[bytes]] = {}
        programs = postgres.programs()
        assert programs is not None
        self._programs = programs
        # A folder with certificates is looked for in there.
        self._environment = os.environ | {"HOME": str(folder)}
        self._user = "postgres" if os.geteuid() == 0 else None

    def run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
            env=os.environ
            | {"HOME": str(self.folder)},  # a folder with certificates is looked for there
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def make(self) -> None:
        authority, now = Authority.new("cloud", datetime.now(UTC)), datetime.now(UTC)
        key = new_key()
        (self.folder / "ca.pem").write_text(authority.certificate)
        certificate = authority.for_engine(key, "database", ["127.0.0.1"], now)
        for name, text in (("cert.pem", certificate), ("key.pem", key)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        if self._user:
            for one in (self.folder, *self.folder.iterdir()):
                shutil.chown(one, self._user)
        self.run("initdb", "-D", str(self.first), "-U", "hanok", "-N", "--no-locale", "-E", "UTF8")
        with (self.first / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(folder=self.folder))
        (self.first / "pg_hba.conf").write_text(HBA)
        self.start(self.first)
        of_first = f"host=127.0.0.1 port={self.ports[self.first]} user=hanok sslmode=require"
        self.run("pg_basebackup", "-D", str(self.second), "-R", "-X", "stream", "-d", of_first)
        self.start(self.second)
        self.tell(self.first, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.tell(self.first, "SELECT pg_reload_conf()")

    def tell(self, one: Path, text: str) -> None:
        where = f"host=127.0.0.1 port={self.ports[one]} user=hanok dbname=postgres sslmode=require"
        self.run("psql", "-qtA", "-d", where, "-c", text)

    def start(self, one: Path) -> None:
        argv = [str(self._programs / "postgres"), "-D", str(one), "-p", str(self.ports[one])]
        with (self.folder / "log").open("ab") as log:
            self.running[one] = subprocess.Popen(
                argv, user=self._user, group=self._user, extra_groups=[] if self._user else None,
                cwd=self.folder, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait(one)

    def _wait(self, one: Path) -> None:
        argv = [
            str(self._programs / "pg_isready"),
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.ports[one]),
        ]
        for _ in range(600):
            if subprocess.run(argv).returncode == 0:
                return
            assert self.running[one].poll() is None, (self.folder / "log").read_text()[-2000:]
            subprocess.run(["sleep", "0.1"], check=True)
        raise AssertionError("it does not answer")

    def lose_first(self) -> None:
        """As if its machine had lost its power; the other one takes over."""
        lost = self.running.pop(self.first)
        lost.send_signal(signal.SIGQUIT)
        lost.wait(timeout=120)
        self.run("pg_ctl", "promote", "-D", str(self.second))

    def stop(self) -> None:
        for one in self.running.values():
            one.send_signal(signal.SIGQUIT)
            one.wait(timeout=120)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        seal = f"sslmode=verify-full&sslrootcert={self.folder / 'ca.pem'}"
        return f"postgresql://hanok@{hosts}/postgres?{seal}"


@pytest.fixture
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if postgres.programs() is None:
        pytest.skip("PostgreSQL's server programs are not installed (Debian: postgresql)")
    folder = Path(
        subprocess.check_output(["mktemp", "-d", "/var/tmp/hanok-pair-XXXXXX"], text=True).strip()
    )
    folder.chmod(0o755)
    made = Pair(folder)
    try:
        made.make()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _opened(pair: Pair) -> Database:
    database = Database(pair.url)
    await database.open()
    async with asyncio.timeout(60):  # it waits for the second server
        await database.make_tables([leases])
    return database


async def test_writes_go_on_at_the_one_that_took_over(pair: Pair) -> None:
    database = await _opened(pair)
    answered: list[str] = []
    refused = 0
    stop = asyncio.Event()

    async def work(who: int) -> None:
        nonlocal refused
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{who}-{number}"
            try:
                async with database.write() as tx:
                    row = {"name": name, "holder": "me", "until": datetime.now(UTC)}
                    await tx.insert(leases, row)
            except Unavailable:
                refused += 1
                await asyncio.sleep(0.05)
            else:
                answered.append(name)

    async with asyncio.TaskGroup() as group:
        for who in range(4):
            group.create_task(work(who))
        while len(answered) < 40:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(pair.lose_first)
        before = len(answered)
        while len(answered) < before + 40:
            await asyncio.sleep(0.01)
        stop.set()
    assert refused  # it was noticed, and nobody was told something else
    async with database.read() as tx:
        assert set(await tx.scalars(sa.select(leases.c.name))) >= set(answered)
    await database.close()


async def test_a_server_that_only_reads_from_now_on_is_left(pair: Pair) -> None:
    database = await _opened(pair)
    row = {"name": "one", "holder": "me", "until": datetime.now(UTC)}
    async with database.write() as tx:
        await tx.insert(leases, row)
    # Its connections stand; a planned change of roles does that.
    await asyncio.to_thread(pair.run, "pg_ctl", "promote", "-D", str(pair.second))
    off = "ALTER SYSTEM SET default_transaction_read_only = on"
    await asyncio.to_thread(pair.tell, pair.first, off)
    await asyncio.to_thread(pair.tell, pair.first, "SELECT pg_reload_conf()")
    port = None
    async with asyncio.timeout(60):  # it stays with a server that takes no writes
        while port != pair.ports[pair.second]:
            try:
                async with database.write() as tx:
                    await tx.insert(leases, row | {"name": new_uuid()})
                port = await _port(database)
            except Unavailable:
                await asyncio.sleep(0.05)
    await database.close()


async def test_a_write_that_nobody_acknowledges_ends(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose follower is gone waits for it with each commit; the one who asked is told."""
    database = await _opened(pair)
    row = {"name": "one", "holder": "me", "until": datetime.now(UTC)}
    os.kill(pair.running[pair.second].pid, signal.SIGKILL)
    pair.running.pop(pair.second).wait()
    monkeypatch.setattr(direct, "COMMIT_S", 0.5)
    with pytest.raises(DatabaseAway):
        async with asyncio.timeout(30), database.write() as tx:
            await tx.insert(leases, row)
    await asyncio.to_thread(
        pair.tell, pair.first, "ALTER SYSTEM SET synchronous_standby_names = ''"
    )
    await asyncio.to_thread(pair.tell, pair.first, "SELECT pg_reload_conf()")
    monkeypatch.undo()
    async with database.write() as tx:
        await tx.insert(leases, row | {"name": "two"})
    await database.close()


async def _port(database: Database) -> int:
    async with database.write() as tx:
        return int(await tx.scalar(sa.select(sa.func.inet_server_port())))
