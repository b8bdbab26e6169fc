"""Makes a second, simulated cloud of a backup: the same rows, and nothing by which it could touch the first one.

Keys are its own: what the first cloud has sealed in the rows is sealed anew, and the keys of tokens and assertions are
forgotten. Bytes that are in an operator's buckets are not reached any more, alarms call no addresses outside, and hosts
are simulated ones that are called as the real ones are and have what those have.
"""

from __future__ import annotations

import json
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import structs

from hanok.base.clock import Clock
from hanok.base.cloud_key import CloudKey
from hanok.bus import MemoryBus
from hanok.cli import archive
from hanok.cli.output import Failure
from hanok.commands import HostState
from hanok.commands.volumes import BackendStates
from hanok.control.app import Control
from hanok.control.settings import ROOMS, ControlSettings
from hanok.node.simulated_copy import CopiedHost, told_of_backend, told_of_host
from hanok.store import dump
from hanok.supervisor.settings import BrokenState, CloudSettings, load

ALIKE = {
    *("dns_domain", "dns_servers", "log_level", "more_services", "names", "physical_network"),
    *("server", "services_off"),
}
"""What of a cloud's own settings its copy has; the others say where it is and what it reaches."""
OUTSIDE: dict[str, tuple[str, ...]] = {
    "alarming": ("action_networks", "prometheus_url"),
    "block_storage": ("backups",),
    "image": ("key_manager", "property_protections"),
    "metric": ("scrape_token_file", "telemetry_folder"),
    "object_storage": ("bucket", "durable", "folder", "objects_port"),
}
"""What of services' settings leads out of a cloud, or to files beside it."""
BROUGHT = ("policy", "layout-password", "registered")
SEALED = re.compile(r"gAAAA[\w-]{60,}={0,2}")  # a Fernet token of this century


def bring_files(path: Path, state: Path, manifest: archive.Manifest, *, bytes_too: bool) -> None:
    """What of a backup's files a copy has, is in its directory, and settings and keys are beside, in `.first`."""
    archive.put_files(path, state / ".first")
    first = state / ".first"
    brought = [*BROUGHT, *(archive.BYTES if bytes_too else ())]
    if manifest.simulated:
        brought += [*archive.GUESTS, "simulated.toml"]
    for name in brought:
        if (first / name).exists():
            (state / name).parent.mkdir(parents=True, exist_ok=True)
            (first / name).rename(state / name)


def settings_of(first: Path) -> CloudSettings:
    """The settings of the cloud that a backup is of.

    Raises:
        Failure: it has none.
    """
    try:
        made = load(first)
    except BrokenState as broken:
        raise Failure(str(broken)) from None
    if made is None:
        raise Failure("the backup has no settings of a cloud")
    return made.settings


# ---- settings


def extra_of(first: Path, state: Path) -> tuple[dict[str, Any], list[str]]:
    """What of control-extra.toml a copy has, and the names of what it has not.

    Args:
        first: the file. state: where the copy will be.
    """
    given = tomllib.loads(first.read_text("utf-8")) if first.exists() else {}
    kept: dict[str, Any] = {}
    left: list[str] = []
    services = {*ROOMS, *given.get("more_services", {})}
    for name, value in given.items():
        if name in services:
            gone = [one for one in OUTSIDE.get(name, ()) if one in value]
            left += [f"{name}.{one}" for one in gone]
            kept[name] = {one: it for one, it in value.items() if one not in gone}
        elif name in ALIKE:
            kept[name] = value
        else:
            left.append(name)
    if stores := kept.get("image", {}).get("stores"):
        kept["image"]["stores"] = [_store(one, state, left) for one in stores]
    kept["alarming"] = {**kept.get("alarming", {}), "actions_lead_out": False}
    return kept, left


def _store(one: dict[str, Any], state: Path, left: list[str]) -> dict[str, Any]:
    """A store of images of the same name, in a folder of the copy's where it was one outside."""
    if one.get("kind", "file") in ("swift", "http") or set(one) <= {"id", "description", "weight"}:
        return one
    left.append(f"image.stores {one.get('id')}")
    folder = str(state / "images" / f"store-{one.get('id')}")
    same: dict[str, Any] = {
        name: one[name] for name in ("id", "description", "weight") if name in one
    }
    return {**same, "kind": "file", "folder": folder}


def toml(values: Mapping[str, Any]) -> str:
    """Settings as a file has them; tables come after what is not one."""
    plain = {name: one for name, one in values.items() if not isinstance(one, dict)}
    lines = [f"{name} = {_inline(one)}" for name, one in plain.items()]
    for name, one in values.items():
        if isinstance(one, dict):
            lines += ["", f"[{_key(name)}]", *(f"{_key(k)} = {_inline(v)}" for k, v in one.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return json.dumps(name)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


# ---- keys


def seal_anew(connection: sa.Connection, old: CloudKey, new: CloudKey) -> int:
    """Whatever rows hold that one key opens, the other one opens; returns how many rows that changed."""

    def other(found: re.Match[str]) -> str:
        raw = old.open(found[0])
        if raw is None:
            return found[0]
        inner = raw.decode("utf-8", "surrogateescape")
        return new.seal(SEALED.sub(other, inner).encode("utf-8", "surrogateescape"))

    return sum(
        _rows_anew(connection, table, lambda text: SEALED.sub(other, text))
        for table in dump.tables()
    )


def _rows_anew(connection: sa.Connection, table: sa.Table, change: Any) -> int:
    # As texts, whatever they are of: what is sealed within a document is found too.
    texts = [
        one for one in table.columns
        if one.computed is None and isinstance(one.type.dialect_impl(connection.dialect), sa.String | sa.JSON)
    ]  # fmt: skip
    if not texts or not table.primary_key.columns:
        return 0
    keys = list(table.primary_key.columns)
    shown = [
        sa.type_coerce(one, sa.Text).label(f"text_{number}") for number, one in enumerate(texts)
    ]
    holds = sa.or_(*(sa.cast(one, sa.Text).contains("gAAAA") for one in texts))
    found, changed = connection.execute(sa.select(*keys, *shown).where(holds)).all(), 0
    for row in found:
        of = [column == value for column, value in zip(keys, row, strict=False)]
        values = {
            column: sa.type_coerce(change(text), sa.Text)
            for column, text in zip(texts, row[len(keys) :], strict=True)
            if isinstance(text, str) and "gAAAA" in text
        }
        if values:  # SQLite finds "gaaaa" too
            connection.execute(table.update().where(*of).values(values))
            changed += 1
    return changed


# ---- hosts


async def part(settings: ControlSettings, password: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The rows are a copy's, and its hosts have what they say; nothing works on them meanwhile.

    Args:
        password: the administrator's, in the copy. folder: of simulated hosts; what is there already stays.

    Returns:
        What `simulated.toml` says of hosts, by name.
    """
    clock, bus = Clock(), MemoryBus()
    control = Control(settings, clock, bus)
    await control.database.open()
    try:
        await control.prepare(password)
        told = await _hosts(control, clock, folder, fill=not folder.exists())
        async with control.database.write() as tx:
            for room in control.house.rooms.values():
                await room.part(tx)
    finally:
        for room in control.house.rooms.values():
            room.close()
        control.bytes.close()
        await bus.close()
        await control.database.close()
    return told


async def _hosts(
    control: Control, clock: Clock, folder: Path, *, fill: bool
) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    hosts: dict[str, CopiedHost] = {}
    for room in control.house.rooms.values():
        async for name, what in room.on_hosts():
            entry = told.setdefault(name, {})
            if isinstance(what, HostState):
                entry.update(told_of_host(what))
            elif isinstance(what, BackendStates):
                entry["backends"] = {
                    one.name: structs.asdict(told_of_backend(one)) for one in what.backends
                }
            elif fill:
                if name not in hosts:
                    hosts[name] = CopiedHost(name, folder, clock)
                hosts[name].take(what)
    return told


def shapes(told: Mapping[str, Mapping[str, Any]]) -> str:
    """`simulated.toml`."""
    return "".join(_shape(name, one) for name, one in told.items())


def _shape(name: str, told: Mapping[str, Any]) -> str:
    lines = [f"{_key(key)} = {_inline(value)}" for key, value in told.items()]
    return "\n".join([f"[hosts.{_key(name)}]", *lines]) + "\n\n"


def new_password() -> str:
    return secrets.token_urlsafe(18)
