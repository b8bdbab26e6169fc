"""A cloud in this process for tests: the real control with simulated hosts, reached over ASGI."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hanok.base.clock import Clock
from hanok.bus import MemoryBus
from hanok.control.app import Control
from hanok.control.settings import ROOMS, ControlSettings
from hanok.node.simulated import Shape, run_simulated
from hanok.services.compute import facade as compute
from hanok.services.compute.facade import Compute
from hanok.services.identity.facade import Identity, IdentitySettings
from hanok.services.image.facade import Images
from hanok.services.network.facade import Network
from tests.disks import qcow2

PASSWORD = "secret"
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
        response = await self.http.request(method, path, json=json, headers=sent, content=content)
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

    def __init__(self, control: Control, http: httpx.AsyncClient) -> None:
        self.control = control
        self.http = http
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


async def _prepared(settings: ControlSettings) -> Path:
    """A database with tables and first rows, made once in this process: a case's own is a copy of it."""
    if not _template:
        folder = Path(tempfile.mkdtemp(prefix="hanok-template-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        made = msgspec.structs.replace(settings, state_dir=str(folder))
        control = Control(made, Clock(), MemoryBus())
        await control.database.open()
        await control.prepare(PASSWORD)
        await control.database.close()
        _template.append(folder / "control" / "hanok.db")
    return _template[0]


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
    sections = {
        name: settings.pop(name)
        for name in (*ROOMS, *settings.get("more_services", {}))
        if name in settings
    }
    sections.setdefault("identity", IdentitySettings(password_rounds=4))
    requested = ControlSettings(
        state_dir=str(state),
        database=database,
        durable=False,
        simulated_hosts=hosts,
        public_cidr="172.24.4.0/24",
        public_gateway="172.24.4.1",
        sections=sections,
        names=settings.pop("names", ("cloud",)),
        **settings,
    )
    file = state / "control" / "hanok.db"
    if not database and clock is None and not settings and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        prepared = await _prepared(requested)
        shutil.copyfile(prepared, file)
        shutil.copy(prepared.with_name("cloud-key"), file.with_name("cloud-key"))
    bus = MemoryBus()
    clock = clock or Clock()
    names = [f"host-{number}" for number in range(1, hosts + 1)]
    async with (
        _closed(bus),
        Control.running(requested, admin_password=PASSWORD, clock=clock, bus=bus) as control,
        asyncio.TaskGroup() as group,
    ):
        ready = asyncio.Event()
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
            )
        )
        await ready.wait()
        if hosts:
            await _heard_of(control, hosts)
        transport = httpx.ASGITransport(app=control.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://cloud:5000") as http:
            yield Cloud(control, http)
        simulated.cancel()


async def _heard_of(control: Control, hosts: int) -> None:
    """Wait until all hosts have told their state."""
    async with asyncio.timeout(30):
        while True:
            async with control.database.read() as tx:
                if len(await compute.hosts_up(tx, control.house.facade(Compute))) == hosts:
                    return
            await asyncio.sleep(0.01)


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
