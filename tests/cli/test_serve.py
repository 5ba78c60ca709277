import re
import stat
import sys

import pytest

from mien import cli
from mien.errors import MissingExtraError
from mien.service import app, server
from mien.service.door import bind
from mien.service.settings import PREFIX


@pytest.fixture
def run(monkeypatch, capfd):
    """Return a function that runs `mien`: exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capfd.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture(autouse=True)
def _restored_environment(monkeypatch):
    """`serve` writes its options into the environment; they are gone after each test."""
    for name in (
        "HOST",
        "PORT",
        "WORKERS",
        "KEYS",
        "MODEL",
        "DETECTOR",
        "DETECTOR_FILE",
        "FALLBACK",
    ):
        monkeypatch.setenv(PREFIX + name, "")
        monkeypatch.delenv(PREFIX + name)


@pytest.mark.parametrize("command", [["serve"], ["keys", "add", "school", "--file", "keys.json"]])
def test_on_windows_it_says_so_and_names_no_extra(run, monkeypatch, command):
    for module in ("keys", "settings"):
        monkeypatch.delitem(sys.modules, f"mien.service.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as where there is none
    code, _, err = run(*command)
    assert code == 2
    assert err == (
        "mien: This command locks files in a way that Windows does not know. Use Linux, macOS or WSL.\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--host", "0.0.0.0"],
            "mien: 0.0.0.0 can be reached from other machines, and no API keys are set",
        ),
        (
            ["--port", "99999"],
            "mien: MIEN_SERVICE_PORT is '99999': Input should be less than or equal to 65535.",
        ),
        (["--workers", "0"], "mien: MIEN_SERVICE_WORKERS is '0'"),
        (["--keys", "gone.json"], "mien: There is no file of keys gone.json."),
    ],
)
def test_what_would_be_unsafe_does_not_start(run, options, words):
    code, out, err = run("serve", *options)
    assert (code, out) == (2, "")
    assert err.startswith(words)
    assert err.count("\n") == 1


def test_a_taken_port_is_said(run, tiny_model_path):
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    code, _, err = run("serve", "--port", port, "--model", tiny_model_path)
    listener.close()
    assert code == 2
    assert (
        err
        == f"mien: 127.0.0.1:{port} cannot be listened on: Address already in use. Name another one with --port, or --port 0 for a free one.\n"
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_opened_is_said_before_it_says_that_it_answers(run, workers):
    code, out, err = run("serve", "--port", "0", "--workers", workers, "--model", "nothing")
    assert (code, out) == (2, "")
    assert err == "mien: No model is called 'nothing'. List them with: mien models\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_fallback_that_nobody_can_ask_is_said_before_it_says_that_it_answers(
    run, workers, monkeypatch, tmp_path
):
    pytest.importorskip("boto3")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    code, out, err = run("serve", "--port", "0", "--workers", workers, "--fallback", "rekognition")
    assert (code, out) == (2, "")
    assert err.startswith("mien: --fallback rekognition needs a region.")
    assert err.count("\n") == 1


def test_it_says_where_it_answers_and_that_pictures_may_leave(run, monkeypatch):
    started = []
    monkeypatch.setattr(
        server,
        "run_server",
        lambda settings, listener, _: started.append((settings, listener.close())),
    )
    code, out, err = run("serve", "--port", 0)
    assert (code, out) == (0, "")
    assert re.match(r"mien answers at http://127\.0\.0\.1:\d+, for example: curl ", err)
    assert "leave this machine" not in err
    monkeypatch.setattr(app, "rekognition_client", lambda *_: None)
    _, _, err = run("serve", "--port", 0, "--fallback", "rekognition")
    assert "are sent to AWS Rekognition" in err
    assert [settings.fallback for settings, _ in started] == ["none", "rekognition"]


def test_without_the_extra_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_settings", None)
    monkeypatch.delitem(sys.modules, "mien.service.settings")
    code, _, err = run("serve")
    assert code == 2
    assert err == f"mien: {MissingExtraError('service', 'Serving')}\n"
    assert "pip install 'mien[service]'" in err


def test_keys_are_made_listed_and_revoked(run, tmp_path):
    file = tmp_path / "keys.json"
    code, secret, err = run("keys", "add", "school", "--file", file)
    assert code == 0
    assert re.fullmatch(r"mien_[\w-]{43}\n", secret)
    assert "kept nowhere else" in err
    assert secret.strip() not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "school\tcreated 2" in run("keys", "list", "--file", file)[1]
    assert run("keys", "revoke", "school", "--file", file)[1] == "school is revoked.\n"
    assert "revoked 2" in run("keys", "list", "--file", file)[1]
    code, _, err = run("keys", "revoke", "school", "--file", file)
    assert (code, err) == (2, f"mien: {file} has no active key 'school'; active are: none.\n")
