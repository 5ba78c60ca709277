import subprocess
import sys
import threading
import time

import pytest

from mien.service import supervisor as module
from mien.service.supervisor import Supervisor


def starting(code):
    """Return a function that starts a process, and the list of those it has started."""
    started = []

    def start():
        process = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)
        started.append(process)
        return process

    return start, started


@pytest.mark.parametrize(
    ("code", "how"),
    [("raise SystemExit(3)", "exit code 3"), ("import os; os.abort()", "by signal 6")],
)
def test_processes_that_cannot_live_are_given_up(caplog, code, how):
    start, started = starting(code)
    assert Supervisor(start, 1, drain_s=1).run() == 1
    assert len(started) == module._MOST_EARLY_DEATHS
    assert f"Workers end as soon as they start ({how}); giving up." in caplog.text


def test_who_does_not_end_in_time_is_killed(monkeypatch, caplog):
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    start, started = starting(
        "import signal, sys; signal.signal(15, signal.SIG_IGN); sys.stdin.read(); import time; time.sleep(60)"
    )
    supervisor = Supervisor(start, 2, drain_s=0.1)
    running = threading.Thread(target=supervisor.run)
    running.start()
    time.sleep(1.0)
    supervisor.stop()
    running.join(20)
    assert [process.poll() for process in started] == [-9, -9]
    assert caplog.text.count("did not end in time and is killed") == 2
