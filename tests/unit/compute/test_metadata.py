"""The trees of files that guests are told."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from hanok.node.metadata import look_up
from hanok.services.compute.logic import metadata
from hanok.services.network.facade import FixedIP, ServerPort

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def server(**values: Any) -> Any:
    """A server's row."""
    row = {
        "id": "11111111-2222-4333-8444-555555555555", "sequence": 10, "name": "Web 1",
        "hostname": "web-1", "project_id": "p", "launch_index": 0, "availability_zone": "nova",
        "created_at": NOW, "metadata": {}, "key_name": "mine", "public_key": "ssh-rsa A",
        "user_data": base64.b64encode(b"#!/bin/sh\n").decode(), "config_drive": False,
        "flavor": {"name": "small", "ephemeral": 0, "swap": 0}, "nics": [], "disk_tag": None,
        "disks": None, "files": None, "image_properties": {}, "image_format": "qcow2",
        "reservation_id": "r-1", "security_groups": ["default", "web"],
    }  # fmt: skip
    return SimpleNamespace(**row | values)


def ip(address: str, **values: Any) -> FixedIP:
    version = 6 if ":" in address else 4
    netmask = "ffff:ffff:ffff:ffff::" if version == 6 else "255.255.255.0"
    return FixedIP(subnet_id="s", address=address, version=version, netmask=netmask, **values)


def port(*those: FixedIP, number: int = 0, **values: Any) -> ServerPort:
    return ServerPort(
        port_id=f"{number}aaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", network_id=f"net{number}",
        network_name="n", mac=f"fa:16:3e:00:00:0{number}", mtu=1442, fixed_ips=those, **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("domain", "told"), [("novalocal", "web-1.novalocal"), ("", "web-1")], ids=["usual", "none"]
)
def test_a_host_name_is_in_the_domain_of_the_cloud(domain: str, told: str) -> None:
    files = metadata.files(server(), [port(ip("10.0.0.3"))], domain=domain)
    assert json.loads(files["openstack/latest/meta_data.json"])["hostname"] == told
    for name in ("hostname", "local-hostname", "public-hostname"):
        assert files[f"latest/meta-data/{name}"].decode() == told
    drive = metadata.drive_files(server(), [port(ip("10.0.0.3"))], domain=domain)
    assert json.loads(drive["openstack/latest/meta_data.json"])["hostname"] == told


def names(files: dict[str, bytes], prefix: str) -> set[str]:
    return {one.removeprefix(prefix) for one in files if one.startswith(prefix)}


EARLY = {"meta_data.json", "user_data"}


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("2012-08-10", set()),
        ("2013-04-04", set()),
        ("2013-10-17", {"vendor_data.json"}),
        ("2015-10-15", {"vendor_data.json", "network_data.json"}),
        ("2016-06-30", {"vendor_data.json", "network_data.json"}),
        ("2016-10-06", {"vendor_data.json", "network_data.json", "vendor_data2.json"}),
        ("2020-10-14", {"vendor_data.json", "network_data.json", "vendor_data2.json"}),
        ("latest", {"vendor_data.json", "network_data.json", "vendor_data2.json"}),
    ],
)
def test_files_came_with_versions(version: str, more: set[str]) -> None:
    password = {"password"} if version >= "2013-04-04" else set()
    served = names(metadata.files(server(), []), f"openstack/{version}/")
    assert served == EARLY | more | password
    assert names(metadata.drive_files(server(), []), f"openstack/{version}/") == EARLY | more


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("2012-08-10", {"random_seed", "project_id", "devices", "dedicated_cpus"}),
        ("2013-04-04", {"project_id", "devices", "dedicated_cpus"}),
        ("2015-10-15", {"devices", "dedicated_cpus"}),
        ("2016-06-30", {"dedicated_cpus"}),
        ("2020-10-14", set()),
        ("latest", set()),
    ],
)
def test_values_of_meta_data_came_with_versions(version: str, missing: set[str]) -> None:
    files = metadata.files(server(), [])
    newest = json.loads(files["openstack/latest/meta_data.json"])
    told = json.loads(files[f"openstack/{version}/meta_data.json"])
    assert set(newest) - set(told) == missing
    assert told["public_keys"] == {"mine": "ssh-rsa A"}
    assert told["keys"] == [{"name": "mine", "type": "ssh", "data": "ssh-rsa A"}]


@pytest.mark.parametrize(
    ("version", "there", "missing"),
    [
        ("1.0", "ami-id", "local-hostname"),
        ("2007-01-19", "public-ipv4", "instance-type"),
        ("2007-08-29", "instance-type", "block-device-mapping"),
        ("2007-12-15", "block-device-mapping/", "placement/"),
        ("2008-02-01", "placement/", "instance-action"),
        ("2009-04-04", "instance-action", "dynamic"),
        ("latest", "public-keys/", "dynamic"),
    ],
)
def test_ec2s_values_came_with_versions(version: str, there: str, missing: str) -> None:
    listing = look_up(metadata.files(server(), []), f"/{version}/meta-data/")
    assert listing is not None
    assert there in listing.decode().splitlines()
    assert missing not in listing.decode().splitlines()


def test_keys_are_listed_by_number_and_name() -> None:
    files = metadata.files(server(), [])
    assert look_up(files, "/latest/meta-data/public-keys/") == b"0=mine"
    assert look_up(files, "/2009-04-04/meta-data/public-keys") == b"0=mine"
    assert look_up(files, "/latest/meta-data/public-keys/0") == b"openssh-key"
    assert look_up(files, "/latest/meta-data/public-keys/0/openssh-key") == b"ssh-rsa A"
    without = metadata.files(server(key_name=None, public_key=None), [])
    assert look_up(without, "/latest/meta-data/public-keys/") is None
    assert b"public-keys" not in (look_up(without, "/latest/meta-data/") or b"")


def test_versions_are_listed_as_upstream_lists_them() -> None:
    files = metadata.files(server(), [])
    assert (look_up(files, "/") or b"").decode().split() == list(metadata.EC2_VERSIONS)
    assert (look_up(files, "/openstack") or b"").decode().split() == [
        "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06",
        "2017-02-22", "2018-08-27", "2020-10-14", "latest",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ephemeral", "swap", "expected"),
    [
        (0, 0, {}),
        (1, 0, {"ephemeral0": "/dev/vdb"}),
        (0, 64, {"swap": "/dev/vdb"}),
        (1, 64, {"ephemeral0": "/dev/vdb", "swap": "/dev/vdc"}),
    ],
)
def test_disks_are_named_in_the_order_in_which_the_guest_has_them(
    ephemeral: int, swap: int, expected: dict[str, str]
) -> None:
    row = server(flavor={"name": "small", "ephemeral": ephemeral, "swap": swap})
    told = json.loads(metadata.drive_files(row, [])["ec2/latest/meta-data.json"])
    assert told["block-device-mapping"] == {"ami": "vda", "root": "/dev/vda", **expected}


def test_a_tagged_card_is_told_where_it_is_behind_all_disks() -> None:
    ports = [port(number=0), port(number=1)]
    nics = [{"port_id": ports[0].port_id}, {"port_id": ports[1].port_id, "tag": "inside"}]
    flavor = {"name": "small", "ephemeral": 1, "swap": 64}
    for drive, address in ((False, "0000:05:00.0"), (True, "0000:06:00.0")):
        row = server(flavor=flavor, nics=nics, config_drive=drive)
        told = json.loads(metadata.files(row, ports)["openstack/latest/meta_data.json"])
        assert told["devices"] == [
            {
                "type": "nic", "bus": "pci", "address": address, "mac": ports[1].mac,
                "tags": ["inside"],
            }
        ]  # fmt: skip


def test_the_password_is_on_the_drive_only() -> None:
    drive = metadata.drive_files(server(), [], "secret words")
    for version in ("2012-08-10", "latest"):
        told = json.loads(drive[f"openstack/{version}/meta_data.json"])
        assert told["admin_pass"] == "secret words"
    assert not any(b"admin_pass" in one for one in metadata.files(server(), []).values())
    assert not any(b"admin_pass" in one for one in metadata.drive_files(server(), []).values())


def test_a_network_without_dhcp_says_everything_and_one_with_dhcp_only_that() -> None:
    fixed = ip(
        "10.0.0.5", dhcp=False, gateway="10.0.0.1", dns=("192.0.2.53",),
        routes=(("198.51.100.0/24", "10.0.0.9"),),
    )  # fmt: skip
    told = metadata.network_data([port(fixed), port(ip("10.1.0.5", gateway="10.1.0.1"), number=1)])
    static, asking = told["networks"]
    assert static["type"] == "ipv4" and static["ip_address"] == "10.0.0.5"
    assert static["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
        {"network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "10.0.0.9"},
    ]
    assert static["services"] == told["services"] == [{"type": "dns", "address": "192.0.2.53"}]
    assert set(asking) == {"id", "type", "link", "network_id"} and asking["type"] == "ipv4_dhcp"
    assert [static["id"], asking["id"]] == ["network0", "network1"]
    assert [one["id"] for one in told["links"]] == [static["link"], asking["link"]]


def test_without_a_gateway_there_is_no_default_route() -> None:
    (one,) = metadata.network_data([port(ip("2001:db8::5", dhcp=False))])["networks"]
    assert one["routes"] == [] and one["type"] == "ipv6"


def test_a_card_asks_dhcp_once_however_many_addresses_it_has() -> None:
    those = [ip("10.0.0.5"), ip("10.0.0.6"), ip("2001:db8::5"), ip("2001:db8::6", mode="slaac")]
    found = [one["type"] for one in metadata.network_data([port(*those)])["networks"]]
    assert found == ["ipv4_dhcp", "ipv6_dhcp", "ipv6_slaac"]


def test_a_server_in_no_zone_says_an_empty_one() -> None:
    files = metadata.files(server(availability_zone=None), [])
    assert json.loads(files["openstack/latest/meta_data.json"])["availability_zone"] == ""
    assert files["latest/meta-data/placement/availability-zone"] == b""


def test_files_are_named_and_served_by_number() -> None:
    given = [
        {"path": "/etc/a", "contents": base64.b64encode(b"A").decode()},
        {"path": "/etc/b", "contents": base64.b64encode(b"B").decode()},
    ]
    files = metadata.files(server(files=given), [])
    told = json.loads(files["openstack/latest/meta_data.json"])["files"]
    assert [(one["path"], files[f"openstack{one['content_path']}"]) for one in told] == [
        ("/etc/a", b"A"),
        ("/etc/b", b"B"),
    ]
    nothing: Any
    for nothing in (None, []):
        without = metadata.files(server(files=nothing), [])
        assert "files" not in json.loads(without["openstack/latest/meta_data.json"])
        assert not [one for one in without if "content" in one]


def volume(number: int, **values: Any) -> Any:
    """A row of a server's volume."""
    base = {
        "id": f"row-{number}", "volume_id": f"volume-{number}", "device": None, "boot_index": None,
        "bus": "virtio", "device_type": "disk", "tag": None, "created_at": NOW,
    }  # fmt: skip
    return SimpleNamespace(**base | values)


def test_a_root_volume_is_what_the_guest_boots_from() -> None:
    row = server(image_id="", disks=[], launched_at=None)
    root, data = volume(0, boot_index=0, device="/dev/sda"), volume(1, boot_index=1)
    told = metadata.drive_files(row, [], volumes=[root, data])["ec2/latest/meta-data.json"]
    assert json.loads(told)["block-device-mapping"] == {
        "ami": "sda", "root": "/dev/sda", "ebs0": "/dev/sda", "ebs1": "/dev/vdb",
    }  # fmt: skip
    root = volume(0, boot_index=0)  # that nobody has called anything yet
    told = metadata.drive_files(row, [], volumes=[root])["ec2/latest/meta-data.json"]
    assert json.loads(told)["block-device-mapping"] == {"ami": "vda", "ebs0": "/dev/vda"}


def test_a_volume_that_came_later_without_a_name_is_not_told() -> None:
    row = server(image_id="i", launched_at=NOW)
    later = [volume(0, device="/dev/vdb"), volume(1), volume(2, tag="data")]
    drive = metadata.files(row, [], volumes=later)
    assert "latest/meta-data/block-device-mapping/ebs0" in drive
    assert "latest/meta-data/block-device-mapping/ebs1" not in drive
    (tagged,) = json.loads(drive["openstack/latest/meta_data.json"])["devices"]
    assert tagged == {
        "type": "disk", "bus": "none", "address": "none", "serial": "volume-2", "path": "",
        "tags": ["data"],
    }  # fmt: skip


def test_the_volumes_of_a_server_are_told_without_what_installs_or_configures_it() -> None:
    row = server(image_id="i", launched_at=None, image_format="iso", config_drive=True)
    told = metadata.drive_files(row, [], volumes=[volume(0)])["ec2/latest/meta-data.json"]
    mapping = json.loads(told)["block-device-mapping"]
    assert set(mapping) == {"ami", "root", "ebs0"} and mapping["root"] == "/dev/vda"


def test_a_name_server_of_two_subnets_is_told_once() -> None:
    both = [
        ip("10.0.0.5", dns=("192.0.2.53", "192.0.2.54")),
        ip("2001:db8::5", dns=("192.0.2.53",)),
    ]
    told = metadata.network_data([port(*both)])["services"]
    assert [one["address"] for one in told] == ["192.0.2.53", "192.0.2.54"]


def test_user_data_is_bytes_whatever_they_are() -> None:
    text = base64.encodebytes(bytes(range(256))).decode()
    files = metadata.files(server(user_data=text), [])
    assert files["openstack/latest/user_data"] == files["1.0/user-data"] == bytes(range(256))
    assert not any("user" in one for one in metadata.files(server(user_data=None), []))
    drive = metadata.drive_files(server(user_data=text), [])
    assert drive["ec2/latest/user-data"] == drive["openstack/latest/user_data"] == bytes(range(256))
    assert not any("user" in one for one in metadata.drive_files(server(user_data=None), []))
