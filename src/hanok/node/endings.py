"""Why a guest's process ended, or did not begin, in words for the guest's owner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hanok.drivers.qemu.errors import StartFailed
from hanok.node.cgroups import Groups
from hanok.node.errors import NotDone
from hanok.node.limits import maximum_mib

if TYPE_CHECKING:
    from hanok.node.guests import Guest

LAST_WORDS = 2000  # characters
NO_MEMORY = re.compile(
    "annot allocate memory|annot set up guest memory|annot preallocate|std::bad_alloc|failed to allocate"
)
_FILE = re.compile(r"\S*/\S*")


def why(status: str, *, maximum_mib: int = 0) -> str:
    """Why a process ended that nobody ended.

    Args:
        status: how it ended, "was ended by the signal SIGKILL"; "" where that is not known.
        maximum_mib: what it may have of memory, where the kernel ended it for wanting more.
    """
    if maximum_mib:
        return (
            f"Its hypervisor process was ended by the host: it needed more than the {maximum_mib} MiB of memory that "
            "it may have."
        )
    if status:
        return f"Its hypervisor process ended unexpectedly: it {status}."
    return "Its hypervisor process ended unexpectedly."


def why_of(guest: Guest, groups: Groups, slack_mib: int) -> str:
    """Why a guest's process ended that nobody ended, from what the kernel says of it."""
    return why(
        guest.process.status if guest.process else "", maximum_mib=_bound(guest, groups, slack_mib)
    )


def unwatched(guest: Guest, groups: Groups, slack_mib: int) -> str:
    """The same, of one whose end no node saw."""
    bound = _bound(guest, groups, slack_mib)
    return why("", maximum_mib=bound) if bound else "It ended while nobody watched it."


def not_started(guest: Guest, groups: Groups, slack_mib: int, words: Path) -> NotDone | StartFailed:
    """Why a guest's process did not begin. words: the file that has what it said."""
    if bound := _bound(guest, groups, slack_mib):
        return NotDone(why("", maximum_mib=bound))
    return explained(words)


def _bound(guest: Guest, groups: Groups, slack_mib: int) -> int:
    """What it may have of memory, where the kernel ended it for wanting more; else 0."""
    hungry = groups.ran_out_of_memory(guest.record.server_id)
    return maximum_mib(guest.record.spec.memory_mib, slack_mib) if hungry else 0


def explained(words: Path) -> NotDone | StartFailed:
    """Why QEMU ended at its start, in the user's terms where we know them. words: the file that has its own."""
    text = words.read_text(errors="replace")[-LAST_WORDS:].strip()
    if NO_MEMORY.search(text):
        return NotDone(
            "The host has not enough free memory for the server.", detail=text, transient=True
        )
    return StartFailed(f"The hypervisor could not start the server{_reason(text)}", detail=text)


def _reason(text: str) -> str:
    """The end of the sentence: what QEMU said last, without what is the host's own."""
    said = [line for line in text.splitlines() if line.startswith("qemu-system")]
    if not said:
        return "."
    _, _, words = said[-1].partition(": ")
    return f": {_FILE.sub('(a file of the host)', words)[:300].rstrip('.')}."
