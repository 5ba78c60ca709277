"""Connections that say nothing, and more of them than one address may have."""

import contextlib
import socket

import httpx
import pytest

from mien.classroom import connections, perimeter, server
from mien.classroom.limits import Rate

pytestmark = pytest.mark.slow

HEAD = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"


@pytest.fixture
def call():
    """Return a function that opens a connection and says something; all are closed at the end."""
    opened = []

    def say(live, words=""):
        opened.append(socket.create_connection(("127.0.0.1", live.settings.port), timeout=60))
        opened[-1].sendall(words.format(port=live.settings.port).encode())
        return opened[-1]

    yield say
    for one in opened:
        one.close()


def answer(one):
    """What the other end says; nothing, if it has closed the connection."""
    try:
        return one.recv(4096)
    except ConnectionResetError:
        return b""


def is_closed(one):
    """Wait for the end, after whatever still comes."""
    while answer(one):
        pass
    return True


def test_who_does_not_say_what_is_asked_is_not_waited_for(live, call, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    for words in ("", "G", HEAD):
        assert is_closed(call(live, words)), words
    again = call(live, HEAD + "\r\n")
    assert b" 200 " in answer(again)
    again.sendall(b"GET /he")  # a second request that never ends
    assert is_closed(again)


def test_a_head_without_end_is_not_read_on(live, call, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 600)  # not the time, but the length is what ends it
    endless = call(live, HEAD)
    line = b"X-Long: " + b"x" * 4000 + b"\r\n"
    # The kernel may take all of it before it hears of the end.
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        endless.sendall(1000 * line)
    assert is_closed(endless)
    assert live.http.get("/healthz").status_code == 200


@pytest.mark.parametrize("endless", [b"X-1: 2\r\n" * 100_000, b"X-Last: " + b"x" * 800_000])
def test_what_follows_a_body_without_end_is_not_read_on(live, call, monkeypatch, endless):
    monkeypatch.setattr(perimeter, "BODY_S", 600)
    head = HEAD.replace("GET /healthz", "POST /api/sign-in") + f"Origin: {live.base}\r\n"
    chunked = call(live, head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n0\r\n")
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        chunked.sendall(endless)
    assert is_closed(chunked)


def test_requests_without_end_whose_answers_nobody_reads_are_not_kept(live, call):
    many = 5000
    request = (HEAD + "\r\n").format(port=live.settings.port).encode()
    eager, answers = call(live), b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        eager.sendall(many * request)
    while more := answer(eager):
        answers += more
    assert answers.count(b"HTTP/1.1 ") < many
    assert live.http.get("/healthz").status_code == 200


SOCKET = HEAD.replace("/healthz", "/ws/student") + (
    "Origin: http://127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize(
    "more", ["Content-Length: 5\r\n", "X: y\r\n" * 200, "X: " + "y" * 9000 + "\r\n"]
)
def test_a_socket_that_asks_for_too_much_is_not_left_open(live, call, more):
    opening = call(live, SOCKET + more + "\r\n")
    assert b" 400 " in answer(opening)
    assert is_closed(opening)


@pytest.mark.parametrize(
    ("first", "endless"),
    [(b"", b"\x89\x80mask"), (b"", b"\x8a\x80mask"), (b"\x02\x80mask", b"\x00\x80mask")],
    ids=["pings", "pongs", "empty parts of a message"],
)
def test_a_flood_of_frames_that_are_no_messages_ends_the_socket(
    live, call, monkeypatch, first, endless
):
    monkeypatch.setattr(server, "ASIDES", Rate(burst=20, per_s=0))
    flooding = call(live, SOCKET + "\r\n")
    assert b" 101 " in answer(flooding)
    flooding.sendall(first + 20 * endless)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        flooding.sendall(100_000 * endless)
    said = b""
    while more := answer(flooding):
        said += more
    assert said.endswith(b"\x88\x11\x03\xf0too many frames")  # 1008


def test_a_body_that_does_not_come_is_not_waited_for(live, call, monkeypatch):
    monkeypatch.setattr(perimeter, "BODY_S", 0.3)
    origin = f"Origin: {live.base}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    waiting = call(live, HEAD.replace("GET /healthz", "POST /api/sign-in") + origin)
    assert b" 200 " not in answer(waiting)


def test_whoever_is_connected_may_be_silent_as_long_as_it_takes(live, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.1)
    teacher, lesson, _, _ = live.student_inside()
    watching = live.socket("/ws/teacher", f"{teacher} {lesson['id']}")
    live.receive(watching, "room")
    with pytest.raises(TimeoutError):
        watching.recv(timeout=0.5)
    live.join(lesson["code"])
    assert live.receive(watching, "room")["waiting"]


def test_silent_connections_of_one_address_keep_nobody_out(start, call):
    live = start(max_per_address=20)
    silent = [call(live) for _ in range(40)]
    assert live.http.get("/healthz").status_code == 200
    assert all(is_closed(one) for one in silent[:20])  # the oldest went first


def test_an_address_has_no_more_connections_than_it_may(start, call):
    live = start(max_per_address=5)
    live.http.close()
    sockets = [live.socket("/ws/student") for _ in range(5)]
    assert is_closed(call(live))
    sockets[0].close()
    live.until(lambda: b" 200 " in answer(call(live, HEAD + "\r\n")))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_callers_have_the_address_that_a_proxy_of_this_machine_names(start, host):
    name = f"[{host}]" if ":" in host else host
    live = start(host=host, behind_proxy=True)
    base = f"http://{name}:{live.settings.port}"
    headers = {"origin": base, "x-forwarded-for": "203.0.113.7"}
    wrong = httpx.post(f"{base}/api/sign-in", headers=headers, json={"key": "wrong"}, timeout=60)
    assert wrong.status_code == 401
    assert list(live.app.state.limits.wrong_keys._buckets) == ["203.0.113.7"]


def test_a_proxy_has_one_address_and_is_not_counted(start, call):
    live = start(max_per_address=2, behind_proxy=True)
    silent = [call(live) for _ in range(10)]
    assert live.http.get("/healthz").status_code == 200
    for one in silent:
        one.sendall((HEAD + "\r\n").format(port=live.settings.port).encode())
        assert b" 200 " in answer(one)
