import socket
import sys

import pytest
import typer

from mien import cli
from mien.demo import server


@pytest.fixture
def run(monkeypatch, capfd):
    """Return a function that runs `mien demo`: exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien", "demo", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capfd.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


def test_the_options_reach_the_server_and_the_address_is_printed(run, monkeypatch, tmp_path):
    told = []

    def serve(models, port, results, on_ready):
        told.append((models, port, results))
        on_ready("http://127.0.0.1:7/")

    monkeypatch.setattr("mien.demo.serve", serve)
    code, out, _ = run(
        "--port", 7, "--share", "never", "--model", "a", "--model", "b", "--results", tmp_path
    )
    assert code == 0
    assert told == [(["a", "b"], 7, tmp_path)]
    assert out == "The page is at http://127.0.0.1:7/ , for this computer only. Ctrl-C ends it.\n"


def test_all_models_that_ship_are_shown_by_default(run, monkeypatch):
    told = []
    monkeypatch.setattr("mien.demo.serve", lambda models, *_: told.append(models))
    monkeypatch.setattr("mien.modelfile.list_models", lambda: ["mien-m", "mien-s"])
    run()
    assert told == [["mien-m", "mien-s"]]


def test_sharing_is_refused(run):
    code, out, err = run("--share", "always")
    assert (code, out) == (2, "")
    assert "always" in err
    assert "never" in err


def test_a_taken_port_is_told_in_one_line(run):
    with socket.socket() as taken:
        taken.bind((server.HOST, 0))
        taken.listen()
        code, out, err = run("--port", taken.getsockname()[1])
    assert (code, out) == (2, "")
    assert err.startswith("mien: Port ")
    assert "Name another one: mien demo --port 7861" in err
    assert len(err.splitlines()) == 1


def test_its_help_shows_the_library_s_own_default():
    command = typer.main.get_command(cli.app).commands["demo"]
    defaults = {parameter.name: parameter.default for parameter in command.params}
    assert defaults["port"] == 7860
    assert defaults["results"] == server.Path("results")
