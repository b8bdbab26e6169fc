"""Every command of the unmodified client that speaks to the image service, once, with its result looked at."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import CLI
from tests.disks import qcow2
from tests.ports import free_port
from tests.web import Page, Web, serving

# What the client and its libraries warn of is their own future.
pytestmark = pytest.mark.filterwarnings("ignore")

SETTINGS = """
[image.web]
ports = [{port}]
networks = ["127.0.0.1/32"]
[[image.stores]]
id = "file"
description = "Files"
[[image.stores]]
id = "second"
folder = "{folder}"
"""


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as made:
        made.pages["/disk"] = Page(data=qcow2())
        yield made


@pytest.fixture(scope="module")
def openstack(web: Web) -> Iterator[OpenStack]:
    """The client of a simulated cloud with two stores."""
    folder = Path(tempfile.mkdtemp(prefix="hanok-simulated-"))
    cli = CLI(folder / "cloud")
    cli.state.mkdir()
    settings = SETTINGS.format(port=web.port, folder=folder / "second")
    (cli.state / "control-extra.toml").write_text(settings)
    try:
        cli("up", "--simulated", "--port", str(free_port()))
        environment = {**cli.openrc(), "HANOK_STATE_DIR": str(cli.state)}
        made = OpenStack(environment, "openstack.image.v2")
        assert "OS::Compute::Watchdog: loaded" in cli("image", "metadefs", "load").stdout
        assert "OS::Compute::Watchdog: there already" in cli("image", "metadefs", "load").stdout
        yield made
    finally:
        cli("destroy", "--yes", status=None)
        shutil.rmtree(folder, ignore_errors=True)


def test_images(openstack: OpenStack, tmp_path: Path) -> None:
    run, got = openstack.run, openstack.json
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(qcow2())
    made = got("image", "create", "--file", str(disk), "--disk-format", "qcow2", "--private", "one")
    assert made["name"] == "one"
    assert "one" in [line["Name"] for line in got("image", "list")]
    run("image", "set", "--property", "os_distro=debian", "--tag", "mine", "--min-ram", "64", "one")
    shown = got("image", "show", "one")
    assert shown["status"] == "active" and shown["min_ram"] == 64 and shown["tags"] == ["mine"]
    assert shown["properties"]["os_distro"] == "debian"
    run("image", "unset", "--property", "os_distro", "--tag", "mine", "one")
    shown = got("image", "show", "one")
    assert shown["tags"] == [] and "os_distro" not in shown["properties"]
    saved = tmp_path / "saved"
    run("image", "save", "--file", str(saved), "one")
    assert saved.read_bytes() == qcow2()
    run("image", "set", "--deactivate", "one")
    assert got("image", "show", "one")["status"] == "deactivated"
    run("image", "set", "--activate", "one")
    run("image", "delete", "one")
    run("image", "show", "one", status=1)


def test_sharing(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    run("project", "create", "friends")
    run("image", "create", "--shared", "gift")
    added = got("image", "add", "project", "gift", "friends")
    assert added["status"] == "pending"
    assert [line["Status"] for line in got("image", "member", "list", "gift")] == ["pending"]
    friends = got("project", "show", "friends")["id"]
    assert got("image", "member", "get", "gift", friends)["status"] == "pending"
    run("image", "remove", "project", "gift", "friends")
    assert got("image", "member", "list", "gift") == []
    run("image", "delete", "gift")


def test_import(openstack: OpenStack, web: Web, tmp_path: Path) -> None:
    run, got = openstack.run, openstack.json
    assert "web-download" in str(got("image", "import", "info"))
    stores = got("image", "stores", "list")
    assert [line["ID"] for line in stores] == ["file", "second"]
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(qcow2())
    run("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--import", "i1")
    run("image", "stage", "--file", str(disk), "i1")
    assert got("image", "show", "i1")["status"] == "uploading"
    run("image", "import", "--method", "glance-direct", "i1")
    openstack.wait(lambda: got("image", "show", "i1")["status"] == "active")
    run("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--import", "i2")
    run("image", "import", "--method", "web-download", "--uri", web.url("/disk"), "i2")
    openstack.wait(lambda: got("image", "show", "i2")["status"] == "active")
    run("image", "import", "--method", "copy-image", "--store", "second", "--", "i2")
    openstack.wait(lambda: got("image", "show", "i2")["properties"].get("stores") == "file,second")
    listed = got("image", "task", "list")
    assert len(listed) == 3 and {line["Status"] for line in listed} == {"success"}
    shown = got("image", "task", "show", listed[0]["ID"])
    assert shown["type"] == "api_image_import" and shown["status"] == "success"


def test_cache(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    image_id = got("image", "show", "cirros")["id"]

    def cached() -> list[str]:
        return [line["ID"] for line in got("cached", "image", "list") if line["State"] == "cached"]

    run("cached", "image", "queue", "cirros")
    openstack.wait(lambda: cached() == [image_id])
    run("cached", "image", "delete", "cirros")
    assert cached() == []
    run("cached", "image", "queue", "cirros")
    openstack.wait(lambda: cached() == [image_id])
    run("cached", "image", "clear")
    assert got("cached", "image", "list") == []


def test_definitions(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    meta = ("image", "metadef")
    made = got(*meta, "namespace", "create", "--display-name", "Mine", "--public", "N")
    assert (made["namespace"], made["visibility"]) == ("N", "public")
    assert {"N", "OS::Compute::Watchdog"} <= {
        line["namespace"] for line in got(*meta, "namespace", "list")
    }
    run(*meta, "namespace", "set", "--private", "--tag", "t", "N")
    shown = got(*meta, "namespace", "show", "N")
    assert shown["visibility"] == "private" and "t" in str(shown["tags"])
    run(*meta, "namespace", "unset", "--all-tags", "N")
    # The SDK keeps added tags in a default that all of a process share: another process looks.
    assert not openstack.in_other_region(*meta, "namespace", "show", "N").get("tags")

    kinds = [line["Name"] for line in got(*meta, "resource", "type", "list")]
    assert "OS::Glance::Image" in kinds
    association = (*meta, "resource", "type", "association")
    run(*association, "create", "N", "OS::Glance::Image")
    (line,) = got(*association, "list", "N")
    assert "OS::Glance::Image" in line.values()
    run(*association, "delete", "N", "OS::Glance::Image")
    assert got(*association, "list", "N") == []

    size = ("--name", "size", "--title", "Size", "--type", "string", "--schema", "{}")
    made = got(*meta, "property", "create", *size, "N")
    assert made["title"] == "Size"
    run(*meta, "property", "set", "--title", "Girth", "N", "size")
    assert got(*meta, "property", "show", "N", "size")["title"] == "Girth"
    assert [line["name"] for line in got(*meta, "property", "list", "N")] == ["size"]
    run(*meta, "property", "delete", "N", "size")
    assert got(*meta, "property", "list", "N") == []

    made = got(*meta, "object", "create", "--namespace", "N", "O")
    assert made["name"] == "O"
    run(*meta, "object", "update", "--name", "P", "N", "O")
    assert got(*meta, "object", "show", "N", "P")["name"] == "P"
    assert [line["name"] for line in got(*meta, "object", "list", "N")] == ["P"]
    run(*meta, "object", "delete", "N", "P")
    assert got(*meta, "object", "list", "N") == []
    run(*meta, "namespace", "delete", "N")
    run(*meta, "namespace", "show", "N", status=1)


def test_a_property_of_an_object(openstack: OpenStack, tmp_path: Path) -> None:
    """The client cannot make an object with properties; a namespace that was loaded has one."""
    file = tmp_path / "n.json"
    requested = {"title": "Model", "type": "string"}
    body = {"namespace": "M", "objects": [{"name": "CPU", "properties": {"model": requested}}]}
    file.write_text(json.dumps(body))
    state = Path(openstack.environment["HANOK_STATE_DIR"])
    CLI(state)("image", "metadefs", "load", str(file))
    shown = openstack.json("image", "metadef", "object", "property", "show", "M", "CPU", "model")
    assert shown["title"] == "Model"


def test_no_command_was_left_out(openstack: OpenStack) -> None:
    left = openstack.commands - openstack.called
    assert left == set(), sorted(left)
