"""`hanok clone DIR`: a second, simulated cloud with the records of this one, or of a backup."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from hanok.base.cloud_key import CloudKey
from hanok.base.errors import HanokError
from hanok.cli import archive, copying, creation
from hanok.cli.commands import up
from hanok.cli.main import as_json, state_dir
from hanok.cli.output import Failure, print_json, say
from hanok.cli.place import cloud_of, needs_root
from hanok.control.settings import ControlSettings, load
from hanok.store import dump
from hanok.supervisor.settings import Cloud, CloudSettings, write_toml, write_whole


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the new cloud's state directory")
    parser.add_argument(
        "--from", dest="file", type=Path, metavar="FILE",
        help="a backup that hanok backup made, instead of the cloud that is here",
    )  # fmt: skip
    parser.add_argument(
        "--bytes", action="store_true",
        help="copy the bytes of images and objects, too; without them images can be used, and not be downloaded",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, metavar="N", help="where its APIs answer (one that is free)"
    )
    parser.add_argument("--no-start", action="store_true", help="make it, and do not start it")
    state_dir(parser)
    as_json(parser)


def run(args: argparse.Namespace) -> int:
    if args.port is not None and not 1 <= args.port <= 65535:
        raise Failure(f"--port must be a number from 1 to 65535, not {args.port}")
    state = Path(os.path.abspath(os.path.expanduser(args.directory)))
    if state.exists() and (not state.is_dir() or any(state.iterdir())):
        raise Failure(f"{state} is not empty; a clone is made in an empty state directory")
    state.parent.mkdir(parents=True, exist_ok=True)
    # Beside it, so that one that breaks leaves nothing that could be taken for a cloud.
    new = state.with_name(f".{state.name}.cloning")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o711)
    try:
        with _backup(args, new.parent) as file:
            left = _make(args, file, new, state)
        if state.exists():
            state.rmdir()
        new.rename(state)
    except HanokError as error:
        raise Failure(f"{error.message} {error.detail}".strip()) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if args.json and args.no_start:
        print_json({"state_dir": str(state), "left_out": left})
    elif not args.json:
        say(
            f"The copy is in {state}. It has a password and keys of its own, simulated hosts, and connects to nothing "
            "outside."
        )
        if left:
            say(f"Settings that lead out of the copy were left out: {', '.join(left)}.")
    if args.no_start:
        return 0
    words = ["up", "--simulated", "--state-dir", str(state), *(["--json"] if args.json else [])]
    return up.run(_parsed(words))


def _parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    up.arguments(parser)
    return parser.parse_args(words[1:])


@contextmanager
def _backup(args: argparse.Namespace, folder: Path) -> Iterator[Path]:
    """The file that is named, or one that is made of the cloud that is here, for as long as it is needed."""
    if args.file is not None:
        yield args.file
        return
    cloud = cloud_of(args)
    needs_root(cloud, "hanok clone of a cloud that is not simulated")
    if cloud.is_member:
        raise Failure(
            "this machine joined a cloud, which is cloned where it began, or from a backup"
        )
    settings = load(cloud.control_settings)
    archive.know_tables(settings)
    manifest = archive.Manifest(
        form=archive.FORM,
        version="",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        simulated=cloud.settings.simulated,
        bytes=args.bytes,
        rows={},
    )
    with tempfile.TemporaryDirectory(prefix=".hanok-clone-", dir=folder) as place:
        file = Path(place) / "backup"
        asyncio.run(archive.write(file, cloud.state, settings.database_url, manifest))
        yield file


def _make(args: argparse.Namespace, file: Path, new: Path, state: Path) -> list[str]:
    """Returns what of the first cloud's settings the copy has not."""
    manifest = archive.manifest_of(file)
    if args.bytes and not manifest.bytes:
        raise Failure(f"{file} has no bytes of images; leave --bytes out")
    (new / "control").mkdir(mode=0o700)
    copying.bring_files(file, new, manifest, bytes_too=args.bytes)
    first = copying.settings_of(new / ".first")
    extra, left = copying.extra_of(new / ".first" / "control-extra.toml", state)
    services = {name: extra[name] for name in ("more_services", "services_off") if name in extra}
    settings = ControlSettings(state_dir=str(new), region=first.region, durable=False, **services)
    archive.know_tables(settings)
    asyncio.run(archive.put_rows(file, settings.database_url, manifest))
    _own_key(new, settings)
    password = copying.new_password()
    told = asyncio.run(copying.part(settings, password, new / "node"))
    (new / "control" / "admin-password").write_text(password + "\n")
    (new / "control" / "admin-password").chmod(0o600)
    if not first.simulated:
        extra["node_name"] = first.host_name
        write_whole(new / "simulated.toml", copying.shapes(told), mode=0o600)
    write_whole(new / "control-extra.toml", copying.toml(extra), mode=0o600)
    shutil.rmtree(new / ".first")
    _settle(args, Cloud(new, first), new, list(told))
    return left


def _own_key(new: Path, settings: ControlSettings) -> None:
    old, own = CloudKey(new / ".first" / "control" / "cloud-key"), CloudKey(settings.cloud_key)
    if not old.path.exists():
        raise Failure("the backup has no key of its cloud")
    asyncio.run(
        dump.run(settings.database_url, lambda one: copying.seal_anew(one, old, own), write=True)
    )


def _settle(args: argparse.Namespace, first: Cloud, new: Path, hosts: list[str]) -> None:
    """hanok.toml: ports of its own, and what the first cloud says of regions, networks and hosts."""
    theirs: CloudSettings = first.settings
    wishes = creation.Wishes(
        True, args.port or _free_port(theirs.port), theirs.region, None, max(1, len(hosts))
    )
    made = creation.make(new, wishes)
    same = {name: getattr(theirs, name) for name in ("external_cidr", "external_cidr6", "silent_s")}
    names = theirs.host_names if theirs.simulated else tuple(hosts)
    count = theirs.hosts if theirs.simulated else made.settings.hosts
    settings = structs.replace(made.settings, **same, host_names=names, hosts=count, described=True)
    write_toml(new / "hanok.toml", settings)


def _free_port(first: int) -> int:
    """One behind the first cloud's that is free."""
    for port in range(first + 1, min(first + 1000, 65536)):
        if creation.can_bind("127.0.0.1", port):
            return port
    raise Failure("no port is free for the copy; name one: --port N")
