"""Every command of the unmodified client's placement plug-in, once, with its result looked at."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import simulated

# What the client and its libraries warn of is their own future.
pytestmark = pytest.mark.filterwarnings("ignore")

PROVIDER = ("resource", "provider")
OLD = ("--os-placement-api-version", "1.37")  # the plug-in shows usages by type of consumer raw


@pytest.fixture(scope="module")
def openstack() -> Iterator[OpenStack]:
    """The client of a simulated cloud with one host."""
    with simulated() as cli:
        environment = {**cli.openrc(), "OS_PLACEMENT_API_VERSION": "1.39"}
        yield OpenStack(environment, "openstack.placement.v1")


@pytest.fixture
def provider(openstack: OpenStack) -> str:
    """A provider of an operator's; returns its id."""
    made = openstack.json(*PROVIDER, "create", f"rack-{uuid.uuid4().hex[:8]}")
    return str(made["uuid"])


def stock(openstack: OpenStack, provider: str) -> None:
    amounts = ("--resource", "VCPU=8", "--resource", "VCPU:allocation_ratio=2")
    openstack.run(*PROVIDER, "inventory", "set", *amounts, "--resource", "MEMORY_MB=4096", provider)


def column(listed: list[dict[str, Any]], name: str) -> list[Any]:
    return [line[name] for line in listed]


def test_providers(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    made = got(*PROVIDER, "create", "shelf")
    assert (made["name"], made["generation"]) == ("shelf", 0)
    child = got(*PROVIDER, "create", "--parent-provider", made["uuid"], "board")
    assert child["root_provider_uuid"] == made["uuid"]
    set_ = got(*PROVIDER, "set", "--name", "shelf2", made["uuid"])
    assert set_["name"] == "shelf2"
    assert got(*PROVIDER, "show", made["uuid"])["name"] == "shelf2"
    tree = got(*PROVIDER, "list", "--in-tree", made["uuid"])
    assert sorted(column(tree, "name")) == ["board", "shelf2"]
    run(*PROVIDER, "delete", child["uuid"])
    run(*PROVIDER, "delete", made["uuid"])
    run(*PROVIDER, "show", made["uuid"], status=1)


def test_inventories(openstack: OpenStack, provider: str) -> None:
    run, got, what = openstack.run, openstack.json, (*PROVIDER, "inventory")
    stock(openstack, provider)
    listed = {line["resource_class"]: line for line in got(*what, "list", provider)}
    assert sorted(listed) == ["MEMORY_MB", "VCPU"]
    assert (listed["VCPU"]["total"], listed["VCPU"]["allocation_ratio"]) == (8, 2.0)
    set_ = got(*what, "class", "set", "--total", "16", "--reserved", "1", provider, "VCPU")
    assert (set_["total"], set_["reserved"]) == (16, 1)
    assert got(*what, "show", provider, "VCPU")["total"] == 16
    run(*what, "set", "--amend", "--resource", "DISK_GB=100", provider)
    assert len(got(*what, "list", provider)) == 3
    run(*what, "delete", "--resource-class", "VCPU", provider)
    assert sorted(column(got(*what, "list", provider), "resource_class")) == [
        "DISK_GB",
        "MEMORY_MB",
    ]
    run(*what, "delete", provider)
    assert got(*what, "list", provider) == []


def test_inventories_of_an_aggregate(openstack: OpenStack, provider: str) -> None:
    group = str(uuid.uuid4())
    openstack.run(
        *PROVIDER, "aggregate", "set", "--aggregate", group, "--generation", "0", provider
    )
    set_ = ("inventory", "set", "--aggregate", "--resource", "VCPU=4")
    openstack.run(*PROVIDER, *set_, group)
    assert openstack.json(*PROVIDER, "inventory", "show", provider, "VCPU")["total"] == 4


def test_aggregates(openstack: OpenStack, provider: str) -> None:
    run, got = openstack.run, openstack.json
    groups = sorted(str(uuid.uuid4()) for _ in range(2))
    requested = [word for group in groups for word in ("--aggregate", group)]
    run(*PROVIDER, "aggregate", "set", *requested, "--generation", "0", provider)
    assert sorted(column(got(*PROVIDER, "aggregate", "list", provider), "uuid")) == groups
    found = got(*PROVIDER, "list", "--member-of", groups[0])
    assert column(found, "uuid") == [provider]


def test_traits(openstack: OpenStack, provider: str) -> None:
    run, got = openstack.run, openstack.json
    run("trait", "create", "CUSTOM_ODD")
    assert got("trait", "show", "CUSTOM_ODD") == {"name": "CUSTOM_ODD"}
    assert column(got("trait", "list", "--name", "startswith:CUSTOM_"), "name") == ["CUSTOM_ODD"]
    what = (*PROVIDER, "trait")
    set_ = got(*what, "set", "--trait", "CUSTOM_ODD", "--trait", "HW_CPU_X86_AVX2", provider)
    assert sorted(column(set_, "name")) == ["CUSTOM_ODD", "HW_CPU_X86_AVX2"]
    assert len(got(*what, "list", provider)) == 2
    found = got(*PROVIDER, "list", "--required", "CUSTOM_ODD", "--forbidden", "HW_CPU_X86_AVX")
    assert column(found, "uuid") == [provider]
    run(*what, "delete", provider)
    assert got(*what, "list", provider) == []
    run("trait", "delete", "CUSTOM_ODD")
    run("trait", "show", "CUSTOM_ODD", status=1)


def test_classes(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    run("resource", "class", "create", "CUSTOM_GOLD")
    run("resource", "class", "set", "CUSTOM_SILVER")
    run("resource", "class", "set", "CUSTOM_SILVER")  # there already: no error
    names = column(got("resource", "class", "list"), "name")
    assert {"CUSTOM_GOLD", "CUSTOM_SILVER", "VCPU"} <= set(names)
    assert got("resource", "class", "show", "CUSTOM_GOLD") == {"name": "CUSTOM_GOLD"}
    run("resource", "class", "delete", "CUSTOM_GOLD")
    run("resource", "class", "show", "CUSTOM_GOLD", status=1)


def test_allocations_and_usages(openstack: OpenStack, provider: str) -> None:
    run, got, what = openstack.run, openstack.json, (*PROVIDER, "allocation")
    stock(openstack, provider)
    consumer = str(uuid.uuid4())
    project, user = (str(uuid.uuid4()) for _ in range(2))
    whose = ("--project-id", project, "--user-id", user, "--consumer-type", "INSTANCE")
    claim = f"rp={provider},VCPU=2,MEMORY_MB=512"
    set_ = got(*what, "set", consumer, "--allocation", claim, *whose)
    assert column(set_, "resource_provider") == [provider]
    (shown,) = got(*what, "show", consumer)
    assert shown["resources"] == {"VCPU": 2, "MEMORY_MB": 512}
    assert (shown["project_id"], shown["consumer_type"]) == (project, "INSTANCE")
    used = {
        line["resource_class"]: line["usage"] for line in got(*PROVIDER, "usage", "show", provider)
    }
    assert used == {"VCPU": 2, "MEMORY_MB": 512}
    used = {
        line["resource_class"]: line["usage"]
        for line in got("resource", "usage", "show", project, *OLD)
    }
    assert used == {"VCPU": 2, "MEMORY_MB": 512}
    (left,) = got(*what, "unset", "--resource-class", "MEMORY_MB", consumer)
    assert left["resources"] == {"VCPU": 2}
    run(*what, "delete", consumer)
    assert got(*what, "show", consumer) == []


def test_candidates(openstack: OpenStack, provider: str) -> None:
    stock(openstack, provider)
    want = ("--resource", "VCPU=1", "--resource", "MEMORY_MB=64", "--limit", "50")
    found = openstack.json("allocation", "candidate", "list", *want)
    assert provider in column(found, "resource provider")
    assert set(column(found, "allocation")) == {"VCPU=1,MEMORY_MB=64"}


def test_no_command_was_left_out(openstack: OpenStack) -> None:
    left = openstack.commands - openstack.called
    assert left == set(), sorted(left)
