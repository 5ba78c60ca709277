"""What happens to requests, threads and callers at the service's end."""

import io
import signal
import threading
import time

import PIL.Image
import pytest
from service_calls import error_of, exchange, png, post

from mien.service import app as module

PNG = {"content-type": "image/png"}
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Stuck:
    """A detector that does not end until it is let."""

    name = "stuck"
    frame = None

    def __init__(self):
        self.open, self.num_looks = threading.Event(), 0

    def detect(self, image):  # noqa: ARG002 - a detector takes a picture
        self.num_looks += 1
        if self.num_looks > 1:  # the first look is the warm-up's
            assert self.open.wait(60)
        return []


def slow_jpeg():
    """Sixty scans of 16 megapixels: one to a few seconds of decoding that nothing can stop."""
    buffer = io.BytesIO()
    PIL.Image.new("L", (4000, 4000), 77).save(buffer, "JPEG", progressive=True)
    jpeg = buffer.getvalue()
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * 55 + b"\xff\xd9"


def slow_form(times):
    """A request with so many of them, which go through a thread one after the other."""
    part = b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n" + slow_jpeg() + b"\r\n"
    return post(part * times + b"--x--\r\n", kind="multipart/form-data; boundary=x")


def test_it_is_not_ready_while_a_thread_is_at_work_for_nobody(open_client):
    detector = Stuck()
    client = open_client(detector=detector, jobs=1, timeout_s=0.1)
    assert error_of(client.post("/v1/predict", content=png(0), headers=PNG))[1] == "took_too_long"
    until = time.monotonic() + 60
    while (ready := client.get("/readyz")).status_code == 200:
        assert time.monotonic() < until
    assert error_of(ready)[:2] == (503, "stuck")
    detector.open.set()
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < until


def test_a_thread_that_does_not_end_is_left_behind(open_client, caplog):
    detector = Stuck()
    client = open_client(detector=detector, jobs=1, timeout_s=0.1)
    client.post("/v1/predict", content=png(0), headers=PNG)
    started = time.monotonic()
    client.__exit__()
    assert time.monotonic() - started < 20 * module._CLOSE_S
    assert "is left behind" in caplog.text
    detector.open.set()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_given_up_at_the_end_is_told_so_and_nothing_is_waited_for(serve, workers):
    served = serve("--workers", str(workers), drain_s=1, jobs=1)
    with served.connect() as connection:
        connection.sendall(slow_form(8))
        time.sleep(0.3)
        started = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        answer = exchange(connection, b"")
    served.process.wait(60)
    assert time.monotonic() - started < 10
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert b'{"error": {"code": "ending", "message": "The service ended before' in answer
    assert "Traceback" not in served.text()


@pytest.mark.slow
@pytest.mark.usefixtures("_not_under_nohup")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_new_callers_are_turned_away_at_once_while_the_last_answers_are_made(
    serve, workers, number, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    served = serve("--workers", str(workers), drain_s=10, timeout_s=60, jobs=1)
    answers = []

    def ask():
        with served.connect() as connection:
            answers.append(exchange(connection, slow_form(3)))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    served.process.send_signal(number)
    until, refused = time.monotonic() + 8, False
    while not refused:
        assert time.monotonic() < until
        try:
            with served.connect(5) as connection:
                answer = exchange(connection, GET)
            # Nothing where it came between the last look at the door and its closing.
            assert answer == b"" or answer.startswith(b"HTTP/1.1 200")
        except ConnectionRefusedError:
            refused = True
    asking.join(60)
    # On a busy machine it is given up at the end of the drain, and told so.
    assert answers[0].startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")), answers
    served.process.wait(60)
    assert not list(tmp_path.glob("mien-service-*"))
