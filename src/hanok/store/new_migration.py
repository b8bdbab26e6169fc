"""Write the next migration from what differs between the tables in the code and those of the migrations so far.

`python -m hanok.store.new_migration "what changes"`: for developers; read and mend what it writes.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import hanok
from hanok.store.migrate import FOLDER, upgrade
from hanok.store.schema import metadata, name_conditions


def import_all_tables() -> None:
    """Load every module that registers tables."""
    for module in pkgutil.walk_packages(hanok.__path__, "hanok."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
    name_conditions(metadata)  # they stand in what is written of a new index


def main() -> None:
    import_all_tables()
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{Path(folder) / 'db'}")
        with engine.connect() as connection:
            upgrade(connection)
            config = Config()
            config.set_main_option("script_location", str(FOLDER))
            config.set_main_option("path_separator", "os")
            name = "%%(year)d_%%(month).2d_%%(day).2d_%%(rev)s_%%(slug)s"
            config.set_main_option("file_template", name)
            config.attributes["connection"] = connection
            command.revision(config, sys.argv[1], autogenerate=True)


if __name__ == "__main__":
    main()
