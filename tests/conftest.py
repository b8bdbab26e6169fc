"""What all tests share."""

from __future__ import annotations

import gc
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import postgres, s3
from tests.cloud import CONNECTIONS, FEW_CONNECTIONS, Cloud, connections, running
from tests.failed_tests import pytest_terminal_summary as pytest_terminal_summary

# httpx looks for this module with each request; where it is not installed, each look went through all of the path.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]

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
    "unit/cli/test_unsteady_tests.py", "unit/supervisor",
)  # fmt: skip

# These take minutes. With SLOW they are begun first, so that at the end no processor waits for one that goes on.
LONG = (
    "operations/test_every_operation.py", "operations/test_volumes_broken.py",
    "operations/test_shares_broken.py", "operations/test_balancers_broken.py",
    "operations/test_killed_under_load.py", "operations/test_objects_killed.py", "api/test_fuzz.py",
    "api/test_rules_take_effect.py", "api/test_every_route.py", "api/test_changes_are_told.py",
)  # fmt: skip

# What a test is tried at every one of: a step's failpoint, a fault of the bus, a version of the tables.
EVERY = ("place", "mode", "revision")
# A file with one of these does several things at once.
AT_ONCE = ("gather(", "TaskGroup", "create_task", "at_once", "Thread")
# What a refusal says: it is decided before rows matter, so PostgreSQL tries each fourth case of such a table.
REFUSALS = ("why", "said", "reason", "odd")
# Here each case has a cloud of its own. Of a table of more cases than these the quick run tries each fourth.
CLOUDS, FEW = ("api", "operations"), 3


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run does not even read what it leaves out as a whole: that would be a tenth of its work."""
    if "not slow" in config.option.markexpr and _is_slow(collection_path):
        return True
    of_hosts = "host" in config.option.markexpr.split(" and ")
    if of_hosts and collection_path.name.startswith("test_") and not _says_host(collection_path):
        return True
    return None


def _says_host(path: Path) -> bool:
    return "mark.host" in path.read_text()


def _is_slow(path: Path) -> bool:
    """Whether a file or folder is, or is in, what stands in SLOW."""
    return str(path).startswith(_below(SLOW))


def _below(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(Path(__file__).parent / name) for name in names)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what the quick run leaves out: what stands in SLOW, and most of the cases of one test where they are many.

    Single tests say so themselves.
    """
    if on_sqlite_alone := _tried_on_sqlite_alone(items):
        items[:] = [item for item in items if item not in on_sqlite_alone]
        config.hook.pytest_deselected(items=list(on_sqlite_alone))
    clouds = _below(CLOUDS)
    tables: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("host") is not None:
            assert _says_host(item.path), f"{item.path} has tests of hosts and does not say so"
        if _is_slow(item.path):
            item.add_marker(pytest.mark.slow)
        elif isinstance(item, pytest.Function) and item.get_closest_marker("postgres") is None:
            tables[str(item.path), item.originalname].append(item)
    for (path, _), cases in tables.items():
        if _parameters(cases[0]) & set(EVERY):
            left_out = cases[1:-1]
        elif path.startswith(clouds) and len(cases) > FEW:
            left_out = [case for number, case in enumerate(cases) if number % 4]
        else:
            continue
        for case in left_out:
            case.add_marker(pytest.mark.slow)
    if hasattr(config, "workerinput"):
        _longest_first(items)


def _longest_first(items: list[pytest.Item]) -> None:
    """Files in the order in which they are given to processes: those that take minutes, then those with many tests."""
    long = _below((*LONG, *SLOW))
    tests = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (not str(item.path).startswith(long), -tests[item.path], str(item.path))
    )


def _tried_on_sqlite_alone(items: list[pytest.Item]) -> set[pytest.Item]:
    """Of tables of refusals the cases that PostgreSQL leaves out: three of four, where there are more than a few."""
    tables: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    api = _below(CLOUDS[:1])
    for item in items:
        refused = str(item.path).startswith(api) and _parameters(item) & set(REFUSALS)
        if refused and item.get_closest_marker("postgres") is not None:
            assert isinstance(item, pytest.Function)
            tables[str(item.path), item.originalname].append(item)
    many = [cases for cases in tables.values() if len(cases) > FEW]
    return {case for cases in many for number, case in enumerate(cases) if number % 4}


def _parameters(item: pytest.Item) -> set[str]:
    """The names of what a case is made with."""
    case = getattr(item, "callspec", None)
    return set() if case is None else set(case.params)


def pytest_runtest_setup(item: pytest.Item) -> None:
    connections[0] = CONNECTIONS if _does_several_at_once(item.path) else FEW_CONNECTIONS


@cache
def _does_several_at_once(path: Path) -> bool:
    text = path.read_text()
    return any(word in text for word in AT_ONCE)


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

    Its tables are there and empty, and are not even that for tests that are marked so (`no_tables`). Of a cloud (tests
    of the API have one each) the first rows are there, too.
    """
    if request.param == "sqlite":
        yield ""
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    if request.node.get_closest_marker("no_tables") is not None:
        url = server.new_database(postgres.EMPTY)
    else:
        of_cloud = str(request.path).startswith(_below(CLOUDS[:1]))
        url = server.new_database(postgres.ROWS if of_cloud else postgres.TABLES)
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
