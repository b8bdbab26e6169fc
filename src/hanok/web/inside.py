"""A request of one of our services to another, in the name of whoever asked the first."""

from __future__ import annotations

from starlette.types import ASGIApp

from hanok.web.request import Request

# Of this request's own body and connection; all others say who asks, and from where.
_NOT_PASSED = frozenset(
    (
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "accept",
        "accept-encoding",
    )
)


async def ask(
    app: ASGIApp, request: Request, method: str, path: str, body: bytes, media_type: str
) -> tuple[int, bytes]:
    """Ask as the caller: with the same token and headers, from the same address.

    Args:
        path: with the query. media_type: of the body.

    Returns:
        The status and the body of the answer.
    """
    import httpx  # few ask, and it takes a start's time

    headers = [(name, value) for name, value in request.headers.items() if name not in _NOT_PASSED]
    if body:
        headers.append(("content-type", media_type))
    peer = request.http.client
    transport = httpx.ASGITransport(app=app, client=(peer.host, peer.port) if peer else ("", 0))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.request(
            method, f"{request.origin}{path}", headers=headers, content=body
        )
    return answer.status_code, answer.content
