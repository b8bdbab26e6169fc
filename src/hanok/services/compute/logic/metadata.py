"""What a guest is told of itself: the same files on the config drive and at 169.254.169.254.

Source: the metadata formats of the compute service's user guide ("openstack" tree) and of EC2 (2009-04-04).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from hanok.services.network.facade import ServerPort

OPENSTACK_VERSIONS = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "latest",
)
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)


def files(server: Row[Any], ports: Sequence[ServerPort]) -> dict[str, bytes]:
    """All files by path, as bytes."""
    found: dict[str, bytes] = {}
    meta: dict[str, Any] = {
        "uuid": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "launch_index": server.launch_index,
        "availability_zone": server.availability_zone or "",
        "project_id": server.project_id,
        "random_seed": _seed(server),
        "devices": [],
        "dedicated_cpus": [],
    }
    if server.metadata:
        meta["meta"] = server.metadata
    if server.key_name:
        meta["public_keys"] = {server.key_name: server.public_key}
        meta["keys"] = [{"name": server.key_name, "type": "ssh", "data": server.public_key}]
    meta_json = msgspec.json.encode(meta)
    network_json = msgspec.json.encode(network_data(ports))
    user_data = base64.b64decode(server.user_data) if server.user_data else None
    for version in OPENSTACK_VERSIONS:
        base = f"openstack/{version}"
        found[f"{base}/meta_data.json"] = meta_json
        found[f"{base}/network_data.json"] = network_json
        found[f"{base}/vendor_data.json"] = b"{}"
        found[f"{base}/vendor_data2.json"] = b"{}"
        if user_data is not None:
            found[f"{base}/user_data"] = user_data
    ec2 = _ec2(server, ports)
    for version in EC2_VERSIONS:
        for name, value in ec2.items():
            found[f"{version}/meta-data/{name}"] = value
        if user_data is not None:
            found[f"{version}/user-data"] = user_data
    return found


def drive_files(server: Row[Any], ports: Sequence[ServerPort]) -> dict[str, bytes]:
    """The files of a config drive: the newest forms of both trees."""
    every = files(server, ports)
    kept = {path: data for path, data in every.items() if path.startswith("openstack/latest/")}
    for name in ("meta_data.json", "network_data.json", "vendor_data.json", "user_data"):
        if f"openstack/2018-08-27/{name}" in every:
            kept[f"openstack/2018-08-27/{name}"] = every[f"openstack/2018-08-27/{name}"]
    kept["ec2/latest/meta-data.json"] = msgspec.json.encode(
        {name: value.decode() for name, value in _ec2(server, ports).items() if "/" not in name}
    )
    if "openstack/latest/user_data" in every:
        kept["ec2/latest/user-data"] = every["openstack/latest/user_data"]
    return kept


def _seed(server: Row[Any]) -> str:
    """512 bytes that differ from server to server; the guest mixes them into its own randomness."""
    seed = b"".join(
        hashlib.sha512(f"{server.id}/{server.created_at.timestamp()}/{n}".encode()).digest()
        for n in range(8)
    )
    return base64.b64encode(seed).decode()


def _ec2(server: Row[Any], ports: Sequence[ServerPort]) -> dict[str, bytes]:
    fixed = [ip.address for port in ports for ip in port.fixed_ips if ip.version == 4]
    floating = [port.floating_ip for port in ports if port.floating_ip]
    number = f"{server.sequence:08x}"
    values = {
        "ami-id": f"ami-{number}",
        "ami-launch-index": str(server.launch_index),
        "ami-manifest-path": "",
        "hostname": server.hostname,
        "instance-action": "none",
        "instance-id": f"i-{number}",
        "instance-type": server.flavor["name"],
        "local-hostname": server.hostname,
        "local-ipv4": fixed[0] if fixed else "",
        "placement/availability-zone": server.availability_zone or "",
        "public-hostname": server.hostname,
        "public-ipv4": floating[0] if floating else "",
        "reservation-id": server.reservation_id,
        "security-groups": "\n".join(server.security_groups),
        "block-device-mapping/ami": "vda",
        "block-device-mapping/root": "/dev/vda",
    }
    if server.key_name:
        values["public-keys/0/openssh-key"] = f"{server.public_key}\n"
    return {name: value.encode() for name, value in values.items()}


def network_data(ports: Sequence[ServerPort]) -> dict[str, Any]:
    """Links, networks and name servers, for guests that do not ask DHCP."""
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: list[dict[str, Any]] = []
    for number, port in enumerate(ports):
        link = f"tap{port.port_id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": port.port_id,
                "type": "ovs",
                "mtu": port.mtu,
                "ethernet_mac_address": port.mac,
            }
        )
        for ip in port.fixed_ips:
            networks.append(
                {
                    "id": f"network{number}",
                    "type": f"ipv{ip.version}_dhcp" if ip.dhcp else f"ipv{ip.version}",
                    "link": link,
                    "network_id": port.network_id,
                    **(
                        {}
                        if ip.dhcp
                        else {"ip_address": ip.address, "netmask": ip.netmask, "routes": []}
                    ),
                }
            )
            services.extend({"type": "dns", "address": server} for server in ip.dns)
    return {"links": links, "networks": networks, "services": services}
