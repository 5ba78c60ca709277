import subprocess
import sys

import pytest

from mien.service.limits import Admission, RateLimit
from mien.service.problems import Problem


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_burst_then_a_steady_rate():
    clock = Clock()
    rates = RateLimit(None, rate_per_s=10, burst=3, clock=clock)
    assert [rates.wait_s("school") for _ in range(3)] == [0, 0, 0]
    assert rates.wait_s("school") == pytest.approx(0.1)
    clock.now += 0.1
    assert rates.wait_s("school") == 0
    assert rates.wait_s("school") == pytest.approx(0.1)
    clock.now += 100  # a long rest gives a burst again, and no more
    assert [rates.wait_s("school") for _ in range(4)] == [0, 0, 0, pytest.approx(0.1)]


def test_callers_have_a_bucket_each():
    rates = RateLimit(None, rate_per_s=1, burst=1, clock=Clock())
    assert rates.wait_s("school") == 0
    assert rates.wait_s("lab") == 0
    assert rates.wait_s("school") > 0


def test_what_is_refused_costs_nothing():
    clock = Clock()
    rates = RateLimit(None, rate_per_s=1, burst=1, clock=clock)
    rates.wait_s("school")
    for _ in range(50):
        rates.wait_s("school")
    clock.now += 1
    assert rates.wait_s("school") == 0


def test_more_callers_than_slots_still_pass():
    rates = RateLimit(None, rate_per_s=100, burst=100, clock=Clock())
    waits = [rates.wait_s(f"caller-{number}") for number in range(6000)]
    assert sum(wait > 0 for wait in waits) == 0


ASK = """
import sys
from pathlib import Path
from mien.service.limits import RateLimit
rates = RateLimit(Path(sys.argv[1]), rate_per_s=0.001, burst=50)
print(sum(rates.wait_s("school") == 0 for _ in range(40)))
"""


@pytest.mark.slow
def test_processes_share_a_callers_bucket(tmp_path):
    command = [sys.executable, "-c", ASK, str(tmp_path / "rates")]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in asking) == 50


def test_so_many_requests_and_no_more():
    admission = Admission(max_requests=2, max_bytes=100)
    with admission.enter(), admission.enter():
        with pytest.raises(Problem, match="2 requests are at work") as raised, admission.enter():
            pass
        assert (raised.value.status, raised.value.headers["retry-after"]) == (503, "1")
    assert admission.num_requests == 0


def test_bytes_are_counted_over_all_requests_and_given_back():
    admission = Admission(max_requests=9, max_bytes=100)
    with admission.enter() as one, admission.enter() as other:
        one.grow_to(60)
        one.grow_to(50)  # announced more than came: what was promised stays promised
        assert admission.num_bytes == 60
        with pytest.raises(Problem, match="hold as much memory as they may"):
            other.grow_to(41)
        other.grow_to(40)
    assert admission.num_bytes == 0
