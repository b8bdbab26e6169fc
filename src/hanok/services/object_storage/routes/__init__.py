"""The operations of object storage's API, as they are counted and described. The door serves them: see door.py."""

from __future__ import annotations

from hanok.services.object_storage.routes.door import answer
from hanok.web.routes import PUBLIC, Route

_OWNERS = ("operator_roles", "reseller_admin_role", "project_reader_roles")
_ACCOUNT, _CONTAINER, _OBJECT = (
    "/v1/{account}", "/v1/{account}/{container}", "/v1/{account}/{container}/{object}",
)  # fmt: skip

ROUTES: tuple[Route, ...] = (
    *(
        Route(method, _ACCOUNT, answer, _OWNERS)
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE")
    ),
    *(
        Route(method, _CONTAINER, answer, _OWNERS)
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE")
    ),
    *(
        Route(method, _OBJECT, answer, _OWNERS)
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "COPY")
    ),
    Route("GET", "/info", answer, (PUBLIC,)),
    Route("GET", "/healthcheck", answer, (PUBLIC,)),
    Route("GET", "/crossdomain.xml", answer, (PUBLIC,)),
)
