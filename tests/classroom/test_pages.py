"""The pages as their users see them: teacher and student in two browsers, both languages, a phone, a keyboard."""

import asyncio
import contextlib
import hashlib
import html
import logging
import os
import queue
import re
import sqlite3
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra classroom is not installed")

from starlette.exceptions import HTTPException

from mien.classroom import frames, tables
from mien.classroom.caveats import CAVEATS
from mien.classroom.frames import FrameReading
from mien.classroom.policy import REASONS, Rule
from mien.classroom.routes.pages import WEB
from mien.classroom.schemas import CONSENT_VERSION
from mien.classroom.signals import Answer, Observation, State
from mien.classroom.signals.observation import Reason
from mien.classroom.simulate import simulate
from mien.classroom.simulator import Scenario, Stretch
from mien.classroom.store import StoreError
from mien.classroom.wording import WORDS
from mien.data.synthetic import draw_scene

slow = pytest.mark.slow
SPEED = 7.0
"""Lessons here are so many times as fast as clocks, and frames come so many times as often."""
SCRIPTS = sorted((WEB / "static").glob("*.js"))
PAGES = ("/", "/teach", "/privacy", "/mine")


# Words


def test_every_word_stands_in_english_and_in_korean():
    for name, (english, korean) in WORDS.items():
        assert english.strip(), name
        assert korean.strip(), name
        if name != "language":
            assert re.search("[가-힣]", korean), name
            assert not re.search("[가-힣]", english), name
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", korean)), name
    assert len(CAVEATS["en"]) == len(CAVEATS["ko"])
    assert all(set(both) == {"en", "ko"} for both in REASONS.values())


def test_korean_takes_no_attendance_and_gives_no_marks():
    said = [korean for _, korean in WORDS.values()] + [both["ko"] for both in REASONS.values()]
    assert [text for text in said if "출석" in text or re.search(r"\d점", text)] == []


def test_everything_that_scripts_and_pages_say_is_a_word():
    texts = [path.read_text() for path in (*SCRIPTS, *(WEB / "templates").iterdir())]
    named = {name for text in texts for name in re.findall(r"(?:WORDS|words)\.(\w+)", text)}
    assert named - {"get"} <= set(WORDS)
    for state in State:
        assert {state.value, f"means_{state.value}"} <= set(WORDS)
    assert {f"why_{reason.value}" for reason in Reason} <= set(WORDS)
    assert {answer.value for answer in Answer} <= set(WORDS)


def test_every_refusal_of_the_server_has_words():
    package = WEB.parent
    texts = [path.read_text() for path in (*package.glob("routes/*.py"), package / "app.py")]
    called = r'(?:RefusedError|answer)\(\s*(?:\d+|error\.status_code), "(\w+)"'
    codes = {code for text in texts for code in re.findall(called, text)}
    codes |= set(re.findall(r'return \d+, "(\w+)"', (package / "perimeter.py").read_text()))
    assert {"no_lesson", "store", "invalid", "http", "host", "too_large"} <= codes
    codes -= {"metrics"}  # no page asks for them
    assert {f"error_{code}" for code in codes} <= set(WORDS)


def test_no_word_lies_unused():
    source = "\n".join(path.read_text() for path in (*SCRIPTS, *(WEB / "templates").iterdir()))
    built = ("means_", "why_", "mode_", "about_", "error_", "pace_", "sent_shown_", "did_", "gap_")
    of_states = {one.value for one in (*State, *Answer)}
    unused = [
        n for n in WORDS if not n.startswith(built) and n not in of_states and n not in source
    ]
    assert unused == []


# What is sent as a page


@pytest.fixture(scope="module")
def some_live(live_class, tmp_path_factory):
    """One server for tests that only ask for pages."""
    settings = live_class.settings_for(tmp_path_factory.mktemp("pages"))
    live = live_class(settings, build_reader=live_class.read_nothing)
    yield live
    live.stop()
    logging.getLogger("uvicorn.error").handlers.clear()


@slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_pages_hold_no_inline_script_or_style_and_name_nothing_outside(start, lang):
    live = start()
    place = ("en", "ko").index(lang)
    for path in PAGES:
        answer = live.http.get(path, headers={"accept-language": lang})
        text = answer.text
        assert f'<html lang="{lang}">' in text
        assert "style=" not in text
        assert "<style" not in text
        assert not re.search(r"\son\w+=", text)
        inline = re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", text)
        assert inline == ['<script type="application/json" id="words">']
        assert not re.search(r"https?://", text)
        assert WORDS["about_class"][place] in text
        assert "unsafe" not in answer.headers["content-security-policy"]
    for script in SCRIPTS:
        assert not re.search(r"https?://(?!www\.w3\.org/)", script.read_text())
        assert "innerHTML" not in script.read_text()
        assert "eval(" not in script.read_text()


@slow
@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        ("ko", "ko"),
        ("fr,ko;q=0.8,en;q=0.5", "ko"),
        ("en;q=0.5, ko-KR;q=0.9", "ko"),
        ("en-GB,ko;q=0.9", "en"),
        ("ko;q=0,en;q=0.1", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("ko;q=x;;,,;q=", "ko"),
        ("", "en"),
    ],
)
def test_a_page_speaks_the_first_of_the_browsers_languages_that_it_knows(some_live, accepted, lang):
    text = some_live.http.get("/", headers={"accept-language": accepted}).text
    assert f'<html lang="{lang}">' in text


@slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_wrong_address_is_answered_by_a_page_and_programs_by_json(some_live, lang):
    place = ("en", "ko").index(lang)
    for path in ("/teacher", "/api/nothing", "/static/nothing.js"):
        headers = {"accept": "text/html,*/*;q=0.8", "accept-language": lang}
        page = some_live.http.get(path, headers=headers)
        assert page.status_code == 404
        assert f"<h1>{WORDS['missing'][place]}</h1>" in page.text
        assert WORDS["join"][place] in page.text
        assert some_live.http.get(path).json()["error"]["code"] == "http"


@slow
def test_how_long_things_are_kept_is_what_is_set(start):
    live = start(window_hours=2, aggregate_days=3, audit_days=4)
    text = live.http.get("/privacy?lang=en").text
    assert re.findall(r"\d+ (?:hours|days) at most", text) == [
        "2 hours at most",
        "3 days at most",
        "4 days at most",
    ]
    assert "for 2 hours at most" in live.http.get("/?lang=en").text


@slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_is_kept_of_a_running_lesson_and_of_its_teacher_is_told(start, lang):
    text = html.unescape(start().http.get(f"/privacy?lang={lang}").text)
    page = text.partition('<script type="application/json"')[0]
    place = ("en", "ko").index(lang)
    for word in ("memory", "memory_long", "aggregates", "never"):
        assert WORDS[word][place] in page
    assert ("the teacher's name", "교사 이름")[place] in page


@slow
@pytest.mark.parametrize(
    ("pace_ms", "told"),
    [
        (100, ("10 a second at most", "1초에 최대 10장")),
        (300, ("3.33 a second at most", "1초에 최대 3.33장")),
        (1000, ("1 a second at most", "1초에 최대 1장")),
        (1500, ("one every 1.5 seconds at most", "1.5초에 최대 한 장")),
    ],
)
def test_consent_names_as_many_pictures_as_are_sent(start, pace_ms, told):
    live = start(pace_ms=pace_ms)
    for lang, words in zip(("en", "ko"), told, strict=True):
        # On joining, and before the camera is turned on later.
        assert live.http.get(f"/?lang={lang}").text.count(words) == 2


@slow
def test_only_research_speaks_of_an_export_and_says_that_deleting_does_not_reach_it(
    start, tmp_path
):
    told = f"<td>{WORDS['exported_long'][0]}</td>"
    assert told not in start().http.get("/privacy?lang=en").text
    live = start(tmp_path / "another", mode="research", context="research")
    assert told in live.http.get("/privacy?lang=en").text
    assert "cannot be taken back" in live.http.get("/?lang=en").text
    for lang, words in (("en", "may tell by the times which are mine"), ("ko", "시각을 보고")):
        page = live.http.get(f"/?lang={lang}").text.partition('<script type="application/json"')[0]
        assert page.count(words) == 2  # on joining, and beside the switch


@slow
def test_self_view_has_no_moments_and_promises_no_class(open_browser, start):
    live = start(mode="self-view")
    teacher = Page(open_browser(), live, "/teach?lang=en")
    open_lesson(teacher, live)
    assert teacher.text("#now-title") == WORDS["class"][0]
    assert teacher.text(".why") == WORDS["why_self_view"][0]
    assert not teacher.is_shown("#moments-title")


# In browsers


@pytest.fixture
def webcam(tmp_path):
    """A drawn face that smiles."""
    drawn, _ = draw_scene(["happiness"], 3, 320, 240)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    path = tmp_path / "webcam.mjpeg"
    path.write_bytes(data.tobytes() * 30)
    return path


@pytest.fixture
def fast(start, monkeypatch):
    """A server whose lessons run at `SPEED`; recognisers and gate are the real ones."""
    began_s, began = time.monotonic(), datetime.now(UTC)

    def clock():
        return SPEED * (time.monotonic() - began_s)

    def start_fast(**changes):
        parts = {
            "build_reader": None,
            "clock": clock,
            "now": lambda: began + timedelta(seconds=clock()),
        }
        live = start(parts=parts, pace_ms=100, **changes)
        # On a busy machine it would fall to what is enough for a lesson at the usual speed.
        monkeypatch.setattr(live.school.pace, "adapt", lambda _: None)
        return live

    return start_fast


class Page:
    """A browser and short words for what its user does."""

    def __init__(self, browser, live, path):
        self.browser = browser
        browser.get(live.base + path)

    def __getitem__(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def text(self, selector):
        return self[selector].text

    def click(self, selector):
        def clicked():
            one = self[selector]
            if not (one.is_displayed() and one.is_enabled()):
                return False
            one.click()
            return True

        self.until(clicked)

    def press_twice(self, selector):
        """A double click whose second press comes before anything has been answered."""
        self.browser.execute_script(
            "for (let i = 0; i < 2; i++) arguments[0].click()", self[selector]
        )

    def type(self, selector, words):
        self[selector].send_keys(words)

    def until(self, holds, seconds=60):
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
        )

        passing = (NoSuchElementException, StaleElementReferenceException)
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(*passing):  # not drawn yet, or drawn anew meanwhile
                if holds():
                    return
            if time.monotonic() > deadline:
                seen = self["body"].text
                raise AssertionError(
                    f"Waited {seconds} s in vain. {self.browser.troubles()}\n{seen}"
                )
            time.sleep(0.05)

    def is_shown(self, selector):
        return self[selector].is_displayed()

    def note_time(self, selector):
        """Let the page note when this text changes next, and when its user last clicked."""
        self.browser.execute_script(
            "new MutationObserver(() => { window.changedAt = Date.now() })"
            f".observe(document.querySelector('{selector}'), {{ childList: true }});"
            "addEventListener('click', () => { window.clickedAt = Date.now() }, true);"
        )

    def took_ms(self):
        """How long after its user's last click the text has changed, by this machine's clock: the driver is slow."""
        return self.browser.execute_script("return window.changedAt - window.clickedAt")

    def overflow_px(self):
        """How far the page reaches over the window, beside which a scroll bar may stand."""
        root = "document.documentElement"
        return self.browser.execute_script(f"return {root}.scrollWidth - {root}.clientWidth")


def open_lesson(page, live, title="Fractions"):
    page.type("[name=key]", live.KEY)
    page.click("#sign-in button")
    page.until(lambda: page.is_shown("#open"))
    page.type("[name=title]", title)
    page.click("#open button")
    page.until(lambda: page.text("#code"))
    return page.text("#code")


def join(page, code, camera="frames"):
    page.type("[name=code]", code)
    page.click(f"[name=camera][value={camera}]")
    if camera != "none":
        page.click("[name=agreed]")
    page.click("#join button")
    page.until(lambda: page.text("#tag"))


def both_inside(live, teachers, students):
    """Return a teacher's page with a lesson, and the page of a student who was let in without a camera."""
    teacher = Page(teachers, live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    student = Page(students, live, "/?lang=en")
    join(student, code, camera="none")
    teacher.click("#waiting button")
    student.until(lambda: student.is_shown("#inside"))
    return teacher, student


def at_once_ms():
    """A second, as a machine has it that does nothing else; test_server.py takes the time without two browsers."""
    return 1000 * (1 + os.getloadavg()[0])


@contextlib.contextmanager
def simulated(live, code, scenario):
    """Students who send numbers, in a thread, until the block ends; the scenario is longer than that may take."""
    began = queue.SimpleQueue()

    async def take_part():
        taking_part = asyncio.create_task(simulate(live.base, scenario, code=code))
        began.put((asyncio.get_running_loop(), taking_part))
        with contextlib.suppress(asyncio.CancelledError):
            await taking_part

    thread = threading.Thread(target=lambda: asyncio.run(take_part()), daemon=True)
    thread.start()
    loop, taking_part = began.get(timeout=60)
    yield
    assert not taking_part.done(), "the simulated students have ended too early"
    loop.call_soon_threadsafe(taking_part.cancel)
    thread.join(60)
    assert not thread.is_alive(), "the simulated students have not ended"


def students(duration_s, *stretches, count=5):
    return Scenario(
        name="class",
        duration_s=duration_s,
        num_students=count,
        fps=SPEED,
        dropped=0,
        stretches=stretches,
    )


@slow
def test_a_whole_lesson_in_two_browsers(open_browser, fast, webcam):
    live = fast()
    teacher = Page(open_browser(), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    student = Page(open_browser(camera=webcam), live, "/?lang=en")
    strained = Stretch(
        state=State.STRAINED, from_s=300 / SPEED, to_s=3000 / SPEED, students=(0, 1, 2, 3)
    )
    with simulated(live, code, students(3000 / SPEED, strained)):
        join(student, code)
        teacher.until(lambda: len(teacher.all("#waiting li")) == 6)
        assert student.text("#tag") in teacher.text("#waiting")
        assert not student.is_shown("#pictures")  # nothing is sent before one is let in
        teacher.click("#admit-all")
        student.until(lambda: "on" in student["#air"].get_attribute("class").split())
        assert student.text("#air") == WORDS["on_air"][0]
        assert teacher.is_shown("#withheld")
        (lesson,) = live.school.lessons.values()
        live_students = list(lesson.students.values())
        (mine,) = [one for one in live_students if one.record.camera == "frames"]
        said = {WORDS[one.value][0] for one in State} - {"no data", "away", "present"}
        student.until(lambda: student.text("#state") in said, 120)  # its baseline is learned
        student.click("[data-answer=lost]")
        student.until(lambda: student["[data-answer=lost]"].get_attribute("aria-pressed") == "true")

        teacher.until(lambda: teacher.all("polyline.strained"))
        before = teacher["polyline.strained"].get_attribute("points")
        teacher.until(
            lambda: not teacher.is_shown("#withheld") and teacher.text("#valid") in ("5", "6")
        )
        assert teacher.text("#present") == WORDS["count_valid_of"][0].format(n=6)
        shown = lambda: teacher.text(".legend [data-state=strained] b").removesuffix(" %")  # noqa: E731
        teacher.until(lambda: shown().isdigit() and 40 <= int(shown()) <= 80, 120)
        assert len(teacher["polyline.strained"].get_attribute("points")) > len(before)
        teacher.until(lambda: "strained ↑ rose from" in teacher.text("#moments"), 120)

        # Both browsers have this machine's clock.
        teacher.note_time("#connected")
        student.note_time("#over-text")
        student.click("#withdraw")
        student.click("#withdraw-dialog .grave")
        student.until(lambda: student.text("#over-text") == WORDS["withdrawn"][0])
        teacher.until(lambda: teacher.text("#connected") == "5")
        assert 0 <= student.took_ms() < at_once_ms()
        clicked_ms = student.browser.execute_script("return window.clickedAt")
        changed_ms = teacher.browser.execute_script("return window.changedAt")
        assert 0 <= changed_ms - clicked_ms < at_once_ms()
        assert mine.id not in lesson.students
        for table in (tables.windows, tables.self_reports):
            assert live.school.store.rows_of(table, lesson.id, mine.id) == []
        assert mine.id not in {one.id for one in live.school.store.participants(lesson.id)}
        assert not student.browser.execute_script("return sessionStorage.getItem('token')")

    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    teacher.until(lambda: teacher.is_shown("#report-tools"))
    token = live.teacher()
    report = live.ask("GET", f"/api/lessons/{lesson.id}/report?format=json", token).json()
    moments = teacher.text("#moments")
    for one in report["moments"]:
        assert f"from {one['before_percent']} to {one['peak_percent']} %" in moments
    assert any(one["state"] == "strained" for one in report["moments"])
    shown = [one for one in report["aggregates"] if one["percent"]]
    teacher.click("summary")  # the browser tells the page a moment later
    teacher.until(lambda: len(teacher.all("#table tbody tr")) == len(report["aggregates"]))
    rows = teacher.all("#table tbody tr")
    newest_shown = next(row for row in rows if "withheld" not in row.text)
    cells = [cell.text for cell in newest_shown.find_elements("css selector", "td")]
    counted = shown[-1]["num_present"]
    assert (
        cells[0] == f"{shown[-1]['num_valid']} / {counted} / {counted + shown[-1]['num_waiting']}"
    )
    assert cells[1] == f"{shown[-1]['percent']['strained']} %"
    lost = sum(one["counts"]["lost"] for one in report["answers"] if one["counts"])
    assert teacher.all(".bars dd")[1].text == str(lost)
    for one in (teacher, student):
        asked = [url for url in one.browser.requests() if not url.startswith(("blob:", "data:"))]
        assert asked
        assert all(
            re.match(rf"(http|ws)://127\.0\.0\.1:{live.settings.port}/", url) for url in asked
        )
        assert not [line for line in one.browser.troubles() if "Content Security" in line]


@slow
def test_the_table_of_a_long_lesson_grows_row_by_row(open_browser, live):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    open_lesson(teacher, live)
    run = teacher.browser.execute_script
    run(
        """
        const shares = { num_present: 9, num_waiting: 0, num_valid: 8, percent: { away: 10, steady: 90 } };
        window.aggregate = (number) => ({ type: "aggregate", time_s: 5 * number, ...shares });
        receive({ type: "history", messages: [...Array(5760).keys()].map((one) => aggregate(one + 1)) }); // eight hours
        """
    )
    teacher.click("summary")
    teacher.until(lambda: len(teacher.all("#table tbody tr")) == 720)
    run("window.second = document.querySelector('#table tbody').rows[0]; receive(aggregate(5761))")
    assert run("return document.querySelector('#table tbody').rows[1] === window.second")
    rows = run(
        "return [...document.querySelector('#table tbody').rows].map((one) => one.cells[0].textContent)"
    )
    assert len(rows) == 720
    assert (rows[0], rows[1], rows[-1]) == ("480:05", "480:00", "420:10")
    teacher.click("#earlier")
    rows = run(
        "return [...document.querySelector('#table tbody').rows].map((one) => one.cells[0].textContent)"
    )
    assert (len(rows), rows[0], rows[-1]) == (1440, "480:05", "360:10")
    # What students gave changes the columns: then all of it is new.
    run("receive({ ...aggregate(5762), percent: { away: 10, turned: 10, steady: 80 } })")
    assert [one.text for one in teacher.all("#table thead th")][2:] == [
        WORDS[state][0] for state in ("away", "turned", "steady")
    ]
    assert run("return document.querySelector('#table tbody').rows.length") == 720


@slow
def test_bars_of_a_report_s_sums_are_held_against_the_largest(open_browser, live):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    open_lesson(teacher, live)

    def bars(counts):
        return teacher.browser.execute_script(
            "drawAnswers({ start_s: 0, end_s: 3000, num_present: 30, counts: arguments[0] });"
            "return [...document.querySelectorAll('#answers progress')].map((one) => one.position)",
            counts,
        )

    # Of one minute: against those who are there.
    assert bars({"lost": 6, "ok": 15, "too_fast": 0}) == [0.2, 0.5, 0]
    # Of many, in which students tap more often than there are students.
    assert bars({"lost": 60, "ok": 300, "too_fast": 15}) == [0.2, 1, 0.05]


@slow
def test_who_is_there_is_told_though_nobody_can_be_counted(open_browser, fast):
    live = fast()
    teacher = Page(open_browser(), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    with simulated(live, code, students(2000 / SPEED, count=3)):
        teacher.until(lambda: len(teacher.all("#waiting li")) == 3)
        teacher.click("#admit-all")
        told = WORDS["count_waiting"][0].format(n=3)
        teacher.until(lambda: teacher.text("#present") == told)
        assert teacher.text("#valid") == "–"
        teacher.click("summary")
        teacher.until(lambda: "– / 0 / 3" in teacher.text("#table"))


@slow
@pytest.mark.parametrize(
    ("asked", "lang", "why"),
    [
        ({"mode": "presence"}, "en", WORDS["chosen_presence"][0]),
        ({"jurisdiction": "DE", "mode": "class"}, "ko", REASONS[Rule.EU_PROHIBITED]["ko"]),
    ],
)
def test_presence_opens_no_expression_model_and_says_why(
    open_browser, fast, webcam, monkeypatch, asked, lang, why
):
    def opened(*_, **__):
        raise AssertionError("an expression model was opened")

    monkeypatch.setattr(frames, "Recognizer", opened)
    live = fast(**asked)
    place = ("en", "ko").index(lang)
    teacher = Page(open_browser(lang=lang), live, "/teach")
    student = Page(open_browser(lang=lang, camera=webcam), live, "/")
    for page in (teacher, student):
        assert page.text("#reason") == why
        assert WORDS["about_presence"][place] in page.text("#policy")
    code = open_lesson(teacher, live)
    away = Stretch(state=State.AWAY, from_s=0, to_s=2000 / SPEED, students=(0, 1))
    with simulated(live, code, students(2000 / SPEED, away)):
        join(student, code)
        assert WORDS["sent_looked_presence"][place] in student["#terms"].get_attribute(
            "textContent"
        )
        teacher.until(lambda: len(teacher.all("#waiting li")) == 6)
        teacher.click("#admit-all")
        student.until(lambda: student.text("#state") == WORDS["present"][place])
        teacher.until(lambda: teacher.all("polyline.away"))
        states = {one.get_attribute("data-state") for one in teacher.all(".legend button")}
        assert states == {"present", "away", "no_data"}
        teacher.until(lambda: teacher.text(".legend [data-state=away] b") == "30 %")
    rows = live.school.store.rows_of(tables.windows, next(iter(live.school.lessons)))
    assert {row["state"] for row in rows} <= {"present", "away", "no_data"}
    assert all(row["window"]["features"] is None for row in rows)


@slow
def test_nobody_needs_a_camera_and_it_stops_at_once(open_browser, start, webcam):
    def build():
        corners = ((40.0, 20.0), (140.0, 20.0), (140.0, 120.0), (40.0, 120.0))
        seen = Observation(time_s=0, faces=1)
        return lambda _: FrameReading(observation=seen, width_px=320, height_px=240, crop=corners)

    live = start(parts={"build_reader": build})
    _, student = both_inside(live, open_browser(), open_browser(camera=webcam))
    assert student.text("#meaning") == WORDS["means_no_camera"][0]
    student.click("[data-answer=ok]")
    student.until(lambda: student.text("#tapped") == WORDS["tapped"][0])
    assert student.text("#air") == WORDS["off_air"][0]

    student.click("#camera")
    # The same terms, before anything is sent.
    assert WORDS["sent_stop"][0] in student.text("#start-dialog")
    student.click("#start-dialog .main")
    student.until(lambda: student.text("#air") == WORDS["on_air"][0])

    def received():
        text = live.http.get("/metrics").text
        return sum(map(float, re.findall(r'received_total{kind="frame"} (\S+)', text)))

    def nothing_comes():
        before = received()
        time.sleep(1.2)
        return received() == before

    student.until(received)
    # What is shown is what was looked at.
    student.until(lambda: crop_difference(student.browser) < 3)

    student.note_time("#air")
    student.click("#camera")
    student.until(lambda: student.text("#air") == WORDS["off_air"][0])
    assert 0 <= student.took_ms() < at_once_ms()
    student.until(nothing_comes)  # one may still have been on its way
    counted = received()
    student.click("#camera")
    student.click("#start-dialog .main")
    student.until(lambda: student.text("#air") == WORDS["on_air"][0])
    student.until(lambda: received() > counted)
    student.browser.refresh()  # a reload comes back, camera and all
    student.until(lambda: student.text("#air") == WORDS["on_air"][0])
    assert student.text("#lesson-title") == "Fractions"


@slow
def test_a_camera_that_ends_is_off_and_one_that_gives_nothing_is_no_data(
    open_browser, live, webcam
):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    student = Page(open_browser(camera=webcam), live, "/?lang=en")
    join(student, code)
    teacher.click("#waiting button")
    student.until(lambda: student.text("#air") == WORDS["on_air"][0])
    (lesson,) = live.school.lessons.values()
    (inside,) = lesson.students.values()
    student.until(lambda: inside.guard.last > 1)

    def happens(what, muted="false"):
        student.browser.execute_script(
            "const [track] = camera.stream.getVideoTracks();"
            f"Object.defineProperty(track, 'muted', {{ value: {muted}, configurable: true }});"
            f"track.dispatchEvent(new Event('{what}'))"
        )

    happens("mute", "true")
    student.until(lambda: student.text("#air") == WORDS["paused_air"][0])
    time.sleep(0.5)  # one may still have been on its way
    sent = inside.guard.last
    time.sleep(1.5)
    assert inside.guard.last == sent
    assert inside.record.camera == "frames"  # present, with no data
    happens("unmute")
    student.until(lambda: student.text("#air") == WORDS["on_air"][0])
    student.until(lambda: inside.guard.last > sent)
    student.browser.execute_script(
        "window.open_again = openSocket; openSocket = () => ({ close() {} }); page.socket.close()"
    )
    student.until(lambda: student.text("#air") == WORDS["paused_air"][0])
    student.browser.execute_script("openSocket = window.open_again; connect()")
    student.until(lambda: student.text("#air") == WORDS["on_air"][0])
    sent = inside.guard.last
    student.until(lambda: inside.guard.last > sent)
    # Of a video that has no size there is no picture; it is tried again.
    size = "Object.defineProperty(byId('video'), 'videoWidth', { value: 0, configurable: true })"
    student.browser.execute_script(size)
    time.sleep(1.5)
    student.browser.execute_script("delete byId('video').videoWidth")
    sent = inside.guard.last
    student.until(lambda: inside.guard.last > sent)
    happens("ended")
    student.until(lambda: student.text("#problem") == WORDS["camera_ended"][0])
    assert student.text("#air") == WORDS["off_air"][0]
    assert not student.is_shown("#pictures")
    live.until(lambda: inside.record.camera == "none")


@slow
def test_a_double_click_opens_one_lesson_and_joins_it_once(open_browser, live):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    teacher.type("[name=key]", live.KEY)
    teacher.press_twice("#sign-in button")
    teacher.until(lambda: teacher.is_shown("#open"))
    teacher.type("[name=title]", "Fractions")
    teacher.press_twice("#open button")
    teacher.until(lambda: teacher.text("#code"))
    student = Page(open_browser(), live, "/?lang=en")
    student.type("[name=code]", teacher.text("#code"))
    student.press_twice("#join button")
    student.until(lambda: student.text("#tag"))
    teacher.until(lambda: len(teacher.all("#waiting li")) == 1)
    teacher.press_twice("#waiting button")
    student.until(lambda: student.is_shown("#inside"))
    (lesson,) = live.school.lessons.values()
    assert len(lesson.students) == 1
    assert student.text("#problem") == teacher.text("#problem") == ""
    # A connection that a newer one replaced has no say.
    student.browser.execute_script("page.socket.close(); connect()")
    student.until(lambda: not student.is_shown("#link"))
    time.sleep(1.5)  # the page would have opened a third one by then
    assert student.is_shown("#inside")
    assert not student.is_shown("#over")


@slow
def test_a_camera_that_could_not_be_turned_on_stays_off(open_browser, live, webcam, monkeypatch):
    _, student = both_inside(live, open_browser(), open_browser(camera=webcam))
    (lesson,) = live.school.lessons.values()
    (inside,) = lesson.students.values()

    def locked(*_):
        raise StoreError("The store is locked.")

    with monkeypatch.context() as away:
        away.setattr(live.school.store, "set_camera", locked)
        student.click("#camera")
        student.click("#start-dialog .main")
        student.until(lambda: student.text("#problem") == WORDS["error_store"][0])
    # Whatever the server has noted: it says so when the page connects again, and the page says no.
    inside.record = replace(inside.record, camera="frames")
    student.browser.execute_script("page.socket.close()")
    live.until(lambda: inside.record.camera == "none")
    assert student.text("#air") == WORDS["off_air"][0]
    assert inside.guard.last == 0  # nothing was sent


@slow
@pytest.mark.parametrize(
    ("camera", "sent"),
    [((240, 320), (240, 320)), ((720, 1280), (180, 320)), ((1280, 720), (320, 180))],
)
def test_the_picture_keeps_the_shape_of_the_camera(open_browser, start, camera, sent):
    corners = ((30.0, 40.0), (130.0, 40.0), (130.0, 140.0), (30.0, 140.0))
    sizes = []

    def read(data):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        sizes.append(image.shape[1::-1])
        seen = Observation(time_s=0, faces=1)
        return FrameReading(observation=seen, width_px=sent[0], height_px=sent[1], crop=corners)

    live = start(parts={"build_reader": lambda: read})
    teacher = Page(open_browser(), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    student = Page(open_browser(390, 800), live, "/?lang=en")
    student.browser.execute_script(
        """
        navigator.mediaDevices.getUserMedia = async () => {
          const [width, height] = arguments, canvas = document.createElement("canvas"), drawing = canvas.getContext("2d");
          Object.assign(canvas, { width, height });
          setInterval(() => {
            drawing.fillStyle = "#444"; drawing.fillRect(0, 0, width, height);
            drawing.fillStyle = "#fff"; drawing.beginPath();
            drawing.arc(width / 2, height / 2, Math.min(width, height) / 3, 0, 7); drawing.fill();
          }, 50);
          return canvas.captureStream(10);
        }
        """,
        *camera,
    )
    join(student, code)
    teacher.click("#waiting button")
    student.until(lambda: len(sizes) > 1)
    assert set(sizes) == {sent}
    # A circle is still one, and what is shown is what was sent and looked at.
    student.until(lambda: crop_difference(student.browser, 30, 40) < 3)
    width, height = student.browser.execute_script(
        """
        const { canvas } = camera.sent, { width, height } = canvas, data = camera.sent.getImageData(0, 0, width, height).data;
        const bright = [...Array(width * height).keys()].filter((i) => data[4 * i] > 150);
        const size = (places) => Math.max(...places) - Math.min(...places) + 1;
        return [size(bright.map((i) => i % width)), size(bright.map((i) => Math.floor(i / width)))];
        """
    )
    assert abs(width - height) <= 2
    assert abs(width - min(sent) * 2 / 3) <= 3
    shown = student["#preview"].rect
    assert abs(shown["width"] / shown["height"] - sent[0] / sent[1]) < 0.02
    assert student.overflow_px() == 0


def crop_difference(browser, x=40, y=20):
    """Mean difference between the crop that is shown and a square of the picture that was sent, 100 px wide."""
    return browser.execute_script(
        """
      const draw = (from, x, y, side) => {
        const to = Object.assign(document.createElement("canvas"), { width: 50, height: 50 }).getContext("2d");
        to.drawImage(from, x, y, side, side, 0, 0, 50, 50);
        return to.getImageData(4, 4, 42, 42).data;
      };
      const sent = draw(camera.sent.canvas, ...arguments, 100), shown = draw(camera.crop.canvas, 0, 0, 160);
      return sent.reduce((sum, value, i) => sum + Math.abs(value - shown[i]), 0) / sent.length;
    """,
        x,
        y,
    )


@slow
def test_wrong_codes_and_keys_are_answered_in_korean(open_browser, live):
    student = Page(open_browser(lang="ko"), live, "/")
    student.type("[name=code]", "ABCDEFGH")
    student.click("#join button")
    student.until(lambda: student.text("#problem") == WORDS["error_no_lesson"][1])
    teacher = Page(student.browser, live, "/teach")
    teacher.type("[name=key]", "wrong")
    teacher.click("#sign-in button")
    teacher.until(lambda: teacher.text("#problem") == WORDS["error_key"][1])


@slow
def test_the_focus_is_never_lost_and_what_is_new_is_said_once(open_browser, live):
    from selenium.webdriver.common.keys import Keys

    teacher = Page(open_browser(), live, "/teach?lang=en")

    def focused(page):
        return page.browser.switch_to.active_element.get_attribute("id")

    code = open_lesson(teacher, live)
    assert focused(teacher) == "title"
    student = Page(open_browser(), live, "/?lang=en")
    student.type("[name=code]", code + Keys.ENTER)
    student.until(lambda: focused(student) == "lobby-title")
    live.join(code, "none"), live.join(code, "none")
    teacher.until(lambda: teacher.text("#how-many") == "Waiting: 3")
    assert teacher["#how-many"].get_attribute("role") == "status"
    teacher["#waiting li:nth-child(2) button"].send_keys(Keys.ENTER)
    teacher.until(lambda: len(teacher.all("#waiting li")) == 2)
    assert focused(teacher) == ""
    here = teacher.browser.execute_script(
        "return [...document.querySelectorAll('#waiting li')].indexOf(document.activeElement)"
    )
    assert here == 1  # whoever came after
    time.sleep(0.6)  # longer than a double click
    teacher["#waiting li:nth-child(1) button"].send_keys(Keys.ENTER + Keys.ENTER)
    teacher.until(lambda: len(teacher.all("#waiting li")) == 1)
    student.until(lambda: focused(student) == "lesson-title")
    time.sleep(0.6)
    assert len(teacher.all("#waiting li")) == 1  # the second press has let nobody in
    teacher["#waiting button"].send_keys(Keys.ENTER)
    teacher.until(lambda: focused(teacher) == "room-title")
    assert teacher.text("#how-many") == WORDS["nobody_waits"][0]

    moment = {"end_s": None, "before_percent": 0, "peak_percent": 40}
    said = teacher.browser.execute_script(
        """
        const [moment] = arguments, said = [];
        const news = (message) => { byId("news").textContent = ""; receive(message); said.push(byId("news").textContent); };
        const first = { type: "moment", state: "away", start_s: 60, ...moment }, second = { ...first, start_s: 300 };
        news({ type: "history", messages: [first] });
        news(second);
        news({ ...second, end_s: 400 });
        news({ type: "history", messages: [first, second] });
        return said;
        """,
        moment,
    )
    assert said == ["", "away rose from 0 to 40 %", "", ""]
    assert len(teacher.all("#moments li")) == 2


@slow
def test_a_running_lesson_can_be_left_and_found_again(open_browser, live):
    teacher = Page(open_browser(360, 740), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    assert teacher.overflow_px() == 0
    (lesson,) = live.school.lessons.values()
    live.until(lambda: len(lesson.teachers) == 1)
    teacher.click("#back")
    teacher.until(lambda: len(teacher.all("#list li")) == 1)
    assert not teacher.is_shown("#back")
    assert teacher.browser.switch_to.active_element.get_attribute("id") == "new-title"
    live.until(lambda: not lesson.teachers)  # nobody watches any more, and it goes on
    teacher.click("#list button")
    teacher.until(lambda: teacher.text("#code") == code)
    live.until(lambda: len(lesson.teachers) == 1)
    teacher.click("#sign-out")
    teacher.until(lambda: teacher.is_shown("#signing"))
    live.until(lambda: not lesson.teachers)
    assert not teacher.is_shown("#session")
    assert teacher.browser.execute_script("return sessionStorage.length") == 0
    assert list(live.school.lessons) == [lesson.id]


@slow
def test_what_went_wrong_is_seen_from_anywhere_on_the_page(open_browser, live, monkeypatch):
    teacher = Page(open_browser(360, 740), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    assert not teacher.is_shown("#understood")
    live.join(code, "none")

    def locked(*_):
        raise StoreError("The store is locked.")

    monkeypatch.setattr(live.school.store, "admit", locked)
    teacher.click("#waiting button")
    teacher.until(lambda: teacher.text("#problem") == WORDS["error_store"][0])
    assert teacher["#problem"].get_attribute("role") == "alert"
    for where in ("0", "document.body.scrollHeight"):
        teacher.browser.execute_script(f"scrollTo(0, {where})")
        top, bottom, height = teacher.browser.execute_script(
            "const { top, bottom } = document.querySelector('#problem').getBoundingClientRect();"
            "return [top, bottom, innerHeight]"
        )
        assert 0 < top < bottom < height
    assert teacher.overflow_px() == 0
    teacher.click("#understood")
    assert teacher.text("#problem") == ""
    assert not teacher.is_shown("#understood")


@slow
def test_who_is_sent_away_is_told_so(open_browser, live):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    student = Page(open_browser(), live, "/?lang=en")
    join(student, open_lesson(teacher, live), camera="none")
    teacher.click("#waiting button:last-child")
    student.until(lambda: student.text("#over-text") == WORDS["sent_away"][0])
    teacher.until(lambda: teacher.text("#how-many") == WORDS["nobody_waits"][0])


@slow
def test_a_teacher_exports_sees_who_looked_and_deletes(open_browser, start, tmp_path):
    live = start(mode="research", context="research")
    teacher = Page(open_browser(), live, "/teach?lang=en")
    code = open_lesson(teacher, live)
    body = {"code": code, "camera": "device", "consent": CONSENT_VERSION, "research": True}
    ids = [live.ask("POST", "/api/join", body=body).json()["participant"] for _ in range(5)]
    teacher.until(lambda: len(teacher.all("#waiting li")) == 5)
    teacher.click("#admit-all")
    live.keep_windows(next(iter(live.school.lessons)), ids)
    assert not teacher.is_shown("#looked")
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    teacher.until(lambda: len(teacher.all("#views li")) == 2)
    assert "kim: watched it live" in teacher.text("#views")
    assert "kim: read the report JSON" in teacher.text("#views")
    teacher.click("#export")
    downloads = tmp_path / "downloads"
    teacher.until(lambda: [one.read_text() for one in downloads.glob("windows-*.csv")] > [""])
    assert next(downloads.glob("windows-*.csv")).read_text().startswith("student,time_s,state")
    teacher.click("#delete")
    teacher.click("#delete-dialog .grave")
    teacher.until(lambda: teacher.is_shown("#list-empty"))
    assert live.school.store.lessons() == []


@slow
def test_a_lesson_that_is_gone_is_told_so(open_browser, live):
    teacher = Page(open_browser(lang="ko"), live, "/teach")
    open_lesson(teacher, live)
    (lesson,) = live.school.lessons
    live.ask("POST", f"/api/lessons/{lesson}/end", live.teacher())
    teacher.until(lambda: teacher.is_shown("#report-tools"))
    teacher.click("#back")
    teacher.until(lambda: len(teacher.all("#list li")) == 1)
    live.ask("DELETE", f"/api/lessons/{lesson}", live.teacher())
    teacher.click("#list button")
    teacher.until(lambda: teacher.text("#problem") == WORDS["lesson_gone"][1])
    assert teacher.is_shown("#list-empty")


@slow
def test_a_downloaded_report_has_the_teachers_time_and_opens_in_excel(open_browser, live, tmp_path):
    teacher = Page(open_browser(), live, "/teach?lang=ko")
    teacher.browser.execute_cdp_cmd(
        "Emulation.setTimezoneOverride", {"timezoneId": "Australia/Adelaide"}
    )
    open_lesson(teacher, live, "분수")
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    teacher.until(lambda: teacher.is_shown("#report-tools"))
    downloads, found = tmp_path / "downloads", {}
    for form in ("html", "csv"):
        teacher.click(f"[data-format={form}]")
        teacher.until(
            lambda form=form: [one.stat().st_size for one in downloads.glob(f"*.{form}")] > [0]
        )
        (path,) = downloads.glob(f"*.{form}")
        found[form] = path.read_bytes()
    assert re.search(rb"\(UTC\+(09:30|10:30)\)", found["html"])
    assert found["csv"].startswith(b"\xef\xbb\xbftime_s,")
    assert "분수" in found["csv"].decode("utf-8-sig")


@slow
def test_a_title_turns_nothing_but_itself_round(open_browser, live):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    title = "مرحبا \u202e(1)"
    lesson = live.open_lesson(live.teacher(), title)
    student = Page(open_browser(), live, "/?lang=en")
    join(student, lesson["code"], camera="none")
    teacher.type("[name=key]", live.KEY)
    teacher.click("#sign-in button")
    teacher.until(lambda: teacher.all("#list li"))
    # The date behind it runs from left to right.
    first, last = teacher.browser.execute_script(
        "const text = document.querySelector('#list li span').lastChild;"
        "return [0, text.length - 1].map((at) => { const one = document.createRange();"
        " one.setStart(text, at); one.setEnd(text, at + 1); return one.getBoundingClientRect().left; })"
    )
    assert first < last
    teacher.click("#list button")
    teacher.click("#waiting button")
    student.until(lambda: student.is_shown("#inside"))
    assert student["#lesson-title"].get_attribute("dir") == "auto"
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    teacher.until(lambda: teacher.is_shown("#report-tools"))
    assert teacher["#title bdi"].get_attribute("textContent") == title


@slow
def test_after_the_end_a_student_sees_and_deletes_what_is_kept(open_browser, live):
    browser = open_browser()
    teacher, student = both_inside(live, open_browser(), browser)
    student.click("[data-answer=lost]")
    student.until(lambda: student.text("#tapped") == WORDS["tapped"][0])
    receipt = student.text("#receipt")
    assert re.fullmatch(r"(\w{4} ){2}\w{4}", receipt)
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    student.until(lambda: student.text("#over-text") == WORDS["ended"][0])
    student.until(lambda: student.text("#withdraw") == WORDS["delete_data"][0])
    assert student.text("#until").startswith("You can do so until")
    browser.refresh()  # it is so after a reload too
    student.until(lambda: student.is_shown("#withdraw"))
    assert student.text("#receipt") == receipt

    # Another browser knows nothing but what was written down.
    later = Page(open_browser(), live, "/mine?lang=en")
    assert not later.is_shown("#kept")
    later.type("[name=receipt]", "WRON GREC EIPT")
    later.click("#come-back button")
    later.until(lambda: later.text("#problem") == WORDS["error_no_receipt"][0])
    later["[name=receipt]"].clear()
    later.type("[name=receipt]", receipt.lower())
    later.click("#come-back button")
    later.until(lambda: later.is_shown("#kept"))
    assert (later.text("#lesson"), later.text("#self_reports")) == ("Fractions", "1")
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    later.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert later["#kept_until"].rect["width"] > 100  # a phone shows words, not a column of letters
    assert later.overflow_px() == 0
    later.click("#withdraw")
    later.click("#withdraw-dialog .grave")
    later.until(lambda: later.text("#deleted") == WORDS["deleted"][0])
    (lesson,) = live.school.store.lessons()
    assert live.school.store.participants(lesson.id) == []
    assert live.school.store.rows_of(tables.self_reports, lesson.id) == []
    student.click("#withdraw")  # the first page learns that it is done
    student.click("#withdraw-dialog .grave")
    student.until(lambda: student.text("#problem") == WORDS["error_token"][0])
    student.click("#again")
    student.until(lambda: student.is_shown("#joining"))
    assert browser.execute_script("return sessionStorage.length") == 0


@slow
def test_a_switch_takes_the_consent_to_research_back_without_leaving(
    open_browser, start, monkeypatch
):
    live = start(mode="research", context="research")
    teacher = live.teacher()
    lesson = live.open_lesson(teacher)
    body = {
        "code": lesson["code"], "camera": "frames", "consent": CONSENT_VERSION, "research": True,
    }  # fmt: skip
    student = live.ask("POST", "/api/join", body=body).json()
    page = Page(open_browser(), live, "/mine?lang=en")
    page.type("[name=receipt]", student["receipt"])
    page.click("#come-back button")
    page.until(lambda: page.is_shown("#research-on"))
    assert page["#research-on"].is_selected()
    page.click("#research-on")
    page.until(lambda: not live.school.store.participants(lesson["id"])[0].research)
    token = student["token"]
    page.browser.execute_script(f"sessionStorage.setItem('token', '{token}')")
    page = Page(page.browser, live, "/?lang=en")  # the same switch in the lesson
    page.until(lambda: page.text("#tag"))
    page.until(lambda: page["#research-on"].is_enabled())
    assert not page["#research-on"].is_selected()
    page.click("#research-on")
    page.until(lambda: live.school.store.participants(lesson["id"])[0].research)

    def locked(*_):
        raise StoreError("The store does not take or give rows: locked.", "locked")

    live.admit(teacher, lesson, student["participant"])
    page.until(lambda: page.is_shown("#camera") and page.text("#camera") == WORDS["stop"][0])
    with monkeypatch.context() as away:  # the camera is off at once, and so is the switch
        away.setattr(live.school.store, "set_camera", locked)
        page.click("#camera")
        page.until(lambda: not page["#research-on"].is_selected(), 20)
        assert page.text("#problem") == WORDS["error_store"][0]
    page.until(lambda: not live.school.store.participants(lesson["id"])[0].research)


@slow
def test_a_token_that_is_over_is_renewed_by_the_receipt(open_browser, live):
    _, student = both_inside(live, open_browser(), open_browser())
    receipt = student.text("#receipt")
    (lesson,) = live.school.lessons.values()
    (inside,) = lesson.students

    def expire():
        """As after a quarter of an hour with the lid closed: the connection has broken, the token is too old."""
        token = student.browser.execute_script("return page.token")
        live.school.store.delete_token(hashlib.sha256(token.encode()).hexdigest())
        live.school.tokens.forget(inside)
        student.browser.execute_script("page.socket.close(4999)")
        return token

    old = expire()
    student.until(lambda: student.browser.execute_script("return page.token") != old)
    student.until(lambda: not student.is_shown("#link"))
    assert student.is_shown("#inside")  # in the same seat
    assert list(lesson.students) == [inside]
    assert student.text("#receipt") == receipt

    # The page of one's own data does not ask for what this tab knows.
    expire()
    student.browser.get(live.base + "/mine?lang=en")
    student.until(lambda: student.is_shown("#come-back"))
    assert student["[name=receipt]"].get_attribute("value") == receipt.replace(" ", "")
    student.click("#come-back button")
    student.until(lambda: student.text("#lesson") == "Fractions")

    # Nor does it keep the field from whoever has read in it for a quarter of an hour.
    token = student.browser.execute_script("return token")
    live.school.store.delete_token(hashlib.sha256(token.encode()).hexdigest())
    live.school.tokens.forget(inside)
    student.click("#take")
    student.until(lambda: student.is_shown("#come-back"))
    assert student.text("#problem") == WORDS["error_token"][0]
    assert not student.is_shown("#kept")
    student.click("#come-back button")
    student.until(lambda: student.is_shown("#kept"))

    # Only when the server keeps nothing is the receipt thrown away.
    student.browser.get(live.base + "/?lang=en")
    student.until(lambda: student.is_shown("#inside"))
    live.school.store.delete_participant(inside)
    expire()
    student.until(lambda: student.text("#over-text") == WORDS["expired"][0])
    assert student.browser.execute_script("return sessionStorage.length") == 0


@slow
def test_pages_say_that_the_store_is_full_and_ask_again_to_delete(open_browser, live, monkeypatch):
    teacher, student = both_inside(live, open_browser(), open_browser())

    def full(*_):
        raise StoreError("The store does not take or give rows: full.", "full")

    with monkeypatch.context() as away:
        away.setattr(live.school.store, "write", full)
        away.setattr(live.school.store, "delete_participant", full)
        student.click("[data-answer=lost]")
        teacher.until(lambda: "the server's disk is full" in teacher.text("#store"))
        teacher.browser.refresh()  # the line is there again, and so is the lesson
        teacher.until(lambda: "the server's disk is full" in teacher.text("#store"))
        student.click("#withdraw")
        student.click("#withdraw-dialog .grave")
        student.until(lambda: student.text("#over-text") == WORDS["withdrawn_later"][0])
    # The server is killed and starts anew: it knows of the student again, and of no withdrawal.
    (lesson,) = live.school.lessons.values()
    live.school.writer._lessons[lesson.id].forgetting.clear()
    student.until(lambda: student.text("#over-text") == WORDS["withdrawn"][0])
    assert live.school.store.participants(lesson.id) == []
    teacher.until(lambda: not teacher.is_shown("#store"))
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    teacher.until(lambda: teacher.text("#store").endswith("the disk was full, rows lost: 0"))


@slow
def test_the_teacher_s_page_says_that_the_server_is_overloaded_and_when_it_is_over(
    open_browser, live, monkeypatch
):
    teacher, _ = both_inside(live, open_browser(), open_browser())
    assert not teacher.is_shown("#load")
    with monkeypatch.context() as full:
        full.setattr(live.school._load, "read", lambda: 1.0)
        teacher.until(lambda: teacher.text("#load") == WORDS["load_too_high"][0])
        teacher.browser.refresh()
        teacher.until(lambda: teacher.is_shown("#load"))
    teacher.until(lambda: not teacher.is_shown("#load"))


@slow
def test_a_page_whose_connection_broke_while_a_withdrawal_failed_connects_again(
    open_browser, live, monkeypatch
):
    _, student = both_inside(live, open_browser(), open_browser())
    (lesson,) = live.school.lessons.values()
    (mine,) = lesson.students.values()
    broken = mine.outbox

    async def break_and_fail(*_):
        broken.close(1011, "broken")
        await asyncio.sleep(1)
        raise StoreError("The store does not take or give rows: gone.", "gone")

    with monkeypatch.context() as failing:
        failing.setattr(live.school, "withdraw", break_and_fail)
        student.click("#withdraw")
        student.click("#withdraw-dialog .grave")
        student.until(lambda: student.text("#problem") == WORDS["error_store"][0])
    student.until(lambda: mine.outbox not in (broken, None))
    student.click("[data-answer=lost]")
    student.until(lambda: student.text("#tapped") == WORDS["tapped"][0])


@slow
@pytest.mark.parametrize("reason", ["locked", "gone"])
def test_a_lesson_ends_without_a_store_and_the_report_comes_with_it(
    open_browser, live, tmp_path, reason
):
    teacher, student = both_inside(live, open_browser(), open_browser())
    file = tmp_path / "data" / "classroom.sqlite"
    other = sqlite3.connect(file, isolation_level=None)
    if reason == "locked":
        other.execute("BEGIN IMMEDIATE")
    else:
        file.rename(file.with_suffix(".away"))
    student.click("[data-answer=lost]")
    student.until(lambda: student.text("#tapped") == WORDS["tapped"][0])
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    student.until(lambda: student.text("#over-text") == WORDS["ended"][0])
    teacher.until(lambda: teacher.text("#problem") == WORDS["report_waits"][0])
    assert not teacher.is_shown("#end")
    assert not teacher.is_shown("#report-tools")
    if reason == "gone":
        student.until(lambda: student.text("#problem") == WORDS["error_store"][0])
        file.with_suffix(".away").rename(file)
    other.close()
    teacher.until(lambda: teacher.is_shown("#report-tools"))
    assert teacher.text("#problem") == ""
    assert WORDS[f"gap_{reason}"][0] in teacher.text("#store")
    teacher.until(lambda: len(teacher.all("#views li")) == 2)  # watched, and read once
    student.until(lambda: student.is_shown("#withdraw"))
    assert student.text("#problem") == ""


@slow
@pytest.mark.parametrize("lacking", ["window.HTMLDialogElement", "DataView.prototype.setBigUint64"])
def test_a_browser_that_is_too_old_is_told_so_and_no_other(open_browser, some_live, lacking):
    browser = open_browser()
    for path in PAGES:
        assert not Page(browser, some_live, f"{path}?lang=en").is_shown("#old")
    source = {"source": f"delete {lacking}"}
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    for path in PAGES:
        page = Page(browser, some_live, f"{path}?lang=en")
        assert page.text("#old") == WORDS["old_browser"][0]


@slow
def test_pages_that_have_heard_nothing_for_long_connect_again(open_browser, live):
    teacher, student = both_inside(live, open_browser(), open_browser())
    (lesson,) = live.school.lessons.values()
    (mine,) = lesson.students.values()

    def closes_its_lid(page, connection):
        before = connection()
        page.browser.execute_script("const was = Date.now; Date.now = () => was() + 60000")
        page.until(lambda: connection() not in (before, None))
        page.until(lambda: not page.is_shown("#link"))

    closes_its_lid(student, lambda: mine.outbox)
    closes_its_lid(teacher, lambda: next((one for one in lesson.teachers), None))


@slow
def test_a_teachers_page_comes_back_to_its_lesson_without_a_store(open_browser, live, tmp_path):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    open_lesson(teacher, live)
    file = tmp_path / "data" / "classroom.sqlite"
    file.rename(file.with_suffix(".away"))
    teacher.browser.refresh()
    teacher.until(lambda: teacher.is_shown("#end"))
    teacher.until(lambda: "nothing can be stored" in teacher.text("#store"))
    teacher.click("#end")
    teacher.click("#end-dialog .grave")
    teacher.until(lambda: teacher.text("#problem") == WORDS["report_waits"][0])
    teacher.browser.refresh()  # nobody knows of the lesson now, until the store is back
    teacher.until(lambda: teacher.text("#problem") == WORDS["error_store"][0])
    file.with_suffix(".away").rename(file)
    teacher.until(lambda: teacher.is_shown("#list button"))
    assert teacher.text("#problem") == ""


@slow
def test_a_report_is_waited_for_though_a_proxy_says_that_nobody_is_there(
    open_browser, live, monkeypatch
):
    teacher = Page(open_browser(), live, "/teach?lang=en")
    open_lesson(teacher, live)
    asked = threading.Event()

    def restarting(*_):
        asked.set()
        raise HTTPException(502)

    with monkeypatch.context() as away:
        away.setattr(live.school.store, "lesson", restarting)
        teacher.click("#end")
        teacher.click("#end-dialog .grave")
        assert asked.wait(60)
        teacher.until(lambda: teacher.text("#problem") == WORDS["report_waits"][0])
    teacher.until(lambda: teacher.is_shown("#report-tools"))


@slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_pages_fit_a_phone_and_the_keyboard_is_enough(open_browser, live, lang):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    teacher = Page(open_browser(), live, f"/teach?lang={lang}")
    code = open_lesson(teacher, live)
    browser = open_browser(360, 740, lang=lang)
    for path in PAGES:
        assert Page(browser, live, path).overflow_px() == 0
    student = Page(browser, live, "/")

    def press(*keys):
        ActionChains(browser).send_keys(*keys).perform()

    def focused():
        return browser.switch_to.active_element

    press(Keys.TAB)
    assert focused().get_attribute("class") == "skip"
    while focused().get_attribute("name") != "code":
        press(Keys.TAB)
    press(code, Keys.TAB)
    assert focused().get_attribute("value") == "none"
    press(Keys.TAB, Keys.ENTER)
    student.until(lambda: student.text("#tag"))
    teacher.click("#waiting button")
    student.until(lambda: student.is_shown("#inside"))
    assert focused().get_attribute("id") == "lesson-title"
    press(Keys.TAB, Keys.SPACE)
    student.until(lambda: student["[data-answer=lost]"].get_attribute("aria-pressed") == "true")
    assert student.overflow_px() == 0
    assert browser.execute_script("return window.innerWidth") == 360
    nameless = browser.execute_script(
        "return [...document.querySelectorAll('button,input,canvas,a')].filter((one) => "
        "!(one.textContent.trim() || one.labels?.length || one.getAttribute('aria-label'))).map((one) => one.outerHTML)"
    )
    assert nameless == []


def test_colours_of_text_have_contrast():
    style = Path(WEB / "static/classroom.css").read_text()
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style))

    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    def contrast(one, other):  # WCAG 2.2, 1.4.3
        dark, bright = sorted((light(named[one]), light(named[other])))
        return (bright + 0.05) / (dark + 0.05)

    for text in ("ink", "soft", "green", "red"):
        assert all(contrast(text, ground) >= 4.5 for ground in ("paper", "card", "wash")), text
    for line in State:
        assert contrast(line.value, "card") >= 3, line  # 1.4.11
