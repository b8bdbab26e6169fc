"""Every command of the unmodified client that speaks to block storage, once, with its result looked at."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import CLI
from tests.disks import qcow2
from tests.ports import free_port

# What the client and its libraries warn of is their own future.
pytestmark = pytest.mark.filterwarnings("ignore")

OTHER = ("files", "files2")


@pytest.fixture(scope="module")
def openstack() -> Iterator[OpenStack]:
    """The client of a simulated cloud with two back ends and an image."""
    folder = Path(tempfile.mkdtemp(prefix="hanok-simulated-"))
    cli = CLI(folder / "cloud")
    try:
        cli("up", "--simulated", "--port", str(free_port()))
        environment = {**cli.openrc(), "OS_VOLUME_API_VERSION": "3.71"}
        made = OpenStack({**environment, "OS_ENDPOINT_TYPE": "public"}, "openstack.volume.v3")
        made.run("quota", "set", "--volumes", "-1", "--backups", "-1", "admin")
        disk = folder / "disk.qcow2"
        disk.write_bytes(qcow2())
        made.run("image", "create", "--file", str(disk), "--disk-format", "qcow2", "disk")
        made.wait(lambda: len(made.json("volume", "backend", "pool", "list")) == 2)
        yield made
    finally:
        cli("destroy", "--yes", status=None)
        shutil.rmtree(folder, ignore_errors=True)


def create(openstack: OpenStack, name: str, *words: str) -> str:
    """A volume, which is available; returns its id."""
    words = words or ("--size", "1")
    made = openstack.json("volume", "create", *words, name)
    becomes(openstack, name)
    return str(made["id"])


def shown(openstack: OpenStack, name: str, kind: tuple[str, ...] = ("volume",)) -> Any:
    """What a thing is; the client writes the names of fields in two ways."""
    found = openstack.json(*kind, "show", name)
    return {field.lower().replace(" ", "_"): value for field, value in found.items()}


def becomes(
    openstack: OpenStack, name: str, status: str = "available", kind: tuple[str, ...] = ("volume",)
) -> None:
    openstack.wait(lambda: shown(openstack, name, kind)["status"] == status)


def names(listed: list[dict[str, Any]]) -> set[str]:
    return {line["Name"] for line in listed}


def delete(openstack: OpenStack, *volumes: str) -> None:
    openstack.run("volume", "delete", *volumes)
    openstack.wait(lambda: not names(openstack.json("volume", "list")) & set(volumes))


def place_of(openstack: OpenStack, name: str) -> str:
    return str(shown(openstack, name)["os-vol-host-attr:host"])


def test_a_volumes_life(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    create(openstack, "one", "--size", "1", "--property", "a=b", "--description", "d")
    one = shown(openstack, "one")
    assert (one["size"], one["properties"], one["description"]) == (1, {"a": "b"}, "d")
    run("volume", "set", "--name", "two", "--property", "c=d", "--size", "2", "one")
    becomes(openstack, "two")
    run("volume", "set", "--read-only", "--bootable", "--image-property", "x=y", "two")
    one = shown(openstack, "two")
    assert (one["size"], one["bootable"]) == (2, True)
    assert one["properties"] == {"a": "b", "c": "d", "readonly": "True"}
    assert one["volume_image_metadata"] == {"x": "y"}
    run("volume", "unset", "--property", "c", "--image-property", "x", "two")
    one = shown(openstack, "two")
    assert "c" not in one["properties"] and not one["volume_image_metadata"]
    (line,) = got("volume", "list", "--name", "two")
    assert (line["Name"], line["Status"], line["Size"]) == ("two", "available", 2)
    said = got("volume", "summary")
    assert (said["Total Count"], said["Total Size"]) == (1, 2)
    delete(openstack, "two")


def test_a_volume_of_an_image_and_what_is_made_of_it(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    create(openstack, "of-image", "--size", "1", "--image", "disk")
    assert shown(openstack, "of-image")["volume_image_metadata"]["image_name"] == "disk"
    snapshot = ("volume", "snapshot")
    run(*snapshot, "create", "--volume", "of-image", "--property", "a=b", "s")
    becomes(openstack, "s", kind=snapshot)
    run(*snapshot, "set", "--name", "t", "--description", "d", "--property", "c=d", "s")
    one = shown(openstack, "t", snapshot)
    assert (one["properties"], one["description"]) == ({"a": "b", "c": "d"}, "d")
    run(*snapshot, "unset", "--property", "c", "t")
    assert shown(openstack, "t", snapshot)["properties"] == {"a": "b"}
    assert names(got(*snapshot, "list")) == {"t"}
    create(openstack, "of-snapshot", "--snapshot", "t")
    create(openstack, "of-volume", "--source", "of-image")
    assert shown(openstack, "of-snapshot")["snapshot_id"] == shown(openstack, "t", snapshot)["id"]
    assert shown(openstack, "of-volume")["bootable"] is True
    run("volume", "revert", "t")
    becomes(openstack, "of-image")
    becomes(openstack, "t", kind=snapshot)
    run(*snapshot, "delete", "t")
    openstack.wait(lambda: got(*snapshot, "list") == [])
    delete(openstack, "of-image", "of-snapshot", "of-volume")


def test_backups(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    create(openstack, "data")
    backup = ("volume", "backup")
    made = got(*backup, "create", "--name", "full", "data")
    becomes(openstack, made["id"], kind=backup)
    run(*backup, "create", "--name", "more", "--incremental", "--force", "data")
    becomes(openstack, "more", kind=backup)
    assert shown(openstack, "more", backup)["is_incremental"] is True
    run(*backup, "set", "--name", "whole", "--description", "d", "--property", "a=b", "full")
    one = shown(openstack, "whole", backup)
    assert (one["description"], one["metadata"]) == ("d", {"a": "b"})
    run(*backup, "unset", "--property", "a", "whole")  # the client asks for nothing
    run(*backup, "set", "--no-property", "--property", "c=d", "whole")
    assert shown(openstack, "whole", backup)["metadata"] == {"c": "d"}
    assert names(got(*backup, "list")) == {"whole", "more"}
    run(*backup, "restore", "--force", "more", "data")
    becomes(openstack, "data")
    record = got(*backup, "record", "export", "more")
    run(*backup, "delete", "more")
    openstack.wait(lambda: names(got(*backup, "list")) == {"whole"})
    said = (record["backup_service"], record["backup_url"])
    run(*backup, "record", "import", *said, status=1)  # the client asks at the address of exports
    openstack.called.add("volume backup record import")
    run(*backup, "set", "--state", "error", "whole")
    run(*backup, "delete", "--force", "whole")
    openstack.wait(lambda: got(*backup, "list") == [])
    delete(openstack, "data")


def test_transfers(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    create(openstack, "gift")
    request = ("volume", "transfer", "request")
    made = got(*request, "create", "--name", "offer", "gift")
    assert shown(openstack, "gift")["status"] == "awaiting-transfer"
    assert names(got(*request, "list")) == {"offer"}
    assert shown(openstack, "offer", request)["volume_id"] == made["volume_id"]
    run(*request, "delete", made["id"])  # by its name the client does not find it
    assert shown(openstack, "gift")["status"] == "available"
    made = got(*request, "create", "--name", "offer", "gift")
    run(*request, "accept", "--auth-key", made["auth_key"], made["id"])
    becomes(openstack, "gift")
    assert got(*request, "list") == []
    delete(openstack, "gift")


def test_types_and_moves(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    kind = ("volume", "type")
    run(*kind, "create", "--property", "volume_backend_name=files", "--private", "fast")
    run("project", "create", "friends")
    run(*kind, "set", "--name", "slow", "--property", "a=b", "--project", "friends", "fast")
    encrypted = ("--encryption-provider", "luks", "--encryption-key-size", "256")
    run(*kind, "set", *encrypted, "--encryption-control-location", "front-end", "slow")
    one = got(*kind, "show", "--encryption-type", "slow")
    assert one["properties"] == {"volume_backend_name": "files", "a": "b"}
    assert len(one["access_project_ids"]) == 1 and "luks" in str(one["encryption"])
    run(*kind, "unset", "--property", "a", "--project", "friends", "--encryption-type", "slow")
    one = shown(openstack, "slow", kind)
    assert one["properties"] == {"volume_backend_name": "files"} and not one["access_project_ids"]
    assert "slow" in names(got(*kind, "list"))
    create(openstack, "stays", "--size", "1", "--type", "slow")
    assert place_of(openstack, "stays").endswith("@files#files")
    delete(openstack, "stays")
    create(openstack, "mover")
    here = place_of(openstack, "mover")
    there = next(
        one["Name"] for one in got("volume", "backend", "pool", "list") if one["Name"] != here
    )
    run("volume", "migrate", "--host", there, "mover")
    openstack.wait(lambda: place_of(openstack, "mover") == there)
    delete(openstack, "mover")
    run(*kind, "delete", "slow")
    run(*kind, "show", "slow", status=1)


def test_quality_of_service(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    qos = ("volume", "qos")
    run("volume", "type", "create", "limited")
    run(*qos, "create", "--consumer", "front-end", "--property", "read_iops_sec=10", "q")
    run(*qos, "set", "--property", "write_iops_sec=20", "q")
    run(*qos, "associate", "q", "limited")
    one = shown(openstack, "q", qos)
    assert one["properties"] == {"read_iops_sec": "10", "write_iops_sec": "20"}
    assert (one["consumer"], one["associations"]) == ("front-end", ["limited"])
    run(*qos, "unset", "--property", "write_iops_sec", "q")
    assert shown(openstack, "q", qos)["properties"] == {"read_iops_sec": "10"}
    run(*qos, "disassociate", "--volume-type", "limited", "q")
    (line,) = got(*qos, "list")
    assert (line["Name"], line["Associations"]) == ("q", [])
    run(*qos, "delete", "q")
    assert got(*qos, "list") == []
    run("volume", "type", "delete", "limited")


def test_groups(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    kind, group = ("volume", "group", "type"), ("volume", "group")
    run(*kind, "create", "--description", "d", "together")
    # The client looks for what it has just given another name by the old one.
    run(*kind, "set", "--name", "beside", "--property", "a=b", "together", status=1)
    run(*kind, "set", "--property", "a=b", "beside")
    assert shown(openstack, "beside", kind)["properties"] == {"a": "b"}
    assert "beside" in names(got(*kind, "list"))
    types = ("--volume-group-type", "beside", "--volume-type", "__DEFAULT__")
    run(*group, "create", *types, "--name", "g")
    becomes(openstack, "g", kind=group)
    run(*group, "set", "--name", "h", "--description", "d", "g")
    assert shown(openstack, "h", group)["description"] == "d"
    host = shown(openstack, "h", group)
    assert host["group_type"] == shown(openstack, "beside", kind)["id"]
    member = _beside(openstack, "h", group)
    run(*group, "add", "volume", "h", member)
    openstack.wait(lambda: shown(openstack, member)["group_id"] == host["id"])
    run(*group, "failover", "h", status=1)  # no back end here has replicas
    openstack.called.add("volume group failover")
    snapshot = (*group, "snapshot")
    made = got(*snapshot, "create", "--name", "s", "h")
    becomes(openstack, made["ID"], kind=snapshot)
    assert names(got(*snapshot, "list")) == {"s"}
    run(*snapshot, "delete", "s")
    openstack.wait(lambda: got(*snapshot, "list") == [])
    run(*group, "remove", "volume", "h", member)
    openstack.wait(lambda: shown(openstack, member)["group_id"] is None)
    assert names(got(*group, "list")) == {"h"}
    run(*group, "delete", "h")
    openstack.wait(lambda: got(*group, "list") == [])
    run(*kind, "delete", "beside")
    delete(openstack, member)


def _beside(openstack: OpenStack, name: str, kind: tuple[str, ...]) -> str:
    """The name of a volume that may join a group: empty back ends are alike, so it is where the group is."""
    assert shown(openstack, name, kind)["status"] == "available"
    create(openstack, "member")
    return "member"


def test_consistency_groups(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    group = ("consistency", "group")
    run(*group, "create", "--volume-type", "__DEFAULT__", "c")
    becomes(openstack, "c", kind=group)
    run(*group, "set", "--name", "d", "--description", "x", "c")
    assert shown(openstack, "d", group)["description"] == "x"
    member = _beside(openstack, "d", group)
    run(*group, "add", "volume", "d", member)
    of = shown(openstack, "d", group)["id"]
    openstack.wait(lambda: shown(openstack, member)["group_id"] == of)
    snapshot = (*group, "snapshot")
    run(*snapshot, "create", "--consistency-group", "d", "s")
    becomes(openstack, "s", kind=snapshot)
    # Without these two the client shows none, as it looks for what has neither.
    these = (*snapshot, "list", "--status", "available", "--consistency-group", "d")
    assert names(got(*these)) == {"s"}
    run(*snapshot, "delete", "s")
    openstack.wait(lambda: got(*these) == [])
    run(*group, "remove", "volume", "d", member)
    openstack.wait(lambda: shown(openstack, member)["group_id"] is None)
    assert names(got(*group, "list")) == {"d"}
    run(
        *group, "delete", "d", status=1
    )  # the client misspells the body's key; Cinder refuses that, too
    openstack.called.add("consistency group delete")
    run("volume", "group", "delete", "d")
    openstack.wait(lambda: got(*group, "list") == [])
    delete(openstack, member)


def test_attachments(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    volume = create(openstack, "used")
    run("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "small")
    run("server", "create", "--image", "disk", "--flavor", "small", "--nic", "none", "user")
    attachment = ("volume", "attachment")
    where = ("--host", "host-1", "--initiator", "i")
    new = ("--connect", *where, "--server", "user", "--mode", "rw")
    made = got(*attachment, "create", *new, "used")
    assert made["Volume ID"] == volume
    (line,) = got(*attachment, "list")
    assert (line["ID"], line["Status"]) == (made["ID"], "attaching")
    run(*attachment, "set", *where, "--mountpoint", "/dev/vdz", made["ID"])
    run(*attachment, "complete", made["ID"])
    one = shown(openstack, made["ID"], attachment)
    assert (one["status"], one["properties"]["driver_volume_type"]) == ("attached", "nbd")
    becomes(openstack, "used", "in-use")
    run(*attachment, "delete", made["ID"])
    becomes(openstack, "used")
    run("server", "delete", "user")
    delete(openstack, "used")


def test_messages(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    run("volume", "type", "create", "--property", "volume_backend_name=none", "nowhere")
    run("volume", "create", "--size", "1", "--type", "nowhere", "lost")
    becomes(openstack, "lost", "error")
    message = ("volume", "message")
    (line,) = got(*message, "list")
    assert "No valid back end" in line["User Message"]
    assert line["Resource UUID"] == shown(openstack, "lost")["id"]
    one = shown(openstack, line["ID"], message)  # the client shows nothing else of the answer
    assert one["id"] == line["ID"]
    run(*message, "delete", line["ID"])
    assert got(*message, "list") == []
    delete(openstack, "lost")
    run("volume", "type", "delete", "nowhere")


def test_services_and_hosts(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    listed = got("volume", "service", "list")
    assert {line["Binary"] for line in listed} == {
        "cinder-backup",
        "cinder-scheduler",
        "cinder-volume",
    }
    place = next(line["Host"] for line in listed if line["Binary"] == "cinder-volume")

    def status() -> Any:
        listed = got("volume", "service", "list", "--long", "--host", place)
        return next(line for line in listed if line["Host"] == place)

    run("volume", "service", "set", "--disable", "--disable-reason", "r", place, "cinder-volume")
    assert (status()["Status"], status()["Disabled Reason"]) == ("disabled", "r")
    run("volume", "service", "set", "--enable", place, "cinder-volume")
    assert status()["Status"] == "enabled"
    run("volume", "host", "set", "--disable", place)
    run("volume", "host", "set", "--enable", place)
    run("volume", "host", "failover", "--volume-backend", "x", place, status=1)
    openstack.called.add("volume host failover")  # no back end here has replicas
    keys = got("volume", "backend", "capability", "show", place)
    assert isinstance(keys, list)
    pools = got("volume", "backend", "pool", "list", "--long")
    assert {line["Name"].partition("#")[2] for line in pools} == set(OTHER)


def test_operators_look_and_clean(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    volume = create(openstack, "kept")
    storage = ("block", "storage")
    run(*storage, "cleanup", "--resource-id", volume, status=1)  # the client breaks before it asks
    openstack.called.add("block storage cleanup")
    assert got(*storage, "cluster", "list") == []
    run(*storage, "cluster", "show", "none", status=1)
    run(*storage, "cluster", "set", "--enable", "none", status=1)
    openstack.called |= {"block storage cluster show", "block storage cluster set"}
    level = (*storage, "log", "level")
    run(*level, "set", "--service", "cinder-volume", "DEBUG", status=None)
    got(*level, "list")
    filters = (*storage, "resource", "filter")
    listed = {line["Resource"]: line["Filters"] for line in got(*filters, "list")}
    assert "status" in listed["volume"]
    one = got(*filters, "show", "volume")
    assert one["Resource"] == "volume" and "status" in one["Filters"]
    place = place_of(openstack, "kept")
    found = got(*storage, "volume", "manageable", "list", place)
    assert [line["safe_to_manage"] for line in found] == [False]
    run("volume", "snapshot", "create", "--volume", "kept", "s")
    becomes(openstack, "s", kind=("volume", "snapshot"))
    found = got(*storage, "snapshot", "manageable", "list", place)
    assert [line["safe_to_manage"] for line in found] == [False]
    run("volume", "delete", "--cascade", "kept")
    openstack.wait(lambda: got("volume", "list") == [])


def test_no_command_was_left_out(openstack: OpenStack) -> None:
    assert sorted(openstack.commands - openstack.called) == []
