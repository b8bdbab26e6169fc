"""What no host gives its guests, and old doors behind which there is nothing: refused with the reason."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.api.compute.ground import SERVERS, at, standing

SHARE = str(uuid.uuid4())


async def test_shares_of_servers(tmp_path: Path, database_url: str) -> None:
    async with standing(tmp_path, database=database_url) as here:
        server, user = await here.server(), here.user
        path, new = f"{SERVERS}/{server}/shares", at(97)
        assert await user.get(path, headers=new) == {"shares": []}
        await user.get(path, 404, headers=at(96))
        await user.get(f"{path}?x=1", 400, headers=new)
        body = {"share": {"share_id": SHARE, "tag": "data"}}
        answer = await user("POST", path, body, status=409, headers=new)
        assert "while it is in vm_state active" in answer.text
        await user("DELETE", f"{path}/{SHARE}", status=409, headers=new)
        await here.act(server, "os-stop")
        answer = await user("POST", path, body, status=409, headers=new)
        assert "COMPUTE_STORAGE_VIRTIO_FS" in answer.text and SHARE in answer.text
        for bad in ({}, {"share_id": "x"}, {"share_id": SHARE, "tag": "a b"}, {"tag": "a"}):
            await user("POST", path, {"share": bad}, status=400, headers=new)
        for method in ("GET", "DELETE"):
            answer = await user(method, f"{path}/{SHARE}", status=404, headers=new)
            assert answer.json()["itemNotFound"]["message"] == f"Share {SHARE} could not be found."
        other = await here.cloud.project_with("other", "member")
        await other.get(path, 404, headers=new)
        await other("POST", path, body, status=404, headers=new)


async def test_screens_and_machines_that_there_are_not(tmp_path: Path, database_url: str) -> None:
    async with standing(tmp_path, database=database_url) as here:
        path = f"{SERVERS}/{await here.server()}/action"
        body = {"os-getSPICEConsole": {"type": "spice-html5"}}
        answer = await here.user("POST", path, body, status=400, headers=at(5))
        assert answer.json()["badRequest"]["message"] == "Unavailable console type spice-html5."
        wrong = {"os-getSPICEConsole": {"type": "novnc"}}
        assert "Invalid input" in (await here.user("POST", path, wrong, status=400)).text
        for nodes in ("os-baremetal-nodes", "os-baremetal-nodes/1"):
            answer = await here.admin("GET", f"/compute/v2.1/{nodes}", status=501, headers=at(35))
            assert "not supported" in answer.text
            await here.admin("GET", f"/compute/v2.1/{nodes}", status=404, headers=at(36))
            await here.user("GET", f"/compute/v2.1/{nodes}", status=403)
