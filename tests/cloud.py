"""A cloud in this process for tests: the real control with simulated hosts, reached over ASGI."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from hanok.base.clock import Clock
from hanok.bus import MemoryBus
from hanok.control.app import Control
from hanok.control.settings import ROOMS, ControlSettings
from hanok.node.simulated import Shape, SimulatedHost, run_simulated
from hanok.services.compute import facade as compute
from hanok.services.compute.facade import Compute
from hanok.services.identity.facade import Identity, IdentitySettings
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from hanok.services.object_storage.facade import ObjectStorageSettings
from hanok.store import Transaction
from tests import postgres
from tests.disks import qcow2
from tests.in_process import InProcess

if TYPE_CHECKING:
    import pytest

PASSWORD = "secret"
# To PostgreSQL, for reading and for writing each: all loops of a cloud begin at once, each would open one, and to make
# them was most of what a cloud on PostgreSQL took. Where tests do several things at once it is as in real clouds.
FEW_CONNECTIONS, CONNECTIONS = 4, 16
connections = [CONNECTIONS]  # that the next cloud has; tests/conftest.py says it for each test
NEWEST = {"OpenStack-API-Version": "compute 2.104"}


class Client:
    """A user of the cloud: sends a token with each request and looks at what comes back."""

    def __init__(
        self, http: httpx.AsyncClient, token: str = "", body: dict[str, Any] | None = None
    ) -> None:
        self.http = http
        self.token = token
        self.body = body or {}

    @property
    def project_id(self) -> str:
        return str(self.body["project"]["id"])

    @property
    def user_id(self) -> str:
        return str(self.body["user"]["id"])

    async def __call__(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send a request. status: what the answer must have."""
        sent = {"X-Auth-Token": self.token} if self.token else {}
        sent.update(headers or {})
        if isinstance(self.http, InProcess):
            response = await self.http.ask(method, path, json, sent, content)
        else:
            response = await self.http.request(
                method, path, json=json, headers=sent, content=content
            )
        if status is not None:
            assert response.status_code == status, (
                f"{method} {path}: {response.status_code}, not {status}: {response.text[:800]}"
            )
        return response

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        return (await self("GET", path, status=status, **more)).json()

    async def post(self, path: str, json: Any, status: int = 201, **more: Any) -> Any:
        response = await self("POST", path, json, status=status, **more)
        return response.json() if "json" in response.headers.get("content-type", "") else None


class Cloud:
    """A running control with helpers to sign in."""

    def __init__(
        self,
        control: Control,
        http: httpx.AsyncClient,
        nodes: Mapping[str, SimulatedHost] | None = None,
    ) -> None:
        self.control = control
        self.http = http
        self.nodes = nodes or {}
        self.anonymous = Client(http)

    @property
    def identity(self) -> Identity:
        return self.control.house.facade(Identity)

    @property
    def images(self) -> Images:
        return self.control.house.facade(Images)

    @property
    def network(self) -> Network:
        return self.control.house.facade(Network)

    @property
    def compute(self) -> Compute:
        return self.control.house.facade(Compute)

    async def sign_in(
        self,
        user: str = "admin",
        password: str = PASSWORD,
        *,
        project: str | None = "admin",
        scope: dict[str, Any] | None = None,
        status: int = 201,
    ) -> Client:
        auth: dict[str, Any] = {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": user, "domain": {"id": "default"}, "password": password}
                },
            }
        }
        if scope is not None:
            auth["scope"] = scope
        elif project is not None:
            auth["scope"] = {"project": {"name": project, "domain": {"id": "default"}}}
        response = await self.anonymous("POST", "/v3/auth/tokens", {"auth": auth}, status=status)
        if status != 201:
            return Client(self.http)
        return Client(self.http, response.headers["X-Subject-Token"], response.json()["token"])

    async def project_with(self, name: str, *roles: str) -> Client:
        """A new project `name` with a user of the same name who has these roles there; signed in."""
        admin = await self.sign_in()
        project = (await admin.post("/v3/projects", {"project": {"name": name}}))["project"]
        user = (await admin.post("/v3/users", {"user": {"name": name, "password": PASSWORD}}))[
            "user"
        ]
        known = {role["name"]: role["id"] for role in (await admin.get("/v3/roles"))["roles"]}
        for role in roles:
            path = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{known[role]}"
            await admin("PUT", path, status=204)
        return await self.sign_in(name, PASSWORD, project=name)


_template: list[Path] = []


async def first_rows(folder: Path, database: str = "", **more: Any) -> Path:
    """Make a database with tables and a cloud's first rows; returns the folder of its file and its key."""
    settings = _settings(folder, database=database, **more)
    control = Control(settings, Clock(), MemoryBus())
    await control.database.open()
    await control.prepare(PASSWORD)
    await control.database.close()
    return folder / "control"


async def _prepared(state: Path, database: str, *, usual: bool) -> None:
    """Give a new cloud a database that is a copy of a prepared one, where it has nothing unusual."""
    folder = state / "control"
    if database:
        server, prepared = postgres.untouched.pop(database, (None, None))
        if server is None or prepared is None:
            return
        if not usual:
            server.take_rows(database)
            return
    elif usual and not (folder / "hanok.db").exists():
        if not _template:
            made = Path(tempfile.mkdtemp(prefix="hanok-template-"))
            atexit.register(shutil.rmtree, made, ignore_errors=True)
            _template.append(await first_rows(made))
        (prepared,) = _template
    else:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cloud-key",) if database else ("cloud-key", "hanok.db"):
        shutil.copy(prepared / name, folder / name)


def _settings(state: Path, **more: Any) -> ControlSettings:
    sections = {
        name: more.pop(name) for name in (*ROOMS, *more.get("more_services", {})) if name in more
    }
    sections.setdefault("identity", IdentitySettings(password_rounds=4))
    # What was deleted goes at once: most tests look for what is left over.
    sections.setdefault("object_storage", ObjectStorageSettings(let_go_after_s=0.0))
    return ControlSettings(
        state_dir=str(state),
        durable=False,
        database_connections=connections[0],
        public_cidr="172.24.4.0/24",
        public_gateway="172.24.4.1",
        sections=sections,
        names=more.pop("names", ("cloud",)),
        **more,
    )


@asynccontextmanager
async def _closed(bus: MemoryBus) -> AsyncIterator[None]:
    """Close a bus when the clouds on it have ended."""
    try:
        yield
    finally:
        await bus.close()


@asynccontextmanager
async def running(
    state: Path,
    *,
    database: str = "",
    hosts: int = 1,
    clock: Clock | None = None,
    shapes: Mapping[str, Shape] | None = None,
    records: Path | None = None,
    **settings: Any,
) -> AsyncIterator[Cloud]:
    """A cloud whose files are in state; ended, with everything it started, when the block is left.

    shapes: of hosts that are not the usual ones, by name ("host-1").
    records: where the hosts keep what they know of guests; None: in memory.
    """
    requested = _settings(state, database=database, simulated_hosts=hosts, **settings)
    usual = clock is None and not set(settings) - {*ROOMS, "names"}
    await _prepared(state, database, usual=usual)
    bus = MemoryBus()
    clock = clock or Clock()
    names = [f"host-{number}" for number in range(1, hosts + 1)]
    async with (
        _closed(bus),
        Control.running(requested, admin_password=PASSWORD, clock=clock, bus=bus) as control,
        asyncio.TaskGroup() as group,
    ):
        ready = asyncio.Event()
        nodes: dict[str, SimulatedHost] = {}
        simulated = group.create_task(
            run_simulated(
                names,
                bus,
                shapes=shapes,
                image_stores=requested.image_stores,
                snapshots=requested.snapshots,
                state_dir=records,
                clock=clock,
                ready=ready,
                hosts=nodes,
            )
        )
        await ready.wait()
        if hosts:
            await _heard_of(control, hosts)
        async with InProcess(control.app, "http://cloud:5000") as http:
            yield Cloud(control, http, nodes)
        simulated.cancel()


async def _heard_of(control: Control, hosts: int) -> None:
    """Wait until all hosts have told their state."""
    async with asyncio.timeout(30):
        while True:
            async with control.database.read() as tx:
                if len(await compute.hosts_up(tx, control.house.facade(Compute))) == hosts:
                    return
            await asyncio.sleep(0.01)


def commits_take(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on what is to be committed is looked at by others meanwhile."""
    commit = Transaction._before_commit

    async def late(tx: Transaction) -> None:
        await asyncio.sleep(seconds)
        await commit(tx)

    monkeypatch.setattr(Transaction, "_before_commit", late)


async def settle(cloud: Cloud) -> None:
    """Wait until no operation runs or waits."""
    await cloud.control.worker.settled()


async def an_image(client: Client, name: str = "cirros", **values: Any) -> str:
    """A small image with data; returns its id."""
    body = {"name": name, "disk_format": "qcow2", "container_format": "bare", **values}
    image_id = str((await client.post("/image/v2/images", body))["id"])
    await client(
        "PUT",
        f"/image/v2/images/{image_id}/file",
        content=qcow2(),
        headers={"Content-Type": "application/octet-stream"},
        status=204,
    )
    return image_id


async def a_flavor(client: Client, flavor_id: str = "nano", **values: int) -> str:
    """A flavor (64 MiB, 1 GiB, 1 vCPU unless said otherwise); returns its id."""
    body = {"id": flavor_id, "name": flavor_id, "ram": 64, "disk": 1, "vcpus": 1, **values}
    await client.post("/compute/v2.1/flavors", {"flavor": body}, 200)
    return flavor_id


async def a_network(client: Client, name: str = "net", cidr: str = "10.1.0.0/24") -> str:
    """A network with one subnet; returns its id."""
    made = await client.post("/network/v2.0/networks", {"network": {"name": name}})
    network_id = str(made["network"]["id"])
    subnet = {"network_id": network_id, "cidr": cidr, "ip_version": 4}
    await client.post("/network/v2.0/subnets", {"subnet": subnet})
    return network_id


async def a_server(
    client: Client, image_id: str, flavor_id: str, network_id: str = "", **values: Any
) -> str:
    """Ask for a server; returns its id at once."""
    networks: Any = [{"uuid": network_id}] if network_id else "none"
    body = {
        "name": "vm",
        "imageRef": image_id,
        "flavorRef": flavor_id,
        "networks": networks,
        **values,
    }
    made = await client.post("/compute/v2.1/servers", {"server": body}, 202, headers=NEWEST)
    return str(made["server"]["id"])
