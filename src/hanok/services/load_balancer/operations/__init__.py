"""Work that outlives a request."""

from __future__ import annotations

from hanok.services.load_balancer.operations.converge import ConvergeBalancer

__all__ = ["ConvergeBalancer"]
