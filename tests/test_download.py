import hashlib
import http.server
import json
import re
import sys
import threading
from functools import partial

import pytest

from mien.download import RemoteFile, fetch, is_hub_name, is_intact
from mien.errors import DownloadError, MissingExtraError, ModelFileError
from mien.modelfile import load_model

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


@pytest.mark.parametrize("url", ["https://[x", "https://a..b/x", "https://a b/x", "https://a:x/"])
def test_what_is_no_address_cannot_be_reached(server, tmp_path, url):
    with pytest.raises(DownloadError, match=r"cannot be reached: .*\. Copy it by hand\."):
        fetch(remote(server), tmp_path, REMEDY, url=url)


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        DownloadError,
        match=r"net\.onnx cannot be written: .*\. Choose another place with MIEN_CACHE",
    ):
        fetch(remote(server), tmp_path / "file", REMEDY)


class HubHandler(http.server.BaseHTTPRequestHandler):
    """Answers as the Hub does for the files of one model: by HEAD with its commit and checksum, by GET with the bytes."""

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        body = self._answer()
        if body is not None:
            self.wfile.write(body)

    def _answer(self):
        self.server.asked.append((self.command, self.path))
        owner, _, rest = self.path.strip("/").partition("/resolve/")
        body = self.server.files.get(rest.partition("/")[2]) if owner == "some/faces" else None
        if body is None:
            self.send_response(404)
            code = "RepoNotFound" if owner != "some/faces" else "EntryNotFound"
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path, tiny_model_path):
    """A Hub on this machine with one model, some/faces."""
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="the extra hub")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    body = tiny_model_path.read_bytes()
    promised = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    config = {"onnx_file": "onnx/model.onnx", "files": {"onnx/model.onnx": promised}}
    server.files = {"config.json": json.dumps(config).encode(), "onnx/model.onnx": body}
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    places = {"cache_dir": tmp_path / "hf"}
    here = f"http://127.0.0.1:{server.server_port}"
    download_file = huggingface_hub.hf_hub_download
    look_up = huggingface_hub.try_to_load_from_cache
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", partial(download_file, endpoint=here, **places)
    )
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", partial(look_up, **places))
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow  # importing huggingface_hub takes a second
def test_a_model_on_the_hub_is_fetched_once_and_said_to_be(hub, caplog):
    assert load_model("some/faces").info.name == "tiny"
    said = [record.getMessage() for record in caplog.records if record.name == "mien.download"]
    assert said[0].startswith("Fetching config.json of some/faces from the Hugging Face Hub")
    assert re.fullmatch(r"Fetching onnx/model.onnx of some/faces .*, 0\.0 MB …", said[1])
    asked = len(hub.asked)
    assert asked
    assert load_model("some/faces").info.name == "tiny"
    assert len(hub.asked) == asked  # from the cache, without a word to the Hub
    assert {file.rpartition("/")[2] for _, file in hub.asked} == {"config.json", "model.onnx"}


@pytest.mark.slow  # importing huggingface_hub takes a second
def test_other_bytes_than_promised_are_refused(hub):
    hub.files["onnx/model.onnx"] += b"more"
    with pytest.raises(ModelFileError, match=r"is not the file that config.json promises"):
        load_model("some/faces")


@pytest.mark.slow
@pytest.mark.usefixtures("hub")
def test_a_model_that_is_not_on_the_hub_is_named():
    with pytest.raises(
        DownloadError, match=r"config.json of some/body cannot be had from the Hugging Face Hub: "
    ):
        load_model("some/body")


@pytest.mark.slow  # importing huggingface_hub takes a second
def test_a_path_that_was_mistyped_never_reaches_the_hub(hub, tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(ModelFileError, match=r"There is no model file runs/mine\."):
        load_model("runs/mine")
    assert hub.asked == []


def test_without_the_extra_it_says_which(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[hub\]'"):
        load_model("some/faces")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("some/faces", True),
        ("some/faces@v1.0", True),
        ("faces", False),
        ("/some/faces", False),
        ("a/b/c", False),
        ("../faces", False),
        ("some/", False),
        ("runs/mine", False),  # of `mien train`, and not in this folder
    ],
)
def test_what_can_be_a_name_on_the_hub(name, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_hub_name(name) is expected
