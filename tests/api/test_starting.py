"""What a cloud costs that begins."""

from __future__ import annotations

from pathlib import Path

from hanok.store.database import plans_made
from tests.cloud import a_flavor, running


async def test_what_a_cloud_asks_when_it_begins_is_planned_once_a_process(tmp_path: Path) -> None:
    """Its statements are constants; those that were built anew were a third of what its start cost."""
    made = []
    for name in ("first", "second", "third"):
        async with running(tmp_path / name) as cloud:
            await a_flavor(await cloud.sign_in())
        made.append(plans_made())
    assert made[0] > 50
    assert made[2] == made[1]
