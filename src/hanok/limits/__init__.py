"""What projects may have: limits, what is used, and the check in the transaction that adds.

A service declares its resources, each with how it is counted. Everything else is here: an operator's limits for all
and for one project, unified limits (which win where they are registered with identity), usage, and the check. It holds
when several processes add at the same moment: they wait for each other, and count what the other has committed.

Source: Identity API v3, "Unified Limits"; each service's quota sets.
"""

from __future__ import annotations

from hanok.limits.limits import DEFAULTS, Limits, Over, OverLimit, Registered, Resource, project_of

__all__ = ["DEFAULTS", "Limits", "Over", "OverLimit", "Registered", "Resource", "project_of"]
