"""Clients that nobody here wrote: gophercloud (under the Terraform provider and Cluster API), openstacksdk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import openstack
import pytest

from tests.acceptance.clouds import simulated

HERE = Path(__file__).parent
BUILD_S = 600


def _go() -> str | None:
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


@pytest.mark.skipif(_go() is None, reason="Go is not installed")
def test_gophercloud_builds_a_server_and_takes_everything_down_again(tmp_path: Path) -> None:
    go = _go()
    assert go is not None
    program, key = tmp_path / "walk", tmp_path / "key"
    subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=HERE / "gophercloud",
        env={**os.environ, "GOFLAGS": "-mod=readonly"},
        check=True,
        timeout=BUILD_S,
    )
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with simulated() as cli:
        done = subprocess.run(
            [str(program), f"{key}.pub"],
            env={
                **cli.environment,
                **cli.openrc(),
                "OS_TENANT_NAME": "",
                "OS_DOMAIN_NAME": "Default",
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert cli.json("doctor", "--json")["differences"] == []


# What the SDK warns of is its own future.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_openstacksdk_sees_the_cloud_that_clouds_yaml_names() -> None:
    with simulated() as cli:
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(cli.state / "clouds.yaml")
        try:
            cloud = openstack.connect(cloud="hanok")
            try:
                assert [image.name for image in cloud.image.images()] == ["cirros"]
                assert {flavor.name for flavor in cloud.compute.flavors()} >= {"m1.nano", "m1.tiny"}
                network = cloud.network.create_network(name="n")
                cloud.network.create_subnet(network_id=network.id, cidr="10.9.0.0/24", ip_version=4)
                server = cloud.create_server(
                    "vm", image="cirros", flavor="m1.nano", network="n", wait=True, auto_ip=False
                )
                assert server.status == "ACTIVE"
                assert cloud.delete_server("vm", wait=True)
                public = cloud.network.find_network("public")
                assert public is not None and public.is_router_external
            finally:
                cloud.close()
        finally:
            del os.environ["OS_CLIENT_CONFIG_FILE"]
