"""`mien serve` as a process: hostile connections, ends in good order, workers that are killed."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import uvicorn
from fastapi import FastAPI
from service_calls import exchange, png, post

from mien.service import server as module
from mien.service.door import bind

pytestmark = pytest.mark.slow

PICTURE = png(0)
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def status_of(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer[9:12])


def still_answers(served):
    with served.connect() as connection:
        return status_of(exchange(connection, post(PICTURE))) == 200


def rss_mb(pid):
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - no file of ours
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def test_connections_that_stand_still_are_ended_and_others_are_served(serve):
    served = serve(upload_s=5)
    dripping = [served.connect() for _ in range(10)]
    for connection in dripping:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    silent = [served.connect() for _ in range(5)]
    half = [served.connect() for _ in range(5)]
    for connection in half:
        connection.sendall(post(PICTURE)[:-20])
    assert still_answers(served)

    # Slow headers and silence: 408 and closed. A body that stops: 408 from the application.
    for connection in (*dripping, *silent, *half):
        assert status_of(exchange(connection, b"")) == 408
        connection.close()
    assert still_answers(served)
    assert served.process.poll() is None


def test_a_connection_that_has_its_answer_is_closed_in_silence(serve):
    served = serve(upload_s=4)
    with served.connect() as idle, served.connect() as slow:
        for connection in (idle, slow):
            assert status_of(exchange(connection, post(PICTURE))) == 200
        slow.sendall(b"GET /healthz HT")
        assert exchange(idle, b"") == b""
        assert status_of(exchange(slow, b"")) == 408
    assert served.text().count('"message": "refused"') == 1


def test_hostile_connections_are_ended(serve):
    served = serve(upload_s=60, max_body_bytes=100_000)

    # Endless headers.
    with served.connect() as connection:
        answer = b""
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            for number in range(20_000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 100))
            answer = exchange(connection, b"")
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert answer == b"" or status_of(answer) == 431

    # No HTTP, a body that lies about its length, one without an end, a path with a null byte.
    for sent, expected in (
        (b"\x16\x03\x01\x02\x00 no http\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET http://x:99999999/v1/models?api_key=KEY HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://[::1/v1/models?api_key=KEY HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (post(PICTURE).replace(b"Content-Length: ", b"Content-Length: -"), 400),
        (post(b"").replace(b"Content-Length: 0", b"Content-Length: 99999999999"), 413),
    ):
        with served.connect() as connection:
            answer = exchange(connection, sent)
            assert status_of(answer) == expected, sent[:60]
            assert b'{"error": {"code": "' in answer
    with served.connect() as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        answer = b""
        for _ in range(100):
            try:
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            except (ConnectionResetError, BrokenPipeError):
                break
        answer = exchange(connection, b"")
        assert status_of(answer) == 413
    assert still_answers(served)
    assert served.process.poll() is None
    log = served.text()
    with served.connect() as connection:
        counters = exchange(connection, GET.replace(b"healthz", b"metrics"))
    assert b'mien_refusals_total{error="bad_request"} 6.0' in counters
    assert '"message": "refused"' in log
    assert '"status": 400, "error": "bad_request"' in log
    assert not any(word in log for word in ("Traceback", "KEY", "/v1/models", "a:443"))


def test_more_connections_than_are_let_in_are_turned_away(serve):
    served = serve(upload_s=60, max_connections=40)
    crowd = [served.connect() for _ in range(40)]
    with served.connect() as connection:
        assert status_of(exchange(connection, b"")) == 503
    for connection in crowd:
        connection.close()
    until = time.monotonic() + 60
    answer = b""
    while not answer.startswith(b"HTTP/1.1 200"):  # it learns in its own time that they are gone
        assert time.monotonic() < until, answer
        with served.connect() as connection, contextlib.suppress(OSError):
            answer = exchange(connection, post(PICTURE))


def test_who_sends_too_much_is_told_so_once_and_may_ask_again(serve):
    served = serve(max_body_bytes=100_000)
    with served.connect() as connection:
        # Like most clients it reads nothing until all of its body is sent.
        connection.sendall(post(b"x" * 20_000_000))
        assert status_of(exchange(connection, b"")) == 413
        answer = exchange(connection, post(PICTURE))
    assert status_of(answer) == 200
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("endless", [b"X-Last: " + b"x" * 200_000, b"X-1: 2\r\n" * 20_000])
def test_what_follows_a_body_without_end_is_ended(serve, endless):
    served = serve(upload_s=600)
    with served.connect() as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        )
        time.sleep(0.3)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for start in range(0, len(endless), 1000):
                connection.sendall(endless[start : start + 1000])
                time.sleep(0.001)
            assert status_of(exchange(connection, b"")) == 431
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):  # not closed, this would time out
                pass
    assert still_answers(served)


def test_requests_without_end_whose_answers_nobody_reads_are_not_kept(serve):
    served, many = serve(upload_s=600), 5000
    with served.connect() as connection:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(many * GET.replace(b"Connection: close\r\n", b""))
        answers = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(1 << 20):
                answers += more
    assert answers.count(b" 200 OK") < many
    assert still_answers(served)


def test_the_body_of_a_request_for_another_protocol_is_not_taken_for_an_empty_picture(serve):
    """Java's own client asks for HTTP/2 with each first request, and sends the body all the same."""
    asks = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n"
    served = serve()
    with served.connect() as connection:
        answer = exchange(connection, post(PICTURE, extra=asks))
    assert status_of(answer) == 400
    assert b"without Upgrade" in answer
    with served.connect() as connection:
        asking = GET.replace(b"Connection: close\r\n", asks.encode())
        assert status_of(exchange(connection, asking)) == 200


def test_zeros_before_a_length_change_nothing(serve):
    zeros = post(PICTURE).replace(b"Content-Length: ", b"Content-Length: " + b"0" * 5000)
    served = serve()
    with served.connect() as connection:
        assert status_of(exchange(connection, zeros)) == 200


def test_a_client_that_closes_its_own_side_is_answered(serve):
    served = serve()
    with served.connect() as connection:
        connection.sendall(post(PICTURE))
        connection.shutdown(socket.SHUT_WR)
        answer = exchange(connection, b"")
    assert status_of(answer) == 200
    assert b"sadness" in answer


def test_clients_that_go_away_leave_nothing_behind(serve):
    served = serve()
    assert still_answers(served)
    before = rss_mb(served.process.pid)
    for number in range(150):
        with served.connect() as connection:
            connection.sendall(post(b"x" * 1_000_000)[: 500_000 if number % 2 else None])
        if number % 10 == 9:  # what it has not got round to yet would be in memory too
            assert still_answers(served)
    assert still_answers(served)
    assert rss_mb(served.process.pid) - before < 40


def ask_until_told(served, answers):
    """Ask again and again over one connection until an answer says that it was the last."""
    with served.connect() as connection:
        told = False
        while not told:
            try:
                answer = exchange(connection, post(PICTURE))
            except OSError:
                answer = b""
            answers.append(answer)
            told = not answer or b"connection: close" in answer.lower()


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_loses_no_accepted_request(serve, workers):
    served = serve("--workers", str(workers))
    answers = []
    clients = [threading.Thread(target=ask_until_told, args=(served, answers)) for _ in range(16)]
    for client in clients:
        client.start()
    until = time.monotonic() + 60
    while len(answers) < 64:
        assert time.monotonic() < until
        time.sleep(0.01)
    started = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    code = served.process.wait(60)
    took_s = time.monotonic() - started
    for client in clients:
        client.join(60)
    assert took_s < 12
    assert code in (0, -signal.SIGTERM)
    # Every request that was sent got its whole answer; the last of each client said that it was the last.
    assert [status_of(answer) for answer in answers] == [200] * len(answers)
    assert sum(b"connection: close" in answer.lower() for answer in answers) == 16


@pytest.mark.parametrize("longest_s", [600, 1])
def test_who_holds_a_connection_open_has_time_to_be_told(monkeypatch, longest_s):
    ended = asyncio.Event()

    async def end(*_):
        ended.set()

    monkeypatch.setattr(uvicorn.Server, "shutdown", end)
    monkeypatch.setattr(module, "_LONGEST_FAREWELL_S", longest_s)

    async def scenario():
        app = FastAPI()
        server = module.DrainingServer(uvicorn.Config(app, timeout_graceful_shutdown=600), app)
        server.server_state.connections.add(connection := object())
        ending = asyncio.create_task(server.shutdown())
        if longest_s == 600:
            await asyncio.sleep(1)
            assert app.state.is_draining
            assert not ended.is_set()
            server.server_state.connections.discard(connection)
        await asyncio.wait_for(ending, 60)
        assert ended.is_set()

    asyncio.run(scenario())


def test_a_killed_worker_comes_back_while_the_other_goes_on(serve):
    served = serve("--workers", "2")
    until = time.monotonic() + 120
    wait_for_starts(served, 2)
    killed, other = served.workers()
    os.kill(killed, signal.SIGKILL)
    assert all(still_answers(served) for _ in range(20))
    while len(alive := set(served.workers()) - {killed}) < 2 or (
        served.text().count("Application startup complete") < 3
    ):
        assert time.monotonic() < until, served.text()
        time.sleep(0.1)
    assert other in alive
    assert f"Worker {killed} ended (by signal 9); another one starts." in served.text()

    # What the dead worker had counted is not lost, and nobody seems to be at work.
    while (seen := counted(served)) != ("20", "1"):  # a request is counted after its answer
        assert time.monotonic() < until, seen
        time.sleep(0.1)


def test_workers_have_equally_many_connections(serve):
    served = serve("--workers", "2")
    wait_for_starts(served, 2)
    workers = served.workers()
    before = [sockets_of(pid) for pid in workers]
    with contextlib.ExitStack() as held:
        for _ in range(20):
            connection = held.enter_context(served.connect())
            connection.sendall(GET.replace(b"close", b"keep-alive"))
            assert status_of(connection.recv(4096)) == 200
        more = [sockets_of(pid) - few for pid, few in zip(workers, before, strict=True)]
    assert more == [10, 10]


def wait_for_starts(served, times):
    until = time.monotonic() + 120
    while served.text().count("Application startup complete") < times:
        assert time.monotonic() < until, served.text()
        time.sleep(0.1)


def sockets_of(pid):
    links = [os.path.realpath(f"/proc/{pid}/fd/{one}") for one in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208
    return sum("socket:" in link for link in links)


def counted(served):
    """Pictures that were asked about, and requests at work: this one."""
    with served.connect() as connection:
        answer = exchange(connection, GET.replace(b"healthz", b"metrics")).decode()
    asked = r'mien_requests_total\{method="POST",route="/v1/predict",status="200"\} (\d+)'
    return tuple(re.search(one, answer)[1] for one in (asked, r"mien_requests_at_work (\d+)"))


def test_a_worker_that_refuses_to_start_ends_in_good_order(tmp_path):
    """A thread of it waits for its parent; Python must not die of that, with signal 6."""
    listener = bind("127.0.0.1", 0)
    door = [str(listener.fileno()), "0", str(tmp_path)]
    worker = subprocess.Popen(
        [sys.executable, "-m", "mien.service.server", *door],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        env={**os.environ, "MIEN_SERVICE_MODEL": str(tmp_path / "gone.onnx")},
    )
    with worker.stderr, worker.stdin:  # the pipe between them stays open, as a supervisor keeps it
        worker.wait(60)
        err = worker.stderr.read().decode()
    listener.close()
    assert worker.returncode == 2, err
    assert "There is no model file" in err
    assert "Fatal" not in err


def test_workers_end_when_their_supervisor_is_killed(serve):
    served = serve("--workers", "2")
    workers = served.workers()
    assert len(workers) == 2
    served.process.kill()
    served.process.wait(60)
    until = time.monotonic() + 60
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.1)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - no file of ours
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
