"""On whose behalf something is done: by this, what several projects share is shared out."""

from __future__ import annotations

from contextvars import ContextVar

project: ContextVar[str] = ContextVar("project", default="")
"""The id of the project; empty: the cloud's own work."""
