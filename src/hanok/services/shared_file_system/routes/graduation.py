"""Operations that were experimental for some versions, and then were no longer.

Source: Shared File Systems API reference, "Experimental APIs".
"""

from __future__ import annotations

from msgspec import structs

from hanok.web.microversions import Version
from hanok.web.routes import Route


def graduated(first: Version, plain: Version, *routes: Route) -> tuple[Route, ...]:
    """Routes twice: experimental from the first version on, and as they are from another one on."""
    last = (plain[0], plain[1] - 1)
    return tuple(
        one
        for route in routes
        for one in (
            structs.replace(
                route, minimum=max(first, route.minimum or first), maximum=last, experimental=True
            ),
            structs.replace(route, minimum=max(plain, route.minimum or plain)),
        )
        if one.minimum is not None and (one.maximum is None or one.minimum <= one.maximum)
    )
