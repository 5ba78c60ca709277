"""A scripted class against a real server: every message is answered, and the counts on both sides agree."""

import asyncio

import pytest

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
