"""A server whose host is dead is made anew on another, and the host gives it up when it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.compute.ground import Ground, standing
from tests.cloud import NEWEST

HOST = "OS-EXT-SRV-ATTR:host"


@pytest.fixture
async def ground(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with standing(tmp_path, hosts=2, database=database_url) as ground:
        yield ground


async def set_down(ground: Ground, host: str, *, down: bool) -> None:
    path = "/compute/v2.1/os-services?binary=nova-compute"
    found = (await ground.admin.get(path, headers=NEWEST))["services"]
    number = next(one["id"] for one in found if one["host"] == host)
    path = f"/compute/v2.1/os-services/{number}"
    await ground.admin("PUT", path, {"forced_down": down}, headers=NEWEST)


@pytest.mark.parametrize(("minor", "status"), [(94, "ACTIVE"), (95, "SHUTOFF")])
async def test_it_is_made_anew_elsewhere(ground: Ground, minor: int, status: str) -> None:
    server_id = await ground.server()
    before = await ground.show(server_id)
    alive = await ground.act(server_id, "evacuate", {}, client=ground.admin, status=400)
    assert f"Compute service of {before[HOST]} is still in use." in alive.text
    await set_down(ground, before[HOST], down=True)
    same = {"host": before[HOST]}
    await ground.act(server_id, "evacuate", same, client=ground.admin, status=400)
    await ground.act(server_id, "evacuate", {"host": "host-9"}, client=ground.admin, status=400)
    await ground.act(server_id, "evacuate", {}, status=403)
    done = await ground.act(server_id, "evacuate", {}, client=ground.admin, status=200, minor=minor)
    assert not done.content
    after = await ground.show(server_id)
    assert (after["status"], after["addresses"]) == (status, before["addresses"])
    assert after[HOST] != before[HOST]
    path = f"/compute/v2.1/os-migrations?instance_uuid={server_id}"
    (one,) = (await ground.admin.get(path, headers=NEWEST))["migrations"]
    assert (one["migration_type"], one["status"]) == ("evacuation", "done")
    assert (one["source_compute"], one["dest_compute"]) == (before[HOST], after[HOST])
    await set_down(ground, before[HOST], down=False)
    await ground.cloud.control.debts.pay()
    assert server_id not in await ground.guests(before[HOST])
    await ground.assert_clean()
    usages = {name: amount for name, amount in (await ground.usages()).items() if amount}
    assert usages == {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
    await ground.delete(server_id)
    await ground.assert_nothing_left()


async def test_older_versions_say_a_password_and_ask_for_shared_storage(ground: Ground) -> None:
    server_id = await ground.server()
    await set_down(ground, (await ground.show(server_id))[HOST], down=True)
    shared = {"onSharedStorage": True}
    refused = await ground.act(
        server_id, "evacuate", shared, client=ground.admin, status=400, minor=13
    )
    assert "shared storage" in refused.text
    body = {"onSharedStorage": False, "adminPass": "s3cret"}
    await ground.act(server_id, "evacuate", body, client=ground.admin, status=400, minor=14)
    told = await ground.act(server_id, "evacuate", body, client=ground.admin, status=200, minor=13)
    assert told.json() == {"adminPass": "s3cret"}


async def test_where_no_other_host_fits_it_stays_as_it_was(tmp_path: Path) -> None:
    async with standing(tmp_path, hosts=1) as ground:
        server_id = await ground.server()
        before = await ground.show(server_id)
        await set_down(ground, before[HOST], down=True)
        await ground.act(server_id, "evacuate", {}, client=ground.admin, status=200)
        after = await ground.show(server_id)
        assert (after["status"], after[HOST]) == ("ACTIVE", before[HOST])
        assert (await ground.actions(server_id))[0] == ("evacuate", "Error")
