"""The page as its users see it: the real command in a process of its own, Chromium before it, nothing beyond this machine."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

import cv2
import httpx
import numpy as np
import pytest

from mien import images
from mien.data.synthetic import draw_scene
from mien.labels import display_name
from mien.paths import weights_dir
from mien.recognition import Recognizer
from mien.recognition.film import open_film
from mien.recognition.table import read_table

pytestmark = pytest.mark.slow

ANSWER_S = 300  # patience: importing Gradio alone takes seconds on an idle machine
DRAWN = ("surprise", 0), ("anger", 3)

# Python reads a module of this name when it starts: it writes down whom the server wants to reach.
AUDIT = """
import os, sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        host = arguments[1][0] if event == "socket.connect" else arguments[0]
        if isinstance(arguments[1], tuple) or event == "socket.getaddrinfo":
            with open(os.environ["MIEN_TEST_HOSTS"], "a") as file:
                file.write(f"{host}\\n")
sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def start_page(tmp_path_factory):
    """Return a function that starts the page: its address, its temporary folder, who was asked for, its process."""
    if find_spec("gradio") is None:
        pytest.skip("gradio is not installed: pip install 'mien[demo]'")
    if not (weights_dir() / "mien-s.onnx").exists():
        pytest.skip("mien-s does not ship yet")
    started = []

    def start():
        folder = tmp_path_factory.mktemp("page")
        (folder / "sitecustomize.py").write_text(AUDIT)
        temporary, hosts = folder / "tmp", folder / "hosts"
        temporary.mkdir()
        hosts.touch()
        environment = {
            k: v for k, v in os.environ.items() if k not in ("MIEN_YUNET", "GRADIO_TEMP_DIR")
        }
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(folder), environment.get("PYTHONPATH", "")]),
            "MIEN_TEST_HOSTS": str(hosts),
            "MIEN_CACHE": str(folder / "cache"),
            "HOME": str(folder / "home"),
            "TMPDIR": str(temporary),
        }
        command = [sys.executable, "-m", "mien", "demo", "--port", "0", "--model", "mien-s"]
        with (folder / "stderr").open("w") as errors:
            server = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started.append((server, folder))
        first = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", first)
        assert found, first + (folder / "stderr").read_text()
        return found[0], temporary, hosts, server

    yield start
    for server, folder in started:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        server.stdout.close()
        assert "Traceback" not in (folder / "stderr").read_text()
        assert list((folder / "tmp").glob("mien-*")) == []  # all uploads and results are gone
        assert set((folder / "hosts").read_text().split()) <= {"127.0.0.1", "localhost", "None"}


@pytest.fixture(scope="module")
def page(start_page):
    """The running page: its address, its temporary folder, who was asked for by name or number."""
    return start_page()[:3]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("mien-s", detector="haar")


@pytest.fixture
def photo(tmp_path):
    drawn, _ = draw_scene(["surprise"], 0, 480, 480)
    images.write(tmp_path / "drawn.png", drawn)
    return tmp_path / "drawn.png"


@pytest.fixture
def camera(tmp_path):
    """Two drawn faces in turn, each for a second and a half at the 30 frames that Chromium plays a second."""
    path = tmp_path / "camera.mjpeg"
    with path.open("wb") as file:
        for expression, seed in DRAWN:
            drawn, _ = draw_scene([expression], seed, 480, 480)
            _, data = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
            file.write(data.tobytes() * 45)
    return path


@pytest.fixture
def clip(tmp_path):
    """A second of each drawn face."""
    path = tmp_path / "clip.mp4"
    with open_film(path) as film:
        for place, (expression, seed) in enumerate(DRAWN):
            drawn, _ = draw_scene([expression], seed, 480, 480)
            for number in range(10):
                film(drawn, place + 0.1 * number)
    return path


def wait_for(look, patience_s=ANSWER_S):
    """Return what ``look`` returns as soon as it is something; the page may still be building."""
    from selenium.common.exceptions import (
        ElementNotInteractableException,
        NoSuchElementException,
        StaleElementReferenceException,
    )

    passing = (
        ElementNotInteractableException,
        NoSuchElementException,
        StaleElementReferenceException,
    )
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except passing:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {patience_s} s")


def click(browser, how, what):
    """Click as soon as it is there and can be clicked; a page that is being built draws things anew."""
    wait_for(lambda: browser.find_element(how, what).click() or True)


def opened(browser, page, tab="photo"):
    browser.get(page[0])
    wait_for(lambda: browser.find_element("css selector", "html[data-mien=ready]"))
    click(browser, "id", f"mien-{tab}-button")
    wait_for(lambda: browser.find_element("id", f"mien-{tab}").is_displayed())


def choose_korean(browser):
    """By script, since one of Gradio's notices may lie over the switch for some seconds."""
    switch = browser.find_element("css selector", "#mien-language input[value=ko]")
    browser.execute_script("arguments[0].click()", switch)


def upload(browser, tab, path):
    field = f"#mien-{tab} input[type=file]"
    wait_for(lambda: browser.find_element("css selector", field).send_keys(str(path)) or True)


def width_of(browser):
    return browser.execute_script("return document.querySelector('main').offsetWidth")


def text_of(browser, selector):
    return browser.find_element("css selector", selector).text


def check_quiet(browser):
    """Nothing outside this machine was asked for, and the page wrote no error."""
    asked = browser.requests()
    assert len(asked) > 10
    assert [
        url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ] == []
    assert browser.troubles() == []


def test_an_uploaded_photo_gets_its_expression_in_both_languages(browser, page, photo, recognizer):
    (face,) = recognizer.predict(photo)
    opened(browser, page)
    assert text_of(browser, "html h1") == "mien"
    upload(browser, "photo", photo)
    answer = "#mien-photo-words .mien-face strong"
    english = wait_for(lambda: text_of(browser, answer))
    assert english == display_name(face.answer, "en")
    shown = text_of(browser, "#mien-photo-words .mien-face li.is-best span:last-child")
    assert shown == f"{face.confidence:.0%}".replace("%", " %")
    choose_korean(browser)
    korean = wait_for(lambda: text_of(browser, answer) != english and text_of(browser, answer))
    assert korean == display_name(face.answer, "ko")

    def tabs():
        texts = [tab.text for tab in browser.find_elements("css selector", "button[role=tab]")]
        return [text for text in texts if text]

    wait_for(lambda: tabs() == ["사진", "실시간", "동영상", "비교", "성능표"])
    wait_for(lambda: browser.execute_script("return document.documentElement.lang") == "ko")
    check_quiet(browser)


@pytest.mark.parametrize(
    ("lang", "no_picture", "no_face"),
    [
        ("en", "This is no picture that can be read.", "No face was found."),
        ("ko", "읽을 수 있는 사진이 아닙니다.", "얼굴을 찾지 못했습니다."),
    ],
)
def test_a_phone_in_either_language_is_told_what_was_refused(
    open_browser, page, tmp_path, lang, no_picture, no_face
):
    browser = open_browser(width_px=390, height_px=844, lang=lang)
    opened(browser, page)
    (tmp_path / "cat.jpg").write_text("no picture at all")
    upload(browser, "photo", tmp_path / "cat.jpg")
    wait_for(lambda: no_picture in text_of(browser, "#mien-photo-words"))
    wait_for(lambda: browser.find_element("css selector", "#mien-photo [role=alert]"))
    opened(browser, page)
    images.write(tmp_path / "wall.png", np.full((90, 120, 3), 128, np.uint8))
    upload(browser, "photo", tmp_path / "wall.png")
    wait_for(lambda: no_face in text_of(browser, "#mien-photo-words"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


def test_live_bars_change_and_no_frame_reaches_the_disk(open_browser, page, camera, recognizer):
    names = set()
    for expression, seed in DRAWN:
        (face,) = recognizer.predict(draw_scene([expression], seed, 480, 480)[0])
        names.add(display_name(face.expression))
    browser = open_browser(camera=camera)
    opened(browser, page, "live")
    before = {path for path in page[1].rglob("*") if path.is_file()}
    allow = "#mien-live [title='grant webcam access'] button"
    click(browser, "css selector", allow)
    start = "//*[@id='mien-live']//button[contains(., 'Start')]"
    click(browser, "xpath", start)
    bars = """return [...document.querySelectorAll("#mien-live-words .mien-face")].map(face =>
        [face.querySelector("strong").textContent, ...[...face.querySelectorAll("li i")].map(bar => bar.style.width)])"""
    seen, shown = set(), set()

    def enough():
        for name, *widths in browser.execute_script(bars):
            shown.add(name)
            seen.add(tuple(widths))
        return len(seen) >= 5 and shown >= names

    wait_for(enough)
    assert all(len(widths) == 8 for widths in seen)
    wait_for(lambda: browser.find_elements("css selector", "#mien-live-words svg polygon"))
    assert {path for path in page[1].rglob("*") if path.is_file()} == before
    check_quiet(browser)


def test_a_recording_gives_a_table_a_film_and_a_timeline(browser, page, clip, recognizer, tmp_path):
    opened(browser, page, "video")
    start = "#mien-video button.primary"
    click(browser, "css selector", start)
    wait_for(lambda: "Upload a recording first." in text_of(browser, "#mien-video-words"))
    upload(browser, "video", clip)
    wait_for(lambda: browser.find_element("css selector", "#mien-video video"))
    click(browser, "css selector", start)
    wait_for(
        lambda: "20 frames, 0 of them without a face." in text_of(browser, "#mien-video-words")
    )
    lines = text_of(browser, "#mien-video-words .mien-timeline")
    rows = list(recognizer.watch(clip, fps=10))
    for expression in {row.expression for row in rows}:
        assert display_name(expression) in lines
    downloads = tmp_path / "downloads"
    for words in ("Table (CSV)", "Annotated recording (MP4)", "Timeline (PNG)"):
        button = f"//*[@id='mien-video']//*[self::a or self::button][contains(., '{words}')]"
        click(browser, "xpath", button)
    names = {"clip.csv", "clip-annotated.mp4", "clip-timeline.png"}
    wait_for(lambda: downloads.exists() and {path.name for path in downloads.iterdir()} == names)
    table = list(read_table(downloads / "clip.csv"))
    assert [(r.frame, r.track, r.expression) for r in table] == [
        (r.frame, r.track, r.expression) for r in rows
    ]
    film = cv2.VideoCapture(str(downloads / "clip-annotated.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 20
    film.release()
    choose_korean(browser)
    wait_for(lambda: "장면 20개 가운데" in text_of(browser, "#mien-video-words"))
    check_quiet(browser)


def test_a_recording_that_the_browser_cannot_play_is_read_all_the_same(browser, page, tmp_path):
    drawn, _ = draw_scene(["surprise"], 0, 480, 480)
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(tmp_path / "old.avi"), cv2.CAP_FFMPEG, codec, 10, (480, 480))
    for _ in range(5):
        writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    writer.release()
    opened(browser, page, "video")
    upload(browser, "video", tmp_path / "old.avi")
    place = wait_for(lambda: browser.find_element("css selector", "#mien-video [data-unshown]"))
    said = "return getComputedStyle(arguments[0], '::after').content"
    assert "cannot play the file here" in browser.execute_script(said, place)
    assert not browser.find_elements("css selector", ".toast-body")
    click(browser, "css selector", "#mien-video button.primary")
    wait_for(lambda: "5 frames, 0 of them" in text_of(browser, "#mien-video-words"))


def test_a_recording_that_is_stopped_gives_what_there_is(browser, page, tmp_path):
    drawn, _ = draw_scene(["surprise"], 0, 480, 480)
    with open_film(tmp_path / "long.mp4") as film:
        for number in range(3000):
            film(drawn, 0.1 * number)
    opened(browser, page, "video")
    upload(browser, "video", tmp_path / "long.mp4")
    wait_for(lambda: browser.find_element("css selector", "#mien-video video"))
    click(browser, "css selector", "#mien-video button.primary")
    wait_for(lambda: "so far" in text_of(browser, "#mien-video-words"))
    click(browser, "xpath", "//*[@id='mien-video']//button[contains(., 'Stop')]")
    wait_for(lambda: "Stopped at" in text_of(browser, "#mien-video-words"), patience_s=60)
    assert not browser.find_elements("css selector", "#mien-video-words .mien-progress")
    assert wait_for(lambda: browser.find_element("xpath", "//*[contains(., 'Table (CSV)')]"))


def test_what_is_no_recording_is_refused_in_the_page(browser, page, tmp_path):
    (tmp_path / "talk.mp4").write_bytes(b"no film at all" * 99)
    opened(browser, page, "video")
    upload(browser, "video", tmp_path / "talk.mp4")
    wait_for(lambda: browser.find_elements("css selector", "#mien-video video"))
    click(browser, "css selector", "#mien-video button.primary")
    wait_for(lambda: "This is no recording" in text_of(browser, "#mien-video-words"))


def test_another_page_in_the_same_browser_can_neither_upload_nor_read(browser, page, tmp_path):
    address, temporary, _ = page
    (tmp_path / "other.html").write_text("<title>other</title>")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)
    )
    Thread(target=server.serve_forever, daemon=True).start()
    before = {path for path in temporary.rglob("*") if path.is_file()}
    try:
        browser.get(f"http://127.0.0.1:{server.server_port}/other.html")
        # Sent without asking first, as a form would be: only its answer is kept from the page by the browser itself.
        script = """const [address, done] = arguments, form = new FormData();
            form.append("files", new Blob(["x"]), "planted.jpg");
            fetch(address + "gradio_api/upload", {method: "POST", body: form, mode: "no-cors"})
                .then(() => fetch(address + "config")).then((answer) => done(answer.status), () => done(0));"""
        assert browser.execute_async_script(script, address) in (0, 403)
    finally:
        server.shutdown()
        server.server_close()
    assert {path for path in temporary.rglob("*") if path.is_file()} == before
    form = {"files": ("planted.jpg", b"x")}
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example:7860"}):
        assert (
            httpx.post(address + "gradio_api/upload", files=form, headers=headers).status_code
            == 403
        )
    assert httpx.get(address, headers={"host": "evil.example:7860"}).status_code == 403
    assert {path for path in temporary.rglob("*") if path.is_file()} == before
    assert httpx.post(address + "gradio_api/upload", files=form).status_code == 200


@pytest.mark.usefixtures("_not_under_nohup")
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_the_end_of_the_terminal_leaves_no_upload(start_page):
    address, temporary, _, server = start_page()
    form = {"files": ("photo.jpg", b"x")}
    assert httpx.post(address + "gradio_api/upload", files=form).status_code == 200
    assert [path.name for path in temporary.rglob("photo.jpg")] == ["photo.jpg"]
    server.stdout.close()
    server.send_signal(signal.SIGHUP)
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    assert list(temporary.glob("mien-*")) == []


def test_two_sets_of_labels_side_by_side_and_no_results_at_hand(browser, page, photo, recognizer):
    opened(browser, page, "compare")
    upload(browser, "compare", photo)
    for side, labels, count in (("left", "ferplus", 8), ("right", "fer2013", 7)):
        (face,) = Recognizer("mien-s", labels, recognizer.detector).predict(photo)
        words = f"#mien-compare-{side}"
        answer = wait_for(lambda words=words: text_of(browser, f"{words} strong"))
        assert answer == display_name(face.answer)
        assert len(browser.find_elements("css selector", f"{words} li")) == count
    width = width_of(browser)
    click(browser, "id", "mien-board-button")
    wait_for(lambda: "There is no folder with results at hand" in text_of(browser, "#mien-board"))
    assert width_of(browser) == width >= 1000  # no tab is narrower than another
    check_quiet(browser)
