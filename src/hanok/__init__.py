"""Hanok: a private cloud that one command starts.

The house and its walls are drawn in `docs/architecture.md`.
"""

__version__ = "0.1.0"
