"""The fault bodies of the services: the one place where errors become HTTP.

Source: each service's API reference, "Faults" or "Errors".
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import msgspec
from starlette.responses import Response

from hanok.base.errors import Forbidden, HanokError, NotFound, OverQuota, Refused, Unavailable

Fault = Callable[[int, str, str, str, Mapping[str, object]], Response]
"""Takes status, code, message, request id and further fields; gives the answer in the service's form."""

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
    503: "Service Unavailable",
}


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def identity(
    status: int, code: str, message: str, request_id: str, extra: Mapping[str, object]
) -> Response:
    error = {"code": status, "message": message, "title": TITLES.get(status, "Error"), **extra}
    return _json(status, {"error": error})


_COMPUTE_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    500: "computeFault",
    503: "serviceUnavailable",
}


def compute(
    status: int, code: str, message: str, request_id: str, extra: Mapping[str, object]
) -> Response:
    if status == 401:  # answered in front of the service, in the middleware's form
        return _unauthorized(message)
    name = code or _COMPUTE_NAMES.get(status, "computeFault")
    return _json(status, {name: {"code": status, "message": message, **extra}})


def network(
    status: int, code: str, message: str, request_id: str, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    kind = code or f"HTTP{TITLES.get(status, 'Error').title().replace(' ', '')}"
    return _json(
        status, {"NeutronError": {"type": kind, "message": message, "detail": "", **extra}}
    )


def placement(
    status: int, code: str, message: str, request_id: str, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    error: dict[str, object] = {
        "status": status,
        "title": TITLES.get(status, "Error"),
        "detail": message,
        "request_id": request_id,
        **extra,
    }
    if code:
        error["code"] = code
    return _json(status, {"errors": [error]})


def image(
    status: int, code: str, message: str, request_id: str, extra: Mapping[str, object]
) -> Response:
    if status == 401:
        return _unauthorized(message)
    title = f"{status} {TITLES.get(status, 'Error')}"
    page = (
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  "
        f"{html.escape(message)}<br /><br />\n\n\n </body>\n</html>"
    )
    return Response(page, status, media_type="text/html")


def _unauthorized(message: str) -> Response:
    return _json(401, {"error": {"code": 401, "title": "Unauthorized", "message": message}})


def answer(fault: Fault, error: HanokError, request_id: str) -> Response:
    """The answer to a request that ended with an error of the house's tree."""
    if isinstance(error, Unavailable):
        response = fault(503, "", error.message, request_id, {})
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    if isinstance(error, Refused):
        response = fault(error.status, error.code, error.message, request_id, error.extra)
        response.headers.update(error.headers)
        return response
    return fault(500, "", unexpected(request_id), request_id, {})


def unexpected(request_id: str) -> str:
    """What a user is told of an error nobody foresaw."""
    return f"An unexpected error prevented the server from fulfilling your request. Its id is {request_id}."


__all__ = [
    "Fault",
    "Forbidden",
    "NotFound",
    "OverQuota",
    "answer",
    "compute",
    "identity",
    "image",
    "network",
    "placement",
    "unexpected",
]
