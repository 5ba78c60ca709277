"""A whole server on a real PostgreSQL: a lesson from its opening to the purge, old tables, a database that is gone for a while."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from mien.classroom import postgres, school, store_threads, tables
from mien.classroom.database import open_engine
from mien.classroom.metrics import Metrics
from mien.classroom.protocol import Kind
from mien.classroom.records import Batch, LessonRecord
from mien.classroom.schema import migrate
from mien.classroom.signals import Answer, State, load_mapping
from mien.classroom.simulate import simulate
from mien.classroom.simulator import Scenario, Stretch
from mien.classroom.simulator.scenario import ScriptedAnswer
from mien.classroom.store import Store, StoreError
from mien.classroom.writer import Writer
from mien.errors import ConfigError

slow = pytest.mark.slow
SPEED = 8.0
"""The lesson here is so many times as fast as clocks."""
GONE_S = 30.0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u@h/x", "names a mysql database; expected postgresql or a SQLite file"),
        ("sqlite:///:memory:", "names a sqlite database; expected postgresql or a SQLite file"),
        ("no url", r"cannot be read; expected postgresql\+psycopg://user@host/name or sqlite"),
    ],
)
def test_other_databases_are_refused(url, words):
    with pytest.raises(ConfigError, match=words):
        open_engine(url)


@slow
def test_a_whole_lesson_on_postgres(start, postgres_url):
    began_s, began = time.monotonic(), datetime.now(UTC)
    clock = lambda: SPEED * (time.monotonic() - began_s)  # noqa: E731
    parts = {"clock": clock, "now": lambda: began + timedelta(seconds=clock())}
    live = start(parts=parts, pace_ms=100, database_url=postgres_url)
    assert live.school.store._engine.dialect.name == "postgresql"
    script = Scenario(
        name="s", duration_s=40, num_students=6, fps=SPEED, dropped=0,
        stretches=(
            Stretch(state=State.STRAINED, from_s=150 / SPEED, to_s=40, students=(0, 1, 2, 3)),
        ),
        answers=(ScriptedAnswer(answer=Answer.LOST, at_s=20, students=(0, 1, 2)),),
    )  # fmt: skip
    teacher = live.teacher()
    withdrawn = {}

    def withdraw_one():
        live.until(lambda: live.school.lessons)
        (lesson,) = live.school.lessons.values()
        withdrawn.update(live.join(lesson.record.code))
        live.admit(teacher, {"id": lesson.id}, withdrawn["participant"])
        opened = live.socket("/ws/student", withdrawn["token"])
        live.send(opened, Kind.TAP, 1, b"lost")
        live.receive(opened, "tapped")
        of_student = (tables.self_reports, lesson.id, withdrawn["participant"])
        live.until(lambda: live.school.store.rows_of(*of_student))
        assert len(live.school.store.rows_of(*of_student)) == 1
        assert live.ask("DELETE", "/api/me", withdrawn["token"]).json() == {"deleted": True}
        withdrawn["done"] = True

    leaving = threading.Thread(target=withdraw_one)
    leaving.start()
    outcome = asyncio.run(simulate(live.base, script, key=live.KEY))
    leaving.join()
    assert withdrawn["done"]
    assert outcome.counts["unanswered"] == 0
    store, lesson = live.school.store, outcome.lesson
    assert withdrawn["participant"] not in {one.id for one in store.participants(lesson)}
    assert store.rows_of(tables.windows, lesson, withdrawn["participant"]) == []
    report = live.ask("GET", f"/api/lessons/{lesson}/report?format=json", teacher).json()
    sent = [m for m in outcome.messages if m["type"] == "aggregate"]
    shown = [one for one in report["aggregates"] if one["percent"]]
    assert [one["percent"] for one in shown] == [m["percent"] for m in sent if m["percent"]]
    assert shown[-1]["percent"]["strained"] >= 50
    assert sum(one["counts"]["lost"] for one in report["answers"] if one["counts"]) == 3
    assert report["gaps"] == []
    for form in ("csv", "html"):
        answer = live.ask("GET", f"/api/lessons/{lesson}/report?format={form}", teacher)
        assert answer.status_code == 200
    assert len(store.rows_of(tables.windows, lesson)) > 6 * 20
    counts = store.purge(0, 30, 90)
    assert counts["participants"] == 6
    assert store.rows_of(tables.windows, lesson) == []
    assert live.ask("DELETE", f"/api/lessons/{lesson}", teacher).status_code == 204
    assert store.lessons() == []


@slow
def test_a_server_goes_on_with_a_lesson_in_the_tables_of_an_older_version(start, store_url):
    engine = open_engine(store_url)
    migrate(engine, "0001")
    with engine.begin() as connection:
        lesson = {
            "id": "l", "teacher": "kim", "title": "old", "code": "ABCDEFGH",
            "decision": json.dumps({"mode": "class"}), "mapping": load_mapping().id,
            "started_at": datetime.now(UTC).replace(tzinfo=None),
        }  # fmt: skip
        names = ", ".join(lesson)
        values = ", ".join(f":{name}" for name in lesson)
        connection.execute(sa.text(f"INSERT INTO lessons ({names}) VALUES ({values})"), lesson)
    engine.dispose()
    live = start(database_url=store_url)
    assert set(live.school.lessons) == {"l"}
    student = live.join("ABCDEFGH")
    live.admit(live.teacher(), {"id": "l"}, student["participant"])
    opened = live.socket("/ws/student", student["token"])
    live.send(opened, Kind.SIGNALS, 1, live.SIGNALS)
    assert live.receive(opened, "ack")["outcome"] == "seen"


@slow
def test_what_a_database_refuses_for_its_value_is_no_fault_of_the_store_s(start, store_url):
    live = start(database_url=store_url)
    teacher, lesson, _, _ = live.student_inside()
    answer = live.ask("GET", "/api/lessons/%00", teacher)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_lesson")
    body = {"code": lesson["code"], "camera": "none", "consent": "a\0"}
    assert live.ask("POST", "/api/join", body=body).status_code == 422
    assert set(live.http.get("/readyz").json().values()) == {"ok"}


class Cable:
    """The way to a database, which can be cut."""

    def __init__(self, port, own_port):
        self.target = ("127.0.0.1", port)
        self.port, self.listener, self.ends = own_port, None, []
        self.changing, self.flowing = threading.Lock(), threading.Event()
        self.flowing.set()
        self.mend()

    def mend(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        """Break what is open, and answer nobody."""
        with self.changing:
            for one in [self.listener, *self.ends]:
                _end(one)
            self.ends.clear()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
                with self.changing:
                    self.ends += [near, far]
                    is_cut = listener.fileno() < 0  # while this was being let in
                if is_cut:
                    _end(near)
                    _end(far)
                    return
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(*pair, self.flowing), daemon=True).start()


def _pump(one, other, flowing):
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            flowing.wait()
            other.sendall(data)
    _end(other)


def _end(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@pytest.fixture
def cable(postgres_url, free_port):
    """A way to the database, and its URL."""
    url = sa.make_url(postgres_url)
    made = Cable(url.port, free_port())
    yield made, url.set(port=made.port).render_as_string(hide_password=False)
    made.flowing.set()
    made.cut()


@slow
def test_a_database_that_is_gone_for_half_a_minute_stops_no_lesson(start, cable):
    cable, through = cable
    live = start(database_url=through)
    teacher, lesson, student, opened = live.student_inside()
    other = live.join(lesson["code"])
    live.admit(teacher, lesson, other["participant"])
    leaving = live.socket("/ws/student", other["token"])
    assert live.receive(leaving, "welcome")["admitted"]
    watching = live.socket("/ws/teacher", f"{teacher} {lesson['id']}")
    live.receive(watching, "room")
    store = live.school.store
    live.until(lambda: store.snapshot(lesson["id"]))  # all is well
    cut_at = datetime.now(UTC)
    cable.cut()
    began, number, times = time.monotonic(), 0, []
    while time.monotonic() - began < GONE_S:
        number += 1
        sent = time.perf_counter()
        live.send(opened, Kind.SIGNALS, number, live.SIGNALS)
        assert live.receive(opened, "ack")["outcome"] == "seen"
        times.append(time.perf_counter() - sent)
        time.sleep(0.5)
        if number == 5:
            assert live.receive(watching, "store")["away_since"] is not None
            told_at = datetime.now(UTC)
            answer = live.ask("POST", "/api/lessons", teacher, {"title": "x"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store")
            assert live.http.get("/readyz").status_code == 503
            # Who wants to stop or to leave is not held up: memory forgets, the rows follow.
            stopped = live.ask("DELETE", "/api/me", other["token"])
            assert (stopped.status_code, stopped.json()) == (202, {"deleted": False})
            assert live.closing(leaving) == 4002
    # A store that is waited for takes seconds, each second; a busy machine holds up one or the other.
    assert float(np.quantile(times, 0.9)) < 1
    mended_at = datetime.now(UTC)
    cable.mend()
    assert live.receive(watching, "store")["away_since"] is None
    assert [one.id for one in store.participants(lesson["id"])] == [student["participant"]]
    (gap,) = store.rows_of(tables.gaps, lesson["id"])
    assert gap["reason"] == "gone"
    assert gap["lost_rows"] == 0
    assert cut_at <= gap["start_at"] <= told_at
    assert mended_at <= gap["end_at"] <= datetime.now(UTC)
    windows = store.rows_of(tables.windows, lesson["id"])
    assert len(windows) >= GONE_S / 5 - 1  # those of the time without a store too


def test_an_answer_that_does_not_come_is_not_waited_for(cable, monkeypatch):
    monkeypatch.setattr(postgres, "ANSWER_S", 0.5)
    cable, through = cable
    engine = open_engine(through)
    store = Store(engine)
    store.check()
    cable.flowing.clear()
    began = time.monotonic()
    with pytest.raises(StoreError) as told:
        store.check()
    assert told.value.reason == "gone"
    assert time.monotonic() - began < 30
    cable.flowing.set()
    store.check()
    store.close()


@pytest.mark.parametrize("is_taken", [True, False])
def test_rows_are_there_once_though_nobody_said_that_they_were_taken(
    postgres_url, fake_time, monkeypatch, is_taken
):
    def commit(connection):
        if is_taken:
            psycopg.Connection.commit(connection)
        connection.pgconn.finish()
        raise psycopg.OperationalError("the connection is lost")

    async def here(call, *arguments):
        with monkeypatch.context() as patched:
            if is_bad and call == store.write:
                patched.setattr(postgres._Connection, "commit", commit, raising=False)
            return call(*arguments)

    engine = open_engine(postgres_url)
    migrate(engine)
    store = Store(engine, fake_time.now)
    at = fake_time.now()
    facts = {"teacher": "k", "title": "t", "decision": {}, "mapping": "m", "started_at": at}
    store.add_lesson(LessonRecord(id="l", code="C", **facts))
    writer = Writer(store, here, fake_time.now, Metrics())
    row = {"lesson": "l", "at": at, "kind": "aggregate", "aggregate": {}}
    is_bad = True
    for fake_time.s in (1, 2):
        assert not asyncio.run(writer.write("l", Batch(aggregates=[row])))
        assert len(store.rows_of(tables.aggregates, "l")) == fake_time.s * is_taken
    fake_time.s, is_bad = 3, False
    assert asyncio.run(writer.write("l", Batch(aggregates=[row])))
    assert len(store.rows_of(tables.aggregates, "l")) == 3
    (gap,) = store.rows_of(tables.gaps, "l")
    assert (gap["end_at"] - gap["start_at"]).total_seconds() == 2
    store.close()


def test_a_transaction_whose_end_is_on_its_way_is_waited_for(postgres_url):
    engine = open_engine(postgres_url)
    store = Store(engine)
    with engine.connect() as connection:
        for end, is_taken in ((connection.commit, True), (connection.rollback, False)):
            number = connection.scalar(sa.select(sa.func.txid_current()))
            with pytest.raises(StoreError, match="not ended the last transaction yet"):
                store.has_taken(number)
            end()
            assert store.has_taken(number) == is_taken
    assert not store.has_taken(2**40)  # of a database that was another one then
    store.close()


@slow
def test_a_commit_that_never_arrives_holds_no_locks_for_long(postgres_url, live_class, monkeypatch):
    options = postgres.CONNECT_ARGUMENTS["options"].replace(
        "session_timeout=10000", "session_timeout=500"
    )
    monkeypatch.setitem(postgres.CONNECT_ARGUMENTS, "options", options)
    engine = open_engine(postgres_url)
    store = Store(engine)

    def is_over(number):
        with contextlib.suppress(StoreError):
            return not store.has_taken(number)
        return False

    with engine.connect() as connection:
        number = connection.scalar(sa.select(sa.func.txid_current()))
        live_class.until(lambda: is_over(number))
        with pytest.raises(sa.exc.DBAPIError):
            connection.commit()
    store.close()


@slow
def test_a_database_that_hangs_holds_up_nobody_who_stops_or_leaves(start, cable, monkeypatch):
    """Stopped, not gone: its machine takes all that is sent, and nothing comes back."""
    cable, through = cable
    monkeypatch.setattr(store_threads, "ASK_S", 5.0)
    monkeypatch.setattr(school, "WITHDRAW_S", 1.5)
    live = start(database_url=through)
    teacher, lesson, student, opened = live.student_inside()
    leaving, stopping = live.join(lesson["code"]), live.join(lesson["code"])
    live.admit(teacher, lesson, leaving["participant"], stopping["participant"])
    left, stopped = (live.socket("/ws/student", one["token"]) for one in (leaving, stopping))
    for one in (left, stopped):
        assert live.receive(one, "welcome")["admitted"]
    for one in (leaving, stopping):  # who wants to stop or leave has asked something before
        assert live.ask("GET", "/api/me", one["token"]).status_code == 200
    watching = live.socket("/ws/teacher", f"{teacher} {lesson['id']}")
    live.receive(watching, "room")
    live.until(lambda: live.school.store.snapshot(lesson["id"]))
    cable.flowing.clear()
    began = time.monotonic()
    answer = live.ask("DELETE", "/api/me", leaving["token"])
    took_s = time.monotonic() - began
    assert (answer.status_code, answer.json()) == (202, {"deleted": False})
    assert live.closing(left) == 4002
    assert took_s < 10, "3 s on a quiet machine"
    off = {"camera": "none", "consent": None}
    assert live.ask("PUT", "/api/me/camera", stopping["token"], off).status_code == 503
    live.send(stopped, Kind.SIGNALS, 1, live.SIGNALS)
    assert live.receive(stopped, "ack")["outcome"] == "stopped"
    ready = live.http.get("/readyz")
    assert (ready.status_code, ready.json()["store"]) == (503, "gone")
    assert live.receive(watching, "store")["reason"] == "gone"
    live.send(opened, Kind.SIGNALS, 1, live.SIGNALS)
    assert live.receive(opened, "ack")["outcome"] == "seen"
    cable.flowing.set()
    assert live.receive(watching, "store")["away_since"] is None
    kept = {one.id for one in live.school.store.participants(lesson["id"])}
    assert kept == {student["participant"], stopping["participant"]}
