"""Templates of CloudFormation: servers, groups, addresses and users of a stack under AWS's names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.object_storage.objects import Swift, nobody
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


async def test_an_instance_has_the_volumes_that_it_names(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    await a_network(stackery.user)
    volume = {"Type": "AWS::EC2::Volume", "Properties": {"Size": 1, "AvailabilityZone": "nova"}}
    named = [
        {"VolumeId": {"Ref": name}, "Device": f"/dev/{place}"}
        for name, place in (("One", "vdc"), ("Two", "vdd"))
    ]
    server = {"ImageId": image, "InstanceType": flavor, "Volumes": named}
    instance = {"Type": "AWS::EC2::Instance", "Properties": server}
    path = await made(stackery, {"One": volume, "Two": volume, "Server": instance})
    there = {
        name: one["physical_resource_id"] for name, one in (await stackery.resources(path)).items()
    }
    door = f"/compute/v2.1/servers/{there['Server']}/os-volume_attachments"
    attached = (await stackery.user.get(door))["volumeAttachments"]
    assert {one["volumeId"] for one in attached} == {there["One"], there["Two"]}
    await stackery.delete(path)
    assert not (await stackery.user.get("/volume/v3/volumes"))["volumes"]


async def test_a_bucket_is_a_container(stackery: Stackery) -> None:
    site = {"IndexDocument": "index.html", "ErrorDocument": "error.html"}
    properties = {
        "AccessControl": "PublicRead",
        "WebsiteConfiguration": site,
        "Tags": [{"Key": "kind", "Value": "site"}, {"Key": "where", "Value": "Köln, Київ"}],
    }
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}
    outputs = {
        name: {"Value": {"Fn::GetAtt": ["Bucket", name]}} for name in ("DomainName", "WebsiteURL")
    }
    path = await made(stackery, resources, Outputs=outputs)
    name = (await stackery.resources(path))["Bucket"]["physical_resource_id"]
    said = await stackery.outputs(path)
    account = f"http://cloud:8080/v1/AUTH_{stackery.user.project_id}"
    assert said == {"DomainName": "cloud", "WebsiteURL": f"{account}/{name}"}
    swift = Swift(stackery.user)
    shown = (await swift("HEAD", f"/{name}", 204)).headers
    assert shown["x-container-read"] == ".r:*"
    assert shown["x-container-meta-web-index"] == "index.html"
    assert shown["x-container-meta-s3-tag-kind"] == "site"
    assert shown["x-container-meta-s3-tag-where"] == "Köln, Київ"
    await swift.put(f"/{name}/index.html", b"hello")
    answer = await nobody(stackery.cloud, stackery.user.project_id)("GET", f"/{name}/index.html")
    assert answer.content == b"hello"
    await swift("DELETE", f"/{name}/index.html", 204)
    await stackery.delete(path)
    assert await swift.names() == []


async def test_an_address_of_a_pool_leads_to_a_server(stackery: Stackery) -> None:
    admin = await stackery.cloud.sign_in()
    image, flavor = await an_image(admin, visibility="public"), await a_flavor(admin)
    gateway = {"external_gateway_info": {"network": "public"}}
    server = {"image": image, "flavor": flavor, "networks": [{"subnet": {"get_resource": "sub"}}]}
    subnet = {"network": {"get_resource": "net"}, "cidr": "10.0.0.0/24"}
    joined = {"router": {"get_resource": "router"}, "subnet": {"get_resource": "sub"}}
    leads = {"server_id": {"get_resource": "server"}, "floating_ip": {"get_resource": "ip"}}
    resources = {
        "net": {"type": "OS::Neutron::Net"},
        "sub": {"type": "OS::Neutron::Subnet", "properties": subnet},
        "router": {"type": "OS::Neutron::Router", "properties": gateway},
        "joined": {"type": "OS::Neutron::RouterInterface", "properties": joined},
        "server": {"type": "OS::Nova::Server", "properties": server},
        "ip": {"type": "OS::Nova::FloatingIP", "properties": {"pool": "public"}},
        "leads": {
            "type": "OS::Nova::FloatingIPAssociation",
            "depends_on": "joined",
            "properties": leads,
        },
    }
    outputs = {"ip": {"value": {"get_attr": ["ip", "ip"]}}}
    path = await stackery.stack(resources, outputs=outputs)
    floating = (await stackery.user.get("/network/v2.0/floatingips"))["floatingips"]
    assert [one["floating_ip_address"] for one in floating] == [
        (await stackery.outputs(path))["ip"]
    ]
    assert floating[0]["port_id"]
    resources.pop("leads")
    await stackery.update(path, resources)
    floating = (await stackery.user.get("/network/v2.0/floatingips"))["floatingips"]
    assert floating[0]["port_id"] is None
    await stackery.delete(path)
