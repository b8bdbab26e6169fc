"""Which code this is: the version, and what tells two states of it apart."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from hanok import __version__

VARIABLE = "HANOK_CODE"
"""In the environment of our processes: the code that they were started with."""


@lru_cache(maxsize=1)
def code() -> str:
    """As "0.1.0+1f2e3d4c": the same for the same files, wherever they are."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode())
        digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:8]}"
