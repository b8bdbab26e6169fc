"""What a new thing needs is deleted while it is made: one of the two requests is refused, whichever came first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from hanok.base.ids import new_uuid
from hanok.limits.tables import own_limits
from tests.api.shared_file_system.sharing import BASE, HEADER
from tests.api.ways.shared_file_system import Maker
from tests.cloud import Cloud, commits_take, settle

TRIED = {HEADER: "2.99", "X-OpenStack-Manila-API-Experimental": "True"}
SLOW_S, LATER_S = 0.05, 0.01
"""How long a commit takes, and how much later the second request is sent: before the first one has committed."""

Ask = tuple[str, str, Any]
Pair = tuple[Ask, Ask]
"""What makes something, and what deletes what it needs."""


class Needs:
    """Makes what others need. Each case has one of its own."""

    def __init__(self, cloud: Cloud, maker: Maker) -> None:
        self.cloud, self.make = cloud, maker

    async def kind(self, servers: bool = False, **specs: str) -> str:
        extra = {"driver_handles_share_servers": str(servers), **specs}
        return await self.make.id("types", "share_type", name=new_uuid(), extra_specs=extra)

    async def network(self) -> str:
        return await self.make.id("share-networks", "share_network", name="n")

    async def group_type(self, *kinds: str) -> str:
        values = {"name": new_uuid(), "share_types": kinds or [await self.usual()]}
        return await self.make.id("share-group-types", "share_group_type", **values)

    async def usual(self) -> str:
        return str((await self.make.get("types/default"))["share_type"]["id"])

    async def group(self) -> str:
        kind = await self.group_type()
        return await self.make.id("share-groups", "share_group", share_group_type_id=kind)


def _new(plural: str, member: str, **values: Any) -> Ask:
    return "POST", plural, {member: values}


def _share(**values: Any) -> Ask:
    return _new("shares", "share", share_proto="NFS", size=1, **values)


def _gone(plural: str, one: str) -> Ask:
    return "DELETE", f"{plural}/{one}", None


async def _of_networks(needs: Needs) -> dict[str, Pair]:
    """Share networks and what is in them, or of them."""
    served = await needs.kind(True)
    first, second, third = [await needs.network() for _ in range(3)]
    service = await needs.make.id("security-services", "security_service", type="ldap")
    add = {"add_security_service": {"security_service_id": service}}
    moved = await needs.make.share()
    kinds = {"share_types": [served], "share_group_type_id": await needs.group_type(served)}
    return {
        "a share in a network": (
            _share(share_type=served, share_network_id=first),
            _gone("share-networks", first),
        ),
        "a group in a network": (
            _new("share-groups", "share_group", share_network_id=second, **kinds),
            _gone("share-networks", second),
        ),
        "a move to a network": (
            await _move(needs, moved, new_share_network_id=third, new_share_type_id=served),
            _gone("share-networks", third),
        ),
        "a service of a network": (
            ("POST", f"share-networks/{await needs.network()}/action", add),
            _gone("security-services", service),
        ),
    }


async def _move(needs: Needs, share: str, **values: Any) -> Ask:
    host = (await needs.make.get(f"shares/{share}"))["share"]["host"]
    flags = ("writable", "nondisruptive", "preserve_snapshots", "preserve_metadata")
    body = {"host": host, **dict.fromkeys(flags, False), **values}
    return "POST", f"shares/{share}/action", {"migration_start": body}


async def _of_types(needs: Needs) -> dict[str, Pair]:
    """Types, and what is of them."""
    kinds = [await needs.kind() for _ in range(7)]
    group_type, own = await needs.group_type(), await needs.group_type(kinds[2])
    named = (await needs.make.get(f"types/{kinds[1]}"))["share_type"]["name"]
    managed = {"service_host": "host-1@folder#folder", "export_path": "192.0.2.10:/none"}
    limits = f"quota-sets/{needs.make.client.project_id}?share_type={kinds[5]}"
    return {
        "a share of a type": (_share(share_type=kinds[0]), _gone("types", kinds[0])),
        "a share of a type's name": (_share(share_type=named), _gone("types", kinds[1])),
        "a group of a type": (
            _new("share-groups", "share_group", share_types=[kinds[2]], share_group_type_id=own),
            _gone("types", kinds[2]),
        ),
        "a group type of a type": (
            _new("share-group-types", "share_group_type", name=new_uuid(), share_types=[kinds[3]]),
            _gone("types", kinds[3]),
        ),
        "a managed share of a type": (
            _new("shares/manage", "share", protocol="NFS", share_type=kinds[4], **managed),
            _gone("types", kinds[4]),
        ),
        "a limit of a type": (
            ("PUT", limits, {"quota_set": {"shares": 3}}),
            _gone("types", kinds[5]),
        ),
        "a move to a type": (
            await _move(needs, await needs.make.share(), new_share_type_id=kinds[6]),
            _gone("types", kinds[6]),
        ),
        "a group of a group type": (
            _new("share-groups", "share_group", share_group_type_id=group_type),
            _gone("share-group-types", group_type),
        ),
    }


async def _of_groups(needs: Needs) -> dict[str, Pair]:
    """Share groups and their snapshots."""
    first, second, third, fourth = [await needs.group() for _ in range(4)]
    of, held = {"share_group_id": third}, {"share_group_id": fourth}
    await needs.make.share(**of)
    snapshot = await needs.make.id("share-group-snapshots", "share_group_snapshot", **of)
    member = await needs.make.share(**held)
    again = {"source_share_group_snapshot_id": snapshot}
    return {
        "a share in a group": (_share(share_group_id=first), _gone("share-groups", first)),
        "a snapshot of a group": (
            _new("share-group-snapshots", "share_group_snapshot", share_group_id=second),
            _gone("share-groups", second),
        ),
        "a snapshot of a group's share": (
            _new("share-group-snapshots", "share_group_snapshot", **held),
            _gone("shares", f"{member}?share_group_id={fourth}"),
        ),
        "a group of a snapshot": (
            _new("share-groups", "share_group", **again),
            _gone("share-group-snapshots", snapshot),
        ),
    }


async def _of_shares(needs: Needs) -> dict[str, Pair]:
    """Shares, and what is of them."""
    shares = [await needs.make.share() for _ in range(6)]
    held, kind = await needs.make.share(), await needs.usual()
    snapshot = await needs.make.id("snapshots", "snapshot", share_id=held)
    rule = {"access_type": "ip", "access_to": "10.0.0.7"}
    access = (await needs.make.act(f"shares/{shares[4]}", "allow_access", rule))["access"]["id"]
    lock = {"resource_type": "access_rule", "resource_id": access}
    made: list[Ask] = [
        _new("snapshots", "snapshot", share_id=shares[0]),
        _new("share-backups", "share_backup", share_id=shares[1]),
        _new("share-transfers", "transfer", share_id=shares[2]),
        _new("resource-locks", "resource_lock", resource_id=shares[3]),
        _new("resource-locks", "resource_lock", **lock),
        ("POST", f"shares/{shares[5]}/action", {"allow_access": rule}),
    ]
    names = ("snapshot", "backup", "transfer", "lock", "lock of a rule", "rule")
    return {
        "a share of a snapshot": (
            _share(snapshot_id=snapshot, share_type=kind),
            _gone("snapshots", snapshot),
        ),
        **{
            f"a {name} of a share": (ask, _gone("shares", share))
            for name, ask, share in zip(names, made, shares, strict=True)
        },
    }


async def _both(cloud: Cloud, maker: Maker, first: Ask, second: Ask) -> list[tuple[int, str]]:
    async def sent(ask: Ask, after_s: float) -> tuple[int, str]:
        await asyncio.sleep(after_s)
        method, path, body = ask
        answer = await maker.client(method, f"{BASE}/{path}", body, headers=TRIED)
        return answer.status_code, answer.text

    answers = await asyncio.gather(sent(first, 0), sent(second, LATER_S))
    await settle(cloud)
    return list(answers)


# Both may go well: a rule goes with its share, and so does what locks it; a limit goes with its type.
TOGETHER = frozenset(("a rule of a share", "a lock of a rule of a share", "a limit of a type"))
CASES: tuple[Callable[[Needs], Awaitable[dict[str, Pair]]], ...] = (
    _of_networks, _of_types, _of_groups, _of_shares,
)  # fmt: skip


@pytest.mark.parametrize("made_first", [True, False], ids=["made first", "deleted first"])
async def test_nothing_is_made_without_what_it_needs(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, made_first: bool
) -> None:
    maker = Maker(cloud, await cloud.project_with("operators", "admin", "member"))
    needs, wrong = Needs(cloud, maker), dict[str, Any]()
    pairs = {name: pair for case in CASES for name, pair in (await case(needs)).items()}
    commits_take(monkeypatch, SLOW_S)
    for name, pair in pairs.items():
        order = pair if made_first else (pair[1], pair[0])
        answers = await _both(cloud, maker, *order)
        went = len([status for status, _ in answers if status < 300])
        if went != 1 and name not in TOGETHER:
            wrong[name] = [
                (status, text[:200] if status >= 300 else "") for status, text in answers
            ]
        assert all(status < 500 for status, _ in answers), (name, answers)
    assert wrong == {}
    locks = await maker.get("resource-locks")
    there = {one["id"] for one in (await maker.get("shares"))["shares"]}
    rules = [
        one["resource_id"] for one in locks["resource_locks"] if one["resource_id"] not in there
    ]
    assert rules == []
    async with cloud.control.database.read() as tx:
        owners = await tx.scalars(sa.select(own_limits.c.owner))
    assert [one for one in owners if "type:" in one] == []
