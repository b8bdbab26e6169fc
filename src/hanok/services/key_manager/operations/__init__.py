"""What the key manager does after it has answered."""

from __future__ import annotations

from hanok.services.key_manager.operations.generate_pair import GeneratePair

__all__ = ["GeneratePair"]
