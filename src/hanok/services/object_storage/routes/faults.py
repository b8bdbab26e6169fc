"""Object storage's errors: a line of HTML where nothing more is said, else the text.

Source: the answers of the reference service.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from hanok.web.faults import FaultContext

_SAID = {
    400: (
        "Bad Request",
        "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    ),
    401: (
        "Unauthorized",
        "This server could not verify that you are authorized to access the document you requested.",
    ),
    403: ("Forbidden", "Access was denied to this resource."),
    404: ("Not Found", "The resource could not be found."),
    405: ("Method Not Allowed", "The method is not allowed for this resource."),
    406: ("Not Acceptable", "The resource is not available in a format acceptable to your browser."),
    409: ("Conflict", "There was a conflict when trying to complete your request."),
    411: ("Length Required", "Content-Length header required."),
    412: ("Precondition Failed", "A precondition for this request was not met."),
    413: ("Request Entity Too Large", "The body of your request was too large for this server."),
    416: ("Requested Range Not Satisfiable", "The Range requested is not available."),
    422: ("Unprocessable Entity", "Unable to process the contained instructions"),
    500: ("Internal Error", "The server has either erred or is incapable of performing the requested operation."),
    501: ("Not Implemented", "The requested method is not implemented by this server."),
    503: ("Service Unavailable", "The server is currently unavailable. Please try again at a later time."),
    507: ("Insufficient Storage", "There was not enough space to save the resource."),
}  # fmt: skip
HTML = "text/html; charset=UTF-8"
PLAIN = "text/plain; charset=UTF-8"


def transaction(request_id: str) -> str:
    """What upstream calls a request: of the same digits as our id of it."""
    digits = request_id.removeprefix("req-").replace("-", "")
    return f"tx{digits[:21]}-{digits[21:31]}"


def fault(
    status: int, code: str, message: str, requested: FaultContext, extra: Mapping[str, object]
) -> Response:
    """See web.faults.Fault."""
    title, usual = _SAID.get(status, ("Error", message))
    if message:
        response = Response(message, status, {"Content-Type": PLAIN})
    else:
        page = f"<html><h1>{title}</h1><p>{usual}</p></html>"
        response = Response(page, status, {"Content-Type": HTML})
    response.headers["X-Trans-Id"] = transaction(requested.request_id)
    return response
