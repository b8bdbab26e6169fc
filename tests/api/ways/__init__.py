"""Ways to ask so that an access rule shows: the requests that the test of turned rules makes of each service.

Most rules show with an empty body on things that are not there. A `Way` is for those that show only when the thing is
there, the body is good, the query asks for it, or another rule is turned, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Things = dict[tuple[str, str], str]
"""A project's things by service and name of the path's parameter."""


class Way(Struct, frozen=True, kw_only=True):
    """A request. path: parameters of the path. beside: what other rules say meanwhile. owner: whether the owner of the
    things asks, rather than an administrator.
    """

    path: Mapping[str, str] = {}
    query: str = ""
    body: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    beside: Mapping[str, str] = {}
    owner: bool = False


Ways = dict[tuple[str, str], Way]
"""By "METHOD path", with the key of the body of an action behind it, and by rule; "" for all other rules of a route.

What only versions up to one have is "METHOD path until 2.54", where it takes another way than the newest has.
"""
