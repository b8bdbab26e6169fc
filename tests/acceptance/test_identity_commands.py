"""Every command of the unmodified client that speaks to identity, once, with its result looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import OpenStack
from tests.acceptance.clouds import simulated

# What the client and its libraries warn of is their own future.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def openstack() -> Iterator[OpenStack]:
    """The client of a simulated cloud, as its administrator."""
    with simulated() as cli:
        yield OpenStack(cli.openrc(), "openstack.identity.v3")


def names(lines: list[dict[str, Any]], key: str = "Name") -> set[str]:
    return {line[key] for line in lines}


def file(folder: Path, content: object) -> str:
    """A file with this JSON in it."""
    path = folder / "content.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_domains_and_projects(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    made = got("domain", "create", "--description", "ours", "d1")
    assert (made["name"], made["description"], made["enabled"]) == ("d1", "ours", True)
    assert {"Default", "d1"} <= names(got("domain", "list"))
    run("domain", "set", "--name", "d2", "--disable", "d1")
    shown = got("domain", "show", "d2")
    assert (shown["id"], shown["enabled"]) == (made["id"], False)

    run("domain", "set", "--enable", "d2")
    project = got("project", "create", "--domain", "d2", "--tag", "t", "p1")
    assert (project["domain_id"], project["tags"]) == (made["id"], ["t"])
    assert names(got("project", "list", "--domain", "d2")) == {"p1"}
    changed = ("--description", "mine", "--tag", "u", "--property", "k=v")
    run("project", "set", *changed, project["id"])
    shown = got("project", "show", "--parents", project["id"])
    assert (shown["description"], shown["tags"]) == ("mine", ["t", "u"])
    assert "v" in str(shown)
    run("project", "delete", project["id"])
    run("project", "show", project["id"], status=1)

    run("domain", "set", "--disable", "d2")
    run("domain", "delete", "d2")
    run("domain", "show", "d2", status=1)


def test_users_and_groups(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    made = got("user", "create", "--password", "first", "--email", "a@example.org", "ann")
    assert (made["name"], made["email"], made["enabled"]) == ("ann", "a@example.org", True)
    assert {"admin", "ann"} <= names(got("user", "list"))
    run("user", "set", "--description", "the first", "ann")
    assert got("user", "show", "ann")["description"] == "the first"

    run("project", "create", "home")
    run("role", "add", "--project", "home", "--user", "ann", "member")
    hers = {"OS_USERNAME": "ann", "OS_PASSWORD": "first", "OS_PROJECT_NAME": "home"}
    ann = OpenStack({**openstack.environment, **hers}, "")
    openstack.as_somebody_else(
        ann, "user", "password", "set", "--original-password", "first", "--password", "second"
    )
    ann.run("token", "issue", status=1)
    ann.environment["OS_PASSWORD"] = "second"
    assert ann.json("token", "issue")["user_id"] == made["id"]

    group = got("group", "create", "--description", "all", "staff")
    assert group["description"] == "all" and "staff" in names(got("group", "list"))
    run("group", "add", "user", "staff", "ann")
    assert "ann in group staff" in run("group", "contains", "user", "staff", "ann")
    assert names(got("user", "list", "--group", "staff")) == {"ann"}
    run("group", "remove", "user", "staff", "ann")
    assert "ann in group staff" not in run("group", "contains", "user", "staff", "ann")
    run("group", "set", "--name", "crew", "staff")
    assert got("group", "show", "crew")["id"] == group["id"]
    run("group", "delete", "crew")
    run("group", "show", "crew", status=1)
    run("user", "delete", "ann")
    run("user", "show", "ann", status=1)


def test_roles(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    run("user", "create", "bob")
    run("project", "create", "yard")
    made = got("role", "create", "--description", "looks on", "watcher")
    assert made["description"] == "looks on" and "watcher" in names(got("role", "list"))
    run("role", "set", "--name", "guard", "watcher")
    assert got("role", "show", "guard")["id"] == made["id"]

    where = ("--user", "bob", "--project", "yard")
    run("role", "add", *where, "guard")
    (line,) = got("role", "assignment", "list", "--names", *where)
    assert (line["Role"], line["User"]) == ("guard", "bob@Default")
    implied = got("implied", "role", "create", "--implied-role", "reader", "guard")
    assert implied["prior_role"] == made["id"]
    lines = got("implied", "role", "list")
    assert ("guard", "reader") in {
        (line["Prior Role Name"], line["Implied Role Name"]) for line in lines
    }
    effective = got("role", "assignment", "list", "--effective", "--names", *where)
    assert names(effective, "Role") == {"guard", "reader"}
    run("implied", "role", "delete", "--implied-role", "reader", "guard")
    assert len(got("role", "assignment", "list", "--effective", *where)) == 1
    run("role", "remove", *where, "guard")
    assert got("role", "assignment", "list", *where) == []
    run("role", "delete", "guard")
    run("role", "show", "guard", status=1)


def test_the_catalog(openstack: OpenStack, tmp_path: Path) -> None:
    run, got = openstack.run, openstack.json
    assert "identity" in names(got("catalog", "list"), "Type")
    assert got("catalog", "show", "identity")["name"] == "keystone"

    run("region", "create", "--description", "far away", "south")
    assert "south" in names(got("region", "list"), "Region")
    run("region", "set", "--description", "near", "south")
    assert got("region", "show", "south")["description"] == "near"

    service = got("service", "create", "--name", "tides", "tide-tables")
    assert service["type"] == "tide-tables" and "tides" in names(got("service", "list"))
    run("service", "set", "--description", "of the sea", "tides")
    assert got("service", "show", "tides")["description"] == "of the sea"

    endpoint = got(
        "endpoint", "create", "--region", "south", "tides", "public", "http://tides.example.org"
    )["id"]
    assert names(got("endpoint", "list", "--service", "tides"), "ID") == {endpoint}
    run("endpoint", "set", "--url", "http://other.example.org", endpoint)
    assert got("endpoint", "show", endpoint)["url"] == "http://other.example.org"
    run("project", "create", "harbour")
    run("endpoint", "add", "project", endpoint, "harbour")
    assert names(got("endpoint", "list", "--project", "harbour"), "ID") == {endpoint}
    run("endpoint", "remove", "project", endpoint, "harbour")
    assert got("endpoint", "list", "--project", "harbour") == []

    group = ("endpoint", "group")
    filters = file(tmp_path, {"interface": "public", "service_id": service["id"]})
    made = got(*group, "create", "public tides", filters)
    assert made["name"] == "public tides"
    assert "public tides" in names(got(*group, "list"))
    run(*group, "set", "--name", "tides for all", made["id"])
    assert got(*group, "show", made["id"])["name"] == "tides for all"
    run(*group, "add", "project", made["id"], "harbour")
    assert names(got(*group, "list", "--project", "harbour"), "ID") == {made["id"]}
    run(*group, "remove", "project", made["id"], "harbour")
    assert got(*group, "list", "--project", "harbour") == []
    run(*group, "delete", made["id"])
    run(*group, "show", made["id"], status=1)

    run("endpoint", "delete", endpoint)
    run("endpoint", "show", endpoint, status=1)
    run("service", "delete", "tides")
    run("service", "show", "tides", status=1)
    run("region", "delete", "south")
    run("region", "show", "south", status=1)


def test_limits(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    run("project", "create", "small")
    service = ("--service", "image")
    made = got("registered", "limit", "create", *service, "--default-limit", "5", "boxes")
    assert made["default_limit"] == 5
    assert made["id"] in names(got("registered", "limit", "list"), "ID")
    run("registered", "limit", "set", "--default-limit", "6", made["id"])
    assert got("registered", "limit", "show", made["id"])["default_limit"] == 6
    own = got("limit", "create", "--project", "small", *service, "--resource-limit", "9", "boxes")
    assert own["resource_limit"] == 9
    assert names(got("limit", "list", "--project", "small"), "ID") == {own["id"]}
    run("limit", "set", "--resource-limit", "8", own["id"])
    assert got("limit", "show", own["id"])["resource_limit"] == 8
    run("limit", "delete", own["id"])
    assert got("limit", "list", "--project", "small") == []
    run("registered", "limit", "delete", made["id"])
    run("registered", "limit", "show", made["id"], status=1)


def test_credentials(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    made = got("credential", "create", "--type", "cert", "admin", "secret")
    assert (made["type"], made["blob"]) == ("cert", "secret")
    assert made["id"] in names(got("credential", "list"), "ID")
    run("credential", "set", "--user", "admin", "--type", "cert", "--data", "other", made["id"])
    assert got("credential", "show", made["id"])["blob"] == "other"
    run("credential", "delete", made["id"])
    run("credential", "show", made["id"], status=1)

    key = got("ec2", "credentials", "create")
    assert key["access"] in names(got("ec2", "credentials", "list"), "Access")
    assert got("ec2", "credentials", "show", key["access"])["secret"] == key["secret"]
    run("ec2", "credentials", "delete", key["access"])
    run("ec2", "credentials", "show", key["access"], status=1)

    application = ("application", "credential")
    rule = json.dumps([{"service": "compute", "method": "GET", "path": "/v2.1/servers"}])
    made = got(*application, "create", "--role", "reader", "--access-rules", rule, "robot")
    assert made["Secret"] and "robot" in names(got(*application, "list"))
    assert "reader" in str(got(*application, "show", "robot")["Roles"])
    (line,) = got("access", "rule", "list")
    assert line["Path"] == "/v2.1/servers"
    assert got("access", "rule", "show", line["ID"])["Method"] == "GET"
    run("access", "rule", "delete", line["ID"], status=1)  # it is in use
    run(*application, "delete", "robot")
    run(*application, "show", "robot", status=1)
    run("access", "rule", "delete", line["ID"])
    assert got("access", "rule", "list") == []


def test_tokens(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    token = got("token", "issue")
    assert token["project_id"] and token["user_id"] == got("user", "show", "admin")["id"]
    by_token = {
        name: value
        for name, value in openstack.environment.items()
        if name in ("OS_AUTH_URL", "OS_REGION_NAME", "OS_IDENTITY_API_VERSION")
    }
    by_token |= {"OS_AUTH_TYPE": "token", "OS_TOKEN": token["id"]}
    other = OpenStack({**by_token, "OS_PROJECT_ID": token["project_id"]}, "")
    assert other.json("token", "issue")["user_id"] == token["user_id"]
    run("token", "revoke", token["id"])
    other.run("token", "issue", status=1)


def test_trusts(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    run("user", "create", "helper")
    role = ("--project", "admin", "--role", "member")
    made = got("trust", "create", *role, "--impersonate", "admin", "helper")
    assert made["is_impersonation"] is True and "member" in str(made["roles"])
    assert names(got("trust", "list"), "ID") == {made["id"]}
    assert got("trust", "show", made["id"])["trustee_user_id"] == made["trustee_user_id"]
    run("trust", "delete", made["id"])
    assert got("trust", "list") == []


def test_oauth(openstack: OpenStack) -> None:
    run, got = openstack.run, openstack.json
    consumer = got("consumer", "create", "--description", "a page")
    assert consumer["secret"] and consumer["id"] in names(got("consumer", "list"), "ID")
    run("consumer", "set", "--description", "another", consumer["id"])
    assert got("consumer", "show", consumer["id"])["description"] == "another"
    keys = ("--consumer-key", consumer["id"], "--consumer-secret", consumer["secret"])
    requested = got("request", "token", "create", *keys, "--project", "admin")
    assert requested["id"] and requested["secret"]
    allowed = ("--request-key", requested["id"], "--role", "member")
    pin = got("request", "token", "authorize", *allowed)["oauth_verifier"]
    asking = ("--request-key", requested["id"], "--request-secret", requested["secret"])
    token = got("access", "token", "create", *keys, *asking, "--verifier", pin)
    assert token["id"] and token["secret"]
    run("consumer", "delete", consumer["id"])
    run("consumer", "show", consumer["id"], status=1)


def test_federation(openstack: OpenStack, tmp_path: Path) -> None:
    run, got = openstack.run, openstack.json
    provider = ("identity", "provider")
    made = got(*provider, "create", "--remote-id", "https://idp.example.org", "idp")
    assert made["id"] == "idp" and made["enabled"] is True
    assert "idp" in names(got(*provider, "list"), "ID")
    run(*provider, "set", "--description", "theirs", "idp")
    assert got(*provider, "show", "idp")["description"] == "theirs"

    rule = {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]}
    made = got("mapping", "create", "--rules", file(tmp_path, [rule]), "by-sub")
    assert made["id"] == "by-sub" and "by-sub" in names(got("mapping", "list"), "ID")
    rule["remote"] = [{"type": "mail"}]
    run("mapping", "set", "--rules", file(tmp_path, [rule]), "by-sub")
    assert "mail" in str(got("mapping", "show", "by-sub")["rules"])
    run("mapping", "create", "--rules", file(tmp_path, [rule]), "by-mail")

    protocol, at = ("federation", "protocol"), ("--identity-provider", "idp")
    made = got(*protocol, "create", *at, "--mapping", "by-sub", "openid")
    assert (made["id"], made["mapping"]) == ("openid", "by-sub")
    assert names(got(*protocol, "list", *at), "id") == {"openid"}
    # The client ends with what it changed in place of a status.
    run(*protocol, "set", *at, "--mapping", "by-mail", "openid", status=None)
    assert got(*protocol, "show", *at, "openid")["mapping"] == "by-mail"
    run(*protocol, "delete", *at, "openid")
    assert got(*protocol, "list", *at) == []
    run("mapping", "delete", "by-sub", "by-mail")
    run("mapping", "show", "by-sub", status=1)
    run(*provider, "delete", "idp")
    run(*provider, "show", "idp", status=1)

    service = ("service", "provider")
    addresses = ("--auth-url", "https://sp.example.org/v3", "--service-provider-url")
    made = got(*service, "create", *addresses, "https://sp.example.org/saml", "sp")
    assert made["id"] == "sp" and "sp" in names(got(*service, "list"), "ID")
    run(*service, "set", "--description", "theirs", "sp")
    assert got(*service, "show", "sp")["description"] == "theirs"
    run(*service, "delete", "sp")
    run(*service, "show", "sp", status=1)

    assert "admin" in names(got("federation", "project", "list"))
    assert isinstance(got("federation", "domain", "list"), list)


def test_policies(openstack: OpenStack, tmp_path: Path) -> None:
    run, got = openstack.run, openstack.json
    made = got("policy", "create", "--type", "application/json", file(tmp_path, {"a": "role:b"}))
    assert "role:b" in made["rules"]
    assert made["id"] in names(got("policy", "list"), "ID")
    run("policy", "set", "--rules", file(tmp_path, {"a": "role:c"}), made["id"])
    assert "role:c" in got("policy", "show", made["id"])["rules"]
    run("policy", "delete", made["id"])
    run("policy", "show", made["id"], status=1)


def test_no_command_was_left_out(openstack: OpenStack) -> None:
    assert len(openstack.commands) >= 128  # of the release these tests were written for
    left = openstack.commands - openstack.called
    assert left == set(), sorted(left)
