"""Long work on stacks."""

from __future__ import annotations

from hanok.services.orchestration.operations.converge import ConvergeStack

__all__ = ["ConvergeStack"]
