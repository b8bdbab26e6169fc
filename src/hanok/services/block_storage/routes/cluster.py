"""Clusters, of which there are none; clean-up, which goes by itself; the filters that lists have.

Source: Block Storage API reference, "Clusters", "Workers", "Resource filters".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import backends
from hanok.services.block_storage.logic import snapshots as snapshots_logic
from hanok.services.block_storage.logic import volumes as volumes_logic
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import (
    attachments,
    backups,
    groups,
    messages,
    snapshots,
    types,
    volumes,
)
from hanok.services.block_storage.schemas import bodies
from hanok.services.block_storage.schemas.bodies import given
from hanok.store import Transaction
from hanok.web.listing import Listing
from hanok.web.request import Request, json_answer
from hanok.web.routes import SIGNED_IN, Route

CLUSTERS = (3, 7)
FILTERED: dict[str, Listing] = {
    "volume": volumes.LIST,
    "snapshot": snapshots.LIST,
    "backup": backups.LIST,
    "group": groups.LIST,
    "group_snapshot": groups.SNAPSHOT_LIST,
    "attachment": attachments.LIST,
    "message": messages.LIST,
    "volume_type": types.LIST,
}


async def list_filters(request: Request, room: Volumes) -> Response:
    """GET /resource_filters."""
    requested = request.query.get("resource")
    found = [
        {"resource": name, "filters": sorted(one for one in listing.filters)}
        for name, listing in FILTERED.items()
        if requested in (None, "", name)
    ]
    if requested in (None, "", "pool"):
        found.append({"resource": "pool", "filters": ["name", "volume_type"]})
    return json_answer({"resource_filters": found})


async def list_clusters(request: Request, room: Volumes) -> Response:
    """GET /clusters: back ends here stand alone, each with a host of its own."""
    request.allow()
    for name in ("is_up", "disabled"):
        if name in request.query:
            bodies.truth(request.query[name], name)
    return json_answer({"clusters": []})


def _none(name: str) -> NotFound:
    return NotFound(f"Cluster {name[:255]} could not be found.")


async def show_cluster(request: Request, room: Volumes) -> Response:
    request.allow()
    raise _none(request.path["cluster_name"])


async def switch_cluster(request: Request, room: Volumes) -> Response:
    request.allow()
    body = await request.body(bodies.ClusterName)
    raise _none(body.name)


async def clean_up(request: Request, room: Volumes) -> Response:
    """POST /workers/cleanup: what a process left is taken up by another one without being asked.

    So nothing is left to clean of any service that the request names; those that are down are told.
    """
    request.allow()
    body = await request.body(bodies.CleanUp)
    if given(body.cluster_name):
        raise BadInput(f"Cluster {str(body.cluster_name)[:255]} could not be found.")
    async with request.reading() as tx:
        rows = await backends.everything(tx)
        works = await _works_on(tx, body)
    down = [
        _service(row)
        for row in rows
        if not (up := backends.is_up(row, room)) and _named(row, body, up=up)
        if works(row)
    ]
    return json_answer({"cleaning": [], "unavailable": down}, 202)


async def _works_on(tx: Transaction, body: bodies.CleanUp) -> Callable[[Any], bool]:
    """Whether a process works on what the request names: on one thing, or on all of a kind."""
    kind, resource_id = given(body.resource_type), given(body.resource_id)
    if not resource_id:
        return lambda row: kind is None or row.binary == backends.VOLUME
    row = await volumes_logic.get_any(tx, resource_id) if kind != "Snapshot" else None
    if row is None and kind != "Volume":
        snapshot = await snapshots_logic.get_any(tx, resource_id)
        row = None if snapshot is None else await volumes_logic.get_any(tx, snapshot.volume_id)
    place = "" if row is None or row.host is None else backends.name_of(row.host, row.backend)
    return lambda row: row.host == place


def _named(row: Any, body: bodies.CleanUp, *, up: bool) -> bool:
    """Whether a process is among those that are asked about."""
    service = given(body.service_id)
    texts = {row.host: given(body.host), row.binary: given(body.binary)}
    flags = {"is_up": up, "disabled": row.disabled}
    return (
        (service is None or str(service) in (str(row.sequence), row.id))
        and all(sent in (None, "", own) for own, sent in texts.items())
        and all(
            (value := given(getattr(body, name))) is None or bodies.truth(value, name) == own
            for name, own in flags.items()
        )
    )


def _service(row: Any) -> dict[str, Any]:
    return {"id": row.sequence, "host": row.host, "binary": row.binary, "cluster_name": None}


_C = "/v3/clusters"
ROUTES = (
    Route(
        "GET", "/v3/resource_filters", list_filters, (SIGNED_IN,), query=("resource",), minimum=(3, 33)
    ),
    Route(
        "GET", _C, list_clusters, ("clusters:get_all",), query=("is_up", "disabled"), minimum=CLUSTERS
    ),
    Route(
        "GET", f"{_C}/detail", list_clusters, ("clusters:get_all",), query=("is_up", "disabled"),
        minimum=CLUSTERS,
    ),
    *(
        Route(
            "PUT", f"{_C}/{name}", switch_cluster, ("clusters:update",), body=bodies.ClusterName,
            strict=True, minimum=CLUSTERS,
        )
        for name in ("enable", "disable")
    ),
    Route("GET", f"{_C}/{{cluster_name}}", show_cluster, ("clusters:get",), minimum=CLUSTERS),
    Route(
        "POST", "/v3/workers/cleanup", clean_up, ("workers:cleanup",), body=bodies.CleanUp,
        strict=True, minimum=(3, 24),
    ),
)  # fmt: skip
