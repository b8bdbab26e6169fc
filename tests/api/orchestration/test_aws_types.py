"""Templates of CloudFormation: servers, groups, addresses and users of a stack under AWS's names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.orchestration.stackery import STACKS, Stackery, standing
from tests.cloud import a_flavor, a_network, an_image


@pytest.fixture
async def stackery(tmp_path: Path, database_url: str) -> AsyncIterator[Stackery]:
    async with standing(tmp_path, database=database_url) as ground:
        yield ground


async def made(stackery: Stackery, resources: dict[str, Any], **more: Any) -> str:
    template = {"HeatTemplateFormatVersion": "2012-12-12", "Resources": resources, **more}
    body = {"stack_name": "s", "template": template}
    row = (await stackery.user.post(STACKS, body))["stack"]
    path = f"{STACKS}/s/{row['id']}"
    stack = await stackery.ended(path)
    assert stack["stack_status"] == "CREATE_COMPLETE", stack["stack_status_reason"]
    return path


async def test_a_stack_of_amazons_types_lives_and_goes(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    await a_network(stackery.user)
    rule = {"IpProtocol": "tcp", "FromPort": "22", "ToPort": "22", "CidrIp": "0.0.0.0/0"}
    server = {"ImageId": image, "InstanceType": flavor}
    scaling = {
        "AutoScalingGroupName": {"Ref": "Some"},
        "ScalingAdjustment": "1",
        "AdjustmentType": "ChangeInCapacity",
    }
    group = {
        "LaunchConfigurationName": {"Ref": "Launch"},
        "MinSize": "1",
        "MaxSize": "3",
        "AvailabilityZones": ["nova"],
    }
    resources = {
        "User": {"Type": "AWS::IAM::User"},
        "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "ssh", "SecurityGroupIngress": [rule]},
        },
        "Server": {
            "Type": "AWS::EC2::Instance",
            "Properties": {
                **server,
                "SecurityGroups": [{"Ref": "Group"}],
                "UserData": {
                    "Fn::Join": ["", ["key=", {"Fn::GetAtt": ["Key", "SecretAccessKey"]}]]
                },
                "Tags": [{"Key": "kind", "Value": "web"}],
            },
        },
        "Launch": {"Type": "AWS::AutoScaling::LaunchConfiguration", "Properties": server},
        "Some": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": group},
        "More": {"Type": "AWS::AutoScaling::ScalingPolicy", "Properties": scaling},
    }
    outputs = {
        "ip": {"Value": {"Fn::GetAtt": ["Server", "PublicIp"]}},
        "all": {"Value": {"Fn::GetAtt": ["Some", "InstanceList"]}},
    }
    path = await made(stackery, resources, Outputs=outputs)
    told = await stackery.outputs(path)
    assert told["ip"].count(".") == 3 and told["all"].count(",") == 0
    there = await stackery.resources(path)
    shown = await stackery.user.get(
        f"/compute/v2.1/servers/{there['Server']['physical_resource_id']}"
    )
    assert shown["server"]["metadata"] == {"kind": "web"}
    rules = await stackery.user.get(
        f"/network/v2.0/security-groups/{there['Group']['physical_resource_id']}"
    )
    ports = [one["port_range_min"] for one in rules["security_group"]["security_group_rules"]]
    assert 22 in ports
    await stackery.user("POST", f"{path}/resources/More/signal", {}, status=200)
    nested = there["Some"]["physical_resource_id"]
    moved = await stackery.user("GET", f"{STACKS}/{nested}", status=302)
    await stackery.ended(STACKS + moved.headers["location"].partition("/stacks")[2])
    assert (await stackery.outputs(path))["all"].count(",") == 1
    await stackery.delete(path)
    assert not (await stackery.user.get("/compute/v2.1/servers"))["servers"]


async def test_an_address_leads_to_an_instance(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    resources = {
        "Net": {"Type": "OS::Neutron::Net"},
        "Sub": {
            "Type": "OS::Neutron::Subnet",
            "Properties": {"network": {"Ref": "Net"}, "cidr": "10.0.0.0/24"},
        },
        "Router": {
            "Type": "OS::Neutron::Router",
            "Properties": {"external_gateway_info": {"network": "public"}},
        },
        "Joined": {
            "Type": "OS::Neutron::RouterInterface",
            "Properties": {"router": {"Ref": "Router"}, "subnet": {"Ref": "Sub"}},
        },
        "Server": {
            "Type": "AWS::EC2::Instance",
            "DependsOn": "Joined",
            "Properties": {"ImageId": image, "InstanceType": flavor, "SubnetId": {"Ref": "Sub"}},
        },
        "IP": {"Type": "AWS::EC2::EIP", "Properties": {"InstanceId": {"Ref": "Server"}}},
    }
    path = await made(stackery, resources, Outputs={"ip": {"Value": {"Ref": "IP"}}})
    floating = (await stackery.user.get("/network/v2.0/floatingips"))["floatingips"]
    assert [one["floating_ip_address"] for one in floating] == [
        (await stackery.outputs(path))["ip"]
    ]
    assert floating[0]["port_id"]
    await stackery.delete(path)
    assert not (await stackery.user.get("/network/v2.0/floatingips"))["floatingips"]
