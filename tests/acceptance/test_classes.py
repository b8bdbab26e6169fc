"""`hanok class`: places to learn in, from the first line of the sheet to the last thing that is taken away."""

from __future__ import annotations

import csv
from typing import Any

import openstack
import pytest

from tests.acceptance.clouds import CLI, simulated

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK warns of what it does itself


def signed_in(cli: CLI, person: dict[str, str], project: str = "") -> Any:
    return connected(
        auth_url=cli.openrc()["OS_AUTH_URL"],
        username=person["user"],
        password=person["password"],
        project_name=project or person["project"],
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
    )


def administrator(cli: CLI) -> Any:
    return connected(**{name[3:].lower(): value for name, value in cli.openrc().items()})


def connected(**told: Any) -> Any:
    return openstack.connect(**told)


def left_of(admin: Any, name: str) -> list[str]:
    projects = [one.name for one in admin.identity.projects() if one.name.startswith(name)]
    return projects + [one.name for one in admin.identity.users() if one.name.startswith(name)]


def test_a_class_from_its_first_day_to_its_last() -> None:
    with simulated() as cli:
        made = cli.json("class", "create", "c1", "--students", "2", "--quota", "cores=3")
        teacher, first, second = made["people"]
        with open(made["sheet"]) as sheet:
            assert [*csv.DictReader(sheet)] == made["people"]
        again = cli.json("class", "create", "c1", "--students", "3")
        assert again["people"][:3] == made["people"], "who has a password keeps it"
        assert cli.json("class", "list")["classes"] == [{"name": "c1", "students": 3}]

        student = signed_in(cli, first)
        assert student.compute.get_limits().absolute.total_cores == 3
        network = student.network.create_network(name="net1")
        student.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
        router = student.network.create_router(name="r1")
        subnet = next(student.network.subnets(network_id=network.id))
        student.network.add_interface_to_router(router, subnet_id=subnet.id)
        student.compute.create_keypair(name="k")
        flavor, image = next(student.compute.flavors()), next(student.image.images())
        wishes = {"networks": [{"uuid": network.id}], "flavor_id": flavor.id, "image_id": image.id}
        server = student.compute.create_server(name="s1", **wishes)
        student.compute.wait_for_server(server)
        student.compute.lock_server(server)
        student.block_storage.create_volume(size=1, name="v")
        student.object_store.create_container(name="c")
        student.object_store.create_object("c", "a/b", data=b"x")
        other = signed_in(cli, second)
        kept = other.network.create_network(name="net1")
        assert student.network.find_network(kept.id) is None

        shown = cli.json("class", "show", "c1")["students"]
        assert [one["name"] for one in shown] == ["c1-01", "c1-02", "c1-03"]
        assert [shown[0]["has"][one] for one in ("servers", "volumes", "networks")] == [1, 1, 1]

        # The teacher reaches the class's projects, and is no administrator.
        over = signed_in(cli, teacher, "c1-01")
        assert [one.name for one in over.compute.servers()] == ["s1"]
        reached = signed_in(cli, teacher).identity.get("/auth/projects").json()["projects"]
        assert {one["name"] for one in reached} == {"c1", "c1-01", "c1-02", "c1-03"}
        with pytest.raises(openstack.exceptions.ForbiddenException):
            [*over.identity.users()]

        assert cli.json("class", "reset", "c1", "c1-01") == {"left": []}
        assert [*student.compute.servers()] == [
            *student.network.networks(project_id=first["project"])
        ]
        assert [*student.object_store.containers()] == []
        assert other.network.get_network(kept.id).name == "net1"
        assert cli.json("class", "show", "c1")["students"][1]["has"]["networks"] == 1

        assert cli.json("class", "delete", "c1") == {"left": []}
        admin = administrator(cli)
        assert left_of(admin, "c1") == []
        assert cli("class", "show", "c1", status=1).stderr.count("no class 'c1'") == 1


def test_what_is_not_of_the_class_is_left_alone() -> None:
    with simulated() as cli:
        assert "is not a valid name" in cli("class", "create", "No!", status=1).stderr
        assert (
            "'cake' is not a valid quota"
            in cli("class", "create", "c", "--quota", "cake=3", status=1).stderr
        )
        admin = administrator(cli)
        admin.identity.create_project(name="c2-01")
        refused = cli("class", "create", "c2", "--students", "1", status=1).stderr
        assert "does not belong to the class" in refused
        assert cli.json("class", "delete", "c2") == {"left": []}
        assert left_of(admin, "c2") == ["c2-01"]
