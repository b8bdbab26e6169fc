"""The versions that compute speaks. Where each shows is written where it is looked at.

Source: Compute API microversion history.
"""

from __future__ import annotations

from hanok.web.microversions import Range

MICROVERSIONS = Range(
    header_type="compute",
    minimum=(2, 1),
    maximum=(2, 104),
    legacy_header="X-OpenStack-Nova-API-Version",
)
