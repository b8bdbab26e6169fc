"""What the README says under "Use it" is typed as it stands there, on a simulated cloud."""

from __future__ import annotations

import json
import re
import shlex
import time

import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import ROOT, simulated

LOOKS = 600
KINDS = ("server", "volume", "image", "volume snapshot", "volume backup")
UNDER_WAY = re.compile(r"\b(BUILD|queued|saving|creating|downloading|attaching|backing-up)\b")


def typed() -> list[list[str]]:
    """The commands of the client, in their order; not those that leave something out."""
    text = (ROOT / "README.md").read_text("utf-8").partition("## Use it\n")[2]
    block = re.match(r"\n((?: {4}.*\n)+)", text)
    assert block is not None
    found = []
    for line in block[1].splitlines():
        for command in shlex.join(shlex.split(line, comments=True)).split(" '&&' "):
            words = shlex.split(command)
            if words[:1] == ["openstack"] and "…" not in words:
                found.append(words[1:])
    return found


def settled(client: OpenStack) -> None:
    """Until nothing that was begun is under way: people type slower than this."""
    for _ in range(LOOKS):
        lists = [json.loads(client.run(*kind.split(), "list", "-f", "json")) for kind in KINDS]
        if not any(UNDER_WAY.fullmatch(str(row["Status"])) for rows in lists for row in rows):
            return
        time.sleep(0.1)
    raise AssertionError("something never ends")


@pytest.mark.filterwarnings("ignore")  # what the client warns of is its own future
def test_the_commands_of_the_readme() -> None:
    commands = typed()
    assert len(commands) > 10
    with simulated() as cli:
        client = OpenStack(cli.openrc(), "openstack.compute.v2")
        for words in commands:
            client.run(*words)
            settled(client)
        rows = json.loads(client.run("server", "list", "-f", "json"))
        assert {row["Name"]: row["Status"] for row in rows} == {"vm1": "ACTIVE", "vm3": "ACTIVE"}
