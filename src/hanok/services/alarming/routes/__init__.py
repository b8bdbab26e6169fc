"""The doors of alarming."""

from __future__ import annotations

from hanok.services.alarming.routes import about, alarms

ROUTES = (*about.ROUTES, *alarms.ROUTES)
