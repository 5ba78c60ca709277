import contextlib
import http.server
import threading

import numpy as np
import pytest

from mien.recognition.film import open_film
from mien.recognition.source import open_source
from mien.recognition.web import head_of_file


@pytest.fixture
def serve():
    """Return a function that answers every request with these bytes, with their length or without: the address."""
    with contextlib.ExitStack() as stack:

        def start(content, has_length=True, password=None):
            class Answers(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    if password and self.headers.get("Authorization") != password:
                        self.send_error(401)
                        return
                    self.send_response(200)
                    if has_length:
                        self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        self.wfile.write(content)

                def log_message(self, *_):
                    pass

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
            stack.callback(server.server_close)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"127.0.0.1:{server.server_port}"

        yield start


def test_a_file_has_a_length_and_a_stream_has_none(serve):
    assert head_of_file(f"http://{serve(bytes(range(40)) + bytes(999))}/a.webm")[:40] == bytes(
        range(40)
    )
    assert head_of_file(f"http://{serve(b'--frame', has_length=False)}/camera") is None


@pytest.mark.parametrize("content", [b"#EXTM3U\n", b"\xef\xbb\xbf#EXTM3U\n", b"<MPD>"])
def test_a_list_of_pieces_is_no_file(serve, content):
    assert head_of_file(f"http://{serve(content)}/live.m3u8") is None


@pytest.mark.parametrize("path", ["수업.webm", "a b.webm", "a.webm?of=수업&b=%20c#t=1", "%ec.webm"])
def test_addresses_may_hold_spaces_and_hangul(serve, path):
    assert head_of_file(f"http://{serve(b'content')}/{path}") == b"content"


def test_name_and_password_are_sent_as_browsers_do(serve):
    address = serve(b"content", password="Basic bWU6YTpi")  # me:a:b
    assert head_of_file(f"http://me:a%3Ab@{address}/x") == b"content"
    assert head_of_file(f"http://{address}/x") is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://127.0.0.1:port/x", "http:///"])
def test_who_does_not_answer_has_no_file(url):
    assert head_of_file(url) is None


def test_a_recording_whose_length_nobody_knows_is_no_camera_if_it_is_a_file(serve, tmp_path):
    with open_film(tmp_path / "a.mp4") as film:
        for number in range(5):
            film(np.full((48, 64, 3), number, np.uint8), number / 10)
    # Raw MPEG-4, which no container says anything of: from the pixels on.
    whole = (tmp_path / "a.mp4").read_bytes()
    raw = whole[whole.index(b"\x00\x00\x01\xb0") : whole.rindex(b"moov") - 4]
    with open_source(f"http://{serve(raw)}/a.m4v") as source:
        assert not source.is_live
        assert source.num_frames is None


def test_a_file_that_says_its_length_is_watched_with_its_own_times(serve, tmp_path):
    with open_film(tmp_path / "a.mp4") as film:
        for number in range(5):
            film(np.full((48, 64, 3), number, np.uint8), number / 10)
    with open_source(f"http://{serve((tmp_path / 'a.mp4').read_bytes())}/a.mp4") as source:
        assert not source.is_live
        assert [frame.time_s for frame in source.frames()] == pytest.approx(
            [0, 0.1, 0.2, 0.3, 0.4], abs=0.001
        )
