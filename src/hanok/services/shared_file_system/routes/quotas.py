"""Quotas of projects, users and types, their classes, and limits.

Source: Shared File Systems API reference, "Quota sets", "Quota class sets", "Limits".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.limits import DEFAULTS
from hanok.services.identity import facade as identity
from hanok.services.shared_file_system.logic import quotas, types
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.schemas import answers
from hanok.services.shared_file_system.schemas.values import truth, whole
from hanok.store import Transaction, still_there
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import SIGNED_IN, Handler, Route
from hanok.web.versions import Parameter, Query

_NOT_QUOTAS = ("tenant_id", "id", "force", "share_type", "class_name")
_ABSOLUTE = {
    "shares": ("maxTotalShares", "totalSharesUsed"),
    "snapshots": ("maxTotalShareSnapshots", "totalShareSnapshotsUsed"),
    "share_networks": ("maxTotalShareNetworks", "totalShareNetworksUsed"),
    "gigabytes": ("maxTotalShareGigabytes", "totalShareGigabytesUsed"),
    "snapshot_gigabytes": ("maxTotalSnapshotGigabytes", "totalSnapshotGigabytesUsed"),
    "share_groups": ("maxTotalShareGroups", "totalShareGroupsUsed"),
    "share_group_snapshots": ("maxTotalShareGroupSnapshots", "totalShareGroupSnapshotsUsed"),
    "share_replicas": ("maxTotalShareReplicas", "totalShareReplicasUsed"),
    "replica_gigabytes": ("maxTotalReplicaGigabytes", "totalReplicaGigabytesUsed"),
    "backups": ("maxTotalShareBackups", "totalShareBackupsUsed"),
    "backup_gigabytes": ("maxTotalBackupGigabytes", "totalBackupGigabytesUsed"),
}


def _check_one(request: Request) -> tuple[str, str]:
    """The user and the type that a query names. Raises BadInput where it names both."""
    user_id, kind = request.query.get("user_id") or "", request.query.get("share_type") or ""
    if user_id and kind:
        raise BadInput("'user_id' and 'share_type' values are mutually exclusive")
    return user_id, kind


async def _of(request: Request, tx: Transaction, room: Shares) -> tuple[str, str, quotas.Of]:
    """The project of the path, the type of the query, and their limits.

    Raises:
        NotFound, BadInput
    """
    project_id = request.path["project_id"]
    user_id, kind = _check_one(request)
    type_id = ""
    if not (
        await identity.project_exists(tx, project_id) or project_id == request.token.project_id
    ):
        raise NotFound(f"Project {project_id[:64]} could not be found.")
    if kind:
        try:
            type_id = (await types.named(tx, request.reaching(), kind)).id
        except NotFound:
            raise NotFound(f"Share type with name or id '{kind[:255]}' not found.") from None
    return project_id, type_id, quotas.Of(room, project_id, user_id=user_id, type_id=type_id)


def _shown(
    request: Request, found: Mapping[str, Any], *, type_id: str = "", **more: Any
) -> dict[str, Any]:
    """Limits as this version shows them; a type has none of what is not of one type."""
    view = request.shown(answers.QUOTAS)
    left = {
        name: value
        for name, value in found.items()
        if not (type_id and name in quotas.NOT_PER_TYPE)
    }
    return view({**left, **more})


def _mine(request: Request) -> None:
    """Raises Forbidden where another project's are asked for by who does not reach it."""
    project_id = request.path["project_id"]
    request.allow("", request.own)
    if project_id != request.token.project_id and not request.reaching().everywhere:
        raise Forbidden("The quotas of another project are not shown.")


async def show_quotas(request: Request, room: Shares) -> Response:
    _mine(request)
    async with request.reading() as tx:
        project_id, type_id, of = await _of(request, tx, room)
        found = await of.maximums(tx)
    return json_answer({"quota_set": _shown(request, found, type_id=type_id, id=project_id)})


async def show_detail(request: Request, room: Shares) -> Response:
    """GET /quota-sets/{project}/detail: with what of them is used."""
    _mine(request)
    async with request.reading() as tx:
        project_id, type_id, of = await _of(request, tx, room)
        used = await of.used(tx)
        found = {
            name: {"limit": maximum, "in_use": used.get(name, 0), "reserved": 0}
            for name, maximum in (await of.maximums(tx)).items()
        }
    return json_answer({"quota_set": _shown(request, found, type_id=type_id, id=project_id)})


async def show_defaults(request: Request, room: Shares) -> Response:
    project_id = request.path["project_id"]
    request.allow("", request.own)
    async with request.reading() as tx:
        found = await quotas.defaults(tx, room)
    return json_answer({"quota_set": _shown(request, found, id=project_id)})


async def _sent(request: Request, key: str) -> tuple[dict[str, int], bool]:
    """The limits that a body sets, and whether it is forced.

    Raises:
        BadInput
    """
    body = await request.json()
    if not isinstance(body, dict) or not isinstance(body.get(key), dict):
        raise BadInput(f"Invalid input: the body is {{'{key}': {{…}}}}.")
    sent = body[key]
    view = request.shown(answers.QUOTAS)
    known = [name for name in quotas.NAMES if view.shows(name)]
    if bad := [name for name in sent if name not in (*known, *_NOT_QUOTAS)]:
        raise BadInput(f"Bad key(s) {','.join(one[:64] for one in bad[:10])} in quota_set.")
    found = {
        name: whole(sent[name], name, least=-1) for name in known if sent.get(name) is not None
    }
    if not found:
        raise BadInput("Must supply at least one quota field to update.")
    return found, truth(sent.get("force") or False, "force")


def _check_type(sent: Mapping[str, int]) -> None:
    """Raises BadInput for limits that a type has not."""
    if odd := [name for name in sent if name not in quotas.PER_TYPE]:
        raise BadInput(f"'{odd[0]}' quota cannot be set for share type.")


async def _check_bounds(
    tx: Transaction,
    room: Shares,
    request: Request,
    of: quotas.Of,
    sent: Mapping[str, int],
    *,
    force: bool,
) -> None:
    """Raises BadInput for a limit below what is used, or, of a user or type, above the project's."""
    if force:
        return
    used = await of.used(tx)
    for name, value in sent.items():
        if 0 <= value < used.get(name, 0):
            raise BadInput(
                f"Quota value {value} for {name} is smaller than already used and reserved {used[name]}."
            )
    if any(_check_one(request)):
        project = await quotas.Of(room, request.path["project_id"]).maximums(tx)
        for name, value in sent.items():
            if project[name] >= 0 and not 0 <= value <= project[name]:
                raise BadInput(f"Quota limit must be less than {project[name]}.")


async def update_quotas(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    sent, force = await _sent(request, "quota_set")
    async with request.transaction() as tx:
        project_id, type_id, of = await _of(request, tx, room)
        if type_id:
            _check_type(sent)
            await types.kept(tx, still_there(await types.get_any(tx, type_id)))
        await _check_bounds(tx, room, request, of, sent, force=force)
        await of.set(tx, sent)
        found = await of.maximums(tx)
        request.made(project_id)
    return json_answer({"quota_set": _shown(request, found, type_id=type_id)})


async def delete_quotas(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.transaction() as tx:
        project_id, _, of = await _of(request, tx, room)
        await of.reset(tx)
        request.made(project_id)
    return no_content(202)


async def show_class(request: Request, room: Shares) -> Response:
    """GET /quota-class-sets/{name}: only the class "default" takes effect."""
    request.allow("", request.own)
    async with request.reading() as tx:
        found = await quotas.defaults(tx, room)
    name = request.path["class_name"]
    return json_answer({"quota_class_set": _shown(request, found, id=name)})


async def update_class(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    if request.path["class_name"] != "default":
        raise BadInput("Only the quota class 'default' takes effect.")
    sent, _ = await _sent(request, "quota_class_set")
    async with request.transaction() as tx:
        await quotas.set_defaults(tx, room, DEFAULTS, sent)
        found = await quotas.defaults(tx, room)
        request.made("default")
    return json_answer({"quota_class_set": _shown(request, found)})


async def show_limits(request: Request, room: Shares) -> Response:
    """GET /limits: what a project may have, and what of it is used."""
    project_id = request.token.project_id or ""
    async with request.reading() as tx:
        of = quotas.Of(room, project_id)
        maximums, used = await of.maximums(tx), await of.used(tx)
    view = request.shown(answers.LIMITS)
    absolute: dict[str, Any] = {}
    for name, (maximum, used_of) in _ABSOLUTE.items():
        absolute |= {maximum: maximums[name], used_of: used.get(name, 0)}
    return json_answer({"limits": {"rate": [], "absolute": view(absolute)}})


def _too_old(name: str, values: list[str]) -> None:
    raise BadInput(f"'{name}' key is not supported by this microversion: 2.39 brought it.")


_OLDER = Query("user_id", Parameter(name="share_type", check=_too_old))
_QUERY = Query("user_id", "share_type")


def _sets(prefix: str, query: Query, **span: Any) -> tuple[Route, ...]:
    one = f"/v2/{prefix}quota-sets/{{project_id}}"
    kinds = f"/v2/{prefix}quota-class-sets/{{class_name}}"
    event = "shared_file_system.quota_set"

    def route(method: str, path: str, handler: Handler, rule: str, **more: Any) -> Route:
        return Route(method, path, handler, (rule,), **span, **more)

    body: dict[str, Any] = {"body": dict[str, Any], "strict": True}
    return (
        route("GET", one, show_quotas, "quota_set:show", query=query),
        route("GET", f"{one}/defaults", show_defaults, "quota_set:show"),
        route(
            "PUT", one, update_quotas, "quota_set:update", query=query, member="quota_set",
            event=f"{event}.update", **body,
        ),
        route("DELETE", one, delete_quotas, "quota_set:delete", query=query, event=f"{event}.delete"),
        route("GET", kinds, show_class, "quota_class_set:show"),
        route(
            "PUT", kinds, update_class, "quota_class_set:update", member="quota_class_set",
            event="shared_file_system.quota_class_set.update", **body,
        ),
    )  # fmt: skip


def _detail(query: Query, **span: Any) -> Route:
    path = "/v2/quota-sets/{project_id}/detail"
    return Route("GET", path, show_detail, ("quota_set:show",), query=query, **span)


ROUTES = (
    *_sets("os-", _OLDER, maximum=(2, 6)),
    *_sets("", _OLDER, minimum=(2, 7), maximum=(2, 38)),
    *_sets("", _QUERY, minimum=(2, 39)),
    _detail(_OLDER, minimum=(2, 25), maximum=(2, 38)),
    _detail(_QUERY, minimum=(2, 39)),
    Route("GET", "/v2/limits", show_limits, (SIGNED_IN,)),
)
