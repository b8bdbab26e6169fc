"""Types of shares: extra specs, access.

Source: Shared File Systems API reference, "Share types".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.services.shared_file_system.logic import specs, types
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import given, truth
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

_INHERITS = "snapshot_inherit_share_access_support"
QUERY = Query("is_public", Parameter(name="extra_specs", since=(2, 43)))


class Viewer:
    """What a request may see of types; asked once a request."""

    def __init__(self, request: Request, room: Shares) -> None:
        self._whole = request.reaching().everywhere
        self._default = room.settings.default_share_type
        self._view = request.shown(answers.TYPE)

    def specs_of(self, row: Row[Any]) -> dict[str, str]:
        """An operator sees what is said; others what all may know, with what it comes to where nothing is said."""
        if self._whole:
            return dict(row.extra_specs)
        visible = {name: value for name, value in row.extra_specs.items() if name in specs.VISIBLE}
        for name in specs.ABILITIES:
            if self._view.shows(name):
                visible.setdefault(name, "False")
        return visible

    def __call__(self, row: Row[Any]) -> dict[str, Any]:
        default = row.name == self._default
        return self._view(answers.share_type(row, self.specs_of(row), default=default))


def _answer(request: Request, room: Shares, row: Row[Any]) -> Response:
    shown = Viewer(request, room)(row)
    return json_answer({"volume_type": shown, "share_type": shown})


async def _type(request: Request, tx: Transaction) -> Row[Any]:
    """The type of the path, if the caller may do this to it. Raises NotFound, Forbidden."""
    request.allow("", request.own)
    return await types.get(tx, request.reaching(), request.path["type_id"])


def _filter(request: Request) -> Mapping[str, str]:
    """The extra specs that a list's types are to have. Raises BadInput."""
    sent = request.query.get("extra_specs")
    return lists.map_of(sent, "extra_specs") if sent else {}


def _fits(row: Row[Any], requested: Mapping[str, str]) -> bool:
    """Whether a type has these specs; zones are those that it lets shares be in, at least."""
    for name, value in requested.items():
        if name == "availability_zones":
            mine = specs.zones(row.extra_specs)
            if mine and not set(specs.zones(requested)) <= set(mine):
                return False
        elif row.extra_specs.get(name) != value:
            return False
    return True


async def list_types(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    requested = _filter(request)
    public = lists.public(request)
    async with request.reading() as tx:
        rows = await types.listed(tx, request.reaching(), public=public)
    show = Viewer(request, room)
    found = [show(row) for row in rows if _fits(row, requested)]
    return json_answer({"volume_types": found, "share_types": found})


async def show_type(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return _answer(request, room, row)


async def show_default(request: Request, room: Shares) -> Response:
    """GET /types/default: what a share gets whose request names no type."""
    request.allow("", request.own)
    async with request.reading() as tx:
        row = await types.default(tx, room)
    if row is None:
        raise NotFound("Default share type not found")
    return _answer(request, room, row)


async def _is_old(request: Request) -> bool:
    """Whether a type is sent under the word that it had before."""
    body = await request.json()
    return isinstance(body, dict) and "share_type" not in body and "volume_type" in body


async def _new(request: Request) -> bodies.NewType:
    if await _is_old(request):
        return await request.body(bodies.NewType, key="volume_type")
    return await request.body(bodies.NewType, key="share_type")


async def _changed(request: Request) -> bodies.ChangedType:
    if await _is_old(request):
        return await request.body(bodies.ChangedType, key="volume_type")
    return await request.body(bodies.ChangedType, key="share_type")


async def create_type(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await _new(request)
    sent = given(body.is_public) if given(body.is_public) is not None else given(body.was_public)
    async with request.transaction() as tx:
        row = await types.create(
            tx,
            name=body.name,
            description=given(body.description) or None,
            extra=given(body.extra_specs) or {},
            public=True if sent is None else truth(sent, bodies.ACCESS),
            now=room.clock.now(),
        )
        request.made(row.id)
    return _answer(request, room, row)


async def update_type(request: Request, room: Shares) -> Response:
    body = await _changed(request)
    values: dict[str, Any] = {}
    if (name := given(body.name)) is not None:
        values["name"] = name.strip()
    if (description := given(body.description)) is not None:
        values["description"] = description or None
    if (public := given(body.is_public)) is not None:
        values["is_public"] = truth(public, bodies.ACCESS)
    if not values:
        raise BadInput(
            "Specify share type name, description, share_type_access:is_public or a combination thereof."
        )
    if values.get("name") == "":
        raise BadInput("Share type name cannot be empty.")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        changed = await types.update(tx, row, values, room.clock.now())
    return _answer(request, room, changed)


async def delete_type(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.delete(tx, room, row)
    return no_content(202)


# ---- extra specs ----


async def list_specs(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"extra_specs": dict(row.extra_specs)})


async def show_spec(request: Request, room: Shares) -> Response:
    key = request.path["key"]
    async with request.reading() as tx:
        row = await _type(request, tx)
    if key not in row.extra_specs:
        raise types.no_spec(row.id, key)
    return json_answer({key: row.extra_specs[key]})


async def create_specs(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    sent = await request.body(dict[str, Any], key="extra_specs")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        found = await types.set_specs(tx, row, sent, room.clock.now())
    return json_answer({"extra_specs": found})


async def put_spec(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    sent = await request.body(dict[str, Any])
    if list(sent) != [request.path["key"]]:
        raise BadInput("Request body and URI mismatch")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        found = await types.set_specs(tx, row, sent, room.clock.now())
    return json_answer(found)


async def delete_spec(request: Request, room: Shares) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.drop_spec(tx, row, request.path["key"], room.clock.now())
    return no_content(202)


async def delete_optional_spec(request: Request, room: Shares) -> Response:
    """Before 2.24 a type must also say whether its shares can have snapshots."""
    if request.path["key"] == "snapshot_support":
        request.allow("", request.own)
        raise Forbidden("Extra spec 'snapshot_support' can't be deleted.")
    return await delete_spec(request, room)


# ---- access ----


async def list_access(request: Request, room: Shares) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
        if row.is_public:
            raise NotFound("Access list not available for public share types.")
        projects = await types.access(tx, row.id)
    found = [{"share_type_id": row.id, "project_id": one} for one in projects]
    return json_answer({"share_type_access": found})


async def add_access(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(bodies.TypeAccess, key="addProjectAccess")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        types.check_private(row)
        await types.add_access(tx, row, body.project)
    return no_content(202)


async def remove_access(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    body = await request.body(bodies.TypeAccess, key="removeProjectAccess")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.remove_access(tx, row, body.project)
    return no_content(202)


_ALL, _ONE = "/v2/types", "/v2/types/{type_id}"
_KEY = f"{_ONE}/extra_specs/{{key}}"
_S = "share_types_extra_spec"
_E = "shared_file_system.share_type"


def _access(key: str, handler: Any, rule: str, told: str) -> Route:
    return Route(
        "POST", f"{_ONE}/action", handler, (rule,), body_key=key, body=bodies.TypeAccess, member=key,
        strict=True, event=f"{_E}.access.{told}",
    )  # fmt: skip


ROUTES = (
    Route("GET", _ALL, list_types, ("share_type:index",), query=QUERY),
    Route(
        "POST", _ALL, create_type, ("share_type:create",), body=bodies.NewType, member="share_type",
        strict=True, event=f"{_E}.create",
    ),
    Route("GET", f"{_ALL}/default", show_default, ("share_type:default",)),
    Route("GET", _ONE, show_type, ("share_type:show",)),
    Route(
        "PUT", _ONE, update_type, ("share_type:update",), body=bodies.ChangedType, member="share_type",
        strict=True, minimum=(2, 50), event=f"{_E}.update",
    ),
    Route("DELETE", _ONE, delete_type, ("share_type:delete",), event=f"{_E}.delete"),
    Route("GET", f"{_ONE}/extra_specs", list_specs, (f"{_S}:index",)),
    Route(
        "POST", f"{_ONE}/extra_specs", create_specs, (f"{_S}:create",), body=dict[str, Any],
        member="extra_specs", event=f"{_E}.extra_specs.create",
    ),
    Route("GET", _KEY, show_spec, (f"{_S}:show",)),
    Route(
        "PUT", _KEY, put_spec, (f"{_S}:update",), body=dict[str, Any], event=f"{_E}.extra_specs.update"
    ),
    Route(
        "DELETE", _KEY, delete_optional_spec, (f"{_S}:delete",), maximum=(2, 23),
        event=f"{_E}.extra_specs.delete",
    ),
    Route(
        "DELETE", _KEY, delete_spec, (f"{_S}:delete",), minimum=(2, 24), event=f"{_E}.extra_specs.delete"
    ),
    *(  # both in every version, as upstream: clients ask the new one without a version
        Route("GET", f"{_ONE}/{name}", list_access, ("share_type:list_project_access",))
        for name in ("os-share-type-access", "share_type_access")
    ),
    _access("addProjectAccess", add_access, "share_type:add_project_access", "add"),
    _access("removeProjectAccess", remove_access, "share_type:remove_project_access", "remove"),
)  # fmt: skip
