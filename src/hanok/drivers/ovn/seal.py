"""What somebody shows OVN's databases elsewhere, and whom it believes there."""

from __future__ import annotations

import msgspec


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What a daemon shows others and holds them against: paths of PEM files, which are read anew when they change."""

    key: str
    certificate: str
    trusted: str

    @property
    def words(self) -> tuple[str, ...]:
        """Of OVN's own programs."""
        return (
            f"--private-key={self.key}",
            f"--certificate={self.certificate}",
            f"--ca-cert={self.trusted}",
        )


def words(remote: str, seal: Seal | None) -> tuple[str, ...]:
    """The same for a database at this address; a socket of this machine wants nothing."""
    return seal.words if seal is not None and remote.startswith("ssl:") else ()
