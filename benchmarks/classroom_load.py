"""How the live class bears load: latency, counts that reconcile, memory, overload. Faults are in classroom_faults.py.

Starts `mien classroom serve` in a process of its own and lets simulated students take part in it:

    python benchmarks/classroom_load.py load                      60 students, 2 frames a second, 10 minutes
    python benchmarks/classroom_load.py crowd                     200 students, 1 message a second, 5 minutes
    python benchmarks/classroom_load.py soak --minutes 30         memory after a warm-up and at the end
    python benchmarks/classroom_load.py overload                  four times what the machine bears

Each prints its figures and fails where one misses its bound. ``--minutes`` shortens a run. Frames are drawn faces;
``--faces none`` sends probabilities, as students' own devices would.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.classroom.signals import load_mapping
from mien.classroom.simulate import Outcome, PictureOf, simulate
from mien.classroom.simulator import FramePainter, Scenario
from mien.data.synthetic import draw_scene

KEY = secrets.token_urlsafe(18)
WARM_UP_S = 60.0


class Server:
    """`mien classroom serve` on a free port, with a store of its own; it can be killed and started again."""

    def __init__(self, folder: str, detector: str) -> None:
        """Say where its store is."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.store_file = Path(folder) / "classroom.sqlite"
        self.environment = {
            **os.environ,
            "MIEN_CLASSROOM_JURISDICTION": "KR",
            "MIEN_CLASSROOM_CONTEXT": "education",
            "MIEN_CLASSROOM_MODE": "class",
            "MIEN_CLASSROOM_PORT": str(self.port),
            "MIEN_CLASSROOM_DATA_DIR": folder,
            "MIEN_CLASSROOM_TEACHER_KEYS": f"bench:{KEY}",
            "MIEN_CLASSROOM_DETECTOR": detector,
            "MIEN_CLASSROOM_DEVICE_SIGNALS": "true",
        }

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [sys.executable, "-m", "mien", "classroom", "serve"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"{self.base}/readyz", timeout=2):  # noqa: S310
                    return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(self.process.stderr.read().decode()) from None
                time.sleep(0.05)
        raise SystemExit("the server did not start")

    def memory_mb(self) -> float:
        """Return its resident memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return float("nan")


@contextmanager
def server(detector: str) -> Iterator[Server]:
    """Run a server for as long as a measurement takes."""
    with tempfile.TemporaryDirectory() as folder:
        made = Server(folder, detector)
        made.start()
        try:
            yield made
        finally:
            made.process.terminate()
            made.process.wait(15)


def metrics(base: str) -> dict[str, float]:
    """Return the server's own counts."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
        for line in lines
        if not line.startswith("#")
    }


async def watch_memory(running: Server, seen: list[tuple[float, float]]) -> None:
    """Note time and memory every five seconds."""
    began = time.monotonic()
    while True:
        seen.append((time.monotonic() - began, running.memory_mb()))
        await asyncio.sleep(5)


def painted(script: Scenario) -> PictureOf:
    """Return drawn frames, painted before, so that the server is measured and not the painter."""
    picture = FramePainter(draw_scene).frame
    for student in range(script.num_students):
        for number in range(4):
            picture(student, script.state_at(student, 0), number)
    return picture


def hold_lesson(
    args: argparse.Namespace, students: int, fps: float, keeps_pace: bool = True
) -> tuple[Outcome, dict[str, float], list[tuple[float, float]]]:
    """Let so many students take part, and return what came of it."""
    script = Scenario(
        name="load", duration_s=args.minutes * 60, num_students=students, fps=fps, dropped=0
    )
    picture = painted(script) if args.faces == "drawn" else None

    async def run(running: Server) -> tuple[Outcome, list[Any]]:
        seen: list[tuple[float, float]] = []
        watching = asyncio.create_task(watch_memory(running, seen))
        outcome = await simulate(
            running.base, script, key=KEY, picture=picture, keeps_pace=keeps_pace
        )
        watching.cancel()
        return outcome, seen

    with server(args.detector) as running:
        outcome, seen = asyncio.run(run(running))
        return outcome, metrics(running.base), seen


def report(
    outcome: Outcome, counts: dict[str, float], seen: list[tuple[float, float]]
) -> dict[str, Any]:
    """Gather the figures of a run."""
    kept = [mb for at_s, mb in seen if at_s > min(WARM_UP_S, seen[-1][0] / 2)]
    answered = {
        name.split('"')[1]: count
        for name, count in counts.items()
        if name.startswith("mien_messages_answered_total")
    }
    said = {k: v for k, v in outcome.counts.items() if k not in ("unsent", "unanswered", "tapped")}
    return {
        "sent_and_answered": said,
        "server_answered": answered,
        "reconciles": {k: float(v) for k, v in said.items()} == answered,
        "unanswered": outcome.counts["unanswered"],
        "unsent_for_pace": outcome.counts["unsent"],
        "reconnects": outcome.reconnects,
        "p50_ms": round(outcome.percentile_ms(0.5), 1),
        "p95_ms": round(outcome.percentile_ms(0.95), 1),
        "p99_ms": round(outcome.percentile_ms(0.99), 1),
        "max_ms": round(outcome.percentile_ms(1), 1),
        "pace_ms": counts["mien_pace_seconds"] * 1000,
        "memory_mb": [round(kept[0], 1), round(max(kept), 1), round(kept[-1], 1)],
    }


def check(name: str, holds: bool, failures: list[str]) -> None:
    """Say whether a bound is kept."""
    print(f"{'ok  ' if holds else 'MISS'} {name}")
    if not holds:
        failures.append(name)


def load(args: argparse.Namespace) -> list[str]:
    """60 students at two frames a second: no error, 95 % within 50 ms, and not by sending less."""
    students = args.students or 60
    figures = report(*hold_lesson(args, students, 2.0))
    figures["share_sent"] = round(
        sum(figures["sent_and_answered"].values()) / (students * 2.0 * args.minutes * 60), 3
    )
    print(json.dumps(figures, indent=2))
    failures: list[str] = []
    check("97 % of two frames a second", figures["share_sent"] >= 0.97, failures)
    errors = figures["unanswered"] + figures["sent_and_answered"].get("refused", 0)
    check("no errors", errors == 0, failures)
    check("p95 <= 50 ms", figures["p95_ms"] <= 50, failures)
    check("counts reconcile", figures["reconciles"], failures)
    return failures


def crowd(args: argparse.Namespace) -> list[str]:
    """200 students at one message a second: each is answered or explicitly dropped, and the counts reconcile."""
    figures = report(*hold_lesson(args, args.students or 200, 1.0))
    print(json.dumps(figures, indent=2))
    failures: list[str] = []
    check("every message answered", figures["unanswered"] == 0, failures)
    check("counts reconcile", figures["reconciles"], failures)
    return failures


def soak(args: argparse.Namespace) -> list[str]:
    """Memory after a warm-up and at the end."""
    figures = report(*hold_lesson(args, args.students or 30, 2.0))
    print(json.dumps(figures, indent=2))
    first, most, _ = figures["memory_mb"]
    failures: list[str] = []
    check("memory grows by 5 % at most", most <= first * 1.05, failures)
    check("memory grows by 100 MB at most", most - first <= 100, failures)
    return failures


def overload(args: argparse.Namespace) -> list[str]:
    """Four times as many students as the machine bears: slower, never older than two seconds, no more memory."""
    outcome, counts, seen = hold_lesson(args, args.students or 240, 2.0)
    figures = report(outcome, counts, seen)
    figures["screen_late_s"] = screen_late_s(outcome)
    print(json.dumps(figures, indent=2))
    failures: list[str] = []
    check("the pace falls", figures["pace_ms"] > 500, failures)
    check("answers are at most 2 s old", figures["p99_ms"] <= 2000, failures)
    check("the teacher's page is at most 2 s late", figures["screen_late_s"] <= 2, failures)
    check("memory is bounded", figures["memory_mb"][1] - figures["memory_mb"][0] <= 100, failures)
    check("counts reconcile", figures["reconciles"], failures)
    return failures


def screen_late_s(outcome: Outcome) -> float:
    """How much later than it should the teacher's page got a window; the lesson begins with the script."""
    held_back_s = load_mapping().aggregate.delay_s
    late = [
        one["received_s"] - one["time_s"] - held_back_s
        for one in outcome.messages
        if one["type"] == "aggregate"
    ]
    return round(max(late), 2) if late else float("nan")


Run = Callable[[argparse.Namespace], list[str]]
RUNS: dict[str, tuple[Run, float]] = {
    "load": (load, 10.0),
    "crowd": (crowd, 5.0),
    "soak": (soak, 30.0),
    "overload": (overload, 2.0),
}


def arguments(runs: Iterable[str], about: str, faces: str) -> argparse.Namespace:
    """Read what both benchmarks are told; ``faces`` is what students send unless something else is asked for."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    first = next(iter(runs))
    parser.add_argument("run", nargs="?", choices=list(runs), default=first, help=first)
    parser.add_argument("--minutes", type=float, help="how long; the default is the run's own")
    parser.add_argument("--students", type=int, help="how many; the default is the run's own")
    parser.add_argument(
        "--faces", choices=["drawn", "none"], default=faces, help="pictures, or probabilities"
    )
    parser.add_argument("--detector", default="auto", help="auto, haar or yunet")
    return parser.parse_args()


def main(runs: dict[str, tuple[Run, float]], about: str, faces: str = "drawn") -> None:
    """Run what is asked for; the exit status is 1 if a bound is missed."""
    args = arguments(runs, about, faces)
    run, minutes = runs[args.run]
    args.minutes = args.minutes or minutes
    sys.exit(1 if run(args) else 0)


if __name__ == "__main__":
    main(RUNS, __doc__)
