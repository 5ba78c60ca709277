"""A store that is locked, full or gone for a while: the lesson goes on, the gap is marked, withdrawals are kept."""

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from mien.classroom import tables
from mien.classroom.metrics import Metrics
from mien.classroom.records import Batch
from mien.classroom.store import StoreError
from mien.classroom.writer import MAX_WAITING_ROWS, Writer

TAP = {"lesson": "l", "participant": "a", "answer": "ok"}


class FlakyStore:
    """A store that fails as it is told, and remembers what it was given."""

    def __init__(self):
        self.fails = None
        self.unsure = None
        self.taken = set()
        self.refuses = lambda _: False
        self.written = []
        self.deleted = []
        self.snapshots = []

    def write(self, batch):
        if self.fails:
            error = StoreError("The store does not take rows.", self.fails)
            error.unsure = self.unsure
            raise error
        if self.refuses(batch):
            raise StoreError("The store refuses rows.", "refused")
        self.written.append(replace(batch))

    def has_taken(self, number):
        if self.fails:
            raise StoreError("The store does not answer.", self.fails)
        return number in self.taken

    def delete_participant(self, participant, snapshot=None):
        if self.fails:
            raise StoreError("The store does not take rows.", self.fails)
        self.deleted.append(participant)
        self.snapshots.append(snapshot)


async def here(call, *arguments):
    return call(*arguments)


@pytest.fixture
def flaky():
    return FlakyStore()


@pytest.fixture
def writer(flaky, fake_time):
    return Writer(flaky, here, fake_time.now, Metrics())


def write(writer, batch):
    return asyncio.run(writer.write("l", batch))


def rows(number):
    return [{"participant": "a", "number": n} for n in range(number)]


@pytest.mark.parametrize("reason", ["locked", "full", "gone"])
def test_thirty_seconds_without_a_store_are_marked_and_nothing_is_lost(
    writer, flaky, fake_time, reason
):
    assert write(writer, Batch(windows=rows(1)))
    flaky.fails = reason
    for second in range(1, 31):
        fake_time.s = second
        assert not write(writer, Batch(windows=rows(2)))
    assert (writer.away_since("l") - fake_time.now()).total_seconds() == -29
    flaky.fails = None
    fake_time.s = 31
    assert write(writer, Batch(windows=rows(1)))
    last = flaky.written[-1]
    assert len(last.windows) == 61
    (gap,) = last.gaps
    assert (gap["reason"], gap["lost_rows"]) == (reason, 0)
    assert (gap["end_at"] - gap["start_at"]).total_seconds() == 30
    assert writer.away_since("l") is None
    assert write(writer, Batch(windows=rows(1)))
    assert flaky.written[-1].gaps == []


def test_what_waits_is_bounded_and_what_is_lost_is_counted(writer, flaky):
    flaky.fails = "gone"
    for _ in range(13):
        write(writer, Batch(windows=rows(500)))
    flaky.fails = None
    write(writer, Batch(windows=[{"participant": "a", "number": "newest"}]))
    (batch,) = flaky.written
    assert batch.gaps[0]["lost_rows"] == 13 * 500 - MAX_WAITING_ROWS
    assert len(batch.windows) == MAX_WAITING_ROWS + 1
    assert batch.windows[-1]["number"] == "newest"  # the oldest go first


def test_rows_that_are_refused_are_not_tried_for_ever(writer, flaky):
    flaky.fails = "refused"
    write(writer, Batch(windows=rows(3)))
    flaky.fails = None
    assert write(writer, Batch(windows=rows(1)))
    assert len(flaky.written[-1].windows) == 1
    assert flaky.written[-1].gaps[0]["lost_rows"] == 3


def test_rows_are_written_though_the_snapshot_is_refused(writer, flaky):
    flaky.refuses = lambda batch: batch.snapshot is not None
    assert write(writer, Batch(windows=rows(2), snapshot={"n": 1}))
    assert [(len(one.windows), one.snapshot) for one in flaky.written] == [(2, None)]
    assert writer.away_since("l") is None


def test_the_snapshot_is_written_though_rows_are_refused(writer, flaky):
    flaky.refuses = lambda batch: batch.windows
    assert not write(writer, Batch(windows=rows(2), snapshot={"n": 1}))
    assert [(one.windows, one.snapshot) for one in flaky.written] == [([], {"n": 1})]
    assert write(writer, Batch(self_reports=[TAP]))
    assert flaky.written[-1].gaps[0]["lost_rows"] == 2


@pytest.mark.parametrize("is_taken", [True, False])
def test_what_the_store_may_have_taken_is_written_again_only_if_it_was_not(writer, flaky, is_taken):
    flaky.fails, flaky.unsure = "gone", 7
    assert not write(writer, Batch(windows=rows(2), snapshot={"n": 1}))
    flaky.unsure = None
    assert not write(writer, Batch(windows=[{"participant": "a", "number": "later"}]))
    assert not writer.close("l")
    flaky.fails, flaky.taken = None, {7} if is_taken else set()
    assert write(writer, Batch())
    (batch,) = flaky.written
    assert [row["number"] for row in batch.windows] == ([] if is_taken else [0, 1]) + ["later"]
    assert batch.snapshot == (None if is_taken else {"n": 1})
    assert len(batch.gaps) == 1
    assert writer.close("l")


def test_a_withdrawal_takes_along_what_the_store_may_have_taken(writer, flaky):
    flaky.fails, flaky.unsure = "gone", 7
    write(writer, Batch(windows=[*rows(1), {"participant": "b"}], snapshot={"of": "a, b"}))
    assert not asyncio.run(writer.forget("l", "a"))
    flaky.fails = None
    assert write(writer, Batch())
    assert flaky.deleted == ["a"]
    (batch,) = flaky.written
    assert (batch.windows, batch.snapshot) == ([{"participant": "b"}], None)


def test_nothing_to_write_asks_the_store_nothing(writer, flaky):
    assert write(writer, Batch())
    assert flaky.written == []


def test_a_withdrawal_takes_waiting_rows_along(writer, flaky):
    flaky.fails = "gone"
    write(writer, Batch(windows=rows(3), self_reports=[TAP], aggregates=[{"n": 5}]))
    assert not asyncio.run(writer.forget("l", "a"))
    flaky.fails = None
    write(writer, Batch(windows=[{"participant": "b"}]))
    assert flaky.deleted == ["a"]  # before anything was written
    assert flaky.written[0].windows == [{"participant": "b"}]
    assert flaky.written[0].self_reports == []
    assert flaky.written[0].aggregates == [{"n": 5}]


def test_a_withdrawal_brings_the_memory_without_the_student(writer, flaky):
    asyncio.run(writer.forget("l", "a", lambda: {"of": "b"}))
    asyncio.run(writer.forget("l", "b"))  # the lesson is over
    assert flaky.snapshots == [{"of": "b"}, None]


def test_a_withdrawal_brings_it_too_when_the_store_is_back(writer, flaky):
    flaky.fails = "gone"
    for participant, memory in (("a", {"of": "b, c"}), ("b", {"of": "c"})):
        assert not asyncio.run(writer.forget("l", participant, lambda memory=memory: memory))
    flaky.fails = None
    write(writer, Batch(windows=[{"participant": "c"}]))
    assert set(flaky.deleted) == {"a", "b"}
    assert flaky.snapshots == [{"of": "c"}] * 2
    assert flaky.written[-1].snapshot == {"of": "c"}


def test_a_withdrawal_waits_for_a_write_that_is_going_on(flaky, fake_time):
    order = []

    async def slowly(call, *arguments):
        order.append(call.__name__)
        await asyncio.sleep(0.05)
        return call(*arguments)

    async def scenario():
        writer = Writer(flaky, slowly, fake_time.now, Metrics())
        writing = asyncio.create_task(writer.write("l", Batch(windows=rows(1))))
        await asyncio.sleep(0.01)
        assert writer.is_busy("l")
        await writer.forget("l", "a")
        await writing

    asyncio.run(scenario())
    assert order == ["write", "delete_participant"]


def test_a_store_that_does_not_answer_is_away_until_it_has(flaky, fake_time, monkeypatch):
    monkeypatch.setattr("mien.classroom.writer.ANSWER_S", 0.01)

    async def scenario():
        answering = asyncio.Event()

        async def when_told(call, *arguments):
            await answering.wait()
            return call(*arguments)

        writer = Writer(flaky, when_told, fake_time.now, Metrics())
        writing = asyncio.create_task(writer.write("l", Batch(windows=rows(1))))
        leaving = asyncio.create_task(writer.forget("l", "b"))
        async with asyncio.timeout(60):
            while writer.trouble() is None:
                await asyncio.sleep(0.01)
        told = (writer.reason("l"), writer.is_forgotten("l", "b"))
        fake_time.s = 7
        answering.set()
        assert not await writing  # taken in the end, and still to be marked
        assert await leaving
        assert await writer.write("l", Batch())
        return told, writer.trouble()

    assert asyncio.run(scenario()) == (("gone", True), None)
    first, last = flaky.written
    assert (len(first.windows), first.gaps, last.windows) == (1, [], [])
    (gap,) = last.gaps
    assert (gap["lost_rows"], (gap["end_at"] - gap["start_at"]).total_seconds()) == (0, 7)


def test_a_database_that_another_program_locks(tmp_path, fake_time):
    from mien.classroom.database import open_engine
    from mien.classroom.records import LessonRecord
    from mien.classroom.schema import migrate
    from mien.classroom.store import Store

    path = tmp_path / "classroom.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    store = Store(engine, fake_time.now)
    started = fake_time.now()
    facts = {"teacher": "k", "title": "t", "decision": {}, "mapping": "m", "started_at": started}
    store.add_lesson(LessonRecord(id="l", code="C", **facts))
    aggregate = {"lesson": "l", "at": started, "kind": "aggregate", "aggregate": {}}
    writer = Writer(store, here, fake_time.now, Metrics())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not write(writer, Batch(aggregates=[aggregate]))
    other.execute("ROLLBACK")
    fake_time.s = 3
    assert write(writer, Batch())
    (gap,) = store.rows_of(tables.gaps, "l")
    assert gap["reason"] == "locked"
    assert len(store.rows_of(tables.aggregates, "l")) == 1
    store.close()


def test_a_database_that_is_full(tmp_path, fake_time):
    from mien.classroom.database import open_engine
    from mien.classroom.records import LessonRecord
    from mien.classroom.schema import migrate
    from mien.classroom.store import Store

    engine = open_engine(f"sqlite:///{tmp_path / 'classroom.sqlite'}")
    migrate(engine)
    store = Store(engine, fake_time.now)
    with engine.connect() as connection:  # SQLite refuses as it does on a full disk
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    started = fake_time.now()
    facts = {"teacher": "k", "decision": {}, "mapping": "m", "started_at": started}
    with pytest.raises(StoreError, match="database or disk is full") as told:
        store.add_lesson(LessonRecord(id="l", code="C", title="t" * 100_000, **facts))
    assert told.value.reason == "full"
    store.close()


def test_who_withdraws_before_a_batch_is_begun_is_not_in_it(writer, flaky):
    """A row of a deleted student is refused by the store, and the others' rows of the batch with it."""

    async def race():
        tap_of_b = {**TAP, "participant": "b"}
        write = writer.write("l", Batch(self_reports=[TAP, tap_of_b]))  # handed over, not begun
        await writer.forget("l", "a")
        assert await write
        return tap_of_b

    tap_of_b = asyncio.run(race())
    assert (flaky.deleted, flaky.written[-1].self_reports) == (["a"], [tap_of_b])


def test_the_writer_knows_whose_rows_are_still_to_go(writer, flaky):
    assert not writer.holds("l")
    flaky.fails = "locked"
    assert not asyncio.run(writer.forget("l", "a"))
    assert writer.holds("l")
    assert writer.is_forgotten("l", "a")
    assert not writer.is_forgotten("l", "b")
    flaky.fails = None
    assert write(writer, Batch())
    assert not writer.is_forgotten("l", "a")
    assert writer.close("l")
    assert not writer.holds("l")


def test_a_lesson_is_not_let_go_before_who_withdrew_is_deleted(writer, flaky):
    flaky.fails = "locked"
    assert not asyncio.run(writer.forget("l", "a"))
    assert not writer.close("l")
    flaky.fails = None
    assert write(writer, Batch())
    assert flaky.deleted == ["a"]
    assert writer.close("l")


def test_a_lesson_is_not_let_go_in_the_middle_of_a_withdrawal(flaky, fake_time):
    async def scenario():
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def when_told(call, *arguments):
            begun.set()
            await go_on.wait()
            return call(*arguments)

        writer = Writer(flaky, when_told, fake_time.now, Metrics())
        leaving = asyncio.create_task(writer.forget("l", "a"))
        await begun.wait()
        early = writer.close("l")
        go_on.set()
        await leaving
        return early, writer.close("l")

    assert asyncio.run(scenario()) == (False, True)
