"""The program killed in the middle of a lesson, and told to stop: what is lost, and how soon it is back."""

import asyncio
import os
import signal
import threading
import time

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from mien.classroom import protocol, tables
from mien.classroom.database import open_engine
from mien.classroom.protocol import Kind
from mien.classroom.simulate import simulate
from mien.classroom.simulator import Scenario
from mien.classroom.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def program(start_program, store_url):
    """On SQLite and on PostgreSQL."""
    return start_program(store_url, "presence")


def until_closed(opened):
    """Read until the end; return how it came."""
    try:
        while True:
            opened.recv(timeout=10)
    except ConnectionClosed as closed:
        return closed


def send_for(opened, first, seconds):
    number = first
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        opened.send(protocol.encode(Kind.SIGNALS, number, 0, b'{"faces": 1}'))
        number += 1
        time.sleep(0.25)
    return number


def test_a_killed_server_goes_on_where_it_was(program, live_class):
    program.start()
    teacher, lesson, student = program.student_inside()
    opening, hello = program.socket(student["token"])
    with opening as opened:
        opened.send(hello)
        send_for(opened, 1, 13)
        program.process.send_signal(signal.SIGKILL)
        killed = time.time()
        until_closed(opened)
    program.process.communicate()
    engine = open_engine(program.store_url)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            whole = connection.exec_driver_sql("PRAGMA integrity_check").fetchone()
        assert tuple(whole) == ("ok",)
    store = Store(engine)
    kept = store.rows_of(tables.windows, lesson["id"])
    snapshot = store.snapshot(lesson["id"])
    store.close()
    assert len(kept) >= 1
    assert killed - snapshot["at"].timestamp() < 5 + 1  # at most so much of the memory is lost
    seconds = program.start()
    assert seconds < 5 * (1 + os.getloadavg()[0]), "back within 5 s of a quiet machine"
    opening, hello = program.socket(student["token"])
    with opening as opened:
        opened.send(hello)
        welcome = live_class.receive(opened, "welcome")
        assert (welcome["admitted"], welcome["sequence"]) == (True, 0)
        send_for(opened, 1, 7)
        assert live_class.receive(opened, "reading")["state"] in ("present", "no_data")
    assert program.ask("GET", f"/api/lessons/{lesson['id']}", teacher)["room"]["admitted"] == 1


def test_sigterm_drains_within_ten_seconds_and_loses_nothing(program):
    program.start()
    _, lesson, student = program.student_inside()
    opening, hello = program.socket(student["token"])
    with opening as opened:
        opened.send(hello)
        opened.recv(timeout=5)
        opened.send(protocol.encode(Kind.TAP, 1, 0, b"lost"))
        opened.recv(timeout=5)
        began = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        closed = until_closed(opened)
        program.process.wait(10)
    assert time.monotonic() - began < 10
    assert closed.rcvd.code == 1012
    store = Store(open_engine(program.store_url))
    assert [row["answer"] for row in store.rows_of(tables.self_reports, lesson["id"])] == ["lost"]
    store.close()
    assert "Traceback" not in program.process.stdout.read()


def test_memory_stays_where_it_was_in_a_short_soak(program, live_class):
    """Half an hour of it: benchmarks/classroom_load.py soak."""
    program.start()
    script = Scenario(name="soak", duration_s=35, num_students=20, fps=8, dropped=0)
    lesson = threading.Thread(
        target=lambda: asyncio.run(
            simulate(program.base, script, key=live_class.KEY, keeps_pace=False)
        )
    )
    lesson.start()
    process, sizes = psutil.Process(program.process.pid), []
    while lesson.is_alive():
        sizes.append(process.memory_info().rss)
        time.sleep(1)
    assert len(sizes) > 30
    assert max(sizes) <= sizes[15] * 1.05


def test_a_lesson_under_other_rules_is_ended(start, tmp_path):
    first = start(tmp_path / "data", mode="class")
    lesson = first.open_lesson(first.teacher())
    first.stop()
    second = start(tmp_path / "data", mode="presence")
    told = second.ask("GET", f"/api/lessons/{lesson['id']}", second.teacher()).json()
    assert told["ended_at"] is not None
    assert second.school.lessons == {}
