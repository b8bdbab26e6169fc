"""A cloud in one file: its rows, its keys, its settings, and the bytes of images and objects.

    manifest.json          the version of the database, what there is, how many rows each table has
    rows/<table>           as `hanok.store.dump` writes them
    files/<path>           of the state directory

It is a tar, compressed, and readable for its owner alone: who has it has the cloud's keys. What hosts have of guests
and of volumes (their disks) is not in it.
"""

from __future__ import annotations

import importlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hanok.base.durable import put_in_place
from hanok.cli.output import Failure
from hanok.control.settings import ControlSettings
from hanok.store import dump, migrate

FORM = 1
SETTINGS = (
    *(
        "hanok.toml",
        "control-extra.toml",
        "node-extra.toml",
        "layout-password",
        "registered",
        "simulated.toml",
    ),
    *("policy", "control/cloud-key", "control/admin-password", "control/authority"),
)
BYTES = ("images", "control/objects")
GUESTS = ("node",)  # of simulated hosts: their guests are files of some bytes
MAXIMUM_MANIFEST = 1 << 20
IN_MEMORY = 16 << 20


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """form: of the file. version: of the database. made_at: when, as text. bytes: whether those of images are there."""

    form: int
    version: str
    made_at: str
    simulated: bool
    bytes: bool
    rows: dict[str, int]


def know_tables(settings: ControlSettings) -> None:
    """Every table of the house and of its services is known: those are registered where they are declared."""
    importlib.import_module("hanok.control.app")
    for name in settings.rooms:
        settings.room_class(name)


# ---- to a file


async def write(path: Path, state: Path, url: str, manifest: Manifest) -> Manifest:
    """Write a cloud into a new file, which is there when all of it is.

    Raises:
        Failure: there is a file of that name, or no room. Unavailable: the database is not to be read.
    """
    if path.exists():
        raise Failure(f"{path} is there already")
    new = path.with_name(f".{path.name}.new")
    try:
        with _new(new) as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) as tar:
                made = await dump.run(url, lambda one: _rows(one, tar, manifest))
                names = (*SETTINGS, *(BYTES if manifest.bytes else ()))
                for name in (*names, *(GUESTS if manifest.simulated else ())):
                    _files(tar, state, name)
                _member(tar, "manifest.json", msgspec.json.encode(made))
            raw.flush()
            os.fsync(raw.fileno())
        put_in_place(new, path, settled=True)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return made


def _new(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    return open(os.open(path, flags, 0o600), "wb")


def _rows(connection: sa.Connection, tar: tarfile.TarFile, manifest: Manifest) -> Manifest:
    version = dump.version_of(connection)
    if version != migrate.head():
        raise Failure("the database is of another version; hanok db upgrade first")
    if unknown := dump.unknown(connection):
        raise Failure(f"the database has a table that is not one of this cloud's: {unknown[0]}")
    counts = {}
    for table in dump.tables():
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as rows:
            counts[table.name] = dump.write_rows(connection, table, rows)  # type: ignore[arg-type]
            info = tarfile.TarInfo(f"rows/{table.name}")
            info.size, info.mode = rows.tell(), 0o600
            rows.seek(0)
            tar.addfile(info, rows)
    return msgspec.structs.replace(manifest, version=version, rows=counts)


def _files(tar: tarfile.TarFile, state: Path, name: str) -> None:
    """A file, or a folder with all that is in it; nothing that leads elsewhere."""
    top = state / name
    for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
        if path.is_symlink() or not path.is_file():
            continue
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # a link, or gone meanwhile: what is deleted is not in it
        with open(handle, "rb", closefd=True) as file:
            info = tarfile.TarInfo(f"files/{path.relative_to(state)}")
            status = os.fstat(file.fileno())
            info.size, info.mode = status.st_size, status.st_mode & 0o777
            tar.addfile(info, file)


def _member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))


# ---- from a file


def manifest_of(path: Path) -> Manifest:
    """
    Raises:
        Failure: it is no such file, or of another version.
    """
    try:
        with tarfile.open(path, "r:gz") as tar:
            found = next((one for one in tar if one.name == "manifest.json"), None)
            file = (
                None if found is None or found.size > MAXIMUM_MANIFEST else tar.extractfile(found)
            )
            if file is None:
                raise Failure(f"{path} is not a backup of a cloud")
            manifest = msgspec.json.decode(file.read(), type=Manifest)
    except (OSError, tarfile.TarError, EOFError, msgspec.MsgspecError) as error:
        raise Failure(f"{path} cannot be read: {error}") from error
    if manifest.form != FORM or manifest.version != migrate.head():
        raise Failure(
            f"{path} was made by another version of Hanok (its database is at {manifest.version}); restore it with "
            "that version, and update then"
        )
    return manifest


def put_files(path: Path, state: Path) -> None:
    """The files of a backup are in a state directory that has none of them.

    Raises:
        Failure: the backup is damaged.
    """
    for name, info, file in _members(path, "files/"):
        target = state / _inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, info.mode)
        with open(handle, "wb") as out:
            while piece := file.read(1 << 20):
                out.write(piece)
            os.fsync(out.fileno())


def own(state: Path, owner: int) -> None:
    """What control reads and writes is its own."""
    for top in ("control", "images"):
        for one in [state / top, *(state / top).rglob("*")]:
            if one.exists():
                os.chown(one, owner, owner, follow_symlinks=False)


def _inside(name: str) -> Path:
    """Raises Failure where a name leads out of the folder."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise Failure(f"the backup has a file that is not one of a cloud's: {name}")
    return Path(*pure.parts)


async def put_rows(path: Path, url: str, manifest: Manifest) -> None:
    """The rows of a backup are in an empty database: all of them, or none.

    Raises:
        Failure: the database is not empty, or the backup is damaged. Unavailable: the database is not to be written.
    """

    def work(connection: sa.Connection) -> None:
        dump.make_tables(connection, manifest.version)
        known = {table.name: table for table in dump.tables()}
        for name, _, file in _members(path, "rows/"):
            if (table := known.pop(name, None)) is None:
                raise ValueError(f"there is no table {name}")
            if dump.read_rows(connection, table, file) != manifest.rows.get(name):
                raise ValueError(f"it does not have all rows of {name}")
            dump.count_on(connection, table)
        if known:
            raise ValueError(f"it lacks the table {sorted(known)[0]}")

    try:
        await dump.run(url, work, write=True)
    except ValueError as error:
        raise Failure(f"the backup was not restored: {error}") from error


def _members(path: Path, under: str) -> Iterator[tuple[str, tarfile.TarInfo, BinaryIO]]:
    try:
        with tarfile.open(path, "r:gz") as tar:
            for one in tar:
                file: Any = tar.extractfile(one) if one.isreg() else None
                if one.name.startswith(under) and file is not None:
                    yield one.name.removeprefix(under), one, file
    except (OSError, tarfile.TarError, EOFError) as error:
        raise Failure(f"{path} is damaged: {error}") from error
