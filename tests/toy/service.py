"""The library as the house mounts it."""

from __future__ import annotations

from msgspec import Struct

from hanok.limits import Limits
from hanok.rooms import CatalogEntry, House, Room
from hanok.web import faults
from hanok.web.routes import Service
from tests.toy import operations, tables
from tests.toy.room import SHELVES, Library
from tests.toy.routes import MICROVERSIONS, ROUTES, RULES


class LibrarySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's choices. shelves: of a project that no other limit is set for."""

    shelves: int = 2


class LibraryRoom(Room):
    name = "library"
    needs = ("identity",)
    settings = LibrarySettings
    catalog = CatalogEntry("library", "library", "Shelves and books", "/library/v1")
    own_tables = tuple(tables.metadata.sorted_tables)

    def __init__(self, house: House) -> None:
        settings = house.settings("library", LibrarySettings)
        shelves = Limits("library", [SHELVES.of(settings.shelves)], house.unified_limits("library"))
        self.facade = Library(clock=house.clock, operations=house.operations, limits=shelves)
        self.service = Service(
            kind="library",
            room=self.facade,
            rules=RULES,
            mounts=("library",),
            routes=ROUTES,
            fault=faults.compute,
            microversions=MICROVERSIONS,
        )
        kinds = (operations.BindShelf, operations.BindOne)
        self.operations = [(kind, self.facade) for kind in kinds]


build = LibraryRoom
