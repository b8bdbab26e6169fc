"""What a Prometheus says of a query.

Source: Prometheus' documentation, "HTTP API", instant queries.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from hanok.base import inner_json
from hanok.base.errors import Unavailable
from hanok.services.alarming.room import Alarming

LARGEST = 1 << 20
ANSWER_S = 10.0


async def values(room: Alarming, query: str, project_id: str) -> list[float]:
    """The values of the series that a query finds, of this project alone.

    Raises:
        Unavailable
    """
    import httpx  # few ask, and it takes a start's time

    url = f"{room.settings.prometheus_url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
    try:
        async with asyncio.timeout(ANSWER_S), httpx.AsyncClient(trust_env=False) as client:
            async with client.stream("GET", url) as answer:
                raw = b""
                async for part in answer.aiter_raw():
                    raw += part
                    if len(raw) > LARGEST:
                        raise Unavailable("The answer of Prometheus is too long.")
    except (TimeoutError, httpx.HTTPError) as error:
        raise Unavailable(f"Prometheus does not answer: {type(error).__name__}") from None
    try:
        found = inner_json.decoded(raw)["data"]["result"]
        return [float(one["value"][1]) for one in found if one["metric"].get("project") == project_id]  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError):
        raise Unavailable("Prometheus does not answer a query.") from None
