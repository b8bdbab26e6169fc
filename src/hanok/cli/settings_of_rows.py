"""Where control-extra.toml says that the cloud's rows are: the one setting of the operator's that commands write."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from hanok.cli.output import Failure
from hanok.supervisor.settings import write_whole

_LINE = re.compile(r"database\s*=")


def _path(state: Path) -> Path:
    return state / "control-extra.toml"


def given(state: Path) -> str:
    """The address in there; empty: a file of the cloud's own.

    Raises:
        Failure: the file cannot be read.
    """
    try:
        return str(tomllib.loads(_path(state).read_text()).get("database", ""))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise Failure(f"{_path(state)} cannot be read: {error}") from None


def put(state: Path, url: str) -> None:
    """The file says this address and nothing else of the kind; all other lines stay as they are. Empty: none."""
    if given(state) == url:
        return
    lines = _path(state).read_text().splitlines() if _path(state).exists() else []
    top = next((at for at, line in enumerate(lines) if line.startswith("[")), len(lines))
    kept = [line for line in lines[:top] if not _LINE.match(line)] + lines[top:]
    if url:
        # In front: behind the first section's head it would be a setting of that section.
        kept.insert(0, f"database = {json.dumps(url)}")
    write_whole(_path(state), "".join(f"{line}\n" for line in kept), mode=0o600)
