"""What the library's handlers and operations work with."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct

from hanok.base.clock import Clock
from hanok.limits import Limits, Resource
from hanok.operations import Starter
from tests.toy.tables import shelves

SHELVES = Resource(
    name="shelves",
    default=2,
    registered="shelves",
    count=sa.select(sa.func.count()).where(shelves.c.project_id == sa.bindparam("owner")),
)


class Library(Struct, frozen=True, kw_only=True):
    clock: Clock
    operations: Starter
    limits: Limits
