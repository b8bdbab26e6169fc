"""A request of one of our services to another, in the name of whoever asked the first."""

from __future__ import annotations

from starlette.types import ASGIApp

from hanok.web.request import Request


async def ask(
    app: ASGIApp, request: Request, method: str, path: str, body: bytes, media_type: str
) -> tuple[int, bytes]:
    """Ask as the caller: with all that says who asks, from the same address.

    Args:
        path: with the query. media_type: of the body.

    Returns:
        The status and the body of the answer.
    """
    import httpx  # few ask, and it takes a start's time

    headers, peer = request.caller
    if body:
        headers["content-type"] = media_type
    transport = httpx.ASGITransport(app=app, client=(peer, 0))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.request(
            method, f"{request.origin}{path}", headers=headers, content=body
        )
    return answer.status_code, answer.content
