"""Rounds that go on, whatever one of them does; on a clock that is told the time."""

import asyncio
from types import SimpleNamespace

import pytest

from mien.classroom import rounds
from mien.classroom.rounds import PAUSE_S, for_ever


@pytest.fixture
def begin(fake_time, monkeypatch):
    """Go round; each round takes so many seconds, or fails. Return when each began."""

    async def sleep(seconds):
        fake_time.s += seconds

    monkeypatch.setattr(rounds, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=fake_time.clock))

    def go_round(every_s, *takes):
        began_s, left = [], list(takes)

        async def step():
            began_s.append(fake_time.s)
            if not left:
                raise asyncio.CancelledError
            if left[0] is KeyError:
                raise left.pop(0)(f"round {len(began_s)}")
            fake_time.s += left.pop(0)

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(for_ever("Counting", step, every_s))
        return began_s

    return go_round


def test_an_error_is_logged_and_the_next_round_comes_after_a_pause(begin, caplog):
    assert begin(0.0, KeyError, KeyError, 1) == [0, PAUSE_S, 2 * PAUSE_S, 2 * PAUSE_S + 1]
    assert caplog.text.count("Counting went wrong; it goes on in a moment.") == 2
    assert "KeyError: 'round 2'" in caplog.text


def test_rounds_begin_at_equal_times_whatever_they_take(begin):
    assert begin(10.0, 1, 5, 0, KeyError, 3) == [10, 20, 30, 40, 50, 60]


def test_a_round_that_takes_too_long_leaves_time_to_others(begin):
    assert begin(10.0, 30, 9.8) == [10, 40.5, pytest.approx(50.8)]
