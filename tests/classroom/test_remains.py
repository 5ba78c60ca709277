"""What deleting leaves on the disk: searched for in the files themselves, as somebody would who has them."""

import contextlib
import sqlite3

import pytest

from mien.classroom import remains
from mien.classroom.database import open_engine
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord
from mien.classroom.schema import migrate
from mien.classroom.store import Store, StoreError

ONE, OTHER = "1" * 24, "2" * 24


def fill(store, fake_time):
    """A lesson with two students, a hundred windows each."""
    now = fake_time.now()
    facts = {"teacher": "k", "title": "t", "decision": {}, "mapping": "m", "started_at": now}
    store.add_lesson(LessonRecord(id="l", code="C", **facts))
    for name in (ONE, OTHER):
        record = ParticipantRecord(
            id=name, lesson="l", tag="T", camera="none", consent=None, research=False, joined_at=now
        )
        store.add_participant(record)
    row = {"lesson": "l", "at": now, "state": "away", "window": {"z": None}}
    for number in range(100):
        memory = {"lesson": "l", "at": now, "signals": {ONE: number, OTHER: number}}
        rows = [{**row, "participant": name} for name in (ONE, OTHER)]
        store.write(Batch(windows=rows, snapshot=memory))


def memory_without(fake_time):
    return {"lesson": "l", "at": fake_time.now(), "signals": {OTHER: 1}}


@pytest.fixture
def sqlite_store(tmp_path, fake_time):
    engine = open_engine(f"sqlite:///{tmp_path / 'classroom.sqlite'}")
    migrate(engine)
    store = Store(engine, fake_time.now)
    fill(store, fake_time)
    yield store
    store.close()


def found(folder):
    """How often the one is in the files of SQLite."""
    return sum(file.read_bytes().count(ONE.encode()) for file in folder.iterdir())


def test_a_journal_that_somebody_reads_is_emptied_when_they_have_done(
    sqlite_store, tmp_path, fake_time
):
    with contextlib.closing(sqlite3.connect(tmp_path / "classroom.sqlite")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM windows").fetchone()
        sqlite_store.delete_participant(ONE, memory_without(fake_time))
        assert found(tmp_path) > 0
        assert sqlite_store.remains.are_due(is_idle=False)
        sqlite_store.remains.sweep(is_idle=False)
        assert sqlite_store.remains.are_due(is_idle=False)
    sqlite_store.remains.sweep(is_idle=False)
    assert not sqlite_store.remains.are_due(is_idle=True)
    assert found(tmp_path) == 0


def test_nobody_reads_and_nothing_is_left(sqlite_store, tmp_path, fake_time):
    assert found(tmp_path) > 0
    sqlite_store.delete_participant(ONE, memory_without(fake_time))
    assert found(tmp_path) == 0
    assert not sqlite_store.remains.are_due(is_idle=True)


class Pages:
    """The pages of PostgreSQL's tables and indexes as they lie on the disk."""

    def __init__(self, store):
        self.store = store

    def count(self):
        with self.store._begin() as connection:
            connection.exec_driver_sql("CHECKPOINT")
            files = connection.exec_driver_sql(
                "SELECT pg_relation_filepath(oid) FROM pg_class "
                "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i')"
            ).scalars()
            read = "SELECT pg_read_binary_file(%s)"
            whole = [connection.exec_driver_sql(read, (file,)).scalar_one() for file in files]
        return sum(bytes(content).count(ONE.encode()) for content in whole)


@pytest.fixture
def postgres_store(postgres_url, fake_time):
    engine = open_engine(postgres_url)
    migrate(engine)
    store = Store(engine, fake_time.now)
    fill(store, fake_time)
    yield store
    store.close()


def test_postgres_writes_its_tables_anew(postgres_store, fake_time):
    pages = Pages(postgres_store)
    postgres_store.delete_participant(ONE, memory_without(fake_time))
    assert pages.count() > 100
    assert postgres_store.remains.are_due(is_idle=False)
    postgres_store.remains.sweep(is_idle=False)
    assert pages.count() == 0
    assert not postgres_store.remains.are_due(is_idle=True)
    assert [one.id for one in postgres_store.participants("l")] == [OTHER]


def test_large_tables_are_written_anew_when_no_lesson_runs(postgres_store, fake_time, monkeypatch):
    monkeypatch.setattr(remains, "SMALL_BYTES", 0)
    pages = Pages(postgres_store)
    postgres_store.delete_participant(ONE, memory_without(fake_time))
    deleted = pages.count()
    postgres_store.remains.sweep(is_idle=False)
    assert 0 < pages.count() < deleted
    assert not postgres_store.remains.are_due(is_idle=False)
    assert postgres_store.remains.are_due(is_idle=True)
    postgres_store.remains.sweep(is_idle=True)
    assert pages.count() == 0
    assert not postgres_store.remains.are_due(is_idle=True)


def test_a_table_that_somebody_holds_is_swept_a_minute_later(postgres_store, fake_time):
    swept = remains.Remains(postgres_store._engine, 1000, fake_time.clock)
    swept.note()
    with postgres_store._begin() as connection:
        connection.exec_driver_sql("LOCK TABLE windows")
        with pytest.raises(StoreError) as told:
            swept.sweep(is_idle=False)
    assert told.value.reason == "locked"
    assert not swept.are_due(is_idle=False)
    fake_time.s = remains.RETRY_S
    assert swept.are_due(is_idle=False)
    swept.sweep(is_idle=False)
    assert not swept.are_due(is_idle=True)


def test_a_purge_that_deletes_nothing_leaves_the_tables_alone(store, fake_time):
    fill(store, fake_time)
    assert store.remains.are_due(is_idle=False)  # the server before may have left something
    store.remains.sweep(is_idle=True)
    assert not any(store.purge(24, 30, 90).values())
    assert not store.remains.are_due(is_idle=True)
    fake_time.s = 25 * 3600
    assert store.purge(24, 30, 90)["windows"] == 200
    assert store.remains.are_due(is_idle=True) == (store._engine.dialect.name == "postgresql")
