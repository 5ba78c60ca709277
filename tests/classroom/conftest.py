"""A running server with a recogniser that needs no camera, and the stores that it may have."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("fastapi", reason="the extra classroom is not installed")

import httpx
import numpy as np
import PIL.Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mien.classroom import frame_line, protocol, school, store_threads
from mien.classroom.app import create_app
from mien.classroom.database import open_engine
from mien.classroom.frames import FrameReading
from mien.classroom.protocol import Kind
from mien.classroom.records import Batch
from mien.classroom.routes import sockets
from mien.classroom.schema import migrate
from mien.classroom.schemas import CONSENT_VERSION
from mien.classroom.server import make_server
from mien.classroom.settings import load_settings
from mien.classroom.signals import Observation
from mien.classroom.store import Store
from mien.errors import ImageError

KEY = "key-of-kim-0123456789"
OTHER_KEY = "key-of-lee-0123456789"
PROBS = (0.9, 0.05, 0.05, 0, 0, 0, 0, 0)
FACE = {"faces": 1, "score": 0.9, "face_px": 90, "brightness": 100, "sharpness": 500}
SIGNALS = json.dumps({**FACE, "probs": PROBS, "yaw_deg": 0}).encode()


def jpeg(pixels=128, size=(320, 240)) -> bytes:
    file = io.BytesIO()
    whole = np.broadcast_to(np.asarray(pixels, np.uint8), size[::-1])
    PIL.Image.fromarray(np.ascontiguousarray(whole)).save(file, "JPEG", quality=95)
    return file.getvalue()


def read_nothing():
    """A reader for tests: every picture that is a JPEG shows one calm face."""

    def read(data: bytes) -> FrameReading:
        if data[:3] != b"\xff\xd8\xff":
            raise ImageError("A frame is no JPEG.")
        seen = Observation(time_s=0, **FACE, probs=PROBS, yaw_deg=0)
        crop = ((10, 10), (60, 10), (60, 60), (10, 60))
        return FrameReading(observation=seen, width_px=320, height_px=240, crop=crop)

    return read


class FakeTime:
    """A clock that stands still until it is told."""

    def __init__(self):
        self.s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(seconds=self.s)

    def clock(self) -> float:
        return self.s


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request, tmp_path):
    """The same tests run on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'classroom.sqlite'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(store_url, fake_time):
    engine = open_engine(store_url)
    migrate(engine)
    opened = Store(engine, fake_time.now)
    yield opened
    opened.close()


@pytest.fixture(scope="session", autouse=True)
def _ports(free_port):
    """Each server of these tests has a port that is kept for it."""
    Live.free_port = staticmethod(free_port)


def until(holds, seconds=60):
    """Wait until something holds, and return it; a machine that stands still for some seconds changes nothing."""
    deadline = time.monotonic() + seconds
    while not (held := holds()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.02)
    return held


class Live:
    """A server in a thread, and short words for what callers do."""

    KEY, OTHER_KEY, SIGNALS = KEY, OTHER_KEY, SIGNALS
    read_nothing, jpeg = staticmethod(read_nothing), staticmethod(jpeg)

    def __init__(self, settings, **parts):
        self.settings = settings
        self.base = f"http://127.0.0.1:{settings.port}"
        self.app = create_app(settings, **parts)
        self.school = self.app.state.school
        self.server = make_server(self.app, settings)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        self.http = httpx.Client(base_url=self.base, headers={"origin": self.base}, timeout=60)
        self.sockets = contextlib.ExitStack()

    def stop(self):
        self.sockets.close()
        self.http.close()
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()

    def ask(self, method, path, token=None, body=None, **more):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, path, headers=headers, json=body, **more)

    def teacher(self, key=KEY):
        return self.ask("POST", "/api/sign-in", body={"key": key}).json()["token"]

    def open_lesson(self, token, title="Fractions"):
        return self.ask("POST", "/api/lessons", token, {"title": title}).json()

    def join(self, code, camera="device"):
        consent = None if camera == "none" else CONSENT_VERSION
        body = {"code": code, "camera": camera, "consent": consent}
        return self.ask("POST", "/api/join", body=body).json()

    def admit(self, token, lesson, *participants):
        path = f"/api/lessons/{lesson['id']}/admit"
        students = self.school.lessons[lesson["id"]].students
        handles = [students[one].handle for one in participants]
        done = self.ask("POST", path, token, {"participants": handles})
        assert done.status_code == 204, done.text

    def socket(self, path, hello=None, **options):
        options = {"origin": self.base, "compression": None, "open_timeout": 60, **options}
        opening = connect(self.base.replace("http", "ws") + path, **options)
        opened = self.sockets.enter_context(opening)
        if hello is not None:
            opened.send(protocol.encode(Kind.HELLO, 0, 0, hello.encode()))
        return opened

    def keep_windows(self, lesson, participants):
        """A window of each student, as a lesson would have stored it."""
        window = {
            "time_s": 5.0, "state": "steady", "reason": None, "num_frames": 10, "num_valid": 9, "z": None,
            "valence": 0.0, "arousal": 0.0,
        }  # fmt: skip
        row = {"lesson": lesson, "at": datetime.now(UTC), "state": "steady", "window": window}
        rows = [{**row, "participant": one} for one in participants]
        self.school.store.write(Batch(windows=rows))

    def student_inside(self, camera="device"):
        """A lesson with one student who has been let in: teacher's token, lesson, student, socket."""
        teacher = self.teacher()
        lesson = self.open_lesson(teacher)
        student = self.join(lesson["code"], camera)
        self.admit(teacher, lesson, student["participant"])
        opened = self.socket("/ws/student", student["token"])
        assert receive(opened)["admitted"]
        return teacher, lesson, student, opened


@pytest.fixture(scope="session")
def live_class():
    """For servers that several tests of a module share; `start` makes one a test."""
    return Live


def receive(opened, kind=None, timeout=60):
    """The next message, or the next of one kind."""
    while True:
        message = json.loads(opened.recv(timeout=timeout))
        if kind in (None, message["type"]):
            return message


def send(opened, kind, sequence, payload=b""):
    opened.send(protocol.encode(kind, sequence, 0, payload))


def closing(opened, timeout=60):
    """The code with which the server closes a socket, after whatever it still says."""
    try:
        while True:
            opened.recv(timeout=timeout)
    except ConnectionClosed as closed:
        return closed.rcvd.code


Live.closing = staticmethod(closing)
Live.receive, Live.send, Live.until = map(staticmethod, (receive, send, until))


def settings_for(folder, **changes):
    given = {
        "jurisdiction": "KR",
        "context": "education",
        "mode": "class",
        "port": Live.free_port(),
        "data_dir": folder,
        "teacher_keys": f"kim:{KEY},lee:{OTHER_KEY}",
        "workers": 1,
        "device_signals": True,
    }
    return load_settings(**{**given, **changes})


Live.settings_for = staticmethod(settings_for)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a server; all are stopped at the end.

    It waits longer than real ones for tokens, frames and the store: that this machine stands still for a moment is no fault
    of a caller's.
    """
    monkeypatch.setattr(store_threads, "ASK_S", 60)
    monkeypatch.setattr(school, "WITHDRAW_S", 60)
    monkeypatch.setattr(sockets, "HELLO_TIMEOUT_S", 60)
    monkeypatch.setattr(frame_line, "MAX_AGE_S", 60)
    running = []

    def start_one(folder=None, parts=None, **changes):
        parts = {"build_reader": read_nothing, **(parts or {})}
        running.append(Live(settings_for(folder or tmp_path / "data", **changes), **parts))
        return running[-1]

    yield start_one
    for live in running:
        if live.thread.is_alive():
            live.stop()
    logging.getLogger("uvicorn.error").handlers.clear()


@pytest.fixture
def live(start):
    return start()


class Program:
    """`mien classroom serve` in a process of its own, as people start it."""

    def __init__(self, store_url, mode):
        self.port, self.store_url = Live.free_port(), store_url
        self.base = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "MIEN_CLASSROOM_TEACHER_KEYS": f"kim:{KEY}",
            "MIEN_CLASSROOM_DATABASE_URL": store_url,
            "MIEN_CLASSROOM_WORKERS": "1",
            "MIEN_CLASSROOM_DEVICE_SIGNALS": "true",
        }
        policy = ["--jurisdiction", "KR", "--context", "education", "--mode", mode]
        self.arguments = [*policy, "--port", str(self.port)]
        self.process = None

    def spawn(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mien", "classroom", "serve", *self.arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self, path="/readyz"):
        """Start it; return after how many seconds it answered a path."""
        began = time.monotonic()
        self.spawn()
        until(lambda: self._answers(path), 120)
        return time.monotonic() - began

    def _answers(self, path):
        try:
            return httpx.get(self.base + path, timeout=60).status_code == 200
        except httpx.TransportError:
            assert self.process.poll() is None, self.process.stdout.read()
            return False

    def end(self):
        if self.process is not None:
            self.process.kill()  # nothing, if it has ended
            self.process.wait()
            self.process.stdout.close()

    def request(self, method, path, token=None, body=None):
        headers = {"origin": self.base, "authorization": f"Bearer {token}"}
        return httpx.request(method, self.base + path, headers=headers, json=body, timeout=60)

    def ask(self, method, path, token=None, body=None):
        answer = self.request(method, path, token, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def open_lesson(self):
        """A lesson: teacher's token, lesson."""
        teacher = self.ask("POST", "/api/sign-in", body={"key": KEY})["token"]
        return teacher, self.ask("POST", "/api/lessons", teacher, {"title": "t"})

    def join(self, teacher, lesson):
        """A student who has been let in."""
        body = {"code": lesson["code"], "camera": "device", "consent": CONSENT_VERSION}
        student = self.ask("POST", "/api/join", body=body)
        room = self.ask("GET", f"/api/lessons/{lesson['id']}", teacher)["room"]
        handles = [one["id"] for one in room["waiting"] if one["tag"] == student["tag"]]
        admitted = {"participants": handles}
        self.ask("POST", f"/api/lessons/{lesson['id']}/admit", teacher, admitted)
        return student

    def student_inside(self):
        """A lesson with one student who has been let in: teacher's token, lesson, student."""
        teacher, lesson = self.open_lesson()
        return teacher, lesson, self.join(teacher, lesson)

    def socket(self, token, role="student"):
        """A connection, and what is to be sent over it first."""
        opened = connect(f"ws://127.0.0.1:{self.port}/ws/{role}", origin=self.base)
        return opened, protocol.encode(Kind.HELLO, 0, 0, token.encode())


@pytest.fixture
def start_program():
    """Return a function that makes a `Program`; all are ended with the test."""
    made = []

    def make(store_url, mode):
        made.append(Program(store_url, mode))
        return made[-1]

    yield make
    for one in made:
        one.end()
