"""OS::Manila types: shares, the networks that they are reached in, and what they are made as.

Source: the template guide, "OpenStack Resource Types", OS::Manila; Shared File Systems API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hanok.base.addresses import prefix_of
from hanok.services.orchestration.logic.functions import Wrong
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Busy,
    Failed,
    Property,
    Replace,
    ResourceType,
    long,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.rest import MAP, TEXT, Thing, same, telling
from hanok.services.orchestration.logic.work import Refusal, Work

BASE = "/share/v2"
SUBNETS = "/network/v2.0/subnets"
PORTS = "/network/v2.0/ports"
SERVERS = "driver_handles_share_servers"
RULES = 500  # of a share
_LEAVING = ("queued_to_deny", "denying")
_RESIZING = ("extending", "shrinking")
_UNDER_WAY = frozenset((
    *_RESIZING, "creating", "creating_from_snapshot", "reverting", "migrating", "migrating_to", "backup_creating",
    "backup_restoring",
))  # fmt: skip
Client = tuple[str, str]
"""Type and text of an access rule: whom it lets in."""


def _version(minor: str) -> dict[str, str]:
    return {"x-openstack-manila-api-version": minor}


NEWER = _version("2.88")  # the first that changes a rule's level in place
OF_ONE_SUBNET = _version("2.50")  # the last that shows and changes a network's subnet as its own


class Manila(Thing):
    base = BASE

    def headers(self, work: Work) -> dict[str, str]:
        return NEWER

    async def ask(self, work: Work, method: str, path: str, body: Any = None) -> Any:
        """Ask the service in the newer version. Raises Refusal."""
        return await work.cloud(method, f"{BASE}/{path}", body, headers=NEWER)


class Share(Manila):
    """A share and whom it lets in: ready when it is available and hosts have applied each rule.

    A change that failed is made again in place, with the next one: another share would be without what is on this one.
    """

    mends = True
    done = ("available",)
    waits_gone = True

    async def created(self, work: Work) -> bool:
        shown = await self.show(work)
        status = str(shown["status"])
        if "error" in status:
            raise Failed(await self._why(work, f"Went to status {status}"))
        return status == "available" and await self._let_in(work)

    async def updated(self, work: Work) -> bool:
        ended = await self.created(work)
        if ended:
            work.data.pop("pending", None)
        return ended

    async def _why(self, work: Work, what: str) -> str:
        """What went wrong, with the newest message to users of it."""
        found = await self.ask(work, "GET", f"messages?resource_id={work.id}&limit=1")
        return (
            f'{what} due to "{next((one["user_message"] for one in found["messages"]), "Unknown")}"'
        )

    # ---- access rules ----

    async def _rules(self, work: Work) -> list[dict[str, Any]]:
        found = await self.ask(work, "GET", f"share-access-rules?share_id={work.id}")
        return list(found["access_list"])

    async def _let_in(self, work: Work) -> bool:
        """Bring the rules to what they shall be; whether they are.

        Rules of others go where the list of rules was changed, and else stay.
        """
        desired = _levels(work.properties["access_rules"])
        whole = "access_rules" in work.data.get("pending", ())
        there = {_client(one): one for one in await self._rules(work)}
        ready = [await self._fits(work, one, desired, whole) for one in there.values()]
        missing = [one for one in desired if one not in there]
        for one in missing:
            await self._allow(work, one, desired[one])
        return all(ready) and not missing

    async def _fits(
        self, work: Work, rule: Mapping[str, Any], desired: Mapping[Client, str], whole: bool
    ) -> bool:
        """Whether a rule is as it shall be, and acts; else something is done about it."""
        if rule["state"] in _LEAVING:
            return False
        level = desired.get(_client(rule))
        if level is None:
            if whole:
                await self._act(work, "deny_access", {"access_id": rule["id"]})
            return not whole
        if rule["state"] == "error":
            named = f"{rule['access_type']}:{rule['access_to']}"
            raise Failed(await self._why(work, f"The access rule {named} went to state error"))
        if rule["access_level"] != level:
            body = {"update_access": {"access_level": level}}
            await self.ask(work, "PUT", f"share-access-rules/{rule['id']}", body)
            return False
        return bool(rule["state"] == "active")

    async def _allow(self, work: Work, client: Client, level: str) -> None:
        kind, to = client
        body = {"access_type": kind, "access_to": to, "access_level": level}
        await self._act(work, "allow_access", body)

    async def _act(self, work: Work, name: str, body: dict[str, Any]) -> None:
        await self.ask(work, "POST", f"shares/{work.id}/action", {name: body})

    async def live(self, work: Work) -> Mapping[str, Any]:
        found = dict(await super().live(work))
        rules = [one for one in await self._rules(work) if one["state"] not in _LEAVING]
        if _levels(rules) != _levels(work.properties["access_rules"]):
            found["access_rules"] = [
                {name: one[name] for name in ("access_to", "access_type", "access_level")}
                for one in rules
            ]
        return found

    # ---- changes ----

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: changed[name] for name in ("name", "description", "is_public") if name in changed
        }

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        """pending: the names of properties that were changed and are not settled yet."""
        shown = await self.show_or_none(work)
        if shown is None or shown["status"] == "error":
            raise Replace
        work.data["pending"] = sorted({*work.data.get("pending", ()), *changed})
        pending = {name: work.properties[name] for name in work.data["pending"]}
        await super().update(work, pending)
        if "metadata" in pending:
            body = {"metadata": pending["metadata"] or {}}
            await self.ask(work, "PUT", f"shares/{work.id}/metadata", body)
        if "size" in pending:
            await self._resize(work, shown, pending["size"])

    async def _resize(self, work: Work, shown: Mapping[str, Any], size: int) -> None:
        if shown["size"] == size or shown["status"] in _RESIZING:
            return  # begun before a process died
        name = "extend" if size > shown["size"] else "shrink"
        await self._act(work, name, {"new_size": size})

    async def delete(self, work: Work) -> None:
        """What is under way for a share ends first."""
        status = (await self.show_or_none(work) or {}).get("status")
        if status in _UNDER_WAY:
            raise Busy(f"Share {work.id} is in status {status}.")
        if status != "deleting":
            await super().delete(work)

    async def attribute(self, work: Work, name: str) -> Any:
        if name != "export_locations":
            return await super().attribute(work, name)
        if await self.show_or_none(work) is None:
            return None
        found = await self.ask(work, "GET", f"shares/{work.id}/export_locations")
        return [one["path"] for one in found["export_locations"]]

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        seen = set()
        for rule in properties["access_rules"]:
            client = _client(rule)
            if client in seen:
                raise Wrong(
                    f"Property error: {name}.access_rules: There are two rules for "
                    f"{client[0]}:{client[1][:100]}."
                )
            seen.add(client)


def _client(rule: Mapping[str, Any]) -> Client:
    """Whom a rule is for; an address has one spelling."""
    kind, to = str(rule["access_type"]), str(rule["access_to"])
    if kind != "ip":
        return kind, to
    try:
        return kind, _address(to)
    except ValueError:
        return kind, to  # the service says what is wrong with it


def _address(text: str) -> str:
    found = prefix_of(text, strict=True)
    whole = found.prefixlen == found.max_prefixlen
    return str(found.network_address if whole else found)


def _levels(rules: Iterable[Mapping[str, Any]]) -> dict[Client, str]:
    """The level of each rule; without one, clients may write."""
    return {_client(one): one["access_level"] or "rw" for one in rules}


class ShareNetwork(Manila):
    """A share network with its one subnet, and the security services that it is said to have."""

    def headers(self, work: Work) -> dict[str, str]:
        return OF_ONE_SUBNET

    async def create(self, work: Work) -> str | None:
        await _find_network(work)
        return await super().create(work)

    def body(self, work: Work) -> dict[str, Any]:
        return {**super().body(work), **_subnet(work)}

    def changes(self, work: Work, changed: Mapping[str, Any]) -> dict[str, Any]:
        found = super().changes(work, changed)
        return {**found, **_subnet(work)} if _SUBNET & changed.keys() else found

    async def created(self, work: Work) -> bool:
        there = await self._services(work)
        for one in _named(work.properties):
            if one not in there:
                await self._act(work, "add_security_service", one)
        return True

    async def _services(self, work: Work) -> list[str]:
        found = await self.ask(work, "GET", f"security-services?share_network_id={work.id}")
        return [one["id"] for one in found["security_services"]]

    async def _act(self, work: Work, name: str, service: str) -> None:
        body = {name: {"security_service_id": service}}
        await self.ask(work, "POST", f"share-networks/{work.id}/action", body)

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        """What takes a service's place may be of its type: what goes goes first."""
        if _SUBNET & changed.keys():
            await _find_network(work)
        await super().update(work, changed)
        if "security_services" in changed:
            stays = _named(work.properties)
            for one in await self._services(work):
                if one not in stays:
                    await self._act(work, "remove_security_service", one)

    async def live(self, work: Work) -> Mapping[str, Any]:
        found = dict(await super().live(work))
        there = await self._services(work)
        if set(there) != set(_named(work.properties)):
            found["security_services"] = there
        return found

    async def deleted(self, work: Work) -> bool:
        """Its share servers go behind it: what they are reached at holds the subnet until then."""
        subnet = work.properties.get("neutron_subnet")
        if not work.part.physical_id or not subnet:
            return True
        others = await self.ask(work, "GET", f"share-networks?neutron_subnet_id={subnet}")
        if others["share_networks"]:
            return True  # whose servers are there cannot be told
        held = await work.cloud(
            "GET",
            f"{PORTS}?device_owner=manila:share&project_id={work.cloud.project_id}"
            f"&fixed_ips=subnet_id%3D{subnet}&fields=id",
        )
        return not held["ports"]

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        if properties["neutron_network"] and not properties["neutron_subnet"]:
            raise Wrong(
                f"Property error: {name}: neutron_network cannot be specified without neutron_subnet."
            )


_SUBNET = {"neutron_network", "neutron_subnet"}


async def _find_network(work: Work) -> None:
    """Learn which network the subnet is in. Raises Failed where it is said to be in another."""
    network, subnet = work.properties["neutron_network"], work.properties["neutron_subnet"]
    work.data["network"] = None
    if not subnet:
        return
    found = str((await work.cloud("GET", f"{SUBNETS}/{subnet}"))["subnet"]["network_id"])
    if network and network != found:
        raise Failed("Provided neutron_subnet does not belong to provided neutron_network.")
    work.data["network"] = found


def _subnet(work: Work) -> dict[str, Any]:
    """The service takes both or none."""
    subnet = work.properties["neutron_subnet"]
    if not subnet and not work.part.physical_id:
        return {}
    return {"neutron_subnet_id": subnet, "neutron_net_id": work.data["network"]}


def _named(properties: Mapping[str, Any]) -> Sequence[str]:
    return list(dict.fromkeys(properties["security_services"] or ()))


class ShareType(Manila):
    """What shares may be made as. What its extra specs say counts before the property of the same name."""

    put = ""

    def body(self, work: Work) -> dict[str, Any]:
        found = super().body(work)
        found["extra_specs"] = {SERVERS: work.properties[SERVERS], **_specs(work.properties)}
        return found

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        path = f"types/{work.id}/extra_specs"
        specs = _specs(work.properties)
        await self.ask(work, "POST", path, {"extra_specs": specs})
        before = (work.data.get("before") or {}).get("extra_specs") or {}
        for name in before.keys() - specs.keys():
            await self._forget(work, f"{path}/{quote(name, safe='')}")

    async def _forget(self, work: Work, path: str) -> None:
        try:
            await self.ask(work, "DELETE", path)
        except Refusal as error:
            if error.status != 404:
                raise

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        if SERVERS in (properties["extra_specs"] or {}):
            raise Wrong(f"Property error: {name}.extra_specs: {SERVERS} is a property of its own.")


def _specs(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Those that can be changed."""
    return {"snapshot_support": properties["snapshot_support"], **(properties["extra_specs"] or {})}


def _type(
    name: str,
    driver: Manila,
    properties: Mapping[str, Property],
    attributes: Mapping[str, Attribute] | None = None,
    description: str = "",
) -> ResourceType:
    return ResourceType(
        name=f"OS::Manila::{name}",
        service="shared-file-system",
        properties=properties,
        attributes=attributes or {},
        driver=driver,
        description=description,
    )


_NAMED = {"name": TEXT, "description": TEXT}
_RULE = Property(
    type="map",
    within={
        "access_to": Property(required=True, constraints=long(1, 255)),
        "access_type": Property(required=True, constraints=one_of("ip", "user", "cert", "cephx")),
        "access_level": Property(constraints=one_of("ro", "rw")),
    },
)

TYPES = (
    _type(
        "Share",
        Share(
            "shares",
            "share",
            {
                **same(*_NAMED, "size", "metadata", "share_type", "is_public"),
                "share_protocol": "share_proto",
                "snapshot": "snapshot_id",
                "share_network": "share_network_id",
            },
        ),
        {
            **_NAMED,
            "share_protocol": Property(
                required=True, constraints=one_of("NFS", "CIFS", "GlusterFS", "HDFS", "CEPHFS")
            ),
            "size": Property(type="integer", required=True, update=True, constraints=within(1)),
            "snapshot": Property(finds="manila.share_snapshot"),
            "metadata": MAP,
            "share_network": Property(finds="manila.share_network"),
            "share_type": Property(finds="manila.share_type"),
            "is_public": Property(type="boolean", default=False, update=True),
            "access_rules": Property(
                type="list", default=[], update=True, item=_RULE, constraints=long(None, RULES)
            ),
        },
        telling(
            "availability_zone",
            "host",
            "share_server_id",
            "created_at",
            "status",
            "project_id",
            export_locations="list",
        ),
        "A shared file system that clients mount over a network.",
    ),
    _type(
        "ShareNetwork",
        ShareNetwork(
            "share-networks",
            "share_network",
            {
                **same(*_NAMED),
                "neutron_network": "neutron_net_id",
                "neutron_subnet": "neutron_subnet_id",
            },
        ),
        {
            **_NAMED,
            "neutron_network": Property(update=True, finds="neutron.network"),
            "neutron_subnet": Property(update=True, finds="neutron.subnet"),
            "nova_network": Property(update=True, refused="nova-network is no longer supported."),
            "security_services": Property(
                type="list", default=[], update=True, item=Property(finds="manila.security_service")
            ),
        },
        telling("segmentation_id", "cidr", "ip_version", "network_type"),
        "Where share servers are reached, and how they know accounts.",
    ),
    _type(
        "ShareType",
        ShareType(
            "types", "share_type", {"name": "name", "is_public": "share_type_access:is_public"}
        ),
        {
            "name": Property(required=True),
            "is_public": Property(type="boolean", default=True),
            SERVERS: Property(type="boolean", required=True),
            "extra_specs": MAP,
            "snapshot_support": Property(type="boolean", default=True),
        },
        description="What shares are made as: by which back ends, and with which abilities.",
    ),
    _type(
        "SecurityService",
        Manila(
            "security-services",
            "security_service",
            same(*_NAMED, "type", "dns_ip", "server", "domain", "user", "password"),
        ),
        {
            **_NAMED,
            "type": Property(
                required=True, constraints=one_of("ldap", "kerberos", "active_directory")
            ),
            **dict.fromkeys(("dns_ip", "server", "domain", "user", "password"), TEXT),
        },
        description="Where share servers find accounts.",
    ),
)
