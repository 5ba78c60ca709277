import subprocess
import sys
import threading
import time

import pytest

from mien.service import supervisor as module
from mien.service.door import Board
from mien.service.supervisor import Supervisor


def starting(code):
    """Return a function that starts a process, and the list of those it has started."""
    started = []

    def start(_place):
        process = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)
        started.append(process)
        return process

    return start, started


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "board", 2)


@pytest.mark.parametrize(
    ("code", "how"),
    [("raise SystemExit(3)", "exit code 3"), ("import os; os.abort()", "by signal 6")],
)
def test_processes_that_cannot_live_are_given_up(caplog, board, code, how):
    start, started = starting(code)
    assert Supervisor(start, 1, 1, board).run() == 1
    assert len(started) == module._MOST_EARLY_DEATHS
    assert f"Workers end as soon as they start ({how}); giving up." in caplog.text


def test_processes_that_have_opened_the_door_are_replaced_however_soon_they_end(board):
    start, started = starting("")

    def start_and_beat(place):
        process = start(place)
        board.write(place, 0, 1)
        return process

    supervisor = Supervisor(start_and_beat, 1, 1, board)
    look_after(supervisor, started, lambda: len(started) == module._MOST_EARLY_DEATHS + 3)


def test_who_does_not_end_in_time_is_killed(monkeypatch, caplog, board, tmp_path):
    monkeypatch.setattr(module, "_SHUT_S", 0.1)
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    deaf = tmp_path / "deaf"
    deaf.mkdir()
    start, started = starting(
        "import os, signal, sys, time; signal.signal(15, signal.SIG_IGN);"
        f"open(os.path.join({str(deaf)!r}, str(os.getpid())), 'w').close();"
        "sys.stdin.read(); time.sleep(600)"
    )
    told = []
    supervisor = Supervisor(start, 2, 0.1, board, lambda: told.append(board.is_ending()))
    running = threading.Thread(target=supervisor.run)
    running.start()
    deadline = time.monotonic() + 60
    while len(list(deaf.iterdir())) < 2:  # both are deaf to the signal by now
        assert time.monotonic() < deadline
        time.sleep(0.01)
    supervisor.stop()
    running.join(60)
    assert [process.poll() for process in started] == [-9, -9]
    assert caplog.text.count("did not end in time and is killed") == 2
    assert told == [True]


def look_after(supervisor, started, until):
    """Let a supervisor work until something is so."""
    running = threading.Thread(target=supervisor.run)
    running.start()
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    supervisor.stop()
    running.join(60)
    return [process.poll() for process in started]


def test_a_worker_whose_heart_stands_still_is_killed_and_replaced(monkeypatch, caplog, board):
    monkeypatch.setattr(module, "_SILENT_S", 0.3)
    start, started = starting("import time; time.sleep(600)")

    def start_and_beat_once(place):
        process = start(place)
        if len(started) == 1:
            threading.Timer(0.1, lambda: board.write(0, 0, 1)).start()
        return process

    supervisor = Supervisor(start_and_beat_once, 1, 1, board)
    codes = look_after(supervisor, started, lambda: len(started) == 2)
    assert codes == [
        -9,
        -15,
    ]  # the second one has not shown any life yet, and may still be starting
    assert f"Worker {started[0].pid} does not answer and is killed." in caplog.text


def test_workers_that_were_stopped_with_the_supervisor_are_forgiven(board, monkeypatch):
    """A container that was paused goes on as it was."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    supervisor = Supervisor(starting("")[0], 1, 1, board)
    supervisor._heard[0] = 0, now[0]
    board.write(0, 0, 5)
    for pause_s, is_silent in ((0.1, False), (3600, False), (0.5, False)):
        now[0] += pause_s
        supervisor._forgive_if_stopped()
        assert supervisor._is_silent(0) is is_silent
    for _ in range(40):
        now[0] += 0.5
        supervisor._forgive_if_stopped()
    assert supervisor._is_silent(0)
