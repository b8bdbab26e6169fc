"""The versions that the key manager speaks: what each brought, in one line, and where it shows.

Source: Key Manager API microversion history.
"""

from __future__ import annotations

from hanok.web.microversions import Change, Range

MICROVERSIONS = Range(header_type="key-manager", minimum=(1, 0), maximum=(1, 2))

HISTORY: tuple[Change, ...] = (
    Change((1, 0), "The first version.", "everything"),
    Change((1, 1), "Secrets have consumers.", "secrets, consumers of secrets"),
    Change((1, 2), "A secret that has consumers is deleted by force only.", "secrets"),
)
