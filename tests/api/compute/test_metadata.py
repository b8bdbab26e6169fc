"""What a guest is told, read as guests read it: by cloud-init, and as afterburn and ignition do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hanok.commands import MetadataQuestion, wire
from hanok.node.metadata import look_up
from hanok.services.compute.logic import metadata, servers
from hanok.services.network import facade as networks
from tests import cloud_init
from tests.api.compute.test_servers import SERVERS, Ground, ground
from tests.cloud import NEWEST, a_flavor, settle
from tests.cloud_init import CloudInit

__all__ = ["ground"]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIfaRIUMGLQyyzoFZuPJdaLuhFzNzBWXPBdWoyxDz/Yq me@here"
DHCP = {"cidr": "10.1.0.0/24"}
STATIC = {
    "cidr": "10.2.0.0/24",
    "enable_dhcp": False,
    "gateway_ip": "10.2.0.1",
    "dns_nameservers": ["192.0.2.53"],
    "host_routes": [{"destination": "192.0.2.0/25", "nexthop": "10.2.0.9"}],
}
V6 = {"cidr": "2001:db8::/64", "ip_version": 6}


def mode(name: str) -> dict[str, Any]:
    return {**V6, "ipv6_address_mode": name, "ipv6_ra_mode": name}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = cloud_init.unpacked(tmp_path_factory.mktemp("cloud-init"))
    if found is None:
        pytest.skip("Debian's package of cloud-init cannot be had here")
    return found


@pytest.fixture
def reader(modules: Path, tmp_path: Path) -> CloudInit:
    folder = tmp_path / "drive"
    folder.mkdir()
    return CloudInit(modules, folder)


async def network(ground: Ground, *subnets: dict[str, Any]) -> str:
    made = await ground.user.post("/network/v2.0/networks", {"network": {"name": "n"}})
    network_id = str(made["network"]["id"])
    for one in subnets:
        subnet = {"network_id": network_id, "ip_version": 4, **one}
        await ground.user.post("/network/v2.0/subnets", {"subnet": subnet})
    return network_id


async def boot(ground: Ground, *networks: str, **values: Any) -> str:
    """A server with a card on each of the networks and a key."""
    body = {"keypair": {"name": "mine", "public_key": KEY, "type": "ssh"}}
    await ground.user.post("/compute/v2.1/os-keypairs", body, headers=NEWEST)
    nics = [{"uuid": one} for one in networks]
    made = await ground.server(networks=nics, key_name="mine", **values)
    await settle(ground.cloud)
    assert (await ground.show(made))["status"] == "ACTIVE"
    return made


async def drive_of(ground: Ground, server_id: str) -> dict[str, bytes]:
    """The files that the host put on the config drive."""
    control = ground.cloud.control
    async with control.database.read() as tx:
        row = await servers.get_any(tx, server_id)
        assert row is not None
        ports = (await networks.ports_of(tx, [server_id]))[server_id]
    return metadata.drive_files(row, ports)


async def served_to(ground: Any, server_id: str) -> dict[str, bytes]:
    """The files that control answers a host with when this guest asks it."""
    shown = await ground.show(server_id, ground.admin)
    (port, *_) = (await ground.user.get(f"/network/v2.0/ports?device_id={server_id}"))["ports"]
    question = MetadataQuestion(
        network_id=port["network_id"], address=port["fixed_ips"][0]["ip_address"]
    )
    subject = wire.from_host(wire.METADATA, shown["OS-EXT-SRV-ATTR:host"])
    answer = await ground.cloud.control.bus.ask(subject, wire.encode(question), timeout_s=60)
    document = wire.decode_document(answer)
    assert document.found
    return document.files


async def nics(ground: Ground, server_id: str) -> dict[str, str]:
    """Names of the cards by MAC address, in the order in which the guest has them."""
    data = json.loads((await drive_of(ground, server_id))["openstack/latest/network_data.json"])
    return {one["ethernet_mac_address"]: f"eth{n}" for n, one in enumerate(data["links"])}


async def configured(ground: Ground, reader: CloudInit, *networks: str) -> Any:
    """What cloud-init would write for netplan, by card."""
    import yaml

    server_id = await boot(ground, *networks, config_drive=True)
    found = reader.drive(await drive_of(ground, server_id), await nics(ground, server_id))
    return yaml.safe_load(found["netplan"])["network"]["ethernets"]


async def test_cards_by_dhcp_ask_and_are_not_told_addresses(
    ground: Ground, reader: CloudInit
) -> None:
    card = (await configured(ground, reader, await network(ground, DHCP)))["eth0"]
    assert card["dhcp4"] is True and "addresses" not in card and card["mtu"]


async def test_a_card_without_dhcp_has_address_gateway_routes_and_name_servers(
    ground: Ground, reader: CloudInit
) -> None:
    card = (await configured(ground, reader, await network(ground, STATIC)))["eth0"]
    assert not card.get("dhcp4")
    assert [one.startswith("10.2.0.") and one.endswith("/24") for one in card["addresses"]] == [
        True
    ]
    assert card["nameservers"]["addresses"] == ["192.0.2.53"]
    routes = {(one["to"], one["via"]) for one in card["routes"]}
    assert ("192.0.2.0/25", "10.2.0.9") in routes
    default = {"0.0.0.0/0", "default"}
    assert card.get("gateway4") == "10.2.0.1" or any(
        to in default and via == "10.2.0.1" for to, via in routes
    )


@pytest.mark.parametrize(
    ("subnet", "kind"),
    [
        (mode("slaac"), "ipv6_slaac"),
        (mode("dhcpv6-stateless"), "ipv6_dhcpv6-stateless"),
        (mode("dhcpv6-stateful"), "ipv6_dhcpv6-stateful"),
        (V6, "dhcp6"),
    ],
)
async def test_a_card_with_ipv6_is_configured_as_its_subnet_says(
    ground: Ground, reader: CloudInit, subnet: dict[str, Any], kind: str
) -> None:
    server_id = await boot(ground, await network(ground, subnet), config_drive=True)
    found = reader.drive(await drive_of(ground, server_id), await nics(ground, server_id))
    (card,) = [one for one in found["config"]["config"] if one["type"] == "physical"]
    assert [one["type"] for one in card["subnets"]] == [kind]


async def test_both_families_without_dhcp(ground: Ground, reader: CloudInit) -> None:
    six = {**V6, "enable_dhcp": False, "gateway_ip": "2001:db8::1"}
    card = (await configured(ground, reader, await network(ground, STATIC, six)))["eth0"]
    assert sorted(one.rpartition("/")[2] for one in card["addresses"]) == ["24", "64"]
    told = json.dumps(card)
    assert '"10.2.0.1"' in told and '"2001:db8::1"' in told


async def test_several_cards_are_told_apart(ground: Ground, reader: CloudInit) -> None:
    nics = await configured(
        ground, reader, await network(ground, DHCP), await network(ground, STATIC)
    )
    assert nics["eth0"]["dhcp4"] is True and not nics["eth1"].get("dhcp4")
    assert nics["eth1"]["addresses"] and nics["eth0"]["set-name"] == "eth0"


async def test_types_of_networks_are_upstreams(ground: Ground) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "ipv4_dhcp": DHCP,
        "ipv4": STATIC,
        "ipv6_slaac": mode("slaac"),
        "ipv6_dhcpv6-stateless": mode("dhcpv6-stateless"),
        "ipv6_dhcpv6-stateful": mode("dhcpv6-stateful"),
        "ipv6_dhcp": V6,
    }
    made = [await network(ground, subnet) for subnet in kinds.values()]
    drive = await drive_of(ground, await boot(ground, *made, config_drive=True))
    told = json.loads(drive["openstack/latest/network_data.json"])
    assert [one["type"] for one in told["networks"]] == list(kinds)
    assert [one["network_id"] for one in told["networks"]] == made
    assert told["services"] == [{"type": "dns", "address": "192.0.2.53"}]
    assert "ip_address" not in told["networks"][0] and told["networks"][2]["ip_address"]


async def test_cloud_init_finds_key_and_disks_by_ec2s_tree(
    ground: Ground, reader: CloudInit
) -> None:
    await a_flavor(ground.admin, "disks", **{"OS-FLV-EXT-DATA:ephemeral": 1, "swap": 64})
    made = await boot(ground, await network(ground, DHCP), flavorRef="disks")
    found = reader.ec2(await served_to(ground, made))
    assert found["public-keys"] == {"mine": KEY}
    assert found["block-device-mapping"] == {
        "ami": "vda", "root": "/dev/vda", "ephemeral0": "/dev/vdb", "swap": "/dev/vdc",
    }  # fmt: skip
    assert found["placement"]["availability-zone"] == "nova"
    assert found["local-ipv4"].startswith("10.1.0.")


async def test_cloud_init_finds_all_by_the_address(ground: Ground, reader: CloudInit) -> None:
    made = await boot(
        ground, await network(ground, DHCP), user_data="I2Nsb3VkLWNvbmZpZwo=", metadata={"a": "b"}
    )
    found = reader.address(await served_to(ground, made), await nics(ground, made))
    assert found["metadata"]["uuid"] == made and found["metadata"]["meta"] == {"a": "b"}
    assert found["metadata"]["public_keys"] == {"mine": KEY}
    assert found["userdata"] == "#cloud-config\n"


async def test_afterburn_finds_keys_and_addresses(ground: Ground) -> None:
    """It reads EC2's paths at "latest": a listing of `number=name`, then each number's key."""
    made = await boot(ground, await network(ground, DHCP))
    files = await served_to(ground, made)

    def read(path: str) -> str:
        found = look_up(files, f"/latest/meta-data/{path}")
        assert found is not None
        return found.decode()

    keys = {}
    for line in read("public-keys").splitlines():
        number, equals, name = line.partition("=")
        assert equals
        keys[name] = read(f"public-keys/{number}/openssh-key")
    assert keys == {"mine": KEY}
    assert read("hostname") == "vm.novalocal" and read("instance-type") == ground.flavor
    assert read("local-ipv4").startswith("10.1.0.") and read("public-ipv4") == ""


async def test_ignition_finds_its_configuration(ground: Ground) -> None:
    """It reads user data of the drive and of the address at "latest"."""
    made = await boot(
        ground, await network(ground, DHCP), user_data="eyJpZ25pdGlvbiI6e319", config_drive=True
    )
    requested = b'{"ignition":{}}'
    assert (await drive_of(ground, made))["openstack/latest/user_data"] == requested
    assert look_up(await served_to(ground, made), "/openstack/latest/user_data") == requested


async def test_a_drive_holds_ec2s_tree_with_all_that_is_nested(ground: Ground) -> None:
    made = await boot(ground, await network(ground, DHCP), config_drive=True)
    drive = await drive_of(ground, made)
    for version in ("latest", "2009-04-04"):
        told = json.loads(drive[f"ec2/{version}/meta-data.json"])
        assert told["public-keys"]["0"]["openssh-key"] == KEY
        assert told["placement"] == {"availability-zone": "nova"}
        assert told["block-device-mapping"]["root"] == "/dev/vda"
        assert told["security-groups"] == ["default"]


async def test_tags_of_cards_and_of_the_disk_are_told(ground: Ground) -> None:
    first, second = await network(ground, DHCP), await network(ground, STATIC)
    body = {
        "name": "vm",
        "flavorRef": ground.flavor,
        "imageRef": ground.image,
        "networks": [{"uuid": first}, {"uuid": second, "tag": "inside"}],
        "block_device_mapping_v2": [
            {
                "source_type": "image", "destination_type": "local", "uuid": ground.image,
                "boot_index": 0, "tag": "system",
            }
        ],
    }  # fmt: skip
    made = (await ground.user.post(SERVERS, {"server": body}, 202, headers=NEWEST))["server"]["id"]
    await settle(ground.cloud)
    files = await served_to(ground, made)
    told = json.loads(files["openstack/latest/meta_data.json"])["devices"]
    macs = list(await nics(ground, made))
    assert told == [
        {
            "type": "disk", "bus": "pci", "address": "0000:01:00.0", "serial": made[:20],
            "path": "/dev/vda", "tags": ["system"],
        },
        {
            "type": "nic", "bus": "pci", "address": "0000:03:00.0", "mac": macs[1],
            "tags": ["inside"],
        },
    ]  # fmt: skip
    older = json.loads(files["openstack/2015-10-15/meta_data.json"])
    assert "devices" not in older
