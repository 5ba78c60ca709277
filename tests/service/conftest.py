import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mien.recognition import Recognizer
from mien.service.app import create_app
from mien.service.settings import Settings

sys.path.insert(
    0, str(Path(__file__).parent)
)  # tests are imported by path, so a module beside them is not found

from service_calls import Served, exchange

BASE = "http://127.0.0.1"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    """No variable of the machine that runs the tests changes them."""
    for name in os.environ:
        if name.startswith(("MIEN_SERVICE_", "AWS_", "PROMETHEUS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def open_client(tiny_model_path):
    """Return a function that opens a client of the service; each picture is a face unless a detector is given."""
    with contextlib.ExitStack() as stack:

        def open_(detector="none", fallback=None, recognizer=None, **settings):
            if recognizer is None:
                recognizer = Recognizer(tiny_model_path, detector=detector, min_confidence=0.5)
            app = create_app(Settings(**settings), recognizer=recognizer, fallback=fallback)
            return stack.enter_context(TestClient(app, base_url=BASE))

        yield open_


@pytest.fixture
def client(open_client):
    return open_client()


@pytest.fixture
def serve(tiny_model_path, tmp_path):
    """Return a function that starts `mien serve` with the tiny model and waits until it answers."""
    started = []

    def start(*options, **variables):
        log = tmp_path / f"serve-{len(started)}.log"
        environment = {
            **os.environ,
            **{f"MIEN_SERVICE_{name.upper()}": str(value) for name, value in variables.items()},
        }
        command = [
            sys.executable,
            "-m",
            "mien",
            "serve",
            "--port",
            "0",
            "--model",
            str(tiny_model_path),
        ]
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [*command, "--detector", "none", *options], env=environment, stderr=stderr
            )
        started.append(process)
        until = time.monotonic() + 90
        while not (told := re.search(r"answers at http://127\.0\.0\.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        served = Served(process, int(told[1]), log)
        # The door is open before a worker is: the answer comes when the first is ready.
        with served.connect(90) as connection:
            answer = exchange(
                connection, b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            )
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return served

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
