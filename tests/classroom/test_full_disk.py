"""A whole server whose disk is full in the middle of a lesson: the class goes on, the teacher is told, nothing is half-written."""

import contextlib
import itertools
import resource
import sqlite3
import subprocess
import sys
import time

import pytest

from mien.classroom import tables
from mien.classroom.database import open_engine
from mien.classroom.protocol import Kind
from mien.classroom.store import Store

pytestmark = pytest.mark.slow

FULL_S = 12.0
"""Two windows and more close in that time."""


class Disk:
    """A small disk of its own, which needs the right to mount; a file beside the store fills it."""

    reason, remedy = "full", "Make room on its disk."

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", str(folder)]
        try:
            done = subprocess.run(mount, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no command mount")
        if done.returncode:
            pytest.skip(f"a disk of its own cannot be mounted: {done.stderr.strip()}")

    def fill(self, _program):
        with (
            (self.folder / "filler").open("wb", buffering=0) as filler,
            contextlib.suppress(OSError),
        ):
            while True:
                filler.write(bytes(4096))

    def clear(self, _program):
        (self.folder / "filler").unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


class Allowance:
    """What the program may write to one file; needs no rights. It fails as a quota does."""

    reason, remedy = "gone", "See that it runs and can be written to."

    def __init__(self, folder):
        if sys.platform != "linux":
            pytest.skip("only Linux limits what another process may write")
        self.folder = folder
        folder.mkdir()

    def fill(self, program):
        # SQLite writes to the end of its log first; the database itself may be larger.
        self._limit(program, (self.folder / "classroom.sqlite-wal").stat().st_size)

    def clear(self, program):
        if program.process.poll() is None:
            self._limit(program, resource.RLIM_INFINITY)

    def _limit(self, program, size):
        _, hard = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def close(self):
        pass


@pytest.fixture(params=[Disk, Allowance])
def disk(request, tmp_path):
    made = request.param(tmp_path / "disk")
    yield made
    made.close()


class Class:
    """A lesson in that program: somebody who sends twice a second, and somebody who looks on."""

    def __init__(self, program, live_class, sockets):
        self.program, self.live = program, live_class
        self.teacher, self.lesson, self.student = program.student_inside()
        self.sockets = sockets
        self.other = program.join(self.teacher, self.lesson)
        self.opened = self.open(self.student["token"], "student")
        self.watching = self.watch()
        self.sent = 0

    def open(self, token, role):
        opening, hello = self.program.socket(token, role)
        opened = self.sockets.enter_context(opening)
        opened.send(hello)
        return opened

    def watch(self):
        watching = self.open(f"{self.teacher} {self.lesson['id']}", "teacher")
        self.live.receive(watching, "room")
        return watching

    def go_on(self, seconds):
        """Every message is answered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sent += 1
            self.live.send(self.opened, Kind.SIGNALS, self.sent, b'{"faces": 1}')
            assert self.live.receive(self.opened, "ack", timeout=30)["outcome"] == "seen"
            time.sleep(0.5)


@pytest.fixture
def full(disk, start_program, live_class):
    """A lesson of which something is stored, after which the disk is full."""
    program = start_program(f"sqlite:///{disk.folder / 'classroom.sqlite'}", "presence")
    program.start()
    with contextlib.ExitStack() as sockets:
        taught = Class(program, live_class, sockets)
        while not rows_of(taught, tables.windows):
            taught.go_on(1)
        disk.fill(program)
        yield taught


def rows_of(taught, table):
    store = Store(open_engine(taught.program.store_url))
    try:
        return store.rows_of(table, taught.lesson["id"])
    finally:
        store.close()


def is_whole(disk):
    with contextlib.closing(sqlite3.connect(disk.folder / "classroom.sqlite")) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_full_disk_stops_no_lesson_and_all_is_written_once_there_is_room(disk, full):
    program, live, lesson = full.program, full.live, full.lesson
    stored = len(rows_of(full, tables.windows))
    full.go_on(FULL_S)
    told = live.receive(full.watching, "store", timeout=30)
    assert told["away_since"] is not None
    assert told["reason"] == disk.reason
    ready = program.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["store"]) == (503, disk.reason)
    refused = program.request("POST", "/api/lessons", full.teacher, {"title": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store")
    left = program.request("DELETE", "/api/me", full.other["token"])  # memory forgets at once
    assert (left.status_code, left.json()) == (202, {"deleted": False})
    later = full.watch()  # a page that is loaded again
    assert live.receive(later, "store") == told
    assert len(rows_of(full, tables.windows)) == stored  # what is there can be read
    disk.clear(program)
    for watching in (full.watching, later):  # nothing else was said in between
        assert live.receive(watching, "store", timeout=60)["away_since"] is None
    full.go_on(2)
    assert set(program.request("GET", "/readyz").json().values()) == {"ok"}
    report = program.ask("GET", f"/api/lessons/{lesson['id']}/report?format=json", full.teacher)
    (gap,) = report["gaps"]
    assert (gap["reason"], gap["lost_rows"]) == (disk.reason, 0)
    program.process.terminate()
    said = program.process.communicate(timeout=60)[0].splitlines()
    assert is_whole(disk)
    times = [row["at"] for row in rows_of(full, tables.windows)]
    steps = {(after - before).total_seconds() for before, after in itertools.pairwise(times)}
    # Each window once, none is missing.
    assert (len(times) >= stored + 2, steps) == (True, {5.0})
    store = Store(open_engine(program.store_url))
    assert [one.id for one in store.participants(lesson["id"])] == [full.student["participant"]]
    assert [view["action"] for view in store.views(lesson["id"])] == ["watch"] * 2 + ["report json"]
    store.close()
    away, back = (line for line in said if line.startswith("The store "))
    assert away.startswith("The store does not take or give rows: ")
    assert away.endswith(f"The lesson goes on; a gap is marked. {disk.remedy}")
    assert back == "The store is back; 0 rows were lost."


def test_a_program_killed_on_a_full_disk_is_whole_and_goes_on(disk, full):
    full.go_on(3)
    full.program.process.kill()
    full.program.process.communicate()
    full.program.start("/healthz")  # the disk, where it is one, is still full
    opened = full.open(full.student["token"], "student")
    welcome = full.live.receive(opened, "welcome")
    assert welcome["admitted"]
    disk.clear(full.program)
    assert is_whole(disk)
    times = [row["at"] for row in rows_of(full, tables.windows)]
    assert len(times) == len(set(times)) >= 1  # what was written before is there, once
    full.opened, full.sent = opened, welcome["sequence"]
    full.go_on(1)


def test_a_program_does_not_start_on_a_full_disk_and_says_so(tmp_path, start_program):
    disk = Disk(tmp_path / "disk")
    try:
        disk.fill(None)
        program = start_program(f"sqlite:///{disk.folder / 'classroom.sqlite'}", "presence")
        program.spawn()
        said = program.process.communicate(timeout=60)[0]
        assert program.process.returncode == 2
        assert said == (
            "mien: The store cannot be opened: database or disk is full. Make room on its disk.\n"
        )
        disk.clear(program)
        program.start()  # what the first try left is not in the way
    finally:
        program.end()
        disk.close()
