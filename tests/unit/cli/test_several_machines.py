"""What a machine of several is refused before anything is done."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from hanok.cli.commands import destroy, join
from hanok.cli.output import Failure
from hanok.supervisor.settings import Cloud, CloudSettings

JOINED = {
    "cloud": "https://10.0.0.1:5000",
    "messages": "tls://10.0.0.1:1",
    "southbound": "ssl:10.0.0.1:2",
}


def machine(state: Path, **more: object) -> Cloud:
    values = {"id": "3f2a1c", "simulated": False, "host_name": "h2", "address": "10.0.0.2"}
    return Cloud(state, CloudSettings(**values | more))  # type: ignore[arg-type]


def test_where_a_cloud_began_is_not_destroyed_under_other_controllers(tmp_path: Path) -> None:
    cloud = machine(tmp_path)
    cloud.members_file.parent.mkdir(parents=True)
    host = {"name": "h3", "address": "10.0.0.3", "anchor": "x"}
    cloud.members_file.write_text(json.dumps({"hosts": [host]}))
    destroy._check_alone(cloud)
    cloud.members_file.write_text(json.dumps({"hosts": [host | {"control_anchor": "y"}]}))
    with pytest.raises(Failure, match="h3 answers for it"):
        destroy._check_alone(cloud)
    destroy._check_alone(machine(tmp_path, **JOINED))


OTHERS = (
    ({"roles": "controller,compute"}, "joined as compute"),
    ({"name": "h4"}, "joined as h2"),
    ({"address": "10.0.0.4"}, "the address 10.0.0.2"),
)


@pytest.mark.parametrize(("more", "why"), OTHERS)
def test_a_join_that_is_repeated_says_the_same(
    tmp_path: Path, more: dict[str, str], why: str
) -> None:
    """It broke after the settings were written: the cloud would know a machine that these do not make."""
    made = machine(tmp_path, **JOINED, roles=("compute",))
    said = {"roles": "compute", "name": None, "address": None}
    join._check_as_before(made, argparse.Namespace(**said))
    with pytest.raises(Failure, match=why):
        join._check_as_before(made, argparse.Namespace(**said | more))
