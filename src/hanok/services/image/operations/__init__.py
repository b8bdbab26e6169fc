"""Image's operations: what is too long for a request and must survive the process."""

from __future__ import annotations

from hanok.services.image.operations.add_location import AddLocation
from hanok.services.image.operations.cache_image import CacheImage
from hanok.services.image.operations.check_signature import CheckSignature
from hanok.services.image.operations.import_image import ImportImage

OPERATIONS = (ImportImage, AddLocation, CacheImage, CheckSignature)

__all__ = ["OPERATIONS", "AddLocation", "CacheImage", "CheckSignature", "ImportImage"]
