"""Which part of a list a request asks for."""

from __future__ import annotations

from hanok.services.key_manager.logic.common import Page
from hanok.web.request import Request


def page_of(request: Request) -> Page:
    """Raises BadInput."""
    return Page(request.query.get("offset"), request.query.get("limit"))
