"""The same tests on SQLite and on a real PostgreSQL."""

import math
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from mien.classroom import tables
from mien.classroom.ages import LESSON_HOURS
from mien.classroom.database import open_engine
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord
from mien.classroom.schema import migrate
from mien.classroom.store import Store, StoreError
from mien.errors import ConfigError


def lesson(fake_time, number=1, **changes):
    fields = {
        "id": f"lesson{number}",
        "teacher": "kim",
        "title": "분수 =1+1",
        "code": f"CODE{number}",
        "decision": {"mode": "class"},
        "mapping": "m-1",
        "started_at": fake_time.now(),
    }
    return LessonRecord(**{**fields, **changes})


def participant(fake_time, number=1, **changes):
    fields = {
        "id": f"student{number}",
        "lesson": "lesson1",
        "tag": "ABC",
        "camera": "frames",
        "consent": "2026-11",
        "research": False,
        "joined_at": fake_time.now(),
    }
    return ParticipantRecord(**{**fields, **changes})


def window(fake_time, student="student1"):
    row = {"lesson": "lesson1", "participant": student, "at": fake_time.now()}
    return {**row, "state": "steady", "window": {"z": None, "time_s": 5.0}}


def fill(store, fake_time):
    store.add_lesson(lesson(fake_time))
    for number in (1, 2):
        store.add_participant(participant(fake_time, number))
        store.add_token(
            f"digest{number}", fake_time.now() + timedelta(hours=1), None, f"student{number}"
        )
    tap = {"lesson": "lesson1", "participant": "student1", "at": fake_time.now(), "answer": "lost"}
    store.write(
        Batch(
            windows=[window(fake_time), window(fake_time, "student2")],
            aggregates=[
                {
                    "lesson": "lesson1",
                    "at": fake_time.now(),
                    "kind": "aggregate",
                    "aggregate": {"n": 5},
                }
            ],
            self_reports=[tap],
            moments=[
                {"lesson": "lesson1", "state": "away", "start_s": 5.0, "moment": {"end_s": None}}
            ],
            snapshot={
                "lesson": "lesson1",
                "at": fake_time.now(),
                "signals": {"seats": ["student1"]},
            },
        )
    )


def count(store, table):
    return len(store._rows(table.select()))


def test_lessons_come_back_as_they_were_kept(store, fake_time):
    first = lesson(fake_time)
    store.add_lesson(first)
    fake_time.s = 60
    second = lesson(fake_time, 2, teacher="lee")
    store.add_lesson(second)
    assert store.lesson("lesson1") == first
    assert store.lesson("lesson1").started_at.utcoffset() == timedelta(0)
    assert store.lessons() == [second, first]
    assert store.lessons("kim") == [first]
    store.end_lesson("lesson2", fake_time.now())
    assert store.lessons(running=True) == [first]
    assert store.lesson("lesson2") == replace(second, code=None, ended_at=fake_time.now())
    assert store.lesson("none") is None


def test_students_are_admitted_and_their_tag_forgotten(store, fake_time):
    store.add_lesson(lesson(fake_time))
    store.add_participant(participant(fake_time, 1))
    store.add_participant(participant(fake_time, 2, camera="none", consent=None))
    fake_time.s = 5
    store.admit(["student1"])
    first, second = store.participants("lesson1")
    assert (first.admitted_at, first.tag) == (fake_time.now(), None)
    assert (second.admitted_at, second.tag) == (None, "ABC")


def test_nobody_agrees_to_research_who_sends_nothing(store, fake_time):
    store.add_lesson(lesson(fake_time))
    store.add_participant(participant(fake_time, 1, camera="frames"))

    def kept():
        (row,) = store.participants("lesson1")
        return row.camera, row.consent, row.research

    store.set_research("student1", True)
    store.set_camera(participant(fake_time, 1, camera="frames", consent="v2", research=True))
    assert kept() == ("frames", "v2", True)
    store.set_camera(participant(fake_time, 1, camera="frames", consent="v2", research=False))
    assert kept() == ("frames", "v2", False)
    store.set_research("student1", True)
    store.set_camera(participant(fake_time, 1, camera="none", consent="v2", research=True))
    assert kept() == ("none", "v2", False)
    store.set_research("student1", True)
    assert kept() == ("none", "v2", False)
    store.set_camera(participant(fake_time, 1, camera="frames", consent="v2", research=True))
    assert kept() == ("frames", "v2", False)


def test_withdrawing_deletes_every_row_of_the_student_and_no_other(store, fake_time):
    fill(store, fake_time)
    store.delete_participant("student1")
    assert [row["participant"] for row in store.rows_of(tables.windows, "lesson1")] == ["student2"]
    assert store.rows_of(tables.self_reports, "lesson1") == []
    assert [one.id for one in store.participants("lesson1")] == ["student2"]
    assert store.token("digest1") is None
    assert store.token("digest2")["participant"] == "student2"
    assert store.snapshot("lesson1") is None  # it held the student too
    assert len(store.rows_of(tables.aggregates, "lesson1")) == 1


def test_withdrawing_leaves_the_lesson_its_memory_of_the_others(store, fake_time):
    fill(store, fake_time)
    memory = {"lesson": "lesson1", "at": fake_time.now(), "signals": {"seats": ["student2"]}}
    store.delete_participant("student1", memory)
    assert store.snapshot("lesson1") == memory


@pytest.mark.parametrize("value", ["\0", "a\0b", "x" * 1000, "\ud800"])
def test_a_value_that_no_row_can_have_finds_none(store, fake_time, value):
    fill(store, fake_time)
    assert store.lesson(value) is None
    assert store.participant(value) is None
    assert store.token(value) is None


def test_ending_a_lesson_leaves_students_the_time_to_delete(store, fake_time):
    fill(store, fake_time)
    later = fake_time.now() + timedelta(hours=24)
    store.add_token("over", fake_time.now(), None, "student1")
    store.add_token("teacher", fake_time.now() + timedelta(hours=1), "kim", None)
    store.end_lesson("lesson1", later)
    assert store.token("digest1")["expires_at"] == later
    assert store.token("over") is None  # what was void stays void
    assert store.token("teacher")["expires_at"] < later
    assert store.participant("student1").id == "student1"
    store.delete_participant("student1")
    assert store.participant("student1") is None
    assert store.token("digest1") is None
    assert store.snapshot("lesson1") is None
    assert all(one.tag is None for one in store.participants("lesson1"))


def test_an_end_that_is_written_down_late_is_of_when_it_was(store, fake_time):
    fill(store, fake_time)
    ended_at = fake_time.now()
    fake_time.s += 3600
    later = fake_time.now() + timedelta(hours=24)
    store.end_lesson("lesson1", later, ended_at)
    assert store.lesson("lesson1").ended_at == ended_at
    assert store.token("digest1")["expires_at"] == later  # it was in use then


def test_deleting_a_lesson_leaves_only_who_looked_at_it(store, fake_time):
    fill(store, fake_time)
    store.note("kim", "lesson1", "report html")
    store.delete_lesson("lesson1")
    for table in tables.METADATA.sorted_tables:
        assert count(store, table) == (1 if table is tables.audit else 0), table.name
    assert store.views("lesson1") == [
        {"at": fake_time.now(), "teacher": "kim", "action": "report html"}
    ]


def test_tokens_end(store, fake_time):
    store.add_token("d", fake_time.now() + timedelta(minutes=10), "kim", None)
    fake_time.s = 9 * 60
    store.extend_token("d", fake_time.now() + timedelta(minutes=10))
    fake_time.s = 18 * 60
    assert store.token("d")["teacher"] == "kim"
    fake_time.s = 19 * 60
    assert store.token("d") is None


def test_a_batch_is_written_as_a_whole_or_not_at_all(store, fake_time):
    fill(store, fake_time)
    batch = Batch(windows=[window(fake_time), window(fake_time, "nobody")])
    with pytest.raises(StoreError) as told:
        store.write(batch)
    assert told.value.reason == "refused"
    assert len(store.rows_of(tables.windows, "lesson1")) == 2


@pytest.mark.parametrize("number", [math.inf, math.nan])
def test_a_number_that_is_none_is_refused_by_either_database(store, fake_time, number):
    fill(store, fake_time)
    row = {"lesson": "lesson1", "at": fake_time.now(), "signals": {"centre": number}}
    with pytest.raises(StoreError) as told:
        store.write(Batch(snapshot=row))
    assert told.value.reason == "refused"
    assert store.snapshot("lesson1")["signals"] == {"seats": ["student1"]}


def test_moments_and_snapshots_are_replaced_by_their_later_form(store, fake_time):
    fill(store, fake_time)
    key = {"lesson": "lesson1", "state": "away", "start_s": 5.0}
    later = Batch(moments=[{**key, "moment": {"end_s": 90.0}}])
    later.snapshot = {"lesson": "lesson1", "at": fake_time.now(), "signals": {"seats": []}}
    store.write(later)
    assert [row["moment"] for row in store.rows_of(tables.moments, "lesson1")] == [{"end_s": 90.0}]
    assert store.snapshot("lesson1")["signals"] == {"seats": []}


def test_purging_keeps_to_the_hours_and_days(store, fake_time):
    fill(store, fake_time)
    store.end_lesson("lesson1", fake_time.now() + timedelta(hours=1))
    store.note("kim", "lesson1", "report json")
    nothing = dict.fromkeys(
        ("windows", "self_reports", "participants", "lessons", "audit", "tokens"), 0
    )
    fake_time.s = 24 * 3600
    assert store.purge(24, 30, 90) == {**nothing, "tokens": 2}
    fake_time.s = 24 * 3600 + 1
    gone = {"windows": 2, "self_reports": 1, "participants": 2}
    assert store.purge(24, 30, 90) == {**nothing, **gone}
    assert len(store.rows_of(tables.aggregates, "lesson1")) == 1
    fake_time.s = 30 * 86400 + 1
    assert store.purge(24, 30, 90) == {**nothing, "lessons": 1}
    assert count(store, tables.aggregates) == count(store, tables.moments) == 0
    fake_time.s = 90 * 86400 + 1
    assert store.purge(24, 30, 90) == {**nothing, "audit": 1}


def test_purging_leaves_a_running_lesson_its_students(store, fake_time):
    fill(store, fake_time)
    fake_time.s = 2 * 3600
    gone = store.purge(1, 30, 90)
    assert (gone["windows"], gone["participants"], gone["tokens"]) == (2, 0, 2)
    store.write(Batch(windows=[window(fake_time)]))


def test_purging_leaves_a_running_lesson_however_short_aggregates_are_kept(store, fake_time):
    fill(store, fake_time)
    fake_time.s = 3600
    assert store.purge(24, 0.01, 90)["lessons"] == 0
    store.write(Batch(windows=[window(fake_time)]))
    store.end_lesson("lesson1", fake_time.now())
    assert store.purge(24, 0.01, 90)["lessons"] == 1


def test_a_lesson_that_no_server_can_be_running_any_more_is_purged(store, fake_time):
    fill(store, fake_time)
    fake_time.s = (LESSON_HOURS + 1) * 3600
    assert store.purge(1, 0.01, 90)["lessons"] == 0
    fake_time.s += 1
    assert store.purge(1, 30, 90)["participants"] == 2
    assert store.purge(1, 0.01, 90)["lessons"] == 1


def test_batches_join_and_forget():
    batch = Batch(windows=[{"participant": "a"}, {"participant": "b"}], aggregates=[{"n": 1}])
    batch.add(Batch(self_reports=[{"participant": "a"}], moments=[{"m": 1}], snapshot={"s": 1}))
    assert (len(batch), batch.snapshot) == (5, {"s": 1})
    kept = batch.without("a")
    assert (kept.windows, kept.self_reports) == ([{"participant": "b"}], [])
    assert (kept.aggregates, kept.moments, kept.snapshot) == ([{"n": 1}], [{"m": 1}], None)


def test_sqlite_is_private_keeps_a_journal_and_overwrites_what_is_deleted(tmp_path):
    path = tmp_path / "deep" / "classroom.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "secure_delete")
        }
    engine.dispose()
    assert asked == {"journal_mode": "wal", "foreign_keys": 1, "secure_delete": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_deleted_moved_or_replaced_is_gone_and_none_is_made(tmp_path, fake_time):
    path, elsewhere = tmp_path / "a" / "classroom.sqlite", tmp_path / "b"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    store = Store(engine, fake_time.now)
    path.parent.rename(elsewhere)
    words = r"its file .*classroom.sqlite was deleted, moved or replaced"
    for _ in range(2):
        with pytest.raises(StoreError, match=words) as told:
            store.check()
        assert told.value.reason == "gone"
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreError, match=words):
        store.add_lesson(lesson(fake_time))
    assert path.stat().st_size == 0
    path.unlink()
    path.parent.rmdir()
    elsewhere.rename(path.parent)
    store.add_lesson(lesson(fake_time))  # it is back
    store.close()


def test_a_withdrawn_student_is_not_found_on_the_disk(tmp_path, fake_time):
    path = tmp_path / "classroom.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    store = Store(engine, fake_time.now)
    fill(store, fake_time)
    files = [path, path.with_name("classroom.sqlite-wal")]
    assert any(b"student1" in file.read_bytes() for file in files if file.exists())
    store.delete_participant("student1")
    for file in files:
        assert not file.exists() or b"student1" not in file.read_bytes()
    store.close()
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://h/x", "names a mysql database; expected postgresql or a SQLite file"),
        ("sqlite://", "names a sqlite database"),
        ("nonsense", "cannot be read; expected postgresql"),
    ],
)
def test_other_databases_are_refused(url, message):
    with pytest.raises(ConfigError, match=message):
        open_engine(url)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"The store .* cannot be opened"):
        open_engine(f"sqlite:///{tmp_path / 'file' / 'x.sqlite'}")
