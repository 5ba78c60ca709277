import subprocess
import sys
import threading
import time

import pytest

from mien.recognition.pipeline import in_order, newest


def count(limit, made=None):
    for number in range(limit):
        if made is not None:
            made.append(number)
        yield number


def test_results_come_in_the_order_of_the_items():
    def slow_for_some(number):
        time.sleep(0.003 if number % 3 == 0 else 0)
        return number * number

    groups = list(in_order(slow_for_some, count(40), workers=4, window=6, group=4))
    assert [pair for group in groups for pair in group] == [(n, n * n) for n in range(40)]
    assert all(1 <= len(group) <= 4 for group in groups)


def test_no_more_than_the_window_is_made_ahead():
    made = []
    taken = 0
    for group in in_order(lambda item: item, count(60, made), workers=2, window=5, group=1):
        taken += len(group)
        time.sleep(0.001)
        # Places of what was handed on are free again, and one item may be on its way.
        assert len(made) <= taken + 5 + 1
    assert taken == 60


def test_the_function_runs_in_several_threads_at_once():
    meeting = threading.Barrier(2, timeout=60)
    list(in_order(lambda _: meeting.wait(), count(4), workers=2, window=4, group=1))


@pytest.mark.parametrize("where", ["items", "function"])
def test_a_failure_comes_after_all_results_before_it(where):
    def items():
        yield from range(5)
        if where == "items":
            raise OSError("cut off")
        yield 5

    def function(item):
        if item == 5:
            raise OSError("cut off")
        return item

    seen = []

    def drain():
        for group in in_order(function, items(), workers=2, window=4, group=3):
            seen.extend(item for item, _ in group)

    with pytest.raises(OSError, match="cut off"):
        drain()
    assert seen == [0, 1, 2, 3, 4]


def test_stopping_early_closes_the_items_and_ends_the_threads():
    closed = threading.Event()

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.set()

    before = set(threading.enumerate())
    groups = in_order(lambda item: item, items(), workers=2, window=4, group=1)
    assert next(groups) == [(0, 0)]
    groups.close()
    assert closed.is_set()
    assert set(threading.enumerate()) <= before


def test_who_is_slow_gets_the_newest():
    ready = threading.Event()
    last_taken = threading.Event()

    def camera():
        yield 0
        ready.wait(60)
        yield from range(1, 1000)
        last_taken.set()

    frames = newest(camera())
    assert next(frames) == 0
    ready.set()
    assert last_taken.wait(60)
    assert next(frames) == 999
    assert list(frames) == []


def test_a_camera_s_failure_is_passed_on_after_its_last_item():
    def camera():
        yield 7
        raise OSError("unplugged")

    frames = newest(camera())
    assert next(frames) == 7
    with pytest.raises(OSError, match="unplugged"):
        next(frames)


def test_closing_ends_a_camera():
    closed = threading.Event()

    def camera():
        try:
            while True:
                time.sleep(0.001)
                yield 1
        finally:
            closed.set()

    frames = newest(camera())
    next(frames)
    frames.close()
    assert closed.is_set()


LEFT_EARLY = """
import atexit, sys, threading
from mien.recognition.pipeline import in_order, newest

def is_over():
    # The first hook is the last to be called: by then no thread of ours may run.
    print([one.name for one in threading.enumerate() if one.name.startswith("mien")])

atexit.register(is_over)

def items():
    try:
        yield from iter(int, 1)
    finally:
        print("closed")

groups = in_order(lambda item: item, newest(items()) if LIVE else items(), workers=2, window=4, group=1)
for group in groups:
    break
END
"""


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("sys.exit(3)", 3), ("raise ValueError('mine')", 1)]
)
def test_a_program_that_leaves_a_loop_early_ends_in_peace(is_live, end, code):
    program = LEFT_EARLY.replace("END", end).replace("LIVE", str(is_live))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines() == ["closed", "[]"]
