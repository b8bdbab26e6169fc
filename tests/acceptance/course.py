"""A course for beginners as it is typed: projects and people, rights, images, flavors, networks, servers.

`Course` takes who runs a command of the client, so the same walk goes over a simulated cloud (the client in this
process) and over a real one (the client as a program on its host). Every step looks at what came of it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Client = Callable[[list[str], Mapping[str, str]], tuple[int, str]]
"""Runs a command of `openstack` with these variables; gives its exit status and all that it printed."""

TRIES = 400  # looks at something that changes by itself
FORBIDDEN = "403|Forbidden|not authorized|disallowed"


def rows(answer: Any, column: str = "Name") -> set[str]:
    """What a column of a list says."""
    return {row[column] for row in answer}


class Course:
    """One walk. image: a bootable file, or one that simulated guests take. pause: between two looks."""

    def __init__(
        self,
        client: Client,
        administrator: Mapping[str, str],
        image: Path,
        pause: Callable[[], None],
        prompt: str = "login:",
    ) -> None:
        self._client = client
        self._image = image
        self._pause = pause
        self._prompt = prompt
        self.admin = dict(administrator)
        self.operator = self._openrc("operator", "practice-project")
        self.normal = self._openrc("normal-user", "practice-project")
        self.tester = self._openrc("test-user", "test-project")

    def _openrc(self, user: str, project: str) -> dict[str, str]:
        """The variables that learners write into a file of their own."""
        own = {"OS_USERNAME": user, "OS_PASSWORD": "123", "OS_PROJECT_NAME": project}
        return {**self.admin, "OS_TENANT_NAME": project, "OS_INTERFACE": "internal", **own}

    # ---- a step ----

    def run(self, line: str, who: Mapping[str, str] | None = None) -> str:
        """A command that must be done."""
        status, printed = self._client(shlex.split(line), self.admin if who is None else who)
        assert status == 0, f"openstack {line}: {printed}"
        return printed

    def get(self, line: str, who: Mapping[str, str] | None = None) -> Any:
        """A command that must be done, with its answer."""
        return json.loads(self.run(f"{line} -f json", who))

    def refused(self, line: str, why: str, who: Mapping[str, str] | None = None) -> None:
        """A command that must be refused, and say why."""
        status, printed = self._client(shlex.split(line), self.admin if who is None else who)
        assert status != 0, f"openstack {line} was done"
        assert re.search(why, printed, re.IGNORECASE), f"openstack {line}: {printed}"

    def until(self, look: Callable[[], bool], what: str) -> None:
        for _ in range(TRIES):
            if look():
                return
            self._pause()
        raise AssertionError(f"it never came to this: {what}")

    # ---- the chapters ----

    def walk(self) -> None:
        """The whole course, in its order."""
        self.people()
        self.rights()
        self.images()
        self.flavors()
        self.networks()
        self.servers()

    def people(self) -> None:
        """Projects, users and roles."""
        assert {"id", "expires", "project_id", "user_id"} <= self.get("token issue").keys()
        services = {"identity", "image", "compute", "network", "placement"}
        assert services <= rows(self.get("catalog list"), "Type")
        assert {"admin", "member", "reader"} <= rows(self.get("role list"))
        assigned = self.get("role assignment list --names")
        assert any(row["User"] == "admin@Default" for row in assigned)
        self.refused(
            "role add --user test-user --project admin vm-list-viewer", ""
        )  # it says nothing
        assert self.get("role create vm-list-viewer")["domain_id"] is None
        made = self.get("project create practice-project")
        assert made["enabled"] and made["domain_id"] == "default"
        for name in ("operator", "normal-user"):
            made = self.get(f"user create --domain default --password 123 {name}")
            assert made["enabled"] and made["password_expires_at"] is None
        assert {"operator", "normal-user"} <= rows(self.get("user list"))
        self.run("role add --project practice-project --user operator admin")
        self.run("role add --project practice-project --user normal-user member")
        assigned = self.get("role assignment list --project practice-project --names")
        assert {(row["Role"], row["User"]) for row in assigned} == {
            ("admin", "operator@Default"),
            ("member", "normal-user@Default"),
        }
        self.run("role add --project practice-project --user normal-user vm-list-viewer")
        self.run("role remove --project practice-project --user normal-user vm-list-viewer")
        project = self.get("project show practice-project")["id"]
        for who in (self.operator, self.normal):
            assert self.get("token issue", who)["project_id"] == project
        self.refused("token issue", "401", {**self.normal, "OS_PASSWORD": "wrong"})
        self.run("project create test-project")
        self.run("user create --password 123 test-user")
        self.run("role add --user test-user --project test-project member")

    def rights(self) -> None:
        """What a member may not do, and an administrator of the project may."""
        self.refused("project create another", FORBIDDEN, self.normal)
        self.refused("flavor create --ram 64 --disk 1 --vcpus 1 another", FORBIDDEN, self.normal)
        self.refused("network create --external outside", f"{FORBIDDEN}|rule", self.normal)
        assert self.get("network create --external outside", self.operator)["router:external"]
        self.run("network delete outside", self.operator)
        assert self.get("server list", self.normal) == []

    def images(self) -> None:
        """Images are made, shared, protected, read back and deleted."""
        file = shlex.quote(str(self._image))
        self.run(f"image create --file {file} --disk-format qcow2 demo-img")
        shown = self.get("image show demo-img")
        assert shown["status"] == "active" and shown["checksum"]
        assert shown["size"] == self._image.stat().st_size
        assert self.get("image create --disk-format qcow2 empty-img")["status"] == "queued"
        self.run("image set --protected demo-img")
        self.refused("image delete demo-img", "403|protected")
        assert "demo-img" not in rows(self.get("image list", self.tester))
        self.refused("image create --public --disk-format qcow2 mine", FORBIDDEN, self.tester)
        self.run("image set --public demo-img")
        assert "demo-img" in rows(self.get("image list", self.tester))
        self.refused("image delete demo-img", "403|Forbidden|permi|protected|failed", self.tester)
        self.run("image set --unprotected demo-img")
        self.run("image delete demo-img empty-img")
        shared = f"image create test-img --file {file} --disk-format qcow2 --container-format bare --shared"
        assert self.get(shared, self.operator)["visibility"] == "shared"
        public = f"image create debian-img --file {file} --disk-format qcow2 --public --protected"
        assert self.get(public, self.operator)["protected"]
        assert {"test-img", "debian-img"} <= rows(self.get("image list", self.normal))
        assert rows(self.get("image list", self.tester)) >= {"debian-img"}

    def flavors(self) -> None:
        """Flavors, one with more disks, and a private one."""
        make = "flavor create --vcpus 1"
        assert self.get(f"{make} --ram 512 --disk 1 mini-flavor", self.operator)["ram"] == 512
        assert self.get(f"{make} --ram 2028 --disk 10 demo-flavor", self.operator)["disk"] == 10
        more = f"{make} --ram 1024 --disk 10 --ephemeral 1 --swap 12 demo-disk"
        made = self.get(more, self.operator)
        assert (made["swap"], made["OS-FLV-EXT-DATA:ephemeral"]) == (12, 1)
        made = self.get(f"{make} --private --ram 512 --disk 5 hidden", self.operator)
        assert made["os-flavor-access:is_public"] is False
        seen = rows(self.get("flavor list", self.normal))
        assert {"mini-flavor", "demo-flavor"} <= seen and "hidden" not in seen
        assert "hidden" in rows(self.get("flavor list --all", self.operator))
        assert self.get("flavor show demo-flavor", self.normal)["ram"] == 2028

    def networks(self) -> None:
        """Networks of a member, with their subnets."""
        made = self.get("network create internal", self.normal)
        assert made["router:external"] is False
        made = self.get(
            "subnet create internal-subnet --network internal --subnet-range 192.168.100.0/24 "
            "--gateway 192.168.100.1 --dns-nameserver 8.8.8.8",
            self.normal,
        )
        assert made["enable_dhcp"] and made["gateway_ip"] == "192.168.100.1"
        self.run("network create demo-network", self.normal)
        made = self.get(
            "subnet create --network demo-network --subnet-range 172.17.0.0/24 --gateway 172.17.0.1 --dhcp "
            "--dns-nameserver 8.8.8.8 --allocation-pool start=172.17.0.2,end=172.17.0.254 new-subnet",
            self.normal,
        )
        assert made["allocation_pools"] == [{"start": "172.17.0.2", "end": "172.17.0.254"}]
        assert rows(self.get("subnet list", self.normal)) >= {"internal-subnet", "new-subnet"}
        self.run("network delete demo-network", self.normal)
        assert "new-subnet" not in rows(self.get("subnet list", self.normal))
        make = "subnet create --network internal --subnet-range"
        self.refused(f"{make} 192.168.100.0/25 other", "overlap", self.normal)
        self.refused(f"{make} 300.0.0.0/24 other", "not a valid|invalid", self.normal)

    def servers(self) -> None:
        """A server from its making to its end, and one that no host can take."""
        make = "server create --image test-img --network internal --flavor"
        server_id = self.get(f"{make} mini-flavor test-vm", self.operator)["id"]
        self.reaches(server_id, "ACTIVE")
        shown = self.get("server show test-vm", self.operator)
        assert shown["OS-EXT-SRV-ATTR:host"]
        assert shown["addresses"]["internal"][0].startswith("192.168.100.")
        log = f"console log show {server_id}"
        self.until(
            lambda: self._prompt in self.run(log, self.operator), "the console asks for a name"
        )
        assert self.get("console url show test-vm", self.operator)["url"].startswith(("http", "ws"))
        assert "test-vm" in rows(self.get("server list", self.normal))
        assert "test-vm" not in rows(self.get("server list", self.tester))
        actions = self.get(f"server event list {server_id}", self.operator)
        assert "create" in rows(actions, "Action")
        assert "up" in rows(self.get("hypervisor list", self.operator), "State")
        served = rows(self.get("compute service list", self.operator), "Binary")
        assert {"nova-conductor", "nova-scheduler", "nova-compute"} <= served
        assert self.get("network agent list", self.operator)
        self.run("flavor create --ram 99999999 --disk 1 --vcpus 1 huge", self.operator)
        self.run(f"{make} huge huge-vm", self.operator)
        self.reaches("huge-vm", "ERROR")
        assert "No valid host" in str(self.get("server show huge-vm", self.operator)["fault"])
        self.run("server delete --wait huge-vm", self.operator)
        self.refused("network delete internal", "409|in use|failed", self.normal)
        self.run("server stop test-vm", self.operator)
        self.reaches(server_id, "SHUTOFF")
        self.run("server start test-vm", self.operator)
        self.reaches(server_id, "ACTIVE")
        self.run("server delete --wait test-vm", self.operator)
        self.refused(
            f"server show {server_id}", "No server found|could not be found|404", self.operator
        )
        self.run("network delete internal", self.normal)

    def reaches(self, server: str, status: str) -> None:
        def there() -> bool:
            now = self.get(f"server show {server}", self.operator)
            assert now["status"] == status or now["status"] != "ERROR", now.get("fault")
            return bool(now["status"] == status)

        self.until(there, f"the server is {status}")
