"""Access rules of shares: by actions on the share, and since 2.45 by addresses of their own.

Source: Shared File Systems API reference, "Share actions", "Share access rules".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.logic import access, instances, shares
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.services.shared_file_system.routes.share_actions import action
from hanok.services.shared_file_system.routes.shares import find
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import check_metadata, given, truth
from hanok.store import Transaction
from hanok.web.microversions import Version
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

BYPASS = (
    "resource_lock:bypass_locked_show_action"  # sees what a lock hides, of locks that are theirs
)
LOOKING = "share:access_get"  # at one rule: upstream asks it of whoever does something to one, too
LISTED = ("access_type", "access_to", "access_level", "access_key", "metadata")


async def _shown(
    request: Request, tx: Transaction, room: Shares, rows: Sequence[Row[Any]], share: Row[Any]
) -> list[dict[str, Any]]:
    """Access rules as they are shown; whom one is for that is hidden by a lock, not."""
    of_all = instances.rules_status(await instances.of_share(tx, share.id))
    hidden = await _hidden(request, tx, room, rows)
    view = request.shown(answers.ACCESS)
    return [view(answers.access(row, of_all, hidden=row.id in hidden)) for row in rows]


async def _hidden(
    request: Request, tx: Transaction, room: Shares, rows: Sequence[Row[Any]]
) -> set[str]:
    if room.locks is None or not rows:
        return set()
    found = await room.locks.hiding(tx, request.reaching(), [row.id for row in rows])
    return {
        lock.resource_id
        for lock, is_above in found
        if is_above
        or not request.may(BYPASS, {"project_id": lock.project_id, "user_id": lock.user_id})
    }


def _allower(
    *,
    key: str = "allow_access",
    ceph: bool = True,
    errors: bool = True,
    ipv6: bool = True,
    broken: bool = True,
) -> Handler:
    """
    Args:
        ceph, ipv6: kinds of clients that a version knows. errors: whether rules are added while others are wrong.
        broken: whether they are while an instance is in error.
    """

    async def allow(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Allowed, key=key)
        access.check(body.access_type, body.access_to, ceph=ceph, ipv6=ipv6)
        level = given(body.access_level) or "rw"
        if level not in access.LEVELS:
            raise BadInput(f"Invalid share access: Invalid share access level: {level}.")
        said = check_metadata(given(body.metadata) or {})
        locks = _locks(body)
        async with request.transaction() as tx:
            share = await find(request, tx)
            shares.check_not_binned(share, "Cannot allow access for share")
            if not errors:
                await _check_rules(tx, share)
            await access.check_reachable(
                tx, share, errors=broken, what="New access rules cannot be applied"
            )
            row = await access.allow(
                tx, room, share, access_type=body.access_type, access_to=body.access_to,
                access_level=level, metadata=said,
            )  # fmt: skip
            if locks and room.locks is not None:
                await room.locks.lock(tx, request.reaching(), row, **locks)
            await begin.update_access(tx, room, request.reaching(), share)
            request.made(row.id)
            of_all = instances.rules_status(await instances.of_share(tx, share.id))
        return json_answer({"access": request.shown(answers.ACCESS)(answers.access(row, of_all))})

    return allow


def _locks(body: bodies.Allowed) -> dict[str, Any]:
    """What of a new rule is locked; empty: nothing. Raises BadInput."""
    deletion = truth(given(body.lock_deletion) or False, "lock_deletion")
    visibility = truth(given(body.lock_visibility) or False, "lock_visibility")
    reason = given(body.lock_reason)
    if not (deletion or visibility):
        if reason:
            raise BadInput(
                "Lock reason can only be specified when locking the visibility or the deletion of an access rule."
            )
        return {}
    return {"deletion": deletion, "visibility": visibility, "reason": reason}


async def _check_rules(tx: Transaction, share: Row[Any]) -> None:
    if instances.rules_status(await instances.of_share(tx, share.id)) == instances.ERROR:
        raise BadInput(
            "Access rules cannot be added while the share or any of its replicas or migration copies has its "
            "access_rules_status set to error. Deny any rules in error state and try again."
        )


def _denier(key: str = "deny_access", *, broken: bool = True) -> Handler:
    async def deny(request: Request, room: Shares) -> Response:
        body = await request.body(bodies.Denied, key=key)
        unrestrict = truth(given(body.unrestrict) or False, "unrestrict")
        async with request.transaction() as tx:
            share = await find(request, tx)
            await tx.take_turn(body.access_id)
            shares.check_not_binned(share, "Cannot deny access for share")
            request.allow(LOOKING, request.own)
            row = await access.get(tx, body.access_id)
            if row.share_id != share.id:
                raise access.not_found(body.access_id)
            if room.locks is not None:
                await room.locks.release(tx, request.reaching(), row, unrestrict=unrestrict)
            await access.check_reachable(
                tx, share, errors=broken, what="Access rules cannot be denied"
            )
            await begin.deny(tx, room, request.reaching(), share, row)
            request.made(row.id)
        return no_content(202)

    return deny


async def list_by_share(request: Request, room: Shares) -> Response:
    """The rules of a share, by an action on it."""
    async with request.reading() as tx:
        share = await find(request, tx)
        rows = await access.of(tx, share.id)
        found = await _shown(request, tx, room, rows, share)
    return json_answer({"access_list": found})


# ---- by addresses of their own ----


async def _rule(request: Request, tx: Transaction, rule: str = "") -> tuple[Row[Any], Row[Any]]:
    """The access rule of the path and its share, if the caller may do this to it. Raises NotFound, Forbidden."""
    request.allow(rule, request.own)
    request.allow(LOOKING, request.own)
    access_id = request.path["access_id"]
    row = await access.get(tx, access_id)
    share = await shares.get_any(tx, row.share_id)
    if share is None or not shares.is_mine(request.reaching(), share):
        raise access.not_found(access_id)
    request.allow(rule, {"project_id": share.project_id, "user_id": share.user_id})
    return row, share


async def show_rule(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row, share = await _rule(request, tx)
        found = await _shown(request, tx, room, [row], share)
    return json_answer({"access": found[0]})


def _check_filters(query: dict[str, str]) -> None:
    """Raises BadInput for filters that name nobody."""
    kind, to, level = query.get("access_type"), query.get("access_to"), query.get("access_level")
    if kind and kind not in access.TYPES:
        raise BadInput(f"Invalid access type: {kind[:64]}.")
    if to and not kind:
        raise BadInput("'access_type' parameter must be provided when specifying 'access_to'.")
    if kind and to:
        access.check(kind, to, ceph=True, ipv6=True)
    if level and level not in access.LEVELS:
        raise BadInput(f"Invalid access level: {level[:64]}.")


def _fits(row: Row[Any], query: dict[str, str], said: dict[str, str]) -> bool:
    plain = ("access_type", "access_to", "access_level", "access_key")
    if any(name in query and getattr(row, name) != query[name] for name in plain):
        return False
    return all(row.metadata.get(key) == value for key, value in said.items())


async def list_rules(request: Request, room: Shares) -> Response:
    """GET /share-access-rules?share_id=…"""
    request.allow("", request.own)
    query = request.query
    if not query.get("share_id"):
        raise BadInput("The field 'share_id' has to be specified.")
    _check_filters(query)
    said = lists.map_of(query["metadata"], "metadata") if "metadata" in query else {}
    async with request.reading() as tx:
        try:
            share = await shares.get(tx, request.reaching(), query["share_id"])
        except NotFound as error:
            raise BadInput(error.message) from None
        rows = [row for row in await access.of(tx, share.id) if _fits(row, query, said)]
        if "access_to" in query or "access_key" in query:
            hidden = await _hidden(request, tx, room, rows)
            rows = [row for row in rows if row.id not in hidden]
        found = await _shown(request, tx, room, rows, share)
    return json_answer({"access_list": found})


async def update_rule(request: Request, room: Shares) -> Response:
    """PUT /share-access-rules/{id}: another level."""
    body = await request.body(bodies.ChangedAccess, key="update_access")
    if body.access_level not in access.LEVELS:
        raise BadInput(f"Invalid or unsupported share access level: {body.access_level}.")
    async with request.transaction() as tx:
        row, share = await _rule(request, tx)
        await tx.take_turn(share.id)
        access.check_stays(row)
        if body.access_level != row.access_level:
            await access.check_reachable(
                tx, share, errors=True, what="Access rules cannot be updated"
            )
            await access.change(
                tx, room, row.id, access_level=body.access_level, state=access.UPDATED
            )
            await access.syncing(tx, room, share.id)
            await begin.update_access(tx, room, request.reaching(), share)
        else:
            request.unchanged()
        found = await _shown(request, tx, room, [await access.get(tx, row.id)], share)
    return json_answer({"access": found[0]})


async def update_metadata(request: Request, room: Shares) -> Response:
    """PUT /share-access-rules/{id}/metadata: adds keys, or gives them other values."""
    sent = check_metadata(await request.body(dict[str, Any], key="metadata"))
    async with request.transaction() as tx:
        row, _ = await _rule(request, tx)
        merged = check_metadata({**row.metadata, **sent})
        await access.change(tx, room, row.id, metadata=merged)
    return json_answer({"metadata": merged})


async def delete_metadata(request: Request, room: Shares) -> Response:
    key = request.path["key"]
    async with request.transaction() as tx:
        row, _ = await _rule(request, tx)
        if key not in row.metadata:
            raise NotFound(f"Share access rule metadata {key[:255]} does not exist.")
        left = {name: value for name, value in row.metadata.items() if name != key}
        await access.change(tx, room, row.id, metadata=left)
    return no_content(200)


def _allows(minimum: Version, maximum: Version | None, **knows: Any) -> Route:
    return action(
        "allow_access", _allower(**knows), "share:allow_access", body=bodies.Allowed, minimum=minimum,
        maximum=maximum, told="access.allow",
    )  # fmt: skip


_ALL, _ONE = "/v2/share-access-rules", "/v2/share-access-rules/{access_id}"
_E = "shared_file_system.share.access"
_OLDEST: dict[str, Any] = {"ceph": False, "errors": False, "ipv6": False, "broken": False}
ROUTES = (
    action(
        "os-allow_access", _allower(key="os-allow_access", **_OLDEST), "share:allow_access", body=bodies.Allowed,
        maximum=(2, 6), told="access.allow",
    ),
    _allows((2, 7), (2, 12), **_OLDEST),
    _allows((2, 13), (2, 27), errors=False, ipv6=False, broken=False),
    _allows((2, 28), (2, 37), ipv6=False, broken=False),
    _allows((2, 38), (2, 73), broken=False),
    _allows((2, 74), None),
    action(
        "os-deny_access", _denier("os-deny_access", broken=False), "share:deny_access", LOOKING, body=bodies.Denied,
        maximum=(2, 6), told="access.deny",
    ),
    action(
        "deny_access", _denier(broken=False), "share:deny_access", LOOKING, body=bodies.Denied,
        minimum=(2, 7), maximum=(2, 73), told="access.deny",
    ),
    action(
        "deny_access", _denier(), "share:deny_access", LOOKING, body=bodies.Denied, minimum=(2, 74),
        told="access.deny",
    ),
    action("os-access_list", list_by_share, "share:access_get_all", BYPASS, maximum=(2, 6)),
    action("access_list", list_by_share, "share:access_get_all", BYPASS, minimum=(2, 7), maximum=(2, 44)),
    Route(
        "GET", _ALL, list_rules, ("share_access_rule:index", BYPASS), minimum=(2, 45),
        query=Query("share_id", *(Parameter(name=one, since=None if one == "metadata" else (2, 82))
                                  for one in LISTED)),
    ),
    Route("GET", _ONE, show_rule, ("share_access_rule:get", LOOKING, BYPASS), minimum=(2, 45)),
    Route(
        "PUT", _ONE, update_rule, ("share_access_rule:update", LOOKING, BYPASS), body=bodies.ChangedAccess,
        member="update_access", strict=True, minimum=(2, 88), event=f"{_E}.update",
    ),
    Route(
        "PUT", f"{_ONE}/metadata", update_metadata, ("share_access_metadata:update", LOOKING),
        body=dict[str, Any], member="metadata", minimum=(2, 45), event=f"{_E}.update",
    ),
    Route(
        "DELETE", f"{_ONE}/metadata/{{key}}", delete_metadata, ("share_access_metadata:delete", LOOKING),
        minimum=(2, 45), event=f"{_E}.update",
    ),
)  # fmt: skip
