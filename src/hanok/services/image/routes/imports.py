"""Import, and the tasks that show how far it is."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from sqlalchemy import Column, Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, MethodNotAllowed, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.drivers.image_stores import web
from hanok.services.image import schemas
from hanok.services.image.logic import images, news, quotas, remote, tasks
from hanok.services.image.logic.remote import Source
from hanok.services.image.logic.signatures import Certificate
from hanok.services.image.operations import ImportImage
from hanok.services.image.room import Images
from hanok.services.image.routes import guards, signed
from hanok.services.image.routes.views import PAGES, allow, readable, target
from hanok.services.image.tables import image_tasks as table
from hanok.store import Transaction
from hanok.web.listing import Filter, Listing, Where
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _stores(request: Request, room: Images, body: dict[str, Any]) -> list[str]:
    """The stores that an import names, or the default one.

    Raises:
        BadInput: named twice over. Conflict: one that is not there.
    """
    header = request.headers.get("x-image-meta-store")
    every = body.get("all_stores", False)
    if every and ("stores" in body or header):
        raise BadInput(
            "All_stores parameter can't be used with x-image-meta-store header or stores parameter"
        )
    if header and "stores" in body:
        raise BadInput("Stores parameter and x-image-meta-store header can't be both specified")
    stores = list(room.stores) if every else body.get("stores", [header or room.default_store])
    if not isinstance(stores, list) or not stores or not all(isinstance(s, str) for s in stores):
        raise BadInput("'stores' is a list of stores.")
    for store in stores:
        if store not in room.stores:
            raise Conflict(f"Store {store[:64]} is not available.")
    return list(dict.fromkeys(stores))


def _method(room: Images, body: Any) -> tuple[str, str]:
    """Name of the method and address, as they were sent."""
    method = body.get("method") if isinstance(body, dict) else None
    if not isinstance(method, dict):
        raise BadInput("Import request requires a 'method' field.")
    name = method.get("name")
    if not isinstance(name, str):
        raise BadInput("Import request requires a 'name' field.")
    if name not in room.settings.import_methods:
        raise BadInput(f"Unknown import method name '{name[:50]}'.")
    for key in ("all_stores_must_succeed", "all_stores"):
        if not isinstance(body.get(key, True), bool):
            raise BadInput(f"'{key}' must be boolean value only")
    uri = method.get("uri", "")
    return name, uri if isinstance(uri, str) else ""


def _check_state(row: Row[Any], name: str) -> None:
    if row.status == "active" and name != "copy-image":
        raise Conflict("Image with status active cannot be target for import")
    if row.status != "active" and name == "copy-image":
        raise Conflict("Only images with status active can be targeted for copying")
    if row.status != "queued" and name in ("web-download", "glance-download"):
        raise Conflict(f"Image needs to be in 'queued' state to use '{name}' method")
    if name == "glance-direct":
        if row.status != "uploading":
            raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
        if row.upload_seen_at is not None:
            raise Conflict("The image's data is still being staged.")
    for attribute in ("container_format", "disk_format"):
        if not getattr(row, attribute):
            raise Conflict(f"'{attribute}' needs to be set before import")
    if row.import_task is not None:
        raise Conflict(
            f"New operation on image '{row.id}' is not permitted as prior operation is still in progress"
        )


def check_web(room: Images, uri: str) -> None:
    """Raises BadInput for an address that is not to be downloaded from."""
    try:
        web.check_url(room.settings.web, uri)
    except web.NotAllowed as error:
        raise BadInput(
            f"URI for web-download does not pass filtering: {uri[:200]}: {error}"
        ) from None


async def _importable(request: Request, tx: Transaction, method: str) -> Row[Any]:
    """The image of the path, if it may be and can be imported that way."""
    row = await readable(request, tx, "get_image")
    if method != "copy-image":
        allow(request, "modify_image", target(row))
    _check_state(row, method)
    if method == "copy-image":
        allow(request, "copy_image", target(row))
    return row


async def import_image(request: Request, room: Images) -> Response:
    """POST /v2/images/{id}/import: answered when the import is on record; a task shows the rest.

    Source: Image API reference, "Import an image".
    """
    body = await request.json()
    name, uri = _method(room, body)
    async with request.reading() as tx:
        row = await _importable(request, tx, name)
        properties = (await images.extras(tx, [row.id]))[0][row.id]
    certificate = await signed.certificate(request, room, properties)
    async with request.transaction() as tx:
        row = await _importable(request, tx, name)
        await quotas.check(tx, room, row.owner, quotas.SIZE)
        stores = _stores(request, room, body)
        there = {one.store for one in (await images.locations(tx, [row.id]))[row.id]}
        if name == "copy-image":
            if body.get("all_stores", False):
                stores = [store for store in stores if store not in there]
                if not stores:
                    # Nothing is left to do: whoever waits for the copies sees that.
                    await images.nothing_to_import(tx, row, room.clock.now())
                    return no_content(202)
            for store in stores:
                if store in there:
                    raise BadInput(f"Image is already present at store '{store}'")
        if name == "web-download":
            check_web(room, uri)
        source = None
        if name == "glance-download":
            source = await _other_region(request, room, tx, body["method"])
        now, task_id = room.clock.now(), new_uuid()
        given = {"image_id": row.id, "import_req": body, "backend": stores}
        await tasks.create(
            tx, room, request.token, task_id=task_id, kind="api_image_import", image_id=row.id,
            given=given, now=now,
        )  # fmt: skip
        status = None if name == "copy-image" else "importing"
        await images.begin_import(tx, row, task_id, stores, now, status=status)
        await quotas.check(tx, room, row.owner, quotas.UPLOADING)
        await room.operations.start(
            tx,
            ImportImage(
                image_id=row.id,
                task_id=task_id,
                method=name,
                uri=uri,
                stores=tuple(stores),
                all_stores_must_succeed=body.get("all_stores_must_succeed", True),
                certificate=certificate,
                source=source,
                roles=tuple(role.lower() for role in request.token.roles),
            ),
            user_id=request.token.user_id,
            project_id=request.token.project_id,
        )
    return no_content(202)


async def _other_region(
    request: Request, room: Images, tx: Transaction, method: dict[str, Any]
) -> Source:
    """The image in another region that an import names.

    Raises:
        BadInput: it names none.
    """
    for key in ("glance_region", "glance_image_id"):
        if not isinstance(method.get(key), str):
            raise BadInput(f"'{key}' needs to be set for glance-download import method")
    interface = method.get("glance_service_interface", "public")
    if not isinstance(interface, str):
        raise BadInput("'glance_service_interface' is public, internal or admin.")
    if not is_uuid(method["glance_image_id"]):
        raise BadInput(
            f"Remote image id does not look like a UUID: {method['glance_image_id'][:100]}"
        )
    assert room.secrets is not None
    address = await room.image_service(tx, method["glance_region"], interface)
    sealed = room.secrets.seal(request.token_text.encode())
    return remote.source(address, request.origin, method["glance_image_id"], sealed)


async def image_tasks_of(request: Request, room: Images) -> Response:
    """GET /v2/images/{id}/tasks."""
    async with request.reading() as tx:
        row = await readable(request, tx, "get_image")
        rows = await tasks.of_image(tx, row.id)
    return json_answer({"tasks": [schemas.task_of_image(one) for one in rows]})


# ---- tasks ----


def _one_of(name: str, column: Column[Any], *choices: str) -> Filter:
    def condition(values: list[str]) -> Where:
        if values[-1] not in choices:
            raise BadInput(f"Invalid {name} value: {values[-1][:50]}")
        return column == values[-1]

    return condition


def _no_task(marker: str) -> BadInput:
    if not is_uuid(marker):
        return BadInput("Invalid marker format")
    return BadInput("Invalid marker: task could not be found.")


TASKS = Listing(
    table=table,
    name="tasks",
    style=replace(PAGES, missing=_no_task, together=""),
    marker=table.c.id,
    unique=table.c.id,
    first=(table.c.created_at, "desc"),
    default_direction="desc",
    sort={
        name: table.c[name]
        for name in ("created_at", "updated_at", "id", "type", "status", "owner", "expires_at")
    },
    filters={
        "status": _one_of("status", table.c.status, "pending", "processing", "success", "failure"),
        "type": _one_of("type", table.c.type, "import", "api_image_import", "location_import"),
    },
)


async def list_tasks(request: Request, room: Images) -> Response:
    """GET /v2/tasks: of one's project; an administrator sees all."""
    request.allow("tasks_api_access")
    request.allow("get_tasks")
    statement = tasks.listed(request.reaching())
    async with request.reading() as tx:
        page = await TASKS.page(request, tx, statement)
    items = [schemas.task(row, whole=False) for row in page.rows]
    return json_answer(TASKS.answer(request, page, items))


def _mine(request: Request, row: Row[Any]) -> bool:
    return request.reaching().everywhere or row.owner == request.token.project_id


async def show_task(request: Request, room: Images) -> Response:
    request.allow("tasks_api_access")
    request.allow("get_task")
    async with request.reading() as tx:
        row = await tasks.get(tx, request.path["task_id"])
    if row is None or not _mine(request, row):
        raise NotFound(f"No task found with ID {request.path['task_id']}")
    return json_answer(schemas.task(row, whole=True))


async def delete_task(request: Request, room: Images) -> Response:
    """DELETE /v2/tasks/{id}: tasks go by themselves."""
    request.allow("tasks_api_access")
    request.allow("modify_task")
    raise MethodNotAllowed(
        "Tasks are not deleted by request: they go at the time of their expires_at.",
        headers={"Allow": "GET"},
    )


async def create_task(request: Request, room: Images) -> Response:
    """POST /v2/tasks: the older way of import: a new image from an address on the web.

    Source: Image API reference, "Create task".
    """
    request.allow("tasks_api_access")
    request.allow("add_task")
    body = await request.json()
    if not isinstance(body, dict):
        raise BadInput("The body is an object.")
    for name in ("type", "input"):
        if name not in body:
            raise BadInput(f"Task '{name}' is required")
    requested = body["input"]
    if body["type"] != "import" or not isinstance(requested, dict):
        raise BadInput("Tasks are of the type 'import', with an object as input.")
    properties = requested.get("image_properties")
    uri = requested.get("import_from")
    if not isinstance(properties, dict) or not isinstance(uri, str):
        raise BadInput("Input needs import_from, import_from_format and image_properties.")
    if "web-download" not in room.settings.import_methods:
        raise Forbidden("Images are not downloaded here.")
    check_web(room, uri)
    values, further, tags = schemas.new_image(request.token.project_id, properties)
    schemas.check_disk_format(values.get("disk_format"), matched=room.settings.match_format)
    if not values.get("disk_format") or not values.get("container_format"):
        raise BadInput("image_properties need disk_format and container_format.")
    guards.of(request, room).check_change({}, further)
    if requested.get("import_from_format") not in (None, values["disk_format"]):
        raise BadInput("import_from_format must be the image's disk_format.")
    certificate = await signed.certificate(request, room, further)
    async with request.transaction() as tx:
        row = await _start(request, room, tx, values, further, tags, body, certificate)
    return json_answer(schemas.task(row, whole=True), 201, {"Location": f"/v2/tasks/{row.id}"})


async def _start(
    request: Request,
    room: Images,
    tx: Transaction,
    values: dict[str, Any],
    further: dict[str, str],
    tags: list[str],
    body: dict[str, Any],
    certificate: Certificate | None,
) -> Row[Any]:
    """The image, its task and its operation."""
    fields = {"project_id": values["owner"], "owner": values["owner"]}
    allow(request, "add_image", fields)
    rule = {"public": "publicize_image", "community": "communitize_image"}.get(values["visibility"])
    if rule is not None:
        allow(request, rule, fields)
    now, task_id = room.clock.now(), new_uuid()
    await quotas.check(tx, room, values["owner"], quotas.COUNT, more=1)
    image = await images.create(tx, values, further, tags, now)
    request.made(image.id, await news.image(tx, room, image))
    row = await tasks.create(
        tx, room, request.token, task_id=task_id, kind="import", image_id=image.id,
        given=body["input"], now=now,
    )  # fmt: skip
    await images.begin_import(tx, image, task_id, [room.default_store], now)
    await quotas.check(tx, room, values["owner"], quotas.UPLOADING)
    await room.operations.start(
        tx,
        ImportImage(
            image_id=image.id,
            task_id=task_id,
            method="web-download",
            uri=body["input"]["import_from"],
            stores=(room.default_store,),
            certificate=certificate,
            roles=tuple(role.lower() for role in request.token.roles),
        ),
        user_id=request.token.user_id,
        project_id=request.token.project_id,
    )
    return row


ROUTES = (
    Route(
        "POST",
        "/v2/images/{image_id}/import",
        import_image,
        ("get_image", "modify_image", "copy_image"),
        body=schemas.import_body,
    ),
    Route("GET", "/v2/images/{image_id}/tasks", image_tasks_of, ("get_image",)),
    Route(
        "GET",
        "/v2/tasks",
        list_tasks,
        ("tasks_api_access", "get_tasks"),
        query=TASKS.parameters,
    ),
    Route(
        "POST",
        "/v2/tasks",
        create_task,
        ("tasks_api_access", "add_task", "add_image", "publicize_image", "communitize_image"),
        body=schemas.task_body,
        event="image.create",
    ),
    Route("GET", "/v2/tasks/{task_id}", show_task, ("tasks_api_access", "get_task")),
    Route("DELETE", "/v2/tasks/{task_id}", delete_task, ("tasks_api_access", "modify_task")),
)
