"""An operator's policy.yaml: the course's custom role takes effect without a restart, and nonsense opens nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cloud import PASSWORD, Client, Cloud, running

SERVERS = "/compute/v2.1/servers"


async def _status(client: Client, requested: int, path: str = SERVERS) -> int:
    """The answer's status, once it is the one asked for or a minute has passed."""
    status = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while (status := (await client("GET", path)).status_code) != requested:
                await asyncio.sleep(0.05)
    return status


async def _told(admin: Client, count: int) -> list[str]:
    """What the inventory says of rules, once it is so many lines or a minute has passed."""
    found: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while True:
                differences = (await admin.get("/hanok/v1/inventory"))["differences"]
                found = [one["detail"] for one in differences if one["what"] == "policy"]
                if len(found) == count:
                    break
                await asyncio.sleep(0.05)
    return found


async def test_a_custom_role_takes_effect_without_a_restart(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    role = (await admin.post("/v3/roles", {"role": {"name": "vm-list-viewer"}}))["role"]
    assert role["domain_id"] is None and role["description"] is None and role["options"] == {}
    viewer = await cloud.project_with("p", "vm-list-viewer")
    assert await _status(viewer, 403) == 403
    folder: Path = cloud.control.settings.policies
    folder.mkdir(parents=True)
    rule = "role:vm-list-viewer or rule:project_reader_or_admin"
    (folder / "compute.yaml").write_text(f'"os_compute_api:servers:index": "{rule}"\n')
    assert await _status(viewer, 200) == 200
    (folder / "compute.yaml").write_text("os_compute_api:servers:index: [broken\n")
    told = await _told(admin, 1)
    assert "compute.yaml on hanok is not used" in told[0]
    assert await _status(viewer, 200) == 200  # the rules before it stay in force
    (folder / "compute.yaml").unlink()
    assert await _status(viewer, 403) == 403
    assert await _told(admin, 0) == []
    assert (await cloud.sign_in("p", PASSWORD, project="p")).token


async def test_a_former_name_takes_effect_without_a_restart(cloud: Cloud) -> None:
    reader, hosts = await cloud.project_with("p", "reader"), "/compute/v2.1/os-hosts"
    assert await _status(reader, 403, hosts) == 403
    folder: Path = cloud.control.settings.policies
    folder.mkdir(parents=True)
    (folder / "compute.yaml").write_text('"os_compute_api:os-hosts": "role:reader"\n')
    assert await _status(reader, 200, hosts) == 200
    (folder / "compute.yaml").write_text('"os_compute_api:os-hosts:list": "!"\n')
    assert await _status(reader, 403, hosts) == 403


async def test_a_file_with_the_time_and_size_of_the_one_before_is_taken_up(cloud: Cloud) -> None:
    """As a copy from an archive has them, which is moved into place."""
    admin = await cloud.sign_in()
    folder: Path = cloud.control.settings.policies
    folder.mkdir(parents=True)
    used, copy = folder / "compute.yaml", folder.parent / "copy"
    for check, status in (("!", 403), ("@", 200), ("!", 403)):
        copy.write_text(f'"os_compute_api:servers:index": "{check}"\n')
        os.utime(copy, ns=(10**18, 10**18))
        copy.replace(used)
        assert await _status(admin, status) == status


NOBODY = '"os_compute_api:servers:index": "!"\n'


@pytest.fixture
async def other(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Cloud]:
    """Another control process of the cloud, on a machine of its own."""
    state = tmp_path / "other"
    (state / "control").mkdir(parents=True)
    shutil.copy(cloud.control.settings.cloud_key, state / "control")
    url = cloud.control.settings.database_url
    async with running(state, database=url, hosts=0, node_name="other") as second:
        yield second


async def test_other_processes_go_by_the_newest_edit(cloud: Cloud, other: Cloud) -> None:
    admin = await cloud.sign_in()
    there = Client(other.http, admin.token, admin.body)
    here_file, there_file = (
        one.control.settings.policies / "compute.yaml" for one in (cloud, other)
    )
    for file in (here_file, there_file):
        file.parent.mkdir(parents=True)
    here_file.write_text(NOBODY)
    assert await _status(admin, 403) == 403
    other.control.wakes._call("policies", [])  # the two have no bus between them
    assert await _status(there, 403) == 403

    there_file.write_text('"os_compute_api:servers:index": "role:admin"\n')
    assert await _status(there, 200) == 200
    cloud.control.wakes._call("policies", [])
    assert await _status(admin, 200) == 200

    # What does not fit is told by every process, and changes nothing in any.
    here_file.write_text('"os_compute_api:servers:index": "rule:nosuch"\n')
    assert len(await _told(admin, 1)) == 1
    assert await _told(there, 1) == await _told(admin, 1)
    assert await _status(admin, 200) == await _status(there, 200) == 200
    here_file.unlink()
    assert await _told(admin, 0) == []


async def test_a_file_counts_by_its_time_when_a_process_starts(tmp_path: Path) -> None:
    file = tmp_path / "policy" / "policy.yaml"
    file.parent.mkdir()
    file.write_text(NOBODY)
    async with running(tmp_path) as cloud:
        admin = await cloud.sign_in()
        assert (await admin("GET", SERVERS)).status_code == 403  # from the first request on

    # Changed, or taken away, while nothing ran.
    file.write_text("{}")
    async with running(tmp_path) as cloud:
        admin.http = cloud.http
        assert (await admin("GET", SERVERS)).status_code == 200
        file.write_text(NOBODY)
        assert await _status(admin, 403) == 403
    file.unlink()
    async with running(tmp_path) as cloud:
        admin.http = cloud.http
        assert (await admin("GET", SERVERS)).status_code == 200

    # A copy from before is older than what is in force.
    file.write_text(NOBODY)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    async with running(tmp_path) as cloud:
        admin.http = cloud.http
        assert (await admin("GET", SERVERS)).status_code == 200


IMAGES, IMAGES_NOBODY = "/image/v2/images", '"get_images": "!"\n'


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ('"os_compute_api:servers:index": "role:admin or or"\n', "service compute:"),
        ('"os_compute_api:servers:index": "rule:nosuch"\n', "service compute:"),
        ('"os_compute_api:servers:index": "http://judge.example/ask"\n', "service compute:"),
        ('"a rule of nobody": "role:admin or or"\n', "a rule of nobody:"),
        ('"os_compute_api:servers:index": "%srole:admin"\n' % ("not " * 5000), "nested too deeply"),
    ],
)
async def test_a_mistake_for_one_service_holds_up_no_other(
    cloud: Cloud, mistake: str, told: str
) -> None:
    admin = await cloud.sign_in()
    file = cloud.control.settings.policies / "policy.yaml"
    file.parent.mkdir()
    file.write_text(NOBODY)
    assert await _status(admin, 403) == 403
    file.write_text(IMAGES_NOBODY + mistake)
    found = await _told(admin, 1)
    assert "policy.yaml on hanok is not used" in found[0] and told in found[0]
    assert (await admin("GET", IMAGES)).status_code == 403
    # Compute goes on by the text before, where the mistake is its own; a new process, too.
    before = 403 if "os_compute_api" in mistake else 200
    assert (await admin("GET", SERVERS)).status_code == before
    settings = cloud.control.settings
    async with running(
        settings.state, database=settings.database, hosts=0, node_name="again"
    ) as again:
        admin.http = again.http
        assert (await admin("GET", SERVERS)).status_code == before
        assert (await admin("GET", IMAGES)).status_code == 403
    admin.http = cloud.http
    file.write_text("{}")
    assert await _told(admin, 0) == []
    assert (await admin("GET", IMAGES)).status_code == 200
    assert (await admin("GET", SERVERS)).status_code == 200


@pytest.mark.parametrize("value", ["!!bool perhaps", "!!timestamp now", "!!int ''", "!!float ''"])
async def test_a_value_that_belies_its_tag_is_told_and_ends_nothing(
    cloud: Cloud, value: str
) -> None:
    admin = await cloud.sign_in()
    folder = cloud.control.settings.policies
    folder.mkdir()
    (folder / "image.yaml").write_text(f"get_images: {value}\n")
    assert "image.yaml on hanok is not used" in (await _told(admin, 1))[0]
    (folder / "compute.yaml").write_text(NOBODY)
    assert await _status(admin, 403) == 403


async def test_a_file_that_no_service_reads_is_told(cloud: Cloud) -> None:
    admin = await cloud.sign_in()
    folder = cloud.control.settings.policies
    folder.mkdir()
    (folder / "nova.yaml").write_text(NOBODY)
    (folder / "image.yaml").write_text("{}")
    told = await _told(admin, 1)
    assert "nova.yaml on hanok is not used" in told[0] and "compute.yaml" in told[0]
