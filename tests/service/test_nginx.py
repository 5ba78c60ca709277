"""deploy/nginx.conf, read by nginx itself and before a service that runs."""

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from service_calls import error_of, png

from mien.service.settings import Settings

CONF = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light"),
]


def here(folder, upstream, port):
    """The file as it is, but for addresses and folders of this machine."""
    text = CONF.read_text(encoding="utf-8")
    for old, new in (
        ("server mien:8000;", f"server 127.0.0.1:{upstream};"),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        (" /tmp/", f" {folder}/"),
        ("access_log /dev/stdout", f"access_log {folder}/access.log"),
    ):
        assert old in text
        text = text.replace(old, new)
    made = folder / "nginx.conf"
    made.write_text(text, encoding="utf-8")
    return made


@pytest.fixture
def front(tmp_path, free_port):
    """Return a function that starts nginx before a port; it returns a client of it."""
    started = []

    def start(upstream):
        tmp_path.chmod(0o711)  # its workers give up root, and go through here
        port = free_port()
        conf = here(tmp_path, upstream, port)
        process = subprocess.Popen([NGINX, "-c", conf, "-g", "daemon off;"], stderr=subprocess.PIPE)
        started.append(process)
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.stderr.read()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    yield start
    for process in started:
        process.terminate()
        process.wait(60)
        process.stderr.close()


def test_nginx_lets_go_of_an_idle_connection_before_the_service_does():
    # A request that meets the closing would be lost: nginx sends no POST twice.
    kept = re.search(r"upstream mien \{.+?keepalive_timeout (\d+)s;", CONF.read_text(), re.S)
    assert int(kept[1]) < Settings.model_fields["upload_s"].default


def test_nginx_accepts_the_file(tmp_path, free_port):
    conf = here(tmp_path, free_port(), free_port())
    done = subprocess.run([NGINX, "-t", "-c", conf], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_what_comes_through_and_what_does_not(serve, front, tmp_path):
    with front(serve(hosts="127.0.0.1").port) as client:
        answer = client.post("/v1/predict", content=png(255), headers={"content-type": "image/png"})
        assert answer.status_code == 200
        assert answer.json()["pictures"][0]["faces"][0]["expression"] == "happiness"
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        named = client.get("/healthz", headers={"x-request-id": "lesson-1"})
        assert named.headers["x-request-id"] == "lesson-1"
        odd = client.get("/healthz", headers={"x-request-id": "a b"})
        assert re.fullmatch("[0-9a-f]{32}", odd.headers["x-request-id"])
        assert "nginx/" not in answer.headers["server"]
        assert error_of(client.get("/metrics"))[:2] == (404, "not_found")
        # A little more than the service takes: refused before it is asked, in its own shape.
        large = client.post(
            "/v1/predict", content=bytes((8 << 20) + 1), headers={"content-type": "image/png"}
        )
        assert error_of(large)[:2] == (413, "body_too_large")
        secret = client.get(
            "/v1/some-secret-path?key=mien_secret", headers={"x-api-key": "mien_secret"}
        )
        assert secret.status_code == 404
    until = time.monotonic() + 60
    while (lines := (tmp_path / "access.log").read_text()).count("\n") < 6:
        assert time.monotonic() < until, lines  # nginx writes a line after its answer
        time.sleep(0.05)
    assert lines.count("\n") == 6
    assert "127.0.0.1" not in lines
    assert "secret" not in lines


def test_what_nginx_itself_refuses_has_the_same_shape(front, free_port):
    with front(free_port()) as client:
        assert error_of(client.get("/" + "x" * 40_000))[:2] == (414, "path_too_long")
        large = client.get("/healthz", headers={"x-large": "x" * 40_000})
        assert error_of(large)[:2] == (431, "headers_too_large")
        unread = client.get("/healthz", headers={"host": "a b"})
        assert error_of(unread)[:2] == (400, "bad_request")


def test_a_service_that_is_away_is_said_in_the_same_shape(front, free_port):
    with front(free_port()) as client:
        answer = client.get("/healthz")
        assert error_of(answer)[:2] == (503, "busy")
