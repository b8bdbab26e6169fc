"""A cloud that is killed at each place where it tells what happened: it is told all the same, afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operations.test_killed import Process

PLACES = ("before_listeners", "before_publish", "after_publish", "before_mark", "after_mark")
ALARM: dict[str, Any] = {
    "name": "a",
    "type": "event",
    "event_rule": {"event_type": "network.create.end"},
}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path / "cloud")
    made.start()
    made.wait(lambda: (made.folder / "admin-openrc.sh").exists())
    made.sign_in()
    yield made
    made.close()


@pytest.mark.slow
def test_an_event_is_told_though_the_process_was_killed(cloud: Process) -> None:
    for place in PLACES:
        answer = cloud.http.post("/alarming/v2/alarms", json=ALARM | {"name": place})
        assert answer.status_code == 201, answer.text
        alarm = f"/alarming/v2/alarms/{answer.json()['alarm_id']}"
        cloud.end()
        cloud.start(f"events.{place}=die:1")
        made = cloud.http.post("/network/v2.0/networks", json={"network": {"name": place}})
        assert made.status_code == 201, made.text
        cloud.wait(cloud.died)
        cloud.start()
        cloud.wait(lambda alarm=alarm: cloud.get(alarm)["state"] == "alarm")
        changes = cloud.get(f"{alarm}/history")
        assert [one["type"] for one in changes if "transition" in one["type"]] == [
            "state transition"
        ], changes
    networks = cloud.get("/network/v2.0/networks")["networks"]
    assert set(PLACES) <= {one["name"] for one in networks}
