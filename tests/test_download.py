import hashlib
import http.server
import threading

import pytest

from mien import download
from mien.download import RemoteFile, fetch, is_intact
from mien.errors import DownloadError

BODY = b"weights " * 5000
REMEDY = "Copy it by hand."


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path: /file the bytes, /short a part, /endless more and more, /other other bytes, …"""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path in ("/away", "/insecure"):
            self.send_response(302)
            target = "/file" if self.path == "/away" else "http://example.org/file"
            self.send_header("Location", target)
            self.end_headers()
            return
        if self.path == "/hangs-up":
            self.connection.close()
            return
        bodies = {
            "/file": BODY,
            "/short": BODY[:100],
            "/other": BODY[::-1],
            "/endless": BODY * 20,
        }
        if self.path not in bodies:
            self.send_error(404, "Not Found")
            return
        self.send_response(200)
        self.end_headers()
        try:
            self.wfile.write(bodies[self.path])
        except ConnectionError:
            self.server.cut_off = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def remote(server, path="/file"):
    return RemoteFile(
        name="net.onnx",
        url=f"http://127.0.0.1:{server.server_port}{path}",
        sha256=hashlib.sha256(BODY).hexdigest(),
        size_bytes=len(BODY),
        licence="MIT",
        source="tests",
    )


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    path = fetch(remote(server), tmp_path / "new" / "folder", REMEDY)
    assert path.read_bytes() == BODY
    assert [p.name for p in path.parent.iterdir()] == ["net.onnx"]


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    file = remote(server)
    fetch(file, tmp_path, REMEDY)
    fetch(file, tmp_path, REMEDY)
    assert server.asked == ["/file"]


def test_a_damaged_file_is_replaced(server, tmp_path):
    file = remote(server)
    (tmp_path / "net.onnx").write_bytes(BODY[:-1] + b"!")
    assert not is_intact(tmp_path / "net.onnx", file)
    assert fetch(file, tmp_path, REMEDY).read_bytes() == BODY


def test_it_is_said_what_is_fetched(server, tmp_path, caplog):
    caplog.set_level("INFO")
    file = remote(server)
    fetch(file, tmp_path, REMEDY)
    assert caplog.messages == [f"Fetching {file.url} (40 kB)"]


def test_a_mirror_serves_as_well(server, tmp_path):
    fetch(remote(server, "/gone"), tmp_path, REMEDY, url=remote(server).url)
    assert server.asked == ["/file"]


def test_redirects_are_followed(server, tmp_path):
    assert fetch(remote(server, "/away"), tmp_path, REMEDY).read_bytes() == BODY
    assert server.asked == ["/away", "/file"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/other", r"sent another file: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}"),
        ("/short", r"sent only 100 bytes; expected 40000\. Nothing was kept"),
        ("/endless", r"sent more than 40000 bytes; expected 40000\. Nothing was kept"),
        ("/gone", r"/gone answers 404 Not Found instead of the file\."),
        ("/hangs-up", r"/hangs-up cannot be reached: "),
        ("/insecure", r"http://example\.org/file is not an https address"),
    ],
)
def test_what_is_not_the_file_is_refused_and_nothing_kept(server, tmp_path, path, words):
    with pytest.raises(DownloadError, match=words) as refused:
        fetch(remote(server, path), tmp_path, REMEDY)
    assert list(tmp_path.iterdir()) == []
    if path != "/insecure":
        assert str(refused.value).endswith(f". {REMEDY}")


def test_an_older_file_stays_when_fetching_fails(server, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"old")
    with pytest.raises(DownloadError, match="another file"):
        fetch(remote(server, "/other"), tmp_path, REMEDY)
    assert (tmp_path / "net.onnx").read_bytes() == b"old"


def test_without_a_network_the_remedy_is_named(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(
        DownloadError, match=r"cannot be reached: Connection refused\. Copy it by hand\."
    ):
        fetch(remote(server), tmp_path, REMEDY)


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "ftp://example.org/a", "file:///etc/hosts"]
)
def test_only_https_is_fetched(server, tmp_path, url):
    with pytest.raises(DownloadError, match="is not an https address; nothing else is fetched"):
        fetch(remote(server), tmp_path, REMEDY, url=url)


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        DownloadError,
        match=r"net\.onnx cannot be written: .*\. Choose another place with MIEN_CACHE",
    ):
        fetch(remote(server), tmp_path / "file", REMEDY)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DownloadError, match=r"gone cannot be read: No such file"):
        download.sha256_of(tmp_path / "gone")
