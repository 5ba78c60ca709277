"""Where the runs of a study are written down: Optuna's journal in a file, or PostgreSQL for several machines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import ConfigError, MissingExtraError
from mien.studies.leases import FileLeases, JournalLock, Leases, PostgresLeases

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.storages.journal import JournalFileBackend

__all__ = ["open_storage", "read_journal", "storage_errors"]

JOURNAL = "journal.jsonl"


def read_journal(folder: Path) -> BaseStorage:
    """Open the journal of a study's folder to read it only; the folder need not be writable.

    Raises:
        ConfigError: If there is none, or it is damaged.
        MissingExtraError: If Optuna is not installed.
    """
    journal = folder / JOURNAL
    if not journal.is_file():
        raise ConfigError(
            f"{folder} holds no journal of a study; expected a folder that mien study has written without --storage."
        )
    try:
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError:
        raise MissingExtraError("studies", "A study") from None
    return _opened(JournalFileBackend(str(journal)), journal)


def open_storage(study: str, folder: Path, url: str = "") -> tuple[BaseStorage, Leases]:
    """Open the storage of a study.

    Args:
        study: Its name.
        folder: Where the journal and its locks are.
        url: ``"postgresql://user@host/database"``; empty for the journal.

    Returns:
        What Optuna writes to, and the leases that all processes share which write there.

    Raises:
        ConfigError: If the URL is of another kind, or the database does not answer.
        MissingExtraError: If Optuna or PostgreSQL's driver is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingExtraError("studies", "A study") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url:
        return _open_postgres(study, url)
    from optuna.storages.journal import JournalFileBackend

    try:
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder / JOURNAL
        lock: Any = JournalLock(journal)  # Optuna asks for its own class and calls two methods
        with lock:  # mends what a killed process left, so that reading succeeds too
            backend = JournalFileBackend(str(journal), lock_obj=lock)
        return _opened(backend, journal), FileLeases(folder / "leases")
    except OSError as error:
        raise ConfigError(f"The study's folder {folder} cannot be written: {error}.") from None


def _opened(backend: JournalFileBackend, journal: Path) -> BaseStorage:
    from optuna.storages.journal import JournalStorage

    try:
        return JournalStorage(backend)
    # No JSON, no UTF-8, no entry.
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ConfigError(
            f"The journal {journal} is damaged: {error}. Mend or remove the line that is no JSON, or choose another --out."
        ) from None


def storage_errors() -> tuple[type[Exception], ...]:
    """Return what is raised when a database goes away in the middle of a study."""
    import optuna

    try:
        import sqlalchemy
    except ModuleNotFoundError:
        return (optuna.exceptions.StorageInternalError,)
    return (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError)


def _open_postgres(study: str, url: str) -> tuple[BaseStorage, Leases]:
    if not url.startswith(("postgresql://", "postgresql+psycopg://")):
        scheme, is_url, _ = url.partition("://")  # not the rest: it may hold a password
        named = f"{scheme}://…" if is_url else "without an address (no ://)"
        raise ConfigError(
            f"--storage {named} is no storage for studies; expected "
            "postgresql://user@host/database. Without it a journal in the study's folder serves one machine."
        )
    try:
        import psycopg  # noqa: F401 - the driver that the URL below names
        import sqlalchemy
        from optuna.storages import RDBStorage
    except ModuleNotFoundError:
        raise MissingExtraError("postgres", "A study on PostgreSQL") from None
    try:
        address = sqlalchemy.make_url(url.replace("postgresql://", "postgresql+psycopg://", 1))
    except (ValueError, sqlalchemy.exc.ArgumentError):  # not its words: they hold the password
        raise ConfigError(
            "--storage is no address of a database; expected postgresql://user@host:5432/database, the port a number."
        ) from None
    try:
        # Without a pool: a connection that waits in one would keep its leases after it was given back.
        unpooled: dict[str, Any] = {"poolclass": sqlalchemy.pool.NullPool}
        leases = PostgresLeases(sqlalchemy.create_engine(address, **unpooled), study)
        # Two processes that make Optuna's tables at the same time would hinder each other.
        with leases.wait("tables"):
            url = address.render_as_string(hide_password=False)
            storage = RDBStorage(url, engine_kwargs=unpooled)
    except sqlalchemy.exc.OperationalError as error:
        reason = str(error.orig).splitlines()[0]
        raise ConfigError(
            f"The database {address.render_as_string()} cannot be used: {reason}. Is its server running, and may you in?"
        ) from None
    return storage, leases
