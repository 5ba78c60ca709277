"""Migrations: from every version forward, with rows in the tables, on both databases."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from mien.classroom.database import open_engine
from mien.classroom.schema import migrate, versions
from mien.classroom.store import Store
from mien.classroom.tables import METADATA
from mien.errors import ConfigError

ROWS = {  # what each version's tables held; later versions add to it
    "lessons": {
        "id": "l", "teacher": "kim", "title": "t", "code": "C", "decision": '{"mode": "class"}',
        "mapping": "m", "started_at": "2026-03-02 09:00:00",
    },
    "participants": {
        "id": "p", "lesson": "l", "tag": "T", "camera": "frames", "consent": "c",
        "joined_at": "2026-03-02 09:00:00",
    },
    "tokens": {"digest": "d", "participant": "p", "expires_at": "2026-03-02 10:00:00"},
    "windows": {
        "lesson": "l", "participant": "p", "at": "2026-03-02 09:00:00", "state": "away", "window": "{}",
    },
    "aggregates": {
        "lesson": "l", "at": "2026-03-02 09:00:00", "kind": "aggregate", "aggregate": '{"n": 5}',
    },
    "self_reports": {
        "lesson": "l", "participant": "p", "at": "2026-03-02 09:00:00", "answer": "ok",
    },
    "moments": {"lesson": "l", "state": "away", "start_s": 1.5, "moment": "{}"},
    "audit": {"at": "2026-03-02 09:00:00", "teacher": "kim", "lesson": "l", "action": "watch"},
}  # fmt: skip


@pytest.fixture
def engine(store_url):
    opened = open_engine(store_url)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("version", versions())
def test_every_version_comes_forward_with_its_rows(engine, version, fake_time):
    migrate(engine, version)
    with engine.begin() as connection:
        for table, row in ROWS.items():
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    migrate(engine)
    store = Store(engine, fake_time.now)
    assert [one.title for one in store.lessons()] == ["t"]
    assert store.lessons()[0].decision == {"mode": "class"}
    (student,) = store.participants("l")
    assert (student.id, student.research) == ("p", False)
    assert store.token("d")["participant"] == "p"
    for table in METADATA.sorted_tables:
        if table.name in ROWS:
            assert len(store._rows(table.select())) == 1, table.name
    store.delete_participant("p")
    assert store.rows_of(METADATA.tables["windows"], "l") == []


def test_the_tables_in_the_code_are_those_of_the_last_version(engine):
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_migrating_twice_changes_nothing(engine):
    migrate(engine)
    migrate(engine)
    assert versions() == ["0001", "0002"]


def test_a_store_of_a_newer_mien_is_left_alone(engine):
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(
        ConfigError, match=r"of version 9999, which this mien does not know. Update mien"
    ):
        migrate(engine)


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"not a database" * 100)
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(ConfigError, match="The store cannot be opened: file is not a database"):
        migrate(engine)
    engine.dispose()
