"""A class: a project for each of its students below one for all, and a teacher who reaches these and nothing else.

Everything stands in the identity service, under names that say what it is: project and user `NAME-01`, `NAME-02` …,
the teacher `NAME-teacher`, all below the project NAME with the tag `hanok-class`. Passwords are in a file of the
cloud's directory.
"""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from hanok.cli import belongings
from hanok.cli.api import API, Refused
from hanok.cli.output import fail
from hanok.supervisor.settings import write_whole

TAG = "hanok-class"
MAXIMUM_STUDENTS = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}", re.ASCII)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is read as another
SERVICES = {
    "compute": ("cores", "instances", "ram", "key_pairs", "server_groups", "server_group_members"),
    "network": (
        "floatingip", "network", "port", "router", "security_group", "security_group_rule", "subnet",
    ),
    "volume": ("backups", "backup_gigabytes", "gigabytes", "snapshots", "volumes"),
}  # fmt: skip
"""What a student's quota can be said of, and whose it is."""
_QUOTAS = {
    "compute": ("/compute/v2.1/os-quota-sets/{}", "quota_set"),
    "network": ("/network/v2.0/quotas/{}", "quota"),
    "volume": ("/volume/v3/os-quota-sets/{}", "quota_set"),
}


class Person(Struct, frozen=True, kw_only=True):
    """A line of the sheet that is handed out. password: "" where it is not known any more."""

    user: str
    project: str
    password: str
    role: str


def check_name(name: str) -> str:
    """A name that can stand in names of projects and files.

    Raises:
        Failure
    """
    if not _NAME.fullmatch(name):
        fail(
            f"'{name}' is not a valid name of a class: small letters, digits and hyphens, at most 41"
        )
    return name


def read_quota(pairs: list[str]) -> dict[str, int]:
    """`cores=4` and so on.

    Raises:
        Failure
    """
    known = [one for names in SERVICES.values() for one in names]
    found = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if name not in known:
            fail(f"'{name}' is not a valid quota; there are: {', '.join(known)}")
        if not re.fullmatch(r"-1|\d{1,9}", number, re.ASCII):
            fail(f"'{number}' is not a valid quota of {name}: a number, or -1 for no limit")
        found[name] = int(number)
    return found


def create(
    client: API,
    name: str,
    students: int,
    quota: Mapping[str, int],
    sheet: Path,
    tell: Callable[[str], None],
) -> list[Person]:
    """Make a class, or what is missing of it; with a higher number, a bigger one.

    sheet: the file with the passwords; it is written before a user has one.

    Raises:
        Failure, Refused
    """
    roles = _roles(client)
    parent = _project(client, name, f"A class of {students}", "default")
    known = {one.user: one.password for one in read_sheet(sheet)}
    here = {one["name"]: one for one in _places(client, parent["id"])}
    width = max(2, len(str(students)))
    names = [f"{name}-{number:0{width}}" for number in range(1, students + 1)]
    people = [
        Person(user=f"{name}-teacher", project=name, password="", role="teacher"),
        *(Person(user=one, project=one, password="", role="student") for one in names),
    ]
    people = [
        Person(
            user=one.user,
            project=one.project,
            role=one.role,
            password=known.get(one.user) or _password(),
        )
        for one in people
    ]
    others = [one for one in read_sheet(sheet) if one.user not in {new.user for new in people}]
    write_sheet(sheet, people + others)
    for person in people:
        tell(person.user)
        project = parent
        if person.role == "student":
            project = here.get(person.project) or _project(
                client, person.project, f"Of the class {name}", parent["id"]
            )
            _limit(client, project["id"], quota)
        user = _user(client, person, project["id"], known=person.user in known)
        _allow(client, parent["id"], project["id"], user, person, roles)
    return people


def _password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def _roles(client: API) -> dict[str, str]:
    return {one["name"]: one["id"] for one in client.get("/v3/roles")["roles"]}


def find(client: API, name: str) -> dict[str, Any]:
    """The project of a class.

    Raises:
        Failure: there is none of that name.
    """
    for one in client.get(f"/v3/projects?tags={TAG}&name={quote(name)}")["projects"]:
        if one["parent_id"] == "default":
            return dict(one)
    fail(f"there is no class {name!r}; see: hanok class list")


def every(client: API) -> list[tuple[str, int]]:
    """The classes by name, with how many students each has."""
    found = client.get(f"/v3/projects?tags={TAG}")["projects"]
    tops = [one for one in found if one["parent_id"] == "default"]
    return sorted(
        (one["name"], sum(child["parent_id"] == one["id"] for child in found)) for one in tops
    )


def _places(client: API, parent: str) -> list[dict[str, Any]]:
    """The students' projects, by name."""
    found = client.get(f"/v3/projects?tags={TAG}&parent_id={parent}")["projects"]
    return sorted(found, key=lambda one: str(one["name"]))


def _project(client: API, name: str, description: str, parent: str) -> dict[str, Any]:
    for one in client.get(f"/v3/projects?name={quote(name)}&domain_id=default")["projects"]:
        if TAG in one["tags"] and one["parent_id"] == parent:
            return dict(one)
        fail(f"there is a project {name!r} that does not belong to the class; choose another name")
    body = {
        "name": name,
        "description": description,
        "domain_id": "default",
        "parent_id": parent,
        "tags": [TAG],
    }
    return dict(client.post("/v3/projects", {"project": body})["project"])


def _limit(client: API, project_id: str, quota: Mapping[str, int]) -> None:
    for service, names in SERVICES.items():
        said = {name: quota[name] for name in names if name in quota}
        if said:
            path, key = _QUOTAS[service]
            client("PUT", path.format(project_id), {key: said})


def _user(client: API, person: Person, project_id: str, *, known: bool) -> str:
    """A user with the password of the sheet; one that was there before keeps the one that the sheet knows."""
    for one in client.get(f"/v3/users?name={quote(person.user)}&domain_id=default")["users"]:
        if one.get("default_project_id") != project_id:
            fail(
                f"there is a user {person.user!r} who does not belong to the class; choose another name"
            )
        if not known:
            client("PATCH", f"/v3/users/{one['id']}", {"user": {"password": person.password}})
        return str(one["id"])
    body = {
        "name": person.user,
        "domain_id": "default",
        "password": person.password,
        "default_project_id": project_id,
    }
    return str(client.post("/v3/users", {"user": body})["user"]["id"])


def _allow(
    client: API, parent: str, project: str, user: str, person: Person, roles: Mapping[str, str]
) -> None:
    """A student is a member of one project; a teacher of all that are below the class's, and reads that."""
    if person.role == "student":
        client("PUT", f"/v3/projects/{project}/users/{user}/roles/{roles['member']}")
        return
    client("PUT", f"/v3/projects/{parent}/users/{user}/roles/{roles['reader']}")
    inherited = f"/v3/OS-INHERIT/projects/{parent}/users/{user}/roles/{roles['member']}"
    client("PUT", f"{inherited}/inherited_to_projects")


class Place(Struct, frozen=True, kw_only=True):
    """What a student has: how many of each kind, and what is wrong, in words."""

    student: str
    has: dict[str, int]
    wrong: list[str]


SHOWN = ("servers", "volumes", "networks", "routers", "floating IPs", "images")


def look(client: API, name: str) -> list[Place]:
    """How far each student is.

    Raises:
        Failure, Refused
    """
    kinds = [one for one in belongings.KINDS if one.name in SHOWN]
    found = []
    for project in _places(client, find(client, name)["id"]):
        here = {one.name: belongings.things(client, one, project["id"]) for one in kinds}
        has = {one: len(here[one]) for one in SHOWN}
        found.append(Place(student=project["name"], has=has, wrong=_wrong(here)))
    return found


def _wrong(here: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    found = []
    for server in here["servers"]:
        if server["status"] == "ERROR":
            why = server.get("fault", {}).get("message", "no reason was given")
            found.append(f"server {server['name']} is in ERROR: {why}")
    for volume in here["volumes"]:
        if str(volume["status"]).startswith("error"):
            found.append(f"volume {volume['name'] or volume['id']} is in {volume['status']}")
    return found


def reset(
    client: API, name: str, students: list[str], tell: Callable[[str], None]
) -> list[belongings.Left]:
    """Empty the projects of students (all where none is named); users, roles and quotas stay.

    Raises:
        Failure, Refused
    """
    places = {one["name"]: one["id"] for one in _places(client, find(client, name)["id"])}
    if unknown := sorted(set(students) - set(places)):
        fail(f"there is no student {unknown[0]!r} in the class {name!r}")
    left = []
    for student in students or places:
        left += _empty(client, places[student], _of(student, tell))
    return left


def _of(who: str, tell: Callable[[str], None]) -> Callable[[str], None]:
    return lambda text: tell(f"{who}: {text}")


def _empty(client: API, project_id: str, tell: Callable[[str], None]) -> list[belongings.Left]:
    left = belongings.clear(client, project_id, tell)
    user = _users(client, project_id)
    for one in user:
        path = "/compute/v2.1/os-keypairs"
        for pair in client.get(f"{path}?user_id={one['id']}")["keypairs"]:
            client("DELETE", f"{path}/{quote(pair['keypair']['name'])}?user_id={one['id']}")
    return left


def _users(client: API, project_id: str) -> list[dict[str, Any]]:
    """The users that were made for a project."""
    found = client.get(f"/v3/role_assignments?scope.project.id={project_id}")["role_assignments"]
    ids = sorted({one["user"]["id"] for one in found if "user" in one})
    users = [client.get(f"/v3/users/{one}")["user"] for one in ids]
    return [one for one in users if one.get("default_project_id") == project_id]


def delete(client: API, name: str, tell: Callable[[str], None]) -> list[belongings.Left]:
    """Take a class away with all that its students have. Where something is left, its project stays.

    Raises:
        Failure, Refused
    """
    parent = find(client, name)
    left: list[belongings.Left] = []
    for project in [*_places(client, parent["id"]), parent]:
        who = project["name"]
        more = _empty(client, project["id"], _of(who, tell))
        left += more
        if more or (project is parent and left):
            continue
        tell(f"{who}: project and user")
        for user in _users(client, project["id"]):
            _gone(client, f"/v3/users/{user['id']}")
        _end(client, project["id"])
    return left


def _end(client: API, project_id: str) -> None:
    """Take a project away; its default security group goes with it."""
    groups = client.get(f"/network/v2.0/security-groups?project_id={project_id}&fields=id")
    for one in groups["security_groups"]:
        _gone(client, f"/network/v2.0/security-groups/{one['id']}")
    _gone(client, f"/v3/projects/{project_id}")


def _gone(client: API, path: str) -> None:
    try:
        client("DELETE", path)
    except Refused as error:
        if error.status != 404:
            raise


# ---- the sheet ----

_HEAD = ["user", "project", "password", "role"]


def read_sheet(path: Path) -> list[Person]:
    """The people of a class as they were written; none where the file is not there."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [Person(**{key: row[key] for key in _HEAD}) for row in csv.DictReader(io.StringIO(text))]


def write_sheet(path: Path, people: list[Person]) -> None:
    """Readable by the cloud's owner alone."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    out = io.StringIO()
    written = csv.writer(out, lineterminator="\n")
    written.writerow(_HEAD)
    written.writerows([one.user, one.project, one.password, one.role] for one in people)
    write_whole(path, out.getvalue(), mode=0o600)
