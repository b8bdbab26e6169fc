"""`hanok class`: places to learn in, made and taken away in one go, through the public APIs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from hanok.cli import api, classes
from hanok.cli.belongings import Left
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, fail, print_json, say, table
from hanok.cli.place import cloud_of, needs_root
from hanok.supervisor.settings import Cloud


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["list", "create", "show", "reset", "delete"], default="list",
        help="create: projects, users and a sheet of passwords, or what is missing of them; "
        "show: how far each student is; reset: empty students' projects; delete: take all of it away again",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help="the name of the class")
    parser.add_argument(
        "student", nargs="*", metavar="STUDENT", help="for reset: whose project (all)"
    )
    parser.add_argument(
        "--students", type=int, default=10, metavar="N",
        help=f"for create: how many, 1 to {classes.MAXIMUM_STUDENTS} (10)",
    )  # fmt: skip
    parser.add_argument(
        "--quota", action="append", default=[], metavar="NAME=N",
        help="for create: a limit of each student's project (cores=4); can be repeated",
    )  # fmt: skip
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    if (args.action == "list") != (args.name is None):
        fail(f"hanok class {args.action} " + ("takes no NAME" if args.name else "needs a NAME"))
    if args.student and args.action != "reset":
        fail(f"hanok class {args.action} takes no STUDENT")
    cloud = cloud_of(args)
    needs_root(cloud, "hanok class")
    client = api.API(cloud)
    try:
        client.sign_in()
        return _ACTIONS[args.action](client, cloud, args)
    except api.Refused as refused:
        raise Failure(f"the cloud refused: {refused.message}") from None


def _list(client: api.API, cloud: Cloud, args: argparse.Namespace) -> int:
    found = classes.every(client)
    if args.json:
        print_json({"classes": [{"name": name, "students": number} for name, number in found]})
    elif found:
        say(table(("Class", "Students"), found))
    else:
        say("There is no class. One is made by: hanok class create NAME --students 20")
    return 0


def _create(client: api.API, cloud: Cloud, args: argparse.Namespace) -> int:
    name = classes.check_name(args.name)
    if not 1 <= args.students <= classes.MAXIMUM_STUDENTS:
        fail(f"a class has 1 to {classes.MAXIMUM_STUDENTS} students")
    quota = classes.read_quota(args.quota)
    sheet = cloud.state / "classes" / f"{name}.csv"
    people = classes.create(client, name, args.students, quota, sheet, _teller(args))
    if args.json:
        print_json({"people": people_of(people), "sheet": str(sheet)})
        return 0
    rows = [(one.user, one.password, one.project, one.role) for one in people]
    say(table(("User", "Password", "Project", "Role"), rows))
    say()
    say(f"The APIs are at {cloud.url}/v3, domain Default. This sheet is kept in {sheet}")
    return 0


def people_of(people: list[classes.Person]) -> list[dict[str, Any]]:
    """As JSON has them."""
    return [
        {"user": one.user, "project": one.project, "password": one.password, "role": one.role}
        for one in people
    ]


def _show(client: api.API, cloud: Cloud, args: argparse.Namespace) -> int:
    places = classes.look(client, args.name)
    if args.json:
        print_json(
            {
                "students": [
                    {"name": one.student, "has": one.has, "wrong": one.wrong} for one in places
                ]
            }
        )
        return 0
    rows = [(one.student, *one.has.values(), len(one.wrong) or "") for one in places]
    say(table(("Student", *(one.capitalize() for one in classes.SHOWN), "Wrong"), rows))
    for one in places:
        for why in one.wrong:
            say(f"{one.student}: {why}")
    return 0


def _reset(client: api.API, cloud: Cloud, args: argparse.Namespace) -> int:
    return _said(classes.reset(client, args.name, args.student, _teller(args)), args)


def _delete(client: api.API, cloud: Cloud, args: argparse.Namespace) -> int:
    left = classes.delete(client, args.name, _teller(args))
    if not left:
        (cloud.state / "classes" / f"{args.name}.csv").unlink(missing_ok=True)
    return _said(left, args)


def _said(left: list[Left], args: argparse.Namespace) -> int:
    """Say what is left, and how it ended: 0 where nothing is."""
    if args.json:
        print_json({"left": [{"kind": one.kind, "id": one.id, "why": one.why} for one in left]})
    elif left:
        say(table(("Left", "ID", "Why"), [(one.kind, one.id, one.why) for one in left]))
        say(
            f"What is named here could not be deleted. Try again: hanok class {args.action} {args.name}"
        )
    else:
        say("Nothing is left of it." if args.action == "delete" else "Nothing is left there.")
    return 1 if left else 0


def _teller(args: argparse.Namespace) -> Callable[[str], None]:
    return (lambda text: None) if args.json else (lambda text: say(f"  {text}"))


_ACTIONS = {
    "list": _list, "create": _create, "show": _show, "reset": _reset, "delete": _delete,
}  # fmt: skip
