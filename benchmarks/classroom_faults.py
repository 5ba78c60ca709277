"""How the live class bears faults: connections that break all at once or fall silent, and kill -9 in the middle.

    python benchmarks/classroom_faults.py storm      30 of 60 students lose their connections every 5 s and come back
    python benchmarks/classroom_faults.py silent     30 of 60 stop reading and answer no ping, as if unplugged
    python benchmarks/classroom_faults.py kill       the server is killed with 60 students and started again

Each prints its figures and fails where one misses its bound. Students send probabilities, as their own devices would, so
that the connections are measured and not the recognisers; answers then come within a few ms, and a tenth of that is the
machine's own noise. So the calm lesson is held undisturbed before and after, and the bound is 20 % over the slower of the
two. ``--faces drawn`` lets the calm students send pictures, as in `classroom_load.py load`. ``--minutes`` is the length of
each part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from classroom_load import KEY, Run, Server, check, main, metrics, painted, server
from websockets.asyncio.client import ClientConnection, connect

from mien.classroom.client import SimulatedTeacher, ask
from mien.classroom.protocol import Kind, encode
from mien.classroom.simulate import Outcome, PictureOf, simulate
from mien.classroom.simulator import Scenario

SILENCE_S = 25.0
"""The server closes a connection whose pings nobody answers after twenty seconds."""


def storm(args: argparse.Namespace) -> list[str]:
    """Half of the students lose their connections all at once, every five seconds, and come back."""
    return compare(args, "cut")


def silent(args: argparse.Namespace) -> list[str]:
    """Half of the students stop reading and answer no ping."""
    return compare(args, "silent")


def compare(args: argparse.Namespace, disturbance: str) -> list[str]:
    """Hold a calm lesson beside one that is disturbed, and compare it with itself beside the same lesson undisturbed."""
    students, seconds = (args.students or 60) // 2, args.minutes * 60
    calm = Scenario(name="calm", duration_s=seconds, num_students=students, fps=2, dropped=0)
    picture = painted(calm) if args.faces == "drawn" else None
    with server(args.detector) as running:
        before = beside(running.base, calm, "none", picture)
        during = beside(running.base, calm, disturbance, picture)
        after = beside(running.base, calm, "none", picture)
        counts = metrics(running.base)
    left = sum(count for name, count in counts.items() if name.startswith("mien_sockets"))
    parts = (before, during, after)
    p95 = [round(one.percentile_ms(0.95), 2) for one in parts]
    figures = {
        "parts": ["before", disturbance, "after"],
        "p50_ms": [round(one.percentile_ms(0.5), 2) for one in parts],
        "p95_ms": p95,
        "answered": [one.counts["seen"] for one in parts],
        "unanswered": [one.counts["unanswered"] for one in parts],
        "reconnects": [one.reconnects for one in parts],
        "sockets_left": left,
    }
    print(json.dumps(figures, indent=2))
    failures: list[str] = []
    check("others unchanged ±20 %", p95[1] <= 1.2 * max(p95[0], p95[2]), failures)
    lost = during.counts["unanswered"] + during.reconnects
    check("others lose nothing", lost == 0, failures)
    check("no connection is left", left == 0, failures)
    return failures


def beside(base: str, calm: Scenario, disturbance: str, picture: PictureOf | None) -> Outcome:
    """Return what came of the calm lesson.

    The others live in a process of their own, or thirty handshakes at once would hold up the calm students' clocks too.
    """
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    facts = (base, calm.num_students, calm.duration_s, disturbance, KEY, ready)
    process = spawn.Process(target=others, args=facts)
    process.start()
    ready.wait(60)
    outcome = asyncio.run(simulate(base, calm, key=KEY, picture=picture))
    process.join()
    return outcome


def others(
    base: str, students: int, seconds: float, disturbance: str, key: str, ready: Any
) -> None:
    """Hold the other lesson."""
    asyncio.run(_others(base, students, seconds, disturbance, key, ready))


async def _others(
    base: str, students: int, seconds: float, disturbance: str, key: str, ready: Any
) -> None:
    teacher = await asyncio.to_thread(SimulatedTeacher, base, key)
    watching = asyncio.create_task(teacher.run(lambda _: None))
    policy = await asyncio.to_thread(ask, base, "GET", "/api/policy")
    body = {"code": teacher.lesson["code"], "camera": "device", "consent": policy["consent"]}
    tokens = [ask(base, "POST", "/api/join", None, body)["token"] for _ in range(students)]
    await asyncio.sleep(1)  # they are let in
    ready.set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        opened = await asyncio.gather(*(come(base, token) for token in tokens))
        sending = [asyncio.create_task(send(*one)) for one in opened]
        await asyncio.sleep(seconds if disturbance == "none" else 4.5)
        for task in sending:
            task.cancel()
        for connection, _ in opened:
            if disturbance == "silent":
                connection.transport.pause_reading()  # pings stay unanswered
            else:
                connection.transport.abort()
        if disturbance == "silent":
            await asyncio.sleep(max(0.0, end - time.monotonic()) + SILENCE_S)
    await asyncio.sleep(1)
    await teacher.end()
    await watching


async def come(base: str, token: str) -> tuple[ClientConnection, int]:
    """Connect, and return the connection with the last number that the server has seen."""
    address = base.replace("http", "ws", 1) + "/ws/student"
    opened = await connect(address, origin=base, compression=None)  # type: ignore[arg-type]
    await opened.send(encode(Kind.HELLO, 0, 0, token.encode()))
    return opened, int(json.loads(await opened.recv())["sequence"])


async def send(opened: ClientConnection, sequence: int) -> None:
    """Send twice a second and read what is answered."""
    while True:
        sequence += 1
        await opened.send(encode(Kind.SIGNALS, sequence, 0, b'{"faces": 0}'))
        await opened.recv()
        await asyncio.sleep(0.5)


def kill(args: argparse.Namespace) -> list[str]:
    """Kill the server with -9 in the middle of a lesson and start it again."""
    students, seconds = args.students or 60, args.minutes * 60
    script = Scenario(name="kill", duration_s=2 * seconds, num_students=students, fps=1, dropped=0)
    figures: dict[str, Any] = {}
    with server(args.detector) as running:
        killer = threading.Thread(target=_kill, args=(running, seconds, students, figures))
        killer.start()
        outcome = asyncio.run(simulate(running.base, script, key=KEY))
        killer.join()
    figures["reconnects"] = outcome.reconnects
    figures["unanswered"] = outcome.counts["unanswered"]
    print(json.dumps(figures, indent=2))
    failures: list[str] = []
    check("back within 5 s", figures["ready_s"] <= 5, failures)
    check("at most 5 s lost", figures["lost_s"] <= 5, failures)
    check("the store is whole", figures["integrity"] == "ok", failures)
    check("everybody is back", figures["students_back"] == students, failures)
    return failures


def _kill(running: Server, after_s: float, students: int, figures: dict[str, Any]) -> None:
    time.sleep(after_s)
    running.process.kill()
    killed = datetime.now(UTC)
    running.process.wait()
    with closing(sqlite3.connect(running.store_file)) as connection:
        figures["integrity"] = connection.execute("PRAGMA integrity_check").fetchone()[0]
        (text,) = connection.execute("SELECT at FROM snapshots").fetchone()
    snapshot = datetime.fromisoformat(text).replace(tzinfo=UTC)
    figures["lost_s"] = round((killed - snapshot).total_seconds(), 2)
    began = time.monotonic()
    running.start()
    figures["ready_s"] = round(time.monotonic() - began, 2)
    back = 0.0
    while back < students and time.monotonic() - began < 30:
        back = metrics(running.base).get('mien_sockets{role="student"}', 0.0)
        time.sleep(0.1)
    figures["students_back"] = back
    figures["all_back_s"] = round(time.monotonic() - began, 2)


RUNS: dict[str, tuple[Run, float]] = {
    "kill": (kill, 0.25),
    "storm": (storm, 2.0),
    "silent": (silent, 2.0),
}

if __name__ == "__main__":
    main(RUNS, __doc__ or "", faces="none")
