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

    def start(_place):
        process = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE)
        started.append(process)
        return process

    return start, started


@pytest.mark.parametrize(
    ("code", "how"),
    [("raise SystemExit(3)", "exit code 3"), ("import os; os.abort()", "by signal 6")],
)
def test_processes_that_cannot_live_are_given_up(caplog, monkeypatch, code, how):
    monkeypatch.setattr(module, "_STABLE_S", 600)  # a busy machine takes its time to start Python
    start, started = starting(code)
    assert Supervisor(start, 1, drain_s=1).run() == 1
    assert len(started) == module._MOST_EARLY_DEATHS
    assert f"Workers end as soon as they start ({how}); giving up." in caplog.text


def test_who_does_not_end_in_time_is_killed(monkeypatch, caplog, tmp_path):
    monkeypatch.setattr(module, "_GRACE_S", 0.1)
    start, started = starting(
        "import os, signal, sys, time; signal.signal(15, signal.SIG_IGN);"
        f"open(os.path.join({str(tmp_path)!r}, str(os.getpid())), 'w').close();"
        "sys.stdin.read(); time.sleep(600)"
    )
    supervisor = Supervisor(start, 2, drain_s=0.1)
    running = threading.Thread(target=supervisor.run)
    running.start()
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:  # both are deaf to the signal by now
        assert time.monotonic() < deadline
        time.sleep(0.01)
    supervisor.stop()
    running.join(60)
    assert [process.poll() for process in started] == [-9, -9]
    assert caplog.text.count("did not end in time and is killed") == 2
