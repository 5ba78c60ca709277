"""The program killed in the middle of a lesson, and told to stop: what is lost, and how soon it is back."""

import asyncio
import itertools
import signal
import threading
import time

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from mien.classroom import tables
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
            opened.recv(timeout=60)
    except ConnectionClosed as closed:
        return closed


def acks(messages):
    return [one for one in messages if one["type"] == "ack"]


def send_until(holds, opened, live_class, first=1):
    """Send four times a second, and return what comes of it, until something holds."""
    numbers, messages, deadline = itertools.count(first), [], time.monotonic() + 120
    while not holds(messages):
        assert time.monotonic() < deadline
        number = next(numbers)
        live_class.send(opened, Kind.SIGNALS, number, b'{"faces": 1}')
        while not messages or messages[-1].get("sequence") != number:
            messages.append(live_class.receive(opened))
        time.sleep(0.25)
    return messages


def test_a_killed_server_goes_on_where_it_was(program, live_class):
    program.start()
    teacher, lesson, student = program.student_inside()
    opening, hello = program.socket(student["token"])
    engine, remembered = open_engine(program.store_url), []
    store = Store(engine)

    def remembers_for_the_third_time(_):
        snapshot = store.snapshot(lesson["id"])
        if snapshot and snapshot["at"] not in remembered:
            remembered.append(snapshot["at"])
        return len(remembered) == 3

    with opening as opened:
        opened.send(hello)
        sent = len(acks(send_until(remembers_for_the_third_time, opened, live_class)))
        store.close()  # nobody but the program holds the file
        program.process.send_signal(signal.SIGKILL)
        until_closed(opened)
    program.process.communicate()
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            whole = connection.exec_driver_sql("PRAGMA integrity_check").fetchone()
        assert tuple(whole) == ("ok",)
    kept = store.rows_of(tables.windows, lesson["id"])
    snapshot = store.snapshot(lesson["id"])
    store.close()
    assert len(kept) >= 1
    # At most so much of the memory is lost; a busy machine holds up one or the other.
    assert snapshot["at"] >= remembered[-1]
    steps = [(b - a).total_seconds() for a, b in itertools.pairwise(remembered)]
    assert min(steps) < 5
    seconds = program.start()
    assert seconds < 60
    used = psutil.Process(program.process.pid).cpu_times()
    assert used.user + used.system < 5, "back within 5 s of a quiet machine"
    opening, hello = program.socket(student["token"])
    with opening as opened:
        opened.send(hello)
        welcome = live_class.receive(opened, "welcome")
        assert welcome["admitted"]
        assert welcome["sequence"] >= sent  # what was sent before is not taken again
        has_read = lambda messages: any(one["type"] == "reading" for one in messages)  # noqa: E731
        messages = send_until(has_read, opened, live_class, welcome["sequence"] + 1)
        reading = next(one for one in messages if one["type"] == "reading")
        assert reading["state"] in ("present", "no_data")
    assert program.ask("GET", f"/api/lessons/{lesson['id']}", teacher)["room"]["admitted"] == 1


def test_sigterm_drains_within_ten_seconds_and_loses_nothing(program, live_class):
    program.start()
    _, lesson, student = program.student_inside()
    opening, hello = program.socket(student["token"])
    with opening as opened:
        opened.send(hello)
        live_class.send(opened, Kind.TAP, 1, b"lost")
        live_class.receive(opened, "tapped")
        began = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        closed = until_closed(opened)
        program.process.wait(60)
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
    middle = len(sizes) // 2
    assert max(sizes[middle:]) <= max(sizes[:middle]) * 1.05


def test_a_lesson_under_other_rules_is_ended(start, tmp_path):
    first = start(tmp_path / "data", mode="class")
    lesson = first.open_lesson(first.teacher())
    first.stop()
    second = start(tmp_path / "data", mode="presence")
    told = second.ask("GET", f"/api/lessons/{lesson['id']}", second.teacher()).json()
    assert told["ended_at"] is not None
    assert second.school.lessons == {}
