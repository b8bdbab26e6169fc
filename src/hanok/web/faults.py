"""The fault bodies of the services: the one place where errors become HTTP.

Source: each service's API reference, "Faults" or "Errors".
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct
from starlette.responses import Response

from hanok.base.errors import Forbidden, HanokError, NotFound, OverQuota, Refused, Unavailable
from hanok.web.microversions import Version


class FaultContext(Struct, frozen=True, kw_only=True):
    """What of a request the form of its fault depends on. version: None before it is negotiated."""

    request_id: str
    version: Version | None = None
    accept: str = ""


Fault = Callable[[int, str, str, FaultContext, Mapping[str, object]], Response]
"""Takes status, code, message, what was asked, and further fields; gives the answer in the service's form."""

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def identity(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    error = {"code": status, "message": message, "title": TITLES.get(status, "Error"), **extra}
    return _json(status, {"error": error})


_COMPUTE_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    500: "computeFault",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def compute(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:  # answered in front of the service, in the middleware's form
        return _unauthorized(message)
    name = code or _COMPUTE_NAMES.get(status, "computeFault")
    return _json(status, {name: {"code": status, "message": message, **extra}})


def network(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    kind = code or f"HTTP{TITLES.get(status, 'Error').title().replace(' ', '')}"
    return _json(
        status, {"NeutronError": {"type": kind, "message": message, "detail": "", **extra}}
    )


PLACEMENT_CODES: Version = (1, 23)  # from here on each error has a code


def placement(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    error: dict[str, object] = {
        "status": status,
        "title": TITLES.get(status, "Error"),
        "detail": message,
        "request_id": requested.request_id,
        **extra,
    }
    if requested.version is not None and requested.version >= PLACEMENT_CODES:
        error["code"] = code or "placement.undefined_code"
    return _json(status, {"errors": [error]})


_HEAT_TYPES = {
    400: (
        "HTTPBadRequest",
        "The server could not comply with the request since it is either malformed or otherwise "
        "incorrect.",
    ),
    403: ("Forbidden", "Access was denied to this resource."),
    404: ("HTTPNotFound", "The resource could not be found."),
    405: ("HTTPMethodNotAllowed", "The method specified is not allowed for this resource."),
    409: ("HTTPConflict", "There was a conflict when trying to complete your request."),
    500: (
        "HTTPInternalServerError",
        "The server has either erred or is incapable of performing the requested operation.",
    ),
    503: (
        "HTTPServiceUnavailable",
        "The server is currently unavailable. Please try again at a later time.",
    ),
}


def orchestration(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    name, words = _HEAT_TYPES.get(status, ("Error", TITLES.get(status, "Error")))
    body = {
        "code": status,
        "title": TITLES.get(status, "Error"),
        "explanation": words,
        "error": {"message": message, "traceback": None, "type": code or name, **extra},
    }
    return _json(status, body)


def load_balancer(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    whose = "Server" if status >= 500 else "Client"
    return _json(status, {"faultcode": whose, "faultstring": message, "debuginfo": None, **extra})


def image(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    title = f"{status} {TITLES.get(status, 'Error')}"
    kind = preferred(requested.accept, ("text/html", "application/json"))
    if kind == "application/json":
        body = {"message": message, "code": title, "title": TITLES.get(status, "Error")}
        return _json(status, body)
    if kind is None:
        return Response(f"{title}\n\n{message}\n", status, media_type="text/plain")
    page = (
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  "
        f"{html.escape(message)}<br /><br />\n\n\n </body>\n</html>"
    )
    return Response(page, status, media_type="text/html")


def metric(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    title = TITLES.get(status, "Error")
    if status == 403:
        message = f"Access was denied to this resource. {message}"
    if preferred(requested.accept, ("text/html", "application/json")) == "application/json":
        told = extra.get("description", message)
        return _json(status, {"code": status, "title": title, "description": told})
    text = html.escape(message).encode("ascii", "xmlcharrefreplace").decode()
    page = (
        f"<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n  <h1>{status} {title}</h1>\n  "
        f"{text}<br /><br />\n\n\n </body>\n</html>"
    )
    return Response(page, status, media_type="text/html")


def alarming(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    kind = "Server" if status >= 500 else "Client"
    body = {"debuginfo": None, "faultcode": kind, "faultstring": message}
    return _json(status, {"error_message": body})


def key_manager(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    title = TITLES.get(status, "Error")
    return _json(status, {"code": status, "title": title, "description": message})


def preferred(accept: str, offers: Sequence[str]) -> str | None:
    """The offer that an Accept header likes best, the first of equals; None when it takes none of them.

    Source: RFC 9110, section 12.5.1.
    """
    liking = {offer: _liking(accept, offer) for offer in offers}
    best = max(offers, key=lambda offer: liking[offer])
    return best if liking[best] > 0 else None


def _liking(accept: str, offer: str) -> float:
    """The weight that a header gives to an offer: that of the range which names it most exactly."""
    if not accept.strip():
        return 1.0
    ranges = {offer: 3, f"{offer.partition('/')[0]}/*": 2, "*/*": 1}
    found = (0, 0.0)
    for item in accept.split(","):
        kind, _, rest = item.partition(";")
        exactness = ranges.get(kind.strip().lower(), 0)
        if exactness > found[0]:
            found = (exactness, _weight(rest))
    return found[1]


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _unauthorized(message: str) -> Response:
    return _json(401, {"error": {"code": 401, "title": "Unauthorized", "message": message}})


def answer(fault: Fault, error: HanokError, requested: FaultContext) -> Response:
    """The answer to a request that ended with an error of the house's tree."""
    if isinstance(error, Unavailable):
        response = fault(503, "", error.message, requested, {})
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    if isinstance(error, Refused):
        response = fault(error.status, error.code, error.message, requested, error.extra)
        response.headers.update(error.headers)
        return response
    return fault(500, "", unexpected(requested.request_id), requested, {})


def unexpected(request_id: str) -> str:
    """What a user is told of an error nobody foresaw."""
    return f"An unexpected error prevented the server from fulfilling your request. Its id is {request_id}."


__all__ = [
    "Fault",
    "FaultContext",
    "Forbidden",
    "NotFound",
    "OverQuota",
    "alarming",
    "answer",
    "compute",
    "identity",
    "image",
    "key_manager",
    "load_balancer",
    "metric",
    "network",
    "orchestration",
    "placement",
    "unexpected",
]
