"""Every path that programs inside of guests ask, and the password that one leaves there."""

from __future__ import annotations

import pytest

from hanok.commands import MetadataDocument, MetadataQuestion, wire
from hanok.node.metadata import body_length, is_password, look_up
from tests.api.compute.test_metadata import DHCP, boot, network, served_to
from tests.api.compute.test_servers import SERVERS, Ground, ground
from tests.cloud import a_flavor

__all__ = ["a_flavor", "ground"]

VALUES = ("ami-id", "hostname", "instance-id", "instance-type", "local-hostname", "local-ipv4",
          "public-hostname", "reservation-id", "placement/availability-zone",
          "public-keys/0/openssh-key")  # fmt: skip
REQUESTED: dict[str, dict[str, bool]] = {
    "cloud-init, OpenStack": {
        "/openstack": True,
        "/openstack/2018-08-27/meta_data.json": True,
        "/openstack/latest/meta_data.json": True,
        "/openstack/latest/user_data": True,
        "/openstack/latest/vendor_data.json": True,
        "/openstack/latest/vendor_data2.json": True,
        "/openstack/latest/network_data.json": True,
        "/latest/meta-data/": True,
        **{f"/latest/meta-data/{one}": True for one in VALUES},
        "/latest/meta-data/block-device-mapping/ami": True,
        "/latest/meta-data/security-groups": True,
        "/latest/user-data": True,
    },
    "cloud-init, EC2": {
        "/latest/api/token": False,
        "/2009-04-04/meta-data/instance-id": True,
        "/2016-09-02/meta-data/instance-id": False,
        "/2021-03-23/meta-data/instance-id": False,
        "/2009-04-04/user-data": True,
        "/latest/dynamic/instance-identity/document": False,
    },
    "ignition": {
        "/openstack/latest/user_data": True,
        "/latest/user-data": True,
    },
    "afterburn": {
        "/openstack/latest/meta_data.json": True,
        **{f"/latest/meta-data/{one}": True for one in VALUES},
        "/latest/meta-data/public-keys": True,
        "/latest/meta-data/public-ipv4": True,
    },
    "cloudbase-init": {
        "/openstack/latest/meta_data.json": True,
        "/openstack/latest/user_data": True,
        "/openstack/latest/network_data.json": True,
        "/openstack/2013-04-04/password": True,
        "/openstack/content/0000": False,
        "/2009-04-04/meta-data/local-hostname": True,
        "/2009-04-04/meta-data/public-keys/": True,
    },
    "the small guests": {
        "/2009-04-04/meta-data/public-keys/0/openssh-key": True,
        "/latest/meta-data/kernel-id": False,
        "/latest/meta-data/iam/security-credentials/": False,
        "/computeMetadata/v1/instance/": False,
        "/metadata/instance": False,
    },
}


async def test_every_path_that_clients_ask(ground: Ground) -> None:
    server_id = await boot(ground, await network(ground, DHCP), user_data="IyEvYmluL3NoCg==")
    files = await served_to(ground, server_id)
    for client, paths in REQUESTED.items():
        for path, there in paths.items():
            assert (look_up(files, path) is not None) is there, (client, path)
    versions = (look_up(files, "/openstack") or b"").decode().split()
    for version in versions:
        listed = (look_up(files, f"/openstack/{version}") or b"").decode().split()
        assert ("password" in listed) is (version >= "2013-04-04"), version


async def leave(ground: Ground, server_id: str, password: str) -> MetadataDocument:
    """What control answers a host whose guest leaves a password."""
    shown = await ground.show(server_id, ground.admin)
    (port, *_) = (await ground.user.get(f"/network/v2.0/ports?device_id={server_id}"))["ports"]
    address = port["fixed_ips"][0]["ip_address"]
    question = MetadataQuestion(network_id=port["network_id"], address=address, password=password)
    subject = wire.from_host(wire.METADATA, shown["OS-EXT-SRV-ATTR:host"])
    answer = await ground.cloud.control.bus.ask(subject, wire.encode(question), timeout_s=60)
    return wire.decode_document(answer)


async def test_a_password_is_left_once_read_and_cleared(ground: Ground) -> None:
    server_id = await boot(ground, await network(ground, DHCP))
    path = f"{SERVERS}/{server_id}/os-server-password"
    assert (await ground.user.get(path)) == {"password": ""}
    for password, kept in (("c2VhbGVk", True), ("b3RoZXI=", False)):
        assert (await leave(ground, server_id, password)).left is kept
        assert (await ground.user.get(path)) == {"password": "c2VhbGVk"}
    files = await served_to(ground, server_id)
    assert look_up(files, "/openstack/latest/password") == b"c2VhbGVk"
    await ground.user("DELETE", path, status=204)
    assert (await ground.user.get(path)) == {"password": ""}
    assert (await leave(ground, server_id, "b3RoZXI=")).left
    await ground.user("DELETE", f"{SERVERS}/{server_id}", status=204)


@pytest.mark.parametrize(
    ("path", "is_it"),
    [
        ("/openstack/latest/password", True),
        ("//openstack/2013-04-04/password/", True),
        ("/latest/password", False),
        ("/openstack/password", False),
        ("/openstack/latest/password/x", False),
    ],
)
def test_where_a_password_is_left(path: str, is_it: bool) -> None:
    assert is_password(path) is is_it


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n", 12),
        (b"POST / HTTP/1.1\r\nA: b\r\ncontent-length:0\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nX-Content-Length: 12\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", None),
    ],
)
def test_how_long_a_body_is(head: bytes, length: int | None) -> None:
    assert body_length(head) == length
