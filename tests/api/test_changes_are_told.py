"""Every request that changes rows tells of it in the outbox, or stands in a list with the reason why not.

A change is told by the request itself, or by the operation that it starts. The requests are those by which rules are
turned round (tests/api/ways).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase

from hanok.base.log import request_id
from hanok.operations import Operation
from hanok.operations.records import kind_of
from hanok.operations.tables import operations
from hanok.store import Transaction
from hanok.web.routes import Route
from tests.api.test_every_route import MOUNTS
from tests.api.test_rules_take_effect import (
    ONE_AT_A_TIME,
    ORDER,
    name_of,
    path_of,
    version_of,
    way_of,
    ways_of,
    with_things,
)
from tests.api.ways import Things, Way
from tests.cloud import Client, Cloud, settle

# Operations by what their names look like, and why nothing is told of them.
UNTOLD: dict[str, dict[str, str]] = {
    "identity": {
        "POST /v3/auth/*": "signing in changes nothing that others would see",
        "DELETE /v3/auth/tokens": "the end of a token is told as an event of OS-REVOKE",
        "POST /v3/OS-FEDERATION/*/auth": "signing in changes nothing that others would see",
        "POST /v3/ec2tokens": "signing in changes nothing that others would see",
        "POST /v3/s3tokens": "signing in changes nothing that others would see",
        "POST /v3/OS-OAUTH2/token": "signing in changes nothing that others would see",
        "PUT /v3/OS-OAUTH1/authorize/*": "Keystone tells when the access token is made of it",
        "* /v3/roles/*/implies/*": "Keystone has no notification of inference",
        "* /v3/policies/*/OS-ENDPOINT-POLICY/*": "Keystone has no notification of associations",
        "* /v3/OS-EP-FILTER/*": "Keystone has no notification of associations",
        "* /v3/domains/*/config*": "Keystone has no notification of settings",
        "* /v3/registered_limits*": "Keystone has no notification of limits",
        "* /v3/limits*": "Keystone has no notification of limits",
        "* /v3/OS-FEDERATION/*": "Keystone has no notification of federation's objects",
    },
    "image": {
        "POST /v2/images/*/locations": "the operation tells, as it does of a task",
        "* /v2/cache*": "what this service keeps a copy of is nobody else's matter, and Glance tells of none",
        "DELETE /v2/tasks/*": "it is refused",
    },
    "placement": {"*": "Placement has no notifications"},
    "network": {
        "* /v2.0/quotas/*": "Neutron has no notification of quotas",
        "* /v2.0/routers/*/conntrack_helpers*": "it is refused",
        "* /v2.0/metering/*": "it is refused",
        "* /v2.0/local_ips*": "it is refused",
        "* /v2.0/qos/policies/*/packet_rate_limit_rules*": "it is refused",
        "* /v2.0/agents/*/dhcp-networks*": "it is refused: no agent answers DHCP",
    },
    "load-balancer": {},
    "metric": {
        "POST /v1/search/*": "it changes nothing",
        "POST /v1/aggregat*": "it changes nothing",
        "POST /v1/*measures": "what is measured is no news, and Gnocchi tells of none",
        "POST /v1/influxdb/write": "what is measured is no news, and Gnocchi tells of none",
        "POST /v1/prometheus/write": "what is measured is no news, and Gnocchi tells of none",
    },
    "alarming": {"POST /v2/query/*": "it changes nothing"},
    "orchestration": {
        "* /v1/stacks/{stack_identity}": "it leads to the stack and changes nothing",
        "POST /v1/stacks/{stack_identity}/actions": "it leads to the stack and changes nothing",
        "* /v1/stacks*/preview": "it changes nothing",
        "POST /v1/validate": "it changes nothing",
    },
    "shared-file-system": {
        "POST /v2/share-networks/*/action *_check": "it changes nothing",
        "POST /v2/share-servers/*/action migration_*": "it is refused, or changes nothing",
        "POST /v2/share-servers/*/action unmanage": "it is refused: hosts have no share servers that are not known",
        "POST /v2/share-servers/manage": "it is refused: hosts have no share servers that are not known",
        "POST /v2/shares/*/action *access_list": "it changes nothing",
        "POST /v2/shares/*/action migration_get_progress": "it changes nothing",
    },
    "key-manager": {"* /v1/transport_keys*": "it is refused: no store would unwrap with one"},
    "block-storage": {
        "* /v3/os-quota-*": "Cinder has no notification of quotas",
        "DELETE /v3/messages/*": "a message that was read is nobody else's matter",
        "PUT /v3/os-services/get-log": "it changes nothing",
        "PUT /v3/os-services/set-log": "it is this process's alone",
        "PUT /v3/os-services/failover*": "it is refused",
        "PUT /v3/clusters/*": "it is refused",
        "POST /v3/workers/cleanup": "it changes nothing",
        "POST /v3/groups/*/action *_replication*": "it is refused",
        "POST /v3/volumes/*/action os-show_image_metadata": "it changes nothing",
        "POST /v3/volumes/*/action os-extend_volume_completion": "it is refused",
        "POST /v3/volumes/*/action os-migrate_volume_completion": "it is refused",
    },
    "compute": {
        "* /v2.1/os-quota-*": "Nova has no notification of quotas",
        "POST /v2.1/servers/*/remote-consoles": "a ticket for one look is nobody else's matter",
        "POST /v2.1/servers/*/action os-get*": "a ticket for one look is nobody else's matter",
        "POST /v2.1/os-server-external-events": "it changes nothing",
        "POST /v2.1/servers/*/action injectNetworkInfo": "it changes nothing",
        "POST /v2.1/servers/*/action resetNetwork": "it changes nothing",
        "* /v2.1/servers/*/migrations/*": "it is refused",
        "* /v2.1/servers/*/shares*": "it is refused",
        "* /v2.1/images/*": "the image service, which is asked, tells",
        "* /v2.1/os-floating-ips*": "the network service, which is asked, tells",
        "* /v2.1/os-security-group*": "the network service, which is asked, tells",
        "* /v2.1/os-volumes*": "block storage, which is asked, tells",
        "* /v2.1/os-snapshots*": "block storage, which is asked, tells",
        "* /v2.1/os-assisted-volume-snapshots*": "block storage, which is asked, tells",
        "POST /v2.1/servers/*/action *FloatingIp": "the network service, which is asked, tells",
        "POST /v2.1/servers/*/action *FixedIp": "the network service, which is asked, tells",
        **dict.fromkeys(
            (
                "* /v2.1/os-agents*", "* /v2.1/os-cells*", "POST /v2.1/os-certificates", "* /v2.1/os-cloudpipe*",
                "* /v2.1/servers/*/consoles*", "POST /v2.1/os-fixed-ips/*", "* /v2.1/os-networks*",
                "* /v2.1/os-floating-ip-dns*",
                "* /v2.1/os-tenant-networks*",
            ),
            "it is refused: upstream has taken it away",
        ),
    },
}  # fmt: skip
# Begun by a request, and told by the operation that it starts.
BEGUN = (
    "POST /v2.1/servers", "DELETE /v2.1/servers/{server_id}", "POST /v2.1/servers/{server_id}/action *",
    "* /v2.1/servers/{server_id}/os-interface*", "POST /v2.1/os-aggregates/{aggregate_id}/images",
    "POST /v2/images/{image_id}/import", "POST /v3/volumes", "DELETE /v3/volumes/{volume_id}",
    "POST /v3/volumes/{volume_id}/action *", "POST /v3/snapshots", "DELETE /v3/snapshots/{snapshot_id}",
    "POST /v3/snapshots/{snapshot_id}/action *", "POST /v3/manageable_*", "POST /v3/os-*-manage",
    "POST /v3/backups*", "DELETE /v3/backups/{backup_id}", "POST /v3/groups/action *",
    "POST /v3/groups/{group_id}/action delete", "POST /v3/group_snapshots",
    "DELETE /v3/group_snapshots/{group_snapshot_id}", "POST /v3/consistencygroups/create_from_src",
    "POST /v3/consistencygroups/{group_id}/delete", "POST /v3/cgsnapshots",
    "DELETE /v3/cgsnapshots/{group_snapshot_id}",
    "POST /v2.1/servers/{server_id}/os-volume_attachments",
    "DELETE /v2.1/servers/{server_id}/os-volume_attachments/{volume_id}",
    "POST /v2/shares", "POST /v2/shares/manage", "DELETE /v2/shares/{share_id}",
    "POST /v2/shares/{share_id}/action *", "POST /v2/os-share-*manage*",
    "POST /v2/share_instances/{share_instance_id}/action *", "POST /v2/snapshots",
    "POST /v2/snapshots/manage", "DELETE /v2/snapshots/{snapshot_id}",
    "POST /v2/snapshots/{snapshot_id}/action *", "POST /v2/services/ensure-shares",
)  # fmt: skip


def reason_of(kind: str, route: Route) -> str:
    """Why a route tells nothing by itself; "" where there is no such reason."""
    name = name_of(route)
    found = [why for one, why in UNTOLD[kind].items() if fnmatchcase(name, one)]
    if not found and any(fnmatchcase(name, one) for one in BEGUN):
        found = ["the operation tells"]
    return found[0] if found else ""


def changing(kind: str) -> list[Route]:
    return [route for route in MOUNTS[kind][1] if route.method not in ("GET", "HEAD")]


@pytest.mark.parametrize("kind", MOUNTS)
def test_a_route_that_changes_something_has_an_event_or_a_reason(kind: str) -> None:
    wrong = [name_of(one) for one in changing(kind) if not one.event and not reason_of(kind, one)]
    assert not wrong


@pytest.mark.parametrize("kind", MOUNTS)
def test_no_reason_is_left_over(kind: str) -> None:
    routes = [one for one in changing(kind) if not one.event]
    names = [name_of(one) for one in routes]
    left = [one for one in UNTOLD[kind] if not any(fnmatchcase(name, one) for name in names)]
    assert not left


FEWEST = {"alarming": 5, "orchestration": 15}
"""Requests that change something, of a service that has but a few."""


class Written:
    """The tables that requests write, by the ids of the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables: dict[str, set[str]] = {}
        run = Transaction._run

        async def heard(tx: Transaction, statement: Any, parameters: Any) -> Any:
            rows, changed = await run(tx, statement, parameters)
            if isinstance(statement, UpdateBase) and changed and request_id.get():
                table: Any = statement.table
                self.tables.setdefault(request_id.get(), set()).add(table.name)
            return rows, changed

        monkeypatch.setattr(Transaction, "_run", heard)


async def _ask(
    cloud: Cloud, kind: str, client: Client, things: Things, route: Route, way: Way
) -> tuple[int, str]:
    """Make a request that every rule allows; gives its status and its id."""
    enforcer = cloud.control.app.enforcer(kind)
    enforcer.override({**dict.fromkeys(route.rules, "@"), **way.beside})
    body = way.body
    if body is None:
        body = {route.body_key: None} if route.body_key else {}
    answer = await client(
        route.method,
        path_of(kind, route, things, way),
        None if way.content is not None else body,
        content=way.content,
        headers={**version_of(kind, route), **way.headers},
    )
    enforcer.override({})
    if kind in ONE_AT_A_TIME:
        await settle(cloud)
    return answer.status_code, answer.headers.get("x-openstack-request-id", "")


def kinds_of(base: type[Operation] = Operation) -> dict[str, type[Operation]]:
    """All operations by what their rows call them."""
    found = {kind_of(one): one for one in base.__subclasses__()}
    return found | {
        name: one for kind in base.__subclasses__() for name, one in kinds_of(kind).items()
    }


async def _tells(cloud: Cloud, request_id: str) -> bool:
    """Whether an operation that a request has started has events of its own."""
    async with cloud.control.database.read() as tx:
        started = await tx.all(sa.select(operations).where(operations.c.request_id == request_id))
    kinds = kinds_of()
    return any(msgspec.convert(one.arguments, kinds[one.kind]).event for one in started)


@pytest.mark.parametrize("kind", [one for one in MOUNTS if one != "placement"])
async def test_what_requests_change_is_told(
    tmp_path: Path, database_url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_things(tmp_path, database_url, kind) as (cloud, admin, owner, things):
        ways = await ways_of(cloud, kind, admin, owner, things)
        written, silent, seen = Written(monkeypatch), [], 0
        for route in sorted(
            changing(kind), key=lambda one: (ORDER[one.method], -one.path.count("/"))
        ):
            for rule in route.rules:
                way = way_of(ways, route, rule)
                status, request_id = await _ask(cloud, kind, admin, things, route, way)
                tables = written.tables.get(request_id, set())
                if status >= 400 or not tables:
                    continue
                seen += 1
                told = "events" in tables or await _tells(cloud, request_id)
                if not told and not reason_of(kind, route):
                    silent.append((name_of(route), sorted(tables)))
        assert not silent
        assert seen > FEWEST.get(kind, 20)
