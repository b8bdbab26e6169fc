"""What a guest is told of itself: the same files on the config drive and at 169.254.169.254.

Two trees of versions: OpenStack's, whose files grew with the versions, and EC2's, in which each value is a file.

Source: the compute service's user guide, "Metadata" (formats and versions of the OpenStack tree, network_data.json,
device role tagging) and EC2's "Instance metadata categories" (1.0 to 2009-04-04).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from hanok.base.addresses import prefix_of
from hanok.services.compute.logic import server_volumes
from hanok.services.network.facade import FixedIP, ServerPort

LATEST = "latest"
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
    LATEST,
)
FILE_SINCE = {
    "meta_data.json": "2012-08-10",
    "user_data": "2012-08-10",
    "vendor_data.json": "2013-10-17",
    "network_data.json": "2015-10-15",
    "vendor_data2.json": "2016-10-06",
}
VALUE_SINCE = {
    "random_seed": "2013-04-04",
    "project_id": "2015-10-15",
    "devices": "2016-06-30",
    "dedicated_cpus": "2020-10-14",
}
"""What of meta_data.json is not in all versions."""

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
    LATEST,
)
EC2_SINCE = {
    "local-hostname": "2007-01-19",
    "public-hostname": "2007-01-19",
    "public-ipv4": "2007-01-19",
    "instance-type": "2007-08-29",
    "block-device-mapping": "2007-12-15",
    "placement": "2008-02-01",
    "instance-action": "2008-09-01",
}
PASSWORD_SINCE = "2013-04-04"
DRIVE_EC2 = ("2009-04-04", LATEST)
NAME = "_name"  # how a folder is listed, where that is not just its name

Tree = dict[str, Any]


def _came_by(first: str, edition: str) -> bool:
    """Whether an edition of a tree has what came with another: dates compare as texts, "latest" is the last."""
    return first <= edition


def files(
    server: Row[Any],
    ports: Sequence[ServerPort],
    password: str = "",
    volumes: Sequence[Row[Any]] = (),
    domain: str = "",
) -> dict[str, bytes]:
    """All files by path, as the metadata address serves them.

    password: what the guest has left there. volumes: rows of the server's. domain: that host names are in.
    """
    found = _openstack(server, ports, volumes, domain)
    for version in OPENSTACK_VERSIONS:
        if _came_by(PASSWORD_SINCE, version):
            found[f"openstack/{version}/password"] = password.encode()
    user_data = _user_data(server)
    for version in EC2_VERSIONS:
        tree = _ec2(server, ports, version, volumes, domain)
        found |= _flat(f"{version}/meta-data/", tree)
        if user_data is not None:
            found[f"{version}/user-data"] = user_data
    return found


def drive_files(
    server: Row[Any],
    ports: Sequence[ServerPort],
    admin_pass: str | None = None,
    volumes: Sequence[Row[Any]] = (),
    domain: str = "",
) -> dict[str, bytes]:
    """The files of a config drive: all versions of OpenStack's tree, and of EC2's those that are in use, as JSON.

    admin_pass: for the administrator of the guest; the metadata address never says it. domain: that host names are in.
    """
    more = {} if admin_pass is None else {"admin_pass": admin_pass}
    found = _openstack(server, ports, volumes, domain, more)
    user_data = _user_data(server)
    for version in DRIVE_EC2:
        tree = _ec2(server, ports, version, volumes, domain)
        found[f"ec2/{version}/meta-data.json"] = msgspec.json.encode(tree)
        if user_data is not None:
            found[f"ec2/{version}/user-data"] = user_data
    return found


def _host_name(server: Row[Any], domain: str) -> str:
    return f"{server.hostname}.{domain}" if domain else str(server.hostname)


def _user_data(server: Row[Any]) -> bytes | None:
    return base64.b64decode(server.user_data) if server.user_data else None


# ---- OpenStack's tree ----


def _openstack(
    server: Row[Any],
    ports: Sequence[ServerPort],
    volumes: Sequence[Row[Any]],
    domain: str,
    more: Tree | None = None,
) -> dict[str, bytes]:
    """more: of meta_data.json."""
    meta = _meta_data(server, ports, volumes, domain) | (more or {})
    network = msgspec.json.encode(network_data(ports))
    user_data = _user_data(server)
    found: dict[str, bytes] = {}
    for version in OPENSTACK_VERSIONS:
        told = {
            name: one for name, one in meta.items() if _came_by(VALUE_SINCE.get(name, ""), version)
        }
        contents = {
            "meta_data.json": msgspec.json.encode(told),
            "network_data.json": network,
            "vendor_data.json": b"{}",
            "vendor_data2.json": b'{"static":{}}',  # no data of the operator's, in upstream's form
        }
        if user_data is not None:
            contents["user_data"] = user_data
        for name, content in contents.items():
            if _came_by(FILE_SINCE[name], version):
                found[f"openstack/{version}/{name}"] = content
    return found | file_contents(server)


def _meta_data(
    server: Row[Any], ports: Sequence[ServerPort], volumes: Sequence[Row[Any]], domain: str
) -> Tree:
    meta: Tree = {
        "uuid": server.id,
        "name": server.name,
        "hostname": _host_name(server, domain),
        "launch_index": server.launch_index,
        "availability_zone": server.availability_zone or "",
        "project_id": server.project_id,
        "random_seed": _seed(server),
        "devices": _devices(server, ports, volumes),
        "dedicated_cpus": [],
    }
    if server.files:
        meta["files"] = files_told(server)
    if server.metadata:
        meta["meta"] = server.metadata
    if server.key_name:
        meta["public_keys"] = {server.key_name: server.public_key}
        kind = "x509" if server.public_key.startswith("-----BEGIN") else "ssh"
        meta["keys"] = [{"name": server.key_name, "type": kind, "data": server.public_key}]
    return meta


def files_told(server: Row[Any]) -> list[Tree]:
    """The files that the guest is to write, as meta_data.json names them."""
    return [
        {"path": one["path"], "content_path": f"/content/{number:04}"}
        for number, one in enumerate(server.files or ())
    ]


def file_contents(server: Row[Any]) -> dict[str, bytes]:
    """What is in them, by path in the tree."""
    return {
        f"openstack/content/{number:04}": base64.b64decode(one["contents"])
        for number, one in enumerate(server.files or ())
    }


def _seed(server: Row[Any]) -> str:
    """512 bytes that differ from server to server; the guest mixes them into its own randomness."""
    seed = b"".join(
        hashlib.sha512(f"{server.id}/{server.created_at.timestamp()}/{n}".encode()).digest()
        for n in range(8)
    )
    return base64.b64encode(seed).decode()


def _devices(
    server: Row[Any], ports: Sequence[ServerPort], volumes: Sequence[Row[Any]]
) -> list[Tree]:
    """What has a tag, with what it is known by inside of the guest.

    Network interfaces are each alone behind a port of their own, after those of the disks; the firmware numbers their
    buses in that order.
    """
    found: list[Tree] = [
        {
            "type": "disk",
            "bus": disk.bus,
            "address": disk.address,
            "serial": disk.serial,
            "path": disk.path,
            "tags": [disk.tag],
        }
        for disk in server_volumes.placed(server, volumes)
        if disk.tag
    ]
    tags = {nic["port_id"]: nic.get("tag") for nic in server.nics}
    first = server_volumes.ports(server, volumes)
    for number, port in enumerate(ports, first):
        if tags.get(port.port_id):
            found.append(
                {
                    "type": "nic",
                    "bus": "pci",
                    "address": _address(number),
                    "mac": port.mac,
                    "tags": [tags[port.port_id]],
                }
            )
    return found


def _address(number: int) -> str:
    return f"0000:{number + 1:02x}:00.0"


# ---- EC2's tree ----


def _ec2(
    server: Row[Any],
    ports: Sequence[ServerPort],
    version: str,
    volumes: Sequence[Row[Any]],
    domain: str,
) -> Tree:
    """The values of a version: texts, lists of texts, folders."""
    fixed = [ip.address for port in ports for ip in port.fixed_ips if ip.version == 4]
    floating = [port.floating_ip for port in ports if port.floating_ip]
    number = f"{server.sequence:08x}"
    values: Tree = {
        "ami-id": f"ami-{number}",
        "ami-launch-index": server.launch_index,
        "ami-manifest-path": "",
        "block-device-mapping": _mapping(server, volumes),
        "hostname": _host_name(server, domain),
        "instance-action": "none",
        "instance-id": f"i-{number}",
        "instance-type": server.flavor["name"],
        "local-hostname": _host_name(server, domain),
        "local-ipv4": fixed[0] if fixed else "",
        "placement": {"availability-zone": server.availability_zone or ""},
        "public-hostname": _host_name(server, domain),
        "public-ipv4": floating[0] if floating else "",
        "reservation-id": server.reservation_id,
        "security-groups": list(server.security_groups),
    }
    if server.key_name:
        # Its listing is "0=name", without a slash: that is how readers learn the number.
        key = {NAME: f"0={server.key_name}", "openssh-key": server.public_key}
        values["public-keys"] = {"0": key}
    return {name: one for name, one in values.items() if _came_by(EC2_SINCE.get(name, ""), version)}


def _mapping(server: Row[Any], volumes: Sequence[Row[Any]]) -> Tree:
    """Disks by what they are for, as cloud-init mounts them."""
    found = {"ami": "vda"}
    names = {row.id: f"ebs{number}" for number, row in enumerate(volumes)}
    for disk in server_volumes.placed(server, volumes):
        if disk.name == "root":
            found["ami"] = disk.path.removeprefix("/dev/")
        if disk.name not in ("config", "installer") and disk.path:
            found[names.get(disk.name, disk.name)] = disk.path
    if (root := server_volumes.root_of(volumes)) is not None and root.device:
        found["ami"], found["root"] = root.device.removeprefix("/dev/"), root.device
    return found


def _flat(prefix: str, tree: Tree) -> dict[str, bytes]:
    """A tree as files. A folder whose listing is not just names has a file at its own path, with a slash at the end."""
    found: dict[str, bytes] = {}
    named = False
    for name, value in tree.items():
        if name == NAME:
            continue
        if isinstance(value, dict):
            named = named or NAME in value
            found |= _flat(f"{prefix}{name}/", value)
        elif isinstance(value, list):
            found[f"{prefix}{name}"] = "\n".join(value).encode()
        else:
            found[f"{prefix}{name}"] = str(value).encode()
    if named:
        found[prefix] = "\n".join(
            value.get(NAME, f"{name}/") if isinstance(value, dict) else name
            for name, value in sorted(tree.items())
            if name != NAME
        ).encode()
    return found


# ---- networks ----


def network_data(ports: Sequence[ServerPort]) -> Tree:
    """Links, networks and name servers: how a guest that does not just ask DHCP configures its interfaces."""
    links: list[Tree] = []
    networks: list[Tree] = []
    services: list[Tree] = []
    for port in ports:
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
        requested: set[str] = set()
        for ip in port.fixed_ips:
            one = _network(ip)
            if one["type"].endswith("_dhcp"):
                if one["type"] in requested:
                    continue  # one question brings all addresses of an interface
                requested.add(one["type"])
            head = {"id": f"network{len(networks)}", "link": link, "network_id": port.network_id}
            networks.append(head | one)
            services += [dns for dns in _name_servers(ip) if dns not in services]
    return {"links": links, "networks": networks, "services": services}


def _network(ip: FixedIP) -> Tree:
    """How an interface gets one address: type, and for all that does not just ask DHCP the address itself."""
    if ip.dhcp and not ip.mode:
        return {"type": f"ipv{ip.version}_dhcp"}
    return {
        "type": f"ipv{ip.version}" + (f"_{ip.mode}" if ip.mode else ""),
        "ip_address": ip.address,
        "netmask": ip.netmask,
        "routes": _routes(ip),
        "services": _name_servers(ip),
    }


def _routes(ip: FixedIP) -> list[Tree]:
    found = []
    if ip.gateway:
        zero = "0.0.0.0" if ip.version == 4 else "::"  # noqa: S104 -- all addresses, not a place to listen
        found.append({"network": zero, "netmask": zero, "gateway": ip.gateway})
    for destination, gateway in ip.routes:
        network = prefix_of(destination)
        found.append(
            {
                "network": str(network.network_address),
                "netmask": str(network.netmask),
                "gateway": gateway,
            }
        )
    return found


def _name_servers(ip: FixedIP) -> list[Tree]:
    return [{"type": "dns", "address": server} for server in ip.dns]
