"""The AWS types that public templates use: types of here under other names, and users of stacks.

Source: the template guide, "CloudFormation Compatible Resource Types".
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from hanok.services.orchestration.logic import nested, users
from hanok.services.orchestration.logic.parameters import Constraint
from hanok.services.orchestration.logic.types import cinder, neutron, nova, rolling, signals, swift
from hanok.services.orchestration.logic.types.cinder import BASE, Volume
from hanok.services.orchestration.logic.types.groups import AutoScalingGroup
from hanok.services.orchestration.logic.types.model import (
    Attribute,
    Driver,
    Failed,
    Property,
    ResourceType,
    one_of,
    within,
)
from hanok.services.orchestration.logic.types.rest import telling
from hanok.services.orchestration.logic.work import Work

NETWORK = "/network/v2.0"
_OS: dict[str, ResourceType] = {
    one.name: one for some in (cinder.TYPES, neutron.TYPES, nova.TYPES, swift.TYPES) for one in some
}


class Turned(Driver):
    """A thing of another type under other names.

    other: that type. turn: its properties. tells: its attributes by the names that they have here.
    """

    found_by_request = True

    def __init__(
        self,
        other: str,
        turn: Callable[[Mapping[str, Any]], dict[str, Any]],
        tells: Mapping[str, str] | None = None,
    ) -> None:
        self.other, self.turn, self.tells = _OS[other], turn, tells or {}

    def _as(self, work: Work) -> Work:
        turned = copy.copy(work)
        given = {name: one for name, one in self.turn(work.properties).items() if one is not None}
        turned.properties = self.other.read(given, f"resources.{work.part.name}.properties")
        return turned

    async def create(self, work: Work) -> str | None:
        return await self.other.driver.create(self._as(work))

    async def created(self, work: Work) -> bool:
        return await self.other.driver.created(self._as(work))

    async def live(self, work: Work) -> Mapping[str, Any]:
        await self.other.driver.live(self._as(work))  # says when it is not there any more
        return {}

    async def delete(self, work: Work) -> None:
        await self.other.driver.delete(self._as(work))

    async def deleted(self, work: Work) -> bool:
        return await self.other.driver.deleted(self._as(work))

    async def suspend(self, work: Work) -> None:
        await self.other.driver.suspend(self._as(work))

    async def suspended(self, work: Work) -> bool:
        return await self.other.driver.suspended(self._as(work))

    async def resume(self, work: Work) -> None:
        await self.other.driver.resume(self._as(work))

    async def resumed(self, work: Work) -> bool:
        return await self.other.driver.resumed(self._as(work))

    async def check(self, work: Work) -> None:
        await self.other.driver.check(self._as(work))

    async def attribute(self, work: Work, name: str) -> Any:
        return await self.other.driver.attribute(self._as(work), self.tells.get(name, name))


# ---- servers, and what belongs to them ----


def _tags(given: Mapping[str, Any]) -> dict[str, str] | None:
    return {one["Key"]: one["Value"] for one in given["Tags"] or ()} or None


def _networks(given: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    if given["NetworkInterfaces"]:
        return [{"port": one} for one in given["NetworkInterfaces"]]
    return [{"subnet": given["SubnetId"]}] if given["SubnetId"] else None


def server(given: Mapping[str, Any]) -> dict[str, Any]:
    groups = [*(given["SecurityGroupIds"] or ()), *(given["SecurityGroups"] or ())]
    return {
        "image": given["ImageId"],
        "flavor": given["InstanceType"],
        "key_name": given["KeyName"],
        "availability_zone": given["AvailabilityZone"],
        "security_groups": groups or None,
        "networks": _networks(given),
        "user_data": given["UserData"],
        "metadata": _tags(given),
        "scheduler_hints": {one["Key"]: one["Value"] for one in given["NovaSchedulerHints"] or ()}
        or None,
    }


class Attached(Turned):
    found_by_request = False


class Instance(Turned):
    async def attribute(self, work: Work, name: str) -> Any:
        if name == "AvailabilityZone":
            return work.properties["AvailabilityZone"] or "nova"
        return await super().attribute(work, name)


def _rule(direction: str, one: Mapping[str, Any]) -> dict[str, Any]:
    protocol = None if str(one["IpProtocol"]) in ("-1", "all") else one["IpProtocol"]
    group = one["SourceSecurityGroupId"] or one["SourceSecurityGroupName"]
    found = {
        "direction": direction,
        "protocol": protocol,
        "remote_ip_prefix": one["CidrIp"],
        "remote_mode": "remote_group_id" if group else None,
        "remote_group_id": group,
    }
    if protocol is not None and str(one["FromPort"]) != "-1":
        found["port_range_min"], found["port_range_max"] = one["FromPort"], one["ToPort"]
    return {name: value for name, value in found.items() if value is not None}


def group(given: Mapping[str, Any]) -> dict[str, Any]:
    rules = [_rule("ingress", one) for one in given["SecurityGroupIngress"] or ()]
    rules += [_rule("egress", one) for one in given["SecurityGroupEgress"] or ()]
    return {"description": given["GroupDescription"], "rules": rules}


async def _port_of(work: Work, server_id: str) -> str:
    ports = (await work.cloud("GET", f"{NETWORK}/ports?device_id={server_id}"))["ports"]
    if not ports:
        raise Failed("The instance has no port for the address.")
    return str(ports[0]["id"])


async def _lead(work: Work, floating_id: str, port_id: str | None) -> None:
    body = {"floatingip": {"port_id": port_id}}
    await work.cloud("PUT", f"{NETWORK}/floatingips/{floating_id}", body)


class ElasticIP(Driver):
    """A floating IP of the first external network; it leads to a server where one is named."""

    found_by_request = True

    async def create(self, work: Work) -> str | None:
        found = (await work.cloud("GET", f"{NETWORK}/networks?router:external=true"))["networks"]
        if not found:
            raise Failed("There is no external network for the address.")
        body = {"floatingip": {"floating_network_id": found[0]["id"]}}
        made = await work.cloud(
            "POST", f"{NETWORK}/floatingips", body, request_id=work.part.attempt
        )
        return str(made["floatingip"]["id"])

    async def created(self, work: Work) -> bool:
        shown = await work.cloud("GET", f"{NETWORK}/floatingips/{work.id}")
        work.data["address"] = shown["floatingip"]["floating_ip_address"]
        if work.properties["InstanceId"]:
            await _lead(work, work.id, await _port_of(work, work.properties["InstanceId"]))
        return True

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            await work.cloud.gone("DELETE", f"{NETWORK}/floatingips/{work.id}")

    def reference(self, work: Work) -> Any:
        return work.data.get("address") or work.part.physical_id or work.part.name

    async def attribute(self, work: Work, name: str) -> Any:
        return work.part.physical_id


class ElasticIPAssociation(Driver):
    async def create(self, work: Work) -> str | None:
        given = work.properties
        named = given["AllocationId"] or given["EIP"]
        if not named:
            raise Failed("Either EIP or AllocationId must be provided.")
        floating = await work.cloud.find("neutron.floating_ip", named)
        if not (given["NetworkInterfaceId"] or given["InstanceId"]):
            raise Failed("Either InstanceId or NetworkInterfaceId must be provided.")
        port = given["NetworkInterfaceId"] or await _port_of(work, given["InstanceId"])
        await _lead(work, floating, port)
        return floating

    async def delete(self, work: Work) -> None:
        if work.part.physical_id:
            body = {"floatingip": {"port_id": None}}
            await work.cloud.gone("PUT", f"{NETWORK}/floatingips/{work.id}", body)


class EC2Volume(Volume):
    async def create(self, work: Work) -> str | None:
        given = work.properties
        body = {
            "size": given["Size"],
            "snapshot_id": given["SnapshotId"],
            "availability_zone": given["AvailabilityZone"],
            "name": work.name_of_resource,
            "metadata": _tags(given) or {},
        }
        body = {name: value for name, value in body.items() if value is not None}
        made = await work.cloud(
            "POST", f"{BASE}/volumes", {"volume": body}, request_id=work.part.attempt
        )
        return str(made["volume"]["id"])

    def check_properties(self, name: str, properties: Any) -> None:
        return None


# ---- users of a stack ----


class User(Driver):
    """A user of the stack, who may signal its resources and read their metadata."""

    def prepare(self, work: Work) -> None:
        signals.with_address(work)
        users.choose(work)

    async def create(self, work: Work) -> str | None:
        await users.ensure(work)
        return str(work.data["user_id"])

    async def delete(self, work: Work) -> None:
        await users.forget(work)


class AccessKey(Driver):
    """A key of EC2 of a user of the same stack; its secret is told by its attribute."""

    async def create(self, work: Work) -> str | None:
        named = work.properties["UserName"]
        user = next(
            (
                one
                for one in work.reader.current.values()
                if one.type == users.IAM_USER and named in (one.physical_id, one.name)
            ),
            None,
        )
        if user is None:
            raise Failed(f"Could not find user {named[:100]} in the stack.")
        access, project = users.id_for(work), users.project_of(work.stack)
        if "access" not in work.data:
            secret = await work.room.users.key(user.data["user_id"], project, access)
            work.data.update(access=access, secret=secret)
        return access

    async def delete(self, work: Work) -> None:
        await work.room.users.forget_key(users.id_for(work))

    async def attribute(self, work: Work, name: str) -> Any:
        return work.data.get("secret") if name == "SecretAccessKey" else work.properties["UserName"]


# ---- what scales ----


class LaunchConfiguration(Driver):
    """What the instances of a group are made of."""


class InstanceGroup(AutoScalingGroup):
    """So many instances of a launch configuration of the same stack."""

    def batches(self, work: Work) -> rolling.Batches | None:
        if work.part.action == "CREATE":
            return None
        said = rolling.policy(work.program, work.part.name)
        given = said.get("AutoScalingRollingUpdate") or said.get("RollingUpdate")
        if not given:
            return None
        return rolling.Batches(
            size=given["MaxBatchSize"],
            minimum=given["MinInstancesInService"],
            pause_s=_seconds(given["PauseTime"]),
        )

    def made_of(self, work: Work, names: list[str]) -> rolling.Members:
        given = work.properties
        named = given["LaunchConfigurationName"]
        for part in work.reader.current.values():
            if part.type == "AWS::AutoScaling::LaunchConfiguration" and named in (
                part.physical_id, part.name,
            ):  # fmt: skip
                return dict.fromkeys(names, _instance(part.properties, given))
        raise Failed(f"Could not find launch configuration {str(named)[:100]} in the stack.")

    async def names(self, work: Work) -> list[str]:
        given = work.properties
        low = given["MinSize"] if "MinSize" in given else given["Size"]
        high = given["MaxSize"] if "MaxSize" in given else given["Size"]
        turned = copy.copy(work)
        turned.properties = {
            "min_size": low, "max_size": high, "desired_capacity": given.get("DesiredCapacity"),
        }  # fmt: skip
        return await super().names(turned)

    async def update(self, work: Work, changed: Mapping[str, Any]) -> None:
        if (size := changed.get("DesiredCapacity", changed.get("Size"))) is not None:
            work.data["size"] = size
        await super().update(work, changed)

    def check_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        return None

    async def attribute(self, work: Work, name: str) -> Any:
        members = await nested.members(work)
        found = [await nested.of_member(work, one.name, "PublicIp") for one in members]
        return ",".join(str(one) for one in found if one)


def _instance(configuration: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    names = (*_LAUNCHED, "ImageId", "InstanceType")
    said = {name: configuration.get(name) for name in names}
    zones, subnets = given.get("AvailabilityZones") or (), given.get("VPCZoneIdentifier") or ()
    said["AvailabilityZone"] = zones[0] if zones else None
    said["SubnetId"] = subnets[0] if subnets else None
    said["Tags"] = given.get("Tags")
    properties = {name: value for name, value in said.items() if value is not None}
    return {"type": "AWS::EC2::Instance", "properties": properties}


def _seconds(text: str) -> float:
    """A length of time as "PT1M30S" has it, which is declared."""
    total, number = 0.0, ""
    for one in text.removeprefix("PT"):
        if one.isdecimal():
            number += one
        else:
            total, number = total + int(number) * {"H": 3600, "M": 60, "S": 1}[one], ""
    return total


class Policy(signals.ScalingPolicy):
    """Changes how many instances a group has, when it is signalled."""


_TAG = Property(
    type="map", within={"Key": Property(required=True), "Value": Property(required=True)}
)
_TAGS = Property(type="list", item=_TAG)
_NOT_HERE = "it has no effect in this cloud."
_ADDRESSES = {
    "AvailabilityZone": Attribute("The availability zone of the instance."),
    **dict.fromkeys(
        ("PrivateDnsName", "PublicDnsName", "PrivateIp", "PublicIp"),
        Attribute("The first address of the instance."),
    ),
}
_LAUNCHED = {
    "KeyName": Property(finds="nova.keypair"),
    "SecurityGroups": Property(type="list"),
    "UserData": Property(),
    "NovaSchedulerHints": _TAGS,
    **{
        name: Property(refused=_NOT_HERE)
        for name in ("KernelId", "RamDiskId", "BlockDeviceMappings")
    },
}
_INGRESS = Property(
    type="list",
    item=Property(
        type="map",
        within={
            "CidrIp": Property(),
            "FromPort": Property(),
            "ToPort": Property(),
            "IpProtocol": Property(required=True),
            "SourceSecurityGroupId": Property(finds="neutron.security_group"),
            "SourceSecurityGroupName": Property(finds="neutron.security_group"),
            "SourceSecurityGroupOwnerId": Property(refused=_NOT_HERE),
        },
    ),
)
_SIZE = Property(type="integer", required=True, update=True, constraints=within(0, 1000))
_BALANCED = Property(type="list", refused="name members of a pool of OS::Octavia instead.")
_PAUSE = "^PT([0-9]{1,4}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?$"
_BATCH = {
    "MaxBatchSize": Property(type="integer", default=1, constraints=within(1)),
    "MinInstancesInService": Property(type="integer", default=0, constraints=within(0)),
    "PauseTime": Property(
        default="PT0S",
        constraints=(Constraint(kind="allowed_pattern", value=_PAUSE),),
    ),
}
_ADJUSTMENTS = ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")


def _type(name: str, driver: Driver, properties: dict[str, Property], **more: Any) -> ResourceType:
    attributes = more.pop("attributes", {})
    return ResourceType(
        name=name, driver=driver, properties=properties, attributes=attributes, **more
    )


TYPES = (
    _type(
        "AWS::EC2::Instance",
        Instance("OS::Nova::Server", server, dict.fromkeys(_ADDRESSES, "first_address")),
        {
            **_LAUNCHED,
            "ImageId": Property(required=True, finds="glance.image"),
            "InstanceType": Property(required=True, finds="nova.flavor"),
            "AvailabilityZone": Property(),
            "SecurityGroupIds": Property(type="list"),
            "NetworkInterfaces": Property(type="list"),
            "SubnetId": Property(finds="neutron.subnet"),
            "Tags": _TAGS,
            "Volumes": Property(
                type="list", refused="attach them by AWS::EC2::VolumeAttachment instead."
            ),
            **{
                one: Property(type="any", refused=_NOT_HERE)
                for one in (
                    "DisableApiTermination",
                    "Monitoring",
                    "PlacementGroupName",
                    "PrivateIpAddress",
                    "SourceDestCheck",
                    "Tenancy",
                )
            },
        },
        attributes=_ADDRESSES,
        service="compute",
    ),
    _type(
        "AWS::EC2::SecurityGroup",
        Turned("OS::Neutron::SecurityGroup", group),
        {
            "GroupDescription": Property(required=True),
            "VpcId": Property(refused=_NOT_HERE),
            "SecurityGroupIngress": _INGRESS,
            "SecurityGroupEgress": _INGRESS,
        },
        service="network",
    ),
    _type(
        "AWS::EC2::EIP",
        ElasticIP(),
        {
            "InstanceId": Property(finds="nova.server"),
            "Domain": Property(constraints=one_of("vpc")),
        },
        attributes={"AllocationId": Attribute("The id of the address.")},
        service="network",
    ),
    _type(
        "AWS::EC2::EIPAssociation",
        ElasticIPAssociation(),
        {
            "InstanceId": Property(finds="nova.server"),
            "EIP": Property(),
            "AllocationId": Property(),
            "NetworkInterfaceId": Property(finds="neutron.port"),
        },
        service="network",
    ),
    _type(
        "AWS::EC2::Volume",
        EC2Volume("volumes", "volume", {}, waits_gone=True),
        {
            "AvailabilityZone": Property(required=True),
            "Size": Property(type="integer"),
            "SnapshotId": Property(finds="cinder.snapshot"),
            "Tags": _TAGS,
        },
        attributes=telling(),
        service="block-storage",
    ),
    _type(
        "AWS::EC2::VolumeAttachment",
        Attached(
            "OS::Cinder::VolumeAttachment",
            lambda given: {
                "instance_uuid": given["InstanceId"],
                "volume_id": given["VolumeId"],
                "mountpoint": given["Device"],
            },
        ),
        {
            "InstanceId": Property(required=True, finds="nova.server"),
            "VolumeId": Property(required=True, finds="cinder.volume"),
            "Device": Property(required=True),
        },
        service="block-storage",
    ),
    _type(
        "AWS::IAM::User",
        User(),
        {
            "Path": Property(refused=_NOT_HERE),
            "Groups": Property(type="list", refused=_NOT_HERE),
            "LoginProfile": Property(type="map", refused=_NOT_HERE),
            "Policies": Property(type="list"),
        },
    ),
    _type(
        "AWS::IAM::AccessKey",
        AccessKey(),
        {
            "UserName": Property(required=True),
            "Serial": Property(type="integer", refused=_NOT_HERE),
            "Status": Property(refused=_NOT_HERE),
        },
        attributes={
            "UserName": Attribute("Username associated with the AccessKey."),
            "SecretAccessKey": Attribute("Keypair secret key."),
        },
    ),
    _type(
        "OS::Heat::AccessPolicy",
        LaunchConfiguration(),
        {"AllowedResources": Property(type="list", required=True)},
    ),
    _type(
        "AWS::AutoScaling::LaunchConfiguration",
        LaunchConfiguration(),
        {
            **_LAUNCHED,
            "ImageId": Property(required=True, finds="glance.image"),
            "InstanceType": Property(required=True, finds="nova.flavor"),
        },
    ),
    _type(
        "AWS::AutoScaling::AutoScalingGroup",
        InstanceGroup(),
        {
            "AvailabilityZones": Property(type="list"),
            "LaunchConfigurationName": Property(required=True, update=True),
            "MaxSize": _SIZE,
            "MinSize": _SIZE,
            "Cooldown": Property(type="integer", update=True),
            "DesiredCapacity": Property(type="integer", update=True, constraints=within(0, 1000)),
            "VPCZoneIdentifier": Property(type="list"),
            "Tags": _TAGS,
            "LoadBalancerNames": _BALANCED,
            **{
                one: Property(type="any", refused=_NOT_HERE)
                for one in ("HealthCheckGracePeriod", "HealthCheckType", "InstanceId")
            },
        },
        attributes={"InstanceList": Attribute("A comma-delimited list of server addresses.")},
        policies={"AutoScalingRollingUpdate": Property(type="map", within=_BATCH)},
    ),
    _type(
        "OS::Heat::InstanceGroup",
        InstanceGroup(),
        {
            "AvailabilityZones": Property(type="list", required=True),
            "LaunchConfigurationName": Property(required=True, update=True),
            "Size": _SIZE,
            "LoadBalancerNames": _BALANCED,
            "Tags": _TAGS,
        },
        attributes={"InstanceList": Attribute("A comma-delimited list of server addresses.")},
        policies={"RollingUpdate": Property(type="map", within=_BATCH)},
    ),
    _type(
        "AWS::AutoScaling::ScalingPolicy",
        Policy(),
        {
            "AutoScalingGroupName": Property(required=True),
            "ScalingAdjustment": Property(type="integer", required=True, update=True),
            "AdjustmentType": Property(
                required=True, update=True, constraints=one_of(*_ADJUSTMENTS)
            ),
            "Cooldown": Property(type="integer", update=True),
            "MinAdjustmentStep": Property(type="integer", update=True, constraints=within(0)),
        },
        attributes={"AlarmUrl": Attribute("A signed url to handle the alarm.")},
    ),
)
