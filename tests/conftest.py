"""What all tests share."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import postgres, s3
from tests.cloud import Cloud, running

# A machine that is busy with something else makes no test fail.
_PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("whole", _PATIENT, max_examples=100)
settings.register_profile("quick", _PATIENT, max_examples=12)
settings.load_profile("whole")


# They start a cloud, a server of somebody else's or an engine as processes of their own.
SLOW = (
    "acceptance", "node", "cli/test_guest_image.py", "drivers/ovn/test_northbound_real.py",
    "drivers/image_stores/test_stores.py", "drivers/qemu", "operations/test_killed.py",
    "operations/test_import_killed.py", "api/network/test_real_engine.py",
    "api/network/test_real_traces.py", "api/image/test_stores.py",
    "api/identity/test_directory.py", "api/identity/test_saml.py", "unit/cli/test_bootstrap.py",
    "unit/supervisor",
)  # fmt: skip

# What a test is tried at every one of: a step's failpoint, a fault of the bus, a version of the tables.
EVERY = ("place", "mode", "revision")
# Here each case has a cloud of its own. Of a table of more cases than these the quick run tries each third.
CLOUDS, FEW = ("api", "operations"), 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the quick run leaves out: what stands in SLOW, and most of the cases of one test where they are many.

    Single tests say so themselves.
    """
    folder = Path(__file__).parent
    slow, clouds = (tuple(str(folder / name) for name in names) for names in (SLOW, CLOUDS))
    tables: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if str(item.path).startswith(slow):
            item.add_marker(pytest.mark.slow)
        elif isinstance(item, pytest.Function) and item.get_closest_marker("postgres") is None:
            tables[str(item.path), item.originalname].append(item)
    for (path, _), cases in tables.items():
        if _parameters(cases[0]) & set(EVERY):
            left_out = cases[1:-1]
        elif path.startswith(clouds) and len(cases) > FEW:
            left_out = [case for number, case in enumerate(cases) if number % 3]
        else:
            continue
        for case in left_out:
            case.add_marker(pytest.mark.slow)


def _parameters(item: pytest.Item) -> set[str]:
    """The names of what a case is made with."""
    case = getattr(item, "callspec", None)
    return set() if case is None else set(case.params)


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


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
