"""Whom the processes of a host run as: no two of them share a user."""

from __future__ import annotations

import pytest

from hanok.node.settings import NodeSettings


@pytest.mark.parametrize("many", [4, 150, 1000])
def test_no_two_share_one(many: int) -> None:
    one = NodeSettings(host="a", state_dir="/s", run_dir="/r", qemu_uid=61200, qemu_uids=many)
    found = [*one.guest_uids, *one.balancer_uids, one.volumes_uid, one.converter_uid]
    assert found == list(range(61200, 61200 + many))
    assert one.guest_uids and one.balancer_uids


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        NodeSettings(host="a", state_dir="/s", run_dir="/r", qemu_uid=61200, qemu_uids=3)


def test_without_users_all_run_as_the_node() -> None:
    one = NodeSettings(host="a", state_dir="/s", run_dir="/r")
    assert not one.guest_uids and not one.balancer_uids and one.volumes_uid is None
