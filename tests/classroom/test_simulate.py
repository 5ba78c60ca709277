"""A scripted class against a real server: every message is answered, and the counts on both sides agree."""

import asyncio
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from mien.classroom import client
from mien.classroom.client import ClientError, SimulatedStudent, SimulatedTeacher
from mien.classroom.signals import State
from mien.classroom.simulate import simulate
from mien.classroom.simulator import Scenario, Stretch

pytestmark = pytest.mark.slow


def answered(live):
    lines = live.http.get("/metrics").text.splitlines()
    counts = {}
    for line in lines:
        if line.startswith("mien_messages_answered_total"):
            counts[line.split('"')[1]] = float(line.split()[-1])
    return counts


@pytest.mark.parametrize("mode", ["class", "presence"])
def test_students_are_let_in_and_every_message_is_counted_once(start, mode):
    live = start(mode=mode)
    away = Stretch(state=State.AWAY, from_s=0, to_s=60, students=(0, 1))
    script = Scenario(name="s", duration_s=12, num_students=6, fps=2, stretches=(away,))
    outcome = asyncio.run(simulate(live.base, script, key=live.KEY))
    counts = {
        k: v for k, v in outcome.counts.items() if k not in ("unsent", "unanswered", "tapped")
    }
    assert counts == answered(live)
    assert counts["seen"] > 40
    assert outcome.counts["unanswered"] == outcome.reconnects == 0
    assert len(outcome.latencies_s) == sum(counts.values())
    assert outcome.percentile_ms(0.5) <= outcome.percentile_ms(0.95)


def test_frames_travel_as_pictures(start):
    live = start()
    script = Scenario(name="s", duration_s=8, num_students=3, fps=1, dropped=0)
    outcome = asyncio.run(simulate(live.base, script, key=live.KEY, picture=lambda *_: live.jpeg()))
    assert outcome.counts["seen"] >= 9
    assert answered(live) == {"seen": outcome.counts["seen"]}


def test_students_send_as_often_as_they_are_told(start):
    """Not only those frames of their script that are far enough apart, which would be one a second here."""
    live = start(pace_ms=600)
    script = Scenario(name="s", duration_s=9, num_students=1, fps=2, dropped=0)
    outcome = asyncio.run(simulate(live.base, script, key=live.KEY))
    assert 12 <= outcome.counts["seen"] <= 15
    assert outcome.counts["unsent"] >= 1


def test_a_lesson_that_nobody_could_join_is_ended(start):
    live = start(device_signals=False)
    script = Scenario(name="s", duration_s=2, num_students=2)
    with pytest.raises(ClientError, match="This server takes pictures only"):
        asyncio.run(simulate(live.base, script, key=live.KEY))
    assert not live.school.lessons


def test_the_teacher_stays_signed_in_for_as_long_as_the_lesson_lasts(start, monkeypatch):
    late, asked = timedelta(), []

    def ask(base, method, path, *more, **body):
        asked.append(method)
        return client_ask(base, method, path, *more, **body)

    client_ask = client.ask
    monkeypatch.setattr(client, "ask", ask)
    monkeypatch.setattr(client, "STAY_SIGNED_IN_S", 0.1)
    live = start(parts={"now": lambda: datetime.now(UTC) + late})
    teacher = SimulatedTeacher(live.base, live.KEY)

    async def two_hours():
        nonlocal late
        sitting = asyncio.create_task(teacher.run(lambda _: None))
        async with asyncio.timeout(60):
            for _ in range(3):
                late += timedelta(minutes=40)
                seen = asked.count("GET")
                while asked.count("GET") < seen + 2:  # one of them after the clock went on
                    await asyncio.sleep(0.05)
            await teacher.end()
            await sitting

    asyncio.run(two_hours())
    assert not live.school.lessons


def test_a_student_whose_token_is_over_comes_back_by_the_receipt(start, monkeypatch):
    late = timedelta()
    join = SimulatedStudent.join

    async def join_and_sleep(student):
        nonlocal late
        await join(student)
        late = timedelta(minutes=20)

    monkeypatch.setattr(SimulatedStudent, "join", join_and_sleep)
    live = start(parts={"now": lambda: datetime.now(UTC) + late})
    script = Scenario(name="s", duration_s=6, num_students=1, fps=2, dropped=0)
    outcome = asyncio.run(simulate(live.base, script, key=live.KEY))
    assert outcome.reconnects == 1
    assert outcome.counts["seen"] > 2


def test_a_lesson_that_somebody_else_ends_is_over_for_everybody(start):
    live = start()
    script = Scenario(name="s", duration_s=300, num_students=2, fps=2, dropped=0)

    async def ended_by_hand():
        taking_part = asyncio.create_task(simulate(live.base, script, key=live.KEY))
        async with asyncio.timeout(60):
            while not answered(live).get("seen"):
                await asyncio.sleep(0.1)
            (lesson,) = live.school.lessons
            token = await asyncio.to_thread(live.teacher)
            await asyncio.to_thread(live.ask, "POST", f"/api/lessons/{lesson}/end", token)
            return await taking_part

    outcome = asyncio.run(ended_by_hand())
    assert outcome.counts["seen"] > 0
    assert outcome.reconnects == 0


def test_nobody_comes_back_for_ever_to_a_lesson_that_had_ended(start):
    live = start()
    teacher = SimulatedTeacher(live.base, live.KEY)
    student = SimulatedStudent(live.base, teacher.lesson["code"], "none", None, iter(()), 1.0)

    async def too_late():
        await student.join()
        await teacher.end()
        async with asyncio.timeout(30):
            await asyncio.gather(teacher.run(lambda _: None), student.run(time.monotonic() + 600))

    asyncio.run(too_late())
    assert student.reconnects == 0


def test_a_teacher_comes_back_late_in_a_long_lesson(start):
    live = start()
    teacher = SimulatedTeacher(live.base, live.KEY)
    (lesson,) = live.school.lessons.values()
    shares = {"type": "aggregate", "percent": {state.value: 10 for state in State}}
    lesson.history += [{**shares, "time_s": 5.0 * number} for number in range(8640)]  # 12 hours

    async def come_back():
        told = asyncio.Event()
        sitting = asyncio.create_task(teacher.run(lambda _: told.set()))
        async with asyncio.timeout(30):
            await told.wait()
            await teacher.end()
            await sitting

    asyncio.run(come_back())


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("localhost:8432", "localhost:8432 is no address of a server; expected http://"),
        ("http://a b", r"http://a b is no live class \(InvalidURL\)"),
    ],
)
def test_an_address_that_is_none_is_named(base, told):
    with pytest.raises(ClientError, match=told):
        client.ask(base, "GET", "/api/policy")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
    ],
)
def test_whoever_else_listens_there_is_no_live_class(answer):
    with socket.create_server(("127.0.0.1", 0)) as other:

        def speak():
            opened, _ = other.accept()
            with opened:
                opened.recv(4096)
                opened.sendall(answer)

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(ClientError, match=r"is no live class \(\w+\)\. Give the address"):
            client.ask(f"http://127.0.0.1:{other.getsockname()[1]}", "GET", "/api/policy")
        thread.join(60)
