import pytest

from mien.classroom.pace import SLOWEST_MS, LoadMeter, Pace


def test_the_pace_falls_above_90_percent_and_recovers_below_72():
    pace = Pace(500)
    pace.adapt(0.90)
    assert pace.ms == 500
    pace.adapt(0.91)
    assert pace.ms == 650
    for load in (0.89, 0.72, 0.8):  # between the two it stays
        pace.adapt(load)
        assert pace.ms == 650
    pace.adapt(0.71)
    assert pace.ms == 585
    for _ in range(20):
        pace.adapt(0.1)
    assert pace.ms == 500
    for _ in range(50):
        pace.adapt(1.0)
    assert pace.ms == SLOWEST_MS


def test_an_operator_s_slow_pace_is_never_left():
    pace = Pace(10_000)
    pace.adapt(1.0)
    assert pace.ms == 10_000


def test_load_is_the_larger_of_processors_and_recognisers(monkeypatch):
    monkeypatch.setattr("mien.classroom.pace.usable_cores", lambda: 2)
    at = {"s": 0.0, "cpu": 0.0, "busy": 0.0}
    meter = LoadMeter(lambda: at["busy"], 4, lambda: at["s"], lambda: at["cpu"])
    at.update(s=1.0, cpu=1.0, busy=1.0)  # half of two processors, a quarter of four recognisers
    assert meter.read() == pytest.approx(0.5)
    at.update(s=2.0, cpu=1.2, busy=4.8)  # others took the processors: recognisers wait, busy
    assert meter.read() == pytest.approx(0.95)
    assert meter.read() == 0.0
