"""The house's own doors, beside the OpenStack APIs: for `hanok doctor` and whoever runs the cloud."""

from __future__ import annotations

from starlette.responses import Response

from hanok.control.inventory import World, differences
from hanok.services.identity import facade as identity
from hanok.web import faults
from hanok.web.policy import Rule
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route, Service

RULES = (
    Rule("hanok:inventory", "role:admin", "Compare the database with the hosts."),
    Rule("hanok:rotate_keys", "role:admin", "Replace the keys of tokens and secrets."),
)


async def show(request: Request, world: World) -> Response:
    """GET /hanok/v1/inventory: where the database and the world disagree."""
    request.allow()
    return json_answer({"differences": await differences(world)})


async def mend(request: Request, world: World) -> Response:
    """POST /hanok/v1/inventory/mend: puts right what is safe, and says what it did."""
    request.allow()
    return json_answer({"differences": await differences(world, mend=True)})


async def rotate_keys(request: Request, world: World) -> Response:
    """POST /hanok/v1/keys/rotate: new keys for tokens and secrets; nobody is signed out."""
    request.allow()
    sealed = await identity.rotate_keys(world.database, world.identity)
    return json_answer({"secrets": sealed})


ROUTES = (
    Route("GET", "/v1/inventory", show, ("hanok:inventory",)),
    Route("POST", "/v1/inventory/mend", mend, ("hanok:inventory",)),
    Route("POST", "/v1/keys/rotate", rotate_keys, ("hanok:rotate_keys",)),
)


def service(world: World) -> Service:
    return Service(
        kind="hanok",
        room=world,
        rules=RULES,
        mounts=("hanok",),
        routes=ROUTES,
        fault=faults.identity,
    )
