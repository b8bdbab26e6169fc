"""What machines run, and what they have logged, over the house's doors."""

from __future__ import annotations

from pathlib import Path

from hanok.base.code import code
from tests.cloud import running

MACHINES = "/hanok/v1/machines"


async def test_each_machine_says_what_it_runs(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database=database_url, hosts=2) as cloud:
        admin = await cloud.sign_in()
        found = await admin.get(MACHINES)
        assert [(one["name"], one["state"], one["code"]) for one in found["machines"]] == [
            ("host-1", "up", code()),
            ("host-2", "up", code()),
        ]
        await cloud.nodes["host-2"].leave()
        gone = (await admin.get(MACHINES))["machines"][1]
        assert (gone["state"], gone["trouble"]) == ("down", "Machine host-2 does not answer.")
        said = await admin("GET", f"{MACHINES}/host-1/logs", status=409)
        assert "is simulated" in said.text
        await admin("GET", f"{MACHINES}/host-2/logs", status=503)
        await admin("GET", f"{MACHINES}/host-3/logs", status=404)
        for query in ("lines=0", "lines=2001", "lines=%D9%A1", "level=loud", "part=" + "x" * 200):
            await admin("GET", f"{MACHINES}/host-1/logs?{query}", status=400)
        user = await cloud.project_with("p", "member")
        await user("GET", MACHINES, status=403)
