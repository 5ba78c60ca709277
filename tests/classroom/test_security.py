"""Who may ask what. The matrix is made from the routes, so that a new one cannot be forgotten."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from starlette.routing import Mount, WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mien.classroom import protocol, server
from mien.classroom.protocol import Kind
from mien.classroom.routes import health, pages, sockets, students, teachers
from mien.classroom.schemas import CONSENT_VERSION

pytestmark = pytest.mark.slow

FACE = {"faces": 1, "score": 0.9, "face_px": 90, "brightness": 100, "sharpness": 500}
OPEN = {  # what strangers may ask
    ("GET", "/"), ("GET", "/teach"), ("GET", "/privacy"), ("GET", "/mine"), ("GET", "/healthz"), ("GET", "/readyz"),
    ("GET", "/metrics"), ("GET", "/api/policy"), ("POST", "/api/join"), ("POST", "/api/sign-in"),
    ("POST", "/api/receipt"),
}  # fmt: skip
FOR_STUDENTS = "/api/me"
ROUTES = sorted(
    (method, route.path)
    for part in (pages, teachers, students, health)
    for route in part.router.routes
    for method in route.methods
)
GUARDED = [route for route in ROUTES if route not in OPEN]
BODIES = {
    "/api/lessons": {"title": "x"},
    "/api/lessons/{lesson_id}/admit": {"participants": ["0" * 24]},
    "/api/lessons/{lesson_id}/refuse": {"participants": ["0" * 24]},
    "/api/me/camera": {"camera": "none"},
    "/api/me/research": {"research": False},
}


@pytest.fixture(scope="module")
def school(tmp_path_factory, live_class):
    """One server for the whole matrix, with two teachers and a student each."""
    settings = live_class.settings_for(tmp_path_factory.mktemp("data"))
    live = live_class(settings, build_reader=live_class.read_nothing)
    live.app.state.limits.requests._rate = type(live.app.state.limits.requests._rate)(1e6, 1e6)
    kim, lee = live.teacher(live.KEY), live.teacher(live.OTHER_KEY)
    lesson, other = live.open_lesson(kim), live.open_lesson(lee)
    student, stranger = live.join(lesson["code"]), live.join(other["code"])
    yield live, {
        "kim": kim, "lee": lee, "lesson": lesson["id"], "student": student["token"],
        "stranger": stranger["token"], "participant": student["participant"],
    }  # fmt: skip
    live.stop()


def call(live, method, path, lesson, token):
    return live.ask(method, path.format(lesson_id=lesson), token, BODIES.get(path))


def test_every_route_is_either_open_or_guarded():
    assert {path for _, path in ROUTES} >= {path for _, path in OPEN}
    assert len(GUARDED) >= 14
    assert {route.path for route in sockets.router.routes} == {"/ws/student", "/ws/teacher"}


def test_the_matrix_knows_everything_that_is_served(school):
    live, _ = school
    served = set()
    for route in live.app.routes:
        if isinstance(route, (Mount, WebSocketRoute)):
            continue
        inner = getattr(route, "routes", None) or [route]
        served |= {getattr(one, "path", None) for one in inner}
    assert {p for p in served if p} <= {path for _, path in ROUTES} | {
        "/ws/student",
        "/ws/teacher",
        "",
    }
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert live.http.get(path).status_code == 404


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_strangers_and_wrong_tokens_are_refused(school, method, path):
    live, known = school
    for token in (None, "wrong", "x" * 300, known["kim"][:-1]):
        answer = call(live, method, path, known["lesson"], token)
        assert answer.status_code == 401, (token, answer.text)
        assert answer.json()["error"]["code"] == "token"


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_students_are_no_teachers_and_teachers_no_students(school, method, path):
    live, known = school
    is_for_students = path.startswith(FOR_STUDENTS)
    wrong = (known["kim"],) if is_for_students else (known["student"], known["stranger"])
    if path == "/api/sign-out":
        wrong = (known["student"],)
    for token in wrong:
        answer = call(live, method, path, known["lesson"], token)
        assert answer.status_code == 403, answer.text
        assert answer.json()["error"]["code"] in ("students_only", "teachers_only")


@pytest.mark.parametrize(("method", "path"), [r for r in GUARDED if "{lesson_id}" in r[1]])
def test_another_teacher_s_lesson_does_not_exist(school, method, path):
    live, known = school
    answer = call(live, method, path, known["lesson"], known["lee"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_lesson")
    nowhere = call(live, method, path, "nowhere", known["lee"])
    assert nowhere.json() == answer.json()


def test_tokens_that_are_over_are_refused(start, fake_time):
    live = start(parts={"now": fake_time.now})
    teacher = live.teacher()
    lesson = live.open_lesson(teacher)
    student = live.join(lesson["code"])
    fake_time.s = 16 * 60
    assert live.ask("GET", "/api/me", student["token"]).status_code == 401
    assert live.ask("GET", "/api/lessons", teacher).status_code == 200  # still, and longer now
    fake_time.s = 75 * 60
    assert live.ask("GET", "/api/lessons", teacher).status_code == 401


def test_signing_out_voids_the_token(live):
    token = live.teacher()
    assert live.ask("POST", "/api/sign-out", token).status_code == 204
    assert live.ask("GET", "/api/lessons", token).status_code == 401


def test_signing_out_closes_what_was_opened_with_the_token_and_nothing_else(live):
    token, other = live.teacher(), live.teacher()
    lesson = live.open_lesson(token)
    opened = [live.socket("/ws/teacher", f"{one} {lesson['id']}") for one in (token, token, other)]
    for one in opened:
        live.receive(one, "room")
    live.ask("POST", "/api/sign-out", token)
    assert [live.closing(one) for one in opened[:2]] == [4003, 4003]
    live.join(lesson["code"])
    assert live.receive(opened[2], "room")["waiting"]


def test_a_socket_ends_with_its_token_though_nobody_signs_out(start, monkeypatch):
    live = start()
    token = live.teacher()
    lesson = live.open_lesson(token)
    monkeypatch.setattr(live.school.tokens, "seconds_left", lambda _: 0.2)
    assert live.closing(live.socket("/ws/teacher", f"{token} {lesson['id']}")) == 4003


ORIGINS = [
    "https://evil.kr",
    "{base}.evil.kr",
    "{base}0",
    "http://127.0.0.1",
    "null",
    "",
    "HTTPS{base}",
]


@pytest.mark.parametrize("origin", [None, *ORIGINS])
def test_foreign_missing_and_look_alike_origins_are_refused(school, origin):
    live, _ = school
    base = f"127.0.0.1:{live.settings.port}"
    text = None if origin is None else origin.format(base="http://" + base)
    headers = {} if text is None else {"origin": text}
    with httpx.Client(base_url=live.base) as client:
        answer = client.post("/api/sign-in", json={"key": live.KEY}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")
    with pytest.raises(InvalidStatus) as told, connect(f"ws://{base}/ws/student", origin=text):
        pass
    assert told.value.response.status_code == 403


@pytest.mark.parametrize("host", ["evil.kr", "127.0.0.1.evil.kr", "evil.kr:{port}", ""])
def test_other_host_names_are_refused(school, host):
    live, _ = school
    headers = {"host": host.format(port=live.settings.port)}
    answer = live.http.get("/", headers=headers)
    assert answer.status_code in (400, 421)


def test_every_answer_carries_the_headers(school):
    live, _ = school
    for path in ("/", "/teach", "/static/student.js", "/api/lessons", "/nowhere"):
        headers = live.http.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../templates/student.html", "/static/%2e%2e/templates/student.html",
        "/static/..%2f..%2fapp.py", "/static//etc/passwd", "/static/....//app.py", "/static/%00",
        "/static/..\\templates\\student.html",
    ],
)  # fmt: skip
def test_nothing_outside_the_folder_is_served(school, path):
    live, _ = school
    answer = live.http.get(path)
    assert answer.status_code in (400, 404), answer.text
    assert "root:" not in answer.text
    assert "{%" not in answer.text


def test_bodies_are_small_and_never_repeated(school):
    live, _ = school
    answer = live.http.post("/api/sign-in", content=b"x" * 20_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    for body in ({"key": 7}, {"key": "a", "SECRET-VALUE": "b"}, {}, []):
        answer = live.ask("POST", "/api/sign-in", body=body)
        assert answer.status_code == 422
        assert "SECRET-VALUE" not in answer.text
    answer = live.ask("POST", "/api/join", body={"code": "SECRET-VALUE", "camera": "spy"})
    assert answer.status_code == 422
    assert "SECRET-VALUE" not in answer.text


def test_zeros_before_a_length_change_nothing(school):
    live, who = school
    head = f"GET /api/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {who['student']}\r\n"
    with socket.create_connection(("127.0.0.1", live.settings.port), timeout=60) as raw:
        raw.sendall(f"{head}Content-Length: {'0' * 5000}\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_body_of_unknown_length_is_cut_off(school):
    live, _ = school

    def endless():
        for _ in range(40):
            yield b"x" * 1024

    answer = live.http.post("/api/sign-in", content=endless())
    assert answer.status_code >= 400


def test_a_camera_needs_consent_to_the_words_that_are_shown(school):
    live, known = school
    for consent in (None, "2020-01"):
        body = {"code": "ABCDEFGH", "camera": "frames", "consent": consent}
        answer = live.ask("POST", "/api/join", body=body)
        assert answer.status_code == 422
        assert "needs consent" in answer.json()["error"]["message"]
        body = {"camera": "frames", "consent": consent}
        assert live.ask("PUT", "/api/me/camera", known["student"], body).status_code == 422


def test_what_was_agreed_to_is_a_version_and_never_a_text_of_somebody_s_own(live):
    lesson = live.open_lesson(live.teacher())
    body = {"code": lesson["code"], "camera": "none", "consent": "my name is Kim Min-su"}
    answer = live.ask("POST", "/api/join", body=body)
    assert answer.status_code == 422
    assert "Kim" not in answer.text
    assert live.school.lessons[lesson["id"]].students == {}
    for consent in (None, CONSENT_VERSION):
        assert live.ask("POST", "/api/join", body={**body, "consent": consent}).is_success


def test_students_cannot_be_made_up_of_numbers_unless_that_is_set(start):
    live = start(device_signals=False)
    lesson = live.open_lesson(live.teacher())
    body = {"code": lesson["code"], "camera": "device", "consent": CONSENT_VERSION}
    answer = live.ask("POST", "/api/join", body=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "device")
    assert live.school.lessons[lesson["id"]].students == {}
    token = live.join(lesson["code"], "none")["token"]
    body = {"camera": "device", "consent": CONSENT_VERSION}
    assert live.ask("PUT", "/api/me/camera", token, body).status_code == 403


def test_numbers_are_no_longer_taken_once_the_setting_is_taken_back(start, tmp_path):
    live = start(tmp_path / "data")
    _, _, student, _ = live.student_inside()
    live.stop()
    live = start(tmp_path / "data", device_signals=False)
    opened = live.socket("/ws/student", student["token"])
    live.receive(opened, "welcome")
    live.send(opened, Kind.SIGNALS, 1, live.SIGNALS)
    assert live.receive(opened, "ack")["outcome"] == "stopped"


def hold_still(limits):
    """However long this takes, nothing is given back meanwhile."""
    for buckets in (limits.wrong_keys, limits.wrong_codes, limits.wrong_receipts, limits.guesses):
        buckets._clock = lambda: 0.0
    limits.guesses._at = 0.0


def test_who_guesses_is_told_to_wait_and_locks_nobody_out_behind_the_same_address(live):
    hold_still(live.app.state.limits)
    lesson = live.open_lesson(live.teacher())
    receipt = live.join(lesson["code"])["receipt"]
    right = {
        "/api/sign-in": {"key": live.KEY},
        "/api/join": {"camera": "none", "code": lesson["code"]},
        "/api/receipt": {"receipt": receipt},
    }
    wrong = {
        "/api/sign-in": ({"key": "guess"}, 10, 401),
        "/api/join": ({"camera": "none", "code": "22222222"}, 40, 404),
        "/api/receipt": ({"receipt": "2222"}, 40, 404),
    }
    for path, (body, tries, status) in wrong.items():
        came = [live.ask("POST", path, body=body).status_code for _ in range(tries + 4)]
        assert came == [status] * tries + [429] * 4, path
        assert live.ask("POST", path, body=right[path]).is_success, path


def test_codes_are_not_guessed_by_ever_so_many_tries(live):
    limits = live.app.state.limits
    hold_still(limits)
    limits.guesses._left = 45
    lesson = live.open_lesson(live.teacher())
    join = lambda code: live.ask("POST", "/api/join", body={"camera": "none", "code": code})  # noqa: E731
    assert [join("22222222").status_code for _ in range(45)] == [404] * 40 + [429] * 5
    assert join(lesson["code"]).status_code == 429
    limits.wrong_codes._buckets.clear()  # as from another address
    assert join(lesson["code"]).status_code == 201


def test_a_flood_from_one_address_locks_nobody_out_who_is_in(live):
    teacher, lesson, student, _ = live.student_inside()
    unused = live.join(lesson["code"])
    perimeter = live.app.middleware_stack.app
    while not hasattr(perimeter, "_addresses"):
        perimeter = perimeter.app
    perimeter._addresses.take = lambda _: False  # all of this address's are used up
    assert live.http.get("/").status_code == 429
    assert live.ask("GET", "/api/me", "wrong").status_code == 429
    assert live.ask("GET", "/api/lessons", teacher).status_code == 200
    assert live.ask("GET", "/api/me", student["token"]).status_code == 200
    for token in (student["token"], unused["token"]):
        assert live.ask("DELETE", "/api/me", token).json() == {"deleted": True}
    assert live.ask("DELETE", "/api/me", "wrong").status_code == 401


def test_of_many_who_join_at_once_no_more_get_in_than_there_are_seats(start):
    live = start(max_students=5)
    lesson = live.open_lesson(live.teacher())
    body = {"code": lesson["code"], "camera": "none"}
    with ThreadPoolExecutor(24) as many:
        came = list(many.map(lambda _: live.ask("POST", "/api/join", body=body), range(24)))
    assert sorted(one.status_code for one in came) == [201] * 5 + [409] * 19
    assert len(live.school.lessons[lesson["id"]].students) == 5


def test_one_caller_does_not_take_all_seats_at_once_and_stops_nobody_of_another_lesson(live):
    joins = live.app.state.limits.joins
    at_s = [0.0]
    joins._clock = lambda: at_s[0]
    teacher = live.teacher()
    first, second = live.open_lesson(teacher), live.open_lesson(teacher)

    def join(lesson):
        body = {"code": lesson["code"], "camera": "none"}
        return live.ask("POST", "/api/join", body=body).status_code

    assert [join(first) for _ in range(103)] == [201] * 100 + [429] * 3
    assert join(second) == 201
    at_s[0] = 150.0  # by now a class of 250 behind one address is in
    assert sum(join(first) == 201 for _ in range(110)) == 100


def test_who_waits_without_a_page_loses_the_seat_after_two_minutes(start, fake_time):
    live = start(parts={"clock": fake_time.clock}, max_students=3)
    _, lesson, inside, opened = live.student_inside()
    waiting, gone = live.join(lesson["code"]), live.join(lesson["code"])
    page = live.socket("/ws/student", waiting["token"])
    assert not live.receive(page, "welcome")["admitted"]
    opened.close()
    students = live.school.lessons[lesson["id"]].students
    live.until(lambda: students[inside["participant"]].outbox is None)
    fake_time.s = 119
    assert "token" not in live.join(lesson["code"])  # full
    fake_time.s = 121
    live.until(lambda: len(students) == 2)
    assert set(students) == {inside["participant"], waiting["participant"]}
    live.until(lambda: len(live.school.store.participants(lesson["id"])) == 2)
    assert live.ask("GET", "/api/me", gone["token"]).status_code == 401
    assert live.join(lesson["code"])["token"]


def test_a_message_of_64_kib_and_one_byte_closes_with_1009_and_text_with_1003(live):
    _, _, student, opened = live.student_inside("frames")
    live.send(opened, Kind.FRAME, 1, live.jpeg() + bytes(64 * 1024 - len(live.jpeg())))
    assert live.receive(opened, "ack")["outcome"] == "seen"
    live.send(opened, Kind.FRAME, 2, bytes(64 * 1024 + 1))
    assert live.closing(opened) == 1009
    for path, token in (("/ws/student", student["token"]), ("/ws/teacher", "any")):
        opened = live.socket(path)
        opened.send(token)
        assert live.closing(opened) == 1003
    opened = live.socket("/ws/student", student["token"])
    opened.send("text after the token")
    assert live.closing(opened) == 1003


def test_text_that_is_none_is_refused_as_text_without_a_traceback(live, caplog):
    opened = live.socket("/ws/student")
    opened.send(b"\xff", text=True)
    assert live.closing(opened) == 1003
    assert "Traceback" not in caplog.text


def test_a_message_in_many_fragments_is_measured_as_a_whole(live):
    _, _, _, opened = live.student_inside("frames")
    with contextlib.suppress(ConnectionClosed):  # it may be closed before the last fragment
        opened.send(bytes(8 * 1024) for _ in range(10))
    assert live.closing(opened) == 1009


def test_who_sends_too_much_is_told_so_while_still_sending(live, monkeypatch):
    monkeypatch.setattr(server, "LINGER_S", 60)
    opening = (
        f"GET /ws/student HTTP/1.1\r\nHost: 127.0.0.1:{live.settings.port}\r\nOrigin: {live.base}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.settings.port), timeout=60) as raw:
        raw.sendall(opening.encode())
        assert b" 101 " in raw.recv(4096)
        raw.sendall(b"\x82\xff" + (10 * 1024 * 1024).to_bytes(8, "big") + bytes(4))
        for _ in range(3):  # a reset would come in the pauses, and end the sending
            raw.sendall(bytes(64 * 1024))
            time.sleep(0.1)
        told = raw.recv(4096)
    assert (told[0], int.from_bytes(told[2:4], "big")) == (0x88, 1009)  # a closing frame


def test_compression_is_not_offered(live):
    opened = live.socket("/ws/student", compression="deflate")
    assert opened.protocol.extensions == []


@pytest.mark.parametrize("path", ["/ws/student", "/ws/teacher"])
def test_sockets_take_the_right_token_first(live, path, monkeypatch):
    teacher, lesson, student, _ = live.student_inside()
    wrong = {
        "/ws/student": ["wrong", f"{teacher} {lesson['id']}"],
        "/ws/teacher": ["wrong", student["token"], f"{student['token']} {lesson['id']}"],
    }
    for token in wrong[path]:
        assert live.closing(live.socket(path, token)) == 4003
    opened = live.socket(path)
    opened.send(protocol.encode(Kind.FRAME, 1, 0, b"x"))
    assert live.closing(opened) == 1008
    other = live.teacher(live.OTHER_KEY)
    if path == "/ws/teacher":
        assert live.closing(live.socket(path, f"{other} {lesson['id']}")) == 4004
        assert live.closing(live.socket(path, teacher)) == 4004
    monkeypatch.setattr(sockets, "HELLO_TIMEOUT_S", 0.1)
    assert live.closing(live.socket(path)) == 1008


def test_who_has_not_been_let_in_may_only_wait(live):
    lesson = live.open_lesson(live.teacher())
    student = live.join(lesson["code"])
    opened = live.socket("/ws/student", student["token"])
    assert not live.receive(opened, "welcome")["admitted"]
    live.send(opened, Kind.SIGNALS, 1, live.SIGNALS)
    assert live.closing(opened) == 1008


def test_no_teacher_is_ever_told_the_id_under_which_rows_are_kept(live):
    teacher, lesson, _, _ = live.student_inside()
    watching = live.socket("/ws/teacher", f"{teacher} {lesson['id']}")
    live.receive(watching, "room")
    student = live.join(lesson["code"])
    (waiting,) = live.receive(watching, "room")["waiting"]
    shown = live.ask("GET", f"/api/lessons/{lesson['id']}", teacher).json()["room"]["waiting"]
    assert shown == [waiting] == [{"id": waiting["id"], "tag": student["tag"]}]
    assert waiting["id"] != student["participant"]
    path = f"/api/lessons/{lesson['id']}/admit"
    for one, left in ((student["participant"], 1), (waiting["id"], 0)):  # the id says nothing here
        assert live.ask("POST", path, teacher, {"participants": [one]}).status_code == 204
        room = live.ask("GET", f"/api/lessons/{lesson['id']}", teacher).json()["room"]
        assert len(room["waiting"]) == left


MALFORMED = {
    "a number beyond all bounds": b'{"faces": 1, "score": 1%s}' % (b"0" * 400),
    "a field of one's own": json.dumps(
        {**FACE, "\uae40\ubbfc\uc218" * 60: 1}, ensure_ascii=False
    ).encode(),
    "no object": b"[1]",
    "no JSON": b"\xff\xfe",
    "nested without end": b"[" * 2000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_signals_close_the_connection_with_a_reason_and_no_traceback(live, caplog, name):
    _, _, _, opened = live.student_inside()
    live.send(opened, Kind.SIGNALS, 1, MALFORMED[name])
    assert live.closing(opened) == 1008
    assert "Traceback" not in caplog.text
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []


def test_a_fault_of_ours_closes_one_connection_with_1011_and_is_in_the_log(
    live, monkeypatch, caplog
):
    _, lesson, _, opened = live.student_inside()

    def broken(*_):
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(live.school.lessons[lesson["id"]], "observe", broken)
    live.send(opened, Kind.SIGNALS, 1, live.SIGNALS)
    assert live.closing(opened) == 1011
    live.until(lambda: "A student's socket ends by a fault of ours" in caplog.text)


def test_replayed_old_and_future_numbers_are_refused_over_connections_too(live):
    _, _, student, opened = live.student_inside()
    for number in (1, 2):
        live.send(opened, Kind.SIGNALS, number, live.SIGNALS)
        assert live.receive(opened, "ack")["sequence"] == number
    for wrong in (2, 1, 0, 67 + protocol.MAX_AHEAD, 2**32 - 1):
        again = live.socket("/ws/student", student["token"])
        assert live.receive(again, "welcome")["sequence"] == 2
        live.send(again, Kind.SIGNALS, wrong, live.SIGNALS)
        assert live.closing(again) == 1008


def test_a_thousand_messages_a_second_close_the_connection_and_nobody_else_s(live):
    teacher, lesson, _, opened = live.student_inside()
    other = live.join(lesson["code"])
    live.admit(teacher, lesson, other["participant"])
    calm = live.socket("/ws/student", other["token"])
    with contextlib.suppress(ConnectionClosed):
        for number in range(1, 1001):
            live.send(opened, Kind.SIGNALS, number, live.SIGNALS)
    assert live.closing(opened) == 1008
    times = []
    for number in range(1, 6):  # a busy machine holds up one or the other
        began = time.perf_counter()
        live.send(calm, Kind.SIGNALS, number, live.SIGNALS)
        assert live.receive(calm, "ack")["outcome"] == "seen"
        times.append(time.perf_counter() - began)
    assert float(np.median(times)) < 1


def test_a_page_that_connects_all_the_time_is_told_to_wait(live):
    # On a busy machine it would not be all the time.
    live.app.state.limits.sockets._clock = lambda: 0.0
    _, _, student, _ = live.student_inside()
    codes = []
    for _ in range(12):
        opened = live.socket("/ws/student", student["token"])
        try:
            live.receive(opened)
        except ConnectionClosed as closed:
            codes.append(closed.rcvd.code)
    assert codes
    assert set(codes) == {4029}


def test_sockets_are_limited(start):
    live = start(max_sockets=2)
    held = [live.socket("/ws/student") for _ in range(2)]
    assert live.closing(live.socket("/ws/student")) == 1013
    assert len(held) == 2


def test_metrics_are_for_this_machine_or_for_who_has_the_key(start, tmp_path):
    assert start(tmp_path / "1").http.get("/metrics").status_code == 200
    guarded = start(tmp_path / "2", metrics_key="a-metrics-key")
    assert guarded.http.get("/metrics").status_code == 403
    answer = guarded.ask("GET", "/metrics", "a-metrics-key")
    assert answer.status_code == 200
    assert "mien_lessons 0.0" in answer.text
    assert start(tmp_path / "3", behind_proxy=True).http.get("/metrics").status_code == 403


def test_a_refusal_has_one_shape(school):
    live, _ = school
    for answer in (live.http.get("/api/lessons"), live.http.get("/nowhere"), live.http.put("/")):
        error = json.loads(answer.text)["error"]
        assert set(error) == {"code", "message"}
