"""A second cloud with the same records, which has nothing of the first one's in its hands."""

from __future__ import annotations

import asyncio
import base64
import json
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from hanok.base.cloud_key import CloudKey
from hanok.cli import archive, copying
from hanok.cli.main import main
from hanok.commands import EnsureImage
from hanok.node.errors import NotDone
from hanok.node.simulated import SimulatedImages
from hanok.store import dump
from hanok.supervisor.settings import CloudSettings, load, write_toml
from tests.acceptance.clouds import simulated
from tests.acceptance.test_backup import ask
from tests.cloud import (
    NEWEST,
    PASSWORD,
    Client,
    Cloud,
    a_flavor,
    a_network,
    a_server,
    an_image,
    running,
    settle,
)
from tests.ports import free_port

PAYLOAD = "what nobody else may read"
EXTRA = """
database = "postgresql://somewhere/else"
bytes_url = "http://10.0.0.1:5000"
dns_domain = "lab.example"
[front]
proxies = ["10.0.0.0/8"]
[identity]
password_rounds = 4
[image]
default_store = "bucket"
stores = [{id = "file"}, {id = "bucket", kind = "s3", endpoint = "https://s3.example", bucket = "b"}]
[object_storage]
let_go_after_s = 0.0
[object_storage.bucket]
endpoint = "https://s3.example"
"""


async def _made(cloud: Cloud) -> dict[str, Any]:
    """A bit of everything that hosts have, and a secret."""
    admin = await cloud.sign_in()
    image, flavor, network = await an_image(admin), await a_flavor(admin), await a_network(admin)
    made = {"servers": [await a_server(admin, image, flavor, network) for _ in range(3)]}
    volume = {"size": 1, "imageRef": image, "name": "of an image"}
    made["volumes"] = [
        (await admin.post("/volume/v3/volumes", {"volume": body}, 202))["volume"]["id"]
        for body in (volume, {"size": 2})
    ]
    await settle(cloud)
    for server, action in zip(made["servers"][1:], ("os-stop", "pause"), strict=True):
        await admin("POST", f"/compute/v2.1/servers/{server}/action", {action: None}, status=202)
    snapshot = {"snapshot": {"volume_id": made["volumes"][0]}}
    await admin.post("/volume/v3/snapshots", snapshot, 202)
    await settle(cloud)
    attached = {"volumeAttachment": {"volumeId": made["volumes"][1]}}
    path = f"/compute/v2.1/servers/{made['servers'][0]}/os-volume_attachments"
    await admin.post(path, attached, 202, headers=NEWEST)
    secret = {"name": "s", "payload": base64.b64encode(PAYLOAD.encode()).decode()}
    secret |= {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}  # fmt: skip
    made["secret"] = (await admin.post("/key-manager/v1/secrets", secret))["secret_ref"]
    await settle(cloud)
    return made


async def _all_told(admin: Client) -> None:
    """Both hosts have told of their back ends."""
    async with asyncio.timeout(30):
        while len((await admin.get("/volume/v3/scheduler-stats/get_pools"))["pools"]) < 4:
            await asyncio.sleep(0.01)


async def _snapshot(client: Client) -> dict[str, Any]:
    """What an operator sees of a cloud."""
    servers = (await client.get("/compute/v2.1/servers/detail", headers=NEWEST))["servers"]
    hosts = (await client.get("/compute/v2.1/os-hypervisors/detail"))["hypervisors"]
    pools = (await client.get("/volume/v3/scheduler-stats/get_pools?detail=true"))["pools"]
    return {
        "servers": [
            (one["id"], one["status"], one["OS-EXT-SRV-ATTR:host"], one["addresses"])
            for one in servers
        ],
        "volumes": (await client.get("/volume/v3/volumes/detail"))["volumes"],
        "snapshots": (await client.get("/volume/v3/snapshots/detail"))["snapshots"],
        "networks": (await client.get("/network/v2.0/ports"))["ports"],
        "images": (await client.get("/image/v2/images"))["images"],
        "users": [one["id"] for one in (await client.get("/v3/users"))["users"]],
        "hosts": [(one["hypervisor_hostname"], one["vcpus"], one["memory_mb"]) for one in hosts],
        "pools": [(one["name"], one["capabilities"]["total_capacity_gb"]) for one in pools],
    }


async def _copied(first: Path, directory: Path, database: str) -> None:
    """A backup of a real cloud with that database, and its clone."""
    made = CloudSettings(id="0a0b0c", simulated=False, port=5000, address="10.0.0.1", host_name="a")
    write_toml(first / "hanok.toml", made)
    (first / "control-extra.toml").write_text(EXTRA)
    manifest = archive.Manifest(
        form=archive.FORM, version="", made_at="", simulated=False, bytes=True, rows={}
    )
    url, file = database or f"sqlite:///{first / 'control' / 'hanok.db'}", first.parent / "file"
    await archive.write(file, first, url, manifest)
    words = ["clone", str(directory), "--from", str(file), "--bytes", "--no-start", "--json"]
    assert await asyncio.to_thread(main, [*words, "--port", str(free_port())]) == 0


async def test_a_real_cloud_has_a_simulated_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    first, directory = tmp_path / "first", tmp_path / "copy"
    async with running(first, hosts=2, database=database_url) as cloud:
        admin = await cloud.sign_in()
        await _all_told(admin)
        made = await _made(cloud)
        before, token = await _snapshot(admin), admin.token
        other = await cloud.project_with("somebody", "member")
    await _copied(first, directory, database_url)
    said = json.loads(capsys.readouterr().out)
    assert set(said["left_out"]) == {
        "database", "bytes_url", "front", "image.stores bucket", "object_storage.bucket",
    }  # fmt: skip

    copy = load(directory)
    assert copy is not None and copy.settings.simulated
    assert copy.settings.host_names == ("host-1", "host-2") and not copy.settings.address
    extra = tomllib.loads((directory / "control-extra.toml").read_text())
    assert extra["dns_domain"] == "lab.example" and extra["node_name"] == "a"
    assert extra["image"]["stores"][1] == {
        "id": "bucket", "kind": "file", "folder": f"{directory}/images/store-bucket",
    }  # fmt: skip
    password = copy.password_file.read_text().strip()
    async with running(directory, hosts=2, records=directory / "node") as cloud:
        await cloud.sign_in(password=PASSWORD, status=401)
        old = {"X-Auth-Token": token}
        assert (await cloud.anonymous("GET", "/v3/projects", headers=old)).status_code == 401
        admin = await cloud.sign_in(password=password)
        await _all_told(admin)
        await cloud.sign_in(other.body["user"]["name"], project="somebody")  # users keep theirs
        after = await _snapshot(admin)
        assert {**after, "users": set(after["users"])} == {
            **before,
            "users": {*before["users"], other.user_id},
        }
        assert (await admin.get("/hanok/v1/inventory"))["differences"] == []
        path = made["secret"].partition("/key-manager")[2]
        found = await admin("GET", f"/key-manager{path}/payload", status=200)
        assert found.text == PAYLOAD
        await _goes_on(cloud, admin, made)
    old_key = CloudKey(first / "control" / "cloud-key")
    url = f"sqlite:///{directory / 'control' / 'hanok.db'}"
    assert await dump.run(url, lambda one: _opened(one, old_key)) == []


async def _goes_on(cloud: Cloud, admin: Client, made: dict[str, Any]) -> None:
    """Its hosts know what they have."""
    server, stopped, paused = made["servers"]
    for one, action in ((server, {"reboot": {"type": "HARD"}}), (stopped, {"os-start": None}),
                        (paused, {"unpause": None})):  # fmt: skip
        await admin("POST", f"/compute/v2.1/servers/{one}/action", action, status=202)
    await settle(cloud)
    path = f"/compute/v2.1/servers/{server}/os-volume_attachments/{made['volumes'][1]}"
    await admin("DELETE", path, status=202)
    body = {"volume": {"size": 1, "source_volid": made["volumes"][0]}}
    clone = (await admin.post("/volume/v3/volumes", body, 202))["volume"]["id"]
    await settle(cloud)
    for one in (server, stopped, paused):
        assert (await admin.get(f"/compute/v2.1/servers/{one}"))["server"]["status"] == "ACTIVE"
    assert (await admin.get(f"/volume/v3/volumes/{clone}"))["volume"]["status"] == "available"
    path = f"/volume/v3/volumes/{made['volumes'][1]}"
    assert (await admin.get(path))["volume"]["status"] == "available"


def _opened(connection: sa.Connection, key: CloudKey) -> list[str]:
    """Tables with something that a key opens."""
    tables = []
    for table in dump.tables():
        for row in connection.execute(sa.select(table)):
            found = copying.SEALED.findall(str(row))
            if any(key.open(one) is not None for one in found):
                tables.append(table.name)
    return tables


async def test_images_are_what_their_records_say(tmp_path: Path) -> None:
    command = EnsureImage(image_id="i", disk_format="raw", size_bytes=1 << 20, hash_value="0" * 128)
    with pytest.raises(NotDone):
        await SimulatedImages([str(tmp_path)]).check(command)
    known = await SimulatedImages([str(tmp_path)], described=True).check(command)
    assert known.virtual_size_bytes == 1 << 20


def test_of_a_cloud_that_runs_and_goes_on(tmp_path: Path) -> None:
    with simulated("--hosts", "2") as cli:
        cli("launch")
        refused = cli("clone", str(cli.state), status=1)
        assert "is not empty" in refused.stderr
        copy = cli.state.parent / "copy"
        told = cli.json("clone", str(copy))
        assert told["url"] != cli.json("status")["url"] and told["simulated"]
        first = ask(cli, "GET", "/compute/v2.1/servers/detail")["servers"]
        original, cli.state = cli.state, copy
        try:
            [server] = ask(cli, "GET", "/compute/v2.1/servers/detail")["servers"]
            assert server["id"] == first[0]["id"] and server["status"] == "ACTIVE"
            cli("launch", "--name", "another")  # of an image whose bytes are not here
            assert len(ask(cli, "GET", "/compute/v2.1/servers")["servers"]) == 2
        finally:
            cli("destroy", "--yes")
            cli.state = original
        assert len(ask(cli, "GET", "/compute/v2.1/servers")["servers"]) == 1
        with urllib.request.urlopen(cli.json("status")["url"] + "/v3", timeout=10) as answer:
            assert msgspec.json.decode(answer.read())["version"]["id"].startswith("v3")
    assert list(tmp_path.iterdir()) == []
