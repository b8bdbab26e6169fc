"""CPU per request, as a ratio to the bare framework's JSON answer in the same run: `python -m bench.requests`."""

from __future__ import annotations

import time

import bcrypt
from tests.disks import qcow2

from bench.client import Server, serving, wait

COUNT = 2000
FIRSTS = 200  # users who sign in for the first time
LIGHT = 4  # rounds of a hash that does not hide what comes on top of it
OCTETS = {"Content-Type": "application/octet-stream"}
NEWEST = {"OpenStack-API-Version": "compute 2.104"}


def prepare(cloud: Server) -> tuple[str, str]:
    """20 servers and 20 images; returns the ids of one of each."""
    project_id = cloud.sign_in()
    quota = {"quota_set": {"instances": -1, "cores": -1, "ram": -1}}
    cloud.ask("PUT", f"/compute/v2.1/os-quota-sets/{project_id}", quota)
    image_id = ""
    for number in range(20):
        body = {"name": f"i{number}", "disk_format": "qcow2", "container_format": "bare"}
        _, _, made = cloud.ask("POST", "/image/v2/images", body)
        image_id = made["id"]
    status, _, answer = cloud.ask("PUT", f"/image/v2/images/{image_id}/file", qcow2(), OCTETS)
    assert status == 204, answer
    flavor = {"id": "nano", "name": "nano", "ram": 64, "disk": 1, "vcpus": 1}
    cloud.ask("POST", "/compute/v2.1/flavors", {"flavor": flavor})
    body = {
        "name": "vm",
        "imageRef": image_id,
        "flavorRef": "nano",
        "networks": "none",
        "min_count": 20,
    }
    status, _, made = cloud.ask("POST", "/compute/v2.1/servers", {"server": body}, NEWEST)
    assert status == 202, made

    def all_active() -> bool:
        _, _, found = cloud.ask("GET", "/compute/v2.1/servers?status=ACTIVE")
        return len(found["servers"]) == 20

    wait(all_active)
    return str(made["server"]["id"]), image_id


def crowd(cloud: Server) -> None:
    """A thousand users and projects, and 25 images."""
    for number in range(999):
        for kind in ("user", "project"):
            status, _, answer = cloud.ask(
                "POST", f"/v3/{kind}s", {kind: {"name": f"{kind}-{number:04}"}}
            )
            assert status == 201, answer
    for number in range(20, 25):
        body = {"name": f"i{number}", "disk_format": "qcow2", "container_format": "bare"}
        cloud.ask("POST", "/image/v2/images", body)


def first_sign_in_ms(cloud: Server) -> tuple[float, float]:
    """CPU of a first sign-in by password, and of a comparison of its hash alone."""
    requested = []
    for number in range(FIRSTS):
        user = {"name": f"first-{number}", "password": "secret words"}
        _, _, made = cloud.ask("POST", "/v3/users", {"user": user})
        body = {"user": {"id": made["user"]["id"], "password": user["password"]}}
        requested.append({"auth": {"identity": {"methods": ["password"], "password": body}}})
    before = cloud.cpu_s()
    for auth in requested:
        status, _, answer = cloud.ask("POST", "/v3/auth/tokens", auth)
        assert status == 201, answer
    cost = (cloud.cpu_s() - before) / FIRSTS * 1000
    stored = bcrypt.hashpw(b"x" * 44, bcrypt.gensalt(LIGHT))
    started = time.process_time()
    for _ in range(FIRSTS):
        bcrypt.checkpw(b"x" * 44, stored)
    return cost, (time.process_time() - started) / FIRSTS * 1000


def main() -> None:
    with serving("bare") as bare, serving("cloud") as cloud:
        server_id, image_id = prepare(cloud)
        base = bare.cost_ms("GET", "/anything", COUNT)
        subject = {"X-Subject-Token": cloud.token}
        user = {"name": "admin", "domain": {"id": "default"}, "password": "secret"}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
        }
        rows = [
            ("token validation", 3, cloud.cost_ms("HEAD", "/v3/auth/tokens", COUNT, None, subject)),
            ("token validation, with the token's body", 0, cloud.cost_ms("GET", "/v3/auth/tokens?nocatalog", COUNT, None, subject)),
            ("repeated password sign-in", 10, cloud.cost_ms("POST", "/v3/auth/tokens?nocatalog", COUNT // 4, {"auth": auth})),
            ("GET one server", 6, cloud.cost_ms("GET", f"/compute/v2.1/servers/{server_id}", COUNT, None, NEWEST)),
            ("GET one image", 6, cloud.cost_ms("GET", f"/image/v2/images/{image_id}", COUNT)),
            ("list of 20 servers", 12, cloud.cost_ms("GET", "/compute/v2.1/servers?limit=20", COUNT, None, NEWEST)),
            ("list of 20 servers, in detail", 0, cloud.cost_ms("GET", "/compute/v2.1/servers/detail?limit=20", COUNT // 4, None, NEWEST)),
            ("list of 20 images", 12, cloud.cost_ms("GET", "/image/v2/images?limit=20", COUNT // 2)),
        ]  # fmt: skip
        crowd(cloud)
        rows += [
            ("a page of 25 images", 14, cloud.cost_ms("GET", "/image/v2/images?limit=25", COUNT // 2)),
            ("a page of 1,000 users", 120, cloud.cost_ms("GET", "/v3/users", COUNT // 40)),
            ("a page of 1,000 projects", 120, cloud.cost_ms("GET", "/v3/projects", COUNT // 40)),
        ]  # fmt: skip
        with serving("cloud", rounds=LIGHT) as light:
            light.sign_in()
            first, hashing = first_sign_in_ms(light)
        print(
            f"bare framework: {base:.3f} ms CPU a request; memory of the cloud: {cloud.pss_mb():.0f} MB PSS"
        )
        print(f"| {'request':<42} | CPU ms | ratio | wanted |")
        print(f"|{'-' * 44}|--------|-------|--------|")
        for name, requested, cost in rows:
            limit = f"≤ {requested}" if requested else ""
            print(f"| {name:<42} | {cost:6.3f} | {cost / base:5.1f} | {limit:>6} |")
        print(
            f"first password sign-in: {first - hashing:.2f} ms on top of the password's hash "
            "(wanted: less than 2 ms)"
        )


if __name__ == "__main__":
    main()
