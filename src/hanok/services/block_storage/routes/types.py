"""Types of volumes: extra specs, access, encryption.

Source: Block Storage API reference, "Volume types", "Volume type access".
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import keys, types
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.routes import lists
from hanok.services.block_storage.schemas import answers, bodies
from hanok.services.block_storage.schemas.bodies import given, stripped
from hanok.services.block_storage.tables import volume_types as table
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Parameter, Query

SPECS = "volume_extension:access_types_extra_specs"
QOS = "volume_extension:access_types_qos_specs_id"
ACCESS = "volume_extension:volume_type_access"
SENSITIVE = "volume_extension:types_extra_specs:read_sensitive"
REVEALING = (SPECS, QOS, ACCESS, SENSITIVE)

LIST = lists.declared(
    table,
    "volume_types",
    "Volume type",
    filters=("name", "description", "extra_specs"),
    sort=("id", "name", "is_public", "created_at", "updated_at"),
)
QUERY = Query(
    "is_public",
    *(one for one in LIST.parameters if one != "extra_specs"),
    Parameter(name="extra_specs", since=(3, 52)),
)


class Viewer:
    """What a request may see of types; asked once a request."""

    def __init__(self, request: Request) -> None:
        own = request.own
        self.specs = request.may(SPECS, own)
        self.qos = request.may(QOS, own)
        self.access = request.may(ACCESS, own)
        self.sensitive = request.may(SENSITIVE, own)

    def specs_of(self, row: Row[Any]) -> dict[str, str]:
        if self.sensitive:
            return dict(row.extra_specs)
        return {
            name: row.extra_specs[name] for name in row.extra_specs if name in types.PUBLIC_SPECS
        }

    def __call__(self, row: Row[Any]) -> dict[str, Any]:
        shown = {
            "id": row.id,
            "name": row.name,
            "is_public": row.is_public,
            "description": row.description,
        }
        if self.specs:
            shown["extra_specs"] = self.specs_of(row)
        if self.qos:
            shown["qos_specs_id"] = row.qos_specs_id
        if self.access:
            shown["os-volume-type-access:is_public"] = row.is_public
        return shown


def _made(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "is_public": row.is_public,
        "os-volume-type-access:is_public": row.is_public,
        "description": row.description,
        "extra_specs": row.extra_specs,
    }


async def _type(request: Request, tx: Transaction, rule: str = "") -> Row[Any]:
    """The type of the path, if the caller may do this to it. Raises NotFound, Forbidden."""
    request.allow(rule, request.own)
    return await types.get(tx, request.reaching(), request.path["type_id"])


async def list_types(request: Request, room: Volumes) -> Response:
    request.allow("volume_extension:type_get_all", request.own)
    statement = types.visible_to(request.reaching(), public=lists.public(request))
    async with request.reading() as tx:
        page = await LIST.page(request, tx, statement)
    show = Viewer(request)
    return json_answer(LIST.answer(request, page, [show(row) for row in page.rows]))


async def show_type(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"volume_type": Viewer(request)(row)})


async def show_default(request: Request, room: Volumes) -> Response:
    """GET /types/default: what a volume of this project gets whose request names no type."""
    request.allow("volume_extension:type_get", request.own)
    async with request.reading() as tx:
        row = await types.default(tx, room, request.token.project_id)
    return json_answer({"volume_type": Viewer(request)(row)})


async def create_type(request: Request, room: Volumes) -> Response:
    request.allow()
    body = await request.body(bodies.NewType, key="volume_type")
    name = body.name.strip()
    if not name:
        raise BadInput("Volume type name can not be empty.")
    public = given(body.is_public)
    async with request.transaction() as tx:
        row = await types.create(
            tx,
            name=name,
            description=stripped(body.description),
            specs=given(body.extra_specs) or {},
            public=True if public is None else bodies.truth(public, "is_public"),
            now=room.clock.now(),
        )
        request.made(row.id)
    return json_answer({"volume_type": _made(row)})


async def update_type(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ChangedType, key="volume_type")
    values: dict[str, Any] = {}
    if isinstance(body.name, str):
        values["name"] = body.name.strip()
    if isinstance(body.description, str | None):
        values["description"] = stripped(body.description)
    if given(body.is_public) is not None:
        values["is_public"] = bodies.truth(body.is_public, "is_public")
    if not values:
        raise BadInput("Specify volume type name, description, is_public or a combination thereof.")
    if values.get("name") == "":
        raise BadInput("Volume type name can not be empty.")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        changed = await types.update(tx, row, values, room.clock.now())
    return json_answer({"volume_type": _updated(changed)})


def _updated(row: Row[Any]) -> dict[str, Any]:
    shown = _made(row)
    del shown["os-volume-type-access:is_public"]
    return shown


async def delete_type(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.delete(tx, room, row)
    return no_content(202)


# ---- extra specs ----

_SPEC = "volume_extension:types_extra_specs"


async def list_specs(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
    return json_answer({"extra_specs": Viewer(request).specs_of(row)})


async def show_spec(request: Request, room: Volumes) -> Response:
    key = request.path["key"]
    async with request.reading() as tx:
        row = await _type(request, tx)
    found = Viewer(request).specs_of(row)
    if key not in found:
        raise types.no_spec(row.id, key)
    return json_answer({key: found[key]})


async def create_specs(request: Request, room: Volumes) -> Response:
    sent = await request.body(bodies.Specs, key="extra_specs")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.set_specs(tx, row, sent, room.clock.now())
    return json_answer({"extra_specs": sent})


async def put_spec(request: Request, room: Volumes) -> Response:
    sent = await request.body(bodies.Specs)
    key = request.path["key"]
    if list(sent) != [key]:
        raise BadInput("Request body and URI mismatch.")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        if key not in row.extra_specs:
            raise types.no_spec(row.id, key)
        await types.set_specs(tx, row, sent, room.clock.now())
    return json_answer(sent)


async def delete_spec(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.drop_spec(tx, row, request.path["key"], room.clock.now())
    return no_content(202)


# ---- access ----


async def list_access(request: Request, room: Volumes) -> Response:
    async with request.reading() as tx:
        row = await _type(request, tx)
        if row.is_public:
            raise NotFound("Access list not available for public volume types.")
        projects = await types.access(tx, row.id)
    found = [{"volume_type_id": row.id, "project_id": one} for one in projects]
    return json_answer({"volume_type_access": found})


async def add_access(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.TypeAccess, key="addProjectAccess")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.add_access(tx, row, body.project)
    return no_content(202)


async def remove_access(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.TypeAccess, key="removeProjectAccess")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.remove_access(tx, row, body.project)
    return no_content(202)


# ---- encryption ----

_ENCRYPTION = "volume_extension:volume_type_encryption"


async def show_encryption(request: Request, room: Volumes) -> Response:
    """GET /types/{id}/encryption: empty for a type whose volumes are not encrypted."""
    async with request.reading() as tx:
        row = await _type(request, tx)
        found = await types.encryption(tx, row.id)
    return json_answer({} if found is None else answers.encryption(found))


async def show_encryption_item(request: Request, room: Volumes) -> Response:
    key = request.path["key"]
    async with request.reading() as tx:
        row = await _type(request, tx)
        found = await types.encryption(tx, row.id)
    shown = {} if found is None else answers.encryption(found)
    if key not in shown:
        raise NotFound(
            f"Volume type encryption for type {row.id} does not exist, or has no {key[:100]}."
        )
    return json_answer({key: shown[key]})


def _encryption(body: bodies.NewEncryption | bodies.ChangedEncryption) -> dict[str, Any]:
    """Raises BadInput for what no host can do."""
    found: dict[str, Any] = {
        name: value
        for name in ("provider", "control_location", "cipher")
        if isinstance(value := getattr(body, name), str | None)
    }
    if (size := given(body.key_size)) is not None:
        found["key_size"] = bodies.whole(size, "key_size", least=1)
    elif body.key_size is None:
        found["key_size"] = None
    keys.check(found)
    return found


def _shown(row: Row[Any]) -> dict[str, Any]:
    """An encryption as what sets it answers."""
    names = ("provider", "cipher", "key_size", "control_location")
    return {name: getattr(row, name) for name in names}


async def create_encryption(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.NewEncryption, key="encryption")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        values = _encryption(body)
        if await types.encryption(tx, row.id) is not None:
            raise BadInput(f"Volume type encryption for type {row.id} already exists.")
        found = await types.set_encryption(tx, row.id, values, room.clock.now())
    shown = {"volume_type_id": row.id, "encryption_id": found.encryption_id, **_shown(found)}
    return json_answer({"encryption": shown})


async def _named(request: Request, tx: Transaction, row: Row[Any]) -> None:
    """Raises NotFound when the type has not the encryption of the path."""
    found = await types.encryption(tx, row.id)
    if found is None or found.encryption_id != request.path["key"]:
        raise NotFound(f"Volume type encryption for type {row.id} does not exist.")


def _said(body: bodies.ChangedEncryption) -> bodies.ChangedEncryption:
    """The body without what clients send where nothing is set (gophercloud's UpdateEncryptionOpts): "" and 0."""
    sent = {name: getattr(body, name) for name in ("provider", "cipher", "key_size")}
    return replace(body, **{name: UNSET for name, value in sent.items() if value in ("", 0, "0")})


async def update_encryption(request: Request, room: Volumes) -> Response:
    body = await request.body(bodies.ChangedEncryption, key="encryption")
    values = _encryption(_said(body))
    if not values:
        raise BadInput("Invalid input received: Must specify what is to be changed.")
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await _named(request, tx, row)
        found = await types.set_encryption(tx, row.id, values, room.clock.now())
    return json_answer({"encryption": {name: _shown(found)[name] for name in values}})


async def delete_encryption(request: Request, room: Volumes) -> Response:
    async with request.transaction() as tx:
        row = await _type(request, tx)
        await types.drop_encryption(tx, row.id, request.path["key"])
    return no_content(202)


_ONE = "/v3/types/{type_id}"
_ACTION = f"{_ONE}/action"
_E = "block_storage.volume_type"
ROUTES = (
    Route(
        "GET", "/v3/types", list_types, ("volume_extension:type_get_all", *REVEALING), query=QUERY
    ),
    Route(
        "POST",
        "/v3/types",
        create_type,
        ("volume_extension:type_create",),
        body=bodies.NewType,
        member="volume_type",
        strict=True,
        event=f"{_E}.create",
    ),
    Route("GET", "/v3/types/default", show_default, ("volume_extension:type_get", *REVEALING)),
    Route("GET", _ONE, show_type, ("volume_extension:type_get", *REVEALING)),
    Route(
        "PUT",
        _ONE,
        update_type,
        ("volume_extension:type_update",),
        body=bodies.ChangedType,
        member="volume_type",
        strict=True,
        event=f"{_E}.update",
    ),
    Route("DELETE", _ONE, delete_type, ("volume_extension:type_delete",), event=f"{_E}.delete"),
    Route("GET", f"{_ONE}/extra_specs", list_specs, (f"{_SPEC}:index", SENSITIVE)),
    Route(
        "POST",
        f"{_ONE}/extra_specs",
        create_specs,
        (f"{_SPEC}:create",),
        body=bodies.Specs,
        member="extra_specs",
        event=f"{_E}.extra_specs.create",
    ),
    Route("GET", f"{_ONE}/extra_specs/{{key}}", show_spec, (f"{_SPEC}:show", SENSITIVE)),
    Route(
        "PUT",
        f"{_ONE}/extra_specs/{{key}}",
        put_spec,
        (f"{_SPEC}:update",),
        body=bodies.Specs,
        event=f"{_E}.extra_specs.update",
    ),
    Route(
        "DELETE",
        f"{_ONE}/extra_specs/{{key}}",
        delete_spec,
        (f"{_SPEC}:delete",),
        event=f"{_E}.extra_specs.delete",
    ),
    Route("GET", f"{_ONE}/os-volume-type-access", list_access, (f"{ACCESS}:get_all_for_type",)),
    Route(
        "POST",
        _ACTION,
        add_access,
        (f"{ACCESS}:addProjectAccess",),
        body_key="addProjectAccess",
        body=bodies.TypeAccess,
        member="addProjectAccess",
        strict=True,
        event=f"{_E}.access.add",
    ),
    Route(
        "POST",
        _ACTION,
        remove_access,
        (f"{ACCESS}:removeProjectAccess",),
        body_key="removeProjectAccess",
        body=bodies.TypeAccess,
        member="removeProjectAccess",
        strict=True,
        event=f"{_E}.access.remove",
    ),
    Route("GET", f"{_ONE}/encryption", show_encryption, (f"{_ENCRYPTION}:get",)),
    Route(
        "POST",
        f"{_ONE}/encryption",
        create_encryption,
        (f"{_ENCRYPTION}:create",),
        body=bodies.NewEncryption,
        member="encryption",
        strict=True,
        event=f"{_E}.encryption.create",
    ),
    Route("GET", f"{_ONE}/encryption/{{key}}", show_encryption_item, (f"{_ENCRYPTION}:get",)),
    Route(
        "PUT",
        f"{_ONE}/encryption/{{key}}",
        update_encryption,
        (f"{_ENCRYPTION}:update",),
        body=bodies.ChangedEncryption,
        member="encryption",
        strict=True,
        event=f"{_E}.encryption.update",
    ),
    Route(
        "DELETE",
        f"{_ONE}/encryption/{{key}}",
        delete_encryption,
        (f"{_ENCRYPTION}:delete",),
        event=f"{_E}.encryption.delete",
    ),
)
