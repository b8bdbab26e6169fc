"""OS::Nova types.

Source: the template guide, "OpenStack Resource Types", OS::Nova; Compute API reference.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hanok.services.orchestration.logic import configs
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Failed,
    Property,
    Replace,
    ResourceType,
    known,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.quotas import Quota, quota_type
from hanok.services.orchestration.logic.types.rest import LIST, MAP, TEXT, Thing, same, telling
from hanok.services.orchestration.logic.work import Work

BASE = "/compute/v2.1"
PORTS = "/network/v2.0/ports"


class Nova(Thing):
    base = BASE
    version = "2.90"

    def headers(self, work: Work) -> dict[str, str]:
        return {"openstack-api-version": f"compute {self.version}"}


class Server(Nova):
    """A server, with the ports that it gets where addresses of subnets are asked for."""

    def body(self, work: Work) -> dict[str, Any]:
        given = work.properties
        found = super().body(work)
        found["networks"] = work.data.get("networks", "auto")
        if given["security_groups"]:
            found["security_groups"] = [{"name": one} for one in given["security_groups"]]
        if devices := _devices(given):
            found["block_device_mapping_v2"] = devices
        if given["config_drive"] is not None:
            found["config_drive"] = given["config_drive"]
        if text := work.data.get("user_data"):
            found["user_data"] = base64.b64encode(text.encode()).decode()
        if given["metadata"]:
            found["metadata"] = {name: _plain(value) for name, value in given["metadata"].items()}
        return found

    async def create(self, work: Work) -> str | None:
        work.data["networks"] = await self._networks(work)
        work.data["user_data"] = await _user_data(work)
        body = {"server": self.body(work)}
        if work.properties["scheduler_hints"]:
            body["os:scheduler_hints"] = work.properties["scheduler_hints"]
        made = await work.cloud(
            "POST", self.path, body, headers=self.headers(work), request_id=work.part.attempt
        )
        return str(made["server"]["id"])

    async def _networks(self, work: Work) -> Any:
        """What a server is asked for; ports of subnets and with addresses are made first, by name once each."""
        raw = work.properties["networks"]
        if raw is None:
            return "auto"
        if len(raw) == 1 and raw[0]["allocate_network"]:
            return raw[0]["allocate_network"]
        found = []
        for at, one in enumerate(raw):
            found.append(await self._network(work, at, one))
        return found

    async def _network(self, work: Work, at: int, one: Mapping[str, Any]) -> dict[str, Any]:
        if one["port"]:
            return {"port": one["port"]}
        network = one["network"] or one["uuid"]
        if one["subnet"] or one["port_extra_properties"] or one["floating_ip"]:
            return {"port": await self._port(work, at, one, network)}
        requested = {"uuid": network}
        if one["fixed_ip"]:
            requested["fixed_ip"] = one["fixed_ip"]
        return requested

    async def _port(self, work: Work, at: int, one: Mapping[str, Any], network: str | None) -> str:
        name = f"{work.part.id}-port-{at}"
        made = work.data.setdefault("made_ports", [])
        made += [at] if at not in made else []
        there = (await work.cloud("GET", f"{PORTS}?name={name}"))["ports"]
        if there:
            return str(there[0]["id"])
        if network is None:
            shown = await work.cloud("GET", f"/network/v2.0/subnets/{one['subnet']}")
            network = shown["subnet"]["network_id"]
        body: dict[str, Any] = {
            "name": name,
            "network_id": network,
            **(one["port_extra_properties"] or {}),
        }
        fixed = {"subnet_id": one["subnet"], "ip_address": one["fixed_ip"]}
        fixed = {key: value for key, value in fixed.items() if value}
        if fixed:
            body["fixed_ips"] = [fixed]
        if work.properties["security_groups"]:
            find = work.cloud.find
            body["security_groups"] = [
                await find("neutron.security_group", each)
                for each in work.properties["security_groups"]
            ]
        port_id = str((await work.cloud("POST", PORTS, {"port": body}))["port"]["id"])
        if one["floating_ip"]:
            await work.cloud(
                "PUT",
                f"/network/v2.0/floatingips/{one['floating_ip']}",
                {"floatingip": {"port_id": port_id}},
            )
        return port_id

    async def created(self, work: Work) -> bool:
        shown = await self.show(work)
        if shown["status"] in ("ERROR",):
            raise Failed(self.why(shown))
        if shown["status"] == "VERIFY_RESIZE" and work.data.get("resizing"):
            await self._act(work, {"confirmResize": None})
            work.data["resizing"] = False
            return False
        if shown.get("OS-EXT-STS:task_state"):
            return False
        if work.data.get("due"):
            if not await self._interfaces(work):
                return False
            await self._drop_detached(work)
            work.data["due"] = False
        return shown["status"] in ("ACTIVE", "SHUTOFF") and not work.data.get("resizing")

    async def _act(self, work: Work, body: dict[str, Any]) -> None:
        await work.cloud("POST", f"{self.address(work)}/action", body, headers=self.headers(work))

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        if "user_data" in changed and work.properties["user_data_update_policy"] == "REPLACE":
            raise Replace
        if "networks" in changed and work.properties["networks"] is not None:
            work.data.update(due=True, asked_for=[], detached=[])
        if "name" in changed:
            name = changed["name"] or work.name_of_resource
            await work.cloud(
                "PUT", self.address(work), {"server": {"name": name}}, headers=self.headers(work)
            )
        if "metadata" in changed:
            body = {
                "metadata": {
                    name: _plain(value) for name, value in (changed["metadata"] or {}).items()
                }
            }
            await work.cloud(
                "PUT", f"{self.address(work)}/metadata", body, headers=self.headers(work)
            )
        if "tags" in changed:
            await work.cloud(
                "PUT",
                f"{self.address(work)}/tags",
                {"tags": changed["tags"] or []},
                headers=self.headers(work),
            )
        if "security_groups" in changed:
            await self._update_groups(work)
        if "flavor" in changed:
            await self._resize(work)
        if "image" in changed:
            await self._rebuild(work)

    async def _resize(self, work: Work) -> None:
        if work.properties["flavor_update_policy"] == "REPLACE":
            raise Replace
        work.data["resizing"] = True
        await self._act(work, {"resize": {"flavorRef": work.properties["flavor"]}})

    async def _rebuild(self, work: Work) -> None:
        if work.properties["image_update_policy"] != "REBUILD" or not work.properties["image"]:
            raise Replace
        await self._act(work, {"rebuild": {"imageRef": work.properties["image"]}})

    async def _update_groups(self, work: Work) -> None:
        find = work.cloud.find
        desired = [
            await find("neutron.security_group", one)
            for one in work.properties["security_groups"] or ()
        ]
        for port in await self._ports(work):
            await work.cloud("PUT", f"{PORTS}/{port['id']}", {"port": {"security_groups": desired}})

    async def _ports(self, work: Work) -> list[dict[str, Any]]:
        return list((await work.cloud("GET", f"{PORTS}?device_id={work.id}"))["ports"])

    async def _interfaces(self, work: Work) -> bool:
        """Bring the interfaces to what is asked for, a step at each look; whether they are.

        A port that an entry could mean is kept for it. Those that none means go, and are gone before others come, which
        may have their addresses.
        """
        ports, entries = _matched(await self._ports(work), work.properties["networks"] or [])
        if ports:
            for port in ports:
                await self._detach(work, port)
            return False
        requested: list[int] = work.data.setdefault("asked_for", [])
        for at in [one for one in entries if one not in requested]:
            await self._attach(work, at)
            requested.append(at)
        return not entries

    async def _attach(self, work: Work, at: int) -> None:
        requested = await self._network(work, 100 + at, work.properties["networks"][at])
        body = {"port_id": requested["port"]} if "port" in requested else _attaching(requested)
        place = f"{self.address(work)}/os-interface"
        await work.cloud("POST", place, {"interfaceAttachment": body}, headers=self.headers(work))

    async def _detach(self, work: Work, port: Mapping[str, Any]) -> None:
        gone: list[str] = work.data.setdefault("detached", [])
        if port["id"] not in gone:
            await work.cloud.gone("DELETE", f"{self.address(work)}/os-interface/{port['id']}")
            gone.append(port["id"])

    async def deleted(self, work: Work) -> bool:
        if work.part.physical_id and not await super().deleted(work):
            return False
        for number in work.data.get("made_ports") or ():
            there = await work.cloud("GET", f"{PORTS}?name={work.part.id}-port-{number}&fields=id")
            for one in there["ports"]:
                await work.cloud.gone("DELETE", f"{PORTS}/{one['id']}")
        return True

    async def _drop_detached(self, work: Work) -> None:
        """Ports that were made for the server and are not its own any more."""
        for number in work.data.get("made_ports") or ():
            there = await work.cloud("GET", f"{PORTS}?name={work.part.id}-port-{number}")
            for one in there["ports"]:
                if one["id"] in work.data["detached"]:
                    await work.cloud.gone("DELETE", f"{PORTS}/{one['id']}")

    async def suspend(self, work: Work) -> None:
        if (await self.show(work))["status"] == "ACTIVE":
            await self._act(work, {"suspend": None})

    async def suspended(self, work: Work) -> bool:
        return await self._reached(work, "SUSPENDED")

    async def _reached(self, work: Work, status: str) -> bool:
        shown = await self.show(work)
        if shown["status"] == "ERROR":
            raise Failed(self.why(shown))
        return bool(shown["status"] == status)

    async def resume(self, work: Work) -> None:
        if (await self.show(work))["status"] == "SUSPENDED":
            await self._act(work, {"resume": None})

    async def resumed(self, work: Work) -> bool:
        return await self._reached(work, "ACTIVE")

    async def check(self, work: Work) -> None:
        shown = await self.show(work)
        if shown["status"] not in ("ACTIVE", "SHUTOFF", "SUSPENDED"):
            raise Failed(
                f"Server {work.name_of_resource} failed to be ACTIVE: its status is {shown['status']}"
            )

    async def snapshot(self, work: Work) -> dict[str, Any]:
        name = f"{work.name_of_resource}-snapshot-{work.stack.task.get('snapshot', '')[:8]}"
        made = await work.cloud(
            "POST",
            f"{self.address(work)}/action",
            {"createImage": {"name": name}},
            headers=self.headers(work),
        )
        return {"snapshot_image_id": (made or {}).get("image_id")}

    async def restore(self, work: Work, kept: Mapping[str, Any]) -> dict[str, Any]:
        return {"image": kept["snapshot_image_id"]} if kept.get("snapshot_image_id") else {}

    def told(self, work: Work, shown: Mapping[str, Any], name: str) -> Any:
        addresses = shown.get("addresses") or {}
        if name == "networks":
            return {net: [one["addr"] for one in some] for net, some in addresses.items()}
        if name == "first_address":
            return next((one["addr"] for some in addresses.values() for one in some), "")
        if name == "instance_name":
            return shown.get("OS-EXT-SRV-ATTR:instance_name")
        return shown.get(name)

    async def attribute(self, work: Work, name: str) -> Any:
        found = await super().attribute(work, name)
        if name == "addresses" and found:
            return await self._with_ports(work, found)
        if name == "console_urls":
            return {}
        return found

    async def _with_ports(self, work: Work, addresses: Mapping[str, Any]) -> dict[str, Any]:
        ports = {port["mac_address"]: port for port in await self._ports(work)}
        found: dict[str, Any] = {}
        for net, some in addresses.items():
            for one in some:
                port = ports.get(one.get("OS-EXT-IPS-MAC:mac_addr"), {})
                told = {
                    **one,
                    "port": port.get("id"),
                    "subnets": [each["subnet_id"] for each in port.get("fixed_ips", ())],
                }
                found.setdefault(net, []).append(told)
                if port:
                    found.setdefault(port["network_id"], []).append(told)
        return found

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        for one in known(properties["networks"]):
            if isinstance(one, dict) and not any(
                one[key] for key in ("port", "network", "uuid", "subnet", "allocate_network", "port_extra_properties")
            ):  # fmt: skip
                raise Wrong(
                    f'Property error: {name}: One of the properties "id", "network", "subnet", "allocate_network" '
                    "should be set for the specified network of server."
                )
        if (
            not properties["image"]
            and not properties["block_device_mapping"]
            and not properties["block_device_mapping_v2"]
        ):
            raise Wrong(
                f"Property error: {name}: Either the image or a bootable block device has to be given."
            )


def _matched(
    ports: list[dict[str, Any]], entries: list[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[int]]:
    """The ports that no entry means, and the places of the entries that mean no port; the most exact choose first."""
    left, alone = list(ports), []
    for at in sorted(range(len(entries)), key=lambda one: _exactness(entries[one])):
        found = next((port for port in left if _means(entries[at], port)), None)
        if found is None:
            alone.append(at)
        else:
            left.remove(found)
    return left, sorted(alone)


def _exactness(entry: Mapping[str, Any]) -> int:
    return next((at for at, name in enumerate(("port", "fixed_ip", "subnet")) if entry[name]), 3)


def _means(entry: Mapping[str, Any], port: Mapping[str, Any]) -> bool:
    if entry["port"]:
        return bool(entry["port"] == port["id"])
    network = entry["network"] or entry["uuid"]
    fixed = port["fixed_ips"]
    return (
        (not network or network == port["network_id"])
        and (not entry["subnet"] or any(one["subnet_id"] == entry["subnet"] for one in fixed))
        and (not entry["fixed_ip"] or any(one["ip_address"] == entry["fixed_ip"] for one in fixed))
    )


def _attaching(requested: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"net_id": requested["uuid"]}
    if "fixed_ip" in requested:
        body["fixed_ips"] = [{"ip_address": requested["fixed_ip"]}]
    return body


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _devices(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for one in given["block_device_mapping"] or ():
        source = "snapshot" if one["snapshot_id"] else "volume"
        entry = {"source_type": source, "destination_type": "volume", "boot_index": 0,
                 "uuid": one["snapshot_id"] or one["volume_id"], "device_name": one["device_name"],
                 "volume_size": one["volume_size"], "delete_on_termination": one["delete_on_termination"]}  # fmt: skip
        found.append({name: value for name, value in entry.items() if value is not None})
    for at, one in enumerate(given["block_device_mapping_v2"] or ()):
        found.append(_device(at, one))
    if found and given["image"] and not any(one.get("boot_index") == 0 for one in found):
        first = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": given["image"],
                 "delete_on_termination": True}  # fmt: skip
        found.insert(0, first)
    return found


def _device(at: int, one: Mapping[str, Any]) -> dict[str, Any]:
    for source in ("volume", "snapshot", "image"):
        if one[f"{source}_id"] or (source == "image" and one["image"]):
            entry: dict[str, Any] = {
                "source_type": source,
                "uuid": one[f"{source}_id"] or one["image"],
                "destination_type": "volume",
            }
            entry["boot_index"] = (
                one["boot_index"] if one["boot_index"] is not None else 0 if at == 0 else -1
            )
            break
    else:
        entry = {
            "source_type": "blank",
            "destination_type": "local" if one["swap_size"] or one["ephemeral_size"] else "volume",
            "boot_index": -1,
        }
        if one["swap_size"]:
            entry.update(guest_format="swap", volume_size=one["swap_size"])
        if one["ephemeral_size"]:
            entry.update(volume_size=one["ephemeral_size"])
    for name in ("device_name", "device_type", "disk_bus", "volume_size", "delete_on_termination"):
        if one[name] is not None:
            entry[name] = one[name]
    return entry


async def _user_data(work: Work) -> str:
    """The user data as the guest gets it: a text, or the config that it names."""
    given = work.properties
    raw = given["user_data"] or ""
    if raw and len(raw) == 36:
        found = await configs.text_of(work.room, raw, work.stack.project_id)
        raw = raw if found is None else str(found)
    return str(raw)


class Flavor(Nova):
    """A flavor; extra specs and access are put on beside."""

    async def created(self, work: Work) -> bool:
        if work.properties["extra_specs"] and not work.data.get("specs"):
            await work.cloud(
                "POST",
                f"{self.address(work)}/os-extra_specs",
                {"extra_specs": work.properties["extra_specs"]},
            )
            work.data["specs"] = True
        for project in work.properties["tenants"] or ():
            await work.cloud.added(
                f"{self.address(work)}/action", {"addTenantAccess": {"tenant": project}}
            )
        return True

    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["os-flavor-access:is_public"] = work.properties["is_public"]
        return found

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        if "extra_specs" in changed:
            for name in (work.data.get("before") or {}).get("extra_specs") or {}:
                await work.cloud.gone(
                    "DELETE", f"{self.address(work)}/os-extra_specs/{quote(name, safe='')}"
                )
            work.data["specs"] = False

    async def attribute(self, work: Work, name: str) -> Any:
        if name == "extra_specs":
            return (await work.cloud("GET", f"{self.address(work)}/os-extra_specs"))["extra_specs"]
        return await super().attribute(work, name)


class KeyPair(Nova):
    """A key pair; one that is made here gives its private key once, which is kept where that is asked for."""

    version = "2.87"

    async def create(self, work: Work) -> str | None:
        made = await work.cloud(
            "POST",
            self.path,
            {"keypair": self.body(work)},
            headers=self.headers(work),
            request_id=work.part.attempt,
        )
        if work.properties["save_private_key"]:
            work.data["private_key"] = made["keypair"].get("private_key", "")
        return str(made["keypair"]["name"])

    def address(self, work: Work) -> str:
        return f"{self.path}/{quote(work.id, safe='')}"

    def told(self, work: Work, shown: Mapping[str, Any], name: str) -> Any:
        return work.data.get("private_key", "") if name == "private_key" else shown.get(name)


class Aggregate(Nova):
    async def created(self, work: Work) -> bool:
        if work.properties["metadata"] and not work.data.get("metadata"):
            await work.cloud(
                "POST",
                f"{self.address(work)}/action",
                {"set_metadata": {"metadata": work.properties["metadata"]}},
            )
            work.data["metadata"] = True
        for host in work.properties["hosts"] or ():
            await work.cloud.added(f"{self.address(work)}/action", {"add_host": {"host": host}})
        return True

    async def delete(self, work: Work) -> None:
        for host in work.properties["hosts"] or ():
            await work.cloud.gone(
                "POST", f"{self.address(work)}/action", {"remove_host": {"host": host}}
            )
        await super().delete(work)


_NETWORK = Property(
    type="map",
    within={
        "uuid": Property(finds="neutron.network"),
        "network": Property(finds="neutron.network"),
        "allocate_network": Property(constraints=one_of("none", "auto")),
        "fixed_ip": Property(),
        "port": Property(finds="neutron.port"),
        "port_extra_properties": Property(type="map"),
        "subnet": Property(finds="neutron.subnet"),
        "floating_ip": Property(finds="neutron.floating_ip"),
        "tag": Property(refused="tags of a server's interfaces are given by tags of ports."),
    },
)
_MAPPING = Property(
    type="map",
    within={
        "device_name": Property(required=True),
        "volume_id": Property(finds="cinder.volume"),
        "snapshot_id": Property(finds="cinder.snapshot"),
        "volume_size": Property(type="integer"),
        "delete_on_termination": Property(type="boolean"),
    },
)
_MAPPING_V2 = Property(
    type="map",
    within={
        "device_name": Property(),
        "volume_id": Property(finds="cinder.volume"),
        "image_id": Property(finds="glance.image"),
        "image": Property(finds="glance.image"),
        "snapshot_id": Property(finds="cinder.snapshot"),
        "swap_size": Property(type="integer"),
        "ephemeral_size": Property(type="integer", constraints=within(1)),
        "ephemeral_format": Property(refused="the host's own format is used."),
        "device_type": Property(constraints=one_of("cdrom", "disk")),
        "disk_bus": Property(constraints=one_of("ide", "lame_bus", "scsi", "usb", "virtio")),
        "boot_index": Property(type="integer"),
        "volume_size": Property(type="integer"),
        "delete_on_termination": Property(type="boolean"),
    },
)

TYPES = (
    ResourceType(
        name="OS::Nova::Server",
        service="compute",
        description="A resource for managing Nova instances.",
        after=("OS::Neutron::Subnet", "OS::Neutron::RouterInterface"),
        properties={
            "name": TEXT,
            "image": Property(update=True, finds="glance.image"),
            "block_device_mapping": Property(type="list", item=_MAPPING),
            "block_device_mapping_v2": Property(type="list", item=_MAPPING_V2),
            "flavor": Property(required=True, update=True, finds="nova.flavor"),
            "flavor_update_policy": Property(
                default="RESIZE", update=True, constraints=one_of("RESIZE", "REPLACE")
            ),
            "image_update_policy": Property(
                default="REBUILD",
                update=True,
                constraints=one_of("REBUILD", "REPLACE"),
            ),
            "key_name": Property(finds="nova.keypair"),
            "admin_user": Property(refused="the image's own user is used."),
            "availability_zone": Property(),
            "security_groups": Property(type="list", update=True, default=[]),
            "networks": Property(type="list", update=True, item=_NETWORK),
            "scheduler_hints": Property(type="map"),
            "metadata": MAP,
            "user_data_format": Property(
                default="RAW", constraints=one_of("HEAT_CFNTOOLS", "RAW", "SOFTWARE_CONFIG")
            ),
            "user_data_update_policy": Property(
                default="REPLACE", update=True, constraints=one_of("REPLACE", "IGNORE")
            ),
            "user_data": Property(default="", update=True),
            "software_config_transport": Property(
                default="POLL_SERVER_CFN",
                update=True,
                constraints=one_of("POLL_SERVER_CFN", "POLL_SERVER_HEAT", "POLL_TEMP_URL"),
            ),
            "reservation_id": Property(refused="there are no reservations."),
            "config_drive": Property(type="boolean"),
            "diskConfig": Property(constraints=one_of("AUTO", "MANUAL")),
            "personality": Property(type="map", refused="files are not put into servers."),
            "admin_pass": TEXT,
            "tags": LIST,
            "deployment_swift_data": Property(
                type="map", refused="deployments reach the server by the metadata of the resource."
            ),
        },
        attributes={
            **telling(
                "name",
                "first_address",
                "instance_name",
                "accessIPv4",
                "accessIPv6",
                tags="list",
                networks="map",
                addresses="map",
            ),
            "console_urls": Attribute("URLs of the server's consoles.", "map"),
            "os_collect_config": Attribute("The os-collect-config configuration.", "map"),
        },
        driver=Server(
            "servers",
            "server",
            {
                "name": "name",
                "image": "imageRef",
                "flavor": "flavorRef",
                "key_name": "key_name",
                "availability_zone": "availability_zone",
                "diskConfig": "OS-DCF:diskConfig",
                "admin_pass": "adminPass",
                "tags": "tags",
            },
            names="name",
            waits_gone=True,
        ),
    ),
    ResourceType(
        name="OS::Nova::Flavor",
        service="compute",
        properties={
            "tenants": Property(
                type="list", update=True, default=[], item=Property(finds="keystone.project")
            ),
            "ram": Property(type="integer", required=True),
            "vcpus": Property(type="integer", required=True),
            "disk": Property(type="integer", default=0),
            "swap": Property(type="integer", default=0),
            "ephemeral": Property(type="integer", default=0),
            "rxtx_factor": Property(type="number", default=1.0),
            "extra_specs": MAP,
            "flavorid": Property(),
            "name": Property(),
            "is_public": Property(type="boolean", default=True),
        },
        attributes=telling("is_public", extra_specs="map"),
        driver=Flavor(
            "flavors",
            "flavor",
            {
                **same("ram", "vcpus", "disk", "swap", "rxtx_factor", "name"),
                "ephemeral": "OS-FLV-EXT-DATA:ephemeral",
                "flavorid": "id",
            },
            names="name",
            tells={"is_public": "os-flavor-access:is_public"},
            put="",
        ),
    ),
    ResourceType(
        name="OS::Nova::KeyPair",
        service="compute",
        properties={
            "name": Property(required=True),
            "save_private_key": Property(type="boolean", default=False),
            "public_key": Property(),
            "type": Property(constraints=one_of("ssh", "x509")),
            "user": Property(finds="keystone.user"),
        },
        attributes=telling("public_key", "private_key", "fingerprint"),
        driver=KeyPair(
            "os-keypairs",
            "keypair",
            {**same("name", "public_key", "type"), "user": "user_id"},
            id="name",
        ),
    ),
    ResourceType(
        name="OS::Nova::ServerGroup",
        service="compute",
        properties={
            "name": Property(),
            "policies": Property(type="list", default=["anti-affinity"]),
            "rules": Property(type="map", refused="rules need a policy of a newer form."),
        },
        attributes=telling("members"),
        driver=Nova(
            "os-server-groups",
            "server_group",
            same("name", "policies"),
            names="name",
            put="",
            version="2.15",
        ),
    ),
    ResourceType(
        name="OS::Nova::HostAggregate",
        service="compute",
        properties={
            "name": Property(required=True, update=True),
            "availability_zone": TEXT,
            "hosts": LIST,
            "metadata": MAP,
        },
        attributes=telling(),
        driver=Aggregate("os-aggregates", "aggregate", same("name", "availability_zone")),
    ),
    quota_type(
        "OS::Nova::Quota",
        "compute",
        Quota(f"{BASE}/os-quota-sets", "quota_set"),
        (
            "cores",
            "instances",
            "key_pairs",
            "metadata_items",
            "ram",
            "server_groups",
            "server_group_members",
        ),
    ),
)
