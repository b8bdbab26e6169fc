"""What all tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import postgres, s3
from tests.cloud import Cloud, running

# A machine that is busy with something else makes no test fail.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server for the whole session; each test gets a database of its own."""
    if postgres.programs() is None:
        pytest.skip("PostgreSQL's server programs are not installed (Debian: postgresql)")
    with postgres.server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database of each kind in turn; "" for a SQLite file in the cloud's own folder.

    Its tables are there and empty, and are not even that for tests that are marked so (`no_tables`).
    """
    if request.param == "sqlite":
        yield ""
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    url = server.new_database(empty=request.node.get_closest_marker("no_tables") is not None)
    yield url
    server.drop(url)


@pytest.fixture
async def cloud(tmp_path: Path, database_url: str) -> AsyncIterator[Cloud]:
    """A cloud with one simulated host."""
    async with running(tmp_path, database=database_url) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    """A real S3 server for the whole session."""
    program = s3.program(tmp_path_factory.mktemp("versitygw"))
    if program is None:
        pytest.skip("neither versitygw nor Go to build it is installed")
    with s3.server(program) as server:
        yield server
