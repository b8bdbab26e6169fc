"""An operator's policy.yaml: the course's custom role takes effect without a restart, and nonsense opens nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cloud import PASSWORD, Client, Cloud

SERVERS = "/compute/v2.1/servers"


async def _status(client: Client, wanted: int) -> int:
    """The answer's status, once it is the wanted one or some seconds have passed."""
    status = 0
    for _ in range(60):
        status = (await client("GET", SERVERS)).status_code
        if status == wanted:
            break
        await asyncio.sleep(0.05)
    return status


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
    await asyncio.sleep(1.1)
    assert await _status(viewer, 200) == 200  # the rules before it stay in force
    (folder / "compute.yaml").unlink()
    assert await _status(viewer, 403) == 403
    assert (await cloud.sign_in("p", PASSWORD, project="p")).token
