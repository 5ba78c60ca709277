"""Bringing a database to the tables of this version, forward from any older one."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from mien.classroom.transaction import reason_of
from mien.errors import ConfigError

__all__ = ["migrate", "versions"]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def versions() -> list[str]:
    """Return all versions of the schema, the oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def migrate(engine: sa.Engine, version: str = "head") -> None:
    """Bring the database to a version; what is there already is left alone.

    Raises:
        ConfigError: If the database cannot be opened, or was written by a newer mien.
    """
    config = _config()
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in versions():
                raise ConfigError(
                    f"The store is of version {current}, which this mien does not know. Update mien."
                )
            command.upgrade(config, version)
    except (SQLAlchemyError, CommandError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        is_full = reason_of(error) == "full"
        remedy = "Make room on its disk" if is_full else "Check MIEN_CLASSROOM_DATABASE_URL"
        raise ConfigError(f"The store cannot be opened: {reason}. {remedy}.") from None
