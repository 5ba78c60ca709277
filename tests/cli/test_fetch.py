import dataclasses
import hashlib
import http.server
import threading

import pytest
import typer.testing

from mien.cli import app
from mien.errors import DownloadError, UnknownNameError
from mien.faces import yunet
from mien.paths import cache_dir

BODY = b"a network"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(monkeypatch):
    """The address of a server on this machine; its file counts as YuNet's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    known = dataclasses.replace(
        yunet.YUNET_FILE, sha256=hashlib.sha256(BODY).hexdigest(), size_bytes=len(BODY)
    )
    monkeypatch.setattr(yunet, "YUNET_FILE", known)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/yunet"
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments):
    return typer.testing.CliRunner().invoke(app, ["fetch", *arguments])


def test_the_file_goes_into_the_cache_and_all_is_said(mirror):
    done = run("yunet", "--url", mirror)
    path = cache_dir() / yunet.YUNET_FILE.name
    assert done.exit_code == 0
    assert path.read_bytes() == BODY
    first, second = done.output.splitlines()
    assert first == f"Fetching {mirror} (0 kB, licence: MIT) …"
    assert second.startswith(f"{path} is there; its SHA-256 is the expected one.")


def test_a_second_time_nothing_is_fetched(mirror):
    run("yunet", "--url", mirror)
    done = run("yunet", "--url", "https://example.invalid/never-asked")
    assert done.output == f"{cache_dir() / yunet.YUNET_FILE.name} is already there.\n"


def test_another_file_leaves_nothing(mirror, monkeypatch):
    monkeypatch.setattr(yunet, "YUNET_FILE", dataclasses.replace(yunet.YUNET_FILE, sha256="0" * 64))
    done = run("yunet", "--url", mirror)
    assert isinstance(done.exception, DownloadError)
    assert "sent another file" in str(done.exception)
    assert "--detector-file FILE or MIEN_YUNET=FILE" in str(done.exception)
    assert list(cache_dir().iterdir()) == []


def test_an_unknown_name_is_named():
    done = run("yunett")
    assert isinstance(done.exception, UnknownNameError)
    assert "No file to fetch is called 'yunett'. Did you mean yunet?" in str(done.exception)


def test_only_one_address_is_ever_asked_by_default():
    assert yunet.YUNET_FILE.url.startswith("https://")
    assert yunet.YUNET_FILE.url.endswith(yunet.YUNET_FILE.name)
